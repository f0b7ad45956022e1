/* A load, its locks, and the batch that ends it.
 *
 * Locks are of lots, of order_ids and adjustment_ids, and of the next lot's number. A load gets all
 * that it needs at one moment or waits; it may be told that it waited in vain. A load on trust is
 * answered from the rows that the process knew last and locks nothing; one that only looks for due
 * holds is not, as that is what it wants to know. When its batch is to be committed, everything
 * that was written since by others is held against it.
 */
#include "fake_shared.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "process.h"

enum { LOTS_MAX = 128, RECORDS_MAX = 512, ADJUSTMENTS_MAX = 64, SHARED_READS_MAX = 64 };

struct fake_shared {
    struct ledger ledger;
    struct fake_ledger_config config;
    struct fake_locks *locks;
    struct ledger_events events;
    bool trusting;
    size_t known; /* rows that this process has seen */
    struct load *load;
    bool held;   /* it was answered */
    size_t rows; /* it was answered from */
    struct loaded_lot lots[LOTS_MAX];
    struct reservation_record *records[RECORDS_MAX];
    struct loaded_adjustment adjustments[ADJUSTMENTS_MAX];
    struct batch *batch;
    bool unknown, turned_out; /* its outcome was called unknown; what it is */
    bool unheard;
    struct fake_ledger_heard hears;
    bool owes_available;
    struct question *reads[SHARED_READS_MAX];
    size_t read_count;
};

static struct fake_shared *self(struct ledger *l)
{
    return (struct fake_shared *)l;
}

static bool planted(const struct fake_shared *l, enum plant plant)
{
    return l->config.plant == plant;
}

static const struct line *lines_of(const struct move *m)
{
    return m->line_count > 1 ? m->lines : &m->line;
}

/* ---- locks ---- */

static bool same_lock(const struct fake_lock *x, const struct fake_lock *y)
{
    return x->kind == y->kind && x->number == y->number && str_equal(x->text, y->text);
}

static bool is_free(const struct fake_shared *l, const struct fake_lock *wanted)
{
    for (size_t i = 0; i < l->locks->count; i++)
        if (l->locks->locks[i].owner != l && same_lock(&l->locks->locks[i], wanted))
            return false;
    return true;
}

static void take_lock(struct fake_shared *l, struct fake_lock lock)
{
    assert(l->locks->count < FAKE_LOCKS_MAX);
    lock.owner = l;
    l->locks->locks[l->locks->count++] = lock;
}

static void unlock_all(struct fake_shared *l)
{
    size_t kept = 0;
    for (size_t i = 0; i < l->locks->count; i++)
        if (l->locks->locks[i].owner != l)
            l->locks->locks[kept++] = l->locks->locks[i];
    l->locks->count = kept;
}

static void end_load(struct fake_shared *l)
{
    for (uint32_t i = 0; l->held && i < l->load->record_count; i++)
        free(l->records[i]);
    unlock_all(l);
    l->load = NULL;
    l->held = false;
}

/* ---- the rows of a load ---- */

/* The disk as it was when it had so many rows. */
static struct fake_disk disk_at(const struct fake_shared *l, size_t rows)
{
    struct fake_disk d = *l->config.disk;
    d.count = rows;
    return d;
}

static void add_lot(struct fake_shared *l, const struct fake_disk *d, lot_id id)
{
    struct load *load = l->load;
    for (uint32_t i = 0; i < load->lot_count; i++)
        if (l->lots[i].id == id)
            return;
    for (size_t i = 0; i < d->count; i++) {
        const struct move *m = &d->rows[i];
        if (m->kind != MOVE_CREATE || m->line.lot != id)
            continue;
        assert(load->lot_count < LOTS_MAX);
        l->lots[load->lot_count++] = (struct loaded_lot){
            .id = id, .dims = *m->dims, .stock = fake_disk_stock(d, id), .created_ms = m->at_ms};
    }
}

