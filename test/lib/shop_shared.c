/* Two shops over one ledger: the rows of the first. A load is answered by going through them. Rows
 * are locked as a whole, from a load that is not assumed until it ends; who comes meanwhile is told
 * that it waited for locks in vain. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "shop_internal.h"

enum { LOADED_MAX = 4096 };

struct shop_load {
    struct load *load;
    uint32_t rows; /* that it was answered from */
    struct loaded_lot lots[LOADED_MAX];
    struct reservation_record *records[LOADED_MAX];
    struct loaded_adjustment adjustments[LOADED_MAX];
};

struct shop *shop_open_shared(const struct engine_config *config)
{
    struct engine_config shared = config ? *config : shop_config();
    shared.shared = true;
    struct shop *s = shop_open(&shared);
    s->truth = s;
    return s;
}

struct shop *shop_join(struct shop *truth)
{
    struct engine_config config = truth->config;
    config.node++;
    struct shop *s = shop_open(&config);
    s->truth = truth;
    return s;
}

/* ---- what the rows say ---- */

static const int effects[][3] = {
#define X(name, number, on_hand, reserved, confirmed) [number] = {on_hand, reserved, confirmed},
    MOVE_KINDS(X)
#undef X
};

static struct stock stock_of(const struct shop *t, uint32_t rows, lot_id lot)
{
    struct stock s = {0};
    for (uint32_t i = 0; i < rows; i++) {
        const struct move *m = &t->rows[i];
        const struct line *lines = shop_row_lines(m);
        for (uint16_t j = 0; j < m->line_count; j++) {
            if (lines[j].lot != lot)
                continue;
            s.on_hand += effects[m->kind][0] * lines[j].quantity;
            s.reserved += effects[m->kind][1] * lines[j].quantity;
            s.confirmed += effects[m->kind][2] * lines[j].quantity;
            s.version++;
        }
    }
    return s;
}

struct stock shop_truth(const struct shop *s, lot_id lot)
{
    return stock_of(s->truth, s->truth->row_count, lot);
}

static void add_lot(const struct shop *t, struct shop_load *l, lot_id id)
{
    struct load *load = l->load;
    for (uint32_t i = 0; i < load->lot_count; i++) {
        if (l->lots[i].id == id)
            return;
    }
    for (uint32_t i = 0; i < l->rows; i++) {
        if (t->rows[i].kind == MOVE_CREATE && t->rows[i].line.lot == id) {
            assert(load->lot_count < LOADED_MAX);
            l->lots[load->lot_count++] = (struct loaded_lot){
                .id = id, .dims = *t->rows[i].dims, .stock = stock_of(t, l->rows, id)};
        }
    }
}

static void add_record(const struct shop *t, struct shop_load *l, int64_t id)
{
    struct load *load = l->load;
    for (uint32_t i = 0; i < load->record_count; i++) {
        if (l->records[i]->reservation_id == id)
            return;
    }
    struct reservation_record *record = shop_record(t, id, l->rows);
    if (!record)
        return;
    assert(load->record_count < LOADED_MAX);
    l->records[load->record_count++] = record;
    for (uint32_t i = 0; i < record->line_count_reserved; i++)
        add_lot(t, l, record->reserved_lines[i].lot);
}

static void add_lots(const struct shop *t, struct shop_load *l, const struct load_key *k)
{
    uint32_t left = k->kind == LOAD_LOTS ? k->limit : UINT32_MAX;
    for (uint32_t i = 0; i < l->rows && left; i++) {
        const struct move *m = &t->rows[i];
        if (m->kind != MOVE_CREATE)
            continue;
        bool named = k->kind == LOAD_LOT ? str_equal(m->dims->key, k->text)
                                         : str_empty(k->text) || str_equal(m->dims->sku, k->text);
        if (!named || (k->kind == LOAD_LOTS && m->line.lot <= k->number))
            continue;
        add_lot(t, l, m->line.lot);
        left--;
    }
}

static void add_key(const struct shop *t, struct shop_load *l, const struct load_key *k)
{
    if (k->kind == LOAD_LOT || k->kind == LOAD_SKU || k->kind == LOAD_LOTS)
        add_lots(t, l, k);
    if (k->kind == LOAD_RESERVATION)
        add_record(t, l, k->number);
    for (uint32_t i = 0; i < l->rows; i++) {
        const struct move *m = &t->rows[i];
        if (k->kind == LOAD_ORDER && move_begins(m) && str_equal(m->order_id, k->text))
            add_record(t, l, m->seq);
        if (k->kind == LOAD_ADJUSTMENT && m->kind == MOVE_ADJUST && str_equal(m->detail, k->text))
            l->adjustments[l->load->adjustment_count++] =
                (struct loaded_adjustment){m->detail, m->seq, m->line};
    }
}

