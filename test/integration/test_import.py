"""POST /v1/lots/import: a stock file of any size, streamed in, all or nothing."""

import http.client
import json
import os
import socket
import sys
import threading
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "test", "lib"))

# pylint: disable=wrong-import-position
from tally_server import PATIENCE_S, TallyServer, wait_until

LIBRARY = os.environ.get("SYNC_FAULT_LIB", "")
HEADER = "sku,flavor,size,batch,expires_on,quantity\n"
BATCH = "BATCH-20261001-A"


def row(sku, quantity, flavor="lime"):
    """A row of a file."""
    return "%s,%s,330ml_can,%s,,%s\n" % (sku, flavor, BATCH, quantity)


class ImportCase(unittest.TestCase):
    flags = ("--flavors", "lime,cherry", "--body-max", "64KiB", "--import-max", "8MiB")

    @classmethod
    def setUpClass(cls):
        cls.server = TallyServer(*cls.flags)
        cls.server.start()

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def connect(self):
        """A connection of its own."""
        host, port = self.server.address.rsplit(":", 1)
        return http.client.HTTPConnection(host, int(port), timeout=5 * PATIENCE_S)

    def send(self, body, query="", media="text/csv", **headers):
        """Sends it; (status, JSON)."""
        connection = self.connect()
        try:
            connection.request("POST", "/v1/lots/import" + query, body,
                               {"content-type": media, **headers})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def lots(self, sku):
        """{flavor: on_hand}"""
        return {lot["flavor"]: lot["on_hand"] for lot in
                self.server.request("GET", "/v1/lots?sku=" + sku)[2]["lots"]}

    def total(self):
        """Units on hand of all lots, and how many lots there are."""
        units = count = 0
        token = ""
        while True:
            page = self.server.request("GET", "/v1/lots?page_size=1000&page_token=" + token)[2]
            units += sum(lot["on_hand"] for lot in page["lots"])
            count += len(page["lots"])
            token = page["next_page_token"]
            if not token:
                return units, count


