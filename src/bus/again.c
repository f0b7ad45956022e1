/* again.c - second deletes: the book, the thread that sends what is in it, and the sweep.
 *
 * Happy path: again_ask() writes into the book and wakes the thread, which puts the keys into the
 * delay line; what comes out of it is removed, and crossed out in the book. Now and then the thread
 * notes where the log ends; a note that is older than the limit, with nothing before it that is
 * still asked for, becomes the cursor: the log itself is not read.
 *
 * Failure: the line refuses: the key stays in the book and is tried again. What is not done within
 * the limit, or did not fit, or was left by the process before: the sweep reads the log from the
 * cursor to the note and removes every lot that changed. Of the ledger, or of a removal: the cursor
 * stays, and the sweep is made again.
 */
#include "bus/again.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/wake.h"
#include "bus/again_book.h"

enum {
    REFUSED_MS = 50,      /* until the line is asked again */
    READ_MAX = 512,       /* moves in one read of the log */
    SWEEP_LOTS = 1024,    /* lots that are removed together */
    SWEEP_WAIT_MS = 5000, /* for their removals */
    CURSOR_MS = 5000,     /* between two times that it is stored */
};

#define NS_PER_MS UINT64_C(1000000)

/* Where the log ended, and when. */
struct note {
    int64_t seq;
    uint64_t at_ns;
};

struct again {
    struct wake wake;
    struct again_config config;
    struct delay *line; /* NULL: there is none */
    pthread_mutex_t lock;
    struct again_book book; /* guarded */
    _Atomic int64_t delay_ms;
    _Atomic bool stopping;
    pthread_t thread;
    bool running;

    /* the thread's */
    struct note old_note, new_note;
    int64_t cursor, cursor_stored;
    uint64_t cursor_due_ns, sweep_due_ns, line_due_ns;
    bool started; /* what the process before left was swept */

    /* a sweep's removals that are out: guarded by `lock` */
    pthread_cond_t swept;
    uint32_t sweeping;
    uint32_t sweep_failed;
    uint64_t sweep_number;

#define X(name, kind, help) _Atomic int64_t name;
    struct {
        AGAIN_STATS(X)
    } counters;
#undef X
};

