/* shared.c - turns over a ledger that others write to as well (engine_config.shared).
 *
 * Nothing in memory is the truth then. Commands gather; what they touch is asked of the ledger in
 * one load; the rows are installed, due holds are let go, and all that gathered is decided in one
 * go, as ever. If something is to be written, the load's locks hold until the batch has its
 * outcome; if not, the load is released. Then everything that was installed is forgotten: holds,
 * timers, the order index. Lots stay in their table, which never moves, but count only for the load
 * that they came with.
 *
 *     gathered ── engine_next_load() ──► ledger ── engine_loaded() ──► decided ─┬─ engine_seal()
 *                                                                              └─
 * engine_next_release()
 *
 * Look-ups of lots have loads of their own, which lock nothing, in turn with those that write. A
 * load without commands comes when holds may be due, at the latest LOOK_MS after the one before:
 * other nodes' holds have no timer here.
 *
 * What was decided on rows that the ledger only assumed is proved by the commit, or it is STALE.
 * What needs no commit - a refusal, a replay - has no such proof: it is decided again, on rows that
 * are locked.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine_internal.h"
#include "engine/shared_keys.h"

enum {
    LOOK_MS = 1000,     /* between looks for due holds of others */
    LOOK_AGAIN_MS = 50, /* where some are due that somebody else has locked */
};

/* ---- asking ---- */

int shared_init(struct engine *e)
{
    return shared_keys_init(e);
}

static void drop_all(struct command_list *list)
{
    for (struct command *c = list->first; c; c = c->link)
        command_drop(c);
}

void shared_close(struct engine *e)
{
    drop_all(&e->shared.chosen);
    drop_all(&e->shared.uncertain);
    drop_all(&e->put_off);
    shared_keys_close(e);
    free(e->shared.lots);
    free(e->shared.records);
    free(e->shared.sales);
}

static void refuse_all(struct engine *e, struct command_list *list, int code)
{
    struct command *c;
    while ((c = list_take(list))) {
        command_drop(c);
        engine_refuse(e, c, code, NULL);
    }
}

/* Moves commands from the front of `from` to `chosen`, with their keys, as many as one batch bears.
 * The load's attempt is that of the one that was decided most often. */
static void choose(struct engine *e, struct command_list *from, struct load *load)
{
    struct shared *s = &e->shared;
    uint32_t moves = 0;
    while (from->first && moves < e->config.batch_moves_max) {
        struct command *c = list_take(from);
        const struct command_kind_row *kind = kind_of(c);
        if (!kind->keys(e, c)) {
            command_drop(c);
            engine_refuse(e, c, TLY_EOVERLOADED, "out of memory");
            continue;
        }
        moves += c->kind == COMMAND_RESERVE_BATCH ? c->batch.count : 1;
        uint32_t attempt = c->tries || !kind->whole ? c->tries : 1;
        if (attempt > load->attempt)
            load->attempt = attempt;
        list_push(&s->chosen, c);
        if (kind->last)
            return;
    }
}

static bool due_look_is_due(const struct engine *e)
{
    return e->now_ms >= e->shared.look_ms;
}

struct load *engine_next_load(struct engine *e)
{
    struct shared *s = &e->shared;
    if (!e->config.shared || e->loading)
        return NULL;
    if (!engine_takes_writes(e))
        refuse_all(e, &e->deferred, TLY_EUNAVAILABLE);
    if (e->unknown)
        refuse_all(e, &e->put_off, TLY_EUNAVAILABLE);
    if (s->state != LOAD_NONE || e->flight_count)
        return NULL;
    bool looks_due = engine_takes_writes(e) && due_look_is_due(e);
    if (!e->deferred.first && !e->put_off.first && !looks_due)
        return NULL;
    bool writes = (e->deferred.first || looks_due) && !(s->wrote_last && e->put_off.first);
    s->current = !s->current;
    struct load *load = &s->loads[s->current];
    struct key_list *list = &s->keys[s->current];
    *load = (struct load){.writes = writes,
                          .user_holds = e->config.user_holds_max > 0,
                          .attempt = writes && s->stale,
                          .now_ms = e->now_ms,
                          .counted_from = lot_users_counted_from(e)};
    s->stale = s->stale && !writes;
    shared_keys_clear(e);
    choose(e, writes ? &e->deferred : &e->put_off, load);
    load->due_max = writes ? e->config.batch_moves_max / 2 + 1 : 0;
    load->keys = list->keys;
    load->key_count = list->count;
    s->wrote_last = writes;
    s->state = LOAD_ASKED;
    return load;
}

/* ---- deciding ---- */

/* When to look for due holds again, as far as this load tells: all that it names are let go. */
static void note_look(struct engine *e, const struct load *load)
{
    struct shared *s = &e->shared;
    uint32_t due = (uint32_t)e->due.count;
    s->more_due = load->next_deadline_ms <= load->now_ms;
    int64_t again_ms =
        due >= load->due_max && load->due_max ? e->now_ms : e->now_ms + LOOK_AGAIN_MS;
    s->look_ms = load->next_deadline_ms > again_ms ? load->next_deadline_ms : again_ms;
    if (s->look_ms > e->now_ms + LOOK_MS)
        s->look_ms = e->now_ms + LOOK_MS;
}

void shared_ended(struct engine *e)
{
    shared_forget(e);
    e->shared.state = LOAD_NONE;
}

