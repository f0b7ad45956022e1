"""The command line as a person or a script uses it, against a real server, and against servers that
misbehave."""

import csv
import json
import os
import re
import shutil
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "test", "lib"))

# pylint: disable=wrong-import-position
from tally_server import (
    PATIENCE_S, ROOT, TallyServer, clean_environment, tally_binary, wait_until)

DRINKS = os.path.join(ROOT, "examples", "drinks.csv")
HEADER = "sku,flavor,size,batch,expires_on,quantity\n"
DONE, REFUSED, USAGE, UNREACHABLE, UNKNOWN, FAILED = range(6)


def run(*arguments, env=None):
    """A subcommand without a server of ours."""
    return subprocess.run([tally_binary(), *arguments], capture_output=True, text=True, check=False,
                          timeout=5 * PATIENCE_S, stdin=subprocess.DEVNULL,
                          env=clean_environment(env))


class CliCase(unittest.TestCase):
    """One server and one folder for files, for all tests of a class."""

    flags = ()

    @classmethod
    def setUpClass(cls):
        cls.server = TallyServer(*cls.flags)
        cls.server.start()
        cls.folder = tempfile.mkdtemp(prefix="tally-cli-")

    @classmethod
    def tearDownClass(cls):
        cls.server.close()
        shutil.rmtree(cls.folder)

    def cli(self, *arguments, code=DONE, **more):
        """Runs it and checks the exit code."""
        done = self.server.cli(*arguments, **more)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def json(self, *arguments, **more):
        """The same with --json, parsed."""
        return json.loads(self.cli(*arguments, "--json", **more).stdout)

    def lot(self, sku, quantity, batch="BATCH-20261001-A", flavor="lime"):
        """A new lot; its key."""
        return self.json("lot", "create", "--sku", sku, "--flavor", flavor, "--size", "0.33 L can",
                         "--batch", batch, "--quantity", str(quantity))["lot"]

    def file(self, name, text):
        """A file below the test's folder; its path."""
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8", newline="") as f:
            f.write(text)
        return path

    def on_hand(self, lot):
        """Units on hand as the server says."""
        return self.json("lot", "show", lot)["on_hand"]


class Reservations(CliCase):
    def test_a_reservation_lives_from_reserve_to_refund(self):
        lot = self.lot("LIFE", 10)
        held = self.json("reserve", "--user", "ann", "--line", lot + "=3", "--order", "life-1")
        self.assertEqual(held["status"], "PENDING")
        self.assertEqual(held["lines"], [{"lot": lot, "quantity": 3}])
        self.json("extend", held["reservation_id"], "--hold-ms", "1200000")
        paid = self.json("confirm", held["reservation_id"], "--payment", "pay-1")
        self.assertEqual(paid["status"], "CONFIRMED")
        back = self.json("refund", held["reservation_id"])
        self.assertEqual((back["status"], back["reason"]), ("REFUNDED", "RETURNED"))
        shown = self.json("show", "--order", "life-1")
        self.assertEqual([move["kind"] for move in shown["moves"]],
                         ["RESERVE", "EXTEND", "CONFIRM", "RETURN"])
        self.assertEqual(self.json("show", held["reservation_id"]), shown)
        self.assertEqual(self.json("lot", "show", lot)["available"], 10)

    def test_a_reservation_is_shown_for_people(self):
        lot = self.lot("SHOWN", 10)
        text = self.cli("reserve", "--user", "ann", "--line", lot + "=2", "--order", "shown-1").stdout
        self.assertRegex(text, r"status +PENDING until \d{4}-.*Z \(in \d+ m \d+ s\)")
        self.assertRegex(text, re.escape(lot) + r" +2\n")
        self.assertNotIn("\x1b", text)
        text = self.cli("show", "--order", "shown-1").stdout
        self.assertRegex(text, r"AT +MOVE +QUANTITY +DEADLINE")

    def test_a_repeated_order_is_answered_with_the_first(self):
        lot = self.lot("TWICE", 10)
        arguments = ("reserve", "--user", "ann", "--line", lot + "=1", "--order", "twice-1")
        first = self.json(*arguments)
        second = self.cli(*arguments)
        self.assertIn(first["reservation_id"], second.stdout)
        self.assertIn("done before", second.stderr)
        self.assertEqual(self.json("lot", "show", lot)["reserved"], 1)

    def test_a_partial_confirm_gives_the_rest_back(self):
        lot = self.lot("PART", 10)
        held = self.json("reserve", "--user", "ann", "--line", lot + "=5")
        self.cli("confirm", held["reservation_id"], "--line", lot + "=2")
        stock = self.json("lot", "show", lot)
        self.assertEqual((stock["confirmed"], stock["reserved"], stock["available"]), (2, 0, 8))

    def test_a_sku_is_allocated_over_its_batches(self):
        self.lot("FEFO", 2, "BATCH-20261001-A")
        self.lot("FEFO", 2, "BATCH-20261002-A")
        held = self.json("reserve", "--user", "ann", "--line", "sku=FEFO,flavor=lime,quantity=3")
        self.assertEqual(sorted(line["quantity"] for line in held["lines"]), [1, 2])

    def test_sold_out_is_a_refusal_with_what_is_left(self):
        lot = self.lot("GONE", 1)
        done = self.cli("reserve", "--user", "ann", "--line", lot + "=2", code=REFUSED)
        self.assertIn("SOLD_OUT", done.stderr)
        self.assertEqual(done.stdout, "")
        done = self.cli("reserve", "--user", "ann", "--line", lot + "=2", "--json", code=REFUSED)
        problem = json.loads(done.stdout)
        self.assertEqual((problem["code"], problem["available"]), ("SOLD_OUT", 1))

    def test_an_invalid_transition_is_a_refusal(self):
        lot = self.lot("BACK", 5)
        held = self.json("reserve", "--user", "ann", "--line", lot + "=1")
        self.cli("refund", held["reservation_id"])
        done = self.cli("confirm", held["reservation_id"], code=REFUSED)
        self.assertIn("INVALID_TRANSITION", done.stderr)

    def test_what_is_not_there_is_a_refusal(self):
        self.assertIn("NOT_FOUND", self.cli("show", "12345", code=REFUSED).stderr)
        self.assertIn("NOT_FOUND", self.cli("show", "--order", "no such/order?", code=REFUSED).stderr)
        self.cli("lot", "show", "NOPE#00000000", code=REFUSED)


