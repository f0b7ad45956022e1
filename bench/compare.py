#!/usr/bin/env python3
"""The benchmark of the embedded server beside its peers, on this machine, in one run.

    ./dev bench                 every row, three rounds, about 25 minutes
    ./dev bench --rounds 1 grpc-10x100 memory

Each row alternates our server and its peer (A B A B ...) and quotes the median of the rounds' ratios:
an absolute figure says more about the machine's neighbours than about the program. All servers run on
loopback ports of their own with data in a temporary folder, and are stopped by their process id.
Writes bench/results/embedded.json and embedded.md, and the table between the markers in README.md.
"""
import argparse
import json
import os
import pathlib
import platform
import re
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
TALLY = ROOT / "build/release/tally"
TOOLS = ROOT / "build/release/bench"
REDIS_SCRIPT = (
    "local n = tonumber(redis.call('GET', KEYS[1])) "
    "if n >= 1 then redis.call('DECR', KEYS[1]) return 1 end return 0"
)
UNITS = 2_000_000_000


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def run(*command, **options):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"{command[0]} failed ({done.returncode}):\n{done.stdout}\n{done.stderr}")
    return done.stdout


class Process:
    """A server of this run: started on a port of its own, stopped by its process id."""

    def __init__(self, command, port, log):
        self.port = port
        self.log = open(log, "ab")
        self.process = subprocess.Popen(
            [str(c) for c in command], stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    sys.exit(f"{command[0]} did not start; see {log}")
                time.sleep(0.01)

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(120)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def memory_kib(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1))


class Tally(Process):
    def __init__(self, folder, *flags):
        port = free_port()
        super().__init__(
            [TALLY, "serve", "--data", folder / "data", "--listen", f"127.0.0.1:{port}", *flags],
            port,
            folder / "tally.log",
        )
        self.folder = folder
        while True:
            try:
                if self.get("/readyz") is not None:
                    return
            except OSError:
                pass
            time.sleep(0.005)

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=60) as answer:
            return answer.read().decode()

    def post(self, path, body):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            json.dumps(body).encode(),
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def create_lot(self, sku, quantity):
        return self.post(
            "/v1/lots",
            {"sku": sku, "flavor": "plain", "size": "330ml_can", "batch": "BATCH-20261122-A",
             "quantity": quantity},
        )["lot"]

    def metric(self, name):
        for line in self.get("/metrics").splitlines():
            if line.startswith(name + " "):
                return float(line.split()[1])
        sys.exit(f"/metrics has no {name}")

    def lots_file(self, count):
        """A file with that many lot keys, made through the bulk import."""
        table = self.folder / "lots.csv"
        with table.open("w") as out:
            out.write("sku,flavor,size,batch,expires_on,quantity\n")
            for i in range(count):
                out.write(f"SKU-{i:06d},plain,330ml_can,BATCH-20261122-A,,1000000\n")
        run(TALLY, "lot", "import", table, "--server", f"127.0.0.1:{self.port}")
        keys, token = [], ""
        while True:
            page = json.loads(
                self.get(f"/v1/lots?page_size=1000&page_token={urllib.parse.quote(token)}")
            )
            keys += [lot["lot"] for lot in page["lots"]]
            token = page["next_page_token"]
            if not token:
                break
        listing = self.folder / "lots.txt"
        listing.write_text("\n".join(keys) + "\n")
        return listing


class Bench:
    def __init__(self, folder, rounds, scale):
        self.folder = folder
        self.rounds = rounds
        self.scale = scale
        self.count = 0
        self.rows = []

    def place(self):
        self.count += 1
        place = self.folder / f"run{self.count}"
        place.mkdir()
        return place

    def requests(self, n):
        return max(1000, int(n * self.scale))

    # ---- the peers ----

    def nghttpd(self):
        place = self.place()
        root = place / "root"
        root.mkdir()
        (root / "index.html").write_text("ok\n")
        port = free_port()
        return Process(
            ["nghttpd", "--no-tls", "-n", "1", "-a", "127.0.0.1", "-d", root, port],
            port, place / "log",
        )

    def nginx(self):
        place = self.place()
        port = free_port()
        config = place / "nginx.conf"
        config.write_text(
            f"daemon off; worker_processes 1; pid {place}/pid; error_log {place}/error.log;\n"
            "events { worker_connections 4096; }\n"
            f"http {{ access_log off; keepalive_requests 100000000;\n"
            f"client_body_temp_path {place}/b; proxy_temp_path {place}/p;\n"
            f"fastcgi_temp_path {place}/f; uwsgi_temp_path {place}/u; scgi_temp_path {place}/s;\n"
            f"server {{ listen 127.0.0.1:{port}; location / {{ return 200 'ok'; }} }} }}\n"
        )
        return Process(["nginx", "-c", config, "-p", place], port, place / "log")

    def redis(self, *flags):
        place = self.place()
        port = free_port()
        return Process(
            ["redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", place, "--save", "",
             *flags],
            port, place / "log",
        )

    # ---- the load ----

    def h2load(self, port, connections, streams, requests, *extra, path="/index.html"):
        out = run(
            "h2load", "-t", 1, "-c", connections, "-m", streams, "-n", requests, *extra,
            f"http://127.0.0.1:{port}{path}",
        )
        done = re.search(r"requests: \d+ total, \d+ started, (\d+) done, (\d+) succeeded", out)
        if not done or int(done.group(2)) != requests:
            sys.exit(f"h2load: not every request succeeded:\n{out}")
        return float(re.search(r", ([\d.]+) req/s", out).group(1))

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
        out = json.loads(
            run(
                TOOLS / "order_load", "--target", f"127.0.0.1:{server.port}",
                "--connections", connections, "--streams", streams, "--requests", requests, *extra,
            )
        )
        if out["refused"]:
            sys.exit(f"order_load: {out['refused']} requests were refused")
        return out

    # ---- one row ----

    def pair(self, name, what, goal, ours, peer, unit="/s"):
        """Alternates; a row holds the medians and the median of the rounds' ratios."""
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
            with b.nghttpd() as server:
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
        with b.redis("--appendonly", "yes", "--appendfsync", "always") as server:
            run("redis-cli", "-p", server.port, "set", "stock", UNITS)
            out = run("redis-benchmark", "-p", server.port, "-c", 500, "-n", n, "--csv",
                      "EVAL", REDIS_SCRIPT, "1", "stock")
            # The first column is the command in quotes, commas and all; numbers follow.
            return float(re.search(r'","([\d.]+)"', out.strip().splitlines()[-1]).group(1))

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


