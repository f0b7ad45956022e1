"""A real `tally serve` for tests: started on a free port with a data folder of its own, waited for
until it is ready, stopped by its process id. Only the standard library is used.

    with TallyServer() as server:
        status, headers, body = server.request("GET", "/v1/lots")
        done = server.cli("lot", "list", "--json")
        wait_until(lambda: server.log_events("ledger.available"))

A test waits for events, never for a time that should be enough: the machine may be busy with other
things. So nothing here gives up early, and a server for tests is as patient as its callers, unless
the test sets a limit of its own.

$TALLY_BIN names the binary; without it the newest build/*/tally is taken. The server's log is a
file beside the data folder, so a server that writes much never blocks and its last words survive a
SIGKILL. When the test is over both are removed, unless `data` was given by the caller.
"""

import datetime
import glob
import http.client
import json
import os
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


# How a report begins; TSan and LSan let the process go on to its end.
SANITIZER = re.compile(r"(ERROR|WARNING): \w*Sanitizer|runtime error:")


# How long an event is waited for that must come; a test that passes never waits so long.
PATIENCE_S = 120

# The limits on clients and commits that a busy machine could reach, far away.
PATIENT = {"TALLY_" + name: "%ds" % PATIENCE_S for name in (
    "REQUEST_TIMEOUT_MS", "REPLY_TIMEOUT_MS", "RECEIVE_TIMEOUT_MS", "SEND_TIMEOUT_MS",
    "DRAIN_TIMEOUT_MS")}


def wait_until(what, why="", pause=0.01):
    """Calls what() until it returns something true, which is returned. why: told if it never does;
    text, or a function that makes it."""
    until = time.monotonic() + PATIENCE_S
    while True:
        got = what()
        if got:
            return got
        if time.monotonic() > until:
            raise AssertionError("did not happen: %s" % (why() if callable(why) else why))
        time.sleep(pause)


def unix_ms(text):
    """Milliseconds since 1970 of a time as the API shows it."""
    return round(datetime.datetime.fromisoformat(text).timestamp() * 1000)


def wait_for_time(text):
    """Until the wall clock has passed a time as the API shows it."""
    wait_until(lambda: time.time() * 1000 > unix_ms(text), "the time " + text)


def free_port():
    """A port that nobody listens on, and that no connection of somebody else gets by chance while
    the server that had it is down."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as given_by_the_kernel:
        first = int(given_by_the_kernel.read().split()[0])
    while True:
        port = random.SystemRandom().randrange(10000, max(first, 11000))
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class ServerFailed(Exception):
    """The server did not start, or did not stop, as it should. Carries the end of its log."""


def tally_binary():
    """Path of the binary under test."""
    named = os.environ.get("TALLY_BIN")
    if named:
        return os.path.abspath(named)
    built = glob.glob(os.path.join(ROOT, "build", "*", "tally"))
    if not built:
        raise ServerFailed("no binary: set TALLY_BIN, or build one")
    return max(built, key=os.path.getmtime)


def clean_environment(extra=None):
    """This process's environment without TALLY_*, which the server would take for settings."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("TALLY_")}
    env.update(extra or {})
    return env


