/* shop.c - see shop.h. A test that runs out of memory dies in calloc_or_die. */
#include "shop_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

void *calloc_or_die(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size);
    if (!p)
        abort();
    return p;
}

struct engine_config shop_config(void)
{
    return (struct engine_config){
        .node = 1,
        .hash_seed = (uint64_t)SHOP_SEED,
        .lots_max = 1000,
        .holds_max = 100000,
        .batch_moves_max = 8192,
        .waiting_max = 100000,
        .questions_max = 64,
        .stale_tries_max = 3,
        .hold_default_ms = 60000,
        .hold_max_ms = 3600000,
        .hold_total_max_ms = 7200000,
        .refund_window_ms = INT64_C(72) * 3600000,
        .order_retention_ms = INT64_C(7) * 86400000,
        .order_memory_max = 100000,
    };
}

static void start_engine(struct shop *s)
{
    struct error e = {0};
    if (engine_create(&s->engine, &s->config, &e))
        abort();
}

struct shop *shop_open(const struct engine_config *config)
{
    struct shop *s = calloc_or_die(1, sizeof *s);
    s->config = config ? *config : shop_config();
    s->now_ms = SHOP_START_MS;
    start_engine(s);
    engine_recovered(s->engine, s->now_ms);
    engine_advance(s->engine, s->now_ms, 1);
    return s;
}

void shop_close(struct shop *s)
{
    shop_collect(s);
    engine_destroy(s->engine);
    while (s->asks) {
        struct ask *next = s->asks->next;
        if (s->asks->answered && s->asks->c.kind == COMMAND_GET_RESERVATION)
            free(s->asks->c.get.record);
        free(s->asks);
        s->asks = next;
    }
    for (uint32_t i = 0; i < s->text_count; i++)
        free(s->texts[i]);
    free(s->texts);
    free(s->rows);
    free(s);
}

void shop_reopen(struct shop *s)
{
    engine_destroy(s->engine);
    s->flight = NULL;
    s->flight_count = 0;
    memset(s->flights, 0, sizeof s->flights);
    start_engine(s);
    lot_id lots = 0;
    for (uint32_t i = 0; i < s->row_count; i++) {
        if (s->rows[i].kind == MOVE_CREATE &&
            engine_load_lot(s->engine, ++lots, s->rows[i].dims, NULL, &(struct stock){0}, NULL))
            abort();
    }
    shop_load_sales(s);
    for (uint32_t i = 0; i < s->row_count; i++) {
        struct error e = {0};
        if (engine_load_move(s->engine, &s->rows[i], false, &e))
            abort();
    }
    engine_recovered(s->engine, s->now_ms);
    for (lot_id id = 1; id <= lots && id < 64; id++)
        s->gate[id] = shop_sellable(s, id);
    s->gate_lots = lots;
    engine_advance(s->engine, s->now_ms, 1);
}

struct ask *shop_ask(struct shop *s, enum command_kind kind)
{
    struct ask *a = calloc_or_die(1, sizeof *a);
    a->c.kind = (uint8_t)kind;
    a->c.text = a->text;
    a->c.text_size = sizeof a->text;
    a->next = s->asks;
    s->asks = a;
    return a;
}

/* As a service makes it: the user and the sums of what is wanted, in any order of lines. */
static uint64_t fingerprint(const struct reserve_command *r)
{
    uint64_t sum = hash64(r->user_id, 1);
    for (uint16_t i = 0; i < r->want_count; i++) {
        const struct want *w = &r->wants[i];
        uint64_t hash = hash64(w->lot, 1);
        hash = hash64(w->sku, hash);
        hash = hash64(w->flavor, hash);
        hash = hash64(w->size, hash);
        sum += hash64(w->batch, hash) * (uint64_t)w->quantity;
    }
    return sum;
}

void shop_prepare(struct reserve_command *r)
{
    r->order_hash = hash64(r->order_id, (uint64_t)SHOP_SEED);
    r->fingerprint = fingerprint(r);
}

void shop_send(struct shop *s, struct ask *a)
{
    if (a->c.kind == COMMAND_RESERVE)
        shop_prepare(&a->c.reserve);
    engine_command(s->engine, &a->c);
    shop_collect(s);
}

