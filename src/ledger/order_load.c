/* Order runs at start, and runs made again from the log of moves.
 *
 * Happy path: every run is read (header, fences, filter), in order of seq each begins where the
 * one before ends, and all are handed to the loader.
 * Failure modes: leftovers of an interrupted write, runs inside a merged one, damaged ones, and
 * ones that claim more than the log holds are removed. A gap within the window is read from the
 * log and written as runs, so that what the loader gets has none.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "ledger/db.h"
#include "ledger/move_rows.h"
#include "ledger/order_store.h"
#include "ledger/run_format.h"

/* More order_ids than this above the newest run go to runs at start, not to the engine's memory. */
#define TAIL_ENTRIES_MAX "16777216"

static void remove_file(const struct order_store *s, const char *name)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s/%s", s->dir, name) < (int)sizeof path)
        unlink(path);
}

static int by_seq(const void *a, const void *b)
{
    const struct run_file *x = *(struct run_file *const *)a, *y = *(struct run_file *const *)b;
    if (x->port.seq_min != y->port.seq_min)
        return x->port.seq_min < y->port.seq_min ? -1 : 1;
    return x->port.seq_max > y->port.seq_max ? -1 : x->port.seq_max < y->port.seq_max;
}

/* Opens one file of the folder, or removes it. *lost becomes the highest seq that a removed run
 * claimed. */
static int open_one(struct order_store *s, const char *name, int64_t last_seq, int64_t *lost,
                    struct error *e)
{
    long long from, to;
    int end = 0;
    struct run_file *run;
    if (name[0] == '.')
        return 0;
    if (sscanf(name, "%19lld-%19lld.run%n", &from, &to, &end) != 2 || end == 0 || name[end]) {
        remove_file(s, name);
        return 0;
    }
    int rc = run_file_open(&run, s->dir, name, s->seed, e);
    if (rc == TLY_ENO_MEMORY)
        return rc;
    if (rc || run->port.seq_max > last_seq || s->run_count == RUNS_MAX) {
        if (rc == 0)
            run_file_release(run);
        remove_file(s, name);
        *lost = to > *lost ? to : *lost;
        return 0;
    }
    s->runs[s->run_count++] = run;
    return 0;
}

static int open_all(struct order_store *s, int64_t last_seq, int64_t *lost, struct error *e)
{
    int rc = 0;
    struct dirent *entry;
    DIR *dir = opendir(s->dir);
    if (!dir)
        return error_set(e, TLY_EIO, s->dir, "cannot be read: %s", strerror(errno));
    while (rc == 0 && (entry = readdir(dir)))
        rc = open_one(s, entry->d_name, last_seq, lost, e);
    closedir(dir);
    return rc;
}

/* Sorts, and drops runs that lie inside another or are past the window. */
static void arrange(struct order_store *s, int64_t floor)
{
    uint32_t kept = 0;
    qsort(s->runs, s->run_count, sizeof s->runs[0], by_seq);
    for (uint32_t i = 0; i < s->run_count; i++) {
        struct run_file *run = s->runs[i];
        bool inside = kept > 0 && run->port.seq_min <= s->runs[kept - 1]->port.seq_max;
        if (inside || run->port.seq_max < floor) {
            run_file_unlink(run, s->dir);
            run_file_release(run);
        } else {
            s->runs[kept++] = run;
        }
    }
    s->run_count = kept;
}

/* Puts runs for the span before position `at`; returns how many or an error. */
static int fill_gap(struct order_store *s, sqlite3 *db, uint32_t at, int64_t after, int64_t upto,
                    struct error *e)
{
    struct run_file *made[RUNS_MAX] = {0};
    int count = order_rebuild(s, db, after, upto, made, (int)(RUNS_MAX - s->run_count), e);
    for (int i = 0; i < count; i++)
        order_store_replace(s, at + (uint32_t)i, 0, made[i]);
    return count;
}

static int fill_gaps(struct order_store *s, sqlite3 *db, int64_t floor, struct error *e)
{
    int64_t covered = floor - 1;
    for (uint32_t i = 0; i < s->run_count; i++) {
        struct run_file *run = s->runs[i];
        if (run->after > covered) {
            int made = fill_gap(s, db, i, covered, run->port.seq_min - 1, e);
            if (made < 0)
                return made;
            i += (uint32_t)made;
        }
        covered = run->port.seq_max;
    }
    return 0;
}

static int64_t covered_by(const struct order_store *s, int64_t floor)
{
    return s->run_count ? s->runs[s->run_count - 1]->port.seq_max : floor - 1;
}

/* What lost runs had covered, and what is too much for the engine's memory. */
static int fill_tail(struct order_store *s, sqlite3 *db, int64_t floor, int64_t lost,
                     int64_t last_seq, struct error *e)
{
    int64_t upto = lost < last_seq ? lost : last_seq;
    int made = 1;
    if (upto > covered_by(s, floor))
        made = fill_gap(s, db, s->run_count, covered_by(s, floor), upto, e);
    while (made >= 0) {
        char sql[160];
        snprintf(sql, sizeof sql,
                 "SELECT seq FROM move WHERE seq > %" PRId64
                 " ORDER BY seq LIMIT 1 OFFSET " TAIL_ENTRIES_MAX,
                 covered_by(s, floor));
        int rc = db_get_int(db, sql, &upto, e);
        if (rc)
            return rc == TLY_ENOT_FOUND ? 0 : rc;
        made = fill_gap(s, db, s->run_count, covered_by(s, floor), upto, e);
        if (made == 0)
            return 0;
    }
    return made;
}

