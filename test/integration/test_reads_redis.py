#!/usr/bin/python3
"""Reads of one lot through a real Redis: hot lots in the process in front of it, a server that is killed
and comes back empty, and the inconsistency meter with a stale value that is planted in Redis."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import peers  # noqa: E402
from tally_server import TallyServer, free_port, wait_until  # noqa: E402

HOT_READS = 20


class Redis:
    def __init__(self):
        self.port = free_port()
        self.folder = tempfile.mkdtemp(prefix="tally-redis-")
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
             "--appendonly", "no", "--dir", self.folder],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: self.do("ping") == "PONG", "an answer of Redis")

    def do(self, *words):
        return subprocess.run(["redis-cli", "-p", str(self.port), *words], text=True,
                              capture_output=True, check=False).stdout.strip()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


@peers.needs(shutil.which("redis-server") and shutil.which("redis-cli"), "no redis-server")
class ReadsThroughRedis(unittest.TestCase):
    def setUp(self):
        self.redis = self.enterContext(Redis())
        self.server = self.enterContext(TallyServer(
            "--cache", f"redis://127.0.0.1:{self.redis.port}", "--cache-hot-reads", str(HOT_READS),
            "--cache-meter-ms", "20"))
        status, _, lot = self.server.request("POST", "/v1/lots", {
            "sku": "COLA", "flavor": "lime", "size": "330ml_can", "batch": "BATCH-20261122-A",
            "quantity": 1000})
        self.assertEqual(status, 201, lot)
        self.lot = lot["lot"]
        self.key = "tally:lot:{" + self.lot + "}"

    def get(self, suffix=""):
        status, headers, shown = self.server.request("GET",
                                                     self.server.lot_path(self.lot, suffix))
        self.assertEqual(status, 200, shown)
        headers = {name.lower(): value for name, value in headers.items()}
        return headers["x-tally-source"], shown

    def get_until(self, source):
        return wait_until(lambda: self.get()[0] == source, "an answer from " + source)

    def metric(self, name):
        text = self.server.request("GET", "/metrics")[2].decode()
        return float(re.search(r"^" + re.escape(name) + r" (\S+)$", text, re.M).group(1))

    def reserve(self, order_id):
        status, _, order = self.server.request("POST", "/v1/reservations", {
            "order_id": order_id, "user_id": "u", "lines": [{"lot": self.lot, "quantity": 1}]})
        self.assertEqual(status, 201, order)

    def test_what_was_read_is_in_redis_and_what_is_hot_in_the_process(self):
        self.get_until("redis")
        self.assertIn("|" + self.lot + "|lime|", self.redis.do("hget", self.key, "d"))
        self.get_until("local")
        self.reserve("o-1")
        self.assertEqual(self.get()[1]["reserved"], 1)

    def test_redis_that_was_killed_and_comes_back_empty_shows_nothing_wrong(self):
        self.get_until("redis")
        self.redis.kill()
        for number in range(5):
            self.reserve(f"o-{number}")
            self.assertEqual(self.get()[1]["reserved"], number + 1)
        self.redis.start()
        self.get_until("redis")
        self.assertEqual(self.get()[1]["reserved"], 5)

    def test_the_meter_finds_a_stale_value_in_redis_and_says_how_long_it_lasted(self):
        self.get_until("redis")
        self.assertEqual(self.metric("tally_inconsistency_found_total"), 0)
        old = self.redis.do("hget", self.key, "d")
        self.reserve("o-1")
        wait_until(lambda: self.redis.do("hget", self.key, "v") == "2" or self.get(),
                   "the new version in Redis")
        self.redis.do("hset", self.key, "d", old, "v", "1", "u", "9999999999999", "r", "1")
        wait_until(lambda: self.metric("tally_inconsistency_lots") > 0, "what was planted found")
        self.assertEqual(self.get("?consistency=strong")[1]["reserved"], 1)
        self.reserve("o-2")  # its delete takes away what is older
        wait_until(lambda: self.metric("tally_inconsistency_lots") == 0, "and gone")
        self.assertGreaterEqual(self.metric("tally_inconsistency_duration_seconds_count"), 1)
        self.assertEqual(self.get()[1]["reserved"], 2)


if __name__ == "__main__":
    peers.main()
