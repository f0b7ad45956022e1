/* A worker against a peer on loopback: every call is answered once, whatever the peer does. */
#include "fixture.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "fixture_echo.h"
#include "loadgen/worker.h"

enum {
    CALLS_MAX = 20000,
    LONG_MS = 60000, /* a time-out that does not come */
};

/* A source of `total` calls: every interval_ns from start_ns on, or (closed) whenever there is
 * room. Their tags are their numbers. */
struct script {
    uint32_t total;
    uint64_t start_ns, interval_ns;
    bool closed;
    uint32_t padding;
    uint32_t connections; /* call k is for connection k modulo this */
    /* The test sets: */
    atomic_uint allowed; /* so many may be given */
    /* The worker's thread writes, the test reads at any time: */
    atomic_uint given, answered, ticks, twice, ahead, wrong;
    atomic_uint codes[ANSWER_CODE_COUNT];
    /* ... and after the end: */
    uint8_t seen[CALLS_MAX];
    uint8_t code[CALLS_MAX];
    uint64_t sent_ns[CALLS_MAX];
};

struct rig {
    struct peer peer;
    struct script script;
    struct protocol_target target;
    struct worker_options options;
    struct worker *worker;
    const struct worker_counts *counts;
    unsigned long long lost; /* connections, at the end */
};

/* ---- the source ---- */

static uint64_t due_at(const struct script *s, uint32_t number)
{
    return s->start_ns + number * s->interval_ns;
}

static uint64_t script_due_ns(void *owner, uint64_t now_ns)
{
    struct script *s = owner;
    uint32_t given = atomic_load(&s->given);
    if (given == s->total)
        return UINT64_MAX;
    if (given >= atomic_load(&s->allowed))
        return now_ns + 1000000;
    return s->closed ? now_ns : due_at(s, given);
}

static bool script_next(void *owner, uint64_t now_ns, struct call *out)
{
    struct script *s = owner;
    uint32_t number = atomic_load(&s->given);
    *out = (struct call){.kind = CALL_RESERVE, .quantity = s->padding, .tag = number};
    out->connection = s->connections ? number % s->connections : 0;
    out->due_ns = s->closed ? now_ns : due_at(s, number);
    out->sent_ns = 42; /* the worker's, who overwrites it */
    if (out->due_ns > now_ns)
        atomic_fetch_add(&s->ahead, 1);
    atomic_store(&s->given, number + 1);
    return true;
}

static void script_answered(void *owner, const struct call *call, const struct answer *a,
                            uint64_t now_ns)
{
    struct script *s = owner;
    if (s->seen[call->tag]++)
        atomic_fetch_add(&s->twice, 1);
    bool sent = call->sent_ns != 0;
    if (sent == (a->code == ANSWER_NOT_SENT) || (sent && call->sent_ns < call->due_ns) ||
        now_ns < call->due_ns || now_ns < call->sent_ns ||
        (!s->closed && call->due_ns != due_at(s, (uint32_t)call->tag)))
        atomic_fetch_add(&s->wrong, 1);
    s->code[call->tag] = (uint8_t)a->code;
    s->sent_ns[call->tag] = call->sent_ns;
    atomic_fetch_add(&s->codes[a->code], 1);
    atomic_fetch_add(&s->answered, 1);
}

static void script_tick(void *owner, uint64_t now_ns)
{
    (void)now_ns;
    atomic_fetch_add(&((struct script *)owner)->ticks, 1);
}

static unsigned with_code(const struct rig *r, enum answer_code code)
{
    return atomic_load(&r->script.codes[code]);
}

/* ---- the rig ---- */

/* NULL: there is no such family here. */
static struct rig *set_up_for(int family, uint32_t connections, uint32_t streams)
{
    struct rig *r = calloc(1, sizeof *r);
    assert_non_null(r);
    if (!peer_listen(&r->peer, family)) {
        free(r);
        return NULL;
    }
    r->target.streams = streams;
    r->options = (struct worker_options){
        .protocol = &protocol_echo,
        .target = &r->target,
        .connections = connections,
        .timeout_ms = LONG_MS,
    };
    r->script.start_ns = clock_monotonic_ns();
    peer_start(&r->peer);
    return r;
}

