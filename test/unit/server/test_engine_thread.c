/* The engine's thread, with a real engine and gate, and a ledger that the test plays itself. */
#include "fixture.h"

#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/hash.h"
#include "gate/gate_local.h"
#include "server/engine_thread.h"

enum { HASH_SEED = 7, LOT_UNITS = 5 };

static struct engine_thread *t;
static struct state server_state;
static struct ledger_events events;
static struct reply_port *port;
static sem_t replied, submitted;
static struct batch *_Atomic with_ledger;

/* ---- the ledger ---- */

static void play_submit(struct ledger *l, struct batch *b)
{
    (void)l;
    atomic_store(&with_ledger, b);
    sem_post(&submitted);
}

static void play_read(struct ledger *l, struct question *r)
{
    (void)l;
    r->code = TLY_ENOT_FOUND;
    events.answered(events.context, r);
}

static void play_store(struct ledger *l, struct order_segment *s)
{
    (void)l;
    events.segment_stored(events.context, s, NULL);
}

static const struct ledger_ops play_ops = {
    .submit = play_submit, .ask = play_read, .store_segment = play_store};
static struct ledger play_ledger = {.ops = &play_ops};

/* False when patience ends. */
static bool comes(sem_t *what)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_MS / 1000;
    return sem_timedwait(what, &until) == 0;
}

static bool has_come(sem_t *what)
{
    return sem_trywait(what) == 0;
}

static struct batch *next_batch(void)
{
    assert_true(comes(&submitted));
    return atomic_exchange(&with_ledger, NULL);
}

static void deliver(struct batch *b, enum ledger_outcome outcome)
{
    b->outcome = outcome;
    events.outcome(events.context, b);
}

/* ---- the worker ---- */

static void wake_test(void *context)
{
    (void)context;
    sem_post(&replied);
}

static void send_command(struct command *c)
{
    struct mail_chain chain = {0};
    mail_chain_add(&chain, &c->mail);
    engine_thread_send(t, &chain, 1);
}

static struct mail *next_replies(void)
{
    assert_true(comes(&replied));
    return mailbox_take(&port->replies);
}

struct order {
    struct command command;
    struct want want;
    struct line lines[ORDER_LINES_MAX];
    char id[24], text[256];
};

static struct command *order_init(struct order *o, unsigned number, int64_t quantity)
{
    memset(o, 0, sizeof *o);
    snprintf(o->id, sizeof o->id, "order-%u", number);
    o->want = (struct want){.lot = STR("COLA#00000001"), .quantity = quantity};
    o->command.kind = COMMAND_RESERVE;
    o->command.text = o->text;
    o->command.text_size = sizeof o->text;
    o->command.reserve = (struct reserve_command){.order_id = str_of(o->id),
                                                  .user_id = STR("u"),
                                                  .order_hash = hash64(str_of(o->id), HASH_SEED),
                                                  .fingerprint = number + 1,
                                                  .wants = &o->want,
                                                  .want_count = 1,
                                                  .lines = o->lines,
                                                  .line_max = ORDER_LINES_MAX};
    return &o->command;
}

/* Returns when the thread has decided all that was sent before, and has handed out all that may
 * leave: a command that is refused at once comes back, and nothing else with it. */
static void let_it_decide(void)
{
    struct order late;
    order_init(&late, 999, 1);
    late.command.deadline_ns = 1;
    send_command(&late.command);
    struct mail *mail = next_replies();
    assert_ptr_equal(mail, &late.command.mail);
    assert_null(mail->next);
    assert_int_equal(late.command.code, TLY_EOVERLOADED);
}

static void nothing(void *context, struct gate_ask *first)
{
    (void)context;
    (void)first;
}

/* What the gate says to a new order; what it took is given back. */
static enum gate_verdict ask_gate(int64_t quantity)
{
    struct gate_line line = {.lot = STR("COLA#00000001"), .quantity = quantity};
    struct gate_ask ask = {.lines = &line, .line_count = 1, .order_new = true, .order_hash = 99};
    struct gate *gate = t->lane.gate;
    const struct gate_worker worker = {.answered = nothing};
    struct gate_session *session = NULL;
    assert_int_equal(gate->ops->attach(gate, &worker, &session, NULL), 0);
    gate_ask(session, &ask);
    gate_flush(session, state_now_ms(&server_state));
    gate_detach(session);
    const struct gate_delta back = {line.lot_id, quantity};
    if (ask.verdict == GATE_PASS)
        gate->ops->decided(gate, &back, 1);
    return ask.verdict;
}

/* ---- life ---- */

static void add_lot(void)
{
    static const struct lot_dims cola = {.key = {"COLA#00000001", 13},
                                         .sku = {"COLA", 4},
                                         .flavor = {"lime", 4},
                                         .size = {"330ml_can", 9},
                                         .batch = {"BATCH-20261122-A", 16},
                                         .expires_on = LOT_NEVER_EXPIRES};
    const struct stock stock = {.on_hand = LOT_UNITS, .version = 1};
    assert_int_equal(engine_load_lot(t->lane.engine, 1, &cola, NULL, &stock, NULL), 0);
}

