/* The durable rows, what is under way, and the dice.
 *
 * A batch that was submitted is finished by a later call of fake_ledger_progress: committed,
 * rejected, stale (another writer's adjustment became durable instead), or unknown, which a still
 * later call resolves either way. After a rejection or an unknown outcome the ledger is not
 * available until it says so.
 */
#include "fake_ledger.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "fake_rows.h"

enum { READS_MAX = 64, RUNS_MAX = 2048 };

struct stored_run {
    struct order_entry *entries;
    uint64_t count;
    int64_t seq_min, seq_max;
};

struct fake_ledger {
    struct rng *rng;
    struct fake_ledger_faults faults;
    enum plant plant;
    fake_ledger_durable_fn *durable;
    void *context;
    struct fake_rows rows;
    int64_t oldest_pending;
    struct batch *batch;    /* under way */
    bool unknown;           /* its outcome was called unknown */
    struct fake_rows early; /* planted: called committed, but not durable yet */
    bool undelivered;       /* the process has not heard of the newest outcome yet */
    bool owes_available;
    struct question *reads[READS_MAX];
    size_t read_count;
    struct order_segment *segment; /* under way */
    struct stored_run runs[RUNS_MAX];
    size_t run_count;
    struct reload reloads[AUDITED_LOTS_MAX];
};

struct fake_ledger *fake_ledger_create(struct rng *rng, const struct fake_ledger_faults *faults,
                                       enum plant plant, fake_ledger_durable_fn *durable,
                                       void *context)
{
    struct fake_ledger *l = calloc(1, sizeof *l);
    if (!l)
        abort();
    *l = (struct fake_ledger){
        .rng = rng, .faults = *faults, .plant = plant, .durable = durable, .context = context};
    return l;
}

void fake_ledger_destroy(struct fake_ledger *l)
{
    fake_rows_close(&l->rows);
    fake_rows_close(&l->early);
    for (size_t i = 0; i < l->run_count; i++)
        free(l->runs[i].entries);
    free(l);
}

void fake_ledger_heal(struct fake_ledger *l)
{
    l->faults = (struct fake_ledger_faults){0};
}

void fake_ledger_submit(struct fake_ledger *l, struct batch *b)
{
    assert(!l->batch && b->move_count > 0);
    l->batch = b;
    l->unknown = false;
}

void fake_ledger_ask(struct fake_ledger *l, struct question *r)
{
    assert(l->read_count < READS_MAX);
    l->reads[l->read_count++] = r;
}

void fake_ledger_store(struct fake_ledger *l, struct order_segment *s)
{
    s->link = l->segment;
    l->segment = s;
}

bool fake_ledger_idle(const struct fake_ledger *l)
{
    return !l->batch && !l->read_count && !l->segment && !l->owes_available;
}

int64_t fake_ledger_newest_ms(const struct fake_ledger *l)
{
    return l->rows.count ? seq_ms(l->rows.rows[l->rows.count - 1].seq) : 0;
}

/* ---- batches ---- */

static void write_late(struct fake_ledger *l)
{
    fake_rows_add(&l->rows, l->early.rows, l->early.count);
    l->durable(l->context, l->early.rows, l->early.count, l->oldest_pending, false);
    fake_rows_close(&l->early);
    l->early = (struct fake_rows){0};
}

static void make_durable(struct fake_ledger *l, const struct batch *b)
{
    if (l->plant == PLANT_EARLY_ANSWER) {
        fake_rows_add(&l->early, b->moves, b->move_count);
        l->oldest_pending = b->oldest_pending;
        return;
    }
    fake_rows_add(&l->rows, b->moves, b->move_count);
    l->oldest_pending = b->oldest_pending;
    l->durable(l->context, b->moves, b->move_count, b->oldest_pending, false);
    if (rng_chance(l->rng, 300))
        fake_rows_snapshot(&l->rows);
}

