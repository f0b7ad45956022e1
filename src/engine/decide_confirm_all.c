/* decide_confirm_all.c - many reservations are CONFIRMED, or none of them.
 *
 * Happy path: all of them are PENDING and in memory; one CONFIRM each, in one batch, so in one
 * transaction. One that was confirmed before, with that payment, counts as done; if all were, it is
 * a replay. What is not PENDING is brought in from the ledger's record and pinned, so that it is
 * still as the record says when the last record has come. The first that cannot be confirmed gives
 * the code, and nothing is done.
 */
#include <assert.h>
#include <stdlib.h>

#include "engine/decide_move.h"

static struct hold *hold_at(const struct engine *e, const struct command *c, uint32_t i)
{
    return holds_find(&e->holds, c->confirm_all.reservation_ids[i]);
}

/* What was brought in for it may go. */
static void let_go(struct engine *e, struct command *c)
{
    for (uint32_t i = 0; i < c->confirm_all.count; i++) {
        if (!c->confirm_all.records[i])
            continue;
        free(c->confirm_all.records[i]);
        c->confirm_all.records[i] = NULL;
        struct hold *h = hold_at(e, c, i);
        assert(h && h->pins);
        h->pins--;
        hold_release(e, h);
    }
}

static void refuse(struct engine *e, struct command *c, int code)
{
    let_go(e, c);
    engine_refuse(e, c, code, NULL);
}

/* One that is not PENDING is judged by its record. */
static bool has_record(const struct engine *e, const struct command *c, uint32_t i)
{
    const struct hold *h = hold_at(e, c, i);
    return h && (h->state != HOLD_CONFIRMED || c->confirm_all.records[i] || e->config.shared);
}

/* Bits of undecided batches that moved one of them so that its record does not tell of it. */
static uint8_t undecided(const struct engine *e, const struct command *c)
{
    uint8_t touched = 0;
    for (uint32_t i = 0; i < c->confirm_all.count; i++) {
        const struct hold *h = hold_at(e, c, i);
        if (h && h->state == HOLD_CONFIRMED)
            touched |= (uint8_t)h->touched;
    }
    return touched;
}

/* False: too many questions, and none of its own is open. */
static bool ask(struct engine *e, struct command *c)
{
    for (uint32_t i = 0; i < c->confirm_all.count; i++) {
        if (has_record(e, c, i))
            continue;
        if (!question_ask(e, c, i, QUESTION_RESERVATION, c->confirm_all.reservation_ids[i],
                          (struct str){0}, 0))
            return c->confirm_all.asked > 0;
        c->confirm_all.asked++;
    }
    return true;
}

static int judge(struct engine *e, struct command *c, uint32_t i)
{
    const struct hold *h = hold_at(e, c, i);
    const struct reservation_record *was = c->confirm_all.records[i];
    const long long id = (long long)c->confirm_all.reservation_ids[i];
    c->confirm_all.failed = i;
    if (!h)
        return engine_say(c, TLY_ENOT_FOUND, "there is no reservation %lld", id);
    if (h->state == HOLD_PENDING && !hold_is_due(e, h)) {
        c->confirm_all.replayed = false;
        return hold_fits(e, h, MOVE_CONFIRM) ? 0 : move_does_not_add_up(c);
    }
    if (h->state != HOLD_CONFIRMED) {
        enum refund_reason reason = (enum refund_reason)h->reason;
        return engine_say(
            c, TLY_EINVALID_TRANSITION,
            "reservation %lld is REFUNDED (%s) and cannot be confirmed; none of them was", id,
            refund_reason_name(h->state == HOLD_PENDING ? REASON_EXPIRED : reason));
    }
    if (e->config.shared)
        was = shared_record(e, h->reservation_id);
    if (!was || !confirmed_with(was, c->confirm_all.payment_id))
        return engine_say(c, TLY_EORDER_MISMATCH,
                          "reservation %lld was confirmed with another payment_id", id);
    return 0;
}

