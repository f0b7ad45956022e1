/* Rows are searched from end to end: a simulation has some hundreds. */
#include "fake_disk.h"

#include <stdlib.h>
#include <string.h>

#include "effects.h"
#include "planted_rows.h"

static const struct line *lines_of(const struct move *m)
{
    return m->line_count > 1 ? m->lines : &m->line;
}

static struct str copy_text(struct str text)
{
    char *p = malloc((size_t)text.len + 1);
    if (!p)
        abort();
    if (text.len)
        memcpy(p, text.p, text.len);
    p[text.len] = 0;
    return (struct str){p, text.len};
}

static void free_text(struct str text)
{
    free((char *)(uintptr_t)text.p);
}

static const struct lot_dims *copy_dims(const struct lot_dims *from)
{
    struct lot_dims *d = malloc(sizeof *d);
    if (!d)
        abort();
    *d = (struct lot_dims){.key = copy_text(from->key),
                           .sku = copy_text(from->sku),
                           .flavor = copy_text(from->flavor),
                           .size = copy_text(from->size),
                           .batch = copy_text(from->batch),
                           .expires_on = from->expires_on};
    return d;
}

static void free_dims(const struct lot_dims *d)
{
    if (!d)
        return;
    free_text(d->key);
    free_text(d->sku);
    free_text(d->flavor);
    free_text(d->size);
    free_text(d->batch);
    free((void *)(uintptr_t)d);
}

static const struct lot_terms *copy_terms(const struct lot_terms *from)
{
    struct lot_terms *t = malloc(sizeof *t);
    if (!t)
        abort();
    *t = *from;
    return t;
}

static bool has_lot_terms(const struct move *m)
{
    return m->kind == MOVE_CREATE || m->kind == MOVE_LOT_TERMS;
}

static const struct sale_terms *copy_sale(const struct sale_terms *from)
{
    struct sale_terms *t = malloc(sizeof *t);
    struct sale_item *items = malloc(from->item_count * sizeof *items);
    if (!t || !items)
        abort();
    for (uint16_t i = 0; i < from->item_count; i++)
        items[i] = (struct sale_item){from->items[i].lot, copy_text(from->items[i].sku)};
    *t = *from;
    t->sale_id = copy_text(from->sale_id);
    t->title = copy_text(from->title);
    t->items = items;
    return t;
}

static void free_sale(const struct sale_terms *t)
{
    if (!t)
        return;
    for (uint16_t i = 0; i < t->item_count; i++)
        free_text(t->items[i].sku);
    free((void *)(uintptr_t)t->items);
    free_text(t->sale_id);
    free_text(t->title);
    free((void *)(uintptr_t)t);
}

void fake_disk_close(struct fake_disk *r)
{
    fake_disk_drop_runs(r);
    free(r->runs);
    for (size_t i = 0; i < r->count; i++) {
        struct move *m = &r->rows[i];
        free_text(m->order_id);
        free_text(m->user_id);
        free_text(m->detail);
        free_text(m->note);
        free((void *)(uintptr_t)m->lines);
        free_dims(m->dims);
        if (has_lot_terms(m))
            free((void *)(uintptr_t)m->terms);
        else
            free_sale(m->sale_terms);
    }
    free(r->rows);
}

void fake_disk_add(struct fake_disk *r, const struct move *moves, size_t count)
{
    if (r->count + count > r->room) {
        r->room = 2 * (r->count + count);
        r->rows = realloc(r->rows, r->room * sizeof *r->rows);
        if (!r->rows)
            abort();
    }
    for (size_t i = 0; i < count; i++) {
        struct move *m = &r->rows[r->count++];
        *m = moves[i];
        m->order_id = copy_text(m->order_id);
        m->user_id = copy_text(m->user_id);
        m->detail = copy_text(m->detail);
        m->note = copy_text(m->note);
        m->lines = NULL;
        if (m->line_count > 1) {
            struct line *lines = malloc(m->line_count * sizeof *lines);
            if (!lines)
                abort();
            memcpy(lines, moves[i].lines, m->line_count * sizeof *lines);
            m->lines = lines;
        }
        if (m->dims)
            m->dims = copy_dims(m->dims);
        m->sale_terms = NULL;
        if (m->kind == MOVE_SALE)
            m->sale_terms = copy_sale(moves[i].sale_terms);
        else if (has_lot_terms(m) && moves[i].terms)
            m->terms = copy_terms(moves[i].terms);
        r->lot_count += m->kind == MOVE_CREATE;
    }
}

void fake_disk_drop_runs(struct fake_disk *r)
{
    for (size_t i = 0; i < r->run_count; i++)
        free(r->runs[i].entries);
    r->run_count = 0;
}

const struct fake_run *fake_disk_keep_run(struct fake_disk *r, const struct order_segment *s)
{
    if (r->run_count == r->run_room) {
        r->run_room = r->run_room ? 2 * r->run_room : 16;
        r->runs = realloc(r->runs, r->run_room * sizeof *r->runs);
        if (!r->runs)
            abort();
    }
    struct fake_run *run = &r->runs[r->run_count++];
    *run = (struct fake_run){.count = s->count, .seq_min = s->seq_min, .seq_max = s->seq_max};
    run->entries = calloc(s->count ? s->count : 1, sizeof *run->entries);
    s->copy(s, run->entries);
    return run;
}

