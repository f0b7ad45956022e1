/* raw_sqlite.c - what SQLite alone can do: single-threaded prepared inserts of orders (16-byte
 * order id, lot, quantity, time) with a sequential rowid and no other index, WAL and
 * synchronous=FULL, one updated stock row a commit.
 *
 *   raw_sqlite FILE ROWS ROWS_PER_COMMIT
 */
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static sqlite3 *db;

static void check(int rc)
{
    if (rc == SQLITE_OK || rc == SQLITE_DONE)
        return;
    fprintf(stderr, "raw_sqlite: %s\n", sqlite3_errmsg(db));
    exit(1);
}

static void run(const char *sql)
{
    check(sqlite3_exec(db, sql, NULL, NULL, NULL));
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: raw_sqlite FILE ROWS ROWS_PER_COMMIT\n");
        return 2;
    }
    int64_t rows = atoll(argv[2]), per_commit = atoll(argv[3]);
    check(sqlite3_open_v2(argv[1], &db,
                          SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL));
    run("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
        "CREATE TABLE o(id INTEGER PRIMARY KEY, order_id BLOB, lot_id INTEGER, quantity INTEGER,"
        " at_ms INTEGER);"
        "CREATE TABLE s(id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO s VALUES(1, 0)");
    sqlite3_stmt *insert, *update;
    check(sqlite3_prepare_v2(db, "INSERT INTO o VALUES(?, ?, 1, 1, ?)", -1, &insert, NULL));
    check(sqlite3_prepare_v2(db, "UPDATE s SET n = n + ? WHERE id = 1", -1, &update, NULL));
    double start = now_s();
    for (int64_t done = 0; done < rows;) {
        run("BEGIN");
        for (int64_t i = 0; i < per_commit && done < rows; i++, done++) {
            sqlite3_bind_int64(insert, 1, done + 1);
            uint64_t order_id[2] = {(uint64_t)done * 0x9e3779b97f4a7c15u, ~(uint64_t)done};
            sqlite3_bind_blob(insert, 2, order_id, sizeof order_id, SQLITE_STATIC);
            sqlite3_bind_int64(insert, 3, 1795000000000 + done);
            check(sqlite3_step(insert));
            sqlite3_reset(insert);
        }
        sqlite3_bind_int64(update, 1, per_commit);
        check(sqlite3_step(update));
        sqlite3_reset(update);
        run("COMMIT");
    }
    printf("{\"rows_per_s\": %.0f}\n", (double)rows / (now_s() - start));
    sqlite3_finalize(insert);
    sqlite3_finalize(update);
    sqlite3_close(db);
    return 0;
}
