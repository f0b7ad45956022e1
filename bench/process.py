"""Programs of a benchmark run: a client that runs to its end, a server on a port of its own.

A server leads a session of its own, so that Ctrl-C reaches only this program, which then stops its
servers one by one, by process id; should this program be killed, the kernel sends them SIGTERM.
"""
import ctypes
import os
import pathlib
import re
import resource
import signal
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TALLY = ROOT / "build/release/tally"
TOOLS = ROOT / "build/release/bench"


class Failed(Exception):
    """A program is missing, did not start, did not finish or gave a wrong result; says which."""


def raise_file_limit():
    """As many open files as may be; the servers and clients inherit it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def interrupt_on_signals():
    """Ctrl-C, SIGTERM and SIGHUP end the run with every server stopped, also where the caller has
    Ctrl-C ignored, as shells do in the background."""
    def interrupt(*_):
        raise KeyboardInterrupt
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def run(*command, timeout=600, **options):
    """Standard output of a program that succeeds."""
    command = [str(c) for c in command]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, **options)
    except FileNotFoundError:
        raise Failed(f"{command[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise Failed(f"{pathlib.Path(command[0]).name} did not finish in {timeout:.0f} s") from None
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
        raise Failed(f"{pathlib.Path(command[0]).name} failed ({done.returncode}): {said}")
    return done.stdout


PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


class Process:
    """A server of this run. It is ready when its port takes a connection."""

    def __init__(self, command, port, log, **options):
        self.port = port
        self.command = [str(c) for c in command]
        self.log = open(log, "ab")  # pylint: disable=consider-using-with
        try:
            self.process = subprocess.Popen(  # pylint: disable=consider-using-with
                self.command, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL,
                start_new_session=True, **options,
                preexec_fn=lambda: LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM))
        except FileNotFoundError:
            self.log.close()
            raise Failed(f"{self.command[0]} is not installed") from None
        try:
            self._wait_until_it_listens(log)
        except BaseException:
            self.stop()
            raise

    def _wait_until_it_listens(self, log):
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    said = pathlib.Path(log).read_text(errors="replace").strip().splitlines()
                    raise Failed(f"{self.command[0]} did not start: "
                                 f"{said[-1] if said else 'it said nothing'}") from None
                time.sleep(0.01)

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(120)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        finally:
            self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def memory_kib(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1))


class Places:
    """Folders of a run, one for each server, below one that is removed at the end. On a disk: what
    is durable in memory alone proves nothing."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(exist_ok=True)
        self.count = 0

    def place(self):
        self.count += 1
        place = self.folder / f"run{self.count}"
        place.mkdir()
        return place


def disk_folder():
    """Where the servers' data goes: /var/tmp, which is to outlive a restart, so is on a disk."""
    return os.environ.get("TALLY_BENCH_FOLDER", "/var/tmp")
