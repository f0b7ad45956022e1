"""Clients of a shop that is killed: they buy in sales and in groups, pay, change, ship and return, and
keep a journal of what they asked for and what they were told.

An order belongs to one client and has one request under way at a time, so what the server may
truthfully show of it after a kill is what was told last, or that with the one request done; besides,
a group may have failed meanwhile.
"""
import random

from pipelined import Worker

HOLD_MS = 3_600_000

# What an order may be refused for here.
REFUSALS = {"LIMIT_EXCEEDED", "SOLD_OUT", "GROUP_FULL", "GROUP_CLOSED"}
# Said by the server itself: not done, or unknown.
UNSURE = (503, 504)


class Sale:
    """Where something is bought: a sale, or a lot outside sales."""

    def __init__(self, sale_id, lot, limit, size=0, window_ms=0):
        self.sale_id = sale_id
        self.lot = lot
        self.limit = limit          # units of a user
        self.size = size            # of groups; 0: none
        self.window_ms = window_ms

    def is_short(self):
        """Its groups end while the test waits."""
        return 0 < self.window_ms < 10_000


class Group:
    """A group that somebody was told of."""

    def __init__(self, group_id, sale):
        self.group_id = group_id
        self.sale = sale
        self.told = "OPEN"
        self.members = []


class Order:
    """What a client knows of one order."""

    def __init__(self, order_id, user, sale, quantity):
        self.order_id = order_id
        self.user = user
        self.sale = sale
        self.quantity = quantity
        self.joins = None            # the group that it asks to join
        self.opens = False           # a group
        self.group = None            # that it is in
        self.reservation_id = None   # acknowledged
        self.state = None            # newest acknowledged
        self.shipped = 0
        self.returned = 0
        self.calls = {}              # shipment_id or return_id: units, acknowledged
        self.moved_on_hand = 0       # by its units that left or came back
        self.sent = None             # (what, units, id) that was not answered yet

    def body(self):
        """Of its Reserve."""
        body = {"order_id": self.order_id, "user_id": self.user, "hold_ms": HOLD_MS,
                "lines": [{"lot": self.sale.lot, "quantity": self.asked}]}
        if self.sale.sale_id and not self.opens:
            body["sale_id"] = self.sale.sale_id
        if self.joins:
            body["group_id"] = self.joins.group_id
        return body

    def request(self):
        """That makes it, or asks for it once more."""
        if self.opens:
            return "POST", f"/v1/sales/{self.sale.sale_id}/groups", {"order": self.body()}
        return "POST", "/v1/reservations", self.body()

    @property
    def asked(self):
        """Units that it was made with; a change leaves its content alone."""
        return int(self.order_id.rpartition("x")[2])

    def units(self):
        """That count towards limits."""
        return self.quantity - self.returned if self.state in ("PENDING", "CONFIRMED") else 0

    def in_house(self):
        """CONFIRMED units that have neither left nor come back."""
        if self.state != "CONFIRMED":
            return 0
        return max(0, self.quantity - self.shipped - self.returned)

    def learn(self, shown):
        """From a reservation as the server shows it."""
        line = shown["lines"][0]
        self.reservation_id = shown["reservation_id"]
        self.state = shown["status"]
        self.quantity = line["quantity"]
        self.shipped = line.get("shipped", 0)
        self.returned = line.get("returned", 0)


class Shop:
    """The sales, and what all clients know together."""

    def __init__(self, sales):
        self.sales = sales
        self.orders = []
        self.groups = {}       # by id
        self.told = {}         # how often something was acknowledged or refused

    def count(self, what):
        self.told[what] = self.told.get(what, 0) + 1

    def group(self, group_id, sale):
        if group_id not in self.groups:
            self.groups[group_id] = Group(group_id, sale)
        return self.groups[group_id]

    def put_in_group(self, order, group_id):
        if group_id and not order.group:
            order.group = self.group(group_id, order.sale)
            order.group.members.append(order)


