/* What is under way at the simulated ledger, and the dice.
 *
 * Batches are finished in order, each by a later call of fake_ledger_progress: committed, rejected,
 * or unknown, which a still later call resolves either way. One that is not committed dooms those
 * behind it. After a rejection or an unknown outcome the ledger is not available until it says so,
 * but for a rejection that leaves it writable.
 */
#include "fake_ledger.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "planted_rows.h"
#include "process.h"

enum { READS_MAX = 64 };

struct waiting_batch {
    struct batch *batch;
    bool doomed; /* one before it was not committed */
};

struct fake_ledger {
    struct ledger ledger;
    struct fake_ledger_config config;
    struct ledger_events events;
    struct fake_disk early; /* planted: called committed, but not durable yet */
    struct waiting_batch batches[LEDGER_BATCHES_MAX]; /* oldest first */
    uint32_t batch_count;
    bool doomed_writable;
    bool unknown;                   /* the oldest one's outcome was called so */
    bool resolving;                 /* it is known, and not yet what became of those behind it */
    bool unheard;                   /* the process has not heard of the newest outcome yet */
    struct fake_ledger_heard hears; /* with its next turn */
    bool owes_available;
    struct question *reads[READS_MAX];
    size_t read_count;
    struct order_segment *segment; /* under way, newest first */
};

static struct fake_ledger *self(struct ledger *l)
{
    return (struct fake_ledger *)l;
}

/* ---- from the engine ---- */

static void fake_submit(struct ledger *ledger, struct batch *b)
{
    struct fake_ledger *l = self(ledger);
    assert(l->batch_count < l->config.batches_max && b->move_count > 0);
    l->batches[l->batch_count++] = (struct waiting_batch){.batch = b};
}

static void fake_ask(struct ledger *ledger, struct question *q)
{
    struct fake_ledger *l = self(ledger);
    assert(l->read_count < READS_MAX);
    l->reads[l->read_count++] = q;
}

static void fake_store(struct ledger *ledger, struct order_segment *s)
{
    struct fake_ledger *l = self(ledger);
    s->link = l->segment;
    l->segment = s;
}

static uint64_t fake_hash_seed(const struct ledger *ledger)
{
    (void)ledger;
    return SIM_HASH_SEED;
}

static void fake_stats(struct ledger *ledger, struct ledger_stats *out)
{
    const struct fake_disk *d = self(ledger)->config.disk;
    *out = (struct ledger_stats){.last_seq = d->count ? d->rows[d->count - 1].seq : 0};
}

static bool fake_idle(const struct ledger *ledger)
{
    const struct fake_ledger *l = (const struct fake_ledger *)ledger;
    return !l->batch_count && !l->read_count && !l->segment && !l->owes_available && !l->unheard;
}

static struct fake_ledger_heard fake_heard(struct ledger *ledger)
{
    struct fake_ledger *l = self(ledger);
    struct fake_ledger_heard heard = l->hears;
    l->hears = (struct fake_ledger_heard){0};
    l->unheard = false;
    return heard;
}

/* ---- batches ---- */

static void write_late(struct fake_ledger *l)
{
    fake_disk_add(l->config.disk, l->early.rows, l->early.count);
    l->config.durable(l->config.context, l->early.rows, l->early.count,
                      l->config.disk->oldest_pending);
    fake_disk_close(&l->early);
    l->early = (struct fake_disk){0};
}

static void make_durable(struct fake_ledger *l, const struct batch *b)
{
    struct fake_disk *d = l->config.disk;
    d->oldest_pending = b->oldest_pending;
    if (l->config.plant == PLANT_EARLY_ANSWER) {
        fake_disk_add(&l->early, b->moves, b->move_count);
        return;
    }
    struct move *rows = calloc(b->move_count, sizeof *rows);
    if (!rows)
        abort();
    size_t count = planted_rows(l->config.plant, b, rows);
    fake_disk_add(d, rows, count);
    l->config.durable(l->config.context, rows, count, b->oldest_pending);
    free(rows);
    if (rng_chance(l->config.rng, 300))
        fake_disk_snapshot(d);
}

static void close_writes(struct fake_ledger *l)
{
    if (!l->owes_available)
        l->events.available(l->events.context, false, "the dice say so");
    l->owes_available = true;
}

static void reject(struct fake_ledger *l, struct batch *b, bool writable)
{
    b->outcome = LEDGER_REJECTED;
    b->writable = writable;
    l->doomed_writable = writable;
    if (!writable)
        close_writes(l);
    for (uint32_t i = 1; i < l->batch_count; i++)
        l->batches[i].doomed = true;
}

