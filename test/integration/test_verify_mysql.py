#!/usr/bin/python3
"""verify on a ledger in MariaDB: one that a real server's moves were put into is sound, and each of many
damages is found and named."""
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "test", "lib"))

# pylint: disable=wrong-import-position
import peers
from peer_mariadb import PASSWORD, MariaDb, url
from peer_process import Missing
from tally_server import TallyServer, clean_environment, tally_binary, wait_until

SCHEMA = os.path.join(ROOT, "src", "ledger", "schema_mysql.sql")
BATCH = "BATCH-20261122-A"
BINARY = tally_binary()
LANE = 1  # whose moves they are
TABLES = ("meta", "lot", "move", "move_line", "sale", "sale_item", "archived", "cursor")


class Story:
    """A shop's day on a real server: every kind of move, some holds still PENDING, all groups over."""

    def __init__(self, server):
        self.server = server

    def post(self, path, body=None, method="POST"):
        status, _, answer = self.server.request(method, path, body or {})
        assert status < 300, (path, status, answer)
        return answer

    def lot(self, sku, quantity, **terms):
        return self.post("/v1/lots", dict(terms, sku=sku, flavor="lime", size="330ml_can", batch=BATCH,
                                          quantity=quantity))["lot"]

    def order(self, name, lines, **more):
        body = dict(more, order_id=name, lines=[{"lot": lot, "quantity": n} for lot, n in lines])
        body.setdefault("user_id", name)
        return self.post("/v1/reservations", body)["reservation_id"]

    def move(self, reservation, verb, **body):
        return self.post("/v1/reservations/%s/%s" % (reservation, verb), body)

    def play_orders(self):
        """Of two lots, outside sales."""
        cola, lime = self.lot("COLA", 100), self.lot("LIME", 50)
        self.post("/v1/lots/%s/adjust" % lime.replace("#", "%23"),
                  {"delta": 5, "reason": "found", "adjustment_id": "count-1"})
        both = self.order("both", [(cola, 4), (lime, 3)])
        self.move(both, "confirm", lines=[{"lot": cola, "quantity": 3}, {"lot": lime, "quantity": 3}])
        self.move(both, "ship", shipment_id="s-1", lines=[{"lot": cola, "quantity": 2}])
        self.move(both, "refund", return_id="r-1", lines=[{"lot": cola, "quantity": 1}])
        changed = self.order("changed", [(cola, 2)])
        self.move(changed, "lines", change_id="c-1", lines=[{"lot": cola, "quantity": 1},
                                                            {"lot": lime, "quantity": 2}])
        self.move(changed, "extend", hold_ms=800000)
        self.move(self.order("cancelled", [(lime, 1)]), "refund")
        self.move(self.order("paid", [(lime, 6)], user_id="ann"), "confirm")
        self.order("kept", [(cola, 5)])
        late = self.order("late", [(lime, 2)], hold_ms=1)
        wait_until(lambda: self.server.request("GET", "/v1/reservations/%s" % late)[2]["status"]
                   == "REFUNDED", "it expires")
        self.move(late, "confirm", reclaim=True)

    def play_limits(self):
        """A lot that allows each user two units."""
        self.lot("MATE", 20, per_user_limit=2)
        mate = self.server.request("GET", "/v1/lots?sku=MATE")[2]["lots"][0]["lot"]
        self.order("mate-1", [(mate, 2)], user_id="bob")
        self.order("mate-2", [(mate, 1)], user_id="cat")

    def play_sale(self):
        """A sale with groups of two, of which one succeeds and one fails."""
        iced = self.lot("ICED", 30)
        now = time.time()
        self.post("/v1/sales", {
            "sale_id": "team", "lots": [iced], "starts_at": moment(now - 60), "ends_at": moment(now + 3600),
            "per_user_limit": 3, "per_order_limit": 2, "total_limit": 20,
            "group": {"size": 2, "window_ms": 1500}})
        for group in ("wins", "fails"):
            opened = self.post("/v1/sales/team/groups", {})["group_id"]
            members = ("ann", "bob") if group == "wins" else ("cat",)
            for user in members:
                self.move(self.order(group + "-" + user, [(iced, 1)], user_id=user, sale_id="team",
                                     group_id=opened), "confirm")
        wait_until(lambda: self.server.request("GET", "/v1/groups/" + opened)[2]["status"] == "FAILED",
                   "the group fails")


