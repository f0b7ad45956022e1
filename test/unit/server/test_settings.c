/* Settings: each source, who overrides whom, and what every fault says. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/settings.h"

static char *const no_environment[] = {NULL};

static struct settings defaults(void)
{
    struct settings s;
    settings_default(&s);
    return s;
}

static void assert_says(const struct error *e, const char *part)
{
    if (!strstr(e->text, part))
        fail_msg("'%s' does not say '%s'", e->text, part);
}

static void refuses_text(const char *text, const char *part)
{
    struct settings s = defaults(), before = s;
    struct error e = {0};
    assert_int_equal(settings_parse_text(&s, "t.conf", str_of(text), &e), TLY_EINVALID_ARGUMENT);
    assert_says(&e, part);
    assert_memory_equal(&s, &before, sizeof s);
}

static void the_defaults_are_within_their_own_bounds(void **state)
{
    (void)state;
    struct settings s = defaults(), copy = s;
    struct error e = {0};
    assert_int_equal(settings_check(&s, &e), 0);
    for (size_t i = 0; i < settings_count; i++) {
        char text[SETTING_TEXT_MAX];
        setting_format(&settings_table[i], &s, text, sizeof text);
        if (settings_set(&copy, "test", str_of(settings_table[i].key), str_of(text), &e) != 0)
            fail_msg("%s", e.text);
    }
    assert_memory_equal(&s, &copy, sizeof s);
}

static void every_setting_stands_in_a_group(void **state)
{
    (void)state;
    size_t sum = 0;
    for (size_t i = 0; i < setting_groups_count; i++)
        sum += setting_groups[i].count;
    assert_int_equal(sum, settings_count);
}

static void a_file_has_keys_values_comments_and_empty_lines(void **state)
{
    (void)state;
    struct settings s = defaults();
    struct error e = {0};
    const char *text =
        "# a comment\n\n  data = /srv/tally  # where\r\nio_workers=3\n"
        "\tbody_max\t=\t2MiB\nhold_default_ms = 20m\nlog_requests = true\nflavors =\n"
        "node = 7";
    assert_int_equal(settings_parse_text(&s, "t.conf", str_of(text), &e), 0);
    assert_string_equal(s.data, "/srv/tally");
    assert_int_equal(s.io_workers, 3);
    assert_int_equal(s.body_max, 2097152);
    assert_int_equal(s.hold_default_ms, 1200000);
    assert_true(s.log_requests);
    assert_string_equal(s.flavors, "");
    assert_int_equal(s.node, 7);
}

static void an_unknown_key_names_its_line_and_the_nearest_key(void **state)
{
    (void)state;
    refuses_text("node = 1\n\nio_worker = 2\n", "t.conf:3: unknown setting io_worker");
    refuses_text("io_worker = 2\n", "the nearest is io_workers");
    refuses_text("hold_default = 2\n", "the nearest is hold_default_ms");
    refuses_text("colour = 2\n", "unknown setting colour; tally serve --help lists them");
    refuses_text("= 2\n", "unknown setting");
}

static void a_line_that_is_no_setting_is_refused(void **state)
{
    (void)state;
    refuses_text("io_workers 2\n", "t.conf:1: io_workers 2: must be key = value");
}

static void a_value_out_of_its_range_names_the_range(void **state)
{
    (void)state;
    refuses_text("io_workers = 65\n", "t.conf:1: io_workers = 65: must be 0 to 64");
    refuses_text("request_timeout_ms = 11m\n", "must be 1ms to 10m");
    refuses_text("body_max = 1023\n", "must be 1KiB to 64MiB");
    refuses_text("data =\n", "must be a text of 1 to 1000 bytes");
}

static void a_malformed_value_is_refused(void **state)
{
    (void)state;
    static const char *const values[] = {
        "",   "-1",   "+1", "1.5", "1e3", "0x10", "ten", "1 0", "1KiB", "99999999999999999999",
        "1s", "\x7f",
    };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct settings s = defaults();
        struct error e = {0};
        assert_int_equal(settings_set(&s, "test", STR("io_workers"), str_of(values[i]), &e),
                         TLY_EINVALID_ARGUMENT);
        assert_says(&e, "must be 0 to 64");
    }
    refuses_text("log_requests = yes\n", "must be true or false");
    refuses_text("hold_default_ms = 99999999999999d\n", "hold_default_ms");
    refuses_text("data = a\x01z\n", "data");
}

static void the_environment_is_read_by_upper_case_names(void **state)
{
    (void)state;
    struct settings s = defaults();
    struct error e = {0};
    char *const environment[] = {"HOME=/", "TALLY_IO_WORKERS=5", "TALLY_SERVER=x:1",
                                 "TALLY_CONFIG=/nowhere", NULL};
    assert_int_equal(settings_load_environment(&s, environment, &e), 0);
    assert_int_equal(s.io_workers, 5);
    char *const unknown[] = {"TALLY_IOWORKERS=5", NULL};
    assert_int_equal(settings_load_environment(&s, unknown, &e), TLY_EINVALID_ARGUMENT);
    assert_says(&e, "environment TALLY_IOWORKERS: unknown setting");
    char *const malformed[] = {"TALLY_IO_WORKERS=many", NULL};
    assert_int_equal(settings_load_environment(&s, malformed, &e), TLY_EINVALID_ARGUMENT);
    assert_says(&e, "environment TALLY_IO_WORKERS: io_workers = many: must be 0 to 64");
}

static void flags_take_their_value_as_a_word_or_after_an_equals_sign(void **state)
{
    (void)state;
    struct settings s = defaults();
    struct error e = {0};
    char *argv[] = {"serve",      "--io-workers", "2",        "--node=9", "--log-requests",
                    "--body_max", "1MiB",         "--config", "f",        "--archive-keep",
                    "false",      "--data",       "--odd"};
    assert_int_equal(settings_load_flags(&s, 13, argv, &e), 0);
    assert_int_equal(s.io_workers, 2);
    assert_int_equal(s.node, 9);
    assert_true(s.log_requests);
    assert_int_equal(s.body_max, 1048576);
    assert_false(s.archive_keep);
    assert_string_equal(s.data, "--odd");
}

static void a_faulty_flag_is_named(void **state)
{
    (void)state;
    static const struct {
        char *words[3];
        int count;
        const char *says;
    } rows[] = {
        {{"serve", "--io-workers"}, 2, "flag --io-workers: the value is missing"},
        {{"serve", "extra"}, 2, "extra: must be a flag"},
        {{"serve", "--"}, 2, "must be a flag"},
        {{"serve", "--portt", "1"}, 3, "flag --portt: unknown setting portt"},
        {{"serve", "--node=1024"}, 2, "flag --node: node = 1024: must be 0 to 1023"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct settings s = defaults();
        struct error e = {0};
        assert_int_equal(settings_load_flags(&s, rows[i].count, rows[i].words, &e),
                         TLY_EINVALID_ARGUMENT);
        assert_says(&e, rows[i].says);
    }
}

static void flags_override_the_environment_and_that_the_file(void **state)
{
    (void)state;
    char path[] = "/tmp/tally-settings-XXXXXX";
    int fd = mkstemp(path);
    const char text[] = "node = 1\nio_workers = 1\nbacklog = 1\n";
    assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
    close(fd);
    struct settings s;
    struct error e = {0};
    char *const environment[] = {"TALLY_NODE=2", "TALLY_IO_WORKERS=2", NULL};
    char *argv[] = {"serve", "--config", path, "--node", "3"};
    int code = settings_load(&s, 5, argv, environment, &e);
    unlink(path);
    assert_int_equal(code, 0);
    assert_int_equal(s.node, 3);
    assert_int_equal(s.io_workers, 2);
    assert_int_equal(s.backlog, 1);
    assert_int_equal(s.holds_max, 10000000);
}

static void a_file_that_is_not_there_is_named(void **state)
{
    (void)state;
    struct settings s = defaults();
    struct error e = {0};
    char *argv[] = {"serve", "--config=/nowhere/t.conf"};
    assert_int_equal(settings_load(&s, 2, argv, no_environment, &e), TLY_EIO);
    assert_says(&e, "cannot open /nowhere/t.conf: No such file");
}

static void settings_that_contradict_each_other_are_refused(void **state)
{
    (void)state;
    static char *const rows[][3] = {
        {"--hold-default-ms=2d", NULL, "hold_default_ms = 2d: must be at most hold_max_ms"},
        {"--hold-max-ms=4d", NULL, "must be at most hold_total_max_ms, which is 3d"},
        {"--archive-after-ms=1d", NULL, "order_retention_ms = 7d: must be at most archive"},
        {"--header-line-max=64KiB", NULL, "must be at most header_bytes_max"},
        {"--gate-order-filter-bytes=3MiB", NULL, "must be a power of two"},
        {"--dimensions=shoes", NULL, "dimensions = shoes: must be drinks or free"},
        {"--expiry-zone=Mars/Olympus", NULL,
         "expiry_zone: there is no time zone 'Mars/Olympus' in the tz database"},
        {"--log-level=loud", NULL, "log_level = loud: must be debug, info, warn or error"},
        {"--listen=7070", NULL, "listen = 7070: must be HOST:PORT"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct settings s = defaults();
        struct error e = {0};
        char *argv[] = {"serve", rows[i][0]};
        assert_int_equal(settings_load(&s, 2, argv, no_environment, &e), TLY_EINVALID_ARGUMENT);
        assert_says(&e, rows[i][2]);
    }
}

static void addresses_are_split_into_host_and_port(void **state)
{
    (void)state;
    char host[64];
    uint16_t port;
    assert_int_equal(settings_split_address("127.0.0.1:7070", host, sizeof host, &port, NULL), 0);
    assert_string_equal(host, "127.0.0.1");
    assert_int_equal(port, 7070);
    assert_int_equal(settings_split_address("[::1]:0", host, sizeof host, &port, NULL), 0);
    assert_string_equal(host, "::1");
    assert_int_equal(port, 0);
    static const char *const wrong[] = {"",
                                        ":7070",
                                        "[]:1",
                                        "h:",
                                        "h:65536",
                                        "h:-1",
                                        "h:1x",
                                        "::1:7070",
                                        "h: 1",
                                        "[::1]",
                                        "[::1]7",
                                        ":",
                                        "h:99999999999999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct error e = {0};
        if (settings_split_address(wrong[i], host, sizeof host, &port, &e) == 0)
            fail_msg("%s was taken", wrong[i]);
    }
}

struct changes {
    char text[512];
};

static void note_change(void *context, const struct setting *row, const char *from, const char *to)
{
    struct changes *changes = context;
    size_t size = strlen(changes->text);
    snprintf(changes->text + size, sizeof changes->text - size, "%s:%s>%s%s ", row->key, from, to,
             row->when == SETTING_RELOAD ? "" : "!");
}

static void a_reload_takes_over_what_may_change_and_tells_of_the_rest(void **state)
{
    (void)state;
    struct settings now = defaults(), wanted = defaults();
    struct changes changes = {""};
    wanted.request_timeout_ms = 500;
    wanted.io_workers = 4;
    snprintf(wanted.flavors, sizeof wanted.flavors, "lime,cherry");
    settings_reload(&now, &wanted, note_change, &changes);
    assert_string_equal(changes.text, "flavors:>lime,cherry request_timeout_ms:800ms>500ms "
                                      "io_workers:0>4! ");
    assert_int_equal(now.request_timeout_ms, 500);
    assert_int_equal(now.io_workers, 0);
    assert_string_equal(now.flavors, "lime,cherry");
}

static void help_and_markdown_name_every_setting(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    settings_print_markdown(out);
    settings_print_help(out);
    fclose(out);
    for (size_t i = 0; i < settings_count; i++) {
        char row[96];
        snprintf(row, sizeof row, "| `%s` |", settings_table[i].key);
        assert_non_null(strstr(text, row));
    }
    assert_non_null(strstr(text, "  --io-workers "));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_defaults_are_within_their_own_bounds),
        cmocka_unit_test(every_setting_stands_in_a_group),
        cmocka_unit_test(a_file_has_keys_values_comments_and_empty_lines),
        cmocka_unit_test(an_unknown_key_names_its_line_and_the_nearest_key),
        cmocka_unit_test(a_line_that_is_no_setting_is_refused),
        cmocka_unit_test(a_value_out_of_its_range_names_the_range),
        cmocka_unit_test(a_malformed_value_is_refused),
        cmocka_unit_test(the_environment_is_read_by_upper_case_names),
        cmocka_unit_test(flags_take_their_value_as_a_word_or_after_an_equals_sign),
        cmocka_unit_test(a_faulty_flag_is_named),
        cmocka_unit_test(flags_override_the_environment_and_that_the_file),
        cmocka_unit_test(a_file_that_is_not_there_is_named),
        cmocka_unit_test(settings_that_contradict_each_other_are_refused),
        cmocka_unit_test(addresses_are_split_into_host_and_port),
        cmocka_unit_test(a_reload_takes_over_what_may_change_and_tells_of_the_rest),
        cmocka_unit_test(help_and_markdown_name_every_setting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
