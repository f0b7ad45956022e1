"""verify on ledgers that a real server wrote: under load, with expiry, retention and SIGKILL."""

import collections
import csv
import http.client
import json
import os
import random
import sys
import threading
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "test", "lib"))

# pylint: disable=wrong-import-position
from tally_server import PATIENCE_S, TallyServer, wait_until

DRINKS = os.path.join(ROOT, "examples", "drinks.csv")
FLAGS = ("--hold-default-ms", "1000", "--order-retention-ms", "1000", "--refund-window-ms", "1000",
         "--archive-after-ms", "1000", "--archive-step-rows", "50")
VERBS = ("reserve", "confirm", "refund", "extend")


class Buyer(threading.Thread):
    """Reserves, confirms in part or whole, refunds, extends and lets expire, at random, until it is
    told to stop. A refusal, or a server that is away, is no reason to give up."""

    def __init__(self, server, seed):
        super().__init__()
        self.server, self.random = server, random.Random(seed)
        self.ended = threading.Event()
        self.held = collections.deque(maxlen=5)  # the newest, of which some are still PENDING
        self.done = collections.Counter(dict.fromkeys(VERBS, 0))  # calls that had their effect
        with open(DRINKS, encoding="utf-8", newline="") as f:
            self.skus = sorted({row["sku"] for row in csv.DictReader(f)})

    def call(self, connection, path, body, verb):
        connection.request("POST", "/v1/reservations" + path, json.dumps(body),
                           {"Content-Type": "application/json"})
        reply = connection.getresponse()
        answer = json.loads(reply.read())
        self.done[verb] += reply.status in (200, 201)
        return reply.status, answer

    def reserve(self, connection):
        lines = [{"sku": self.random.choice(self.skus), "quantity": self.random.randint(1, 5)}
                 for _ in range(self.random.choice([1, 1, 1, 2, 3]))]
        status, reply = self.call(connection, "", {"user_id": "ann", "lines": lines}, "reserve")
        if status == 201:
            self.held.append(reply)

    def move(self, connection):
        held = self.random.choice(self.held)
        lot = held["lines"][0]["lot"]
        verb, body = self.random.choice([
            ("confirm", {}), ("confirm", {"lines": [{"lot": lot, "quantity": 1}]}),
            ("refund", {}), ("refund", {}), ("extend", {"hold_ms": 1500})])
        self.call(connection, "/%s/%s" % (held["reservation_id"], verb), body, verb)

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE_S)
        while not self.ended.is_set():
            try:
                if not self.held or self.random.random() < 0.5:
                    self.reserve(connection)
                else:
                    self.move(connection)
            except (OSError, http.client.HTTPException):
                connection.close()
                time.sleep(0.05)
        connection.close()


class Verify(unittest.TestCase):
    def report(self, server):
        done = server.cli("verify", server.data, "--json", "--order-retention-ms", "1000")
        report = json.loads(done.stdout)
        self.assertTrue(report["ok"], done.stdout)
        return report

    def test_a_ledger_keeps_its_promises_at_every_moment(self):
        with TallyServer(*FLAGS) as server:
            self.assertEqual(server.cli("lot", "import", DRINKS).returncode, 0)
            buyers = [Buyer(server, seed) for seed in range(4)]
            for buyer in buyers:
                buyer.start()

            def done():
                return sum((buyer.done for buyer in buyers), collections.Counter())

            try:
                for turn in range(8):
                    enough = done().total() + 50
                    wait_until(lambda: done().total() >= enough, done)
                    self.assertTrue(self.report(server)["live"])
                    if turn in (3, 6):
                        server.kill()
                        self.report(server)
                        server.start()
                wait_until(lambda: len(+done()) == len(VERBS), done)
            finally:
                for buyer in buyers:
                    buyer.ended.set()
                for buyer in buyers:
                    buyer.join()
            wait_until(lambda: self.report(server)["counts"]["pending"] == 0, "every hold ends")
            wait_until(lambda: self.report(server)["counts"]["archived_moves"] > 0, "archived")
            self.assertEqual(server.stop(), 0)
            self.report(server)


if __name__ == "__main__":
    unittest.main()
