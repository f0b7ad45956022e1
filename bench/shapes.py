"""The rows with goals: our server at chosen shapes, each in turn with what it is held against.

Each row alternates our server and its peer (A B A B ...) and quotes the median of the rounds' ratios:
an absolute figure says more about the machine's neighbours than about the program. A run of all rows
writes bench/results/embedded.json and embedded.md.

With --against BINARY each row is held against the same row of another build of the server instead,
in turn: what a change costs or gains. That writes nothing.
"""
import contextlib
import json
import re
import socket
import statistics
import struct
import time

import drivers
import machine
import peers
from peers import UNITS, Tally
from process import ROOT, TALLY, TOOLS, Failed, run


@contextlib.contextmanager
def build(binary):
    """Servers are of that build meanwhile; clients stay this one's."""
    ours, Tally.binary = Tally.binary, binary
    try:
        yield
    finally:
        Tally.binary = ours


class Bench:
    def __init__(self, places, rounds, scale, against=None):
        self.against = against
        self.place = places.place
        self.rounds = rounds
        self.scale = scale
        self.rows = []
        self.other_figures = {}  # of the other build, until ours is known

    def requests(self, n):
        return max(1000, int(n * self.scale))

    # ---- the load ----

    def h2load(self, port, connections, streams, requests, *extra, path="/index.html"):
        out = run(
            "h2load", "-t", 1, "-c", connections, "-m", streams, "-n", requests, *extra,
            f"http://127.0.0.1:{port}{path}",
        )
        return drivers.parse_h2load(out, requests)

    def grpc(self, server, lot, connections, streams, requests):
        body = server.folder / "body"
        line = b"\x0a" + bytes([len(lot)]) + lot.encode() + b"\x30\x01"
        message = b"\x12\x01u" + b"\x1a" + bytes([len(line)]) + line
        body.write_bytes(b"\0" + struct.pack(">I", len(message)) + message)
        return self.h2load(
            server.port, connections, streams, requests, "-d", body,
            "-H", "content-type: application/grpc", "-H", "te: trailers",
            "-H", "grpc-timeout: 60S", path="/tally.v1.Inventory/Reserve",
        )

    def orders(self, server, connections, streams, requests, *extra):
        return drivers.order_load(server, connections, streams, requests, *extra)

    # ---- one row ----

    def pair(self, name, what, goal, ours, peer, unit="/s"):
        """Alternates; a row holds the medians and the median of the rounds' ratios."""
        if self.against:
            what, goal = what.split(", against")[0], "at most 1.03 ×" if "most" in goal else "0.97 ×"

            def peer():
                with build(self.against):
                    return ours()
        pairs = []
        for _ in range(self.rounds):
            a = ours()
            b = peer()
            pairs.append((a, b))
            print(f"  {name}: {a:,.0f} against {b:,.0f}{unit}, {a / b:.2f}", flush=True)
        self.rows.append({
            "row": name, "what": what, "goal": goal, "unit": unit,
            "ours": statistics.median(a for a, _ in pairs),
            "peer": statistics.median(b for _, b in pairs),
            "ratio": statistics.median(a / b for a, b in pairs),
            "at_most": goal.startswith("at most"),
        })

    def figure(self, name, what, goal, value, unit, limit, at_most=True):
        if self.against:
            goal = "at most 1.03 ×" if at_most else "0.97 ×"
            limit = self.other_figures.pop(name, None)
            if limit is None:
                self.other_figures[name] = value
                return
        print(f"  {name}: {value:,.1f} {unit}", flush=True)
        self.rows.append({
            "row": name, "what": what, "goal": goal, "unit": unit, "ours": value, "peer": limit,
            "ratio": value / limit, "at_most": at_most,
        })


# ---- the rows: name -> function(bench) ----


