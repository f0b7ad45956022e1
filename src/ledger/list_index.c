/* The file lists.db.
 *
 * Happy path: entries are sorted as their table is and inserted in that order, with the cursor, in
 * one transaction; a search goes from the newest segment to the oldest and, where several lists
 * must agree, lets each in turn skip to where the others are. Failure modes: the file is synced at
 * checkpoints only, so a power cut may lose its newest transactions, whole; they are made again
 * from the cursor that is left. Damage is TLY_ECORRUPT, and the file is made anew.
 */
#include "ledger/list_index.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ledger/db.h"

enum { FORMAT = 1, SEGMENT_RESERVATIONS = 1 << 15 };

static const char pragmas[] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
                              "PRAGMA cache_size=-8192; PRAGMA temp_store=MEMORY";

static const char tables[] =
    "BEGIN;"
    "CREATE TABLE entry(segment INTEGER, kind INTEGER, key INTEGER, reservation_id INTEGER,"
    " PRIMARY KEY (segment, kind, key, reservation_id)) WITHOUT ROWID;"
    "CREATE TABLE segment(number INTEGER PRIMARY KEY, first INTEGER, reservations INTEGER);"
    "CREATE TABLE indexed(seed INTEGER, seq INTEGER);"
    "INSERT INTO indexed VALUES (0, 0);"
    "PRAGMA user_version = 1;"
    "COMMIT";

void list_index_close(struct list_index *x)
{
    sqlite3_stmt *statements[] = {x->begin, x->commit,      x->insert,    x->remove,
                                  x->seek,  x->put_segment, x->put_cursor};
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++)
        sqlite3_finalize(statements[i]);
    db_close(x->db);
    free(x->segments);
    *x = (struct list_index){0};
}

void list_index_remove(const char *path)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        char *name = sqlite3_mprintf("%s%s", path, ends[i]);
        if (name)
            unlink(name);
        sqlite3_free(name);
    }
}

/* ---- opening ---- */

static int check_format(struct list_index *x, uint64_t seed, struct error *e)
{
    char sql[96];
    int64_t format, is;
    int rc = db_get_int(x->db, "PRAGMA user_version", &format, e);
    if (rc == 0 && format == 0) {
        rc = db_exec(x->db, tables, e);
        snprintf(sql, sizeof sql, "UPDATE indexed SET seed = %" PRId64, (int64_t)seed);
        return rc ? rc : db_exec(x->db, sql, e);
    }
    if (rc == 0 && format != FORMAT)
        return error_set(e, TLY_ECORRUPT, "lists.db", "it has another format");
    if (rc == 0)
        rc = db_get_int(x->db, "SELECT seed FROM indexed", &is, e);
    if (rc == 0 && (uint64_t)is != seed)
        rc = error_set(e, TLY_ECORRUPT, "lists.db", "it belongs to another ledger");
    return rc;
}

static int make_room(struct list_index *x, struct error *e)
{
    if (x->segment_count < x->segment_room)
        return 0;
    uint32_t room = x->segment_room ? x->segment_room * 2 : 16;
    struct list_segment *more = realloc(x->segments, room * sizeof *more);
    if (!more)
        return error_set(e, TLY_ENO_MEMORY, "ledger", "no memory for the index of lists");
    x->segments = more;
    x->segment_room = room;
    return 0;
}

static int read_segments(struct list_index *x, struct error *e)
{
    sqlite3_stmt *rows;
    int step;
    int rc = db_prepare(x->db, &rows,
                        "SELECT number, first, reservations FROM segment ORDER BY number", e);
    if (rc)
        return rc;
    while (rc == 0 && (step = sqlite3_step(rows)) == SQLITE_ROW) {
        uint32_t number = (uint32_t)sqlite3_column_int64(rows, 0);
        rc = make_room(x, e);
        if (rc)
            break;
        if (x->segment_count == 0)
            x->segment_first = number;
        if (number != x->segment_first + x->segment_count)
            rc = error_set(e, TLY_ECORRUPT, "lists.db", "a segment is missing");
        x->segments[x->segment_count++] =
            (struct list_segment){sqlite3_column_int64(rows, 1), sqlite3_column_int64(rows, 2)};
    }
    if (rc == 0 && step != SQLITE_DONE)
        rc = db_fail(x->db, "read the index of lists", e);
    sqlite3_finalize(rows);
    x->segments_written = x->segment_count;
    return rc;
}

