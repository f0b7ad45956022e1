/* Log lines: form, escaping, limits. */
#include "fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "obs/log.h"

enum { CAPTURE_MAX = 1 << 20 };

static int saved_stderr, captured;

static int capture(void **state)
{
    char path[] = "/tmp/tally-log-XXXXXX";
    (void)state;
    captured = mkstemp(path);
    unlink(path);
    saved_stderr = dup(STDERR_FILENO);
    dup2(captured, STDERR_FILENO);
    log_set_level(LOG_INFO);
    return 0;
}

/* What was written since the test began; stderr is as before. */
static char *written(void)
{
    char *text = calloc(1, CAPTURE_MAX);
    dup2(saved_stderr, STDERR_FILENO);
    assert_true(pread(captured, text, CAPTURE_MAX - 1, 0) >= 0);
    return text;
}

static int release(void **state)
{
    (void)state;
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    close(captured);
    return 0;
}

static void a_line_is_an_object_with_time_level_event_and_fields(void **state)
{
    (void)state;
    log_event(LOG_WARN, "ledger.down", log_text("why", "disk full"), log_int("waiting", -3));
    char *text = written();
    assert_memory_equal(text, "{\"time\":\"20", 11);
    assert_non_null(strstr(text,
                           "Z\",\"level\":\"warn\",\"event\":\"ledger.down\",\"why\":\"disk full\","
                           "\"waiting\":-3}\n"));
    free(text);
}

static void an_event_without_fields_is_a_line_too(void **state)
{
    (void)state;
    log_event(LOG_INFO, "plain");
    char *text = written();
    assert_non_null(strstr(text, "\"event\":\"plain\"}\n"));
    free(text);
}

static void lines_below_the_level_are_not_written(void **state)
{
    (void)state;
    log_event(LOG_DEBUG, "hidden");
    log_set_level(LOG_DEBUG);
    log_event(LOG_DEBUG, "shown");
    char *text = written();
    assert_null(strstr(text, "hidden"));
    assert_non_null(strstr(text, "shown"));
    free(text);
}

static void text_is_escaped_and_bytes_that_are_not_utf8_are_replaced(void **state)
{
    (void)state;
    log_event(LOG_INFO, "e",
              log_str("a", STR("q\"b\\n\n\x01 \xc3\xa9 \xff \xed\xa0\x80 \xc0\xaf")));
    char *text = written();
    assert_non_null(strstr(text,
                           "\"a\":\"q\\\"b\\\\n\\u000a\\u0001 \xc3\xa9 \xef\xbf\xbd "
                           "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd\"}\n"));
    free(text);
}

static void a_value_longer_than_a_line_is_left_out_and_the_line_stays_whole(void **state)
{
    (void)state;
    for (uint32_t size = LOG_LINE_MAX - 120; size < LOG_LINE_MAX + 20; size++) {
        char *value = malloc(size);
        memset(value, 'x', size);
        log_event(LOG_INFO, "long", log_int("first", 1), log_str("v", ((struct str){value, size})),
                  log_int("last", 2));
        free(value);
    }
    char *text = written();
    char *rest = text, *line;
    while ((line = strsep(&rest, "\n")) && *line) {
        assert_int_equal(line[0], '{');
        assert_int_equal(line[strlen(line) - 1], '}');
        assert_true(strlen(line) < LOG_LINE_MAX);
        assert_non_null(strstr(line, "\"first\":1"));
    }
    free(text);
}

static int64_t second_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec;
}

static void a_flood_of_one_event_is_cut_and_told_of(void **state)
{
    (void)state;
    int64_t second;
    long sent = 0, written_lines = 0, told = 0;
    do { /* until a flood fits into one second */
        second = second_now();
        for (int i = 0; i < LOG_BURST * 3 / 2; i++)
            log_event(LOG_INFO, "flood");
        sent += LOG_BURST * 3 / 2;
        log_event(LOG_INFO, "other");
    } while (second_now() != second);
    AWAIT(second_now() != second);
    log_event(LOG_INFO, "other");
    char *text = written();
    for (char *p = text; (p = strstr(p, "\"flood\"}")); p++)
        written_lines++;
    for (char *p = text; (p = strstr(p, "\"of\":\"flood\",\"lines\":")); p++)
        told += strtol(p + strlen("\"of\":\"flood\",\"lines\":"), NULL, 10);
    assert_true(written_lines >= LOG_BURST && told >= LOG_BURST / 2);
    assert_int_equal(written_lines + told, sent);
    assert_non_null(strstr(text, "\"other\"}"));
    free(text);
}

static void level_names_are_parsed(void **state)
{
    (void)state;
    assert_int_equal(log_level_parse("debug"), LOG_DEBUG);
    assert_int_equal(log_level_parse("error"), LOG_ERROR);
    assert_int_equal(log_level_parse("Error"), -1);
    assert_int_equal(log_level_parse(""), -1);
}

#define LOG_TEST(f) cmocka_unit_test_setup_teardown(f, capture, release)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOG_TEST(a_line_is_an_object_with_time_level_event_and_fields),
        LOG_TEST(an_event_without_fields_is_a_line_too),
        LOG_TEST(lines_below_the_level_are_not_written),
        LOG_TEST(text_is_escaped_and_bytes_that_are_not_utf8_are_replaced),
        LOG_TEST(a_value_longer_than_a_line_is_left_out_and_the_line_stays_whole),
        LOG_TEST(a_flood_of_one_event_is_cut_and_told_of),
        cmocka_unit_test(level_names_are_parsed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
