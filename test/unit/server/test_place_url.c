/* URLs of places: what each part may be, and that a password is never shown. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

#include "server/place_url.h"

static const struct place_rules database = {.setting = "ledger",
                                            .scheme = "mysql",
                                            .secret = "ledger_password",
                                            .example = "mysql://user@host:port/database",
                                            .port = 3306,
                                            .hosts_max = 3,
                                            .needs_user = true,
                                            .needs_path = true,
                                            .takes_path = true};
static const struct place_rules plain = {.setting = "gate",
                                         .scheme = "redis",
                                         .secret = "gate_password",
                                         .example = "redis://host:port",
                                         .port = 6379,
                                         .hosts_max = PLACE_HOSTS_MAX};

static struct place_url good(const struct place_rules *rules, const char *text)
{
    struct place_url url;
    struct error e = {0};
    if (place_url_parse(&url, rules, text, &e) != 0)
        fail_msg("%s: %s", text, e.text);
    return url;
}

static void refused(const struct place_rules *rules, const char *text, const char *part)
{
    struct place_url url;
    struct error e = {0};
    assert_int_equal(place_url_parse(&url, rules, text, &e), TLY_EINVALID_ARGUMENT);
    assert_string_equal(e.field, rules->setting);
    if (!strstr(e.text, part))
        fail_msg("'%s' does not say '%s'", e.text, part);
}

static void a_url_is_taken_apart(void **state)
{
    (void)state;
    struct place_url url = good(&database, "mysql://shop@db.example:3307/tally");
    assert_string_equal(url.scheme, "mysql");
    assert_string_equal(url.user, "shop");
    assert_int_equal(url.host_count, 1);
    assert_string_equal(url.hosts[0].host, "db.example");
    assert_int_equal(url.hosts[0].port, 3307);
    assert_string_equal(url.path, "tally");
}

static void a_port_that_is_not_given_is_the_usual_one(void **state)
{
    (void)state;
    assert_int_equal(good(&database, "mysql://shop@db/tally").hosts[0].port, 3306);
    assert_int_equal(good(&plain, "redis://cache").hosts[0].port, 6379);
}

static void several_hosts_stand_between_commas(void **state)
{
    (void)state;
    struct place_url url = good(&plain, "redis://a:1,b,[::1]:65535");
    assert_int_equal(url.host_count, 3);
    assert_int_equal(url.hosts[0].port, 1);
    assert_string_equal(url.hosts[1].host, "b");
    assert_int_equal(url.hosts[1].port, 6379);
    assert_string_equal(url.hosts[2].host, "::1");
    assert_int_equal(url.hosts[2].port, 65535);
    assert_string_equal(url.user, "");
    assert_string_equal(url.path, "");
}

static void more_hosts_than_allowed_are_refused(void **state)
{
    (void)state;
    good(&database, "mysql://u@a,b,c/d");
    refused(&database, "mysql://u@a,b,c,d/d", "more servers than it may");
}

static void user_and_path_may_be_percent_encoded(void **state)
{
    (void)state;
    struct place_url url = good(&database, "mysql://a%40b%3Ac@db/%2fx%2F");
    assert_string_equal(url.user, "a@b:c");
    assert_string_equal(url.path, "/x/");
    refused(&database, "mysql://a%4@db/x", "percent-encoded");
    refused(&database, "mysql://a%zz@db/x", "percent-encoded");
    refused(&database, "mysql://a%00@db/x", "percent-encoded");
}

static void another_scheme_is_refused(void **state)
{
    (void)state;
    refused(&database, "redis://u@db/x", "mysql://user@host:port/database");
    refused(&database, "mysql:/u@db/x", "of no kind that is known");
    refused(&database, "mysqls://u@db/x", "of no kind that is known");
    refused(&database, "", "of no kind that is known");
}

static void what_is_needed_must_be_there(void **state)
{
    (void)state;
    refused(&database, "mysql://db/tally", "names no user");
    refused(&database, "mysql://@db/tally", "names no user");
    refused(&database, "mysql://u@db", "is missing");
    refused(&database, "mysql://u@db/", "is missing");
    refused(&plain, "redis://db/0", "not understood");
}

static void a_host_or_port_that_is_none_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "redis://",         "redis://:6379", "redis://a:",      "redis://a:0",  "redis://a:65536",
        "redis://a:1x",     "redis://a b:1", "redis://a,",      "redis://,a",   "redis://[::1",
        "redis://[::1]x:1", "redis://a:1:2", "redis://a\x01:1", "redis://[]:1", "redis://a?b",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        refused(&plain, bad[i], "HOST");
}

static void a_text_longer_than_its_room_is_refused(void **state)
{
    (void)state;
    char text[600], name[300];
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = 0;
    snprintf(text, sizeof text, "redis://%s", name);
    refused(&plain, text, "HOST");
    snprintf(text, sizeof text, "mysql://%s@h/d", name);
    refused(&database, text, "too long");
    snprintf(text, sizeof text, "mysql://u@h/%s", name);
    refused(&database, text, "not understood");
}

static void a_password_is_refused_with_its_setting_and_not_shown(void **state)
{
    (void)state;
    static const char *const bad[] = {"mysql://u:hunter2@db/x", "mysql://u:hunt/er2@db/x",
                                      "mysql://u:h@hunter2@db/x", "mysql://:hunter2@db/x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct place_url url;
        struct error e = {0};
        assert_int_equal(place_url_parse(&url, &database, bad[i], &e), TLY_EINVALID_ARGUMENT);
        assert_non_null(strstr(e.text, "ledger_password_file"));
        assert_null(strstr(e.text, "hunt"));
        assert_null(strstr(e.text, "er2"));
    }
    refused(&plain, "redis://u:p@h", "gate_password_file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_url_is_taken_apart),
        cmocka_unit_test(a_port_that_is_not_given_is_the_usual_one),
        cmocka_unit_test(several_hosts_stand_between_commas),
        cmocka_unit_test(more_hosts_than_allowed_are_refused),
        cmocka_unit_test(user_and_path_may_be_percent_encoded),
        cmocka_unit_test(another_scheme_is_refused),
        cmocka_unit_test(what_is_needed_must_be_there),
        cmocka_unit_test(a_host_or_port_that_is_none_is_refused),
        cmocka_unit_test(a_text_longer_than_its_room_is_refused),
        cmocka_unit_test(a_password_is_refused_with_its_setting_and_not_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
