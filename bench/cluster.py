"""Cluster mode beside the algorithm that most shops use, and beside what its servers do alone.

Every figure of a round is measured once, each on fresh servers, before the next round begins, so that a ratio
compares what ran side by side; a ratio is the median of the rounds' ratios. The client, our nodes, MariaDB
(flush at every commit, no binary log) and Redis share the same cores.

The classic algorithm is bench/classic: the same client drives it, with the same calls. What it says yes to is
counted by the client; what became of it, by looking at MySQL after everything that it had under way has ended.

A figure whose setting this build of tally does not have is left out, and so is its row.
"""
import concurrent.futures
import contextlib
import json
import statistics
import sys
import urllib.parse

import drivers
import machine
import peers
from peers import UNITS, Tally
from process import ROOT, TALLY, TOOLS, Failed, Process, free_port, run

sys.path[:0] = [str(ROOT / "test/lib"), str(ROOT / "deploy/cluster")]
# pylint: disable=wrong-import-position
from members import known_settings, secret_file, takes
from peer_mariadb import DATABASE, PASSWORD, USER, MariaDb
from peer_process import Missing
from peer_redis import Redis
from tally_server import ServerFailed

RESULTS = ROOT / "bench/results"
CLASSIC = ROOT / "build/peers/classic"
LOT = "stock-1"
SHAPE = (10, 100)
ORDERS = 300_000
CLASSIC_ORDERS = 60_000
SCARCE = 300  # units, of which the classic algorithm sells more
SCARCE_ORDERS = 20_000
LOTS = 10_000
BATCH = 1000
SETTINGS = ("--innodb-buffer-pool-size=256M", "--innodb-log-file-size=512M", "--skip-log-bin",
            "--max-connections=1000")
SHARED = {"ledger", "gate"}

ROWS = {  # what, goal, its sign, the ratio of two figures or a figure
    "hot": ("durable orders a second on one hot lot, 10 × 100", 30_000, ">=", "hot", None),
    "hot-classic": ("the same, of the classic algorithm's yeses", 2, ">=", "hot", "classic"),
    "hot-version": ("the same, of MariaDB with a version check per order, 64 clients", 20, ">=", "hot",
                    "version"),
    "hot-raw": (f"the same, of MariaDB in raw batches of {BATCH:,}", 0.4, ">=", "hot", "raw"),
    "three": ("three nodes, unrouted, one hot lot, of one node", 0.7, ">=", "three", "hot"),
    "many": (f"{LOTS:,} lots, uniform, of one lot", 0.6, ">=", "many", "hot"),
    "one": ("one order at a time, p50, of one conditional UPDATE with its commit", 3, "<=", "one", "update"),
    "sold-out": ("sold-out refusals, of one Redis script call per order, 50 connections", 3, ">=", "soldout",
                 "redis"),
    "reads": ("cached reads of one hot lot, of the embedded server's", 0.9, ">=", "reads", "embedded"),
}
FIGURES = {  # of a round: what, and what it is counted in
    "hot": ("one node, one hot lot, orders", "/s"),
    "three": ("three nodes, one hot lot, orders", "/s"),
    "many": (f"one node, {LOTS:,} lots, orders", "/s"),
    "one": ("one order at a time, p50", " µs"),
    "soldout": ("sold-out refusals", "/s"),
    "reads": ("cached reads of one lot", "/s"),
    "embedded": ("the embedded server's reads of one lot", "/s"),
    "raw": (f"MariaDB alone, {BATCH:,} orders a commit", "/s"),
    "version": ("MariaDB alone, version check per order, 64 clients", "/s"),
    "update": ("MariaDB alone, one conditional UPDATE, p50", " µs"),
    "redis": ("Redis alone, a script call per order, 50 connections", "/s"),
    "classic": ("the classic algorithm says yes", "/s"),
    "classic_stored": ("of which MySQL has the order", "/s"),
    "classic_lost": ("yeses that have no order in MySQL", " %"),
    "classic_oversold": (f"yeses it gives with {SCARCE} units", ""),
    "classic_waits_1": ("the classic algorithm, waiting for MySQL, 1 client", "/s"),
    "classic_waits_128": ("the same, 128 clients", "/s"),
}


class Stand:
    """A MariaDB and a Redis, both empty, and nodes on them."""

    def __init__(self, places):
        self.places = places
        self.stack = contextlib.ExitStack()

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            place = self.places.place()
            place.chmod(0o711)  # MariaDB runs as a user of its own
            self.mariadb = stack.enter_context(MariaDb(*SETTINGS, folder=place / "mariadb"))
            self.redis = stack.enter_context(Redis("--tcp-backlog", 4096, folder=place / "redis"))
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self.stack.close()

    def node(self):
        """One more of ours."""
        place = self.places.place()
        redis = f"redis://{self.redis.address}"
        wanted = {"ledger": f"mysql://{USER}@{self.mariadb.address}/{DATABASE}",
                  "ledger-password-file": secret_file(place, "password", PASSWORD),
                  "gate": redis}
        known = known_settings(TALLY)
        if "cache" in known:
            wanted["cache"] = redis if takes(known, "cache", redis) else "local"
        flags = [str(word) for name, value in wanted.items() if takes(known, name, value)
                 for word in (f"--{name}", value)]
        return self.stack.enter_context(Tally(place, *flags))

    def shop(self):
        """The tables of those who are measured without us."""
        self.mariadb.sql(peers.MARIADB_SCHEMA)
        return self.mariadb