static struct rig *set_up(uint32_t connections, uint32_t streams)
{
    struct rig *r = set_up_for(AF_INET, connections, streams);
    assert_non_null(r);
    return r;
}

static void start(struct rig *r)
{
    struct call_source source = {script_due_ns, script_next, script_answered, script_tick,
                                 &r->script};
    struct error e = {0};
    r->options.address = r->peer.address;
    r->options.address_size = r->peer.address_size;
    assert_int_equal(load_worker_create(&r->worker, &r->options, &source, &e), 0);
    assert_int_equal(load_worker_start(r->worker, &e), 0);
    r->counts = load_worker_counts(r->worker);
}

/* All calls may come. */
static void allow(struct rig *r, uint32_t calls)
{
    atomic_store(&r->script.allowed, calls);
}

static void await_answers(struct rig *r, uint32_t answers)
{
    AWAIT(atomic_load(&r->script.answered) >= answers);
}

static void await_connected(struct rig *r, uint32_t connections)
{
    AWAIT(atomic_load(&r->counts->connected) == connections);
}

/* Ends the worker and the peer and checks what must hold in every test. */
static void end(struct rig *r)
{
    load_worker_finish(r->worker);
    load_worker_join(r->worker);
    assert_true(load_worker_ended(r->worker));
    struct script *s = &r->script;
    assert_int_equal(atomic_load(&s->answered), atomic_load(&s->given));
    assert_int_equal(atomic_load(&s->twice), 0);
    assert_int_equal(atomic_load(&s->ahead), 0);
    assert_int_equal(atomic_load(&s->wrong), 0);
    assert_int_equal(atomic_load(&r->counts->in_flight), 0);
    r->lost = atomic_load(&r->counts->connections_lost);
    peer_stop(&r->peer);
    load_worker_destroy(r->worker);
}

static void tear_down(struct rig *r)
{
    end(r);
    free(r);
}

/* ---- pace and order ---- */

static void open_loop_calls_are_sent_in_order_when_they_are_due_and_not_before(void **state)
{
    (void)state;
    struct rig *r = set_up(4, 100);
    r->script.total = 2000;
    r->script.interval_ns = 100000;
    r->script.start_ns = clock_monotonic_ns() + 20000000;
    allow(r, 2000);
    start(r);
    await_answers(r, 2000);
    AWAIT(atomic_load(&r->counts->bytes_out) == 2000 * 12);
    AWAIT(atomic_load(&r->counts->bytes_in) == 2000 * 4);
    end(r);
    assert_int_equal(with_code(r, ANSWER_OK), 2000);
    for (int i = 1; i < 2000; i++)
        assert_true(r->script.sent_ns[i] >= r->script.sent_ns[i - 1]);
    free(r);
}

static void a_call_without_room_waits_and_its_due_time_stays(void **state)
{
    (void)state;
    struct rig *r = set_up(1, 1);
    atomic_store(&r->peer.mode, PEER_HOLD);
    r->script.total = 3;
    allow(r, 3);
    start(r);
    AWAIT(atomic_load(&r->peer.calls) == 1);
    uint64_t released_ns = clock_monotonic_ns();
    atomic_store(&r->peer.mode, PEER_ECHO);
    await_answers(r, 3);
    end(r);
    assert_int_equal(with_code(r, ANSWER_OK), 3);
    assert_true(r->script.sent_ns[0] < released_ns);
    assert_true(r->script.sent_ns[1] > released_ns);
    assert_true(r->script.sent_ns[2] > r->script.sent_ns[1]);
    free(r);
}

static void closed_loop_uses_all_room_and_asks_for_no_call_without_it(void **state)
{
    (void)state;
    struct rig *r = set_up(3, 5);
    atomic_store(&r->peer.mode, PEER_HOLD);
    r->script.closed = true;
    r->script.total = 2000;
    allow(r, 2000);
    start(r);
    AWAIT(atomic_load(&r->counts->in_flight) == 15 && atomic_load(&r->peer.calls) == 15);
    pause_ms(20);
    assert_int_equal(atomic_load(&r->script.given), 15);
    atomic_store(&r->peer.mode, PEER_ECHO);
    await_answers(r, 2000);
    AWAIT(atomic_load(&r->counts->last_answer_ns) > r->script.start_ns);
    tear_down(r);
}

