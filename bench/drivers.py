"""The clients of a benchmark run, each one thread, and what they print.

Every driver returns a Measured: calls per second that succeeded, and how long they took. A client
in the closed loop has one call on its way; `clients` says how many there are, and shape() how they
are spread over connections.
"""
import dataclasses
import json
import re
import statistics
import tempfile

from process import TALLY, TOOLS, Failed, run

STREAMS_MAX = 128  # clients that share a connection
LOOK_UPS = 50_000  # of our audit after each cell: every order would take longer than the cell
SETTLE_CLIENTS = 4096  # from here on opening the connections takes a while of its own
AUDITED = ("oversold", "undersold", "lost", "duplicated")
REDIS_SCRIPT = (
    "local n = tonumber(redis.call('GET', KEYS[1])) "
    "if n >= 1 then redis.call('DECR', KEYS[1]) return 1 end return 0"
)
REDIS_ORDER_SCRIPT = (  # the duplicate first: a retry of the last unit's order did succeed
    "if not redis.call('SET', KEYS[2], '1', 'NX', 'EX', 604800) then return 2 end "
    "local n = tonumber(redis.call('GET', KEYS[1])) "
    "if n >= 1 then redis.call('DECR', KEYS[1]) return 1 end "
    "redis.call('DEL', KEYS[2]) return 0"
)


@dataclasses.dataclass
class Measured:
    per_s: float
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    at_least: bool = False  # the p99: calls that had not ended were older still
    note: str = ""
    command: str = ""


def shape(clients, streams_max=STREAMS_MAX):
    """Connections and streams of each, for so many clients that share connections."""
    streams = min(clients, streams_max)
    return max(1, clients // streams), streams


def settle_s(clients):
    """Seconds that a client program gets to open its connections before it measures."""
    return 6 if clients >= SETTLE_CLIENTS else 1


def shown_command(command):
    """A command as a reader would type it: programs by name, no folders of this run."""
    words = [re.sub(r"^/\S*/", "", str(c)) for c in command]
    return " ".join(f"'{w}'" if re.search(r"[\s{}\"$*]", w) else w for w in words)


# ---- h2load, against nghttpd ----


def parse_h2load(out, requests=None):
    """requests: how many there should be."""
    done = re.search(r"(\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored", out)
    rate = re.search(r"finished in [^,]*, ([\d.]+) req/s", out)
    if not done or not rate or int(done.group(1)) == 0:
        raise Failed("h2load: no request finished")
    expected = done.group(1) if requests is None else str(requests)
    if done.group(2) != expected or int(done.group(3)) or int(done.group(4)):
        raise Failed(f"h2load: not every request succeeded: {done.group(0)}")
    return float(rate.group(1))


def parse_h2load_log(path):
    """p50 and p99 in ms from --log-file: start, status, microseconds."""
    times = []
    with open(path, encoding="ascii") as log:
        for line in log:
            times.append(int(line.rsplit("\t", 1)[1]))
    if not times:
        raise Failed("h2load: its log is empty")
    times.sort()
    return percentile(times, 0.50) / 1000, percentile(times, 0.99) / 1000


def percentile(ordered, share):
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def h2load(port, connections, streams, seconds, *extra):
    """The rate from one run; the times from a second, shorter one, which writes each down and is
    some percent slower for it."""
    command = ["h2load", *extra, "-t", 1, "-c", connections, "-m", streams, "-D", max(1, round(seconds)),
               f"--warm-up-time={settle_s(connections)}", f"http://127.0.0.1:{port}/index.html"]
    rate = parse_h2load(run(*command, timeout=60 + seconds))
    with tempfile.TemporaryDirectory(prefix="tally-bench-") as folder:
        log = f"{folder}/log"
        short = list(command)
        if connections < SETTLE_CLIENTS:
            short[short.index("-D") + 1] = 1
        run(*short, f"--log-file={log}", timeout=60)
        p50, p99 = parse_h2load_log(log)
    return Measured(rate, p50, p99, command=shown_command(command))


# ---- wrk, against nginx and our HTTP ----


def duration_ms(text):
    value, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m|h)", text).groups()
    return float(value) * {"us": 0.001, "ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}[unit]


def parse_wrk(out):
    total = re.search(r"(\d+) requests in", out)
    other = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", out)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", out)
    if not total or not rate or int(total.group(1)) == 0:
        raise Failed("wrk: no request finished")
    if errors:
        raise Failed(f"wrk: {errors.group(0)}")
    if other:
        raise Failed(f"wrk: {other.group(1)} of {total.group(1)} answers were refusals")
    shares = dict(re.findall(r"^\s+(\d+)%\s+([\d.]+\w+)$", out, re.MULTILINE))
    return Measured(float(rate.group(1)), duration_ms(shares["50"]), duration_ms(shares["99"]))


def wrk(port, clients, seconds, *extra, path="/"):
    seconds = max(1, round(seconds))
    command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--latency", "--timeout", "60s",
               *extra, f"http://127.0.0.1:{port}{path}"]
    measured = parse_wrk(run(*command, timeout=120 + seconds))
    measured.command = shown_command(command)
    return measured


def wrk_orders(server, lot, clients, seconds):
    script = server.folder / "orders.lua"
    script.write_text(
        'local n, run = 0, os.time()\n'
        'request = function()\n'
        '  n = n + 1\n'
        '  return wrk.format("POST", "/v1/reservations", '
        '{["content-type"] = "application/json"},\n'
        f'    string.format(\'{{"order_id":"%d-%d","user_id":"u1","lines":'
        f'[{{"lot":"{lot}","quantity":1}}]}}\', run, n))\n'
        'end\n'
    )
    return wrk(server.port, clients, seconds, "-s", script)


