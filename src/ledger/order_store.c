/* The store of order runs.
 *
 * Happy path: segment arrives -> wait until the log has committed all of it -> copy, sort, write,
 * fsync, rename -> the index takes the run and frees the segment -> merge, forget.
 * Failure modes: a run that cannot be written leaves the segment with the engine, which offers it
 * again; a merge that fails is tried again later; a damaged run is rebuilt from the log of moves,
 * and until then look-ups that need it fail rather than say "not there".
 */
#include "ledger/order_store.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ledger/db.h"

enum { POLL_US = 20000, RETRY_US = 500000, TIDY_US = 60000000, BACKGROUND_NICE = 10 };

int order_store_init(struct order_store *s, const char *dir, const char *db_path, const char *vfs,
                     uint64_t seed, int64_t retention_ms, const _Atomic int64_t *last_seq,
                     struct error *e)
{
    size_t size = strlen(dir) + sizeof "/orders";
    *s = (struct order_store){.seed = seed,
                              .vfs = vfs,
                              .retention_ms = retention_ms,
                              .last_seq = last_seq,
                              .dir = malloc(size),
                              .db_path = strdup(db_path)};
    pthread_mutex_init(&s->lock, NULL);
    if (!s->dir || !s->db_path)
        return error_set(e, TLY_ENO_MEMORY, "ledger", "no memory for the store of order runs");
    memcpy(s->dir, dir, strlen(dir));
    memcpy(s->dir + strlen(dir), "/orders", sizeof "/orders");
    if (mkdir(s->dir, 0700) && errno != EEXIST)
        return error_set(e, TLY_EIO, s->dir, "cannot be made: %s", strerror(errno));
    return 0;
}

void order_store_close(struct order_store *s)
{
    for (uint32_t i = 0; i < s->run_count; i++)
        run_file_release(s->runs[i]);
    pthread_mutex_destroy(&s->lock);
    free(s->dir);
    free(s->db_path);
    s->run_count = 0;
    s->dir = s->db_path = NULL;
}

void order_store_replace(struct order_store *s, uint32_t first, uint32_t count,
                         struct run_file *run)
{
    struct run_file *old[RUNS_MAX];
    uint32_t added = run ? 1 : 0;
    int64_t change = run ? (int64_t)run->bytes : 0;
    pthread_mutex_lock(&s->lock);
    assert(first + count <= s->run_count && s->run_count - count + added <= RUNS_MAX);
    memcpy(old, s->runs + first, count * sizeof old[0]);
    memmove(s->runs + first + added, s->runs + first + count,
            (s->run_count - first - count) * sizeof old[0]);
    if (run)
        s->runs[first] = run;
    s->run_count += added - count;
    pthread_mutex_unlock(&s->lock);
    for (uint32_t i = 0; i < count; i++) {
        change -= (int64_t)old[i]->bytes;
        if (!run || old[i]->port.seq_min != run->port.seq_min ||
            old[i]->port.seq_max != run->port.seq_max)
            run_file_unlink(old[i], s->dir);
        run_file_release(old[i]);
    }
    atomic_fetch_add(&s->bytes, change);
}

int order_store_find(struct order_store *s, uint64_t hash, int64_t out[ORDER_CANDIDATES_MAX],
                     struct error *e)
{
    struct run_file *runs[RUNS_MAX];
    int found = 0, rc = 0;
    pthread_mutex_lock(&s->lock);
    uint32_t count = s->run_count;
    memcpy(runs, s->runs, count * sizeof runs[0]);
    for (uint32_t i = 0; i < count; i++)
        run_file_hold(runs[i]);
    pthread_mutex_unlock(&s->lock);
    for (uint32_t i = count; i-- > 0;) {
        int more =
            rc ? 0 : run_file_find(runs[i], hash, out + found, ORDER_CANDIDATES_MAX - found, e);
        if (more < 0)
            rc = more;
        else
            found += more;
        run_file_release(runs[i]);
    }
    if (rc)
        wake_up(&s->wake); /* the thread rebuilds a damaged run */
    return rc ? rc : found;
}

/* Least significant digit first, one byte at a time; passes in which all bytes agree
 * are skipped. */
void order_sort(struct order_entry *entries, struct order_entry *spare, size_t count)
{
    size_t starts[8][256] = {{0}};
    for (size_t i = 0; i < count; i++) {
        for (unsigned digit = 0; digit < 8; digit++)
            starts[digit][entries[i].hash >> (8 * digit) & 255]++;
    }
    struct order_entry *from = entries, *to = spare;
    for (unsigned digit = 0; digit < 8; digit++) {
        size_t at = 0;
        for (size_t value = 0; value < 256; value++) {
            size_t number = starts[digit][value];
            starts[digit][value] = at;
            at += number;
        }
        for (size_t i = 0; i < count; i++)
            to[starts[digit][from[i].hash >> (8 * digit) & 255]++] = from[i];
        struct order_entry *swap = from;
        from = to;
        to = swap;
    }
}

int order_write_run(struct order_store *s, struct order_entry *sorted, size_t count,
                    const struct run_span *span, struct run_file **out, struct error *e)
{
    struct run_writer *w;
    int rc = run_writer_begin(&w, s->dir, s->seed, count, span, e);
    if (rc)
        return rc;
    for (size_t i = 0; i < count; i++) {
        rc = run_writer_add(w, &sorted[i], e);
        if (rc) {
            run_writer_abandon(w);
            return rc;
        }
    }
    return run_writer_finish(w, out, e);
}