bool shared_is_uncertain(const struct engine *e, const struct command *c)
{
    const struct shared *s = &e->shared;
    if (!s->deciding || !kind_of(c)->writes)
        return false;
    if (s->loads[s->current].assumed)
        return true;
    /* What due holds have that somebody else has locked is to come. */
    bool wants =
        c->code == TLY_ESOLD_OUT || c->code == TLY_ELIMIT_EXCEEDED || c->code == TLY_EGROUP_FULL;
    return wants && s->more_due && c->tries + 1u < e->config.stale_tries_max;
}

static void decide_chosen(struct engine *e)
{
    struct shared *s = &e->shared;
    struct command *c;
    s->deciding = true;
    bool memory = true;
    if (s->loads[s->current].writes) {
        group_take_due(e, UINT32_MAX);
        memory = group_expire(e) && due_expire(e);
    }
    while ((c = list_take(&s->chosen))) {
        if (c->deadline_ns && c->deadline_ns < e->monotonic_ns) {
            e->stats.late_total++;
            command_drop(c);
            engine_refuse(e, c, TLY_EOVERLOADED, "its deadline had passed when its turn came");
        } else if (!memory) {
            command_drop(c);
            engine_refuse(e, c, TLY_EOVERLOADED, "out of memory");
        } else {
            engine_dispatch(e, c);
        }
    }
    s->deciding = false;
    while ((c = list_take(&s->uncertain))) {
        c->tries++;
        list_push(&e->deferred, c);
    }
}

void engine_loaded(struct engine *e, struct load *load)
{
    struct shared *s = &e->shared;
    assert(s->state == LOAD_ASKED && load == &s->loads[s->current]);
    if (load->code) {
        s->state = LOAD_NONE;
        s->look_ms = e->now_ms + LOOK_MS;
        refuse_all(e, &s->chosen, load->code);
        return;
    }
    s->state = LOAD_HELD;
    if (shared_install(e, load)) {
        if (load->writes)
            note_look(e, load);
        decide_chosen(e);
    } else {
        s->look_ms = e->now_ms + LOOK_MS;
        refuse_all(e, &s->chosen, TLY_EOVERLOADED);
    }
}

struct load *engine_next_release(struct engine *e)
{
    struct shared *s = &e->shared;
    if (s->state != LOAD_HELD || e->open->count || e->flight_count)
        return NULL;
    shared_ended(e);
    return &s->loads[s->current];
}

/* ---- what the present load says ---- */

int64_t shared_find_order(const struct engine *e, struct str order_id, uint64_t order_hash)
{
    size_t cursor = 0;
    int64_t id;
    while ((id = order_index_find(e->orders, order_hash, &cursor))) {
        const struct hold *h = holds_find(&e->holds, id);
        if (h && str_equal(hold_order_id(h), order_id))
            return id;
    }
    return 0;
}

void shared_look_up(struct engine *e, struct command *c)
{
    int64_t id = c->get.reservation_id;
    if (!id)
        id = shared_find_order(e, c->get.order_id, c->get.order_hash);
    const struct reservation_record *record = id ? shared_record(e, id) : NULL;
    if (!record && c->get.reservation_id) {
        engine_refuse(e, c, TLY_ENOT_FOUND, "there is no reservation %lld", (long long)id);
    } else if (!record) {
        engine_refuse(e, c, TLY_ENOT_FOUND, "there is no order %.*s", STR_ARG(c->get.order_id));
    } else if (!(c->get.record = record_clone(record))) {
        engine_refuse(e, c, TLY_EOVERLOADED, "out of memory");
    } else {
        record_show(e, c->get.record);
        engine_reply(e, c);
    }
}

void shared_adjustment(const struct engine *e, struct str adjustment_id, struct question *answer)
{
    const struct load *load = &e->shared.loads[e->shared.current];
    *answer = (struct question){.kind = QUESTION_ADJUSTMENT, .code = TLY_ENOT_FOUND};
    for (uint32_t i = 0; i < load->adjustment_count; i++) {
        const struct loaded_adjustment *a = &load->adjustments[i];
        if (!str_equal(a->adjustment_id, adjustment_id))
            continue;
        answer->code = 0;
        answer->move_seq = a->seq;
        answer->adjusted = a->line;
        return;
    }
}

const struct group_record *shared_group(const struct engine *e, int64_t group_id)
{
    const struct load *load = &e->shared.loads[e->shared.current];
    for (uint32_t i = 0; e->shared.deciding && i < load->group_count; i++) {
        if (load->groups[i].group_id == group_id)
            return &load->groups[i];
    }
    return NULL;
}

/* The first lots that were loaded after the page's token are the page: any other one that came with
 * the load stands behind them, or among them where it belongs. */
void shared_list(struct engine *e, struct command *c)
{
    const struct shared *s = &e->shared;
    uint32_t scanned = 0;
    lot_id last = c->list.after;
    uint32_t scan = shared_list_scan(c);
    for (uint32_t i = 0; i < s->lot_count; i++) {
        const struct lot *lot = lots_at(&e->lots, s->lots[i]);
        if (s->lots[i] <= c->list.after ||
            !(str_empty(c->list.sku) || str_equal(lot->dims.sku, c->list.sku)))
            continue;
        if (c->list.count == c->list.page_size || scanned++ == scan) {
            c->list.next = last;
            break;
        }
        last = s->lots[i];
        if (lot_matches(lot, c->list.flavor, c->list.size, (struct str){0}))
            c->list.lots[c->list.count++] = engine_view(e, last);
    }
    engine_reply(e, c);
}
