#!/usr/bin/env python3
"""Who is too slow loses his stream and nobody else's; a connection is told before it ends; beyond
connections_max one is told 503, and health is answered."""
import os
import signal
import socket
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import http2_raw as h2  # noqa: E402
from tally_server import TallyServer, wait_until  # noqa: E402

CANCEL, NO_ERROR = b"\0\0\0\x08", b"\0\0\0\0"
ORDER = b'{"user_id":"u","lines":[{"lot":"%s","quantity":1}]}'


def create_lot(server):
    status, _, lot = server.request("POST", "/v1/lots", {
        "sku": "COLA", "flavor": "lime", "size": "330ml_can", "batch": "BATCH-20260101-A",
        "quantity": 1000000})
    assert status == 201, lot
    return lot["lot"] if "lot" in lot else lot["key"]


def status_of(frame):
    """The :status of a HEADERS frame of ours: indexed, or with a literal value."""
    return {0x88: 200, 0x8d: 404}.get(frame.payload[0], frame.payload)


def a_body_that_stops_and_a_watch_without_window(server, lot):
    """Both are reset; the orders beside them are taken."""
    with h2.Http2(server.port, (h2.INITIAL_WINDOW_SIZE, 0), timeout=120) as peer:
        headers = ("content-type", "application/json")
        peer.send(h2.frame(h2.HEADERS, h2.END_HEADERS, 1,
                           h2.head("POST", "/v1/reservations", headers)))
        peer.window(0, 1 << 30)
        peer.send(h2.frame(h2.DATA, 0, 1, b'{"user_id":'))
        peer.request(3, "GET", "/v1/watch")
        seen, resets, stream = [], {}, 5
        while len(resets) < 2:
            peer.send(h2.frame(h2.HEADERS, h2.END_HEADERS, stream,
                               h2.head("POST", "/v1/reservations", headers))
                      + h2.frame(h2.DATA, h2.END_STREAM, stream, ORDER % lot.encode())
                      + h2.frame(h2.WINDOW_UPDATE, 0, stream, struct.pack(">I", 65535)))
            seen += peer.read_until(lambda frame, own=stream: frame.stream == own and frame.ended)
            assert any(frame.kind == h2.HEADERS and frame.stream == stream for frame in seen)
            assert seen[-1].kind != h2.RST_STREAM, seen[-1]
            resets.update({frame.stream: frame.payload for frame in seen
                           if frame.kind == h2.RST_STREAM})
            stream += 2
        assert resets == {1: CANCEL, 3: CANCEL}, resets
        refused = [frame for frame in seen if frame.kind == h2.HEADERS and frame.stream == 1]
        assert len(refused) == 1, refused
        assert not any(frame.kind == h2.GOAWAY for frame in seen)
        peer.request(stream, "GET", "/livez")
        peer.window(stream, 65535)
        assert status_of(peer.answer(stream)[0]) == 200


def a_body_that_stops_is_answered_408(server):
    """Where there is a window for it; the stream is then reset without an error."""
    with h2.Http2(server.port, timeout=120) as peer:
        peer.send(h2.frame(h2.HEADERS, h2.END_HEADERS, 1,
                           h2.head("POST", "/v1/reservations", ("content-type", "application/json"))))
        frames = peer.read_until(lambda frame: frame.kind == h2.RST_STREAM)
        assert frames[-1].stream == 1 and frames[-1].payload == NO_ERROR, frames[-1]
        body = b"".join(frame.payload for frame in frames if frame.kind == h2.DATA)
        assert b'"REQUEST_TIMEOUT"' in body, body
        peer.request(3, "GET", "/livez")
        assert status_of(peer.answer(3)[0]) == 200


def a_grpc_body_that_stops(server):
    """Is told so by a status; the connection goes on."""
    with h2.Http2(server.port, timeout=120) as peer:
        peer.send(h2.frame(h2.HEADERS, h2.END_HEADERS, 1,
                           h2.head("POST", "/tally.v1.Inventory/Reserve",
                                   ("content-type", "application/grpc"), ("te", "trailers"))))
        frames = peer.read_until(lambda frame: frame.kind == h2.RST_STREAM)
        assert frames[-1].payload == NO_ERROR, frames[-1]
        peer.request(3, "GET", "/livez")
        assert status_of(peer.answer(3)[0]) == 200


def half_a_request_over_http1(server):
    with socket.create_connection(("127.0.0.1", server.port), 120) as client:
        client.sendall(b"POST /v1/reservations HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{")
        got = b""
        while piece := client.recv(65536):
            got += piece
        assert got.startswith(b"HTTP/1.1 408 "), got
        assert b"\r\nconnection: close\r\n" in got, got


def goaways(frames):
    return [struct.unpack(">II", frame.payload[:8]) for frame in frames if frame.kind == h2.GOAWAY]


def an_idle_connection():
    with TallyServer("--idle_timeout_ms", "100ms") as server:
        with h2.Http2(server.port, timeout=120) as peer:
            assert goaways(peer.until_closed()) == [(0, 0)]


def a_drain():
    """GOAWAY twice; what was asked between the two is answered."""
    with TallyServer() as server:
        lot = create_lot(server)
        with h2.Http2(server.port, timeout=120) as peer:
            peer.request(1, "GET", "/livez")
            peer.answer(1)
            server.process.send_signal(signal.SIGTERM)
            frames = peer.read_until(lambda frame: frame.kind == h2.PING)
            assert goaways(frames) == [(2**31 - 1, 0)], frames
            peer.request(3, "GET", "/v1/lots/" + lot.replace("#", "%23"))
            answer = peer.answer(3)
            assert answer[0].kind == h2.HEADERS, answer
            peer.send(h2.frame(h2.PING, h2.ACK, 0, frames[-1].payload))
            assert goaways(peer.until_closed()) == [(3, 0)]


def beyond_connections_max():
    with TallyServer("--connections_max", "2", "--io_workers", "1") as server:
        with socket.create_connection(("127.0.0.1", server.port)), \
                socket.create_connection(("127.0.0.1", server.port)):
            # they are accepted in the order in which they came
            status, headers, body = server.request("GET", "/v1/lots")
            assert status == 503 and body["code"] == "OVERLOADED", (status, body)
            assert headers["connection"] == "close", headers
            for path in ("/readyz", "/livez", "/metrics"):
                status, _, body = server.request("GET", path)
                assert status == 200, (path, status, body)
            with h2.Http2(server.port, timeout=120) as peer:
                peer.request(1, "GET", "/v1/lots")
                assert goaways(peer.until_closed()) == [(0, 0)]
        wait_until(lambda: server.request("GET", "/v1/lots")[0] == 200)


def main():
    with TallyServer("--receive_timeout_ms", "500ms", "--send_timeout_ms", "500ms") as server:
        lot = create_lot(server)
        a_body_that_stops_and_a_watch_without_window(server, lot)
        a_body_that_stops_is_answered_408(server)
        a_grpc_body_that_stops(server)
        half_a_request_over_http1(server)
    an_idle_connection()
    a_drain()
    beyond_connections_max()


if __name__ == "__main__":
    main()
