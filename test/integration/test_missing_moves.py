#!/usr/bin/python3
"""Acknowledged orders that are not there any more are never silently gone: whatever was damaged, cut
or deleted, the start refuses and says what is missing, `tally verify` finds the same, and an operator
can go on, which stays on record. A kill alone is never taken for damage."""
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tally_server import TallyServer, clean_environment, tally_binary  # noqa: E402

ORDERS = 300


def flip_bit(path, at):
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 8]))


def cut(path, size):
    with open(path, "r+b") as file:
        file.truncate(size)


def marked_seq(data):
    with open(os.path.join(data, "mark")) as file:
        return max(int(seq) for seq in re.findall(r"newest_seq (\d+)", file.read()))


class MissingMoves(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """A folder as a kill leaves it, and an older copy of it that was stopped in order."""
        cls.home = tempfile.mkdtemp(prefix="tally-missing-")
        cls.killed = os.path.join(cls.home, "killed")
        cls.older = os.path.join(cls.home, "older")
        with TallyServer() as server:
            status, _, lot = server.request("POST", "/v1/lots", {
                "sku": "COLA", "flavor": "lime", "size": "330ml_can",
                "batch": "BATCH-20261122-A", "quantity": 10 * ORDERS})
            assert status == 201, lot
            cls.lot = lot["lot"]
            server.stop()
            shutil.copytree(server.data, cls.older)
            server.start()
            status, _, body = server.request("POST", "/v1/reservations", cls.order(ORDERS))
            assert status == 201, body
            server.stop()
            server.start()
            for number in range(ORDERS):
                status, _, body = server.request("POST", "/v1/reservations", cls.order(number))
                assert status == 201, body
            newest = int(body["reservation_id"])
            end = time.monotonic() + 30
            while marked_seq(server.data) < newest:
                assert time.monotonic() < end, "the mark does not follow"
                time.sleep(0.01)
            server.kill()
            shutil.copytree(server.data, cls.killed)
        cls.newest = newest

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.home)

    @classmethod
    def order(cls, number):
        return {"order_id": f"order-{number}", "user_id": "u",
                "lines": [{"lot": cls.lot, "quantity": 1}]}

    def setUp(self):
        self.data = os.path.join(self.home, self.id().rsplit(".", 1)[-1])
        shutil.copytree(self.killed, self.data)
        self.addCleanup(shutil.rmtree, self.data)

    def path(self, name):
        return os.path.join(self.data, name)

    def serve_once(self, *flags):
        return subprocess.run(
            [tally_binary(), "serve", "--data", self.data, "--listen", "127.0.0.1:0", *flags],
            capture_output=True, text=True, timeout=60, env=clean_environment())

    def refused(self):
        """The number that the refusal names."""
        done = self.serve_once()
        self.assertEqual(done.returncode, 5, done.stderr)
        number = re.search(r"moves are missing: after (\d+) .*--accept-loss (\d+)", done.stderr)
        self.assertTrue(number, done.stderr)
        self.refusal = done.stderr
        return int(number.group(2))

    def verify_finds_it(self):
        done = subprocess.run([tally_binary(), "verify", self.data, "--json"],
                              capture_output=True, text=True, timeout=60, env=clean_environment())
        if os.path.exists(self.path("ledger.db")) and os.path.getsize(self.path("ledger.db")):
            self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
            self.assertIn('"check": "DURABLE"', done.stdout)
        else:
            self.assertNotEqual(done.returncode, 0)
        return done.stdout

    def accepted(self, number):
        """The server goes on, sells, and the decision stays on record."""
        with TallyServer("--accept-loss", str(number), data=self.data) as server:
            made = 0
            for attempt in range(5):
                status, _, body = server.request("POST", "/v1/reservations",
                                                 self.order(10_000 + attempt))
                made += status == 201
            self.assertEqual(made, 5 if number else 0, body)
            self.assertGreater(int(body.get("reservation_id", self.newest + 1)), self.newest)
            server.stop()
            server.start()  # with the same flag, which has no effect now
        self.assertTrue(sqlite3.connect(self.path("ledger.db")).execute(
            "SELECT count(*) FROM accepted_loss WHERE newest_seq = ?", (number,)).fetchone()[0])
        done = subprocess.run([tally_binary(), "verify", self.data], capture_output=True, text=True,
                              timeout=60, env=clean_environment())
        self.assertIn("decided", done.stdout)
        self.assertNotIn("fault I3", done.stdout)

    def missed(self):
        number = self.refused()
        self.verify_finds_it()
        self.accepted(number)

    def test_a_kill_is_no_damage(self):
        with TallyServer(data=self.data) as server:
            for number in range(0, ORDERS, 7):
                status, _, body = server.request("POST", "/v1/reservations", self.order(number))
                self.assertEqual(status, 200, body)

    def test_a_kill_at_any_time_under_load_is_no_damage(self):
        shutil.rmtree(self.data)
        with TallyServer(data=self.data) as server:
            server.request("POST", "/v1/lots", {
                "sku": "COLA", "flavor": "lime", "size": "330ml_can",
                "batch": "BATCH-20261122-A", "quantity": 10 * ORDERS})
            for cycle in range(8):
                for number in range(17 * (cycle + 1)):
                    body = self.order(cycle * 1000 + number)
                    self.assertEqual(server.request("POST", "/v1/reservations", body)[0], 201)
                server.kill()
                server.start()

    def test_a_flipped_bit_in_the_middle_of_the_log(self):
        flip_bit(self.path("ledger.db-wal"), os.path.getsize(self.path("ledger.db-wal")) // 2)
        self.missed()

    def test_a_flipped_bit_near_the_beginning_of_the_log(self):
        flip_bit(self.path("ledger.db-wal"), 60)
        self.missed()

    def test_a_log_that_was_cut(self):
        cut(self.path("ledger.db-wal"), os.path.getsize(self.path("ledger.db-wal")) // 2)
        self.missed()

    def test_a_log_that_was_emptied(self):
        cut(self.path("ledger.db-wal"), 0)
        self.missed()

    def test_a_log_that_was_deleted(self):
        os.unlink(self.path("ledger.db-wal"))
        self.missed()

    def test_a_ledger_that_was_deleted(self):
        os.unlink(self.path("ledger.db"))
        self.missed()

    def test_a_ledger_that_was_emptied(self):
        cut(self.path("ledger.db"), 0)
        self.missed()

    def test_an_older_copy_beside_the_log(self):
        shutil.copy(os.path.join(self.older, "ledger.db"), self.path("ledger.db"))
        self.refused()
        self.assertIn("a copy of an earlier time", self.refusal)
        self.assertIn("a copy of an earlier time", self.verify_finds_it())

    def test_an_older_copy_without_the_log(self):
        os.unlink(self.path("ledger.db-wal"))
        shutil.copy(os.path.join(self.older, "ledger.db"), self.path("ledger.db"))
        self.missed()

    def test_a_folder_emptied_but_for_the_mark(self):
        for name in os.listdir(self.data):
            if name in ("mark", "orders"):
                continue
            if os.path.isdir(self.path(name)):
                shutil.rmtree(self.path(name))
            else:
                os.unlink(self.path(name))
        self.missed()

    def test_the_newest_moves_deleted_by_hand(self):
        with TallyServer(data=self.data) as server:
            server.stop()
        db = sqlite3.connect(self.path("ledger.db"))
        db.execute("DELETE FROM move WHERE seq IN (SELECT seq FROM move ORDER BY seq DESC LIMIT 9)")
        db.commit()
        db.close()
        self.assertIn("9", self.verify_finds_it())
        self.assertLess(self.refused(), self.newest)

    def test_a_backup_starts_elsewhere_and_says_what_it_is(self):
        copy = os.path.join(self.home, "copy")
        with TallyServer(data=self.data) as server:
            self.assertEqual(server.cli("backup", "--data", self.data, copy).returncode, 0)
        try:
            with TallyServer(data=copy) as server:
                self.assertTrue(server.log_events("ledger.restored"))
                status, _, body = server.request("POST", "/v1/reservations", self.order(5))
                self.assertEqual(status, 200, body)
        finally:
            shutil.rmtree(copy)


if __name__ == "__main__":
    unittest.main(verbosity=2)
