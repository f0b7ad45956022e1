#!/usr/bin/python3
"""SIGKILL under load in a shop with sales, groups, limits, shipments, returns and changes.

At a random moment the server is killed, and started again on the same data. Then:

  - every acknowledged order is there, as it was acknowledged or as the one request that was not answered
    makes it (I3), and each shipment and return that was acknowledged stands in it once (I4);
  - no group is half final: who has paid in one that SUCCEEDED keeps what he has, and of one that FAILED
    every member has been refunded; what was told of a group stays so;
  - no user has more than a limit allows, and the server knows to the unit what he has;
  - lots and sales count what the orders add up to (I1, I2);
  - `tally verify` finds nothing.

TALLY_CRASH_KILLS says how often (50), TALLY_CRASH_SEED repeats a run's choices (not its timing).
"""
import os
import random
import sys
import time
import unittest
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from pipelined import Connection  # noqa: E402
from shop_clients import REFUSALS, Client, Sale, Shop  # noqa: E402
from tally_server import TallyServer, wait_until  # noqa: E402

KILLS = int(os.environ.get("TALLY_CRASH_KILLS", "50"))
SEED = int(os.environ.get("TALLY_CRASH_SEED", str(random.SystemRandom().randrange(2**32))))
# Small limits, so that order runs, snapshots and checkpoints are under way when the kill comes.
FLAGS = ("--hold-max-ms", "7200000", "--io-workers", "2", "--order-memory-max", "4096",
         "--snapshot-moves", "2000", "--wal-bytes-max", "1MiB")
CLIENTS = 4
UNITS = 1_000_000
SHARE = 500_000  # of a sale
HOUR_MS = 3_600_000

# By a move of a unit: what it does to on_hand. RETURN and DISCARD leave it alone.
ON_HAND = {"SHIP": -1, "RESTOCK": 1, "WRITE_OFF": -1}


