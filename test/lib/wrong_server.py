#!/usr/bin/python3
"""An inventory server in memory that is right, or wrong in exactly one way: what an audit must find.
It speaks HTTP/1.1 with JSON and, on the same port, gRPC, as far as `tally bench` calls them.

    with WrongServer("lose") as server:
        ... server.address ...

    wrong_server.py [FAULT] [PORT]        serves until interrupted
"""
import heapq
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from wrong_sale import SALE_FAULTS, Refused, SaleSide, rfc3339  # noqa: E402

FAULTS = {
    **SALE_FAULTS,
    "oversell": "sells a few units more than there are",
    "oversell-then-hide": "the same, and shows counters that stop at on_hand",
    "lose": "acknowledges every 50th order and forgets it",
    "duplicate": "a retry gets a reservation of its own",
    "strand": "what is cancelled or expires is not given back",
    "sold-out-flag": "a lot that was sold out once goes on refusing",
    "forgets-confirm": "acknowledges payments and forgets them",
    "denies-retry": "looks at the stock before it looks for a retry",
    "expires-early": "holds end long before their deadline",
    "never-expires": "holds do not end at their deadline",
    "refuses-and-keeps": "refuses every 20th order and holds its units",
    "pause": "stands still for 100 ms once a second",
    "dies": "is gone after a hundred orders",
}
EXTRA_UNITS = 5
STATUS = {"INVALID_ARGUMENT": 400, "NOT_FOUND": 404, "SOLD_OUT": 409, "INVALID_TRANSITION": 409,
          "ALREADY_EXISTS": 409, "SALE_NOT_OPEN": 409, "GROUP_FULL": 409, "GROUP_CLOSED": 409,
          "LIMIT_EXCEEDED": 429}
GRPC_STATUS = {"INVALID_ARGUMENT": 3, "NOT_FOUND": 5, "SOLD_OUT": 9, "INVALID_TRANSITION": 9,
               "ALREADY_EXISTS": 6, "SALE_NOT_OPEN": 9, "GROUP_FULL": 9, "GROUP_CLOSED": 9,
               "LIMIT_EXCEEDED": 8}


