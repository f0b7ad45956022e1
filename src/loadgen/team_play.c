/* team_play.c - teams that open groups, fill them, pay, and do what they should not.
 *
 * Happy path: an arrival is the next member of a team whose group is known, or else the opener of a
 * new one. An acknowledged order is paid after the time to think. Before the sale is open openers
 * come all the same, are refused, and are the first to come again afterwards.
 *
 * What must be refused is tried, too: one member more than there are places, as soon as all of them
 * are taken; a second order of a buyer who has what the sale allows him; a payment at the end of
 * the window. One that is acknowledged against a rule marks its entry "beyond"; one that is refused
 * for no reason "shut". Both are said only of what is certain by this machine's clock: a refusal is
 * excused if the window may have been over, an acknowledgement if it may not have been. The
 * server's clock may run 2 % faster or slower.
 *
 * Failure modes: as in traffic.c. A team whose opener's outcome is in doubt is left alone; the
 * audit finds out whether there is a group.
 */
#include "loadgen/team_play.h"

#include "loadgen/teams.h"

#define MS_NS UINT64_C(1000000)

static uint64_t less_drift(uint64_t ns)
{
    return ns - ns / 50;
}

uint64_t team_over_ns(const struct order_mix *mix, const struct team *team)
{
    return team->group_id ? team->sent_ns + less_drift(mix->teams.window_ms * MS_NS) : UINT64_MAX;
}

static struct team *team_of(const struct traffic *t, uint64_t order)
{
    return &t->book->teams[team_number(t->run->mix, order)];
}

static bool may_be_over(const struct traffic *t, uint64_t order, uint64_t now_ns)
{
    return now_ns >= team_over_ns(t->run->mix, team_of(t, order));
}

/* What was acknowledged at `sent_ns` or later cannot have expired. */
static bool surely_holds(const struct traffic *t, uint64_t sent_ns, uint64_t now_ns)
{
    return now_ns - sent_ns < less_drift(t->run->mix->hold_ms * MS_NS);
}

/* Its window, or a hold shorter than that. */
static bool may_have_ended(const struct traffic *t, uint64_t order, uint64_t now_ns)
{
    return may_be_over(t, order, now_ns) || !surely_holds(t, team_of(t, order)->sent_ns, now_ns);
}

/* ---- what comes next ---- */

static void fill(struct traffic *t, uint64_t order, enum role role, struct call *out)
{
    const struct order_mix *mix = t->run->mix;
    struct order_plan plan = order_plan_of(mix, order);
    struct order_entry *e = order_book_at(t->book, order);
    bool alone = team_place(mix, order) == team_place_again(mix);
    out->kind = order == team_first(mix, order) ? CALL_OPEN_GROUP : CALL_RESERVE;
    out->in_sale = true;
    out->tag = role;
    out->order = order;
    out->buyer = team_buyer(mix, order);
    out->group_id = out->kind == CALL_OPEN_GROUP || alone ? 0 : team_of(t, order)->group_id;
    out->lot = plan.lot;
    out->quantity = plan.quantity;
    out->hold_ms = plan.hold_ms;
    if (role != ROLE_RETRY)
        e->step = ORDER_SENT;
}

/* The next one of a team that is still to be complete; false: there is none. Who would come when
 * the window is over does not come. */
static bool fill_joiner(struct traffic *t, uint64_t due_ns, struct call *out)
{
    const struct order_mix *mix = t->run->mix;
    struct step *next;
    while ((next = step_queue_head(&t->joiners))) {
        uint64_t order = next->order++;
        bool over = may_be_over(t, order, due_ns);
        if (over || team_place(mix, order) + 1 >= team_plan_of(mix, order).comes)
            step_queue_pop(&t->joiners);
        if (over)
            continue;
        fill(t, order, ROLE_JOIN, out);
        return true;
    }
    return false;
}

