#!/usr/bin/python3
"""The life of a server: start, refusals to start, reload, drain, restart, metrics."""
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tally_server import (  # noqa: E402
    PATIENCE_S, TallyServer, clean_environment, tally_binary, wait_for_time, wait_until)


FILES_KEPT = 128 + 256 + 16 + 64  # the ledger's, waiting rooms', imports', the webhook's


def create_lot(server, quantity=1000):
    status, _, lot = server.request("POST", "/v1/lots", {
        "sku": "COLA", "flavor": "lime", "size": "330ml_can",
        "batch": "BATCH-20261122-A", "quantity": quantity})
    assert status == 201, lot
    return lot["lot"]


def order(lot, order_id, **more):
    return {"order_id": order_id, "user_id": "u", "lines": [{"lot": lot, "quantity": 1}], **more}


def run_serve(*flags, env=None):
    """A server that is expected not to start: (exit code, stderr)."""
    done = subprocess.run([tally_binary(), "serve", *flags], capture_output=True, text=True,
                          timeout=PATIENCE_S, env=clean_environment(env), check=False)
    return done.returncode, done.stderr


class Start(unittest.TestCase):
    def test_an_empty_ledger_is_ready_at_once(self):
        with TallyServer() as server:
            ready = server.log_events("server.ready")[0]
            with open(f"/proc/{server.pid}/stat", encoding="ascii") as stat:
                ticks = sum(int(part) for part in stat.read().rpartition(")")[2].split()[11:13])
            self.assertLess(ticks / os.sysconf("SC_CLK_TCK"), 1)  # of the processor's time
            self.assertGreaterEqual(ready["start_ms"], 0)
            self.assertEqual(ready["listen"], server.address)
            self.assertEqual(ready["pid"], server.pid)

    def test_the_data_folder_is_for_its_owner_alone(self):
        with TallyServer() as server:
            self.assertEqual(os.stat(server.data).st_mode & 0o777, 0o700)

    def test_a_second_server_on_the_data_folder_is_told_who_has_it(self):
        with TallyServer() as server:
            code, text = run_serve("--data", server.data, "--listen", "127.0.0.1:0")
            self.assertEqual(code, 5)
            self.assertIn(f"{server.data} is in use by tally, process {server.pid}, "
                          f"listening on {server.address}", text)
            self.assertEqual(server.request("GET", "/readyz")[0], 200)

    def test_a_port_in_use_stops_the_start_and_names_it(self):
        with TallyServer() as server, tempfile.TemporaryDirectory() as folder:
            taken = socket.socket()
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = "127.0.0.1:%d" % taken.getsockname()[1]
            code, text = run_serve("--data", folder + "/data", "--listen", address)
            taken.close()
            self.assertEqual(code, 5, text)
            self.assertIn("cannot listen on " + address, text)
            code, text = run_serve("--data", folder + "/data", "--listen", server.address)
            self.assertEqual(code, 5, text)
            self.assertIn("cannot listen on " + server.address, text)

    def test_what_is_not_understood_stops_the_start(self):
        with tempfile.TemporaryDirectory() as folder:
            config = os.path.join(folder, "tally.conf")
            with open(config, "w", encoding="utf-8") as out:
                out.write("# a comment\nio_workers = many\n")
            for flags, env, words in (
                    (["--config", config], {}, [config + ":2", "io_workers = many", "0 to 64"]),
                    (["--io-worker", "1"], {}, ["--io-worker", "nearest is io_workers"]),
                    ([], {"TALLY_NODE": "1024"}, ["TALLY_NODE", "node = 1024", "0 to 1023"]),
                    (["--config", config + "x"], {}, ["cannot open", config + "x"]),
            ):
                code, text = run_serve("--data", folder + "/data", *flags, env=env)
                self.assertIn(code, (2, 5))
                for word in words:
                    self.assertIn(word, text)
            self.assertFalse(os.path.exists(folder + "/data"))

    def test_several_workers_share_one_port(self):
        with TallyServer("--io-workers", "3") as server:
            lot = create_lot(server)
            for i in range(30):
                self.assertEqual(
                    server.request("POST", "/v1/reservations", order(lot, f"o{i}"))[0], 201)
            text = server.request("GET", "/metrics")[2].decode()
            self.assertIn('tally_connections{worker="2"}', text)

    def test_a_limit_on_open_files_that_is_too_low_is_told_at_start(self):
        with TallyServer("--connections-max", "1000", "--io-workers", "2",
                         wrap=("prlimit", "--nofile=1000:1000")) as server:
            said = server.log_events("server.open_files_low")
            self.assertEqual(len(said), 1, said)
            self.assertEqual(said[0]["level"], "warn")
            self.assertEqual(said[0]["limit"], "RLIMIT_NOFILE")
            self.assertEqual(said[0]["is"], 1000)
            self.assertEqual(said[0]["needed"], 1000 + FILES_KEPT + 2 * 8)
            self.assertEqual(said[0]["connections_max"], 1000)
            self.assertEqual(said[0]["connections_allowed"], 1000 - FILES_KEPT - 2 * 8)

    def test_a_limit_on_open_files_that_suffices_is_not_mentioned(self):
        with TallyServer("--connections-max", "500", "--io-workers", "2",
                         wrap=("prlimit", "--nofile=1000:1000")) as server:
            self.assertEqual(server.log_events("server.open_files_low"), [])