class Shop(SaleSide):
    """Lots, orders and holds. Every call takes and gives dicts as the public contract has them."""

    def __init__(self, fault=None):
        self.fault = fault
        self.lock = threading.RLock()
        self.lots = {}
        self.reservations = {}
        self.orders = {}
        self.deadlines = []
        self.reserved = 0  # Reserve calls that were accepted
        self.asked = 0
        self.sale_init()

    def call(self, name, message):
        with self.lock:
            self._expire()
            self.sale_expire()
            return getattr(self, "_" + name)(message)

    # ---- lots ----

    def _CreateLot(self, m):
        key = "%s#%08x" % (m["sku"], len(self.lots))
        on_hand = int(m.get("quantity", 0))
        self.lots[key] = {"lot": key, "sku": m["sku"], "on_hand": on_hand, "reserved": 0,
                          "confirmed": 0, "version": 1, "closed": False}
        return self._GetLot({"lot": key})

    def _GetLot(self, m):
        lot = dict(self._lot(m["lot"]))
        lot.pop("closed")
        if self.fault == "oversell-then-hide":
            lot["reserved"] = min(lot["reserved"], lot["on_hand"] - lot["confirmed"])
        lot["available"] = lot["on_hand"] - lot["reserved"] - lot["confirmed"]
        return lot

    def _lot(self, key):
        if key not in self.lots:
            raise Refused("NOT_FOUND")
        return self.lots[key]

    # ---- holds ----

    def _take(self, lot, quantity):
        free = lot["on_hand"] - lot["reserved"] - lot["confirmed"]
        if self.fault in ("oversell", "oversell-then-hide"):
            free += EXTRA_UNITS
        if free < quantity:
            lot["closed"] = True
        if free < quantity or (lot["closed"] and self.fault == "sold-out-flag"):
            raise Refused("SOLD_OUT")
        lot["reserved"] += quantity
        lot["version"] += 1

    def _Reserve(self, m):
        self.asked += 1
        lot = self._lot(m["lines"][0]["lot"])
        quantity = int(m["lines"][0]["quantity"])
        known = self.orders.get(m["order_id"])
        if known and self.fault == "denies-retry" and \
                lot["on_hand"] - lot["reserved"] - lot["confirmed"] < quantity:
            raise Refused("SOLD_OUT")
        if known and self.fault != "duplicate":
            return dict(self._show(known), replayed=True)
        group = self.sale_admit(m, quantity) if m.get("sale_id") else None
        self._take(lot, quantity)
        self.reserved += 1
        hold_s = int(m.get("hold_ms") or 900000) / 1000
        reservation = {
            "id": str(1000000 + self.reserved), "order_id": m["order_id"], "status": "PENDING",
            "lot": lot, "quantity": quantity, "reason": "", "deadline": time.time() + hold_s,
            "moves": ["RESERVE"]}
        if self.fault == "lose" and self.reserved % 50 == 0:
            lot["reserved"] -= quantity
            return self._show(reservation)
        if m.get("sale_id"):
            self.sale_took(reservation, m, group)
        self.reservations[reservation["id"]] = reservation
        self.orders[m["order_id"]] = reservation
        heapq.heappush(self.deadlines, (reservation["deadline"], reservation["id"]))
        if self.fault == "refuses-and-keeps" and self.reserved % 20 == 0:
            raise Refused("SOLD_OUT")
        return self._show(reservation)

    def _expire(self, now=None):
        while self.deadlines and self.deadlines[0][0] <= (now or time.time()):
            reservation = self.reservations[heapq.heappop(self.deadlines)[1]]
            if reservation["status"] == "PENDING" and self.fault != "never-expires":
                self._give_back(reservation, "EXPIRED")

    def _give_back(self, reservation, reason):
        before = reservation["status"]
        kind = "confirmed" if before == "CONFIRMED" else "reserved"
        if self.fault != "strand":
            reservation["lot"][kind] -= reservation["quantity"]
            reservation["lot"]["version"] += 1
        reservation.update(status="REFUNDED", reason=reason)
        reservation["moves"].append("REFUND")
        self.sale_gave_back(reservation, before)

    def _reservation(self, m):
        if m.get("reservation_id"):
            found = self.reservations.get(m["reservation_id"])
        else:
            found = self.orders.get(m["order_id"])
        if not found:
            raise Refused("NOT_FOUND")
        return found

    def _Confirm(self, m):
        reservation = self._reservation(m)
        if reservation["status"] == "REFUNDED":
            raise Refused("INVALID_TRANSITION")
        if self.fault == "forgets-confirm":
            return dict(self._show(reservation), status="CONFIRMED")
        if reservation["status"] == "PENDING":
            reservation["lot"]["reserved"] -= reservation["quantity"]
            reservation["lot"]["confirmed"] += reservation["quantity"]
            reservation["status"] = "CONFIRMED"
            reservation["moves"].append("CONFIRM")
            self.sale_confirmed(reservation)
        return self._show(reservation)

    def _Refund(self, m):
        reservation = self._reservation(m)
        if reservation["status"] != "REFUNDED":
            self._give_back(reservation,
                            "CANCELLED" if reservation["status"] == "PENDING" else "RETURNED")
        elif reservation["reason"] in ("EXPIRED", "GROUP_FAILED"):
            raise Refused("INVALID_TRANSITION")
        return self._show(reservation)

    def _GetReservation(self, m):
        if self.fault == "expires-early":
            self._expire(float("inf"))
        reservation = self._reservation(m)
        shown = self._show(reservation)
        shown.pop("replayed")
        shown["user_id"] = "somebody"
        shown["moves"] = [{"seq": str(i + 1), "kind": kind, "quantity": reservation["quantity"]}
                          for i, kind in enumerate(reservation["moves"])]
        return shown

    def _show(self, r):
        return {"reservation_id": r["id"], "order_id": r["order_id"], "status": r["status"],
                "expires_at": rfc3339(r["deadline"]), "reason": r["reason"], "replayed": False,
                "lines": [{"lot": r["lot"]["lot"], "quantity": r["quantity"]}],
                **({"sale_id": r["sale_id"]} if r.get("sale_id") else {}),
                **({"group_id": r["group"]["id"]} if r.get("group") else {})}


# ---- HTTP/1.1 ----

def route(method, path):
    """Name of the call and what the path tells it."""
    parts = [urllib.parse.unquote(part) for part in path.strip("/").split("/")]
    if parts[:2] == ["v1", "lots"]:
        return ("CreateLot", {}) if method == "POST" else ("GetLot", {"lot": parts[2]})
    if parts[:2] == ["v1", "groups"]:
        return "GetGroup", {"group_id": parts[2]}
    if parts == ["v1", "sales"]:
        return "CreateSale", {}
    if parts[:2] == ["v1", "sales"]:
        name = "OpenGroup" if len(parts) == 4 else "UpdateSale" if method == "PATCH" else "GetSale"
        return name, {"sale_id": parts[2]}
    if parts[:2] == ["v1", "orders"]:
        return "GetReservation", {"order_id": parts[2]}
    if parts == ["v1", "reservations"]:
        return "Reserve", {}
    if parts[:2] == ["v1", "reservations"] and len(parts) == 4:
        return parts[3].capitalize(), {"reservation_id": parts[2]}
    if parts[:2] == ["v1", "reservations"]:
        return "GetReservation", {"reservation_id": parts[2]}
    return None, {}


def serve_http(shop, connection, stream):
    """Requests of one connection, in their order."""
    while True:
        line = stream.readline()
        if not line:
            return
        method, path, _ = line.decode().split(" ")
        size = 0
        while (header := stream.readline().strip().lower()):
            if header.startswith(b"content-length:"):
                size = int(header[15:])
        body = stream.read(size)
        name, message = route(method, path)
        status, answer = 200, {}
        try:
            if name is None:
                raise Refused("NOT_FOUND")
            answer = shop.call(name, {**message, **(json.loads(body) if body else {})})
            if name == "CreateLot" or (name == "Reserve" and not answer["replayed"]):
                status = 201
        except Refused as refusal:
            status = STATUS[str(refusal)]
            answer = {"code": str(refusal), "status": status, "detail": "refused"}
        kind = "application/json" if status < 300 else "application/problem+json"
        text = json.dumps(answer).encode()
        connection.sendall(b"HTTP/1.1 %d X\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s"
                           % (status, kind.encode(), len(text), text))


