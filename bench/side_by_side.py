"""Our server beside what one would use instead: the same orders, from 1 to 16,384 clients at once.

At each number of clients, every row is measured once in a round, one after the other, and the rounds
follow each other (A B C A B C): neighbours of the machine disturb all rows alike. A cell is the
median of its rounds; a ratio is the median of the rounds' ratios of ours to the peer.
"""
import dataclasses
import json
import statistics
import time
import typing

import chart
import drivers
import machine
import peers
from drivers import shape
from process import ROOT, Failed

LEVELS = (1, 16, 128, 1024, 16384)
PROMISES = ("durable", "exactly once", "expires", "no oversell")
RESULTS = ROOT / "bench/results"
BEGIN, END = "<!-- side-by-side:begin -->\n", "<!-- side-by-side:end -->"
ALWAYS = ("--appendonly", "yes", "--appendfsync", "always")


@dataclasses.dataclass
class Row:
    key: str
    name: str
    promises: tuple  # of PROMISES
    driven: str  # the client program, and what is set
    beside: str  # key of the row of ours that it is held against; empty: it is ours
    measure: typing.Callable  # (context, clients, seconds) -> Measured
    promise_text: str = ""  # instead of the promises

    def promised(self):
        return self.promise_text or " · ".join(self.promises) or "nothing"


class Context:
    """What the measurements of a run share."""

    def __init__(self, places):
        self.places = places
        self.mariadb_place = None
        self.rates = {}  # (row, clients) -> calls a second, of the rounds before

    def place(self):
        return self.places.place()

    def mariadb(self):
        if self.mariadb_place is None:
            self.mariadb_place = self.place()
        return peers.MariaDB(self.mariadb_place)


# ---- the rows ----


def tally_row(protocol, shared, sold_out):
    def measure(context, clients, seconds):
        connections, streams = shape(clients) if shared else (clients, 1)
        with peers.Tally(context.place()) as server:
            lot = server.create_lot("COLA", 0 if sold_out else peers.UNITS)
            return drivers.tally_bench(server, protocol, connections, streams, seconds, lot,
                                       sold_out)
    return measure


def nghttpd_row(shared):
    def measure(context, clients, seconds):
        connections, streams = shape(clients) if shared else (clients, 1)
        with peers.nghttpd(context.place()) as server:
            return drivers.h2load(server.port, connections, streams, seconds)
    return measure


def nginx_row(context, clients, seconds):
    with peers.nginx(context.place()) as server:
        if clients >= drivers.SETTLE_CLIENTS:  # opening them takes wrk seconds, which it counts
            return drivers.h2load(server.port, clients, 1, seconds, "--h1")
        return drivers.wrk(server.port, clients, seconds)


def redis_row(key, flags, pipeline=1, with_order_id=False):
    def measure(context, clients, seconds):
        if pipeline > clients:
            raise NotApplicable("one call at a time is not pipelined")
        # It opens many connections slowly, so a guess replaces the run that measures the rate.
        guess = context.rates.get((key, clients))
        if guess is None and clients >= drivers.SETTLE_CLIENTS:
            below = [rate for (row, _), rate in context.rates.items() if row == key]
            guess = below[-1] / 3 if below else None
        with peers.redis(context.place(), *flags) as server:
            return drivers.redis_orders(server, clients, seconds, pipeline, with_order_id, guess)
    return measure


def mariadb_row(how):
    def measure(context, clients, seconds):
        with context.mariadb() as server:
            return drivers.sql_orders(server, how, clients, seconds)
    return measure


class NotApplicable(Failed):
    """There is no such cell, and nothing failed."""


OURS = "tally bench --closed, 1 thread, audited, after a second; the server with its defaults"
PIPELINED = 16


