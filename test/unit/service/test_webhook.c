/* What operators see of the webhook, and ask of it. */
#include "fixture_service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

static int open_fixture(void **state)
{
    *state = fixture_open();
    return 0;
}

static int close_fixture(void **state)
{
    fixture_close(*state);
    return 0;
}

static void what_failed_is_shown(void **state)
{
    struct fixture *f = *state;
    fixture_webhook(f, 2);
    struct fake_exchange *x = http(f, "GET", "/v1/webhook/failures", "");
    assert_int_equal(x->status, 200);
    assert_true(answer_says(
        x, "{\"failures\":[{\"id\":\"10\",\"type\":\"tally.reservation.reserved\",\"attempts\":3,"
           "\"status\":500,\"failed_at\":\"2026-11-18T"));
    assert_true(answer_says(x, "\"why\":\"the receiver answered 500\",\"retrying\":false}"));
    assert_true(answer_says(x, "\"next_page_token\":\"\""));
}

static void they_come_in_pages(void **state)
{
    struct fixture *f = *state;
    fixture_webhook(f, 5);
    struct fake_exchange *x = http(f, "GET", "/v1/webhook/failures?page_size=2", "");
    assert_true(answer_says(x, "\"next_page_token\":\"20\""));
    assert_false(answer_says(x, "\"id\":\"30\""));
    x = http(f, "GET", "/v1/webhook/failures?page_size=3&page_token=20", "");
    assert_true(answer_says(x, "\"failures\":[{\"id\":\"30\""));
    assert_true(answer_says(x, "\"next_page_token\":\"\""));
    x = http(f, "GET", "/v1/webhook/failures?page_size=201", "");
    assert_int_equal(x->status, 400);
    x = http(f, "GET", "/v1/webhook/failures?page_token=first", "");
    assert_int_equal(x->status, 400);
}

static void all_or_some_are_sent_again(void **state)
{
    struct fixture *f = *state;
    fixture_webhook(f, 5);
    struct fake_exchange *x = http(f, "POST", "/v1/webhook/retry", "{\"all\":true}");
    assert_int_equal(x->status, 200);
    assert_true(answer_says(x, "{\"count\":5}"));
    assert_int_equal(f->retried, 0);
    x = http(f, "POST", "/v1/webhook/retry", "{\"ids\":[\"20\",\"40\",\"77\"]}");
    assert_true(answer_says(x, "{\"count\":2}"));
    assert_int_equal(f->retried, 77);
}

static void all_and_some_or_neither_is_refused(void **state)
{
    static const char *const wrong[] = {"{}", "{\"all\":true,\"ids\":[\"1\"]}",
                                        "{\"ids\":[\"10\",\"x\"]}", "{\"ids\":[\"0\"]}",
                                        "{\"all\":false}"};
    struct fixture *f = *state;
    fixture_webhook(f, 5);
    f->retried = -1;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct fake_exchange *x = http(f, "POST", "/v1/webhook/retry", wrong[i]);
        assert_int_equal(x->status, 400);
        assert_true(answer_says(x, "\"field\":\"ids\""));
    }
    assert_int_equal(f->retried, -1); /* nothing of a wrong request is done */
}

static void what_cannot_be_written_down_is_not_promised(void **state)
{
    struct fixture *f = *state;
    fixture_webhook(f, 5);
    f->retry_fails = true;
    struct fake_exchange *x = http(f, "POST", "/v1/webhook/retry", "{\"all\":true}");
    assert_int_equal(x->status, 503);
    assert_true(answer_says(x, "\"code\":\"UNAVAILABLE\""));
}

static void without_a_webhook_there_is_neither(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(http(f, "GET", "/v1/webhook/failures", "")->status, 404);
    assert_int_equal(http(f, "POST", "/v1/webhook/retry", "{\"all\":true}")->status, 404);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_failed_is_shown),
        TEST(they_come_in_pages),
        TEST(all_or_some_are_sent_again),
        TEST(all_and_some_or_neither_is_refused),
        TEST(what_cannot_be_written_down_is_not_promised),
        TEST(without_a_webhook_there_is_neither),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