class Connections(unittest.TestCase):
    def dial(self, server, count):
        """As many connections, of which each has had an answer or was closed by the server."""
        held, refused = [], 0
        for _ in range(count):
            client = http.client.HTTPConnection(*server.address.rsplit(":", 1), timeout=PATIENCE_S)
            try:
                client.request("GET", "/openapi.yaml")
                answer = client.getresponse()
                answer.read()
                if answer.status == 503:
                    raise ConnectionError(answer.status)
                held.append(client)
                self.addCleanup(client.close)
            except (ConnectionError, http.client.HTTPException):
                client.close()
                refused += 1
        return held, refused

    def wait_for_log(self, server, name):
        return wait_until(lambda: server.log_events(name), server.log_tail)

    def test_connections_refused_at_the_limit_are_told_in_the_log(self):
        with TallyServer("--connections-max", "10", "--io-workers", "1") as server:
            held, refused = self.dial(server, 13)
            self.assertEqual((len(held), refused), (10, 3))
            line = self.wait_for_log(server, "connections.refused")[0]
            self.assertEqual((line["level"], line["worker"], line["connections"], line["limit"]),
                             ("warn", 0, 10, "connections_max"))
            self.assertGreater(line["refused"], 0)

    def test_connections_leave_the_ledger_the_files_that_it_needs(self):
        with TallyServer("--io-workers", "1", wrap=("prlimit", "--nofile=1000:1000")) as server:
            lot = create_lot(server)
            held, refused = self.dial(server, 600)
            self.assertEqual((len(held), refused), (1000 - FILES_KEPT - 8, 600 - (1000 - FILES_KEPT - 8)))
            self.assertLess(len(os.listdir(f"/proc/{server.pid}/fd")), 1000 - FILES_KEPT + 64)
            held[0].request("GET", "/metrics")
            self.assertIn(f"tally_connections_refused_total {refused}",
                          held[0].getresponse().read().decode())
            held[0].request("POST", "/v1/reservations", json.dumps(order(lot, "a")),
                            {"content-type": "application/json"})
            self.assertEqual(held[0].getresponse().status, 201)