static void calls_go_round_the_connections_with_room(void **state)
{
    (void)state;
    struct rig *r = set_up(4, 3);
    atomic_store(&r->peer.mode, PEER_HOLD);
    r->script.total = 12;
    start(r);
    await_connected(r, 4);
    AWAIT(atomic_load(&r->peer.accepted) == 4);
    for (uint32_t calls = 4; calls <= 12; calls += 4) {
        allow(r, calls);
        AWAIT(atomic_load(&r->peer.calls) == calls);
        for (int i = 0; i < 4; i++)
            assert_int_equal(atomic_load(&r->peer.served[i]), calls / 4);
    }
    atomic_store(&r->peer.mode, PEER_ECHO);
    tear_down(r);
}

static void two_thousand_connections_each_get_their_calls(void **state)
{
    (void)state;
    enum { CONNECTIONS = 2000 };
    struct rig *r = set_up(CONNECTIONS, 1);
    r->script.closed = true;
    r->script.total = CALLS_MAX;
    start(r);
    await_connected(r, CONNECTIONS);
    allow(r, CALLS_MAX);
    await_answers(r, CALLS_MAX);
    end(r);
    assert_int_equal(with_code(r, ANSWER_OK), CALLS_MAX);
    for (int i = 0; i < CONNECTIONS; i++)
        assert_true(atomic_load(&r->peer.served[i]) > 0);
    free(r);
}

static void calls_too_far_behind_are_not_sent_and_the_others_are(void **state)
{
    (void)state;
    const uint64_t second = 1000000000, timeout_ns = 10 * second;
    struct rig *r = set_up(1, 100);
    r->script.total = 20000;
    r->script.interval_ns = 1000000;
    r->options.timeout_ms = 10000;
    r->script.start_ns -= 25 * second; /* so the last one was due 5 s ago */
    allow(r, 20000);
    start(r);
    await_answers(r, 20000);
    end(r);
    assert_true(with_code(r, ANSWER_NOT_SENT) >= 15000);
    assert_true(with_code(r, ANSWER_OK) > 0);
    assert_int_equal(with_code(r, ANSWER_NOT_SENT) + with_code(r, ANSWER_OK), 20000);
    for (uint32_t i = 0; i < 20000; i++)
        assert_true(r->script.sent_ns[i] < due_at(&r->script, i) + timeout_ns);
    free(r);
}

static void the_source_gets_its_tick_while_nothing_else_happens(void **state)
{
    (void)state;
    struct rig *r = set_up(1, 1);
    start(r);
    AWAIT(atomic_load(&r->script.ticks) >= 2);
    tear_down(r);
}

/* ---- peers that fail ---- */

static void a_peer_that_closes_costs_its_own_calls_only(void **state)
{
    (void)state;
    struct rig *r = set_up(4, 10);
    r->script.closed = true;
    r->script.total = 5000;
    atomic_store(&r->peer.close_after, 500);
    allow(r, 5000);
    start(r);
    await_answers(r, 5000);
    end(r);
    unsigned closed = with_code(r, ANSWER_CLOSED);
    assert_int_equal(with_code(r, ANSWER_OK) + closed, 5000);
    assert_true(r->lost > 0 && closed >= r->lost && closed <= r->lost * 10);
    free(r);
}

static void answers_that_come_together_with_the_end_of_a_connection_count(void **state)
{
    (void)state;
    struct rig *r = set_up(1, 10);
    atomic_store(&r->peer.mode, PEER_HOLD);
    atomic_store(&r->peer.close_when_answered, true);
    r->script.closed = true;
    r->script.total = 10;
    allow(r, 10);
    start(r);
    AWAIT(atomic_load(&r->peer.calls) == 10);
    atomic_store(&r->peer.mode, PEER_ECHO);
    await_answers(r, 10);
    assert_int_equal(with_code(r, ANSWER_OK), 10);
    AWAIT(atomic_load(&r->counts->connections_lost) == 1);
    tear_down(r);
}

