/* decide_reserve.c - an order: is it a retry, are writes taken, are there the units, is there room.
 *
 * In that order (I4: the duplicate before the stock). Happy path: a hold, its timer, its entry in
 * the order index and one RESERVE move; the answer waits for the batch. Every refusal leaves all of
 * them as they were.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "engine/engine_internal.h"

void reserve_reset(struct reserve_command *r)
{
    search_reset(&r->search);
    r->code = 0;
    r->replayed = r->other_user = false;
    r->reservation_id = 0;
    r->at_ms = r->expires_ms = 0;
    r->state = HOLD_PENDING;
    r->reason = REASON_NONE;
    r->line_count = 0;
    r->available = 0;
    r->failed_want = 0;
    r->trouble = ORDER_WELL;
    r->limit = 0;
    r->rests_on = 0;
    if (r->extra) {
        r->extra->starts_in_ms = r->extra->taken = 0;
        r->extra->order_count = 0;
    }
}

/* Of another order's lines there may be more than there is room for: then none is told. */
static void answer_lines(struct reserve_command *r, const struct line *lines, uint32_t count)
{
    r->line_count = (uint16_t)(count <= r->line_max ? count : 0);
    for (uint16_t i = 0; i < r->line_count; i++)
        r->lines[i] = lines[i];
}

static void answer_hold(const struct engine *e, struct reserve_command *r, const struct hold *h)
{
    struct line one;
    r->reservation_id = h->reservation_id;
    r->at_ms = h->created_ms;
    r->expires_ms = h->deadline_ms;
    bool with_group =
        h->state == HOLD_CONFIRMED ? hold_group_ends(e, h) : hold_ends_with_group(e, h);
    bool ended = with_group || hold_is_due(e, h);
    r->state = ended ? HOLD_REFUNDED : (enum hold_state)h->state;
    r->reason = with_group ? REASON_GROUP_FAILED
                : ended    ? REASON_EXPIRED
                           : (enum refund_reason)h->reason;
    answer_lines(r, hold_lines(h, &one), h->line_count);
    r->rests_on = batch_number_of(e, h->touched);
}

static void answer_record(struct reserve_command *r, const struct reservation_record *record)
{
    r->reservation_id = record->reservation_id;
    r->at_ms = record->created_ms;
    r->expires_ms = record->deadline_ms;
    r->state = record->state;
    r->reason = record->reason;
    if (record->line_count)
        answer_lines(r, record->lines, record->line_count);
    else
        answer_lines(r, record->reserved_lines, record->line_count_reserved);
}

/* What became of each line's units since, and which are to come. */
static void answer_after(const struct engine *e, struct reserve_command *r,
                         const struct reservation_record *record)
{
    if (!r->extra)
        return;
    struct line_after *after = r->extra->after;
    memset(after, 0, r->line_count * sizeof *after);
    if (record && record->after && record->line_count == r->line_count)
        memcpy(after, record->after, r->line_count * sizeof *after);
    backorder_show(e, r->reservation_id, r->lines, r->line_count, after);
}

/* A retry, or another order under the same order_id: what is stored. Its batch may not be committed
 * yet, and then never be. */
static void answer_stored(struct engine *e, struct reserve_command *r,
                          const struct seen_order *seen)
{
    const struct hold *h = seen->hold;
    if (h && batch_is_unknown(e, h->touched)) {
        r->code = TLY_EOUTCOME_UNKNOWN;
        return;
    }
    if (h)
        answer_hold(e, r, h);
    else
        answer_record(r, seen->record);
    answer_after(e, r, seen->record);
    r->replayed = seen->verdict == SEEN_REPLAY;
    e->stats.replayed_total += r->replayed;
    if (r->replayed)
        return;
    r->code = TLY_EORDER_MISMATCH;
    r->other_user = !str_equal(h ? hold_user_id(h) : seen->record->user_id, r->user_id);
}

/* The hold and everything that finds it. NULL: *code says why, and nothing was changed. */
static struct hold *make_hold(struct engine *e, struct command *c, struct reserve_command *r,
                              struct sale *sale, int64_t hold_ms, int *code)
{
    if (e->stats.holds_pending + (int64_t)e->paid_in_groups >= (int64_t)e->config.holds_max) {
        r->trouble = ORDER_HOLDS_MAX;
        r->limit = e->config.holds_max;
        *code = TLY_EOVERLOADED;
        return NULL;
    }
    *code = backorder_allow(e, c, r->lines, r->line_count);
    if (*code) {
        r->trouble = ORDER_BACKORDERS;
        r->limit = e->config.backorders_max;
        return NULL;
    }
    if (!batch_make_room(e, 2, r->line_count) || !backorder_make_room(e, r->lines, r->line_count)) {
        *code = engine_say(c, TLY_EOVERLOADED, "out of memory");
        return NULL;
    }
    struct hold *h = holds_add(&e->holds, engine_next_seq(e), r->order_id, r->user_id, r->lines,
                               r->line_count, sale);
    if (!h) {
        *code = engine_say(c, TLY_EOVERLOADED, "out of memory");
        return NULL;
    }
    if (order_index_add(e->orders, r->order_hash, h->reservation_id)) {
        holds_remove(&e->holds, h);
        *code = engine_say(c, TLY_EOVERLOADED, "the order index is behind");
        return NULL;
    }
    h->created_ms = e->now_ms;
    h->deadline_ms = e->now_ms + hold_ms;
    h->fingerprint = order_fingerprint(r);
    if (sale)
        sale_note_order(e, h, r);
    return h;
}

