#!/usr/bin/python3
"""Histories of a real server, over HTTP and gRPC, killed and stopped in the middle, are linearizable per
lot; and a wrong answer planted in such a history is found.

TALLY_HISTORY_SECONDS says how long to record (20), TALLY_HISTORY_SEED repeats a run's choices (not its
timing), TALLY_HISTORY_DIR where the history is kept."""
import json
import os
import random
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from checker import CHECKER, PATIENCE_S, skip_without_checker  # noqa: E402
from record import record  # noqa: E402
from tally_server import TallyServer  # noqa: E402

SECONDS = float(os.environ.get("TALLY_HISTORY_SECONDS", "20"))
SEED = int(os.environ.get("TALLY_HISTORY_SEED", str(random.SystemRandom().randrange(2**32))))


def check(path, folder):
    """The checker's exit code and what it says; its pages go to the folder."""
    done = subprocess.run([CHECKER, "-html", folder, path], capture_output=True, text=True,
                          timeout=10 * PATIENCE_S, check=False)
    return done.returncode, done.stdout + done.stderr


class Histories(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = os.environ.get("TALLY_HISTORY_DIR")
        if cls.folder:
            os.makedirs(cls.folder, exist_ok=True)
        else:
            cls.folder = tempfile.mkdtemp(prefix="tally-history-")
        cls.path = os.path.join(cls.folder, "history.jsonl")
        print("seed %d, %s" % (SEED, cls.path), flush=True)
        with TallyServer("--io-workers", "2") as server:
            cls.counts = record(server, cls.path, SECONDS, SEED)
            cls.verified = server.cli("verify", server.data)
        for outcome, count in sorted(cls.counts.items()):
            print("%7d %s" % (count, outcome))

    def records(self):
        with open(self.path, encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]

    def plant(self, records, suits, change):
        """Checks the history of one lot, of which one answer is changed. What suits must be wrong in
        any order of the calls: not to be explained by another call under way or without an answer."""
        choices = random.Random(SEED)
        chosen = choices.choice([r for r in records if r["kind"] == "call" and suits(r)])
        told = []
        for r in records:
            if r["kind"] in ("call", "lot") and r["lot"] != chosen["lot"]:
                continue
            told.append({**r, **change(r)} if r is chosen else r)
        path = os.path.join(self.folder, "planted.jsonl")
        with open(path, "w", encoding="utf-8") as out:
            for r in told:
                out.write(json.dumps(r) + "\n")
        return check(path, self.folder), chosen

    @staticmethod
    def nobody_knows(records, order):
        """The order's tries without an answer: any of them may be the one that was taken."""
        return [r for r in records
                if r.get("op") == "reserve" and r["code"] == "" and r["order"] == order]

    def test_the_history_is_linearizable(self):
        code, text = check(self.path, self.folder)
        self.assertEqual(code, 0, text + "\nkept: " + self.path)
        self.assertRegex(text, r"\d+ lots, \d+ operations: linearizable")

    def test_the_ledger_behind_it_keeps_its_promises(self):
        self.assertEqual(self.verified.returncode, 0, self.verified.stdout + self.verified.stderr)

    def test_a_look_with_a_unit_too_many_is_found(self):
        records = self.records()
        adjustments = [r for r in records if r.get("op") == "adjust"]

        def stands_still(look):
            """No adjustment can be what made the difference: none was under way, or may be still."""
            return not any(a["lot"] == look["lot"] and a["call"] < look["return"] and
                           (a["return"] > look["call"] or a["code"] == "") for a in adjustments)

        (code, text), chosen = self.plant(
            records, lambda r: r["op"] == "show_lot" and r["code"] == "OK" and stands_still(r),
            lambda r: {"available": r["available"] + 1, "on_hand": r["on_hand"] + 1})
        self.assertEqual(code, 1, (text, chosen))

    def test_an_order_that_is_answered_twice_as_new_is_found(self):
        records = self.records()
        news = {r["order"] for r in records
                if r.get("op") == "reserve" and r["code"] == "OK" and not r["replayed"]}
        (code, text), chosen = self.plant(
            records, lambda r: (r["op"] == "reserve" and r["code"] == "OK" and r["replayed"] and
                                r["order"] in news),
            lambda r: {"replayed": False})
        self.assertEqual(code, 1, (text, chosen))

    def test_an_acknowledged_order_that_is_gone_in_the_end_is_found(self):
        records = self.records()
        acknowledged = {r["order"] for r in records
                        if r.get("op") == "reserve" and r["code"] == "OK"}
        newest = {r["order"]: r for r in records if r.get("op") == "show_order"}
        (code, text), chosen = self.plant(
            records, lambda r: r is newest.get(r.get("order")) and r["order"] in acknowledged,
            lambda r: {"code": "NOT_FOUND"})
        self.assertEqual(code, 1, (text, chosen))

    def test_a_refusal_of_an_order_that_was_taken_is_found(self):
        records = self.records()
        (code, text), chosen = self.plant(
            records,
            lambda r: (r["op"] == "reserve" and r["code"] == "OK" and not r["replayed"] and
                       not self.nobody_knows(records, r["order"])),
            lambda r: {"code": "SOLD_OUT", "available": 0})
        self.assertEqual(code, 1, (text, chosen))


if __name__ == "__main__":
    skip_without_checker()
    unittest.main()