# ---- our own load generators ----


def parse_order_load(out):
    told = json.loads(out)
    if told["refused"]:
        raise Failed(f"order_load: {told['refused']} requests were refused")
    return told


def order_load(server, connections, streams, requests, *extra):
    return parse_order_load(
        run(TOOLS / "order_load", "--target", f"127.0.0.1:{server.port}",
            "--connections", connections, "--streams", streams, "--requests", requests, *extra))


def parse_tally_bench(text, sold_out=False):
    """The rate after the first second, which is to warm up; the p99 is the largest of these seconds',
    so the real one is no larger. Nothing may have failed, nor be missing in the audit."""
    report = json.loads(text)
    wrong = {name: report["audit"][name] for name in AUDITED if report["audit"][name]}
    if wrong:
        raise Failed(f"tally bench: {wrong}")
    stage = report["stages"][0]
    unwanted = "accepted" if sold_out else "refused"
    if stage["errors"] or stage[unwanted]:
        raise Failed(f"tally bench: {stage['errors']} errors, {stage[unwanted]} {unwanted}")
    seconds = [point for point in report["series"]
               if 1 <= point["at_s"] <= stage["duration_s"] - 0.99]
    answered = [point for point in seconds if point["achieved_per_s"]]
    if not answered:
        raise Failed("tally bench: no order was answered after the first second")
    return Measured(statistics.mean(point["achieved_per_s"] for point in seconds),
                    statistics.median(point["p50_ms"] for point in answered),
                    max(point["p99_ms"] for point in answered))


def tally_bench(server, protocol, connections, streams, seconds, lot, sold_out=False):
    """Orders of one unit on one lot, each with an order_id of its own, by the product's own load
    generator, which counts afterwards."""
    report = server.folder / "bench.json"
    command = [TALLY, "bench", "--target", f"127.0.0.1:{server.port}", "--protocol", protocol,
               "--model", "steady", "--closed", "--connections", connections, "--streams", streams,
               "--threads", 1, "--duration", f"{1 + max(1, round(seconds))}s", "--lot", lot,
               "--look-ups", LOOK_UPS, "--json", report]
    run(*command, timeout=300 + seconds)
    measured = parse_tally_bench(report.read_text(), sold_out)
    measured.command = shown_command(command)
    return measured


# ---- redis-benchmark ----


def parse_redis_benchmark(out):
    """Its --csv: the first column is the command in quotes, commas and all; numbers follow."""
    lines = out.strip().splitlines()
    numbers = re.search(r'"((?:,"[\d.]+")+)\s*$', lines[-1]) if len(lines) > 1 else None
    if not numbers:
        raise Failed(f"redis-benchmark: {lines[-1] if lines else 'it said nothing'}")
    names = [n.strip('"') for n in lines[0].split(",")][1:]
    told = dict(zip(names, (float(x) for x in re.findall(r'"([\d.]+)"', numbers.group(1)))))
    return Measured(told["rps"], told["p50_latency_ms"], told["p99_latency_ms"])


def redis_orders(server, clients, seconds, pipeline=1, with_order_id=False, rate=None):
    """One call of a script for each order. rate: a guess at it, because redis-benchmark counts calls
    instead of seconds; without one a short run before makes it."""
    def cli(*words):
        return run("redis-cli", "-p", server.port, *words).strip()

    pipeline = min(pipeline, clients)
    stock = 2_000_000_000
    cli("set", "stock", stock)
    script = REDIS_ORDER_SCRIPT if with_order_id else REDIS_SCRIPT
    words = ["EVALSHA", cli("script", "load", script)]
    words += ["2", "stock", "order:__rand_int__"] if with_order_id else ["1", "stock"]
    command = ["redis-benchmark", "-p", server.port, "-c", clients // pipeline, "-P", pipeline,
               *(["-r", 2_000_000_000] if with_order_id else []), "--csv", "-n"]
    if rate is None:
        rate = parse_redis_benchmark(run(*command, max(2000, 4 * clients), *words)).per_s
    sent = int(max(4 * clients, rate * seconds))
    before = int(cli("get", "stock"))
    measured = parse_redis_benchmark(run(*command, sent, *words, timeout=240))
    taken = before - int(cli("get", "stock"))
    if not sent * 0.999 <= taken <= sent + clients:  # an order_id may come twice
        raise Failed(f"redis-benchmark: {sent} orders, but {taken} units were taken")
    measured.command = shown_command([*command, sent, *words])
    return measured


# ---- MariaDB ----


def parse_sql_load(out):
    told = json.loads(out)
    if told["orders"] == 0:
        raise Failed(f"none of {told['clients']:,} clients finished an order in "
                     f"{told['seconds']:g} s ({told['repeats']:,} repeats)")
    note = f"{told['repeats'] / max(1, told['finished']):,.1f} repeats an order" \
        if told["repeats"] else ""
    return Measured(told["orders_per_s"], told["p50_ms"], told["p99_ms"], told["p99_at_least"],
                    note)


def sql_orders(server, how, clients, seconds):
    """`how`: version, condition or recorded, as sql_load.c says."""
    def stock():
        return int(server.sql("SELECT stock FROM shop.stock WHERE id = 1"))

    before = stock()
    command = [TOOLS / "sql_load", "--port", server.port, "--clients", clients, "--how", how,
               "--warm-up", 1, "--seconds", seconds]
    out = run(*command, timeout=180 + seconds)
    finished = json.loads(out)["finished"]
    taken = before - stock()
    if not finished <= taken <= finished + clients:
        raise Failed(f"sql_load: {finished} orders succeeded, but {taken} units were taken")
    measured = parse_sql_load(out)
    measured.command = shown_command(command)
    return measured
