"""Stock files as shops have them: read by `tally lot import`, written by `tally lot export`, compared by
`tally lot reconcile`."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "test", "lib"))

# pylint: disable=wrong-import-position
from tally_server import TallyServer, clean_environment, wait_until

HEADER = "sku,flavor,size,batch,expires_on,quantity\n"
BATCH = "BATCH-20261001-A"
DONE, REFUSED, USAGE = range(3)
FAILED = 5


class FilesCase(unittest.TestCase):
    """One server and one folder for files, for all tests of a class."""

    flags = ()

    @classmethod
    def setUpClass(cls):
        cls.server = TallyServer(*cls.flags)
        cls.server.start()
        cls.folder = tempfile.mkdtemp(prefix="tally-files-")

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

    def file(self, name, content):
        """A file below the test's folder; its path."""
        path = os.path.join(self.folder, name)
        with open(path, "wb") as f:
            f.write(content if isinstance(content, bytes) else content.encode())
        return path

    def lots(self, sku):
        """{batch: on_hand} of a sku."""
        return {lot["batch"]: lot["on_hand"] for lot in self.json("lot", "list", "--sku", sku)}


class Import(FilesCase):
    flags = ("--flavors", "lime,cherry,lemon")

    def row(self, sku, quantity, **other):
        """A row of a file with a header of its own."""
        return "%s,lime,330ml_can,%s,,%s\n" % (sku, other.get("batch", BATCH), quantity)

    def test_a_file_is_read_in_any_encoding_and_with_any_delimiter(self):
        text = "sku;flavor;size;batch;quantity;Größe 柠檬\n%s;lime;330ml_can;" + BATCH + ";5;ü檬\n"
        western = text.replace("柠檬", "").replace("檬", "")
        eastern = text.replace("Größe", "").replace("ü", "柠")
        for name, content, encoding in (
                ("U8", text.encode(), "utf-8"), ("BOM", text.encode("utf-8-sig"), "utf-8"),
                ("U16", text.encode("utf-16"), "utf-16"),
                ("U16LE", text.encode("utf-16-le"), "utf-16"),
                ("GBK", eastern.encode("gbk"), "gbk"), ("LATIN", western.encode("cp1252"), "latin-1"),
                ("SEP", b"sep=;\r\n" + text.encode(), "utf-8"),
                ("CRLF", text.replace("\n", "\r\n").encode(), "utf-8"),
                ("TAB", text.replace(";", "\t").encode(), "utf-8")):
            sku = "ENC-" + name
            content = content.replace(b"%s", sku.encode()).replace(
                "%s".encode("utf-16-le"), sku.encode("utf-16-le"))
            with self.subTest(name):
                result = self.json("lot", "import", self.file(name + ".csv", content),
                                   "--ignore-other-columns")
                self.assertEqual((result["created"], result["encoding"]), (1, encoding))
                self.assertEqual(self.lots(sku), {BATCH: 5})

    def test_what_is_told_of_a_file_counts(self):
        content = "sku|flavor|size|batch|quantity\nTOLD|lime|330ml_can|%s|5\n" % BATCH
        path = self.file("told.csv", content.encode("utf-16-be"))
        self.cli("lot", "import", path, "--delimiter", ",", "--encoding", "latin-1", code=REFUSED)
        path = self.file("told.csv", b"\xfe\xff" + content.encode("utf-16-be"))
        self.cli("lot", "import", path, "--delimiter", "|", "--encoding", "utf-16")
        self.assertEqual(self.lots("TOLD"), {BATCH: 5})
        for flag, value in (("--delimiter", "x"), ("--encoding", "utf-7"), ("--map", "sku"),
                            ("--map", "a=b"), ("--set", "sku"), ("--set", "taste=1")):
            self.cli("lot", "import", path, flag, value, code=USAGE)
        self.cli("lot", "import", path, "--mapping", path + ".none", code=FAILED)

    def test_columns_are_mapped(self):
        path = self.file("mapped.csv", "Artikel,Geschmack,Bestand,Notiz\nMAP,lime,120.0000,x\n")
        arguments = ("--map", "artikel=sku", "--map", "Geschmack=flavor", "--map", "Bestand=quantity",
                     "--set", "size=0.33 l can", "--set", "batch=" + BATCH)
        done = self.cli("lot", "import", path, *arguments, code=REFUSED)
        self.assertIn("mapped.csv:1: column Notiz: there is no column 'Notiz'", done.stderr)
        self.cli("lot", "import", path, *arguments, "--ignore-other-columns")
        self.assertEqual(self.lots("MAP"), {BATCH: 120})
        saved = self.file("shop.mapping", "# our shop\nArtikel=sku\nGeschmack=flavor\nBestand=quantity\n"
                          "Notiz=-\nset size=330ml_can\n")
        result = self.json("lot", "import", path, "--mapping", saved, "--set", "batch=" + BATCH)
        self.assertEqual(result["unchanged"], 1)

    def test_a_spreadsheet_s_empty_rows_and_columns_say_nothing(self):
        path = self.file("excel.csv", "\ufeffsku;flavor;size;batch;quantity;;\r\n"
                         "EXCEL;lime;330ml_can;%s;7;;\r\n;;;;;;\r\n;;;;;;\r\n" % BATCH)
        result = self.json("lot", "import", path)
        self.assertEqual((result["created"], result["rows"], result["delimiter"]), (1, 1, ";"))

    def test_a_file_that_is_no_csv_is_called_by_its_name(self):
        for content, name in ((b"PK\x03\x04....xl/worksheets", "an Excel workbook (.xlsx)"),
                              (b"\x1f\x8b\x08\x00", "a gzip file"),
                              (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "(.xls)")):
            path = self.file("other.csv", content)
            self.assertIn(name, self.cli("lot", "import", path, code=REFUSED).stderr)
            result = self.json("lot", "import", path, code=REFUSED)
            self.assertIn(name, result["problems"][0]["text"])

    def test_all_faults_of_a_file_are_told_in_one_run(self):
        content = (HEADER.encode() + b"FA\xc2\xa0ULT,Lime,huge,BATCH-20260230-A,soon,-1\n" +
                   b"FAULT\xff,lime,330ml_can,BATCH-20261001-B,,1\n" +
                   b"FAULT,li\"me,330ml_can,BATCH-20261001-C,,1\n" +
                   self.row("FAULT-OK", 1).encode() + self.row("FAULT-2", 1).encode() * 2)
        path = self.file("faults.csv", content)
        result = self.json("lot", "import", path, code=REFUSED)
        told = [(p["line"], p["column"]) for p in result["problems"]]
        self.assertEqual(told, [(2, "sku"), (2, "flavor"), (2, "size"), (2, "batch"),
                                (2, "expires_on"), (2, "quantity"), (3, "sku"), (4, ""), (6, ""),
                                (7, "")])
        texts = [p["text"] for p in result["problems"]]
        self.assertIn("FA\\u00a0ULT", texts[0])
        self.assertIn("FAULT\\xff", texts[6])
        self.assertEqual((result["bad"], result["created"]), (5, 0))
        done = self.cli("lot", "import", path, code=REFUSED)
        self.assertIn("faults.csv:2: column quantity: must be a whole number from 0 to 2147483647, "
                      "is '-1'", done.stderr)
        self.assertEqual(len([line for line in done.stderr.splitlines() if "faults.csv:" in line]), 10)
        self.assertEqual(self.lots("FAULT-OK"), {})

    def test_every_fault_of_a_large_file_is_listed(self):
        rows = [self.row("MANY-%d" % i, "x") for i in range(3000)]
        result = self.json("lot", "import", self.file("many.csv", HEADER + "".join(rows)), code=REFUSED)
        self.assertEqual(len(result["problems"]), 3000)

    def test_a_header_s_faults_are_listed_with_those_of_the_rows(self):
        path = self.file("header.csv", "sku,flavour,size,batch,quantity\nH,lime,330ml_can,%s,x\n" % BATCH)
        result = self.json("lot", "import", path, "--keep-going", code=REFUSED)
        self.assertEqual([(p["line"], p["column"]) for p in result["problems"]],
                         [(1, "flavour"), (1, "flavor"), (2, "quantity")])

    def test_a_dry_run_ends_as_the_real_one(self):
        path = self.file("dry.csv", HEADER + self.row("DRY-1", 1) + self.row("DRY-2", "x"))
        for more, created in (((), 0), (("--keep-going",), 1)):
            dry = self.json("lot", "import", path, "--dry-run", *more, code=REFUSED)
            real = self.json("lot", "import", path, *more, code=REFUSED)
            for member in ("created", "changed", "unchanged", "bad", "problems", "diff"):
                self.assertEqual(dry[member], real[member], member)
            self.assertEqual(dry["created"], created)
        self.assertIn("Nothing would be changed", self.cli("lot", "import", path, "--dry-run",
                                                           code=REFUSED).stderr)

    def test_existing_lots_only(self):
        self.cli("lot", "import", self.file("have.csv", HEADER + self.row("HAVE", 5)))
        path = self.file("both.csv", HEADER + self.row("HAVE", 6) + self.row("HAVE-NOT", 6))
        result = self.json("lot", "import", path, "--existing-only")
        self.assertEqual((result["created"], result["changed"], result["skipped"]), (0, 1, 1))
        self.assertEqual(self.lots("HAVE-NOT"), {})

    def test_a_sku_alone_means_its_only_lot(self):
        self.cli("lot", "import", self.file("skus.csv", HEADER + self.row("ONE", 5) +
                                            self.row("TWO", 5) +
                                            self.row("TWO", 5, batch="BATCH-20261002-A")))
        path = self.file("alone.csv", "sku,quantity\nONE,8\nNONE,3\n")
        result = self.json("lot", "import", path, "--existing-only")
        self.assertEqual((result["changed"], result["skipped"]), (1, 1))
        self.assertEqual(self.lots("ONE"), {BATCH: 8})
        path = self.file("which.csv", "sku,quantity\nTWO,8\n")
        done = self.cli("lot", "import", path, "--existing-only", code=REFUSED)
        self.assertIn("TWO has 2 lots", done.stderr)
        path = self.file("twice.csv", "sku,batch,quantity\nTWO,BATCH-20261002-A,8\n"
                         "TWO,BATCH-20261002-A,9\nTWO,%s,9\n" % BATCH)
        done = self.cli("lot", "import", path, "--existing-only", code=REFUSED)
        self.assertIn("twice.csv:2: lot TWO#", done.stderr)
        self.assertIn("twice.csv:3: lot TWO#", done.stderr)
        self.assertEqual(self.lots("TWO"), {BATCH: 5, "BATCH-20261002-A": 5})
        self.cli("lot", "import", path, "--existing-only", "--keep-going", code=REFUSED)
        self.assertEqual(self.lots("TWO"), {BATCH: 9, "BATCH-20261002-A": 5})

    def test_a_column_that_is_missing_changes_nothing(self):
        self.cli("lot", "create", "--sku", "DATED", "--flavor", "lime", "--size", "330ml_can",
                 "--batch", BATCH, "--quantity", "5", "--expires-on", "2099-01-01")
        head = "sku,flavor,size,batch"
        path = self.file("nodate.csv", head + ",quantity\nDATED,lime,330ml_can,%s,6\n" % BATCH)
        self.assertEqual(self.json("lot", "import", path)["changed"], 1)
        path = self.file("nocount.csv", head + "\nDATED,lime,330ml_can,%s\n" % BATCH)
        self.assertEqual(self.json("lot", "import", path)["unchanged"], 1)
        lot = self.json("lot", "list", "--sku", "DATED")[0]
        self.assertEqual((lot["on_hand"], lot["expires_on"]), (6, "2099-01-01"))

    def test_a_pipe_is_read_like_a_file(self):
        done = self.cli("lot", "import", "-", "--encoding", "utf-8",
                        stdin=HEADER + self.row("PIPE", 5))
        self.assertIn("1 new lot,", done.stdout)
        path = self.file("named.csv", HEADER + self.row("PIPE", 5))
        with subprocess.Popen(["cat", path], stdout=subprocess.PIPE) as cat:
            done = subprocess.run(
                [self.server.binary, "lot", "import", "/dev/stdin", "--server", self.server.address],
                stdin=cat.stdout, capture_output=True, text=True, check=False)
        self.assertIn("1 unchanged", done.stdout + done.stderr)

    def test_a_lot_that_sells_all_the_time_is_set_all_the_same(self):
        self.cli("lot", "import", self.file("hot.csv", HEADER + self.row("HOT", 100000)))
        lot = self.json("lot", "list", "--sku", "HOT")[0]["lot"]
        with subprocess.Popen(
                [self.server.binary, "bench", "--target", self.server.address, "--lot", lot, "--rate",
                 "1000", "--duration", "120s", "--connections", "2", "--no-audit"],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=clean_environment()) as load:
            wait_until(lambda: self.json("lot", "show", lot)["reserved"] > 0, "sales")
            for quantity in (100010, 100020, 100030):
                path = self.file("hot.csv", HEADER + self.row("HOT", quantity))
                self.cli("lot", "import", path)
                self.assertEqual(self.lots("HOT"), {BATCH: quantity})
            self.assertIsNone(load.poll())
            load.kill()


