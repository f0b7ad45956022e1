/* mysql_schema.c - the tables, and what the promises rest on.
 *
 * Happy path: under a named lock, so that nodes which start together do not meet: the tables are
 * made if they are not there, migrated if they are older; then the database's own settings are
 * looked at. Every statement of a schema can be carried out again, since MySQL commits each of them
 * by itself, and the version is written last. Failure modes: newer tables than this binary knows; a
 * database too old for SKIP LOCKED and CHECK; commits that a power cut undoes; a clock that is not
 * ours: each is said, with what to do.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/hash.h"
#include "ledger/mysql_internal.h"
#include "ledger/schema.h"

enum {
    SCHEMA_MYSQL_FIRST = 3,
    SCHEMA_MYSQL_VERSION = 3,
    PREPARE_LOCK_S = 60,
    PACKET_LEAST = 16 << 20
};

/* What makes a version of the one before it; the first has the number of SQLite's of the same
 * words. */
static const char *const schemas[] = {ledger_schema_mysql};

static int run_script(struct mydb *db, const char *sql, struct error *e)
{
    struct mydb_text t = {0};
    struct mydb_answer a;
    mydb_put(&t, sql);
    while (t.used && (t.p[t.used - 1] == '\n' || t.p[t.used - 1] == ' '))
        t.used--;
    int rc = mydb_ask(db, &t, &a, e);
    mydb_answer_free(&a);
    mydb_text_close(&t);
    return rc;
}

static int schema_version(struct mydb *db, int64_t *version, struct error *e)
{
    int64_t there;
    *version = 0;
    int rc = mydb_number(db,
                         "SELECT count(*) FROM information_schema.tables"
                         " WHERE table_schema = DATABASE() AND table_name = 'meta'",
                         0, &there, e);
    if (rc == 0 && there)
        rc =
            mydb_number(db, "SELECT value FROM meta WHERE `key` = 'schema_version'", 0, version, e);
    return rc;
}

static int write_version(struct mydb *db, int64_t version, struct error *e)
{
    char sql[160];
    snprintf(sql, sizeof sql, "REPLACE INTO meta VALUES ('schema_version', '%" PRId64 "')",
             version);
    return mydb_do(db, sql, e);
}

/* The seed is a secret of the data, made once. */
static int make_seed(struct mydb *db, struct error *e)
{
    char sql[200];
    uint64_t seed = 0;
    struct timespec now;
    if (random_bytes(&seed, sizeof seed))
        return error_set(e, TLY_EIO, "ledger", "the system gives no random bytes");
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(sql, sizeof sql,
             "INSERT IGNORE INTO meta VALUES ('hash_seed', '%" PRIu64 "'),"
             " ('created_at', '%" PRId64 "')",
             seed, (int64_t)now.tv_sec * 1000);
    return mydb_do(db, sql, e);
}

static int migrate(struct mydb *db, struct error *e)
{
    int64_t version;
    int rc = schema_version(db, &version, e);
    if (rc == 0 && version > SCHEMA_MYSQL_VERSION)
        return error_set(e, TLY_EINVALID_ARGUMENT, "ledger",
                         "the tables are of version %" PRId64
                         ", and this tally knows %d: use a newer"
                         " one",
                         version, SCHEMA_MYSQL_VERSION);
    bool made = version >= SCHEMA_MYSQL_FIRST;
    int64_t next = made ? version + 1 : SCHEMA_MYSQL_FIRST;
    for (; rc == 0 && next <= SCHEMA_MYSQL_VERSION; next++) {
        rc = run_script(db, schemas[next - SCHEMA_MYSQL_FIRST], e);
        if (rc == 0 && !made)
            rc = make_seed(db, e);
        if (rc == 0)
            rc = write_version(db, next, e);
    }
    return rc;
}

static int read_seed(struct ledger_mysql *l, struct mydb *db, struct error *e)
{
    int64_t seed;
    int rc = mydb_number(db,
                         "SELECT CAST(CAST(CAST(value AS CHAR) AS UNSIGNED) AS SIGNED) FROM meta"
                         " WHERE `key` = 'hash_seed'",
                         0, &seed, e);
    l->seed = (uint64_t)seed;
    return rc;
}

