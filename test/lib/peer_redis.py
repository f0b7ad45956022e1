"""Redis: a server alone, a replica of it, Sentinels that watch both, or a Cluster of six."""
import pathlib
import subprocess

from peer_process import Group, Peer, new_port, program
from tally_server import ServerFailed, wait_until

CLUSTER_SIZE = 6
SENTINELS = 3
MASTER_NAME = "tally"  # by which Sentinels know the master


class RedisError(Exception):
    """What Redis answered instead, as `-NOAUTH ...`."""


def ask(connection, *words):
    """One command and its answer: text, int, None or a list of them. An error is raised."""
    encoded = [str(word).encode() for word in words]
    connection.sendall(b"*%d\r\n" % len(encoded) +
                       b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded))
    with connection.makefile("rb") as stream:
        return _answer(stream)


def _answer(stream):
    line = stream.readline()
    if not line.endswith(b"\r\n"):
        raise ConnectionError("closed in the middle of an answer")
    kind, rest = line[:1], line[1:-2]
    if kind == b"+":
        return rest.decode()
    if kind == b"-":
        raise RedisError(rest.decode())
    if kind == b":":
        return int(rest)
    count = int(rest)
    if count < 0:
        return None
    if kind == b"*":
        return [_answer(stream) for _ in range(count)]
    text = stream.read(count + 2)
    return text[:-2].decode(errors="replace")


class Redis(Peer):
    """One server; nothing is kept over a restart, unless the options say so."""

    def __init__(self, *options, name="redis-0", folder=None):
        super().__init__(name, *options, folder=folder)
        self.role = "master"

    @classmethod
    def check(cls):
        program("redis-server", "redis-server")
        program("redis-cli", "redis-tools")

    def command(self):
        return ["redis-server", "--port", self.port, "--bind", self.host, "--dir", self.folder, "--save", "",
                "--appendonly", "no", "--repl-diskless-sync-delay", 0, *self.options]

    def call(self, *words):
        """One command on a connection of its own."""
        with self.connect() as connection:
            return ask(connection, *words)

    def answers(self):
        """One that wants a password answers, too; one that still loads does not."""
        try:
            return self.call("PING") == "PONG"
        except RedisError as refused:
            return str(refused).startswith("NOAUTH")

    def info(self, section, field):
        """One line of INFO."""
        for line in self.call("INFO", section).splitlines():
            key, _, value = line.partition(":")
            if key == field:
                return value
        return ""


class RedisReplica(Redis):
    """Follows another one."""

    def __init__(self, master, *options, name="redis-1", folder=None):
        super().__init__("--replicaof", master.host, master.port, *options, name=name, folder=folder)
        self.master = master
        self.role = "replica"

    def answers(self):
        """And it has the master's data; after a failover either of both may be the master."""
        if not super().answers():
            return False
        return self.info("replication", "role") == "master" or not self.master.running() or \
            self.info("replication", "master_link_status") == "up"


class Sentinel(Redis):
    """Its settings are in a file, which it writes to."""

    def __init__(self, number, master, folder=None):
        super().__init__(name="sentinel-%d" % number, folder=folder)
        self.master = master
        self.role = "sentinel"

    def prepare(self):
        (self.folder / "sentinel.conf").write_text(
            "port %d\nbind %s\ndir %s\n"
            "sentinel monitor %s %s %d %d\n"
            "sentinel down-after-milliseconds %s 1000\n"
            "sentinel failover-timeout %s 5000\n" % (
                self.port, self.host, self.folder, MASTER_NAME, self.master.host, self.master.port,
                SENTINELS // 2 + 1, MASTER_NAME, MASTER_NAME))

    def command(self):
        return ["redis-server", self.folder / "sentinel.conf", "--sentinel"]

    def known(self):
        """What it knows of the master, by name."""
        words = self.call("SENTINEL", "MASTER", MASTER_NAME)
        return dict(zip(words[::2], words[1::2]))


class RedisSentinels(Group):
    """A master, a replica and three Sentinels that fail over within seconds."""

    check = Redis.check

    def __init__(self, *options, folder=None):
        def place(name):
            return folder and pathlib.Path(folder) / name
        self.master = Redis(*options, folder=place("redis-0"))
        self.replica = RedisReplica(self.master, *options, folder=place("redis-1"))
        self.sentinels = [Sentinel(i, self.master, place("sentinel-%d" % i)) for i in range(SENTINELS)]
        super().__init__([self.master, self.replica, *self.sentinels])

    def start(self):
        """Returns when a failover would succeed: every Sentinel knows the others and the replica."""
        super().start()
        wait_until(lambda: all(self._complete(sentinel.known()) for sentinel in self.sentinels),
                   "every Sentinel knows the others and the replica")
        return self

    @staticmethod
    def _complete(known):
        return known["num-other-sentinels"] == str(SENTINELS - 1) and known["num-slaves"] == "1"

    def master_address(self):
        """HOST:PORT of the master, as the first Sentinel that lives has it."""
        sentinel = next(s for s in self.sentinels if s.running())
        return "%s:%s" % tuple(sentinel.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER_NAME))

    @property
    def addresses(self):
        """Of the Sentinels, with commas."""
        return ",".join(sentinel.address for sentinel in self.sentinels)


class ClusterNode(Redis):
    """One of a Cluster."""

    def __init__(self, name, *options, folder=None):
        super().__init__(*options, name=name, folder=folder)
        self.role = "cluster"
        self.bus_port = new_port()

    def command(self):
        return [*super().command(), "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf",
                "--cluster-node-timeout", 2000, "--cluster-port", self.bus_port]

    def cluster_info(self, field):
        """One line of CLUSTER INFO."""
        for line in self.call("CLUSTER", "INFO").splitlines():
            key, _, value = line.partition(":")
            if key == field:
                return value
        return ""


class RedisCluster(Group):
    """Three masters with a replica each."""

    check = Redis.check

    def __init__(self, *options, prefix="cluster", folder=None):
        names = ["%s-%d" % (prefix, i) for i in range(CLUSTER_SIZE)]
        super().__init__([
            ClusterNode(name, *options, folder=folder and pathlib.Path(folder) / name) for name in names])

    def start(self):
        """Returns when all slots are served and every replica has its master's data."""
        for node in self.members:
            node.begin()
        for node in self.members:
            node.wait_until_ready()
        done = subprocess.run(
            ["redis-cli", "--cluster", "create", *[node.address for node in self.members],
             "--cluster-replicas", "1", "--cluster-yes"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ServerFailed("redis-cli --cluster create: " + done.stdout + done.stderr)
        self.wait_until_whole()
        return self

    def wait_until_whole(self):
        """Until every node serves and has whom it needs."""
        wait_until(lambda: all(self._is_whole(node) for node in self.members), "the Cluster is whole")

    @staticmethod
    def _is_whole(node):
        return node.cluster_info("cluster_state") == "ok" and \
            node.cluster_info("cluster_known_nodes") == str(CLUSTER_SIZE) and \
            (node.info("replication", "role") == "master" or
             node.info("replication", "master_link_status") == "up")

    def owner(self, key):
        """The master that has a key's slot."""
        live = next(node for node in self.members if node.running())
        slot = live.call("CLUSTER", "KEYSLOT", key)
        for first, last, master, *_ in live.call("CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return next(node for node in self.members if node.port == master[1])
        raise ServerFailed("nobody has slot %d" % slot)

    @property
    def addresses(self):
        """Of all nodes, with commas."""
        return ",".join(node.address for node in self.members)
