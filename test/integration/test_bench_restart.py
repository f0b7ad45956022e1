#!/usr/bin/python3
"""`tally bench` against the real server: every kind of traffic ends with nothing lost and nothing
sold twice, also when the server is killed and comes back in mid-run; and when it comes back without
its data, or not at all, that is told."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tally_server import (  # noqa: E402
    PATIENCE_S, TallyServer, clean_environment, tally_binary, wait_until)

COUNTERS = ("oversold", "undersold", "lost", "duplicated")
MIX = ("--pay", "30", "--cancel", "20", "--expire", "10", "--expire-after", "500ms", "--retry",
       "20")


class Bench:
    """A run in a process of its own."""

    def __init__(self, server, *flags, mix=MIX):
        self.folder = tempfile.TemporaryDirectory(prefix="tally-bench-")
        self.report = os.path.join(self.folder.name, "report.json")
        self.log = open(os.path.join(self.folder.name, "log"), "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [tally_binary(), "bench", "--target", server.address, "--connections", "4",
             "--streams", "16", "--rate", "1000", "--duration", "2s", "--seed", "9", *mix, "--json",
             self.report, *flags], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            env=clean_environment())

    def end(self, timeout=10 * PATIENCE_S):
        """The exit code, the report and what was printed."""
        try:
            code = self.process.wait(timeout)
            self.log.seek(0)
            text = self.log.read()
            with open(self.report, encoding="utf-8") as file:
                return code, json.load(file), text
        finally:
            self.close()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.close()
        self.folder.cleanup()


class RealServer(unittest.TestCase):
    def assert_nothing_wrong(self, result):
        code, report, text = result
        audit = report["audit"]
        self.assertTrue(audit["complete"], text)
        self.assertEqual([audit[name] for name in COUNTERS], [0, 0, 0, 0], text)
        self.assertEqual(code, 0, text)
        self.assertGreater(audit["acknowledged"], 0, text)
        self.assertEqual(audit["findings"], [], text)
        return audit

    def run_bench(self, *flags, mix=MIX):
        with TallyServer() as server:
            audit = self.assert_nothing_wrong(Bench(server, *flags, mix=mix).end())
            done = server.cli("verify", server.data)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            return audit

    def test_a_mix_over_many_lots_passes(self):
        for protocol in ("grpc", "http"):
            with self.subTest(protocol):
                self.run_bench("--protocol", protocol, "--lots", "20", "--quantity", "3",
                               "--lot-choice", "zipf")

    def test_a_flash_sale_that_sells_out_passes(self):
        for protocol in ("grpc", "http"):
            with self.subTest(protocol):
                audit = self.run_bench("--protocol", protocol, "--model", "flash-sale", "--units",
                                       "200", "--duration", "4s")
                self.assertGreater(audit["refused_checked"], 0)

    def test_batches_pass(self):
        for protocol in ("grpc", "http"):
            with self.subTest(protocol):
                self.run_bench("--protocol", protocol, "--batch", "10", "--units", "1500", mix=())

    def test_sessions_pass(self):
        self.run_bench("--model", "signalling")

    def test_lots_that_others_hold_units_of_pass(self):
        with TallyServer() as server:
            self.assert_nothing_wrong(Bench(server, "--units", "5000").end())
            lot = server.request("GET", "/v1/lots")[2]["lots"][0]
            self.assertGreater(lot["reserved"], 0)
            code, report, text = Bench(server, "--lot", lot["lot"]).end()
            self.assertEqual(code, 0, text)
            self.assertIn("held before the run", " ".join(report["audit"]["findings"]))

    def wait_for_orders(self, server, bench):
        """Until a few hundred units or more are held: how many."""
        def held():
            self.assertIsNone(bench.process.poll(), "the run is over")
            lots = server.request("GET", "/v1/lots")[2]["lots"]
            units = sum(lot["reserved"] + lot["confirmed"] for lot in lots)
            return units if units >= 300 else None
        return wait_until(held)

    def test_a_server_that_is_killed_and_comes_back_loses_nothing(self):
        for protocol in ("grpc", "http"):
            with self.subTest(protocol), TallyServer() as server:
                bench = Bench(server, "--protocol", protocol, "--duration", "6s")
                self.addCleanup(bench.close)
                before = self.wait_for_orders(server, bench)
                server.kill()
                server.start()
                audit = self.assert_nothing_wrong(bench.end())
                self.assertGreater(audit["acknowledged"], before)  # it went on afterwards

    def test_a_server_that_comes_back_without_its_data_is_found_out(self):
        with TallyServer() as server, tempfile.TemporaryDirectory() as folder:
            bench = Bench(server, "--duration", "6s")
            self.addCleanup(bench.close)
            self.wait_for_orders(server, bench)
            server.kill()
            server.data = os.path.join(folder, "data")
            server.start()
            code, report, text = bench.end()
        self.assertEqual(code, 1, text)
        self.assertTrue(report["audit"]["complete"], text)
        self.assertEqual(report["audit"]["lost"], report["audit"]["acknowledged"], text)

    def test_a_server_that_stays_away_is_told_and_not_waited_for_ever(self):
        with TallyServer() as server:
            bench = Bench(server, "--duration", "10m")
            self.addCleanup(bench.close)
            self.wait_for_orders(server, bench)
            server.kill()
            code, report, text = bench.end()
        self.assertNotEqual(code, 0, text)
        self.assertFalse(report["audit"]["complete"], text)
        self.assertIn("Connection refused", report["audit"]["reason"], text)
        self.assertLess(report["total"]["duration_s"], 600, text)


if __name__ == "__main__":
    unittest.main()