class TallyServer:
    """One server process and its data folder. Methods are for one thread, except request()."""

    def __init__(self, *flags, data=None, binary=None, env=None, listen=None, wrap=()):
        """flags: more flags of `tally serve`. env: settings as TALLY_* variables. listen: a free
        port if not given. wrap: a command to run it under, e.g. ("valgrind", "-q")."""
        self.binary = binary or tally_binary()
        self.flags = list(flags)
        self.env = {**PATIENT, **(env or {})}
        self.listen = listen
        self.wrap = list(wrap)
        self._own = tempfile.mkdtemp(prefix="tally-test-") if data is None else None
        self.data = data or os.path.join(self._own, "data")
        self.log_path = os.path.abspath(self.data).rstrip("/") + ".log"
        self.process = None
        self.host = "127.0.0.1"
        self.port = 0
        self._log_start = 0

    # ---- life ----

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_):
        self.close()

    def start(self, timeout=PATIENCE_S):
        """Starts the process and returns when /readyz answers 200. The port is the one that was
        used before, once there was one, so that clients find a restarted server again."""
        assert self.process is None, "already running"
        listen = self.listen or "%s:%d" % (self.host, free_port())
        if self.port:
            listen = "%s:%d" % (self.host, self.port)
        command = self.wrap + [self.binary, "serve", "--data", self.data, "--listen", listen]
        with open(self.log_path, "ab") as log:
            self._log_start = log.tell()
            self.process = subprocess.Popen(
                command + self.flags,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=clean_environment(self.env),
            )
        until = time.monotonic() + timeout
        try:
            self._wait_for_port(until)
            self._wait_for_ready(until)
        except BaseException:
            self.kill()
            raise
        return self

    def stop(self, timeout=PATIENCE_S):
        """SIGTERM, then waits. Returns the exit code."""
        return self.signal_and_wait(signal.SIGTERM, timeout)

    def kill(self):
        """SIGKILL: nothing of what the process had in mind is finished."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def signal_and_wait(self, number, timeout=PATIENCE_S):
        """Sends a signal and waits for the end. Returns the exit code."""
        process = self.process
        if process is None:
            return 0
        process.send_signal(number)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ServerFailed("still running %.0f s after signal %d\n%s"
                               % (timeout, number, self.log_tail())) from None
        self.process = None
        return code

    def pause(self):
        """SIGSTOP: alive, and does nothing; no thread runs any more when this returns."""
        self.process.send_signal(signal.SIGSTOP)
        wait_until(lambda: set(self.thread_states()) == {"T"}, "all threads stand still")

    def thread_states(self):
        """A letter for each of its threads, as in proc(5)."""
        tasks = "/proc/%d/task" % self.process.pid
        for task in os.listdir(tasks):
            with open(os.path.join(tasks, task, "stat"), encoding="utf-8") as stat:
                yield stat.read().rpartition(")")[2].split()[0]

    def resume(self):
        """SIGCONT."""
        self.process.send_signal(signal.SIGCONT)

    def running(self):
        """True while the process lives."""
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self):
        """Process id of the server (of its wrapper, if there is one)."""
        return self.process.pid

    def memory_kib(self):
        """Resident memory."""
        with open("/proc/%d/statm" % self.pid, encoding="ascii") as statm:
            return int(statm.read().split()[1]) * resource.getpagesize() // 1024

    def sanitized(self):
        """True if the binary has a sanitizer in it, whose own memory and time then count too."""
        with open(self.binary, "rb") as binary:
            text = binary.read()
        return b"__asan_init" in text or b"__tsan_init" in text

    def close(self):
        """Stops it, whatever its state, and removes what this object made. A server that ended by
        itself, or in whose log a sanitizer reports, fails the test."""
        try:
            code = 0
            if self.running():
                self.process.send_signal(signal.SIGCONT)
                code = self.stop()
            elif self.process is not None:
                code = self.process.returncode
                self.kill()
            text = self.log_text(False) if os.path.exists(self.log_path) else ""
            report = SANITIZER.search(text)
            if report:
                raise ServerFailed(text[report.start():][:8000])
            if code:
                raise ServerFailed("ended with %d\n%s" % (code, self.log_tail()))
        finally:
            if self._own:
                shutil.rmtree(self._own, ignore_errors=True)

    # ---- its log ----

    def log_text(self, this_start_only=True):
        """What the server wrote since it was last started, or ever."""
        with open(self.log_path, "rb") as log:
            log.seek(self._log_start if this_start_only else 0)
            return log.read().decode("utf-8", "replace")

    def log_tail(self, lines=30):
        """The end of the log, for a message."""
        return "\n".join(self.log_text().splitlines()[-lines:])

    def log_events(self, name=None, this_start_only=True):
        """Log lines as dicts, all of them or those of one event."""
        events = []
        for line in self.log_text(this_start_only).splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict) and name in (None, event.get("event")):
                events.append(event)
        return events

    # ---- talking to it ----

    @property
    def address(self):
        """HOST:PORT"""
        return "%s:%d" % (self.host, self.port)

    def url(self, path):
        """http://HOST:PORT/path"""
        return "http://%s%s" % (self.address, path)

    def request(self, method, path, body=None, headers=None, timeout=PATIENCE_S):
        """One HTTP/1.1 request on a connection of its own: (status, headers, body). A dict or a
        list as body is sent as JSON; an answer in JSON comes back parsed."""
        headers = dict(headers or {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read()
            kind = answer.headers.get_content_type()
            if kind in ("application/json", "application/problem+json"):
                text = json.loads(text)
            return answer.status, dict(answer.headers.items()), text
        finally:
            connection.close()

    def lot_path(self, lot, suffix=""):
        """Path of a lot's resource: its key holds a '#', which is encoded."""
        return "/v1/lots/" + urllib.parse.quote(lot, safe="") + suffix

    def cli(self, *arguments, timeout=5 * PATIENCE_S, stdin=None, env=None):
        """Runs a subcommand of the same binary against this server. Returns CompletedProcess with
        text output."""
        extra = {"TALLY_SERVER": self.address}
        extra.update(env or {})
        return subprocess.run(
            [self.binary, *arguments],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=clean_environment(extra),
            check=False,
        )

    # ---- waiting ----

    def _wait_for_port(self, until):
        """The log line server.ready tells the address that was bound."""
        while True:
            for event in self.log_events("server.ready"):
                listen = str(event.get("listen") or "")
                port = event.get("port") or listen.rpartition(":")[2]
                if str(port).isdigit():
                    self.port = int(port)
                    return
            self._still_starting(until, "no log line server.ready")
            time.sleep(0.01)

    def _wait_for_ready(self, until):
        while True:
            try:
                if self.request("GET", "/readyz", timeout=2.0)[0] == 200:
                    return
            except OSError:
                pass
            except http.client.HTTPException:
                pass
            self._still_starting(until, "/readyz does not answer 200")
            time.sleep(0.01)

    def _still_starting(self, until, what):
        code = self.process.poll()
        if code is not None:
            raise ServerFailed("ended with %d while starting\n%s" % (code, self.log_tail()))
        if time.monotonic() > until:
            raise ServerFailed("%s in time\n%s" % (what, self.log_tail()))
