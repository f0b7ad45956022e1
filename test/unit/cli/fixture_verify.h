/* fixture_verify.h - a ledger made by hand, row by row, for verify to judge. */
#ifndef TALLY_TEST_FIXTURE_VERIFY_H
#define TALLY_TEST_FIXTURE_VERIFY_H

#include "fixture.h"

#include <sqlite3.h>

#include "cli/verify.h"

#define T0      INT64_C(1790000000000) /* 2026-09-21 */
#define HOUR_MS INT64_C(3600000)

/* Kinds of moves and reasons as the schema numbers them. */
enum {
    CREATE = 1,
    ADJUST,
    RESERVE,
    CONFIRM,
    RELEASE,
    REFUND,
    RETURN,
    EXTEND,
    SHIP,
    RESTOCK,
    WRITE_OFF,
    DISCARD,
    CHANGE,
    RECLAIM,
    FENCE,
    LOT_TERMS,
    SALE,
    GROUP_OPEN,
    GROUP_SUCCEED,
    GROUP_FAIL
};
enum { EXPIRED = 1, CANCELLED, RETURNED, GROUP_FAILED };

struct bench {
    char dir[64];
    sqlite3 *db;
    int64_t seq; /* of the newest row */
    int64_t at_ms;
    struct verify_config config;
    struct verify_report report;
};

/* An empty ledger of that schema, at T0. Torn down by bench_close. */
struct bench *bench_open(int schema_version);
int bench_close(void **state);
void run_sql(struct bench *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The snapshot as a server would write it: what the moves so far add up to. */
void write_snapshot(struct bench *b);
/* Fails the test where verify cannot judge at all. */
void run_verify(struct bench *b);
/* Of what it found: each named check has a fault, all others none. */
void expect_checks(const struct bench *b, const bool expected[VERIFY_CHECK_COUNT]);

#endif
