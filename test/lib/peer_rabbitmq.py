"""RabbitMQ: a broker alone, with a name server for Erlang's nodes of its own."""
import glob
import os
import pathlib
import subprocess

from peer_process import Missing, Peer, new_port, program, received
from tally_server import ServerFailed

VHOST, USER, PASSWORD = "tally", "tally", "tally-secret"
FRAME_METHOD, FRAME_END = 1, 0xCE
START, START_OK, TUNE, TUNE_OK, OPEN, OPEN_OK = (
    (10, 10), (10, 11), (10, 30), (10, 31), (10, 40), (10, 41))


def folder_of_programs():
    """The programs in PATH change the user; those in here do not."""
    found = sorted(glob.glob("/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin"))
    if not found:
        raise Missing("RabbitMQ is not installed (package rabbitmq-server)")
    return pathlib.Path(found[-1])


class Epmd(Peer):
    """Erlang's name server, in the foreground: the one that a broker starts would outlive it."""

    def command(self):
        return [program("epmd", "erlang-base"), "-port", self.port, "-address", self.host]

    def answers(self):
        self.connect().close()
        return True


class RabbitMq(Peer):
    """One broker with the vhost and the user `tally`. options: lines of its rabbitmq.conf."""

    def __init__(self, *options, name="rabbitmq-0", folder=None):
        super().__init__(name, *options, folder=folder)
        self.role = "broker"
        self.node_port = new_port()
        self.node_name = "tally%d@localhost" % self.port
        self.epmd = Epmd(name + "-epmd", folder=self.folder / "epmd")

    @classmethod
    def check(cls):
        folder_of_programs()
        program("erl", "erlang-base")
        program("epmd", "erlang-base")

    def prepare(self):
        lines = ["listeners.tcp.1 = %s" % self.address, "default_vhost = " + VHOST,
                 "default_user = " + USER, "default_pass = " + PASSWORD,
                 "default_user_tags.administrator = true", "log.file = false", "log.console = true",
                 # The share of a machine's memory says nothing on one that others use, too.
                 "vm_memory_high_watermark.absolute = 1GiB", "disk_free_limit.absolute = 1MB",
                 *self.options]
        (self.folder / "rabbitmq.conf").write_text("\n".join(lines) + "\n")
        (self.folder / "plugins").write_text("[].\n")

    def environment(self):
        return {
            **os.environ, "HOME": str(self.folder), "ERL_EPMD_PORT": str(self.epmd.port),
            "ERL_EPMD_ADDRESS": self.host, "RABBITMQ_NODENAME": self.node_name,
            "RABBITMQ_MNESIA_BASE": f"{self.folder}/mnesia", "RABBITMQ_LOG_BASE": f"{self.folder}/logs",
            "RABBITMQ_DIST_PORT": str(self.node_port), "RABBITMQ_PID_FILE": f"{self.folder}/pid",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{self.folder}/plugins",
            "RABBITMQ_CONFIG_FILE": f"{self.folder}/rabbitmq", "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            # The script then becomes the broker, instead of standing before it.
            "RABBITMQ_ALLOW_INPUT": "1",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS":
                "-noinput -kernel inet_dist_use_interface {127,0,0,1} +S 1:1",
        }

    def command(self):
        return [folder_of_programs() / "rabbitmq-server"]

    def begin(self):
        if not self.epmd.running():
            self.epmd.start()
        return super().begin()

    def answers(self):
        """It lets the user into the vhost."""
        with self.connect() as connection:
            connection.sendall(b"AMQP\x00\x00\x09\x01")
            self._expect(connection, START)
            secret = b"\0" + USER.encode() + b"\0" + PASSWORD.encode()
            self._send(connection, START_OK, bytes(4) + _short(b"PLAIN") +
                       len(secret).to_bytes(4, "big") + secret + _short(b"en_US"))
            limits = self._expect(connection, TUNE)
            self._send(connection, TUNE_OK, limits[:6] + bytes(2))
            self._send(connection, OPEN, _short(VHOST.encode()) + bytes(2))
            self._expect(connection, OPEN_OK)
        return True

    @staticmethod
    def _send(connection, method, arguments):
        body = method[0].to_bytes(2, "big") + method[1].to_bytes(2, "big") + arguments
        connection.sendall(bytes([FRAME_METHOD, 0, 0]) + len(body).to_bytes(4, "big") + body +
                           bytes([FRAME_END]))

    @staticmethod
    def _expect(connection, method):
        head = received(connection, 7)
        body = received(connection, int.from_bytes(head[3:], "big") + 1)
        told = int.from_bytes(body[:2], "big"), int.from_bytes(body[2:4], "big")
        if told != method:
            raise ConnectionError("the method %r instead of %r" % (told, method))
        return body[4:-1]

    def ctl(self, *words):
        """rabbitmqctl: seconds for each call."""
        done = subprocess.run([folder_of_programs() / "rabbitmqctl", *[str(w) for w in words]],
                              env=self.environment(), stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, check=False)
        if done.returncode != 0:
            raise ServerFailed("rabbitmqctl %s: %s" % (words[0], done.stdout + done.stderr))
        return done.stdout

    def starve(self):
        """It believes to be short of memory: publishers are blocked."""
        self.ctl("set_vm_memory_high_watermark", "0.0001")

    def feed(self):
        self.ctl("set_vm_memory_high_watermark", "absolute", "1GiB")

    def close(self):
        try:
            self.stop()
        finally:
            self.epmd.close()
            super().close()

    @property
    def url(self):
        """amqp://USER:PASSWORD@HOST:PORT/VHOST"""
        return "amqp://%s:%s@%s/%s" % (USER, PASSWORD, self.address, VHOST)


def _short(text):
    return bytes([len(text)]) + text