static void add_record(struct fake_shared *l, const struct fake_disk *d, int64_t id)
{
    struct load *load = l->load;
    for (uint32_t i = 0; i < load->record_count; i++)
        if (l->records[i]->reservation_id == id)
            return;
    struct reservation_record *record = id ? fake_disk_record(d, id) : NULL;
    if (!record)
        return;
    assert(load->record_count < RECORDS_MAX);
    l->records[load->record_count++] = record;
    for (uint32_t i = 0; i < record->line_count_reserved; i++)
        add_lot(l, d, record->reserved_lines[i].lot);
}

static void add_lots(struct fake_shared *l, const struct fake_disk *d, const struct load_key *k)
{
    uint32_t left = k->kind == LOAD_LOTS ? k->limit : UINT32_MAX;
    for (size_t i = 0; i < d->count && left; i++) {
        const struct move *m = &d->rows[i];
        if (m->kind != MOVE_CREATE)
            continue;
        bool named = k->kind == LOAD_LOT ? str_equal(m->dims->key, k->text)
                                         : str_empty(k->text) || str_equal(m->dims->sku, k->text);
        if (!named || (k->kind == LOAD_LOTS && m->line.lot <= k->number))
            continue;
        add_lot(l, d, m->line.lot);
        left--;
    }
}

static void add_key(struct fake_shared *l, const struct fake_disk *d, const struct load_key *k)
{
    struct load *load = l->load;
    const struct move *m;
    switch ((enum load_key_kind)k->kind) {
    case LOAD_ORDER:
        if (!planted(l, PLANT_ORDER_NOT_LOADED) || rng_chance(l->config.rng, 700))
            add_record(l, d, fake_disk_order(d, k->text));
        break;
    case LOAD_RESERVATION:
        add_record(l, d, k->number);
        break;
    case LOAD_ADJUSTMENT:
        m = fake_disk_adjustment(d, k->text);
        if (m)
            l->adjustments[load->adjustment_count++] =
                (struct loaded_adjustment){m->detail, m->seq, m->line};
        break;
    default:
        add_lots(l, d, k);
        break;
    }
}

static bool lots_free(const struct fake_shared *l, const struct reservation_record *r)
{
    for (uint32_t i = 0; i < r->line_count_reserved; i++)
        if (!is_free(l, &(struct fake_lock){LOAD_LOT, r->reserved_lines[i].lot, {0}, NULL}))
            return false;
    return true;
}

/* Holds that are due, but for those whose lots somebody else has locked. */
static void add_due(struct fake_shared *l, const struct fake_disk *d)
{
    struct load *load = l->load;
    uint32_t left = load->due_max;
    load->next_deadline_ms = INT64_MAX;
    for (size_t i = 0; i < d->count; i++) {
        if (d->rows[i].kind != MOVE_RESERVE)
            continue;
        struct reservation_record *r = fake_disk_record(d, d->rows[i].seq);
        bool pending = r->state == HOLD_PENDING;
        if (pending && r->deadline_ms <= load->now_ms && left && lots_free(l, r)) {
            add_record(l, d, r->reservation_id);
            left--;
        } else if (pending && r->deadline_ms < load->next_deadline_ms) {
            load->next_deadline_ms = r->deadline_ms;
        }
        free(r);
    }
}

/* The numbers that a batch needs. A lot's rows stand in the order of their commits. */
static void add_numbers(struct fake_shared *l, const struct fake_disk *d)
{
    struct load *load = l->load;
    load->lots_highest = 0;
    load->seq_floor = 0;
    for (size_t i = 0; i < d->count; i++) {
        const struct move *m = &d->rows[i];
        if (m->kind == MOVE_CREATE && m->line.lot > load->lots_highest)
            load->lots_highest = m->line.lot;
        for (uint32_t j = 0; j < load->lot_count && !planted(l, PLANT_NO_SEQ_FLOOR); j++)
            for (uint16_t k = 0; k < m->line_count; k++)
                if (lines_of(m)[k].lot == l->lots[j].id && m->seq > load->seq_floor)
                    load->seq_floor = m->seq;
    }
}

