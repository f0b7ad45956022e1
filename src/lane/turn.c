/* turn.c - one turn of a lane.
 *
 * Happy path: take what the ledger answered; let due holds go; decide what was sent, a bounded
 * number; hand the batch to the ledger if it is free; hand out look-ups; tell the gate what
 * changed; hand back replies. Over a shared ledger what was sent gathers, and is decided when its
 * load is answered.
 *
 * Order matters in three places. The gate learns of freed units before the replies leave, so that
 * nobody who saw a refund is refused its units; and of the next deadline after the units that came
 * free at the one before. A change of the ledger's availability is looked at before its outcomes
 * are taken and applied after them: an outcome that was delivered before the change is then known,
 * and cannot turn it back.
 *
 * Failure: nothing here fails; memory that the gate lacks for a lot leaves the lot to the engine.
 */
#include <assert.h>

#include "lane/lane_internal.h"

enum {
    TURN_COMMANDS_MAX = 4096, /* decided before the ledger and the replies get their turn */
    PREFETCH_AHEAD = 10,      /* the engine is told that they come ... */
    PREFETCH_NEAR = 6,        /* ... and once more: they take two steps to fetch */
};

/* ---- the ledger's news ---- */

static void take_outcomes(struct lane *l)
{
    struct mail *mail = mailbox_take(&l->outcomes);
    while (mail) {
        struct batch *b = MAIL_OF(mail, struct batch);
        bool unknown = b->outcome == LEDGER_UNKNOWN;
        mail = mail->next;
        l->busy = true;
        if (!unknown) {
            assert(l->under_way > 0);
            l->under_way--;
            if (l->host.settled)
                l->host.settled(l->host.context, b);
        }
        if (!unknown)
            lane_settle_stocks(l, b);
        engine_outcome(l->engine, b);
        if (unknown)
            atomic_fetch_add(&l->unknowns_told, 1);
    }
}

/* Here all that gathered is decided. */
static void take_loads(struct lane *l)
{
    struct mail *mail = mailbox_take(&l->loads);
    while (mail) {
        struct load *load = MAIL_OF(mail, struct load);
        mail = mail->next;
        l->busy = true;
        lane_note_read(l, load);
        engine_loaded(l->engine, load);
        lane_tell_read(l);
    }
}

static void take_answers(struct lane *l)
{
    struct mail *mail = mailbox_take(&l->questions);
    while (mail) {
        struct question *q = MAIL_OF(mail, struct question);
        mail = mail->next;
        l->busy = true;
        engine_answered(l->engine, q);
    }
}

static void take_segments(struct lane *l)
{
    struct mail *mail = mailbox_take(&l->segments);
    while (mail) {
        struct order_segment *s = MAIL_OF(mail, struct order_segment);
        mail = mail->next;
        engine_segment_stored(l->engine, s, s->stored);
    }
    mail = mailbox_take(&l->runs);
    while (mail) {
        struct order_run *run = MAIL_OF(mail, struct order_run);
        mail = mail->next;
        engine_segment_stored(l->engine, NULL, run);
    }
}

static void take_from_ledger(struct lane *l)
{
    uint32_t changes = atomic_load_explicit(&l->availability_changes, memory_order_acquire);
    bool available = lane_available(l);
    take_outcomes(l);
    take_loads(l);
    take_answers(l);
    take_segments(l);
    if (changes != l->availability_seen) {
        l->availability_seen = changes;
        l->busy = true;
        engine_set_available(l->engine, available);
    }
}

/* ---- commands ---- */

/* Orders of a batch, those that open a group, and fences do not come through the gate: it must know
 * of them before they are decided, or it refuses their retries for the stock. */
static void tell_gate_of_orders(struct lane *l, const struct command *c)
{
    if (c->kind == COMMAND_OPEN_GROUP && c->group.order)
        l->gate->ops->order_seen(l->gate, c->group.order->order_hash);
    if (c->kind == COMMAND_REFUND && c->move.fence)
        l->gate->ops->order_seen(l->gate, c->move.order_hash);
    if (c->kind != COMMAND_RESERVE_BATCH)
        return;
    for (uint32_t i = 0; i < c->batch.count; i++)
        l->gate->ops->order_seen(l->gate, c->batch.orders[i].order_hash);
}

/* Of a command that comes soon; returns the one behind it. */
static struct mail *tell_ahead(struct lane *l, struct mail *mail)
{
    if (!mail)
        return NULL;
    engine_prefetch(l->engine, MAIL_OF(mail, struct command));
    return mail->next;
}

static struct mail *tell_near(struct lane *l, struct mail *mail)
{
    if (!mail)
        return NULL;
    engine_prefetch_near(l->engine, MAIL_OF(mail, struct command));
    return mail->next;
}

static void decide(struct lane *l)
{
    if (!l->pending) {
        atomic_store_explicit(&l->command_count, 0, memory_order_relaxed);
        l->pending = mailbox_take(&l->commands);
    }
    if (!l->pending)
        return;
    l->busy = true;
    struct mail *ahead = l->pending, *near = l->pending;
    for (int i = 0; i < PREFETCH_AHEAD; i++)
        ahead = tell_ahead(l, ahead);
    for (int i = 0; i < PREFETCH_NEAR; i++)
        near = tell_near(l, near);
    uint64_t count = 0;
    while (l->pending && count < TURN_COMMANDS_MAX) {
        struct command *c = MAIL_OF(l->pending, struct command);
        l->pending = l->pending->next;
        ahead = tell_ahead(l, ahead);
        near = tell_near(l, near);
        tell_gate_of_orders(l, c);
        engine_command(l->engine, c);
        count++;
    }
    if (l->host.decided)
        l->host.decided(l->host.context, count);
}

/* ---- what goes out ---- */

static void ask_ledger(struct lane *l)
{
    const struct ledger_ops *ops = l->ledger->ops;
    struct batch *b;
    struct load *load;
    while ((load = engine_next_release(l->engine)))
        ops->release(l->ledger, load);
    while ((b = engine_seal(l->engine))) {
        l->under_way++;
        lane_note_stocks(l, b);
        engine_sealed(l->engine);
        if (l->host.submitted)
            l->host.submitted(l->host.context, b);
        ops->submit(l->ledger, b);
    }
    while ((load = engine_next_load(l->engine)))
        ops->load(l->ledger, load);
    struct question *q;
    while ((q = engine_next_question(l->engine)))
        ops->ask(l->ledger, q);
    struct order_segment *s;
    while ((s = engine_next_segment(l->engine)))
        ops->store_segment(l->ledger, s);
}

static void hand_out(struct lane *l)
{
    ask_ledger(l);
    struct command *answered = engine_replies(l->engine);
    lane_tell_gate(l, answered);
    if (!answered)
        return;
    l->busy = true;
    l->host.answered(l->host.context, answered);
}

bool lane_turn(struct lane *l, int64_t now_ms, uint64_t monotonic_ns)
{
    l->busy = false;
    take_from_ledger(l);
    engine_advance(l->engine, now_ms, monotonic_ns);
    /* A commit is done: the ledger gets on with what is decided already, and who asked with the
     * replies, before anything new is decided. */
    if (l->busy && l->under_way == 0)
        hand_out(l);
    decide(l);
    hand_out(l);
    return l->busy;
}
