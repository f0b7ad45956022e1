/* verify.c - `tally verify`: runs the verification and prints what it found. */
#include "cli/verify.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/progress.h"
#include "cli/table.h"

enum { SORT_ENTRIES = 4 << 20, FINDINGS_DEFAULT = 50 };
#define WEEK_MS INT64_C(604800000)

static void on_progress(void *context, int64_t done, int64_t total)
{
    progress_set(context, done, total);
}

static void on_stage(void *context, const char *text)
{
    progress_say(context, text);
}

static json_t *counts_json(const struct verify_report *r)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f}", "lots",
                     (json_int_t)r->lots, "moves", (json_int_t)r->moves, "reservations",
                     (json_int_t)r->reservations, "pending", (json_int_t)r->pending, "confirmed",
                     (json_int_t)r->confirmed, "refunded", (json_int_t)r->refunded,
                     "archived_moves", (json_int_t)r->archived_moves, "newest_seq",
                     (json_int_t)r->newest_seq, "late_max_ms", (json_int_t)r->late_max_ms,
                     "seconds", r->seconds);
}

static json_t *finding_json(const struct finding *f)
{
    char seq[24], reservation[24];
    snprintf(seq, sizeof(seq), "%" PRId64, f->seq);
    snprintf(reservation, sizeof(reservation), "%" PRId64, f->reservation_id);
    json_t *object = json_pack("{s:s, s:s, s:s, s:s}", "check", verify_names[f->check], "promise",
                               verify_promises[f->check], "severity", f->note ? "note" : "fault",
                               "text", f->text);
    if (f->seq)
        json_object_set_new(object, "seq", json_string(seq));
    if (f->reservation_id)
        json_object_set_new(object, "reservation_id", json_string(reservation));
    if (f->lot_id)
        json_object_set_new(object, "lot_id", json_integer(f->lot_id));
    return object;
}

static int print_report_json(const char *data, const struct verify_report *r)
{
    json_t *checks = json_array(), *findings = json_array();
    for (int i = 0; i < VERIFY_CHECK_COUNT; i++)
        json_array_append_new(
            checks, json_pack("{s:s, s:s, s:s, s:I, s:I}", "check", verify_names[i], "promise",
                              verify_promises[i], "text", verify_texts[i], "faults",
                              (json_int_t)r->faults[i], "notes", (json_int_t)r->notes[i]));
    for (uint32_t i = 0; i < r->finding_count; i++)
        json_array_append_new(findings, finding_json(&r->findings[i]));
    json_t *report = json_pack("{s:s, s:b, s:b, s:I, s:I, s:o, s:o, s:o}", "data", data, "ok",
                               r->fault_count == 0, "live", r->live, "schema_version",
                               (json_int_t)r->schema_version, "faults", (json_int_t)r->fault_count,
                               "counts", counts_json(r), "checks", checks, "findings", findings);
    if (!report)
        return EXIT_FAILED;
    print_json(report);
    json_decref(report);
    return r->fault_count ? EXIT_REFUSED : EXIT_DONE;
}

static void print_head(const char *data, const struct verify_report *r)
{
    printf("ledger   %s: %.1f MB, schema %" PRId64 ", %s\n", data, (double)r->bytes / 1e6,
           r->schema_version, r->live ? "a server is running on it" : "no server is running on it");
    printf("read     %" PRId64 " moves, %" PRId64 " lots, %" PRId64 " reservations in %.2f s",
           r->moves, r->lots, r->reservations, r->seconds);
    if (r->moves >= 100000 && r->seconds > 0)
        printf(" (%.0f moves/s)", (double)r->moves / r->seconds);
    printf("\nholds    %" PRId64 " pending, %" PRId64 " confirmed, %" PRId64 " refunded",
           r->pending, r->confirmed, r->refunded);
    if (r->archived_moves)
        printf("; %" PRId64 " lines of older moves were archived", r->archived_moves);
    if (r->late_max_ms)
        printf("; the latest expiry came %" PRId64 " ms after its deadline", r->late_max_ms);
    fputs("\n\n", stdout);
}

static void print_checks(const struct verify_report *r)
{
    for (int i = 0; i < VERIFY_CHECK_COUNT; i++) {
        enum style style = r->faults[i] ? STYLE_BAD : r->notes[i] ? STYLE_NOTE : STYLE_GOOD;
        char verdict[40] = "ok";
        if (r->faults[i])
            snprintf(verdict, sizeof(verdict), "%" PRIu64 " fault%s", r->faults[i],
                     r->faults[i] == 1 ? "" : "s");
        else if (r->notes[i])
            snprintf(verdict, sizeof(verdict), "ok, %" PRIu64 " note%s", r->notes[i],
                     r->notes[i] == 1 ? "" : "s");
        printf("  %-4s  %-64s  %s%s%s\n", verify_promises[i], verify_texts[i],
               style_on(stdout, style), verdict, style_off(stdout));
    }
}

