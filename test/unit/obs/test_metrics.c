/* Counters and histograms, and the two text formats that they are read in. */
#include "fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "obs/metrics.h"

static char *render(enum metrics_format format)
{
    struct metrics_text t = {.format = format};
    metrics_render(&t);
    metrics_text_end(&t);
    assert_int_equal(t.failed, 0);
    assert_non_null(t.data);
    return t.data;
}

static void assert_text_has(const char *text, const char *line)
{
    if (!strstr(text, line))
        fail_msg("no line '%s' in:\n%s", line, text);
}

static int forget_all(void **state)
{
    (void)state;
    metrics_destroy_all();
    return 0;
}

static void shards_are_summed(void **state)
{
    (void)state;
    struct metrics *a = metrics_create(), *b = metrics_create();
    metrics_add(a, METRIC_BYTES_IN, 0, 40);
    metrics_add(b, METRIC_BYTES_IN, 0, 2);
    metrics_add(a, METRIC_GATE_VERDICTS, 1, 7);
    char *text = render(METRICS_PROMETHEUS);
    assert_text_has(text, "\ntally_received_bytes_total 42\n");
    assert_text_has(text, "\ntally_gate_verdicts_total{verdict=\"sold_out\"} 7\n");
    assert_text_has(text, "\ntally_gate_verdicts_total{verdict=\"pass\"} 0\n");
    free(text);
}

static void requests_are_counted_by_call_and_code(void **state)
{
    (void)state;
    struct metrics *m = metrics_create();
    metrics_request(m, CALL_RESERVE, 0, 1000);
    metrics_request(m, CALL_RESERVE, TLY_ESOLD_OUT, 1000);
    metrics_request(m, CALL_RESERVE, TLY_ESOLD_OUT, 1000);
    metrics_request(m, CALL_CONFIRM, -9999, 1000);
    char *text = render(METRICS_PROMETHEUS);
    assert_text_has(text, "\ntally_requests_total{call=\"Reserve\",code=\"OK\"} 1\n");
    assert_text_has(text, "\ntally_requests_total{call=\"Reserve\",code=\"SOLD_OUT\"} 2\n");
    assert_text_has(text, "\ntally_requests_total{call=\"Confirm\",code=\"INTERNAL\"} 1\n");
    assert_text_has(text, "\ntally_request_duration_seconds_count{call=\"Reserve\"} 3\n");
    assert_text_has(text, "\ntally_request_duration_seconds_sum{call=\"Reserve\"} 0.000003000\n");
    free(text);
}

/* The value falls into the bucket `le` and not into the one below it. */
static void check_duration(uint64_t ns, const char *le, const char *below)
{
    char line[128];
    metrics_destroy_all();
    metrics_observe(metrics_create(), METRIC_HISTOGRAM_COMMIT, ns);
    char *text = render(METRICS_PROMETHEUS);
    snprintf(line, sizeof line, "\ntally_commit_duration_seconds_bucket{le=\"%s\"} 1\n", le);
    assert_text_has(text, line);
    if (below) {
        snprintf(line, sizeof line, "\ntally_commit_duration_seconds_bucket{le=\"%s\"} 0\n", below);
        assert_text_has(text, line);
    }
    free(text);
}

static void a_duration_falls_into_the_bucket_whose_bound_it_does_not_exceed(void **state)
{
    (void)state;
    static const struct {
        uint64_t ns;
        const char *le;
    } bounds[] = {{50000, "5e-05"},    {100000, "0.0001"},   {250000, "0.00025"},
                  {500000, "0.0005"},  {1000000, "0.001"},   {2500000, "0.0025"},
                  {5000000, "0.005"},  {10000000, "0.01"},   {25000000, "0.025"},
                  {50000000, "0.05"},  {100000000, "0.1"},   {250000000, "0.25"},
                  {500000000, "0.5"},  {1000000000, "1.0"},  {2500000000, "2.5"},
                  {5000000000, "5.0"}, {10000000000, "10.0"}};
    const size_t n = sizeof bounds / sizeof bounds[0];
    check_duration(0, "5e-05", NULL);
    for (size_t i = 0; i < n; i++) {
        check_duration(bounds[i].ns, bounds[i].le, i ? bounds[i - 1].le : NULL);
        check_duration(bounds[i].ns + 1, i + 1 < n ? bounds[i + 1].le : "+Inf", bounds[i].le);
    }
    check_duration(UINT64_MAX, "+Inf", "10.0");
}

