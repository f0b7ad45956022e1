/* look_up.c - what changes nothing: lots, changes, reservations, statistics.
 *
 * An answer that rests on undecided moves is made now and handed out when they are committed; if
 * they are undone it is made anew. While an outcome is unknown, lots are shown without that batch.
 * A reservation's history is the ledger's to tell: if the hold has undecided moves, it is asked
 * after they are decided.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/engine_internal.h"

enum { LIST_SCAN_MAX = 65536, TOP_SCAN_MAX = 4096 };

void look_up_lot(struct engine *e, struct command *c)
{
    lot_id id = engine_find_lot(e, c->get_lot.key);
    if (!id) {
        engine_refuse(e, c, TLY_ENOT_FOUND, "there is no lot %.*s", STR_ARG(c->get_lot.key));
        return;
    }
    uint8_t touched = unknown_view(e, id, &c->get_lot.lot);
    batch_attach(e, c, touched);
}

/* The lot to look at after `id`: of the sku if there is one, else of all. 0: no more. */
static lot_id following(const struct engine *e, const struct sku *sku, lot_id id)
{
    if (sku)
        return id ? lots_at(&e->lots, id)->sku_next_new : sku->oldest;
    return id < e->lots.count ? id + 1 : 0;
}

void look_up_lots(struct engine *e, struct command *c)
{
    const struct sku *sku = NULL;
    uint8_t touched = 0;
    c->list.count = 0;
    c->list.next = 0;
    if (e->config.shared) {
        shared_list(e, c);
        return;
    }
    if (!str_empty(c->list.sku)) {
        sku = lots_sku(&e->lots, c->list.sku);
        if (!sku) {
            engine_reply(e, c);
            return;
        }
    }
    lot_id id = following(e, sku, sku ? 0 : c->list.after);
    while (id && id <= c->list.after)
        id = following(e, sku, id);
    lot_id last = c->list.after;
    for (uint32_t scanned = 0; id; id = following(e, sku, id)) {
        if (c->list.count == c->list.page_size || scanned++ == LIST_SCAN_MAX) {
            c->list.next = last;
            break;
        }
        last = id;
        const struct lot *lot = lots_at(&e->lots, id);
        if (!lot_matches(lot, c->list.flavor, c->list.size, (struct str){0}) ||
            !unknown_shows(e, id))
            continue;
        touched |= unknown_view(e, id, &c->list.lots[c->list.count++]);
    }
    batch_attach(e, c, touched);
}

/* The lot of the oldest change after `since`, found from whichever end is nearer. */
static lot_id first_change_after(const struct engine *e, uint64_t since)
{
    lot_id low = e->change_oldest;
    lot_id high = e->change_newest;
    lot_id found = 0;
    while (low && high) {
        if (lots_at(&e->lots, low)->change > since)
            return low;
        if (lots_at(&e->lots, high)->change <= since)
            return found;
        found = high;
        low = lots_at(&e->lots, low)->change_next;
        high = lots_at(&e->lots, high)->change_previous;
    }
    return found;
}

void look_up_changes(struct engine *e, struct command *c)
{
    uint8_t touched = 0;
    c->changes.count = 0;
    c->changes.upto = c->changes.since;
    lot_id id = first_change_after(e, c->changes.since);
    for (; id && c->changes.count < c->changes.page_size; id = lots_at(&e->lots, id)->change_next) {
        const struct lot *lot = lots_at(&e->lots, id);
        touched |= unknown_view(e, id, &c->changes.lots[c->changes.count++]);
        c->changes.upto = lot->change;
    }
    batch_attach(e, c, touched);
}

static void ask_or_refuse(struct engine *e, struct command *c, enum question_kind kind, int64_t id)
{
    if (!question_ask(e, c, 0, kind, id, c->get.order_id, c->get.order_hash)) {
        search_reset(&c->get.search);
        engine_refuse(e, c, TLY_EOVERLOADED, "too many questions to the ledger");
    }
}

void record_show(const struct engine *e, struct reservation_record *record)
{
    backorder_show(e, record->reservation_id, record->lines, record->line_count, record->after);
    if (record->state == HOLD_PENDING && record->deadline_ms <= e->now_ms) {
        record->state = HOLD_REFUNDED;
        record->reason = REASON_EXPIRED;
    }
}

/* It is reservation `id`: waits for its undecided moves, asks, or answers. */
static void answer_reservation(struct engine *e, struct command *c, int64_t id)
{
    const struct hold *h = holds_find(&e->holds, id);
    if (h && h->touched) {
        search_reset(&c->get.search);
        batch_attach_again(e, c, h->touched);
    } else if (c->get.search.record && c->get.search.record->reservation_id == id) {
        c->get.record = c->get.search.record;
        record_show(e, c->get.record);
        c->get.search = (struct order_search){0};
        engine_reply(e, c);
    } else {
        ask_or_refuse(e, c, QUESTION_RESERVATION, id);
    }
}

