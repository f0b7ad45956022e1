#!/usr/bin/python3
"""SIGKILL under load, again and again, and no acknowledged order is lost.

Clients reserve, confirm, refund and retry over plain sockets and journal what they sent and what was
acknowledged. At a random moment the server is killed. It is started again on the same data, and then:

  - every acknowledged order is there, in the state that was acknowledged or one that a later request,
    whose answer never came, may have led to (I3);
  - an order whose answer never came is there or not, and a retry with the same order_id gets one
    outcome, which stays (I4, I6);
  - nothing is CONFIRMED that nobody asked to confirm;
  - the lots' counters are what the reservations add up to (I1, I2);
  - `tally verify` finds nothing, with the server running and after the last stop.

TALLY_CRASH_KILLS says how often (50), TALLY_CRASH_SEED repeats a run's choices (not its timing).
"""
import os
import random
import sys
import time
import unittest
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from pipelined import Connection, Worker  # noqa: E402
from tally_server import TallyServer, wait_until  # noqa: E402

KILLS = int(os.environ.get("TALLY_CRASH_KILLS", "50"))
SEED = int(os.environ.get("TALLY_CRASH_SEED", str(random.SystemRandom().randrange(2**32))))
# Small limits, so that order runs, snapshots and checkpoints are under way when the kill comes.
FLAGS = ("--hold-max-ms", "7200000", "--io-workers", "2", "--order-memory-max", "4096",
         "--snapshot-moves", "2000", "--wal-bytes-max", "1MiB")
CLIENTS = 4
LOTS = 3
UNITS = 1_000_000


class Order:
    """What a client knows of one order."""

    def __init__(self, order_id, lot, quantity):
        self.order_id = order_id
        self.lot = lot
        self.quantity = quantity
        self.reservation_id = None  # acknowledged
        self.acknowledged = None    # newest acknowledged state
        self.sent = None            # a move that was sent and not answered yet

    def possible_states(self):
        """States that the server may truthfully show now."""
        states = {self.acknowledged}
        if self.sent == "reserve":
            states |= {"PENDING", "absent"}
        elif self.sent == "confirm":
            states |= {"CONFIRMED"}
        elif self.sent == "refund":
            states |= {"REFUNDED"}
        return states - {None}


class Client(Worker):
    """Works through orders until the server is gone, keeping the journal."""

    def __init__(self, number, round_number, port, lots, journal):
        super().__init__(port)
        self.random = random.Random(f"{SEED}-{round_number}-{number}")
        self.prefix = f"{round_number}-{number}"
        self.lots = lots
        self.journal = journal
        self.mine = []
        self.count = 0

    def next_request(self, busy):
        choice = self.random.random()
        open_orders = [o for o in self.mine[-200:] if o.sent is None and o not in busy]
        if choice < 0.6 or not open_orders:
            self.count += 1
            order = Order(f"o-{self.prefix}-{self.count}", self.random.choice(self.lots),
                          self.random.randint(1, 3))
            self.journal.append(order)
            self.mine.append(order)
            order.sent = "reserve"
            return order, ("POST", "/v1/reservations", reserve_body(order))
        order = self.random.choice(open_orders)
        path = f"/v1/reservations/{order.reservation_id}"
        if order.acknowledged == "PENDING" and choice < 0.85:
            order.sent = "confirm"
            return order, ("POST", path + "/confirm", {"payment_id": "p-" + order.order_id})
        if order.acknowledged != "REFUNDED" and choice < 0.93:
            order.sent = "refund"
            return order, ("POST", path + "/refund", {})
        return order, ("POST", "/v1/reservations", reserve_body(order))  # a retry

    def judge(self, order, status, body):
        if status not in (200, 201):
            if status in (503, 504):  # said so itself: not done, or unknown
                return
            self.errors.append(f"{order.order_id} {order.sent}: {status} {body}")
            return
        if order.reservation_id not in (None, body["reservation_id"]):
            self.errors.append(f"{order.order_id}: two reservations, {order.reservation_id} and "
                               f"{body['reservation_id']}")
        order.reservation_id = body["reservation_id"]
        order.acknowledged = body["status"]
        order.sent = None


