#!/usr/bin/python3
"""h2spec in strict mode: what RFC 9113 and RFC 7541 demand of a server, tried from outside."""
import re
import shutil
import subprocess
import sys
import os
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import peers  # noqa: E402
from tally_server import TallyServer  # noqa: E402

TESTS = 146  # of h2spec 2.2.1


class H2spec(unittest.TestCase):
    def passes(self, path):
        with TallyServer() as server:
            host, port = server.address.rsplit(":", 1)
            # The time-out is how long an answer may take on a busy machine; an answer ends the wait.
            done = subprocess.run(["h2spec", "--strict", "-h", host, "-p", port, "-P", path,
                                   "-o", "20"], capture_output=True, text=True, timeout=280)
        failed = done.stdout[done.stdout.find("Failures:"):]
        self.assertEqual(done.returncode, 0, failed)
        self.assertRegex(done.stdout, rf"\b{TESTS} tests, {TESTS} passed, 0 skipped, 0 failed",
                         re.sub(r"\s+", " ", failed))

    def test_every_case_passes_for_a_page(self):
        self.passes("/livez")

    def test_every_case_passes_for_a_refusal(self):
        self.passes("/")


if __name__ == "__main__":
    if not shutil.which("h2spec"):
        peers.is_missing("h2spec is not here and could not be built")
        peers.end()
    peers.main()
