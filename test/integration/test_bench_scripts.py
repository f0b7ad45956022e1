#!/usr/bin/python3
"""The benchmark's scripts without any server: what they read of the clients' output, what they make
of it, and that a server is stopped whatever happens."""
import contextlib
import io
import json
import os
import pathlib
import sys
import tempfile
import unittest
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
import chart  # noqa: E402
import cluster  # noqa: E402
import drivers  # noqa: E402
import machine  # noqa: E402
import process  # noqa: E402
import run as bench_run  # noqa: E402
import shapes  # noqa: E402
import side_by_side  # noqa: E402
from process import Failed  # noqa: E402

H2LOAD = """Main benchmark duration is over for thread #0. Stopping all clients.
Stopped all clients for thread #0

finished in 3.00s, 173837.50 req/s, 5.14MB/s
requests: 347675 total, 347675 started, 347675 done, 347675 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 347675 2xx, 0 3xx, 0 4xx, 0 5xx
"""
WRK = """Running 2s test @ http://127.0.0.1:9955/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   741.80us  529.98us  12.72ms   96.20%
    Req/Sec    92.92k     9.87k  108.41k    70.00%
  Latency Distribution
     50%  631.00us
     75%  815.00us
     90%    1.04ms
     99%    2.91ms
  185187 requests in 2.00s, 26.31MB read
Requests/sec:  94350.47
Transfer/sec:     13.41MB
"""
REDIS = '''"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"
"EVALSHA 872e 2 stock order:1,2","74074.07","0.434","0.104","0.303","1.023","3.967","9.271"
'''
SQL = {"how": "version", "clients": 128, "seconds": 3, "orders": 88, "orders_per_s": 29.33,
       "p50_ms": 1567.224, "p99_ms": 2999.842, "p99_at_least": True, "finished": 132,
       "repeats": 15893, "failures": 0, "last_error": 0, "oldest_ms": 2999.9}


def tally_report(**changed):
    stage = {"duration_s": 4.0, "accepted": 1000, "refused": 0, "errors": 0}
    stage.update({k: v for k, v in changed.items() if k in stage})
    audit = {"oversold": 0, "undersold": 0, "lost": 0, "duplicated": 0}
    audit.update({k: v for k, v in changed.items() if k in audit})
    series = [{"at_s": float(i), "achieved_per_s": rate, "p50_ms": 1.0, "p99_ms": p99}
              for i, (rate, p99) in enumerate([(10.0, 900.0), (100.0, 5.0), (300.0, 9.0),
                                               (200.0, 7.0), (1.0, 800.0)])]
    return json.dumps({"stages": [stage], "series": series, "audit": audit})


