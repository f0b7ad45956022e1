/* audit_judge_team.c - a sale of groups: what was promised to members, and how their groups ended,
 * against what the server shows. Pure.
 *
 * Happy path: a member of a group that has SUCCEEDED is CONFIRMED, one of a group that has FAILED
 * is REFUNDED with GROUP_FAILED, whether he had paid or not. All places of a group that has
 * SUCCEEDED are paid; one that was paid in all its places has SUCCEEDED; nobody holds units of one
 * that has FAILED. No buyer holds more than the sale allows him, no more is held than the sale has.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "loadgen/audit_team.h"
#include "loadgen/teams.h"

static void say(char text[VERDICT_TEXT_SIZE], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void say(char text[VERDICT_TEXT_SIZE], const char *format, ...)
{
    if (text[0])
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(text, VERDICT_TEXT_SIZE, format, args);
    va_end(args);
}

static bool holds(const struct order_fact *f)
{
    return f->status == HOLD_PENDING || f->status == HOLD_CONFIRMED;
}

static const char *state_text(const struct order_fact *f)
{
    switch ((enum hold_status)f->status) {
    case HOLD_PENDING:
        return "PENDING";
    case HOLD_CONFIRMED:
        return "CONFIRMED";
    case HOLD_REFUNDED:
        return f->expired        ? "REFUNDED (expired)"
               : f->group_failed ? "REFUNDED (group failed)"
                                 : "REFUNDED";
    case HOLD_NONE:
        break;
    }
    return "not there";
}

static const char *group_text(enum group_status s)
{
    static const char *const texts[] = {"not there", "OPEN", "SUCCEEDED", "FAILED"};
    return texts[s];
}

/* ---- orders ---- */

static void judge_contents(const struct team_case *c, uint32_t place, const struct order_plan *plan,
                           struct order_verdict *v)
{
    const struct order_entry *e = &c->entries[place];
    const struct order_fact *f = &c->facts[place];
    bool promised = e->step >= ORDER_HELD, other = promised && !f->same_reservation;
    if (other || f->reserve_moves > 1) {
        v->duplicated = !e->twice;
        v->spare = e->twice ? 0 : plan->quantity;
        say(v->text,
            other ? "is another reservation than was acknowledged" : "was reserved more than once");
    }
    if (f->reserve_moves == 0) {
        v->lost = true;
        say(v->text, "has no RESERVE in its history");
    }
    if (holds(f) && (f->lines != 1 || !f->lot_matches || f->quantity != plan->quantity)) {
        v->lost = true;
        say(v->text, "holds %u in %u lines%s instead of the %u that were ordered", f->quantity,
            f->lines, f->lot_matches ? "" : " of another lot", plan->quantity);
    }
    if (!f->in_sale || !f->in_group) {
        v->lost = true;
        say(v->text, f->in_sale ? "is not in the group that it was for" : "is not in the sale");
    }
}

/* It is not held any more, and the caller of it had not given it back. */
static void judge_refunded(const struct team_case *c, const struct order_fact *f, bool leaving,
                           struct order_verdict *v)
{
    if (f->group_failed && c->group.status == GROUP_FAILED)
        return;
    if (f->group_failed) {
        v->lost = true;
        say(v->text, "is REFUNDED with GROUP_FAILED, and its group is %s",
            group_text(c->group.status));
    } else if (f->expired && !c->may_have_expired) {
        v->lost = true;
        say(v->text, "expired before its deadline");
    } else if (!f->expired && !leaving) {
        v->lost = true;
        say(v->text, "is REFUNDED, and nobody cancelled it");
    }
}

static void judge_state(const struct team_case *c, uint32_t place, const struct order_plan *plan,
                        struct order_verdict *v)
{
    const struct order_entry *e = &c->entries[place];
    const struct order_fact *f = &c->facts[place];
    bool paying = e->in_doubt && plan->fate == FATE_PAY;
    bool leaving = e->in_doubt && plan->fate == FATE_CANCEL;
    switch ((enum order_step)e->step) {
    case ORDER_UNUSED:
    case ORDER_SENT:
        break;
    case ORDER_REFUSED:
        if (!e->in_doubt && holds(f)) {
            v->undersold = f->quantity;
            say(v->text, "was refused, and is %s", state_text(f));
        }
        break;
    case ORDER_HELD:
        if (f->status == HOLD_CONFIRMED && !paying && !e->denied) {
            v->undersold = f->quantity;
            say(v->text, "is CONFIRMED, and nobody paid");
        } else if (f->status == HOLD_REFUNDED) {
            judge_refunded(c, f, leaving || e->denied, v);
        }
        break;
    case ORDER_CONFIRMED:
        if (f->status != HOLD_CONFIRMED && !(f->group_failed && c->group.status == GROUP_FAILED)) {
            v->lost = true;
            say(v->text, "was acknowledged as CONFIRMED, and is %s, its group %s", state_text(f),
                group_text(c->group.status));
        }
        break;
    case ORDER_REFUNDED:
        if (f->status != HOLD_REFUNDED) {
            v->undersold = f->quantity;
            say(v->text, "was acknowledged as REFUNDED, and is %s", state_text(f));
        }
        break;
    }
}

