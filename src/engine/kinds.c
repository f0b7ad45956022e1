/* kinds.c - one row per kind of command: all that differs between them on their common way.
 *
 * What a row leaves out (NULL) is as for a command that takes no units from the gate, keeps no
 * notes between two looks at it, and is refused as a whole.
 */
#include <assert.h>
#include <stdlib.h>

#include "engine/decide_move.h"
#include "engine/engine_internal.h"
#include "engine/shared_keys.h"

/* ---- RESERVE ---- */

static void reserve_accept(struct command *c)
{
    c->reserve.search.record = NULL;
}

static void reserve_again(struct engine *e, struct command *c)
{
    reserve_reset(&c->reserve);
    decide_reserve(e, c);
}

static void reserve_settle(struct engine *e, struct command *c)
{
    stock_settle_gate(e, c->reserve.wants, c->reserve.want_count);
}

static void reserve_drop(struct command *c)
{
    search_reset(&c->reserve.search);
}

static bool reserve_did(const struct engine *e, const struct command *c)
{
    (void)e;
    return c->code == 0 && !c->reserve.replayed;
}

static void reserve_prefetch(const struct engine *e, const struct command *c)
{
    order_index_prefetch(e->orders, c->reserve.order_hash);
    if (c->reserve.want_count)
        lots_prefetch(&e->lots, c->reserve.wants[0].lot_hint);
    if (c->reserve.extra)
        __builtin_prefetch(c->reserve.extra, 1);
}

/* What the first look at it would have waited for. */
static void reserve_prefetch_near(const struct engine *e, const struct command *c)
{
    if (c->reserve.extra && c->reserve.extra->sale_id.len)
        sale_prefetch(e, &c->reserve);
}

static bool reserve_concerned(const struct engine *e, const struct command *c)
{
    return due_concerns(e, &c->reserve);
}

/* ---- RESERVE_BATCH: orders have outcomes of their own ---- */

static void batch_accept(struct command *c)
{
    for (uint32_t i = 0; i < c->batch.count; i++)
        c->batch.orders[i].search.record = NULL;
}

static void batch_again(struct engine *e, struct command *c)
{
    c->batch.next = c->batch.undecided = 0;
    c->batch.asked = false;
    for (uint32_t i = 0; i < c->batch.count; i++)
        reserve_reset(&c->batch.orders[i]);
    decide_batch(e, c);
}

static void batch_settle(struct engine *e, struct command *c)
{
    for (uint32_t i = 0; i < c->batch.count; i++)
        stock_settle_gate(e, c->batch.orders[i].wants, c->batch.orders[i].want_count);
}

static void batch_drop(struct command *c)
{
    for (uint32_t i = 0; i < c->batch.count; i++)
        search_reset(&c->batch.orders[i].search);
}

static bool batch_did(const struct engine *e, const struct command *c)
{
    for (uint32_t i = 0; i < c->batch.count; i++) {
        const struct reserve_command *r = &c->batch.orders[i];
        if (r->code == 0 && !r->replayed && r->rests_on > e->committed_number)
            return true;
    }
    return false;
}

/* Only those that rested on what is not committed get `code`, and, if that was undone, those that
 * were refused the units of it. */
static void batch_fail(struct engine *e, struct command *c, int code)
{
    for (uint32_t i = 0; i < c->batch.count; i++) {
        struct reserve_command *r = &c->batch.orders[i];
        bool refused = r->code == TLY_ESOLD_OUT && code != TLY_EOUTCOME_UNKNOWN;
        if (r->rests_on > e->committed_number || refused)
            r->code = code;
    }
    engine_reply(e, c);
}

static bool batch_concerned(const struct engine *e, const struct command *c)
{
    for (uint32_t i = 0; i < c->batch.count; i++) {
        if (due_concerns(e, &c->batch.orders[i]))
            return true;
    }
    return false;
}

/* ---- CONFIRM, REFUND, EXTEND, SHIP, CHANGE ---- */

static bool by_order(const struct command *c)
{
    return !str_empty(c->move.by_order_id);
}

static void move_accept(struct command *c)
{
    c->move.search = (struct order_search){0};
}

static void move_drop(struct command *c)
{
    search_reset(&c->move.search);
}