class CrashOfAShop(unittest.TestCase):
    def test_nothing_that_was_told_is_lost_and_no_group_is_half_final(self):
        print(f"seed {SEED}, {KILLS} kills", flush=True)
        choices = random.Random(SEED)
        with TallyServer(*FLAGS) as server:
            shop = self.open_shop(server)
            for number in range(KILLS):
                clients = [Client(SEED, i, number, server.port, shop) for i in range(CLIENTS)]
                first = len(shop.orders)
                for client in clients:
                    client.start()
                self.wait_for_answers(clients, choices.choice([1, 100, 1000, 2000]))
                time.sleep(0.02 * choices.random())
                server.kill()
                for client in clients:
                    client.join()
                    self.assertEqual(client.errors, [])
                server.start()
                self.check(server, shop, shop.orders[first:], choices)
                if number % 10 == 0:
                    self.verify(server)
            self.verify(server)
            connection = Connection(server.port)
            self.read(connection, shop, shop.orders)
            connection.close()
            self.assertEqual(server.stop(), 0)
            self.verify(server)
        self.tell(shop)

    def tell(self, shop):
        """What the run has seen; it must have seen all of it to be worth something."""
        ends = [group.told for group in shop.groups.values()]
        seen = {**shop.told, **{name: ends.count(name) for name in sorted(set(ends))}}
        print(f"{len(shop.orders)} orders, {len(ends)} groups: {seen}")
        for what in ("SUCCEEDED", "FAILED", "reserve", "confirm", "ship", "return", "change",
                     "refund", "reserve LIMIT_EXCEEDED"):
            self.assertGreater(seen.get(what, 0), 0, what)

    # ---- the shop ----

    def open_shop(self, server):
        lots = []
        for number in range(2):
            status, _, lot = server.request("POST", "/v1/lots", {
                "sku": f"COLA-{number}", "flavor": "plain", "size": "330ml_can",
                "batch": "BATCH-20261122-A", "quantity": UNITS, "per_user_limit": 6})
            self.assertEqual(status, 201, lot)
            lots.append(lot["lot"])
        sales = [Sale("", lots[0], 6), Sale("plain", lots[0], 5), Sale("long", lots[1], 7, 3, HOUR_MS),
                 Sale("brief", lots[1], 9, 2, 60), Sale("short", lots[1], 8, 3, 400)]
        for sale in sales[1:]:
            body = {"sale_id": sale.sale_id, "lots": [sale.lot], "ends_at": "2090-01-01T00:00:00Z",
                    "per_user_limit": sale.limit, "total_limit": SHARE}
            if sale.size:
                body["group"] = {"size": sale.size, "window_ms": sale.window_ms}
            status, _, answer = server.request("POST", "/v1/sales", body)
            self.assertEqual(status, 201, answer)
        return Shop(sales)

    def wait_for_answers(self, clients, count):
        """Until the clients have had so many, or are through."""
        wait_until(lambda: sum(client.answers for client in clients) >= count or
                   not any(client.is_alive() for client in clients), "answers", pause=0.001)

    def verify(self, server):
        done = server.cli("verify", server.data)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    # ---- what must be true after a kill ----

    def check(self, server, shop, fresh, choices):
        connection = Connection(server.port)
        self.read(connection, shop, fresh)
        self.settle(connection, shop, [order for order in fresh if not order.state])
        self.see_groups_end(connection, shop)
        self.read(connection, shop, [order for group in self.unseen(shop)
                                     for order in group.members])
        for group in self.unseen(shop):
            self.check_group(connection, group)
        self.check_counts(server, shop)
        self.check_limits(connection, shop, choices)
        connection.close()

    def read(self, connection, shop, orders):
        """Each as it is there, held against what was told."""
        paths = [("GET", "/v1/orders/" + urllib.parse.quote(o.order_id), None) for o in orders]
        for order, (status, shown) in zip(orders, connection.ask_all(paths)):
            self.assertIn(status, (200, 404), shown)
            if status == 404:
                self.assertIsNone(order.state, f"{order.order_id} is lost: {vars(order)}")
                continue
            self.check_order(order, shown)
            order.learn(shown)
            order.sent = None
            order.moved_on_hand = sum(ON_HAND.get(move["kind"], 0) * move["quantity"]
                                      for move in shown["moves"])
            for move in shown["moves"]:
                name = move.get("shipment_id") or move.get("return_id")
                if name:
                    order.calls[name] = self.units_of(shown, name)
            shop.put_in_group(order, shown.get("group_id"))

    def units_of(self, shown, name):
        """What a call of this id moved."""
        return sum(move["quantity"] for move in shown["moves"]
                   if name in (move.get("shipment_id"), move.get("return_id")))

    def check_order(self, order, shown):
        """It is as it was told, or with the request done whose answer did not come."""
        line = shown["lines"][0]
        context = f"{vars(order)}\n{shown}"
        sent, units, _ = order.sent or ("", 0, None)
        states, counts = {order.state or "PENDING"}, {order.quantity}
        if sent == "confirm":
            states.add("CONFIRMED")
        if sent == "refund" or (sent == "return" and order.returned + units == order.quantity):
            states.add("REFUNDED")
        if sent == "change":
            counts.add(units)
        group = order.group or (order.joins or order.opens)
        if group and order.state != "REFUNDED" and shown.get("reason") == "GROUP_FAILED":
            states.add("REFUNDED")
        self.assertIn(shown["status"], states, context)
        self.assertIn(line["quantity"], counts, context)
        self.assertEqual(line["lot"], order.sale.lot, context)
        if order.reservation_id:
            self.assertEqual(shown["reservation_id"], order.reservation_id)
        self.assertIn(line.get("shipped", 0),
                      {order.shipped, order.shipped + (units if sent == "ship" else 0)}, context)
        for name, moved in order.calls.items():
            self.assertEqual(self.units_of(shown, name), moved, context)

    def settle(self, connection, shop, orders):
        """Orders of which nothing is there are asked for again: they are made now, or refused."""
        answers = connection.ask_all([order.request() for order in orders])
        for order, (status, body) in zip(orders, answers):
            if status >= 400:
                self.assertIn(body["code"], REFUSALS, body)
                shop.orders.remove(order)
                continue
            shown = body.get("reservation", body)
            order.learn(shown)
            order.sent = None
            shop.put_in_group(order, shown.get("group_id"))

    # ---- groups ----

    def unseen(self, shop):
        """Groups that are not known to be over, or whose end was not looked at yet."""
        return [group for group in shop.groups.values() if not getattr(group, "checked", False)]

    def see_groups_end(self, connection, shop):
        """Those with a short window: all that was held by one that fails comes free by itself."""
        def ask(groups):
            paths = [("GET", "/v1/groups/" + group.group_id, None) for group in groups]
            for group, (status, shown) in zip(groups, connection.ask_all(paths)):
                self.assertEqual(status, 200, shown)
                if group.told != "OPEN":
                    self.assertEqual(shown["status"], group.told, shown)
                group.told = shown["status"]
                group.shown = shown

        def all_over():
            going_on = [g for g in self.unseen(shop) if g.sale.is_short() and g.told == "OPEN"]
            ask(going_on)
            return not [g for g in going_on if g.told == "OPEN"]
        wait_until(all_over, "groups end")
        ask(self.unseen(shop))

    def check_group(self, connection, group):
        shown, size = group.shown, group.sale.size
        orders = [(o.order_id, o.state, o.reason) for o in self.with_reasons(connection, group)]
        context = f"{shown}\n{orders}"
        failed = [o for o in orders if o[2] == "GROUP_FAILED"]
        if shown["status"] == "OPEN":
            held = [o for o in orders if o[1] != "REFUNDED"]
            paid = [o for o in orders if o[1] == "CONFIRMED"]
            self.assertEqual((shown["paid"], shown["places_left"], failed),
                             (len(paid), size - len(held), []), context)
            self.assertLess(len(paid), size, context)
            return
        group.checked = True
        if shown["status"] == "FAILED":
            self.assertEqual([o for o in orders if o[1] != "REFUNDED"], [], context)
        else:
            self.assertEqual((shown["paid"], failed), (size, []), context)
            self.assertGreaterEqual(len([o for o in group.members if o.was_paid]), size, context)

    def with_reasons(self, connection, group):
        """Its members, with why they were refunded and whether they had paid."""
        paths = [("GET", "/v1/orders/" + urllib.parse.quote(o.order_id), None)
                 for o in group.members]
        for order, (_, shown) in zip(group.members, connection.ask_all(paths)):
            self.assertEqual(shown.get("group_id"), group.group_id)
            order.reason, order.was_paid = shown["reason"], bool(shown["confirmed_at"])
        return group.members

    # ---- sums and limits ----

    def check_counts(self, server, shop):
        for lot in {sale.lot for sale in shop.sales}:
            status, _, shown = server.request("GET", server.lot_path(lot))
            self.assertEqual(status, 200, shown)
            mine = [order for order in shop.orders if order.sale.lot == lot]
            reserved = sum(o.quantity for o in mine if o.state == "PENDING")
            confirmed = sum(o.in_house() for o in mine)
            on_hand = UNITS + sum(o.moved_on_hand for o in mine)
            self.assertEqual([shown[n] for n in ("on_hand", "reserved", "confirmed", "available")],
                             [on_hand, reserved, confirmed, on_hand - reserved - confirmed], lot)
        for sale in shop.sales[1:]:
            status, _, shown = server.request("GET", "/v1/sales/" + sale.sale_id)
            self.assertEqual(status, 200, shown)
            units = {state: sum(o.units() for o in shop.orders
                                if o.sale is sale and o.state == state)
                     for state in ("PENDING", "CONFIRMED")}
            self.assertEqual(shown["units"], {"pending": units["PENDING"],
                                              "confirmed": units["CONFIRMED"],
                                              "left": SHARE - sum(units.values())}, sale.sale_id)

    def check_limits(self, connection, shop, choices):
        taken = {}
        for order in shop.orders:
            who = (order.sale, order.user)
            taken[who] = taken.get(who, 0) + order.units()
        for (sale, user), units in taken.items():
            self.assertLessEqual(units, sale.limit, f"{user} in {sale.sale_id}")
        asked = choices.sample(sorted(taken, key=lambda who: (who[0].sale_id, who[1])),
                               min(len(taken), 64))
        too_much = []
        for sale, user in asked:
            body = {"user_id": user, "lines": [{"lot": sale.lot, "quantity": sale.limit + 1}]}
            too_much.append(("POST", "/v1/reservations",
                             {**body, "sale_id": sale.sale_id} if sale.sale_id else body))
        for who, (status, body) in zip(asked, connection.ask_all(too_much)):
            self.assertEqual((status, body["code"], body["limit"], body["taken"]),
                             (429, "LIMIT_EXCEEDED", who[0].limit, taken[who]),
                             f"{who[1]} in {who[0].sale_id}: {body}")


if __name__ == "__main__":
    unittest.main()
