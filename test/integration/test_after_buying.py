#!/usr/bin/python3
"""Sales, groups and what a shop does after "buy": each call over HTTP and over gRPC, against a real
server; they tell the same."""
import json
import os
import re
import socket
import sys
import unittest
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from grpc_client import GrpcClient  # noqa: E402
from tally_server import PATIENCE_S, TallyServer, wait_until  # noqa: E402

# How a call is made over HTTP; the fields in braces go into the path, those of GET into the query.
HTTP = {
    "CreateLot": ("POST", "/v1/lots"), "GetLot": ("GET", "/v1/lots/{lot}"),
    "UpdateLot": ("PATCH", "/v1/lots/{lot}"), "Reserve": ("POST", "/v1/reservations"),
    "ReserveBatch": ("POST", "/v1/reservations/batch"),
    "ConfirmAll": ("POST", "/v1/reservations/confirm"),
    "GetReservation": ("GET", "/v1/orders/{order_id}"),
    "ListReservations": ("GET", "/v1/reservations"),
    "CreateSale": ("POST", "/v1/sales"), "ListSales": ("GET", "/v1/sales"),
    "GetSale": ("GET", "/v1/sales/{sale_id}"), "UpdateSale": ("PATCH", "/v1/sales/{sale_id}"),
    "CloseSale": ("POST", "/v1/sales/{sale_id}/close"),
    "OpenGroup": ("POST", "/v1/sales/{sale_id}/groups"),
    "GetGroup": ("GET", "/v1/groups/{group_id}"),
    "CompleteGroup": ("POST", "/v1/groups/{group_id}/complete"),
}
MOVES = {"Confirm": "confirm", "Refund": "refund", "Extend": "extend", "Ship": "ship",
         "ChangeReservation": "lines"}


class OverHttp:
    def connect(self, server):
        self.server = server

    def disconnect(self):
        pass

    def ask(self, name, fields):
        if name in MOVES:
            by = "orders/{order_id}/" if "order_id" in fields else "reservations/{reservation_id}/"
            method, path = "POST", "/v1/" + by + MOVES[name]
        else:
            method, path = HTTP[name]
        rest = dict(fields)
        for field in re.findall(r"\{(\w+)\}", path):
            path = path.replace("{%s}" % field, urllib.parse.quote(rest.pop(field), safe=""))
        if method == "GET" and rest:
            path += "?" + urllib.parse.urlencode(rest)
        return self.server.request(method, path, rest if method != "GET" else None)

    def call(self, name, **fields):
        status, _, answer = self.ask(name, fields)
        self.assertIn(status, (200, 201), answer)
        return answer

    def refused(self, name, **fields):
        """The code, and what the refusal says besides."""
        status, _, problem = self.ask(name, fields)
        self.assertGreaterEqual(status, 400, problem)
        return problem["code"], problem


def fields(data):
    """The fields of a protobuf message that are texts or messages: (number, bytes)."""
    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
    at = 0
    while at < len(data):
        tag, size = number(), number()
        if tag & 7 == 2:
            yield tag >> 3, data[at:at + size]
            at += size


def error_info(details):
    """google.rpc.Status: the reason and the metadata of its ErrorInfo."""
    for number, detail in fields(details):
        kind, value = b"", b""
        if number == 3:
            kind, value = (dict(fields(detail)).get(n, b"") for n in (1, 2))
        if kind.endswith(b"ErrorInfo"):
            metadata = [dict(fields(entry)) for n, entry in fields(value) if n == 3]
            return (dict(fields(value))[1].decode(),
                    {m[1].decode(): m.get(2, b"").decode() for m in metadata})
    raise AssertionError(details)


class OverGrpc:
    def connect(self, server):
        self.client = GrpcClient(server.address)

    def disconnect(self):
        self.client.close()

    def call(self, name, **fields):
        return self.client.call(name, fields)

    def refused(self, name, **fields):
        code, metadata = error_info(self.client.error(name, fields)[2])
        told = {}
        for key, value in metadata.items():
            try:
                told[key] = json.loads(value)
            except ValueError:
                told[key] = value
        return code, told


