#!/usr/bin/python3
"""Breaking what the server stands on: disk, time, process. Promises I1 to I7 hold."""
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import peers  # noqa: E402
from tally_server import (  # noqa: E402
    ServerFailed, TallyServer, unix_ms, wait_for_time, wait_until)

# A sanitizer's library must be the first that is loaded.
SANITIZER_RUNTIME = os.environ.get("TALLY_TEST_SANITIZER_RUNTIME", "")
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"


def create_lot(server, quantity=1000, batch="A"):
    status, _, lot = server.request("POST", "/v1/lots", {
        "sku": "COLA", "flavor": "lime", "size": "330ml_can",
        "batch": f"BATCH-20261122-{batch}", "quantity": quantity})
    assert status == 201, lot
    return lot["lot"]


def reserve(server, lot, order_id, quantity=1, **more):
    return server.request("POST", "/v1/reservations", {
        "order_id": order_id, "user_id": "u", "lines": [{"lot": lot, "quantity": quantity}],
        **more})


class Faults(unittest.TestCase):
    def shown(self, server, lot):
        status, _, body = server.request("GET", server.lot_path(lot))
        self.assertEqual(status, 200, body)
        return body

    def verified(self, server):
        done = server.cli("verify", server.data)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    @peers.needs(os.geteuid() == 0, "mounting a small file system needs root")
    def test_a_full_disk_refuses_writes_and_heals_by_itself(self):
        folder = tempfile.mkdtemp(prefix="tally-disk-")
        data = os.path.join(folder, "data")
        os.mkdir(data)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", data], check=True)
        try:
            ballast = os.path.join(data, "ballast")
            with open(ballast, "wb") as out:
                out.write(bytes(8 << 20))
            with TallyServer(data=data) as server:
                self.fill_and_heal(server, ballast)
        finally:
            subprocess.run(["umount", "-l", data], check=True)
            shutil.rmtree(folder)

    def fill_and_heal(self, server, ballast):
        lot = create_lot(server, 10_000_000)
        accepted, full = 0, False
        for number in range(2000):
            status, _, body = server.request("POST", "/v1/reservations/batch", {"orders": [
                {"order_id": f"{number:020d}-{i:040d}", "user_id": "u" * 64,
                 "lines": [{"lot": lot, "quantity": 1}]} for i in range(100)]})
            codes = {o["code"] for o in body["outcomes"]} if status == 200 else {body["code"]}
            if codes != {"OK"}:
                self.assertLessEqual(codes, {"UNAVAILABLE", "OUTCOME_UNKNOWN"}, body)
                full = True
                break
            accepted += 100
        self.assertTrue(full, "the disk never filled")
        rest = ballast + "2"
        with open(rest, "wb", buffering=0) as out:  # what the failed commit gave back
            try:
                while out.write(bytes(4096)):
                    pass
            except OSError:
                pass
        status, _, body = reserve(server, lot, "while full")
        self.assertIn(status, (503, 504), body)
        wait_until(lambda: server.request("GET", "/readyz")[0] == 503)
        self.assertGreaterEqual(self.shown(server, lot)["reserved"], accepted)  # reads go on
        self.assertTrue(server.log_events("ledger.unavailable"), server.log_tail())
        os.unlink(ballast)
        os.unlink(rest)
        wait_until(lambda: server.request("GET", "/readyz")[0] == 200)
        status, _, body = reserve(server, lot, "healed")
        self.assertEqual(status, 201, body)
        reserved = self.shown(server, lot)["reserved"]
        # A batch, or the single order, whose outcome was unknown may turn out done.
        self.assertIn(reserved - accepted - 1, (0, 1, 100, 101))
        self.verified(server)
        server.kill()
        server.start()
        self.assertEqual(self.shown(server, lot)["reserved"], reserved)
        self.verified(server)

    def test_a_second_process_is_refused_by_the_name_of_the_holder(self):
        with TallyServer() as server:
            second = TallyServer(data=server.data, binary=server.binary)
            with self.assertRaises(ServerFailed) as refused:
                second.start()
            self.assertIn(str(server.pid), str(refused.exception))
            self.assertEqual(server.request("GET", "/readyz")[0], 200)

    def test_holds_that_fall_due_while_stopped_are_given_back_at_once(self):
        with TallyServer() as server:
            lot = create_lot(server, 1)
            status, _, held = reserve(server, lot, "first", hold_ms=1000)
            self.assertEqual(status, 201, held)
            server.pause()
            wait_for_time(held["expires_at"])
            server.resume()
            status, _, body = reserve(server, lot, "second")
            self.assertEqual(status, 201, body)
            status, _, first = server.request("GET", "/v1/orders/first")
            self.assertEqual((first["status"], first["reason"]), ("REFUNDED", "EXPIRED"))
            self.verified(server)

    def test_holds_expire_across_a_restart(self):
        with TallyServer() as server:
            lot = create_lot(server, 1)
            _, _, held = reserve(server, lot, "first", hold_ms=800)
            server.kill()
            wait_for_time(held["expires_at"])
            server.start()
            status, _, body = reserve(server, lot, "second")
            self.assertEqual(status, 201, body)
            self.verified(server)

    def test_expiry_needs_no_request_to_happen(self):
        with TallyServer() as server:
            lot = create_lot(server, 5)
            _, _, held = reserve(server, lot, "first", 5, hold_ms=500)

            def given_back_at():
                with sqlite3.connect(f"file:{server.data}/ledger.db?mode=ro", uri=True) as db:
                    return db.execute("SELECT at_ms FROM move WHERE kind = 6").fetchone()

            self.assertGreaterEqual(wait_until(given_back_at)[0], unix_ms(held["expires_at"]))
            self.assertEqual(self.shown(server, lot)["available"], 5)

    def test_the_wall_clock_may_step_an_hour_either_way(self):
        self.assertTrue(os.path.exists(FAKETIME), "faketime is installed by ./dev setup")
        for step in ("+3600", "-3600"):
            with self.subTest(step=step):
                server = TallyServer(env={})
                clock = server.data + ".clock"
                os.makedirs(os.path.dirname(clock), exist_ok=True)
                with open(clock, "w", encoding="ascii") as out:
                    out.write("+0")
                preload = {"LD_PRELOAD": f"{SANITIZER_RUNTIME} {FAKETIME}".strip(), "FAKETIME_TIMESTAMP_FILE": clock,
                           "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
                server.wrap = ["env"] + [f"{key}={value}" for key, value in preload.items()]
                with server:
                    lot = create_lot(server, 3)
                    reserve(server, lot, "long", hold_ms=1_800_000)
                    begin = time.monotonic()
                    reserve(server, lot, "short", hold_ms=1500)
                    with open(clock, "w", encoding="ascii") as out:
                        out.write(step)
                    self.assertEqual(reserve(server, lot, "after", hold_ms=1_800_000)[0], 201)
                    wait_until(lambda: self.shown(server, lot)["available"] == 1)
                    self.assertGreater(time.monotonic() - begin, 1.4)
                    self.assertEqual(server.request("GET", "/v1/orders/long")[2]["status"],
                                     "PENDING")
                    self.verified(server)

    def test_a_stop_finishes_what_is_under_way(self):
        with TallyServer() as server:
            lot = create_lot(server, 100_000)
            answers, ended = [], threading.Event()

            def buyer(number):
                count = 0
                while not ended.is_set():
                    count += 1
                    order_id = f"{number}-{count}"
                    try:
                        status, _, _ = reserve(server, lot, order_id)
                    except OSError:
                        return
                    except Exception:  # a connection cut while idle: not acknowledged
                        return
                    answers.append((order_id, status))

            threads = [threading.Thread(target=buyer, args=(n,)) for n in range(8)]
            for thread in threads:
                thread.start()
            wait_until(lambda: len(answers) > 60)
            self.assertEqual(server.stop(), 0)
            ended.set()
            for thread in threads:
                thread.join()
            server.start()
            accepted = [order_id for order_id, status in answers if status == 201]
            self.assertGreater(len(accepted), 50)  # one that is under way may be refused
            for order_id in accepted:
                self.assertEqual(server.request("GET", "/v1/orders/" + order_id)[0], 200)
            self.verified(server)


if __name__ == "__main__":
    peers.main()
