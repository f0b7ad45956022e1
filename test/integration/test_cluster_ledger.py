#!/usr/bin/python3
"""Several nodes on one database (MariaDB): they sell exactly what there is, holds end whoever made them,
and a node that is killed under load takes nothing with it but answers that were on their way."""
import concurrent.futures
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import peers  # noqa: E402
from peer_mariadb import PASSWORD, MariaDb  # noqa: E402
from peer_process import Missing  # noqa: E402
from tally_server import (PATIENCE_S, ServerFailed, TallyServer, clean_environment, tally_binary,  # noqa: E402
                          wait_until)


def why_not():
    """Why there is no database, or nothing."""
    try:
        MariaDb.check()
    except Missing as reason:
        return str(reason)
    return ""


NO_MARIADB = why_not()

LOT = {"sku": "cola", "flavor": "lime", "size": "330ml_can", "batch": "BATCH-20301122-A"}


def node(database, **settings):
    """A node of this database; its password stands in the environment."""
    settings = {"TALLY_" + key.upper(): value for key, value in settings.items()}
    return TallyServer("--ledger", database.url.replace(":" + PASSWORD, ""),
                       env={"TALLY_LEDGER_PASSWORD": PASSWORD, "TALLY_LEDGER_CLOCK_GAP_MAX_MS": "1m", **settings})