static void gather(struct fake_shared *l, size_t rows)
{
    struct load *load = l->load;
    const struct fake_disk d = disk_at(l, rows);
    load->lot_count = load->record_count = load->adjustment_count = 0;
    load->lots = l->lots;
    load->records = l->records;
    load->adjustments = l->adjustments;
    for (uint32_t i = 0; i < load->key_count; i++)
        add_key(l, &d, &load->keys[i]);
    if (load->writes)
        add_due(l, &d);
    add_numbers(l, &d);
    l->rows = rows;
}

/* All of them or none. */
static bool lock_what_was_gathered(struct fake_shared *l)
{
    static struct fake_lock wanted[FAKE_LOCKS_MAX];
    const struct load *load = l->load;
    size_t count = 0;
    for (uint32_t i = 0; i < load->lot_count; i++)
        wanted[count++] = (struct fake_lock){LOAD_LOT, l->lots[i].id, {0}, NULL};
    for (uint32_t i = 0; i < load->key_count; i++) {
        const struct load_key *k = &load->keys[i];
        bool found = false;
        for (uint32_t j = 0; j < load->lot_count; j++)
            found = found || str_equal(l->lots[j].dims.key, k->text);
        if (k->kind == LOAD_ORDER || k->kind == LOAD_ADJUSTMENT)
            wanted[count++] = (struct fake_lock){k->kind, 0, k->text, NULL};
        else if (k->kind == LOAD_LOT && !found)
            wanted[count++] = (struct fake_lock){LOAD_LOTS, 0, {0}, NULL};
    }
    for (size_t i = 0; i < count; i++)
        if (!is_free(l, &wanted[i]))
            return false;
    bool none =
        planted(l, PLANT_NO_LOCKS) || (planted(l, PLANT_DUE_UNLOCKED) && load->key_count == 0);
    for (size_t i = 0; i < count && !none; i++)
        take_lock(l, wanted[i]);
    return true;
}

static void answer_load(struct fake_shared *l)
{
    l->unheard = true;
    l->held = l->load->code == 0;
    struct load *load = l->load;
    if (!l->held)
        end_load(l);
    l->events.loaded(l->events.context, load);
}

static void progress_load(struct fake_shared *l)
{
    struct load *load = l->load;
    size_t newest = l->config.disk->count;
    load->code = 0;
    load->assumed = false;
    if (rng_chance(l->config.rng, l->config.faults->read_fails / 4)) {
        load->code = TLY_EUNAVAILABLE;
    } else if (load->writes && load->attempt == 0 && load->key_count && l->trusting) {
        gather(l, l->known);
        load->assumed = !planted(l, PLANT_TRUSTED_AS_TRUE);
    } else {
        gather(l, newest);
        if (load->writes && !lock_what_was_gathered(l)) {
            for (uint32_t i = 0; i < load->record_count; i++)
                free(l->records[i]);
            load->record_count = 0;
            if (!l->config.faults->slow || !rng_chance(l->config.rng, 100))
                return; /* it waits */
            load->code = TLY_EOVERLOADED;
        } else {
            l->known = newest;
        }
    }
    answer_load(l);
}

/* ---- batches ---- */

static bool touches_same(const struct move *x, const struct move *y)
{
    for (uint16_t i = 0; i < x->line_count; i++)
        for (uint16_t j = 0; j < y->line_count; j++)
            if (lines_of(x)[i].lot == lines_of(y)[j].lot)
                return true;
    bool orders = move_begins(x) && move_begins(y) && str_equal(x->order_id, y->order_id);
    bool same = x->reservation_id && x->reservation_id == y->reservation_id;
    bool adjustments = x->kind == MOVE_ADJUST && y->kind == MOVE_ADJUST && !str_empty(x->detail) &&
                       str_equal(x->detail, y->detail);
    return orders || same || adjustments;
}

