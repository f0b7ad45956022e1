#!/usr/bin/python3
"""What a ledger lives through: an order index larger than its memory, restarts, retention, a backup
under load. One order_id keeps its one outcome, and `tally verify` finds nothing."""
import os
import re
import sqlite3
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tally_server import PATIENCE_S, TallyServer, wait_until  # noqa: E402

BATCH = 1000
ORDER_MEMORY = 4096


def create_lot(server, quantity, letter="A"):
    status, _, lot = server.request("POST", "/v1/lots", {
        "sku": "COLA", "flavor": "lime", "size": "330ml_can",
        "batch": f"BATCH-20261122-{letter}", "quantity": quantity})
    assert status == 201, lot
    return lot["lot"]


def order(lot, order_id, quantity=1, **more):
    return {"order_id": order_id, "user_id": "u", "lines": [{"lot": lot, "quantity": quantity}],
            **more}


class LedgerLife(unittest.TestCase):
    def verified(self, server, where=None):
        done = server.cli("verify", where or server.data)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def metric(self, server, name):
        text = server.request("GET", "/metrics")[2].decode()
        return float(re.search(rf"^{name} (\S+)$", text, re.M).group(1))

    def reserve_batch(self, server, lot, ids, **more):
        """Reserves them all. What is refused because the index waits for the disk is not done, and
        is tried again."""
        made = {}

        def all_made():
            left = [order_id for order_id in ids if order_id not in made]
            status, _, body = server.request("POST", "/v1/reservations/batch", {
                "orders": [order(lot, order_id, **more) for order_id in left]})
            if status == 503:
                return False
            self.assertEqual(status, 200, body)
            self.assertLessEqual({o["code"] for o in body["outcomes"]}, {"OK", "OVERLOADED"})
            for order_id, outcome in zip(left, body["outcomes"]):
                if outcome["code"] == "OK":
                    made[order_id] = outcome["reservation"]
            return len(made) == len(ids)

        wait_until(all_made, "the ledger takes the orders")
        return [made[order_id] for order_id in ids]

    def flood(self, server, lot, batches):
        """Distinct orders, many more than the index keeps in memory."""
        for number in range(batches):
            self.reserve_batch(server, lot,
                               [f"f{number * BATCH + i}" for i in range(BATCH)])

    def test_an_order_in_a_run_on_disk_keeps_its_outcome_across_restarts(self):
        with TallyServer("--order-memory-max", str(ORDER_MEMORY)) as server:
            lot = create_lot(server, 1_000_000)
            held, paid, gone = self.reserve_batch(server, lot, ["held", "paid", "gone"])
            for made, move in ((paid, "confirm"), (gone, "refund")):
                status, _, body = server.request(
                    "POST", f"/v1/reservations/{made['reservation_id']}/{move}", {})
                self.assertEqual(status, 200, body)
            self.flood(server, lot, 24)
            wait_until(lambda: os.listdir(os.path.join(server.data, "orders")))
            wait_until(lambda: self.metric(server, "tally_engine_order_runs") > 0)
            for end in (None, server.stop, server.kill):
                if end:
                    end()
                    server.start()
                for first, now in ((held, "PENDING"), (paid, "CONFIRMED"), (gone, "REFUNDED")):
                    name = first["order_id"]
                    status, headers, again = server.request("POST", "/v1/reservations",
                                                            order(lot, name))
                    self.assertEqual((status, again["status"]), (200, now), again)
                    self.assertEqual(headers.get("idempotent-replayed"), "true")
                    self.assertEqual(again["reservation_id"], first["reservation_id"])
                    status, _, other = server.request("POST", "/v1/reservations",
                                                      order(lot, name, 2))
                    self.assertEqual((status, other["code"]), (422, "ORDER_MISMATCH"))
                status, _, again = server.request("POST", "/v1/reservations", order(lot, "f77"))
                self.assertEqual(status, 200, again)
                shown = server.request("GET", server.lot_path(lot))[2]
                self.assertEqual((shown["reserved"], shown["confirmed"]), (24 * BATCH + 1, 1))
            self.verified(server)

    def test_a_flood_of_distinct_orders_is_bounded_in_memory(self):
        with TallyServer("--order-memory-max", str(ORDER_MEMORY)) as server:
            lot = create_lot(server, 1_000_000)
            self.flood(server, lot, 8)  # after which everything has been used once
            before = self.metric(server, "tally_engine_order_index_bytes")
            self.flood_and_expire(server, lot)
            self.assertLessEqual(self.metric(server, "tally_engine_orders_in_memory"),
                                 2 * ORDER_MEMORY)
            grown = self.metric(server, "tally_engine_order_index_bytes") - before
            self.assertLess(grown, 40 * BATCH * 6)  # a filter of 2 bytes an order, and slack
            self.verified(server)

    def flood_and_expire(self, server, lot):
        for number in range(40):
            self.reserve_batch(server, lot, [f"g{number * BATCH + i}" for i in range(BATCH)],
                               hold_ms=50)
        wait_until(lambda: server.request("GET", server.lot_path(lot))[2]["reserved"] == 8 * BATCH)

    def test_finished_reservations_leave_for_the_archive(self):
        flags = ("--archive-after-ms", "1500", "--order-retention-ms", "1000",
                 "--refund-window-ms", "500", "--archive-step-rows", "50")
        with TallyServer(*flags) as server:
            lot = create_lot(server, 1000)
            made = self.reserve_batch(server, lot, [f"old{i}" for i in range(300)])
            for number, one in enumerate(made):
                move = "confirm" if number % 2 else "refund"
                path = f"/v1/reservations/{one['reservation_id']}/{move}"
                self.assertEqual(server.request("POST", path, {})[0], 200)
            # Nothing that came after a hold that is still PENDING leaves; so it comes last.
            kept = self.reserve_batch(server, lot, ["kept"])[0]
            archive = os.path.join(server.data, "archive.db")


            def reserves(path):
                with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
                    return db.execute("SELECT count(*) FROM move WHERE kind = 3").fetchone()[0]

            wait_until(lambda: reserves(os.path.join(server.data, "ledger.db")) == 1)
            self.assertEqual(reserves(archive), 300)
            for end in (None, server.stop, server.kill):
                if end:
                    end()
                    server.start()
                shown = server.request("GET", server.lot_path(lot))[2]
                self.assertEqual((shown["on_hand"], shown["reserved"], shown["confirmed"]),
                                 (1000, 1, 150))
                status, _, body = server.request(
                    "GET", f"/v1/reservations/{kept['reservation_id']}")
                self.assertEqual((status, body["status"]), (200, "PENDING"))
                self.verified(server)

    def test_a_backup_under_load_is_a_ledger_that_serves(self):
        with TallyServer() as server, tempfile.TemporaryDirectory() as folder:
            lot = create_lot(server, 1_000_000)
            before = self.reserve_batch(server, lot, [f"before{i}" for i in range(500)])
            ended, begun = threading.Event(), threading.Event()

            def load():
                number = 0
                while not ended.is_set():
                    self.reserve_batch(server, lot, [f"load{number}-{i}" for i in range(50)])
                    number += 1
                    begun.set()

            thread = threading.Thread(target=load)
            thread.start()
            try:
                self.assertTrue(begun.wait(PATIENCE_S))
                data = os.path.join(folder, "data")
                done = server.cli("backup", "--data", server.data, data)
                self.assertEqual(done.returncode, 0, done.stderr)
                at_once = server.cli("backup", "--data", server.data, data)
                self.assertNotEqual(at_once.returncode, 0, "overwrote a backup")
            finally:
                ended.set()
                thread.join()
            self.verified(server, data)
            with TallyServer(data=data) as second:
                shown = second.request("GET", second.lot_path(lot))[2]
                self.assertGreaterEqual(shown["reserved"], 500)
                self.assertEqual(shown["reserved"] % 50, 0)  # whole batches
                status, _, again = second.request("POST", "/v1/reservations",
                                                  order(lot, "before7"))
                self.assertEqual((status, again["reservation_id"]),
                                 (200, before[7]["reservation_id"]))
                self.assertEqual(second.request("POST", "/v1/reservations",
                                                order(lot, "after"))[0], 201)
                self.verified(second)


if __name__ == "__main__":
    unittest.main()
