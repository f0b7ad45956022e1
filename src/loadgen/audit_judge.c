/* audit_judge.c - one order: what was promised, against what the server shows. Pure.
 *
 * Happy path: it is there, with the same reservation, one RESERVE in its history, the same units of
 * the same lot, in the state that was acknowledged (or, in doubt, one step further).
 *
 * What is wrong counts once: lost, if the customer has less than was promised; duplicated, if there
 * is a second reservation; undersold, if units are held that nobody was promised.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "loadgen/audit_internal.h"

static void say(struct order_verdict *v, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void say(struct order_verdict *v, const char *format, ...)
{
    if (v->text[0])
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(v->text, sizeof(v->text), format, args);
    va_end(args);
}

bool order_in_doubt(const struct order_entry *e)
{
    return e->step == ORDER_SENT || (e->in_doubt && e->step != ORDER_UNUSED);
}

static bool promised(const struct order_entry *e)
{
    return e->step >= ORDER_HELD;
}

static const char *state_text(const struct answer *a)
{
    switch (a->status) {
    case HOLD_PENDING:
        return "PENDING";
    case HOLD_CONFIRMED:
        return "CONFIRMED";
    case HOLD_REFUNDED:
        return a->expired ? "REFUNDED (expired)" : "REFUNDED";
    case HOLD_NONE:
        break;
    }
    return "without a state";
}

static void judge_contents(const struct order_case *c, const struct answer *a,
                           struct order_verdict *v)
{
    const struct order_entry *e = &c->entry;
    bool other = promised(e) && a->reservation_id != e->reservation_id;
    if (other || a->reserve_moves > 1) {
        v->duplicated = !e->twice;
        v->spare = e->twice ? 0 : c->plan.quantity;
        if (other)
            say(v, "was acknowledged as reservation %" PRIu64 ", and is %" PRIu64,
                e->reservation_id, a->reservation_id);
        else
            say(v, "was reserved %u times", a->reserve_moves);
    }
    if (a->reserve_moves == 0) {
        v->lost = true;
        say(v, "has no RESERVE in its history");
    }
    bool holds = a->status == HOLD_PENDING || a->status == HOLD_CONFIRMED;
    if (holds && (a->lines != 1 || !a->lot_matches || a->quantity != c->plan.quantity)) {
        v->lost = true;
        say(v, "holds %" PRId64 " in %u lines%s instead of the %u that were ordered", a->quantity,
            a->lines, a->lot_matches ? "" : " of another lot", c->plan.quantity);
    }
}

static void judge_held(const struct order_case *c, const struct answer *a, struct order_verdict *v)
{
    enum order_fate fate = c->plan.fate;
    bool paying = c->entry.in_doubt && (fate == FATE_PAY || fate == FATE_RETURN);
    bool leaving = c->entry.in_doubt && (fate == FATE_CANCEL || fate == FATE_RETURN);
    bool refused_step = c->entry.denied; /* counted as such; what it did nevertheless is open */
    if (a->status == HOLD_PENDING && c->must_have_expired) {
        v->undersold = a->quantity;
        say(v, "is still held, long after its deadline");
    } else if (a->status == HOLD_CONFIRMED && !paying && !refused_step) {
        v->undersold = a->quantity;
        say(v, "is CONFIRMED, and nobody paid");
    } else if (a->status == HOLD_REFUNDED && a->expired && !c->may_have_expired) {
        v->lost = true;
        say(v, "expired before its deadline");
    } else if (a->status == HOLD_REFUNDED && !a->expired && !leaving && !refused_step) {
        v->lost = true;
        say(v, "is REFUNDED, and nobody cancelled it");
    }
}

static void judge_state(const struct order_case *c, const struct answer *a, struct order_verdict *v)
{
    bool returning = c->entry.in_doubt && c->plan.fate == FATE_RETURN;
    switch ((enum order_step)c->entry.step) {
    case ORDER_UNUSED:
        break;
    case ORDER_SENT:
        if (a->status == HOLD_PENDING && c->must_have_expired) {
            v->undersold = a->quantity;
            say(v, "is still held, long after its deadline");
        }
        break;
    case ORDER_REFUSED:
        if (!c->entry.in_doubt && (v->pending || v->confirmed)) {
            v->undersold = v->pending + v->confirmed;
            say(v, "was refused, and is %s", state_text(a));
        }
        break;
    case ORDER_HELD:
        judge_held(c, a, v);
        break;
    case ORDER_CONFIRMED:
        if (a->status != HOLD_CONFIRMED &&
            !(returning && a->status == HOLD_REFUNDED && !a->expired)) {
            v->lost = true;
            say(v, "was acknowledged as CONFIRMED, and is %s", state_text(a));
        }
        break;
    case ORDER_REFUNDED:
        if (a->status != HOLD_REFUNDED) {
            v->undersold = a->quantity;
            say(v, "was acknowledged as REFUNDED, and is %s", state_text(a));
        }
        break;
    }
}

void audit_judge_order(const struct order_case *c, const struct answer *a,
                       struct order_verdict *out)
{
    *out = (struct order_verdict){0};
    if (a->code == ANSWER_NOT_FOUND) {
        out->lost = promised(&c->entry);
        if (out->lost)
            say(out, "was acknowledged, and is not there");
    } else if (a->status == HOLD_PENDING && c->plan.fate == FATE_EXPIRE && c->expiry_is_awaited &&
               !c->must_have_expired) {
        out->again = true;
        return;
    } else {
        if (a->status == HOLD_PENDING)
            out->pending = a->quantity;
        else if (a->status == HOLD_CONFIRMED)
            out->confirmed = a->quantity;
        if (c->entry.step != ORDER_REFUSED)
            judge_contents(c, a, out);
        judge_state(c, a, out);
    }
    if (c->entry.denied)
        out->lost = false;
}