class Calls:
    """The tests, for both."""

    lots = 0

    @classmethod
    def setUpClass(cls):
        cls.server = TallyServer()
        cls.server.start()

    @classmethod
    def tearDownClass(cls):
        done = cls.server.cli("verify", cls.server.data)
        cls.server.close()
        assert done.returncode == 0, done.stdout + done.stderr

    def setUp(self):
        self.connect(self.server)
        self.addCleanup(self.disconnect)

    def lot(self, quantity=10, **more):
        Calls.lots += 1
        self.sku = f"SKU-{Calls.lots}"
        return self.call("CreateLot", sku=self.sku, flavor="lime", size="330ml_can",
                         batch="BATCH-20261101-A", quantity=quantity, **more)["lot"]

    def order(self, lot, quantity=1, user="ann", **more):
        Calls.lots += 1
        return self.call("Reserve", order_id=f"o-{Calls.lots}", user_id=user,
                         lines=[{"lot": lot, "quantity": quantity}], **more)

    def paid(self, lot, quantity=1):
        held = self.order(lot, quantity)
        self.call("Confirm", reservation_id=held["reservation_id"])
        return held

    def sale(self, lot, **more):
        Calls.lots += 1
        name = f"sale {Calls.lots}"
        self.call("CreateSale", sale_id=name, lots=[lot], ends_at="2090-01-01T00:00:00Z", **more)
        return name

    def stock(self, lot):
        shown = self.call("GetLot", lot=lot)
        return tuple(int(shown[n]) for n in ("on_hand", "reserved", "confirmed", "available"))

    def after(self, answer, name):
        return int(answer["lines"][0].get(name, 0))

    # ---- after "buy" ----

    def test_what_is_shipped_is_not_on_hand_any_more(self):
        lot = self.lot()
        order_id = self.paid(lot, 3)["order_id"]
        part = self.call("Ship", order_id=order_id, shipment_id="a",
                         lines=[{"lot": lot, "quantity": 1}])
        self.assertEqual(self.after(part, "shipped"), 1)
        self.assertEqual(self.stock(lot), (9, 0, 2, 7))
        again = self.call("Ship", order_id=order_id, shipment_id="a",
                          lines=[{"lot": lot, "quantity": 1}])
        self.assertTrue(again["replayed"])
        code, told = self.refused("Ship", order_id=order_id, shipment_id="a",
                                  lines=[{"lot": lot, "quantity": 2}])
        self.assertEqual((code, told["reservation_status"]), ("ORDER_MISMATCH", "CONFIRMED"))
        rest = self.call("Ship", order_id=order_id)
        self.assertEqual(self.after(rest, "shipped"), 3)
        self.assertEqual(self.stock(lot), (7, 0, 0, 7))
        shown = self.call("GetReservation", order_id=order_id)
        self.assertEqual([m["kind"] for m in shown["moves"]], ["RESERVE", "CONFIRM", "SHIP", "SHIP"])
        self.assertEqual(shown["moves"][2]["shipment_id"], "a")

    def test_units_come_back_in_part_and_may_not_be_sold_again(self):
        lot = self.lot()
        order_id = self.paid(lot, 3)["order_id"]
        self.call("Ship", order_id=order_id)
        back = self.call("Refund", order_id=order_id, return_id="r",
                         lines=[{"lot": lot, "quantity": 1}])
        self.assertEqual((back["status"], self.after(back, "returned")), ("CONFIRMED", 1))
        self.assertEqual(self.stock(lot), (8, 0, 0, 8))
        gone = self.call("Refund", order_id=order_id, restock=False)
        self.assertEqual((gone["status"], gone["reason"]), ("REFUNDED", "RETURNED"))
        self.assertEqual(self.stock(lot), (8, 0, 0, 8))

    def test_a_hold_is_changed_or_keeps_what_it_has(self):
        lot = self.lot()
        held = self.order(lot, 3)
        changed = self.call("ChangeReservation", reservation_id=held["reservation_id"],
                            change_id="c", lines=[{"lot": lot, "quantity": 10}])
        self.assertEqual(int(changed["lines"][0]["quantity"]), 10)
        code, told = self.refused("ChangeReservation", reservation_id=held["reservation_id"],
                                  lines=[{"lot": lot, "quantity": 11}])
        self.assertEqual(code, "SOLD_OUT")
        self.assertEqual(int(told["available"]), 10)
        self.assertEqual(self.stock(lot), (10, 10, 0, 0))

    def test_a_cancel_that_comes_first_keeps_the_order_out(self):
        lot = self.lot()
        fenced = self.call("Refund", order_id=f"late {lot}", fence=True)
        self.assertEqual((fenced["status"], fenced["reason"]), ("REFUNDED", "CANCELLED"))
        late = self.call("Reserve", order_id=f"late {lot}", user_id="ann",
                         lines=[{"lot": lot, "quantity": 1}])
        self.assertEqual((late["status"], late["replayed"]), ("REFUNDED", True))
        self.assertEqual(self.stock(lot), (10, 0, 0, 10))

    def test_a_late_payment_takes_the_units_again_if_they_are_free(self):
        lot = self.lot(1)
        held = self.order(lot, hold_ms=1)
        wait_until(lambda: self.stock(lot)[3] == 1, "the hold has ended")
        self.assertEqual(self.refused("Confirm", order_id=held["order_id"])[0],
                         "INVALID_TRANSITION")
        again = self.call("Confirm", order_id=held["order_id"], reclaim=True, payment_id="p")
        self.assertEqual(again["status"], "CONFIRMED")
        other = self.order(self.lot(1), hold_ms=1)
        wait_until(lambda: self.call("GetReservation", order_id=other["order_id"])["status"] ==
                   "REFUNDED")
        self.order(other["lines"][0]["lot"])
        code, told = self.refused("Confirm", order_id=other["order_id"], reclaim=True)
        self.assertEqual((code, int(told["available"])), ("SOLD_OUT", 0))

    def test_all_are_confirmed_or_none(self):
        lot = self.lot()
        ids = [self.order(lot)["reservation_id"] for _ in range(3)]
        self.call("Refund", reservation_id=ids[2])
        code, told = self.refused("ConfirmAll", reservation_ids=ids)
        self.assertEqual((code, told["field"]), ("INVALID_TRANSITION", "reservation_ids[2]"))
        self.assertEqual(self.stock(lot), (10, 2, 0, 8))
        self.assertFalse(self.call("ConfirmAll", reservation_ids=ids[:2])["replayed"])
        self.assertTrue(self.call("ConfirmAll", reservation_ids=ids[:2])["replayed"])
        self.assertEqual(self.stock(lot), (10, 0, 2, 8))

    def test_reservations_are_listed_by_what_is_asked(self):
        lot = self.lot()
        first, second = self.order(lot, user="eve"), self.order(lot, user="eve")
        self.call("Confirm", reservation_id=second["reservation_id"])
        self.order(lot, user="bob")

        def listed(**by):
            answer = self.call("ListReservations", lot=lot, **by)
            return [r["order_id"] for r in answer["reservations"]], answer["next_page_token"]
        wait_until(lambda: len(listed()[0]) == 3)
        self.assertEqual(listed(user_id="eve"),
                         ([second["order_id"], first["order_id"]], ""))
        self.assertEqual(listed(user_id="eve", status="PENDING")[0], [first["order_id"]])
        page, token = listed(page_size=2)
        self.assertEqual(len(page), 2)
        rest, token = listed(page_size=2, page_token=token)
        self.assertEqual((rest, token), ([first["order_id"]], ""))

    def test_a_lot_is_withdrawn_and_given_back(self):
        lot = self.lot()
        shown = self.call("UpdateLot", lot=lot, withdrawn=True, per_user_limit=2)
        self.assertEqual((shown["withdrawn"], int(shown["per_user_limit"])), (True, 2))
        self.assertEqual(self.refused("Reserve", user_id="ann",
                                      lines=[{"lot": lot, "quantity": 1}])[0], "SOLD_OUT")
        self.assertFalse(self.call("UpdateLot", lot=lot, withdrawn=False)["withdrawn"])
        held = self.order(lot, 2)
        code, told = self.refused("Reserve", user_id="ann", lines=[{"lot": lot, "quantity": 1}])
        self.assertEqual((code, int(told["limit"]), int(told["taken"]), told["orders"]),
                         ("LIMIT_EXCEEDED", 2, 2, [held["order_id"]]))

    def test_a_lot_sells_what_is_not_there_yet(self):
        lot = self.lot(1, backorder_limit=2, expected_on="2090-01-01")
        held = self.order(lot, 3)
        self.assertEqual((self.after(held, "backordered"), held["lines"][0]["expected_on"]),
                         (2, "2090-01-01"))
        self.assertEqual(self.refused("Reserve", user_id="bob",
                                      lines=[{"lot": lot, "quantity": 1}])[0], "SOLD_OUT")
        self.call("UpdateLot", lot=lot, backorder_limit=4)  # verify knows, at the end
        self.assertEqual(self.after(self.order(lot, 2), "backordered"), 2)
        self.call("UpdateLot", lot=lot, backorder_limit=0)

    # ---- sales ----

    def test_a_sale_has_its_time(self):
        lot = self.lot()
        sale = self.sale(lot, starts_at="2089-01-01T00:00:00Z")
        code, told = self.refused("Reserve", user_id="ann", sale_id=sale,
                                  lines=[{"lot": lot, "quantity": 1}])
        self.assertEqual(code, "SALE_NOT_OPEN")
        self.assertGreater(int(told["starts_in_ms"]), 10**9)
        empty = self.lot(0)  # that it is not on comes before that there is nothing
        later = self.sale(empty, starts_at="2089-01-01T00:00:00Z")
        nothing = [{"lot": empty, "quantity": 1}]
        self.assertEqual(self.refused("Reserve", user_id="ann", sale_id=later, lines=nothing)[0],
                         "SALE_NOT_OPEN")
        self.call("UpdateSale", sale_id=later, starts_at="2020-01-01T00:00:00Z")
        self.assertEqual(self.refused("Reserve", user_id="ann", sale_id=later, lines=nothing)[0],
                         "SOLD_OUT")
        self.call("CloseSale", sale_id=later)
        self.assertEqual(self.refused("Reserve", user_id="ann", sale_id=later, lines=nothing)[0],
                         "SALE_CLOSED")
        self.assertEqual(self.call("GetSale", sale_id=sale)["status"], "SCHEDULED")
        open_now = self.call("UpdateSale", sale_id=sale, starts_at="2020-01-01T00:00:00Z")
        self.assertEqual((open_now["status"], int(open_now["starts_in_ms"])), ("OPEN", 0))
        held = self.order(lot, sale_id=sale)
        self.assertEqual(held["sale_id"], sale)
        self.assertEqual(self.call("Confirm", order_id=held["order_id"])["sale_id"], sale)
        self.assertEqual(self.call("GetReservation", order_id=held["order_id"])["sale_id"], sale)
        closed = self.call("CloseSale", sale_id=sale, reason="enough")
        self.assertEqual((closed["status"], closed["replayed"]), ("CLOSED", False))
        self.assertTrue(self.call("CloseSale", sale_id=sale)["replayed"])
        self.assertEqual(self.refused("Reserve", user_id="ann", sale_id=sale,
                                      lines=[{"lot": lot, "quantity": 1}])[0], "SALE_CLOSED")
        self.assertIn(sale, [s["sale_id"] for s in self.call("ListSales")["sales"]])

    def test_a_sale_has_its_limits(self):
        lot = self.lot()
        sale = self.sale(lot, per_user_limit=2, per_order_limit=2, total_limit=3)
        held = self.order(lot, 2, sale_id=sale)
        lines = [{"lot": lot, "quantity": 1}]
        code, told = self.refused("Reserve", user_id="ann", sale_id=sale, lines=lines)
        self.assertEqual((code, int(told["limit"]), int(told["taken"]), told["orders"]),
                         ("LIMIT_EXCEEDED", 2, 2, [held["order_id"]]))
        three = [{"lot": lot, "quantity": 3}]
        self.assertEqual(self.refused("Reserve", user_id="bob", sale_id=sale, lines=three)[0],
                         "LIMIT_EXCEEDED")
        code, told = self.refused("Reserve", user_id="bob", sale_id=sale,
                                  lines=[{"lot": lot, "quantity": 2}])
        self.assertEqual((code, int(told["available"])), ("SOLD_OUT", 1))
        code, told = self.refused("Reserve", user_id="bob", sale_id=sale,
                                  lines=[{"lot": self.lot(), "quantity": 1}])
        self.assertEqual((code, told["field"]), ("INVALID_ARGUMENT", "lines[0]"))
        outcomes = self.call("ReserveBatch", orders=[
            {"user_id": "ann", "sale_id": sale, "lines": lines}])["outcomes"]
        self.assertEqual((outcomes[0]["code"], outcomes[0]["orders"]),
                         ("LIMIT_EXCEEDED", [held["order_id"]]))
        units = self.call("GetSale", sale_id=sale)["units"]
        self.assertEqual((int(units["pending"]), int(units["left"])), (2, 1))
        self.call("UpdateSale", sale_id=sale, total_limit=1)  # verify knows, at the end

    def test_what_is_there_already_is_not_made_again(self):
        lot = self.lot()
        sale = self.sale(lot)
        self.assertEqual(self.refused("CreateSale", sale_id=sale, lots=[lot],
                                      ends_at="2090-01-01T00:00:00Z")[0], "ALREADY_EXISTS")
        self.assertEqual(self.refused("GetSale", sale_id="none")[0], "NOT_FOUND")
        self.assertEqual(self.refused("CreateSale", skus=["NO-SUCH"],
                                      ends_at="2090-01-01T00:00:00Z")[0], "NOT_FOUND")

    # ---- groups ----

    def group_sale(self, window_ms=600000, size=2):
        lot = self.lot()
        return lot, self.sale(lot, group={"size": size, "window_ms": window_ms})

    def opened(self, lot, sale, user="ann"):
        Calls.lots += 1
        return self.call("OpenGroup", sale_id=sale, order={
            "order_id": f"o-{Calls.lots}", "user_id": user,
            "lines": [{"lot": lot, "quantity": 1}]})

    def test_a_group_succeeds_when_enough_have_paid(self):
        lot, sale = self.group_sale()
        group = self.opened(lot, sale)
        self.assertEqual((group["status"], int(group["places_left"])), ("OPEN", 1))
        self.assertEqual(group["reservation"]["group_id"], group["group_id"])
        code, told = self.refused("Reserve", user_id="ann", sale_id=sale,
                                  group_id=group["group_id"], lines=[{"lot": lot, "quantity": 1}])
        self.assertEqual(code, "LIMIT_EXCEEDED")
        bob = self.order(lot, user="bob", sale_id=sale, group_id=group["group_id"])
        self.assertEqual(self.refused("Reserve", user_id="cat", sale_id=sale,
                                      group_id=group["group_id"],
                                      lines=[{"lot": lot, "quantity": 1}])[0], "GROUP_FULL")
        self.call("Confirm", reservation_id=group["reservation"]["reservation_id"])
        self.call("Confirm", reservation_id=bob["reservation_id"])
        shown = self.call("GetGroup", group_id=group["group_id"])
        self.assertEqual((shown["status"], int(shown["paid"])), ("SUCCEEDED", 2))
        self.assertEqual(self.refused("Reserve", user_id="cat", sale_id=sale,
                                      group_id=group["group_id"],
                                      lines=[{"lot": lot, "quantity": 1}])[0], "GROUP_CLOSED")

    def test_a_fault_of_a_group_s_first_order_is_told_where_it_stands(self):
        lot, sale = self.group_sale()
        for broken, field in (({"user_id": ""}, "order.user_id"),
                              ({"lines": [{"lot": lot, "quantity": 0}]}, "order.lines[0].quantity")):
            code, told = self.refused("OpenGroup", sale_id=sale, order={
                "user_id": "ann", "lines": [{"lot": lot, "quantity": 1}], **broken})
            self.assertEqual((code, told["field"]), ("INVALID_ARGUMENT", field))

    def test_a_group_that_is_not_paid_in_time_gives_all_back(self):
        lot, sale = self.group_sale(window_ms=300)
        group = self.opened(lot, sale)
        self.call("Confirm", reservation_id=group["reservation"]["reservation_id"])
        wait_until(lambda: self.call("GetGroup", group_id=group["group_id"])["status"] == "FAILED")
        order = self.call("GetReservation", order_id=group["reservation"]["order_id"])
        self.assertEqual((order["status"], order["reason"]), ("REFUNDED", "GROUP_FAILED"))
        self.assertEqual(self.stock(lot), (10, 0, 0, 10))

    def test_a_shop_may_complete_a_group(self):
        lot, sale = self.group_sale()
        group = self.opened(lot, sale)
        self.call("Confirm", reservation_id=group["reservation"]["reservation_id"])
        done = self.call("CompleteGroup", group_id=group["group_id"], reason="one is enough")
        self.assertEqual((done["status"], done["replayed"]), ("SUCCEEDED", False))
        self.assertTrue(self.call("CompleteGroup", group_id=group["group_id"])["replayed"])
        other = self.call("OpenGroup", sale_id=group["sale_id"], user_id="ann")
        self.call("CompleteGroup", group_id=other["group_id"])  # without a word; verify knows


