#!/usr/bin/python3
"""`tally bench --model group-buy`: against the real server nothing is wrong, over both protocols and when
it is killed in the middle; against servers that are wrong in exactly one way its audit says so."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tally_server import (  # noqa: E402
    PATIENCE_S, TallyServer, clean_environment, tally_binary, wait_until)
from wrong_sale import SALE_FAULTS  # noqa: E402
from wrong_server import WrongServer  # noqa: E402

COUNTERS = ("oversold", "undersold", "lost", "duplicated", "groups_wrong", "limits_broken")
# A busy machine may fill no team within a short window: then the same at leisure.
PACES_S = (2, 8, 40)


def flags_of(seconds):
    return ["--duration", f"{seconds}s", "--rate", "200", "--group-window", f"{seconds * 0.4}s",
            "--think", f"{seconds * 0.15}s"]


class Bench:
    """A run in a process of its own."""

    def __init__(self, address, seconds, *flags):
        self.folder = tempfile.TemporaryDirectory(prefix="tally-bench-")
        self.report = os.path.join(self.folder.name, "report.json")
        self.page = os.path.join(self.folder.name, "report.html")
        self.process = subprocess.Popen(
            [tally_binary(), "bench", "--target", address, "--model", "group-buy", "--connections",
             "4", "--streams", "16", "--arrivals", "uniform", "--seed", "7", "--json", self.report,
             "--html", self.page, *flags_of(seconds), *flags],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=clean_environment())

    def end(self):
        """The exit code, the report and what was printed."""
        try:
            text = self.process.communicate(timeout=10 * PATIENCE_S)[0]
            with open(self.report, encoding="utf-8") as file:
                return self.process.returncode, json.load(file), text
        finally:
            self.close()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
        self.folder.cleanup()


def wrongs(report):
    return {name: report["audit"][name] for name in COUNTERS if report["audit"][name]}


class RealServer(unittest.TestCase):
    def assert_nothing_wrong(self, result):
        code, report, text = result
        audit = report["audit"]
        self.assertTrue(audit["complete"], text)
        self.assertEqual(wrongs(report), {}, text)
        self.assertEqual(audit["findings"], [], text)
        self.assertEqual(code, 0, text)
        self.assertEqual(audit["looked_up"], audit["acknowledged"], text)
        self.assertEqual(audit["groups_succeeded"] + audit["groups_failed"],
                         audit["groups_opened"], text)
        return audit

    def whole_run(self, server, *flags):
        """With groups that succeeded, groups that failed, and all that is refused."""
        for seconds in PACES_S:
            result = Bench(server.address, seconds, *flags).end()
            audit = self.assert_nothing_wrong(result)
            refused = result[1]["total"]["refused_by_code"]
            all_there = audit["groups_succeeded"] and audit["groups_refunded"] and {
                "SALE_NOT_OPEN", "LIMIT_EXCEEDED", "TOO_LATE"} <= set(refused) and (
                    refused.keys() & {"GROUP_FULL", "GROUP_CLOSED"})
            if all_there:
                return result
        self.fail(result[2])

    def test_a_sale_of_groups_ends_right_over_both_protocols(self):
        for protocol in ("grpc", "http"):
            with self.subTest(protocol), TallyServer() as server:
                _, report, text = self.whole_run(server, "--protocol", protocol, "--rate", "400",
                                                 "--lots", "3", "--quantity", "2", "--threads", "2")
                audit = report["audit"]
                self.assertIn(f"{audit['groups_succeeded']} succeeded, "
                              f"{audit['groups_failed']} failed", text)
                sale = server.request("GET", "/v1/sales")[2]["sales"][-1]
                self.assertEqual(sale["groups"], {"open": 0, "failed": audit["groups_failed"],
                                                  "succeeded": audit["groups_succeeded"]})
                self.assertEqual(sale["units"]["pending"], 0)
                self.assertLessEqual(sale["units"]["confirmed"], sale["total_limit"])
                done = server.cli("verify", server.data)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_a_sale_without_limits_and_of_large_groups_ends_right(self):
        with TallyServer() as server:
            audit = self.assert_nothing_wrong(
                Bench(server.address, 2, "--total-limit", "0", "--group-size", "12",
                      "--user-limit", "9").end())
            self.assertGreater(audit["groups_opened"], 0)

    def test_a_server_that_is_killed_in_the_middle_leaves_no_group_half_final(self):
        for protocol in ("grpc", "http"):
            with self.subTest(protocol), TallyServer() as server:
                bench = Bench(server.address, 8, "--protocol", protocol)
                self.addCleanup(bench.close)

                def paid():
                    self.assertIsNone(bench.process.poll(), "the run is over")
                    sales = server.request("GET", "/v1/sales")[2]["sales"]
                    return sales and sales[0]["units"]["confirmed"] > 20
                wait_until(paid)
                server.kill()
                server.start()
                self.assert_nothing_wrong(bench.end())

    def test_the_reports_show_the_groups(self):
        with TallyServer() as server:
            bench = Bench(server.address, 2)
            self.addCleanup(bench.close)
            text = bench.process.communicate(timeout=10 * PATIENCE_S)[0]
            with open(bench.page, encoding="utf-8") as file:
                page = file.read()
            with open(bench.report, encoding="utf-8") as file:
                settings = json.load(file)["settings"]
        self.assertIn("\nGroups: ", text)
        self.assertIn(" groups wrong, 0 beyond a limit\n", text)
        self.assertIn("<dt>groups opened</dt>", page)
        self.assertEqual(settings["groups"], "of 3, within 800 ms")
        self.assertEqual(settings["user_limit"], "1 units")
        self.assertIn("total_limit", settings)

    def test_a_sale_that_cannot_be_is_refused_before_the_run(self):
        with TallyServer("--hold-max-ms", "60000", "--hold-default-ms", "60000") as server:
            bench = Bench(server.address, 2)
            self.addCleanup(bench.close)
            text = bench.process.communicate(timeout=10 * PATIENCE_S)[0]
            self.assertEqual(bench.process.returncode, 2, text)
            self.assertIn("the server refuses the sale: INVALID_ARGUMENT", text)
            self.assertIn("hold_ms", text)


class WrongServers(unittest.TestCase):
    def finds(self, fault, *counters, flags=(), perhaps=(), protocol="http"):
        """Those counters are not zero and no other is, and a finding tells why."""
        for seconds in PACES_S:
            with WrongServer(fault, grpc=protocol == "grpc") as server:
                code, report, text = Bench(server.address, seconds, "--protocol", protocol,
                                           *flags).end()
            if wrongs(report) and report["audit"]["complete"]:
                break
        self.assertTrue(report["audit"]["complete"], text)
        self.assertEqual(code, 1, text)
        self.assertEqual(set(wrongs(report)) - set(perhaps), set(counters), text)
        self.assertTrue(report["audit"]["findings"], text)
        return text

    def test_every_fault_of_a_sale_is_tried_here(self):
        with open(__file__, encoding="utf-8") as file:
            text = file.read()
        for fault in SALE_FAULTS:
            self.assertIn(f'"{fault}", ', text)

    def test_a_right_server_passes(self):
        for protocol in ("http", "grpc"):
            with self.subTest(protocol):
                with WrongServer(grpc=protocol == "grpc") as server:
                    code, report, text = Bench(server.address, 2, "--protocol", protocol).end()
                self.assertEqual((code, wrongs(report)), (0, {}), text)
                self.assertEqual(report["audit"]["findings"], [], text)

    def test_a_group_that_is_half_final_is_found(self):
        for protocol in ("http", "grpc"):
            with self.subTest(protocol):
                self.assertIn("has FAILED, and of its members",
                              self.finds("group-half-final", "groups_wrong", protocol=protocol))

    def test_a_group_that_succeeds_although_one_has_not_paid_is_found(self):
        self.assertIn("has SUCCEEDED",
                      self.finds("group-succeeds-short", "groups_wrong"))

    def test_a_group_that_never_ends_is_found(self):
        self.assertIn("is OPEN, long after its window",
                      self.finds("group-never-fails", "groups_wrong"))

    def test_a_group_that_was_paid_in_time_and_failed_is_found(self):
        self.assertIn("had paid in time", self.finds("group-fails-paid", "groups_wrong"))

    def test_a_window_that_ends_early_is_found(self):
        # Members are refused their payments; who comes late finds his place gone, too.
        self.assertIn("a later call about it was refused", self.finds(
            "group-fails-early", "lost", perhaps=("groups_wrong", "limits_broken")))

    def test_a_place_that_is_refused_is_found(self):
        self.assertIn("there was a place", self.finds("group-refuses-last", "groups_wrong"))

    def test_a_member_too_many_is_found(self):
        self.finds("group-extra-place", "groups_wrong", "limits_broken")

    def test_a_payment_that_is_not_shown_is_found(self):
        self.assertIn("shows 2 of 3 paid", self.finds("group-shows-unpaid", "groups_wrong"))

    def test_a_buyer_over_his_limit_is_found(self):
        self.finds("ignores-user-limit", "limits_broken")

    def test_a_sale_beyond_its_share_is_found(self):
        self.assertIn("its orders hold", self.finds("ignores-share", "limits_broken",
                                                    flags=("--total-limit", "40",
                                                                     "--units", "1000")))

    def test_a_sale_that_opens_early_is_found(self):
        self.assertIn("before the opening", self.finds("opens-early", "limits_broken"))

    def test_a_countdown_that_is_wrong_is_found(self):
        self.assertIn("its countdown was told wrong",
                      self.finds("countdown-runs-fast", "groups_wrong"))

    def test_a_sale_that_counts_too_little_is_found(self):
        self.assertIn("units as held, and its orders hold",
                      self.finds("counts-sale-short", "limits_broken"))

    def test_a_sale_that_shows_units_and_sells_none_is_found(self):
        self.assertIn("and sells none",
                      self.finds("shuts-sale", "undersold", flags=("--total-limit", "100000")))

    def test_units_of_failed_groups_that_are_not_given_back_are_found(self):
        self.finds("strand", "undersold")


if __name__ == "__main__":
    unittest.main()
