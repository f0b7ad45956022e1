#!/usr/bin/python3
"""The largest batches, several at once on one connection, with the default limits: they do not fit its
memory together. None is lost: they wait (HTTP/1.1), or are refused and can be sent again (HTTP/2)."""
import json
import os
import socket
import struct
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import http2_raw as h2  # noqa: E402
from tally_server import PATIENCE_S, TallyServer  # noqa: E402

ORDERS, BATCHES = 8190, 3
PATH = "/v1/reservations/batch"
REFUSED_STREAM = 7
DATA_BYTES = 16384


class LargeBatches(unittest.TestCase):
    def setUp(self):
        self.server = TallyServer()
        self.addCleanup(self.server.close)
        self.server.start()
        _, _, answer = self.server.request(
            "POST", "/v1/lots", {
                "sku": "COLA", "flavor": "lime", "size": "330ml_can", "batch": "BATCH-20261122-A",
                "quantity": 10 * ORDERS})
        self.lot = answer["lot"]

    def batch(self, name):
        return json.dumps({"orders": [
            {"order_id": f"{name}-{i}", "user_id": "user-123", "lines": [{"lot": self.lot, "quantity": 1}]}
            for i in range(ORDERS)]}).encode()

    def assert_all_reserved(self, body):
        codes = [outcome["code"] for outcome in json.loads(body)["outcomes"]]
        self.assertEqual(codes, ["OK"] * ORDERS)

    def reserved(self):
        _, _, answer = self.server.request("GET", self.server.lot_path(self.lot))
        return answer["reserved"]

    def test_pipelined_over_http1_each_waits_its_turn(self):
        requests = b""
        for number in range(BATCHES):
            body = self.batch(f"p{number}")
            requests += (f"POST {PATH} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                         f"Content-Length: {len(body)}\r\n\r\n").encode() + body
        with socket.create_connection(("127.0.0.1", self.server.port), PATIENCE_S) as client:
            sender = threading.Thread(target=client.sendall, args=(requests,))
            sender.start()
            answers = client.makefile("rb")
            for _ in range(BATCHES):
                self.assertEqual(answers.readline(), b"HTTP/1.1 200 OK\r\n")
                headers = dict(line.decode().lower().strip().split(": ", 1)
                               for line in iter(answers.readline, b"\r\n"))
                self.assert_all_reserved(answers.read(int(headers["content-length"])))
            sender.join()
        self.assertEqual(self.reserved(), BATCHES * ORDERS)

    def send_together(self, peer, first, names):
        """The streams' bodies come at the same time, in turn. {stream: answer, or None: refused}"""
        left = {first + 2 * i: self.batch(name) for i, name in enumerate(names)}
        answers = {stream: b"" for stream in left}
        for stream in left:
            peer.send(h2.frame(h2.HEADERS, h2.END_HEADERS, stream, h2.head(
                "POST", PATH, ("content-type", "application/json"))))
        while any(left.values()):
            for stream, body in left.items():
                if body:
                    ends = h2.END_STREAM if len(body) <= DATA_BYTES else 0
                    peer.send(h2.frame(h2.DATA, ends, stream, body[:DATA_BYTES]))
                    left[stream] = body[DATA_BYTES:]
        open_streams = set(answers)
        while open_streams:
            seen = peer.read()
            if seen.kind == h2.RST_STREAM:
                self.assertEqual(struct.unpack(">I", seen.payload)[0], REFUSED_STREAM)
                answers[seen.stream] = None
            elif seen.kind == h2.DATA:
                answers[seen.stream] += seen.payload
            self.assertNotEqual(seen.kind, h2.GOAWAY)
            if seen.ended:
                open_streams.discard(seen.stream)
        return answers

    def test_together_over_http2_what_has_no_room_is_refused_and_can_be_sent_again(self):
        names = [f"s{number}" for number in range(BATCHES)]
        with h2.Http2(self.server.port, (h2.INITIAL_WINDOW_SIZE, 1 << 30)) as peer:
            peer.window(0, 1 << 30)
            peer.read_until(lambda seen: seen.kind == h2.SETTINGS)
            peer.send(h2.frame(h2.SETTINGS, h2.ACK, 0))
            first, tries = 1, 0
            while names:
                answers = self.send_together(peer, first, names)
                first += 2 * len(names)
                tries += 1
                self.assertLessEqual(tries, BATCHES) # one at least is answered each time
                for body in answers.values():
                    if body is not None:
                        self.assert_all_reserved(body)
                names = [name for name, body in zip(names, answers.values()) if body is None]
        self.assertEqual(self.reserved(), BATCHES * ORDERS)


if __name__ == "__main__":
    unittest.main()
