/* group_step.c - groups: who has a place, when they succeed, how they fail.
 *
 * A member is an order in the group that is PENDING or CONFIRMED. It has its place from RESERVE
 * until its units go back, and its hold stays in memory as long. The CONFIRM that makes all places
 * paid is followed by GROUP_SUCCEED in the same batch.
 *
 * At the end of its window a group that is OPEN fails, before anything newer is decided: one
 * GROUP_FAIL and a REFUND or RETURN of each member, with GROUP_FAILED, in one batch. At the last
 * millisecond: what was decided before ends_ms counts; from ends_ms on the group is over, and so a
 * CONFIRM at that millisecond comes too late. A member's hold whose own deadline is before ends_ms
 * has expired by itself (EXPIRED); one whose deadline is that very millisecond, or later, ends with
 * its group (GROUP_FAILED).
 *
 * While the ledger takes no writes, groups that have come to their end wait, as holds do (due.c);
 * their units are not granted to anybody before. Where very many end at once, they take a share of
 * each batch: whoever wants what is in them (their sale, a lot of which a member has units) waits,
 * and others do not.
 */
#include "engine/group_step.h"

#include <assert.h>

#include "base/hash.h"
#include "engine/engine_internal.h"

bool group_has_come_to_its_end(const struct engine *e, const struct group *g)
{
    return e->now_ms >= g->ends_ms;
}

bool group_is_open(const struct engine *e, int64_t group_id)
{
    const struct group *g = group_id ? groups_find(&e->groups, group_id) : NULL;
    return g && g->status == GROUP_IS_OPEN && !group_has_come_to_its_end(e, g);
}

int64_t hold_group_id(const struct hold *h)
{
    return h->in_sale ? hold_sale(h)->group_id : 0;
}

bool hold_has_place(const struct hold *h)
{
    return h->in_sale && hold_sale(h)->group;
}

bool hold_is_in_open_group(const struct hold *h)
{
    return hold_has_place(h) && hold_sale(h)->group->status == GROUP_IS_OPEN;
}

bool hold_group_ends(const struct engine *e, const struct hold *h)
{
    return hold_is_in_open_group(h) && group_has_come_to_its_end(e, hold_sale(h)->group);
}

bool hold_ends_with_group(const struct engine *e, const struct hold *h)
{
    return hold_group_ends(e, h) && h->deadline_ms >= hold_sale(h)->group->ends_ms;
}

static int in_group_already(const struct engine *e, struct command *c, struct reserve_command *r,
                            const struct hold *member)
{
    int64_t id = member->reservation_id;
    engine_say(c, TLY_ELIMIT_EXCEEDED, "the user has a place in group %lld already",
               (long long)hold_group_id(member));
    return order_over_limit(e, r, &id, 1, 1, 1, ORDER_IN_GROUP);
}

/* A group that is over. */
static bool was_in_sale(const struct engine *e, const struct reserve_command *r,
                        const struct sale *sale)
{
    if (!e->config.shared || r->search.group_found)
        return r->search.group_found;
    const struct group_record *record = shared_group(e, r->extra->group_id);
    return record && record->sale == sale->version->terms.number;
}

int group_admit(struct engine *e, struct command *c, struct reserve_command *r,
                const struct sale *sale)
{
    int64_t id = r->extra->group_id;
    const struct group *g = groups_find(&e->groups, id);
    if (g ? g->sale != sale : !was_in_sale(e, r, sale)) {
        r->trouble = ORDER_NO_GROUP;
        return engine_say(c, TLY_ENOT_FOUND, "there is no group %lld in sale %.*s", (long long)id,
                          STR_ARG(sale->version->terms.sale_id));
    }
    r->rests_on = g ? batch_number_of(e, g->touched) : 0;
    if (!g || g->status != GROUP_IS_OPEN || group_has_come_to_its_end(e, g))
        return engine_say(c, TLY_EGROUP_CLOSED, "group %lld is over", (long long)id);
    if (str_empty(r->user_id))
        return engine_say(c, TLY_EINVALID_ARGUMENT, "an order in a group needs a user_id");
    uint64_t user = order_user(e, r);
    const struct hold *member = groups_member(&e->groups, g, user, r->user_id);
    if (member)
        return in_group_already(e, c, r, member);
    if (g->members >= g->size)
        return engine_say(c, TLY_EGROUP_FULL, "all %u places of group %lld are taken", g->size,
                          (long long)id);
    r->rests_on = 0;
    if (!groups_make_room(&e->groups, user, id))
        return engine_say(c, TLY_EOVERLOADED, "out of memory");
    return 0;
}