/* A planted bug lets this move pass; new lots are always looked at, or nothing else would be found.
 */
static bool passes_unseen(const struct fake_shared *l, const struct move *m)
{
    bool all = planted(l, PLANT_NO_VERSION_CHECK) || planted(l, PLANT_TRUSTED_AS_TRUE) ||
               planted(l, PLANT_NO_LOCKS);
    bool due =
        planted(l, PLANT_DUE_UNLOCKED) && m->kind == MOVE_REFUND && m->reason == REASON_EXPIRED;
    return m->kind != MOVE_CREATE && (all || due);
}

/* Somebody else has written about the same lots, orders or adjustments since. */
static bool is_stale(const struct fake_shared *l)
{
    const struct fake_disk *d = l->config.disk;
    for (size_t i = l->rows; i < d->count; i++)
        for (uint32_t j = 0; j < l->batch->move_count; j++)
            if (touches_same(&d->rows[i], &l->batch->moves[j]) &&
                !passes_unseen(l, &l->batch->moves[j]))
                return true;
    return false;
}

static void make_durable(struct fake_shared *l)
{
    const struct batch *b = l->batch;
    fake_disk_add(l->config.disk, b->moves, b->move_count);
    l->known = l->config.disk->count;
    l->config.durable(l->config.context, b->moves, b->move_count, b->oldest_pending);
}

static void close_writes(struct fake_shared *l)
{
    if (!l->owes_available)
        l->events.available(l->events.context, false, "the dice say so");
    l->owes_available = true;
}

static enum ledger_outcome decide(struct fake_shared *l)
{
    const struct fake_ledger_faults *faults = l->config.faults;
    uint32_t dice = rng_below(l->config.rng, 1000);
    if (l->unknown) {
        l->unknown = false;
        l->hears.resolved = true;
        return l->turned_out ? LEDGER_COMMITTED : LEDGER_REJECTED;
    }
    if (is_stale(l))
        return LEDGER_STALE;
    if (dice < faults->unknown) { /* the connection is gone, and with it the locks */
        l->unknown = true;
        l->turned_out = rng_chance(l->config.rng, 500);
        if (l->turned_out)
            make_durable(l);
        unlock_all(l);
        close_writes(l);
        return LEDGER_UNKNOWN;
    }
    if (dice - faults->unknown < faults->reject) {
        l->batch->writable = rng_chance(l->config.rng, faults->writable);
        if (!l->batch->writable)
            close_writes(l);
        return LEDGER_REJECTED;
    }
    make_durable(l);
    return LEDGER_COMMITTED;
}

static void progress_batch(struct fake_shared *l)
{
    struct batch *b = l->batch;
    b->outcome = decide(l);
    l->hears.unknown = b->outcome == LEDGER_UNKNOWN;
    if (b->outcome != LEDGER_UNKNOWN) {
        end_load(l);
        l->batch = NULL;
    }
    l->unheard = true;
    l->events.outcome(l->events.context, b);
}

static void progress_read(struct fake_shared *l)
{
    size_t i = rng_below(l->config.rng, (uint32_t)l->read_count);
    struct question *q = l->reads[i];
    l->reads[i] = l->reads[--l->read_count];
    fake_disk_answer(l->config.disk, q);
    if (rng_chance(l->config.rng, l->config.faults->read_fails)) {
        free(q->record);
        q->record = NULL;
        q->code = TLY_EUNAVAILABLE;
    }
    l->unheard = true;
    l->events.answered(l->events.context, q);
}

