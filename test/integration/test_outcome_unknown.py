#!/usr/bin/python3
"""Unknown is not failed (I6), over the wire: commits that take too long, and syncs that fail. The
caller hears OUTCOME_UNKNOWN, and by its order_id learns the one outcome."""
import os
import sys
import threading
import unittest

import grpc

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from grpc_client import GrpcClient  # noqa: E402
from tally_server import TallyServer, wait_until  # noqa: E402

LIBRARY = os.environ.get("SYNC_FAULT_LIB", "")


class OutcomeUnknown(unittest.TestCase):
    def setUp(self):
        self.server = TallyServer("--reply-timeout-ms", "3000")
        self.fault = self.server.data + ".fault"
        self.addCleanup(self.heals)
        # A sanitizer wants to be the first library; this one it may follow.
        self.server.env = {"LD_PRELOAD": LIBRARY, "SYNC_FAULT": self.fault,
                           "ASAN_OPTIONS": "verify_asan_link_order=0"}
        self.addCleanup(self.server.close)
        self.server.start()
        status, _, lot = self.server.request("POST", "/v1/lots", {
            "sku": "COLA", "flavor": "lime", "size": "330ml_can",
            "batch": "BATCH-20261122-A", "quantity": 100})
        assert status == 201, lot
        self.lot = lot["lot"]

    def breaks(self, how):
        with open(self.fault + ".new", "w", encoding="ascii") as out:
            out.write(how)
        os.rename(self.fault + ".new", self.fault)

    def heals(self):
        if os.path.exists(self.fault):
            os.unlink(self.fault)

    def order(self, order_id):
        return {"order_id": order_id, "user_id": "u", "lines": [{"lot": self.lot, "quantity": 1}]}

    def reserve(self, order_id, **headers):
        return self.server.request("POST", "/v1/reservations", self.order(order_id), headers)

    def settled(self, order_id):
        """The order as soon as the server can tell: (status, body)."""
        def known():
            status, _, body = self.server.request("GET", "/v1/orders/" + order_id)
            return (status, body) if status in (200, 404) else None
        return wait_until(known, self.server.log_tail)

    def ready(self):
        wait_until(lambda: self.server.request("GET", "/readyz")[0] == 200, self.server.log_tail)

    def reserved(self):
        return self.server.request("GET", self.server.lot_path(self.lot))[2]["reserved"]

    def verified(self):
        done = self.server.cli("verify", self.server.data)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_a_commit_that_takes_longer_than_the_caller_waits_is_unknown_and_then_known(self):
        self.breaks("hold")
        status, _, body = self.reserve("slow", **{"X-Request-Timeout-Ms": "300"})
        self.assertEqual((status, body["code"]), (504, "OUTCOME_UNKNOWN"), body)
        self.heals()  # the answer came before the commit
        status, body = self.settled("slow")
        self.assertEqual((status, body["status"]), (200, "PENDING"), body)
        status, headers, again = self.reserve("slow")
        self.assertEqual((status, headers.get("idempotent-replayed")), (200, "true"))
        self.assertEqual(again["reservation_id"], body["reservation_id"])
        self.assertEqual(self.reserved(), 1)
        self.verified()

    def test_a_retry_during_the_commit_waits_for_the_same_outcome(self):
        self.breaks("hold")
        self.assertEqual(self.reserve("twice", **{"X-Request-Timeout-Ms": "300"})[0], 504)
        threading.Timer(0.3, self.heals).start()
        status, _, body = self.reserve("twice", **{"X-Request-Timeout-Ms": "60000"})
        self.assertEqual((status, body["replayed"]), (200, True), body)
        self.assertEqual(self.reserved(), 1)
        self.verified()

    def test_grpc_says_deadline_exceeded_with_its_own_code(self):
        client = GrpcClient(self.server.address)
        self.addCleanup(client.close)
        self.breaks("hold")
        with self.assertRaises(grpc.RpcError) as failed:
            client.call("Reserve", self.order("slow"), timeout=None)
        self.assertEqual(failed.exception.code(), grpc.StatusCode.DEADLINE_EXCEEDED)
        details = dict(failed.exception.trailing_metadata())["grpc-status-details-bin"]
        self.assertIn(b"OUTCOME_UNKNOWN", details)
        self.heals()
        self.assertEqual(self.settled("slow")[0], 200)

    def test_a_failed_sync_is_unknown_until_the_disk_answers(self):
        self.assertEqual(self.reserve("before")[0], 201)
        self.breaks("fail")
        status, _, body = self.reserve("doubt")
        self.assertEqual((status, body["code"]), (504, "OUTCOME_UNKNOWN"), body)
        status, _, body = self.reserve("while-down")
        self.assertIn(body["code"], ("UNAVAILABLE", "OVERLOADED", "OUTCOME_UNKNOWN"), body)
        wait_until(lambda: self.server.request("GET", "/readyz")[0] == 503, "it says so itself")
        self.heals()
        self.ready()
        status, body = self.settled("doubt")
        held = 2 if status == 200 else 1
        retry, _, again = self.reserve("doubt")
        self.assertEqual(retry, 200 if status == 200 else 201, again)
        if status == 200:
            self.assertEqual(again["reservation_id"], body["reservation_id"])
        held += status == 404
        held += self.settled("while-down")[0] == 200
        self.assertEqual(self.reserved(), held)
        self.verified()
        self.server.kill()
        self.server.start()
        self.assertEqual(self.reserved(), held)
        self.assertEqual(self.reserve("doubt")[2]["reservation_id"], again["reservation_id"])
        self.verified()

    def test_a_server_killed_in_doubt_answers_one_way_ever_after(self):
        self.breaks("fail")
        self.assertEqual(self.reserve("doubt")[0], 504)
        self.server.kill()
        self.heals()
        self.server.start()
        status, body = self.settled("doubt")
        _, _, again = self.reserve("doubt")
        if status == 200:
            self.assertEqual(again["reservation_id"], body["reservation_id"])
        self.assertEqual(self.reserved(), 1)
        self.verified()


if __name__ == "__main__":
    if not os.path.exists(LIBRARY):
        sys.exit("SYNC_FAULT_LIB names the library that ctest builds from sync_fault.c")
    unittest.main()