static void commit(struct fake_ledger *l, struct batch *b)
{
    make_durable(l, b);
    b->outcome = LEDGER_COMMITTED;
}

/* The second outcome of an unknown batch. Those behind it may be there too if it is. */
static void resolve(struct fake_ledger *l, struct batch *b)
{
    if (rng_chance(l->config.rng, 500)) {
        commit(l, b);
        if (rng_chance(l->config.rng, 500))
            for (uint32_t i = 1; i < l->batch_count; i++)
                l->batches[i].doomed = true;
    } else {
        reject(l, b, false);
    }
    l->unknown = false;
    l->doomed_writable = false;
}

static void decide(struct fake_ledger *l, struct batch *b)
{
    const struct fake_ledger_faults *faults = l->config.faults;
    uint32_t dice = rng_below(l->config.rng, 1000);
    if (l->unknown) {
        resolve(l, b);
        l->resolving = true;
    } else if (l->batches[0].doomed) {
        b->outcome = LEDGER_REJECTED;
        b->writable = l->doomed_writable;
    } else if (dice < faults->unknown) {
        b->outcome = LEDGER_UNKNOWN;
        l->unknown = true;
        close_writes(l);
    } else if (dice - faults->unknown < faults->reject) {
        reject(l, b, rng_chance(l->config.rng, faults->writable));
    } else {
        commit(l, b);
    }
}

static void progress_batch(struct fake_ledger *l)
{
    struct batch *b = l->batches[0].batch;
    decide(l, b);
    if (l->config.plant == PLANT_UNKNOWN_FAILED && b->outcome == LEDGER_UNKNOWN) {
        resolve(l, b); /* the truth, which nobody hears */
        b->outcome = LEDGER_REJECTED;
    }
    if (l->config.plant == PLANT_REJECT_HIDDEN && b->outcome == LEDGER_REJECTED)
        b->outcome = LEDGER_COMMITTED;
    l->hears.unknown = b->outcome == LEDGER_UNKNOWN;
    if (b->outcome != LEDGER_UNKNOWN) {
        l->batch_count--;
        memmove(l->batches, l->batches + 1, l->batch_count * sizeof l->batches[0]);
        l->hears.resolved = l->hears.resolved || (l->resolving && l->batch_count == 0);
        l->resolving = l->resolving && l->batch_count > 0;
    }
    l->unheard = true;
    l->events.outcome(l->events.context, b);
}

/* ---- order runs ---- */

/* Its filter may be a poor one, so that the ledger is asked for nothing. */
static struct order_run *run_of(struct rng *rng, const struct fake_run *stored)
{
    struct order_run *run = calloc(1, sizeof *run);
    if (!run)
        abort();
    run->count = stored->count;
    run->seq_min = stored->seq_min;
    run->seq_max = stored->seq_max;
    run->filter = bloom_create(stored->count, rng_chance(rng, 300) ? 1 : 12);
    for (uint64_t i = 0; i < stored->count; i++)
        bloom_add(run->filter, stored->entries[i].hash);
    return run;
}

static void progress_segment(struct fake_ledger *l)
{
    struct order_segment **last = &l->segment;
    while ((*last)->link)
        last = &(*last)->link;
    struct order_segment *s = *last;
    *last = NULL;
    struct order_run *run = run_of(l->config.rng, fake_disk_keep_run(l->config.disk, s));
    l->unheard = true;
    l->events.segment_stored(l->events.context, s, run);
}

static void progress_read(struct fake_ledger *l)
{
    size_t i = rng_below(l->config.rng, (uint32_t)l->read_count);
    struct question *q = l->reads[i];
    l->reads[i] = l->reads[--l->read_count];
    fake_disk_answer(l->config.disk, q);
    planted_answer(l->config.plant, q);
    if (rng_chance(l->config.rng, l->config.faults->read_fails)) {
        free(q->record);
        q->record = NULL;
        q->code = TLY_EUNAVAILABLE;
    }
    l->unheard = true;
    l->events.answered(l->events.context, q);
}

static void fake_progress(struct ledger *ledger)
{
    struct fake_ledger *l = self(ledger);
    if (l->early.count)
        write_late(l);
    if (rng_chance(l->config.rng, l->config.faults->slow))
        return;
    uint32_t what = rng_below(l->config.rng, 4);
    if (what == 0 && l->segment && !rng_chance(l->config.rng, l->config.faults->store_slow)) {
        progress_segment(l);
    } else if (what <= 1 && l->read_count) {
        progress_read(l);
    } else if (l->batch_count && !(l->unheard && l->unknown)) {
        progress_batch(l);
    } else if (l->owes_available && !l->unknown) {
        l->owes_available = false;
        l->unheard = true;
        l->events.available(l->events.context, true, NULL);
    }
}