ROWS = [
    Row("tally-grpc-shared", "**Tallystick, gRPC, shared connections**", PROMISES,
        f"{OURS}; up to 128 calls share a connection", "", tally_row("grpc", True, False)),
    Row("tally-grpc", "**Tallystick, gRPC, a connection each**", PROMISES, OURS, "",
        tally_row("grpc", False, False)),
    Row("tally-http", "**Tallystick, HTTP/1.1, a connection each**", PROMISES, OURS, "",
        tally_row("http", False, False)),
    Row("tally-sold-out-grpc", "**Tallystick, sold out, gRPC, shared connections**", PROMISES,
        f"{OURS}; a lot of 0 units, every order is refused", "", tally_row("grpc", True, True),
        "a refusal"),
    Row("tally-sold-out-http", "**Tallystick, sold out, HTTP/1.1**", PROMISES,
        f"{OURS}; a lot of 0 units, every order is refused", "", tally_row("http", False, True),
        "a refusal"),
    Row("nghttpd-shared", "nghttpd, HTTP/2, shared connections", (),
        "h2load -t 1; one worker, a file of 3 bytes; p50 and p99 from a run of 1 s with --log-file",
        "tally-grpc-shared", nghttpd_row(True), "nothing, it is what the wire can do"),
    Row("nghttpd", "nghttpd, HTTP/2, a connection each", (), "as the row above", "tally-grpc",
        nghttpd_row(False), "nothing, it is what the wire can do"),
    Row("nginx", "nginx, HTTP/1.1, a connection each", (), "wrk -t 1, at 16,384 clients h2load --h1; one worker, `return 200`",
        "tally-http", nginx_row, "nothing, it is what the wire can do"),
    Row("redis", "Redis, script, no persistence", ("no oversell",),
        "redis-benchmark, 1 thread, EVALSHA, one call an order; no snapshots, no log", "tally-grpc",
        redis_row("redis", ())),
    Row("redis-pipelined", "Redis, script, no persistence, pipelined", ("no oversell",),
        f"the same with -P {PIPELINED}: {PIPELINED} calls on their way on each connection",
        "tally-grpc-shared", redis_row("redis-pipelined", (), PIPELINED)),
    Row("redis-always", "Redis, script, appendfsync always", ("durable", "no oversell"),
        "redis-benchmark, 1 thread, EVALSHA, one call an order", "tally-grpc",
        redis_row("redis-always", ALWAYS)),
    Row("redis-always-pipelined", "Redis, script, appendfsync always, pipelined",
        ("durable", "no oversell"),
        f"the same with -P {PIPELINED}", "tally-grpc-shared",
        redis_row("redis-always-pipelined", ALWAYS, PIPELINED)),
    Row("redis-order", "Redis, script that keeps the order_id, appendfsync always",
        ("durable", "exactly once", "no oversell"),
        "redis-benchmark, 1 thread, EVALSHA, one call an order: SET order NX EX, then the stock",
        "tally-grpc", redis_row("redis-order", ALWAYS, with_order_id=True)),
    Row("mariadb-version", "MariaDB, version check per order", ("durable", "no oversell"),
        "sql_load, 1 thread, prepared statements; SELECT, UPDATE … AND version = ?, until it "
        "succeeds; thread pool of at most 32", "tally-grpc", mariadb_row("version")),
    Row("mariadb-condition", "MariaDB, conditional update per order", ("durable", "no oversell"),
        "sql_load, 1 thread, prepared statement; UPDATE … WHERE stock >= 1; thread pool of at most "
        "32", "tally-grpc", mariadb_row("condition")),
    Row("mariadb-recorded", "MariaDB, order row and conditional update",
        ("durable", "exactly once", "no oversell"),
        "sql_load, 1 thread; a procedure: INSERT order (unique order_id), UPDATE, COMMIT; thread "
        "pool of at most 32", "tally-grpc", mariadb_row("recorded")),
]
BY_KEY = {row.key: row for row in ROWS}


# ---- the run ----


def measure_cell(row, context, clients, seconds):
    """As a plain object: figures, or the reason why there are none."""
    try:
        measured = row.measure(context, clients, seconds)
    except NotApplicable as reason:
        return {"reason": str(reason), "applicable": False}
    except Failed as reason:
        return {"reason": str(reason), "applicable": True}
    context.rates[(row.key, clients)] = measured.per_s
    return dataclasses.asdict(measured)


def measure_all(context, rows, levels, rounds, seconds):
    """{row key: {clients: [cell of each round]}}"""
    cells = {row.key: {n: [] for n in levels} for row in rows}
    start = time.monotonic()
    for clients in levels:
        for number in range(1, rounds + 1):
            print(f"{clients:,} clients, round {number} of {rounds}, "
                  f"{(time.monotonic() - start) / 60:.1f} min", flush=True)
            for row in rows:
                cell = measure_cell(row, context, clients, seconds)
                cells[row.key][clients].append(cell)
                if cell.get("applicable", True):
                    print(f"  {row.key:24} {cell_text(cell)}", flush=True)
    return cells


