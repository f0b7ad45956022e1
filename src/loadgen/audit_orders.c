/* audit_orders.c - steps 1 to 3: what the orders of the run hold, asked of the server.
 *
 * Happy path: one walk through the books counts; holds that were to expire are waited for; a second
 * walk looks up what was acknowledged and refused, or a sample; a third one, later, what is in
 * doubt. Each order is accounted for in its lot once: as it was found, or as it was acknowledged if
 * it was not looked up.
 *
 * Which orders are looked up: all in doubt, all that the run itself has a finding about, and of the
 * others those that a hash of their number chooses, so that nothing need be remembered.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "loadgen/audit_internal.h"

#define MS_NS UINT64_C(1000000)

enum standing { STANDING_SKIPPED, STANDING_ACKNOWLEDGED, STANDING_REFUSED, STANDING_IN_DOUBT };

struct walk {
    uint32_t book;
    uint64_t index;
};

struct look_ups {
    struct audit *audit;
    struct walk walk;
    bool in_doubt;                          /* the third walk; else the second */
    uint64_t acknowledged_cut, refused_cut; /* a hash up to this is looked up */
    uint64_t total;
};

struct counts {
    uint64_t acknowledged, refused, in_doubt, flagged, to_expire;
};

static struct order_entry *walk_next(const struct audit_input *in, struct walk *w, uint64_t *order)
{
    while (w->book < in->book_count) {
        const struct order_book *b = &in->books[w->book];
        if (w->index < b->count) {
            *order = order_number(b->thread, w->index++);
            return order_book_at(b, *order);
        }
        *w = (struct walk){w->book + 1, 0};
    }
    return NULL;
}

static enum standing standing_of(const struct order_entry *e)
{
    if (e->step == ORDER_UNUSED)
        return STANDING_SKIPPED;
    if (order_in_doubt(e))
        return STANDING_IN_DOUBT;

    return e->step == ORDER_REFUSED ? STANDING_REFUSED : STANDING_ACKNOWLEDGED;
}

/* ---- the first walk ---- */

void audit_tell_flags(struct audit *a, uint64_t order, const struct order_entry *e)
{
    if (e->denied) {
        a->out->lost++;
        audit_find_order(a, order, "was acknowledged, and a later call about it was refused");
    }
    if (e->twice) {
        a->out->duplicated++;
        audit_find_order(a, order, "was answered with two different reservations");
        struct order_plan plan = order_plan_of(a->in->mix, order);
        a->lots[plan.lot].spare += plan.quantity;
    }
    if (e->beyond) {
        a->out->limits_broken += order_plan_of(a->in->mix, order).quantity;
        audit_find_order(a, order,
                         "was acknowledged beyond a limit, in a full group or before the opening");
    }
    if (e->shut) {
        a->out->groups_wrong++;
        audit_find_order(a, order, "was refused, and there was a place, and nothing in the way");
    }
}

static struct counts count_all(struct audit *a)
{
    struct counts n = {0};
    struct walk w = {0};
    uint64_t order;
    struct order_entry *e;
    bool some_expire = a->in->mix->expire > 0 && !a->in->mix->sessions;
    while ((e = walk_next(a->in, &w, &order))) {
        enum standing standing = standing_of(e);
        n.acknowledged += e->step >= ORDER_HELD;
        n.refused += standing == STANDING_REFUSED;
        n.in_doubt += standing == STANDING_IN_DOUBT;
        n.flagged += e->denied || e->twice;
        audit_tell_flags(a, order, e);
        if (some_expire && (e->step == ORDER_HELD || e->step == ORDER_SENT))
            n.to_expire += order_plan_of(a->in->mix, order).fate == FATE_EXPIRE;
    }
    a->out->acknowledged = n.acknowledged;
    a->out->in_doubt = n.in_doubt;
    return n;
}

/* ---- look-ups ---- */

static bool is_looked_up(const struct look_ups *l, uint64_t order, const struct order_entry *e)
{
    uint64_t draw = random_at(l->audit->in->seed ^ UINT64_C(0x6175646974), order);
    switch (standing_of(e)) {
    case STANDING_SKIPPED:
        break;
    case STANDING_ACKNOWLEDGED:
        return e->denied || e->twice || draw <= l->acknowledged_cut;
    case STANDING_REFUSED:
        return draw <= l->refused_cut;
    case STANDING_IN_DOUBT:
        return true;
    }
    return false;
}

/* An order that is not looked up holds what was acknowledged. */
static void account_unseen(struct audit *a, uint64_t order, const struct order_entry *e)
{
    if (e->step != ORDER_HELD && e->step != ORDER_CONFIRMED)
        return;
    struct order_plan plan = order_plan_of(a->in->mix, order);
    struct lot_account *lot = &a->lots[plan.lot];
    if (e->step == ORDER_CONFIRMED)
        lot->confirmed += plan.quantity;
    else if (plan.fate != FATE_EXPIRE)
        lot->pending += plan.quantity;
    else if (!a->await_expiry)
        lot->perhaps += plan.quantity;
}

