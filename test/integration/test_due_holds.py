#!/usr/bin/python3
"""Very many holds that fall due together while the server is down: however long the ledger takes to
write them down, nobody sees one of them as PENDING any more, and their units are sellable at once."""
import os
import sqlite3
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tally_server import TallyServer, wait_for_time, wait_until  # noqa: E402

BATCH = 8000
BATCHES = 12
HOLDS = BATCH * BATCHES


class DueHolds(unittest.TestCase):
    def create_lot(self, server, letter):
        status, _, lot = server.request("POST", "/v1/lots", {
            "sku": "COLA-" + letter, "flavor": "lime", "size": "330ml_can",
            "batch": "BATCH-20261122-A", "quantity": HOLDS})
        self.assertEqual(status, 201, lot)
        return lot["lot"]

    def reserve_batch(self, server, lot, name, hold_ms):
        """A batch of orders of one unit each; when the last of the holds ends."""
        status, _, body = server.request("POST", "/v1/reservations/batch", {"orders": [
            {"order_id": f"{name}-{i}", "user_id": "u", "hold_ms": hold_ms,
             "lines": [{"lot": lot, "quantity": 1}]} for i in range(BATCH)]})
        self.assertEqual(status, 200, body)
        self.assertEqual({o["code"] for o in body["outcomes"]}, {"OK"})
        return max(o["reservation"]["expires_at"] for o in body["outcomes"])

    def reserve_all(self, server):
        """A lot of which each order has a unit, all until the same time, which is still to come:
        (lot, first letter of the orders, the time)."""
        wait_s = 2
        for letter in "ABCDEFG":
            lot = self.create_lot(server, letter)
            due = time.time() + wait_s
            ends = [self.reserve_batch(server, lot, f"{letter}{number}",
                                       max(1, round((due - time.time()) * 1000)))
                    for number in range(BATCHES)]
            if time.time() < due:
                return lot, letter, max(ends)
            wait_s *= 2  # the machine is busy
        return self.fail("the holds end faster than they are made")

    def rows(self, server):
        """Holds of which the ledger says that they were given back."""
        with sqlite3.connect(f"file:{server.data}/ledger.db?mode=ro", uri=True) as db:
            return db.execute("SELECT count(*) FROM move WHERE kind = 6").fetchone()[0]

    def test_what_fell_due_while_the_server_was_down_is_free_though_its_rows_come_one_by_one(self):
        with TallyServer() as server:
            lot, letter, last = self.reserve_all(server)
            server.kill()
            written = self.rows(server)
            wait_for_time(last)
            server.flags = ["--batch-moves-max", "1"]
            server.start()
            shown = server.request("GET", server.lot_path(lot))[2]
            self.assertEqual((shown["reserved"], shown["available"]), (0, HOLDS))
            listed = server.request("GET", "/v1/lots?sku=COLA-" + letter)[2]["lots"][0]
            self.assertEqual((listed["reserved"], listed["available"]), (0, HOLDS))
            for name in ("0-0", f"{BATCHES // 2}-7", f"{BATCHES - 1}-{BATCH - 1}"):
                status, _, one = server.request("GET", "/v1/orders/" + letter + name)
                self.assertEqual((status, one["status"], one["reason"]),
                                 (200, "REFUNDED", "EXPIRED"))
            reservation = one["reservation_id"]
            status, _, body = server.request("POST", f"/v1/reservations/{reservation}/confirm", {})
            self.assertEqual((status, body["code"]), (409, "INVALID_TRANSITION"))
            self.assertLess(self.rows(server), written + HOLDS, "the looks came too late")
            # With batches as they are by default the rest is written down before anything new.
            server.kill()
            server.flags = []
            server.start()
            status, _, all_of_them = server.request("POST", "/v1/reservations", {
                "order_id": "all", "user_id": "u", "lines": [{"lot": lot, "quantity": HOLDS}]})
            self.assertEqual(status, 201, all_of_them)
            status, _, body = server.request("POST", "/v1/reservations", {
                "order_id": "more", "user_id": "u", "lines": [{"lot": lot, "quantity": 1}]})
            self.assertEqual((status, body["code"]), (409, "SOLD_OUT"))
            shown = server.request("GET", server.lot_path(lot))[2]
            self.assertEqual((shown["reserved"], shown["available"]), (HOLDS, 0))
            wait_until(lambda: self.rows(server) == written + HOLDS, "every hold ends")
            done = server.cli("verify", server.data)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