class Import(ImportCase):
    def test_a_file_is_applied_and_then_unchanged(self):
        text = HEADER + row("ONE", 5) + row("ONE", 6, "cherry")
        status, said = self.send(text)
        self.assertEqual((status, said["rows"], said["created"]), (200, 2, 2))
        self.assertEqual(self.lots("ONE"), {"lime": 5, "cherry": 6})
        self.assertEqual(self.send(text)[1]["unchanged"], 2)
        said = self.send(HEADER + row("ONE", 3))[1]
        self.assertEqual((said["changed"], self.lots("ONE")), (1, {"lime": 3, "cherry": 6}))

    def test_lines_of_json_are_taken_too(self):
        line = {"sku": "LINES", "flavor": "lime", "size": "330ml_can", "batch": BATCH, "quantity": 4}
        said = self.send(json.dumps(line) + "\n", media="application/x-ndjson")[1]
        self.assertEqual((said["created"], self.lots("LINES")), (1, {"lime": 4}))

    def test_one_row_at_fault_keeps_all_of_it_out_and_all_faults_are_told(self):
        text = (HEADER + row("OUT", 5) + row("OUT-2", "x", "Lime") + row("OUT-3", 1, "kiwi") +
                row("OUT-4", 1) * 2)
        status, said = self.send(text)
        self.assertEqual((status, said["code"], said["bad"]), (400, "INVALID_ARGUMENT", 4))
        self.assertEqual([(p["line"], p["column"]) for p in said["problems"]],
                         [(3, "flavor"), (3, "quantity"), (4, "flavor"), (5, ""), (6, "")])
        self.assertEqual(self.lots("OUT"), {})

    def test_fewer_units_than_are_held_keep_all_of_it_out(self):
        self.send(HEADER + row("HELD", 5))
        lot = self.server.request("GET", "/v1/lots?sku=HELD")[2]["lots"][0]["lot"]
        self.server.request("POST", "/v1/reservations",
                            {"user_id": "ann", "lines": [{"lot": lot, "quantity": 3}]})
        status, said = self.send(HEADER + row("HELD-NEW", 5) + row("HELD", 2))
        self.assertEqual(status, 400)
        self.assertIn("3 units are reserved", said["problems"][0]["text"])
        self.assertEqual(self.lots("HELD-NEW"), {})
        self.send(HEADER + row("HELD", 9), "?mode=available")
        self.assertEqual(self.lots("HELD"), {"lime": 12})

    def test_a_dry_run_changes_nothing(self):
        said = self.send(HEADER + row("DRY", 5), "?dry_run=true")[1]
        self.assertEqual((said["created"], said["dry_run"], self.lots("DRY")), (1, True, {}))

    def test_existing_lots_only(self):
        self.send(HEADER + row("HAVE", 5))
        said = self.send(HEADER + row("HAVE", 6) + row("HAVE-NOT", 6), "?existing_only=true")[1]
        self.assertEqual((said["changed"], said["skipped"]), (1, 1))
        self.assertEqual(self.lots("HAVE-NOT"), {})

    def test_what_is_no_stock_file_is_refused(self):
        self.assertEqual(self.send("x", media="text/plain")[0], 415)
        self.assertEqual(self.send("x", media="text/csv; charset=utf-7")[0], 415)
        self.assertEqual(self.send("x", **{"content-encoding": "gzip"})[0], 415)
        self.assertEqual(self.send("x", "?mode=all")[0], 400)
        self.assertEqual(self.send("x", "?colour=red")[1]["field"], "colour")
        self.assertEqual(self.send("x", "?mode=on_hand&mode=available")[1]["field"], "mode")
        self.assertEqual(self.send(HEADER + row("QUERY", 1), "?mode=on%5Fhand&dry_run=true")[0], 200)
        self.assertEqual(self.send("x", "?mode=%ff")[0], 400)
        self.assertEqual(self.send("")[0], 400)
        self.assertIn("the header", self.send("sku,colour\nA,red\n")[1]["detail"])
        self.assertIn("workbook", self.send(b"PK\x03\x04xl/")[1]["detail"])
        text = (HEADER + row("LATIN", 5)).replace("\n", ",\xfc\n").replace("quantity,\xfc", "quantity,n")
        said = self.send(text.encode("latin-1"), "?ignore_other_columns=true",
                         media="text/csv; charset=iso-8859-1")[1]
        self.assertEqual(said["created"], 1)

    def test_a_file_is_larger_than_a_body_and_has_a_limit_of_its_own(self):
        many = HEADER + "".join(row("MANY-%05d" % i, i % 7) for i in range(9000))
        self.assertGreater(len(many), 300000)
        said = self.send(many)[1]
        self.assertEqual((said["rows"], said["created"]), (9000, 9000))
        connection = self.connect()
        connection.request("POST", "/v1/lots/import", iter([many.encode()] * 2),
                           {"content-type": "text/csv"}, encode_chunked=True)
        self.assertEqual(connection.getresponse().status, 400)
        connection.close()
        with socket.create_connection(self.server.address.rsplit(":", 1), timeout=PATIENCE_S) as s:
            s.sendall(b"POST /v1/lots/import HTTP/1.1\r\nhost: x\r\ncontent-type: text/csv\r\n"
                      b"content-length: 100000000\r\n\r\n")
            try:
                for _ in range(200):
                    s.sendall(b"x" * 65536)
            except OSError:
                pass  # it was answered, and reads no more
            try:
                self.assertIn(b" 413 ", s.recv(65536))
            except ConnectionResetError:
                pass

    def test_progress_is_told_as_lines(self):
        text = HEADER + "".join(row("PROG-%05d" % i, 1) for i in range(8000))
        connection = self.connect()
        connection.request("POST", "/v1/lots/import", text,
                           {"content-type": "text/csv", "accept": "application/x-ndjson"})
        answer = connection.getresponse()
        self.assertEqual(answer.getheader("content-type"), "application/x-ndjson")
        lines = [json.loads(line) for line in answer.read().splitlines()]
        connection.close()
        self.assertEqual(lines[-1]["created"], 8000)
        self.assertTrue(all("state" in line for line in lines[:-1]))

    def test_who_leaves_before_the_end_of_the_file_leaves_nothing_behind(self):
        with socket.create_connection(self.server.address.rsplit(":", 1), timeout=PATIENCE_S) as s:
            s.sendall(b"POST /v1/lots/import HTTP/1.1\r\nhost: x\r\ncontent-type: text/csv\r\n"
                      b"transfer-encoding: chunked\r\n\r\n5\r\nsku,f\r\n")
        with socket.create_connection(self.server.address.rsplit(":", 1), timeout=PATIENCE_S) as s:
            s.sendall(b"POST /v1/lots/import HTTP/1.1\r\nhost: x\r\ncontent-type: text/csv\r\n"
                      b"transfer-encoding: chunked\r\n\r\n5\r\nsku,f\r\nnonsense\r\n")
            s.recv(65536)
        for _ in range(20):  # more than there may be at one time
            self.assertEqual(self.send(HEADER + row("AFTER", 1))[0], 200)

    def test_orders_are_answered_meanwhile(self):
        self.send(HEADER + row("SOLD", 100000))
        text = HEADER + "".join(row("SLOW-%05d" % i, 1) for i in range(40000))
        done = []
        thread = threading.Thread(target=lambda: done.append(self.send(text)))
        thread.start()
        orders = 0
        while thread.is_alive():
            status = self.server.request(
                "POST", "/v1/reservations",
                {"user_id": "ann", "lines": [{"sku": "SOLD", "quantity": 1}]})[0]
            self.assertEqual(status, 201)
            orders += 1
        thread.join()
        self.assertEqual(done[0][0], 200)
        self.assertGreater(orders, 3)