class Restart(unittest.TestCase):
    def test_what_was_acknowledged_is_there_after_stop_and_after_kill(self):
        with TallyServer() as server:
            lot = create_lot(server, 10)
            ids = [server.request("POST", "/v1/reservations", order(lot, f"o{i}"))[2]
                   for i in range(4)]
            for end in (server.stop, server.kill):
                end()
                server.start()
                shown = server.request("GET", server.lot_path(lot))[2]
                self.assertEqual((shown["reserved"], shown["available"]), (4, 6))
                for i, first in enumerate(ids):
                    status, headers, again = server.request(
                        "POST", "/v1/reservations", order(lot, f"o{i}"))
                    self.assertEqual(status, 200, again)
                    self.assertEqual(headers.get("idempotent-replayed"), "true")
                    self.assertEqual(again["reservation_id"], first["reservation_id"])

    def test_a_hold_that_became_due_while_the_server_was_down_is_given_back(self):
        with TallyServer() as server:
            lot = create_lot(server, 1)
            status, _, held = server.request("POST", "/v1/reservations",
                                             order(lot, "a", hold_ms=300))
            self.assertEqual(status, 201)
            server.kill()
            wait_for_time(held["expires_at"])
            server.start()
            self.assertEqual(server.request("POST", "/v1/reservations", order(lot, "b"))[0], 201)

    def test_a_hold_is_given_back_at_its_deadline(self):
        with TallyServer() as server:
            lot = create_lot(server, 1)
            held = server.request("POST", "/v1/reservations", order(lot, "a", hold_ms=200))[2]
            wait_until(lambda: server.request("POST", "/v1/reservations",
                                              order(lot, "b"))[0] == 201)
            moves = server.request("GET", "/v1/orders/b")[2]["moves"]
            self.assertGreaterEqual(moves[0]["at"], held["expires_at"])


class Reload(unittest.TestCase):
    def test_sighup_applies_what_can_change_and_names_what_cannot(self):
        with tempfile.TemporaryDirectory() as folder:
            config = os.path.join(folder, "tally.conf")

            def write(text):
                with open(config, "w", encoding="utf-8") as out:
                    out.write(text)

            def hang_up(server, event):
                before = len(server.log_events(event))
                os.kill(server.pid, signal.SIGHUP)
                wait_until(lambda: len(server.log_events(event)) > before, server.log_tail)

            write("flavors = lime\n")
            with TallyServer("--config", config) as server:
                create_lot(server)
                cherry = {"sku": "COLA", "flavor": "cherry", "size": "1l_bottle",
                          "batch": "BATCH-20261122-A", "quantity": 1}
                self.assertEqual(server.request("POST", "/v1/lots", cherry)[0], 400)
                write("flavors = lime,cherry\nbacklog = 16\n")
                hang_up(server, "settings.reloaded")
                self.assertEqual(server.log_events("settings.changed")[0]["key"], "flavors")
                restart = server.log_events("settings.needs_restart")
                self.assertEqual([e["key"] for e in restart], ["backlog"])
                wait_until(lambda: server.request("POST", "/v1/lots", cherry)[0] != 400)
                write("flavors = lime\nnonsense\n")
                hang_up(server, "settings.refused")
                self.assertIn(config + ":2", server.log_events("settings.refused")[0]["why"])
                cherry["batch"] = "BATCH-20261122-B"
                self.assertEqual(server.request("POST", "/v1/lots", cherry)[0], 201)


