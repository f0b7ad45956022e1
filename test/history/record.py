#!/usr/bin/python3
"""Records histories over the wire, for the checker beside this file.

Several clients, over HTTP and gRPC, fight for the few units of a few lots: reserve with short holds,
retry the same order_id, confirm in whole or part, ship, refund, extend, adjust, look. Meanwhile the server is
killed and started again, or stopped and continued. What was called, when, and what came of it goes to a
file, one JSON object a line (record.go says what they mean). A call without an answer is recorded with
an empty code: its outcome is unknown. When a lot has had its orders it is looked at a last time, order
by order, and the next lot takes its place.

    record.py --seconds 30 --out FILE [--seed N]
"""
import argparse
import collections
import http.client
import json
import os
import random
import re
import sys
import threading
import time
import urllib.parse

import grpc

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from grpc_client import GrpcClient  # noqa: E402
from tally_server import PATIENCE_S, TallyServer, unix_ms, wait_until  # noqa: E402

CLIENTS = 8
LOTS = 2              # that are sold at the same time
LOT_ORDERS = 80       # after which a lot is replaced
UNITS = 12
HOLD_MS = (150, 400, 900, 1500)
CODES = re.compile(rb"SOLD_OUT|INVALID_TRANSITION|NOT_FOUND|ORDER_MISMATCH|INVALID_ARGUMENT|"
                   rb"ALREADY_EXISTS|LIMIT_EXCEEDED|OVERLOADED|UNAVAILABLE|OUTCOME_UNKNOWN|INTERNAL")


class NoAnswer(Exception):
    """The call was sent, or may have been, and no answer came."""


class NotSent(Exception):
    """Nobody was there to send it to."""


class Http:
    """Calls over HTTP/1.1: a name, what is in its path, its body."""

    PATHS = {"CreateLot": ("POST", "/v1/lots"), "GetLot": ("GET", "/v1/lots/{lot}"),
             "AdjustStock": ("POST", "/v1/lots/{lot}/adjust"),
             "Reserve": ("POST", "/v1/reservations"),
             "Confirm": ("POST", "/v1/reservations/{reservation_id}/confirm"),
             "Refund": ("POST", "/v1/reservations/{reservation_id}/refund"),
             "Ship": ("POST", "/v1/reservations/{reservation_id}/ship"),
             "Extend": ("POST", "/v1/reservations/{reservation_id}/extend"),
             "GetReservation": ("GET", "/v1/orders/{order_id}")}

    def __init__(self, server):
        self.server, self.connection = server, None

    def call(self, name, fields):
        """(code, answer)"""
        method, path = self.PATHS[name]
        body = dict(fields)
        for part in re.findall(r"{(\w+)}", path):
            path = path.replace("{%s}" % part, urllib.parse.quote(body.pop(part), safe=""))
        if self.connection is None:
            connection = http.client.HTTPConnection("127.0.0.1", self.server.port,
                                                    timeout=PATIENCE_S)
            try:
                connection.connect()
            except OSError:
                raise NotSent() from None
            self.connection = connection
        try:
            self.connection.request(method, path, json.dumps(body) if method == "POST" else None,
                                    {"Content-Type": "application/json"})
            answer = self.connection.getresponse()
            shown = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError):
            self.close()
            raise NoAnswer() from None
        return ("OK" if answer.status < 300 else shown["code"]), shown

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None