void audit_judge_member(const struct team_case *c, uint32_t place, struct order_verdict *out)
{
    const struct order_entry *e = &c->entries[place];
    const struct order_fact *f = &c->facts[place];
    struct order_plan plan = order_plan_of(c->mix, c->first + place);
    *out = (struct order_verdict){0};
    if (f->status == HOLD_NONE) {
        out->lost = e->step >= ORDER_HELD;
        if (out->lost)
            say(out->text, "was acknowledged, and is not there");
    } else {
        out->pending = f->status == HOLD_PENDING ? f->quantity : 0;
        out->confirmed = f->status == HOLD_CONFIRMED ? f->quantity : 0;
        if (e->step != ORDER_REFUSED)
            judge_contents(c, place, &plan, out);
        judge_state(c, place, &plan, out);
    }
    if (e->denied)
        out->lost = false;
}

/* ---- groups ---- */

struct count {
    uint32_t paid;               /* as it was acknowledged */
    uint32_t confirmed, pending; /* as the server shows it */
};

static struct count count_members(const struct team_case *c)
{
    struct count n = {0};
    for (uint32_t i = 0; i <= team_place_spare(c->mix); i++) {
        n.paid += c->entries[i].step == ORDER_CONFIRMED;
        n.confirmed += c->facts[i].status == HOLD_CONFIRMED;
        n.pending += c->facts[i].status == HOLD_PENDING;
    }
    return n;
}

static void judge_end(const struct team_case *c, struct group_verdict *v)
{
    uint32_t size = c->mix->teams.size;
    struct count n = count_members(c);
    switch (c->group.status) {
    case GROUP_NONE:
        say(v->text, "was opened, and is not there");
        break;
    case GROUP_OPEN:
        if (!c->may_be_open)
            say(v->text, "is OPEN, long after its window");
        break;
    case GROUP_SUCCEEDED:
        if (n.confirmed != size || n.pending > 0)
            say(v->text, "has SUCCEEDED with %u places: %u members are CONFIRMED, %u PENDING", size,
                n.confirmed, n.pending);
        else if (c->group.paid != size)
            say(v->text, "has SUCCEEDED, and shows %" PRId64 " of %u paid", c->group.paid, size);
        break;
    case GROUP_FAILED:
        if (n.paid >= size)
            say(v->text, "has FAILED, and all its %u members had paid in time", n.paid);
        else if (n.confirmed + n.pending > 0)
            say(v->text, "has FAILED, and of its members %u are CONFIRMED, %u PENDING", n.confirmed,
                n.pending);
        break;
    }
    if (c->group.status != GROUP_NONE && c->group.places != size)
        say(v->text, "has %" PRId64 " places instead of %u", c->group.places, size);
}

void audit_judge_group(const struct team_case *c, struct group_verdict *out)
{
    uint32_t limit = c->mix->teams.user_limit, again = team_plan_of(c->mix, c->first).again;
    const struct order_fact *second = &c->facts[team_place_again(c->mix)];
    *out = (struct group_verdict){0};
    if (c->group.known)
        judge_end(c, out);
    out->wrong = out->text[0] != '\0';
    for (uint32_t i = 0; i <= team_place_spare(c->mix); i++) {
        uint32_t units = holds(&c->facts[i]) ? c->facts[i].quantity : 0;
        if (i == again && holds(second))
            units += second->quantity;
        if (units <= limit)
            continue;
        out->over_limit += units - limit;
        say(out->limit_text, "holds, with another order of its buyer, %u units, and may hold %u",
            units, limit);
        out->limit_place = i;
    }
}

/* ---- the sale ---- */

static int64_t difference(int64_t a, int64_t b)
{
    return a > b ? a - b : b - a;
}

void audit_judge_sale(const struct sale_account *s, const struct answer *shown,
                      struct sale_verdict *out)
{
    int64_t held = shown->units_pending + shown->units_confirmed;
    int64_t left = s->available;
    *out = (struct sale_verdict){0};
    if (s->total_limit && s->total_limit - s->held < left)
        left = s->total_limit > s->held ? s->total_limit - s->held : 0;
    if (s->total_limit && s->held > s->total_limit) {
        out->over_limit = s->held - s->total_limit;
        say(out->limit_text, "its orders hold %" PRId64 " units, and it has %" PRId64, s->held,
            s->total_limit);
    } else if (held < s->held) {
        out->over_limit = s->held - held;
        say(out->limit_text, "counts %" PRId64 " units as held, and its orders hold %" PRId64, held,
            s->held);
    }
    if (held > s->held || shown->units_left < left) {
        out->undersold = held > s->held ? held - s->held : left - shown->units_left;
        say(out->text,
            "counts %" PRId64 " units as held and %" PRId64 " as left: its orders hold %" PRId64
            ", and %" PRId64 " could be sold",
            held, shown->units_left, s->held, left);
    }
    int64_t succeeded = difference(shown->groups_succeeded, (int64_t)s->succeeded);
    int64_t failed = difference(shown->groups_failed, (int64_t)s->failed);
    int64_t open = difference(shown->groups_open, (int64_t)s->open);
    out->groups = succeeded > failed ? succeeded : failed;
    out->groups = open > out->groups ? open : out->groups;
    if (out->groups)
        say(out->groups_text,
            "counts %" PRId64 " groups as OPEN, %" PRId64 " as SUCCEEDED, %" PRId64
            " as FAILED: there are %" PRIu64 ", %" PRIu64 " and %" PRIu64,
            shown->groups_open, shown->groups_succeeded, shown->groups_failed, s->open,
            s->succeeded, s->failed);
}
