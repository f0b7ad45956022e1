/* mysql_touched.c - a batch by arithmetic, before the database is asked: what
 * each of its lots will be.
 *
 * Happy path: each line of a move adds its quantity times the kind's effect to
 * the counters of its lot, and one to the version. Failure modes: a lot that
 * was not loaded, or counters that cannot be (I1): TLY_ECORRUPT; the tables'
 * CHECKs would say the same.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/mysql_write.h"

struct effect {
    int8_t on_hand;
    int8_t reserved;
    int8_t confirmed;
};

static const struct effect effects[] = {
#define X(name, number, on_hand, reserved, confirmed)                                              \
    [number] = {(on_hand), (reserved), (confirmed)},
    MOVE_KINDS(X)
#undef X
};

enum { ROOM_MIN = 64 };

void mydb_write_close(struct mydb_write *t)
{
    free(t->lots);
    free(t->slots);
    *t = (struct mydb_write){0};
}

static uint32_t *slot_of(const struct mydb_write *t, lot_id lot)
{
    uint32_t at = lot * UINT32_C(2654435761) >> 7 & (t->slot_room - 1);
    while (t->slots[at] && t->lots[t->slots[at] - 1].lot != lot)
        at = (at + 1) & (t->slot_room - 1);
    return &t->slots[at];
}

static bool more(struct mydb_write *t)
{
    if (t->slots && t->count < t->room)
        return true;
    uint32_t room = t->room ? t->room * 2 : ROOM_MIN;
    struct touched_lot *lots = realloc(t->lots, room * sizeof *lots);
    if (!lots)
        return false;
    t->lots = lots;
    uint32_t *slots = calloc((size_t)room * 2, sizeof *slots);
    if (!slots)
        return false;
    free(t->slots);
    t->slots = slots;
    t->slot_room = room * 2;
    t->room = room;
    for (uint32_t i = 0; i < t->count; i++)
        *slot_of(t, t->lots[i].lot) = i + 1;
    return true;
}

static int contradicts(const struct move *m, struct error *e)
{
    return error_set(e, TLY_ECORRUPT, "move", "seq %" PRId64 " contradicts the stock of its lot",
                     m->seq);
}

static struct touched_lot *touch(struct mydb_write *t, const struct mydb_known *known,
                                 const struct move *m, lot_id lot)
{
    if (!more(t))
        return NULL;
    uint32_t *slot = slot_of(t, lot);
    if (*slot)
        return &t->lots[*slot - 1];
    const struct known_lot *k = mydb_known_lot(known, lot);
    bool create = m->kind == MOVE_CREATE;
    if (create ? k != NULL : k == NULL)
        return NULL;
    struct touched_lot *l = &t->lots[t->count++];
    *slot = t->count;
    *l = (struct touched_lot){.lot = lot, .create = create ? m : NULL, .due_ms = INT64_MAX};
    if (k) {
        l->stock = k->stock;
        l->most = k->terms.backorder_most;
    }
    return l;
}

static int apply(struct touched_lot *l, const struct move *m, int64_t units, struct error *e)
{
    const struct effect effect = effects[m->kind];
    struct stock *s = &l->stock;
    s->on_hand += effect.on_hand * units;
    s->reserved += effect.reserved * units;
    s->confirmed += effect.confirmed * units;
    s->version++;
    l->moves++;
    l->last_seq = m->seq;
    if ((m->kind == MOVE_RESERVE || m->kind == MOVE_EXTEND) && m->deadline_ms < l->due_ms)
        l->due_ms = m->deadline_ms;
    if ((m->kind == MOVE_CREATE || m->kind == MOVE_LOT_TERMS) && m->terms) {
        l->terms = m->terms;
        if (m->terms->backorder_limit > l->most)
            l->most = m->terms->backorder_limit;
    }
    bool holds = s->on_hand >= 0 && s->reserved >= 0 && s->confirmed >= 0 &&
                 s->on_hand - s->reserved - s->confirmed >= -l->most;
    return holds ? 0 : contradicts(m, e);
}

int mydb_touch(struct mydb_write *t, const struct mydb_known *known, const struct move *moves,
               uint32_t count, struct error *e)
{
    t->count = 0;
    if (t->slots)
        memset(t->slots, 0, t->slot_room * sizeof *t->slots);
    for (uint32_t i = 0; i < count; i++) {
        const struct move *m = &moves[i];
        const struct line *lines = m->line_count == 1 ? &m->line : m->lines;
        for (uint32_t j = 0; j < m->line_count; j++) {
            struct touched_lot *l = touch(t, known, m, lines[j].lot);
            int rc = l ? apply(l, m, lines[j].quantity, e) : contradicts(m, e);
            if (rc)
                return rc;
        }
    }
    return 0;
}

void mydb_touched_commit(const struct mydb_write *t, struct mydb_known *known)
{
    for (uint32_t i = 0; i < t->count; i++) {
        const struct touched_lot *l = &t->lots[i];
        struct known_lot *k = l->create ? mydb_known_put(known, l->lot, l->create->dims)
                                        : mydb_known_lot(known, l->lot);
        if (!k) /* memory was short: it is read when it is wanted */
            continue;
        if (l->create) {
            k->created_ms = l->create->at_ms;
            k->terms = lot_terms_plain(l->create->dims);
            k->due_ms = INT64_MAX;
        }
        if (l->terms)
            k->terms = *l->terms;
        k->terms.backorder_most = l->most;
        k->dims.expires_on = k->terms.expires_on;
        k->stock = l->stock;
        k->last_seq = l->last_seq;
        k->proved = true;
        if (l->due_ms < k->due_ms)
            k->due_ms = l->due_ms;
    }
}

void mydb_touched_forget(const struct mydb_write *t, struct mydb_known *known)
{
    for (uint32_t i = 0; i < t->count; i++) {
        struct known_lot *k = mydb_known_lot(known, t->lots[i].lot);
        if (k)
            k->proved = false;
    }
}