struct ask *shop_create(struct shop *s, const char *key, const char *flavor, const char *size,
                        const char *batch, int32_t expires_on, int64_t quantity)
{
    struct ask *a = shop_ask(s, COMMAND_CREATE_LOT);
    const char *end = strchr(key, '#');
    a->c.create.dims = (struct lot_dims){
        .key = str_of(key),
        .sku = {key, end ? (uint32_t)(end - key) : (uint32_t)strlen(key)},
        .flavor = str_of(flavor),
        .size = str_of(size),
        .batch = str_of(batch),
        .expires_on = expires_on,
    };
    a->c.create.quantity = quantity;
    shop_send(s, a);
    return a;
}

lot_id shop_lot_dims(struct shop *s, const char *key, const char *flavor, const char *size,
                     const char *batch, int32_t expires_on, int64_t quantity)
{
    struct ask *a = shop_create(s, key, flavor, size, batch, expires_on, quantity);
    shop_commit(s);
    assert(a->answered && a->c.code == 0);
    return a->c.create.lot.id;
}

lot_id shop_lot(struct shop *s, const char *key, int64_t quantity)
{
    return shop_lot_dims(s, key, "cola", "330ml_can", "BATCH-20260101-A", LOT_NEVER_EXPIRES,
                         quantity);
}

struct ask *shop_order(struct shop *s, const char *order_id)
{
    struct ask *a = shop_ask(s, COMMAND_RESERVE);
    a->c.reserve.order_id = str_of(order_id);
    a->c.reserve.user_id = STR("user-1");
    a->c.reserve.wants = a->wants;
    a->c.reserve.lines = a->lines;
    a->c.reserve.line_max = ORDER_LINES_MAX;
    return a;
}

void shop_want_lot(struct ask *a, const char *lot, int64_t quantity)
{
    a->wants[a->c.reserve.want_count++] = (struct want){.lot = str_of(lot), .quantity = quantity};
}

void shop_want_sku(struct ask *a, const char *sku, const char *flavor, const char *size,
                   const char *batch, int64_t quantity)
{
    a->wants[a->c.reserve.want_count++] = (struct want){.sku = str_of(sku),
                                                        .flavor = str_of(flavor),
                                                        .size = str_of(size),
                                                        .batch = str_of(batch),
                                                        .quantity = quantity};
}

struct ask *shop_reserve(struct shop *s, const char *order_id, const char *lot, int64_t quantity)
{
    struct ask *a = shop_order(s, order_id);
    shop_want_lot(a, lot, quantity);
    shop_send(s, a);
    return a;
}

struct ask *shop_move(struct shop *s, enum command_kind kind, int64_t reservation_id)
{
    struct ask *a = shop_ask(s, kind);
    a->c.move.reservation_id = reservation_id;
    a->c.move.lines = a->lines;
    a->c.move.line_max = ORDER_LINES_MAX;
    a->c.move.after = a->after;
    a->c.move.wants = a->wants;
    return a;
}

struct ask *shop_move_by_order(struct shop *s, enum command_kind kind, const char *order_id)
{
    struct ask *a = shop_move(s, kind, 0);
    a->c.move.by_order_id = str_of(order_id);
    a->c.move.order_hash = hash64(a->c.move.by_order_id, (uint64_t)SHOP_SEED);
    return a;
}

void shop_move_want(struct ask *a, const char *lot, int64_t quantity)
{
    a->wants[a->c.move.want_count++] = (struct want){.lot = str_of(lot), .quantity = quantity};
}

struct ask *shop_confirm(struct shop *s, int64_t reservation_id)
{
    struct ask *a = shop_move(s, COMMAND_CONFIRM, reservation_id);
    a->c.move.payment_id = STR("payment-1");
    shop_send(s, a);
    return a;
}

struct ask *shop_confirm_part(struct shop *s, int64_t reservation_id, const char *lot,
                              int64_t quantity)
{
    struct ask *a = shop_move(s, COMMAND_CONFIRM, reservation_id);
    shop_move_want(a, lot, quantity);
    shop_send(s, a);
    return a;
}

struct ask *shop_refund(struct shop *s, int64_t reservation_id, enum refund_reason reason)
{
    struct ask *a = shop_move(s, COMMAND_REFUND, reservation_id);
    a->c.move.reason = (uint8_t)reason;
    shop_send(s, a);
    return a;
}

struct ask *shop_extend(struct shop *s, int64_t reservation_id, int64_t hold_ms)
{
    struct ask *a = shop_move(s, COMMAND_EXTEND, reservation_id);
    a->c.move.hold_ms = hold_ms;
    shop_send(s, a);
    return a;
}

