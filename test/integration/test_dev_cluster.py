#!/usr/bin/env python3
"""./dev cluster: what it starts, that it goes on when something is killed, and that it leaves nothing."""
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(ROOT, "deploy", "cluster")]
import peers  # pylint: disable=wrong-import-position
from members import LOT_HEADER, Proxy, known_settings, takes  # pylint: disable=wrong-import-position
from peer_kafka import Kafka  # pylint: disable=wrong-import-position
from peer_mariadb import Galera, MariaDb  # pylint: disable=wrong-import-position
from peer_process import Missing  # pylint: disable=wrong-import-position
from peer_rabbitmq import RabbitMq  # pylint: disable=wrong-import-position
from peer_redis import Redis  # pylint: disable=wrong-import-position
from tally_server import tally_binary, wait_until  # pylint: disable=wrong-import-position

COMMAND = [sys.executable, os.path.join(ROOT, "deploy", "cluster", "cluster.py")]


def missing(*kinds):
    """Why one of them cannot be had, or nothing."""
    try:
        for kind in kinds:
            kind.check()
    except Missing as reason:
        return str(reason)
    return ""


NO_ALONE, NO_GALERA = missing(MariaDb, Redis, RabbitMq, Proxy), missing(Galera, Redis, Proxy)
if missing(Kafka):
    peers.is_stood_in_for(missing(Kafka), "librdkafka's mock cluster, in the tests of src/bus")


class Started:
    """A ./dev cluster that runs, from its description on."""

    def __init__(self, *flags):
        self.own = tempfile.TemporaryDirectory()  # pylint: disable=consider-using-with
        self.file = os.path.join(self.own.name, "description.json")
        self.said = os.path.join(self.own.name, "said")
        with open(self.said, "wb") as said:
            self.process = subprocess.Popen(  # pylint: disable=consider-using-with
                [*COMMAND, "--listen", "127.0.0.1:0", "--describe", self.file, *flags],
                stdin=subprocess.DEVNULL, stdout=said, stderr=said)

    def __enter__(self):
        wait_until(lambda: os.path.exists(self.file) or self.process.poll() is not None, self.text, 0.1)
        if self.process.poll() is not None:
            raise AssertionError(self.text())
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(120)
        self.own.cleanup()

    def text(self):
        """All that it has printed."""
        with open(self.said, encoding="utf-8", errors="replace") as said:
            return said.read()

    def told(self):
        """The description as it is now."""
        with open(self.file, encoding="utf-8") as text:
            return json.load(text)

    def tell(self, verb, name):
        """./dev cluster VERB NAME"""
        return subprocess.run([*COMMAND, verb, name, "--describe", self.file], capture_output=True, text=True,
                              check=False)

    def pids(self):
        """Of every process that is described."""
        told = self.told()
        some = [*told["nodes"], told["proxy"], *told["mysql"], *told["redis"]]
        some += [told[name] for name in ("rabbitmq", "kafka") if name in told]
        return [one["pid"] for one in some]

    def order(self):
        """The status of an order through the proxy; 0 if there was no answer."""
        connection = http.client.HTTPConnection(self.told()["proxy"]["listen"], timeout=30)
        try:
            connection.request("POST", "/v1/reservations", json.dumps(
                {"user_id": "ann", "lines": [{"sku": "LEMONADE-CLASSIC", "quantity": 1}]}),
                {"content-type": "application/json", LOT_HEADER: "LEMONADE-CLASSIC"})
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()


def lives(pid):
    """True for a process that is no zombie."""
    try:
        with open("/proc/%d/stat" % pid, encoding="utf-8") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Settings(unittest.TestCase):
    """What the nodes are told follows the build's own help."""

    def test_a_setting_is_known_with_what_it_says_of_itself(self):
        known = known_settings(tally_binary())
        self.assertIn("HOST:PORT", known["listen"])
        self.assertNotIn("dimensions", known["listen"])

    def test_a_place_is_given_only_to_a_setting_that_names_its_kind(self):
        known = {"cache": "  off, or local (default off)", "gate": "  local, or redis://host:port"}
        self.assertTrue(takes(known, "gate", "redis://127.0.0.1:1"))
        self.assertFalse(takes(known, "cache", "redis://127.0.0.1:1"))
        self.assertTrue(takes(known, "cache", "local"))
        self.assertFalse(takes(known, "ledger", "mysql://u@h/d"))