static void count(_Atomic int64_t *counter, int64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* ---- asked ---- */

void again_ask(struct again *a, struct str key, int64_t version, int64_t seq)
{
    if (seq <= 0)
        seq = a->config.ledger->ops->log_end(a->config.ledger);
    pthread_mutex_lock(&a->lock);
    enum again_asked asked = again_book_ask(&a->book, key, version, seq, clock_monotonic_ns());
    pthread_mutex_unlock(&a->lock);
    count(&a->counters.asked_total, 1);
    if (asked == AGAIN_COALESCED)
        count(&a->counters.coalesced_total, 1);
    else if (asked == AGAIN_REFUSED)
        count(&a->counters.refused_total, 1);
    else
        wake_up(&a->wake);
}

void again_delay(struct again *a, int64_t delay_ms)
{
    int64_t least_ms = a->config.delete_ms;
    atomic_store(&a->delay_ms, delay_ms > least_ms ? delay_ms : least_ms);
}

/* ---- sent ---- */

/* Until when the thread has nothing to send. */
static uint64_t send_asked(struct again *a, uint64_t now_ns)
{
    char text[DELAY_TEXT_MAX + 1];
    uint64_t due_ns;
    if (now_ns < a->line_due_ns || !a->line)
        return a->line ? a->line_due_ns : UINT64_MAX;
    pthread_mutex_lock(&a->lock);
    for (;;) {
        const struct again_entry *entry = again_book_send(&a->book, now_ns);
        if (!entry) {
            due_ns = again_book_due_ns(&a->book);
            break;
        }
        int size = snprintf(text, sizeof text, "%" PRId64 " %" PRId64 " %.*s", entry->version,
                            entry->sent_seq, (int)entry->key_size, entry->key);
        if (a->line->ops->put(a->line, (struct str){text, (uint32_t)size},
                              atomic_load(&a->delay_ms))) {
            again_book_unsend(&a->book, entry);
            a->line_due_ns = due_ns = now_ns + REFUSED_MS * NS_PER_MS;
            break;
        }
    }
    pthread_mutex_unlock(&a->lock);
    return due_ns;
}

/* ---- removed ---- */

/* "VERSION SEQ KEY"; false: it is none of ours. */
static bool parse(const struct delay_message *m, struct again_removal *r)
{
    char *end;
    r->version = strtoll(m->text, &end, 10);
    if (end == m->text || *end != ' ')
        return false;
    const char *seq = end + 1;
    r->seq = strtoll(seq, &end, 10);
    if (end == seq || *end != ' ')
        return false;
    const char *key = end + 1;
    size_t size = m->size - (size_t)(key - m->text);
    if (size == 0 || size > LOT_KEY_MAX)
        return false;
    memcpy(r->key, key, size + 1);
    r->key_size = (uint32_t)size;
    return true;
}

void again_out(void *context, struct delay_message *m)
{
    struct again *a = context;
    struct again_removal *r = calloc(1, sizeof *r);
    if (!r || !parse(m, r)) {
        delay_done(m, r ? 0 : TLY_ENO_MEMORY); /* what nobody understands does not come again */
        free(r);
        return;
    }
    r->again = a;
    r->message = m;
    a->config.remove(a->config.context, r);
}

static void removed_by_sweep(struct again *a, const struct again_removal *r, int code)
{
    pthread_mutex_lock(&a->lock);
    if (r->sweep == a->sweep_number) { /* not of one that was given up */
        a->sweeping--;
        a->sweep_failed += code != 0;
        if (a->sweeping == 0)
            pthread_cond_signal(&a->swept);
    }
    pthread_mutex_unlock(&a->lock);
    if (code == 0)
        count(&a->counters.swept_total, 1);
}

void again_removed(struct again_removal *r, int code)
{
    struct again *a = r->again;
    count(code ? &a->counters.remove_errors_total : &a->counters.removed_total, 1);
    if (r->sweep) {
        removed_by_sweep(a, r, code);
        free(r);
        return;
    }
    if (code == 0) {
        pthread_mutex_lock(&a->lock);
        again_book_done(&a->book, (struct str){r->key, r->key_size}, r->seq, clock_monotonic_ns());
        pthread_mutex_unlock(&a->lock);
    }
    delay_done(r->message, code);
    free(r);
}

/* ---- the sweep ---- */

struct sweep {
    struct again *a;
    int64_t upto;
    int64_t read; /* the newest move that was looked at */
    uint32_t count;
    lot_id lots[SWEEP_LOTS];
};

static void sweep_add(struct sweep *s, lot_id lot)
{
    for (uint32_t i = 0; i < s->count; i++) {
        if (s->lots[i] == lot)
            return;
    }
    if (lot)
        s->lots[s->count++] = lot;
}

static int sweep_move(void *context, const struct move *m)
{
    struct sweep *s = context;
    const struct line *lines = m->line_count > 1 ? m->lines : &m->line;
    if (m->seq > s->upto || s->count + m->line_count > SWEEP_LOTS)
        return 1;
    for (uint32_t i = 0; i < m->line_count; i++)
        sweep_add(s, lines[i].lot);
    s->read = m->seq;
    return 0;
}

static bool remove_one(struct again *a, lot_id lot)
{
    struct again_removal *r = calloc(1, sizeof *r);
    const struct lot_dims *dims = a->config.lot_dims(a->config.dims_context, lot);
    if (!r || !dims || dims->key.len > LOT_KEY_MAX) {
        free(r);
        return !dims; /* a lot that is not known yet is in no cache of this node's */
    }
    pthread_mutex_lock(&a->lock);
    a->sweeping++;
    r->sweep = a->sweep_number;
    pthread_mutex_unlock(&a->lock);
    r->again = a;
    memcpy(r->key, dims->key.p, dims->key.len);
    r->key_size = dims->key.len;
    a->config.remove(a->config.context, r);
    return true;
}

/* False: some of it failed, or did not come back in time. */
static bool remove_all(struct again *a, const struct sweep *s)
{
    struct timespec until;
    bool ok = true;
    pthread_mutex_lock(&a->lock);
    a->sweep_number++;
    a->sweeping = a->sweep_failed = 0;
    pthread_mutex_unlock(&a->lock);
    for (uint32_t i = 0; ok && i < s->count; i++)
        ok = remove_one(a, s->lots[i]);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += SWEEP_WAIT_MS / 1000;
    pthread_mutex_lock(&a->lock);
    while (a->sweeping && pthread_cond_timedwait(&a->swept, &a->lock, &until) == 0) {
    }
    ok = ok && a->sweeping == 0 && a->sweep_failed == 0;
    pthread_mutex_unlock(&a->lock);
    return ok;
}

/* Removes every lot that changed after the cursor, up to a seq; false: to be made again. */
static bool sweep(struct again *a, int64_t upto)
{
    struct ledger *l = a->config.ledger;
    struct sweep s = {.a = a, .upto = upto};
    struct error e;
    count(&a->counters.sweeps_total, 1);
    while (a->cursor < upto && !atomic_load(&a->stopping)) {
        s.count = 0;
        s.read = a->cursor;
        int got = l->ops->read_log(l, a->cursor, READ_MAX, sweep_move, &s, &e);
        if (got < 0 || !remove_all(a, &s))
            return false;
        a->cursor = s.read == a->cursor ? upto : s.read;
    }
    return true;
}

/* The book's, up to what was swept. */
static void cross_out(struct again *a, int64_t upto)
{
    pthread_mutex_lock(&a->lock);
    again_book_done_upto(&a->book, upto, clock_monotonic_ns());
    if (a->book.overflowed_ns < a->old_note.at_ns)
        a->book.overflowed_ns = 0;
    pthread_mutex_unlock(&a->lock);
}

static void store_cursor(struct again *a, uint64_t now_ns)
{
    struct ledger *l = a->config.ledger;
    struct error e;
    if (a->cursor <= a->cursor_stored || now_ns < a->cursor_due_ns)
        return;
    if (l->ops->cursor_set(l, AGAIN_READER, a->cursor, &e) == 0)
        a->cursor_stored = a->cursor;
    a->cursor_due_ns = now_ns + CURSOR_MS * NS_PER_MS;
}

static int64_t limit_ms(const struct again *a)
{
    int64_t delay_ms = atomic_load(&a->delay_ms);
    return a->config.limit_ms > 4 * delay_ms ? a->config.limit_ms : 4 * delay_ms;
}

/* A note is old enough once all that it covers should long be done. */
static void take_notes(struct again *a, uint64_t now_ns)
{
    struct ledger *l = a->config.ledger;
    if (a->new_note.at_ns && now_ns - a->new_note.at_ns < (uint64_t)limit_ms(a) * NS_PER_MS)
        return;
    a->old_note = a->new_note;
    a->new_note = (struct note){l->ops->log_end(l), now_ns};
}

static void look_after(struct again *a, uint64_t now_ns)
{
    take_notes(a, now_ns);
    if (!a->old_note.at_ns || now_ns < a->sweep_due_ns)
        return;
    pthread_mutex_lock(&a->lock);
    bool late = again_book_oldest_ns(&a->book) <= a->old_note.at_ns;
    bool overflowed = a->book.overflowed_ns != 0;
    int64_t lowest = late ? again_book_lowest_seq(&a->book) : INT64_MAX;
    pthread_mutex_unlock(&a->lock);
    if (a->started && !late && !overflowed) {
        a->cursor = a->old_note.seq;
        return;
    }
    if (lowest <= a->cursor) /* it was asked for after the cursor had passed it */
        a->cursor = lowest - 1;
    if (!sweep(a, a->old_note.seq)) {
        count(&a->counters.sweep_errors_total, 1);
        a->sweep_due_ns = clock_monotonic_ns() + (uint64_t)limit_ms(a) * NS_PER_MS;
        return;
    }
    a->started = true;
    cross_out(a, a->old_note.seq);
}

/* ---- the thread ---- */

static void show(struct again *a, uint64_t now_ns)
{
    pthread_mutex_lock(&a->lock);
    uint64_t oldest_ns = again_book_oldest_ns(&a->book);
    uint32_t waiting = a->book.asked_count;
    pthread_mutex_unlock(&a->lock);
    atomic_store(&a->counters.waiting, waiting);
    atomic_store(&a->counters.delay_ms, atomic_load(&a->delay_ms));
    atomic_store(&a->counters.late_ms,
                 oldest_ns < now_ns ? (int64_t)((now_ns - oldest_ns) / NS_PER_MS) : 0);
}

static bool book_waits(struct again *a)
{
    pthread_mutex_lock(&a->lock);
    bool waits = a->book.ready.first == NULL;
    pthread_mutex_unlock(&a->lock);
    return waits;
}

static void *run(void *context)
{
    struct again *a = context;
    pthread_setname_np(pthread_self(), "tally-again");
    while (!atomic_load(&a->stopping)) {
        uint64_t now_ns = clock_monotonic_ns();
        uint64_t due_ns = send_asked(a, now_ns);
        look_after(a, now_ns);
        store_cursor(a, now_ns);
        show(a, now_ns);
        uint64_t look_ns = now_ns + (uint64_t)limit_ms(a) / 4 * NS_PER_MS;
        bool refused = a->line_due_ns > now_ns;
        if (look_ns < due_ns)
            due_ns = look_ns;
        wake_prepare(&a->wake);
        now_ns = clock_monotonic_ns();
        if (atomic_load(&a->stopping) || due_ns <= now_ns ||
            (a->line && !refused && !book_waits(a)))
            wake_cancel(&a->wake);
        else
            wake_wait(&a->wake, (int64_t)((due_ns - now_ns) / 1000) + 1);
    }
    a->cursor_due_ns = 0;
    store_cursor(a, clock_monotonic_ns());
    return NULL;
}

/* ---- life ---- */

int again_create(struct again **out, const struct again_config *config, struct error *e)
{
    struct again *a = NULL;
    *out = NULL;
    if (posix_memalign((void **)&a, 64, sizeof *a) != 0)
        return error_set(e, TLY_ENO_MEMORY, "bus", "no memory for second deletes");
    memset(a, 0, sizeof *a);
    a->config = *config;
    atomic_store(&a->delay_ms, config->delete_ms);
    if (again_book_init(&a->book, config->keys_max, config->delete_ms)) {
        free(a);
        return error_set(e, TLY_ENO_MEMORY, "bus", "no memory for second deletes");
    }
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->swept, NULL);
    *out = a;
    return 0;
}