struct ask *shop_adjust(struct shop *s, const char *lot, int64_t delta, const char *adjustment_id)
{
    struct ask *a = shop_ask(s, COMMAND_ADJUST);
    a->c.adjust.key = str_of(lot);
    a->c.adjust.delta = delta;
    a->c.adjust.reason = STR("counted");
    a->c.adjust.adjustment_id = str_of(adjustment_id);
    shop_send(s, a);
    return a;
}

struct ask *shop_update_lot(struct shop *s, const char *lot)
{
    struct ask *a = shop_ask(s, COMMAND_UPDATE_LOT);
    a->c.update_lot.key = str_of(lot);
    return a;
}

struct ask *shop_get(struct shop *s, int64_t reservation_id, const char *order_id)
{
    struct ask *a = shop_ask(s, COMMAND_GET_RESERVATION);
    a->c.get.reservation_id = reservation_id;
    a->c.get.order_id = str_of(order_id);
    a->c.get.order_hash = hash64(a->c.get.order_id, (uint64_t)SHOP_SEED);
    shop_send(s, a);
    return a;
}

struct ask *shop_get_lot(struct shop *s, const char *lot)
{
    struct ask *a = shop_ask(s, COMMAND_GET_LOT);
    a->c.get_lot.key = str_of(lot);
    shop_send(s, a);
    return a;
}

/* ---- the ledger ---- */

void *shop_keep(struct shop *s, const void *data, size_t size)
{
    if (s->text_count == s->text_room) {
        s->text_room = s->text_room ? s->text_room * 2 : 64;
        s->texts = realloc(s->texts, s->text_room * sizeof *s->texts);
        if (!s->texts)
            abort();
    }
    char *copy = calloc_or_die(1, size + 1);
    memcpy(copy, data, size);
    s->texts[s->text_count++] = copy;
    return copy;
}

struct str shop_keep_str(struct shop *s, struct str text)
{
    return text.len ? (struct str){shop_keep(s, text.p, text.len), text.len} : (struct str){"", 0};
}

void shop_keep_row(struct shop *s, const struct move *m)
{
    if (s->row_count == s->row_room) {
        s->row_room = s->row_room ? s->row_room * 2 : 64;
        s->rows = realloc(s->rows, s->row_room * sizeof *s->rows);
        if (!s->rows)
            abort();
    }
    struct move *row = &s->rows[s->row_count++];
    *row = *m;
    row->order_id = shop_keep_str(s, m->order_id);
    row->user_id = shop_keep_str(s, m->user_id);
    row->detail = shop_keep_str(s, m->detail);
    row->note = shop_keep_str(s, m->note);
    if (m->line_count > 1)
        row->lines = shop_keep(s, m->lines, m->line_count * sizeof *m->lines);
    if (m->kind == MOVE_SALE)
        row->sale_terms = shop_keep_terms(s, m->sale_terms);
    if ((m->kind == MOVE_CREATE || m->kind == MOVE_LOT_TERMS) && m->terms)
        row->terms = shop_keep(s, m->terms, sizeof *m->terms);
    if (m->dims) {
        struct lot_dims dims = *m->dims;
        dims.key = shop_keep_str(s, dims.key);
        dims.sku = shop_keep_str(s, dims.sku);
        dims.flavor = shop_keep_str(s, dims.flavor);
        dims.size = shop_keep_str(s, dims.size);
        dims.batch = shop_keep_str(s, dims.batch);
        row->dims = shop_keep(s, &dims, sizeof dims);
    }
}

bool shop_seal(struct shop *s)
{
    struct batch *b = engine_seal(s->engine);
    if (b) {
        s->flights[s->flight_count++] = b;
        s->oldest_pending = b->oldest_pending;
        engine_sealed(s->engine);
    }
    s->flight = s->flights[0];
    return s->flight != NULL;
}

void shop_outcome(struct shop *s, enum ledger_outcome outcome)
{
    struct batch *b = s->flight;
    assert(b);
    if (outcome == LEDGER_COMMITTED) {
        for (uint32_t i = 0; i < b->move_count; i++)
            shop_keep_row(s, &b->moves[i]);
    }
    if (outcome != LEDGER_UNKNOWN) {
        s->flight_count--;
        for (uint32_t i = 0; i < LEDGER_BATCHES_MAX; i++)
            s->flights[i] = i < s->flight_count ? s->flights[i + 1] : NULL;
        s->flight = s->flights[0];
    }
    b->outcome = outcome;
    engine_outcome(s->engine, b);
    shop_collect(s);
}

