/* Which gate the settings make, and what is told of it. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

#include "server/gate_parts.h"

static struct settings settings;

static int begin(void **state)
{
    (void)state;
    settings_default(&settings);
    return 0;
}

static void assert_kind(const char *gate, bool shared, enum gate_kind kind, const char *words)
{
    struct gate_parts parts = {0};
    char text[256];
    snprintf(settings.gate, sizeof settings.gate, "%s", gate);
    assert_int_equal(gate_parts_create(&parts, &settings, 7, shared, NULL), 0);
    assert_int_equal(parts.kind, kind);
    gate_parts_describe(&parts, text, sizeof text);
    assert_memory_equal(text, words, strlen(words));
    assert_true(words[0] || !text[0]);
    gate_destroy(parts.gate);
}

static void a_ledger_of_ones_own_has_the_local_gate(void **state)
{
    (void)state;
    assert_kind("local", false, GATE_KIND_LOCAL, "");
}

static void a_shared_ledger_without_a_shared_gate_has_a_blind_one_and_says_so(void **state)
{
    (void)state;
    assert_kind("local", true, GATE_KIND_BLIND, "gate blind");
}

static void a_place_of_redis_makes_the_gate_there_which_need_not_be_up(void **state)
{
    (void)state;
    assert_kind("redis://127.0.0.1:1", true, GATE_KIND_REDIS, "gate redis");
    assert_kind("redis://tally@a.invalid,b.invalid:7000", false, GATE_KIND_REDIS, "gate redis");
}

static void assert_refused(const char *gate, const char *why)
{
    struct error e = {0};
    snprintf(settings.gate, sizeof settings.gate, "%s", gate);
    assert_int_equal(gate_parts_check(&settings, &e), TLY_EINVALID_ARGUMENT);
    assert_string_equal(e.field, "gate");
    assert_non_null(strstr(e.text, why));
}

static void what_is_no_place_of_redis_is_refused(void **state)
{
    (void)state;
    assert_refused("somewhere", "redis://");
    assert_refused("mysql://a", "redis://");
    assert_refused("redis://tally:secret@a", "gate_password");
    snprintf(settings.gate, sizeof settings.gate, "%s", "local");
    assert_int_equal(gate_parts_check(&settings, NULL), 0);
}

static void a_password_is_given_once(void **state)
{
    struct gate_parts parts = {0};
    struct error e = {0};
    (void)state;
    snprintf(settings.gate, sizeof settings.gate, "%s", "redis://127.0.0.1:1");
    snprintf(settings.gate_password, sizeof settings.gate_password, "%s", "a");
    snprintf(settings.gate_password_file, sizeof settings.gate_password_file, "%s", "/nowhere");
    assert_int_equal(gate_parts_create(&parts, &settings, 7, false, &e), TLY_EINVALID_ARGUMENT);
    assert_null(parts.gate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_ledger_of_ones_own_has_the_local_gate, begin),
        cmocka_unit_test_setup(a_shared_ledger_without_a_shared_gate_has_a_blind_one_and_says_so,
                               begin),
        cmocka_unit_test_setup(a_place_of_redis_makes_the_gate_there_which_need_not_be_up, begin),
        cmocka_unit_test_setup(what_is_no_place_of_redis_is_refused, begin),
        cmocka_unit_test_setup(a_password_is_given_once, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