void look_up_reservation(struct engine *e, struct command *c)
{
    c->get.record = NULL;
    if (e->config.shared) {
        shared_look_up(e, c);
        return;
    }
    if (c->get.reservation_id) {
        answer_reservation(e, c, c->get.reservation_id);
        return;
    }
    struct seen_order seen =
        search_order(e, &c->get.search, c->get.order_id, c->get.order_hash, NULL);
    switch (seen.verdict) {
    case SEEN_REPLAY:
        answer_reservation(e, c,
                           seen.hold ? seen.hold->reservation_id : seen.record->reservation_id);
        break;
    case SEEN_ASK:
        ask_or_refuse(e, c, seen.ask, seen.ask_id);
        break;
    case SEEN_NEW:
        search_reset(&c->get.search);
        engine_refuse(e, c, TLY_ENOT_FOUND, "there is no order %.*s", STR_ARG(c->get.order_id));
        break;
    default:
        search_reset(&c->get.search);
        engine_refuse(e, c, TLY_EUNAVAILABLE, NULL);
        break;
    }
}

void look_up_answered(struct engine *e, struct command *c, uint32_t order, struct question *q,
                      bool last)
{
    (void)order;
    int64_t id = c->get.reservation_id;
    if (q->code == TLY_ENOT_FOUND && id) {
        engine_refuse(e, c, TLY_ENOT_FOUND, "there is no reservation %lld", (long long)id);
        return;
    }
    question_archived(e, q, c->get.order_hash);
    struct reservation_record *record = question_share(q, last);
    if (q->code == 0 && !record) {
        search_reset(&c->get.search);
        engine_refuse(e, c, TLY_EOVERLOADED, "out of memory");
        return;
    }
    search_answer(&c->get.search, q, id && record ? record->order_id : c->get.order_id, record);
    look_up_reservation(e, c);
}

static int by_moves(const void *a, const void *b)
{
    const struct lot_view *x = a, *y = b;
    if (x->stock.version != y->stock.version)
        return x->stock.version > y->stock.version ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static int64_t moves_of(const struct engine *e, lot_id id)
{
    return lots_at(&e->lots, id)->stock.version;
}

static bool top_has(const struct engine *e, lot_id id)
{
    for (uint32_t i = 0; i < e->top_count; i++) {
        if (e->top[i] == id)
            return true;
    }
    return false;
}

/* Where the one with the fewest moves of those found so far stands. */
static uint32_t top_least(const struct engine *e)
{
    uint32_t least = 0;
    for (uint32_t i = 1; i < e->top_count; i++) {
        if (moves_of(e, e->top[i]) < moves_of(e, e->top[least]))
            least = i;
    }
    return least;
}

/* Each call looks at the next TOP_SCAN_MAX lots: with more of them, the busiest are found within
 * some calls. Most lots are ruled out by one comparison. */
static void find_top(struct engine *e)
{
    uint32_t scan = e->created < TOP_SCAN_MAX ? e->created : TOP_SCAN_MAX;
    uint32_t least = top_least(e);
    for (uint32_t i = 0; i < scan; i++) {
        lot_id id = e->top_next = e->top_next >= e->created ? 1 : e->top_next + 1;
        bool full = e->top_count == TOP_LOTS;
        if ((full && moves_of(e, id) <= moves_of(e, e->top[least])) || top_has(e, id))
            continue;
        if (full)
            e->top[least] = id;
        else
            e->top[e->top_count++] = id;
        least = top_least(e);
    }
}

uint32_t engine_figures(struct engine *e, struct engine_stats *stats, struct lot_view *top,
                        uint32_t top_max)
{
    struct lot_view all[TOP_LOTS];
    *stats = e->stats;
    stats->lots = e->created;
    stats->sales = e->sales.count;
    stats->user_entries = (int64_t)e->user_entries;
    stats->backorders = (int64_t)e->backorder_places;
    stats->holds_overdue = (int64_t)(e->due.count + e->parked.count);
    stats->holds_pending -= stats->holds_overdue;
    stats->units_reserved -= e->units_due;
    stats->waiting = e->inside;
    stats->batch_open_moves = e->open->count;
    stats->orders_in_memory = (int64_t)order_index_count(e->orders);
    stats->order_index_bytes = (int64_t)order_index_bytes(e->orders);
    stats->order_runs = (int64_t)order_index_runs(e->orders);
    stats->lot_bytes = (int64_t)e->lots.bytes;
    stats->hold_bytes = (int64_t)(holds_bytes(&e->holds) + timers_bytes(e->timers));
    if (top_max == 0)
        return 0;
    find_top(e);
    uint32_t count = e->top_count < top_max ? e->top_count : top_max;
    for (uint32_t i = 0; i < e->top_count; i++)
        all[i] = engine_view(e, e->top[i]);
    qsort(all, e->top_count, sizeof all[0], by_moves);
    memcpy(top, all, count * sizeof all[0]);
    return count;
}

void look_up_stats(struct engine *e, struct command *c)
{
    struct engine_stats stats;
    c->stats.top_count =
        engine_figures(e, &stats, c->stats.top, c->stats.top ? c->stats.top_max : 0);
    stats.waiting--; /* not this one */
    if (c->stats.stats)
        *c->stats.stats = stats;
    engine_reply(e, c);
}