@peers.needs(not NO_MARIADB, NO_MARIADB)
class Cluster(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.database = MariaDb().__enter__()
        cls.number = 0

    @classmethod
    def tearDownClass(cls):
        cls.database.__exit__(None, None, None)

    def lot(self, server, quantity):
        """A lot of its own for each test."""
        Cluster.number += 1
        status, _, lot = server.request("POST", "/v1/lots", {**LOT, "sku": "cola-%d" % Cluster.number,
                                                             "quantity": quantity})
        self.assertEqual(status, 201, lot)
        return lot["lot"]

    def reserve(self, server, lot, order_id, hold_ms=None):
        """The status, or None if no answer came."""
        order = {"order_id": order_id, "user_id": "u", "lines": [{"lot": lot, "quantity": 1}]}
        if hold_ms:
            order["hold_ms"] = hold_ms
        try:
            status, _, body = server.request("POST", "/v1/reservations", order)
        except (OSError, http.client.HTTPException, ValueError):
            return None
        self.assertIn(status, (200, 201, 409, 503, 504), body)
        return status

    def numbers(self, sql):
        return [int(number) for number in self.database.sql("USE tally; " + sql).split()]

    def all_is_accounted(self, lot, reserved):
        """Every row of stock is what its moves say, and every hold that is PENDING has its row."""
        stock = self.numbers("SELECT s.reserved, s.available FROM stock AS s JOIN lot AS l USING (lot_id)"
                             " WHERE l.lot_key = '%s'" % lot)
        self.assertEqual(stock[0], reserved)
        self.assertGreaterEqual(stock[1], 0)
        moves = self.numbers("SELECT sum(m.quantity * k.reserved) FROM move AS m JOIN move_kind AS k USING (kind)"
                             " JOIN lot AS l USING (lot_id) WHERE l.lot_key = '%s'" % lot)
        self.assertEqual(moves[0], reserved)
        wrong = self.numbers("SELECT count(*) FROM reservation AS r LEFT JOIN pending AS p USING (reservation_id)"
                             " WHERE (r.status = 'PENDING') <> (p.reservation_id IS NOT NULL)")
        self.assertEqual(wrong, [0])

    def test_two_nodes_sell_one_lot_to_its_last_unit(self):
        with node(self.database) as a, node(self.database) as b:
            lot = self.lot(a, 150)
            with concurrent.futures.ThreadPoolExecutor(8) as clients:
                answers = list(clients.map(
                    lambda i: self.reserve((a, b)[i % 2], lot, "sell-%d" % i), range(200)))
            self.assertEqual(answers.count(201), 150)
            self.assertEqual(answers.count(409), 50)
            self.all_is_accounted(lot, 150)
            for i in (0, 1):  # either knows the other's orders, and is asked again for its own
                self.assertIn(self.reserve((b, a)[i], lot, "sell-%d" % answers.index(201)), (200,))

    def test_a_bench_on_one_node_is_right_while_the_other_works_too(self):
        with node(self.database) as a, node(self.database) as b, tempfile.TemporaryDirectory() as folder:
            lot, stop = self.lot(a, 1000000), threading.Event()
            held = []

            def busy():
                while not stop.is_set():
                    held.append(self.reserve(b, lot, "busy-%d" % len(held)))

            other = threading.Thread(target=busy)
            other.start()
            try:
                report = os.path.join(folder, "report.json")
                done = subprocess.run(
                    [tally_binary(), "bench", "--target", a.address, "--connections", "2", "--streams", "20",
                     "--rate", "300", "--duration", "2s", "--units", "400", "--expire", "20", "--expire-after", "300ms",
                     "--pay", "30", "--cancel", "20", "--retry", "10", "--json", report],
                    capture_output=True, text=True, env=clean_environment(), timeout=5 * PATIENCE_S, check=False)
            finally:
                stop.set()
                other.join()
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            with open(report, encoding="utf-8") as file:
                audit = json.load(file)["audit"]
            self.assertTrue(audit["complete"], done.stdout)
            self.assertEqual([audit[name] for name in ("oversold", "undersold", "lost", "duplicated")], [0] * 4)
            self.all_is_accounted(lot, held.count(201))

    def test_holds_of_a_node_that_is_gone_end_all_the_same(self):
        with node(self.database) as a, node(self.database) as b:
            lot = self.lot(a, 3)
            for i in range(3):
                self.assertEqual(self.reserve(a, lot, "gone-%d" % i, hold_ms=1500), 201)
            a.kill()
            path = b.lot_path(lot)
            wait_until(lambda: b.request("GET", path)[2]["available"] == 3, "the units are free again")
            self.assertEqual(self.reserve(b, lot, "after"), 201)
            self.all_is_accounted(lot, 1)

    def test_a_node_that_is_killed_under_load_loses_nothing_that_it_acknowledged(self):
        with node(self.database) as a, node(self.database) as b:
            lot = self.lot(b, 120)
            started = threading.Event()

            def order(i):
                if i == 60:
                    started.set()
                return self.reserve((a, b)[i % 2], lot, "kill-%d" % i)

            with concurrent.futures.ThreadPoolExecutor(8) as clients:
                answers = clients.map(order, range(200))
                started.wait()
                a.kill()
                answers = list(answers)
            again = [answer if answer in (201, 409) else self.reserve(b, lot, "kill-%d" % i)
                     for i, answer in enumerate(answers)]
            self.assertEqual(sum(answer in (200, 201) for answer in again), 120, again)
            for i, answer in enumerate(answers):
                if answer == 201:
                    self.assertEqual(b.request("GET", "/v1/orders/kill-%d" % i)[0], 200)
            self.all_is_accounted(lot, 120)

    def test_a_sale_counts_what_a_user_takes_on_any_node_and_its_groups_end_by_any(self):
        with node(self.database) as a, node(self.database) as b:
            lot = self.lot(a, 10)
            status, _, sale = a.request("POST", "/v1/sales", {
                "sale_id": "flash", "title": "Flash", "lots": [lot], "starts_at": "2020-01-01T00:00:00Z",
                "ends_at": "2100-01-01T00:00:00Z", "per_user_limit": 2, "group": {"size": 2, "window_ms": 2000}})
            self.assertEqual(status, 201, sale)

            def order(server, order_id, user):
                line = {"lot": lot, "quantity": 1}
                return server.request("POST", "/v1/reservations", {"order_id": order_id, "user_id": user,
                                                                   "sale_id": "flash", "lines": [line]})
            self.assertEqual(order(a, "s-1", "ann")[0], 201)
            self.assertEqual(order(b, "s-2", "ann")[0], 201)
            status, _, refused = order(a, "s-3", "ann")
            self.assertEqual((status, refused["code"]), (429, "LIMIT_EXCEEDED"))
            status, _, group = a.request("POST", "/v1/sales/flash/groups", {"order": {
                "order_id": "g-1", "user_id": "bob", "lines": [{"lot": lot, "quantity": 1}]}})
            self.assertEqual(status, 201, group)
            a.kill()
            wait_until(lambda: b.request("GET", "/v1/orders/g-1")[2]["reason"] == "GROUP_FAILED", "the group ended")
            self.assertEqual(b.request("GET", "/v1/groups/" + group["group_id"])[2]["status"], "FAILED")
            self.all_is_accounted(lot, 2)

    def test_a_database_that_was_killed_comes_back_with_all_that_was_acknowledged(self):
        with node(self.database) as a:
            lot = self.lot(a, 100)
            done = [self.reserve(a, lot, "down-%d" % i) for i in range(10)]
            self.assertEqual(done, [201] * 10)
            self.database.kill9()
            self.assertIn(self.reserve(a, lot, "while-down"), (503, 504))
            wait_until(lambda: a.request("GET", "/readyz")[0] == 503, "it says that the ledger is away")
            self.database.start()
            wait_until(lambda: a.request("GET", "/readyz")[0] == 200, "it says that the ledger is back")
            self.assertIn(self.reserve(a, lot, "while-down"), (200, 201))
            self.all_is_accounted(lot, 11)

    def test_a_password_is_refused_in_the_url_and_shown_nowhere(self):
        server = TallyServer("--ledger", self.database.url)
        with self.assertRaises(ServerFailed):
            server.start()
        text = server.log_text()
        server.close()
        self.assertIn("ledger_password_file", text)
        self.assertNotIn(PASSWORD, text)
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(PASSWORD + "\n")
            file.flush()
            with TallyServer("--ledger", self.database.url.replace(":" + PASSWORD, ""), "--ledger-password-file",
                             file.name, "--ledger-clock-gap-max-ms", "1m") as good:
                self.assertNotIn(PASSWORD, good.log_text())


if __name__ == "__main__":
    peers.main()
