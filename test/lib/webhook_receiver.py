"""A receiver of webhooks that trusts nothing: it checks each delivery's signature with Python's own
hmac, by the rules of Standard Webhooks, and keeps what it was sent."""
import base64
import hashlib
import hmac
import http.server
import json
import socket
import threading
import time

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


def signature(secret, name, timestamp, body):
    key = base64.b64decode(secret.removeprefix("whsec_"))
    text = name.encode() + b"." + timestamp.encode() + b"." + body
    return "v1," + base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()


class Receiver:
    """answer(event, times): the status for an event that came for the times-th time, or a tuple
    (status, headers). It may sleep."""

    def __init__(self, answer=lambda event, times: 204, secret=SECRET, port=0, tls=None):
        self.answer = answer
        self.secret = secret
        self.lock = threading.Lock()
        self.tries = []      # (id, event, status), as they came
        self.taken = []      # events that were answered with 2xx, in that order
        self.under_way = 0
        self.most_under_way = 0
        self.faults = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self):
                receiver.handle(self)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *_):
                pass  # a client that was killed

        self.server = Server(("127.0.0.1", port), Handler)
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.scheme = "https" if tls else "http"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    @property
    def url(self):
        return "%s://127.0.0.1:%d/hook" % (self.scheme, self.port)

    def handle(self, request):
        body = request.rfile.read(int(request.headers["Content-Length"]))
        name, timestamp = request.headers["webhook-id"], request.headers["webhook-timestamp"]
        event = json.loads(body)
        want = signature(self.secret, name, timestamp, body)
        with self.lock:
            if not any(hmac.compare_digest(want, sent)
                       for sent in request.headers["webhook-signature"].split(" ")):
                self.faults.append(("signature", name))
            if abs(time.time() - int(timestamp)) > 120 or event["id"] != name:
                self.faults.append(("timestamp or id", name, timestamp))
            if not request.headers["Content-Type"].startswith("application/cloudevents+json"):
                self.faults.append(("content type", request.headers["Content-Type"]))
            times = 1 + sum(1 for tried in self.tries if tried[0] == name)
            place = len(self.tries)
            self.tries.append((name, event, None))
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
        got = self.answer(event, times)
        status, headers = got if isinstance(got, tuple) else (got, {})
        with self.lock:
            self.under_way -= 1
            self.tries[place] = (name, event, status)
            if 200 <= status < 300:
                self.taken.append(event)
        request.send_response(status)
        for key, value in headers.items():
            request.send_header(key, value)
        request.send_header("Content-Length", "0")
        request.end_headers()

    def ids(self):
        with self.lock:
            return [event["id"] for event in self.taken]

    def tries_of(self, name):
        with self.lock:
            return sum(1 for tried in self.tries if tried[0] == name)

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        assert not self.faults, self.faults


def dead_port():
    """A port that answers with a reset."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
