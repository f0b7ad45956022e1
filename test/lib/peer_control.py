"""A socket on which servers are stopped, killed and started again by name: `VERB NAME`, a line each, is
answered with a line, `ok ...` or `error ...`, when it is done.

All is done by the thread that calls serve(), which is the one that started the servers: the kernel ends
them with it.
"""
import os
import socket

from tally_server import ServerFailed

TELL = ("pid", "address")
DO = ("start", "stop", "kill9", "pause", "resume", "restart", "starve", "feed")


def control(by_name, line):
    """Does what a line says, and returns the answer."""
    verb, _, name = line.strip().partition(" ")
    server = by_name.get(name)
    if server is None:
        return "error no server %r; there are %s" % (name, ", ".join(sorted(by_name)))
    if verb not in TELL + DO:
        return "error no verb %r; there are %s" % (verb, ", ".join(TELL + DO))
    try:
        if verb in TELL:
            return "ok %s" % getattr(server, verb)
        getattr(server, verb)()
        return "ok"
    except (ServerFailed, AssertionError, OSError, AttributeError) as reason:
        return "error " + " ".join(str(reason).split())


def ask(path, line):
    """From another program: says a line on the socket and returns the answer."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        connection.sendall(line.encode() + b"\n")
        with connection.makefile(encoding="utf-8") as answers:
            return answers.readline().strip()


class ControlSocket:
    """Listens at a path, which is removed by close()."""

    def __init__(self, path, by_name):
        self.path = str(path)
        self.by_name = by_name
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        self.buffers = {}

    def sources(self):
        """For select()."""
        return [self.listener, *self.buffers]

    def serve(self, ready):
        """What has come on those that are ready. True if anything was done."""
        done = False
        for source in ready:
            if source is self.listener:
                self.buffers[source.accept()[0]] = b""
            elif source in self.buffers:
                done = self._take(source) or done
        return done

    def _take(self, source):
        try:
            data = source.recv(4096)
            *lines, rest = (self.buffers.pop(source) + data).split(b"\n")
            for line in lines:
                source.sendall(control(self.by_name, line.decode(errors="replace")).encode() + b"\n")
        except OSError:  # the client has gone
            data, lines = b"", []
        if data:
            self.buffers[source] = rest
        else:
            source.close()
        return bool(lines)

    def close(self):
        """And hangs up."""
        for source in self.sources():
            source.close()
        os.unlink(self.path)