class Drivers(unittest.TestCase):
    def test_h2load(self):
        self.assertEqual(drivers.parse_h2load(H2LOAD), 173837.5)
        self.assertEqual(drivers.parse_h2load(H2LOAD, 347675), 173837.5)
        for wrong in (H2LOAD.replace("347675 succeeded, 0 failed", "347674 succeeded, 1 failed"),
                      H2LOAD.replace("347675 done, 347675", "0 done, 0"), "", "h2load: no\n"):
            with self.assertRaises(Failed):
                drivers.parse_h2load(wrong)
        with self.assertRaises(Failed):
            drivers.parse_h2load(H2LOAD, 347676)

    def test_the_log_of_h2load_gives_percentiles(self):
        with tempfile.NamedTemporaryFile("w", suffix=".log") as log:
            log.write("".join(f"179539906885{i}\t200\t{i * 10}\n" for i in range(1, 201)))
            log.flush()
            p50, p99 = drivers.parse_h2load_log(log.name)
        self.assertAlmostEqual(p50, 1.01)
        self.assertAlmostEqual(p99, 1.99)

    def test_wrk(self):
        told = drivers.parse_wrk(WRK)
        self.assertEqual((told.per_s, told.p50_ms, told.p99_ms), (94350.47, 0.631, 2.91))
        for odd in ("  Non-2xx or 3xx responses: 3\n",
                    "  Socket errors: connect 0, read 0, write 0, timeout 7\n"):
            with self.assertRaises(Failed):
                drivers.parse_wrk(WRK + odd)

    def test_durations_of_wrk(self):
        for text, ms in (("631.00us", 0.631), ("2.91ms", 2.91), ("1.07s", 1070), ("1.50m", 90_000)):
            self.assertAlmostEqual(drivers.duration_ms(text), ms)

    def test_redis_benchmark_whose_command_has_commas(self):
        told = drivers.parse_redis_benchmark(REDIS)
        self.assertEqual((told.per_s, told.p50_ms, told.p99_ms), (74074.07, 0.303, 3.967))
        with self.assertRaisesRegex(Failed, "NOSCRIPT"):
            drivers.parse_redis_benchmark("Error from server: NOSCRIPT No matching script.\n")

    def test_sql_load(self):
        told = drivers.parse_sql_load(json.dumps(SQL))
        self.assertEqual((told.per_s, told.p99_ms, told.at_least), (29.33, 2999.842, True))
        self.assertEqual(told.note, "120.4 repeats an order")
        with self.assertRaisesRegex(Failed, "none of 128 clients finished an order in 3 s"):
            drivers.parse_sql_load(json.dumps({**SQL, "orders": 0}))

    def test_tally_bench_counts_whole_seconds_after_the_first(self):
        told = drivers.parse_tally_bench(tally_report())
        self.assertEqual((told.per_s, told.p50_ms, told.p99_ms), (200, 1.0, 9.0))

    def test_tally_bench_with_a_lost_order_or_an_error_is_no_figure(self):
        for wrong in ({"lost": 1}, {"oversold": 1}, {"undersold": 1}, {"duplicated": 1},
                      {"errors": 1}, {"refused": 1}):
            with self.assertRaises(Failed, msg=wrong):
                drivers.parse_tally_bench(tally_report(**wrong))
        drivers.parse_tally_bench(tally_report(refused=7, accepted=0), sold_out=True)
        with self.assertRaises(Failed):
            drivers.parse_tally_bench(tally_report(refused=7, accepted=1), sold_out=True)

    def test_shapes_have_as_many_streams_as_there_are_clients(self):
        for clients in side_by_side.LEVELS:
            connections, streams = drivers.shape(clients)
            self.assertEqual(connections * streams, clients)
            self.assertLessEqual(streams, drivers.STREAMS_MAX)

    def test_commands_are_shown_without_the_folders_of_a_run(self):
        self.assertEqual(drivers.shown_command(["/a/b/tally", "bench", "--json", "/tmp/x/y.json", 3]),
                         "tally bench --json y.json 3")


class Processes(unittest.TestCase):
    def test_a_program_that_is_missing_fails_or_hangs_is_told(self):
        with self.assertRaisesRegex(Failed, "no-such-program is not installed"):
            process.run("no-such-program")
        with self.assertRaisesRegex(Failed, "sh failed .3.: too bad"):
            process.run("sh", "-c", "echo too bad >&2; exit 3")
        with self.assertRaisesRegex(Failed, "sleep did not finish"):
            process.run("sleep", "60", timeout=0.05)

    def test_a_server_that_ends_at_once_is_told_with_its_last_words(self):
        with tempfile.TemporaryDirectory() as folder:
            with self.assertRaisesRegex(Failed, "did not start: no room"):
                process.Process(["sh", "-c", "echo no room"], process.free_port(), f"{folder}/log")

    def test_a_server_is_stopped_when_the_run_is_interrupted(self):
        code = ("import socket, sys, time; s = socket.socket(); "
                "s.bind(('127.0.0.1', int(sys.argv[1]))); s.listen(); time.sleep(600)")
        port = process.free_port()
        with tempfile.TemporaryDirectory() as folder, contextlib.suppress(KeyboardInterrupt):
            with process.Process([sys.executable, "-c", code, port], port,
                                 f"{folder}/log") as server:
                os.kill(server.process.pid, 0)
                raise KeyboardInterrupt
        self.assertIsNotNone(server.process.returncode)


def results(**cells):
    """A results object with three rows: ours, a peer of two levels, and one that did not start."""
    def measured(per_s, p99_ms, **more):
        return {"per_s": per_s, "p50_ms": p99_ms / 2, "p99_ms": p99_ms, "at_least": False, "note": "",
                "command": "client --clients 1", **more}
    rows = [row for row in side_by_side.ROWS
            if row.key in ("tally-grpc", "redis-always", "mariadb-version")]
    refused = {"reason": "mariadbd did not start: <no> room", "applicable": True}
    raw = {
        "tally-grpc": {1: [measured(3000, 0.5), measured(5000, 0.4), measured(4000, 0.6)],
                       1024: [measured(90_000, 30)] * 3},
        "redis-always": {1: [measured(6000, 0.3), measured(5000, 0.3), measured(2000, 0.3)],
                         1024: [measured(45_000, 20), refused, measured(90_000, 25)]},
        "mariadb-version": {1: [measured(2000, 1)] * 3, 1024: [refused] * 3},
        **cells,
    }
    return {"line": "2 cores", "machine": {"system": "Debian", "data_on": "ext4", "load": [0.1],
                                           "fdatasync_4kib_us": 170},
            "versions": {"redis-server": "7.0"}, "rounds": 3, "seconds": 3, "minutes": 20,
            "levels": [1, 1024], "rows": side_by_side.summarise(rows, [1, 1024], raw)}