static int begin(void **state)
{
    (void)state;
    const struct engine_config config = {.hash_seed = HASH_SEED,
                                         .lots_max = 100,
                                         .holds_max = 100000,
                                         .batch_moves_max = 8192,
                                         .waiting_max = 100000,
                                         .questions_max = 100,
                                         .stale_tries_max = 3,
                                         .hold_default_ms = 60000,
                                         .hold_max_ms = 60000,
                                         .hold_total_max_ms = 60000,
                                         .refund_window_ms = 60000,
                                         .order_retention_ms = 3600000,
                                         .order_memory_max = 100000};
    const struct gate_local_config gate = {
        .hash_seed = HASH_SEED, .lots_max = 100, .order_filter_bytes = 65536};
    t = aligned_alloc(64, (sizeof *t + 63) & ~(size_t)63);
    port = aligned_alloc(64, (sizeof *port + 63) & ~(size_t)63);
    memset(t, 0, sizeof *t);
    memset(port, 0, sizeof *port);
    sem_init(&replied, 0, 0);
    sem_init(&submitted, 0, 0);
    atomic_store(&with_ledger, NULL);
    assert_int_equal(state_init(&server_state, NULL), 0);
    assert_int_equal(engine_create(&t->lane.engine, &config, NULL), 0);
    assert_int_equal(gate_local_create(&t->lane.gate, &gate, NULL), 0);
    t->lane.ledger = &play_ledger;
    engine_thread_init(t);
    t->metrics = metrics_create();
    t->state = &server_state;
    t->lane.orders_complete = true;
    t->ports[0] = port;
    t->port_count = 1;
    port->wake = wake_test;
    lane_events(&t->lane, &events);
    add_lot();
    ledger_clock_init(&t->clock, 0, 86400000, false);
    state_publish_clock(&server_state, &t->clock);
    lane_open(&t->lane, t->clock.now_ns / 1000000);
    return engine_thread_start(t, NULL);
}

static int finish(void **state)
{
    (void)state;
    engine_thread_stop(t);
    struct batch *b;
    while (!atomic_load(&t->stopped))
        if ((b = atomic_exchange(&with_ledger, NULL)))
            deliver(b, LEDGER_COMMITTED);
    engine_thread_join(t);
    engine_destroy(t->lane.engine);
    gate_destroy(t->lane.gate);
    metrics_destroy_all();
    state_close(&server_state);
    free(port);
    free(t);
    return 0;
}

/* ---- tests ---- */

static void no_reply_leaves_before_its_commit(void **state)
{
    (void)state;
    struct order o;
    send_command(order_init(&o, 1, 2));
    struct batch *b = next_batch();
    assert_int_equal(b->move_count, 1);
    let_it_decide();
    assert_false(has_come(&replied));
    deliver(b, LEDGER_COMMITTED);
    struct mail *mail = next_replies();
    assert_ptr_equal(mail, &o.command.mail);
    assert_null(mail->next);
    assert_int_equal(o.command.code, 0);
    assert_int_equal(o.command.reserve.line_count, 1);
}

static void commands_that_come_during_a_commit_go_with_the_next_one(void **state)
{
    (void)state;
    struct order orders[4];
    send_command(order_init(&orders[0], 0, 1));
    struct batch *first = next_batch();
    for (unsigned i = 1; i < 4; i++)
        send_command(order_init(&orders[i], i, 1));
    let_it_decide();
    assert_false(has_come(&submitted));
    deliver(first, LEDGER_COMMITTED);
    struct batch *second = next_batch();
    assert_int_equal(second->move_count, 3);
    deliver(second, LEDGER_COMMITTED);
    for (unsigned count = 0; count < 4;)
        for (struct mail *mail = next_replies(); mail; mail = mail->next)
            count++;
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(orders[i].command.code, 0);
}

static void a_refusal_does_not_wait_for_a_commit_that_it_does_not_rest_on(void **state)
{
    (void)state;
    struct order held, late;
    send_command(order_init(&held, 1, 1));
    struct batch *b = next_batch();
    order_init(&late, 2, 1);
    late.command.deadline_ns = 1;
    send_command(&late.command);
    assert_ptr_equal(next_replies(), &late.command.mail);
    assert_int_equal(late.command.code, TLY_EOVERLOADED);
    deliver(b, LEDGER_COMMITTED);
    assert_ptr_equal(next_replies(), &held.command.mail);
}