class Killed(ImportCase):
    """A file of more than one commit, that lowers and raises."""
    flags = ("--import-max", "8MiB")
    count = 17000

    @classmethod
    def setUpClass(cls):
        if not LIBRARY:
            raise unittest.SkipTest("SYNC_FAULT_LIB names the library that ctest builds")
        cls.server = TallyServer(*cls.flags)
        cls.fault = cls.server.data + ".fault"
        # A sanitizer wants to be the first library; this one it may follow.
        cls.server.env.update({"LD_PRELOAD": LIBRARY, "SYNC_FAULT": cls.fault,
                               "SYNC_FAULT_PATH": "/imports",
                               "ASAN_OPTIONS": "verify_asan_link_order=0"})
        cls.server.start()

    def file(self, even, odd):
        """A file, and what total() is after it."""
        half = self.count // 2
        return (HEADER + "".join(row("KILL-%05d" % i, odd if i % 2 else even)
                                 for i in range(self.count)), (half * (even + odd), self.count))

    def killed_at(self, sync, text):
        """Sends it to a server that is killed in front of this one of the import's syncs; False if
        it came to its end before. The server runs again, and has nothing of it left to do."""
        with open(self.fault + ".new", "w", encoding="ascii") as out:
            out.write("kill %d" % sync)
        os.rename(self.fault + ".new", self.fault)
        try:
            self.assertEqual(self.send(text)[0], 200)
            return False
        except (ConnectionError, http.client.HTTPException):
            self.server.process.wait()
            return True
        finally:
            os.unlink(self.fault)
            if not self.server.running():
                self.server.kill()
                self.server.start()
            folder = os.path.join(self.server.data, "imports")
            wait_until(lambda: not [n for n in os.listdir(folder) if n.endswith(".decided")], sync)

    def test_a_server_that_is_killed_has_all_of_it_or_nothing(self):
        is_now, other = self.file(3, 3), self.file(4, 1)
        self.assertEqual(self.send(is_now[0])[0], 200)
        done = []
        sync = 1
        while self.killed_at(sync, other[0]):
            total = self.total()
            self.assertIn(total, (is_now[1], other[1]), "killed in front of sync %d" % sync)
            done.append(total == other[1])
            if done[-1]:
                is_now, other = other, is_now
            sync += 1 + sync // 3
        self.assertEqual(self.total(), other[1])
        # From its decision on it is carried out.
        self.assertEqual(done, sorted(done))
        self.assertEqual(set(done), {False, True})
        self.assertTrue(json.loads(self.server.cli("verify", self.server.data, "--json").stdout)["ok"])


if __name__ == "__main__":
    unittest.main()
