/* tell_gate.c - what the gate hears of the engine's decisions and the ledger's commits.
 *
 * Happy path of a gate that counts by differences: units that changed hands, new lots and sales,
 * the next deadline. One that goes by the truth is told, besides, of each commit's lots as the
 * ledger has them now, and of each answered order's outcome.
 *
 * A lot's stock "as the ledger has it" is noted when its batch is handed to the ledger: then the
 * engine's stock is just what it will be once that batch is committed; a moment later newer
 * decisions are in it.
 *
 * The host hears of a commit's lots at once, before their replies leave: whoever keeps copies
 * of them lets those go.
 *
 * Failure: memory is short for a note: the lots are told with their next commit. Short for a lot:
 * it is left to the engine.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lane/lane_internal.h"

enum { DELTAS_MAX = 256, ORDERS_MAX = 64, LINES_MAX = 2 * ORDER_LINES_MAX };

static struct gate_stock stock_of(const struct lot_view *lot)
{
    return (struct gate_stock){.lot_id = lot->id,
                               .dims = lot->dims,
                               .available = engine_gate_units(lot),
                               .version = lot->stock.version,
                               .orders_after = lot->stock.version};
}

/* ---- the lots of a batch ---- */

/* Room for one more, in steps; false when memory is short. */
static bool grow(void **array, uint32_t *room, uint32_t needed, size_t size)
{
    enum { STEP = 256 };
    if (needed <= *room)
        return true;
    uint32_t wanted = needed + needed / 2 + STEP;
    void *bigger = realloc(*array, wanted * size);
    if (!bigger)
        return false;
    memset((char *)bigger + *room * size, 0, (wanted - *room) * size);
    *array = bigger;
    *room = wanted;
    return true;
}

/* A move of the batch touches the lot, which makes one version more than there was. */
static void note_lot(struct lane *l, struct lane_note *note, lot_id id)
{
    struct lot_view lot;
    if (!grow((void **)&l->noted, &l->noted_room, id + 1, sizeof *l->noted))
        return;
    struct lane_noted *noted = &l->noted[id];
    if (noted->batch == note->batch) {
        note->stocks[noted->at].orders_after--;
        return;
    }
    if (!engine_lot(l->engine, id, &lot) ||
        !grow((void **)&note->stocks, &note->room, note->count + 1, sizeof *note->stocks))
        return;
    *noted = (struct lane_noted){note->batch, note->count};
    note->stocks[note->count] = stock_of(&lot);
    note->stocks[note->count++].orders_after--;
}

void lane_note_stocks(struct lane *l, const struct batch *b)
{
    if (!l->gate->ops->committed && !l->host.lots_committed)
        return;
    struct lane_note *note = &l->notes[b->number % LANE_NOTES];
    note->batch = b->number;
    note->count = 0;
    note->committed = false;
    for (uint32_t i = 0; i < b->move_count; i++) {
        const struct move *m = &b->moves[i];
        const struct line *lines = m->line_count > 1 ? m->lines : &m->line;
        for (uint16_t j = 0; j < m->line_count; j++)
            note_lot(l, note, lines[j].lot);
    }
}

void lane_settle_stocks(struct lane *l, const struct batch *b)
{
    struct lane_note *note = &l->notes[b->number % LANE_NOTES];
    if (note->batch != b->number || b->outcome != LEDGER_COMMITTED)
        return;
    note->committed = l->gate->ops->committed != NULL;
    if (l->host.lots_committed && note->count)
        l->host.lots_committed(l->host.context, note->stocks, note->count,
                               b->moves[b->move_count - 1].seq);
}

void lane_close(struct lane *l)
{
    for (size_t i = 0; i < LANE_NOTES; i++)
        free(l->notes[i].stocks);
    free(l->noted);
    free(l->read_lots);
}

/* ---- the lots of a load ---- */

static bool has_all_of(const struct load *load, struct str sku)
{
    bool all = false;
    for (uint32_t i = 0; i < load->key_count && !all; i++)
        all = load->keys[i].kind == LOAD_SKU && str_equal(load->keys[i].text, sku);
    return all;
}

void lane_note_read(struct lane *l, const struct load *load)
{
    l->read_count = 0;
    if (!l->gate->ops->committed || load->code || load->assumed || !load->writes ||
        !grow((void **)&l->read_lots, &l->read_room, load->lot_count, sizeof *l->read_lots))
        return;
    for (uint32_t i = 0; i < load->lot_count; i++) {
        const struct loaded_lot *lot = &load->lots[i];
        const struct lot_view view = {
            .id = lot->id, .dims = &lot->dims, .terms = lot->terms, .stock = lot->stock};
        l->read_lots[i] = stock_of(&view);
        l->read_lots[i].all_of_sku = has_all_of(load, lot->dims.sku);
    }
    l->read_count = load->lot_count;
}

/* The load's dimensions end with it; the engine's stay. */
void lane_tell_read(struct lane *l)
{
    uint32_t known = 0;
    for (uint32_t i = 0; i < l->read_count; i++) {
        struct gate_stock *s = &l->read_lots[i];
        s->dims = engine_lot_dims(l->engine, s->lot_id);
        if (s->dims)
            l->read_lots[known++] = *s;
    }
    l->read_count = 0;
    if (known)
        l->gate->ops->committed(l->gate, NULL, 0, l->read_lots, known);
}

/* ---- orders and commits ---- */

