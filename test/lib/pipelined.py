"""Pipelined HTTP/1.1 on a plain socket, for clients that ask much at once.

    connection = Connection(port)
    connection.send([("GET", "/livez", None), ("POST", "/v1/reservations", {...})])
    status, body = connection.receive()     # once for each, in their order
"""
import json
import socket
import threading

from tally_server import PATIENCE_S


class Lost(Exception):
    """The connection ended before the answer came."""


class Connection:
    """Bodies are JSON, there and back."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        self.file = self.socket.makefile("rb")

    def send(self, requests):
        """requests: (method, path, body or None)."""
        text = b""
        for method, path, body in requests:
            data = json.dumps(body).encode() if body is not None else b""
            text += (
                f"{method} {path} HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(data)}\r\n\r\n"
            ).encode() + data
        self.socket.sendall(text)

    def receive(self):
        """The next answer: its status and body."""
        status = self.file.readline()
        if not status.startswith(b"HTTP/1.1 ") or not status.endswith(b"\r\n"):
            raise Lost(status)
        length = 0
        while True:
            line = self.file.readline()
            if not line.endswith(b"\r\n"):
                raise Lost(line)
            if line == b"\r\n":
                break
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        body = self.file.read(length)
        if len(body) != length:
            raise Lost(b"body cut short")
        return int(status.split()[1]), json.loads(body)

    def ask_all(self, requests, at_once=64):
        """All of them, some at a time: yields (status, body), in their order."""
        for start in range(0, len(requests), at_once):
            part = requests[start:start + at_once]
            self.send(part)
            for _ in part:
                yield self.receive()

    def close(self):
        self.file.close()
        self.socket.close()


class Worker(threading.Thread):
    """Works through orders until the server is gone, DEPTH requests at a time.

    next_request(busy) tells an order that is not busy and its next request; judge(order, status, body)
    hears the answer. What is wrong stands in errors."""

    DEPTH = 16

    def __init__(self, port):
        super().__init__()
        self.port = port
        self.answers = 0
        self.errors = []

    def run(self):
        try:
            connection = Connection(self.port)
        except OSError:
            return
        try:
            while True:
                sent = []
                for _ in range(self.DEPTH):
                    sent.append(self.next_request([order for order, _ in sent]))
                connection.send([request for _, request in sent])
                for order, _ in sent:
                    self.judge(order, *connection.receive())
                    self.answers += 1
        except (Lost, OSError):
            pass
        except Exception as fault:  # pylint: disable=broad-except
            self.errors.append(repr(fault))
        finally:
            connection.close()