class LotsMax(FilesCase):
    flags = ("--lots-max", "2")

    def test_a_limit_that_stays_is_not_tried_again(self):
        rows = "".join("N%d,lime,330ml_can,%s,,1\n" % (n, BATCH) for n in range(8))
        said = self.json("lot", "import", self.file("many.csv", HEADER + rows), code=REFUSED)
        self.assertEqual((said["created"], len(said["problems"])), (2, 6))
        self.assertIn("LIMIT_EXCEEDED", said["problems"][0]["text"])
        page = self.server.request("GET", "/metrics")[2]
        refused = [line for line in page.decode().splitlines()
                   if line.startswith("tally_requests_total") and "LIMIT_EXCEEDED" in line]
        self.assertEqual([line.split()[-1] for line in refused], ["6"])


class Shops(unittest.TestCase):
    def test_each_shop_s_example_is_imported_with_its_mapping(self):
        for shop in ("shopify", "woocommerce", "magento", "odoo"):
            path = os.path.join(ROOT, "examples", shop)
            with self.subTest(shop), TallyServer() as server:
                done = server.cli("lot", "import", path + ".csv", "--mapping", path + ".mapping",
                                  "--json")
                result = json.loads(done.stdout)
                self.assertEqual((result["created"], result["problems"]), (5, []))
                lots = json.loads(server.cli("lot", "list", "--sku", "ICED-TEA", "--json").stdout)
                self.assertEqual([(lot["on_hand"], lot["size"], lot["batch"], lot["expires_on"])
                                  for lot in lots],
                                 [(600, "1000ml_carton", "BATCH-20261001-A",
                                   "" if shop == "shopify" else "2027-09-30")])


