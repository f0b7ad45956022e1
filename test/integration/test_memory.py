#!/usr/bin/env python3
"""What strangers can make the server keep is bounded, and its health is told meanwhile: clients that
ask much and read nothing, over HTTP/1.1 and HTTP/2, bodies that arrive slowly, floods of headers."""
import json
import socket
import sys
import os

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import http2_raw as h2  # noqa: E402
from tally_server import TallyServer, wait_until  # noqa: E402

LOTS = 1000
MIB = 1024  # KiB
BUDGET = 64  # MiB, of the worker
# Waiting ones are refused soon; those who do not read are left alone as long as the test runs.
FLAGS = ("--io_workers", "1", "--worker_memory_max", "%dMiB" % BUDGET,
         "--process_memory_max", "%dMiB" % BUDGET, "--connection_memory_max", "16MiB",
         "--body_max", "1MiB", "--request_timeout_ms", "100ms", "--drain_timeout_ms", "100ms")


def create_lots(server):
    """All of them, pipelined."""
    for first in range(0, LOTS, 50):
        batch = b""
        for number in range(first, first + 50):
            body = json.dumps({"sku": "SKU-%04d" % number, "flavor": "lime", "size": "330ml_can",
                               "batch": "BATCH-20260101-A", "expires_on": "2031-01-01",
                               "quantity": 100}).encode()
            batch += (b"POST /v1/lots HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                      b"X-Request-Timeout-Ms: 60000\r\nContent-Length: %d\r\n\r\n" % len(body)) + body
        with socket.create_connection(("127.0.0.1", server.port), 60) as client:
            client.sendall(batch)
            got = b""
            while got.count(b"HTTP/1.1 201 ") < 50:
                piece = client.recv(1 << 20)
                assert piece, got[-500:]
                got += piece


class Strangers:
    """Connections that are held open, and not read from."""

    def __init__(self, server):
        self.server = server
        self.sockets = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for one in self.sockets:
            one.close()

    def connect(self):
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(60)
        client.connect(("127.0.0.1", self.server.port))
        self.sockets.append(client)
        return client


def counter(server, name):
    """The sum of a metric over its labels, by which /metrics is tried, too."""
    status, _, body = server.request("GET", "/metrics")
    assert status == 200, status
    return sum(float(line.rsplit(" ", 1)[1]) for line in body.decode().splitlines()
               if line.startswith(name + " ") or line.startswith(name + "{"))


def assert_well(server, start_kib, what):
    """Health and metrics answer, memory is bounded by the budget."""
    for path in ("/readyz", "/livez", "/metrics"):
        status, _, body = server.request("GET", path)
        assert status == 200, (what, path, status, body)
    with h2.Http2(server.port) as peer:
        peer.request(1, "POST", "/grpc.health.v1.Health/Check", ("content-type", "application/grpc"),
                     ("te", "trailers"), body=b"\0\0\0\0\0")
        frames = peer.answer(1)
        assert frames[-1].kind == h2.HEADERS, (what, frames)
    if not server.sanitized():
        grown = (server.memory_kib() - start_kib) / MIB
        assert grown < 1.5 * BUDGET, "%s: %.0f MiB" % (what, grown)


def lists_nobody_reads(server, start_kib):
    """2.4 GiB without a bound."""
    with Strangers(server) as strangers:
        for _ in range(100):
            strangers.connect().sendall(
                b"GET /v1/lots?page_size=1000 HTTP/1.1\r\nHost: a\r\n"
                b"X-Request-Timeout-Ms: %d\r\n\r\n" * 64 % ((60000,) * 64))
        wait_until(lambda: counter(server, "tally_requests_shed_total") > 0)
        assert_well(server, start_kib, "lists over HTTP/1.1")
        status, _, _ = server.request("GET", "/v1/lots/SKU-0001%23" + "0" * 8)
        assert status == 404, status  # what is small is served
    wait_until(lambda: counter(server, "tally_connections") <= 2)


def streams_without_a_window(server, start_kib):
    """500 MiB without a bound; the streams beyond are refused, and the connection goes on."""
    shed = counter(server, "tally_requests_shed_total")
    with h2.Http2(server.port, (h2.INITIAL_WINDOW_SIZE, 0), timeout=60) as peer:
        for number in range(500):
            peer.request(2 * number + 1, "GET", "/v1/lots?page_size=1000")
        frames = peer.read_until(lambda seen: seen.kind == h2.RST_STREAM)
        assert frames[-1].payload == b"\0\0\0\7", frames[-1]
        wait_until(lambda: counter(server, "tally_requests_shed_total") > shed + 400)
        assert_well(server, start_kib, "lists over HTTP/2")
        peer.request(1001, "GET", "/livez")
        frames = peer.read_until(lambda seen: seen.stream == 1001)
        assert frames[-1].kind == h2.HEADERS, frames[-1]


def bodies_that_arrive_slowly(server, start_kib):
    """Of a megabyte each, and the last byte never comes."""
    shed = counter(server, "tally_requests_shed_total")
    piece = b"x" * 65536
    with Strangers(server) as strangers:
        clients = [strangers.connect() for _ in range(200)]
        for client in clients:
            client.sendall(b"POST /v1/reservations HTTP/1.1\r\nHost: a\r\n"
                           b"Content-Type: application/json\r\nContent-Length: 1000000\r\n\r\n")
        for _ in range(15):
            for client in clients:
                try:
                    client.sendall(piece)
                except OSError:
                    pass  # refused already
        wait_until(lambda: counter(server, "tally_requests_shed_total") > shed)
        assert_well(server, start_kib, "slow bodies")
    wait_until(lambda: counter(server, "tally_connections") <= 2)


def floods_of_headers(server, start_kib):
    """Streams with 30 KiB of headers each that wait for a body."""
    shed = counter(server, "tally_requests_shed_total")
    block = h2.head("POST", "/v1/reservations", ("content-type", "application/json"),
                    *(("x-%04d" % number, "v" * 100) for number in range(80)),
                    *(("tracestate", "t" * 120) for number in range(1)))
    connections = []
    try:
        for _ in range(60):
            peer = h2.Http2(server.port, timeout=60)
            connections.append(peer)
            for number in range(500):
                peer.send(h2.frame(h2.HEADERS, h2.END_HEADERS, 2 * number + 1, block))
        wait_until(lambda: counter(server, "tally_requests_shed_total") > shed)
        assert_well(server, start_kib, "headers")
    finally:
        for peer in connections:
            peer.__exit__()
    wait_until(lambda: counter(server, "tally_connections") <= 2)


def watchers_nobody_reads(server, start_kib):
    """Every watcher is sent all lots at first."""
    with Strangers(server) as strangers:
        for _ in range(900):
            strangers.connect().sendall(b"GET /v1/watch HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until(lambda: counter(server, "tally_streams") == 900)
        status, _, _ = server.request("GET", "/v1/lots?page_size=10")
        assert status == 200
        assert_well(server, start_kib, "watchers")
    wait_until(lambda: counter(server, "tally_streams") == 0)


def main():
    with TallyServer(*FLAGS) as server:
        create_lots(server)
        start_kib = server.memory_kib()
        for case in (lists_nobody_reads, streams_without_a_window, bodies_that_arrive_slowly,
                     floods_of_headers, watchers_nobody_reads):
            case(server, start_kib)
            print("ok", case.__name__, server.memory_kib() // MIB, "MiB")
        wait_until(lambda: counter(server, "tally_request_memory_bytes") < 1 << 20)


if __name__ == "__main__":
    main()
