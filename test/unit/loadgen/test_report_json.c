/* A report as a file for machines, and read again. */
#include "fixture.h"

#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture_report.h"
#include "loadgen/report_json.h"

static int open_folder(void **state)
{
    (void)state;
    fixture_folder_open();
    return 0;
}

static int close_folder(void **state)
{
    (void)state;
    fixture_folder_close();
    return 0;
}

static json_t *written(const struct report *r)
{
    struct error e = {0};
    if (report_write_json(r, fixture_path("r.json"), &e))
        fail_msg("%s", e.text);
    json_error_t where;
    json_t *root = json_load_file(fixture_path("r.json"), JSON_REJECT_DUPLICATES, &where);
    if (!root)
        fail_msg("line %d: %s", where.line, where.text);
    return root;
}

static void the_names_that_the_issue_fixed_are_there(void **state)
{
    (void)state;
    struct report r;
    fixture_broken(&r);
    json_t *root = written(&r), *stage = json_array_get(json_object_get(root, "stages"), 1);
    static const char *const names[] = {
        "offered_per_s", "achieved_per_s", "accepted", "refused",  "errors",  "p50_ms", "p90_ms",
        "p95_ms",        "p99_ms",         "p999_ms",  "p9999_ms", "mean_ms", "max_ms"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_true(json_is_number(json_object_get(stage, names[i])));
    assert_string_equal(json_string_value(json_object_get(stage, "name")), "<opening> & co");
    json_t *errors = json_object_get(stage, "errors_by_code");
    assert_int_equal(json_integer_value(json_object_get(errors, "TIMED_OUT")), 1204);
    assert_int_equal(json_integer_value(json_object_get(stage, "errors")),
                     stage_errors(&r.stages[1]));
    json_t *audit = json_object_get(root, "audit");
    assert_int_equal(json_integer_value(json_object_get(audit, "oversold")), 3);
    assert_int_equal(json_integer_value(json_object_get(audit, "undersold")), 0);
    assert_int_equal(json_integer_value(json_object_get(audit, "lost")), 2);
    assert_int_equal(json_integer_value(json_object_get(audit, "duplicated")), 1);
    assert_int_equal(json_array_size(json_object_get(audit, "findings")), 4);
    assert_true(json_is_null(json_object_get(json_object_get(stage, "server"), "cpu_percent")));
    assert_string_equal(json_string_value(json_object_get(root, "end")), "server_gone");
    json_decref(root);
    report_close(&r);
}

static void the_distribution_is_small_and_complete(void **state)
{
    (void)state;
    struct report r;
    fixture_staircase(&r);
    json_t *root = written(&r), *list = json_object_get(root, "distribution");
    size_t size = json_array_size(list);
    assert_in_range(size, 100, DISTRIBUTION_POINTS_MAX);
    double before = 0;
    uint64_t total = 0;
    double p99 = 0;
    for (size_t i = 0; i < size; i++) {
        json_t *step = json_array_get(list, i);
        double upper = json_number_value(json_array_get(step, 0));
        assert_true(upper > before);
        before = upper;
        total += (uint64_t)json_integer_value(json_array_get(step, 1));
        if (p99 == 0 && (double)total >= 0.99 * (double)r.histogram.count)
            p99 = upper;
    }
    assert_int_equal(total, r.histogram.count);
    assert_true(fabs(before - r.latency.max) < 0.001);
    assert_true(fabs(p99 / r.latency.p99 - 1) < 0.05);
    json_decref(root);
    report_close(&r);
}

static void assert_same_stage(const struct report_stage *a, const struct report_stage *b)
{
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->offered, b->offered);
    assert_int_equal(a->answered, b->answered);
    assert_memory_equal(a->codes, b->codes, sizeof(a->codes));
    assert_true(fabs(a->latency.p999 - b->latency.p999) < 0.001);
    assert_true(fabs(a->latency.max - b->latency.max) < 0.001);
    assert_true(fabs(a->server.cpu_share - b->server.cpu_share) < 0.001);
    assert_true(fabs(a->server.memory_bytes - b->server.memory_bytes) < 1);
    assert_int_equal(a->connections, b->connections);
    assert_int_equal(a->resets, b->resets);
}