/* Another writer's adjustment, with a number of its own between ours. */
static void foreign_write(struct fake_ledger *l, int64_t now_ms)
{
    if (l->rows.lot_count == 0)
        return;
    lot_id lot = rng_between(l->rng, 1, l->rows.lot_count);
    struct stock s = fake_rows_stock(&l->rows, lot);
    int64_t delta = (int64_t)rng_between(l->rng, 0, 6) - 3;
    if (delta == 0 || s.on_hand - s.reserved - s.confirmed + delta < 0)
        return;
    struct move m = {.seq = l->rows.rows[l->rows.count - 1].seq + 1,
                     .at_ms = now_ms,
                     .kind = MOVE_ADJUST,
                     .line_count = 1,
                     .line = {lot, delta},
                     .note = STR("another writer")};
    fake_rows_add(&l->rows, &m, 1);
    l->durable(l->context, &m, 1, 0, true);
}

static void stale(struct fake_ledger *l, struct batch *b, int64_t now_ms)
{
    foreign_write(l, now_ms);
    for (lot_id i = 1; i <= l->rows.lot_count; i++)
        l->reloads[i - 1] = (struct reload){.lot = i, .stock = fake_rows_stock(&l->rows, i)};
    b->reloaded = l->reloads;
    b->reloaded_count = l->rows.lot_count;
}

static bool creates_lots(const struct batch *b)
{
    for (uint32_t i = 0; i < b->move_count; i++)
        if (b->moves[i].kind == MOVE_CREATE)
            return true;
    return false;
}

/* The second outcome of an unknown batch. */
static void resolve(struct fake_ledger *l, struct batch *b)
{
    if (rng_chance(l->rng, 500)) {
        make_durable(l, b);
        b->outcome = LEDGER_COMMITTED;
    } else {
        b->outcome = LEDGER_REJECTED;
    }
    l->unknown = false;
}

static bool decide(struct fake_ledger *l, struct batch *b)
{
    uint32_t dice = rng_below(l->rng, 1000);
    if (l->unknown) {
        resolve(l, b);
        l->owes_available = true;
        return true;
    }
    if (dice < l->faults.unknown) {
        b->outcome = LEDGER_UNKNOWN;
        l->unknown = true;
        return false;
    }
    dice -= l->faults.unknown;
    if (dice < l->faults.reject) {
        b->outcome = LEDGER_REJECTED;
        l->owes_available = true;
    } else if (dice - l->faults.reject < l->faults.stale && !creates_lots(b)) {
        b->outcome = LEDGER_STALE;
    } else {
        make_durable(l, b);
        b->outcome = LEDGER_COMMITTED;
    }
    return false;
}

static void progress_batch(struct fake_ledger *l, struct fake_ledger_news *news)
{
    struct batch *b = l->batch;
    news->resolves = decide(l, b);
    news->outcome = b;
    if (l->plant == PLANT_UNKNOWN_FAILED && b->outcome == LEDGER_UNKNOWN) {
        resolve(l, b); /* the truth, which nobody hears */
        b->outcome = LEDGER_REJECTED;
        l->owes_available = true;
    }
    if (l->plant == PLANT_REJECT_HIDDEN && b->outcome == LEDGER_REJECTED)
        b->outcome = LEDGER_COMMITTED;
    if (b->outcome != LEDGER_UNKNOWN)
        l->batch = NULL;
}

/* ---- order runs ---- */

/* Its filter may be a poor one, so that the ledger is asked for nothing. */
static struct order_run *run_of(const struct fake_ledger *l, const struct stored_run *stored)
{
    struct order_run *run = calloc(1, sizeof *run);
    if (!run)
        abort();
    run->count = stored->count;
    run->seq_min = stored->seq_min;
    run->seq_max = stored->seq_max;
    run->filter = bloom_create(stored->count, rng_chance(l->rng, 300) ? 1 : 12);
    for (uint64_t i = 0; i < stored->count; i++)
        bloom_add(run->filter, stored->entries[i].hash);
    return run;
}

static void progress_segment(struct fake_ledger *l, struct fake_ledger_news *news)
{
    struct order_segment **last = &l->segment;
    while ((*last)->link)
        last = &(*last)->link;
    struct order_segment *s = *last;
    *last = NULL;
    assert(l->run_count < RUNS_MAX);
    struct stored_run *stored = &l->runs[l->run_count++];
    *stored = (struct stored_run){.count = s->count, .seq_min = s->seq_min, .seq_max = s->seq_max};
    stored->entries = calloc(s->count ? s->count : 1, sizeof *stored->entries);
    s->copy(s, stored->entries);
    news->segment = s;
    news->run = run_of(l, stored);
}