static int64_t covered_of(const struct order_store *s)
{
    return s->run_count ? s->runs[s->run_count - 1]->port.seq_max : 0;
}

/* All orders of the segment were undone: a run that is nowhere on disk. */
static struct order_run *empty_run(const struct order_segment *segment)
{
    struct order_run *run = calloc(1, sizeof *run);
    struct bloom *filter = bloom_create(1, RUN_FILTER_BITS);
    if (!run || !filter) {
        free(run);
        free(filter);
        return NULL;
    }
    run->seq_min = segment->seq_min;
    run->seq_max = segment->seq_max;
    run->filter = filter;
    return run;
}

static struct order_run *write_segment(struct order_store *s, struct order_segment *segment)
{
    struct run_file *run = NULL;
    size_t count = segment->count;
    if (count == 0)
        return empty_run(segment);
    struct order_entry *entries = malloc(count * 2 * sizeof *entries);
    if (!entries)
        return NULL;
    struct run_span span = {covered_of(s), segment->seq_min, segment->seq_max};
    segment->copy(segment, entries);
    order_sort(entries, entries + count, count);
    int rc = order_write_run(s, entries, count, &span, &run, NULL);
    free(entries);
    if (rc)
        return NULL;
    run_file_hold(run); /* for the index */
    order_store_replace(s, s->run_count, 0, run);
    return &run->port;
}

/* True when the segment is done with. */
static bool store_segment(struct order_store *s, struct order_segment *segment)
{
    struct order_run *run = write_segment(s, segment);
    if (run)
        s->events->segment_stored(s->events->context, segment, run);
    return run != NULL;
}

static void take_segments(struct order_store *s)
{
    struct mail *mail = mailbox_take(&s->box);
    while (mail) {
        struct mail *next = mail->next;
        struct order_segment *segment = MAIL_OF(mail, struct order_segment);
        segment->link = NULL;
        if (s->waiting)
            s->waiting_last->link = segment;
        else
            s->waiting = segment;
        s->waiting_last = segment;
        mail = next;
    }
}

/* Runs of which every order is past retention, oldest first. */
static void forget(struct order_store *s)
{
    if (s->retention_ms <= 0)
        return;
    int64_t now_ms = seq_ms(atomic_load(s->last_seq));
    int64_t keep = seq_first_of_ms(now_ms - s->retention_ms);
    while (s->run_count > 0 && s->runs[0]->port.seq_max < keep)
        order_store_replace(s, 0, 1, NULL);
}

static int rebuild_damaged(struct order_store *s, struct error *e)
{
    for (uint32_t i = 0; i < s->run_count; i++) {
        struct run_file *old = s->runs[i], *made[RUNS_MAX];
        if (!atomic_load(&old->damaged))
            continue;
        sqlite3 *db;
        int rc = db_open(&db, s->db_path, s->vfs, DB_READER, e);
        if (rc)
            return rc;
        int max = (int)(RUNS_MAX - s->run_count);
        int count = order_rebuild(s, db, old->after, old->port.seq_max, made, max, e);
        db_close(db);
        if (count < 0)
            return count;
        order_store_replace(s, i, 1, count ? made[0] : NULL);
        for (int k = 1; k < count; k++)
            order_store_replace(s, i + (uint32_t)k, 0, made[k]);
        return count; /* the index's filters of the old run stay right: they only ask more often */
    }
    return 0;
}

/* Everything that can be done now; how long to sleep then, in microseconds. */
static int64_t turn(struct order_store *s)
{
    struct error e;
    take_segments(s);
    forget(s);
    if (rebuild_damaged(s, &e) < 0)
        return RETRY_US;
    if (s->waiting && s->run_count < RUNS_MAX - 1) {
        struct order_segment *segment = s->waiting;
        if (segment->seq_max > atomic_load(s->last_seq))
            return POLL_US;
        struct order_segment *next = segment->link;
        if (!store_segment(s, segment))
            return RETRY_US;
        s->waiting = next;
        return 0;
    }
    int merged = order_store_merge(s, &e);
    if (merged < 0)
        return RETRY_US;
    return merged ? 0 : TIDY_US;
}

static void *thread_main(void *context)
{
    struct order_store *s = context;
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), BACKGROUND_NICE);
    while (!atomic_load(&s->stopping)) {
        int64_t sleep_us = turn(s);
        if (sleep_us == 0)
            continue;
        wake_prepare(&s->wake);
        if (atomic_load(&s->stopping) || !mailbox_empty(&s->box))
            wake_cancel(&s->wake);
        else
            wake_wait(&s->wake, sleep_us);
    }
    return NULL;
}

int order_store_start(struct order_store *s, const struct ledger_events *events, struct error *e)
{
    s->events = events;
    int rc = pthread_create(&s->thread, NULL, thread_main, s);
    if (rc)
        return error_set(e, TLY_ENO_MEMORY, "ledger", "no thread for order runs: %s", strerror(rc));
    s->running = true;
    return 0;
}

void order_store_stop(struct order_store *s)
{
    if (!s->running)
        return;
    atomic_store(&s->stopping, true);
    wake_up(&s->wake);
    pthread_join(s->thread, NULL);
    s->running = false;
}

void order_store_put(struct order_store *s, struct order_segment *segment)
{
    struct mail_chain chain = {0};
    mail_chain_add(&chain, &segment->mail);
    mailbox_push(&s->box, &chain);
    wake_up(&s->wake);
}