class Lots(CliCase):
    def test_an_adjustment_with_an_id_is_applied_once(self):
        lot = self.lot("ADJUST", 10)
        for _ in range(2):
            self.cli("lot", "adjust", lot, "+5", "--id", "delivery-1", "--reason", "delivery")
        self.assertEqual(self.on_hand(lot), 15)
        self.cli("lot", "adjust", lot, "-5")
        self.cli("lot", "adjust", lot, "-5")
        self.assertEqual(self.on_hand(lot), 5)
        self.cli("lot", "adjust", lot, "-6", code=REFUSED)

    def test_lots_are_listed_by_filter(self):
        lot = self.lot("LISTED", 3)
        self.lot("LISTED", 3, flavor="cherry")
        self.assertEqual(len(self.json("lot", "list", "--sku", "LISTED")), 2)
        found = self.json("lot", "list", "--sku", "LISTED", "--flavor", "lime")
        self.assertEqual([entry["lot"] for entry in found], [lot])
        text = self.cli("lot", "list", "--sku", "LISTED").stdout.splitlines()
        self.assertEqual(len(text), 3)
        self.assertEqual(len({len(line) for line in text}), 1, "columns are aligned")

    def test_a_lot_that_exists_is_not_created_again(self):
        self.lot("AGAIN", 3)
        done = self.cli("lot", "create", "--sku", "AGAIN", "--flavor", "lime", "--size",
                        "330ml_can", "--batch", "BATCH-20261001-A", code=REFUSED)
        self.assertIn("ALREADY_EXISTS", done.stderr)


