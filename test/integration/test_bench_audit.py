#!/usr/bin/python3
"""`tally bench` against servers that are wrong in exactly one way: its audit finds that, and nothing
else; and against a right one: it finds nothing."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tally_server import PATIENCE_S, clean_environment, tally_binary  # noqa: E402
from wrong_server import EXTRA_UNITS, WrongServer  # noqa: E402

COUNTERS = ("oversold", "undersold", "lost", "duplicated")
# More orders than units: a lot that is sold out.
SELL_OUT = ("--units", "60")


def bench(address, *flags, protocol="http", timeout=5 * PATIENCE_S):
    """The exit code and the report."""
    with tempfile.TemporaryDirectory(prefix="tally-bench-") as folder:
        report = os.path.join(folder, "report.json")
        done = subprocess.run(
            [tally_binary(), "bench", "--target", address, "--protocol", protocol, "--connections",
             "4", "--streams", "8", "--rate", "300", "--duration", "1s", "--arrivals", "uniform",
             "--seed", "5", "--json", report, *flags],
            capture_output=True, text=True, timeout=timeout, env=clean_environment(), check=False)
        if not os.path.exists(report):
            raise AssertionError("no report\n" + done.stdout + done.stderr)
        with open(report, encoding="utf-8") as file:
            return done.returncode, json.load(file), done.stdout + done.stderr


class Audit(unittest.TestCase):
    def found(self, fault, *flags, protocol="http"):
        """The report's audit, which must be complete."""
        with WrongServer(fault, grpc=protocol == "grpc") as server:
            code, report, text = bench(server.address, *flags, protocol=protocol)
        audit = report["audit"]
        self.assertTrue(audit["complete"], text)
        self.assertEqual(code, 1 if any(audit[name] for name in COUNTERS) else 0, text)
        return audit, text

    def finds(self, fault, counter, *flags, number=None, protocol="http"):
        """Only that counter is not zero, and a finding tells why."""
        audit, text = self.found(fault, *flags, protocol=protocol)
        wrong = {name: audit[name] for name in COUNTERS if audit[name]}
        self.assertEqual(list(wrong), [counter], text)
        self.assertTrue(audit["findings"], text)
        if number is not None:
            self.assertEqual(wrong[counter], number, text)

    def finds_nothing(self, *flags, protocol="http"):
        audit, text = self.found(None, *flags, protocol=protocol)
        self.assertEqual([audit[name] for name in COUNTERS], [0, 0, 0, 0], text)
        self.assertEqual(audit["findings"], [], text)
        self.assertEqual(audit["looked_up"], audit["acknowledged"], text)
        self.assertGreater(audit["looked_up"], 20, text)
        self.assertGreater(audit["probed"], 0, text)
        return audit

    def test_a_right_server_passes(self):
        self.finds_nothing("--pay", "30", "--cancel", "20", "--expire", "10", "--retry", "20",
                           "--expire-after", "300ms", "--lots", "5", "--lot-choice", "zipf")

    def test_a_right_server_that_sells_out_passes(self):
        audit = self.finds_nothing(*SELL_OUT, "--pay", "30", "--cancel", "20", "--retry", "50",
                                   "--quantity", "3")
        self.assertGreater(audit["refused_checked"], 0)

    def test_a_right_server_with_sessions_passes(self):
        self.finds_nothing("--model", "signalling")

    def test_a_right_server_over_grpc_passes(self):
        self.finds_nothing(*SELL_OUT, "--pay", "30", "--cancel", "20", "--expire", "10",
                           "--expire-after", "300ms", "--retry", "20", protocol="grpc")

    def test_a_sample_suffices_for_a_right_server(self):
        audit, text = self.found(None, "--look-ups", "40", "--pay", "30", "--cancel", "20")
        self.assertEqual([audit[name] for name in COUNTERS], [0, 0, 0, 0], text)
        self.assertLess(audit["looked_up"], audit["acknowledged"])

    def test_an_oversell_is_found(self):
        for protocol in ("http", "grpc"):
            with self.subTest(protocol):
                self.finds("oversell", "oversold", *SELL_OUT, number=EXTRA_UNITS,
                           protocol=protocol)

    def test_an_oversell_that_the_counters_hide_is_found(self):
        self.finds("oversell-then-hide", "oversold", *SELL_OUT, number=EXTRA_UNITS)

    def test_an_oversell_is_found_by_a_sample(self):
        self.finds("oversell-then-hide", "oversold", *SELL_OUT, "--look-ups", "10",
                   number=EXTRA_UNITS)

    def test_lost_orders_are_found(self):
        for protocol in ("http", "grpc"):
            with self.subTest(protocol):
                self.finds("lose", "lost", number=6, protocol=protocol)

    def test_lost_orders_are_found_by_those_who_pay(self):
        self.finds("lose", "lost", "--pay", "100", number=6)

    def test_duplicated_orders_are_found(self):
        for protocol in ("http", "grpc"):
            with self.subTest(protocol):
                self.finds("duplicate", "duplicated", "--retry", "20", protocol=protocol)

    def test_units_that_are_not_given_back_are_found(self):
        self.finds("strand", "undersold", "--cancel", "20")

    def test_units_of_expired_holds_that_are_not_given_back_are_found(self):
        self.finds("strand", "undersold", "--expire", "20", "--expire-after", "300ms")

    def test_holds_that_never_expire_are_found(self):
        self.finds("never-expires", "undersold", "--expire", "20", "--expire-after", "300ms")

    def test_holds_that_expire_early_are_found(self):
        audit, text = self.found("expires-early")
        self.assertEqual(audit["lost"], audit["acknowledged"], text)
        self.assertEqual((audit["lost"], audit["oversold"]), (300, 0), text)

    def test_a_lot_that_goes_on_refusing_is_found(self):
        self.finds("sold-out-flag", "undersold", *SELL_OUT, "--cancel", "50", "--think", "400ms")

    def test_forgotten_payments_are_found(self):
        self.finds("forgets-confirm", "lost", "--pay", "30")

    def test_a_retry_of_the_last_unit_that_is_denied_is_found(self):
        self.finds("denies-retry", "lost", *SELL_OUT, "--retry", "1")

    def test_a_refused_order_that_holds_units_is_found(self):
        self.finds("refuses-and-keeps", "undersold", number=15)

    def test_a_pause_shows_in_the_tail_of_an_open_loop(self):
        with WrongServer("pause") as server:
            code, report, text = bench(server.address, "--duration", "3s")
        self.assertEqual(code, 0, text)
        # One call in ten is due while the server stands still, and waits 50 ms on average.
        self.assertGreater(report["total"]["max_ms"], 80, text)
        self.assertGreater(report["total"]["p95_ms"], 20, text)

    def test_a_server_that_dies_is_told_and_not_waited_for_ever(self):
        with WrongServer("dies") as server:
            code, report, text = bench(server.address, "--duration", "5s")
        self.assertNotEqual(code, 0, text)
        self.assertFalse(report["audit"]["complete"], text)
        self.assertIn("Connection refused", report["audit"]["reason"], text)


if __name__ == "__main__":
    unittest.main()