bool team_fill_order(struct traffic *t, uint64_t at_ns, struct call *out)
{
    const struct order_mix *mix = t->run->mix;
    bool early = at_ns < t->run->plan->opens_ns;
    if (!early && t->openers.count > 0) {
        fill(t, step_queue_pop(&t->openers).order, ROLE_OPEN, out);
        return true;
    }
    if (!early && fill_joiner(t, traffic_start_ns(t) + at_ns, out))
        return true;
    uint64_t first;
    if (!order_book_add_team(t->book, team_orders(mix), &first)) {
        t->fault = "memory ran short";
        return false;
    }
    fill(t, first, ROLE_OPEN, out);
    return true;
}

void team_fill_step(struct traffic *t, const struct step *s, struct call *out)
{
    if (s->role != ROLE_CONFIRM && s->role != ROLE_REFUND)
        fill(t, s->order, s->role, out);
}

/* ---- what was answered ---- */

/* A member has its place. */
static void has_place(struct traffic *t, uint64_t order, uint64_t now_ns)
{
    const struct order_mix *mix = t->run->mix;
    struct order_plan plan = order_plan_of(mix, order);
    struct team_plan team_plan = team_plan_of(mix, order);
    struct team *team = team_of(t, order);
    uint64_t first = team_first(mix, order);
    uint32_t place = team_place(mix, order);
    team->members++;
    if (plan.retry)
        traffic_follow(t, order, ROLE_RETRY, now_ns);
    if (team_plan.kind == TEAM_LAST_MOMENT && place == team_plan.odd)
        traffic_push(t, &t->at_end, order, ROLE_CONFIRM,
                     team->told_ns + mix->teams.window_ms * MS_NS);
    else if (plan.fate == FATE_PAY || plan.fate == FATE_CANCEL)
        traffic_follow(t, order, plan.fate == FATE_PAY ? ROLE_CONFIRM : ROLE_REFUND,
                       now_ns + t->run->think_ns);
    if (place == team_plan.again)
        traffic_push(t, &t->at_once, first + team_place_again(mix), ROLE_AGAIN, now_ns);
    if (team_plan.crowd && team->members == mix->teams.size)
        traffic_push(t, &t->at_once, first + team_place_spare(mix), ROLE_CROWD, now_ns);
}

/* The buyer's first order holds units for certain, so that there is nothing left for a second. */
static bool has_had_enough(const struct traffic *t, uint64_t buyer, uint64_t now_ns)
{
    const struct order_entry *e = order_book_at(t->book, buyer);
    return (e->step == ORDER_HELD || e->step == ORDER_CONFIRMED) && !e->in_doubt && !e->late &&
           !may_be_over(t, buyer, now_ns) && surely_holds(t, team_of(t, buyer)->sent_ns, now_ns);
}

static bool is_beyond(const struct traffic *t, const struct call *call, uint64_t now_ns)
{
    switch ((enum role)call->tag) {
    case ROLE_OPEN:
        return now_ns < t->run->opens_first_ns;
    case ROLE_CROWD:
        return surely_holds(t, team_of(t, call->order)->sent_ns, now_ns);
    case ROLE_AGAIN:
        return has_had_enough(t, call->buyer, now_ns);
    default:
        return false;
    }
}

/* A refusal that nothing explains: a want of units does, and so may the end of the window. */
static bool is_shut(const struct traffic *t, const struct call *call, enum answer_code code,
                    uint64_t now_ns)
{
    bool joins = call->tag == ROLE_JOIN;
    if (call->tag != ROLE_OPEN && !joins)
        return false;
    switch (code) {
    case ANSWER_SALE_NOT_OPEN:
        return call->sent_ns > t->run->opens_last_ns;
    case ANSWER_GROUP_CLOSED:
        return !joins || !may_be_over(t, call->order, now_ns);
    case ANSWER_SALE_CLOSED:
    case ANSWER_GROUP_FULL:
    case ANSWER_LIMIT_EXCEEDED:
    case ANSWER_NOT_FOUND:
    case ANSWER_INVALID_ARGUMENT:
    case ANSWER_INVALID_TRANSITION:
    case ANSWER_ORDER_MISMATCH:
        return true;
    default:
        return false;
    }
}

