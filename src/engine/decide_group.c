/* decide_group.c - groups: opened, completed by the shop, looked up.
 *
 * OPEN_GROUP alone makes a group without members. With its opener's order it is that order
 * (decide_reserve.c), whose RESERVE follows its GROUP_OPEN; if the order is refused there is no
 * group. COMPLETE_GROUP always leaves a note: by it a group that the shop completed is told from
 * one that was paid. A group that has ended is forgotten when that is committed: from then on the
 * ledger tells of it.
 */
#include <string.h>

#include "engine/engine_internal.h"

static void view(const struct engine *e, const struct group *g, struct group_view *out)
{
    *out = (struct group_view){
        .group_id = g->group_id,
        .sale = g->sale->version->terms.number,
        .sale_id = g->sale->sale_id,
        .status = (enum group_status)g->status,
        .size = g->size,
        .places_left = (uint16_t)(g->size - g->members),
        .paid = g->paid,
        .opened_ms = g->opened_ms,
        .ends_ms = g->ends_ms,
        .ended_ms = g->ended_ms,
    };
    if (g->status == GROUP_IS_OPEN && group_has_come_to_its_end(e, g)) {
        out->status = GROUP_FAILED;
        out->ended_ms = g->ends_ms;
    }
    if (out->status != GROUP_IS_OPEN)
        out->places_left = 0;
}

static void view_record(const struct engine *e, const struct group_record *r,
                        struct group_view *out)
{
    const struct sale *s = sales_at(&e->sales, r->sale);
    *out = (struct group_view){
        .group_id = r->group_id,
        .sale = r->sale,
        .sale_id = s ? s->sale_id : (struct str){"", 0},
        .status = r->status,
        .size = r->size,
        .paid = r->paid,
        .opened_ms = r->opened_ms,
        .ends_ms = r->ends_ms,
        .ended_ms = r->ended_ms,
    };
}

/* It is not in memory: it ended long ago, or there never was one. Over a shared ledger the load has
 * told of it. */
static void answer_from_record(struct engine *e, struct command *c, int64_t group_id,
                               const struct group_record *record)
{
    if (!record) {
        engine_refuse(e, c, TLY_ENOT_FOUND, "there is no group %lld", (long long)group_id);
        return;
    }
    view_record(e, record, &c->group.group);
    if (c->kind == COMMAND_COMPLETE_GROUP) {
        c->group.replayed = record->status == GROUP_SUCCEEDED;
        if (!c->group.replayed)
            c->code =
                engine_say(c, TLY_EGROUP_CLOSED, "group %lld has failed", (long long)group_id);
    }
    engine_reply(e, c);
}

static void ask(struct engine *e, struct command *c, int64_t group_id)
{
    if (e->config.shared)
        answer_from_record(e, c, group_id, shared_group(e, group_id));
    else if (!question_ask(e, c, 0, QUESTION_GROUP, group_id, (struct str){0}, 0))
        engine_refuse(e, c, TLY_EOVERLOADED, "too many questions to the ledger");
}

void look_up_group(struct engine *e, struct command *c)
{
    const struct group *g = groups_find(&e->groups, c->group.group_id);
    if (!g) {
        ask(e, c, c->group.group_id);
        return;
    }
    view(e, g, &c->group.group);
    batch_attach(e, c, g->touched);
}

void answer_opened(struct engine *e, struct command *c, int64_t group_id)
{
    const struct group *g = group_id ? groups_find(&e->groups, group_id) : NULL;
    uint8_t undecided = batch_bits_of(e, c->group.order->rests_on);
    c->group.replayed = c->group.order->replayed;
    if (!g && group_id) {
        if (undecided) /* the ledger's answer may come before that */
            batch_attach_again(e, c, undecided);
        else
            ask(e, c, group_id);
        return;
    }
    if (g)
        view(e, g, &c->group.group);
    batch_attach(e, c, undecided | (g ? g->touched : 0));
}

static int open_alone(struct engine *e, struct command *c)
{
    struct order_extra extra = {.sale_id = c->group.sale_id, .admitted = true};
    struct reserve_command r = {.extra = &extra};
    struct sale *sale;
    if (!engine_takes_writes(e))
        return TLY_EUNAVAILABLE;
    if (c->group.user_id.len > USER_ID_MAX)
        return engine_say(c, TLY_EINVALID_ARGUMENT, "user_id has at most %d bytes", USER_ID_MAX);
    if (str_empty(c->group.sale_id))
        return engine_say(c, TLY_EINVALID_ARGUMENT, "a group is in a sale");
    int code = sale_admit(e, c, &r, &sale);
    if (code)
        return code;
    if (!batch_make_room(e, 1, 1))
        return engine_say(c, TLY_EOVERLOADED, "out of memory");
    struct group *g = sale_open_group(e, c, sale, &code);
    if (!g)
        return code;
    group_opened(e, g, c->group.user_id);
    view(e, g, &c->group.group);
    return 0;
}

void decide_open_group(struct engine *e, struct command *c)
{
    c->group.group = (struct group_view){0};
    c->group.replayed = false;
    if (c->group.order) {
        reserve_reset(c->group.order);
        decide_reserve(e, c);
        return;
    }
    c->code = open_alone(e, c);
    batch_attach(e, c, c->code ? 0 : e->open->bit);
}

static void complete(struct engine *e, struct command *c, struct group *g)
{
    if (!engine_takes_writes(e)) {
        engine_refuse(e, c, TLY_EUNAVAILABLE, NULL);
    } else if (c->group.reason.len > ADJUST_REASON_MAX) {
        engine_refuse(e, c, TLY_EINVALID_ARGUMENT, "reason has at most %d bytes",
                      ADJUST_REASON_MAX);
    } else if (!batch_make_room(e, 1, 1)) {
        engine_refuse(e, c, TLY_EOVERLOADED, "out of memory");
    } else {
        group_succeed(e, g, str_empty(c->group.reason) ? STR("completed") : c->group.reason);
        view(e, g, &c->group.group);
        batch_attach(e, c, g->touched);
    }
}

void decide_complete_group(struct engine *e, struct command *c)
{
    struct group *g = groups_find(&e->groups, c->group.group_id);
    c->group.replayed = false;
    c->group.group = (struct group_view){0};
    if (!g) {
        ask(e, c, c->group.group_id);
        return;
    }
    view(e, g, &c->group.group);
    if (c->group.group.status == GROUP_IS_OPEN) {
        complete(e, c, g);
        return;
    }
    c->group.replayed = c->group.group.status == GROUP_SUCCEEDED;
    if (!c->group.replayed)
        c->code = engine_say(c, TLY_EGROUP_CLOSED, "group %lld has failed", (long long)g->group_id);
    batch_attach(e, c, g->touched);
}

void group_answered(struct engine *e, struct command *c, uint32_t order, struct question *q,
                    bool last)
{
    if (c->kind == COMMAND_OPEN_GROUP && q->kind != QUESTION_GROUP) {
        reserve_answered(e, c, order, q, last);
        return;
    }
    answer_from_record(e, c, q->reservation_id, q->code ? NULL : &q->group);
}