/* ---- start and end ---- */

/* Everything up to there is known from runs, finished, and in the snapshot. */
static int64_t skip_up_to(const struct fake_ledger *l, bool *use_runs)
{
    const struct fake_disk *d = l->config.disk;
    int64_t covered = d->run_count ? d->runs[d->run_count - 1].seq_max : 0;
    int64_t seq = d->snapshot_seq;
    *use_runs = d->run_count > 0 && rng_chance(l->config.rng, 700);
    if (!*use_runs)
        return 0;
    if (covered < seq)
        seq = covered;
    return d->oldest_pending - 1 < seq ? d->oldest_pending - 1 : seq;
}

static int fake_recover(struct ledger *ledger, const struct ledger_loader *loader,
                        struct error *err)
{
    struct fake_ledger *l = self(ledger);
    struct fake_disk *d = l->config.disk;
    enum plant plant = l->config.plant;
    bool use_runs, full_replay = rng_chance(l->config.rng, 200);
    int64_t skip = skip_up_to(l, &use_runs);
    if (full_replay && skip == 0)
        fake_disk_forget_snapshot(d);
    size_t loaded = d->count - (plant == PLANT_SHORT_RECOVERY && d->count > 0);
    int rc = fake_disk_lots(d, loader, loaded, plant, err);
    bool with_terms = rng_chance(l->config.rng, 500); /* or they stand with the lot alone */
    if (rc == 0)
        rc = fake_disk_sales(d, loader, loaded, err);
    for (size_t i = 0; i < d->run_count && use_runs && rc == 0; i++)
        rc = loader->order_run(loader->context, run_of(l->config.rng, &d->runs[i]));
    if (!use_runs)
        fake_disk_drop_runs(d);
    for (size_t i = 0; i < loaded && rc == 0; i++) {
        const struct move *m = &d->rows[i];
        bool in_stock = m->seq <= d->snapshot_seq && plant != PLANT_STOCK_TWICE;
        struct move told = *m;
        if (plant == PLANT_LIMIT_LOST && m->kind == MOVE_RESERVE && !m->group_id)
            told.sale = 0;
        if (plant == PLANT_LOT_USER_LOST && m->kind == MOVE_RESERVE && !m->sale)
            told.user_id.len = 0;
        struct lot_terms terms;
        if (m->kind == MOVE_CREATE || m->kind == MOVE_LOT_TERMS) {
            terms = fake_disk_terms(d, m->line.lot, plant == PLANT_TERMS_LOST ? 0 : loaded);
            planted_terms(plant, &terms, +1);
            told.terms = with_terms ? &terms : NULL;
        }
        if (plant == PLANT_GROUP_OVER && m->kind == MOVE_GROUP_OPEN)
            told.line.quantity++;
        if (m->seq > skip)
            rc = loader->move(loader->context, &told, in_stock, err);
    }
    return rc;
}

static int fake_start(struct ledger *ledger, const struct ledger_events *events, struct error *e)
{
    (void)e;
    self(ledger)->events = *events;
    return 0;
}

/* What was under way is decided one way or the other, in order, and nobody hears. */
static void fake_destroy(struct ledger *ledger)
{
    struct fake_ledger *l = self(ledger);
    for (uint32_t i = 0; i < l->batch_count && !l->batches[i].doomed; i++) {
        if (!rng_chance(l->config.rng, 500))
            break;
        make_durable(l, l->batches[i].batch);
    }
    fake_disk_close(&l->early);
    free(l);
}

struct ledger *fake_ledger_create(const struct fake_ledger_config *config)
{
    static const struct fake_ledger_ops ops = {
        .port =
            {
                .recover = fake_recover,
                .start = fake_start,
                .submit = fake_submit,
                .ask = fake_ask,
                .store_segment = fake_store,
                .hash_seed = fake_hash_seed,
                .stats = fake_stats,
                .destroy = fake_destroy,
            },
        .progress = fake_progress,
        .heard = fake_heard,
        .idle = fake_idle,
    };
    struct fake_ledger *l = calloc(1, sizeof *l);
    if (!l)
        abort();
    l->ledger = (struct ledger){.ops = &ops.port, .traits.batches_max = config->batches_max};
    l->config = *config;
    return &l->ledger;
}