def reserve_body(order):
    return {"order_id": order.order_id, "user_id": "u", "hold_ms": 3_600_000,
            "lines": [{"lot": order.lot, "quantity": order.quantity}]}


class Crash(unittest.TestCase):
    def test_no_acknowledged_order_is_lost_by_kill_minus_nine(self):
        print(f"seed {SEED}, {KILLS} kills", flush=True)
        choices = random.Random(SEED)
        journal = []
        with TallyServer(*FLAGS) as server:
            lots = [self.create_lot(server, i) for i in range(LOTS)]
            for number in range(KILLS):
                clients = [Client(i, number, server.port, lots, journal) for i in range(CLIENTS)]
                for client in clients:
                    client.start()
                self.wait_for_answers(clients, choices.choice([1, 100, 1000]))
                time.sleep(0.02 * choices.random())
                server.kill()
                for client in clients:
                    client.join()
                    self.assertEqual(client.errors, [])
                server.start()
                self.check(server, journal, lots)
                if number % 10 == 0:
                    self.verify(server)
            self.verify(server)
            self.assertEqual(server.stop(), 0)
            self.verify(server)
            acknowledged = sum(o.acknowledged is not None for o in journal)
            print(f"{len(journal)} orders, {acknowledged} acknowledged, none lost")
            self.assertGreater(acknowledged, KILLS)

    def wait_for_answers(self, clients, count):
        """Until the clients have had so many, or are through."""
        wait_until(lambda: sum(client.answers for client in clients) >= count or
                   not any(client.is_alive() for client in clients), "answers", pause=0.001)

    def create_lot(self, server, number):
        status, _, lot = server.request("POST", "/v1/lots", {
            "sku": f"COLA-{number}", "flavor": "plain", "size": "330ml_can",
            "batch": "BATCH-20261122-A", "quantity": UNITS})
        self.assertEqual(status, 201, lot)
        return lot["lot"]

    def check(self, server, journal, lots):
        """Asks for every order that could have changed, settles the unknown ones by retrying."""
        connection = Connection(server.port)
        changed = [o for o in journal if not getattr(o, "settled", False)]
        for start in range(0, len(changed), 64):
            part = changed[start:start + 64]
            connection.send([("GET", "/v1/orders/" + urllib.parse.quote(o.order_id), None)
                             for o in part])
            for order in part:
                status, body = connection.receive()
                found = body["status"] if status == 200 else "absent"
                self.assertIn(status, (200, 404), body)
                self.assertIn(found, order.possible_states(),
                              f"{order.order_id}: acknowledged {order.acknowledged}, "
                              f"sent {order.sent}")
                if found != "absent":
                    returned = {}
                    if body.get("reason") == "RETURNED":
                        returned["returned"] = order.quantity
                    self.assertEqual(body["lines"], [{"lot": order.lot,
                                                      "quantity": order.quantity, **returned}])
                    if order.reservation_id:
                        self.assertEqual(body["reservation_id"], order.reservation_id)
                    order.reservation_id = body["reservation_id"]
                    order.acknowledged = found
                    order.sent = None
        lost = [o for o in changed if o.acknowledged is None]
        for start in range(0, len(lost), 64):
            part = lost[start:start + 64]
            connection.send([("POST", "/v1/reservations", reserve_body(o)) for o in part])
            for order in part:
                status, body = connection.receive()
                self.assertEqual(status, 201, body)
                order.reservation_id, order.acknowledged = body["reservation_id"], body["status"]
                order.sent = None
        connection.close()
        for order in changed:
            order.settled = order.acknowledged == "REFUNDED"
        for lot in lots:
            status, _, shown = server.request("GET", server.lot_path(lot))
            self.assertEqual(status, 200, shown)
            for counter, state in (("reserved", "PENDING"), ("confirmed", "CONFIRMED")):
                self.assertEqual(
                    shown[counter],
                    sum(o.quantity for o in journal if o.lot == lot and o.acknowledged == state),
                    f"{counter} of {lot}")
            self.assertEqual(shown["on_hand"], UNITS)
            self.assertEqual(shown["available"],
                             UNITS - shown["reserved"] - shown["confirmed"])

    def verify(self, server):
        done = server.cli("verify", server.data)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
