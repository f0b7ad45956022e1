/* What is there, held against what was.
 *
 * Happy path: the log of SQLite is whole, the newest move is at or behind the mark, as many moves
 * follow the mark's base as it counted, and no order run or snapshot speaks of a later one.
 * Failure modes: everything else is a loss. The first kind found is told; the farthest seq that any
 * of them names is where it ends. Nothing is written here, so what is left stays as it is.
 */
#include "ledger/guard.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "ledger/db.h"
#include "ledger/run_file.h"
#include "ledger/schema.h"
#include "ledger/wal_scan.h"
#include "model/model.h"

enum { PATH_SIZE = 4096, WHY_MAX = 160 };

struct look {
    const struct ledger_sqlite_config *config;
    struct loss *loss;
    struct mark_facts mark;
    enum mark_state mark_state;
    struct wal_scan wal;
    bool db_is_there; /* a database, with or without tables */
    sqlite3 *db;
    uint64_t seed;
    int64_t newest;   /* move in the table; 0: none */
    int64_t snapshot; /* seq up to which the stock was summed up */
    int64_t archived; /* newest that retention removed */
    int64_t end;      /* the latest of newest and archived */
};

static void path_of(const struct look *k, char out[PATH_SIZE], const char *name)
{
    snprintf(out, PATH_SIZE, "%s/%s", k->config->dir, name);
}

static bool is_there(const struct look *k, const char *name)
{
    char path[PATH_SIZE];
    path_of(k, path, name);
    return access(path, F_OK) == 0;
}

/* The first reason is told, the farthest seq and the largest number are kept. */
static void lose(struct look *k, int64_t upto_seq, int64_t moves, const char *why)
{
    struct loss *l = k->loss;
    if (!l->is)
        snprintf(l->why, sizeof l->why, "%s", why);
    l->is = true;
    if (upto_seq > l->upto_seq)
        l->upto_seq = upto_seq;
    if (moves > l->moves)
        l->moves = moves;
}

/* ---- order runs ---- */

/* A run is written when its orders are durable, so one that goes beyond the ledger's end proves
 * that the ledger had gone as far. Names are looked at first: as a rule there is nothing to open.
 */
static int look_at_run(struct look *k, const char *folder, const char *name, struct error *e)
{
    long long from, to;
    int end = 0;
    char why[WHY_MAX];
    struct run_file *run;
    if (sscanf(name, "%19lld-%19lld.run%n", &from, &to, &end) != 2 || end == 0 || name[end] ||
        to <= k->end)
        return 0;
    if (!k->db) { /* whose they are cannot be asked */
        lose(k, to, 0, "order runs are there");
        return 0;
    }
    int rc = run_file_open(&run, folder, name, k->seed, e);
    if (rc)
        return rc == TLY_ENO_MEMORY ? rc : 0; /* damaged, or of another folder: removed later */
    if (run->port.seq_max > k->end) {
        snprintf(why, sizeof why, "orders/%.60s names later orders", name);
        lose(k, run->port.seq_max, from > k->end ? (int64_t)run->port.count : 1, why);
    }
    run_file_release(run);
    return 0;
}

static int look_at_runs(struct look *k, struct error *e)
{
    char folder[PATH_SIZE];
    struct dirent *entry;
    int rc = 0;
    path_of(k, folder, "orders");
    DIR *dir = opendir(folder);
    if (!dir)
        return 0;
    while (rc == 0 && (entry = readdir(dir)))
        rc = look_at_run(k, folder, entry->d_name, e);
    closedir(dir);
    return rc;
}

/* ---- no ledger ---- */

static int look_around(struct look *k, const char *what, struct error *e)
{
    char why[WHY_MAX];
    bool log = k->db_is_there ? k->wal.damaged : k->wal.frames > 0; /* a first start cut short */
    if (k->mark_state == MARK_SOUND && k->mark.seq > 0) {
        snprintf(why, sizeof why, "ledger.db %s, and the mark knows its moves", what);
        lose(k, k->mark.seq, k->mark.moves, why);
    } else if (k->mark_state == MARK_DAMAGED) {
        snprintf(why, sizeof why, "ledger.db %s, and there is a damaged mark", what);
        lose(k, 0, 0, why);
    } else if (log || is_there(k, "archive.db")) {
        snprintf(why, sizeof why, "ledger.db %s, and its %s is there", what,
                 log ? "log" : "archive");
        lose(k, 0, 0, why);
    }
    return look_at_runs(k, e);
}

