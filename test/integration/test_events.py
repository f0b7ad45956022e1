#!/usr/bin/env python3
"""Every move is an event: over HTTP and gRPC, in order, from any place, across restarts, for slow
readers too, and what is not kept any more is said."""
import http.client
import json
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from grpc_client import GrpcClient, grpc  # noqa: E402
from tally_server import PATIENCE_S, TallyServer, wait_until  # noqa: E402


class Stream:
    """A reader of /v1/events: an iterator of (id, event)."""

    def __init__(self, server, after=None, last_event_id=None):
        self.connection = http.client.HTTPConnection(server.host, server.port, timeout=PATIENCE_S)
        headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
        self.connection.request(
            "GET", "/v1/events" + ("" if after is None else "?after=%s" % after), headers=headers)
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200, self.answer.read()

    def __iter__(self):
        return self

    def __next__(self):
        fields = {}
        while True:
            line = self.answer.readline().decode().rstrip("\n")
            if line.startswith(":") or (not line and not fields):
                assert line or not self.answer.isclosed(), "the stream ended"
                continue
            if not line:
                return fields["id"], json.loads(fields["data"])
            name, value = line.split(": ", 1)
            fields[name] = value

    def take(self, count):
        return [next(self) for _ in range(count)]

    def close(self):
        self.connection.close()


def create_lot(server, sku="COLA", quantity=1000000):
    status, _, lot = server.request("POST", "/v1/lots", {
        "sku": sku, "flavor": "lime", "size": "330ml_can", "batch": "BATCH-20260101-A",
        "quantity": quantity})
    assert status == 201, lot
    return lot["lot"]


def reserve(server, order_id, lot, quantity=1, **more):
    status, _, answer = server.request("POST", "/v1/reservations", {
        "order_id": order_id, "user_id": "u-" + order_id,
        "lines": [{"lot": lot, "quantity": quantity}], **more})
    assert status == 201, answer
    return answer["reservation_id"]


def a_life_is_told_in_order(server):
    """From the beginning, while it happens; an expiry comes by itself."""
    stream = Stream(server, after=0)
    lot = create_lot(server)
    first = reserve(server, "paid", lot, 3)
    server.request("POST", "/v1/reservations/%s/confirm" % first,
                   {"payment_id": "pay-1", "lines": [{"lot": lot, "quantity": 2}]})
    server.request("POST", "/v1/reservations/%s/refund" % first, {})
    server.request("POST", server.lot_path(lot, "/adjust"),
                   {"delta": -5, "reason": "broken", "adjustment_id": "a-1"})
    second = reserve(server, "late", lot, 2, hold_ms=50)
    events = stream.take(8)
    stream.close()
    kinds = [event["data"]["kind"] for _, event in events]
    assert kinds == ["CREATE", "RESERVE", "CONFIRM", "RELEASE", "RETURN", "ADJUST", "RESERVE",
                     "REFUND"], kinds
    ids = [int(name) for name, _ in events]
    assert ids == sorted(set(ids))
    for name, event in events:
        assert event["specversion"] == "1.0" and event["id"] == name == event["data"]["seq"]
        assert event["source"] == "/shop/1" and event["time"].endswith("Z")
        assert event["data"]["lines"][0]["lot"] == lot
    confirm, release, adjust, expiry = (events[i][1] for i in (2, 3, 5, 7))
    assert confirm["type"] == "tally.reservation.confirmed"
    assert confirm["subject"] == "reservations/" + first
    assert confirm["data"]["payment_id"] == "pay-1" and confirm["data"]["order_id"] == "paid"
    assert release["data"]["lines"] == [{"lot": lot, "quantity": 1}]
    assert adjust["data"]["lot"] == lot and adjust["data"]["reason"] == "broken"
    assert adjust["data"]["adjustment_id"] == "a-1" and "order_id" not in adjust["data"]
    assert expiry["data"]["reason"] == "EXPIRED" and expiry["data"]["order_id"] == "late"
    assert expiry["data"]["reservation_id"] == second and expiry["data"]["user_id"] == "u-late"
    return lot, events


def what_comes_after_buying_is_told(server, lot, place):
    """Each with the order it is about, and the id that its caller gave."""
    stream = Stream(server, after=place)
    reservation = reserve(server, "after", lot, 3)
    base = "/v1/reservations/" + reservation
    for path, body in (
            (base + "/lines", {"lines": [{"lot": lot, "quantity": 4}], "change_id": "c-1"}),
            (base + "/confirm", {"payment_id": "p-1"}),
            (base + "/ship", {"shipment_id": "s-1"}),
            (base + "/refund", {"return_id": "r-1", "lines": [{"lot": lot, "quantity": 1}]}),
            ("/v1/orders/never/refund", {"fence": True})):
        status, _, answer = server.request("POST", path, body)
        assert status == 200, answer
    seen = [event for _, event in stream.take(6)]
    stream.close()
    assert [event["type"].rpartition(".")[2] for event in seen] == [
        "reserved", "changed", "confirmed", "shipped", "restocked", "fenced"], seen
    for event, name, value in zip(seen[1:5], ("change_id", "payment_id", "shipment_id",
                                              "return_id"), ("c-1", "p-1", "s-1", "r-1")):
        assert event["data"][name] == value and event["data"]["order_id"] == "after", event
        assert event["subject"] == "reservations/" + reservation, event
    assert seen[1]["data"]["lines"] == [{"lot": lot, "quantity": 1}], "a change tells differences"
    assert seen[5]["data"]["order_id"] == "never" and seen[5]["data"]["lines"] == []