static bool look_up_next(void *owner, struct call *out)
{
    struct look_ups *l = owner;
    struct audit *a = l->audit;
    uint64_t order;
    struct order_entry *e;
    while ((e = walk_next(a->in, &l->walk, &order))) {
        if ((standing_of(e) == STANDING_IN_DOUBT) != l->in_doubt)
            continue;
        if (is_looked_up(l, order, e)) {
            out->kind = CALL_GET_ORDER;
            out->order = order;
            out->lot = order_plan_of(a->in->mix, order).lot;
            return true;
        }
        account_unseen(a, order, e);
    }
    return false;
}

static void count_verdict(struct audit *a, uint64_t order, const struct order_case *c,
                          const struct order_verdict *v)
{
    struct lot_account *lot = &a->lots[c->plan.lot];
    bool perhaps = c->plan.fate == FATE_EXPIRE && v->pending; /* overdue, or not waited for */
    lot->pending += perhaps ? 0 : v->pending;
    lot->perhaps += perhaps ? v->pending : 0;
    lot->confirmed += v->confirmed;
    lot->spare += v->spare;

    a->out->lost += v->lost;
    a->out->duplicated += v->duplicated;
    a->out->undersold += v->undersold;
    if (v->text[0] && (v->lost || v->duplicated || v->undersold))
        audit_find_order(a, order, v->text);
    enum standing standing = standing_of(&c->entry);
    a->out->looked_up += c->entry.step >= ORDER_HELD;
    a->out->refused_checked += standing == STANDING_REFUSED;
    a->out->in_doubt_held += standing == STANDING_IN_DOUBT && (v->pending || v->confirmed);
}

static enum ask_result look_up_answered(void *owner, const struct call *call,
                                        const struct answer *answer)
{
    struct look_ups *l = owner;
    struct audit *a = l->audit;
    bool found = answer->code == ANSWER_OK && answer->status != HOLD_NONE;
    if (!found && answer->code != ANSWER_NOT_FOUND)
        return ASK_FAILED;
    struct order_case c = {.entry = *audit_entry(a, call->order),
                           .plan = order_plan_of(a->in->mix, call->order),
                           .expiry_is_awaited = a->await_expiry};
    uint64_t gone_ns = audit_expired_by_ns(a, c.plan.hold_ms) + OVERDUE_MS * MS_NS;
    if (l->in_doubt)
        gone_ns += (LATE_MS + a->in->worker.timeout_ms) * MS_NS;
    c.must_have_expired = c.plan.hold_ms > 0 && call->sent_ns > gone_ns;
    c.may_have_expired = audit_may_have_expired(a, c.plan.hold_ms, clock_monotonic_ns());
    struct order_verdict v;
    audit_judge_order(&c, answer, &v);
    if (v.again)
        return ASK_AGAIN;
    count_verdict(a, call->order, &c, &v);
    return ASK_SETTLED;
}

static bool look_up(struct look_ups *l, bool in_doubt, const char *step, uint64_t total)
{
    l->walk = (struct walk){0};
    l->in_doubt = in_doubt;
    struct ask ask = {
        .step = step,
        .total = total,
        .next = look_up_next,
        .answered = look_up_answered,
        .owner = l,
    };
    return audit_ask(l->audit, &ask);
}

/* ---- sizes ---- */

/* So that about `wanted` of `all` hashes are at most this. */
static uint64_t cut_of(uint64_t wanted, uint64_t all)
{
    if (wanted >= all)
        return UINT64_MAX;
    return (uint64_t)((double)wanted / (double)all * 0x1p64);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

bool audit_orders(struct audit *a)
{
    enum { REFUSED_SHARE = 4 }; /* of the look-ups, at most, for orders that were refused */
    struct counts n = count_all(a);
    uint64_t wanted = a->in->look_ups_max;
    uint64_t certain = n.acknowledged > n.in_doubt ? n.acknowledged - n.in_doubt : 0;
    struct look_ups l = {
        .audit = a,
        .acknowledged_cut = cut_of(wanted, n.acknowledged),
        .refused_cut = cut_of(wanted / REFUSED_SHARE, n.refused),
    };
    a->await_expiry &= n.to_expire > 0;
    if (a->await_expiry && !audit_wait_until(a, audit_expired_by_ns(a, a->in->mix->expire_ms),
                                             "waiting for holds to expire"))
        return false;
    uint64_t total = least(certain, wanted) + least(n.refused, wanted / REFUSED_SHARE);
    if (!look_up(&l, false, "looking up orders", total))
        return false;
    if (n.in_doubt == 0)
        return true;
    return audit_wait_until(a, a->started_ns + (LATE_MS + a->in->worker.timeout_ms) * MS_NS,
                            "waiting for calls in doubt") &&
           look_up(&l, true, "looking up orders in doubt", n.in_doubt);
}