/* ---- what the rows say ---- */

static int number(struct look *k, const char *sql, int64_t *out, struct error *e)
{
    *out = 0;
    int rc = db_get_int(k->db, sql, out, e);
    return rc == TLY_ENOT_FOUND ? 0 : rc;
}

static int read_rows(struct look *k, struct error *e)
{
    int rc = number(k, "SELECT max(seq) FROM move", &k->newest, e);
    if (rc == 0)
        rc = number(k, "SELECT seq FROM snapshot", &k->snapshot, e);
    if (rc == 0)
        rc = number(k,
                    "SELECT ifnull((SELECT CAST(value AS INTEGER) FROM meta"
                    "               WHERE key = 'archived_newest'),"
                    "              CASE WHEN EXISTS (SELECT 1 FROM archived)"
                    "                   THEN (SELECT seq FROM snapshot) ELSE 0 END)",
                    &k->archived, e);
    if (rc == 0)
        rc = schema_seed(k->db, &k->seed, e);
    k->end = k->newest > k->archived ? k->newest : k->archived;
    return rc;
}

static int count_after(struct look *k, int64_t base, int64_t upto, int64_t *count, struct error *e)
{
    char sql[160];
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM move WHERE seq > %" PRId64 " AND seq <= %" PRId64, base, upto);
    return number(k, sql, count, e);
}

/* The mark counted the moves after its base; retention may have removed some of those since. */
static int compare_count(struct look *k, struct error *e)
{
    int64_t there;
    int rc = count_after(k, k->mark.base_seq, k->mark.seq, &there, e);
    if (rc == 0 && k->archived <= k->mark.base_seq && there < k->mark.moves)
        lose(k, k->mark.seq, k->mark.moves - there, "fewer moves are there than the mark counted");
    if (k->loss->is && k->mark.seq <= k->end)
        k->loss->from_seq = k->mark.base_seq; /* somewhere between the two */
    return rc;
}

/* The database file without its log, as a copy of another day would be found out. While a
 * checkpoint was cut short its pages may not fit together: then it cannot tell. */
static void compare_file_alone(struct look *k)
{
    char uri[3 * PATH_SIZE];
    int64_t newest = 0;
    sqlite3 *db = NULL;
    int len = snprintf(uri, sizeof uri, "file:");
    for (const char *p = k->config->dir; *p && len < 2 * PATH_SIZE; p++)
        len += snprintf(uri + len, 4, strchr("?#%", *p) ? "%%%02X" : "%c", (unsigned char)*p);
    snprintf(uri + len, sizeof uri - (size_t)len, "/ledger.db?immutable=1");
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(uri, &db, flags, k->config->vfs) == SQLITE_OK &&
        db_get_int(db, "SELECT max(seq) FROM move", &newest, NULL) == 0 &&
        newest < k->mark.checkpoint_seq && k->archived < k->mark.checkpoint_seq)
        lose(k, k->mark.seq, 0, "ledger.db is older than its log: a copy of an earlier time");
    sqlite3_close(db);
}

static int compare_mark(struct look *k, struct error *e)
{
    if (k->mark_state == MARK_DAMAGED) {
        lose(k, 0, 0, "the file mark is damaged, so what was there cannot be told");
        return 0;
    }
    if (k->mark_state == MARK_NONE)
        return 0;
    if (k->mark.ledger != mark_ledger_of(k->seed)) {
        if (k->mark.seq > 0)
            lose(k, k->mark.seq, 0, "ledger.db is not the ledger whose mark is there");
        return 0;
    }
    if (k->wal.frames > 0)
        compare_file_alone(k);
    if (k->mark.seq > k->end)
        lose(k, k->mark.seq, 0, "the mark knows later moves");
    return compare_count(k, e);
}

static int look_inside(struct look *k, struct error *e)
{
    char why[WHY_MAX];
    int rc = read_rows(k, e);
    if (rc)
        return rc;
    if (k->wal.damaged) {
        snprintf(why, sizeof why,
                 "ledger.db-wal is damaged at frame %u of %u, %u later transactions cannot be read",
                 k->wal.sound + 1, k->wal.frames, k->wal.lost);
        lose(k, 0, k->wal.lost, why);
    }
    rc = compare_mark(k, e);
    if (rc == 0 && k->snapshot > k->end)
        lose(k, k->snapshot, 0, "the stock snapshot has later moves in it");
    return rc ? rc : look_at_runs(k, e);
}

/* ---- telling ---- */