/* ---- the ledger's turn ---- */

void fake_ledger_progress(struct fake_ledger *l, struct fake_ledger_news *news)
{
    *news = (struct fake_ledger_news){0};
    if (l->early.count)
        write_late(l);
    if (rng_chance(l->rng, l->faults.slow))
        return;
    uint32_t what = rng_below(l->rng, 4);
    if (what == 0 && l->segment && !rng_chance(l->rng, l->faults.store_slow)) {
        progress_segment(l, news);
    } else if (what <= 1 && l->read_count) {
        size_t i = rng_below(l->rng, (uint32_t)l->read_count);
        news->read = l->reads[i];
        l->reads[i] = l->reads[--l->read_count];
        fake_rows_answer(&l->rows, news->read);
        if (rng_chance(l->rng, l->faults.read_fails)) {
            free(news->read->record);
            news->read->record = NULL;
            news->read->code = TLY_EUNAVAILABLE;
        }
    } else if (l->batch && !l->undelivered) {
        l->undelivered = true;
        progress_batch(l, news);
    } else if (l->owes_available) {
        l->owes_available = false;
        news->available = true;
    }
}

void fake_ledger_deliver(struct fake_ledger *l, struct batch *b, int64_t now_ms)
{
    l->undelivered = false;
    if (b->outcome == LEDGER_STALE)
        stale(l, b, now_ms);
}

void fake_ledger_crash(struct fake_ledger *l)
{
    l->undelivered = false;
    if (l->batch && rng_chance(l->rng, 500))
        make_durable(l, l->batch);
    fake_rows_close(&l->early);
    l->early = (struct fake_rows){0};
    l->batch = NULL;
    l->unknown = false;
    l->owes_available = false;
    l->read_count = 0;
    l->segment = NULL;
}

/* ---- recovery ---- */

/* Everything up to there is known from runs, finished, and in the snapshot. */
static int64_t skip_up_to(const struct fake_ledger *l, bool *use_runs)
{
    int64_t covered = l->run_count ? l->runs[l->run_count - 1].seq_max : 0;
    int64_t seq = l->rows.snapshot_seq;
    *use_runs = l->run_count > 0 && rng_chance(l->rng, 700);
    if (!*use_runs)
        return 0;
    if (covered < seq)
        seq = covered;
    return l->oldest_pending - 1 < seq ? l->oldest_pending - 1 : seq;
}

int fake_ledger_recover(struct fake_ledger *l, struct engine *e, struct error *err)
{
    bool use_runs, full_replay = rng_chance(l->rng, 200);
    int64_t skip = skip_up_to(l, &use_runs);
    if (full_replay && skip == 0)
        fake_rows_forget_snapshot(&l->rows);
    size_t loaded = l->rows.count - (l->plant == PLANT_SHORT_RECOVERY && l->rows.count > 0);
    int rc = fake_rows_load_lots(&l->rows, e, loaded, err);
    for (size_t i = 0; i < l->run_count && use_runs && rc == 0; i++)
        rc = engine_load_order_run(e, run_of(l, &l->runs[i]));
    if (!use_runs) {
        for (size_t i = 0; i < l->run_count; i++)
            free(l->runs[i].entries);
        l->run_count = 0;
    }
    for (size_t i = 0; i < loaded && rc == 0; i++) {
        const struct move *m = &l->rows.rows[i];
        bool in_stock = m->seq <= l->rows.snapshot_seq && l->plant != PLANT_STOCK_TWICE;
        if (m->seq > skip)
            rc = engine_load_move(e, m, in_stock, err);
    }
    return rc;
}

bool fake_ledger_orders(struct fake_ledger *l, fake_ledger_order_fn *fn, void *context)
{
    for (size_t i = 0; i < l->rows.count; i++)
        if (l->rows.rows[i].kind == MOVE_RESERVE)
            fn(context, l->rows.rows[i].order_hash);
    return l->run_count == 0;
}
