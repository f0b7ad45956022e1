#!/usr/bin/python3
"""grpcurl, which knows only what the server's reflection tells it."""
import json
import os
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import peers  # noqa: E402
from tally_server import PATIENCE_S, TallyServer  # noqa: E402


class Grpcurl(unittest.TestCase):
    def grpcurl(self, *arguments):
        done = subprocess.run(["grpcurl", "-plaintext", *arguments], capture_output=True,
                              text=True, timeout=PATIENCE_S)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_finds_and_calls_everything_through_reflection(self):
        with TallyServer() as server:
            services = self.grpcurl(server.address, "list").split()
            self.assertIn("tally.v1.Inventory", services)
            self.assertIn("grpc.health.v1.Health", services)
            self.assertIn("rpc Reserve", self.grpcurl(server.address, "describe",
                                                      "tally.v1.Inventory"))
            lot = json.loads(self.grpcurl("-d", json.dumps({
                "sku": "COLA", "flavor": "lime", "size": "330ml_can",
                "batch": "BATCH-20261122-A", "quantity": 5}),
                server.address, "tally.v1.Inventory/CreateLot"))["lot"]
            reply = json.loads(self.grpcurl("-d", json.dumps({
                "user_id": "ann", "lines": [{"lot": lot, "quantity": 1}]}),
                server.address, "tally.v1.Inventory/Reserve"))
            self.assertEqual(reply["status"], "PENDING")
            health = json.loads(self.grpcurl(server.address, "grpc.health.v1.Health/Check"))
            self.assertEqual(health["status"], "SERVING")


if __name__ == "__main__":
    if not shutil.which("grpcurl"):
        peers.is_missing("grpcurl is not here and could not be built")
        peers.end()
    peers.main()
