#!/usr/bin/python3
"""A server whose gate is in a real Redis: it refuses there, and goes on, right, while Redis is gone."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import peers  # noqa: E402
from peer_process import Missing  # noqa: E402
from peer_redis import Redis  # noqa: E402
from tally_server import TallyServer, wait_until  # noqa: E402

UNITS = 5


class GateInRedis(unittest.TestCase):
    def setUp(self):
        self.redis = Redis()
        self.redis.start()
        self.addCleanup(self.redis.close)
        self.server = TallyServer(f"--gate=redis://{self.redis.host}:{self.redis.port}")
        self.addCleanup(self.server.close)
        self.server.start()
        status, _, lot = self.server.request("POST", "/v1/lots", {
            "sku": "COLA", "flavor": "lime", "size": "330ml_can", "batch": "BATCH-20261122-A",
            "quantity": UNITS})
        self.assertEqual(status, 201, lot)
        self.lot = lot["lot"]

    def reserve(self, order_id):
        return self.server.request("POST", "/v1/reservations", {
            "order_id": order_id, "user_id": "ann", "lines": [{"lot": self.lot, "quantity": 1}]})[0]

    def metric(self, name):
        text = self.server.request("GET", "/metrics")[2]
        text = text.decode() if isinstance(text, bytes) else text
        return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))

    def ready(self):
        status, _, text = self.server.request("GET", "/readyz")
        self.assertEqual(status, 200)
        return text.decode() if isinstance(text, bytes) else str(text)

    def in_redis(self, field):
        return self.redis.call("HGET", f"tally:gate:{{{self.lot}}}", field)

    def sell_out(self, prefix):
        accepted = [i for i in range(2 * UNITS) if self.reserve(f"{prefix}-{i}") == 201]
        self.assertEqual(len(accepted), UNITS)
        return accepted

    def test_what_is_sold_out_is_refused_in_redis_and_a_retry_is_not(self):
        wait_until(lambda: self.in_redis("available") == str(UNITS))
        self.sell_out("a")
        wait_until(lambda: self.in_redis("available") == "0")
        refused = self.metric('tally_gate_verdicts_total{verdict="sold_out"}')
        wait_until(lambda: self.reserve("late") == 409 and
                   self.metric('tally_gate_verdicts_total{verdict="sold_out"}') > refused)
        self.assertEqual(self.reserve("a-0"), 200)
        self.assertIn("gate redis", self.ready())
        self.assertGreater(self.metric("tally_gate_redis_calls_total"), 0)

    def test_without_redis_orders_ask_the_ledger_and_it_says_so(self):
        wait_until(lambda: self.in_redis("available") == str(UNITS))
        self.redis.kill9()
        self.sell_out("b")
        self.assertIn("away", self.ready())
        self.assertGreater(self.metric("tally_gate_redis_blind_total"), 0)
        self.redis.start()
        wait_until(lambda: self.in_redis("available") == "0")
        wait_until(lambda: self.reserve("c") == 409 and "away" not in self.ready())
        self.assertEqual(self.reserve("b-0"), 200)

    def test_an_emptied_redis_refuses_nobody_and_sells_nothing_twice(self):
        wait_until(lambda: self.in_redis("available") == str(UNITS))
        self.assertEqual(self.reserve("d-0"), 201)
        self.redis.call("FLUSHALL")
        accepted = sum(self.reserve(f"e-{i}") == 201 for i in range(2 * UNITS))
        self.assertEqual(accepted, UNITS - 1)
        self.assertEqual(self.reserve("d-0"), 200)


if __name__ == "__main__":
    try:
        Redis.check()
    except Missing as missing:
        peers.is_missing(str(missing))
        peers.end()
    peers.main()