static int check_version(struct mydb *db, struct error *e)
{
    unsigned long version = mysql_get_server_version(db->mysql); /* 101106: 10.11.6 */
    unsigned long least = db->is_mariadb ? 100600 : 80016;
    if (version >= least)
        return 0;
    return error_set(
        e, TLY_EINVALID_ARGUMENT, "ledger",
        "the database is %s %lu.%lu.%lu; it must be MariaDB 10.6, MySQL 8.0.16 or newer",
        db->is_mariadb ? "MariaDB" : "MySQL", version / 10000, version / 100 % 100, version % 100);
}

static int check_durability(const struct ledger_mysql *l, struct mydb *db, struct error *e)
{
    int64_t flush, log_bin, sync_binlog;
    if (l->config.weak_durability)
        return 0;
    int rc = mydb_number(db, "SELECT @@innodb_flush_log_at_trx_commit", 0, &flush, e);
    if (rc == 0)
        rc = mydb_number(db, "SELECT @@log_bin", 0, &log_bin, e);
    if (rc == 0)
        rc = mydb_number(db, "SELECT @@sync_binlog", 0, &sync_binlog, e);
    if (rc)
        return rc;
    if (flush != 1)
        return error_set(e, TLY_EINVALID_ARGUMENT, "ledger",
                         "the database has innodb_flush_log_at_trx_commit = %" PRId64
                         ", so a power cut would undo orders that were acknowledged: it must be 1"
                         " (or ledger_weak_durability = true)",
                         flush);
    if (log_bin && sync_binlog != 1)
        return error_set(e, TLY_EINVALID_ARGUMENT, "ledger",
                         "the database has a binary log with sync_binlog = %" PRId64
                         ", so a power cut would undo orders that were acknowledged: it must be 1"
                         " (or ledger_weak_durability = true)",
                         sync_binlog);
    return 0;
}

static int64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The database's time was taken somewhere between the two readings of ours. */
static int check_clock(const struct ledger_mysql *l, struct mydb *db, struct error *e)
{
    int64_t theirs;
    int64_t before = wall_ms();
    int rc = mydb_number(db, "SELECT CAST(UNIX_TIMESTAMP(NOW(6)) * 1000 AS SIGNED)", 0, &theirs, e);
    int64_t after = wall_ms();
    if (rc)
        return rc;
    int64_t gap = theirs < before ? theirs - before : theirs > after ? theirs - after : 0;
    if (gap >= -l->config.clock_gap_max_ms && gap <= l->config.clock_gap_max_ms)
        return 0;
    return error_set(
        e, TLY_EUNAVAILABLE, "ledger",
        "the database's clock is %" PRId64 " ms %s this machine's, and holds end by the"
        " clock: at most %" PRId64 " ms (ledger_clock_gap_max_ms)",
        gap < 0 ? -gap : gap, gap < 0 ? "behind" : "ahead of", l->config.clock_gap_max_ms);
}

static int check_packet(const struct mydb *db, struct error *e)
{
    if (db->packet_max >= PACKET_LEAST)
        return 0;
    return error_set(e, TLY_EINVALID_ARGUMENT, "ledger",
                     "the database has max_allowed_packet = %" PRIu64
                     ", and a batch of orders goes in"
                     " one go: it must be at least 16777216",
                     db->packet_max);
}

int mydb_check(struct ledger_mysql *l, struct mydb *db, struct error *e)
{
    int rc = check_durability(l, db, e);
    return rc ? rc : check_clock(l, db, e);
}

int mydb_prepare(struct ledger_mysql *l, struct mydb *db, struct error *e)
{
    char sql[96];
    int64_t got;
    int rc = check_version(db, e);
    if (rc == 0)
        rc = check_packet(db, e);
    if (rc == 0)
        rc = mydb_check(l, db, e);
    if (rc)
        return rc;
    snprintf(sql, sizeof sql, "SELECT GET_LOCK(CONCAT('tally ', LEFT(DATABASE(), 50)), %d)",
             PREPARE_LOCK_S);
    rc = mydb_number(db, sql, 0, &got, e);
    if (rc == 0 && got != 1)
        rc = error_set(e, TLY_EUNAVAILABLE, "ledger",
                       "another node has been making the tables for %d s", PREPARE_LOCK_S);
    if (rc)
        return rc;
    rc = migrate(db, e);
    if (rc == 0)
        rc = read_seed(l, db, e);
    if (rc == 0)
        rc = mydb_lane_lease(l, db, e);
    if (db->mysql && mydb_do(db, "DO RELEASE_LOCK(CONCAT('tally ', LEFT(DATABASE(), 50)))", NULL))
        mydb_close(db);
    return rc;
}
