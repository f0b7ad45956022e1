#!/usr/bin/env python3
"""test/lib/servers.py as a command: what a test is told, and how it ends."""
import os
import subprocess
import sys
import tempfile
import unittest

LIB = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib")
sys.path.insert(0, LIB)
import peers  # pylint: disable=wrong-import-position
from peer_process import Missing  # pylint: disable=wrong-import-position
from peer_redis import Redis  # pylint: disable=wrong-import-position

COMMAND = os.path.join(LIB, "servers.py")
try:
    Redis.check()
    NO_REDIS = ""
except Missing as reason:
    NO_REDIS = str(reason)
TELLS = """
import os, sys
sys.path.insert(0, %r)
from peer_control import ask
def say(line):
    return ask(os.environ["TALLY_TEST_CONTROL"], line)
""" % LIB


def run(*words, **environment):
    """The command, finished."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("TALLY_TEST_")}
    return subprocess.run([sys.executable, COMMAND, *words], env={**env, **environment}, check=False,
                          capture_output=True, text=True)


class Command(unittest.TestCase):
    """One behaviour each."""

    @peers.needs(not NO_REDIS, NO_REDIS)
    def test_a_command_is_told_where_its_server_is_and_its_exit_code_is_passed_on(self):
        done = run("run", "redis", "--", "sh", "-c", "redis-cli -u redis://$TALLY_TEST_REDIS ping; exit 3")
        self.assertEqual((done.stdout, done.returncode), ("PONG\n", 3))

    @peers.needs(not NO_REDIS, NO_REDIS)
    def test_a_command_has_its_server_killed_and_started_again(self):
        done = run("run", "redis", "--", sys.executable, "-c", TELLS + """
before = say("pid redis-0")
print(say("kill9 redis-0"), say("start redis-0"), say("pid redis-0") != before)
print(say("stop nobody-1"))
print(say("dance redis-0"))
""")
        self.assertEqual(done.stdout.splitlines(), [
            "ok ok True", "error no server 'nobody-1'; there are redis-0",
            "error no verb 'dance'; there are pid, address, start, stop, kill9, pause, resume, restart, starve, feed"])

    @peers.needs(not NO_REDIS, NO_REDIS)
    def test_no_server_outlives_its_command(self):
        done = run("run", "redis", "--", sys.executable, "-c", TELLS + 'print(say("pid redis-0"))')
        self.assertFalse(os.path.exists("/proc/" + done.stdout.split()[1]))

    def test_without_its_server_a_command_is_skipped_and_with_ci_fails(self):
        self.assertEqual(run("run", "redis", "--", "true", PATH="/nowhere", CI="").returncode, 77)
        self.assertEqual(run("run", "redis", "--", "true", PATH="/nowhere", CI="true").returncode, 1)

    def test_the_first_line_of_a_source_says_what_it_needs(self):
        with tempfile.NamedTemporaryFile("w", suffix=".c") as source:
            source.write("/* needs: nothing-known redis */\n")
            source.flush()
            done = run("test", source.name, "--", "true")
            self.assertEqual(done.returncode, 2)
            self.assertIn("no server is called nothing-known;", done.stdout)


if __name__ == "__main__":
    peers.main()