static void the_time_out_of_a_silent_peer_is_told_and_its_connection_is_given_up(void **state)
{
    (void)state;
    struct rig *r = set_up(2, 5);
    atomic_store(&r->peer.mode, PEER_FORGET);
    r->options.timeout_ms = 50;
    r->script.closed = true;
    r->script.total = 10;
    allow(r, 10);
    start(r);
    await_answers(r, 10);
    assert_int_equal(with_code(r, ANSWER_TIMED_OUT), 10);
    AWAIT(atomic_load(&r->counts->connections_lost) == 2);
    AWAIT(atomic_load(&r->counts->connect_error) == ETIMEDOUT);
    await_connected(r, 2);
    tear_down(r);
}

static void a_late_answer_is_dropped_and_costs_the_connection_nothing(void **state)
{
    (void)state;
    struct rig *r = set_up(1, 1);
    atomic_store(&r->peer.mode, PEER_HOLD);
    r->options.timeout_ms = 3000;
    r->script.closed = true;
    r->script.total = 20;
    allow(r, 1);
    start(r);
    await_answers(r, 1);
    assert_int_equal(with_code(r, ANSWER_TIMED_OUT), 1);
    AWAIT(atomic_load(&r->counts->in_flight) == 0);
    atomic_store(&r->peer.mode, PEER_ECHO); /* the late answer comes and makes room */
    allow(r, 20);
    await_answers(r, 20);
    assert_int_equal(with_code(r, ANSWER_OK), 19);
    assert_int_equal(atomic_load(&r->counts->connections_lost), 0);
    tear_down(r);
}

static void calls_that_no_socket_has_space_for_leave_whole_when_there_is(void **state)
{
    (void)state;
    const uint32_t padding = 64 << 20; /* more than the sockets at both ends hold */
    struct rig *r = set_up(1, 2);
    atomic_store(&r->peer.mode, PEER_DEAF);
    r->script.padding = padding;
    r->script.total = 2;
    allow(r, 2);
    start(r);
    AWAIT(atomic_load(&r->counts->bytes_out) > 65536);
    pause_ms(20);
    assert_true(atomic_load(&r->counts->bytes_out) < padding);
    assert_int_equal(atomic_load(&r->script.answered), 0);
    atomic_store(&r->peer.mode, PEER_ECHO);
    await_answers(r, 2);
    assert_int_equal(with_code(r, ANSWER_OK), 2);
    AWAIT(atomic_load(&r->counts->bytes_out) == 2 * (12 + (uint64_t)padding));
    assert_int_equal(atomic_load(&r->peer.wrong_connection), 0); /* not a byte out of place */
    tear_down(r);
}

static void a_peer_that_refuses_is_tried_until_it_is_back(void **state)
{
    (void)state;
    struct rig *r = set_up(3, 4);
    peer_refuse(&r->peer);
    r->script.total = 100;
    allow(r, 100);
    start(r);
    AWAIT(atomic_load(&r->counts->connects_failed) >= 6);
    assert_int_equal(atomic_load(&r->counts->connect_error), ECONNREFUSED);
    assert_int_equal(atomic_load(&r->counts->connected), 0);
    assert_int_equal(atomic_load(&r->script.answered), 0);
    peer_listen_again(&r->peer);
    await_answers(r, 100);
    assert_int_equal(with_code(r, ANSWER_OK), 100);
    await_connected(r, 3);
    tear_down(r);
}

static void calls_that_find_no_connection_in_time_are_not_sent(void **state)
{
    (void)state;
    struct rig *r = set_up(1, 1);
    peer_refuse(&r->peer);
    r->options.timeout_ms = 30;
    r->script.total = 50;
    r->script.interval_ns = 1000000;
    allow(r, 50);
    start(r);
    await_answers(r, 50);
    assert_int_equal(with_code(r, ANSWER_NOT_SENT), 50);
    tear_down(r);
}