/* Due holds, and when the next one is. */
static void add_due(const struct shop *t, struct shop_load *l)
{
    struct load *load = l->load;
    uint32_t left = load->due_max;
    load->next_deadline_ms = INT64_MAX;
    for (uint32_t i = 0; i < l->rows; i++) {
        if (t->rows[i].kind != MOVE_RESERVE)
            continue;
        struct reservation_record *record = shop_record(t, t->rows[i].seq, l->rows);
        if (record->state == HOLD_PENDING && record->deadline_ms <= load->now_ms && left) {
            add_record(t, l, record->reservation_id);
            left--;
        } else if (record->state == HOLD_PENDING && record->deadline_ms < load->next_deadline_ms) {
            load->next_deadline_ms = record->deadline_ms;
        }
        free(record);
    }
}

static void end_load(struct shop *s)
{
    struct shop_load *l = s->load;
    s->load = NULL;
    if (s->truth->locked == s)
        s->truth->locked = NULL;
    for (uint32_t i = 0; i < l->load->record_count; i++)
        free(l->records[i]);
    free(l);
}

bool shop_load(struct shop *s)
{
    struct shop *t = s->truth;
    struct load *load = engine_next_release(s->engine);
    if (load)
        end_load(s);
    load = engine_next_load(s->engine);
    shop_collect(s);
    if (!load)
        return false;
    s->loads++;
    s->stale_loads += load->attempt > 0;
    load->assumed = s->assumes && load->writes && load->attempt == 0;
    if (s->ledger_silent || (load->writes && !load->assumed && t->locked)) {
        load->code = s->ledger_silent ? TLY_EUNAVAILABLE : TLY_EOVERLOADED;
        engine_loaded(s->engine, load);
        shop_collect(s);
        return true;
    }
    struct shop_load *l = calloc_or_die(1, sizeof *l);
    l->load = load;
    l->rows = load->assumed ? s->known_rows : t->row_count;
    s->load = l;
    if (load->writes && !load->assumed)
        t->locked = s;
    load->lots = l->lots;
    load->records = l->records;
    load->adjustments = l->adjustments;
    for (uint32_t i = 0; i < load->key_count; i++)
        add_key(t, l, &load->keys[i]);
    if (load->writes)
        add_due(t, l);
    for (uint32_t i = 0; i < l->rows; i++) {
        if (t->rows[i].kind == MOVE_CREATE && t->rows[i].line.lot > load->lots_highest)
            load->lots_highest = t->rows[i].line.lot;
        if (t->rows[i].seq > load->seq_floor)
            load->seq_floor = t->rows[i].seq;
    }
    load->lots_highest += t->lots_gap;
    if (!load->assumed)
        s->known_rows = t->row_count;
    engine_loaded(s->engine, load);
    shop_collect(s);
    return true;
}

/* Somebody else has written about the same lots or orders since. */
static bool is_stale(const struct shop *t, uint32_t rows, const struct batch *b)
{
    for (uint32_t i = rows; i < t->row_count; i++) {
        const struct line *theirs = shop_row_lines(&t->rows[i]);
        for (uint32_t k = 0; k < b->move_count; k++) {
            const struct move *m = &b->moves[k];
            const struct line *ours = shop_row_lines(m);
            if (move_begins(m) && move_begins(&t->rows[i]) &&
                str_equal(m->order_id, t->rows[i].order_id))
                return true;
            for (uint16_t x = 0; x < t->rows[i].line_count; x++) {
                for (uint16_t y = 0; y < m->line_count; y++) {
                    if (theirs[x].lot == ours[y].lot)
                        return true;
                }
            }
        }
    }
    return false;
}

bool shop_write(struct shop *s)
{
    struct shop *t = s->truth;
    if (!shop_seal(s))
        return false;
    struct batch *b = s->flight;
    assert(b->load && s->load && b->load == s->load->load);
    s->flight = s->flights[0] = NULL;
    s->flight_count = 0;
    b->outcome = is_stale(t, s->load->rows, b) ? LEDGER_STALE : LEDGER_COMMITTED;
    for (uint32_t i = 0; b->outcome == LEDGER_COMMITTED && i < b->move_count; i++) {
        assert(!t->row_count || b->moves[i].seq > t->rows[t->row_count - 1].seq ||
               s->load->load->assumed);
        shop_keep_row(t, &b->moves[i]);
    }
    s->known_rows = t->row_count;
    end_load(s);
    engine_outcome(s->engine, b);
    shop_collect(s);
    return true;
}

void shop_settle(struct shop *s)
{
    bool more = true;
    while (more) {
        shop_answer_reads(s);
        more = shop_write(s);
        more = shop_load(s) || more;
    }
}
