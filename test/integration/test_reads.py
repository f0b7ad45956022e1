#!/usr/bin/python3
"""Reads of one lot as clients see them: what the answer says of itself, and that a cache in the process
never shows a client less than what it was told itself."""
import os
import re
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from grpc_client import GrpcClient  # noqa: E402
from tally_server import TallyServer  # noqa: E402

READERS = 4
ORDERS = 60


def create_lot(server, quantity=1000):
    status, _, lot = server.request("POST", "/v1/lots", {
        "sku": "COLA", "flavor": "lime", "size": "330ml_can", "batch": "BATCH-20261122-A",
        "quantity": quantity})
    assert status == 201, lot
    return lot["lot"]


def said(headers):
    headers = {name.lower(): value for name, value in headers.items()}
    return headers["x-tally-source"], int(headers["age"])


class Reads(unittest.TestCase):
    def get(self, server, lot, suffix=""):
        status, headers, shown = server.request("GET", server.lot_path(lot, suffix))
        self.assertEqual(status, 200, shown)
        return said(headers), shown

    def metric(self, server, name):
        text = server.request("GET", "/metrics")[2].decode()
        return int(re.search(r"^" + re.escape(name) + r" (\d+)$", text, re.M).group(1))

    def test_without_a_cache_the_engines_memory_answers(self):
        with TallyServer() as server:
            lot = create_lot(server)
            for _ in range(2):
                self.assertEqual(self.get(server, lot)[0], ("memory", 0))

    def test_a_lot_is_answered_from_the_process_until_a_commit_changes_it(self):
        with TallyServer("--cache", "local") as server:
            lot = create_lot(server)
            self.assertEqual(self.get(server, lot)[0][0], "memory")
            source, shown = self.get(server, lot)
            self.assertEqual(source[0], "local")
            self.assertEqual(shown["available"], 1000)
            status, _, order = server.request("POST", "/v1/reservations", {
                "order_id": "o-1", "user_id": "u", "lines": [{"lot": lot, "quantity": 3}]})
            self.assertEqual(status, 201, order)
            source, shown = self.get(server, lot)
            self.assertEqual((source[0], shown["available"]), ("memory", 997))
            self.assertEqual(self.get(server, lot)[0][0], "local")
            self.assertEqual(self.get(server, lot, "?consistency=strong")[0][0], "memory")
            self.assertEqual(self.metric(server, 'tally_lot_reads_total{source="local"}'), 2)

    def test_terms_of_a_lot_are_right_at_once_too(self):
        with TallyServer("--cache", "local") as server:
            lot = create_lot(server)
            self.get(server, lot)
            status, _, shown = server.request("PATCH", server.lot_path(lot), {"withdrawn": True})
            self.assertEqual(status, 200, shown)
            self.assertTrue(self.get(server, lot)[1]["withdrawn"])

    def test_grpc_says_where_the_answer_came_from_in_its_metadata(self):
        with TallyServer("--cache", "local") as server:
            lot = create_lot(server)
            self.get(server, lot)
            client = GrpcClient(server.address)
            self.assertEqual(client.call("GetLot", {"lot": lot})["available"], "1000")
            self.assertEqual(client.call("GetLot", {"lot": lot, "consistency": "strong"})["lot"],
                             lot)
            self.assertEqual(self.metric(server, 'tally_lot_reads_total{source="local"}'), 1)
            self.assertEqual(self.metric(server, 'tally_lot_reads_total{source="memory"}'), 2)

    def test_lots_that_never_were_cost_no_look_up(self):
        with TallyServer("--cache", "local") as server:
            create_lot(server)
            for number in range(20):
                status, headers, _ = server.request(
                    "GET", server.lot_path(f"NONE#{number:08x}"))
                self.assertEqual(status, 404)
            self.assertGreaterEqual(self.metric(server, "tally_lots_denied_total"), 18)
            lot = server.request("POST", "/v1/lots", {
                "sku": "NONE", "flavor": "lime", "size": "330ml_can", "batch": "BATCH-20261122-A",
                "quantity": 1})[2]["lot"]
            self.assertEqual(self.get(server, lot)[1]["available"], 1)

    def test_no_reader_sees_less_than_he_was_told_before(self):
        """Each buyer reads what he has changed; readers beside him see versions that only grow."""
        with TallyServer("--cache", "local", "--io-workers", "3") as server:
            lot = create_lot(server)
            stop = threading.Event()
            wrong = []

            def read_on():
                newest = 0
                while not stop.is_set():
                    version = self.get(server, lot)[1]["version"]
                    if version < newest:
                        wrong.append((newest, version))
                    newest = max(newest, version)

            readers = [threading.Thread(target=read_on) for _ in range(READERS)]
            for reader in readers:
                reader.start()
            for number in range(ORDERS):
                server.request("POST", "/v1/reservations", {
                    "order_id": f"o-{number}", "user_id": "u",
                    "lines": [{"lot": lot, "quantity": 1}]})
                shown = self.get(server, lot)[1]
                if shown["reserved"] != number + 1:
                    wrong.append((number + 1, shown["reserved"]))
            stop.set()
            for reader in readers:
                reader.join()
            self.assertEqual(wrong, [])
            self.assertGreater(self.metric(server, "tally_cache_local_hits_total"), 0)

    def test_a_word_that_is_no_consistency_is_refused(self):
        with TallyServer("--cache", "local") as server:
            lot = create_lot(server)
            status, _, problem = server.request("GET",
                                                server.lot_path(lot, "?consistency=weak"))
            self.assertEqual((status, problem["field"]), (400, "consistency"))


if __name__ == "__main__":
    unittest.main()
