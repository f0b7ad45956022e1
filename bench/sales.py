"""Sales at full speed: what a sale, a limit per user and a group cost an order, and a million holds that
expire at once.

Each round measures plain orders, the same in one sale, and the same while 10,000 sales are open and a
million groups: each on a fresh server, in turn, so that a ratio compares what ran side by side. Every order
has an order_id and a user of its own. Orders in groups are spread over all groups in an order of their own,
so that two members of a group are rarely at work together.

What expires was made by orders, too, each with the hold_ms that is left until its millisecond of the one
second; who came first expires first. While it expires, calls for another lot come at their times, whether
the server keeps up or not.

What has no sale is held against another build by `./dev bench shapes --against BINARY`.
"""
import contextlib
import json
import sqlite3
import statistics
import threading
import time

import drivers
import machine
from peers import UNITS, Tally
from process import ROOT, TALLY, Failed, run

RESULTS = ROOT / "bench/results"
SHAPE = ("--connections", 20, "--streams", 500)
ORDERS = 900_000
GROUP_SIZE = 3
SALES, GROUPS = 10_000, 1_000_000
HOLDS = 1_000_000
CALLS_PER_S = 1000
GIVEN_BACK_S = 2.0
P99_MS = 50.0
ROOM = ("--order-memory-max", "8000000")
ROWS = {  # what, goal, the sign of it
    "limits": ("a sale, a limit per user and a group, of orders without", 0.85, ">="),
    "crowd": (f"one of {SALES:,} sales, {GROUPS:,} groups OPEN, of orders without", 0.765, ">="),
    "crowd-to-limits": ("the same, of orders in the only sale", 0.90, ">="),
    "spread": ("orders spread over all of those sales and groups, of orders without", 0.765, ">="),
    "given-back": (f"s from the first deadline until {HOLDS:,} holds of one second are given back",
                   GIVEN_BACK_S, "<="),
    "meanwhile": (f"ms, p99 of {CALLS_PER_S:,} new orders a second meanwhile, of the worst second",
                  P99_MS, "<="),
    "meanwhile-failed": ("of those orders, refused or failed", 0, "<="),
}


def load(server, *words):
    return drivers.order_load(server, SHAPE[1], SHAPE[3], *words)


# ---- what a sale costs an order ----


def orders(server, lot, count, *extra):
    return load(server, count, "--lot", lot, "--order-ids", "--users", *extra)["requests_per_s"]


def make_sales(server, lot, count):
    drivers.order_load(server, 4, 100, 1, "--lot", lot, "--create-sales", count, "--group-size", GROUP_SIZE)


def open_groups(server, sales, count):
    """A file with the groups."""
    path = server.folder / "groups"
    load(server, count, "--open-groups", sales, "--groups", path)
    if server.metric("tally_engine_groups_open") < count:
        raise Failed("not every group is open")
    return path


def of_first_sale(path, count):
    """A file with the groups of the first sale alone, with places for so many orders."""
    first = path.with_suffix(".first")
    lines = [line for line in path.read_text().splitlines() if line.startswith("sale-000000 ")]
    if len(lines) * GROUP_SIZE < count:
        raise Failed(f"{len(lines)} groups have no places for {count} orders")
    first.write_text("\n".join(lines) + "\n")
    return first