static void move_again(struct engine *e, struct command *c)
{
    search_reset(&c->move.search);
    decide_move(e, c);
}

static bool move_did(const struct engine *e, const struct command *c)
{
    (void)e;
    return c->code == 0 && !c->move.replayed;
}

/* That it cannot be moved any more is certain: it does not wait for all that is due with it. (A
 * reclaim does: decide_move.c.) */
static bool move_of_due(const struct engine *e, const struct command *c)
{
    const struct hold *h = by_order(c) ? NULL : holds_find(&e->holds, c->move.reservation_id);
    return h && (h->state == HOLD_REFUNDED || (hold_is_due(e, h) && !hold_ends_with_group(e, h)));
}

/* It is judged by its own hold. What takes units waits where it is decided (decide_move.c). */
static bool move_concerned(const struct engine *e, const struct command *c)
{
    (void)e, (void)c;
    return false;
}

static void move_prefetch(const struct engine *e, const struct command *c)
{
    if (by_order(c))
        order_index_prefetch(e->orders, c->move.order_hash);
    else
        holds_prefetch(&e->holds, c->move.reservation_id);
}

static void move_answered(struct engine *e, struct command *c, uint32_t order, struct question *q,
                          bool last)
{
    (void)order;
    if (by_order(c)) {
        question_archived(e, q, c->move.order_hash);
    } else if (q->code == TLY_ENOT_FOUND && !holds_find(&e->holds, q->reservation_id)) {
        engine_refuse(e, c, TLY_ENOT_FOUND, "there is no reservation %lld",
                      (long long)q->reservation_id);
        return;
    }
    struct reservation_record *record = question_share(q, last);
    if (q->code == 0 && !record) {
        search_reset(&c->move.search);
        engine_refuse(e, c, TLY_EOVERLOADED, "out of memory");
        return;
    }
    bool may_have_moved = q->kind == QUESTION_ORDER && record && e->answer_is_old;
    if (may_have_moved && !holds_find(&e->holds, record->reservation_id)) {
        int64_t id = record->reservation_id;
        free(record);
        move_ask_record(e, c, id);
        return;
    }
    struct str order_id = record ? record->order_id : c->move.by_order_id;
    search_answer(&c->move.search, q, by_order(c) ? c->move.by_order_id : order_id, record);
    decide_move(e, c);
}

/* ---- CONFIRM_ALL ---- */

static void confirm_all_accept(struct command *c)
{
    c->confirm_all.asked = 0;
    for (uint32_t i = 0; i < c->confirm_all.count; i++)
        c->confirm_all.records[i] = NULL;
}

/* It may wait for several answers, and is dropped with each. */
static void confirm_all_drop(struct command *c)
{
    for (uint32_t i = 0; i < c->confirm_all.count; i++) {
        free(c->confirm_all.records[i]);
        c->confirm_all.records[i] = NULL;
    }
}

static bool confirm_all_did(const struct engine *e, const struct command *c)
{
    (void)e;
    return c->code == 0 && !c->confirm_all.replayed;
}

/* ---- CREATE_LOT, UPDATE_LOT, ADJUST ---- */

static bool update_did(const struct engine *e, const struct command *c)
{
    (void)e;
    return c->code == 0 && c->update_lot.changed;
}

static bool create_did(const struct engine *e, const struct command *c)
{
    (void)e;
    return c->code == 0;
}

static bool set_stock_did(const struct engine *e, const struct command *c)
{
    (void)e;
    return c->code == 0 && !c->set.check_only;
}

static void adjust_again(struct engine *e, struct command *c)
{
    decide_adjust(e, c, NULL);
}

static bool adjust_did(const struct engine *e, const struct command *c)
{
    (void)e;
    return c->code == 0 && !c->adjust.replayed;
}

static void adjust_answered(struct engine *e, struct command *c, uint32_t order, struct question *q,
                            bool last)
{
    (void)order;
    (void)last;
    decide_adjust(e, c, q);
}

/* ---- GET_RESERVATION ---- */

static void get_accept(struct command *c)
{
    c->get.record = NULL;
    c->get.search = (struct order_search){0};
}

static void get_drop(struct command *c)
{
    search_reset(&c->get.search);
}

/* ---- sales ---- */

static bool sale_did(const struct engine *e, const struct command *c)
{
    (void)e;
    return c->code == 0 && !c->sale->replayed;
}