class Tables(unittest.TestCase):
    def test_a_ratio_is_the_median_of_the_rounds_ratios(self):
        ours, redis, mariadb = results()["rows"]
        self.assertEqual(ours["cells"]["1"]["per_s"], 4000)
        self.assertNotIn("ratio", ours["cells"]["1"])
        self.assertEqual(redis["cells"]["1"]["ratio"], 1.0)  # of 0.5, 1 and 2; not 4000 / 5000
        self.assertEqual(mariadb["cells"]["1"]["ratio"], 2.0)

    def test_a_round_that_failed_is_left_out_of_the_ratio_and_told(self):
        cell = results()["rows"][1]["cells"]["1024"]
        self.assertEqual(cell["per_s"], 67_500)
        self.assertEqual(cell["ratio"], 1.5)
        self.assertIn("1 of 3 rounds: mariadbd did not start", cell["note"])

    def test_a_cell_that_was_not_run_says_why(self):
        made = results()
        self.assertEqual(made["rows"][2]["cells"]["1024"]["reason"],
                         "mariadbd did not start: <no> room")
        text = side_by_side.readme_table(made["rows"], made["levels"])
        self.assertIn("none [1]", text)
        self.assertIn("[1] mariadbd did not start: &lt;no&gt; room", text)
        self.assertIn("**× 2.0**", text)
        widths = {line.count("|") for line in text.splitlines() if line.startswith("|")}
        self.assertEqual(widths, {5})

    def test_a_failure_in_a_cell_does_not_end_the_run(self):
        def measure(_, clients, __):
            if clients == 16:
                raise Failed("no room")
            return drivers.Measured(10.0, 1, 2)
        row = side_by_side.Row("x", "X", (), "by hand", "", measure)
        with contextlib.redirect_stdout(io.StringIO()):
            cells = side_by_side.measure_all(side_by_side.Context(None), [row], [1, 16, 128], 2, 1)
        self.assertEqual([len(c) for c in cells["x"].values()], [2, 2, 2])
        self.assertEqual(cells["x"][16][0]["reason"], "no room")
        self.assertEqual(cells["x"][128][1]["per_s"], 10)

    def test_figures_are_short_and_right(self):
        for value, text in ((0.5, "0.5"), (137.2, "137"), (9994, "9,994"), (12_345, "12 k"),
                            (999_400, "999 k"), (1_234_567, "1.23 M")):
            self.assertEqual(side_by_side.short(value), text)
        for value, text in ((0.123, "0.12 ms"), (4.14, "4.1 ms"), (999, "999 ms"), (1234, "1.2 s")):
            self.assertEqual(side_by_side.short_ms(value), text)
        for value, text in ((0.456, "0.46"), (2.34, "2.3"), (46.7, "47"), (12_345, "12,000")):
            self.assertEqual(side_by_side.short_ratio(value), text)

    def test_the_page_and_the_readme_are_made_whole(self):
        page = side_by_side.page(results())
        for part in ("## What an answer means", "Redis, script, appendfsync always",
                     "redis-server 7.0", "client --clients 1", "throughput.svg"):
            self.assertIn(part, page)
        self.assertIn("(bench/results/side_by_side.md)", side_by_side.readme_section(results()))
        text = f"before\n{side_by_side.BEGIN}old\n{side_by_side.END}after\n"
        self.assertEqual(side_by_side.between(text, "new\n"),
                         f"before\n{side_by_side.BEGIN}new\n{side_by_side.END}after\n")
        with self.assertRaises(Failed):
            side_by_side.between("no markers", "new")

    def test_the_readme_has_the_markers(self):
        side_by_side.between((ROOT / "README.md").read_text(), "")

    def test_every_peer_is_held_against_a_row_of_ours(self):
        for row in side_by_side.ROWS:
            self.assertEqual(not row.beside, row.key.startswith("tally"), row.key)
            if row.beside:
                self.assertIn(row.beside, side_by_side.BY_KEY)
            for promise in row.promises:
                self.assertIn(promise, side_by_side.PROMISES)

    def test_a_shape_that_meets_its_goal_says_so(self):
        row = {"row": "a", "what": "A", "goal": "0.5 ×", "unit": "/s", "ours": 60.0, "peer": 100.0,
               "ratio": 0.6, "at_most": False}
        late = {**row, "goal": "at most 3 ×", "ratio": 3.1, "at_most": True}
        text = shapes.table([row, late])
        self.assertIn("**0.60** | met |", text)
        self.assertIn("**3.10** | missed |", text)


