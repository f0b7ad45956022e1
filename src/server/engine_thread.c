/* engine_thread.c - the loop around the engine.
 *
 * Happy path of a turn: take what the ledger answered; read the clock; let due holds go; decide
 * what the workers sent, a bounded number; hand the batch to the ledger if it is free; hand out
 * look-ups; tell the gate what changed; hand back replies, a chain for each worker; sleep if there
 * was nothing.
 *
 * Order matters in three places. The gate learns of freed units before the replies leave, so that
 * nobody who saw a refund is refused its units; and of the next deadline after the units that came
 * free at the one before. A change of the ledger's availability is looked at before its outcomes
 * are taken and applied after them: an outcome that was delivered before the change is then known,
 * and cannot turn it back.
 *
 * Failure: nothing here fails; memory that the gate lacks for a lot leaves the lot to the engine.
 */
#include "server/engine_thread.h"

#include <assert.h>
#include <string.h>
#include <time.h>

#include "obs/log.h"

enum {
    TURN_COMMANDS_MAX = 4096, /* decided before the ledger and the replies get their turn */
    PREFETCH_AHEAD = 6,
    DELTAS_MAX = 256,
    IDLE_MAX_US = 1000000,      /* the clock that others compute from is not older */
    QUIET_MAX_US = 1000,        /* commands wait so long for a commit under way, at most */
    QUIET_COMMANDS_MAX = 128,   /* so many commands are decided during the commit after all */
    QUIET_COMMIT_NS = 20000000, /* a commit that takes longer is not waited for */
    OVERDUE_WAIT_US = 50000,    /* between looks at holds that wait for the ledger */
    UNKNOWN_WAIT_NS = 200000,   /* between looks whether the engine was told */
};

/* ---- callbacks of the ledger, on its threads ---- */

static void hand_over(struct engine_thread *t, struct mailbox *box, struct mail *mail)
{
    struct mail_chain chain = {0};
    mail_chain_add(&chain, mail);
    mailbox_push(box, &chain);
    wake_up(&t->wake);
}

static void on_outcome(void *context, struct batch *b)
{
    struct engine_thread *t = context;
    bool unknown = b->outcome == LEDGER_UNKNOWN;
    uint32_t seen = atomic_load(&t->unknowns_seen);
    hand_over(t, &t->outcomes, &b->mail);
    /* The ledger sets the batch's second outcome as soon as this returns. */
    while (unknown && atomic_load(&t->unknowns_seen) == seen && !atomic_load(&t->stopped))
        nanosleep(&(struct timespec){.tv_nsec = UNKNOWN_WAIT_NS}, NULL);
}

static void on_answered(void *context, struct question *r)
{
    struct engine_thread *t = context;
    hand_over(t, &t->reads, &r->mail);
}

static void on_segment_stored(void *context, struct order_segment *s, struct order_run *run)
{
    struct engine_thread *t = context;
    if (s) {
        s->stored = run;
        hand_over(t, &t->segments, &s->mail);
    } else if (run) {
        hand_over(t, &t->runs, &run->mail);
    }
}

static void on_available(void *context, bool available, const char *why)
{
    struct engine_thread *t = context;
    bool before = atomic_load_explicit(&t->state->ledger_up, memory_order_relaxed);
    state_set_ledger(t->state, available, why);
    wake_up(&t->wake);
    if (available && !before)
        log_event(LOG_INFO, "ledger.available");
    else if (!available && before)
        log_event(LOG_ERROR, "ledger.unavailable", log_text("why", why ? why : ""));
}

void engine_thread_events(struct engine_thread *t, struct ledger_events *out)
{
    *out = (struct ledger_events){.context = t,
                                  .outcome = on_outcome,
                                  .answered = on_answered,
                                  .segment_stored = on_segment_stored,
                                  .available = on_available};
}

/* ---- one turn ---- */

static void take_outcomes(struct engine_thread *t)
{
    struct mail *mail = mailbox_take(&t->outcomes);
    while (mail) {
        struct batch *b = MAIL_OF(mail, struct batch);
        mail = mail->next;
        t->busy = true;
        if (b->outcome != LEDGER_UNKNOWN) {
            metrics_observe(t->metrics, METRIC_HISTOGRAM_COMMIT,
                            clock_monotonic_ns() - t->submitted_ns);
            metrics_observe(t->metrics, METRIC_HISTOGRAM_BATCH, b->move_count);
            t->submitted = NULL;
        }
        bool unknown = b->outcome == LEDGER_UNKNOWN;
        engine_outcome(t->engine, b);
        if (unknown)
            atomic_fetch_add(&t->unknowns_seen, 1);
    }
}

