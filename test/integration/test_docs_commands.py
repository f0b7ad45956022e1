#!/usr/bin/python3
"""What the documents show to be copied runs as it stands, in the order in which it stands there."""
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tally_server import PATIENCE_S, ROOT, TallyServer, clean_environment, tally_binary  # noqa: E402


def commands(page, heading):
    """The blocks of shell commands of a section, as one script."""
    script, inside, fence = [], False, ""
    with open(os.path.join(ROOT, page), encoding="utf-8") as file:
        for line in file:
            if line.startswith("```"):
                fence = "" if fence else line.strip()
            elif fence == "```sh" and inside:
                script.append(line)
            elif not fence and line.startswith("#"):
                inside = line.strip() == heading
    return "".join(script)


class Commands(unittest.TestCase):
    def setUp(self):
        self.server = TallyServer()
        self.addCleanup(self.server.close)
        self.server.start()

    def run_script(self, script):
        self.assertIn("\n", script)
        path = os.path.dirname(tally_binary()) + os.pathsep + os.environ["PATH"]
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", script.replace("127.0.0.1:7070", self.server.address)],
            capture_output=True, text=True, check=False, timeout=5 * PATIENCE_S, cwd=ROOT,
            env=clean_environment({"TALLY_SERVER": self.server.address, "PATH": path}))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertNotIn("problems/", done.stdout)
        return done.stdout

    def order(self, order_id):
        return self.server.request("GET", "/v1/orders/" + order_id)[2]

    def test_sales_and_groups_over_http(self):
        said = self.run_script(commands("docs/api.md", "### Sales"))
        self.assertIn('"status":"SUCCEEDED"', said)
        self.assertEqual([self.order(name)["status"] for name in ("cocoa-1", "cocoa-2")],
                         ["REFUNDED", "CONFIRMED"])

    def test_a_waiting_room(self):
        said = self.run_script(commands("docs/admission.md", "# Waiting rooms"))
        self.assertIn("place         2\n", said)
        for name in ("cart-1", "cart-2"):
            self.assertEqual(self.order(name)["sale_id"], "spring")

    def test_stock_files(self):
        said = self.run_script(commands("docs/stock-files.md", "## Shop systems"))
        self.assertIn("would bring", said)
        self.server.cli("lot", "import", os.path.join(ROOT, "examples", "drinks.csv"))
        exported = os.path.join(os.path.dirname(self.server.data), "stock.csv")
        self.server.cli("lot", "export", "--out", exported)
        said = self.run_script(commands("docs/stock-files.md", "## Over HTTP").replace(
            "stock.csv", exported))
        self.assertIn('"unchanged":100', said)


if __name__ == "__main__":
    unittest.main(verbosity=2)
