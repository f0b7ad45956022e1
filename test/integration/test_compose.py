#!/usr/bin/env python3
"""deploy/compose.yaml, without containers: its nodes' settings are ones that there are, its proxy's file is
one that HAProxy takes, and both are what ./dev cluster runs."""
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

import yaml

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE.parent / "lib"), str(ROOT / "deploy/cluster")]
import peers  # pylint: disable=wrong-import-position
from members import HAPROXY, LOT_HEADER, known_settings, takes  # pylint: disable=wrong-import-position
from tally_server import tally_binary  # pylint: disable=wrong-import-position

COMPOSE = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())
NODES = [name for name in COMPOSE["services"] if name.startswith("node-")]
PROXY_FILE = ROOT / "deploy/haproxy.cfg"


def rules(text):
    """Lines of a file of HAProxy's that say how, and not where."""
    lines = [line.strip() for line in text.replace(" init-addr libc,none", "").splitlines()]
    return [line for line in lines if line and not line.startswith(
        ("#", "server ", "bind ", "stats ", "maxconn ", "global"))]


class Compose(unittest.TestCase):
    """One behaviour each."""

    def test_every_flag_of_a_node_is_one_that_this_build_takes(self):
        self.assertEqual(len(NODES), 3)
        known = known_settings(tally_binary())
        for name in NODES:
            for word in COMPOSE["services"][name]["command"][1:]:
                setting, _, value = word.removeprefix("--").partition("=")
                self.assertTrue(takes(known, setting, value), word)

    def test_every_server_that_a_node_is_told_of_is_there(self):
        for word in COMPOSE["services"][NODES[0]]["command"][1:]:
            if "://" in word:
                host = word.partition("://")[2].rpartition("@")[2].partition(":")[0]
                self.assertIn(host, COMPOSE["services"])

    def test_the_database_is_flushed_at_every_commit(self):
        words = COMPOSE["services"]["mysql-0"]["command"]
        self.assertIn("--innodb-flush-log-at-trx-commit=1", words)
        self.assertIn("--sync-binlog=1", words)

    def test_the_proxy_keeps_to_the_rules_of_dev_cluster(self):
        ours = HAPROXY.format(folder="x", address="x", header=LOT_HEADER, servers="")
        self.assertEqual(rules(PROXY_FILE.read_text()), rules(ours))

    @peers.needs(shutil.which("haproxy", path=os.environ["PATH"] + ":/usr/sbin"), "haproxy is not installed")
    def test_haproxy_takes_its_file(self):
        done = subprocess.run(["/usr/sbin/haproxy", "-c", "-f", str(PROXY_FILE)], capture_output=True,
                              text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    peers.main()
