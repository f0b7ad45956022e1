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

#include "base/hash.h"
#include "engine/engine_internal.h"

enum {
    LOOK_MS = 1000,     /* between looks for due holds of others */
    LOOK_AGAIN_MS = 50, /* where some are due that somebody else has locked */
    KEYS_MIN = 256,
    LIST_SCAN = 1000, /* lots looked at for a page with filters */
};

/* ---- keys ---- */

static uint32_t key_slot(const struct shared *s, const struct load_key *k)
{
    uint64_t hash = (uint64_t)k->number * UINT64_C(0x9E3779B97F4A7C15) + k->limit;
    hash ^= k->hash ? k->hash : hash64(k->text, k->kind);
    return (uint32_t)((hash ^ hash >> 32) + k->kind) & (s->slot_count - 1);
}

static bool same_key(const struct load_key *a, const struct load_key *b)
{
    return a->kind == b->kind && a->number == b->number && a->limit == b->limit &&
           str_equal(a->text, b->text);
}

static bool more_keys(struct shared *s)
{
    struct key_list *list = &s->keys[s->current];
    uint32_t room = list->room ? list->room * 2 : KEYS_MIN;
    struct load_key *keys = realloc(list->keys, room * sizeof *keys);
    if (!keys)
        return false;
    list->keys = keys;
    list->room = room;
    return true;
}

static bool more_slots(struct shared *s)
{
    const struct key_list *list = &s->keys[s->current];
    uint32_t count = s->slot_count ? s->slot_count * 2 : 2 * KEYS_MIN;
    uint32_t *slots = calloc(count, sizeof *slots);
    if (!slots)
        return false;
    free(s->slots);
    s->slots = slots;
    s->slot_count = count;
    for (uint32_t i = 0; i < list->count; i++) {
        uint32_t at = key_slot(s, &list->keys[i]);
        while (s->slots[at])
            at = (at + 1) & (s->slot_count - 1);
        s->slots[at] = i + 1;
    }
    return true;
}

bool shared_key(struct engine *e, const struct load_key *key)
{
    struct shared *s = &e->shared;
    struct key_list *list = &s->keys[s->current];
    if ((list->count == list->room && !more_keys(s)) ||
        (list->count >= s->slot_count / 2 && !more_slots(s)))
        return false;
    uint32_t at = key_slot(s, key);
    for (; s->slots[at]; at = (at + 1) & (s->slot_count - 1)) {
        if (same_key(&list->keys[s->slots[at] - 1], key))
            return true;
    }
    list->keys[list->count++] = *key;
    s->slots[at] = list->count;
    return true;
}

bool shared_want_keys(struct engine *e, const struct want *wants, uint16_t count)
{
    bool room = true;
    for (uint16_t i = 0; i < count && room; i++) {
        bool named = !str_empty(wants[i].lot);
        room = shared_key(e, &(struct load_key){.kind = named ? LOAD_LOT : LOAD_SKU,
                                                .text = named ? wants[i].lot : wants[i].sku});
    }
    return room;
}

bool shared_order_keys(struct engine *e, const struct reserve_command *r)
{
    return shared_key(e, &(struct load_key){.kind = LOAD_ORDER,
                                            .text = r->order_id,
                                            .hash = r->order_hash}) &&
           shared_want_keys(e, r->wants, r->want_count);
}

bool shared_list_key(struct engine *e, const struct command *c)
{
    bool filtered = !str_empty(c->list.flavor) || !str_empty(c->list.size);
    uint32_t scan = filtered && c->list.page_size < LIST_SCAN ? LIST_SCAN : c->list.page_size;
    return shared_key(
        e, &(struct load_key){
               .kind = LOAD_LOTS, .text = c->list.sku, .number = c->list.after, .limit = scan + 1});
}

/* ---- asking ---- */

int shared_init(struct engine *e)
{
    struct shared *s = &e->shared;
    return more_keys(s) && more_slots(s) ? 0 : TLY_ENO_MEMORY;
}

void shared_close(struct engine *e)
{
    for (int i = 0; i < 2; i++)
        free(e->shared.keys[i].keys);
    free(e->shared.slots);
    free(e->shared.lots);
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
            engine_refuse(e, c, TLY_EOVERLOADED, "out of memory");
            continue;
        }
        moves += c->kind == COMMAND_RESERVE_BATCH ? c->batch.count : 1;
        uint32_t attempt = c->tries || !kind->whole ? c->tries : 1;
        if (attempt > load->attempt)
            load->attempt = attempt;
        list_push(&s->chosen, c);
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
    *load = (struct load){.writes = writes, .attempt = writes && s->stale, .now_ms = e->now_ms};
    s->stale = s->stale && !writes;
    list->count = 0;
    memset(s->slots, 0, s->slot_count * sizeof *s->slots);
    choose(e, writes ? &e->deferred : &e->put_off, load);
    load->due_max = writes ? e->config.batch_moves_max / 2 + 1 : 0;
    load->keys = list->keys;
    load->key_count = list->count;
    s->wrote_last = writes;
    s->state = LOAD_ASKED;
    return load;
}

/* ---- installing ---- */