/* What is gathered for one call of committed(). */
struct telling {
    struct gate *gate;
    const struct gate_stock *stocks;
    uint32_t stock_count;
    uint32_t order_count;
    uint32_t line_count;
    struct gate_settlement orders[ORDERS_MAX];
    struct gate_line lines[LINES_MAX];
};

static void tell(struct telling *t)
{
    if (t->order_count || t->stock_count)
        t->gate->ops->committed(t->gate, t->orders, t->order_count, t->stocks, t->stock_count);
    t->order_count = t->line_count = t->stock_count = 0;
}

static enum gate_outcome outcome_of(int code)
{
    switch (code) {
    case 0:
        return GATE_ACCEPTED;
    case TLY_EOUTCOME_UNKNOWN:
        return GATE_UNKNOWN;
    case TLY_EUNAVAILABLE:
        return GATE_FAILED;
    default:
        return GATE_REFUSED;
    }
}

static void settle(struct telling *t, const struct reserve_command *r, int code)
{
    if (t->order_count == ORDERS_MAX || t->line_count + r->want_count > LINES_MAX)
        tell(t);
    struct gate_line *lines = &t->lines[t->line_count];
    for (uint16_t i = 0; i < r->want_count; i++) {
        const struct want *w = &r->wants[i];
        lines[i] = (struct gate_line){.lot = w->lot,
                                      .goods = str_empty(w->lot) ? &w->goods : NULL,
                                      .quantity = w->quantity,
                                      .lot_id = w->lot_hint};
    }
    t->line_count += r->want_count;
    t->orders[t->order_count++] = (struct gate_settlement){.order_hash = r->order_hash,
                                                           .order_id = r->order_id,
                                                           .outcome = outcome_of(code),
                                                           .lines = lines,
                                                           .line_count = r->want_count};
}

static void settle_command(struct telling *t, const struct command *c)
{
    if (c->kind == COMMAND_RESERVE) {
        settle(t, &c->reserve, c->code);
    } else if (c->kind == COMMAND_RESERVE_BATCH) {
        for (uint32_t i = 0; i < c->batch.count; i++)
            settle(t, &c->batch.orders[i], c->code ? c->code : c->batch.orders[i].code);
    }
}

/* Orders first: who hears of a lot's new stock knows the orders that made it. */
static void tell_committed(struct lane *l, const struct command *answered)
{
    struct telling t;
    t.gate = l->gate;
    t.stocks = NULL;
    t.order_count = t.line_count = t.stock_count = 0;
    for (const struct command *c = answered; c; c = c->link)
        settle_command(&t, c);
    for (size_t i = 0; i < LANE_NOTES; i++) {
        struct lane_note *note = &l->notes[i];
        if (!note->committed)
            continue;
        note->committed = false;
        t.stocks = note->stocks;
        t.stock_count = note->count;
        tell(&t);
    }
    tell(&t);
}

/* ---- differences ---- */

static void tell_decided(struct lane *l)
{
    struct gate_delta deltas[DELTAS_MAX];
    size_t count;
    while ((count = engine_gate_deltas(l->engine, deltas, DELTAS_MAX)) > 0) {
        size_t known = 0;
        for (size_t i = 0; i < count; i++)
            if (deltas[i].lot <= l->lots_told)
                deltas[known++] = deltas[i];
        if (known && l->gate->ops->decided)
            l->gate->ops->decided(l->gate, deltas, known);
    }
}

/* As its committed batch left it, where the gate goes by the truth: the engine's stock has newer
 * decisions in it, which may be undone. At start there are none. */
static struct gate_stock stock_to_tell(const struct lane *l, const struct lot_view *lot)
{
    for (size_t i = 0; i < LANE_NOTES && l->gate->ops->committed; i++) {
        const struct lane_note *note = &l->notes[i];
        for (uint32_t j = 0; note->committed && j < note->count; j++)
            if (note->stocks[j].lot_id == lot->id)
                return note->stocks[j];
    }
    struct gate_stock stock = stock_of(lot);
    stock.orders_after = 0; /* order_seen() told of them all */
    return stock;
}

static void tell_lots(struct lane *l)
{
    while (l->lots_told < engine_lot_count(l->engine)) {
        struct lot_view lot;
        lot_id id = ++l->lots_told;
        if (l->ledger->traits.shared || !engine_lot(l->engine, id, &lot))
            continue; /* of a shared ledger's it is told as they are read and committed */
        const struct gate_stock stock = stock_to_tell(l, &lot);
        if (l->gate->ops->lot_known(l->gate, &stock) != 0 && l->host.lot_left_out)
            l->host.lot_left_out(l->host.context, lot.dims->key);
    }
}

/* One that the gate has no memory for is the engine's alone. */
static void tell_sales(struct lane *l)
{
    struct sale_window sale;
    while (engine_next_sale(l->engine, &sale)) {
        const struct gate_sale known = {.number = sale.sale,
                                        .sale_id = sale.sale_id,
                                        .opens_ms = sale.starts_ms,
                                        .closes_ms = sale.ends_ms};
        (void)l->gate->ops->sale_known(l->gate, &known);
    }
}

void lane_tell_gate(struct lane *l, const struct command *answered)
{
    tell_decided(l);
    tell_lots(l);
    tell_sales(l);
    if (l->gate->ops->committed)
        tell_committed(l, answered);
    int64_t deadline_ms = l->gate->ops->decided ? engine_gate_deadline(l->engine)
                                                : engine_settled_deadline(l->engine);
    if (deadline_ms != l->deadline_told_ms) {
        l->deadline_told_ms = deadline_ms;
        l->gate->ops->next_deadline(l->gate, deadline_ms);
    }
}