class DevCluster(unittest.TestCase):
    """Both ways of it."""

    def expect_orders(self, cluster):
        """Until one is taken: what is down is found out by those that fail."""
        wait_until(lambda: cluster.order() // 100 == 2, cluster.text, 0.1)

    def expect_one_killed_and_back(self, cluster, kind, name):
        """It is told as dead, and comes back at its old address."""
        before = next(one for one in cluster.told()[kind] if one["name"] == name)
        os.kill(before["pid"], signal.SIGKILL)
        wait_until(lambda: "== %s has ended" % name in cluster.text(), cluster.text)
        self.assertIsNone(next(o for o in cluster.told()[kind] if o["name"] == name)["pid"])
        done = cluster.tell("restart", name)
        self.assertEqual((done.returncode, done.stdout), (0, "ok\n"), cluster.text())
        wait_until(lambda: next(o for o in cluster.told()[kind] if o["name"] == name)["pid"], cluster.text)
        after = next(one for one in cluster.told()[kind] if one["name"] == name)
        self.assertTrue(lives(after["pid"]))
        self.assertEqual({**before, "pid": 0}, {**after, "pid": 0})

    def expect_nothing_left(self, cluster):
        """After Ctrl-C."""
        pids, folder = cluster.pids(), os.path.dirname(cluster.told()["control"])
        self.assertTrue(os.path.isdir(folder))
        cluster.process.send_signal(signal.SIGINT)
        self.assertEqual(cluster.process.wait(120), 0, cluster.text())
        self.assertEqual([pid for pid in pids if lives(pid)], [])
        self.assertFalse(os.path.exists(folder))
        self.assertFalse(os.path.exists(cluster.file))

    @peers.needs(not NO_ALONE, NO_ALONE)
    def test_all_is_there_survives_kills_and_is_gone_after_ctrl_c(self):
        with Started() as cluster:
            told = cluster.told()
            self.assertEqual([one["role"] for one in told["mysql"]], ["primary", "replica"])
            self.assertEqual(len(told["redis"]), 1)
            self.assertIn("rabbitmq", told)
            self.assertEqual("kafka" in told, not missing(Kafka))
            self.assertEqual(len(told["nodes"]), 3 if "ledger" in known_settings(tally_binary()) else 1)
            self.assertTrue(all(lives(pid) for pid in cluster.pids()), cluster.text())
            self.expect_orders(cluster)
            for kind, name in (("redis", "redis-0"), ("nodes", "node-0"), ("mysql", "mysql-0")):
                self.expect_one_killed_and_back(cluster, kind, name)
                self.expect_orders(cluster)
            self.assertEqual(cluster.tell("restart", "nobody-7").returncode, 1)
            self.expect_nothing_left(cluster)

    @peers.needs(not NO_GALERA, NO_GALERA)
    def test_with_galera_and_a_redis_cluster_a_member_of_each_may_be_killed(self):
        with Started("--galera", "--redis-cluster", "--no-kafka", "--no-rabbitmq", "--nodes", "2") as cluster:
            told = cluster.told()
            self.assertEqual([one["role"] for one in told["mysql"]], ["galera"] * 3)
            self.assertEqual(len(told["redis"]), 6)
            self.assertFalse({"rabbitmq", "kafka"} & set(told))
            self.expect_orders(cluster)
            self.expect_one_killed_and_back(cluster, "mysql", "mysql-2")
            self.expect_one_killed_and_back(cluster, "redis", "redis-0")
            self.expect_orders(cluster)
            self.expect_nothing_left(cluster)


if __name__ == "__main__":
    peers.main()