static int by_number(const void *a, const void *b)
{
    const lot_id *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static bool install_lots(struct engine *e, const struct load *load)
{
    struct shared *s = &e->shared;
    if (load->lot_count > s->lot_room) {
        lot_id *lots = realloc(s->lots, load->lot_count * sizeof *lots);
        if (!lots)
            return false;
        s->lots = lots;
        s->lot_room = load->lot_count;
    }
    s->lot_count = 0;
    for (uint32_t i = 0; i < load->lot_count; i++) {
        const struct loaded_lot *from = &load->lots[i];
        if (!lots_has(&e->lots, from->id) && !lots_put(&e->lots, from->id, &from->dims))
            return false;
        struct lot *lot = lots_at(&e->lots, from->id);
        bool news = !lot->created || lot->stock.version != from->stock.version;
        if (lot->load == s->serial)
            continue;
        lot->load = s->serial;
        lot->created = true;
        stock_set(e, from->id, &from->stock);
        if (news)
            stock_changed(e, from->id);
        s->lots[s->lot_count++] = from->id;
    }
    e->created = e->lots.count;
    if (s->lot_count)
        qsort(s->lots, s->lot_count, sizeof *s->lots, by_number);
    return true;
}

static bool lots_are_loaded(const struct engine *e, const struct line *lines, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!lot_is_loaded(e, lines[i].lot))
            return false;
    }
    return true;
}

/* Without one of them nothing can be decided. */
static bool install_records(struct engine *e, const struct load *load)
{
    for (uint32_t i = 0; i < load->record_count; i++) {
        const struct reservation_record *record = load->records[i];
        if (holds_find(&e->holds, record->reservation_id))
            continue;
        struct hold *h = hold_from_record(e, record);
        uint64_t hash = hash64(record->order_id, e->config.hash_seed);
        if (!h || !lots_are_loaded(e, record->lines, record->line_count) ||
            order_index_add(e->orders, hash, record->reservation_id))
            return false;
    }
    return true;
}

static void install_numbers(struct engine *e, const struct load *load)
{
    struct shared *s = &e->shared;
    s->lots_highest = load->lots_highest;
    if (load->seq_floor > e->last_seq) {
        e->last_seq = load->seq_floor;
        if (seq_ms(load->seq_floor) >= e->seq_ms) { /* the next number is of the next millisecond */
            e->seq_ms = seq_ms(load->seq_floor);
            e->seq_counter = (1u << SEQ_COUNTER_BITS) - 1;
        }
    }
}

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

/* Holds, timers and the order index are forgotten: the load that they came with has ended. */
static void forget(struct engine *e)
{
    struct shared *s = &e->shared;
    struct hold *h;
    while ((h = e->holds.oldest)) {
        if (h->state == HOLD_PENDING) {
            if (h->deadline_ms < s->look_ms)
                s->look_ms = h->deadline_ms;
            hold_disarm(e, h);
            e->stats.holds_pending--;
        }
        h->touched = 0;
        holds_unlist(&e->holds, h);
        holds_remove(&e->holds, h);
    }
    assert(e->holds.count == 0 && !e->due.first && !e->parked.first);
    order_index_clear(e->orders);
    s->lot_count = 0;
    s->serial++;
}

void shared_ended(struct engine *e)
{
    forget(e);
    e->shared.state = LOAD_NONE;
}

/* ---- deciding ---- */

bool shared_is_uncertain(const struct engine *e, const struct command *c)
{
    const struct shared *s = &e->shared;
    if (!s->deciding || !kind_of(c)->writes)
        return false;
    if (s->loads[s->current].assumed)
        return true;
    /* Units of due holds that somebody else has locked are to come. */
    return c->code == TLY_ESOLD_OUT && s->more_due && c->tries + 1u < e->config.stale_tries_max;
}

static void decide_chosen(struct engine *e)
{
    struct shared *s = &e->shared;
    struct command *c;
    s->deciding = true;
    bool memory = due_expire(e);
    while ((c = list_take(&s->chosen))) {
        if (c->deadline_ns && c->deadline_ns < e->monotonic_ns) {
            e->stats.late_total++;
            engine_refuse(e, c, TLY_EOVERLOADED, "its deadline had passed when its turn came");
        } else if (!memory) {
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
    s->serial++;
    install_numbers(e, load);
    if (install_lots(e, load) && install_records(e, load)) {
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

const struct reservation_record *shared_record(const struct engine *e, int64_t reservation_id)
{
    const struct shared *s = &e->shared;
    const struct load *load = &s->loads[s->current];
    for (uint32_t i = 0; s->deciding && i < load->record_count; i++) {
        if (load->records[i]->reservation_id == reservation_id)
            return load->records[i];
    }
    return NULL;
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

/* The first lots that were loaded after the page's token are the page: any other one that came with
 * the load stands behind them, or among them where it belongs. */
void shared_list(struct engine *e, struct command *c)
{
    const struct shared *s = &e->shared;
    uint32_t scanned = 0;
    lot_id last = c->list.after;
    bool filtered = !str_empty(c->list.flavor) || !str_empty(c->list.size);
    uint32_t scan = filtered && c->list.page_size < LIST_SCAN ? LIST_SCAN : c->list.page_size;
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