int order_store_load(struct order_store *s, sqlite3 *db, const struct ledger_loader *loader,
                     int64_t last_seq, int64_t *covered, struct error *e)
{
    int64_t floor = 1, lost = 0;
    if (s->retention_ms > 0 && last_seq > 0)
        floor = seq_first_of_ms(seq_ms(last_seq) - s->retention_ms);
    if (floor < 1)
        floor = 1;
    int rc = open_all(s, last_seq, &lost, e);
    arrange(s, floor);
    for (uint32_t i = 0; i < s->run_count; i++)
        atomic_fetch_add(&s->bytes, (int64_t)s->runs[i]->bytes);
    if (rc == 0)
        rc = fill_gaps(s, db, floor, e);
    if (rc == 0)
        rc = fill_tail(s, db, floor, lost, last_seq, e);
    for (uint32_t i = 0; rc == 0 && i < s->run_count; i++) {
        run_file_hold(s->runs[i]); /* for the index */
        rc = loader->order_run(loader->context, &s->runs[i]->port);
        if (rc)
            error_set(e, rc, "order run", "the index does not take it: %s", error_text(rc));
    }
    *covered = covered_by(s, floor);
    return rc;
}

/* ---- from the log of moves ---- */

struct rebuild {
    struct order_store *store;
    struct order_entry *entries;
    size_t count;
    int64_t first_seq;
    int64_t after;
    struct run_file **out;
    int made;
    int max;
};

static int flush(struct rebuild *r, int64_t upto, struct error *e)
{
    struct run_span span = {r->after, r->first_seq, upto};
    if (r->count == 0)
        return 0;
    if (r->made == r->max)
        return error_set(e, TLY_EFULL, "order run", "there are too many runs");
    order_sort(r->entries, r->entries + REBUILD_ENTRIES_MAX, r->count);
    int rc = order_write_run(r->store, r->entries, r->count, &span, &r->out[r->made], e);
    if (rc == 0)
        r->made++;
    r->after = upto;
    r->count = 0;
    return rc;
}

static int scan(struct rebuild *r, sqlite3 *db, sqlite3_stmt *rows, struct error *e)
{
    int step, rc = 0;
    int64_t last = 0;
    while (rc == 0 && (step = sqlite3_step(rows)) == SQLITE_ROW) {
        struct str id = {(const char *)sqlite3_column_text(rows, 2),
                         (uint32_t)sqlite3_column_bytes(rows, 2)};
        bool order = sqlite3_column_int(rows, 1) != MOVE_ADJUST;
        if (!order && id.len > ADJUSTMENT_ID_MAX)
            continue;
        int64_t seq = sqlite3_column_int64(rows, 0);
        if (r->count == REBUILD_ENTRIES_MAX)
            rc = flush(r, last, e);
        if (rc)
            break;
        if (r->count == 0)
            r->first_seq = seq;
        uint64_t hash = order ? hash64(id, r->store->seed) : adjustment_hash(id, r->store->seed);
        r->entries[r->count++] = (struct order_entry){hash, seq};
        last = seq;
    }
    if (rc == 0 && step != SQLITE_DONE)
        rc = db_fail(db, "read moves for an order run", e);
    return rc;
}

int order_rebuild(struct order_store *s, sqlite3 *db, int64_t after, int64_t upto,
                  struct run_file **out, int max, struct error *e)
{
    struct rebuild r = {.store = s, .after = after, .out = out, .max = max};
    sqlite3_stmt *rows;
    int rc = db_prepare(db, &rows,
                        "SELECT seq, kind, CASE kind WHEN 2 THEN detail ELSE order_id END FROM move"
                        " WHERE seq > ? AND seq <= ?"
                        " AND (kind IN (3, 15) OR kind = 2 AND detail IS NOT NULL)"
                        " ORDER BY seq",
                        e);
    if (rc)
        return rc;
    r.entries = malloc(2 * (size_t)REBUILD_ENTRIES_MAX * sizeof *r.entries);
    if (!r.entries) {
        sqlite3_finalize(rows);
        return error_set(e, TLY_ENO_MEMORY, "order run", "no memory to rebuild a run");
    }
    sqlite3_bind_int64(rows, 1, after);
    sqlite3_bind_int64(rows, 2, upto);
    rc = scan(&r, db, rows, e);
    if (rc == 0)
        rc = flush(&r, upto, e);
    sqlite3_finalize(rows);
    free(r.entries);
    if (rc == 0)
        return r.made;
    for (int i = 0; i < r.made; i++) {
        run_file_unlink(out[i], s->dir);
        run_file_release(out[i]);
    }
    return rc;
}
