#!/usr/bin/python3
"""A start with a wrong clock makes nothing final: orders of the right time survive it (I4, I5)."""
import datetime
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tally_server import TallyServer  # noqa: E402

# A sanitizer's library must be the first that is loaded.
SANITIZER_RUNTIME = os.environ.get("TALLY_TEST_SANITIZER_RUNTIME", "")
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"
DAY_S = 86400


def wrapped(offset_s):
    """What a server with a wall clock that is so far off is started with."""
    preload = f"{SANITIZER_RUNTIME} {FAKETIME}".strip()
    return ["env", f"LD_PRELOAD={preload}", f"FAKETIME={offset_s:+d}",
            "FAKETIME_DONT_FAKE_MONOTONIC=1"] if offset_s else []


class Clock(unittest.TestCase):
    def setUp(self):
        self.assertTrue(os.path.exists(FAKETIME), "faketime is installed by ./dev setup")
        self.server = TallyServer()
        self.addCleanup(self.server.close)

    def restart(self, offset_s=0, *flags):
        """The text of /readyz."""
        self.server.stop()
        self.server.wrap = wrapped(offset_s)
        self.server.flags = list(flags)
        self.server.start()
        status, _, text = self.server.request("GET", "/readyz")
        self.assertEqual(status, 200)
        return text.decode() if isinstance(text, bytes) else str(text)

    def create_lot(self, days):
        expires_on = datetime.datetime.now(datetime.timezone.utc).date() + datetime.timedelta(days)
        status, _, lot = self.server.request("POST", "/v1/lots", {
            "sku": "COLA", "flavor": "lime", "size": "330ml_can", "batch": "BATCH-20261122-A",
            "expires_on": expires_on.isoformat(), "quantity": 100})
        self.assertEqual(status, 201, lot)
        return lot["lot"]

    def reserve(self, lot, order_id, status=201, **more):
        got, _, body = self.server.request("POST", "/v1/reservations", {
            "order_id": order_id, "user_id": "ann", "lines": [{"lot": lot, "quantity": 1}], **more})
        self.assertEqual(got, status, body)
        return body

    def post(self, path, body, status=200):
        got, _, answer = self.server.request("POST", path, body)
        self.assertEqual(got, status, answer)
        return answer

    def metric(self, name):
        text = self.server.request("GET", "/metrics")[2]
        text = text.decode() if isinstance(text, bytes) else text
        return [float(line.split()[1]) for line in text.splitlines() if line.startswith(name + " ")][0]

    def log_has(self, event):
        with open(self.server.log_path, encoding="utf-8") as log:
            return any(event in line for line in log)

    def test_eight_days_ahead_for_one_start(self):
        self.server.start()
        lot = self.create_lot(days=4)
        bought = self.reserve(lot, "bought")
        self.post(f"/v1/reservations/{bought['reservation_id']}/confirm", {"payment_id": "p"})
        held = self.reserve(lot, "held", hold_ms=3_600_000)

        text = self.restart(+8 * DAY_S)
        self.assertIn("wall clock", text)
        self.assertIn("--accept-clock", text)
        self.assertTrue(self.log_has("clock.doubted"))
        self.assertEqual(self.metric("tally_clock_doubted"), 1)
        self.assertAlmostEqual(self.metric("tally_clock_gap_seconds"), 8 * DAY_S, delta=600)
        self.assertEqual(self.reserve(lot, "bought", 200)["reservation_id"], bought["reservation_id"])
        self.reserve(lot, "under the wrong clock", hold_ms=3_600_000)

        self.assertNotIn("wall clock", self.restart())
        self.assertEqual(self.metric("tally_clock_doubted"), 0)
        self.assertEqual(self.reserve(lot, "bought", 200)["reservation_id"], bought["reservation_id"])
        self.assertEqual(self.reserve(lot, "held", 200)["status"], "PENDING")
        self.post(f"/v1/reservations/{held['reservation_id']}/confirm", {})
        self.post(f"/v1/reservations/{bought['reservation_id']}/refund", {})
        self.reserve(lot, "sold although the lot would be past its date in eight days")
        done = self.server.cli("verify", self.server.data)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_two_days_behind_for_one_start(self):
        self.server.start()
        lot = self.create_lot(days=4)
        first = self.reserve(lot, "first", hold_ms=3_600_000)
        text = self.restart(-2 * DAY_S)
        self.assertIn("wall clock", text)
        second = self.reserve(lot, "second", hold_ms=3_600_000)
        self.assertGreater(second["expires_at"], first["expires_at"])
        self.assertNotIn("wall clock", self.restart())
        self.assertEqual(self.reserve(lot, "second", 200)["status"], "PENDING")

    def test_an_accepted_clock_is_taken_and_can_be_set_right_again(self):
        self.server.start()
        lot = self.create_lot(days=1)
        bought = self.reserve(lot, "bought")
        self.post(f"/v1/reservations/{bought['reservation_id']}/confirm", {})

        self.assertNotIn("wall clock", self.restart(+4 * DAY_S, "--accept-clock"))
        self.assertTrue(self.log_has("clock.accepted"))
        self.reserve(lot, "too late, it is past its date", 409)
        other = self.create_other()
        self.reserve(other, "in four days", hold_ms=1000)

        self.assertIn("wall clock", self.restart())  # four days behind, now
        self.reserve(lot, "still past its date", 409)
        self.assertNotIn("wall clock", self.restart(0, "--accept-clock"))
        self.assertEqual(self.reserve(lot, "bought", 200)["reservation_id"], bought["reservation_id"])
        self.post(f"/v1/reservations/{bought['reservation_id']}/refund", {})
        self.reserve(lot, "today")
        self.assertNotIn("wall clock", self.restart())
        self.assertEqual(self.reserve(lot, "today", 200)["status"], "PENDING")
        done = self.server.cli("verify", self.server.data)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def create_other(self):
        status, _, lot = self.server.request("POST", "/v1/lots", {
            "sku": "TONIC", "flavor": "dry", "size": "330ml_can", "batch": "BATCH-20261122-B",
            "quantity": 100})
        self.assertEqual(status, 201, lot)
        return lot["lot"]


if __name__ == "__main__":
    unittest.main()