class ClusterTables(unittest.TestCase):
    def test_a_ratio_is_the_median_of_the_rounds_and_what_was_left_out_has_no_row(self):
        rounds = [{"hot": 40_000, "classic": 10_000}, {"hot": 20_000, "classic": 20_000},
                  {"hot": 30_000, "classic": 10_000}]
        text = cluster.table(rounds, ["hot", "hot-classic", "three"])
        self.assertIn("| ≥ 30,000 | 30,000 | met |", text)
        self.assertIn("| ≥ 2 | 3 | met |", text)
        self.assertNotIn("| three |", text)

    def test_a_goal_that_is_a_most_is_missed_above_it(self):
        rounds = [{"one": 900.0, "update": 200.0}]
        self.assertIn("| ≤ 3 | 4.50 | missed |", cluster.table(rounds, ["one"]))

    def test_a_setting_that_the_build_lacks_is_named(self):
        text = cluster.page({"machine": "m", "rounds": [{"redis": 5}], "rows": ["sold-out"],
                             "left_out": ["gate"]})
        self.assertIn("no such setting: gate.", text)
        self.assertIn("| Redis alone, a script call per order, 50 connections | 5/s |", text)


class Charts(unittest.TestCase):
    def test_they_are_xml_with_a_line_and_a_name_for_each_row(self):
        for draw in (chart.throughput, chart.latency):
            root = xml.etree.ElementTree.fromstring(draw(results()))
            paths = [e for e in root.iter("{http://www.w3.org/2000/svg}path")
                     if e.get("class", "").startswith("line")]
            self.assertEqual(len(paths), 3)
            texts = [e.text for e in root.iter("{http://www.w3.org/2000/svg}text")]
            for key in ("tally-grpc", "redis-always", "mariadb-version"):
                self.assertIn(chart.LINES[key][3], texts)

    def test_nothing_measured_is_an_empty_chart(self):
        refused = {1: [{"reason": "no", "applicable": True}], 1024: [{"reason": "no",
                                                                      "applicable": True}]}
        made = results(**{"tally-grpc": refused, "redis-always": refused,
                          "mariadb-version": refused})
        xml.etree.ElementTree.fromstring(chart.throughput(made))

    def test_the_lines_are_of_rows_that_there_are_and_look_different(self):
        looks = [line[:3] for line in chart.LINES.values()]
        self.assertEqual(len(set(looks)), len(looks))
        for key, (family, *_) in chart.LINES.items():
            self.assertIn(key, side_by_side.BY_KEY)
            self.assertIn(family, chart.COLOURS)

    def test_names_do_not_overlap_and_keep_their_order(self):
        wanted = [100, 40, 41, 42, 499, 500]
        places = chart.spread(wanted, 17, 40, 500)
        ordered = [places[i] for i in sorted(range(6), key=lambda i: wanted[i])]
        for above, below in zip(ordered, ordered[1:]):
            self.assertGreaterEqual(below - above, 17)
        self.assertLessEqual(max(places), 500)
        self.assertGreaterEqual(min(places), 40)

    def test_a_logarithmic_axis_has_equal_decades(self):
        scale = chart.Scale(1, 1000, 0, 300)
        self.assertEqual([round(scale(v)) for v in (1, 10, 100, 1000)], [0, 100, 200, 300])
        self.assertEqual(chart.decades([20, 3000]), [10, 100, 1000, 10_000])


class Commands(unittest.TestCase):
    def test_rows_may_follow_the_options(self):
        parsed = bench_run.parse(["shapes", "--rounds", "2", "grpc-10x100", "memory"])
        self.assertEqual((parsed.part, parsed.rounds, parsed.rows),
                         ("shapes", 2, ["grpc-10x100", "memory"]))
        self.assertEqual(bench_run.parse(["peers", "--levels", "1,16"]).levels, [1, 16])
        self.assertIsNone(bench_run.parse([]).part)

    def test_the_machine_describes_itself(self):
        with tempfile.TemporaryDirectory() as folder:
            told = machine.description(folder)
        self.assertGreater(told["cores"], 0)
        self.assertGreater(told["fdatasync_4kib_us"], 0)
        self.assertNotEqual(machine.filesystem("/"), "unknown")


if __name__ == "__main__":
    unittest.main()