class Http(OverHttp, Calls, unittest.TestCase):
    def test_the_countdown_tells_the_opening(self):
        """Server-sent events: every second, and at once when the sale is changed."""
        sale = self.sale(self.lot(), starts_at="2089-01-01T00:00:00Z")
        with socket.create_connection((self.server.host, self.server.port), PATIENCE_S) as stream:
            stream.sendall(f"GET /v1/sales/{urllib.parse.quote(sale)}/watch HTTP/1.1\r\n"
                           "Host: tally\r\n\r\n".encode())
            text = b""
            while text.count(b'"status":"SCHEDULED"') < 2:
                text += stream.recv(65536)
            self.call("UpdateSale", sale_id=sale, starts_at="2020-01-01T00:00:00Z")
            while b'"status":"OPEN"' not in text:
                text += stream.recv(65536)
        self.assertIn(b"event: sale\ndata: {", text)


class Grpc(OverGrpc, Calls, unittest.TestCase):
    def test_the_countdown_is_a_stream(self):
        sale = self.sale(self.lot())
        told = self.client.stream("WatchSale", {"sale_id": sale})
        self.assertEqual([next(told).status for _ in range(2)], ["OPEN", "OPEN"])
        told.cancel()


if __name__ == "__main__":
    unittest.main(verbosity=2)