static void a_file_from_before_there_were_groups_is_read(void **state)
{
    (void)state;
    struct report a, b;
    struct error e = {0};
    fixture_group_buy(&a);
    json_t *root = written(&a), *audit = json_object_get(root, "audit");
    static const char *const newer[] = {"groups_wrong",     "limits_broken", "groups_opened",
                                        "groups_succeeded", "groups_failed", "groups_refunded"};
    for (size_t i = 0; i < sizeof(newer) / sizeof(newer[0]); i++)
        assert_int_equal(json_object_del(audit, newer[i]), 0);
    assert_int_equal(json_dump_file(root, fixture_path("r.json"), 0), 0);
    json_decref(root);
    if (report_read(&b, fixture_path("r.json"), &e))
        fail_msg("%s", e.text);
    assert_int_equal(b.audit.groups_opened, 0);
    assert_int_equal(b.audit.probed, a.audit.probed);
    report_close(&a);
    report_close(&b);
}

static void what_was_written_is_read_again(void **state)
{
    (void)state;
    static void (*const make[])(struct report *) = {
        fixture_flash_sale, fixture_staircase, fixture_group_buy, fixture_broken, fixture_empty};
    for (size_t m = 0; m < sizeof(make) / sizeof(make[0]); m++) {
        struct report a, b;
        struct error e = {0};
        make[m](&a);
        assert_int_equal(report_write_json(&a, fixture_path("r.json"), &e), 0);
        if (report_read(&b, fixture_path("r.json"), &e))
            fail_msg("%s", e.text);
        assert_string_equal(a.command, b.command);
        assert_string_equal(a.started_at, b.started_at);
        assert_string_equal(a.end_text, b.end_text);
        assert_int_equal(a.end, b.end);
        assert_int_equal(a.setting_count, b.setting_count);
        for (uint32_t i = 0; i < a.setting_count; i++)
            assert_string_equal(report_setting(&b, a.settings[i].name), a.settings[i].value);
        assert_int_equal(a.machine_count, b.machine_count);
        assert_int_equal(a.stage_count, b.stage_count);
        for (uint32_t i = 0; i < a.stage_count; i++)
            assert_same_stage(&a.stages[i], &b.stages[i]);
        assert_int_equal(a.point_count, b.point_count);
        for (uint32_t i = 0; i < a.point_count; i++) {
            assert_int_equal(a.points[i].stage, b.points[i].stage);
            assert_true(fabs(a.points[i].p99_ms - b.points[i].p99_ms) < 0.001);
            assert_true(fabs(a.points[i].refused_per_s - b.points[i].refused_per_s) < 0.001);
        }
        assert_memory_equal(&a.audit, &b.audit, offsetof(struct audit_result, reason));
        assert_string_equal(a.audit.reason, b.audit.reason);
        assert_int_equal(a.audit.finding_count, b.audit.finding_count);
        assert_int_equal(a.audit.in_doubt_held, b.audit.in_doubt_held);
        assert_int_equal(a.audit.groups_opened, b.audit.groups_opened);
        assert_int_equal(a.audit.groups_succeeded, b.audit.groups_succeeded);
        assert_int_equal(a.audit.groups_failed, b.audit.groups_failed);
        assert_int_equal(a.audit.groups_refunded, b.audit.groups_refunded);
        assert_int_equal(a.histogram.lost, b.histogram.lost);
        report_close(&a);
        report_close(&b);
    }
}

/* `json` stands for the file; what report_read() says of it. */
static void assert_refused(const char *json, const char *because)
{
    FILE *to = fopen(fixture_path("bad.json"), "w");
    assert_non_null(to);
    fputs(json, to);
    fclose(to);
    struct report r;
    struct error e = {0};
    assert_int_equal(report_read(&r, fixture_path("bad.json"), &e), TLY_EINVALID_ARGUMENT);
    if (!strstr(e.text, because) || !strstr(e.text, "bad.json"))
        fail_msg("'%s', not '%s'", e.text, because);
}

/* A good file with the last `from` replaced by `to`. */
static char *changed(const char *from, const char *to)
{
    struct report r;
    struct error e = {0};
    fixture_broken(&r);
    assert_int_equal(report_write_json(&r, fixture_path("r.json"), &e), 0);
    report_close(&r);
    char *text = fixture_read_file(fixture_path("r.json")), *at = NULL, *made;
    for (char *p = strstr(text, from); p; p = strstr(p + 1, from))
        at = p;
    assert_non_null(at);
    assert_true(asprintf(&made, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from)) > 0);
    free(text);
    return made;
}

