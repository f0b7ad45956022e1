/* What a sale of groups is run with when the user does not say. */
#include "fixture.h"

#include <string.h>

#include "loadgen/load_plan.h"

static struct load_options options;
static struct plan plan;
static struct error e;

static int set_up(void **state)
{
    (void)state;
    e = (struct error){0};
    options = (struct load_options){
        .target = "127.0.0.1:7070",
        .model = {.model = MODEL_GROUP_BUY, .rate = 1000, .duration_ns = 40 * UINT64_C(1000000000)},
        .connections = 10,
        .streams = 1,
        .threads = 1,
        .lot_count = 4,
        .units = -1,
        .total_limit = -1,
        .pay = -1,
        .cancel = -1,
        .expire = -1,
        .retry = -1,
        .look = -1,
        .think_ms = UINT32_MAX,
        .quantity_max = 3,
        .batch = 1};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    plan_close(&plan);
    return 0;
}

static struct team_terms complete(void)
{
    if (load_options_complete(&options, &e) || plan_init(&plan, &options.model, &e))
        fail_msg("%s: %s", e.field, e.text);
    return load_teams(&options, &plan);
}

static void assert_refused(const char *option)
{
    assert_int_equal(load_options_complete(&options, &e), TLY_EINVALID_ARGUMENT);
    assert_string_equal(e.field, option);
    set_up(NULL);
}

static void groups_are_of_three_and_their_windows_a_fifth_of_the_time(void **state)
{
    (void)state;
    struct team_terms t = complete();
    assert_int_equal(t.size, 3);
    assert_int_equal(t.window_ms, 8000);
    assert_int_equal(options.think_ms, 2000);
    assert_int_equal(t.user_limit, 3);
    assert_true(options.pay > 0.5 && options.cancel > 0 && options.expire == 0);
}

static void a_sale_has_two_thirds_of_what_is_asked_for_and_the_lots_a_quarter_more(void **state)
{
    (void)state;
    struct team_terms t = complete();
    /* 1,000/s for 8 s but a tenth, 400/s for 12 s but three tenths; two units each. */
    double wanted = (8000 * 0.9 + 4800 * 0.7) * 2;
    assert_in_range(t.total_limit, wanted * 2 / 3 - 1, wanted * 2 / 3 + 5);
    int64_t units = load_units(&options, &plan);
    assert_in_range(units * 4, t.total_limit * 5 / 4, t.total_limit * 5 / 4 + 8);
}

static void a_sale_without_a_limit_has_plenty(void **state)
{
    (void)state;
    options.total_limit = 0;
    struct team_terms t = complete();
    assert_int_equal(t.total_limit, 0);
    assert_true(load_units(&options, &plan) > 1000000);
    options.units = 7;
    assert_int_equal(load_units(&options, &plan), 7);
}

static void what_is_told_is_taken(void **state)
{
    (void)state;
    options.group_size = 12;
    options.group_window_ms = 400;
    options.user_limit = 5;
    options.total_limit = 99;
    options.think_ms = 7;
    struct team_terms t = complete();
    assert_int_equal(t.size, 12);
    assert_int_equal(t.window_ms, 400);
    assert_int_equal(t.user_limit, 5);
    assert_int_equal(t.total_limit, 99);
    assert_int_equal(options.think_ms, 7);
}

static void what_a_sale_of_groups_cannot_be_is_refused(void **state)
{
    (void)state;
    options.group_size = 1;
    assert_refused("group-size");
    options.group_size = 1001;
    assert_refused("group-size");
    options.user_limit = 2; /* an order may be of three units */
    assert_refused("user-limit");
    options.expire = 0.1;
    assert_refused("expire");
    options.batch = 2;
    assert_refused("batch");
    options.lot_count = 257;
    assert_refused("lots");
    options.closed = true;
    assert_refused("closed");
}

static void other_models_have_no_groups(void **state)
{
    (void)state;
    options.model.model = MODEL_FLASH_SALE;
    assert_int_equal(complete().size, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        T(groups_are_of_three_and_their_windows_a_fifth_of_the_time),
        T(a_sale_has_two_thirds_of_what_is_asked_for_and_the_lots_a_quarter_more),
        T(a_sale_without_a_limit_has_plenty),
        T(what_is_told_is_taken),
        T(what_a_sale_of_groups_cannot_be_is_refused),
        T(other_models_have_no_groups),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
