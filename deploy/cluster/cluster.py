#!/usr/bin/env python3
"""Cluster mode on this machine, of real servers, until Ctrl-C.

    ./dev cluster [--nodes N] [--galera] [--redis-cluster] [--no-kafka] [--no-rabbitmq]
                  [--listen HOST:PORT] [--describe FILE] [--quiet]
    ./dev cluster VERB NAME      of the cluster that runs: restart, stop, kill9, pause, resume, start

MariaDB (a primary and a replica, or three Galera nodes), Redis (one, or a Cluster of six), RabbitMQ, Kafka
where its jars could be had, N nodes of Tallystick, and HAProxy in front of them, which sends what has the
same x-tally-lot header to the same node. The drinks of examples/drinks.csv are loaded. All data lies in a
folder that is removed at the end. Whatever is killed is told, the others go on, and `restart NAME` brings
it back at its old address with its old data.
"""
import argparse
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "test/lib"))
# pylint: disable=wrong-import-position
from members import LOT_HEADER, Node, Proxy, each, known_settings, secret_file, takes
from peer_control import DO, ControlSocket, ask
from peer_kafka import Kafka
from peer_mariadb import DATABASE, PASSWORD, USER, Galera, MariaDb, Replica
from peer_process import Missing
from peer_rabbitmq import PASSWORD as BUS_PASSWORD
from peer_rabbitmq import USER as BUS_USER
from peer_rabbitmq import VHOST, RabbitMq
from peer_redis import Redis, RedisCluster
from tally_server import ServerFailed, tally_binary

RUNNING = ROOT / "build/cluster.json"  # what ./dev cluster VERB looks at


