#include "cli/bench_values.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void a_time_is_a_number_and_a_unit(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t ns;
    } good[] = {{"30s", 30000000000u},  {"30", 30000000000u},   {"250ms", 250000000u},
                {"1.5m", 90000000000u}, {"2h", 7200000000000u}, {"10us", 10000u}};
    static const char *const bad[] = {"",    "s",      "0", "0s", "-1s", "1e3s",  "inf", "nan",
                                      "1 s", "1.2.3s", ".", "ms", "30x", "8000h", " 1s", "+1s"};
    uint64_t ns;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(duration_parse(good[i].text, &ns));
        assert_int_equal(ns, good[i].ns);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (duration_parse(bad[i], &ns))
            fail_msg("'%s' was taken for a time", bad[i]);
}

static void a_rate_may_be_in_thousands_or_millions(void **state)
{
    (void)state;
    double rate;
    assert_true(rate_parse("12800", &rate) && rate == 12800);
    assert_true(rate_parse("12.5k", &rate) && rate == 12500);
    assert_true(rate_parse("1M/s", &rate) && rate == 1e6);
    assert_true(rate_parse(".5/s", &rate) && rate == 0.5);
    static const char *const bad[] = {"", "0", "-5", "k", "1kk", "1e5", "200M", "100 /s"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (rate_parse(bad[i], &rate))
            fail_msg("'%s' was taken for a rate", bad[i]);
}

static void a_share_is_percent(void **state)
{
    (void)state;
    double share;
    assert_true(share_parse("60%", &share) && share > 0.5999 && share < 0.6001);
    assert_true(share_parse("0", &share) && share == 0);
    assert_true(share_parse("100", &share) && share == 1);
    static const char *const bad[] = {"", "101", "-1", "%", "1/2", "60%%"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (share_parse(bad[i], &share))
            fail_msg("'%s' was taken for a share", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_time_is_a_number_and_a_unit),
        cmocka_unit_test(a_rate_may_be_in_thousands_or_millions),
        cmocka_unit_test(a_share_is_percent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
