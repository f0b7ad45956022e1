/* questions.c - questions to the ledger, and the commands that wait for their answers.
 *
 * A command that asks what is being asked already queues behind that question, unless something was
 * committed since it was put; the answer is given to all of them in order. A hold stays in memory
 * while a question about it is open: what is decided on the answer goes by the hold, not by a row
 * that was read before the hold's last move. (Which hold a question by order_id is about is known
 * with its answer: one that is older than a commit only tells whom to ask about.) There are at most
 * questions_max questions; who would ask one more is told OVERLOADED by its caller. UNAVAILABLE
 * from the ledger is passed on: nothing was decided.
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

void questions_close(struct engine *e)
{
    for (uint32_t i = 0; e->slots && i < e->config.questions_max; i++) {
        for (const struct waiter *w = e->slots[i].first; w; w = w->next)
            command_drop(w->command);
    }
    free(e->slots);
    slab_close(&e->waiters);
}

static bool by_number(enum question_kind kind)
{
    return kind == QUESTION_RESERVATION || kind == QUESTION_GROUP;
}

static struct question_slot **bucket_of(const struct engine *e, enum question_kind kind, int64_t id,
                                        uint64_t hash)
{
    uint64_t key = by_number(kind) ? (uint64_t)id * UINT64_C(0x9E3779B97F4A7C15) : hash;
    return (struct question_slot **)&e->question_buckets[(key >> 32) % QUESTION_BUCKETS];
}

static bool same_question(const struct question *r, enum question_kind kind, int64_t id,
                          struct str text, uint64_t hash)
{
    if (r->kind != kind)
        return false;
    if (by_number(kind))
        return r->reservation_id == id;
    return r->order_hash == hash && str_equal(r->order_id, text);
}

static struct question_slot *new_slot(struct engine *e, struct question_slot **bucket)
{
    struct question_slot *slot = e->free_slots;
    if (!slot)
        return NULL;
    e->free_slots = slot->next_to_ask;
    *slot = (struct question_slot){.next_in_bucket = *bucket,
                                   .stored = e->segments_stored,
                                   .asked = e->committed_number,
                                   .busy = true};
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

/* An answer may be from before a commit that came since the question was put: whoever comes after
 * that commit asks anew. What became of an adjustment_id since then, the order index tells. */
static bool is_fresh(const struct engine *e, const struct question_slot *slot)
{
    return slot->asked == e->committed_number || slot->read.kind == QUESTION_ADJUSTMENT;
}

bool question_about(const struct engine *e, int64_t reservation_id)
{
    if (e->answering == reservation_id)
        return true;
    const struct question_slot *slot = *bucket_of(e, QUESTION_RESERVATION, reservation_id, 0);
    while (slot &&
           !same_question(&slot->read, QUESTION_RESERVATION, reservation_id, (struct str){0}, 0))
        slot = slot->next_in_bucket;
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
    while (slot &&
           !(same_question(&slot->read, kind, reservation_id, text, hash) && is_fresh(e, slot)))
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
        slot->read.list = kind == QUESTION_LIST ? &c->list_reservations.list : NULL;
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

struct reservation_record *question_share(struct question *q, bool last)
{
    if (!q->record || !last)
        return q->record ? record_clone(q->record) : NULL;
    struct reservation_record *record = q->record;
    q->record = NULL;
    return record;
}

/* A candidate that the ledger has no row of is past retention: nobody needs its entry. */
void question_archived(struct engine *e, const struct question *q, uint64_t order_hash)
{
    if (q->kind == QUESTION_RESERVATION && q->code == TLY_ENOT_FOUND &&
        !holds_find(&e->holds, q->reservation_id))
        order_index_remove(e->orders, order_hash, q->reservation_id);
}

static void answer(struct engine *e, struct command *c, uint32_t order, struct question *q,
                   bool last)
{
    const struct command_kind_row *kind = kind_of(c);
    bool told = q->code == 0 || q->code == TLY_ENOT_FOUND;
    if (told || kind->answers_failure) {
        kind->answered(e, c, order, q, last);
    } else {
        command_drop(c);
        engine_refuse(e, c, TLY_EUNAVAILABLE, NULL);
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
    e->answering = r->kind == QUESTION_RESERVATION ? r->reservation_id : 0;
    e->answer_is_old = !is_fresh(e, slot);
    while (slot->first) {
        struct waiter *w = slot->first;
        slot->first = w->next;
        struct command *c = w->command;
        uint32_t order = w->order;
        slab_give(&e->waiters, w);
        answer(e, c, order, r, slot->first == NULL);
    }
    e->answering = 0;
    struct hold *h =
        r->kind == QUESTION_RESERVATION ? holds_find(&e->holds, r->reservation_id) : NULL;
    if (h)
        hold_release(e, h);
    free(r->record);
    *slot = (struct question_slot){.next_to_ask = e->free_slots};
    e->free_slots = slot;
    e->questions_busy--;
}