class Import(CliCase):
    flags = ("--flavors", "lime,cherry,lemon")

    def row(self, sku, quantity, flavor="lime", expires_on=""):
        """A row of a file."""
        return "%s,%s,330ml_can,BATCH-20261001-A,%s,%s\n" % (sku, flavor, expires_on, quantity)

    def test_a_file_is_imported_once_and_then_unchanged(self):
        path = self.file("once.csv", HEADER + self.row("ONCE-1", 5) + self.row("ONCE-2", 0))
        result = self.json("lot", "import", path, "--dry-run")
        self.assertEqual((result["created"], result["unchanged"]), (2, 0))
        self.assertEqual(self.json("lot", "list", "--sku", "ONCE-1"), [])
        result = self.json("lot", "import", path)
        self.assertEqual((result["created"], result["changed"]), (2, 0))
        result = self.json("lot", "import", path)
        self.assertEqual((result["created"], result["changed"], result["unchanged"]), (0, 0, 2))

    def test_stock_on_hand_is_set_whatever_is_held(self):
        lot = self.lot("HELD", 10)
        self.cli("reserve", "--user", "ann", "--line", lot + "=4")
        path = self.file("held.csv", HEADER + self.row("HELD", 12))
        diff = self.cli("lot", "import", path, "--dry-run").stdout
        self.assertRegex(diff, r"changed +HELD#.* 10 +12 +\+2\n")
        self.cli("lot", "import", path)
        stock = self.json("lot", "show", lot)
        self.assertEqual((stock["on_hand"], stock["reserved"], stock["available"]), (12, 4, 8))

    def test_available_stock_is_set_on_top_of_what_is_held(self):
        lot = self.lot("FREE", 10)
        self.cli("reserve", "--user", "ann", "--line", lot + "=4")
        self.cli("lot", "import", self.file("free.csv", HEADER + self.row("FREE", 10)), "--mode",
                 "available")
        stock = self.json("lot", "show", lot)
        self.assertEqual((stock["on_hand"], stock["available"]), (14, 10))

    def test_the_same_file_sets_the_same_stock_again_and_again(self):
        lot = self.lot("DAILY", 10)
        path = self.file("daily.csv", HEADER + self.row("DAILY", 20))
        for _ in range(40):
            self.assertEqual(self.json("lot", "import", path)["changed"], 1)
            self.assertEqual(self.on_hand(lot), 20)
            self.cli("lot", "adjust", lot, "-10")

    def test_one_bad_row_keeps_the_whole_file_out(self):
        path = self.file("bad.csv", HEADER + self.row("GOOD", 5) + self.row("BAD", -5) +
                         self.row("WORSE", 5, flavor="Lime") + self.row("GOOD", 7) + self.row("BETTER", 6))
        done = self.cli("lot", "import", path, code=REFUSED)
        self.assertIn("bad.csv:3: column quantity: must be a whole number", done.stderr)
        self.assertIn("bad.csv:4: column flavor:", done.stderr)
        self.assertRegex(done.stderr, "bad.csv:2: lot GOOD#[0-9a-f]+ stands in line 5, too")
        self.assertRegex(done.stderr, "bad.csv:5: lot GOOD#[0-9a-f]+ stands in line 2, too")
        self.assertIn("Nothing was changed", done.stderr)
        self.assertEqual(self.json("lot", "list", "--sku", "GOOD"), [])
        result = self.json("lot", "import", path, "--keep-going", code=REFUSED)
        self.assertEqual((result["created"], result["bad"]), (1, 4))
        self.assertEqual([p["line"] for p in result["problems"]], [2, 3, 4, 5])
        self.assertEqual(self.json("lot", "list", "--sku", "GOOD"), [])
        self.assertEqual(self.json("lot", "list", "--sku", "BETTER")[0]["on_hand"], 6)

    def test_a_flavor_that_the_server_does_not_allow_keeps_the_file_out(self):
        path = self.file("kiwi.csv", HEADER + self.row("KIWI", 5) +
                         self.row("KIWI", 5, flavor="kiwi"))
        done = self.cli("lot", "import", path, code=REFUSED)
        self.assertRegex(done.stderr, r"kiwi\.csv:3: column flavor: .*lime,cherry,lemon")
        self.assertEqual(self.json("lot", "list", "--sku", "KIWI"), [])

    def test_less_than_is_held_is_refused(self):
        lot = self.lot("LESS", 10)
        self.cli("reserve", "--user", "ann", "--line", lot + "=4")
        done = self.cli("lot", "import", self.file("less.csv", HEADER + self.row("LESS", 3)),
                        code=REFUSED)
        self.assertIn("4 units are reserved or confirmed", done.stderr)
        self.assertEqual(self.on_hand(lot), 10)

    def test_another_expiry_is_refused(self):
        self.lot("EXPIRY", 10)
        path = self.file("expiry.csv", HEADER + self.row("EXPIRY", 10, expires_on="2028-01-01"))
        done = self.cli("lot", "import", path, code=REFUSED)
        self.assertIn("column expires_on: is 2028-01-01, the lot has never", done.stderr)

    def test_a_file_comes_from_standard_input(self):
        done = self.cli("lot", "import", "-", stdin=HEADER + self.row("PIPED", 5))
        self.assertIn("1 new lot,", done.stdout)

    def test_an_unknown_column_is_refused_with_the_nearest(self):
        path = self.file("column.csv", "sku,flavour,size,batch,quantity\n")
        self.assertIn("did you mean flavor", self.cli("lot", "import", path, code=REFUSED).stderr)

    def test_a_file_that_is_not_there_is_told(self):
        done = self.cli("lot", "import", os.path.join(self.folder, "none.csv"), code=FAILED)
        self.assertIn("No such file", done.stderr)

    def wait_for_row(self, process, sku, quantity):
        """Until an import that is under way has come to this row, or has ended."""
        def there():
            lots = self.server.request("GET", "/v1/lots?sku=" + sku)[2]["lots"]
            return process.poll() is not None or [x for x in lots if x["on_hand"] == quantity]
        wait_until(there, sku, pause=0.001)

    def test_an_import_that_was_killed_is_run_again(self):
        count = 5000
        rows = [self.row("KILLED-%05d" % i, i + 1) for i in range(count)]
        path = self.file("killed.csv", HEADER + "".join(rows))
        lower = self.file("lower.csv", HEADER + "".join(self.row("KILLED-%05d" % i, i)
                                                        for i in range(count)))
        for name, changed in ((path, 0), (lower, count // 3), (path, count // 2)):
            started = subprocess.Popen(
                [self.server.binary, "lot", "import", name, "--server", self.server.address],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=clean_environment())
            plus = 1 if name == path else 0
            self.wait_for_row(started, "KILLED-%05d" % changed, changed + plus)
            started.kill()
            started.wait()
            self.cli("lot", "import", name)
            stock = {lot["sku"]: lot["on_hand"] for lot in self.json("lot", "list")}
            self.assertEqual([stock["KILLED-%05d" % i] for i in range(count)],
                             [i + plus for i in range(count)])
        self.assertTrue(self.json("verify", self.server.data)["ok"])

    def test_an_import_goes_on_when_the_server_is_killed_and_comes_back(self):
        rows = [self.row("REVIVED-%05d" % i, i + 1) for i in range(3000)]
        path = self.file("revived.csv", HEADER + "".join(rows))
        started = subprocess.Popen(
            [self.server.binary, "lot", "import", path, "--json", "--server", self.server.address],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean_environment())
        self.wait_for_row(started, "REVIVED-00100", 101)
        self.server.kill()
        self.server.start()
        result = json.loads(started.communicate(timeout=5 * PATIENCE_S)[0])
        self.assertEqual((started.returncode, result["created"]), (DONE, 3000))
        self.assertEqual(sum(lot["on_hand"] for lot in self.json("lot", "list")
                             if lot["sku"].startswith("REVIVED")), 3000 * 3001 // 2)

    def test_ten_thousand_lots_are_imported(self):
        path = self.file("many.csv", HEADER + "".join(self.row("MANY-%05d" % i, i)
                                                      for i in range(10000)))
        self.assertEqual(self.json("lot", "import", path)["created"], 10000)
        self.assertEqual(self.json("lot", "import", path)["unchanged"], 10000)


class Shop(CliCase):
    def test_1_the_example_is_a_shop(self):
        with open(DRINKS, encoding="utf-8", newline="") as f:
            rows = list(csv.DictReader(f))
        self.assertGreaterEqual(len(rows), 80)
        self.assertGreaterEqual(len({row["sku"] for row in rows}), 12)
        done = self.cli("lot", "import", DRINKS)
        self.assertIn("%d new lots" % len(rows), done.stdout)
        lots = self.json("lot", "list")
        self.assertEqual(sum(lot["on_hand"] for lot in lots),
                         sum(int(row["quantity"]) for row in rows))
        self.cli("reserve", "--user", "ann", "--line", "LEMONADE-CLASSIC=2", "--order", "shop-1")

    def test_2_verify_proves_it_live(self):
        report = self.json("verify", self.server.data)
        self.assertTrue(report["ok"] and report["live"])
        self.assertEqual(report["counts"]["pending"], 1)
        self.assertIn("keeps its promises", self.cli("verify", self.server.data).stdout)

    def test_3_a_backup_made_live_is_proven_too(self):
        to = os.path.join(self.folder, "backup")
        self.cli("backup", "--data", self.server.data, to)
        report = self.json("verify", to)
        self.assertTrue(report["ok"])
        self.assertFalse(report["live"])
        self.assertEqual(report["counts"]["pending"], 1)
        self.cli("backup", "--data", self.server.data, to, code=FAILED)
        decided = os.path.join(self.server.data, "imports", "0123456789abcdef.decided")
        with open(decided, "w", encoding="utf-8"):
            said = self.cli("backup", "--data", self.server.data, to + "2").stderr
        os.unlink(decided)
        self.assertIn("1 stock files are being imported and are not in the copy", said)
        self.assertFalse(os.path.exists(os.path.join(to + "2", "imports")))

    def test_4_verify_proves_it_when_the_server_was_killed(self):
        self.server.kill()
        report = self.json("verify", self.server.data)
        self.assertTrue(report["ok"])
        self.assertFalse(report["live"])
        self.server.start()

    def test_5_verify_proves_it_when_the_server_has_stopped(self):
        self.assertEqual(self.server.stop(), 0)
        self.assertTrue(self.json("verify", self.server.data)["ok"])
        self.cli("lot", "list", code=UNREACHABLE)
        self.server.start()

    def test_6_verify_finds_an_overdue_hold(self):
        report = self.json("verify", self.server.data, "--now", "4102444800000", code=REFUSED)
        self.assertFalse(report["ok"])
        self.assertEqual([f["check"] for f in report["findings"]], ["OVERDUE"])

    def test_7_verify_tells_a_folder_without_a_ledger(self):
        self.assertIn("no ledger", self.cli("verify", self.folder, code=FAILED).stderr)


class Example(CliCase):
    def test_the_example_leaves_a_server_that_is_there_already_alone(self):
        folder = os.path.join(self.folder, "other")
        done = subprocess.run(
            ["sh", os.path.join(ROOT, "examples", "run.sh"), self.server.binary, folder,
             self.server.address], capture_output=True, text=True, env=clean_environment(),
            timeout=PATIENCE_S, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"{self.server.address} is in use", done.stderr)
        self.assertFalse(os.path.exists(folder))
        self.assertEqual(self.json("lot", "list"), [])


class Usage(unittest.TestCase):
    def test_every_subcommand_has_help(self):
        overview = run("--help")
        self.assertEqual(overview.returncode, DONE)
        names = re.findall(r"^  ([a-z]+)  ", overview.stdout, re.M)
        self.assertIn("verify", names)
        lots = re.findall(r"^  ([a-z]+)  ", run("lot", "--help").stdout, re.M)
        for arguments in [[name] for name in names] + [["lot", name] for name in lots]:
            done = run(*arguments, "--help")
            self.assertEqual(done.returncode, DONE, arguments)
            self.assertIn(arguments[-1], done.stdout)
            self.assertEqual(run("help", *arguments).stdout, done.stdout)

    def test_a_slip_is_answered_with_the_name_that_was_meant(self):
        done = run("reserv")
        self.assertEqual(done.returncode, USAGE)
        self.assertIn("did you mean 'reserve'?", done.stderr)
        done = run("lot", "improt", "x")
        self.assertEqual(done.returncode, USAGE)
        self.assertIn("did you mean 'import'?", done.stderr)
        done = run("lot", "list", "--flavour", "x")
        self.assertEqual(done.returncode, USAGE)
        self.assertIn("did you mean --flavor?", done.stderr)

    def test_wrong_use_is_refused_before_anything_is_sent(self):
        for arguments in [(), ("reserve", "--user", "ann"), ("reserve", "--line", "A=1"),
                          ("reserve", "--user", "a", "--line", "A=0"), ("confirm", "abc"),
                          ("extend", "7"), ("show",), ("show", "7", "--order", "x"),
                          ("lot", "adjust", "A#00000000", "0"), ("lot", "create"),
                          ("lot", "import", "x", "--mode", "none"), ("verify",),
                          ("lot", "list", "--server", "nonsense"), ("lot", "list", "extra")]:
            done = run(*arguments)
            self.assertEqual(done.returncode, USAGE, (arguments, done.stderr))
            self.assertNotEqual(done.stderr, "")

    def test_the_version_is_told(self):
        self.assertRegex(run("version").stdout, r"^tally \d+\.\d+\.\d+ ")
        self.assertIn("version", json.loads(run("version", "--json").stdout))


class Misbehaving(socketserver.ThreadingTCPServer):
    """Answers each connection with what `answers` gives next; None: the connection is closed when
    the request was read."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, *answers):
        super().__init__(("127.0.0.1", 0), self.Handler)
        self.answers = list(answers)
        self.requests = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.settimeout(PATIENCE_S)
            text = b""
            try:
                while b"\r\n\r\n" not in text:
                    text += self.request.recv(65536)
            except OSError:
                return
            self.server.requests.append(text)
            answer = self.server.answers.pop(0) if self.server.answers else None
            if answer == "silence":
                threading.Event().wait(3)
            elif answer is not None:
                self.request.sendall(answer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def cli(self, *arguments):
        """A subcommand against it."""
        return run(*arguments, env={"TALLY_SERVER": "127.0.0.1:%d" % self.server_address[1]})


def answer(status, body, *headers):
    """An HTTP answer in JSON."""
    text = json.dumps(body).encode()
    head = ["HTTP/1.1 %d x" % status, "Content-Type: application/json",
            "Content-Length: %d" % len(text), *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + text


class BadServers(unittest.TestCase):
    def test_nobody_there_is_unreachable(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        done = run("lot", "list", "--server", "127.0.0.1:%d" % port)
        self.assertEqual(done.returncode, UNREACHABLE)
        self.assertIn("Is it running?", done.stderr)

    def test_a_lost_answer_to_an_order_is_an_unknown_outcome(self):
        with Misbehaving(None) as server:
            done = server.cli("reserve", "--user", "ann", "--line", "A=1", "--order", "lost-1")
        self.assertEqual(done.returncode, UNKNOWN)
        self.assertIn("tally show --order lost-1", done.stderr)

    def test_an_order_without_an_id_can_be_asked_for_too(self):
        with Misbehaving(None) as server:
            done = server.cli("reserve", "--user", "ann", "--line", "A=1")
        order = re.search(r"tally show --order (\S+)", done.stderr).group(1)
        self.assertIn(order.encode(), b"".join(server.requests))

    def test_a_silent_server_is_an_unknown_outcome_after_the_timeout(self):
        with Misbehaving("silence") as server:
            done = server.cli("confirm", "7", "--timeout-ms", "200")
        self.assertEqual(done.returncode, UNKNOWN)
        self.assertIn("200 ms", done.stderr)

    def test_a_lost_answer_to_a_question_changed_nothing(self):
        with Misbehaving(None) as server:
            self.assertEqual(server.cli("show", "7").returncode, UNREACHABLE)

    def test_outcome_unknown_from_the_server_is_told_as_such(self):
        with Misbehaving(answer(504, {"code": "OUTCOME_UNKNOWN", "detail": "later"})) as server:
            done = server.cli("refund", "7")
        self.assertEqual(done.returncode, UNKNOWN)
        self.assertIn("tally show 7", done.stderr)

    def test_what_is_no_http_is_told(self):
        with Misbehaving(b"220 smtp.example.org ESMTP\r\n\r\n") as server:
            done = server.cli("lot", "list")
        self.assertEqual(done.returncode, UNREACHABLE)
        self.assertIn("not what a tally server sends", done.stderr)

    def test_an_import_repeats_what_passes(self):
        page = answer(200, {"lots": [], "next_page_token": ""}, "Connection: close")
        busy = answer(503, {"code": "OVERLOADED", "detail": "busy"}, "Connection: close")
        good = answer(201, {"lot": "A#x", "on_hand": 5}, "Connection: close")
        with tempfile.NamedTemporaryFile("w", suffix=".csv") as f:
            f.write(HEADER + "A,lime,330ml_can,BATCH-20261001-A,,5\n")
            f.flush()
            missing = answer(404, {"code": "NOT_FOUND"}, "Connection: close")
            with Misbehaving(page, good, busy, None, missing, good) as server:
                done = server.cli("lot", "import", f.name)
            self.assertEqual(done.returncode, DONE, done.stderr)
            self.assertIn("1 new lot,", done.stdout)
            with Misbehaving(page, good, None, None, None, None, None, None) as server:
                done = server.cli("lot", "import", f.name)
            self.assertIn(done.returncode, (UNREACHABLE, UNKNOWN), done.stderr)
            self.assertIn("Run the same command again", done.stderr)


if __name__ == "__main__":
    unittest.main()
