#!/usr/bin/python3
"""The story of a group purchase runs from the README by copy and paste, and leaves what it says."""
import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tally_server import PATIENCE_S, ROOT, TallyServer, clean_environment, tally_binary  # noqa: E402


def story():
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        section = file.read().split("\n## A group purchase, by copy and paste\n", 1)[1]
    return re.search(r"```sh\n(.*?)```", section, re.S)[1]


class Story(unittest.TestCase):
    def test_a_group_purchase_runs_as_it_is_told(self):
        with TallyServer() as server:
            path = os.path.dirname(tally_binary()) + os.pathsep + os.environ["PATH"]
            done = subprocess.run(
                ["bash", "-e", "-o", "pipefail", "-c", story()], capture_output=True, text=True,
                check=False, timeout=5 * PATIENCE_S,
                env=clean_environment({"TALLY_SERVER": server.address, "PATH": path}))
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertRegex(done.stderr, r"SALE_NOT_OPEN: the sale opens in \d+ ms")
            self.told(done.stdout)
            self.left(server)
            verified = server.cli("verify", server.data)
            self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)

    def told(self, text):
        counted = [int(n) for n in re.findall(r'"starts_in_ms":(\d+)', text)]
        self.assertGreater(len(counted), 1)  # one a second, as far as the machine lets them
        self.assertEqual(counted, sorted(counted, reverse=True))
        self.assertEqual(counted[-1], 0)
        self.assertRegex(text, r"status +SUCCEEDED\npaid +3 of 3, 0 left")
        self.assertRegex(text, r"status +FAILED")
        self.assertRegex(text, r"groups +of 3, 0 open, 1 succeeded, 1 failed")

    def left(self, server):
        def order(order_id):
            shown = server.request("GET", "/v1/orders/" + order_id)[2]
            return shown["status"], shown["reason"], shown["lines"][0].get("shipped", 0)
        self.assertEqual({name: order(name) for name in
                          ("ann-1", "bob-1", "cat-1", "dan-1", "eve-1", "fay-1")},
                         {"ann-1": ("CONFIRMED", "", 1), "bob-1": ("REFUNDED", "RETURNED", 1),
                          "cat-1": ("CONFIRMED", "", 1), "dan-1": ("REFUNDED", "GROUP_FAILED", 0),
                          "eve-1": ("REFUNDED", "GROUP_FAILED", 0), "fay-1": ("CONFIRMED", "", 0)})
        lot = server.request("GET", "/v1/lots?sku=MOONCAKE")[2]["lots"][0]
        self.assertEqual((lot["on_hand"], lot["confirmed"], lot["available"]), (3, 2, 1))


if __name__ == "__main__":
    unittest.main(verbosity=2)
