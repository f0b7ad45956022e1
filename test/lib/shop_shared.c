/* Two shops over one ledger: the rows of the first. A load is answered by going through them. Rows
 * are locked as a whole, from a load that is not assumed until it ends; who comes meanwhile is told
 * that it waited for locks in vain. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "rows_load.h"
#include "shop_internal.h"

struct shop_load {
    struct load *load;
    const struct shop *truth;
    uint32_t rows; /* that it was answered from */
    struct rows_load answer;
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

static struct reservation_record *read_record(void *context, int64_t reservation_id)
{
    const struct shop_load *l = context;
    return shop_record(l->truth, reservation_id, l->rows);
}

void shop_end_load(struct shop *s)
{
    struct shop_load *l = s->load;
    s->load = NULL;
    if (s->truth->locked == s)
        s->truth->locked = NULL;
    rows_load_close(&l->answer);
    free(l);
}

bool shop_load(struct shop *s)
{
    struct shop *t = s->truth;
    struct load *load = engine_next_release(s->engine);
    if (load)
        shop_end_load(s);
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
    *l = (struct shop_load){.load = load, .truth = t};
    l->rows = load->assumed ? s->known_rows : t->row_count;
    l->answer.hooks = (struct rows_load_hooks){.context = l, .record = read_record};
    s->load = l;
    rows_load_answer(&l->answer, t->rows, l->rows, load);
    if (load->assumed && rows_load_is_strict(load)) {
        rows_load_end(&l->answer);
        load->assumed = false;
        l->rows = t->row_count;
        rows_load_answer(&l->answer, t->rows, l->rows, load);
    }
    if (load->writes && !load->assumed)
        t->locked = s;
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
    shop_end_load(s);
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
