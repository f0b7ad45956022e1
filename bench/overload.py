"""Ten times the load: what is still served, and how late.

For each shape the peak is measured first (closed loop), then calls come at ten times that rate
whether they are answered or not. Served at the peak, and in time: the goals are 90 % and the
deadline. The load generator runs on the same cores and pays for every refusal, too, so in the last
shape, where the machine itself is the bound, it cannot send as many as are due.

The p99 of what was served counts at the client from when a call was due. Beside it stands the server's own
time, from the last byte that it read to its answer, bounded from above: as if those that were served were the
slowest of all that were answered. What is longer at the client waited for a stream, or unread in a socket.
"""
import json
import re
import statistics

import machine
from peers import Tally
from process import ROOT, TALLY, Failed, run

RESULTS = ROOT / "bench/results"
TIMES = 10
DEADLINE_MS = 300
RATE_GOAL = 0.9
# name, what bounds the rate, flags of the server, connections, streams
SHAPES = (
    ("commits", "commits of at most 16 orders", ("--batch-moves-max", 16), 20, 50),
    ("classic", "100 at work, 200 waiting, commits of at most 16 orders",
     ("--inflight-max", 100, "--queue-max", 200, "--batch-moves-max", 16), 20, 50),
    ("machine", "the processors, which the load generator shares", (), 20, 500),
)


def bench(server, name, *flags):
    out = server.folder / f"{name}.json"
    run(TALLY, "bench", "--target", f"127.0.0.1:{server.port}", "--protocol", "grpc", "--seed", 1,
        "--units", 1_000_000_000, "--no-audit", *flags, "--json", out)
    return json.loads(out.read_text())


def durations(server):
    """(seconds, calls at most so long), of all Reserves so far."""
    bucket = re.compile(r'tally_request_duration_seconds_bucket\{call="Reserve",le="([^"]+)"\} (\S+)')
    return [(float(bound), float(count)) for bound, count in bucket.findall(server.get("/metrics"))]


def duration_ms(before, after, part):
    """Of the calls between the two, the upper end of the bucket that has the quantile."""
    counts = [(bound, count - old) for (bound, count), (_, old) in zip(after, before)]
    return next(bound for bound, count in counts if count >= part * counts[-1][1]) * 1000


def accepted(report):
    return sum(stage["accepted"] for stage in report["stages"])


def refusals(server):
    return {why: server.metric('tally_refused_early_total{why="%s"}' % why)
            for why in ("full", "late", "expired")}


def measure(places, shape, seconds):
    name, _, flags, connections, streams = shape
    load = ("--connections", connections, "--streams", streams, "--duration", f"{seconds}s")
    with Tally(places.place(), "--holds-max", 100_000_000, *flags) as server:
        closed = bench(server, name + "-peak", "--closed", *load)
        peak = accepted(closed) / seconds
        if not peak:
            raise Failed(f"{name}: nothing was served")
        before = durations(server)
        opened = bench(server, name + "-load", "--rate", round(TIMES * peak), "--streams", 1000,
                       "--timeout-ms", 1000, *load[:2], *load[4:])
        after = durations(server)
        refused = refusals(server)
    served = accepted(opened)
    answered = sum(count for _, count in opened["distribution"])
    slowest = 1 - 0.01 * served / max(answered, 1)
    return {"peak_per_s": peak, "offered_per_s": TIMES * peak, "served_per_s": served / seconds,
            "answered_per_s": answered / seconds, "refused_early": refused,
            "ratio": served / seconds / peak,
            "served_p99_ms": opened["accepted_latency"]["p99_ms"],
            "server_p99_ms": duration_ms(before, after, slowest)}


def row(shape, rounds):
    middle = {key: statistics.median(r[key] for r in rounds)
              for key in ("peak_per_s", "offered_per_s", "served_per_s", "ratio", "served_p99_ms",
                          "server_p99_ms")}
    return (f"| {shape[0]}: {shape[1]} | {middle['peak_per_s']:,.0f} | {middle['offered_per_s']:,.0f} "
            f"| {middle['served_per_s']:,.0f} | {middle['ratio']:.2f} | {middle['served_p99_ms']:,.0f} "
            f"| {middle['server_p99_ms']:,.0f} |")


def page(results):
    lines = [row(shape, results["rounds"][shape[0]]) for shape in SHAPES
             if results["rounds"].get(shape[0])]
    return f"""# Ten times the load

{results['machine']}

One hot lot, gRPC, a distinct order_id in every call, latency from when a call was due. The goals: served at
{RATE_GOAL:.0%} of the peak, with a p99 below {DEADLINE_MS} ms (`stock_timeout_ms`). Medians of
{results['count']} rounds; `./dev bench overload` repeats it.

| shape and its bound | peak/s | offered/s | served/s | of the peak | p99 of the served, ms | in the server, at most, ms |
|---|---|---|---|---|---|---|
""" + "\n".join(lines) + "\n"


def main(places, arguments):
    seconds = 5 if arguments.quick else 10
    shapes = [s for s in SHAPES if not arguments.rows or s[0].startswith(tuple(arguments.rows))]
    results = {"machine": machine.line(), "count": arguments.rounds, "rounds": {}}
    for i in range(arguments.rounds):
        for shape in shapes:
            got = measure(places, shape, seconds)
            results["rounds"].setdefault(shape[0], []).append(got)
            print(f"  round {i + 1}, {shape[0]}: peak {got['peak_per_s']:,.0f}/s, served "
                  f"{got['served_per_s']:,.0f}/s ({got['ratio']:.2f}), p99 "
                  f"{got['served_p99_ms']:.0f} ms, in the server {got['server_p99_ms']:.0f} ms, "
                  f"{got['refused_early']}", flush=True)
    print(page(results))
    if arguments.quick or arguments.rows:
        return
    (RESULTS / "overload.json").write_text(json.dumps(results, indent=1) + "\n")
    (RESULTS / "overload.md").write_text(page(results))