def summary(cells, beside):
    """A cell of the table from the cells of its rounds; `beside`: those of ours, if it is a peer."""
    done = [c for c in cells if "per_s" in c]
    if not done:
        return {"reason": cells[-1]["reason"], "applicable": cells[-1]["applicable"],
                "rounds": cells}
    failed = len(cells) - len(done)
    found = {
        "per_s": statistics.median(c["per_s"] for c in done),
        "p50_ms": statistics.median(c["p50_ms"] for c in done),
        "p99_ms": statistics.median(c["p99_ms"] for c in done),
        "at_least": sum(c["at_least"] for c in done) * 2 > len(done),
        "note": done[-1]["note"] if not failed else
                f"{failed} of {len(cells)} rounds: {[c for c in cells if 'reason' in c][0]['reason']}",
        "command": done[-1]["command"],
        "rounds": cells,
    }
    ratios = [ours["per_s"] / peer["per_s"] for ours, peer in zip(beside, cells)
              if "per_s" in ours and "per_s" in peer]
    if ratios:
        found["ratio"] = statistics.median(ratios)
    return found


def summarise(rows, levels, cells):
    """The rows of the results file."""
    found = []
    for row in rows:
        ours = cells.get(row.beside, {})
        found.append({
            "row": row.key, "name": row.name, "promises": row.promises,
            "promised": row.promised(), "driven": row.driven, "beside": row.beside,
            "cells": {str(n): summary(cells[row.key][n], ours.get(n, [])) for n in levels},
        })
    return found


# ---- the tables ----


def short(value):
    """1,234,567 as 1.23 M."""
    for limit, by, unit in ((999_500, 1e6, " M"), (9_995, 1e3, " k")):
        if value >= limit:
            return f"{value / by:.{2 if value / by < 10 else 0}f}{unit}"
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def short_ms(value):
    if value >= 999.5:
        return f"{value / 1000:.1f} s"
    return f"{value:.0f} ms" if value >= 9.95 else f"{value:.2g} ms"


def short_ratio(value):
    if value >= 999.5:
        return f"{float(f'{value:.2g}'):,.0f}"
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}" if value >= 2 else f"{value:.2f}"


def cell_text(cell):
    if "per_s" not in cell:
        return cell["reason"] if cell.get("applicable", True) else "–"
    mark = "> " if cell["at_least"] else ""
    return f"{short(cell['per_s'])}/s, {mark}{short_ms(cell['p99_ms'])}"


def readme_cell(cell, number):
    """number: gives a footnote's number to a reason."""
    if "per_s" not in cell:
        return f"none [{number(cell['reason'])}]" if cell["applicable"] else ""
    text = f"{short(cell['per_s'])}<br>{'> ' if cell['at_least'] else ''}{short_ms(cell['p99_ms'])}"
    return f"{text}<br>**× {short_ratio(cell['ratio'])}**" if "ratio" in cell else text


def readme_table(rows, levels):
    notes = []

    def number(reason):
        if reason not in notes:
            notes.append(reason)
        return notes.index(reason) + 1

    lines = ["| clients at once | " + " | ".join(f"{n:,}" for n in levels) + " | an answer means |",
             "|---|" + "---:|" * len(levels) + "---|"]
    for row in rows:
        cells = " | ".join(readme_cell(row["cells"][str(n)], number) for n in levels)
        lines.append(f"| {row['name']} | {cells} | {row['promised']} |")
    text = "\n".join(lines) + "\n"
    if notes:
        text += "\n" + "<br>\n".join(
            f"[{i}] {chart.escaped(note)}" for i, note in enumerate(notes, 1)) + "\n"
    return text


HOW_TO_READ = (
    "Each cell: orders a second, the 99th percentile of their latency, and **× ours to this peer** "
    "(above 1 we are faster). A client has one order on its way; client program and server share "
    "the machine. Whatever is durable waits for an fsync before it answers.")