class Client(Worker):
    """Works through orders until the server is gone."""

    def __init__(self, seed, number, round_number, port, shop):
        super().__init__(port)
        self.random = random.Random(f"{seed}-{round_number}-{number}")
        self.prefix = f"{round_number}-{number}"
        # Users live for some rounds, so that limits are reached, and reached over a restart.
        self.users = [f"u-{number}-{round_number // 4}-{i}" for i in range(12)]
        self.shop = shop
        self.mine = []
        self.count = 0

    # ---- what it asks ----

    def new_order(self):
        sale = self.random.choice(self.shop.sales)
        quantity = self.random.randint(1, 3)
        self.count += 1
        order = Order(f"o-{self.prefix}-{self.count}x{quantity}", self.random.choice(self.users),
                      sale, quantity)
        if sale.size:
            open_ones = [g for g in list(self.shop.groups.values())[-12:]
                         if g.sale is sale and g.told == "OPEN"]
            if open_ones and self.random.random() < 0.75:
                order.joins = self.random.choice(open_ones)
            else:
                order.opens = True
        order.sent = ("reserve", quantity, None)
        self.mine.append(order)
        self.shop.orders.append(order)
        return order, order.request()

    def call(self, order, what, path, body, units=0, name=None):
        order.sent = (what, units, name)
        return order, ("POST", f"/v1/reservations/{order.reservation_id}/{path}", body)

    def lines(self, order, units):
        return [{"lot": order.sale.lot, "quantity": units}]

    def next_request(self, busy):
        choice = self.random.random()
        order = self.random.choice(self.mine[-60:]) if self.mine and choice > 0.4 else None
        if not order or order.sent or not order.state or order in busy:
            return self.new_order()
        if choice < 0.45 and order.group:
            order.sent = ("look", 0, None)
            return order, ("GET", "/v1/groups/" + order.group.group_id, None)
        if order.state == "PENDING":
            return self.next_of_pending(order, choice)
        if order.state == "CONFIRMED" and choice < 0.9:
            return self.next_of_confirmed(order)
        order.sent = ("retry", 0, None)
        return order, order.request()

    def next_of_pending(self, order, choice):
        if choice < 0.55:
            units = self.random.randint(1, 4)
            return self.call(order, "change", "lines", {"lines": self.lines(order, units)}, units)
        if choice < 0.58:
            return self.call(order, "refund", "refund", {})
        return self.call(order, "confirm", "confirm", {"payment_id": "p-" + order.order_id})

    def next_of_confirmed(self, order):
        name = f"{self.count}-{len(order.calls)}"
        left = order.quantity - order.returned
        choice = self.random.random()
        if choice < 0.5 and order.in_house():
            units = self.random.randint(1, order.in_house())
            return self.call(order, "ship", "ship", {"lines": self.lines(order, units),
                                                     "shipment_id": name}, units, name)
        if choice < 0.8:
            units = self.random.randint(1, left)
            return self.call(order, "return", "refund", {
                "lines": self.lines(order, units), "return_id": name,
                "restock": self.random.random() < 0.7}, units, name)
        if choice < 0.85:
            return self.call(order, "refund", "refund", {})
        order.sent = ("retry", 0, None)
        return order, order.request()

    # ---- what it hears ----

    def judge(self, order, status, body):
        what, units, name = order.sent
        if status in UNSURE:
            return
        if status >= 400:
            self.judge_refusal(order, what, body)
            return
        order.sent = None
        if what == "look":
            if body["status"] != "OPEN" and order.group.told not in ("OPEN", body["status"]):
                self.errors.append(f"group {body['group_id']}: {order.group.told}, then {body}")
            if body["status"] != "OPEN":
                order.group.told = body["status"]
            return
        shown = body.get("reservation", body)
        if order.reservation_id not in (None, shown["reservation_id"]):
            self.errors.append(f"{order.order_id}: two reservations, {order.reservation_id} and "
                               f"{shown['reservation_id']}")
        order.learn(shown)
        if name and not body["replayed"]:
            order.calls[name] = units
        self.shop.put_in_group(order, shown.get("group_id"))
        self.shop.count(what)

    def judge_refusal(self, order, what, body):
        code = body["code"]
        self.shop.count(f"{what} {code}")
        # A group that fails takes its members with it, and what is not final is not shipped.
        of_group = order.group and (code == "INVALID_TRANSITION" or
                                    (what == "return" and code == "ORDER_MISMATCH"))
        if what == "reserve" and code in REFUSALS:
            self.mine.remove(order)
            self.shop.orders.remove(order)
        elif not (of_group or (what == "change" and code == "LIMIT_EXCEEDED")):
            self.errors.append(f"{order.order_id} {order.sent} {order.state}: {body}")
        order.sent = None