static void take_reads(struct engine_thread *t)
{
    struct mail *mail = mailbox_take(&t->reads);
    while (mail) {
        struct question *r = MAIL_OF(mail, struct question);
        mail = mail->next;
        t->busy = true;
        engine_answered(t->engine, r);
    }
}

static void take_segments(struct engine_thread *t)
{
    struct mail *mail = mailbox_take(&t->segments);
    while (mail) {
        struct order_segment *s = MAIL_OF(mail, struct order_segment);
        mail = mail->next;
        engine_segment_stored(t->engine, s, s->stored);
    }
    mail = mailbox_take(&t->runs);
    while (mail) {
        struct order_run *run = MAIL_OF(mail, struct order_run);
        mail = mail->next;
        engine_segment_stored(t->engine, NULL, run);
    }
}

static void take_from_ledger(struct engine_thread *t)
{
    uint32_t changes = atomic_load_explicit(&t->state->ledger_changes, memory_order_acquire);
    bool up = atomic_load_explicit(&t->state->ledger_up, memory_order_relaxed);
    take_outcomes(t);
    take_reads(t);
    take_segments(t);
    if (changes != t->ledger_changes_seen) {
        t->ledger_changes_seen = changes;
        t->busy = true;
        engine_set_available(t->engine, up);
    }
}

/* Orders of a batch do not come through the gate: it must know of them before they take units. */
static void tell_gate_of_orders(struct engine_thread *t, const struct command *c)
{
    if (c->kind != COMMAND_RESERVE_BATCH)
        return;
    for (uint32_t i = 0; i < c->batch.count; i++)
        t->gate->ops->order_seen(t->gate, c->batch.orders[i].order_hash);
}

static void decide(struct engine_thread *t)
{
    if (!t->pending) {
        atomic_store_explicit(&t->command_count, 0, memory_order_relaxed);
        t->pending = mailbox_take(&t->commands);
    }
    if (!t->pending)
        return;
    t->busy = true;
    struct mail *ahead = t->pending;
    for (int i = 0; i < PREFETCH_AHEAD && ahead; i++) {
        engine_prefetch(t->engine, MAIL_OF(ahead, struct command));
        ahead = ahead->next;
    }
    uint64_t count = 0;
    while (t->pending && count < TURN_COMMANDS_MAX) {
        struct command *c = MAIL_OF(t->pending, struct command);
        t->pending = t->pending->next;
        if (ahead) {
            engine_prefetch(t->engine, MAIL_OF(ahead, struct command));
            ahead = ahead->next;
        }
        tell_gate_of_orders(t, c);
        engine_command(t->engine, c);
        count++;
    }
    metrics_observe(t->metrics, METRIC_HISTOGRAM_TURN_COMMANDS, count);
}

static void ask_ledger(struct engine_thread *t)
{
    struct batch *b = t->submitted ? NULL : engine_seal(t->engine);
    if (b) {
        t->submitted = b;
        t->submitted_ns = clock_monotonic_ns();
        t->ledger->ops->submit(t->ledger, b);
    }
    struct question *r;
    while ((r = engine_next_question(t->engine)))
        t->ledger->ops->ask(t->ledger, r);
    struct order_segment *s;
    while ((s = engine_next_segment(t->engine)))
        t->ledger->ops->store_segment(t->ledger, s);
}

static void tell_gate(struct engine_thread *t)
{
    struct gate_delta deltas[DELTAS_MAX];
    size_t count;
    while ((count = engine_gate_deltas(t->engine, deltas, DELTAS_MAX)) > 0)
        for (size_t i = 0; i < count; i++)
            if (deltas[i].lot <= t->lots_told)
                t->gate->ops->add(t->gate, deltas[i].lot, deltas[i].units);
    while (t->lots_told < engine_lot_count(t->engine)) {
        struct lot_view lot;
        lot_id id = ++t->lots_told;
        if (!engine_lot(t->engine, id, &lot))
            continue;
        int64_t available = lot.stock.on_hand - lot.stock.reserved - lot.stock.confirmed;
        if (t->gate->ops->lot_added(t->gate, id, lot.dims->key, available) != 0)
            log_event(LOG_WARN, "gate.lot_left_out", log_str("lot", lot.dims->key));
    }
    int64_t deadline_ms = engine_next_deadline(t->engine);
    if (deadline_ms != t->deadline_told_ms) {
        t->deadline_told_ms = deadline_ms;
        t->gate->ops->next_deadline(t->gate, deadline_ms);
    }
}

static void hand_back(struct engine_thread *t)
{
    struct command *c = engine_replies(t->engine);
    while (c) {
        struct command *next = c->link;
        assert(c->worker < t->port_count);
        mail_chain_add(&t->ports[c->worker]->chain, &c->mail);
        t->busy = true;
        c = next;
    }
    for (unsigned i = 0; i < t->port_count; i++) {
        struct reply_port *port = t->ports[i];
        if (port->chain.newest && mailbox_push(&port->replies, &port->chain))
            port->wake(port->context);
    }
}

