"""A real server of somebody else's that a test, a benchmark or `./dev cluster` runs.

    with Redis() as redis:              # started, and it has answered in its own protocol
        redis.kill9()
        redis.restart()                 # the same port, the same folder

Every one has a name, a host, a port of its own below the kernel's ephemeral ones, a folder and a log.
Nothing is waited for by time: a server is ready when it gives a sensible answer in its protocol. Should
this program be killed, the kernel ends its servers (those which its main thread started).
"""
import contextlib
import ctypes
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from tally_server import PATIENCE_S, ROOT, ServerFailed, free_port, wait_until

PEERS = pathlib.Path(ROOT) / "build/peers"  # what is had once for all runs
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)
given_ports = set()


class Missing(Exception):
    """A server cannot be had on this machine; says which, and how it would be."""


def new_port():
    """A free port that this program has not given to another server of its own."""
    while True:
        port = free_port()
        if port not in given_ports:
            given_ports.add(port)
            return port


def program(name, package, *places):
    """The path of a program."""
    path = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", *places]))
    if not path:
        raise Missing("%s is not installed (package %s)" % (name, package))
    return path


def end_with_parent():
    """The kernel ends this process with its parent; called after the user was changed, which forgets it."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def received(connection, count):
    """Exactly so many bytes."""
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise ConnectionError("closed after %d of %d bytes" % (len(data), count))
        data += more
    return data


class Peer:
    """One server process. What kind it is, a subclass says: prepare(), command() and answers()."""

    user = None  # whom it runs as when this runs as root

    def __init__(self, name, *options, folder=None):
        self.name = name
        self.options = [str(option) for option in options]
        self._own = folder is None
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="tally-%s-" % name)).absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.host = "127.0.0.1"
        self.port = new_port()
        self.log_path = self.folder / "log"
        self.process = None
        self._prepared = False
        if os.geteuid() != 0:
            self.user = None

    # ---- what a kind of server says of itself ----

    @classmethod
    def check(cls):
        """Raises Missing if it cannot be had here."""

    def prepare(self):
        """Fills the folder, once, before the first start."""

    def command(self):
        """The command line."""
        raise NotImplementedError

    def environment(self):
        """None: that of this process."""
        return None

    def answers(self):
        """True when it serves; False or an OSError means not yet."""
        raise NotImplementedError

    # ---- life ----

    def start(self):
        """Returns when it serves."""
        return self.begin().wait_until_ready()

    def begin(self):
        """Starts the process and does not wait for it, so that several can start at once."""
        assert not self.running(), "%s runs already" % self.name
        if not self._prepared:
            self.check()
            self._give(self.folder)
            self.prepare()
            self._prepared = True
        options = {}
        if self.user:
            owner = pwd.getpwnam(self.user)
            options = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(  # pylint: disable=consider-using-with
                [str(word) for word in self.command()], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=self.folder, env=self.environment(), start_new_session=True,
                preexec_fn=end_with_parent, **options)
        return self

    def wait_until_ready(self):
        """Until it answers in its protocol; ServerFailed with the end of its log if it does not."""
        until = time.monotonic() + PATIENCE_S
        while True:
            with contextlib.suppress(OSError):
                if self.answers():
                    return self
            if self.process is None or self.process.poll() is not None:
                raise ServerFailed("%s ended while starting\n%s" % (self.name, self.log_tail()))
            if time.monotonic() > until:
                raise ServerFailed("%s does not answer\n%s" % (self.name, self.log_tail()))
            time.sleep(0.02)

    def end(self):
        """Tells it to stop, paused or not, and does not wait, so that several can stop at once."""
        if self.running():
            os.kill(self.pid, signal.SIGTERM)
            os.kill(self.pid, signal.SIGCONT)

    def stop(self):
        """In order. One that does not end is killed, and that is a failure."""
        if self.process is None:
            return
        self.end()
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.kill9()
            raise ServerFailed("%s did not stop\n%s" % (self.name, self.log_tail())) from None
        self.process = None

    def kill9(self):
        """SIGKILL: nothing of what it had in mind is finished."""
        if self.running():
            os.kill(self.pid, signal.SIGKILL)
        if self.process is not None:
            self.process.wait()
            self.process = None

    def pause(self):
        """SIGSTOP: alive, and does nothing; no thread runs any more when this returns."""
        os.kill(self.pid, signal.SIGSTOP)
        wait_until(lambda: set(self._thread_states()) <= {"T", "Z"}, "%s stands still" % self.name)

    def resume(self):
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def restart(self):
        """Stops it if it runs, and starts it on the same port with the same folder."""
        self.stop()
        return self.start()

    def running(self):
        """True while the process lives."""
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self):
        """Process id of the server itself."""
        return self.process.pid

    def close(self):
        """Stops it, and removes the folder that was made for it."""
        try:
            self.stop()
        finally:
            if self._own:
                shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.kill9()
            self.close()
            raise

    def __exit__(self, *_):
        self.close()

    # ---- looking at it ----

    @property
    def address(self):
        """HOST:PORT"""
        return "%s:%d" % (self.host, self.port)

    def connect(self):
        """A TCP connection to it."""
        return socket.create_connection((self.host, self.port), 5)

    def log_tail(self, lines=30):
        """The end of the log, for a message."""
        if not self.log_path.exists():
            return ""
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])

    def _thread_states(self):
        tasks = "/proc/%d/task" % self.pid
        for task in os.listdir(tasks):
            with open(os.path.join(tasks, task, "stat"), encoding="utf-8") as stat:
                yield stat.read().rpartition(")")[2].split()[0]

    def _give(self, path):
        """To the user that it runs as."""
        if self.user:
            owner = pwd.getpwnam(self.user)
            os.chown(path, owner.pw_uid, owner.pw_gid)


class Group:
    """Several servers that are one: started in order, closed in the opposite one."""

    def __init__(self, members):
        self.members = members

    @classmethod
    def check(cls):
        """Raises Missing if it cannot be had here."""

    def start(self):
        """Returns when all of it serves."""
        for member in self.members:
            member.start()
        return self

    def close(self):
        """Stops all and removes their folders."""
        for member in reversed(self.members):
            with contextlib.suppress(ServerFailed):
                member.close()

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_):
        self.close()
