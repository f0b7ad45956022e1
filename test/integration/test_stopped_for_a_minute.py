#!/usr/bin/python3
"""A server that stands still for a minute (a debugger, a frozen virtual machine): what was acknowledged
is there, what fell due meanwhile is given back at once, each order has one outcome."""
import os
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tally_server import PATIENCE_S, TallyServer  # noqa: E402


class Stopped(unittest.TestCase):
    def test_a_minute_without_running_loses_and_strands_nothing(self):
        with TallyServer() as server:
            # The sanitizers' runs need not wait as long: the code is the same.
            pause_s = 5 if server.sanitized() else 60
            status, _, lot = server.request("POST", "/v1/lots", {
                "sku": "COLA", "flavor": "lime", "size": "330ml_can",
                "batch": "BATCH-20261122-A", "quantity": 100})
            self.assertEqual(status, 201, lot)

            def order(order_id, quantity, hold_ms=600_000):
                return server.request("POST", "/v1/reservations", {
                    "order_id": order_id, "user_id": "u", "hold_ms": hold_ms,
                    "lines": [{"lot": lot["lot"], "quantity": quantity}]},
                    timeout=pause_s + PATIENCE_S)

            self.assertEqual(order("short", 60, hold_ms=2000)[0], 201)
            self.assertEqual(order("long", 30)[0], 201)
            server.pause()
            waiting = {}

            def wait(order_id):
                waiting[order_id] = order(order_id, 10)[0]

            threads = [threading.Thread(target=wait, args=(f"during-{n}",)) for n in range(3)]
            for thread in threads:
                thread.start()
            time.sleep(pause_s)
            server.resume()
            # More than was free before: only the units that came free at the deadline make it fit.
            self.assertEqual(order("after", 40)[0], 201)
            for thread in threads:
                thread.join()
            for order_id, status in waiting.items():
                self.assertIn(status, (201, 503, 504))
                found = server.request("GET", "/v1/orders/" + order_id)[0]
                self.assertEqual(found, {201: 200, 503: 404}.get(status, found), order_id)
            states = {name: server.request("GET", "/v1/orders/" + name)[2]["status"]
                      for name in ("short", "long", "after")}
            self.assertEqual(states,
                             {"short": "REFUNDED", "long": "PENDING", "after": "PENDING"})
            done = server.cli("verify", server.data)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