/* ---- the thread ---- */

/* Commands that come now could not be committed before the batch that is with the ledger, so they
 * need not wake this thread: see engine_thread_send(). */
static bool commands_can_wait(const struct engine_thread *t)
{
    return t->submitted && clock_monotonic_ns() - t->submitted_ns < QUIET_COMMIT_NS;
}

static bool work_waits(struct engine_thread *t, bool quiet)
{
    uint32_t waiting = atomic_load_explicit(&t->command_count, memory_order_relaxed);
    quiet = quiet && waiting < QUIET_COMMANDS_MAX;
    return t->pending || (!quiet && !mailbox_empty(&t->commands)) || !mailbox_empty(&t->outcomes) ||
           !mailbox_empty(&t->reads) || !mailbox_empty(&t->segments) || !mailbox_empty(&t->runs) ||
           atomic_load_explicit(&t->state->ledger_changes, memory_order_relaxed) !=
               t->ledger_changes_seen;
}

static int64_t time_to_sleep_us(struct engine_thread *t, bool quiet)
{
    int64_t now_ms = t->clock.now_ns / 1000000;
    int64_t longest_us = quiet ? QUIET_MAX_US : IDLE_MAX_US;
    if (t->deadline_told_ms <= now_ms)
        return quiet ? QUIET_MAX_US : OVERDUE_WAIT_US;
    if (t->deadline_told_ms - now_ms >= IDLE_MAX_US / 1000)
        return longest_us;
    int64_t until_us = t->deadline_told_ms * 1000 - t->clock.now_ns / 1000;
    return until_us < longest_us ? until_us : longest_us;
}

static void sleep_until_work(struct engine_thread *t)
{
    bool quiet = commands_can_wait(t);
    atomic_store_explicit(&t->quiet, quiet, memory_order_relaxed);
    wake_prepare(&t->wake);
    if (work_waits(t, quiet) || (atomic_load(&t->stop) && !t->stopping))
        wake_cancel(&t->wake);
    else
        wake_wait(&t->wake, time_to_sleep_us(t, quiet));
}

/* The fence, with the one in wake_prepare(): either the thread sees the commands before it goes to
 * sleep, or its last word on being quiet is seen here. */
void engine_thread_send(struct engine_thread *t, struct mail_chain *commands, uint32_t count)
{
    mailbox_push(&t->commands, commands);
    uint32_t waiting = atomic_fetch_add(&t->command_count, count) + count;
    atomic_thread_fence(memory_order_seq_cst);
    if (!atomic_load_explicit(&t->quiet, memory_order_relaxed) || waiting >= QUIET_COMMANDS_MAX)
        wake_up(&t->wake);
}

static void turn(struct engine_thread *t)
{
    t->busy = false;
    take_from_ledger(t);
    int64_t now_ms = ledger_clock_read_ms(&t->clock);
    state_publish_clock(t->state, &t->clock);
    engine_advance(t->engine, now_ms, clock_monotonic_ns());
    if (!t->submitted && t->busy) {
        /* A commit is done: the ledger gets on with what is decided already, and the workers with
         * their replies, before anything new is decided. */
        ask_ledger(t);
        tell_gate(t);
        hand_back(t);
    }
    decide(t);
    ask_ledger(t);
    tell_gate(t);
    hand_back(t);
    metrics_add(t->metrics, METRIC_ENGINE_TURNS, 0, 1);
    atomic_fetch_add_explicit(&t->turns, 1, memory_order_relaxed);
}

static void *run(void *context)
{
    struct engine_thread *t = context;
    pthread_setname_np(pthread_self(), "tally-engine");
    for (;;) {
        turn(t);
        bool done = !t->busy && (!t->submitted || !atomic_load(&t->state->ledger_up));
        if (t->stopping && done)
            break;
        sleep_until_work(t);
        t->stopping = atomic_load(&t->stop);
    }
    atomic_store(&t->stopped, true);
    return NULL;
}

void engine_thread_fill_gate(struct engine_thread *t)
{
    t->deadline_told_ms = INT64_MIN;
    tell_gate(t);
    t->gate->ops->orders_complete(t->gate, t->orders_complete);
}

int engine_thread_start(struct engine_thread *t, struct error *e)
{
    int code = pthread_create(&t->thread, NULL, run, t);
    return code ? error_set(e, TLY_ENO_MEMORY, "", "cannot start a thread: %s", strerror(code)) : 0;
}

void engine_thread_stop(struct engine_thread *t)
{
    atomic_store(&t->stop, true);
    wake_up(&t->wake);
}

void engine_thread_join(struct engine_thread *t)
{
    pthread_join(t->thread, NULL);
}