static void shared_progress(struct ledger *ledger)
{
    struct fake_shared *l = self(ledger);
    if (rng_chance(l->config.rng, l->config.faults->slow))
        return;
    if (l->read_count && rng_chance(l->config.rng, 500)) {
        progress_read(l);
    } else if (l->batch && !(l->unheard && l->unknown)) {
        progress_batch(l);
    } else if (l->load && !l->held) {
        progress_load(l);
    } else if (l->owes_available && !l->unknown) {
        l->owes_available = false;
        l->unheard = true;
        l->events.available(l->events.context, true, NULL);
    }
}

/* ---- from the engine ---- */

static void shared_submit(struct ledger *ledger, struct batch *b)
{
    struct fake_shared *l = self(ledger);
    assert(!l->batch && l->held && b->load == l->load && b->move_count > 0);
    l->batch = b;
}

static void shared_ask(struct ledger *ledger, struct question *q)
{
    struct fake_shared *l = self(ledger);
    assert(l->read_count < SHARED_READS_MAX);
    l->reads[l->read_count++] = q;
}

static void shared_load(struct ledger *ledger, struct load *load)
{
    struct fake_shared *l = self(ledger);
    assert(!l->load && !l->batch);
    l->load = load;
}

static void shared_release(struct ledger *ledger, struct load *load)
{
    struct fake_shared *l = self(ledger);
    assert(l->held && load == l->load && !l->batch);
    end_load(l);
}

static uint64_t shared_hash_seed(const struct ledger *ledger)
{
    (void)ledger;
    return SIM_HASH_SEED;
}

static void shared_stats(struct ledger *ledger, struct ledger_stats *out)
{
    const struct fake_disk *d = self(ledger)->config.disk;
    *out = (struct ledger_stats){0};
    for (size_t i = 0; i < d->count; i++)
        if (d->rows[i].seq > out->last_seq)
            out->last_seq = d->rows[i].seq;
}

/* Nothing is resident. */
static int shared_recover(struct ledger *ledger, const struct ledger_loader *loader,
                          struct error *e)
{
    (void)ledger;
    (void)loader;
    (void)e;
    return 0;
}

static int shared_start(struct ledger *ledger, const struct ledger_events *events, struct error *e)
{
    (void)e;
    self(ledger)->events = *events;
    return 0;
}

static bool shared_idle(const struct ledger *ledger)
{
    const struct fake_shared *l = (const struct fake_shared *)ledger;
    return !l->batch && !l->load && !l->read_count && !l->owes_available && !l->unheard;
}

static struct fake_ledger_heard shared_heard(struct ledger *ledger)
{
    struct fake_shared *l = self(ledger);
    struct fake_ledger_heard heard = l->hears;
    l->hears = (struct fake_ledger_heard){0};
    l->unheard = false;
    return heard;
}

/* A batch under way is there or not, and nobody hears; its locks are given back. */
static void shared_destroy(struct ledger *ledger)
{
    struct fake_shared *l = self(ledger);
    if (l->batch && !l->unknown && !is_stale(l) && rng_chance(l->config.rng, 500))
        make_durable(l);
    if (l->load)
        end_load(l);
    free(l);
}

struct ledger *fake_shared_create(const struct fake_ledger_config *config, struct fake_locks *locks,
                                  bool trusting)
{
    static const struct fake_ledger_ops ops = {
        .port =
            {
                .recover = shared_recover,
                .start = shared_start,
                .submit = shared_submit,
                .ask = shared_ask,
                .load = shared_load,
                .release = shared_release,
                .hash_seed = shared_hash_seed,
                .stats = shared_stats,
                .destroy = shared_destroy,
            },
        .progress = shared_progress,
        .heard = shared_heard,
        .idle = shared_idle,
    };
    struct fake_shared *l = calloc(1, sizeof *l);
    if (!l)
        abort();
    l->ledger = (struct ledger){.ops = &ops.port, .traits = {.shared = true, .batches_max = 1}};
    l->config = *config;
    l->locks = locks;
    l->trusting = trusting;
    return &l->ledger;
}