# ---- gRPC ----

def compile_protos():
    """The messages of tally.v1 and google.rpc."""
    here = os.path.dirname(os.path.abspath(__file__))
    folder = tempfile.mkdtemp(prefix="tally-wrong-")
    try:
        subprocess.run(["protoc", "-I", here, "--python_out", folder,
                        os.path.join(here, "google_rpc.proto")], check=True)
        sys.path[:0] = [here, folder]
        import google_rpc_pb2
        from grpc_client import tally_pb2
        return tally_pb2, google_rpc_pb2
    finally:
        shutil.rmtree(folder)


class GrpcSide:
    """Google's server on a port of its own; WrongServer passes connections on to it."""

    def __init__(self, shop):
        import grpc
        from google.protobuf import json_format
        self.messages, self.details = compile_protos()
        self.grpc, self.json_format, self.shop = grpc, json_format, shop
        self.server = grpc.server(ThreadPoolExecutor(8))
        self.server.add_generic_rpc_handlers((self,))
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()

    def service(self, handler_call_details):
        """grpc.GenericRpcHandler"""
        name = handler_call_details.method.rpartition("/")[2]
        request = getattr(self.messages, name + "Request")
        response = getattr(self.messages, name + "Response")

        def answer(message, context):
            fields = self.json_format.MessageToDict(message, preserving_proto_field_name=True)
            try:
                return self.json_format.ParseDict(self.shop.call(name, fields), response())
            except Refused as refusal:
                self.refuse(context, str(refusal))

        return self.grpc.unary_unary_rpc_method_handler(
            answer, request_deserializer=request.FromString,
            response_serializer=lambda message: message.SerializeToString())

    def refuse(self, context, code):
        number = GRPC_STATUS[code]
        status = self.details.Status(code=number, message="refused")
        status.details.add(type_url="type.googleapis.com/google.rpc.ErrorInfo",
                           value=self.details.ErrorInfo(reason=code).SerializeToString())
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        codes = {c.value[0]: c for c in self.grpc.StatusCode}
        context.abort(codes[number], "refused")

    def close(self):
        self.server.stop(0)


# ---- the server ----

class WrongServer:
    """Threads of this process; the first bytes of a connection tell the protocol."""

    def __init__(self, fault=None, port=0, grpc=False):
        assert fault is None or fault in FAULTS, fault
        self.shop = Shop(fault)
        self.listener = socket.create_server(("127.0.0.1", port), backlog=512)
        self.port = self.listener.getsockname()[1]
        self.address = "127.0.0.1:%d" % self.port
        self.grpc = GrpcSide(self.shop) if grpc else None
        self.closed = False
        self.connections = set()
        self.guard = threading.Lock()

    def __enter__(self):
        self._spawn(self._accept)
        if self.shop.fault == "pause":
            self._spawn(self._pause)
        if self.shop.fault == "dies":
            self._spawn(self._die)
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Everything is gone at once."""
        with self.guard:
            self.closed = True
            connections = list(self.connections)
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        for connection in connections:
            self._end(connection)
        if self.grpc:
            self.grpc.close()
            self.grpc = None

    @staticmethod
    def _spawn(function, *arguments):
        threading.Thread(target=function, args=arguments, daemon=True).start()

    @staticmethod
    def _end(connection):
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with self.guard:
                if self.closed:
                    connection.close()
                    return
                self.connections.add(connection)
            self._spawn(self._serve, connection)

    def _serve(self, connection):
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            first = connection.recv(4, socket.MSG_PEEK)
            if first.startswith(b"PRI"):
                self._pass_on(connection)
            else:
                serve_http(self.shop, connection, connection.makefile("rb"))
        except (OSError, ValueError):
            pass
        finally:
            with self.guard:
                self.connections.discard(connection)
            connection.close()

    def _pass_on(self, connection):
        with socket.create_connection(("127.0.0.1", self.grpc.port)) as inner:
            inner.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._spawn(self._copy, inner, connection)
            self._copy(connection, inner)

    def _copy(self, source, to):
        try:
            while (some := source.recv(65536)):
                to.sendall(some)
        except OSError:
            pass
        self._end(to)
        self._end(source)

    def _pause(self):
        while not self.closed:
            time.sleep(0.9)
            with self.shop.lock:
                time.sleep(0.1)

    def _die(self):
        while self.shop.asked < 100 and not self.closed:
            time.sleep(0.001)
        self.close()


def main():
    fault = sys.argv[1] if len(sys.argv) > 1 and sys.argv[1] != "right" else None
    with WrongServer(fault, int(sys.argv[2]) if len(sys.argv) > 2 else 0, grpc=True) as server:
        print(server.address, flush=True)
        try:
            while not server.closed:
                time.sleep(0.2)
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