static void a_file_that_is_none_of_ours_says_what_is_missing(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *because;
    } cases[] = {
        {"\"tally-bench-report\"", "\"other\"", "format is not"},
        {"\"version\": 1", "\"version\": 2", "version is not 1"},
        {"\"oversold\": 3, ", "", "audit.oversold is missing"},
        {"\"oversold\": 3", "\"oversold\": -1", "audit.oversold is not a whole number"},
        {"\"complete\": false", "\"complete\": 0", "audit.complete is neither"},
        {"\"end\": \"server_gone\"", "\"end\": \"so\"", "end is not"},
        {"\"name\": \"tail\"", "\"name\": 3", "stages[2].name is not text"},
        {"\"TIMED_OUT\": 1204", "\"TIMED_OUT\": \"x\"", "stages[1].TIMED_OUT is not a whole"},
        {"\"stage\": 3", "\"stage\": 4", "series[25].stage is not one of the stages"},
        {"\"stages\"", "\"steps\"", "stages is missing"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text = changed(cases[i].from, cases[i].to);
        assert_refused(text, cases[i].because);
        free(text);
    }
    assert_refused("", "is not JSON");
    assert_refused("[1, 2]", "format is not");
    struct report r;
    struct error e = {0};
    assert_int_equal(report_read(&r, fixture_path("none.json"), &e), TLY_EIO);
    assert_non_null(strstr(e.text, "none.json: No such file"));
}

static void a_code_of_a_newer_version_counts_as_another(void **state)
{
    (void)state;
    char *text = changed("\"TIMED_OUT\": 1204", "\"SOMETHING_NEW\": 1204");
    FILE *to = fopen(fixture_path("new.json"), "w");
    fputs(text, to);
    fclose(to);
    free(text);
    struct report r;
    assert_int_equal(report_read(&r, fixture_path("new.json"), NULL), 0);
    assert_int_equal(r.stages[1].codes[ANSWER_OTHER], 1204);
    report_close(&r);
}

static void text_that_is_not_utf8_does_not_break_the_file(void **state)
{
    (void)state;
    struct report r;
    fixture_flash_sale(&r);
    snprintf(r.command, sizeof(r.command), "tally bench --lot caf\xc3");
    r.points[3].p99_ms = NAN;
    r.stages[0].streams_per_connection = INFINITY;
    json_t *root = written(&r);
    assert_string_equal(json_string_value(json_object_get(root, "command")),
                        "tally bench --lot caf?");
    json_decref(root);
    report_close(&r);
}

static void a_file_is_replaced_whole_or_not_at_all(void **state)
{
    (void)state;
    struct report r;
    struct error e = {0};
    fixture_flash_sale(&r);
    assert_int_equal(report_write_json(&r, fixture_path("no/r.json"), &e), TLY_EIO);
    assert_non_null(strstr(e.text, "no/r.json: No such file"));
    assert_int_equal(report_write_json(&r, "/dev/full", &e), TLY_EIO);
    assert_non_null(strstr(e.text, "/dev/full: No space left"));
    assert_int_equal(report_write_json(&r, "/dev/null", &e), 0);
    assert_int_equal(report_write_json(&r, "/tmp", &e), TLY_EIO);

    /* A link stays a link, and the mode is that of any new file. */
    char target[512], link[512];
    snprintf(target, sizeof(target), "%s", fixture_path("target.json"));
    snprintf(link, sizeof(link), "%s", fixture_path("link.json"));
    FILE *to = fopen(target, "w");
    fputs("before", to);
    fclose(to);
    assert_int_equal(symlink(target, link), 0);
    size_t files = fixture_folder_size();
    struct rlimit before, small;
    getrlimit(RLIMIT_FSIZE, &before);
    small = (struct rlimit){1000, before.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    int status = report_write_json(&r, link, &e);
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(status, TLY_EIO);
    assert_non_null(strstr(e.text, "link.json: File too large"));
    assert_int_equal(fixture_folder_size(), files);
    char *kept = fixture_read_file(target);
    assert_string_equal(kept, "before");
    free(kept);

    mode_t mask = umask(027);
    assert_int_equal(report_write_json(&r, link, &e), 0);
    umask(mask);
    assert_int_equal(fixture_folder_size(), files);
    struct stat s;
    assert_int_equal(lstat(link, &s), 0);
    assert_true(S_ISLNK(s.st_mode));
    assert_int_equal(lstat(target, &s), 0);
    assert_int_equal(s.st_mode & 0777, 0640);
    assert_true(s.st_size > 1000);
    report_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_names_that_the_issue_fixed_are_there),
        cmocka_unit_test(the_distribution_is_small_and_complete),
        cmocka_unit_test(a_file_from_before_there_were_groups_is_read),
        cmocka_unit_test(what_was_written_is_read_again),
        cmocka_unit_test(a_file_that_is_none_of_ours_says_what_is_missing),
        cmocka_unit_test(a_code_of_a_newer_version_counts_as_another),
        cmocka_unit_test(text_that_is_not_utf8_does_not_break_the_file),
        cmocka_unit_test(a_file_is_replaced_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, open_folder, close_folder);
}
