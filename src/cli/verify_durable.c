/* verify_durable.c - is everything there that was durable once? What stands beside the rows is held
 * against them: the file mark, the order runs, and the end of SQLite's log.
 *
 * The mark is read before the read transaction begins: it names durable moves only, so whatever it
 * says must be in any later view of the ledger, also while a server goes on.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "cli/verify_internal.h"

enum { MARK_SLOT = 4096, PATH_BYTES = 4096, RUN_HEADER = 96 };

#define MARK_KEY    UINT64_C(0x74616c6c796d726b)
#define SEQ_2020_MS INT64_C(1577836800000)
#define SEQ_MS(seq) (((seq) >> 22) + SEQ_2020_MS)

/* "name value\n" at *at, which moves behind it. */
static bool take_field(const char **at, const char *name, int base, uint64_t *value)
{
    size_t len = strlen(name);
    char *end;
    if (strncmp(*at, name, len) != 0 || (*at)[len] != ' ')
        return false;
    *value = strtoull(*at + len + 1, &end, base);
    if (end == *at + len + 1 || *end != '\n')
        return false;
    *at = end + 1;
    return true;
}

static bool take_number(const char **at, const char *name, int64_t *value)
{
    uint64_t number;
    if (!take_field(at, name, 10, &number))
        return false;
    *value = (int64_t)number;
    return true;
}

static bool parse_slot(const char *text, struct verify_mark *m)
{
    static const char head[] = "tally mark 1\n";
    const char *at = text;
    uint64_t sum;
    if (strncmp(at, head, sizeof(head) - 1) != 0)
        return false;
    at += sizeof(head) - 1;
    if (!take_number(&at, "generation", &m->generation) ||
        !take_field(&at, "ledger", 16, &m->ledger) || !take_number(&at, "newest_seq", &m->seq) ||
        !take_number(&at, "base_seq", &m->base_seq) || !take_number(&at, "moves", &m->moves) ||
        !take_number(&at, "checkpoint_seq", &m->checkpoint_seq) ||
        !take_number(&at, "backup_at_ms", &m->backup_at_ms))
        return false;
    struct str body = {text, (uint32_t)(at - text)};
    return take_field(&at, "checksum", 16, &sum) && sum == hash64(body, MARK_KEY);
}

void verify_read_mark(struct verify *v)
{
    char path[PATH_BYTES], slot[MARK_SLOT + 1];
    snprintf(path, sizeof(path), "%s/mark", v->config->data);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    v->mark.is_there = true;
    for (int i = 0; i < 2; i++) {
        struct verify_mark m = {.is_there = true, .is_sound = true};
        ssize_t got = pread(fd, slot, MARK_SLOT, (off_t)i * MARK_SLOT);
        slot[got > 0 ? got : 0] = '\0';
        if (parse_slot(slot, &m) && (!v->mark.is_sound || m.generation > v->mark.generation))
            v->mark = m;
    }
    close(fd);
}

static const char *moment(int64_t seq, char out[RFC3339_SIZE])
{
    if (seq <= 0)
        return "the beginning";
    rfc3339_format(SEQ_MS(seq), out);
    return out;
}

static void miss(struct verify *v, int64_t after, int64_t upto, const char *how)
{
    char from[RFC3339_SIZE], to[RFC3339_SIZE];
    verify_fault(v, VERIFY_DURABLE, (struct place){.seq = upto},
                 "moves after %" PRId64 " (%s) are missing, up to %" PRId64 " (%s): %s", after,
                 moment(after, from), upto, moment(upto, to), how);
}

/* ---- the mark ---- */

static int count_moves(struct verify *v, int64_t after, int64_t upto, int64_t *count,
                       struct error *e)
{
    sqlite3_stmt *stmt = NULL;
    int code =
        verify_prepare(v, "SELECT count(*) FROM move WHERE seq > ?1 AND seq <= ?2", &stmt, e);
    if (!code) {
        sqlite3_bind_int64(stmt, 1, after);
        sqlite3_bind_int64(stmt, 2, upto);
        code = verify_step(v, stmt, e);
    }
    if (code == SQLITE_ROW)
        *count = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return code < 0 ? code : 0;
}

/* The database file alone must have what was checkpointed into it: else it is another day's copy,
 * into which the log does not fit. A file that cannot be read without its log cannot tell. */