static void print_findings(const struct verify_report *r)
{
    uint64_t all = r->fault_count;
    for (int i = 0; i < VERIFY_CHECK_COUNT; i++)
        all += r->notes[i];
    if (all > 0)
        putchar('\n');
    for (uint32_t i = 0; i < r->finding_count; i++) {
        const struct finding *f = &r->findings[i];
        printf("%s%s%s %s", style_on(stdout, f->note ? STYLE_NOTE : STYLE_BAD),
               f->note ? "note " : "fault", style_off(stdout), verify_promises[f->check]);
        if (f->seq)
            printf(" seq %" PRId64, f->seq);
        if (f->reservation_id && f->reservation_id != f->seq)
            printf(" reservation %" PRId64, f->reservation_id);
        if (f->lot_id)
            printf(" lot %" PRId64, f->lot_id);
        fputs(": ", stdout);
        print_safely(f->text, stdout);
        putchar('\n');
    }
    if (all > r->finding_count)
        printf("... and %" PRIu64 " more; --findings N shows more of them\n",
               all - r->finding_count);
}

static int print_report(const char *data, const struct verify_report *r)
{
    print_head(data, r);
    print_checks(r);
    print_findings(r);
    putchar('\n');
    if (r->fault_count == 0) {
        printf("%sThe ledger keeps its promises.%s\n", style_on(stdout, STYLE_GOOD),
               style_off(stdout));
        return EXIT_DONE;
    }
    printf("%s%" PRIu64 " fault%s.%s\n", style_on(stdout, STYLE_BAD), r->fault_count,
           r->fault_count == 1 ? "" : "s", style_off(stdout));
    return EXIT_REFUSED;
}

int cli_verify(int argc, char **argv)
{
    bool json = false;
    int64_t findings_max = FINDINGS_DEFAULT;
    struct verify_config config = {
        .tolerance_ms = 5000, .order_retention_ms = WEEK_MS, .sort_entries = SORT_ENTRIES};
    const struct cli_option options[] = {
        {"findings", "N", OPTION_NUMBER, &findings_max, "how many findings are printed; 50", 0,
         1000000},
        {"now", "MS", OPTION_NUMBER, &config.now_ms,
         "the time as Unix milliseconds; else the wall clock, or the\nnewest move if that is later",
         1, INT64_MAX},
        {"tolerance-ms", "N", OPTION_NUMBER, &config.tolerance_ms,
         "how late a running server may be with an expiry; 5000", 0, INT64_MAX},
        {"order-retention-ms", "N", OPTION_NUMBER, &config.order_retention_ms,
         "the server's setting: after so long an order_id may come\nagain; 7 days", 0, INT64_MAX},
        {"skip-file-check", NULL, OPTION_FLAG, &config.skip_file_check,
         "leave out the check of every page (SQLite's quick_check,\nMySQL's CHECK TABLE)", 0, 0},
        MYSQL_LOGIN_OPTIONS(&config.login),
        {"json", NULL, OPTION_FLAG, &json, "print the report as JSON", 0, 0},
    };
    const struct usage usage = {
        .name = "tally verify",
        .synopsis = "DATA | mysql://USER@HOST:PORT/DATABASE",
        .text =
            "Proves from the rows of a ledger alone that nothing was oversold (I1), no unit was\n"
            "lost (I2), no order has two outcomes (I4) and no hold outlives its deadline (I5);\n"
            "and, from what stands beside them, that none is missing that was durable (I3).\n"
            "DATA is a data folder, or a ledger file such as a backup; a server may be running\n"
            "on it. Of a ledger in MySQL or MariaDB all rows are read once, in one consistent\n"
            "snapshot, into a temporary file ($TMPDIR), and nodes may be writing to it.\n"
            "Exit code 1 if anything is wrong.\n",
        .options = options,
        .option_count = sizeof(options) / sizeof(options[0]),
        .positionals_min = 1,
        .positionals_max = 1,
    };
    struct positionals given;
    int code = options_parse(&usage, argc, argv, &given);
    if (code != OPTIONS_GO)
        return code;
    struct progress bar;
    struct verify_report report;
    struct error e = {0};
    config.data = given.items[0];
    config.findings_max = (uint32_t)findings_max;
    config.progress = on_progress;
    config.stage = on_stage;
    config.context = &bar;
    progress_begin(&bar, "moves");
    int failed = verify_run(&config, &report, &e);
    progress_end(&bar);
    if (failed) {
        fprintf(stderr, "tally verify: %s%s%s\n", e.field, *e.field ? ": " : "", e.text);
        verify_report_close(&report);
        return EXIT_FAILED;
    }
    code = json ? print_report_json(config.data, &report) : print_report(config.data, &report);
    verify_report_close(&report);
    return code;
}