static void acknowledged(struct traffic *t, const struct call *call, const struct answer *a,
                         uint64_t now_ns)
{
    struct order_entry *e = order_book_at(t->book, call->order);
    e->step = ORDER_HELD;
    e->in_doubt = false;
    e->reservation_id = a->reservation_id;
    e->beyond = is_beyond(t, call, now_ns);
    if (call->tag == ROLE_OPEN) {
        *team_of(t, call->order) =
            (struct team){.group_id = a->group_id, .sent_ns = call->sent_ns, .told_ns = now_ns};
        if (team_plan_of(t->run->mix, call->order).comes > 1)
            traffic_push(t, &t->joiners, call->order + 1, ROLE_JOIN, now_ns);
    }
    if (call->tag == ROLE_OPEN || call->tag == ROLE_JOIN)
        has_place(t, call->order, now_ns);
}

static void order_answered(struct traffic *t, const struct call *call, const struct answer *a,
                           uint64_t now_ns)
{
    struct order_entry *e = order_book_at(t->book, call->order);
    if (a->code == ANSWER_OK) {
        acknowledged(t, call, a, now_ns);
        return;
    }
    if (a->code == ANSWER_NOT_SENT)
        e->step = ORDER_UNUSED;
    else if (answer_in_doubt(a->code))
        e->in_doubt = true;
    else
        e->step = ORDER_REFUSED;
    e->shut |= is_shut(t, call, a->code, now_ns);
    if (call->tag == ROLE_OPEN && a->code == ANSWER_SALE_NOT_OPEN)
        traffic_push(t, &t->openers, call->order, ROLE_OPEN, now_ns);
}

/* Confirm or Refund. */
static enum answer_code step_answered(struct traffic *t, const struct call *call,
                                      const struct answer *a, uint64_t now_ns)
{
    const struct order_mix *mix = t->run->mix;
    struct order_entry *e = order_book_at(t->book, call->order);
    bool confirm = call->tag == ROLE_CONFIRM;
    if (a->code == ANSWER_OK) {
        e->step = confirm ? ORDER_CONFIRMED : ORDER_REFUNDED;
        if (confirm)
            return a->code;
        team_of(t, call->order)->members--;
        traffic_push(t, &t->at_once, team_first(mix, call->order) + team_place_spare(mix),
                     ROLE_JOIN, now_ns);
    } else if (answer_in_doubt(a->code)) {
        e->in_doubt = true;
    } else if (a->code == ANSWER_INVALID_TRANSITION && may_have_ended(t, call->order, now_ns)) {
        e->late = true;
        return ANSWER_TOO_LATE;
    } else if (!traffic_not_done(a->code)) {
        e->denied = true;
    }
    return a->code;
}

/* The answer was made between sending and receiving. */
void team_looked(struct traffic *t, const struct call *call, const struct answer *a,
                 uint64_t now_ns)
{
    const struct traffic_run *r = t->run;
    uint64_t in_ns = (uint64_t)a->starts_in_ms * MS_NS;
    bool early = now_ns + in_ns + MS_NS < r->opens_first_ns; /* it has whole milliseconds */
    bool late = in_ns && call->sent_ns + in_ns > r->opens_last_ns + MS_NS;
    bool shut = !a->sale_open && call->sent_ns > r->opens_last_ns;
    bool open = a->sale_open && now_ns < r->opens_first_ns;
    if (a->code == ANSWER_OK && (early || late || shut || open))
        atomic_fetch_add_explicit(&t->run->countdowns_wrong, 1, memory_order_relaxed);
}

enum answer_code team_answered(struct traffic *t, const struct call *call, const struct answer *a,
                               uint64_t now_ns)
{
    switch ((enum role)call->tag) {
    case ROLE_CONFIRM:
    case ROLE_REFUND:
        return step_answered(t, call, a, now_ns);
    case ROLE_RETRY:
        traffic_retry_answered(t, call, a);
        return a->code;
    default:
        order_answered(t, call, a, now_ns);
        return a->code;
    }
}