static void check_file_alone(struct verify *v)
{
    char path[PATH_BYTES];
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    snprintf(path, sizeof(path), "%s/ledger.db", v->config->data);
    if (verify_open_file(path, true, &db) == SQLITE_OK &&
        sqlite3_prepare_v2(db, "SELECT max(seq) FROM move", -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW) {
        int64_t newest = sqlite3_column_int64(stmt, 0);
        if (newest < v->mark.checkpoint_seq && v->archived_newest < v->mark.checkpoint_seq)
            miss(v, newest, v->mark.checkpoint_seq,
                 "ledger.db is a copy of an earlier time than its log");
    }
    sqlite3_finalize(stmt);
    sqlite3_close(db);
}

static int check_mark(struct verify *v, uint64_t seed, int64_t end, struct error *e)
{
    const struct verify_mark *m = &v->mark;
    char at[RFC3339_SIZE];
    int64_t there = 0;
    if (!m->is_there)
        return 0;
    if (!m->is_sound) {
        verify_fault(v, VERIFY_DURABLE, (struct place){0},
                     "the file mark is damaged, so how far the ledger had come cannot be told");
        return 0;
    }
    if (m->ledger != hash64(STR("mark"), seed)) {
        verify_fault(v, VERIFY_DURABLE, (struct place){0},
                     "the file mark is that of another ledger, with moves up to %" PRId64, m->seq);
        return 0;
    }
    if (m->backup_at_ms) {
        rfc3339_format(m->backup_at_ms, at);
        verify_note(v, VERIFY_DURABLE, (struct place){.seq = m->seq}, "this is the backup of %s",
                    at);
    }
    if (v->wal.frames > 0)
        check_file_alone(v);
    if (m->seq > end)
        miss(v, end, m->seq, "the mark knows them");
    if (v->archived_newest > m->base_seq)
        return 0; /* retention has removed some of those that it counted */
    int code = count_moves(v, m->base_seq, m->seq, &there, e);
    if (!code && there < m->moves)
        verify_fault(v, VERIFY_DURABLE, (struct place){0},
                     "of %" PRId64 " moves after %" PRId64 " that the mark counted, %" PRId64
                     " are missing",
                     m->moves, m->base_seq, m->moves - there);
    return code;
}

/* ---- order runs ---- */

struct run_head { /* what docs and src/ledger say a run begins with */
    char magic[8];
    uint64_t version, seed_check, count;
    int64_t after, seq_min, seq_max;
    uint64_t rest[4];
    uint64_t checksum; /* of all before it */
};
_Static_assert(sizeof(struct run_head) == RUN_HEADER, "the header of a run");

static void check_run(struct verify *v, const char *folder, const char *name, uint64_t seed,
                      int64_t end)
{
    char path[PATH_BYTES + 300];
    struct run_head head = {0};
    snprintf(path, sizeof(path), "%s/%.255s", folder, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    bool whole = pread(fd, &head, sizeof(head), 0) == (ssize_t)sizeof(head);
    close(fd);
    struct str body = {(const char *)&head, RUN_HEADER - 8};
    if (whole && memcmp(head.magic, "TALLYRUN", 8) == 0 && head.checksum == hash64(body, 0) &&
        head.seed_check == hash64(STR("order run"), seed) && head.seq_max > end)
        miss(v, end, head.seq_max, name);
}

static void check_runs(struct verify *v, uint64_t seed, int64_t end)
{
    char folder[PATH_BYTES];
    struct dirent *entry;
    snprintf(folder, sizeof(folder), "%s/orders", v->config->data);
    DIR *dir = opendir(folder);
    if (!dir)
        return;
    while ((entry = readdir(dir))) {
        size_t len = strlen(entry->d_name);
        if (len > 4 && strcmp(entry->d_name + len - 4, ".run") == 0)
            check_run(v, folder, entry->d_name, seed, end);
    }
    closedir(dir);
}

/* ---- losses that were accepted ---- */

static int tell_accepted(struct verify *v, struct error *e)
{
    sqlite3_stmt *stmt = NULL;
    if (v->report->schema_version < 2)
        return 0;
    int code = verify_prepare(v,
                              "SELECT newest_seq, accepted_at_ms, ifnull(missing_to_seq, 0),"
                              " ifnull(missing_moves, 0), why FROM accepted_loss ORDER BY 1",
                              &stmt, e);
    while (!code && (code = verify_step(v, stmt, e)) == SQLITE_ROW) {
        char at[RFC3339_SIZE], from[RFC3339_SIZE];
        int64_t seq = sqlite3_column_int64(stmt, 0);
        rfc3339_format(sqlite3_column_int64(stmt, 1), at);
        verify_note(v, VERIFY_DURABLE, (struct place){.seq = seq},
                    "moves after this one (%s) were lost (%.60s); it was decided on %s to go on",
                    moment(seq, from), (const char *)sqlite3_column_text(stmt, 4), at);
        code = 0;
    }
    sqlite3_finalize(stmt);
    return code < 0 ? code : 0;
}

static int read_seed(struct verify *v, uint64_t *seed, struct error *e)
{
    sqlite3_stmt *stmt = NULL;
    int code = verify_prepare(v, "SELECT value FROM meta WHERE key = 'hash_seed'", &stmt, e);
    *seed = 0;
    if (!code)
        code = verify_step(v, stmt, e);
    if (code == SQLITE_ROW && sqlite3_column_text(stmt, 0))
        *seed = strtoull((const char *)sqlite3_column_text(stmt, 0), NULL, 16);
    sqlite3_finalize(stmt);
    return code < 0 ? code : 0;
}

int verify_check_durable(struct verify *v, struct error *e)
{
    uint64_t seed;
    int64_t end = v->report->newest_seq;
    if (v->archived_newest > end)
        end = v->archived_newest;
    int code = read_seed(v, &seed, e);
    if (!code)
        code = check_mark(v, seed, end, e);
    if (code)
        return code;
    check_runs(v, seed, end);
    if (v->wal.later_commits > 0)
        verify_fault(v, VERIFY_DURABLE, (struct place){0},
                     "the log ledger.db-wal is damaged at frame %u of %u: %u or more transactions "
                     "behind it cannot be read",
                     v->wal.bad_frame, v->wal.frames, v->wal.later_commits);
    return tell_accepted(v, e);
}