void shop_reject(struct shop *s)
{
    s->flight->writable = true;
    shop_outcome(s, LEDGER_REJECTED);
}

void shop_commit(struct shop *s)
{
    if (s->truth) {
        shop_settle(s);
        return;
    }
    shop_answer_reads(s);
    while (shop_seal(s)) {
        shop_outcome(s, LEDGER_COMMITTED);
        shop_answer_reads(s);
    }
}

static void answer_read(const struct shop *s, struct question *r)
{
    s = s->truth ? s->truth : s;
    int64_t id = r->reservation_id;
    r->code = TLY_ENOT_FOUND;
    if (s->ledger_silent) {
        r->code = TLY_EUNAVAILABLE;
        return;
    }
    if (r->kind == QUESTION_GROUP) {
        shop_answer_group(s, r);
        return;
    }
    for (uint32_t i = 0; i < s->row_count; i++) {
        const struct move *m = &s->rows[i];
        if (r->kind == QUESTION_ORDER && move_begins(m) && str_equal(m->order_id, r->order_id))
            id = m->seq;
        if (r->kind == QUESTION_ADJUSTMENT && m->kind == MOVE_ADJUST &&
            str_equal(m->detail, r->order_id)) {
            r->code = 0;
            r->move_seq = m->seq;
            r->adjusted = m->line;
            return;
        }
    }
    if (r->kind == QUESTION_ADJUSTMENT)
        return;
    r->record = shop_record(s, id, s->row_count);
    r->code = r->record ? 0 : TLY_ENOT_FOUND;
}

bool shop_answer_one_read(struct shop *s)
{
    struct question *r = engine_next_question(s->engine);
    if (!r)
        return false;
    answer_read(s, r);
    engine_answered(s->engine, r);
    shop_collect(s);
    return true;
}

void shop_answer_reads(struct shop *s)
{
    while (shop_answer_one_read(s)) {
    }
}

void shop_collect(struct shop *s)
{
    struct command *next;
    for (struct command *c = engine_replies(s->engine); c; c = next) {
        next = c->link;
        struct ask *a = (struct ask *)c;
        assert(!a->answered);
        a->answered = true;
    }
    struct gate_delta deltas[16];
    size_t count;
    do {
        count = engine_gate_deltas(s->engine, deltas, 16);
        for (size_t i = 0; i < count; i++) {
            if (deltas[i].lot < 64)
                s->gate[deltas[i].lot] += deltas[i].units;
        }
    } while (count == 16);
    while (s->gate_lots < engine_lot_count(s->engine)) {
        lot_id id = ++s->gate_lots;
        if (id < 64 && engine_lot(s->engine, id, &(struct lot_view){0}))
            s->gate[id] = shop_sellable(s, id);
    }
}

void shop_advance(struct shop *s, int64_t by_ms)
{
    s->now_ms += by_ms;
    engine_advance(s->engine, s->now_ms, (uint64_t)(s->now_ms - SHOP_START_MS) * 1000000 + 1);
    shop_collect(s);
}

struct stock shop_stock(struct shop *s, lot_id lot)
{
    struct lot_view view = {0};
    bool found = engine_lot(s->engine, lot, &view);
    assert(found);
    return view.stock;
}

int64_t shop_sellable(struct shop *s, lot_id lot)
{
    struct lot_view view = {0};
    return engine_lot(s->engine, lot, &view) ? engine_gate_units(&view) : 0;
}

int64_t shop_available(struct shop *s, lot_id lot)
{
    struct stock stock = shop_stock(s, lot);
    return stock.on_hand - stock.reserved - stock.confirmed;
}

struct engine_stats shop_stats(struct shop *s)
{
    struct engine_stats stats = {0};
    struct ask *a = shop_ask(s, COMMAND_STATS);
    a->c.stats.stats = &stats;
    shop_send(s, a);
    assert(a->answered);
    return stats;
}

uint32_t shop_rows(const struct shop *s, enum move_kind kind)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < s->row_count; i++)
        count += s->rows[i].kind == kind;
    return count;
}

const struct move *shop_last_row(const struct shop *s)
{
    return s->row_count ? &s->rows[s->row_count - 1] : NULL;
}
