#!/usr/bin/python3
"""With memory short every answer carries a code that docs/errors.md names, over HTTP and over gRPC;
the server goes on, and when memory is back it keeps every promise that it gave meanwhile."""
import http.client
import json
import os
import re
import struct
import subprocess
import sys
import unittest

import grpc

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from grpc_client import GrpcClient  # noqa: E402
from tally_server import ROOT, TallyServer, clean_environment, wait_until  # noqa: E402

LIBRARY = os.environ.get("MEMORY_FAULT_LIB", "")
ROUNDS = 12
EVERY = (3, 11, 23, 97, 997)


def codes_of_the_page():
    """{code: (HTTP status, name of the gRPC status)}"""
    with open(os.path.join(ROOT, "docs", "errors.md"), encoding="utf-8") as page:
        return {code: (int(status), name) for code, status, name in
                re.findall(r"^\| `(\w+)` \| (\d+) \| (\w+) \|", page.read(), re.M)}


class MemoryShort(unittest.TestCase):
    def setUp(self):
        self.codes = codes_of_the_page()
        self.server = TallyServer()
        self.fault = self.server.data + ".fault"
        self.addCleanup(self.server.close)
        self.one_in(0)
        self.server.env = {"LD_PRELOAD": LIBRARY, "MEMORY_FAULT": self.fault}
        self.server.start()
        status, _, lot = self.server.request("POST", "/v1/lots", {
            "sku": "COLA", "flavor": "lime", "size": "330ml_can",
            "batch": "BATCH-20261122-A", "quantity": 1000000})
        assert status == 201, lot
        self.lot = lot["lot"]
        self.accepted = {}
        self.refused = 0

    def one_in(self, n):
        with open(self.fault, "r+b" if os.path.exists(self.fault) else "wb") as out:
            out.write(struct.pack("=I", n))

    def order(self, name, lines):
        return {"order_id": name, "user_id": "ann",
                "lines": [{"lot": self.lot, "quantity": 1}] * lines}

    def ask_http(self, method, path, body):
        """None: the connection was closed, which is no answer."""
        connection = http.client.HTTPConnection(self.server.host, self.server.port, timeout=60)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None,
                               {"Content-Type": "application/json"} if body is not None else {})
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()
        if answer.status < 300:
            return json.loads(text)
        problem = json.loads(text)
        self.assertEqual(self.codes[problem["code"]][0], answer.status, problem)
        self.refused += 1
        return problem

    def ask_grpc(self, client, name, fields):
        try:
            return client.call(name, fields, timeout=60)
        except grpc.RpcError as failure:
            details = dict(failure.trailing_metadata() or ()).get("grpc-status-details-bin")
            if details is None:  # the library's own word for a connection that was closed
                self.assertIn(failure.code().name, ("UNAVAILABLE", "UNKNOWN", "INTERNAL",
                                                    "CANCELLED", "RESOURCE_EXHAUSTED"))
                return None
            reason = re.search(rb"\x0a.([A-Z_]+)\x12\x08tally\.v1", details, re.S)[1].decode()
            self.assertIn(failure.code().name, (self.codes[reason][1], "DEADLINE_EXCEEDED"))
            self.refused += 1
            return {"code": reason}

    def some_of_everything(self, client, n):
        for i in range(ROUNDS):
            name = f"o{n}-{i}"
            self.one_in(0)
            wait_until(lambda: self.server.request("GET", "/readyz")[0] == 200)
            self.one_in(n)
            reserved = self.ask_http("POST", "/v1/reservations", self.order(name, 1 + i % 60))
            if reserved and "reservation_id" in reserved:
                self.accepted[name] = reserved["reservation_id"]
                self.ask_http("POST", f"/v1/reservations/{reserved['reservation_id']}/confirm",
                              {"payment_id": name})
            self.ask_http("GET", f"/v1/orders/{name}", None)
            self.ask_http("GET", "/v1/lots?page_size=1000", None)
            self.ask_http("POST", "/v1/reservations/batch",
                          {"orders": [self.order(f"{name}-{j}", 2) for j in range(20)]})
            self.ask_http("POST", "/v1/reservations", {"lines": "x"})
            reserved = self.ask_grpc(client, "Reserve", self.order(name + "-g", 1 + i % 60))
            if reserved and "reservation_id" in reserved:
                self.accepted[name + "-g"] = reserved["reservation_id"]
            self.ask_grpc(client, "GetReservation", {"order_id": name})
            self.ask_grpc(client, "Extend", {"reservation_id": "7", "hold_ms": "0"})

    def test_every_answer_has_a_code_of_the_page_and_promises_are_kept(self):
        for n in EVERY:
            client = GrpcClient(self.server.address)
            self.one_in(n)
            try:
                self.some_of_everything(client, n)
            finally:
                self.one_in(0)
                client.close()
            wait_until(lambda: self.server.request("GET", "/readyz")[0] == 200)
        self.assertGreater(self.refused, 50)
        self.assertGreater(len(self.accepted), 3)
        for name, number in self.accepted.items():
            status, _, shown = self.server.request("GET", f"/v1/orders/{name}")
            self.assertEqual((status, shown["reservation_id"]), (200, number))
        self.assertEqual(self.server.stop(), 0)
        subprocess.run([self.server.binary, "verify", self.server.data], check=True,
                       env=clean_environment())


if __name__ == "__main__":
    unittest.main(verbosity=2)