def grpc_shape(connections, streams, goal, requests):
    def row(b):
        n = b.requests(requests)

        def ours():
            with Tally(b.place()) as server:
                lot = server.create_lot("COLA", UNITS)
                b.grpc(server, lot, connections, streams, n // 10)
                return b.grpc(server, lot, connections, streams, n)

        def peer():
            with peers.nghttpd(b.place()) as server:
                b.h2load(server.port, connections, streams, n // 10)
                return b.h2load(server.port, connections, streams, n)

        b.pair(f"grpc-{connections}x{streams}",
               f"gRPC Reserve, one lot, durable, {connections} × {streams}, against nghttpd",
               f"{goal} ×", ours, peer)
    return row


def redis_500(b):
    n = b.requests(400_000)

    def ours():
        with Tally(b.place()) as server:
            lot = server.create_lot("COLA", UNITS)
            b.grpc(server, lot, 500, 1, n // 10)
            return b.grpc(server, lot, 500, 1, n)

    def peer():
        with peers.redis(b.place(), "--appendonly", "yes", "--appendfsync", "always") as server:
            run("redis-cli", "-p", server.port, "set", "stock", UNITS)
            out = run("redis-benchmark", "-p", server.port, "-c", 500, "-n", n, "--csv",
                      "EVAL", drivers.REDIS_SCRIPT, "1", "stock")
            return drivers.parse_redis_benchmark(out).per_s

    b.pair("redis-500", "the same at 500 × 1, against Redis, appendfsync always, "
           "check-and-decrement script, 500 connections", "0.7 ×", ours, peer)


def order_ids(b):
    n = b.requests(1_000_000)

    def measured(*extra):
        with Tally(b.place()) as server:
            lot = server.create_lot("COLA", UNITS)
            b.orders(server, 10, 100, n // 10, "--lot", lot, *extra)
            return b.orders(server, 10, 100, n, "--lot", lot, *extra)["requests_per_s"]

    b.pair("order-ids", "gRPC Reserve 10 × 100 with a distinct order_id each, against without",
           "0.9 ×", lambda: measured("--order-ids"), measured)


def generator(connections, streams, units, requests):
    """The load generator beside h2load, on the same server: it must not be what limits a figure."""
    def row(b):
        n = b.requests(requests)

        def ours():
            with Tally(b.place()) as server:
                lot = server.create_lot("COLA", units)
                b.grpc(server, lot, connections, streams, n // 10)
                report = server.folder / "report.json"
                run(TALLY, "bench", "--target", f"127.0.0.1:{server.port}", "--closed", "--calls",
                    n, "--duration", "10m", "--connections", connections, "--streams", streams,
                    "--lot", lot, "--look-ups", 10_000, "--json", report)
                return json.loads(report.read_text())["total"]["achieved_per_s"]

        def peer():
            with Tally(b.place()) as server:
                lot = server.create_lot("COLA", units)
                b.grpc(server, lot, connections, streams, n // 10)
                return b.grpc(server, lot, connections, streams, n)

        what = "on a sold-out lot, " if units == 0 else ""
        b.pair(f"generator-{connections}x{streams}" + ("-sold-out" if units == 0 else ""),
               f"`tally bench --closed`, one thread, distinct order_ids, {what}{connections} × "
               f"{streams}, against h2load -t 1 without order_ids on the same server",
               "0.8 ×", ours, peer)
    return row


def sold_out(b):
    n = b.requests(1_000_000)

    def ours():
        with Tally(b.place()) as server:
            lot = server.create_lot("COLA", 0)
            b.grpc(server, lot, 10, 100, n // 10)
            return b.grpc(server, lot, 10, 100, n)

    def peer():
        with peers.nghttpd(b.place()) as server:
            b.h2load(server.port, 10, 100, n // 10)
            return b.h2load(server.port, 10, 100, n)

    b.pair("sold-out", "gRPC Reserve on a sold-out lot, 10 × 100, against nghttpd", "0.8 ×",
           ours, peer)


def http1(b):
    seconds = max(2, int(6 * b.scale))

    def ours():
        with Tally(b.place()) as server:
            lot = server.create_lot("COLA", UNITS)
            drivers.wrk_orders(server, lot, 64, 1)
            return drivers.wrk_orders(server, lot, 64, seconds).per_s

    def peer():
        with peers.nginx(b.place()) as server:
            drivers.wrk(server.port, 64, 1)
            return drivers.wrk(server.port, 64, seconds).per_s

    b.pair("http1", "HTTP/1.1 JSON Reserve, wrk -t1 -c64, distinct order_ids, against nginx "
           "return 200", "0.4 ×", ours, peer)


def one_at_a_time(b):
    def ours():
        with Tally(b.place()) as server:
            lot = server.create_lot("COLA", UNITS)
            b.orders(server, 1, 1, 500, "--lot", lot)
            return b.orders(server, 1, 1, 3000, "--lot", lot)["p50_us"]

    b.pair("latency", "one Reserve at a time, p50, against a 4 KiB fdatasync", "at most 3 ×", ours,
           lambda: machine.sync_us(b.place()), " µs")


def batch(b):
    n = max(20, int(120 * b.scale))

    def ours():
        with Tally(b.place()) as server:
            lot = server.create_lot("COLA", UNITS)
            b.orders(server, 1, 2, 10, "--lot", lot, "--batch", 8190)
            rate = b.orders(server, 1, 2, n, "--lot", lot, "--batch", 8190)["orders_per_s"]
            if server.metric("tally_engine_units_reserved") != (n + 10) * 8190:
                raise Failed("batch: not every order was reserved")
            return rate

    def peer():
        out = json.loads(run(TOOLS / "raw_sqlite", b.place() / "raw.db", n * 8190, 8190))
        return out["rows_per_s"]

    b.pair("batch", "ReserveBatch of 8,190, one lot, against raw SQLite inserts, 8,190 a commit",
           "0.5 ×", ours, peer)


def many_lots(b):
    n = b.requests(500_000)

    def ours():
        with Tally(b.place(), "--order-memory-max", "8000000") as server:
            lots = server.lots_file(100_000)
            b.orders(server, 10, 100, n // 10, "--lots", lots)
            return b.orders(server, 10, 100, n, "--lots", lots)["requests_per_s"]

    def peer():
        with Tally(b.place(), "--order-memory-max", "8000000") as server:
            lot = server.folder / "lots.txt"  # a list of one, so that the client does the same
            lot.write_text(server.create_lot("COLA", UNITS) + "\n")
            b.orders(server, 10, 100, n // 10, "--lots", lot)
            return b.orders(server, 10, 100, n, "--lots", lot)["requests_per_s"]

    b.pair("many-lots", "100,000 lots, uniform, 10 × 100, against one lot", "0.6 ×", ours, peer)


def restart(b):
    orders = int(5_000_000 * min(1, b.scale))
    place = b.place()
    flags = ("--hold-default-ms", "3600000", "--holds-max", "8000000",
             "--order-memory-max", "8000000")
    with Tally(place, *flags) as server:
        lot = server.create_lot("COLA", UNITS)
        b.orders(server, 1, 2, orders // 8190 + 1, "--lot", lot, "--batch", 8190, "--order-ids")
        reserved = server.metric("tally_engine_holds_pending")
    rates = []
    for _ in range(b.rounds):
        start = time.monotonic()
        with Tally(place, *flags) as server:
            rates.append(reserved / (time.monotonic() - start))
            if server.metric("tally_engine_holds_pending") != reserved:
                raise Failed("restart: holds are missing")
            per_order = server.metric("tally_engine_order_index_bytes") / server.metric(
                "tally_engine_orders_in_memory")
    b.figure("restart", f"start with {reserved:,.0f} PENDING reservations in the window, "
             "process start to ready", "1,000,000 /s", statistics.median(rates), "/s", 1e6, False)
    b.figure("memory-order", "memory of the order index, for each order_id", "at most 40 B",
             per_order, "B", 40)


def memory(b):
    idle, starts = [], []
    for _ in range(b.rounds):
        place = b.place()
        begin = time.monotonic()
        with Tally(place) as server:
            starts.append((time.monotonic() - begin) * 1000)
            time.sleep(0.5)
            idle.append(server.memory_kib() / 1024)
    b.figure("start", "start with an empty ledger, to ready", "at most 100 ms",
             statistics.median(starts), "ms", 100)
    b.figure("memory-idle", "memory of an idle server", "at most 16 MiB", statistics.median(idle),
             "MiB", 16)
    with Tally(b.place()) as server:
        server.lots_file(100_000)
        b.figure("memory-lot", "memory of the engine, for each of 100,000 lots", "at most 256 B",
                 server.metric("tally_engine_lot_bytes") / 100_000, "B", 256)
    preface = bytes.fromhex("505249202a20485454502f322e300d0a0d0a534d0d0a0d0a") + b"\0\0\0\4\0" + bytes(4)
    request = b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"
    for kind, first in (("HTTP/1.1", request), ("HTTP/2", preface)):
        with Tally(b.place()) as server:
            before = server.memory_kib()
            clients = []
            for _ in range(10_000):
                s = socket.create_connection(("127.0.0.1", server.port))
                s.sendall(first)
                s.recv(4096)
                clients.append(s)
            time.sleep(1)
            b.figure(f"memory-{kind}", f"memory of an idle connection ({kind}, after its first "
                     "exchange)", "at most 8 KiB", (server.memory_kib() - before) / 10_000, "KiB", 8)
            for s in clients:
                s.close()


FIGURES = ("restart", "memory")  # rows that are held against a number, not a peer
ROWS = {
    "grpc-10x100": grpc_shape(10, 100, 0.5, 1_500_000),
    "grpc-20x500": grpc_shape(20, 500, 0.6, 1_500_000),
    "grpc-500x1": grpc_shape(500, 1, 0.6, 400_000),
    "redis-500": redis_500,
    "order-ids": order_ids,
    "sold-out": sold_out,
    "generator-10x100": generator(10, 100, UNITS, 1_000_000),
    "generator-500x1": generator(500, 1, UNITS, 400_000),
    "generator-sold-out": generator(10, 100, 0, 1_000_000),
    "http1": http1,
    "latency": one_at_a_time,
    "batch": batch,
    "many-lots": many_lots,
    "restart": restart,
    "memory": memory,
}


def shown(value, unit):
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}"


def table(rows):
    lines = ["| shape | goal | ours | beside it | ratio | |", "|---|---|---|---|---|---|"]
    for r in rows:
        goal = float(re.search(r"[\d.]+", r["goal"].replace(",", "")).group(0))
        paired = "×" in r["goal"]
        measured = r["ratio"] if paired else r["ours"]
        met = measured <= goal if r["at_most"] else measured >= goal
        ratio = f"**{r['ratio']:.2f}**" if paired else ""
        peer = f"{shown(r['peer'], r['unit'])}{r['unit']}" if paired else ""
        lines.append(f"| {r['what']} | {r['goal']} | {shown(r['ours'], r['unit'])} "
                     f"{r['unit'].strip()} | {peer} | {ratio} | {'met' if met else 'missed'} |")
    return "\n".join(lines) + "\n"


def main(places, arguments):
    for name in arguments.rows:
        if name not in ROWS:
            raise Failed(f"no row {name!r}; there are: {', '.join(ROWS)}")
    scale = arguments.scale * (0.1 if arguments.quick else 1)
    if arguments.against and not arguments.against.is_file():
        raise Failed(f"there is no {arguments.against}")
    bench = Bench(places, arguments.rounds, scale, arguments.against)
    for name in arguments.rows or ROWS:
        print(name, flush=True)
        if arguments.against and name in FIGURES:
            with build(arguments.against):
                ROWS[name](bench)
        ROWS[name](bench)
    text = table(bench.rows)
    print("\n" + text)
    if arguments.rows or arguments.quick or arguments.against:
        return
    results = ROOT / "bench/results"
    (results / "embedded.json").write_text(
        json.dumps({"machine": machine.line(), "rounds": arguments.rounds, "rows": bench.rows},
                   indent=2, ensure_ascii=False) + "\n")
    (results / "embedded.md").write_text(f"{machine.line()}\n\n{text}")