static int check_order(const struct engine *e, struct command *c, const struct reserve_command *r)
{
    if (r->hold_ms < 0 || r->hold_ms > e->config.hold_max_ms)
        return engine_say(c, TLY_EINVALID_ARGUMENT, "hold_ms is 1 to %lld",
                          (long long)e->config.hold_max_ms);
    if (r->order_id.len == 0 || r->order_id.len > ORDER_ID_MAX || r->user_id.len > USER_ID_MAX)
        return engine_say(c, TLY_EINVALID_ARGUMENT,
                          "order_id has 1 to %d bytes, user_id at most %d", ORDER_ID_MAX,
                          USER_ID_MAX);
    return order_check_wants(c, r);
}

/* All that may be wrong with it, before a unit is looked at and after. */
static int judge(struct engine *e, struct command *c, struct reserve_command *r, struct sale **sale)
{
    *sale = NULL;
    if (!engine_takes_writes(e))
        return TLY_EUNAVAILABLE;
    int code = check_order(e, c, r);
    if (!code && r->extra)
        code = sale_admit(e, c, r, sale);
    if (!code && *sale && r->extra->group_id)
        code = group_admit(e, c, r, *sale);
    if (!code && *sale)
        code = sale_limits(e, c, r, *sale);
    if (!code && e->config.user_holds_max)
        code = user_holds_limit(e, c, r);
    if (!code)
        code = allocate_order(e, r, *sale);
    return code || *sale ? code : lot_users_limit(e, c, r);
}

/* The group that an OPEN_GROUP's order is going to be the first in; NULL for other orders. */
static struct group *open_group(struct engine *e, struct command *c, struct reserve_command *r,
                                struct sale *sale, int *code)
{
    *code = 0;
    if (!c || c->kind != COMMAND_OPEN_GROUP)
        return NULL;
    if (!sale || r->extra->group_id || !str_equal(sale->sale_id, c->group.sale_id))
        *code = engine_say(c, TLY_EINVALID_ARGUMENT,
                           "the opener's order names the group's sale, and no group");
    else if (str_empty(r->user_id))
        *code = engine_say(c, TLY_EINVALID_ARGUMENT, "an order in a group needs a user_id");
    if (*code)
        return NULL;
    struct group *g = sale_open_group(e, c, sale, code);
    if (!g)
        return NULL;
    if (!groups_make_room(&e->groups, order_user(e, r), g->group_id)) {
        groups_remove(&e->groups, g);
        *code = engine_say(c, TLY_EOVERLOADED, "out of memory");
        return NULL;
    }
    return g;
}

static void reserve_moves(struct engine *e, struct reserve_command *r, struct hold *h,
                          struct group *opened)
{
    if (opened)
        group_opened(e, opened, r->user_id);
    hold_step(e, h, MOVE_RESERVE, REASON_NONE);
    struct move *m = batch_add(e, MOVE_RESERVE, h, r->lines, r->line_count, NULL);
    m->deadline_ms = h->deadline_ms;
    m->order_hash = r->order_hash;
    m->fingerprint = h->fingerprint;
    m->order_id = batch_keep(e, r->order_id);
    m->user_id = batch_keep(e, r->user_id);
    if (h->in_sale) {
        m->sale = hold_sale(h)->sale->version->terms.number;
        m->group_id = hold_sale(h)->group_id;
    }
}

static int reserve_new(struct engine *e, struct command *c, struct reserve_command *r)
{
    struct sale *sale;
    int code = judge(e, c, r, &sale);
    struct group *opened = NULL;
    if (!code) {
        opened = open_group(e, c, r, sale, &code);
        r->line_count = code ? 0 : r->line_count;
    }
    if (code) {
        e->stats.sold_out_total += code == TLY_ESOLD_OUT;
        return code;
    }
    struct hold *h = make_hold(e, c, r, sale, sale_hold_ms(e, sale, r->hold_ms), &code);
    if (!h) {
        if (opened)
            groups_remove(&e->groups, opened);
        r->line_count = 0;
        return code;
    }
    if (opened)
        hold_sale(h)->group_id = opened->group_id;
    reserve_moves(e, r, h, opened);
    r->reservation_id = h->reservation_id;
    r->at_ms = h->created_ms;
    r->expires_ms = h->deadline_ms;
    r->state = HOLD_PENDING;
    r->rests_on = e->batch_number + 1;
    answer_after(e, r, NULL);
    e->stats.reserved_total++;
    return 0;
}