def page(results):
    """side_by_side.md: everything that the README has no room for."""
    rows, levels = results["rows"], results["levels"]
    told = results["machine"]
    lines = [
        "# Side by side", "",
        f"{results['line']}. {told['system']}, data on {told['data_on']}, fdatasync of 4 KiB in "
        f"{told['fdatasync_4kib_us']:.0f} µs. {results['rounds']} rounds of {results['seconds']:g} s "
        f"a cell, in turn; {results['minutes']:.0f} minutes; load average before: "
        f"{told['load'][0]:.2f}.", "", HOW_TO_READ, "",
        readme_table(rows, levels),
        "![Orders a second against clients at once](throughput.svg)",
        "![99th percentile of the latency against clients at once](latency.svg)", "",
        "## What an answer means, and how it was driven", "",
        "| | " + " | ".join(PROMISES) + " | driven by |", "|---|" + ":-:|" * len(PROMISES) + "---|",
    ]
    for row in rows:
        marks = " | ".join("yes" if p in row["promises"] else "–" for p in PROMISES)
        lines.append(f"| {row['name']} | {marks} | {row['driven']} |")
    lines += ["", "## Median and 99th percentile, in milliseconds", "",
              "| | " + " | ".join(f"{n:,}" for n in levels) + " |", "|---|" + "---:|" * len(levels)]
    for row in rows:
        lines.append(f"| {row['name']} | " + " | ".join(
            f"{c['p50_ms']:,.2f} / {'> ' if c['at_least'] else ''}{c['p99_ms']:,.2f}"
            if "per_s" in c else "" for c in row["cells"].values()) + " |")
    noted = [(row["name"], n, cell["note"]) for row in rows for n, cell in row["cells"].items()
             if cell.get("note")]
    if noted:
        lines += ["", "## Notes", ""]
        lines += [f"- {name}, {int(n):,} clients: {chart.escaped(note)}"
                  for name, n, note in noted]
    lines += ["", "## Versions and commands", "",
              ", ".join(f"{name} {version}" for name, version in results["versions"].items()) + ".",
              "", "MariaDB: `" + " ".join(peers.MARIADB_SETTINGS) + "`", "",
              "Commands of the largest number of clients that was measured:", ""]
    for row in rows:
        commands = [c["command"] for c in row["cells"].values() if c.get("command")]
        if commands:
            lines.append(f"- {row['name']}: `{commands[-1]}`")
    return "\n".join(lines) + "\n"


def between(whole, text, begin=BEGIN, end=END):
    """`whole` with what stands between the markers replaced."""
    if whole.count(begin) != 1 or whole.count(end) != 1:
        raise Failed(f"the markers {begin.strip()} and {end} do not stand once each")
    head, rest = whole.split(begin)
    _, tail = rest.split(end)
    return f"{head}{begin}{text}{end}{tail}"


def readme_section(results):
    return (f"{results['line']}.\n\n{HOW_TO_READ}\n\n"
            f"{readme_table(results['rows'], results['levels'])}\n"
            "![Orders a second against clients at once](bench/results/throughput.svg)\n\n"
            "![99th percentile of the latency](bench/results/latency.svg)\n\n"
            "Medians, settings, commands and versions: "
            "[side_by_side.md](bench/results/side_by_side.md).\n\n")


def write(results, folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "side_by_side.json").write_text(
        json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    (folder / "side_by_side.md").write_text(page(results))
    (folder / "throughput.svg").write_text(chart.throughput(results))
    (folder / "latency.svg").write_text(chart.latency(results))


def main(places, arguments):
    for name in arguments.rows:
        if not any(row.key.startswith(name) for row in ROWS):
            raise Failed(f"no row {name!r}; there are: {', '.join(BY_KEY)}")
    rows = [row for row in ROWS
            if not arguments.rows or any(row.key.startswith(name) for name in arguments.rows)]
    levels = arguments.levels or LEVELS
    rounds, seconds = (1, 1) if arguments.quick else (arguments.rounds, arguments.seconds)
    start = time.monotonic()
    results = {"line": machine.line(), "machine": machine.description(places.folder),
               "versions": machine.versions(), "rounds": rounds, "seconds": seconds,
               "levels": list(levels)}
    cells = measure_all(Context(places), rows, levels, rounds, seconds)
    results["minutes"] = (time.monotonic() - start) / 60
    results["rows"] = summarise(rows, levels, cells)
    print("\n" + readme_table(results["rows"], levels))
    partial = arguments.quick or arguments.rows or arguments.levels
    if arguments.output:
        write(results, arguments.output)
    elif not partial:
        write(results, RESULTS)
        readme = ROOT / "README.md"
        readme.write_text(between(readme.read_text(), readme_section(results)))
