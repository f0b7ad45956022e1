/* audit_lots.c - step 4: the counters of every lot, against what the orders hold.
 *
 * Happy path: every lot is read once and is right. One that is not is read again, up to TRIES
 * times with a pause between: a hold that expires in the meantime is no difference.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "loadgen/audit_internal.h"

enum { TRIES = 3, PAUSE_MS = 500 };

#define MS_NS UINT64_C(1000000)

struct readings {
    struct audit *audit;
    uint32_t next;
};

static bool read_next(void *owner, struct call *out)
{
    struct readings *r = owner;
    struct audit *a = r->audit;
    while (r->next < a->in->lots->count && a->lots[r->next].read)
        r->next++;
    if (r->next == a->in->lots->count)
        return false;
    out->kind = CALL_GET_LOT;
    out->lot = r->next++;
    return true;
}

enum ask_result audit_take_lot(struct lot_account *lot, const struct answer *answer)
{
    if (answer->code == ANSWER_OK)
        lot->end = (struct lot_stock){answer->on_hand, answer->reserved, answer->confirmed,
                                      answer->available, answer->version};
    else if (answer->code != ANSWER_NOT_FOUND)
        return ASK_FAILED;
    lot->missing = answer->code == ANSWER_NOT_FOUND;
    lot->read = true;
    return ASK_SETTLED;
}

static enum ask_result read_answered(void *owner, const struct call *call,
                                     const struct answer *answer)
{
    struct readings *r = owner;
    return audit_take_lot(&r->audit->lots[call->lot], answer);
}

static struct lot_verdict judge(const struct audit *a, uint32_t lot)
{
    struct lot_verdict v;
    struct lot_account *account = &a->lots[lot];
    int64_t peak = atomic_load_explicit(&a->in->tallies[lot].held_peak, memory_order_relaxed);
    bool last = !audit_may_have_expired(a, a->in->mix->hold_ms, clock_monotonic_ns());
    if (account->missing)
        account->end = (struct lot_stock){0};
    audit_judge_lot(&a->in->lots->begin[lot], account, peak, last, &v);
    return v;
}

/* Lots that are not right are marked as not read; returns their number. */
static uint32_t doubt(struct audit *a)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < a->in->lots->count; i++) {
        struct lot_verdict v = judge(a, i);
        a->lots[i].read = !v.oversold && !v.undersold && !a->lots[i].missing;
        n += !a->lots[i].read;
    }
    return n;
}

static void tell(struct audit *a, uint32_t i)
{
    const struct lot_account *lot = &a->lots[i];
    const struct lot_stock *begin = &a->in->lots->begin[i];
    const char *key = a->in->lots->keys[i];
    struct lot_verdict v = judge(a, i);
    a->lots[i].oversold = v.oversold;
    a->lots[i].undersold = lot->missing ? begin->on_hand : v.undersold;
    if (lot->missing)
        audit_find(a, "lot %s is not there any more", key);
    if (v.oversold)
        audit_find(a, "lot %s: %s", key, v.over_text);
    if (v.undersold)
        audit_find(a, "lot %s: %s", key, v.under_text);
    if (v.adjusted && !lot->missing)
        audit_note(a,
                   "lot %s: on_hand was %" PRId64 " before the run and is %" PRId64
                   ": somebody adjusted it",
                   key, begin->on_hand, lot->end.on_hand);
    if (begin->reserved > 0)
        audit_note(a,
                   "lot %s: %" PRId64 " units were held before the run: the sums are right to "
                   "within as many",
                   key, begin->reserved);
    if (lot->perhaps > 0)
        audit_note(a, "lot %s: holds of %" PRId64 " units may expire any time", key, lot->perhaps);
}

bool audit_lots(struct audit *a)
{
    uint32_t count = a->in->lots->count, wrong = count;
    for (int i = 0; i < TRIES && wrong > 0; i++) {
        struct readings r = {.audit = a};
        struct ask ask = {
            .step = "counting the lots",
            .total = wrong,
            .next = read_next,
            .answered = read_answered,
            .owner = &r,
        };
        uint64_t pause_ns = i ? PAUSE_MS * MS_NS : 0;
        if (!audit_wait_until(a, clock_monotonic_ns() + pause_ns, ask.step) || !audit_ask(a, &ask))
            return false;
        wrong = doubt(a);
    }
    for (uint32_t i = 0; i < count; i++)
        tell(a, i);
    a->out->lots_checked = count;
    return true;
}
