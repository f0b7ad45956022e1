/* Why an order is refused, in words: the same for Reserve and ReserveBatch, for the gate and the
 * engine. */
#include "fixture_service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)
#define A          "{\"lot\":\"cola#aaaaaaaa\",\"quantity\":1}"
#define B          "{\"lot\":\"cola#bbbbbbbb\",\"quantity\":3}"
#define SKU        "{\"sku\":\"cola\",\"quantity\":2}"
#define MANGO      "{\"sku\":\"cola\",\"flavor\":\"mango\",\"quantity\":2}"

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

struct trouble {
    enum want_trouble trouble;
    int64_t available, for_others, expired;
};

static const struct {
    int code;
    const char *lines;
    struct trouble troubles[4];
    const char *says;
    const char *field;
} cases[] = {
    {TLY_ESOLD_OUT,
     B,
     {{WANT_SHORT, 2, 0, 0}},
     "lines[0]: 3 of cola#bbbbbbbb asked for, 2 available",
     "lines[0]"},
    {TLY_ESOLD_OUT,
     A "," B "," A,
     {{0}, {0}, {WANT_SHORT, 1, 1, 0}},
     "lines[0], lines[2]: 2 in all of cola#aaaaaaaa asked for, 1 available",
     "lines[0]"},
    {TLY_ESOLD_OUT,
     A "," B "," SKU,
     {{WANT_SHORT, 0, 0, 0}, {0}, {WANT_SHORT, 4, 3, 0}},
     "lines[0]: 1 of cola#aaaaaaaa asked for, 0 available; lines[2]: 2 of cola asked for, "
     "4 available, 3 of them for other lines",
     "lines[0]"},
    {TLY_ESOLD_OUT,
     A "," A,
     {{WANT_SHORT, 0, 0, 0}, {WANT_SHORT, 0, 0, 0}},
     "\"lines[0], lines[1]: 2 in all of cola#aaaaaaaa asked for, 0 available\"",
     "lines[0]"},
    {TLY_ESOLD_OUT,
     A,
     {{WANT_EXPIRED, 0, 0, 9}},
     "lines[0]: lot cola#aaaaaaaa has expired",
     "lines[0]"},
    {TLY_ESOLD_OUT,
     SKU,
     {{WANT_EXPIRED, 0, 0, 9}},
     "lines[0]: all that is left of cola has expired",
     "lines[0]"},
    {TLY_ESOLD_OUT,
     SKU,
     {{WANT_SHORT, 1, 0, 9}},
     "lines[0]: 2 of cola asked for, 1 available, 9 expired",
     "lines[0]"},
    {TLY_ENOT_FOUND,
     A "," SKU,
     {{WANT_NO_LOT, 0, 0, 0}, {WANT_NO_SKU, 0, 0, 0}},
     "lines[0]: there is no lot cola#aaaaaaaa; lines[1]: there is no sku cola",
     "lines[0]"},
    {TLY_ENOT_FOUND,
     SKU,
     {{WANT_NO_MATCH, 0, 0, 0}},
     "lines[0]: there is no lot of that flavor, size and batch of cola",
     "lines[0]"},
    {TLY_EINVALID_ARGUMENT,
     A "," MANGO,
     {{0}, {WANT_NO_FLAVOR, 0, 0, 0}},
     "lines[1].flavor: sku cola has no flavor mango; it has: lime, cherry",
     "lines[1].flavor"},
    {TLY_ELIMIT_EXCEEDED,
     SKU,
     {{WANT_TOO_MANY_LOTS, 0, 0, 0}},
     "lines[0]: the order takes too many lots, with cola",
     "lines[0]"},
};

enum { CASE_COUNT = sizeof cases / sizeof cases[0] };