static int judge_all(struct engine *e, struct command *c)
{
    if (c->confirm_all.payment_id.len > PAYMENT_ID_MAX)
        return engine_say(c, TLY_EINVALID_ARGUMENT, "payment_id has at most %d bytes",
                          PAYMENT_ID_MAX);
    c->confirm_all.replayed = true;
    for (uint32_t i = 0; i < c->confirm_all.count; i++) {
        int code = judge(e, c, i);
        if (code) {
            c->confirm_all.replayed = false;
            return code;
        }
    }
    c->confirm_all.failed = 0;
    return c->confirm_all.replayed || engine_takes_writes(e) ? 0 : TLY_EUNAVAILABLE;
}

/* False: no memory; then none of the moves is left. */
static bool write_all(struct engine *e, struct command *c)
{
    uint32_t before = e->open->count;
    struct str payment_id = {0};
    for (uint32_t i = 0; i < c->confirm_all.count; i++) {
        struct hold *h = hold_at(e, c, i);
        struct line one;
        if (h->state != HOLD_PENDING)
            continue;
        if (!batch_make_room(e, 1, h->line_count)) {
            undo_batch(e, e->open, before);
            return false;
        }
        if (!payment_id.p)
            payment_id = batch_keep(e, c->confirm_all.payment_id);
        confirm_moves(e, h, payment_id, hold_lines(h, &one), h->line_count, NULL);
        group_confirmed(e, h);
    }
    return true;
}

static void decide_now(struct engine *e, struct command *c)
{
    uint8_t touched = 0;
    c->code = judge_all(e, c);
    if (!c->code && !c->confirm_all.replayed && !write_all(e, c))
        c->code = move_no_memory(c);
    for (uint32_t i = 0; i < c->confirm_all.count; i++) {
        const struct hold *h = hold_at(e, c, i);
        touched |= h ? (uint8_t)h->touched : 0;
    }
    let_go(e, c);
    batch_attach(e, c, touched);
}

void decide_confirm_all(struct engine *e, struct command *c)
{
    c->confirm_all.failed = 0;
    c->confirm_all.replayed = false;
    if (c->confirm_all.asked)
        return;
    if (c->confirm_all.count < 1 || c->confirm_all.count > CONFIRM_ALL_MAX) {
        engine_refuse(e, c, TLY_EINVALID_ARGUMENT, "1 to %d reservations are confirmed at once",
                      CONFIRM_ALL_MAX);
        return;
    }
    uint8_t touched = undecided(e, c);
    if (touched) {
        let_go(e, c);
        batch_attach_again(e, c, touched); /* then their rows tell what they were */
    } else if (!e->config.shared && !ask(e, c)) {
        engine_say(c, TLY_EOVERLOADED, "too many questions to the ledger");
        refuse(e, c, TLY_EOVERLOADED);
    } else if (!c->confirm_all.asked && engine_must_wait(e)) {
        let_go(e, c);
        engine_defer(e, c);
    } else if (!c->confirm_all.asked) {
        decide_now(e, c);
    }
}

/* Its record, or a code: then nothing more is asked, and the others are waited for. */
void confirm_all_answered(struct engine *e, struct command *c, uint32_t order, struct question *q,
                          bool last)
{
    struct hold *h = hold_at(e, c, order);
    struct reservation_record *record = question_share(q, last);
    c->confirm_all.asked--;
    if (!c->code) {
        c->confirm_all.failed = order;
        if (q->code)
            c->code = q->code;
        else if (!record)
            c->code = move_no_memory(c);
        else if (!h && !(h = hold_from_record(e, record)))
            c->code = move_no_memory(c);
    }
    if (!c->code && h && record_is_current(record, h)) {
        c->confirm_all.records[order] = record;
        record = NULL;
        h->pins++;
    }
    free(record);
    if (c->confirm_all.asked)
        return;
    if (c->code == 0) {
        decide_confirm_all(e, c);
        return;
    }
    if (c->code == TLY_ENOT_FOUND)
        engine_say(c, c->code, "there is no reservation %lld",
                   (long long)c->confirm_all.reservation_ids[c->confirm_all.failed]);
    refuse(e, c, c->code);
}
