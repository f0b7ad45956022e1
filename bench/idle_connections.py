#!/usr/bin/env python3
"""What an idle connection costs: resident memory of a server per connection.

    bench/idle_connections.py PORT PID [COUNT]

Opens COUNT connections of each kind (10,000; the server's limit on open files must allow it): TCP
alone, HTTP/1.1 after one request, HTTP/2 after one gRPC request. A pool keeps what it once needed,
so each figure wants a server of its own that was not busier before; the kinds come in the order of
their cost.
"""
import resource
import socket
import struct
import sys
import time


def resident(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) * 1024


def frame(kind, flags, stream, payload=b""):
    head = struct.pack(">I", len(payload))[1:] + bytes([kind, flags])
    return head + struct.pack(">I", stream) + payload


def text(value):
    return bytes([len(value)]) + value


def grpc_request():
    headers = b"\x83\x86\x44" + text(b"/grpc.health.v1.Health/Check")
    headers += b"\x41" + text(b"127.0.0.1:7070")
    for name, value in ((b"content-type", b"application/grpc"), (b"te", b"trailers"),
                        (b"user-agent", b"grpc-c/1.51.1 (linux; chttp2)")):
        headers += b"\x40" + text(name) + text(value)
    return (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0) + frame(4, 1, 0)
            + frame(1, 4, 1, headers) + frame(0, 1, 1, bytes(5)))


REQUESTS = {
    "TCP": b"",
    "HTTP/1.1": b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "HTTP/2": grpc_request(),
}


def main():
    port, pid = int(sys.argv[1]), int(sys.argv[2])
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 10000
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for name, request in REQUESTS.items():
        before = resident(pid)
        sockets = []
        for _ in range(count):
            s = socket.create_connection(("127.0.0.1", port))
            if request:
                s.sendall(request)
                s.recv(65536)
            sockets.append(s)
        time.sleep(3)
        print(f"{name:10} {(resident(pid) - before) // count:6} bytes a connection")
        for s in sockets:
            s.close()
        time.sleep(1)


if __name__ == "__main__":
    main()
