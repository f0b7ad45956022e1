#!/usr/bin/env python3
"""A webhook delivers each event at least once, signed, in each lot's order: while the receiver is
slow, failing, gone or down, and when the server is killed in the middle of it. What it gives up is
on a list, and can be sent again."""
import json
import os
import ssl
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from grpc_client import GrpcClient  # noqa: E402
from tally_server import TallyServer, free_port, wait_until  # noqa: E402
from test_events import Stream, create_lot, reserve  # noqa: E402
from webhook_receiver import SECRET, Receiver  # noqa: E402


def settings(receiver, **more):
    return {"TALLY_WEBHOOK_URL": receiver if isinstance(receiver, str) else receiver.url,
            "TALLY_WEBHOOK_SECRET": SECRET, "TALLY_WEBHOOK_BACKOFF_MS": "10ms",
            **{"TALLY_WEBHOOK_" + key.upper(): str(value) for key, value in more.items()}}


def lots(server, count):
    return [create_lot(server, "COLA%d" % i) for i in range(count)]


def orders(server, names, lots_, count):
    for i in range(count):
        reserve(server, "%s%d" % (names, i), lots_[i % len(lots_)])


def all_events(server):
    """What the server itself says has happened."""
    newest = wait_until(lambda: server.request("GET", "/metrics")[2].decode().split(
        "\ntally_ledger_last_seq ")[1].split()[0])
    events = []
    stream = Stream(server, after=0)
    while not events or events[-1]["id"] != newest:
        events.append(next(stream)[1])
    stream.close()
    return events


def taken_all(receiver, server):
    events = all_events(server)
    want = {event["id"] for event in events}
    wait_until(lambda: want <= set(receiver.ids()), lambda: "missing: %d of %d" % (
        len(want - set(receiver.ids())), len(want)))
    return events


def first_times(receiver):
    """The events in the order in which each was taken first."""
    seen, first = set(), []
    with receiver.lock:
        for event in receiver.taken:
            if event["id"] not in seen:
                seen.add(event["id"])
                first.append(event)
    return first


def in_order_of_each_lot(receiver):
    newest = {}
    for event in first_times(receiver):
        for line in event["data"]["lines"]:
            assert int(event["id"]) > newest.get(line["lot"], 0), event
            newest[line["lot"]] = int(event["id"])