static void moment(int64_t seq, char out[RFC3339_SIZE])
{
    if (seq > 0)
        rfc3339_format(seq_ms(seq), out);
    else
        snprintf(out, RFC3339_SIZE, "the beginning");
}

static int refuse(const struct loss *l, struct error *e)
{
    char from[RFC3339_SIZE], upto[RFC3339_SIZE + 40] = "", many[48] = "";
    moment(l->from_seq, from);
    if (l->upto_seq > 0) {
        char at[RFC3339_SIZE];
        moment(l->upto_seq, at);
        snprintf(upto, sizeof upto, " to %" PRId64 " (%s)", l->upto_seq, at);
    }
    if (l->moves > 0)
        snprintf(many, sizeof many, ", %" PRId64 " or more", l->moves);
    return error_set(e, TLY_ECORRUPT, "data",
                     "moves are missing: after %" PRId64 " (%s)%s%s. Restore a backup; or go on "
                     "without them: --accept-loss %" PRId64,
                     l->from_seq, from, upto, many, l->newest_seq);
}

static void tell(const struct ledger_sqlite_config *config, const char *event, const char *text)
{
    if (config->tell)
        config->tell(config->tell_context, event, text);
}

/* What the mark goes on with: the count continues where the old one ended, if it can. */
static int next_mark(struct guard *g, struct look *k, struct error *e)
{
    bool goes_on = k->mark_state == MARK_SOUND && !k->loss->is && k->db &&
                   k->mark.ledger == mark_ledger_of(k->seed) && k->archived <= k->mark.base_seq &&
                   k->mark.backup_at_ms == 0;
    int64_t end = k->end > k->snapshot ? k->end : k->snapshot;
    g->mark = (struct mark_facts){.seq = end, .base_seq = end};
    if (!goes_on)
        return 0;
    g->mark.base_seq = k->mark.base_seq;
    g->mark.checkpoint_seq = k->mark.checkpoint_seq;
    return count_after(k, k->mark.base_seq, end, &g->mark.moves, e);
}

static int look(struct guard *g, struct look *k, struct error *e)
{
    char path[PATH_SIZE];
    struct stat st;
    int64_t tables = 0;
    path_of(k, path, "ledger.db-wal");
    int rc = wal_scan(path, &k->wal, e);
    if (rc)
        return rc;
    k->mark_state = mark_read(k->config->dir, &k->mark, NULL);
    path_of(k, path, "ledger.db");
    if (stat(path, &st))
        return look_around(k, "is missing", e);
    if (st.st_size == 0)
        return look_around(k, "is empty", e);
    /* A rollback journal is there only while the file is being made: a crash then left it, and only
     * a connection that may write gets past it. */
    enum db_role role = is_there(k, "ledger.db-journal") ? DB_COPY : DB_READER;
    rc = db_open(&k->db, path, k->config->vfs, role, e);
    if (rc == 0)
        rc = number(k, "SELECT count(*) FROM sqlite_schema WHERE name = 'meta'", &tables, e);
    if (rc == 0 && tables == 0) {
        k->db_is_there = true;
        db_close(k->db);
        k->db = NULL;
        return look_around(k, "has no tables", e);
    }
    if (rc == 0)
        rc = look_inside(k, e);
    return rc ? rc : next_mark(g, k, e);
}

int guard_facts(sqlite3 *db, struct mark_facts *out, struct error *e)
{
    struct look k = {.db = db};
    int rc = read_rows(&k, e);
    int64_t end = k.end > k.snapshot ? k.end : k.snapshot;
    *out = (struct mark_facts){.ledger = mark_ledger_of(k.seed),
                               .seq = end,
                               .base_seq = k.archived,
                               .checkpoint_seq = end};
    return rc ? rc : count_after(&k, k.archived, end, &out->moves, e);
}

int guard_check(struct guard *g, const struct ledger_sqlite_config *config, struct error *e)
{
    *g = (struct guard){0};
    struct look k = {.config = config, .loss = &g->loss};
    int rc = look(g, &k, e);
    db_close(k.db);
    if (rc)
        return rc;
    g->loss.newest_seq = k.end;
    if (g->loss.from_seq == 0)
        g->loss.from_seq = k.end;
    if (g->loss.is && config->accept_loss != k.end) {
        tell(config, "ledger.damaged", g->loss.why);
        return refuse(&g->loss, e);
    }
    if (!g->loss.is && k.mark_state == MARK_SOUND)
        g->restored_at_ms = k.mark.backup_at_ms;
    return 0;
}
