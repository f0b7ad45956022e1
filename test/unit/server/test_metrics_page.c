/* The page that /metrics answers with. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/documents.h"
#include "server/metrics_page.h"

static void fake_stats(struct ledger *l, struct ledger_stats *out)
{
    (void)l;
    out->commits_total = 3;
    out->commit_us_total = 1234567;
    out->wal_bytes = 4096;
}

static const struct ledger_ops fake_ops = {.stats = fake_stats};
static struct ledger fake_ledger = {.ops = &fake_ops};
static struct state server_state;
static struct metrics_page page = {
    .ledger = &fake_ledger, .state = &server_state, .started_ms = 1764000000123};

static const struct lot_dims cola = {.key = {"COLA#0123abcd", 13}};
static const struct figures figures = {
    .stats = {.holds_pending = 4, .holds_overdue = 1, .reserved_total = 9, .order_index_bytes = 77},
    .top = {{.id = 1, .dims = &cola, .stock = {.on_hand = 10, .reserved = 3, .confirmed = 2}}},
    .top_count = 1,
    .age_ns = 1250000000};

static int begin(void **state)
{
    (void)state;
    return state_init(&server_state, NULL);
}

static int finish(void **state)
{
    (void)state;
    metrics_destroy_all();
    state_close(&server_state);
    return 0;
}

static char *render(enum metrics_format format)
{
    size_t size = 0;
    char *text = metrics_page_render(&page, format, &figures, &size);
    assert_non_null(text);
    assert_int_equal(strlen(text), size);
    return text;
}

static void assert_line(const char *text, const char *line)
{
    char with_ends[160];
    snprintf(with_ends, sizeof with_ends, "\n%s\n", line);
    if (!strstr(text, with_ends))
        fail_msg("no line '%s' in:\n%s", line, text);
}

static void engine_ledger_lots_and_process_are_on_the_page(void **state)
{
    (void)state;
    char *text = render(METRICS_PROMETHEUS);
    assert_line(text, "tally_build_info{version=\"" TALLY_VERSION "\"} 1");
    assert_line(text, "tally_engine_order_index_bytes 77");
    assert_line(text, "tally_engine_holds_pending 4");
    assert_line(text, "tally_engine_holds_overdue 1");
    assert_line(text, "tally_engine_figures_age_seconds 1.250");
    assert_line(text, "tally_ledger_commits_total 3");
    assert_line(text, "tally_ledger_commit_seconds_total 1.234567");
    assert_line(text, "tally_lot_available{lot=\"COLA#0123abcd\"} 5");
    assert_line(text, "process_start_time_seconds 1764000000.123");
    const char *resident = strstr(text, "\nprocess_resident_memory_bytes ");
    assert_true(resident && atoll(strchr(resident, ' ')) > 100000);
    const char *threads = strstr(text, "\nprocess_threads ");
    assert_true(threads && atoll(strchr(threads, ' ')) >= 1);
    free(text);
}

static void the_ledger_is_down_on_the_page_while_it_is_down(void **state)
{
    (void)state;
    char *text = render(METRICS_PROMETHEUS);
    assert_line(text, "tally_ledger_up 1");
    free(text);
    state_set_ledger(&server_state, false, "disk full");
    text = render(METRICS_PROMETHEUS);
    assert_line(text, "tally_ledger_up 0");
    free(text);
}

static void readiness_follows_start_ledger_and_drain(void **state)
{
    (void)state;
    char why[STATE_WHY_MAX] = "";
    assert_int_equal(state_readiness(&server_state, why, sizeof why), READY_STARTING);
    atomic_store(&server_state.started, true);
    assert_int_equal(state_readiness(&server_state, why, sizeof why), READY_YES);
    state_set_ledger(&server_state, false, "disk full");
    assert_int_equal(state_readiness(&server_state, why, sizeof why), READY_LEDGER_DOWN);
    assert_string_equal(why, "disk full");
    state_set_ledger(&server_state, true, NULL);
    assert_int_equal(state_readiness(&server_state, why, sizeof why), READY_YES);
    state_publish_turn(&server_state, clock_monotonic_ns());
    assert_int_equal(state_readiness(&server_state, why, sizeof why), READY_YES);
    state_publish_turn(&server_state, clock_monotonic_ns() - ENGINE_STUCK_NS - 1);
    assert_int_equal(state_readiness(&server_state, why, sizeof why), READY_ENGINE_STUCK);
    atomic_store(&server_state.draining, true);
    assert_int_equal(state_readiness(&server_state, why, sizeof why), READY_DRAINING);
}

static void the_published_clock_gives_ledger_time(void **state)
{
    (void)state;
    struct ledger_clock clock;
    int64_t far_ms = INT64_C(4102444800000); /* 2100: later than the wall clock */
    ledger_clock_init(&clock, far_ms, 1000, false);
    state_publish_clock(&server_state, &clock);
    int64_t now_ms = state_now_ms(&server_state);
    assert_true(now_ms >= far_ms && now_ms < far_ms + 10000);
}