def moment(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def quoted(value):
    """As MariaDB reads it."""
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(value)
    return "X'%s'" % str(value).encode().hex() if value else "''"


class VerifyMysql(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.database = cls.enterClassContext(MariaDb())
        cls.count, cls.changed = 0, True
        cls.folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        with open(SCHEMA, encoding="utf-8") as f:
            cls.schema = f.read()
        with TallyServer("--node", str(LANE), "--hold-default-ms", "600000") as server:
            story = Story(server)
            story.play_orders()
            story.play_limits()
            story.play_sale()
            server.stop()
            done = server.cli("verify", server.data)
            assert done.returncode == 0, done.stdout + done.stderr
            cls.ledger = cls.read_ledger(os.path.join(server.data, "ledger.db"))

    @classmethod
    def read_ledger(cls, path):
        """All rows, as the statements that put them into MariaDB's tables."""
        cls.database.sql("CREATE DATABASE columns_of; USE columns_of;\n" + cls.schema)
        text = []
        with sqlite3.connect(path) as db:
            db.row_factory = sqlite3.Row
            for table in TABLES:
                wanted = cls.database.sql(
                    "SELECT column_name FROM information_schema.columns WHERE table_schema = 'columns_of' AND"
                    " table_name = '%s' AND extra NOT LIKE '%%GENERATED%%'" % table).split()
                for row in db.execute("SELECT * FROM " + table):
                    there = [name for name in row.keys() if name in wanted]
                    text.append("REPLACE INTO `%s`(%s) VALUES (%s);" % (
                        table, ", ".join("`%s`" % name for name in there),
                        ", ".join(quoted(row[name]) for name in there)))
            for row in db.execute(
                    "SELECT s.*, (SELECT max(seq) FROM (SELECT seq, lot_id FROM move UNION ALL SELECT seq, lot_id"
                    " FROM move_line) AS m WHERE m.lot_id = s.lot_id) AS last_seq FROM stock AS s"):
                text.append("REPLACE INTO stock(lot_id, on_hand, reserved, confirmed, version, last_seq,"
                            " backorder_limit_most) VALUES (%d, %d, %d, %d, %d, %d, 0);" % tuple(row[name] for name in (
                                "lot_id", "on_hand", "reserved", "confirmed", "version", "last_seq")))
            for row in db.execute("SELECT * FROM reservation WHERE status = 'PENDING'"):
                text.append("REPLACE INTO pending(reservation_id, deadline_ms) VALUES (%d, %d);"
                            % (row["reservation_id"], row["deadline_ms"]))
            for row in db.execute("SELECT detail, seq FROM move WHERE kind = 2 AND detail IS NOT NULL"):
                text.append("REPLACE INTO adjustment(adjustment_id, seq) VALUES (%s, %d);" % (quoted(row[0]), row[1]))
            newest = db.execute("SELECT max(seq) FROM move").fetchone()[0]
        text.append("REPLACE INTO lane VALUES (%d, 'node', 1, 0, %d, 0);" % (LANE, newest))
        return "BEGIN;\n%s\nCOMMIT;" % "\n".join(text)

    def make(self, *damage):
        """A database with the ledger, and what was done to it; its URL. One whose tables were changed is
        not used again."""
        tables = "meta lot move move_line stock pending adjustment lane sale sale_item archived cursor move_kind"
        name = "ledger_%d" % self.count
        if self.changed:
            type(self).count += 1
            name = "ledger_%d" % self.count
            self.database.sql("CREATE DATABASE " + name)
        emptied = "" if self.changed else "".join("DELETE FROM `%s`;" % table for table in tables.split())
        self.database.sql("USE %s; %s\n%s\n%s\nSET check_constraint_checks = 0;\n%s"
                          % (name, emptied, self.schema, self.ledger, ";\n".join(damage)))
        type(self).changed = any("ALTER" in text for text in damage)
        return url(self.database.address, database=name).replace(":" + PASSWORD, "")

    def verify(self, place, *flags, password=PASSWORD):
        return subprocess.run(
            [BINARY, "verify", place, *flags], capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL, env=clean_environment({"TALLY_LEDGER_PASSWORD": password}))

    def report(self, place, *flags):
        done = self.verify(place, "--json", *flags)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        return json.loads(done.stdout)

    def finds(self, check, word, *damage, flags=()):
        """That check names it, in these words."""
        report = self.report(self.make(*damage), *flags)
        found = [(f["check"], f["text"]) for f in report["findings"] if f["severity"] == "fault"]
        self.assertFalse(report["ok"])
        self.assertTrue([1 for c, text in found if c == check and word in text], (check, word, found))
        return report

    # ---- sound ones ----

    def test_what_a_server_wrote_is_sound(self):
        report = self.report(self.make())
        self.assertEqual((report["ok"], report["findings"], report["live"]), (True, [], False))
        counts = report["counts"]
        self.assertEqual((counts["lots"], counts["pending"]), (4, 4))
        self.assertGreater(counts["moves"], 30)
        text = self.verify(self.make()).stdout
        self.assertIn("The ledger keeps its promises.", text)
        self.assertNotIn(PASSWORD, text)

    def test_a_moves_date_is_held_against_those_of_its_own_lane(self):
        later = "(SELECT * FROM (SELECT max(seq) + (1 << 12) FROM move) AS m)"
        other = "INSERT INTO move(seq, kind, lot_id, quantity, at_ms) SELECT %s, 2, 1, 1, max(at_ms) - 2 FROM move"
        stock = ("UPDATE stock SET on_hand = on_hand + 1, version = version + 1, last_seq ="
                 " (SELECT max(seq) FROM move) WHERE lot_id = 1")
        lane = "REPLACE INTO lane SELECT 2, 'node', 1, 0, max(seq), 0 FROM move"
        self.assertEqual(self.report(self.make(other % later, stock, lane))["findings"], [])
        same = "(SELECT * FROM (SELECT max(seq) + 1 FROM move) AS m)"
        self.finds("LOG", "2 ms before the move before it", other % same, stock)

    def test_what_somebody_else_changed_counts_as_the_log_says(self):
        kind = "REPLACE INTO move_kind VALUES (21, 'FOREIGN', %d, 0, 0)"
        move = ("INSERT INTO move(seq, kind, lot_id, quantity, at_ms, note) SELECT max(seq) + 1, 21, 1, -2, max(at_ms),"
                " 'erp' FROM move")
        stock = ("UPDATE stock SET on_hand = on_hand - 2, version = version + 1, last_seq = (SELECT max(seq) FROM move)"
                 " WHERE lot_id = 1")
        lane = "UPDATE lane SET last_seq = (SELECT max(seq) FROM move)"
        self.assertEqual(self.report(self.make(kind % 1, move, stock, lane))["findings"], [])
        self.finds("STORED", "the table stock says on_hand", kind % 1, stock)
        self.finds("STORED", "move_kind does not say", kind % 0)

    def test_a_lane_that_is_leased_has_a_server_that_must_end_holds_in_time(self):
        lease = "UPDATE lane SET leased_until_ms = UNIX_TIMESTAMP() * 1000 + 3600000 WHERE lane = 1"
        now = str(round(time.time() * 1000) + 86400000)
        report = self.finds("OVERDUE", "although a server is running", lease, flags=("--now", now))
        self.assertTrue(report["live"])
        stopped = self.report(self.make(), "--now", now)
        self.assertEqual((stopped["ok"], {f["severity"] for f in stopped["findings"]}), (True, {"note"}))

    def test_settings_that_may_lose_what_is_committed_are_noted(self):
        self.database.sql("SET GLOBAL innodb_flush_log_at_trx_commit = 2")
        self.addCleanup(self.database.sql, "SET GLOBAL innodb_flush_log_at_trx_commit = 1")
        report = self.report(self.make())
        self.assertTrue(report["ok"])
        self.assertIn("innodb_flush_log_at_trx_commit is 2", report["findings"][0]["text"])

    # ---- damages ----

    def test_a_wrong_stored_stock(self):
        self.finds("STORED", "the table stock says reserved", "UPDATE stock SET reserved = reserved + 1 WHERE lot_id = 1")

    def test_a_lot_without_stored_stock(self):
        self.finds("STORED", "it has no row in the table stock", "DELETE FROM stock WHERE lot_id = 2")

    def test_stored_stock_of_no_lot(self):
        self.finds("STORED", "a lot that is none", "INSERT INTO stock(lot_id, on_hand, reserved, confirmed, version,"
                   " last_seq, backorder_limit_most) VALUES (77, 0, 0, 0, 0, 0, 0)")

    def test_a_lots_last_seq_behind_its_moves(self):
        self.finds("LOG", "may get a number before this one", "UPDATE stock SET last_seq = last_seq - 1 WHERE lot_id = 1")

    def test_an_oversold_lot(self):
        self.finds("STOCK", "available -", "UPDATE move SET quantity = 4000 WHERE order_id = 'kept'")

    def test_a_refund_that_is_gone(self):
        self.finds("OWNED", "units are reserved", "DELETE FROM move WHERE kind = 5",
                   "DELETE FROM move_line WHERE seq NOT IN (SELECT seq FROM move)")

    def test_units_given_back_twice(self):
        self.finds("HISTORY", "of a reservation that is REFUNDED",
                   "INSERT INTO move(seq, kind, lot_id, quantity, at_ms, reservation_id, reason) SELECT seq + 1, kind,"
                   " lot_id, quantity, at_ms, reservation_id, reason FROM move WHERE kind = 6 LIMIT 1")

    def test_an_order_id_with_two_reservations(self):
        key = self.unique_key("move", "order_id")
        report = self.finds("ORDER", "order_id paid is that of reservation", "ALTER TABLE move DROP INDEX `%s`" % key,
                            "UPDATE move SET order_id = 'paid' WHERE order_id = 'kept'")
        self.assertIn("the table move has no unique key on order_id: nothing keeps one from being used twice",
                      [f["text"] for f in report["findings"]])

    def unique_key(self, table, column):
        return self.database.sql(
            "SELECT index_name FROM information_schema.statistics WHERE table_schema = 'columns_of' AND"
            " table_name = '%s' AND column_name = '%s' AND non_unique = 0" % (table, column))

    def test_an_adjustment_applied_twice(self):
        self.finds("ADJUSTMENT", "adjustment_id count-1 was applied 2 times",
                   "INSERT INTO move(seq, kind, lot_id, quantity, at_ms, detail) SELECT seq + 1, kind, lot_id, quantity,"
                   " at_ms, detail FROM move WHERE detail = 'count-1'")

    def test_an_adjustment_that_may_be_applied_again(self):
        self.finds("ADJUSTMENT", "does not know adjustment_id count-1", "DELETE FROM adjustment")

    def test_a_hold_that_nothing_ends(self):
        self.finds("OVERDUE", "not in the table pending", "DELETE FROM pending WHERE reservation_id ="
                   " (SELECT seq FROM move WHERE order_id = 'kept')")

    def test_a_hold_that_is_ended_at_a_wrong_time(self):
        self.finds("DEADLINE", "ends it 7 ms after its deadline", "UPDATE pending SET deadline_ms = deadline_ms + 7"
                   " WHERE reservation_id = (SELECT seq FROM move WHERE order_id = 'changed')")

    def test_a_deadline_of_what_was_paid(self):
        self.finds("OVERDUE", "it is not PENDING", "INSERT INTO pending(reservation_id, deadline_ms) SELECT seq,"
                   " deadline_ms FROM move WHERE order_id = 'paid'")

    def test_a_confirm_after_the_deadline(self):
        self.finds("DEADLINE", "after the deadline", "UPDATE move SET deadline_ms = at_ms - 1 WHERE order_id = 'paid'")

    def test_moves_that_are_missing_at_the_end(self):
        self.finds("DURABLE", "wrote moves up to this one, which is missing",
                   "DELETE FROM move ORDER BY seq DESC LIMIT 1")

    def test_a_lane_that_is_behind_its_moves(self):
        self.finds("LOG", "readers of the log may stop", "UPDATE lane SET last_seq = (SELECT min(seq) FROM move)"
                   " WHERE lane = 1")

    def test_a_move_of_a_lane_that_is_none(self):
        self.finds("LOG", "which is not in the table lane", "DELETE FROM lane WHERE lane = 1")

    def test_a_move_without_its_lines(self):
        self.finds("LINES", "lines of", "DELETE FROM move_line LIMIT 1")

    def test_a_lot_under_another_key(self):
        self.finds("LOT", "its dimensions make", "UPDATE lot SET lot_key = 'COLA#00000000' WHERE lot_id = 1")

    def test_kinds_of_moves_that_say_something_else(self):
        self.finds("STORED", "move_kind does not say", "UPDATE move_kind SET reserved = 0 WHERE kind = 6")

    def test_an_unknown_kind_of_move(self):
        self.finds("LOG", "there is no kind of move number 99", "SET foreign_key_checks = 0",
                   "UPDATE move SET kind = 99 WHERE kind = 8")

    def test_a_reader_ahead_of_the_log(self):
        self.finds("LOG", "the cursor of reader 'shop'", "INSERT INTO `cursor`(reader, seq) SELECT 'shop', max(seq) + 1"
                   " FROM move")

    def test_a_user_over_a_lots_limit(self):
        self.finds("LIMIT", "user bob has 3 units of lot MATE#", "UPDATE move SET user_id = 'bob' WHERE order_id = 'mate-2'")

    def test_a_user_over_a_sales_limit(self):
        self.finds("SALE", "of sale team, which allows 1", "UPDATE sale SET per_user_limit = 1",
                   "UPDATE move SET user_id = 'ann' WHERE order_id = 'wins-bob'")

    def test_a_member_of_a_failed_group_that_was_kept(self):
        self.finds("GROUP", "a member of it is not refunded", "DELETE FROM move WHERE reason = 4")

    def test_an_order_before_its_sale(self):
        self.finds("SALE", "before sale team begins", "UPDATE sale SET starts_at_ms = ends_at_ms - 1")

    # ---- tables that would not keep it right ----

    def test_a_table_without_transactions(self):
        self.finds("FILE", "the table archived is of the engine", "ALTER TABLE archived ENGINE = Aria")

    def test_order_ids_that_are_not_told_apart_by_case(self):
        self.finds("FILE", "order_ids are not compared byte by byte", "ALTER TABLE move MODIFY order_id VARCHAR(64)"
                   " CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci")

    def test_a_stock_that_may_be_oversold_by_hand(self):
        names = self.database.sql("SELECT constraint_name FROM information_schema.table_constraints WHERE table_schema ="
                                  " 'columns_of' AND table_name = 'stock' AND constraint_type = 'CHECK'").split("\n")
        self.finds("FILE", "the table stock has no CHECK",
                   *("ALTER TABLE stock DROP CONSTRAINT `%s`" % name for name in names))

    # ---- what is refused ----

    def refuses(self, word, place, *flags, **more):
        done = self.verify(place, *flags, **more)
        self.assertEqual(done.returncode, 5, done.stdout)
        self.assertIn(word, done.stderr)
        self.assertNotIn(PASSWORD, done.stderr)

    def test_what_cannot_be_read_is_said(self):
        empty = url(self.database.address).replace(":" + PASSWORD, "")
        self.refuses("there is no ledger in this database", empty)
        self.refuses("Unknown database", empty.rpartition("/")[0] + "/nobodys")
        self.refuses("Access denied", empty, password="wrong")
        self.refuses("number 4", self.make("UPDATE meta SET value = '4' WHERE `key` = 'schema_version'"))
        self.refuses("the table lot is not as a ledger's", self.make("ALTER TABLE lot DROP COLUMN per_user_limit"))
        self.refuses("TALLY_LEDGER_PASSWORD", url(self.database.address))
        self.refuses("127.0.0.1:1:", "mysql://tally@127.0.0.1:1/tally")

    def test_the_password_may_come_from_a_file(self):
        path = os.path.join(self.folder, "password")
        with open(path, "w", encoding="ascii") as f:
            f.write(PASSWORD + "\n")
        done = self.verify(self.make(), "--password-file", path, password="wrong")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.refuses("No such file", self.make(), "--password-file", path + ".none")

    def test_a_server_without_tls_is_not_spoken_to_where_tls_is_wanted(self):
        self.refuses("it speaks no TLS", self.make(), "--tls", "on")
        self.refuses("must be off, on or verify", self.make(), "--tls", "yes")


class Encrypted(unittest.TestCase):
    """A server with a certificate of our own."""

    def test_a_certificate_is_checked_where_that_is_wanted(self):
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            key, certificate = os.path.join(folder, "key"), os.path.join(folder, "certificate")
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                            "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
                            "-keyout", key, "-out", certificate], check=True, capture_output=True)
            os.chmod(key, 0o644)
            with MariaDb("--ssl-key=" + key, "--ssl-cert=" + certificate) as database:
                place = url(database.address).replace(":" + PASSWORD, "")
                known = ("--tls", "verify", "--tls-ca", certificate)
                # All but the last get as far as to the database, which is empty.
                for flags, word in ((known, "there is no ledger"), (("--tls", "on"), "there is no ledger"),
                                    (("--tls", "verify"), "certificate")):
                    done = subprocess.run(
                        [BINARY, "verify", place, *flags], capture_output=True, text=True, check=False,
                        env=clean_environment({"TALLY_LEDGER_PASSWORD": PASSWORD}))
                    self.assertEqual(done.returncode, 5, done.stdout)
                    self.assertIn(word, done.stderr)


if __name__ == "__main__":
    try:
        MariaDb.check()
    except Missing as why:
        peers.is_missing(str(why))
        peers.end()
    peers.main()
