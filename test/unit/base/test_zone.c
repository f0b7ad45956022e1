#include "fixture.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/zone.h"

static struct zone *zone(const char *name)
{
    struct zone *z = NULL;
    struct error e = {0};
    assert_int_equal(zone_open(&z, name, "expiry_zone", &e), 0);
    return z;
}

static void an_unknown_zone_is_refused_by_name(void **state)
{
    (void)state;
    static const char *const names[] = {"Mars/Olympus",   "",       "../etc/passwd",
                                        "/etc/localtime", "Europe", "zone.tab"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct zone *z;
        struct error e = {0};
        assert_int_equal(zone_open(&z, names[i], "expiry_zone", &e), TLY_EINVALID_ARGUMENT);
        assert_null(z);
        assert_string_equal(e.field, "expiry_zone");
        assert_non_null(strstr(e.text, names[i]));
    }
}

static void utc_needs_no_database(void **state)
{
    (void)state;
    assert_null(zone("UTC"));
    assert_int_equal(zone_offset(NULL, 1), 0);
    assert_int_equal(zone_day(NULL, INT64_C(86400000) * 20000 - 1, NULL), 19999);
    assert_int_equal(zone_day(NULL, INT64_C(86400000) * 20000, NULL), 20000);
    assert_int_equal(zone_day(NULL, -1, NULL), -1);
}

/* The C library reads the same database. From 1975 to 2100, an odd number of seconds apart, so that
 * every hour of the day and both sides of many changes are met. */
static void offsets_are_those_of_the_c_library(void **state)
{
    (void)state;
    static const char *const names[] = {
        "America/Los_Angeles", "Pacific/Kiritimati",  "Europe/Berlin",    "Asia/Shanghai",
        "Asia/Kolkata",        "Australia/Lord_Howe", "America/Nuuk",     "Africa/Casablanca",
        "Asia/Gaza",           "Europe/Dublin",       "Pacific/Apia",     "America/St_Johns",
        "Antarctica/Troll",    "Asia/Kathmandu",      "America/Asuncion", "EST5EDT"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct zone *z = zone(names[i]);
        setenv("TZ", names[i], 1);
        tzset();
        for (int64_t at = 157766400; at < 4102444800; at += 40009) {
            struct tm local;
            time_t seconds = (time_t)at;
            localtime_r(&seconds, &local);
            if (zone_offset(z, at) != local.tm_gmtoff)
                fail_msg("%s at %lld: %d, not %ld", names[i], (long long)at, zone_offset(z, at),
                         local.tm_gmtoff);
        }
        zone_close(z);
    }
    unsetenv("TZ");
    tzset();
}

static void a_day_is_told_with_how_long_it_is_right(void **state)
{
    (void)state;
    struct zone *z = zone("America/Los_Angeles");
    int64_t midnight = 1772956800000; /* 2026-03-08T08:00Z: the day on which it becomes summer */
    int64_t until;
    int32_t day = zone_day(z, midnight - 1, &until);
    assert_int_equal(until, midnight);
    assert_int_equal(zone_day(z, until, &until), day + 1);
    assert_int_equal(until, midnight + 60000);
    assert_int_equal(zone_day(z, midnight + 23 * INT64_C(3600000) - 1, NULL), day + 1);
    assert_int_equal(zone_day(z, midnight + 23 * INT64_C(3600000), NULL), day + 2);
    zone_close(z);
}

static void the_date_line_is_two_zones_and_two_days(void **state)
{
    (void)state;
    struct zone *east = zone("Pacific/Kiritimati"), *west = zone("Pacific/Pago_Pago");
    int64_t noon = INT64_C(86400000) * 20700 + 10 * 3600000 + 1800000; /* 10:30Z */
    assert_int_equal(zone_day(east, noon, NULL), 20701);
    assert_int_equal(zone_day(west, noon, NULL), 20699);
    zone_close(east);
    zone_close(west);
}

/* A file without transitions, of one type with this offset, that ends with the rule. */
static int parse(uint32_t offset, const char *rule, size_t rule_len)
{
    uint8_t file[300] = "TZif2";
    uint8_t *second = file + 44 + 6;
    struct zone *z;
    memcpy(second, "TZif2", 5);
    file[39] = second[39] = 1; /* types */
    for (int i = 0; i < 4; i++)
        second[44 + i] = (uint8_t)(offset >> (24 - 8 * i));
    second[50] = '\n';
    memcpy(second + 51, rule, rule_len);
    second[51 + rule_len] = '\n';
    int code = zone_parse(&z, file, 44 + 6 + 52 + rule_len);
    assert_true((code == 0) == (z != NULL));
    zone_close(z);
    return code;
}

static void no_zone_is_a_day_and_two_hours_from_utc(void **state)
{
    (void)state;
    assert_int_equal(parse(26 * 3600 - 1, "", 0), 0);
    assert_int_equal(parse((uint32_t)-26 * 3600 + 1, "", 0), 0);
    assert_int_equal(parse(26 * 3600, "", 0), TLY_EINVALID_ARGUMENT);
    assert_int_equal(parse((uint32_t)-26 * 3600, "", 0), TLY_EINVALID_ARGUMENT);
    assert_int_equal(parse(UINT32_C(0x80000000), "", 0), TLY_EINVALID_ARGUMENT);
}

static void a_rule_is_read_to_its_end(void **state)
{
    (void)state;
    assert_int_equal(parse(0, "CET-1", 5), 0);
    assert_int_equal(parse(0, "CET-1x", 6), TLY_EINVALID_ARGUMENT);
    assert_int_equal(parse(0, "CET-1\0x", 7), TLY_EINVALID_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unknown_zone_is_refused_by_name),
        cmocka_unit_test(utc_needs_no_database),
        cmocka_unit_test(offsets_are_those_of_the_c_library),
        cmocka_unit_test(a_day_is_told_with_how_long_it_is_right),
        cmocka_unit_test(the_date_line_is_two_zones_and_two_days),
        cmocka_unit_test(no_zone_is_a_day_and_two_hours_from_utc),
        cmocka_unit_test(a_rule_is_read_to_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
