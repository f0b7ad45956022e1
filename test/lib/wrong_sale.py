"""The sale of groups of an inventory server in memory (wrong_server.py), right or wrong in one way."""
import heapq
import itertools
import time
from datetime import datetime, timezone

SALE_FAULTS = {
    "group-half-final": "a group that fails gives back only what was not paid",
    "group-succeeds-short": "a group succeeds when all but one have paid",
    "group-never-fails": "a group stays open when its window is over",
    "group-fails-paid": "a group fails although all have paid",
    "group-fails-early": "a group's window is a quarter of what it should be",
    "group-refuses-last": "the last place of a group is said to be taken",
    "group-extra-place": "a group takes one member more than it has places",
    "group-shows-unpaid": "a group that has succeeded shows one less who paid",
    "ignores-user-limit": "a buyer may have as much as he likes",
    "ignores-share": "a sale sells more than it has",
    "opens-early": "a sale takes orders before it opens",
    "counts-sale-short": "a sale shows fewer units held than its orders hold",
    "countdown-runs-fast": "the countdown tells half of the time",
    "shuts-sale": "a sale shows units left and sells none once it had thirty orders",
}


class Refused(Exception):
    """Carries the code."""


def rfc3339(seconds):
    at = datetime.fromtimestamp(seconds, timezone.utc)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + "%03dZ" % (at.microsecond // 1000)


def unix(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class SaleSide:
    """Of a shop: one sale. Expects fault, lots, orders, _Reserve(), _show() and _give_back() of it."""

    def sale_init(self):
        self.sale = None
        self.groups = {}
        self.windows = []  # (when it is over, group)
        self.users = {}    # units of a user in the sale
        self.units = {"PENDING": 0, "CONFIRMED": 0}
        self.sale_orders = 0
        self.numbers = itertools.count(700)

    # ---- the sale ----

    def _CreateSale(self, m):
        self.sale = dict(m, starts=unix(m["starts_at"]), ends=unix(m["ends_at"]))
        return self._GetSale(m)

    def _UpdateSale(self, m):
        self.sale.update(starts=unix(m["starts_at"]), ends=unix(m["ends_at"]))
        return self._GetSale(m)

    def _sale_left(self):
        left = sum(max(0, lot["on_hand"] - lot["reserved"] - lot["confirmed"])
                   for lot in self.lots.values())
        share = self.sale["total_limit"] - sum(self.units.values())
        return min(left, share) if self.sale["total_limit"] else left

    def _starts_in_ms(self, now):
        in_ms = max(0, round((self.sale["starts"] - now) * 1000))
        # The opening itself is told right: what is asked before any order was sent.
        return in_ms // 2 if self.fault == "countdown-runs-fast" and self.asked else in_ms

    def _GetSale(self, m):
        if not self.sale or m["sale_id"] != self.sale["sale_id"]:
            raise Refused("NOT_FOUND")
        now, groups = time.time(), {"OPEN": 0, "SUCCEEDED": 0, "FAILED": 0}
        for group in self.groups.values():
            groups[group["status"]] += 1
        short = 2 if self.fault == "counts-sale-short" else 0
        return {"sale_id": self.sale["sale_id"], "title": "",
                "status": "OPEN" if now >= self.sale["starts"] else "SCHEDULED",
                "server_time": rfc3339(now),
                "starts_in_ms": self._starts_in_ms(now),
                "remaining_ms": max(0, round((self.sale["ends"] - now) * 1000)),
                "units": {"pending": self.units["PENDING"], "left": max(0, self._sale_left()),
                          "confirmed": max(0, self.units["CONFIRMED"] - short)},
                "groups": {"open": groups["OPEN"], "succeeded": groups["SUCCEEDED"],
                           "failed": groups["FAILED"]}}

    # ---- its orders ----

    def sale_admit(self, m, quantity):
        """The order's group or None; refuses what the sale does not take."""
        self._GetSale(m)
        if time.time() < self.sale["starts"] and self.fault != "opens-early":
            raise Refused("SALE_NOT_OPEN")
        limit = int(self.sale["per_user_limit"])
        if limit and self.users.get(m["user_id"], 0) + quantity > limit and \
                self.fault != "ignores-user-limit":
            raise Refused("LIMIT_EXCEEDED")
        group = None
        if m.get("group_id"):
            group = self.groups[m["group_id"]]
            if group["status"] != "OPEN":
                raise Refused("GROUP_CLOSED")
            places = group["size"] + {"group-refuses-last": -1,
                                      "group-extra-place": 1}.get(self.fault, 0)
            if len(group["members"]) >= places:
                raise Refused("GROUP_FULL")
        share = self.sale["total_limit"] - sum(self.units.values())
        if self.sale["total_limit"] and share < quantity and self.fault != "ignores-share":
            raise Refused("SOLD_OUT")
        if self.fault == "shuts-sale" and self.sale_orders >= 30:
            raise Refused("SOLD_OUT")
        return group

    def sale_took(self, reservation, m, group):
        self.sale_orders += 1
        reservation.update(sale_id=m["sale_id"], group=group, user=m["user_id"])
        self.units["PENDING"] += reservation["quantity"]
        self.users[m["user_id"]] = self.users.get(m["user_id"], 0) + reservation["quantity"]
        if group:
            group["members"].append(reservation)

    def sale_confirmed(self, reservation):
        """It was PENDING, and is CONFIRMED."""
        if not reservation.get("sale_id"):
            return
        self.units["PENDING"] -= reservation["quantity"]
        self.units["CONFIRMED"] += reservation["quantity"]
        group = reservation["group"]
        if not group or group["status"] != "OPEN" or self.fault == "group-fails-paid":
            return
        paid = sum(r["status"] == "CONFIRMED" for r in group["members"])
        if paid >= group["size"] - (self.fault == "group-succeeds-short"):
            group.update(status="SUCCEEDED", paid=paid)

    def sale_gave_back(self, reservation, status):
        """It had that status, and is REFUNDED."""
        if not reservation.get("sale_id"):
            return
        self.units[status] -= reservation["quantity"]
        self.users[reservation["user"]] -= reservation["quantity"]
        group = reservation["group"]
        if group and group["status"] == "OPEN":
            group["members"].remove(reservation)

    # ---- groups ----

    def _OpenGroup(self, m):
        known = self.orders.get(m["order"]["order_id"])
        if known:
            group = known["group"]
            return dict(self._group_view(group), replayed=True,
                        reservation=dict(self._show(known), replayed=True))
        number = str(next(self.numbers))
        terms = self.sale["group"]
        window_s = int(terms["window_ms"]) / 1000
        if self.fault == "group-fails-early":
            window_s /= 4
        group = {"id": number, "size": int(terms["size"]), "status": "OPEN", "members": [],
                 "paid": 0, "ends": time.time() + window_s}
        self.groups[number] = group
        try:
            reservation = self._Reserve(
                dict(m["order"], sale_id=m["sale_id"], group_id=number))
        except Refused:
            del self.groups[number]
            raise
        heapq.heappush(self.windows, (group["ends"], number))
        return dict(self._group_view(group), replayed=False, reservation=reservation)

    def _GetGroup(self, m):
        if m["group_id"] not in self.groups:
            raise Refused("NOT_FOUND")
        return self._group_view(self.groups[m["group_id"]])

    def _group_view(self, group):
        open_ = group["status"] == "OPEN"
        paid = sum(r["status"] == "CONFIRMED" for r in group["members"]) if open_ else group["paid"]
        if group["status"] == "SUCCEEDED":
            paid -= self.fault == "group-shows-unpaid"
        return {"group_id": group["id"], "sale_id": self.sale["sale_id"], "status": group["status"],
                "size": group["size"], "paid": paid, "ends_at": rfc3339(group["ends"]),
                "places_left": max(0, group["size"] - len(group["members"])) if open_ else 0,
                "remaining_ms": max(0, round((group["ends"] - time.time()) * 1000)),
                "server_time": rfc3339(time.time())}

    def sale_expire(self):
        """Groups whose windows are over."""
        while self.windows and self.windows[0][0] <= time.time():
            group = self.groups[heapq.heappop(self.windows)[1]]
            if group["status"] != "OPEN" or self.fault == "group-never-fails":
                continue
            paid = [r for r in group["members"] if r["status"] == "CONFIRMED"]
            group.update(status="FAILED", paid=len(paid))
            for reservation in list(group["members"]):
                if reservation["status"] == "CONFIRMED" and self.fault == "group-half-final":
                    continue
                self._give_back(reservation, "GROUP_FAILED")
