#!/usr/bin/python3
"""Requests in gzip, over gRPC and HTTP, and what is said to other encodings."""
import gzip
import json
import os
import sys
import unittest

import grpc

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from grpc_client import tally_pb2  # noqa: E402
from tally_server import PATIENCE_S, TallyServer  # noqa: E402


class Compression(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = TallyServer()
        cls.server.start()
        status, _, lot = cls.server.request("POST", "/v1/lots", {
            "sku": "COLA", "flavor": "lime", "size": "330ml_can", "batch": "BATCH-20261122-A",
            "quantity": 100000})
        assert status == 201, lot
        cls.lot = lot["lot"]

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def orders(self, count):
        return {"orders": [{"order_id": f"{self.id()}-{number}", "user_id": "u",
                            "lines": [{"lot": self.lot, "quantity": 1}]}
                           for number in range(count)]}

    def post(self, coding, body):
        return self.server.request("POST", "/v1/reservations/batch", body, {
            "Content-Type": "application/json", "Content-Encoding": coding})

    def reserve(self, compression):
        with grpc.insecure_channel(self.server.address) as channel:
            call = channel.unary_unary("/tally.v1.Inventory/ReserveBatch",
                                       tally_pb2.ReserveBatchRequest.SerializeToString,
                                       tally_pb2.ReserveBatchResponse.FromString)
            message = tally_pb2.ReserveBatchRequest()
            for order in self.orders(500)["orders"]:
                one = message.orders.add(order_id=order["order_id"], user_id="u")
                one.lines.add(lot=self.lot, quantity=1)
            return call.with_call(message, timeout=PATIENCE_S, compression=compression)

    def test_a_body_in_gzip_is_read(self):
        packed = gzip.compress(json.dumps(self.orders(1000)).encode())
        status, _, answer = self.post("gzip", packed)
        self.assertEqual(status, 200)
        self.assertEqual({one["code"] for one in answer["outcomes"]}, {"OK"})

    def test_a_message_in_gzip_is_read(self):
        answer, _ = self.reserve(grpc.Compression.Gzip)
        self.assertEqual({one.code for one in answer.outcomes}, {"OK"})

    def test_another_coding_is_told_which_is_taken(self):
        status, headers, problem = self.post("br", b"xx")
        self.assertEqual((status, problem["code"]), (415, "UNSUPPORTED_MEDIA_TYPE"))
        self.assertEqual({name.lower(): value for name, value in headers.items()}
                         ["accept-encoding"], "gzip, identity")

    def test_another_compression_is_told_which_is_taken(self):
        with self.assertRaises(grpc.RpcError) as refused:
            self.reserve(grpc.Compression.Deflate)
        self.assertEqual(refused.exception.code(), grpc.StatusCode.UNIMPLEMENTED)
        self.assertIn("gzip", refused.exception.details())

    def test_a_small_body_that_becomes_a_large_one_is_refused(self):
        bomb = gzip.compress(b" " * (3 << 20), 9)
        self.assertLess(len(bomb), 8192)
        status, _, problem = self.post("gzip", bomb)
        self.assertEqual((status, problem["code"]), (413, "PAYLOAD_TOO_LARGE"))

    def test_what_is_no_gzip_is_an_invalid_argument(self):
        status, _, problem = self.post("gzip", b"{}")
        self.assertEqual((status, problem["code"]), (400, "INVALID_ARGUMENT"))


if __name__ == "__main__":
    unittest.main()
