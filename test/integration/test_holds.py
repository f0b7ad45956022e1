#!/usr/bin/python3
"""Holds and stock as clients see them: deadlines to the millisecond, first-expired-first-out, streams
that coalesce, and a server that stood still for longer than anybody waits."""
import http.client
import json
import os
import socket
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from grpc_client import GrpcClient  # noqa: E402
from tally_server import PATIENCE_S, TallyServer, unix_ms, wait_until  # noqa: E402

LATE_MS_MAX = 10  # the server's clock and this process's are read apart


def create_lot(server, quantity, letter="A", **more):
    status, _, lot = server.request("POST", "/v1/lots", {
        "sku": "COLA", "flavor": "lime", "size": "330ml_can",
        "batch": f"BATCH-20261122-{letter}", "quantity": quantity, **more})
    assert status == 201, lot
    return lot["lot"]


def order(lot, order_id, **more):
    return {"order_id": order_id, "user_id": "u", "lines": [{"lot": lot, "quantity": 1}], **more}


class Client:
    """One connection that is kept."""

    def __init__(self, server):
        self.connection = http.client.HTTPConnection(server.host, server.port, timeout=PATIENCE_S)

    def request(self, method, path, body=None):
        self.connection.request(method, path, json.dumps(body) if body is not None else None,
                                {"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        return answer.status, json.loads(answer.read())

    def close(self):
        self.connection.close()


class Holds(unittest.TestCase):
    def verified(self, server):
        done = server.cli("verify", server.data)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def moved(self, client, order_id, kind):
        """When the order made that move, by the server's clock."""
        def at():
            shown = client.request("GET", "/v1/orders/" + order_id)[1]
            return [unix_ms(move["at"]) for move in shown["moves"] if move["kind"] == kind]
        return wait_until(at, kind)[0]

    def test_whoever_asks_after_the_deadline_sees_the_units_free(self):
        with TallyServer() as server:
            lot = create_lot(server, 1)
            client = Client(server)
            self.addCleanup(client.close)
            for number in range(25):
                name = f"o{number}"
                status, held = client.request("POST", "/v1/reservations", order(
                    lot, name, hold_ms=37 + 11 * (number % 7)))
                self.assertEqual(status, 201, held)
                due = unix_ms(held["expires_at"])
                free = False
                while not free:
                    sent = time.time() * 1000
                    free = client.request("GET", server.lot_path(lot))[1]["available"] == 1
                    self.assertTrue(free or sent <= due + LATE_MS_MAX, f"{sent - due} ms late")
                self.assertGreater(time.time() * 1000, due - LATE_MS_MAX, "too early")
                self.assertGreaterEqual(self.moved(client, name, "REFUND"), due)
            self.verified(server)

    def test_a_unit_is_sellable_in_the_millisecond_in_which_its_hold_ends(self):
        with TallyServer() as server:
            lot = create_lot(server, 1)
            client = Client(server)
            self.addCleanup(client.close)
            # On a busy machine a short hold is over before anybody was refused: then a longer one.
            for hold_ms in (100 << doubled for doubled in range(8)):
                status, first = client.request("POST", "/v1/reservations", order(
                    lot, f"first{hold_ms}", hold_ms=hold_ms))
                self.assertEqual(status, 201, first)
                due = unix_ms(first["expires_at"])
                refused, status = 0, 0
                while status != 201:
                    sent = time.time() * 1000
                    name = f"second{hold_ms}-{refused}"
                    status, second = client.request("POST", "/v1/reservations", order(lot, name))
                    self.assertIn(status, (201, 409))
                    refused += status == 409
                    self.assertTrue(status == 201 or sent <= due + LATE_MS_MAX,
                                    f"{sent - due} ms late")
                ended = self.moved(client, f"first{hold_ms}", "REFUND")
                taken = self.moved(client, name, "RESERVE")
                self.assertLessEqual(due, ended)
                self.assertLessEqual(ended, taken)
                self.verified(server)
                if refused:
                    return
                client.request("POST", f"/v1/reservations/{second['reservation_id']}/refund", {})
            self.fail("nobody was refused")

    def test_the_batch_that_expires_first_goes_first_and_an_expired_one_never(self):
        with TallyServer() as server:
            late = create_lot(server, 5, "A", expires_on="2099-12-31")
            gone = create_lot(server, 5, "B", expires_on="2020-01-01")
            early = create_lot(server, 5, "C", expires_on="2098-01-01")
            never = create_lot(server, 5, "D")
            client = GrpcClient(server.address)
            self.addCleanup(client.close)

            def reserve(quantity, **more):
                held = client.call("Reserve", {"user_id": "u", "lines": [
                    {"sku": "COLA", "quantity": quantity, **more}]})
                return {line["lot"]: int(line["quantity"]) for line in held["lines"]}

            self.assertEqual(reserve(3), {early: 3})
            self.assertEqual(reserve(4, flavor="lime"), {early: 2, late: 2})
            status, text, _ = client.error("Reserve", {"user_id": "u", "lines": [
                {"sku": "COLA", "quantity": 9}]})
            self.assertEqual(status, "FAILED_PRECONDITION", text)
            self.assertEqual(reserve(8), {late: 3, never: 5})
            self.assertEqual(client.error("Reserve", {"user_id": "u", "lines": [
                {"sku": "COLA", "quantity": 1}]})[0], "FAILED_PRECONDITION")
            self.assertEqual(int(client.call("GetLot", {"lot": gone})["available"]), 5)
            self.verified(server)

    def test_watchers_under_load_hear_little_and_the_newest(self):
        interval_ms = 100
        with TallyServer("--watch-interval-ms", str(interval_ms)) as server:
            lot = create_lot(server, 1_000_000)
            watch = socket.create_connection((server.host, server.port), PATIENCE_S)
            watch.sendall(b"GET /v1/watch HTTP/1.1\r\nHost: a\r\n\r\n")
            heard = bytearray()
            ended = threading.Event()

            def listen():
                while not ended.is_set():
                    heard.extend(watch.recv(65536))

            listener = threading.Thread(target=listen)
            listener.start()
            client = Client(server)
            begin = time.monotonic()
            moves = 0
            while bytes(heard).count(b"\ndata:") < 6:
                status, _ = client.request("POST", "/v1/reservations/batch", {
                    "orders": [order(lot, f"o{moves + number}") for number in range(50)]})
                self.assertEqual(status, 200)
                moves += 50
            client.close()
            newest = b'"reserved":%d,' % moves
            wait_until(lambda: newest in bytes(heard).replace(b" ", b""), lambda: heard[-500:])
            messages = bytes(heard).count(b"\ndata:")
            seconds = time.monotonic() - begin
            ended.set()
            watch.shutdown(socket.SHUT_RDWR)
            listener.join()
            watch.close()
            self.assertGreater(moves, 3 * messages)
            self.assertLessEqual(messages, seconds * 1000 / interval_ms + 5)

    def go_on(self, statuses, more):
        """Until so many more were answered."""
        enough = len(statuses) + more
        wait_until(lambda: len(statuses) >= enough, statuses)

    def test_a_server_that_stood_still_answers_each_order_one_way(self):
        flags = ("--request-timeout-ms", "200", "--reply-timeout-ms", "400")
        with TallyServer(*flags) as server:
            lot = create_lot(server, 1_000_000)
            statuses, lock, ended = {}, threading.Lock(), threading.Event()

            def buy(worker):
                client = Client(server)
                number = 0
                while not ended.is_set():
                    number += 1
                    name = f"{worker}-{number}"
                    status, _ = client.request("POST", "/v1/reservations", order(lot, name))
                    with lock:
                        statuses[name] = status
                client.close()

            buyers = [threading.Thread(target=buy, args=(number,)) for number in range(8)]
            for buyer in buyers:
                buyer.start()
            for _ in range(3):
                self.go_on(statuses, 20)
                server.pause()
                time.sleep(1)  # longer than anybody waits
                server.resume()
            self.go_on(statuses, 20)
            ended.set()
            for buyer in buyers:
                buyer.join()
            self.assertLessEqual(set(statuses.values()), {201, 503, 504})
            client = Client(server)
            self.addCleanup(client.close)

            def ask(*request):
                """The answer, once there is one."""
                def answered():
                    status, body = client.request(*request)
                    return (status, body) if status not in (503, 504) else None
                return wait_until(answered, request)

            for name, first in statuses.items():
                known = ask("GET", "/v1/orders/" + name)[0]
                self.assertIn(known, {201: (200,), 503: (404,), 504: (200, 404)}[first])
                status = ask("POST", "/v1/reservations", order(lot, name))[0]
                # An order whose first answer never came may be there after a further 504.
                self.assertIn(status, (200,) if known == 200 else (200, 201))
            shown = ask("GET", server.lot_path(lot))[1]
            self.assertEqual(shown["reserved"], len(statuses))
            self.verified(server)


if __name__ == "__main__":
    unittest.main()
