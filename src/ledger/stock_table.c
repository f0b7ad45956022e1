/* Stock by arithmetic.
 *
 * Happy path: each line of a move adds its quantity times the kind's effect to the three counters
 * and one to the version.
 * Failure modes: growing for new lots can fail for want of memory; a move that contradicts the
 * stock is refused as TLY_ECORRUPT and what was applied of its batch is taken back.
 */
#include "ledger/stock_table.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

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

enum { CAPACITY_MIN = 256 };

void stock_table_close(struct stock_table *t)
{
    free(t->stocks);
    free(t->backorder_limits);
    free(t->is_dirty);
    free(t->dirty);
    *t = (struct stock_table){0};
}

static int grow(struct stock_table *t, uint32_t need, struct error *e)
{
    if (need <= t->capacity)
        return 0;
    uint64_t capacity = t->capacity < CAPACITY_MIN ? CAPACITY_MIN : (uint64_t)t->capacity * 2;
    if (capacity < need)
        capacity = need;
    if (capacity > UINT32_MAX)
        capacity = UINT32_MAX;
    struct stock *stocks = realloc(t->stocks, capacity * sizeof *stocks);
    if (stocks)
        t->stocks = stocks;
    int64_t *limits = realloc(t->backorder_limits, capacity * sizeof *limits);
    if (limits)
        t->backorder_limits = limits;
    bool *is_dirty = realloc(t->is_dirty, capacity * sizeof *is_dirty);
    if (is_dirty)
        t->is_dirty = is_dirty;
    lot_id *dirty = realloc(t->dirty, capacity * sizeof *dirty);
    if (dirty)
        t->dirty = dirty;
    if (!stocks || !limits || !is_dirty || !dirty)
        return error_set(e, TLY_ENO_MEMORY, "ledger", "no memory for %" PRIu64 " lots", capacity);
    t->capacity = (uint32_t)capacity;
    return 0;
}

static void add_lot(struct stock_table *t, const struct stock *stock, int64_t backorder_limit_most)
{
    assert(t->count < t->capacity);
    t->stocks[t->count] = *stock;
    t->backorder_limits[t->count] = backorder_limit_most;
    t->is_dirty[t->count] = false;
    t->count++;
}

int stock_table_load(struct stock_table *t, lot_id id, const struct stock *stock,
                     int64_t backorder_limit_most, struct error *e)
{
    if (id != t->count + 1)
        return error_set(e, TLY_ECORRUPT, "lot", "lot %" PRIu32 " follows lot %" PRIu32, id,
                         t->count);
    int rc = grow(t, id, e);
    if (rc == 0)
        add_lot(t, stock, backorder_limit_most);
    return rc;
}

static void change(struct stock_table *t, enum move_kind kind, const struct line *line, int sign)
{
    const struct effect effect = effects[kind];
    struct stock *s = &t->stocks[line->lot - 1];
    int64_t units = line->quantity * sign;
    s->on_hand += effect.on_hand * units;
    s->reserved += effect.reserved * units;
    s->confirmed += effect.confirmed * units;
    s->version += sign;
    if (!t->is_dirty[line->lot - 1]) {
        t->is_dirty[line->lot - 1] = true;
        t->dirty[t->dirty_count++] = line->lot;
    }
}

static bool holds(const struct stock_table *t, lot_id lot)
{
    const struct stock *s = &t->stocks[lot - 1];
    return s->on_hand >= 0 && s->reserved >= 0 && s->confirmed >= 0 &&
           s->on_hand - s->reserved - s->confirmed >= -t->backorder_limits[lot - 1];
}

/* It is never lowered, and so needs no undoing: what is known of it allows no less than before. */
static void learn_limit(struct stock_table *t, const struct move *m)
{
    if (!m->terms || m->line.lot < 1 || m->line.lot > t->count)
        return;
    int64_t *limit = &t->backorder_limits[m->line.lot - 1];
    if (m->terms->backorder_limit > *limit)
        *limit = m->terms->backorder_limit;
}

static const struct line *lines_of(const struct move *m)
{
    return m->line_count == 1 ? &m->line : m->lines;
}

static void undo_lines(struct stock_table *t, const struct move *m, uint32_t count)
{
    while (count > 0)
        change(t, m->kind, &lines_of(m)[--count], -1);
}

static void drop_if_created(struct stock_table *t, const struct move *m)
{
    if (m->kind == MOVE_CREATE && m->line.lot == t->count && t->stocks[t->count - 1].version == 0)
        t->count--;
}

static int apply_one(struct stock_table *t, const struct move *m, struct error *e)
{
    const struct line *lines = lines_of(m);
    if (m->kind == MOVE_CREATE && m->line.lot == t->count + 1) {
        int rc = grow(t, m->line.lot, e);
        if (rc)
            return rc;
        add_lot(t, &(struct stock){0}, 0);
    }
    if (m->kind == MOVE_CREATE || m->kind == MOVE_LOT_TERMS)
        learn_limit(t, m);
    for (uint32_t i = 0; i < m->line_count; i++) {
        bool known = lines[i].lot >= 1 && lines[i].lot <= t->count;
        if (known)
            change(t, m->kind, &lines[i], +1);
        if (!known || !holds(t, lines[i].lot)) {
            undo_lines(t, m, i + (known ? 1 : 0));
            drop_if_created(t, m);
            return error_set(e, TLY_ECORRUPT, "move",
                             "seq %" PRId64 " contradicts the stock of lot %" PRIu32, m->seq,
                             lines[i].lot);
        }
    }
    return 0;
}

int stock_table_apply(struct stock_table *t, const struct move *moves, uint32_t count,
                      struct error *e)
{
    for (uint32_t i = 0; i < count; i++) {
        int rc = apply_one(t, &moves[i], e);
        if (rc) {
            stock_table_undo(t, moves, i);
            return rc;
        }
    }
    return 0;
}

void stock_table_undo(struct stock_table *t, const struct move *moves, uint32_t count)
{
    while (count-- > 0) {
        const struct move *m = &moves[count];
        undo_lines(t, m, m->line_count);
        drop_if_created(t, m);
    }
    /* A lot that is no more has no row to write. */
    uint32_t kept = 0;
    for (uint32_t i = 0; i < t->dirty_count; i++) {
        if (t->dirty[i] <= t->count)
            t->dirty[kept++] = t->dirty[i];
    }
    t->dirty_count = kept;
}

void stock_table_clean(struct stock_table *t)
{
    for (uint32_t i = 0; i < t->dirty_count; i++)
        t->is_dirty[t->dirty[i] - 1] = false;
    t->dirty_count = 0;
}