def failures(server):
    done = server.cli("webhook", "list", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def figure(server, name):
    page = server.request("GET", "/metrics")[2].decode()
    return float(page.split("\ntally_webhook_%s " % name)[1].split()[0])


def every_event_comes_signed_in_the_order_of_its_lot():
    receiver = Receiver()
    with TallyServer(env=settings(receiver)) as server:
        some = lots(server, 5)
        orders(server, "o", some, 60)
        status, _, answer = server.request("POST", "/v1/reservations", {
            "order_id": "both", "user_id": "u",
            "lines": [{"lot": lot, "quantity": 1} for lot in some[:2]], "hold_ms": 30})
        assert status == 201, answer
        stream = Stream(server, after=0)
        while next(stream)[1]["data"]["kind"] != "REFUND":
            pass  # it has expired
        stream.close()
        events = taken_all(receiver, server)
        in_order_of_each_lot(receiver)
        sent = {event["id"]: event for event in receiver.taken}
        assert all(sent[event["id"]] == event for event in events)
        assert len(receiver.taken) == len(events), "some were sent twice"
        assert failures(server) == []
    receiver.close()


def one_that_starts_on_a_ledger_with_a_past_begins_now():
    receiver = Receiver()
    with TallyServer() as server:
        lot = create_lot(server)
        server.stop()
        server.env.update(settings(receiver))
        server.start()
        reserve(server, "new", lot)
        wait_until(receiver.ids, "a delivery")
        assert receiver.taken[0]["data"]["order_id"] == "new", receiver.taken
    receiver.close()


def nothing_is_lost_when_the_server_is_killed():
    """Killed while deliveries are under way and orders come; what the receiver has not taken is sent
    by the next one."""
    gate = threading.Semaphore(0)

    def slowly(_event, _times):
        gate.acquire(timeout=60)
        return 204

    receiver = Receiver(slowly)
    with TallyServer(env=settings(receiver, timeout_ms="60s")) as server:
        some = lots(server, 6)
        for round_ in range(4):
            orders(server, "k%d-" % round_, some, 30)
            for _ in range(20):
                gate.release()
            wait_until(lambda: receiver.under_way > 0, "deliveries are under way")
            server.kill()
            server.start()
        for _ in range(10000):
            gate.release()
        taken_all(receiver, server)
        in_order_of_each_lot(receiver)
    receiver.close()


def a_receiver_that_is_down_gets_all_of_it_later():
    port = free_port()
    with TallyServer(env=settings("http://127.0.0.1:%d/hook" % port, attempts_max=1000,
                                  backoff_max_ms="50ms")) as server:
        some = lots(server, 3)
        orders(server, "d", some, 30)
        wait_until(lambda: figure(server, "attempts_failed_total") > 5, "failures")
        assert figure(server, "pending") > 0
        receiver = Receiver(port=port)
        taken_all(receiver, server)
        in_order_of_each_lot(receiver)
        assert failures(server) == []
        receiver.close()


def what_fails_for_long_is_listed_and_can_be_sent_again():
    """500 for the orders of one lot; others are not held up for good; the list outlives a restart."""
    broken = threading.Event()
    broken.set()

    def answer(event, _times):
        bad = broken.is_set() and event["data"].get("order_id", "").startswith("bad")
        return 500 if bad else 200

    receiver = Receiver(answer)
    with TallyServer(env=settings(receiver, attempts_max=3)) as server:
        good, bad = lots(server, 2)
        reserve(server, "bad1", bad)
        reserve(server, "bad2", bad)
        orders(server, "good", [good], 10)
        wait_until(lambda: len(failures(server)) == 2, "both are given up")
        wait_until(lambda: len(receiver.ids()) == 12, "the others are taken")
        for restarted in (False, True):
            if restarted:
                server.stop()
                server.start()
            listed = failures(server)
            assert [f["attempts"] for f in listed] == [3, 3], listed
            assert {f["status"] for f in listed} == {500}, listed
            assert "500" in listed[0]["why"] and listed[0]["failed_at"].endswith("Z")
            assert listed[0]["type"] == "tally.reservation.reserved"
        assert all(receiver.tries_of(f["id"]) == 3 for f in listed)
        assert "bad" not in server.cli("webhook", "list").stderr
        assert listed[0]["id"] in server.cli("webhook", "list").stdout
        # one more, which fails again
        done = server.cli("webhook", "retry", listed[0]["id"])
        assert done.returncode == 0, done.stderr
        wait_until(lambda: failures(server)[0]["attempts"] == 4, "it was tried again")
        assert not failures(server)[0]["retrying"]
        assert server.cli("webhook", "retry", "4711").returncode == 1
        assert server.cli("webhook", "retry").returncode == 2
        broken.clear()
        assert server.cli("webhook", "retry", "--all").returncode == 0
        wait_until(lambda: failures(server) == [], "the list is empty")
        taken_all(receiver, server)
        client = GrpcClient(server.address)
        assert client.call("ListWebhookFailures", {})["failures"] == []
        client.close()
        assert figure(server, "failed") == 0
    receiver.close()


def a_restored_backup_has_the_list_of_what_failed():
    receiver = Receiver(lambda event, times: 410 if event["data"]["kind"] == "RESERVE" else 204)
    with TallyServer(env=settings(receiver)) as server:
        reserve(server, "gone", create_lot(server))
        listed = wait_until(lambda: failures(server), "it is given up")
        with tempfile.TemporaryDirectory() as folder:
            copy = os.path.join(folder, "copy")
            done = server.cli("backup", "--json", "--data", server.data, copy)
            assert done.returncode == 0, done.stderr
            sizes = [os.path.getsize(os.path.join(copy, name + ".db")) for name in ("ledger", "webhook")]
            assert json.loads(done.stdout)["pages"] * 4096 == sum(sizes), (done.stdout, sizes)
            with TallyServer(data=copy, env=settings(receiver)) as restored:
                assert [f["id"] for f in failures(restored)] == [listed[0]["id"]]
    receiver.close()


def gone_is_not_tried_again():
    receiver = Receiver(lambda event, times: 410 if event["data"]["kind"] == "RESERVE" else 204)
    with TallyServer(env=settings(receiver)) as server:
        lot = create_lot(server)
        reserve(server, "gone", lot)
        listed = wait_until(lambda: failures(server), "it is given up")
        assert listed[0]["status"] == 410 and listed[0]["attempts"] == 1, listed
        assert receiver.tries_of(listed[0]["id"]) == 1
    receiver.close()


def a_redirect_is_a_failure_and_not_followed():
    trap = Receiver()
    receiver = Receiver(lambda event, times: (307, {"Location": trap.url}))
    with TallyServer(env=settings(receiver, attempts_max=2)) as server:
        create_lot(server)
        listed = wait_until(lambda: failures(server), "it is given up")
        assert listed[0]["status"] == 307, listed
        assert trap.tries == []
    receiver.close()
    trap.close()


def one_that_answers_too_late_holds_up_only_its_own_lot():
    release = threading.Event()

    def answer(event, times):
        if event["data"].get("order_id") == "slow" and times == 1:
            release.wait(60)
        return 204

    receiver = Receiver(answer)
    with TallyServer(env=settings(receiver, timeout_ms="60s")) as server:
        slow, quick = lots(server, 2)
        reserve(server, "slow", slow)
        wait_until(lambda: receiver.under_way == 1, "it is under way")
        reserve(server, "behind", slow)
        orders(server, "q", [quick], 10)
        wait_until(lambda: len(receiver.ids()) == 12, "the others are taken")
        assert not any(event["data"].get("order_id") == "behind" for event in receiver.taken)
        release.set()
        taken_all(receiver, server)
        in_order_of_each_lot(receiver)
        assert receiver.most_under_way <= 8
    receiver.close()


def no_answer_in_time_is_a_failure_that_is_tried_again():
    release = threading.Event()

    def answer(_event, times):
        if times == 1:
            release.wait(60)
        return 204

    receiver = Receiver(answer)
    with TallyServer(env=settings(receiver, timeout_ms="200ms")) as server:
        create_lot(server)
        wait_until(lambda: receiver.ids(), "the second time")
        assert figure(server, "attempts_failed_total") >= 1
        release.set()
    receiver.close()


def a_full_list_gives_nothing_up():
    """It waits, and the log keeps what is not delivered."""
    broken = threading.Event()
    broken.set()
    receiver = Receiver(lambda event, times: 503 if broken.is_set() else 204)
    with TallyServer(env=settings(receiver, attempts_max=1, failed_max=3,
                                  backoff_max_ms="20ms")) as server:
        some = lots(server, 3)
        orders(server, "f", some, 12)
        wait_until(lambda: server.log_events("webhook.stuck"), "it is said")
        assert len(failures(server)) == 3
        broken.clear()
        server.cli("webhook", "retry", "--all")
        taken_all(receiver, server)
        assert wait_until(lambda: failures(server) == [])
    receiver.close()


def secrets_come_from_a_file_and_may_change_one_after_the_other():
    receiver = Receiver()
    with tempfile.NamedTemporaryFile("w", suffix=".secret") as file:
        file.write("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n" + SECRET + "\n")
        file.flush()
        env = settings(receiver)
        del env["TALLY_WEBHOOK_SECRET"]
        with TallyServer(env={**env, "TALLY_WEBHOOK_SECRET_FILE": file.name}) as server:
            create_lot(server)
            wait_until(receiver.ids, "a delivery")
            assert SECRET not in server.log_text()
    receiver.close()


def tls_is_checked():
    with tempfile.TemporaryDirectory() as folder:
        key, certificate = os.path.join(folder, "key.pem"), os.path.join(folder, "cert.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", certificate,
                        "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
                        "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        receiver = Receiver(tls=context)
        with TallyServer(env=settings(receiver, ca_file=certificate)) as server:
            create_lot(server)
            wait_until(receiver.ids, "a delivery")
        taken = len(receiver.tries)
        with TallyServer(env=settings(receiver, attempts_max=1)) as server:
            create_lot(server)
            listed = wait_until(lambda: failures(server), "nobody vouches for it")
            assert listed[0]["status"] == 0 and "certificate" in listed[0]["why"], listed
        assert len(receiver.tries) == taken
        receiver.close()


def what_is_wrong_stops_the_start():
    for env, text in (({"TALLY_WEBHOOK_URL": "http://127.0.0.1:1/"}, "webhook_secret"),
                      ({"TALLY_WEBHOOK_URL": "ftp://127.0.0.1/", "TALLY_WEBHOOK_SECRET": SECRET},
                       "webhook_url"),
                      ({"TALLY_WEBHOOK_URL": "http://127.0.0.1:1/",
                        "TALLY_WEBHOOK_SECRET": "whsec_short"}, "webhook_secret"),
                      ({"TALLY_WEBHOOK_URL": "http://127.0.0.1:1/",
                        "TALLY_WEBHOOK_SECRET_FILE": "/nowhere/at/all"}, "/nowhere/at/all")):
        try:
            with TallyServer(env=env):
                raise AssertionError("it started with %s" % env)
        except RuntimeError as why:
            raise AssertionError(why) from why
        except Exception as why:  # pylint: disable=broad-except
            if isinstance(why, AssertionError):
                raise
            assert text in str(why) and "whsec_short" not in str(why), why


def without_one_there_is_no_list():
    with TallyServer() as server:
        status, _, problem = server.request("GET", "/v1/webhook/failures")
        assert status == 404 and "webhook_url" in problem["detail"], problem
        done = server.cli("webhook", "list")
        assert done.returncode == 1 and "webhook_url" in done.stderr, done


def main():
    every_event_comes_signed_in_the_order_of_its_lot()
    one_that_starts_on_a_ledger_with_a_past_begins_now()
    nothing_is_lost_when_the_server_is_killed()
    a_receiver_that_is_down_gets_all_of_it_later()
    what_fails_for_long_is_listed_and_can_be_sent_again()
    a_restored_backup_has_the_list_of_what_failed()
    gone_is_not_tried_again()
    a_redirect_is_a_failure_and_not_followed()
    one_that_answers_too_late_holds_up_only_its_own_lot()
    no_answer_in_time_is_a_failure_that_is_tried_again()
    a_full_list_gives_nothing_up()
    secrets_come_from_a_file_and_may_change_one_after_the_other()
    tls_is_checked()
    what_is_wrong_stops_the_start()
    without_one_there_is_no_list()


if __name__ == "__main__":
    main()