class Cluster:
    """All of it. folder: a new one."""

    def __init__(self, folder, arguments, binary):
        self.folder = folder
        self.binary = binary
        self.notes = []
        self.mysql = self._databases(arguments.galera)
        self.redis = RedisCluster(prefix="redis", folder=folder) if arguments.redis_cluster else \
            Redis(folder=folder / "redis-0")
        self.rabbitmq = None if arguments.no_rabbitmq else RabbitMq(folder=folder / "rabbitmq-0")
        self.kafka = None if arguments.no_kafka else self._kafka()
        known = known_settings(binary)
        count = arguments.nodes
        if "ledger" not in known and count > 1:
            self.notes.append("this build of tally keeps its ledger in its own folder: there is one node")
            count = 1
        self.nodes = [Node(binary, *self._settings(known, i), name="node-%d" % i,
                           folder=folder / ("node-%d" % i)) for i in range(count)]
        self.proxy = Proxy(self.nodes, folder=folder / "proxy", listen=arguments.listen)
        self.by_name = {server.name: server for server in self.servers()}

    def _databases(self, galera):
        if galera:
            return [Galera(prefix="mysql", folder=self.folder)]
        primary = MariaDb(folder=self.folder / "mysql-0")
        return [primary, Replica(primary, folder=self.folder / "mysql-1")]

    def _kafka(self):
        try:
            Kafka.check()
            return Kafka(folder=self.folder / "kafka-0")
        except Missing as reason:
            self.notes.append("without Kafka: %s" % reason)
            return None

    def _settings(self, known, number):
        """Flags of a node: of those settings that this build has."""
        redis = "redis://" + ",".join(server.address for server in each([self.redis]))
        hosts = [server.address for server in each(self.mysql) if server.role != "replica"]
        first = number % len(hosts)  # of Galera each node begins with another one
        hosts = ",".join(hosts[first:] + hosts[:first])
        wanted = [
            ("ledger", "mysql://%s@%s/%s" % (USER, hosts, DATABASE)),
            ("ledger-password-file", secret_file(self.folder, "ledger-password", PASSWORD)),
            ("gate", redis),
            ("cache", redis),
        ]
        if self.rabbitmq:
            wanted += [("bus", "amqp://%s@%s/%s" % (BUS_USER, self.rabbitmq.address, VHOST)),
                       ("bus-password-file", secret_file(self.folder, "bus-password", BUS_PASSWORD))]
        if self.kafka:
            wanted += [("events", "kafka://" + self.kafka.address)]
        left = ["%s = %s" % (name, value) for name, value in wanted if not takes(known, name, value)]
        if left and not number:
            self.notes.append("this build of tally takes no " + ", no ".join(left))
        return [word for name, value in wanted if takes(known, name, value)
                for word in ("--" + name, str(value))]

    def peers(self):
        """What the nodes stand on, in the order of the start."""
        return [*self.mysql, self.redis, *[p for p in (self.rabbitmq, self.kafka) if p]]

    def servers(self):
        """Every process."""
        return [*each(self.peers()), *self.nodes, self.proxy]

    def start(self):
        """Returns when a request through the proxy is answered."""
        for part in [*self.peers(), *self.nodes, self.proxy]:
            part.check()
        began = time.monotonic()

        def ready(part):
            for server in each([part]):
                print("  %-12s serves after %.1f s" % (server.name, time.monotonic() - began), flush=True)
        alone = [part for part in self.peers() if part in self.by_name.values()]
        for part in alone:  # those that are no group start at once
            part.begin()
        for part in self.peers():
            if part in alone:
                part.wait_until_ready()
            else:
                part.start()
            ready(part)
        ready(self.nodes[0].start())  # makes the tables
        for node in self.nodes[1:]:
            node.begin()
        for node in self.nodes[1:]:
            ready(node.wait_until_ready())
        ready(self.proxy.start())

    def load(self, table):
        """Through the proxy, as a shop would."""
        done = subprocess.run([self.binary, "lot", "import", table, "--server", self.proxy.address],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ServerFailed("tally lot import: %s\n%s" % (done.stdout + done.stderr,
                                                            self.proxy.log_tail()))

    def stop(self):
        """The nodes before what they stand on."""
        for some in ([self.proxy], self.nodes, list(each(self.peers()))):
            for server in some:
                server.end()
            for server in some:
                try:
                    server.close()
                except ServerFailed as reason:
                    print(reason, file=sys.stderr)

    # ---- what is told of it ----

    def description(self, control):
        """For tools."""
        def place(server, **more):
            return {"name": server.name, "host": server.host, "port": server.port, **more,
                    "pid": server.pid if server.running() else None}
        told = {
            "control": control,
            "nodes": [{"name": n.name, "listen": n.address, "data": str(n.data),
                       "pid": n.pid if n.running() else None} for n in self.nodes],
            "proxy": {"listen": self.proxy.address, "header": LOT_HEADER,
                      "pid": self.proxy.pid if self.proxy.running() else None},
            "mysql": [place(s, role=s.role, user=USER, password=PASSWORD, database=DATABASE)
                      for s in each(self.mysql)],
            "redis": [place(s) for s in each([self.redis])],
        }
        if self.rabbitmq:
            told["rabbitmq"] = place(self.rabbitmq, user=BUS_USER, password=BUS_PASSWORD, vhost=VHOST)
        if self.kafka:
            told["kafka"] = place(self.kafka)
        return told

    def page(self):
        """For the person who started it."""
        lines = ["", "  %-12s %-22s %-10s %s" % ("name", "address", "pid", "is")]
        for server in self.servers():
            lines.append("  %-12s %-22s %-10d %s" % (server.name, server.address, server.pid, server.role))
        shown = os.path.relpath(self.binary)
        lines += [
            "", *["  " + note for note in self.notes], *([""] if self.notes else []),
            "Try, in another terminal:", "",
            f"  curl -s http://{self.proxy.address}/v1/reservations -H 'content-type: application/json' \\",
            f"       -H '{LOT_HEADER}: LEMONADE-CLASSIC' \\",
            "       -d '{\"user_id\": \"ann\", \"lines\": [{\"sku\": \"LEMONADE-CLASSIC\", \"quantity\": 2}]}'",
            "", f"  {shown} lot list --server {self.proxy.address}", "",
            f"  kill -9 {self.redis_pid()}; sleep 5; ./dev cluster restart redis-0", "",
            f"Data and logs are in {self.folder}. Ctrl-C stops everything and removes them.", ""]
        return "\n".join(lines)

    def redis_pid(self):
        """Of the first one."""
        return next(each([self.redis])).pid


class Logs:
    """What the servers write from now on, each line with the name of who wrote it."""

    def __init__(self, servers):
        self.places = {server: server.log_path.stat().st_size for server in servers}

    def follow(self):
        """Prints whole lines."""
        for server, place in self.places.items():
            with open(server.log_path, "rb") as log:
                log.seek(place)
                whole = log.read().rpartition(b"\n")[0]
            if whole:
                self.places[server] = place + len(whole) + 1
                for line in whole.decode(errors="replace").splitlines():
                    print("%-11s| %s" % (server.name, line), flush=True)


class Run:
    """From when all is ready until it is told to end."""

    def __init__(self, cluster, describe):
        self.cluster = cluster
        self.files = [RUNNING, *([pathlib.Path(describe)] if describe else [])]
        self.control = ControlSocket(cluster.folder / "control", cluster.by_name)
        self.dead = set()
        self.describe()

    def describe(self):
        """Writes it to the files, each whole at every moment."""
        text = json.dumps(self.cluster.description(self.control.path), indent=1) + "\n"
        for path in self.files:
            path.parent.mkdir(parents=True, exist_ok=True)
            new = path.with_name(path.name + ".new")
            new.write_text(text)
            new.rename(path)

    def go_on(self, logs):
        """One round: who asks, who died, what was logged."""
        asked = self.control.serve(select.select(self.control.sources(), [], [], 0.2)[0])
        dead = {server for server in self.cluster.servers() if not server.running()}
        ended, back = dead - self.dead, self.dead - dead
        if asked or ended or back:
            self.dead = dead
            self.describe()
        for server in ended:
            print("== %s has ended; ./dev cluster restart %s" % (server.name, server.name), flush=True)
        for server in back:
            print("== %s runs again" % server.name, flush=True)
        if logs:
            logs.follow()

    def close(self):
        """Nobody finds it any more."""
        self.control.close()
        for path in self.files:
            if path.exists() and json.loads(path.read_text())["control"] == self.control.path:
                path.unlink()


def serve(arguments, folder):
    """Until a signal. Returns the exit code."""
    binary = tally_binary()
    cluster = Cluster(folder, arguments, binary)
    run = None
    try:
        print("starting %s" % ", ".join(server.name for server in cluster.servers()), flush=True)
        cluster.start()
        cluster.load(ROOT / "examples/drinks.csv")
        print(cluster.page(), flush=True)
        logs = None if arguments.quiet else Logs(cluster.servers())
        run = Run(cluster, arguments.describe)
        while True:
            run.go_on(logs)
    except KeyboardInterrupt:
        print("\nstopping", flush=True)
        return 0
    except (ServerFailed, Missing) as reason:
        print("./dev cluster: %s" % reason, file=sys.stderr)
        return 1
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # one is enough; the servers are about to stop
        if run:
            run.close()
        cluster.stop()


def tell(verb, name, describe):
    """Another `./dev cluster`, the one that runs."""
    path = pathlib.Path(describe) if describe else RUNNING
    try:
        answer = ask(json.loads(path.read_text())["control"], "%s %s" % (verb, name))
    except OSError:
        print("./dev cluster: none runs here (%s)" % path, file=sys.stderr)
        return 1
    print(answer)
    return 0 if answer.startswith("ok") else 1


def parse(words):
    """The arguments."""
    parser = argparse.ArgumentParser(prog="./dev cluster", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", nargs="?", choices=DO, help="what to do to a server that runs")
    parser.add_argument("name", nargs="?", help="its name, as mysql-0, redis-0, node-2, proxy")
    parser.add_argument("--nodes", type=int, default=3, choices=range(1, 17), metavar="N")
    parser.add_argument("--galera", action="store_true", help="three MariaDB servers that are one")
    parser.add_argument("--redis-cluster", action="store_true", help="three masters with a replica each")
    parser.add_argument("--no-kafka", action="store_true")
    parser.add_argument("--no-rabbitmq", action="store_true")
    parser.add_argument("--listen", default="127.0.0.1:7070", help="of the proxy; port 0: any free one")
    parser.add_argument("--describe", metavar="FILE", help="addresses and process ids, as JSON, once all is "
                        "ready; of VERB: the cluster that FILE is of")
    parser.add_argument("--quiet", action="store_true", help="don't follow the logs")
    arguments = parser.parse_args(words)
    if arguments.verb and not arguments.name:
        parser.error("%s of what?" % arguments.verb)
    return arguments


def main(words):
    """The exit code."""
    arguments = parse(words)
    if arguments.verb:
        return tell(arguments.verb, arguments.name, arguments.describe)

    def interrupt(*_):
        raise KeyboardInterrupt
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    # On a disk: what is durable in memory alone proves nothing.
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tally-cluster-", dir="/var/tmp"))
    folder.chmod(0o711)  # MariaDB runs as a user of its own
    try:
        return serve(arguments, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
