#!/usr/bin/python3
"""HTTP/2 and gRPC peers that flood, dawdle or send nonsense: a clear error or a closed connection,
bounded memory, nothing changed in stock, and other clients unharmed."""
import json
import os
import struct
import subprocess
import sys
import unittest

import grpc

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import http2_raw as h2  # noqa: E402
from grpc_client import tally_pb2  # noqa: E402
from tally_server import PATIENCE_S, TallyServer  # noqa: E402

FLAGS = ("--receive-timeout-ms", "1500", "--send-timeout-ms", "1500")
MEMORY_KIB_MAX = 16 * 1024
RESETS_KIB_MAX = 16 * 1024  # more, for what a client may reset at once


class Http2(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # What a sanitizer keeps of freed memory is bounded too, or it would count as the server's.
        cls.server = TallyServer(*FLAGS, env={"ASAN_OPTIONS": "quarantine_size_mb=16"})
        cls.server.start()
        status, _, lot = cls.server.request("POST", "/v1/lots", {
            "sku": "COLA", "flavor": "lime", "size": "330ml_can", "batch": "BATCH-20261122-A",
            "quantity": 100})
        assert status == 201, lot
        cls.lot = lot["lot"]

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def setUp(self):
        self.before = self.shown()
        self.memory = self.server.memory_kib()

    def tearDown(self):
        self.assertTrue(self.server.running(), self.server.log_tail())
        self.assertEqual(self.shown(), self.before)
        slack = 8 if self.server.sanitized() else 1
        self.assertLess(self.server.memory_kib() - self.memory, MEMORY_KIB_MAX * slack)

    def shown(self):
        return self.server.request("GET", self.server.lot_path(self.lot))[2]

    def peer(self, *settings):
        return h2.Http2(self.server.port, *settings)

    def message(self):
        line = tally_pb2.ReserveRequest(user_id="u")
        line.lines.add(lot=self.lot, quantity=1)
        return line.SerializeToString()

    def assert_flood_ends(self, unit, count):
        """unit: bytes that are sent again and again, without ever reading an answer."""
        with self.peer() as peer:
            with self.assertRaises(ConnectionError):
                for _ in range(count):
                    peer.send(unit)

    def test_a_flood_of_pings_is_cut_off(self):
        self.assert_flood_ends(h2.frame(h2.PING, 0, 0, b"12345678") * 100, 100_000)

    def test_floods_of_resets_are_cut_off_and_bounded_all_together(self):
        head = h2.head("GET", "/livez")
        cancel = b"\0\0\0\x08"
        for _ in range(4):
            with self.peer() as peer, self.assertRaises(ConnectionError):
                for start in range(1, 2_000_000, 200):
                    peer.send(b"".join(
                        h2.frame(h2.HEADERS, h2.END_STREAM | h2.END_HEADERS, stream, head)
                        + h2.frame(h2.RST_STREAM, 0, stream, cancel)
                        for stream in range(start, start + 200, 2)))
        # 5,000 resets are borne, at 4 KiB each; the next flood uses the same memory again.
        self.memory += RESETS_KIB_MAX

    def test_a_flood_of_settings_is_cut_off(self):
        self.assert_flood_ends(h2.frame(h2.SETTINGS, 0, 0, b"\0\4\0\0\xff\xff") * 100, 100_000)

    def test_a_flood_of_empty_data_is_cut_off(self):
        with self.peer() as peer:
            peer.send(h2.frame(h2.HEADERS, h2.END_HEADERS, 1, h2.head("POST", "/v1/lots")))
            with self.assertRaises(ConnectionError):
                for _ in range(1_000_000):
                    peer.send(h2.frame(h2.DATA, 0, 1) * 100)

    def test_ten_thousand_headers_are_refused(self):
        more = b"".join(h2.literal("x-%d" % number, "y") for number in range(10_000))
        parts = [more[i:i + 16_000] for i in range(0, len(more), 16_000)]
        with self.peer() as peer:
            try:
                peer.send(h2.frame(h2.HEADERS, h2.END_STREAM, 1, h2.head("GET", "/livez")))
                for number, part in enumerate(parts, 1):
                    last = h2.END_HEADERS if number == len(parts) else 0
                    peer.send(h2.frame(h2.CONTINUATION, last, 1, part))
            except OSError:
                pass
            seen = []
            try:
                seen = peer.read_until(lambda f: f.kind == h2.GOAWAY or f.stream == 1 and f.ended)
            except h2.Closed:
                return
            self.assertNotIn(b"\x88", [f.payload[:1] for f in seen if f.kind == h2.HEADERS],
                             "answered 200")

    def test_continuations_without_end_are_cut_off(self):
        with self.peer() as peer:
            peer.send(h2.frame(h2.HEADERS, h2.END_STREAM, 1, h2.head("GET", "/livez")))
            with self.assertRaises(ConnectionError):
                for _ in range(100_000):
                    peer.send(h2.frame(h2.CONTINUATION, 0, 1, h2.literal("x", "y") * 100))

    def test_an_answer_passes_through_a_window_of_one_byte(self):
        whole = self.server.request("GET", "/openapi.yaml")[2]
        with self.peer((h2.INITIAL_WINDOW_SIZE, 1)) as peer:
            peer.request(1, "GET", "/openapi.yaml")
            got = b""
            while len(got) < 100:
                seen = peer.read()
                if seen.kind == h2.DATA:
                    self.assertLessEqual(len(seen.payload), 1)
                    got += seen.payload
                    peer.window(1, 1)
            peer.window(1, len(whole))
            peer.window(0, len(whole))
            got += b"".join(f.payload for f in peer.answer(1) if f.kind == h2.DATA)
        self.assertEqual(got, whole)

    def test_a_stream_whose_window_stays_shut_is_reset_and_the_others_are_served(self):
        with self.peer((h2.INITIAL_WINDOW_SIZE, 0)) as peer:
            peer.request(1, "GET", "/openapi.yaml")
            self.assertEqual(peer.answer(1)[-1].kind, h2.RST_STREAM)
            peer.request(3, "GET", "/livez")
            peer.window(3, 1000)
            self.assertEqual(peer.answer(3)[-1].kind, h2.DATA)

    def raw_call(self, data, **more):
        """The status of a Reserve whose message is these bytes."""
        channel = grpc.insecure_channel(self.server.address)
        call = channel.unary_unary("/tally.v1.Inventory/Reserve", lambda data: data,
                                   lambda data: data)
        try:
            with self.assertRaises(grpc.RpcError) as refused:
                call(data, timeout=PATIENCE_S, **more)
            return refused.exception.code()
        finally:
            channel.close()

    def test_truncated_protobuf_is_an_invalid_argument(self):
        whole = self.message()
        for length in range(len(whole)):
            self.assertEqual(self.raw_call(whole[:length]), grpc.StatusCode.INVALID_ARGUMENT)

    def test_a_message_that_is_compressed_in_another_way_is_unimplemented(self):
        self.assertEqual(self.raw_call(self.message() * 50, compression=grpc.Compression.Deflate),
                         grpc.StatusCode.UNIMPLEMENTED)

    def test_a_frame_that_ends_too_early_or_goes_on_is_refused(self):
        whole = self.message()
        for message in (b"", b"\0", struct.pack(">BI", 0, len(whole) + 1) + whole,
                        struct.pack(">BI", 0, len(whole)) + whole + b"x",
                        (struct.pack(">BI", 0, len(whole)) + whole) * 2,
                        struct.pack(">BI", 7, len(whole)) + whole):
            with self.subTest(message=message[:8]), self.peer() as peer:
                peer.grpc(1, "Reserve", message)
                frames = peer.answer(1)
                self.assertFalse([f for f in frames if f.kind == h2.DATA])

    def test_a_length_of_two_gibibytes_is_refused(self):
        done = subprocess.run(
            ["curl", "-si", "--http2-prior-knowledge", "-H", "content-type: application/grpc",
             "--data-binary", "@-", self.server.url("/tally.v1.Inventory/Reserve")],
            input=b"\0\x7f\xff\xff\xff" + self.message(), capture_output=True, timeout=PATIENCE_S,
            check=True)
        status = grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
        self.assertIn(b"grpc-status: %d\r\n" % status, done.stdout)

    def test_deep_json_is_refused_over_http2_too(self):
        for text in (b"[" * 200_000, b'{"lines":' * 50_000, b'{"a":' + b"[" * 65 + b"]" * 65 + b"}"):
            with self.subTest(text=text[:12]):
                status, _, body = self.server.request(
                    "POST", "/v1/reservations", text, {"Content-Type": "application/json"})
                self.assertEqual((status, body["code"]), (400, "INVALID_ARGUMENT"))
                with self.peer() as peer:
                    peer.send(h2.frame(h2.HEADERS, h2.END_HEADERS, 1, h2.head(
                        "POST", "/v1/reservations", ("content-type", "application/json"))))
                    for start in range(0, min(len(text), 48_000), 16_000):
                        peer.send(h2.frame(h2.DATA, 0, 1, text[start:start + 16_000]))
                    peer.send(h2.frame(h2.DATA, h2.END_STREAM, 1))
                    told = b"".join(f.payload for f in peer.answer(1) if f.kind == h2.DATA)
                    self.assertEqual(json.loads(told)["code"], "INVALID_ARGUMENT")


if __name__ == "__main__":
    unittest.main()