class Grpc:
    """The same over gRPC."""

    def __init__(self, server):
        self.server, self.client = server, None

    def call(self, name, fields):
        if self.client is None:
            self.client = GrpcClient(self.server.address, options=[
                ("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)])
            try:
                grpc.channel_ready_future(self.client.channel).result(0.3)
            except grpc.FutureTimeoutError:
                self.close()
                raise NotSent() from None
        try:
            return "OK", self.client.call(name, fields)
        except grpc.RpcError as failure:
            details = dict(failure.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
            code = CODES.search(details)
            if not code:
                self.close()
                raise NoAnswer() from None
            return code.group().decode(), {}

    def close(self):
        if self.client:
            self.client.close()
        self.client = None


class Order:
    """What the buyers know of an order; any of them may go on with it."""

    def __init__(self, order_id, quantity, kept, parcel, hold_ms):
        self.order_id, self.quantity, self.hold_ms = order_id, quantity, hold_ms
        self.kept, self.parcel = kept, parcel  # units that are paid for, and shipped
        self.reservation_id = ""
        self.extended = False


class Lot:
    """A lot and its orders."""

    def __init__(self, key):
        self.key, self.orders, self.busy, self.adjustments = key, [], 0, 0
        self.sold_at = 0


class Recorder:
    """The history, and what the clients share."""

    def __init__(self, server, out, seed):
        self.server, self.out, self.seed = server, out, seed
        self.lock = threading.Lock()
        self.lots, self.sold, self.made = [], collections.deque(), 0
        self.counts = collections.Counter()  # of outcomes, such as "reserve OK"
        self.ended = threading.Event()
        self.wall_offset_ns = time.time_ns() - time.monotonic_ns()
        self.write({"kind": "start", "wall_offset_ns": self.wall_offset_ns, "seed": seed})

    def write(self, record):
        self.out.write(json.dumps(record) + "\n")

    def new_lot(self, way):
        """Makes the next lot; a call without an answer is made again."""
        with self.lock:
            self.made += 1
            number = self.made
        fields = {"sku": "LOT-%d" % number, "flavor": "lime", "size": "330ml_can",
                  "batch": "BATCH-20261122-A", "quantity": UNITS}
        shown = None
        while not shown:
            try:
                code, answer = way.call("CreateLot", fields)
                if code == "OK":
                    shown = answer["lot"]
                elif code == "ALREADY_EXISTS":
                    listed = self.server.request("GET", "/v1/lots?sku=" + fields["sku"])[2]["lots"]
                    shown = listed[0]["lot"]
            except (NoAnswer, NotSent, OSError):
                time.sleep(0.01)
        with self.lock:
            self.write({"kind": "lot", "lot": shown, "quantity": UNITS})
            self.lots.append(Lot(shown))

    def call(self, way, client, op, lot, name, fields, **told):
        """Makes the call and records it. The answer, or None if it is not known."""
        begin = time.monotonic_ns()
        try:
            code, answer = way.call(name, fields)
        except NotSent:
            time.sleep(0.01)
            return None, {}
        except NoAnswer:
            code, answer, told = "", {}, {**told, "lost": True}
        end = time.monotonic_ns()
        if code == "OUTCOME_UNKNOWN":
            code = ""
        record = {"kind": "call", "client": client, "call": begin, "return": end, "op": op,
                  "lot": lot.key, "code": code, **told, **plain(code, answer)}
        if code == "OK" and record.get("status") == "REFUNDED":
            self.counts["REFUNDED " + record["reason"]] += 1
        with self.lock:
            self.write(record)
            self.counts[op + " " + (code or "UNKNOWN")] += 1
            if code == "OK" and answer.get("replayed"):
                self.counts["replayed"] += 1
        return code, answer


def plain(code, answer):
    """The fields of an answer that a record has; of a refusal, how much is available."""
    if code != "OK":
        return {"available": int(answer.get("available", 0))}
    shown = {}
    for name in ("on_hand", "reserved", "confirmed", "available", "version"):
        if name in answer:
            shown[name] = int(answer[name])
    for name in ("reservation_id", "status", "reason", "replayed"):
        if name in answer:
            shown[name] = answer[name]
    if "reservation_id" in answer:
        shown["units"] = sum(int(line["quantity"]) for line in answer.get("lines", []))
        shown["shipped"] = sum(int(line.get("shipped", 0)) for line in answer.get("lines", []))
        shown["expires_ms"] = unix_ms(answer["expires_at"])
    shown["moves"] = [{"kind": move["kind"], "at_ms": unix_ms(move["at"]), "reason": move["reason"],
                       "deadline_ms": unix_ms(move["deadline"]) if move["deadline"] else 0}
                      for move in answer.get("moves", [])]
    return shown


class Client(threading.Thread):
    """Does one thing after the other, at random."""

    def __init__(self, recorder, number):
        super().__init__()
        self.recorder, self.number = recorder, number
        self.random = random.Random("%s-%d" % (recorder.seed, number))
        self.way = (Http, Grpc)[number % 2](recorder.server)
        self.made = 0

    def run(self):
        try:
            while not self.recorder.ended.is_set():
                self.turn()
        finally:
            self.way.close()

    def turn(self):
        with self.recorder.lock:
            lot = self.random.choice(self.recorder.lots) if self.recorder.lots else None
            last = lot and len(lot.orders) >= LOT_ORDERS
            if last:
                self.recorder.lots.remove(lot)
                lot.sold_at = time.monotonic()
                self.recorder.sold.append(lot)
            if lot:
                lot.busy += not last
        if not lot:
            time.sleep(0.01)  # others make the next ones
            return
        if last:
            self.recorder.new_lot(self.way)
            return
        try:
            action = self.random.choices(
                (self.reserve, self.retry, self.confirm, self.ship, self.refund, self.extend,
                 self.adjust, self.show_lot, self.show_order),
                (30, 14, 14, 10, 12, 4, 6, 12, 6))[0]
            action(lot)
        finally:
            with self.recorder.lock:
                lot.busy -= 1

    def call(self, op, lot, name, fields, **told):
        return self.recorder.call(self.way, self.number, op, lot, name, fields, **told)

    def send_order(self, lot, order):
        code, answer = self.call("reserve", lot, "Reserve", {
            "order_id": order.order_id, "user_id": "u", "hold_ms": order.hold_ms,
            "lines": [{"lot": lot.key, "quantity": order.quantity}]},
            order=order.order_id, quantity=order.quantity)
        if code == "OK":
            order.reservation_id = answer["reservation_id"]

    def reserve(self, lot):
        self.made += 1
        quantity = self.random.choice((1, 1, 2, 3))
        kept = self.random.randint(1, quantity)
        order = Order("o%d-%d" % (self.number, self.made), quantity, kept,
                      self.random.randint(1, kept), self.random.choice(HOLD_MS))
        with self.recorder.lock:
            lot.orders.append(order)
        self.send_order(lot, order)

    def some(self, lot, known):
        """One of the newest orders; known: whose reservation is known."""
        newest = [order for order in lot.orders[-12:] if order.reservation_id or not known]
        return self.random.choice(newest) if newest else None

    def retry(self, lot):
        order = self.some(lot, False)
        if order:
            self.send_order(lot, order)

    def move(self, lot, order, op, fields, **told):
        self.call(op, lot, op.capitalize(), {"reservation_id": order.reservation_id, **fields},
                  order=order.order_id, **told)

    def confirm(self, lot):
        order = self.some(lot, True)
        if order:
            lines = [{"lot": lot.key, "quantity": order.kept}]
            self.move(lot, order, "confirm", {"payment_id": "p-" + order.order_id, "lines": lines},
                      quantity=order.kept)

    def ship(self, lot):
        """Of one order always the same parcel."""
        order = self.some(lot, True)
        if order:
            lines = [{"lot": lot.key, "quantity": order.parcel}]
            self.move(lot, order, "ship", {"shipment_id": "s", "lines": lines},
                      quantity=order.parcel)

    def refund(self, lot):
        order = self.some(lot, True)
        if order:
            self.move(lot, order, "refund", {})

    def extend(self, lot):
        order = self.some(lot, True)
        if order and not order.extended:
            order.extended = True
            self.move(lot, order, "extend", {"hold_ms": 2 * max(HOLD_MS)})

    def adjust(self, lot):
        """Until the outcome is known."""
        with self.recorder.lock:
            lot.adjustments += 1
            name = "a%d" % lot.adjustments
        delta = self.random.choice((-4, -2, 1, 2, 3))
        code = None
        while not code and not self.recorder.ended.is_set():
            code, _ = self.call("adjust", lot, "AdjustStock", {
                "lot": lot.key, "delta": delta, "reason": "count", "adjustment_id":
                lot.key[:20] + name}, adjustment_id=name, quantity=delta)

    def show_lot(self, lot):
        return self.call("show_lot", lot, "GetLot", {"lot": lot.key})[0]

    def show_order(self, lot, order=None):
        order = order or self.some(lot, False)
        if not order:
            return "OK"
        return self.call("show_order", lot, "GetReservation", {"order_id": order.order_id},
                         order=order.order_id)[0]


class LastLooks(Client):
    """Looks at each sold lot and its orders a last time, when nobody is busy with it any more and
    its holds are over."""

    def run(self):
        while not self.recorder.ended.is_set() or self.recorder.sold:
            if not self.recorder.sold:
                time.sleep(0.01)
                continue
            lot = self.recorder.sold.popleft()
            wait_until(lambda: lot.busy == 0, "somebody is busy with the lot")
            time.sleep(max(0, lot.sold_at + 2.5 * max(HOLD_MS) / 1000 - time.monotonic()))
            for order in lot.orders:
                wait_until(lambda: self.show_order(lot, order) in ("OK", "NOT_FOUND"),
                           order.order_id)
            wait_until(lambda: self.show_lot(lot) == "OK", lot.key)
        self.way.close()


class Trouble:
    """What happens to the server in the middle of it."""

    def __init__(self, recorder, seed):
        self.recorder, self.server = recorder, recorder.server
        self.random = random.Random(seed)

    def await_answers(self, count):
        enough = sum(self.recorder.counts.values()) + count
        wait_until(lambda: sum(self.recorder.counts.values()) >= enough, "no answers")

    def kill(self):
        self.server.kill()
        self.server.start()

    def stop(self):
        self.server.pause()
        time.sleep(self.random.choice((0.2, 0.6, 1.2)))
        self.server.resume()

    def happen(self, what):
        self.await_answers(self.random.choice((100, 300, 600)))
        begin = time.monotonic_ns()
        what()
        with self.recorder.lock:
            self.recorder.write({"kind": "disturbance", "call": begin,
                                 "return": time.monotonic_ns()})


# What a history must have seen to be worth a check.
OUTCOMES = ("reserve OK", "reserve SOLD_OUT", "replayed", "REFUNDED EXPIRED", "REFUNDED CANCELLED",
            "REFUNDED RETURNED", "confirm OK", "confirm INVALID_TRANSITION", "refund OK",
            "extend OK", "ship OK", "ship INVALID_TRANSITION", "adjust OK", "adjust SOLD_OUT", "show_lot OK", "show_order OK")


def record(server, path, seconds, seed):
    """Records a history of at least so many seconds, with all outcomes. How often each was."""
    with open(path, "w", encoding="utf-8") as out:
        recorder = Recorder(server, out, seed)
        clients = [Client(recorder, number) for number in range(CLIENTS)]
        for _ in range(LOTS):
            recorder.new_lot(clients[0].way)
        looks = LastLooks(recorder, CLIENTS)
        for client in clients + [looks]:
            client.start()
        trouble = Trouble(recorder, seed)
        until = time.monotonic() + seconds
        try:
            while time.monotonic() < until or not all(recorder.counts[o] for o in OUTCOMES):
                for what in (trouble.kill, trouble.stop):
                    trouble.happen(what)
        finally:
            for lot in recorder.lots:
                lot.sold_at = time.monotonic()
            recorder.sold.extend(recorder.lots)
            recorder.ended.set()
            for client in clients + [looks]:
                client.join()
        return recorder.counts


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    options.add_argument("--seconds", type=float, default=30)
    options.add_argument("--out", required=True)
    options.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    given = options.parse_args()
    with TallyServer("--io-workers", "2") as server:
        for outcome, count in sorted(record(server, given.out, given.seconds, given.seed).items()):
            print("%7d %s" % (count, outcome))


if __name__ == "__main__":
    main()