/* ---- groups ---- */

static void group_accept(struct command *c)
{
    if (c->group.order)
        c->group.order->search.record = NULL;
}

static void group_settle(struct engine *e, struct command *c)
{
    if (c->group.order)
        stock_settle_gate(e, c->group.order->wants, c->group.order->want_count);
}

static void group_drop(struct command *c)
{
    if (c->group.order)
        search_reset(&c->group.order->search);
}

static bool open_group_concerned(const struct engine *e, const struct command *c)
{
    bool full = e->stats.groups_open >= (int64_t)e->config.groups_max;
    return (full && e->groups.due_first) || (c->group.order && due_concerns(e, c->group.order));
}

static bool group_did(const struct engine *e, const struct command *c)
{
    (void)e;
    return c->code == 0 && !c->group.replayed;
}

static const struct command_kind_row rows[COMMAND_KINDS] = {
    [COMMAND_CREATE_LOT] = {.name = "CREATE_LOT",
                            .writes = true,
                            .decide = decide_create,
                            .keys = keys_create_lot,
                            .did = create_did},
    [COMMAND_ADJUST] = {.name = "ADJUST",
                        .writes = true,
                        .decide = adjust_again,
                        .keys = keys_adjust,
                        .answered = adjust_answered,
                        .did = adjust_did},
    [COMMAND_SET_STOCK] = {.name = "SET_STOCK",
                           .writes = true,
                           .whole = true,
                           .decide = decide_set_stock,
                           .keys = keys_set_stock,
                           .did = set_stock_did},
    [COMMAND_UPDATE_LOT] = {.name = "UPDATE_LOT",
                            .writes = true,
                            .decide = decide_terms,
                            .keys = keys_update_lot,
                            .last = true,
                            .did = update_did},
    [COMMAND_RESERVE] = {.name = "RESERVE",
                         .writes = true,
                         .accept = reserve_accept,
                         .concerned = reserve_concerned,
                         .prefetch = reserve_prefetch,
                         .prefetch_near = reserve_prefetch_near,
                         .decide = reserve_again,
                         .keys = keys_reserve,
                         .resume = decide_reserve,
                         .answered = reserve_answered,
                         .settle = reserve_settle,
                         .drop = reserve_drop,
                         .did = reserve_did},
    [COMMAND_RESERVE_BATCH] = {.name = "RESERVE_BATCH",
                               .writes = true,
                               .accept = batch_accept,
                               .concerned = batch_concerned,
                               .whole = true,
                               .decide = batch_again,
                               .keys = keys_batch,
                               .resume = decide_batch,
                               .answered = decide_batch_answer,
                               .answers_failure = true,
                               .settle = batch_settle,
                               .drop = batch_drop,
                               .did = batch_did,
                               .fail = batch_fail},
    [COMMAND_CONFIRM] = {.name = "CONFIRM",
                         .writes = true,
                         .accept = move_accept,
                         .at_once = move_of_due,
                         .concerned = move_concerned,
                         .prefetch = move_prefetch,
                         .decide = move_again,
                         .keys = keys_move,
                         .answered = move_answered,
                         .drop = move_drop,
                         .did = move_did},
    [COMMAND_REFUND] = {.name = "REFUND",
                        .writes = true,
                        .accept = move_accept,
                        .at_once = move_of_due,
                        .concerned = move_concerned,
                        .prefetch = move_prefetch,
                        .decide = move_again,
                        .keys = keys_move,
                        .answered = move_answered,
                        .drop = move_drop,
                        .did = move_did},
    [COMMAND_EXTEND] = {.name = "EXTEND",
                        .writes = true,
                        .accept = move_accept,
                        .at_once = move_of_due,
                        .concerned = move_concerned,
                        .prefetch = move_prefetch,
                        .decide = move_again,
                        .keys = keys_move,
                        .answered = move_answered,
                        .drop = move_drop,
                        .did = move_did},
    [COMMAND_CREATE_SALE] = {.name = "CREATE_SALE",
                             .writes = true,
                             .whole = true,
                             .decide = decide_create_sale,
                             .keys = keys_sale_items,
                             .did = sale_did},
    [COMMAND_UPDATE_SALE] = {.name = "UPDATE_SALE",
                             .writes = true,
                             .whole = true,
                             .last = true,
                             .decide = decide_update_sale,
                             .keys = keys_sale_items,
                             .did = sale_did},
    [COMMAND_CLOSE_SALE] = {.name = "CLOSE_SALE",
                            .writes = true,
                            .whole = true,
                            .decide = decide_close_sale,
                            .keys = keys_sale,
                            .did = sale_did},
    [COMMAND_GET_SALE] = {.name = "GET_SALE",
                          .decide = look_up_sale,
                          .keys = keys_sale,
                          .sees_stock = true},
    [COMMAND_LIST_SALES] = {.name = "LIST_SALES",
                            .decide = look_up_sales,
                            .keys = keys_list_sales,
                            .sees_stock = true},
    [COMMAND_SHIP] = {.name = "SHIP",
                      .writes = true,
                      .accept = move_accept,
                      .at_once = move_of_due,
                      .concerned = move_concerned,
                      .prefetch = move_prefetch,
                      .decide = move_again,
                      .keys = keys_move,
                      .answered = move_answered,
                      .drop = move_drop,
                      .did = move_did},
    [COMMAND_CHANGE] = {.name = "CHANGE",
                        .writes = true,
                        .accept = move_accept,
                        .at_once = move_of_due,
                        .concerned = move_concerned,
                        .prefetch = move_prefetch,
                        .decide = move_again,
                        .keys = keys_change,
                        .answered = move_answered,
                        .drop = move_drop,
                        .did = move_did},
    [COMMAND_CONFIRM_ALL] = {.name = "CONFIRM_ALL",
                             .writes = true,
                             .whole = true,
                             .accept = confirm_all_accept,
                             .decide = decide_confirm_all,
                             .keys = keys_confirm_all,
                             .answered = confirm_all_answered,
                             .answers_failure = true,
                             .drop = confirm_all_drop,
                             .did = confirm_all_did},
    [COMMAND_OPEN_GROUP] = {.name = "OPEN_GROUP",
                            .writes = true,
                            .accept = group_accept,
                            .concerned = open_group_concerned,
                            .whole = true,
                            .decide = decide_open_group,
                            .keys = keys_open_group,
                            .resume = decide_reserve,
                            .answered = group_answered,
                            .settle = group_settle,
                            .drop = group_drop,
                            .did = group_did},
    [COMMAND_COMPLETE_GROUP] = {.name = "COMPLETE_GROUP",
                                .writes = true,
                                .whole = true,
                                .decide = decide_complete_group,
                                .keys = keys_group,
                                .answered = group_answered,
                                .did = group_did},
    [COMMAND_GET_GROUP] = {.name = "GET_GROUP",
                           .decide = look_up_group,
                           .keys = keys_group,
                           .answered = group_answered,
                           .sees_stock = true},
    [COMMAND_GET_LOT] = {.name = "GET_LOT",
                         .decide = look_up_lot,
                         .keys = keys_get_lot,
                         .sees_stock = true,
                         .certain = true},
    [COMMAND_LIST_LOTS] = {.name = "LIST_LOTS",
                           .decide = look_up_lots,
                           .keys = keys_list_lots,
                           .sees_stock = true,
                           .certain = true},
    [COMMAND_LOT_CHANGES] = {.name = "LOT_CHANGES",
                             .decide = look_up_changes,
                             .sees_stock = true,
                             .certain = true},
    [COMMAND_GET_RESERVATION] = {.name = "GET_RESERVATION",
                                 .accept = get_accept,
                                 .decide = look_up_reservation,
                                 .keys = keys_get_reservation,
                                 .answered = look_up_answered,
                                 .drop = get_drop},
    [COMMAND_LIST_RESERVATIONS] = {.name = "LIST_RESERVATIONS",
                                   .accept = list_accept,
                                   .decide = look_up_list,
                                   .keys = keys_list_reservations,
                                   .answered = list_answered,
                                   .drop = list_drop},
    [COMMAND_STATS] = {.name = "STATS",
                       .decide = look_up_stats,
                       .sees_stock = true,
                       .certain = true},
};

const struct command_kind_row *kind_of(const struct command *c)
{
    assert(c->kind < COMMAND_KINDS && rows[c->kind].decide);
    return &rows[c->kind];
}