static bool is_member(int state)
{
    return state == HOLD_PENDING || state == HOLD_CONFIRMED;
}

/* Counts change only while the group is OPEN: the figures of its end stay. Undo finds the status as
 * it was when the move was made. */
void group_step(struct engine *e, struct hold *h, int from, int to, bool undo)
{
    struct hold_sale *hs = hold_sale(h);
    if (!hs->group_id || from == to)
        return;
    struct group *g = hs->group ? hs->group : groups_find(&e->groups, hs->group_id);
    if (!g)
        return;
    if (!is_member(from) && is_member(to))
        groups_join(&e->groups, g, h);
    bool counts = g->status == GROUP_IS_OPEN;
    if (counts) {
        g->members = (uint16_t)(g->members + is_member(to) - is_member(from));
        int paid = (to == HOLD_CONFIRMED) - (from == HOLD_CONFIRMED);
        g->paid = (uint16_t)(g->paid + paid);
        e->paid_in_groups += (uint64_t)(int64_t)paid;
        assert(g->members <= g->size && g->paid <= g->members);
    }
    if (is_member(from) && !is_member(to))
        groups_leave(&e->groups, h);
    if (!undo && !e->loading)
        g->touched |= e->open->bit;
}

static struct group *group_of(struct engine *e, const struct hold *h)
{
    const struct hold_sale *hs = hold_sale(h);
    return hs->group || !hs->group_id ? hs->group : groups_find(&e->groups, hs->group_id);
}

void group_untouch(struct engine *e, const struct hold *h, uint8_t bit)
{
    struct group *g = group_of(e, h);
    if (g)
        g->touched &= (uint8_t)~bit;
}

static void touch(struct group *g, uint8_t bit)
{
    g->touched |= bit;
    g->sale->touched |= bit;
}

void group_retouch(struct engine *e, const struct move *m, const struct undo *u, uint8_t bit)
{
    struct group *g = m->kind >= MOVE_GROUP_OPEN ? u->group : NULL;
    if (u->hold && u->hold->in_sale) {
        hold_sale(u->hold)->sale->touched |= bit;
        g = group_of(e, u->hold);
    }
    if (m->kind == MOVE_SALE)
        u->sale->touched |= bit;
    if (g)
        touch(g, bit);
}

static struct move *add_move(struct engine *e, enum move_kind kind, struct group *g)
{
    struct undo *u;
    struct move *m = batch_add(e, kind, NULL, NULL, 0, &u);
    u->group = g;
    m->group_id = g->group_id;
    m->sale = g->sale->version->terms.number;
    m->deadline_ms = g->ends_ms;
    touch(g, e->open->bit);
    return m;
}

void group_opened(struct engine *e, struct group *g, struct str user_id)
{
    struct move *m = add_move(e, MOVE_GROUP_OPEN, g);
    m->seq = g->group_id;
    m->line.quantity = g->size;
    m->user_id = batch_keep(e, user_id);
    g->sale->groups_open++;
    e->stats.groups_open++;
}

static void count_end(struct engine *e, const struct group *g, int sign)
{
    struct sale *s = g->sale;
    bool succeeded = g->status == GROUP_SUCCEEDED;
    e->paid_in_groups -= (uint64_t)(int64_t)(sign * g->paid);
    s->groups_open -= (uint32_t)sign;
    s->groups_succeeded += succeeded ? (uint32_t)sign : 0;
    s->groups_failed += succeeded ? 0 : (uint32_t)sign;
    e->stats.groups_open -= sign;
    e->stats.groups_succeeded_total += succeeded ? sign : 0;
    e->stats.groups_failed_total += succeeded ? 0 : sign;
}

static struct move *finish(struct engine *e, struct group *g, enum group_status status)
{
    groups_unwatch(&e->groups, g);
    g->status = (uint8_t)status;
    g->ended_ms = e->now_ms;
    count_end(e, g, +1);
    struct move *m =
        add_move(e, status == GROUP_SUCCEEDED ? MOVE_GROUP_SUCCEED : MOVE_GROUP_FAIL, g);
    m->line.quantity = g->paid;
    return m;
}

void group_succeed(struct engine *e, struct group *g, struct str note)
{
    struct move *m = finish(e, g, GROUP_SUCCEEDED);
    m->note = batch_keep(e, note);
}

