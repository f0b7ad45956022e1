#!/usr/bin/python3
"""What is asked for again, over the wire: keys that are empty or quoted, moves with other content,
adjustments; and the words of a refusal, the same from Reserve and from ReserveBatch."""
import datetime
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from grpc_client import GrpcClient  # noqa: E402
from tally_server import TallyServer  # noqa: E402


class SameAgain(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = TallyServer()
        cls.server.start()
        cls.client = GrpcClient(cls.server.address)
        cls.letters = iter("ABCDEFGHIJKLMNOPQRSTUVWXYZ")

    @classmethod
    def tearDownClass(cls):
        cls.client.close()
        cls.server.close()

    def post(self, path, body, headers=None):
        status, answered, shown = self.server.request("POST", path, body, headers=headers or {})
        return status, answered, shown

    def lot(self, quantity=10, **more):
        status, _, lot = self.post("/v1/lots", {
            "sku": "COLA", "flavor": "lime", "size": "330ml_can",
            "batch": "BATCH-20261122-" + next(self.letters), "quantity": quantity, **more})
        self.assertEqual(status, 201, lot)
        return lot["lot"]

    def order(self, lot, quantity=1, **more):
        return {"user_id": "ann", "lines": [{"lot": lot, "quantity": quantity}], **more}

    def test_a_quoted_key_is_the_key(self):
        lot = self.lot()
        path = "/v1/reservations"
        _, _, first = self.post(path, self.order(lot), {"Idempotency-Key": '"k-1"'})
        self.assertEqual(first["order_id"], "k-1")
        status, _, again = self.post(path, self.order(lot), {"Idempotency-Key": "k-1"})
        self.assertEqual((status, again["reservation_id"]), (200, first["reservation_id"]))
        status, _, problem = self.post(path, self.order(lot), {"Idempotency-Key": ""})
        self.assertEqual((status, problem["field"]), (400, "Idempotency-Key"))
        status, _, problem = self.post(path, self.order(lot, order_id=""))
        self.assertEqual((status, problem["field"]), (400, "order_id"))

    def test_a_confirm_with_other_content_is_shown_what_is_stored(self):
        lot = self.lot()
        _, _, held = self.post("/v1/reservations", self.order(lot, 3, order_id="c-1"))
        path = f"/v1/reservations/{held['reservation_id']}"
        paid = {"payment_id": "p-1", "lines": [{"lot": lot, "quantity": 2}]}
        self.assertEqual(self.post(path + "/confirm", paid)[0], 200)
        for same in (paid, {"lines": paid["lines"]}):
            status, _, again = self.post(path + "/confirm", same)
            self.assertEqual((status, again["replayed"]), (200, True), same)
        for other in ({**paid, "payment_id": "p-2"}, {"lines": [{"lot": lot, "quantity": 1}]},
                      {"payment_id": "p-1"}):  # without lines all three would be confirmed
            status, _, problem = self.post(path + "/confirm", other)
            self.assertEqual((status, problem["code"]), (422, "ORDER_MISMATCH"), other)
            self.assertEqual(
                (problem["order_id"], problem["reservation_status"], problem["payment_id"]),
                ("c-1", "CONFIRMED", "p-1"))
            self.assertEqual(problem["lines"], [{"lot": lot, "quantity": 2}])
        status, _, details = self.client.error(
            "Confirm", {"reservation_id": held["reservation_id"], "payment_id": "p-2"})
        self.assertEqual(status, "INVALID_ARGUMENT")
        for said in (b"ORDER_MISMATCH", b"p-1", lot.encode(), b"CONFIRMED"):
            self.assertIn(said, details)
        status, _, problem = self.post(path + "/confirm", {"lines": []})
        self.assertEqual((status, problem["field"]), (400, "lines"))

    def test_an_order_with_other_content_is_shown_what_is_stored(self):
        lot = self.lot()
        _, _, held = self.post("/v1/reservations", self.order(lot, 3, order_id="m-1"))
        for state in ("PENDING", "REFUNDED"):  # from memory, and from the ledger
            for other, differs in ((self.order(lot, 4, order_id="m-1"), "other lines"),
                                   (self.order(lot, 3, order_id="m-1", user_id="bob"), "another user")):
                status, _, problem = self.post("/v1/reservations", other)
                self.assertEqual((status, problem["code"]), (422, "ORDER_MISMATCH"))
                self.assertEqual(
                    (problem["reservation_id"], problem["order_id"], problem["reservation_status"]),
                    (held["reservation_id"], "m-1", state))
                self.assertEqual(problem["lines"], [{"lot": lot, "quantity": 3}])
                self.assertIn(differs, problem["detail"])
                status, _, details = self.client.error("Reserve", other)
                self.assertEqual(status, "INVALID_ARGUMENT")
                for said in (held["reservation_id"], lot, state):
                    self.assertIn(said.encode(), details)
                _, _, batch = self.post("/v1/reservations/batch", {"orders": [other]})
                self.assertIn(differs, batch["outcomes"][0]["message"])
            self.post(f"/v1/reservations/{held['reservation_id']}/refund", {})

    def test_a_refund_for_another_reason_is_shown_what_is_stored(self):
        lot = self.lot()
        _, _, held = self.post("/v1/reservations", self.order(lot))
        path = f"/v1/reservations/{held['reservation_id']}/refund"
        self.assertEqual(self.post(path, {"reason": "GROUP_FAILED"})[0], 200)
        self.assertEqual(self.post(path, {})[2]["replayed"], True)
        status, _, problem = self.post(path, {"reason": "CANCELLED"})
        self.assertEqual((status, problem["code"], problem["reason"]),
                         (422, "ORDER_MISMATCH", "GROUP_FAILED"))

    def test_a_repeated_adjustment_says_so(self):
        path = f"/v1/lots/{self.lot().replace('#', '%23')}/adjust"
        for replayed in (False, True):
            status, answered, lot = self.post(path, {"delta": 5, "adjustment_id": "a-1"})
            self.assertEqual((status, lot["on_hand"], lot["replayed"]), (200, 15, replayed))
            self.assertEqual("idempotent-replayed" in {name.lower() for name in answered}, replayed)

    def test_refusals_have_one_wording(self):
        yesterday = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)
        few, none = self.lot(1), self.lot(0)
        gone = self.lot(4, expires_on=yesterday.strftime("%Y-%m-%d"))
        cases = [
            ([(few, 1), (few, 1)], rf"lines\[0\], lines\[1\]: 2 in all of {few} asked for, "
                                   r"1 available"),
            ([(few, 2), (none, 1)], rf"lines\[0\]: 2 of {few} asked for, 1 available; "
                                    rf"lines\[1\]: 1 of {none} asked for, 0 available"),
            ([(gone, 1)], rf"lines\[0\]: lot {gone} has expired"),
            ([(gone, 9)], rf"lines\[0\]: lot {gone} has expired"),
        ]
        for lines, words in cases:
            order = {"user_id": "ann",
                     "lines": [{"lot": lot, "quantity": quantity} for lot, quantity in lines]}
            status, _, problem = self.post("/v1/reservations", order)
            self.assertEqual((status, problem["code"]), (409, "SOLD_OUT"), problem)
            self.assertTrue(re.fullmatch(words, problem["detail"]), problem["detail"])
            _, _, batch = self.post("/v1/reservations/batch", {"orders": [order]})
            self.assertEqual(batch["outcomes"][0]["message"], problem["detail"])

    def test_a_limit_is_called_by_its_setting_and_retrying_does_not_help(self):
        with TallyServer("--hold-total-max-ms", "3600000", "--hold-max-ms", "3600000") as server:
            _, _, lot = server.request("POST", "/v1/lots", {
                "sku": "COLA", "flavor": "lime", "size": "330ml_can", "batch": "BATCH-20261122-A",
                "quantity": 1})
            _, _, held = server.request("POST", "/v1/reservations", self.order(lot["lot"]))
            path = f"/v1/reservations/{held['reservation_id']}/extend"
            status = 200
            while status == 200:  # within the millisecond that the hold began in
                status, answered, problem = server.request("POST", path, {"hold_ms": 3600000})
        self.assertEqual((status, problem["code"]), (429, "LIMIT_EXCEEDED"))
        self.assertIn("hold_total_max_ms", problem["detail"])
        self.assertNotIn("retry-after", {name.lower() for name in answered})


if __name__ == "__main__":
    unittest.main(verbosity=2)
