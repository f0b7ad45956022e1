"""The classic run: a staircase of orders on one hot lot while very many connections are held, from 100 to
12,800 a second, and on to where it breaks.

Three runs of the load generator, each audited: the classic staircase, the further one from there
until a stage is not kept up with, and that one again with few connections, as from a gateway.
Writes bench/results/staircase.json (figures of every stage, the machine, the commands),
staircase.md, and staircase.html, the load generator's own page of the classic run.
"""
import json
import os
import resource

import machine
from peers import Tally
from process import ROOT, TALLY, run

RESULTS = ROOT / "bench/results"
CONNECTIONS = 100_000
FILES_BESIDE = 200 + 8 * (os.cpu_count() or 1)  # what the server keeps for itself, and some
FROM_AND_TO = ("--from", 100, "--to", 12_800, "--step", 100)
FURTHER = ("--from", 16_000, "--to", 800_000, "--step", 8_000, "--every", "5s", "--until-broken")
HOLDS = ("--holds-max", 100_000_000)  # nothing is paid here, so all orders stay PENDING
ROW_EVERY = 8  # of the classic stages in the page; the JSON has all


def connections_here():
    """As many as wanted, or as this system's limit of open files leaves to one process."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return min(CONNECTIONS, files - FILES_BESIDE)


def bench(server, name, *flags):
    """One run of the load generator: its report. Anything oversold, undersold, lost or duplicated
    fails it."""
    out = server.folder / f"{name}.json"
    run(TALLY, "bench", "--target", f"127.0.0.1:{server.port}", "--model", "staircase",
        "--protocol", "grpc", "--seed", 1, *flags, "--json", out,
        "--html", server.folder / f"{name}.html", timeout=3 * 3600)
    return json.loads(out.read_text())


def held(places, every):
    """With as many connections as this system allows, one call at once on each."""
    count = connections_here()
    shape = ("--connections", count, "--streams", 1)
    with Tally(places.place(), "--connections-max", count + 1000,
               "--idle-timeout-ms", 24 * 3600 * 1000, *HOLDS) as server:
        before_kib = server.memory_kib()
        classic = bench(server, "classic", *FROM_AND_TO, "--every", every, *shape)
        print(f"  100 to 12,800/s with {count:,} connections: {verdict(classic)}", flush=True)
        further = bench(server, "further", *FURTHER, *shape)
        print(f"  further: {broke(further)}", flush=True)
        page = (server.folder / "classic.html").read_text()
    memory_kib = classic["stages"][0]["server"]["memory_bytes"] / 1024 - before_kib
    return {"connections": count, "memory_before_kib": before_kib,
            "memory_per_connection_kib": memory_kib / count,
            "classic": classic, "further": further}, page


def few(places):
    with Tally(places.place(), *HOLDS) as server:
        found = bench(server, "few", *FURTHER, "--connections", 16, "--streams", 256)
    print(f"  with 16 connections: {broke(found)}", flush=True)
    return found


# ---- the page ----


def verdict(report):
    audit = report["audit"]
    counts = ", ".join(f"{audit[name]} {name}"
                       for name in ("oversold", "undersold", "lost", "duplicated"))
    return f"{counts} ({audit['looked_up']:,} of {audit['acknowledged']:,} orders looked up)"


def broke(report):
    last, kept_up = report["stages"][-1], report["stages"][:-1]
    best = kept_up[-1] if kept_up else None
    if not report["end_text"]:
        return f"kept up with every step, to {last['name']} (p99 {last['p99_ms']:.1f} ms)"
    return ((f"kept up with {best['name']} (average {best['mean_ms']:.1f} ms, "
             f"p99 {best['p99_ms']:.1f} ms)" if best else "kept up with no step")
            + f", not with {last['name']} ({last['achieved_per_s']:,.0f}/s achieved)")


def told(value, unit, scale=1):
    return "–" if value is None else f"{value / scale:.0f} {unit}"


def table(stages):
    lines = ["| offered/s | achieved/s | average ms | p99 ms | max ms | not accepted | server CPU | "
             "server memory |", "|---|---|---|---|---|---|---|---|"]
    for s in stages:
        lines.append(
            f"| {s['offered_per_s']:,.0f} | {s['achieved_per_s']:,.0f} | {s['mean_ms']:.2f} | "
            f"{s['p99_ms']:.2f} | {s['max_ms']:.1f} | {s['errors'] + s['refused']:,} | "
            f"{told(s['server']['cpu_percent'], '%')} | "
            f"{told(s['server']['memory_bytes'], 'MiB', 2**20)} |")
    return "\n".join(lines)


def page(results):
    some, classic = results["held"], results["held"]["classic"]
    shown = [s for i, s in enumerate(classic["stages"]) if i == 0 or (i + 1) % ROW_EVERY == 0]
    worst = max(classic["stages"], key=lambda s: s["p99_ms"])
    return f"""# The classic run

{results['machine']}

One hot lot, gRPC, every order with its own order_id, each acknowledged after its fsync; open loop with
Poisson arrivals, latency from when a call was due. `./dev bench staircase` repeats it.

## 100 to 12,800 a second, {some['connections']:,} connections held

Steps of 100, {results['every']} each. {verdict(classic)}.
The worst step's p99 was {worst['p99_ms']:.1f} ms ({worst['name']}). Memory of the server: {some['memory_before_kib'] / 1024:.1f} MiB before,
{some['memory_per_connection_kib']:.1f} KiB for each connection; what it takes later are the orders' holds, all
PENDING. All steps are in staircase.json, charts in staircase.html.

{table(shown)}

## On to where it breaks, {some['connections']:,} connections held

{broke(some['further']).capitalize()}. {verdict(some['further'])}.

{table(some['further']['stages'])}

## The same with 16 connections of up to 256 calls

{broke(results['few']).capitalize()}. {verdict(results['few'])}.

{table(results['few']['stages'])}
"""


def main(places, arguments):
    every = "1s" if arguments.quick else arguments.every
    many, html = held(places, every)
    results = {"machine": machine.line(), "every": every, "held": many, "few": few(places)}
    if arguments.quick:
        print(page(results))
        return
    (RESULTS / "staircase.json").write_text(json.dumps(results, indent=1) + "\n")
    (RESULTS / "staircase.md").write_text(page(results))
    (RESULTS / "staircase.html").write_text(html)
