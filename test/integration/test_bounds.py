#!/usr/bin/python3
"""The settings that bound the engine's tables do, over the wire: at the bound the refusal names the
setting, and a start with more sales than sales_max says so."""
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tally_server import PATIENCE_S, TallyServer, clean_environment, tally_binary  # noqa: E402


class Bounds(unittest.TestCase):
    def ask(self, method, path, body, status=201):
        got, headers, answer = self.server.request(method, path, body)
        self.assertEqual(got, status, answer)
        return headers, answer

    def lot(self, sku, **more):
        return self.ask("POST", "/v1/lots", {
            "sku": sku, "flavor": "lime", "size": "330ml_can", "batch": "BATCH-20261122-A",
            "quantity": 10, **more})[1]["lot"]

    def order(self, order_id, sku, status=201, quantity=1, **more):
        return self.ask("POST", "/v1/reservations", {
            "order_id": order_id, "user_id": "ann", "lines": [{"sku": sku, "quantity": quantity}],
            **more}, status)

    def refused(self, said, setting, status):
        headers, problem = said
        self.assertTrue(problem["detail"].startswith(setting + ": "), problem)
        self.assertEqual("retry-after" in {name.lower() for name in headers}, status == 503, headers)

    def test_each_bound_is_kept_and_named(self):
        with tempfile.TemporaryDirectory() as folder:
            data = os.path.join(folder, "data")
            with TallyServer("--sales-max", "2", "--groups-max", "1", "--user-entries-max", "2",
                             "--backorders-max", "1", data=data) as self.server:
                self.lot("COLA")
                self.lot("TEA", backorder_limit=100)
                for name in ("one", "two"):
                    self.ask("POST", "/v1/sales", {
                        "sale_id": name, "skus": ["COLA"], "ends_at": "2099-01-01T00:00:00Z",
                        "group": {"size": 2, "window_ms": 60000}})
                self.refused(self.ask("POST", "/v1/sales", {
                    "sale_id": "three", "skus": ["COLA"], "ends_at": "2099-01-01T00:00:00Z"}, 429),
                    "sales_max", 429)
                self.ask("POST", "/v1/sales/one/groups", {})
                self.refused(self.ask("POST", "/v1/sales/two/groups", {}, 503), "groups_max", 503)
                self.order("a", "COLA", sale_id="one")
                self.order("b", "COLA", sale_id="two")
                self.refused(self.order("c", "COLA", 503, sale_id="one"), "user_entries_max", 503)
                self.order("d", "TEA", quantity=11)
                self.refused(self.order("e", "TEA", 503), "backorders_max", 503)
                self.order("a", "COLA", 200, sale_id="one")  # a retry is answered all the same
            done = subprocess.run([tally_binary(), "serve", "--data", data, "--listen", "127.0.0.1:0",
                                   "--sales-max", "1"], capture_output=True, text=True,
                                  timeout=PATIENCE_S, env=clean_environment(), check=False)
            self.assertEqual(done.returncode, 5, done.stderr)
            self.assertIn("sales_max: the ledger has more than 1 sales", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
