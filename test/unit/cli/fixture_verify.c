#include "fixture_verify.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "ledger/schema.h"

void run_sql(struct bench *b, const char *format, ...)
{
    char sql[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(sql, sizeof(sql), format, args);
    va_end(args);
    char *message = NULL;
    if (sqlite3_exec(b->db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
}

struct bench *bench_open(int schema_version)
{
    static const char *const schemas[] = {ledger_schema_1, ledger_schema_2, ledger_schema_3};
    struct bench *b = calloc(1, sizeof(*b));
    char path[128];
    snprintf(b->dir, sizeof(b->dir), "/tmp/tally-verify-XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    snprintf(path, sizeof(path), "%s/ledger.db", b->dir);
    assert_int_equal(sqlite3_open(path, &b->db), SQLITE_OK);
    run_sql(b, "PRAGMA journal_mode=WAL");
    for (int i = 0; i < schema_version; i++)
        assert_int_equal(sqlite3_exec(b->db, schemas[i], NULL, NULL, NULL), SQLITE_OK);
    run_sql(b, "INSERT INTO meta VALUES('schema_version', '%d')", schema_version);
    b->at_ms = T0;
    b->seq = (T0 - INT64_C(1577836800000)) << 22;
    b->config = (struct verify_config){.data = b->dir,
                                       .now_ms = T0 + 1,
                                       .tolerance_ms = 5000,
                                       .order_retention_ms = 7 * 24 * HOUR_MS,
                                       .findings_max = 100,
                                       .sort_entries = 1000};
    return b;
}

int bench_close(void **state)
{
    struct bench *b = *state;
    char command[128];
    sqlite3_close(b->db);
    verify_report_close(&b->report);
    snprintf(command, sizeof(command), "rm -rf %s", b->dir);
    assert_int_equal(system(command), 0);
    free(b);
    return 0;
}

void write_snapshot(struct bench *b)
{
    run_sql(b, "INSERT OR REPLACE INTO stock_snapshot SELECT lot_id, on_hand, reserved, confirmed, "
               "version FROM stock");
    run_sql(b, "UPDATE snapshot SET seq = %lld", (long long)b->seq);
}

void run_verify(struct bench *b)
{
    struct error e = {0};
    verify_report_close(&b->report);
    if (verify_run(&b->config, &b->report, &e) != 0)
        fail_msg("%s: %s", e.field, e.text);
}

void expect_checks(const struct bench *b, const bool expected[VERIFY_CHECK_COUNT])
{
    for (int i = 0; i < VERIFY_CHECK_COUNT; i++) {
        if ((b->report.faults[i] > 0) == expected[i])
            continue;
        for (uint32_t f = 0; f < b->report.finding_count; f++)
            print_message("%s: %s\n", verify_names[b->report.findings[f].check],
                          b->report.findings[f].text);
        fail_msg("%s: %d faults", verify_names[i], (int)b->report.faults[i]);
    }
}