static void a_doubted_wall_clock_is_told_with_both_times_while_the_server_is_ready(void **state)
{
    (void)state;
    char why[STATE_WHY_MAX];
    struct ledger_clock clock;
    ledger_clock_init(&clock, INT64_C(4102444800000), 1000, false);
    state_publish_clock(&server_state, &clock);
    atomic_store(&server_state.draining, false);
    atomic_store(&server_state.started, true);
    state_set_ledger(&server_state, true, NULL);
    assert_int_equal(state_readiness(&server_state, why, sizeof why), READY_YES);
    assert_non_null(strstr(why, "the ledger's time is 2100-01-01T00:00:0"));
    assert_non_null(strstr(why, "--accept-clock"));
    ledger_clock_init(&clock, 0, 1000, false);
    state_publish_clock(&server_state, &clock);
    assert_int_equal(state_readiness(&server_state, why, sizeof why), READY_YES);
    assert_string_equal(why, "");
}

static void promtool_finds_nothing_to_complain_about(void **state)
{
    (void)state;
    skip_without("promtool");
    char *text = render(METRICS_PROMETHEUS);
    FILE *promtool = popen("promtool check metrics", "w");
    assert_non_null(promtool);
    assert_int_equal(fwrite(text, 1, strlen(text), promtool), strlen(text));
    assert_int_equal(pclose(promtool), 0);
    free(text);
}

static void openmetrics_has_no_total_in_its_metadata_and_an_end(void **state)
{
    (void)state;
    char *text = render(METRICS_OPENMETRICS);
    char *rest = text, *line;
    assert_string_equal(text + strlen(text) - 6, "# EOF\n");
    while ((line = strsep(&rest, "\n"))) {
        if (strncmp(line, "# TYPE ", 7) != 0)
            continue;
        char *type = strrchr(line, ' ');
        if (memcmp(type - 6, "_total", 6) == 0)
            fail_msg("%s", line);
    }
    free(text);
}

static void the_documentation_names_every_metric_of_the_page(void **state)
{
    (void)state;
    char *document = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&document, &size);
    metrics_page_print_markdown(out);
    fclose(out);
    char *text = render(METRICS_PROMETHEUS);
    char *rest = text, *line;
    unsigned families = 0;
    while ((line = strsep(&rest, "\n"))) {
        char row[128];
        if (strncmp(line, "# TYPE ", 7) != 0)
            continue;
        families++;
        const char *at = document;
        int length = snprintf(row, sizeof row, "| `%.*s", (int)strcspn(line + 7, " "), line + 7);
        while ((at = strstr(at, row)) && at[length] != '`' && at[length] != '{')
            at++;
        if (!at)
            fail_msg("%s is not documented", line + 7);
    }
    assert_true(families > 50);
    free(text);
    free(document);
}

#define PAGE_TEST(f) cmocka_unit_test_setup_teardown(f, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PAGE_TEST(engine_ledger_lots_and_process_are_on_the_page),
        PAGE_TEST(the_ledger_is_down_on_the_page_while_it_is_down),
        PAGE_TEST(readiness_follows_start_ledger_and_drain),
        PAGE_TEST(the_published_clock_gives_ledger_time),
        PAGE_TEST(a_doubted_wall_clock_is_told_with_both_times_while_the_server_is_ready),
        PAGE_TEST(promtool_finds_nothing_to_complain_about),
        PAGE_TEST(openmetrics_has_no_total_in_its_metadata_and_an_end),
        PAGE_TEST(the_documentation_names_every_metric_of_the_page),
    };
    return tests_end(cmocka_run_group_tests(tests, NULL, NULL));
}