static void refuse(struct reserve_command *order, size_t i)
{
    order->failed_want = UINT16_MAX;
    for (uint16_t j = 0; j < order->want_count; j++) {
        const struct trouble *t = &cases[i].troubles[j];
        order->wants[j].trouble = (uint8_t)t->trouble;
        order->wants[j].available = t->available;
        order->wants[j].for_others = t->for_others;
        order->wants[j].expired = t->expired;
        if (t->trouble != WANT_SERVED && order->failed_want == UINT16_MAX)
            order->failed_want = j;
    }
    order->available = order->wants[order->failed_want].available;
    if (order->wants[order->failed_want].trouble == WANT_NO_FLAVOR) {
        order->line_count = 2;
        order->lines[0] = (struct line){.lot = 1};
        order->lines[1] = (struct line){.lot = 2};
    }
    order->code = cases[i].code;
}

static void one_wording_in_reserve_and_in_reserve_batch(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < CASE_COUNT; i++) {
        char body[1024], field[64], available[64];
        snprintf(body, sizeof body, "{\"user_id\":\"ann\",\"lines\":[%s]}", cases[i].lines);
        struct fake_exchange *one = http(f, "POST", "/v1/reservations", body);
        struct command *c = fixture_command(f);
        refuse(&c->reserve, i);
        snprintf(available, sizeof available, "\"available\":%lld",
                 (long long)c->reserve.available);
        fixture_answer(f, c, cases[i].code);
        assert_int_equal(one->status, error_http(cases[i].code));
        assert_true(answer_says(one, cases[i].says));
        snprintf(field, sizeof field, "\"field\":\"%s\"", cases[i].field);
        assert_true(answer_says(one, field));
        assert_true(answer_says(one, available) == (cases[i].code == TLY_ESOLD_OUT));

        snprintf(body, sizeof body, "{\"orders\":[{\"user_id\":\"ann\",\"lines\":[%s]}]}",
                 cases[i].lines);
        struct fake_exchange *many = http(f, "POST", "/v1/reservations/batch", body);
        c = fixture_command(f);
        refuse(&c->batch.orders[0], i);
        fixture_answer(f, c, 0);
        assert_true(answer_says(many, cases[i].says));
    }
}

static void of_many_lines_in_trouble_the_first_are_named(void **state)
{
    struct fixture *f = *state;
    char body[2048] = "{\"user_id\":\"ann\",\"lines\":[";
    size_t len = strlen(body);
    for (int i = 0; i < 12; i++)
        len += (size_t)snprintf(body + len, sizeof body - len,
                                "%s{\"lot\":\"cola#%08x\",\"quantity\":1}", i ? "," : "", i);
    snprintf(body + len, sizeof body - len, "]}");
    struct fake_exchange *x = http(f, "POST", "/v1/reservations", body);
    struct command *c = fixture_command(f);
    for (uint16_t i = 0; i < 12; i++)
        c->reserve.wants[i].trouble = i == 3 ? WANT_SERVED : WANT_NO_LOT;
    fixture_answer(f, c, TLY_ENOT_FOUND);
    assert_true(answer_says(x, "lines[8]: there is no lot cola#00000008; and 3 more\""));
    assert_false(answer_says(x, "lines[3]"));
}

static void the_gate_says_expired_where_that_is_the_reason(void **state)
{
    struct fixture *f = *state;
    f->gate.verdict = GATE_SOLD_OUT;
    f->gate.available = 2;
    f->dims[0].expires_on = 20000; /* in 2024 */
    struct fake_exchange *x =
        http(f, "POST", "/v1/reservations", "{\"user_id\":\"ann\",\"lines\":[" B "]}");
    assert_int_equal(x->status, 409);
    assert_true(answer_says(x, "lines[0]: lot cola#bbbbbbbb has expired"));
    assert_true(answer_says(x, "\"available\":0"));
    f->dims[0].expires_on = 30000;
    x = http(f, "POST", "/v1/reservations", "{\"user_id\":\"ann\",\"lines\":[" B "]}");
    assert_true(answer_says(x, "lines[0]: 3 of cola#bbbbbbbb asked for, 2 available"));
}