static void answers_that_are_none_end_the_connection(void **state)
{
    (void)state;
    struct rig *r = set_up(1, 1);
    atomic_store(&r->peer.babble, true);
    r->script.total = 2;
    allow(r, 2);
    start(r);
    await_answers(r, 2);
    assert_int_equal(atomic_load(&r->counts->connect_error), EPROTO);
    end(r);
    assert_int_equal(r->script.code[0], ANSWER_MALFORMED);
    assert_int_equal(r->script.code[1], ANSWER_OK);
    assert_int_equal(r->lost, 1);
    free(r);
}

static void a_peer_that_goes_away_gets_no_more_calls_and_is_connected_anew(void **state)
{
    (void)state;
    struct rig *r = set_up(1, 4);
    atomic_store(&r->peer.goaway_after, 10);
    r->script.closed = true;
    r->script.total = 35;
    allow(r, 35);
    start(r);
    await_answers(r, 35);
    end(r);
    assert_int_equal(with_code(r, ANSWER_OK), 35); /* nothing under way is lost */
    unsigned accepted = atomic_load(&r->peer.accepted);
    assert_true(r->lost >= 1 && accepted > 1 && accepted <= r->lost + 1);
    free(r);
}

/* ---- the end ---- */

static void finishing_awaits_the_calls_on_their_way_and_asks_for_no_more(void **state)
{
    (void)state;
    struct rig *r = set_up(2, 5);
    atomic_store(&r->peer.mode, PEER_HOLD);
    r->script.closed = true;
    r->script.total = 2000;
    allow(r, 2000);
    start(r);
    AWAIT(atomic_load(&r->peer.calls) == 10);
    load_worker_finish(r->worker);
    pause_ms(20);
    assert_false(load_worker_ended(r->worker));
    atomic_store(&r->peer.mode, PEER_ECHO);
    AWAIT(load_worker_ended(r->worker));
    assert_int_equal(atomic_load(&r->script.given), 10);
    assert_int_equal(with_code(r, ANSWER_OK), 10);
    assert_int_equal(atomic_load(&r->counts->connected), 2); /* until it is destroyed */
    tear_down(r);
}

static void finishing_awaits_no_longer_than_the_time_out(void **state)
{
    (void)state;
    struct rig *r = set_up(1, 5);
    atomic_store(&r->peer.mode, PEER_FORGET);
    r->options.timeout_ms = 100;
    r->script.closed = true;
    r->script.total = 5;
    allow(r, 5);
    start(r);
    AWAIT(atomic_load(&r->counts->in_flight) > 0);
    load_worker_finish(r->worker);
    AWAIT(load_worker_ended(r->worker));
    assert_int_equal(with_code(r, ANSWER_TIMED_OUT), atomic_load(&r->script.given));
    tear_down(r);
}

static void workers_that_are_idle_never_started_or_still_run_can_be_destroyed(void **state)
{
    (void)state;
    struct rig *r = set_up(2, 1);
    start(r);
    await_connected(r, 2);
    struct worker *idle;
    struct call_source source = {script_due_ns, script_next, script_answered, NULL, &r->script};
    assert_int_equal(load_worker_create(&idle, &r->options, &source, NULL), 0);
    load_worker_destroy(idle);
    assert_int_equal(load_worker_create(&idle, &r->options, &source, NULL), 0);
    assert_int_equal(load_worker_start(idle, NULL), 0);
    load_worker_destroy(idle); /* it runs */
    load_worker_destroy(NULL);
    tear_down(r);
}

/* ---- which connection ---- */

static void a_phased_call_goes_to_its_connection_and_holds_up_no_other(void **state)
{
    (void)state;
    enum { CONNECTIONS = 10, CALLS = 1000 };
    struct rig *r = set_up(CONNECTIONS, 1);
    r->options.phased = true;
    atomic_store(&r->peer.hold_connection, 3);
    r->script.connections = CONNECTIONS;
    r->script.total = CALLS;
    start(r);
    await_connected(r, CONNECTIONS);
    allow(r, 2 * CONNECTIONS); /* a call waits for connection 3, the others are idle */
    await_answers(r, 2 * CONNECTIONS - 2);
    allow(r, CALLS);
    await_answers(r, CALLS - CALLS / CONNECTIONS);
    AWAIT(atomic_load(&r->counts->in_flight) == 1);
    atomic_store(&r->peer.hold_connection, -1);
    await_answers(r, CALLS);
    assert_int_equal(with_code(r, ANSWER_OK), CALLS);
    assert_int_equal(atomic_load(&r->peer.wrong_connection), 0);
    tear_down(r);
}