static void plain_numbers_have_buckets_of_powers_of_two(void **state)
{
    (void)state;
    struct metrics *m = metrics_create();
    metrics_observe(m, METRIC_HISTOGRAM_BATCH, 1);
    metrics_observe(m, METRIC_HISTOGRAM_BATCH, 8190);
    metrics_observe(m, METRIC_HISTOGRAM_BATCH, 8192);
    metrics_observe(m, METRIC_HISTOGRAM_BATCH, 65537);
    char *text = render(METRICS_PROMETHEUS);
    assert_text_has(text, "\ntally_batch_moves_bucket{le=\"1.0\"} 1\n");
    assert_text_has(text, "\ntally_batch_moves_bucket{le=\"4096.0\"} 1\n");
    assert_text_has(text, "\ntally_batch_moves_bucket{le=\"8192.0\"} 3\n");
    assert_text_has(text, "\ntally_batch_moves_bucket{le=\"65536.0\"} 3\n");
    assert_text_has(text, "\ntally_batch_moves_bucket{le=\"+Inf\"} 4\n");
    assert_text_has(text, "\ntally_batch_moves_sum 81920\n");
    free(text);
}

static void openmetrics_names_a_counter_without_total_and_ends_with_eof(void **state)
{
    (void)state;
    metrics_add(metrics_create(), METRIC_BYTES_IN, 0, 1);
    char *text = render(METRICS_OPENMETRICS);
    assert_text_has(text,
                    "\n# TYPE tally_received_bytes counter\n# UNIT tally_received_bytes bytes\n");
    assert_text_has(text, "\ntally_received_bytes_total 1\n");
    assert_text_has(text, "\n# UNIT tally_commit_duration_seconds seconds\n");
    assert_string_equal(text + strlen(text) - 6, "# EOF\n");
    free(text);
    text = render(METRICS_PROMETHEUS);
    assert_text_has(text, "\n# TYPE tally_received_bytes_total counter\n");
    assert_null(strstr(text, "# EOF"));
    assert_null(strstr(text, "# UNIT"));
    free(text);
}

static void the_accept_header_chooses_the_format(void **state)
{
    (void)state;
    assert_int_equal(metrics_format_of(STR("*/*")), METRICS_PROMETHEUS);
    assert_int_equal(metrics_format_of((struct str){0}), METRICS_PROMETHEUS);
    assert_int_equal(
        metrics_format_of(STR("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.2")),
        METRICS_OPENMETRICS);
    static const struct {
        const char *accept;
        enum metrics_format format;
    } rows[] = {
        {"application/openmetrics-text;q=0", METRICS_PROMETHEUS},
        {"application/openmetrics-text; Q=0.000", METRICS_PROMETHEUS},
        {"application/openmetrics-text;q=0.2, text/plain;q=0.3", METRICS_PROMETHEUS},
        {"text/plain;q=0.3 , Application/OpenMetrics-Text; version=1.0.0; q=0.31",
         METRICS_OPENMETRICS},
        {"text/plain, application/openmetrics-text", METRICS_OPENMETRICS},
        {"x-application/openmetrics-text", METRICS_PROMETHEUS},
        {"application/openmetrics-textual", METRICS_PROMETHEUS},
        {",,;;=", METRICS_PROMETHEUS},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(metrics_format_of(str_of(rows[i].accept)), rows[i].format);
    struct str type = metrics_content_type(METRICS_OPENMETRICS);
    assert_non_null(memmem(type.p, type.len, "openmetrics", 11));
}

static void promtool_finds_nothing_to_complain_about(void **state)
{
    (void)state;
    skip_without("promtool");
    metrics_request(metrics_create(), CALL_RESERVE, 0, 123456);
    char *text = render(METRICS_PROMETHEUS);
    FILE *promtool = popen("promtool check metrics", "w");
    assert_non_null(promtool);
    assert_int_equal(fwrite(text, 1, strlen(text), promtool), strlen(text));
    assert_int_equal(pclose(promtool), 0);
    free(text);
}

static void *count_a_million(void *shard)
{
    for (int i = 0; i < 1000000; i++)
        metrics_add(shard, METRIC_ENGINE_TURNS, 0, 1);
    return NULL;
}

static void reading_while_a_thread_counts_loses_nothing(void **state)
{
    (void)state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, count_a_million, metrics_create()), 0);
    for (int i = 0; i < 20; i++)
        free(render(METRICS_PROMETHEUS));
    pthread_join(thread, NULL);
    char *text = render(METRICS_PROMETHEUS);
    assert_text_has(text, "\ntally_engine_turns_total 1000000\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(shards_are_summed, forget_all),
        cmocka_unit_test_teardown(requests_are_counted_by_call_and_code, forget_all),
        cmocka_unit_test_teardown(a_duration_falls_into_the_bucket_whose_bound_it_does_not_exceed,
                                  forget_all),
        cmocka_unit_test_teardown(plain_numbers_have_buckets_of_powers_of_two, forget_all),
        cmocka_unit_test_teardown(openmetrics_names_a_counter_without_total_and_ends_with_eof,
                                  forget_all),
        cmocka_unit_test(the_accept_header_chooses_the_format),
        cmocka_unit_test_teardown(promtool_finds_nothing_to_complain_about, forget_all),
        cmocka_unit_test_teardown(reading_while_a_thread_counts_loses_nothing, forget_all),
    };
    return tests_end(cmocka_run_group_tests(tests, NULL, NULL));
}