class Export(FilesCase):
    def test_what_is_exported_is_imported_unchanged(self):
        self.cli("lot", "import", os.path.join(ROOT, "examples", "drinks.csv"))
        out = os.path.join(self.folder, "out.csv")
        self.assertIn("lots", self.cli("lot", "export", "--out", out).stdout)
        with open(out, encoding="utf-8") as f:
            text = f.read()
        self.assertEqual(text, self.cli("lot", "export").stdout)
        self.assertTrue(text.startswith(HEADER))
        rows = len(text.splitlines()) - 1
        result = self.json("lot", "import", out)
        self.assertEqual((result["unchanged"], result["rows"]), (rows, rows))
        with TallyServer() as other:
            done = other.cli("lot", "import", out, "--json")
            self.assertEqual(json.loads(done.stdout)["created"], rows)

    def test_of_a_lot_that_owes_units_none_can_be_sold(self):
        lot = self.json("lot", "create", "--sku", "OWES", "--flavor", "lime", "--size", "330ml_can",
                        "--batch", BATCH, "--quantity", "2", "--backorder-limit", "5")["lot"]
        self.cli("reserve", "--user", "ann", "--line", lot + "=6")
        text = self.cli("lot", "export", "--mode", "available").stdout
        self.assertEqual(text.splitlines()[1:], ["OWES,lime,330ml_can,%s,,0" % BATCH])
        path = self.file("owes.csv", text)
        again = self.json("lot", "import", path, "--mode", "available")
        self.assertEqual((again["unchanged"], self.lots("OWES")), (1, {BATCH: 2}))
        differs = self.json("lot", "reconcile", path, "--mode", "available")
        self.assertEqual(differs["differences"], [])

    def test_a_file_that_cannot_be_written_is_told(self):
        done = self.cli("lot", "export", "--out", os.path.join(self.folder, "none", "x.csv"),
                        code=FAILED)
        self.assertIn("No such file", done.stderr)