# ---- ours ----


def load(server, requests, *words):
    return drivers.order_load(server, *SHAPE, requests, "--order-ids", "--users", *words)


def hot(places, scale):
    count = int(ORDERS * scale)
    with Stand(places) as stand:
        server = stand.node()
        lot = server.create_lot("COLA", UNITS)
        load(server, count // 10, "--lot", lot)
        return {"hot": load(server, count, "--lot", lot)["requests_per_s"]}


def three(places, scale):
    """Each node has a client of its own, all at once."""
    count = int(ORDERS * scale) // 3
    with Stand(places) as stand, concurrent.futures.ThreadPoolExecutor() as pool:
        nodes = [stand.node() for _ in range(3)]
        lot = nodes[0].create_lot("COLA", UNITS)
        for server in nodes:
            load(server, count // 10, "--lot", lot)
        rates = list(pool.map(lambda s: load(s, count, "--lot", lot)["requests_per_s"], nodes))
        # Over the time of the slowest.
        return {"three": 3 * min(rates)}


def many(places, scale):
    count = int(ORDERS * scale)
    with Stand(places) as stand:
        server = stand.node()
        lots = server.lots_file(LOTS)
        load(server, count // 10, "--lots", lots)
        return {"many": load(server, count, "--lots", lots)["requests_per_s"]}


def one(places, scale):
    with Stand(places) as stand:
        server = stand.node()
        lot = server.create_lot("COLA", UNITS)
        told = drivers.order_load(server, 1, 1, max(200, int(3000 * scale)), "--order-ids", "--users",
                                  "--lot", lot)
        return {"one": told["p50_us"]}


def soldout(places, scale):
    with Stand(places) as stand:
        server = stand.node()
        lot = server.create_lot("COLA", 1)
        server.post("/v1/reservations", {"user_id": "first", "lines": [{"lot": lot, "quantity": 1}]})
        return {"soldout": drivers.tally_bench(server, "grpc", *SHAPE, 5 * scale, lot, True).per_s}


def read_lot(server, scale):
    lot = server.create_lot("COLA", UNITS)
    path = "/v1/lots/" + urllib.parse.quote(lot, safe="")
    return drivers.wrk(server.port, 64, 5 * scale, path=path).per_s


def reads(places, scale):
    with Stand(places) as stand:
        return {"reads": read_lot(stand.node(), scale)}


def embedded(places, scale):
    with Tally(places.place()) as server:
        return {"embedded": read_lot(server, scale)}


# ---- beside ours ----


def mariadb_alone(places, scale):
    with Stand(places) as stand:
        server = stand.shop()
        raw = run(TOOLS / "raw_mariadb", server.port, int(ORDERS * scale), BATCH)
        version = drivers.sql_orders(server, "version", 64, 5 * scale)
        update = drivers.sql_orders(server, "condition", 1, 3 * scale)
        return {"raw": json.loads(raw)["orders_per_s"], "version": version.per_s,
                "update": update.p50_ms * 1000}


def redis_alone(places, scale):
    with peers.redis(places.place()) as server:
        return {"redis": drivers.redis_orders(server, 50, 5 * scale).per_s}


class Classic(Process):
    """The classic algorithm; what became of its yeses is known once it has ended."""

    def __init__(self, stand, place, units, *flags):
        if not CLASSIC.exists():
            raise Failed(f"{CLASSIC} is not there: it needs Go (./dev bench cluster builds it)")
        self.stand, self.log_path = stand, place / "log"
        port = free_port()
        dsn = f"{USER}:{PASSWORD}@tcp({stand.mariadb.address})/{DATABASE}"
        super().__init__([CLASSIC, "--listen", f"127.0.0.1:{port}", "--mysql", dsn, "--redis",
                          stand.redis.address, "--stock", f"{LOT}={units}", *flags], port, self.log_path)

    def load(self, clients, orders):
        """Yeses, and how many a second; refusals are no failure here."""
        connections, streams = clients
        told = json.loads(run(
            TOOLS / "order_load", "--target", f"127.0.0.1:{self.port}", "--connections", connections,
            "--streams", streams, "--requests", orders, "--order-ids", "--users", "--lot", LOT))
        return told["ok"], told["ok"] * told["requests_per_s"] / orders

    def stored(self):
        """Orders in MySQL, when nothing is under way any more."""
        self.stop()
        return int(self.stand.mariadb.sql(f"SELECT count(*) FROM {DATABASE}.classic_orders"))


def classic(places, scale):
    with Stand(places) as stand, Classic(stand, places.place(), UNITS) as server:
        yes, yes_per_s = server.load(SHAPE, int(CLASSIC_ORDERS * scale))
        if not yes:
            raise Failed("the classic algorithm never said yes")
        stored = server.stored()
    got = {"classic": yes_per_s, "classic_stored": yes_per_s * stored / yes,
           "classic_lost": 100 * (yes - stored) / yes}
    with Stand(places) as stand, Classic(stand, places.place(), SCARCE) as server:
        got["classic_oversold"] = server.load(SHAPE, int(SCARCE_ORDERS * scale))[0]
    for clients in ((1, 1), (1, 128)):
        with Stand(places) as stand, Classic(stand, places.place(), UNITS, "--wait") as server:
            yes, per_s = server.load(clients, max(200, int(4000 * scale)))
            if yes != server.stored():
                raise Failed("the classic algorithm waits for MySQL, and says yes to what is not there")
            got[f"classic_waits_{clients[1]}"] = per_s
    return got


# ---- the run ----

MEASURES = {  # the settings that it needs, and the rows that want it
    hot: (SHARED, ("hot", "hot-classic", "hot-version", "hot-raw", "three", "many")),
    classic: (set(), ("hot-classic",)),
    mariadb_alone: (set(), ("hot-version", "hot-raw", "one")),
    three: (SHARED, ("three",)),
    many: (SHARED, ("many",)),
    one: (SHARED, ("one",)),
    soldout: (SHARED, ("sold-out",)),
    redis_alone: (set(), ("sold-out",)),
    reads: (SHARED | {"cache"}, ("reads",)),
    embedded: (set(), ("reads",)),
}


def one_round(places, scale, rows, known):
    got = {}
    for measure, (needs, wanted) in MEASURES.items():
        if needs <= known and set(wanted) & set(rows):
            got.update(measure(places, scale))
    return got


def measured(row, figures):
    """The row's figure or ratio in one round; None if something of it was left out."""
    over, under = ROWS[row][3:]
    if over not in figures or (under and under not in figures):
        return None
    return figures[over] / figures[under] if under else figures[over]


def shown(value):
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.2f}"


def table(rounds, rows):
    lines = ["| row | what | goal | measured | |", "|---|---|---|---|---|"]
    for row in rows:
        what, goal, sign = ROWS[row][:3]
        values = [v for v in (measured(row, figures) for figures in rounds) if v is not None]
        if not values:
            continue
        middle = statistics.median(values)
        met = middle >= goal if sign == ">=" else middle <= goal
        lines.append(f"| {row} | {what} | {'≥' if sign == '>=' else '≤'} {shown(goal)} | {shown(middle)} | "
                     f"{'met' if met else 'missed'} |")
    return "\n".join(lines) + "\n"


def figures_table(rounds):
    lines = ["| figure | median |", "|---|---|"]
    for name, (what, unit) in FIGURES.items():
        values = [figures[name] for figures in rounds if name in figures]
        if values:
            lines.append(f"| {what} | {shown(statistics.median(values))}{unit} |")
    return "\n".join(lines) + "\n"


def page(results):
    left = "".join(f"\nLeft out, since this build of tally has no such setting: {name}.\n"
                   for name in results["left_out"])
    return f"""# Cluster mode

{results['machine']}

Medians of {len(results['rounds'])} rounds; `./dev bench cluster` repeats it. Servers, nodes and client share the
cores; MariaDB flushes at every commit.
{left}
{table(results['rounds'], results['rows'])}
{figures_table(results['rounds'])}"""


def main(places, arguments):
    scale = arguments.scale * (0.1 if arguments.quick else 1)
    rows = arguments.rows or list(ROWS)
    for row in rows:
        if row not in ROWS:
            raise Failed(f"no row {row!r}; there are: {', '.join(ROWS)}")
    known = set(known_settings(TALLY))
    needed = set().union(*(needs for needs, wanted in MEASURES.values() if set(wanted) & set(rows)))
    rounds = []
    try:
        for i in range(arguments.rounds):
            rounds.append(one_round(places, scale, rows, known))
            print(f"  round {i + 1}: " + ", ".join(f"{k} {shown(v)}" for k, v in rounds[-1].items()),
                  flush=True)
    except (ServerFailed, Missing) as reason:
        raise Failed(str(reason)) from None
    results = {"machine": machine.line(), "scale": scale, "rows": rows, "left_out": sorted(needed - known),
               "rounds": rounds}
    print("\n" + page(results))
    if arguments.quick or arguments.rows:
        return
    (RESULTS / "cluster.json").write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    (RESULTS / "cluster.md").write_text(page(results))