void fake_disk_snapshot(struct fake_disk *r)
{
    if (r->count)
        r->snapshot_seq = r->rows[r->count - 1].seq;
}

void fake_disk_forget_snapshot(struct fake_disk *r)
{
    r->snapshot_seq = 0;
}

static struct stock stock_up_to(const struct fake_disk *r, lot_id lot, int64_t seq)
{
    struct stock s = {0};
    for (size_t i = 0; i < r->count && r->rows[i].seq <= seq; i++) {
        const struct move *m = &r->rows[i];
        const struct line *lines = lines_of(m);
        for (uint16_t j = 0; j < m->line_count; j++) {
            if (lines[j].lot != lot)
                continue;
            effect_on(&s, m->kind, lines[j].quantity);
        }
    }
    return s;
}

struct stock fake_disk_stock(const struct fake_disk *r, lot_id lot)
{
    return stock_up_to(r, lot, INT64_MAX);
}

struct lot_terms fake_disk_terms(const struct fake_disk *r, lot_id lot, size_t row_count)
{
    struct lot_terms terms = {0};
    for (size_t i = 0; i < r->count; i++) {
        const struct move *m = &r->rows[i];
        if (!has_lot_terms(m) || m->line.lot != lot)
            continue;
        if (m->kind == MOVE_CREATE)
            terms = lot_terms_plain(m->dims);
        if (m->terms && i < row_count)
            terms = *m->terms;
    }
    return terms;
}

int fake_disk_lots(const struct fake_disk *r, const struct ledger_loader *loader, size_t row_count,
                   enum plant plant, struct error *err)
{
    for (size_t i = 0; i < row_count; i++) {
        const struct move *m = &r->rows[i];
        if (m->kind != MOVE_CREATE)
            continue;
        struct stock s = stock_up_to(r, m->line.lot, r->snapshot_seq);
        struct lot_terms terms =
            fake_disk_terms(r, m->line.lot, plant == PLANT_TERMS_LOST ? 0 : row_count);
        planted_terms(plant, &terms, +1);
        int rc = loader->lot(loader->context, m->line.lot, m->dims, &terms, &s, err);
        if (rc)
            return rc;
    }
    return 0;
}

/* As they stand after so many rows, in order of number. */
int fake_disk_sales(const struct fake_disk *r, const struct ledger_loader *loader, size_t row_count,
                    struct error *err)
{
    int rc = 0;
    for (sale_number number = 1; rc == 0; number++) {
        const struct move *first = NULL, *last = NULL;
        for (size_t i = 0; i < row_count; i++) {
            if (r->rows[i].kind != MOVE_SALE || r->rows[i].sale != number)
                continue;
            first = first ? first : &r->rows[i];
            last = &r->rows[i];
        }
        if (!first)
            break;
        rc = loader->sale(loader->context, last->sale_terms, first->seq, err);
    }
    return rc;
}

/* ---- answers ---- */

static void answer_group(const struct fake_disk *r, struct question *q)
{
    for (size_t i = 0; i < r->count; i++) {
        const struct move *m = &r->rows[i];
        if (m->kind == MOVE_GROUP_OPEN && m->seq == q->reservation_id) {
            q->code = 0;
            q->group = (struct group_record){.group_id = m->seq,
                                             .sale = m->sale,
                                             .status = GROUP_IS_OPEN,
                                             .size = (uint16_t)m->line.quantity,
                                             .opened_ms = m->at_ms,
                                             .ends_ms = m->deadline_ms};
        } else if ((m->kind == MOVE_GROUP_SUCCEED || m->kind == MOVE_GROUP_FAIL) &&
                   m->group_id == q->reservation_id) {
            q->group.status = m->kind == MOVE_GROUP_FAIL ? GROUP_FAILED : GROUP_SUCCEEDED;
            q->group.paid = (uint16_t)m->line.quantity;
            q->group.ended_ms = m->at_ms;
        }
    }
}

/* The newest: an earlier one is past retention. */
int64_t fake_disk_order(const struct fake_disk *r, struct str order_id)
{
    for (size_t i = r->count; i-- > 0;)
        if (move_begins(&r->rows[i]) && str_equal(r->rows[i].order_id, order_id))
            return r->rows[i].seq;
    return 0;
}

const struct move *fake_disk_adjustment(const struct fake_disk *r, struct str adjustment_id)
{
    for (size_t i = r->count; i-- > 0;)
        if (r->rows[i].kind == MOVE_ADJUST && str_equal(r->rows[i].detail, adjustment_id))
            return &r->rows[i];
    return NULL;
}

void fake_disk_answer(const struct fake_disk *r, struct question *read)
{
    read->record = NULL;
    read->code = TLY_ENOT_FOUND;
    if (read->kind == QUESTION_GROUP) {
        answer_group(r, read);
        return;
    }
    if (read->kind == QUESTION_ADJUSTMENT) {
        const struct move *m = fake_disk_adjustment(r, read->order_id);
        if (!m)
            return;
        read->code = 0;
        read->move_seq = m->seq;
        read->adjusted = m->line;
        return;
    }
    int64_t id =
        read->kind == QUESTION_ORDER ? fake_disk_order(r, read->order_id) : read->reservation_id;
    read->record = fake_disk_record(r, id);
    if (read->record)
        read->code = 0;
}
