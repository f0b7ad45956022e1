#!/usr/bin/python3
"""A sale with a waiting room, over real sockets: who joins has a place, also after SIGKILL; who is
behind the last unit is told; only an admitted ticket orders; a draw can be checked."""
import datetime
import hashlib
import json
import os
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tally_server import TallyServer, wait_until  # noqa: E402

UNITS = 3


def time_of(seconds_from_now):
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds_from_now)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + "%03dZ" % (at.microsecond // 1000)


def place_of(number, entrants, secret):
    """As docs/admission.md has it."""
    seed = hashlib.sha256(bytes.fromhex(secret) + entrants.to_bytes(8, "big")).digest()
    state, places = int.from_bytes(seed[:8], "big"), list(range(entrants))
    for i in range(entrants, 1, -1):
        state = (state + 0x9e3779b97f4a7c15) % 2**64
        z = state
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9 % 2**64
        z = (z ^ z >> 27) * 0x94d049bb133111eb % 2**64
        other = (z ^ z >> 31) % i
        places[i - 1], places[other] = places[other], places[i - 1]
    return places[number - 1] + 1


class WaitingRoom(unittest.TestCase):
    def setUp(self):
        self.server = TallyServer()
        self.addCleanup(self.server.close)
        self.server.start()
        status, _, lot = self.server.request("POST", "/v1/lots", {
            "sku": "COLA", "flavor": "lime", "size": "330ml_can",
            "batch": "BATCH-20261122-A", "quantity": UNITS})
        assert status == 201, lot
        self.lot = lot["lot"]

    def sale(self, mode, starts_in=-1.0, **more):
        status, _, sale = self.server.request("POST", "/v1/sales", {
            "sale_id": "flash", "title": "Flash", "lots": [self.lot],
            "starts_at": time_of(starts_in), "ends_at": time_of(86400), "queue": {"mode": mode},
            **more})
        self.assertEqual(status, 201, sale)

    def join(self, user):
        status, _, ticket = self.server.request("POST", "/v1/sales/flash/queue", {"user_id": user})
        self.assertEqual(status, 200, ticket)
        return ticket

    def look(self, ticket):
        status, _, seen = self.server.request("GET", "/v1/queue/" + ticket["ticket"])
        self.assertEqual(status, 200, seen)
        self.assertEqual(seen["ticket"], ticket["ticket"])
        return seen

    def order(self, user, order_id, ticket=None):
        body = {"order_id": order_id, "user_id": user, "sale_id": "flash",
                "lines": [{"lot": self.lot, "quantity": 1}]}
        if ticket:
            body["ticket"] = ticket["ticket"]
        status, _, answer = self.server.request("POST", "/v1/reservations", body)
        return status, answer

    def test_places_by_who_came_first_and_only_admitted_tickets_order(self):
        self.sale("FIRST_COME")
        users = ["user-%d" % i for i in range(8)]
        tickets = [self.join(user) for user in users]
        self.assertEqual([t["place"] for t in tickets], list(range(1, 9)))
        self.assertEqual([t["status"] for t in tickets],
                         ["ADMITTED"] * UNITS + ["SOLD_OUT"] * (8 - UNITS))
        status, refused = self.order(users[0], "none")
        self.assertEqual((status, refused["code"]), (409, "NOT_ADMITTED"), refused)
        status, refused = self.order(users[5], "early", tickets[5])
        self.assertEqual((status, refused["code"]), (409, "NOT_ADMITTED"), refused)
        self.assertIn("turn", refused["detail"])
        status, refused = self.order(users[5], "borrowed", tickets[0])
        self.assertEqual((status, refused["code"]), (409, "NOT_ADMITTED"), refused)
        held = []
        for i in range(UNITS):
            status, made = self.order(users[i], "order-%d" % i, tickets[i])
            self.assertEqual(status, 201, made)
            held.append(made["reservation_id"])
        status, again = self.order(users[0], "order-0")  # a retry is a retry (I4)
        self.assertEqual((status, again["reservation_id"]), (200, held[0]), again)
        # The holds may come back; when one does, the next has his turn.
        self.assertEqual(self.look(tickets[UNITS])["status"], "WAITING")
        status, _, gone = self.server.request("POST", "/v1/reservations/%s/refund" % held[1], {})
        self.assertEqual(status, 200, gone)
        self.assertEqual(self.look(tickets[UNITS])["status"], "ADMITTED")
        status, made = self.order(users[UNITS], "order-next", tickets[UNITS])
        self.assertEqual(status, 201, made)
        # All is paid for: whoever still waits is told at once.
        for reservation in [held[0], held[2], made["reservation_id"]]:
            status, _, paid = self.server.request(
                "POST", "/v1/reservations/%s/confirm" % reservation, {})
            self.assertEqual(status, 200, paid)
        self.assertEqual(self.look(tickets[UNITS + 1])["status"], "SOLD_OUT")
        status, _, closed = self.server.request("POST", "/v1/sales/flash/close", {})
        self.assertEqual(status, 200, closed)
        self.assertEqual(self.look(tickets[UNITS + 1])["status"], "CLOSED")

    def cli(self, *arguments, code=0):
        done = self.server.cli(*arguments)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def test_the_command_line_joins_and_orders_with_its_ticket(self):
        self.sale("FIRST_COME", group={"size": 2, "window_ms": 3600000})
        line = self.lot + "=1"
        shown = self.cli("sale", "queue", "flash", "--user", "ann")
        ticket = self.join("ann")
        for word in (ticket["ticket"], "ADMITTED", "place         1\n"):
            self.assertIn(word, shown)
        self.assertEqual(json.loads(self.cli("sale", "queue", "flash", "--user", "ann", "--json"))[
            "ticket"], ticket["ticket"])
        self.assertIn("NOT_ADMITTED", self.cli(
            "reserve", "--user", "ann", "--sale", "flash", "--line", line, code=1))
        self.cli("reserve", "--user", "ann", "--sale", "flash", "--line", line,
                 "--ticket", ticket["ticket"])
        self.assertIn("NOT_ADMITTED", self.cli(
            "group", "open", "flash", "--user", "bob", "--line", line, code=1))
        self.assertIn("OPEN", self.cli("group", "open", "flash", "--user", "bob", "--line", line,
                                       "--ticket", self.join("bob")["ticket"]))
        self.assertIn("--user is missing", self.cli("sale", "queue", "flash", code=2))

    def test_a_restored_backup_has_the_same_places_and_knows_the_tickets(self):
        self.sale("FIRST_COME", 3600)
        tickets = {user: self.join(user) for user in ("ann", "bob", "cem")}
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        copy = os.path.join(folder, "copy")
        self.cli("backup", "--data", self.server.data, copy)
        self.join("too late for the copy")
        self.assertEqual(oct(os.stat(os.path.join(copy, "waiting", "key")).st_mode & 0o777), "0o600")
        with TallyServer(data=copy) as server:
            self.server.close()
            self.server = server
            for user, ticket in tickets.items():
                self.assertEqual(self.look(ticket)["place"], ticket["place"])
                self.assertEqual(self.join(user)["ticket"], ticket["ticket"])
            self.assertEqual(self.join("dan")["place"], 4)

    def test_places_survive_sigkill(self):
        self.sale("FIRST_COME", 3600)
        tickets = {user: self.join(user) for user in ("ann", "bob", "cem")}
        self.assertEqual({t["status"] for t in tickets.values()}, {"WAITING"})
        self.server.kill()
        self.server.start()
        for user, ticket in tickets.items():
            self.assertEqual(self.look(ticket)["place"], ticket["place"])
            self.assertEqual(self.join(user)["place"], ticket["place"])
        self.assertEqual(self.join("dan")["place"], 4)

    def test_a_draw_can_be_checked_by_whoever_took_part(self):
        self.sale("DRAWN", 4)
        tickets = {"user-%d" % i: self.join("user-%d" % i) for i in range(20)}
        for ticket in tickets.values():
            self.assertNotIn("place", ticket)
            self.assertEqual(ticket["draw"]["secret"], "")
        commitment = tickets["user-0"]["draw"]["commitment"]
        wait_until(lambda: "place" in self.look(tickets["user-0"]))
        for ticket in tickets.values():
            seen = self.look(ticket)
            draw = seen["draw"]
            self.assertEqual(draw["entrants"], 20)
            self.assertEqual(hashlib.sha256(bytes.fromhex(draw["secret"])).hexdigest(), commitment)
            self.assertEqual(seen["place"], place_of(seen["number"], 20, draw["secret"]))
            self.assertEqual(seen["status"], "ADMITTED" if seen["place"] <= UNITS else "SOLD_OUT")
        self.assertEqual(self.join("late")["place"], 21)
        self.server.kill()
        self.server.start()
        for user, ticket in tickets.items():
            self.assertEqual(self.join(user)["place"], self.look(ticket)["place"])


if __name__ == "__main__":
    unittest.main()