static int prepare_all(struct list_index *x, struct error *e)
{
    const struct {
        sqlite3_stmt **statement;
        const char *sql;
    } all[] = {
        {&x->begin, "BEGIN IMMEDIATE"},
        {&x->commit, "COMMIT"},
        {&x->insert, "INSERT OR IGNORE INTO entry VALUES (?, ?, ?, ?)"},
        {&x->remove, "DELETE FROM entry WHERE segment = ? AND kind = ? AND key = ?"
                     " AND reservation_id = ?"},
        {&x->seek, "SELECT reservation_id FROM entry WHERE segment = ? AND kind = ? AND key = ?"
                   " AND reservation_id <= ? ORDER BY reservation_id DESC LIMIT 1"},
        {&x->put_segment, "INSERT OR REPLACE INTO segment VALUES (?, ?, ?)"},
        {&x->put_cursor, "UPDATE indexed SET seq = ?"},
    };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof all / sizeof all[0]; i++)
        rc = db_prepare(x->db, all[i].statement, all[i].sql, e);
    return rc;
}

int list_index_open(struct list_index *x, const char *path, const char *vfs, uint64_t seed,
                    struct error *e)
{
    *x = (struct list_index){.segment_first = 1};
    int rc = db_open(&x->db, path, vfs, DB_COPY, e);
    if (rc == 0)
        rc = db_exec(x->db, pragmas, e);
    if (rc == 0)
        rc = check_format(x, seed, e);
    if (rc == 0)
        rc = db_get_int(x->db, "SELECT seq FROM indexed", &x->cursor, e);
    if (rc == 0)
        rc = read_segments(x, e);
    if (rc == 0)
        rc = prepare_all(x, e);
    if (rc)
        list_index_close(x);
    return rc;
}

/* ---- segments ---- */

int list_index_add(struct list_index *x, int64_t reservation_id, uint32_t *segment, struct error *e)
{
    struct list_segment *last = x->segment_count ? &x->segments[x->segment_count - 1] : NULL;
    if (!last || last->reservations >= SEGMENT_RESERVATIONS) {
        int rc = make_room(x, e);
        if (rc)
            return rc;
        assert(x->segments);
        last = &x->segments[x->segment_count++];
        *last = (struct list_segment){.first = reservation_id};
    }
    last->reservations++;
    *segment = x->segment_first + x->segment_count - 1;
    return 0;
}

/* Place of the newest segment that begins at or before it; segment_count: none does. */
static uint32_t place_of(const struct list_index *x, int64_t reservation_id)
{
    uint32_t low = 0, high = x->segment_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (x->segments[middle].first <= reservation_id)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? low - 1 : x->segment_count;
}

bool list_index_find(const struct list_index *x, int64_t reservation_id, uint32_t *segment)
{
    uint32_t place = place_of(x, reservation_id);
    *segment = x->segment_first + place;
    return place < x->segment_count;
}

int list_index_drop(struct list_index *x, int64_t reservation_id, struct error *e)
{
    char sql[160];
    uint32_t count = 0;
    while (count + 1 < x->segment_count && x->segments[count + 1].first <= reservation_id + 1)
        count++;
    if (count == 0)
        return 0;
    snprintf(sql, sizeof sql,
             "BEGIN; DELETE FROM entry WHERE segment < %" PRIu32
             "; DELETE FROM segment WHERE number < %" PRIu32 "; COMMIT",
             x->segment_first + count, x->segment_first + count);
    int rc = db_exec(x->db, sql, e);
    if (rc)
        return rc;
    x->segment_count -= count;
    x->segments_written -= count;
    x->segment_first += count;
    memmove(x->segments, x->segments + count, x->segment_count * sizeof *x->segments);
    return 0;
}

/* ---- writing ---- */

static int order(const void *a, const void *b)
{
    const struct list_entry *x = a, *y = b;
    if (x->segment != y->segment)
        return x->segment < y->segment ? -1 : 1;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return x->reservation_id < y->reservation_id ? -1 : x->reservation_id > y->reservation_id;
}

static int run_on(struct list_index *x, sqlite3_stmt *statement, const struct list_entry *entry,
                  struct error *e)
{
    sqlite3_bind_int64(statement, 1, entry->segment);
    sqlite3_bind_int(statement, 2, entry->kind);
    sqlite3_bind_int64(statement, 3, entry->key);
    sqlite3_bind_int64(statement, 4, entry->reservation_id);
    return db_run(x->db, statement, "write the index of lists", e);
}

