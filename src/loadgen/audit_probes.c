/* audit_probes.c - step 5: what a lot shows as available can be bought, and nothing else.
 *
 * Happy path: one unit of each probed lot is asked for; where it was given, it is given back; then
 * the lot is read again. The orders are of a book of their own (BOOKS_MAX - 1), which no worker
 * has, and a call is repeated with the same order_id until it is answered.
 *
 * Not a finding: a refusal that is not about stock, and whatever a hold of before the run, or one
 * that may expire at any time, could explain.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "loadgen/audit_internal.h"

struct probe {
    uint32_t lot;
    enum answer_code code; /* of the Reserve */
    uint64_t reservation_id;
    bool given_back;
    struct lot_account after; /* its `end` */
};

struct probes {
    struct audit *audit;
    struct probe *all;
    uint32_t count, next;
};

static bool reserve_next(void *owner, struct call *out)
{
    struct probes *p = owner;
    if (p->next == p->count)
        return false;
    out->kind = CALL_RESERVE;
    out->tag = p->next;
    out->lot = p->all[p->next].lot;
    out->quantity = 1;
    out->order = order_number(BOOKS_MAX - 1, p->next++);
    return true;
}

static enum ask_result reserve_answered(void *owner, const struct call *call,
                                        const struct answer *answer)
{
    struct probes *p = owner;
    struct probe *probe = &p->all[call->tag];
    switch (answer->code) {
    case ANSWER_OK:
        probe->reservation_id = answer->reservation_id;
        break;
    case ANSWER_SOLD_OUT:
    case ANSWER_LIMIT_EXCEEDED:
    case ANSWER_INVALID_ARGUMENT:
    case ANSWER_NOT_FOUND:
        break;
    default:
        return ASK_FAILED;
    }
    probe->code = answer->code;
    p->audit->out->probed += probe->code == ANSWER_OK || probe->code == ANSWER_SOLD_OUT;
    return ASK_SETTLED;
}

static bool refund_next(void *owner, struct call *out)
{
    struct probes *p = owner;
    while (p->next < p->count && p->all[p->next].code != ANSWER_OK)
        p->next++;
    if (p->next == p->count)
        return false;
    out->kind = CALL_REFUND;
    out->tag = p->next;
    out->order = order_number(BOOKS_MAX - 1, p->next);
    out->lot = p->all[p->next].lot;
    out->reservation_id = p->all[p->next++].reservation_id;
    return true;
}

static enum ask_result refund_answered(void *owner, const struct call *call,
                                       const struct answer *answer)
{
    struct probes *p = owner;
    switch (answer->code) {
    case ANSWER_OK:
        p->all[call->tag].given_back = true;
        return ASK_SETTLED;
    case ANSWER_NOT_FOUND:
    case ANSWER_INVALID_TRANSITION:
    case ANSWER_INVALID_ARGUMENT:
        return ASK_SETTLED;
    default:
        return ASK_FAILED;
    }
}

static bool read_next(void *owner, struct call *out)
{
    struct probes *p = owner;
    if (p->next == p->count)
        return false;
    out->kind = CALL_GET_LOT;
    out->tag = p->next;
    out->lot = p->all[p->next++].lot;
    return true;
}

static enum ask_result read_answered(void *owner, const struct call *call,
                                     const struct answer *answer)
{
    struct probes *p = owner;
    return audit_take_lot(&p->all[call->tag].after, answer);
}

static void judge(struct audit *a, const struct probe *probe, uint64_t order)
{
    struct lot_account *lot = &a->lots[probe->lot];
    const char *key = a->in->lots->keys[probe->lot];
    int64_t before = lot->end.available, after = probe->after.end.available;
    bool calm = !audit_may_have_expired(a, a->in->mix->hold_ms, clock_monotonic_ns()) &&
                lot->perhaps == 0 && a->in->lots->begin[probe->lot].reserved == 0 &&
                probe->after.end.on_hand == lot->end.on_hand;
    if (probe->code == ANSWER_SOLD_OUT && before > 0 && after > 0) {
        int64_t units = before < after ? before : after;
        lot->undersold += units;
        audit_find(a, "lot %s: undersold by %" PRId64 ": shows so many available, and sells none",
                   key, units);
    }
    if (probe->code != ANSWER_OK)
        return;
    if (!probe->given_back) {
        a->out->lost++;
        audit_find_order(a, order,
                         "one unit, to try: was acknowledged, and could not be cancelled");
    } else if (calm && after < before) {
        lot->undersold += before - after;
        audit_find(a,
                   "lot %s: undersold by %" PRId64
                   ": one unit was reserved and cancelled; available was %" PRId64
                   " before and is %" PRId64,
                   key, before - after, before, after);
    }
    if (calm && before <= 0) {
        lot->oversold += lot->oversold == 0;
        audit_find(a, "lot %s: oversold by 1: shows %" PRId64 " available, and sold one", key,
                   before);
    }
}

static bool run(struct probes *p, const char *step, bool (*next)(void *, struct call *),
                enum ask_result (*answered)(void *, const struct call *, const struct answer *))
{
    p->next = 0;
    struct ask ask = {
        .step = step, .total = p->count, .next = next, .answered = answered, .owner = p};
    return audit_ask(p->audit, &ask);
}

bool audit_probes(struct audit *a)
{
    uint32_t lots = a->in->lots->count, count = lots < PROBES_MAX ? lots : PROBES_MAX;
    struct probes p = {
        .audit = a, .all = calloc(count ? count : 1, sizeof(*p.all)), .count = count};
    if (!p.all)
        return audit_give_up(a, "out of memory");
    for (uint32_t i = 0; i < count; i++)
        p.all[i].lot = (uint32_t)((uint64_t)i * lots / count);
    bool good = run(&p, "buying one unit of each lot", reserve_next, reserve_answered) &&
                run(&p, "giving it back", refund_next, refund_answered) &&
                run(&p, "counting the lots again", read_next, read_answered);
    for (uint32_t i = 0; good && i < count; i++)
        judge(a, &p.all[i], order_number(BOOKS_MAX - 1, i));
    free(p.all);
    return good;
}
