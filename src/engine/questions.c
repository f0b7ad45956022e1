/* questions.c - questions to the ledger, and the commands that wait for their answers.
 *
 * A command that asks what is being asked already queues behind that question; the answer is given
 * to all of them in order. There are at most questions_max questions; who would ask one more is
 * told OVERLOADED by its caller. UNAVAILABLE from the ledger is passed on: nothing was decided.
 */
#include <assert.h>
#include <stdlib.h>

#include "engine/engine_internal.h"

int questions_init(struct engine *e)
{
    slab_init(&e->waiters, sizeof(struct waiter), 256);
    e->slots = calloc(e->config.questions_max, sizeof e->slots[0]);
    if (!e->slots)
        return TLY_ENO_MEMORY;
    for (uint32_t i = e->config.questions_max; i-- > 0;) {
        e->slots[i].next_to_ask = e->free_slots;
        e->free_slots = &e->slots[i];
    }
    return 0;
}

static void drop_notes(struct command *c)
{
    if (c->kind == COMMAND_RESERVE) {
        search_reset(&c->reserve.search);
    } else if (c->kind == COMMAND_RESERVE_BATCH) {
        for (uint32_t i = 0; i < c->batch.count; i++)
            search_reset(&c->batch.orders[i].search);
    } else if (c->kind == COMMAND_GET_RESERVATION) {
        search_reset(&c->get.search);
    }
}

void questions_close(struct engine *e)
{
    for (uint32_t i = 0; e->slots && i < e->config.questions_max; i++) {
        for (const struct waiter *w = e->slots[i].first; w; w = w->next)
            drop_notes(w->command);
    }
    free(e->slots);
    slab_close(&e->waiters);
}

static struct question_slot **bucket_of(struct engine *e, enum question_kind kind, int64_t id,
                                        uint64_t hash)
{
    uint64_t key =
        kind == QUESTION_RESERVATION ? (uint64_t)id * UINT64_C(0x9E3779B97F4A7C15) : hash;
    return &e->question_buckets[(key >> 32) % QUESTION_BUCKETS];
}

static bool same_question(const struct question *r, enum question_kind kind, int64_t id,
                          struct str text, uint64_t hash)
{
    if (r->kind != kind)
        return false;
    if (kind == QUESTION_RESERVATION)
        return r->reservation_id == id;
    return r->order_hash == hash && str_equal(r->order_id, text);
}

static struct question_slot *new_slot(struct engine *e, struct question_slot **bucket)
{
    struct question_slot *slot = e->free_slots;
    if (!slot)
        return NULL;
    e->free_slots = slot->next_to_ask;
    *slot = (struct question_slot){
        .next_in_bucket = *bucket, .stored = e->segments_stored, .busy = true};
    *bucket = slot;
    if (e->ask_last)
        e->ask_last->next_to_ask = slot;
    else
        e->ask_first = slot;
    e->ask_last = slot;
    e->questions_busy++;
    e->stats.reads_total++;
    return slot;
}

bool question_ask(struct engine *e, struct command *c, uint32_t order, enum question_kind kind,
                  int64_t reservation_id, struct str text, uint64_t hash)
{
    struct waiter *w = slab_take(&e->waiters);
    if (!w)
        return false;
    *w = (struct waiter){.command = c, .order = order};
    struct question_slot **bucket = bucket_of(e, kind, reservation_id, hash);
    struct question_slot *slot = *bucket;
    while (slot && !same_question(&slot->read, kind, reservation_id, text, hash))
        slot = slot->next_in_bucket;
    if (!slot) {
        slot = new_slot(e, bucket);
        if (!slot) {
            slab_give(&e->waiters, w);
            return false;
        }
        slot->read.kind = (uint8_t)kind;
        slot->read.reservation_id = reservation_id;
        slot->read.order_id = text;
        slot->read.order_hash = hash;
    }
    if (slot->last)
        slot->last->next = w;
    else
        slot->first = w;
    slot->last = w;
    return true;
}