static void the_gate_says_withdrawn_where_that_is_the_reason(void **state)
{
    struct fixture *f = *state;
    f->gate.verdict = GATE_SOLD_OUT;
    f->withdrawn = 1;
    struct fake_exchange *x =
        http(f, "POST", "/v1/reservations", "{\"user_id\":\"ann\",\"lines\":[" B "]}");
    assert_int_equal(x->status, 409);
    assert_true(answer_says(x, "lines[0]: withdrawn from sale is cola#bbbbbbbb"));
    assert_true(answer_says(x, "\"available\":0"));
}

static void a_lot_may_be_sold_on_its_last_day(void **state)
{
    struct fixture *f = *state;
    f->gate.verdict = GATE_SOLD_OUT;
    f->gate.available = 2;
    f->dims[0].expires_on = (int32_t)(f->host.now_ms(f) / 86400000);
    struct fake_exchange *x =
        http(f, "POST", "/v1/reservations", "{\"user_id\":\"ann\",\"lines\":[" B "]}");
    assert_true(answer_says(x, "2 available"));
    f->dims[0].expires_on--;
    x = http(f, "POST", "/v1/reservations", "{\"user_id\":\"ann\",\"lines\":[" B "]}");
    assert_true(answer_says(x, "expired"));
}

static void a_bound_is_told(struct fixture *f, enum order_trouble trouble, const char *says)
{
    struct fake_exchange *x =
        http(f, "POST", "/v1/reservations", "{\"user_id\":\"ann\",\"lines\":[" B "]}");
    struct command *c = fixture_command(f);
    c->reserve.trouble = (uint8_t)trouble;
    c->reserve.limit = 1000;
    fixture_answer(f, c, TLY_EOVERLOADED);
    assert_int_equal(x->status, 503);
    assert_true(answer_says(x, says));
    x = http(f, "POST", "/v1/reservations/batch",
             "{\"orders\":[{\"user_id\":\"ann\",\"lines\":[" B "]}]}");
    c = fixture_command(f);
    c->batch.orders[0].code = TLY_EOVERLOADED;
    c->batch.orders[0].trouble = (uint8_t)trouble;
    c->batch.orders[0].limit = 1000;
    fixture_answer(f, c, 0);
    assert_true(answer_says(x, says));
}

static void the_bounds_of_the_engines_tables_are_called_by_their_settings(void **state)
{
    struct fixture *f = *state;
    a_bound_is_told(f, ORDER_HOLDS_MAX,
                    "holds_max: 1000 reservations are pending, the most there may be; try again");
    a_bound_is_told(f, ORDER_USER_ENTRIES,
                    "user_entries_max: 1000 reservations count towards limits of users, the most "
                    "that may; try again");
    a_bound_is_told(f, ORDER_BACKORDERS,
                    "backorders_max: 1000 orders wait for units, the most that may; try again");
}

static void a_refusal_of_the_ledger_does_not_speak_of_lines(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x =
        http(f, "POST", "/v1/reservations", "{\"user_id\":\"ann\",\"lines\":[" B "]}");
    struct command *c = fixture_command(f);
    c->reserve.wants[0].trouble = WANT_SHORT; /* of a decision that was undone */
    fixture_answer(f, c, TLY_EUNAVAILABLE);
    assert_int_equal(x->status, 503);
    assert_false(answer_says(x, "lines[0]"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_wording_in_reserve_and_in_reserve_batch),
        TEST(of_many_lines_in_trouble_the_first_are_named),
        TEST(the_gate_says_expired_where_that_is_the_reason),
        TEST(the_gate_says_withdrawn_where_that_is_the_reason),
        TEST(a_lot_may_be_sold_on_its_last_day),
        TEST(the_bounds_of_the_engines_tables_are_called_by_their_settings),
        TEST(a_refusal_of_the_ledger_does_not_speak_of_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