static void phased_calls_wait_for_their_connection_until_they_are_out_of_time(void **state)
{
    (void)state;
    struct rig *r = set_up(2, 1);
    peer_refuse(&r->peer);
    r->options.phased = true;
    r->options.timeout_ms = 200;
    r->script.connections = 2;
    r->script.total = 20;
    allow(r, 20);
    start(r);
    await_answers(r, 20);
    assert_int_equal(with_code(r, ANSWER_NOT_SENT), 20);
    peer_listen_again(&r->peer);
    await_connected(r, 2);
    tear_down(r);
}

static void connections_come_from_all_source_addresses(void **state)
{
    (void)state;
    struct rig *r = set_up(6, 1);
    r->options.sources = 3;
    r->options.first = 100;
    start(r);
    AWAIT(atomic_load(&r->peer.accepted) == 6);
    uint32_t seen = 0;
    for (int i = 0; i < 3; i++)
        seen |= 1u << (atomic_load(&r->peer.sources[i]) - INADDR_LOOPBACK);
    assert_int_equal(seen, 7);
    assert_int_equal(atomic_load(&r->peer.sources[3]), 0);
    tear_down(r);
}

static void only_so_many_connections_are_opened_at_once_and_all_in_the_end(void **state)
{
    (void)state;
    struct rig *r = set_up(100, 1);
    r->options.connects_max = 2;
    start(r);
    await_connected(r, 100);
    assert_int_equal(atomic_load(&r->counts->connects_failed), 0);
    tear_down(r);
}

static void an_ipv6_address_works_as_well(void **state)
{
    (void)state;
    struct rig *r = set_up_for(AF_INET6, 2, 10);
    if (!r) {
        print_message("skipped: there is no IPv6 here\n");
        skip();
    }
    r->script.total = 100;
    r->options.sources = 3; /* of IPv4: without meaning here */
    allow(r, 100);
    start(r);
    await_answers(r, 100);
    assert_int_equal(with_code(r, ANSWER_OK), 100);
    tear_down(r);
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(open_loop_calls_are_sent_in_order_when_they_are_due_and_not_before),
        TEST(a_call_without_room_waits_and_its_due_time_stays),
        TEST(closed_loop_uses_all_room_and_asks_for_no_call_without_it),
        TEST(calls_go_round_the_connections_with_room),
        TEST(two_thousand_connections_each_get_their_calls),
        TEST(calls_too_far_behind_are_not_sent_and_the_others_are),
        TEST(the_source_gets_its_tick_while_nothing_else_happens),
        TEST(a_peer_that_closes_costs_its_own_calls_only),
        TEST(answers_that_come_together_with_the_end_of_a_connection_count),
        TEST(the_time_out_of_a_silent_peer_is_told_and_its_connection_is_given_up),
        TEST(a_late_answer_is_dropped_and_costs_the_connection_nothing),
        TEST(calls_that_no_socket_has_space_for_leave_whole_when_there_is),
        TEST(a_peer_that_refuses_is_tried_until_it_is_back),
        TEST(calls_that_find_no_connection_in_time_are_not_sent),
        TEST(answers_that_are_none_end_the_connection),
        TEST(a_peer_that_goes_away_gets_no_more_calls_and_is_connected_anew),
        TEST(finishing_awaits_the_calls_on_their_way_and_asks_for_no_more),
        TEST(finishing_awaits_no_longer_than_the_time_out),
        TEST(workers_that_are_idle_never_started_or_still_run_can_be_destroyed),
        TEST(a_phased_call_goes_to_its_connection_and_holds_up_no_other),
        TEST(phased_calls_wait_for_their_connection_until_they_are_out_of_time),
        TEST(connections_come_from_all_source_addresses),
        TEST(only_so_many_connections_are_opened_at_once_and_all_in_the_end),
        TEST(an_ipv6_address_works_as_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