int again_start(struct again *a, struct delay *line, struct error *e)
{
    struct ledger *l = a->config.ledger;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t back = seq_first_of_ms((int64_t)now.tv_sec * 1000 - a->config.lookback_ms);
    int code = l->ops->cursor_get(l, AGAIN_READER, &a->cursor, e);
    if (code && code != TLY_ENOT_FOUND)
        return code;
    if (code == TLY_ENOT_FOUND)
        a->cursor = l->ops->log_end(l);
    a->cursor_stored = a->cursor;
    if (a->cursor > back)
        a->cursor = back;
    a->line = line;
    code = pthread_create(&a->thread, NULL, run, a);
    if (code)
        return error_set(e, TLY_ENO_MEMORY, "bus", "cannot start a thread: %s", strerror(code));
    a->running = true;
    return 0;
}

void again_stats(struct again *a, struct again_stats *out)
{
#define X(name, kind, help)                                                                        \
    out->name = atomic_load_explicit(&a->counters.name, memory_order_relaxed);
    AGAIN_STATS(X)
#undef X
}

void again_stop(struct again *a)
{
    if (!a || !a->running)
        return;
    atomic_store(&a->stopping, true);
    wake_up(&a->wake);
    pthread_join(a->thread, NULL);
    a->running = false;
}

void again_destroy(struct again *a)
{
    if (!a)
        return;
    again_stop(a);
    again_book_close(&a->book);
    pthread_cond_destroy(&a->swept);
    pthread_mutex_destroy(&a->lock);
    free(a);
}
