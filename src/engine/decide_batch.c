/* decide_batch.c - many independent orders in one command.
 *
 * First all of them are looked up; those that need the ledger ask it, as many at a time as there
 * are questions left. When a pass over all orders needs to ask nothing any more they are decided,
 * in their order, in one go, so that they join one batch and get one commit. Each has its own
 * outcome; the command itself succeeds.
 */
#include <assert.h>

#include "engine/engine_internal.h"

enum { PREFETCH_AHEAD = 8 };

static void refuse_order(struct engine *e, struct reserve_command *r, int code)
{
    stock_settle_gate(e, r->wants, r->want_count);
    search_reset(&r->search);
    r->code = code;
}

/* True: order i has to wait for the ledger. */
static bool asks(struct engine *e, struct command *c, uint32_t i, bool *no_slot)
{
    struct reserve_command *r = &c->batch.orders[i];
    struct seen_order seen = reserve_look(e, r);
    if (seen.verdict != SEEN_ASK)
        return false;
    if (question_ask(e, c, i, seen.ask, seen.ask_id, r->order_id, r->order_hash)) {
        c->batch.undecided++;
        c->batch.asked = true;
        return true;
    }
    *no_slot = true;
    return false;
}

/* Goes on with the pass. True when it came to the end and no question is open. */
static bool pass(struct engine *e, struct command *c)
{
    for (; c->batch.next < c->batch.count; c->batch.next++) {
        uint32_t i = c->batch.next;
        if (i + PREFETCH_AHEAD < c->batch.count)
            order_index_prefetch(e->orders, c->batch.orders[i + PREFETCH_AHEAD].order_hash);
        if (c->batch.orders[i].code)
            continue;
        bool no_slot = false;
        if (asks(e, c, i, &no_slot) || !no_slot)
            continue;
        if (c->batch.undecided)
            return false;
        refuse_order(e, &c->batch.orders[i], TLY_EOVERLOADED);
    }
    return c->batch.undecided == 0;
}

static void decide_all(struct engine *e, struct command *c)
{
    uint8_t touched = 0;
    for (uint32_t i = 0; i < c->batch.count; i++) {
        struct reserve_command *r = &c->batch.orders[i];
        if (i + PREFETCH_AHEAD < c->batch.count) {
            const struct reserve_command *ahead = &c->batch.orders[i + PREFETCH_AHEAD];
            order_index_prefetch(e->orders, ahead->order_hash);
            __builtin_prefetch(ahead->order_id.p);
            __builtin_prefetch(ahead->wants);
        }
        if (r->code)
            continue;
        struct seen_order seen = reserve_look(e, r);
        reserve_decide(e, NULL, r, &seen);
        touched |= batch_bits_of(e, r->rests_on);
    }
    batch_attach(e, c, touched);
}

void decide_batch(struct engine *e, struct command *c)
{
    for (;;) {
        if (!pass(e, c))
            return;
        c->batch.next = 0;
        if (!c->batch.asked) {
            if (engine_waits(e, c))
                engine_put_off(e, c);
            else
                decide_all(e, c);
            return;
        }
        c->batch.asked = false;
    }
}

void decide_batch_answer(struct engine *e, struct command *c, uint32_t order, struct question *q,
                         bool last)
{
    struct reserve_command *o = &c->batch.orders[order];
    assert(c->batch.undecided > 0);
    if (q->code != 0 && q->code != TLY_ENOT_FOUND) {
        refuse_order(e, o, TLY_EUNAVAILABLE);
    } else {
        if (!reserve_take_answer(e, o, q, last)) {
            refuse_order(e, o, TLY_EOVERLOADED);
        } else {
            bool no_slot = false;
            asks(e, c, order, &no_slot);
        }
    }
    c->batch.undecided--;
    decide_batch(e, c);
}
