#!/usr/bin/python3
"""Load generators and pipelining clients: no request fails, and the stock says how many there were."""
import json
import os
import re
import socket
import struct
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from grpc_client import tally_pb2  # noqa: E402
from tally_server import PATIENCE_S, TallyServer  # noqa: E402

UNITS = 10_000_000


class LoadClients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = TallyServer("--io-workers", "2", "--h2c-upgrade")
        cls.server.start()
        cls.folder = tempfile.TemporaryDirectory()

    @classmethod
    def tearDownClass(cls):
        cls.server.close()
        cls.folder.cleanup()

    def setUp(self):
        self.lot = self.create_lot(UNITS)

    def create_lot(self, quantity):
        letter = chr(ord("A") + len(self.server.request("GET", "/v1/lots")[2]["lots"]))
        status, _, lot = self.server.request("POST", "/v1/lots", {
            "sku": "COLA", "flavor": "lime", "size": "330ml_can",
            "batch": f"BATCH-20261122-{letter}", "quantity": quantity})
        assert status == 201, lot
        return lot["lot"]

    def tearDown(self):
        done = self.server.cli("verify", self.server.data)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def reserved(self):
        return self.server.request("GET", self.server.lot_path(self.lot))[2]["reserved"]

    def file(self, data):
        path = os.path.join(self.folder.name, "body")
        with open(path, "wb") as out:
            out.write(data)
        return path

    def grpc_body(self):
        order = tally_pb2.ReserveRequest(user_id="u")
        order.lines.add(lot=self.lot, quantity=1)
        data = order.SerializeToString()
        return self.file(struct.pack(">BI", 0, len(data)) + data)

    def json_body(self):
        return self.file(json.dumps(
            {"user_id": "u", "lines": [{"lot": self.lot, "quantity": 1}]}).encode())

    def h2load(self, count, *arguments):
        done = subprocess.run(["h2load", "-t", "1", "-n", str(count), *arguments], check=True,
                              capture_output=True, text=True, timeout=5 * PATIENCE_S)
        found = re.search(r"requests: (\d+) total, \d+ started, (\d+) done, (\d+) succeeded, "
                          r"(\d+) failed, (\d+) errored, (\d+) timeout", done.stdout)
        self.assertTrue(found, done.stdout + done.stderr)
        self.assertEqual([int(number) for number in found.groups()],
                         [count, count, count, 0, 0, 0], done.stdout)
        self.assertEqual(self.reserved(), count)

    def test_grpc_over_many_streams(self):
        self.h2load(20_000, "-c", "10", "-m", "100", "-d", self.grpc_body(),
                    "-H", "content-type: application/grpc", "-H", "te: trailers",
                    self.server.url("/tally.v1.Inventory/Reserve"))

    def test_grpc_over_many_connections(self):
        self.h2load(4_000, "-c", "200", "-m", "1", "-d", self.grpc_body(),
                    "-H", "content-type: application/grpc", "-H", "te: trailers",
                    self.server.url("/tally.v1.Inventory/Reserve"))

    def test_grpc_through_small_windows(self):
        self.h2load(2_000, "-c", "4", "-m", "50", "-w", "4", "-W", "10", "-d", self.grpc_body(),
                    "-H", "content-type: application/grpc", "-H", "te: trailers",
                    self.server.url("/tally.v1.Inventory/Reserve"))

    def test_json_over_http2(self):
        self.h2load(5_000, "-c", "5", "-m", "50", "-d", self.json_body(),
                    "-H", "content-type: application/json",
                    self.server.url("/v1/reservations"))

    def test_json_over_http1(self):
        self.h2load(5_000, "--h1", "-c", "20", "-d", self.json_body(),
                    "-H", "content-type: application/json",
                    self.server.url("/v1/reservations"))

    def test_what_is_sold_is_what_there_was_neither_more_nor_less(self):
        units, buyers = 1_000, 6_000
        self.lot = self.create_lot(units)
        done = subprocess.run(["h2load", "-t", "1", "-n", str(buyers), "-c", "20", "-m", "20",
                               "-d", self.json_body(), "-H", "content-type: application/json",
                               self.server.url("/v1/reservations")],
                              check=True, capture_output=True, text=True, timeout=5 * PATIENCE_S)
        self.assertIn(f"status codes: {units} 2xx, 0 3xx, {buyers - units} 4xx, 0 5xx",
                      done.stdout)
        self.assertEqual(self.reserved(), units)

    def test_an_upgrade_from_http1_is_answered_over_http2(self):
        done = subprocess.run(["nghttp", "-v", "-u", self.server.url("/livez")], check=True,
                              capture_output=True, text=True, timeout=PATIENCE_S)
        self.assertIn("101 Switching Protocols", done.stdout)
        self.assertIn(":status: 200", done.stdout)

    def test_an_upgrade_may_carry_an_order(self):
        done = subprocess.run(["nghttp", "-v", "-u", "-d", self.json_body(),
                               "-H", "content-type: application/json",
                               self.server.url("/v1/reservations")],
                              check=True, capture_output=True, text=True, timeout=PATIENCE_S)
        self.assertIn(":status: 201", done.stdout)
        self.assertEqual(self.reserved(), 1)

    def test_pipelined_answers_come_in_the_order_of_the_requests(self):
        count = 1000
        text = b""
        for number in range(count):
            body = json.dumps({"order_id": f"p{number}", "user_id": "u",
                               "lines": [{"lot": self.lot, "quantity": 1}]}).encode()
            text += (b"POST /v1/reservations HTTP/1.1\r\nHost: a\r\nContent-Type: application/json"
                     b"\r\nContent-Length: %d\r\n\r\n" % len(body)) + body
            if number % 10 == 0:  # answered at once, and yet in its turn
                text += b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"
        text += b"GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        with socket.create_connection(("127.0.0.1", self.server.port), PATIENCE_S) as peer:
            peer.sendall(text)
            answers = b""
            while got := peer.recv(1 << 20):
                answers += got
        statuses = re.findall(rb"HTTP/1\.1 (\d+)", answers)
        expected = []
        for number in range(count):
            expected += [b"201"] + ([b"200"] if number % 10 == 0 else [])
        self.assertEqual(statuses, expected + [b"200"])
        ids = re.findall(rb'"order_id": ?"p(\d+)"', answers)
        self.assertEqual([int(number) for number in ids], list(range(count)))
        self.assertEqual(self.reserved(), count)


if __name__ == "__main__":
    unittest.main()