void reserve_decide(struct engine *e, struct command *c, struct reserve_command *r,
                    const struct seen_order *seen)
{
    stock_settle_gate(e, r->wants, r->want_count);
    switch (seen->verdict) {
    case SEEN_REPLAY:
    case SEEN_MISMATCH:
        answer_stored(e, r, seen);
        break;
    case SEEN_NEW:
        r->code = reserve_new(e, c, r);
        break;
    default:
        r->code = TLY_EUNAVAILABLE;
        break;
    }
    search_reset(&r->search);
}

/* A group that is not in memory is over, or there never was one: that is for the ledger to tell. */
static bool group_is_to_be_asked(const struct engine *e, const struct reserve_command *r)
{
    const struct order_extra *x = r->extra;
    return x && x->group_id && !r->search.group_asked && !groups_find(&e->groups, x->group_id) &&
           !e->config.shared && sales_find(&e->sales, x->sale_id);
}

struct seen_order reserve_look(const struct engine *e, const struct reserve_command *r)
{
    struct seen_order seen = search_order(e, &r->search, r->order_id, r->order_hash, r);
    if (seen.verdict == SEEN_NEW && group_is_to_be_asked(e, r))
        return (struct seen_order){
            .verdict = SEEN_ASK, .ask = QUESTION_GROUP, .ask_id = r->extra->group_id};
    return seen;
}

bool reserve_take_answer(struct engine *e, struct reserve_command *r, struct question *q, bool last)
{
    if (q->kind == QUESTION_GROUP) {
        const struct sale *sale = sales_find(&e->sales, r->extra->sale_id);
        r->search.group_asked = true;
        r->search.group_found =
            q->code == 0 && sale && sale->version->terms.number == q->group.sale;
        return true;
    }
    question_archived(e, q, r->order_hash);
    struct reservation_record *record = question_share(q, last);
    if (q->code == 0 && !record)
        return false;
    search_answer(&r->search, q, r->order_id, record);
    return true;
}

static struct reserve_command *order_of(struct command *c)
{
    return c->kind == COMMAND_OPEN_GROUP ? c->group.order : &c->reserve;
}

/* The group of the order that was there before; 0: there was none, or it is in none. */
static int64_t group_of_seen(const struct seen_order *seen)
{
    if (seen->hold)
        return hold_group_id(seen->hold);
    return seen->record ? seen->record->group_id : 0;
}

/* An order was there before, and it is in no group. */
static bool opened_none(const struct command *c, const struct seen_order *seen)
{
    return c->kind == COMMAND_OPEN_GROUP && seen->verdict == SEEN_REPLAY && !group_of_seen(seen);
}

static bool is_fence(const struct seen_order *seen)
{
    return seen->hold ? hold_is_fence(seen->hold) : seen->record->fence;
}

void decide_reserve(struct engine *e, struct command *c)
{
    struct reserve_command *r = order_of(c);
    struct seen_order seen = reserve_look(e, r);
    if (seen.verdict == SEEN_ASK) {
        if (!question_ask(e, c, 0, seen.ask, seen.ask_id, r->order_id, r->order_hash)) {
            search_reset(&r->search);
            engine_refuse(e, c, TLY_EOVERLOADED, "too many questions to the ledger");
        }
        return;
    }
    if (seen.verdict == SEEN_NEW && engine_waits(e, c)) {
        engine_put_off(e, c);
        return;
    }
    bool fenced = opened_none(c, &seen) && is_fence(&seen);
    if (opened_none(c, &seen) && !fenced) /* one that opens a group is another order */
        seen.verdict = SEEN_MISMATCH;
    int64_t group_id = group_of_seen(&seen);
    reserve_decide(e, c, r, &seen);
    if (fenced && !r->code)
        r->code = engine_say(c, TLY_EGROUP_CLOSED, "the order was cancelled before it came");
    c->code = r->code;
    if (c->kind != COMMAND_OPEN_GROUP || c->code) {
        batch_attach(e, c, batch_bits_of(e, r->rests_on));
        return;
    }
    if (!r->replayed)
        group_id = hold_group_id(holds_find(&e->holds, r->reservation_id));
    answer_opened(e, c, group_id);
}

void reserve_answered(struct engine *e, struct command *c, uint32_t order, struct question *q,
                      bool last)
{
    (void)order;
    struct reserve_command *r = order_of(c);
    if (!reserve_take_answer(e, r, q, last)) {
        search_reset(&r->search);
        engine_refuse(e, c, TLY_EOVERLOADED, "out of memory");
        return;
    }
    decide_reserve(e, c);
}
