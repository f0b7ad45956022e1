#!/usr/bin/python3
"""What a person does with `tally bench`: Ctrl-C, a staircase until it breaks, wrong words, a name with
two addresses, reports that cannot be written."""
import json
import os
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tally_server import (  # noqa: E402
    PATIENCE_S, TallyServer, clean_environment, tally_binary, wait_until)


class BenchCommand(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = TallyServer()
        cls.server.start()

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.json = os.path.join(self.folder.name, "report.json")
        self.there = {lot["lot"] for lot in self.lots()}

    def begin(self, *flags, target=None):
        return subprocess.Popen(
            [tally_binary(), "bench", "--target", target or f"127.0.0.1:{self.server.port}",
             "--json", self.json, *flags],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean_environment())

    def end(self, process, timeout=5 * PATIENCE_S):
        out, err = process.communicate(timeout=timeout)
        return process.returncode, out, err

    def bench(self, *flags, target=None):
        return self.end(self.begin(*flags, target=target))

    def report(self):
        with open(self.json, encoding="utf-8") as file:
            return json.load(file)

    def lots(self):
        return self.server.request("GET", "/v1/lots?page_size=1000")[2]["lots"]

    def wait_for(self, run, what):
        """Until that is true of one of the run's lots."""
        def there():
            if run.poll() is not None:
                self.fail(run.communicate()[1])
            return any(lot["lot"] not in self.there and what(lot) for lot in self.lots())
        wait_until(there)

    def wait_for_orders(self, run):
        """Until orders of that run are held."""
        self.wait_for(run, lambda lot: lot["reserved"])

    def signal_pending(self, run):
        """A signal was sent that the process has not taken yet."""
        with open(f"/proc/{run.pid}/status", encoding="ascii") as status:
            return any(int(line.split()[1], 16) for line in status
                       if line.startswith(("SigPnd", "ShdPnd")))

    def test_ctrl_c_ends_the_run_which_is_still_counted_and_reported(self):
        run = self.begin("--duration", "1h", "--rate", "200")
        self.wait_for_orders(run)
        run.send_signal(signal.SIGINT)
        code, out, err = self.end(run)
        self.assertEqual(code, 0, out + err)
        report = self.report()
        self.assertEqual(report["end"], "interrupted")
        self.assertTrue(report["audit"]["complete"])
        self.assertLess(report["ended_at_s"], 3600)
        self.assertLess(report["stages"][0]["duration_s"], 3600)
        self.assertIn("interrupted after", out)

    def test_ctrl_c_before_the_first_call_is_due_leaves_sensible_times(self):
        run = self.begin("--duration", "1h", "--rate", "200")
        self.wait_for(run, lambda lot: True)
        run.send_signal(signal.SIGINT)
        code, out, err = self.end(run)
        self.assertIn(code, (0, 3, 4, -signal.SIGINT), out + err)
        if os.path.exists(self.json):
            self.assertLess(self.report()["ended_at_s"], 3600)

    def test_a_second_ctrl_c_does_not_wait_for_answers_nor_count(self):
        run = self.begin("--duration", "1h", "--rate", "200", "--timeout-ms", "600000")
        self.wait_for_orders(run)
        self.server.pause()
        try:
            run.send_signal(signal.SIGINT)
            wait_until(lambda: not self.signal_pending(run))
            run.send_signal(signal.SIGINT)
            code, out, err = self.end(run)
        finally:
            self.server.resume()
        self.assertEqual(code, 4, out + err)
        self.assertFalse(self.report()["audit"]["complete"])

    def test_a_staircase_ends_at_the_first_step_that_is_not_kept_up_with(self):
        # A connection with one call at once cannot do a million a second.
        code, out, err = self.bench("--model", "staircase", "--from", "2", "--to", "3000002",
                                    "--step", "1000000", "--every", "2s", "--until-broken",
                                    "--connections", "1", "--streams", "1", "--protocol", "http")
        self.assertEqual(code, 0, out + err)
        report = self.report()
        self.assertEqual([s["name"] for s in report["stages"]], ["2/s", "1000002/s"])
        self.assertIn("stopped after the stage 1000002/s", report["end_text"])
        self.assertIn("stopped after the stage 1000002/s", out)
        self.assertLess(report["stages"][1]["achieved_per_s"], 900_000)
        told = sum(s["accepted"] + s["refused"] + s["errors"] for s in report["stages"])
        self.assertEqual(told, report["total"]["accepted"] + report["total"]["errors"])

    def test_a_number_of_calls_is_sent_by_all_threads_together(self):
        code, out, err = self.bench("--closed", "--calls", "10", "--threads", "4")
        self.assertEqual(code, 0, out + err)
        self.assertEqual(self.report()["total"]["accepted"], 10)

    def test_a_name_with_two_addresses_is_reached(self):
        code, out, err = self.bench("--duration", "1s", "--rate", "20",
                                    target=f"localhost:{self.server.port}")
        self.assertEqual(code, 0, out + err)

    def test_what_is_wrong_is_told_with_what_would_be_right(self):
        lot = self.server.request("POST", "/v1/lots", {
            "sku": "TWICE", "flavor": "lime", "size": "330ml_can", "batch": "BATCH-20261122-A",
            "quantity": 100})[2]["lot"]
        for flags, told in (
                (("--rate", "fast"), "--rate must be calls a second"),
                (("--model", "tsunami"), "--model must be steady, staircase"),
                (("--pay", "80", "--cancel", "30"), "at most 100 %"),
                (("--calls", "5"), "--calls goes with --closed"),
                (("--closed", "--model", "diurnal"), "model steady only"),
                (("--until-broken",), "model staircase only"),
                (("--threads", "20"), "each thread needs one"),
                (("--lot", lot, "--lot", lot), "named twice"),
                (("--lot", "NONE#00000000"), "NONE#00000000"),
                (("--lot", lot, "--units", "5"), "--lot names some"),
                (("--model", "staircase", "--from", "10", "--to", "5"), "--to: ")):
            with self.subTest(flags):
                code, out, err = self.bench(*flags, "--duration", "1s")
                self.assertEqual(code, 2, out + err)
                self.assertIn(told, err)
                self.assertFalse(os.path.exists(self.json))

    def test_a_run_of_which_nothing_was_answered_well_is_no_success(self):
        lot = self.server.request("POST", "/v1/lots", {
            "sku": "LONG", "flavor": "lime", "size": "330ml_can", "batch": "BATCH-20261122-A",
            "quantity": 100})[2]["lot"]
        code, out, err = self.bench("--lot", lot, "--hold", "100h", "--duration", "1s", "--rate",
                                    "50")
        self.assertEqual(code, 4, out + err)
        self.assertIn("not one call was answered well", err)
        self.assertGreater(self.report()["total"]["errors_by_code"]["INVALID_ARGUMENT"], 0)

    def test_a_report_that_cannot_be_written_does_not_take_the_other_with_it(self):
        page = os.path.join(self.folder.name, "page.html")
        self.json = os.path.join(self.folder.name, "no", "such", "folder.json")
        code, out, err = self.bench("--duration", "1s", "--rate", "20", "--html", page)
        self.assertEqual(code, 5, out + err)
        self.assertIn("folder.json", err)
        self.assertTrue(os.path.exists(page))

    def test_the_command_in_the_report_repeats_the_traffic(self):
        code, out, err = self.bench("--duration", "1s", "--rate", "100", "--lots", "5")
        self.assertEqual(code, 0, out + err)
        first = self.report()
        self.assertRegex(first["command"], r" --seed \d+$")
        seed = first["command"].split()[-1]
        code, out, err = self.bench("--duration", "1s", "--rate", "100", "--lots", "5", "--seed",
                                    seed)
        self.assertEqual(code, 0, out + err)
        self.assertEqual(self.report()["total"]["offered"], first["total"]["offered"])


if __name__ == "__main__":
    unittest.main()