/* What was made and is gone within one batch was never there. */
static int write_entries(struct list_index *x, const struct list_entry *entries, size_t count,
                         struct error *e)
{
    int rc = 0;
    for (size_t i = 0, next; rc == 0 && i < count; i = next) {
        bool made = false, gone = false;
        for (next = i; next < count && order(&entries[i], &entries[next]) == 0; next++) {
            made = made || !entries[next].gone;
            gone = gone || entries[next].gone;
        }
        if (!gone)
            rc = run_on(x, x->insert, &entries[i], e);
        else if (!made)
            rc = run_on(x, x->remove, &entries[i], e);
    }
    return rc;
}

static int write_segments(struct list_index *x, struct error *e)
{
    int rc = 0;
    uint32_t i = x->segments_written ? x->segments_written - 1 : 0;
    for (; rc == 0 && i < x->segment_count; i++) {
        sqlite3_bind_int64(x->put_segment, 1, x->segment_first + i);
        sqlite3_bind_int64(x->put_segment, 2, x->segments[i].first);
        sqlite3_bind_int64(x->put_segment, 3, x->segments[i].reservations);
        rc = db_run(x->db, x->put_segment, "write the index of lists", e);
    }
    return rc;
}

int list_index_write(struct list_index *x, struct list_entry *entries, size_t count, int64_t cursor,
                     struct error *e)
{
    qsort(entries, count, sizeof *entries, order);
    int rc = db_run(x->db, x->begin, "write the index of lists", e);
    if (rc == 0)
        rc = write_entries(x, entries, count, e);
    if (rc == 0)
        rc = write_segments(x, e);
    sqlite3_bind_int64(x->put_cursor, 1, cursor);
    if (rc == 0)
        rc = db_run(x->db, x->put_cursor, "write the index of lists", e);
    if (rc == 0)
        rc = db_run(x->db, x->commit, "write the index of lists", e);
    if (rc)
        return rc;
    x->cursor = cursor;
    x->segments_written = x->segment_count;
    return 0;
}

/* ---- searching ---- */

/* The highest at or below *id in one list of one segment; *id 0: none. */
static int seek(struct list_index *x, uint32_t segment, const struct list_key *list, int64_t *id,
                struct error *e)
{
    sqlite3_bind_int64(x->seek, 1, segment);
    sqlite3_bind_int(x->seek, 2, (int)list->kind);
    sqlite3_bind_int64(x->seek, 3, list->key);
    sqlite3_bind_int64(x->seek, 4, *id);
    int step = sqlite3_step(x->seek);
    *id = step == SQLITE_ROW ? sqlite3_column_int64(x->seek, 0) : 0;
    int rc = step == SQLITE_ROW || step == SQLITE_DONE
                 ? 0
                 : db_fail(x->db, "search the index of lists", e);
    sqlite3_reset(x->seek);
    return rc;
}

/* Within one segment: until all lists have been at the same reservation in turn. */
static int agree(struct list_index *x, uint32_t segment, const struct list_key *lists, int count,
                 int64_t *id, int64_t *looks, struct error *e)
{
    int agreed = 0;
    for (int i = 0; agreed < count; i = (i + 1) % count) {
        int64_t found = *id;
        if (--*looks < 0)
            return TLY_EOVERLOADED;
        int rc = seek(x, segment, &lists[i], &found, e);
        if (rc)
            return rc;
        agreed = found == *id ? agreed + 1 : 1;
        *id = found;
        if (found == 0)
            return 0;
    }
    return 0;
}

int list_index_find_below(struct list_index *x, const struct list_key *lists, int count,
                          int64_t *reservation_id, int64_t *looks, struct error *e)
{
    int64_t below = *reservation_id;
    *reservation_id = 0;
    for (uint32_t place = place_of(x, below); place < x->segment_count; place--) {
        int64_t id = below;
        int rc = agree(x, x->segment_first + place, lists, count, &id, looks, e);
        if (rc == TLY_EOVERLOADED)
            *reservation_id = id;
        if (rc)
            return rc;
        if (id) {
            *reservation_id = id;
            return 0;
        }
        if (place == 0)
            return 0;
        below = x->segments[place].first - 1;
    }
    return 0;
}