static void the_gate_knows_of_taken_and_of_freed_units_when_the_reply_is_out(void **state)
{
    (void)state;
    struct order o;
    send_command(order_init(&o, 1, LOT_UNITS));
    deliver(next_batch(), LEDGER_COMMITTED);
    next_replies();
    assert_int_equal(ask_gate(1), GATE_SOLD_OUT);
    struct command refund = {.kind = COMMAND_REFUND, .text = o.text, .text_size = sizeof o.text};
    refund.move.reservation_id = o.command.reserve.reservation_id;
    refund.move.lines = o.lines;
    refund.move.line_max = ORDER_LINES_MAX;
    send_command(&refund);
    deliver(next_batch(), LEDGER_COMMITTED);
    next_replies();
    assert_int_equal(refund.code, 0);
    assert_int_equal(ask_gate(LOT_UNITS), GATE_PASS);
}

static void a_hold_is_given_back_while_nothing_else_happens(void **state)
{
    (void)state;
    struct order o;
    order_init(&o, 1, LOT_UNITS);
    o.command.reserve.hold_ms = 50;
    send_command(&o.command);
    deliver(next_batch(), LEDGER_COMMITTED);
    next_replies();
    struct batch *expiry = next_batch();
    assert_int_equal(expiry->moves[0].reason, REASON_EXPIRED);
    assert_true(expiry->moves[0].at_ms >= o.command.reserve.expires_ms);
    deliver(expiry, LEDGER_COMMITTED);
}

static void a_rejected_commit_is_refused_gives_back_and_heals_with_the_ledger(void **state)
{
    (void)state;
    struct order orders[3];
    send_command(order_init(&orders[0], 0, LOT_UNITS));
    struct batch *b = next_batch();
    events.available(events.context, false, "disk full");
    deliver(b, LEDGER_REJECTED);
    next_replies();
    assert_int_equal(orders[0].command.code, TLY_EUNAVAILABLE);
    send_command(order_init(&orders[1], 1, 1));
    next_replies();
    assert_int_equal(orders[1].command.code, TLY_EUNAVAILABLE);
    events.available(events.context, true, NULL);
    send_command(order_init(&orders[2], 2, LOT_UNITS));
    deliver(next_batch(), LEDGER_COMMITTED);
    next_replies();
    assert_int_equal(orders[2].command.code, 0);
}

static void what_was_decided_is_committed_before_the_thread_ends(void **state)
{
    (void)state;
    struct order orders[2];
    send_command(order_init(&orders[0], 0, 1));
    struct batch *first = next_batch();
    send_command(order_init(&orders[1], 1, 1));
    let_it_decide();
    engine_thread_stop(t);
    assert_false(has_come(&submitted));
    deliver(first, LEDGER_COMMITTED);
    deliver(next_batch(), LEDGER_COMMITTED);
    for (unsigned count = 0; count < 2;)
        for (struct mail *mail = next_replies(); mail; mail = mail->next)
            count++;
    assert_int_equal(orders[1].command.code, 0);
}

struct sender {
    pthread_t thread;
    struct order *orders;
    unsigned count;
};

static void *send_all(void *context)
{
    struct sender *s = context;
    for (unsigned i = 0; i < s->count; i++)
        send_command(&s->orders[i].command);
    return NULL;
}

static void no_command_of_many_threads_is_lost(void **state)
{
    (void)state;
    enum { SENDERS = 3, EACH = 2000 };
    static struct order orders[SENDERS * EACH];
    struct sender senders[SENDERS];
    for (unsigned i = 0; i < SENDERS * EACH; i++)
        order_init(&orders[i], i, 1);
    for (unsigned i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){.orders = &orders[i * EACH], .count = EACH};
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_all, &senders[i]), 0);
    }
    unsigned replies = 0, accepted = 0;
    while (replies < SENDERS * EACH) {
        struct batch *b = atomic_exchange(&with_ledger, NULL);
        if (b)
            deliver(b, LEDGER_COMMITTED);
        if (!has_come(&replied)) {
            pause_ms(1);
            continue;
        }
        for (struct mail *mail = mailbox_take(&port->replies); mail; mail = mail->next)
            replies++;
    }
    for (unsigned i = 0; i < SENDERS; i++)
        pthread_join(senders[i].thread, NULL);
    for (unsigned i = 0; i < SENDERS * EACH; i++)
        accepted += orders[i].command.code == 0;
    assert_int_equal(accepted, LOT_UNITS);
}

#define THREAD_TEST(f) cmocka_unit_test_setup_teardown(f, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        THREAD_TEST(no_reply_leaves_before_its_commit),
        THREAD_TEST(commands_that_come_during_a_commit_go_with_the_next_one),
        THREAD_TEST(a_refusal_does_not_wait_for_a_commit_that_it_does_not_rest_on),
        THREAD_TEST(the_gate_knows_of_taken_and_of_freed_units_when_the_reply_is_out),
        THREAD_TEST(a_hold_is_given_back_while_nothing_else_happens),
        THREAD_TEST(a_rejected_commit_is_refused_gives_back_and_heals_with_the_ledger),
        THREAD_TEST(what_was_decided_is_committed_before_the_thread_ends),
        THREAD_TEST(no_command_of_many_threads_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
