#!/usr/bin/python3
"""A thousand requests of one user at the same time, over HTTP and over gRPC, against each of the limits
that a user has: what he gets is the limit, to the unit, and so it is after a kill."""
import os
import resource
import sys
import unittest

import grpc
from google.protobuf import json_format

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from grpc_client import GrpcClient, tally_pb2  # noqa: E402
from pipelined import Connection  # noqa: E402
from tally_server import PATIENCE_S, TallyServer  # noqa: E402

REQUESTS = 1000
LIMIT = 7
HOLDS_MAX = 9
UNITS = 100_000


def over_http(server, orders):
    """Each on a connection of its own, all sent before the first answer is read:
    (code, reservation_id) of each."""
    connections = [Connection(server.port) for _ in orders]
    try:
        for connection, order in zip(connections, orders):
            connection.send([("POST", "/v1/reservations", order)])
        outcomes = []
        for connection in connections:
            status, body = connection.receive()
            outcomes.append(("OK", body["reservation_id"]) if status < 300 else (body["code"], ""))
        return outcomes
    finally:
        for connection in connections:
            connection.close()


def over_grpc(server, orders):
    """The same, as streams of a few connections."""
    clients = [GrpcClient(server.address, [("grpc.use_local_subchannel_pool", 1)])
               for _ in range(4)]
    try:
        calls = []
        for i, order in enumerate(orders):
            request = json_format.ParseDict(order, tally_pb2.ReserveRequest())
            calls.append(clients[i % len(clients)].method("Reserve")[1].future(
                request, timeout=PATIENCE_S))
        return [outcome_of(call) for call in calls]
    finally:
        for client in clients:
            client.close()


def outcome_of(call):
    try:
        return "OK", call.result().reservation_id
    except grpc.RpcError as failure:
        if failure.code() != grpc.StatusCode.RESOURCE_EXHAUSTED:
            raise
        details = dict(failure.trailing_metadata())["grpc-status-details-bin"]
        return ("LIMIT_EXCEEDED" if b"LIMIT_EXCEEDED" in details else repr(details)), ""


class OneUser(unittest.TestCase):
    """A server for each, whose user has held nothing yet."""

    def setUp(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        self.round = 0

    def start(self, *flags, **lot):
        self.server = TallyServer("--io-workers", "2", *flags)
        self.server.start()
        self.addCleanup(self.server.close)
        status, _, shown = self.server.request("POST", "/v1/lots", {
            "sku": "COLA", "flavor": "lime", "size": "330ml_can", "batch": "BATCH-20261101-A",
            "quantity": UNITS, **lot})
        self.assertEqual(status, 201, shown)
        self.lot = shown["lot"]

    def storm(self, send, **more):
        """REQUESTS at once, each order twice: the reservations that there are then."""
        self.round += 1
        orders = [{"order_id": f"o-{self.round}-{i // 2}", "user_id": "ann",
                   "lines": [{"lot": self.lot, "quantity": 1}], **more} for i in range(REQUESTS)]
        outcomes = send(self.server, orders)
        self.assertEqual({code for code, _ in outcomes} - {"OK"}, {"LIMIT_EXCEEDED"})
        got = {}
        for order, (code, reservation_id) in zip(orders, outcomes):
            if code == "OK":
                self.assertEqual(got.setdefault(order["order_id"], reservation_id), reservation_id)
        return list(got.values())

    def held(self):
        """As the lot counts."""
        shown = self.server.request("GET", self.server.lot_path(self.lot))[2]
        self.assertEqual(shown["on_hand"] - shown["available"],
                         shown["reserved"] + shown["confirmed"])
        return shown["reserved"] + shown["confirmed"]

    def call(self, reservation_id, what):
        status, _, answer = self.server.request(
            "POST", f"/v1/reservations/{reservation_id}/{what}", {})
        self.assertEqual(status, 200, answer)

    def holds_to(self, limit, frees, **more):
        """The limit is held, over both protocols, and what is given back may be had again, also by a
        server that was killed."""
        got = self.storm(over_http, **more)
        self.assertEqual((len(got), self.held()), (limit, limit))
        for reservation_id in got[:3]:
            frees(reservation_id)
        held = self.held()
        again = self.storm(over_grpc, **more)
        self.assertEqual((len(again), self.held()), (3, held + 3))
        self.call(again[0], "refund")
        self.server.kill()
        self.server.start()
        self.assertEqual(len(self.storm(over_grpc, **more)), 1)
        self.assertEqual(self.held(), held + 3)
        done = self.server.cli("verify", self.server.data)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def pay_and_return(self, reservation_id):
        self.call(reservation_id, "confirm")
        self.call(reservation_id, "ship")
        self.call(reservation_id, "refund")

    def test_a_user_gets_the_limit_of_a_sale_and_not_a_unit_more(self):
        self.start()
        status, _, sale = self.server.request("POST", "/v1/sales", {
            "sale_id": "flash", "lots": [self.lot], "ends_at": "2090-01-01T00:00:00Z",
            "per_user_limit": LIMIT})
        self.assertEqual(status, 201, sale)
        self.holds_to(LIMIT, self.pay_and_return, sale_id="flash")

    def test_a_user_gets_the_limit_of_a_lot_and_not_a_unit_more(self):
        self.start(per_user_limit=LIMIT)
        self.holds_to(LIMIT, self.pay_and_return)

    def test_a_user_has_so_many_holds_at_a_time_and_not_one_more(self):
        self.start("--user-holds-max", str(HOLDS_MAX))
        self.holds_to(HOLDS_MAX, lambda reservation_id: self.call(reservation_id, "confirm"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