struct question *engine_next_question(struct engine *e)
{
    struct question_slot *slot = e->ask_first;
    if (!slot)
        return NULL;
    e->ask_first = slot->next_to_ask;
    if (!e->ask_first)
        e->ask_last = NULL;
    return &slot->read;
}

/* Gives each waiter the record for itself: the last one gets the one that came. */
static struct reservation_record *share(struct question *r, bool last)
{
    if (!r->record || !last)
        return r->record ? record_clone(r->record) : NULL;
    struct reservation_record *record = r->record;
    r->record = NULL;
    return record;
}

/* A candidate that the ledger has no row of is past retention: nobody needs its entry. */
static void drop_archived(struct engine *e, const struct question *r, uint64_t order_hash)
{
    if (r->kind == QUESTION_RESERVATION && r->code == TLY_ENOT_FOUND &&
        !holds_find(&e->holds, r->reservation_id))
        order_index_remove(e->orders, order_hash, r->reservation_id);
}

static void answer_search(struct engine *e, struct command *c, struct order_search *s,
                          struct str order_id, struct question *r, bool last)
{
    drop_archived(e, r, c->kind == COMMAND_RESERVE ? c->reserve.order_hash : c->get.order_hash);
    struct reservation_record *record = share(r, last);
    if (r->code == 0 && !record) {
        search_reset(s);
        engine_refuse(e, c, TLY_EOVERLOADED, "out of memory");
        return;
    }
    search_answer(s, r, order_id, record);
    if (c->kind == COMMAND_RESERVE)
        decide_reserve(e, c);
    else
        look_up_reservation(e, c);
}

static void refuse_unavailable(struct engine *e, struct command *c)
{
    if (c->kind == COMMAND_RESERVE)
        search_reset(&c->reserve.search);
    else if (c->kind == COMMAND_GET_RESERVATION)
        search_reset(&c->get.search);
    engine_refuse(e, c, TLY_EUNAVAILABLE, NULL);
}

static void answer(struct engine *e, struct command *c, uint32_t order, struct question *r,
                   bool last)
{
    if (c->kind == COMMAND_RESERVE_BATCH) {
        drop_archived(e, r, c->batch.orders[order].order_hash);
        decide_batch_answer(e, c, order, r);
        return;
    }
    if (r->code != 0 && r->code != TLY_ENOT_FOUND) {
        refuse_unavailable(e, c);
        return;
    }
    switch (c->kind) {
    case COMMAND_RESERVE:
        answer_search(e, c, &c->reserve.search, c->reserve.order_id, r, last);
        break;
    case COMMAND_GET_RESERVATION:
        if (r->code == TLY_ENOT_FOUND && c->get.reservation_id)
            engine_refuse(e, c, TLY_ENOT_FOUND, "there is no reservation %lld",
                          (long long)c->get.reservation_id);
        else
            answer_search(e, c, &c->get.search,
                          c->get.reservation_id && r->record ? r->record->order_id
                                                             : c->get.order_id,
                          r, last);
        break;
    case COMMAND_ADJUST:
        decide_adjust(e, c, r);
        break;
    default:
        if (r->code == TLY_ENOT_FOUND && !holds_find(&e->holds, r->reservation_id))
            engine_refuse(e, c, TLY_ENOT_FOUND, "there is no reservation %lld",
                          (long long)r->reservation_id);
        else
            decide_move(e, c, r->record);
        break;
    }
}

void engine_answered(struct engine *e, struct question *r)
{
    struct question_slot *slot = (struct question_slot *)r;
    assert(slot->busy);
    struct question_slot **at = bucket_of(e, r->kind, r->reservation_id, r->order_hash);
    while (*at != slot)
        at = &(*at)->next_in_bucket;
    *at = slot->next_in_bucket;
    while (slot->first) {
        struct waiter *w = slot->first;
        slot->first = w->next;
        struct command *c = w->command;
        uint32_t order = w->order;
        slab_give(&e->waiters, w);
        answer(e, c, order, r, slot->first == NULL);
    }
    free(r->record);
    *slot = (struct question_slot){.next_to_ask = e->free_slots};
    e->free_slots = slot;
    e->questions_busy--;
}