def plain(places, count):
    with Tally(places.place(), *ROOM) as server:
        lot = server.create_lot("COLA", UNITS)
        orders(server, lot, count // 10)
        return orders(server, lot, count)


def in_groups(server, lot, count, groups):
    """In the sale, and counted there: an order that only looks as if it were in it is no figure."""
    before = server.metric("tally_engine_reserved_total")
    rate = orders(server, lot, count, "--groups", groups)
    if server.metric("tally_engine_reserved_total") - before != count:
        raise Failed("not every order was reserved")
    return rate


def in_one_sale(places, count):
    with Tally(places.place(), *ROOM) as server:
        lot = server.create_lot("COLA", UNITS)
        make_sales(server, lot, 1)
        groups = open_groups(server, 1, count // GROUP_SIZE + 1)
        orders(server, lot, count // 10)
        return in_groups(server, lot, count, groups)


def in_crowd(places, count, scale, spread):
    """One sale of many, which had its groups before the others; or all of them."""
    with Tally(places.place(), *ROOM) as server:
        lot = server.create_lot("COLA", UNITS)
        make_sales(server, lot, SALES)
        others = int(GROUPS * scale)
        if spread:
            groups = open_groups(server, SALES, max(others, count // GROUP_SIZE + 1))
        else:
            groups = of_first_sale(open_groups(server, 1, count // GROUP_SIZE + 1), count)
            (server.folder / "others").mkdir()
            load(server, others, "--open-groups", SALES, "--groups", server.folder / "others/groups")
        orders(server, lot, count // 10)
        return in_groups(server, lot, count, groups)


def cost(places, scale, spread):
    count = max(GROUP_SIZE * 1000, int(ORDERS * scale))
    without = plain(places, count)
    one = in_one_sale(places, count)
    crowd = in_crowd(places, count, scale, False)
    got = {"plain_per_s": without, "limits_per_s": one, "crowd_per_s": crowd,
           "limits": one / without, "crowd": crowd / without, "crowd-to-limits": crowd / one}
    if spread:
        got["spread_per_s"] = in_crowd(places, count, scale, True)
        got["spread"] = got["spread_per_s"] / without
    return got


# ---- what expires at once ----


class Watch:
    """How far the ledger has come, now and now: when was what committed?"""

    def __init__(self, server):
        self.server = server
        self.seen = []
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._look)

    def _look(self):
        while not self.done.wait(0.02):
            self.seen.append((self.server.metric_integer("tally_ledger_last_seq"), time.time()))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()

    def when(self, seq):
        for last, at in self.seen:
            if last >= seq:
                return at
        raise Failed("the last of the holds was not given back while it was watched")


def last_expiry(server, count):
    with contextlib.closing(sqlite3.connect(server.folder / "data/ledger.db")) as ledger:
        moves, last = ledger.execute(
            "SELECT count(*), max(seq) FROM move WHERE kind = 6 AND reason = 1").fetchone()
    if moves != count:
        raise Failed(f"{moves:,} of {count:,} holds were given back")
    return last


def expiry(places, scale):
    count = max(1000, int(HOLDS * scale))
    with Tally(places.place(), *ROOM) as server:
        held = server.create_lot("COLA", UNITS)
        other = server.create_lot("LEMONADE", UNITS)
        made = ("--lot", held, "--order-ids", "--users")
        rate = drivers.order_load(server, 10, 500, max(1000, count // 20), *made)["requests_per_s"]
        moment = time.time() + 20 + 2 * count / rate
        drivers.order_load(server, 10, 500, count, *made, "--expire-at", int(moment * 1000),
                           "--expire-over", 1000)
        time.sleep(max(0, moment - 3 - time.time()))
        report = server.folder / "bench.json"
        began = time.time()
        with Watch(server) as watch:
            run(TALLY, "bench", "--target", f"127.0.0.1:{server.port}", "--protocol", "grpc", "--rate",
                CALLS_PER_S, "--duration", "12s", "--lot", other, "--no-audit", "--hold", "1h",
                "--json", report)
        told = json.loads(report.read_text())
        given_back = watch.when(last_expiry(server, count)) - moment
    stage = told["stages"][0]
    seconds = [p for p in told["series"] if p["p99_ms"] is not None and
               moment - began - 1 <= p["at_s"] <= moment - began + given_back + 1]
    return {"given-back": given_back, "meanwhile": max(p["p99_ms"] for p in seconds),
            "meanwhile-max-ms": max(p["max_ms"] for p in seconds),
            "meanwhile-failed": stage["refused"] + stage["errors"]}


# ---- the run ----


def medians(rounds):
    names = {name for r in rounds for name in r}
    return {name: statistics.median(r[name] for r in rounds if name in r) for name in names}


def shown(value):
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.2f}"


def table(middle):
    lines = ["| row | what | goal | measured | |", "|---|---|---|---|---|"]
    for name, (what, goal, sign) in ROWS.items():
        if name not in middle:
            continue
        met = middle[name] >= goal if sign == ">=" else middle[name] <= goal
        lines.append(f"| {name} | {what} | {'≥' if sign == '>=' else '≤'} {shown(goal)} | "
                     f"{shown(middle[name])} | {'met' if met else 'missed'} |")
    return "\n".join(lines) + "\n"


def page(results):
    middle = medians(results["rounds"])
    rates = ", ".join(f"{what} {middle[name]:,.0f}" for what, name in (
        ("without a sale", "plain_per_s"), ("in the only sale", "limits_per_s"),
        ("in one of many", "crowd_per_s"), ("spread over many", "spread_per_s")) if name in middle)
    return f"""# Sales

{results['machine']}

gRPC, 20 connections × 500 streams, an order_id and a user of its own in every order, groups of {GROUP_SIZE}; a
ratio is the median of the rounds' ratios. Medians of {len(results['rounds'])} rounds; `./dev bench sales`
repeats it. Orders a second: {rates}.

{table(middle)}"""


def main(places, arguments):
    scale = arguments.scale * (0.1 if arguments.quick else 1)
    wanted = arguments.rows or list(ROWS)
    for name in wanted:
        if name not in ROWS:
            raise Failed(f"no row {name!r}; there are: {', '.join(ROWS)}")
    costs = [name for name in wanted if name in ("limits", "crowd", "crowd-to-limits", "spread")]
    rounds = []
    for i in range(arguments.rounds):
        got = cost(places, scale, "spread" in wanted) if costs else {}
        if len(costs) < len(wanted):
            got.update(expiry(places, scale))
        rounds.append(got)
        print(f"  round {i + 1}: " + ", ".join(f"{k} {shown(v)}" for k, v in got.items()), flush=True)
    results = {"machine": machine.line(), "scale": scale, "rounds": rounds}
    print("\n" + page(results))
    if arguments.quick or arguments.rows:
        return
    (RESULTS / "sales.json").write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    (RESULTS / "sales.md").write_text(page(results))
