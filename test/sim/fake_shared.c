/* A load, its locks, and the batch that ends it.
 *
 * Locks are of lots, sales, OPEN groups, users, of order_ids and adjustment_ids, and of the next
 * lot's and the next sale's number. A load gets all that it needs at one moment or waits; it may be
 * told that it waited in vain. A load on trust is answered from the rows that the process knew last
 * and locks nothing, unless it has something that is never assumed; one that only looks for what is
 * due is not, as that is what it wants to know. When its batch is to be committed, everything that
 * was written since by others is held against it.
 */
#include "fake_shared.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "planted_load.h"
#include "process.h"
#include "rows_load.h"

enum { SHARED_READS_MAX = 64 };

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
    struct rows_load answer;
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
    unlock_all(l);
    rows_load_end(&l->answer);
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

static struct reservation_record *read_record(void *context, int64_t reservation_id)
{
    const struct fake_shared *l = context;
    const struct fake_disk d = disk_at(l, l->rows);
    return fake_disk_record(&d, reservation_id);
}

static bool number_is_free(const struct fake_shared *l, enum load_key_kind kind, int64_t number)
{
    return is_free(l, &(struct fake_lock){(uint8_t)kind, number, {0}, NULL});
}

static bool lots_are_free(const struct fake_shared *l, const struct move *m)
{
    for (uint16_t i = 0; i < m->line_count; i++)
        if (!number_is_free(l, LOAD_LOT, lines_of(m)[i].lot))
            return false;
    return true;
}

/* All that comes with it. */
static bool reservation_is_free(const struct fake_shared *l, int64_t id)
{
    for (size_t i = 0; i < l->rows; i++)
        if (l->config.disk->rows[i].reservation_id == id &&
            !lots_are_free(l, &l->config.disk->rows[i]))
            return false;
    return true;
}

static bool group_is_free(void *context, int64_t group_id)
{
    const struct fake_shared *l = context;
    bool all = number_is_free(l, LOAD_GROUP, group_id);
    for (size_t i = 0; i < l->rows && all; i++) {
        const struct move *m = &l->config.disk->rows[i];
        if (m->group_id == group_id && m->kind == MOVE_GROUP_OPEN)
            all = number_is_free(l, LOAD_SALE, m->sale);
        else if (m->group_id == group_id && m->kind == MOVE_RESERVE)
            all = reservation_is_free(l, m->seq);
    }
    return all;
}

static bool hold_is_free(void *context, const struct reservation_record *r)
{
    const struct fake_shared *l = context;
    return reservation_is_free(l, r->reservation_id) &&
           (!r->sale || number_is_free(l, LOAD_SALE, r->sale)) &&
           (!r->group_id || group_is_free(context, r->group_id));
}

static bool key_is_seen(void *context, const struct load_key *k)
{
    const struct fake_shared *l = context;
    bool overlooked = planted(l, PLANT_ORDER_NOT_LOADED) && k->kind == LOAD_ORDER;
    return !overlooked || rng_chance(l->config.rng, 700);
}

static void gather(struct fake_shared *l, size_t rows)
{
    l->rows = rows;
    rows_load_answer(&l->answer, l->config.disk->rows, rows, l->load);
    planted_load(l->config.plant, l->config.rng, &l->answer, l->known);
}

/* Those of one kind. */
static size_t want_texts(const struct fake_shared *l, struct fake_lock *wanted)
{
    const struct load *load = l->load;
    size_t count = 0;
    for (uint32_t i = 0; i < load->key_count; i++) {
        const struct load_key *k = &load->keys[i];
        if (k->kind == LOAD_ORDER || k->kind == LOAD_ADJUSTMENT)
            wanted[count++] = (struct fake_lock){k->kind, 0, k->text, NULL};
    }
    for (uint32_t i = 0; i < l->answer.user_count && load->user_holds; i++)
        if (!planted(l, PLANT_USER_UNLOCKED))
            wanted[count++] = (struct fake_lock){LOAD_RESERVATION, 0, l->answer.users[i], NULL};
    return count;
}

static size_t want_numbers(const struct fake_shared *l, struct fake_lock *wanted)
{
    const struct load *load = l->load;
    size_t count = 0;
    for (uint32_t i = 0; i < load->sale_count && !planted(l, PLANT_SALE_UNLOCKED); i++)
        wanted[count++] = (struct fake_lock){LOAD_SALE, load->sales[i].terms.number, {0}, NULL};
    for (uint32_t i = 0; i < load->group_count; i++)
        if (load->groups[i].status == GROUP_IS_OPEN)
            wanted[count++] = (struct fake_lock){LOAD_GROUP, load->groups[i].group_id, {0}, NULL};
    for (uint32_t i = 0; i < load->lot_count; i++)
        wanted[count++] = (struct fake_lock){LOAD_LOT, load->lots[i].id, {0}, NULL};
    if (rows_load_lacks_lot(load))
        wanted[count++] = (struct fake_lock){LOAD_LOTS, 0, {0}, NULL};
    if (rows_load_lacks_sale(load))
        wanted[count++] = (struct fake_lock){LOAD_SALES, 0, {0}, NULL};
    return count;
}

/* All of them or none. */
static bool lock_what_was_gathered(struct fake_shared *l)
{
    static struct fake_lock wanted[FAKE_LOCKS_MAX];
    size_t count = want_texts(l, wanted);
    count += want_numbers(l, wanted + count);
    for (size_t i = 0; i < count; i++)
        if (!is_free(l, &wanted[i]))
            return false;
    bool none =
        planted(l, PLANT_NO_LOCKS) || (planted(l, PLANT_DUE_UNLOCKED) && l->load->key_count == 0);
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

/* It is answered from what the process knew. */
static bool trusts(struct fake_shared *l)
{
    struct load *load = l->load;
    if (!load->writes || load->attempt || !load->key_count || !l->trusting)
        return false;
    gather(l, l->known);
    if (!rows_load_is_strict(load))
        return true;
    rows_load_end(&l->answer);
    return false;
}

static void progress_load(struct fake_shared *l)
{
    struct load *load = l->load;
    size_t newest = l->config.disk->count;
    load->code = 0;
    load->assumed = false;
    if (rng_chance(l->config.rng, l->config.faults->read_fails / 4)) {
        load->code = TLY_EUNAVAILABLE;
    } else if (trusts(l)) {
        load->assumed = !planted(l, PLANT_TRUSTED_AS_TRUE);
    } else {
        gather(l, newest);
        if (load->writes && !lock_what_was_gathered(l)) {
            rows_load_end(&l->answer);
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
    rows_load_close(&l->answer);
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
    l->answer.hooks = (struct rows_load_hooks){.context = l,
                                               .record = read_record,
                                               .takes_key = key_is_seen,
                                               .takes_due = hold_is_free,
                                               .takes_group = group_is_free};
    l->locks = locks;
    l->trusting = trusting;
    return &l->ledger;
}