class Drain(unittest.TestCase):
    def test_sigterm_ends_with_0_and_a_closed_ledger(self):
        with TallyServer() as server:
            create_lot(server)
            self.assertEqual(server.stop(), 0)
            self.assertTrue(server.log_events("server.stopped"))
            wal = os.path.join(server.data, "ledger.db-wal")
            self.assertTrue(not os.path.exists(wal) or os.path.getsize(wal) == 0)

    def test_open_streams_and_idle_connections_do_not_hold_it_up(self):
        with TallyServer() as server:
            create_lot(server)
            idle = http.client.HTTPConnection(server.host, server.port)
            idle.request("GET", "/livez")
            idle.getresponse().read()
            watch = socket.create_connection((server.host, server.port))
            watch.sendall(b"GET /v1/watch HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertIn(b"200", watch.recv(100))
            self.assertEqual(server.stop(), 0)
            self.assertFalse(server.log_events("server.drain_cut_short"), server.log_tail())
            idle.close()
            watch.close()

    def test_every_order_under_way_is_answered_or_refused_never_lost(self):
        with TallyServer() as server:
            lot = create_lot(server, 1000000)
            acknowledged = []
            stopping = threading.Event()

            def buy(worker):
                n = 0
                connection = http.client.HTTPConnection(server.host, server.port,
                                                        timeout=PATIENCE_S)
                while True:
                    n += 1
                    name = f"{worker}-{n}"
                    try:
                        connection.request("POST", "/v1/reservations", json.dumps(order(lot, name)),
                                           {"Content-Type": "application/json"})
                        answer = connection.getresponse()
                        answer.read()
                    except (OSError, http.client.HTTPException):
                        if stopping.is_set():
                            return
                        raise
                    if answer.status == 201:
                        acknowledged.append(name)
                    elif answer.status == 503 and stopping.is_set():
                        return

            threads = [threading.Thread(target=buy, args=(i,)) for i in range(8)]
            for thread in threads:
                thread.start()
            wait_until(lambda: len(acknowledged) > 20)
            stopping.set()
            self.assertEqual(server.stop(), 0)
            for thread in threads:
                thread.join()
            self.assertGreater(len(acknowledged), 20)
            server.start()
            shown = server.request("GET", server.lot_path(lot))[2]
            self.assertGreaterEqual(shown["reserved"], len(acknowledged))
            self.assertLessEqual(shown["reserved"], len(acknowledged) + len(threads))
            for name in acknowledged[-20:]:
                self.assertEqual(server.request("GET", f"/v1/orders/{name}")[0], 200)

    def half_a_request(self, server):
        """A connection on which the server has read half a request: the one before is answered."""
        half = socket.create_connection((server.host, server.port), PATIENCE_S)
        half.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\nPOST /v1/lots HTTP/1.1\r\nHost: x\r\n"
                     b"Content-Length: 100\r\n\r\n{")
        self.assertIn(b"200", half.recv(1000))
        return half

    def test_a_client_that_keeps_the_drain_waiting_is_cut_off_at_the_limit(self):
        with TallyServer("--drain-timeout-ms", "300") as server:
            half = self.half_a_request(server)
            self.assertEqual(server.stop(), 0)
            self.assertEqual([e["why"] for e in server.log_events("server.drain_cut_short")],
                             ["drain_timeout_ms"])
            half.close()

    def test_a_second_signal_hurries_it(self):
        # Both limits are longer than stop() waits.
        with TallyServer("--drain-timeout-ms", "1h", "--receive-timeout-ms", "1h") as server:
            half = self.half_a_request(server)
            os.kill(server.pid, signal.SIGTERM)
            wait_until(lambda: server.log_events("server.draining"), server.log_tail)
            self.assertTrue(server.running())
            self.assertEqual(server.stop(), 0)
            self.assertEqual([e["why"] for e in server.log_events("server.drain_cut_short")],
                             ["a second signal"])
            half.close()


class Page(unittest.TestCase):
    def test_openmetrics_for_who_asks_for_it(self):
        with TallyServer() as server:
            create_lot(server)
            _, headers, text = server.request(
                "GET", "/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"})
            self.assertIn("application/openmetrics-text", headers["content-type"])
            self.assertTrue(text.endswith(b"# EOF\n"))
            _, headers, text = server.request("GET", "/metrics")
            self.assertIn("text/plain", headers["content-type"])
            self.assertIn(b'\ntally_requests_total{call="CreateLot",code="OK"} 1\n', text)

    def test_idle_it_needs_little_memory(self):
        with TallyServer() as server:
            text = server.request("GET", "/metrics")[2].decode()
            line = [x for x in text.splitlines() if x.startswith("process_resident_memory_bytes ")]
            most_mib = 512 if server.sanitized() else 16  # a sanitizer's own memory counts
            self.assertLess(int(line[0].split()[1]), most_mib << 20)


if __name__ == "__main__":
    unittest.main(verbosity=2)
