#!/usr/bin/env python3
"""Real servers for a test: starts them on ports of their own, tells the test where, and stops them.

    python3 test/lib/servers.py run mariadb redis -- COMMAND...
    python3 test/lib/servers.py test SOURCE -- COMMAND...     what the first line of SOURCE needs

A C test says on its first line what it needs, and CMake then runs it so:

    /* needs: mariadb redis */

| needs | sets |
|---|---|
| mariadb | TALLY_TEST_MYSQL mysql://USER:PASSWORD@HOST:PORT/DATABASE: an empty database, a user that may make more of them; TALLY_TEST_MYSQL_ADMIN: a user that may do all |
| mariadb-replica | the same, and TALLY_TEST_MYSQL_REPLICA |
| galera | TALLY_TEST_GALERA mysql://USER:PASSWORD@HOST:PORT,HOST:PORT,HOST:PORT/DATABASE |
| redis | TALLY_TEST_REDIS HOST:PORT |
| redis-replica | the same, and TALLY_TEST_REDIS_REPLICA |
| redis-sentinel | TALLY_TEST_SENTINEL HOST:PORT,HOST:PORT,HOST:PORT, whose master is called `tally`; TALLY_TEST_REDIS, TALLY_TEST_REDIS_REPLICA |
| redis-cluster | TALLY_TEST_REDIS_CLUSTER HOST:PORT of all six, with commas |
| rabbitmq | TALLY_TEST_AMQP amqp://USER:PASSWORD@HOST:PORT/VHOST |
| kafka | TALLY_TEST_KAFKA HOST:PORT |

TALLY_TEST_CONTROL is a socket on which the test may say `VERB NAME`, a line each, and is answered with a
line, `ok ...` or `error ...`, when it is done (test/lib/servers.h does so for C). Verbs: start, stop, kill9,
pause, resume, restart (which return when the server serves, or is gone), pid, address; starve and feed (RabbitMQ
is in memory alarm, and is not any more). Names: mysql-0 (the
primary), mysql-1, galera-0 to 2, redis-0, redis-1, sentinel-0 to 2, cluster-0 to 5, rabbitmq-0, kafka-0.

The exit code is that of COMMAND. Where a server cannot be had it is 77, or with CI=true 1, and says why. The
classes are in peer_*.py, for tests in Python.
"""
import contextlib
import os
import re
import select
import signal
import subprocess
import sys
import tempfile

from peer_control import ControlSocket
from peer_kafka import Kafka
from peer_mariadb import ADMIN, ADMIN_PASSWORD, Galera, MariaDb, Replica, url
from peer_process import Missing
from peer_rabbitmq import RabbitMq
from peer_redis import Redis, RedisCluster, RedisReplica, RedisSentinels
from peers import IS_CI
from tally_server import ServerFailed

NEEDS = re.compile(r"/\* needs: ([a-z -]+) \*/")


class Servers:
    """Those that were asked for, by name, and the variables that tell of them."""

    def __init__(self):
        self.by_name = {}
        self.environment = {}
        self._stack = contextlib.ExitStack()

    def _enter(self, server):
        self._stack.enter_context(server)
        for member in getattr(server, "members", [server]):
            self.by_name[member.name] = member
        return server

    # One method for each word that can be asked for; those that another one has started are kept.

    def mariadb(self):
        """A primary."""
        if "mysql-0" not in self.by_name:
            server = self._enter(MariaDb())
            self.environment["TALLY_TEST_MYSQL"] = server.url
            self.environment["TALLY_TEST_MYSQL_ADMIN"] = \
                url(server.address, user=ADMIN, password=ADMIN_PASSWORD)
        return self.by_name["mysql-0"]

    def mariadb_replica(self):
        """With its primary."""
        server = self._enter(Replica(self.mariadb()))
        self.environment["TALLY_TEST_MYSQL_REPLICA"] = server.url

    def galera(self):
        """Three nodes."""
        self.environment["TALLY_TEST_GALERA"] = self._enter(Galera()).url

    def redis(self):
        """A master."""
        if "redis-0" not in self.by_name:
            self.environment["TALLY_TEST_REDIS"] = self._enter(Redis()).address
        return self.by_name["redis-0"]

    def redis_replica(self):
        """With its master."""
        self.environment["TALLY_TEST_REDIS_REPLICA"] = self._enter(RedisReplica(self.redis())).address

    def redis_sentinel(self):
        """With a master and a replica."""
        group = self._enter(RedisSentinels())
        self.environment.update({
            "TALLY_TEST_SENTINEL": group.addresses, "TALLY_TEST_REDIS": group.master.address,
            "TALLY_TEST_REDIS_REPLICA": group.replica.address})

    def redis_cluster(self):
        """Six nodes."""
        self.environment["TALLY_TEST_REDIS_CLUSTER"] = self._enter(RedisCluster()).addresses

    def rabbitmq(self):
        """A broker."""
        self.environment["TALLY_TEST_AMQP"] = self._enter(RabbitMq()).url

    def kafka(self):
        """A broker."""
        self.environment["TALLY_TEST_KAFKA"] = self._enter(Kafka()).address

    def close(self):
        """Stops all."""
        self._stack.close()


