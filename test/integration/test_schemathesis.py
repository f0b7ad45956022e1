#!/usr/bin/python3
"""api/openapi.yaml says what is true: schemathesis makes requests of it, right ones and wrong ones,
and holds every answer against it, with all its checks."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import yaml

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import peers  # noqa: E402
from tally_server import PATIENCE_S, ROOT, TallyServer, clean_environment  # noqa: E402

PEER = os.path.join(ROOT, "build", "peers", "schemathesis", "bin", "schemathesis")
FOLDER = os.path.join(ROOT, "test", "integration", "schemathesis")


def operations():
    """How many the document describes."""
    with open(os.path.join(ROOT, "api", "openapi.yaml"), encoding="utf-8") as file:
        paths = yaml.safe_load(file)["paths"].values()
    return sum(method != "parameters" for path in paths for method in path)


class Schemathesis(unittest.TestCase):
    def test_finds_nothing(self):
        with TallyServer() as server, tempfile.TemporaryDirectory() as folder:
            for name in ("hooks.py", "schemathesis.toml"):
                shutil.copy(os.path.join(FOLDER, name), folder)
            done = subprocess.run(
                [PEER, "run", os.path.join(ROOT, "api", "openapi.yaml"),
                 "--url", f"http://{server.address}", "--checks", "all", "--no-color",
                 # hooks.py has a stricter one, which knows the rules between members.
                 "--exclude-checks", "positive_data_acceptance",
                 # On a busy machine requests are slow to be made up.
                 "--suppress-health-check", "too_slow"],
                cwd=folder, capture_output=True, text=True, timeout=5 * PATIENCE_S, check=False,
                env=clean_environment({"SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": folder}))
            self.assertEqual(done.returncode, 0, done.stdout[-20000:] + done.stderr[-2000:])
            self.assertIn(f"Tested: {operations()}", done.stdout)


if __name__ == "__main__":
    if not os.path.exists(PEER):
        peers.is_missing(
            "schemathesis is not here; ./dev setup installs it where there is a network")
        peers.end()
    peers.main()