def sold_out(b):
    n = b.requests(1_000_000)

    def ours():
        with Tally(b.place()) as server:
            lot = server.create_lot("COLA", 0)
            b.grpc(server, lot, 10, 100, n // 10)
            return b.grpc(server, lot, 10, 100, n)

    def peer():
        with b.nghttpd() as server:
            b.h2load(server.port, 10, 100, n // 10)
            return b.h2load(server.port, 10, 100, n)

    b.pair("sold-out", "gRPC Reserve on a sold-out lot, 10 × 100, against nghttpd", "0.8 ×",
           ours, peer)


def wrk(port, seconds, *extra, path="/"):
    out = run("wrk", "-t1", "-c64", f"-d{seconds}s", *extra, f"http://127.0.0.1:{port}{path}")
    if "Non-2xx" in out or "Socket errors" in out:
        sys.exit(f"wrk: not every request succeeded:\n{out}")
    return float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))


def http1(b):
    seconds = max(2, int(6 * b.scale))

    def ours():
        with Tally(b.place()) as server:
            lot = server.create_lot("COLA", UNITS)
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
            wrk(server.port, 1, "-s", script)
            return wrk(server.port, seconds, "-s", script)

    def peer():
        with b.nginx() as server:
            wrk(server.port, 1)
            return wrk(server.port, seconds)

    b.pair("http1", "HTTP/1.1 JSON Reserve, wrk -t1 -c64, distinct order_ids, against nginx "
           "return 200", "0.4 ×", ours, peer)


def fdatasync_us(folder, count=400):
    times = []
    block = os.urandom(4096)
    fd = os.open(folder / "sync", os.O_CREAT | os.O_WRONLY)
    for i in range(count):
        start = time.perf_counter()
        os.pwrite(fd, block, i * 4096)
        os.fdatasync(fd)
        times.append(time.perf_counter() - start)
    os.close(fd)
    return statistics.median(times) * 1e6


def one_at_a_time(b):
    def ours():
        with Tally(b.place()) as server:
            lot = server.create_lot("COLA", UNITS)
            b.orders(server, 1, 1, 500, "--lot", lot)
            return b.orders(server, 1, 1, 3000, "--lot", lot)["p50_us"]

    b.pair("latency", "one Reserve at a time, p50, against a 4 KiB fdatasync", "at most 3 ×", ours,
           lambda: fdatasync_us(b.place()), " µs")


def batch(b):
    n = max(20, int(120 * b.scale))

    def ours():
        with Tally(b.place()) as server:
            lot = server.create_lot("COLA", UNITS)
            b.orders(server, 1, 2, 10, "--lot", lot, "--batch", 8190)
            rate = b.orders(server, 1, 2, n, "--lot", lot, "--batch", 8190)["orders_per_s"]
            if server.metric("tally_engine_units_reserved") != (n + 10) * 8190:
                sys.exit("batch: not every order was reserved")
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
                sys.exit("restart: holds are missing")
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


ROWS = {
    "grpc-10x100": grpc_shape(10, 100, 0.5, 1_500_000),
    "grpc-20x500": grpc_shape(20, 500, 0.6, 1_500_000),
    "grpc-500x1": grpc_shape(500, 1, 0.6, 400_000),
    "redis-500": redis_500,
    "order-ids": order_ids,
    "sold-out": sold_out,
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


def machine():
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (f"{os.cpu_count()} cores ({model.group(1) if model else 'unknown'}), "
            f"{memory_gib:.0f} GiB, Linux {platform.release()}, "
            f"{time.strftime('%Y-%m-%d')}; load generator on the same cores")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of: {', '.join(ROWS)}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full request counts")
    arguments = parser.parse_args()
    for name in arguments.rows:
        if name not in ROWS:
            parser.error(f"no row {name!r}; there are: {', '.join(ROWS)}")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tally-bench-"))
    bench = Bench(folder, arguments.rounds, arguments.scale)
    try:
        for name in arguments.rows or ROWS:
            print(name, flush=True)
            ROWS[name](bench)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    text = table(bench.rows)
    print("\n" + text)
    if arguments.rows:
        return
    results = ROOT / "bench/results"
    (results / "embedded.json").write_text(
        json.dumps({"machine": machine(), "rounds": arguments.rounds, "rows": bench.rows},
                   indent=2, ensure_ascii=False) + "\n")
    (results / "embedded.md").write_text(f"{machine()}\n\n{text}")
    readme = ROOT / "README.md"
    begin, end = "<!-- bench:begin -->\n", "<!-- bench:end -->"
    whole = readme.read_text()
    head, rest = whole.split(begin)
    _, tail = rest.split(end)
    readme.write_text(f"{head}{begin}{machine()}\n\n{text}{end}{tail}")


if __name__ == "__main__":
    main()