class Reconcile(FilesCase):
    def held(self, sku, on_hand, reserved, confirmed):
        """A lot of which some units are held and some are paid; its key."""
        lot = self.json("lot", "create", "--sku", sku, "--flavor", "lime", "--size", "330ml_can",
                        "--batch", BATCH, "--quantity", str(on_hand))["lot"]
        if reserved:
            self.cli("reserve", "--user", "ann", "--line", "%s=%d" % (lot, reserved))
        if confirmed:
            paid = self.json("reserve", "--user", "bob", "--line", "%s=%d" % (lot, confirmed))
            self.cli("confirm", paid["reservation_id"])
        return lot

    def count(self, sku, quantity):
        """A file that counts one lot."""
        return self.file(sku + ".csv", HEADER + "%s,lime,330ml_can,%s,,%d\n" % (sku, BATCH, quantity))

    def test_a_difference_is_shown_and_applied_only_when_told_to(self):
        lot = self.held("DIFF", 10, 3, 2)
        path = self.count("DIFF", 9)
        result = self.json("lot", "reconcile", path)
        self.assertEqual(result["differences"],
                         [{"line": 2, "lot": lot, "counted": 9, "on_hand": 10, "held": 5,
                           "available": 5, "difference": -1}])
        self.assertEqual((result["changed"], self.lots("DIFF")), (0, {BATCH: 10}))
        text = self.cli("lot", "reconcile", path)
        self.assertRegex(text.stdout, r"DIFF#\w+ .* 10 +5 +9 +-1\n")
        self.assertIn("Nothing was changed", text.stderr)
        self.assertEqual(self.json("lot", "reconcile", path, "--apply")["changed"], 1)
        self.assertEqual(self.lots("DIFF"), {BATCH: 9})
        result = self.json("lot", "reconcile", path, "--apply")
        self.assertEqual((result["differences"], result["unchanged"]), ([], 1))

    def test_a_count_may_be_of_what_can_be_sold(self):
        lot = self.held("SELL", 10, 3, 2)
        result = self.json("lot", "reconcile", self.count("SELL", 4), "--mode", "available", "--apply")
        self.assertEqual(result["differences"][0]["difference"], -1)
        stock = self.json("lot", "show", lot)
        self.assertEqual((stock["on_hand"], stock["available"]), (9, 4))

    def test_units_that_were_shipped_are_in_neither_count(self):
        lot = self.held("SHIPPED", 100, 5, 0)
        paid = self.json("reserve", "--user", "bob", "--line", lot + "=30")["reservation_id"]
        self.cli("confirm", paid)
        status, _, said = self.server.request("POST", "/v1/reservations/%s/ship" % paid,
                                              {"lines": [{"lot": lot, "quantity": 20}]})
        self.assertEqual(status, 200, said)
        self.assertEqual(self.json("lot", "reconcile", self.count("SHIPPED", 80))["differences"], [])
        result = self.json("lot", "reconcile", self.count("SHIPPED", 65), "--mode", "available")
        self.assertEqual(result["differences"], [])
        result = self.json("lot", "reconcile", self.count("SHIPPED", 70), "--apply")
        self.assertEqual(result["differences"][0]["difference"], -10)
        stock = self.json("lot", "show", lot)
        self.assertEqual((stock["on_hand"], stock["confirmed"], stock["available"]), (70, 10, 55))

    def test_less_on_the_shelf_than_is_held_is_a_fault(self):
        self.held("LESS", 10, 3, 4)
        result = self.json("lot", "reconcile", self.count("LESS", 6), "--apply", code=REFUSED)
        self.assertIn("7 units are reserved or confirmed", result["problems"][0]["text"])
        self.assertEqual(self.lots("LESS"), {BATCH: 10})

    def test_nothing_is_created_and_what_was_not_counted_is_told(self):
        lot = self.held("REST", 10, 0, 0)
        result = self.json("lot", "reconcile", self.count("NEVER-MADE", 6), "--apply", code=REFUSED)
        self.assertIn("no such lot", result["problems"][0]["text"])
        self.assertIn(lot, result["not_counted"])
        self.assertEqual(self.lots("NEVER-MADE"), {})


if __name__ == "__main__":
    unittest.main()