KINDS = {
    "mariadb": (MariaDb, Servers.mariadb), "mariadb-replica": (Replica, Servers.mariadb_replica),
    "galera": (Galera, Servers.galera), "redis": (Redis, Servers.redis),
    "redis-replica": (RedisReplica, Servers.redis_replica),
    "redis-sentinel": (RedisSentinels, Servers.redis_sentinel),
    "redis-cluster": (RedisCluster, Servers.redis_cluster), "rabbitmq": (RabbitMq, Servers.rabbitmq),
    "kafka": (Kafka, Servers.kafka),
}
# Those that bring what others would start alone come first.
ORDER = ("redis-sentinel", "mariadb", "mariadb-replica", "galera", "redis", "redis-replica", "redis-cluster",
         "rabbitmq", "kafka")


def start(wanted):
    """The servers of those words, all serving. Missing if one cannot be had, before any is started."""
    for word in wanted:
        KINDS[word][0].check()
    servers = Servers()
    try:
        for word in sorted(set(wanted), key=ORDER.index):
            if word == "redis-replica" and "redis-1" in servers.by_name:
                continue
            KINDS[word][1](servers)
    except BaseException:
        servers.close()
        raise
    return servers


def serve_until_ended(socket, process):
    """Answers on the control socket while the command runs; its exit code."""
    ended = os.pidfd_open(process.pid)
    try:
        while True:
            ready = select.select([ended, *socket.sources()], [], [])[0]
            if ended in ready:
                return process.wait()
            socket.serve(ready)
    finally:
        os.close(ended)


def run(wanted, command):
    """The command's exit code."""
    with contextlib.ExitStack() as stack:
        servers = start(wanted)
        stack.callback(servers.close)
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="tally-control-"))
        socket = ControlSocket(os.path.join(folder, "socket"), servers.by_name)
        stack.callback(socket.close)
        process = subprocess.Popen(  # pylint: disable=consider-using-with
            command, env={**os.environ, **servers.environment, "TALLY_TEST_CONTROL": socket.path})
        stack.callback(process.wait)
        stack.callback(lambda: process.poll() is None and process.terminate())
        code = serve_until_ended(socket, process)
        if code not in (0, 77):
            tell_logs(servers)
        return code if code >= 0 else 128 - code


def tell_logs(servers):
    """What the servers said, when the command failed."""
    for name, server in servers.by_name.items():
        print("---- the log of %s ends\n%s" % (name, server.log_tail(15)), file=sys.stderr)


def needs_of(source):
    """The words on the first line of a source."""
    with open(source, encoding="utf-8") as text:
        found = NEEDS.match(text.readline())
    if not found:
        raise SystemExit("%s does not begin with `/* needs: ... */`" % source)
    return found.group(1).split()


def main(words):
    """The exit code."""
    if "--" not in words or len(words) < 3 or words[0] not in ("run", "test"):
        print(__doc__)
        return 2
    verb, asked, command = words[0], words[1:words.index("--")], words[words.index("--") + 1:]
    wanted = asked if verb == "run" else needs_of(asked[0])
    unknown = [word for word in wanted if word not in KINDS]
    if unknown or not command:
        print("no server is called %s; there are: %s" % (", ".join(unknown), ", ".join(KINDS)))
        return 2

    def interrupt(*_):
        raise KeyboardInterrupt
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    try:
        return run(wanted, command)
    except Missing as reason:
        print("skipped: %s" % reason)
        return 1 if IS_CI else 77
    except ServerFailed as reason:
        print(reason, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
