"""HTTP/2 by hand, for what a well-behaved client would never send.

    with Http2(server.port) as peer:
        peer.request(1, "GET", "/livez")
        frames = peer.read_until(lambda frame: frame.stream == 1 and frame.ended)
"""
import collections
import socket
import struct

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = \
    0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS, ACK = 1, 4, 1
INITIAL_WINDOW_SIZE = 4
MAGIC = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

Seen = collections.namedtuple("Seen", "kind flags stream payload")
Seen.ended = property(lambda self: self.kind in (DATA, HEADERS) and self.flags & END_STREAM
                      or self.kind == RST_STREAM)


class Closed(Exception):
    """The server closed the connection."""


def frame(kind, flags, stream, payload=b""):
    """One frame."""
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) \
        + payload


def literal(name, value):
    """A header, not indexed, not compressed; both texts shorter than 127 bytes."""
    return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def head(method, path, *more):
    """The header block of a request; more: pairs."""
    pairs = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "a"), *more]
    return b"".join(literal(name, value) for name, value in pairs)


class Http2:
    """A connection. settings: pairs of number and value, sent with the preface."""

    def __init__(self, port, *settings, timeout=120):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.buffer = b""
        body = b"".join(struct.pack(">HI", number, value) for number, value in settings)
        self.send(MAGIC + frame(SETTINGS, 0, 0, body))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def request(self, stream, method, path, *more, body=None):
        """A whole request."""
        flags = END_HEADERS | (END_STREAM if body is None else 0)
        data = frame(HEADERS, flags, stream, head(method, path, *more))
        if body is not None:
            data += frame(DATA, END_STREAM, stream, body)
        self.send(data)

    def grpc(self, stream, call, message):
        """A call of Inventory; message: the body, length prefix and all."""
        self.request(stream, "POST", "/tally.v1.Inventory/" + call,
                     ("content-type", "application/grpc"), ("te", "trailers"), body=message)

    def window(self, stream, increment):
        self.send(frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", increment)))

    def read(self):
        """The next frame; Closed when there is none."""
        while len(self.buffer) < 9 or len(self.buffer) < 9 + self.length():
            try:
                got = self.socket.recv(65536)
            except ConnectionError:
                got = b""
            if not got:
                raise Closed()
            self.buffer += got
        length = self.length()
        kind, flags, stream = struct.unpack(">BBI", self.buffer[3:9])
        payload = self.buffer[9:9 + length]
        self.buffer = self.buffer[9 + length:]
        return Seen(kind, flags, stream, payload)

    def length(self):
        return int.from_bytes(self.buffer[:3], "big")

    def read_until(self, wanted):
        """All frames up to the first that is wanted."""
        frames = [self.read()]
        while not wanted(frames[-1]):
            frames.append(self.read())
        return frames

    def answer(self, stream):
        """All frames of a stream up to its end."""
        return [seen for seen in self.read_until(lambda seen: seen.stream == stream and seen.ended)
                if seen.stream == stream]

    def until_closed(self):
        """All frames up to the end of the connection."""
        frames = []
        try:
            while True:
                frames.append(self.read())
        except Closed:
            return frames