void group_confirmed(struct engine *e, struct hold *h)
{
    struct group *g = h->in_sale ? hold_sale(h)->group : NULL;
    if (g && g->status == GROUP_IS_OPEN && g->paid == g->size)
        group_succeed(e, g, (struct str){0});
}

/* Its members are orders like any others from then on. */
void group_forget(struct engine *e, struct group *g)
{
    if (e->loading) {
        groups_unwatch(&e->groups, g);
        count_end(e, g, +1);
    }
    while (g->first) {
        struct hold *h = g->first;
        groups_leave(&e->groups, h);
        hold_release(e, h);
    }
    groups_remove(&e->groups, g);
}

static void untouch(struct group *g, uint8_t bit)
{
    g->touched &= (uint8_t)~bit;
    g->sale->touched &= (uint8_t)~bit;
}

void group_committed(struct engine *e, const struct move *m, struct undo *u, uint8_t bit)
{
    untouch(u->group, bit);
    if (m->kind != MOVE_GROUP_OPEN)
        group_forget(e, u->group);
}

/* Its sale and its members' lots wait for it. Members may leave until it ends, none joins. */
static void mark_due(struct engine *e, const struct group *g)
{
    if (e->config.shared)
        return; /* a load brings what its commands wait for */
    g->sale->group_due = g->due;
    for (const struct hold *h = g->first; h; h = hold_sale(h)->group_next) {
        struct line one;
        const struct line *lines = hold_lines(h, &one);
        for (uint8_t i = 0; i < h->line_count; i++)
            lots_at(&e->lots, lines[i].lot)->group_due = g->due;
    }
}

void group_undone(struct engine *e, const struct move *m, struct undo *u, uint8_t bit)
{
    struct group *g = u->group;
    untouch(g, bit);
    if (m->kind == MOVE_GROUP_OPEN) {
        g->sale->groups_open--;
        e->stats.groups_open--;
        groups_remove(&e->groups, g);
        return;
    }
    count_end(e, g, -1);
    g->status = GROUP_IS_OPEN;
    g->ended_ms = 0;
    if (group_has_come_to_its_end(e, g)) { /* it ends before anything newer that it concerns */
        groups_set_due(&e->groups, g);
        mark_due(e, g);
    } else
        groups_watch(&e->groups, g);
}

bool group_take_due(struct engine *e, uint32_t max)
{
    struct group *g;
    while (max && (g = groups_take_due(&e->groups, e->now_ms))) {
        mark_due(e, g);
        max--;
    }
    return groups_next_end(&e->groups) > e->now_ms;
}

/* Those whose own deadline came first. */
static bool expire_members(struct engine *e, const struct group *g)
{
    struct hold *next;
    for (struct hold *h = g->first; h; h = next) {
        next = hold_sale(h)->group_next;
        if (h->state == HOLD_PENDING && h->deadline_ms < g->ends_ms && !hold_expire(e, h))
            return false;
    }
    return true;
}

static bool fail(struct engine *e, struct group *g)
{
    uint32_t moves = 1;
    size_t lines = 0;
    for (const struct hold *h = g->first; h; h = hold_sale(h)->group_next) {
        moves++;
        lines += h->line_count;
    }
    if (!batch_reserve(e, moves, lines))
        return false;
    finish(e, g, GROUP_FAILED);
    while (g->first) {
        bool done = hold_refund(e, g->first, REASON_GROUP_FAILED);
        assert(done);
    }
    e->open->expires = true;
    e->due_left++;
    return true;
}

/* Of all its members. Always so where nobody else writes. */
static bool fits(const struct engine *e, const struct group *g)
{
    bool fit = true;
    for (const struct hold *h = g->first; h && fit; h = hold_sale(h)->group_next)
        fit = hold_fits(e, h, h->state == HOLD_PENDING ? MOVE_REFUND : MOVE_RETURN);
    return fit;
}

bool group_expire(struct engine *e)
{
    while (e->groups.due_first && engine_takes_writes(e) && !due_share_is_full(e) &&
           (e->config.shared || !batch_full(e))) {
        struct group *g = e->groups.due_first;
        if (e->config.shared && !fits(e, g)) {
            groups_unwatch(&e->groups, g); /* till somebody has put the stock right */
            continue;
        }
        if (!expire_members(e, g) || !fail(e, g))
            return false;
    }
    return true;
}
