#!/usr/bin/python3
"""More requests than there is room for, over real sockets: so many are at work, so many wait, and
the rest is told at once, while commits stand still."""
import os
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tally_server import TallyServer, wait_until  # noqa: E402

LIBRARY = os.environ.get("SYNC_FAULT_LIB", "")
WORK, QUEUE, MORE = 5, 7, 9


class Admission(unittest.TestCase):
    def setUp(self):
        self.server = TallyServer("--io-workers", "1", "--inflight-max", str(WORK),
                                  "--queue-max", str(QUEUE), "--retry-after-s", "3")
        self.fault = self.server.data + ".fault"
        self.addCleanup(self.heals)
        # A sanitizer wants to be the first library; this one it may follow.
        self.server.env.update({"LD_PRELOAD": LIBRARY, "SYNC_FAULT": self.fault,
                                "ASAN_OPTIONS": "verify_asan_link_order=0"})
        self.addCleanup(self.server.close)
        self.server.start()
        status, _, lot = self.server.request("POST", "/v1/lots", {
            "sku": "COLA", "flavor": "lime", "size": "330ml_can",
            "batch": "BATCH-20261122-A", "quantity": 100})
        assert status == 201, lot
        self.lot = lot["lot"]
        self.answers = {}

    def breaks(self):
        with open(self.fault + ".new", "w", encoding="ascii") as out:
            out.write("hold")
        os.rename(self.fault + ".new", self.fault)

    def heals(self):
        if os.path.exists(self.fault):
            os.unlink(self.fault)

    def order(self, order_id):
        self.answers[order_id] = self.server.request("POST", "/v1/reservations", {
            "order_id": order_id, "user_id": "u", "lines": [{"lot": self.lot, "quantity": 1}]})

    def orders(self, prefix, count):
        """So many at one time, each on a connection of its own."""
        threads = [threading.Thread(target=self.order, args=("%s%d" % (prefix, i),))
                   for i in range(count)]
        for thread in threads:
            thread.start()
        self.addCleanup(lambda: [thread.join() for thread in threads])
        return threads

    def gauge(self, name):
        _, _, text = self.server.request("GET", "/metrics")
        text = text if isinstance(text, str) else text.decode()
        return sum(float(line.split()[-1]) for line in text.splitlines()
                   if line.startswith(name) and not line.startswith("# "))

    def test_so_many_wait_and_the_rest_is_told_at_once(self):
        self.breaks()
        self.orders("first", WORK)
        wait_until(lambda: self.gauge("tally_worker_commands") == WORK)
        self.orders("then", QUEUE)
        wait_until(lambda: self.gauge("tally_worker_queue") == QUEUE)
        for thread in self.orders("late", MORE):
            thread.join()  # although nothing is committed
        late = [answer for name, answer in self.answers.items() if name.startswith("late")]
        self.assertEqual(len(late), MORE)
        for status, headers, body in late:
            self.assertEqual((status, body["code"], headers["retry-after"]),
                             (503, "OVERLOADED", "3"), body)
        self.assertEqual(self.gauge("tally_refused_early_total"), MORE)
        self.assertEqual(self.server.request("GET", "/readyz")[0], 200)
        self.heals()
        wait_until(lambda: len(self.answers) == WORK + QUEUE + MORE)
        served = [answer[0] for name, answer in self.answers.items() if not name.startswith("late")]
        self.assertEqual(served, [201] * (WORK + QUEUE))
        _, _, lot = self.server.request("GET", self.server.lot_path(self.lot))
        self.assertEqual(lot["reserved"], WORK + QUEUE)
        self.assertTrue(self.server.log_events("requests.refused_early"))

    def test_a_server_that_stops_serves_those_who_wait(self):
        self.breaks()
        self.orders("first", WORK)
        wait_until(lambda: self.gauge("tally_worker_commands") == WORK)
        self.orders("then", QUEUE)
        wait_until(lambda: self.gauge("tally_worker_queue") == QUEUE)
        stopped = threading.Thread(target=self.server.stop)
        stopped.start()
        self.addCleanup(stopped.join)
        wait_until(lambda: self.server.log_events("server.stopping")
                   or self.server.log_events("server.draining"))
        self.heals()
        wait_until(lambda: len(self.answers) == WORK + QUEUE)
        self.assertEqual([answer[0] for answer in self.answers.values()], [201] * (WORK + QUEUE))


if __name__ == "__main__":
    unittest.main()
