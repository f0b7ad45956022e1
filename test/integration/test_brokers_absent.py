#!/usr/bin/python3
"""Brokers that are not there: orders are taken as ever, the log keeps what Kafka is to have, metrics
say so, and a stop waits for nobody."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tally_server import TallyServer, wait_until  # noqa: E402


class BrokersAbsent(unittest.TestCase):
    def test_orders_are_taken_and_the_log_waits(self):
        # Nobody listens at port 1.
        with TallyServer("--events", "kafka://127.0.0.1:1") as server:
            status, _, lot = server.request("POST", "/v1/lots", {
                "sku": "COLA", "flavor": "lime", "size": "330ml_can", "batch": "BATCH-20261122-A",
                "quantity": 10})
            self.assertEqual(status, 201, lot)
            status, _, order = server.request("POST", "/v1/reservations", {
                "user_id": "ann", "lines": [{"lot": lot["lot"], "quantity": 1}]})
            self.assertEqual(status, 201, order)
            wait_until(lambda: server.log_events("kafka.trouble"))
            wait_until(lambda: "tally_kafka_sent_total 2" in server.request("GET", "/metrics")[2].decode())
            self.assertIn("tally_kafka_delivered_total 0", server.request("GET", "/metrics")[2].decode())
            self.assertEqual(server.request("GET", "/readyz")[0], 200)


if __name__ == "__main__":
    unittest.main()
