#!/usr/bin/python3
"""Google's gRPC library against the server."""
import os
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from grpc_client import GrpcClient  # noqa: E402
from tally_server import TallyServer  # noqa: E402

LOT = {"sku": "COLA", "flavor": "lime", "size": "0.33 L can", "batch": "BATCH-20261122-A"}


class Grpc(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = TallyServer()
        cls.server.start()
        cls.client = GrpcClient(cls.server.address)

    @classmethod
    def tearDownClass(cls):
        cls.client.close()
        cls.server.close()

    def lot(self, batch, quantity=10, **more):
        return self.client.call("CreateLot", {**LOT, "batch": f"BATCH-20261122-{batch}",
                                              "quantity": quantity, **more})

    def test_an_order_lives_from_reserve_to_refund(self):
        lot = self.lot("A")
        self.assertEqual(lot["size"], "330ml_can")
        held = self.client.call("Reserve", {
            "order_id": "life", "user_id": "ann", "lines": [{"lot": lot["lot"], "quantity": 4}]})
        self.assertEqual((held["status"], held["order_id"]), ("PENDING", "life"))
        paid = self.client.call("Confirm", {
            "reservation_id": held["reservation_id"], "payment_id": "p1",
            "lines": [{"lot": lot["lot"], "quantity": 3}]})
        self.assertEqual(paid["status"], "CONFIRMED")
        self.assertEqual(paid["lines"], [{"lot": lot["lot"], "quantity": "3"}])
        now = self.client.call("GetLot", {"lot": lot["lot"]})
        self.assertEqual((now["reserved"], now["confirmed"], now["available"]), ("0", "3", "7"))
        back = self.client.call("Refund", {"reservation_id": held["reservation_id"]})
        self.assertEqual((back["status"], back["reason"]), ("REFUNDED", "RETURNED"))
        shown = self.client.call("GetReservation", {"order_id": "life"})
        self.assertEqual([move["kind"] for move in shown["moves"]],
                         ["RESERVE", "CONFIRM", "RELEASE", "RETURN"])
        self.assertEqual(self.client.call("GetLot", {"lot": lot["lot"]})["available"], "10")

    def test_the_retry_of_the_order_that_took_the_last_unit_is_that_order(self):
        lot = self.lot("B", 1)
        order = {"order_id": "last", "user_id": "ann", "lines": [{"lot": lot["lot"],
                                                                   "quantity": 1}]}
        first = self.client.call("Reserve", order)
        again = self.client.call("Reserve", order)
        self.assertEqual(again["reservation_id"], first["reservation_id"])
        self.assertTrue(again["replayed"])
        status, text, details = self.client.error("Reserve", {**order, "order_id": "late"})
        self.assertEqual(status, "FAILED_PRECONDITION")
        self.assertIn("0", text)
        self.assertIn(b"SOLD_OUT", details)

    def test_errors_carry_their_code_and_the_field(self):
        for name, fields, status, reason in (
                ("GetLot", {"lot": "COLA#00000000"}, "NOT_FOUND", b"NOT_FOUND"),
                ("Reserve", {"user_id": "u"}, "INVALID_ARGUMENT", b"lines"),
                ("Reserve", {"user_id": "u", "lines": [{"sku": "COLA", "quantity": 0}]},
                 "INVALID_ARGUMENT", b"lines[0].quantity"),
                ("Confirm", {"reservation_id": "123"}, "NOT_FOUND", b"NOT_FOUND")):
            with self.subTest(name=name, fields=fields):
                got, _, details = self.client.error(name, fields)
                self.assertEqual(got, status)
                self.assertIn(reason, details)

    def test_a_hundred_threads_never_oversell(self):
        lot = self.lot("C", 500)["lot"]
        taken, lock = [], threading.Lock()

        def buyer():
            for _ in range(10):
                try:
                    reply = self.client.call("Reserve", {
                        "user_id": "u", "lines": [{"lot": lot, "quantity": 1}]})
                except Exception as failure:  # sold out
                    self.assertIn("FAILED_PRECONDITION", str(failure))
                    continue
                with lock:
                    taken.append(reply["reservation_id"])

        threads = [threading.Thread(target=buyer) for _ in range(100)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(taken), 500)
        self.assertEqual(len(set(taken)), 500)
        self.assertEqual(self.client.call("GetLot", {"lot": lot})["available"], "0")

    def test_a_batch_has_an_outcome_for_each_order(self):
        lot = self.lot("D", 2)["lot"]
        orders = [{"order_id": f"b{i}", "user_id": "u", "lines": [{"lot": lot, "quantity": 1}]}
                  for i in range(3)]
        orders.append({"order_id": "b0", "user_id": "u", "lines": [{"lot": lot, "quantity": 1}]})
        orders.append({"order_id": "b9", "user_id": "u", "lines": [{"lot": lot, "quantity": -1}]})
        outcomes = self.client.call("ReserveBatch", {"orders": orders})["outcomes"]
        self.assertEqual([o["code"] for o in outcomes],
                         ["OK", "OK", "SOLD_OUT", "OK", "INVALID_ARGUMENT"])
        self.assertTrue(outcomes[3]["reservation"]["replayed"])

    def test_watch_streams_the_newest_state(self):
        lot = self.lot("E", 5)["lot"]
        stream = self.client.stream("Watch", {})
        first = next(stream)
        self.assertIn(lot, [seen.lot for seen in first.lots])
        self.client.call("AdjustStock", {"lot": lot, "delta": 2, "reason": "delivery"})
        for message in stream:
            newest = {seen.lot: seen.on_hand for seen in message.lots}
            if newest.get(lot) == 7:
                break
        stream.cancel()


if __name__ == "__main__":
    unittest.main()