def any_place_is_a_beginning(server, events):
    """By `after`, by Last-Event-ID, over gRPC: the same rest; after a restart, too."""
    for restarted in (False, True):
        if restarted:
            server.stop()
            server.start()
        rest = events[3:]
        place = events[2][0]
        for stream in (Stream(server, after=place), Stream(server, 0, last_event_id=place)):
            assert stream.take(len(rest)) == rest
            stream.close()
        client = GrpcClient(server.address)
        messages = client.stream("Events", {"after": place})
        for name, event in rest:
            message = next(messages)
            assert (message.id, message.type, message.subject) == (
                name, event["type"], event["subject"])
            assert message.data.order_id == event["data"].get("order_id", "")
            assert [line.quantity for line in message.data.lines] == [
                line["quantity"] for line in event["data"]["lines"]]
        messages.cancel()
        client.close()


def without_a_place_it_begins_now(server, lot):
    stream = Stream(server)
    reserve(server, "now", lot)
    assert next(stream)[1]["data"]["order_id"] == "now"
    stream.close()


def what_is_no_place_is_refused(server, newest):
    status, _, problem = server.request("GET", "/v1/events?after=%d" % (int(newest) + (1 << 40)))
    assert status == 400 and problem["field"] == "after", problem
    status, _, problem = server.request("GET", "/v1/events?after=x")
    assert status == 400, problem


def a_slow_reader_misses_nothing(server, lot, place):
    """It reads nothing while more is written than its buffers hold; another one keeps up."""
    orders, count = 300, 40
    slow, quick = Stream(server, after=place), Stream(server, after=place)

    def write():
        for i in range(count):
            status, _, answer = server.request("POST", "/v1/reservations/batch", {"orders": [
                {"order_id": "b%d-%d" % (i, j), "user_id": "u",
                 "lines": [{"lot": lot, "quantity": 1}]} for j in range(orders)]})
            assert status == 200, answer

    writer = threading.Thread(target=write)
    writer.start()
    want = ["b%d-%d" % (i, j) for i in range(count) for j in range(orders)]

    def orders_of(stream):
        got = []
        while len(got) < len(want):
            data = next(stream)[1]["data"]
            if data["order_id"].startswith("b"):
                got.append(data["order_id"])
        return got

    assert orders_of(quick) == want
    writer.join()
    assert orders_of(slow) == want
    slow.close()
    quick.close()


def readers_share_the_reading(server, place):
    def encoded():
        page = server.request("GET", "/metrics")[2].decode()
        return float([line for line in page.splitlines()
                      if line.startswith("tally_events_encoded_total ")][0].split()[1])

    first = Stream(server, after=place)
    first.take(200)
    first.close()
    before = encoded()
    streams = [Stream(server, after=place) for _ in range(20)]
    for stream in streams:
        stream.take(200)
        stream.close()
    assert encoded() - before < 20 * 200, "each reader had the log read anew"


def a_stop_ends_the_streams():
    with TallyServer("--event-source", "/shop/1") as server:
        stream = Stream(server, after=0)
        server.stop()
        assert stream.answer.read() in (b"", b":\n\n")


def what_retention_took_is_said():
    """A place before it is refused, with the place from which all is there; the beginning is not."""
    with TallyServer("--archive-after-ms", "1s", "--order-retention-ms", "1s",
                     "--refund-window-ms", "0") as server:
        lot = create_lot(server)
        place = Stream(server, after=0).take(1)[0][0]
        for i in range(20):
            reservation = reserve(server, "old%d" % i, lot)
            server.request("POST", "/v1/reservations/%s/refund" % reservation, {})

        def gone():
            reserve(server, "tick%d" % gone.ticks, lot, hold_ms=1)
            gone.ticks += 1
            connection = http.client.HTTPConnection(server.host, server.port, timeout=PATIENCE_S)
            connection.request("GET", "/v1/events?after=" + place)
            answer = connection.getresponse()
            problem = json.loads(answer.read()) if answer.status != 200 else None
            connection.close()
            return problem

        gone.ticks = 0
        problem = wait_until(gone, "retention takes something", pause=0.3)
        assert problem["status"] == 410 and problem["code"] == "GONE", problem
        assert int(problem["after"]) > int(place), problem
        assert problem["after"] in problem["detail"]
        client = GrpcClient(server.address)
        try:
            next(client.stream("Events", {"after": place}))
            raise AssertionError("it was not refused")
        except grpc.RpcError as failure:
            assert failure.code() == grpc.StatusCode.OUT_OF_RANGE, failure
        client.close()
        Stream(server, after=0).take(1)


def main():
    with TallyServer("--event-source", "/shop/1") as server:
        lot, events = a_life_is_told_in_order(server)
        any_place_is_a_beginning(server, events)
        what_comes_after_buying_is_told(server, lot, events[-1][0])
        without_a_place_it_begins_now(server, lot)
        what_is_no_place_is_refused(server, events[-1][0])
        a_slow_reader_misses_nothing(server, lot, events[-1][0])
        readers_share_the_reading(server, events[-1][0])
    a_stop_ends_the_streams()
    what_retention_took_is_said()


if __name__ == "__main__":
    main()
