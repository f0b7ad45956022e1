/* audit_sale.c - the sale's own figures against what its orders and groups come to, and one unit of
 * it to try: a sale that shows some left sells it, one that shows none does not.
 *
 * Failure modes: as in audit.c. A refusal that is not about stock is no finding.
 */
#include <inttypes.h>

#include "loadgen/audit_team.h"

struct sale_try {
    struct audit *audit;
    struct answer shown;  /* GetSale */
    struct answer bought; /* one unit */
    uint32_t lot;         /* that has some available; the lots' number: none has */
    bool asked;
};

static uint64_t try_order(void)
{
    return order_number(BOOKS_MAX - 1, PROBES_MAX);
}

static bool sale_next(void *owner, struct call *out)
{
    struct sale_try *s = owner;
    bool first = !s->asked;
    s->asked = true;
    out->kind = CALL_GET_SALE;
    return first;
}

static enum ask_result sale_answered(void *owner, const struct call *call,
                                     const struct answer *answer)
{
    struct sale_try *s = owner;
    (void)call;
    if (answer->code != ANSWER_OK && answer->code != ANSWER_NOT_FOUND)
        return ASK_FAILED;
    s->shown = *answer;
    return ASK_SETTLED;
}

static bool buy_next(void *owner, struct call *out)
{
    struct sale_try *s = owner;
    bool first = !s->asked;
    s->asked = true;
    out->kind = CALL_RESERVE;
    out->in_sale = true;
    out->order = out->buyer = try_order();
    out->lot = s->lot;
    out->quantity = 1;
    return first;
}

static enum ask_result buy_answered(void *owner, const struct call *call,
                                    const struct answer *answer)
{
    struct sale_try *s = owner;
    (void)call;
    bool said = answer->code == ANSWER_OK ||
                (!answer_in_doubt(answer->code) && answer->code != ANSWER_OVERLOADED &&
                 answer->code != ANSWER_UNAVAILABLE && answer->code != ANSWER_NOT_SENT);
    if (!said)
        return ASK_FAILED;
    s->bought = *answer;
    return ASK_SETTLED;
}

static bool give_back_next(void *owner, struct call *out)
{
    struct sale_try *s = owner;
    bool first = !s->asked;
    s->asked = true;
    out->kind = CALL_REFUND;
    out->reservation_id = s->bought.reservation_id;
    return first;
}

static enum ask_result give_back_answered(void *owner, const struct call *call,
                                          const struct answer *answer)
{
    struct sale_try *s = owner;
    (void)call;
    if (answer->code == ANSWER_INVALID_TRANSITION || answer->code == ANSWER_NOT_FOUND) {
        s->audit->out->lost++;
        audit_find_order(s->audit, try_order(),
                         "one unit of the sale, to try: could not be cancelled");
        return ASK_SETTLED;
    }
    return answer->code == ANSWER_OK ? ASK_SETTLED : ASK_FAILED;
}

static bool ask_one(struct sale_try *s, const char *step, bool (*next)(void *, struct call *),
                    enum ask_result (*answered)(void *, const struct call *, const struct answer *))
{
    struct ask ask = {.step = step, .total = 1, .next = next, .answered = answered, .owner = s};
    s->asked = false;
    return audit_ask(s->audit, &ask);
}

static void tell(struct audit *a, const struct sale_account *account, const struct answer *shown)
{
    const char *sale_id = a->in->worker.target->sale;
    struct sale_verdict v;
    audit_judge_sale(account, shown, &v);
    a->out->limits_broken += v.over_limit;
    a->out->undersold += v.undersold;
    a->out->groups_wrong += v.groups;
    if (v.over_limit)
        audit_find(a, "sale %s: %s", sale_id, v.limit_text);
    if (v.undersold)
        audit_find(a, "sale %s: %s", sale_id, v.text);
    if (v.groups)
        audit_find(a, "sale %s: %s", sale_id, v.groups_text);
}

/* What one unit, to try, has shown. */
static bool try_unit(struct sale_try *s)
{
    struct audit *a = s->audit;
    const char *sale_id = a->in->worker.target->sale;
    if (s->lot == a->in->lots->count)
        return true;
    if (!ask_one(s, "buying one unit of the sale", buy_next, buy_answered))
        return false;
    if (s->bought.code == ANSWER_SOLD_OUT && s->shown.units_left > 0) {
        a->out->undersold += s->shown.units_left;
        audit_find(a, "sale %s: shows %" PRId64 " units left, and sells none", sale_id,
                   s->shown.units_left);
    }
    if (s->bought.code != ANSWER_OK)
        return true;
    if (s->shown.units_left <= 0) {
        a->out->limits_broken++;
        audit_find(a, "sale %s: shows no units left, and sold one", sale_id);
    }
    return ask_one(s, "giving it back", give_back_next, give_back_answered);
}

bool audit_sale(struct audit *a, struct sale_account *account)
{
    struct sale_try s = {.audit = a, .lot = a->in->lots->count};
    for (uint32_t i = a->in->lots->count; i-- > 0;) {
        account->available += a->lots[i].end.available > 0 ? a->lots[i].end.available : 0;
        s.lot = a->lots[i].end.available > 0 ? i : s.lot;
    }
    if (!ask_one(&s, "counting the sale", sale_next, sale_answered))
        return false;
    if (s.shown.code != ANSWER_OK) {
        a->out->groups_wrong++;
        audit_find(a, "sale %s is not there any more", a->in->worker.target->sale);
        return true;
    }
    if (a->in->countdowns_wrong > 0) {
        a->out->groups_wrong += (int64_t)a->in->countdowns_wrong;
        audit_find(a, "sale %s: its countdown was told wrong %" PRIu64 " times",
                   a->in->worker.target->sale, a->in->countdowns_wrong);
    }
    tell(a, account, &s.shown);
    return try_unit(&s);
}
