/* unknown.c - what look-ups of lots are told while outcomes are not known: the stock without
 * those batches, which is certain.
 *
 * What they did to each lot is summed up when one becomes unknown, or known. If memory is short for
 * that, look-ups of its lots are answered OUTCOME_UNKNOWN.
 */
#include <assert.h>
#include <stdlib.h>

#include "engine/engine_internal.h"

static int by_lot(const void *a, const void *b)
{
    const struct lot_effect *x = a, *y = b;
    if (x->lot != y->lot)
        return x->lot < y->lot ? -1 : 1;
    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static int is_lot(const void *key, const void *effect)
{
    lot_id id = *(const lot_id *)key;
    const struct lot_effect *x = effect;
    return id < x->lot ? -1 : id > x->lot;
}

static struct lot_effect effect_of(const struct move *m, const struct undo *u,
                                   const struct line *line)
{
    const struct move_effect *effect = &move_effects[m->kind];
    return (struct lot_effect){
        .lot = line->lot,
        .seq = m->seq,
        .old_terms = m->kind == MOVE_LOT_TERMS ? u->old_terms : NULL,
        .stock = {.on_hand = effect->on_hand * line->quantity,
                  .reserved = effect->reserved * line->quantity,
                  .confirmed = effect->confirmed * line->quantity,
                  .version = 1},
    };
}

static void add(struct stock *to, const struct stock *from, int sign)
{
    to->on_hand += sign * from->on_hand;
    to->reserved += sign * from->reserved;
    to->confirmed += sign * from->confirmed;
    to->version += sign * from->version;
}

/* It would be due again without its REFUND, and that is shown alike. Unless its RESERVE is of an
 * unknown batch as well: then neither counts. */
static bool has_ended(const struct engine *e, const struct move *m)
{
    return m->kind == MOVE_REFUND && m->reason == REASON_EXPIRED &&
           m->reservation_id < e->flights[0]->moves[0].seq;
}

static size_t note_batch(struct engine *e, const struct engine_batch *f, size_t n)
{
    for (uint32_t i = 0; i < f->count; i++) {
        if (has_ended(e, &f->moves[i]))
            continue;
        const struct line *line = move_lines(&f->moves[i]);
        for (uint16_t j = 0; j < f->moves[i].line_count; j++)
            e->effects[n++] = effect_of(&f->moves[i], &f->undos[i], &line[j]);
    }
    return n;
}

void unknown_note(struct engine *e)
{
    size_t lines = 0;
    unknown_forget(e);
    for (uint32_t k = 0; k < e->flight_count; k++) {
        assert(e->flights[k]);
        for (uint32_t i = 0; i < e->flights[k]->count; i++)
            lines += e->flights[k]->moves[i].line_count;
    }
    if (!lines)
        return;
    e->effects = malloc(lines * sizeof *e->effects);
    if (!e->effects)
        return;
    size_t n = 0;
    for (uint32_t k = 0; k < e->flight_count; k++)
        n = note_batch(e, e->flights[k], n);
    qsort(e->effects, n, sizeof *e->effects, by_lot);
    for (size_t i = 0; i < n; i++) {
        struct lot_effect *last = e->effect_count ? &e->effects[e->effect_count - 1] : NULL;
        if (!last || last->lot != e->effects[i].lot) {
            e->effects[e->effect_count++] = e->effects[i];
            continue;
        }
        add(&last->stock, &e->effects[i].stock, +1);
        if (!last->old_terms)
            last->old_terms = e->effects[i].old_terms;
    }
}

void unknown_forget(struct engine *e)
{
    free(e->effects);
    e->effects = NULL;
    e->effect_count = 0;
}

bool unknown_shows(const struct engine *e, lot_id id)
{
    return !e->unknown || lots_at(&e->lots, id)->created;
}

uint8_t unknown_view(const struct engine *e, lot_id id, struct lot_view *out)
{
    const struct lot *lot = lots_at(&e->lots, id);
    *out = engine_view(e, id);
    if (!batch_is_unknown(e, lot->touched) || !e->effects || !lot->created)
        return lot->touched;
    const struct lot_effect *effect =
        bsearch(&id, e->effects, e->effect_count, sizeof *effect, is_lot);
    if (effect)
        add(&out->stock, &effect->stock, -1);
    if (effect && effect->old_terms)
        out->terms = *effect->old_terms;
    return lot->touched & (uint8_t)~e->unknown;
}
