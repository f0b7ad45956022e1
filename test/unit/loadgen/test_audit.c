#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "fixture_answers.h"
#include "fixture_echo.h"
#include "loadgen/audit.h"

/* A shop in memory. */
enum { ORDERS = 400, UNITS = 1000, FIRST_ID = 5000 };

static struct {
    struct answer orders[ORDERS];
    struct lot_stock lots[2];
    bool closed;                  /* lot 0 refuses whatever it shows */
    bool careless;                /* lot 0 sells what it has not */
    bool keeps;                   /* what is given back stays reserved */
    uint32_t unavailable;         /* so many answers are UNAVAILABLE first */
    uint32_t wrong_readings;      /* so many times lot 0 shows a unit less available */
    uint64_t expires_after;       /* look-ups of an order after which it is expired; 0: never */
    uint64_t asked[ORDERS];       /* look-ups */
    uint64_t first_asked[ORDERS]; /* when, monotonic ns */
} shop;

static struct answer answer_lot(uint32_t lot)
{
    struct lot_stock s = shop.lots[lot];
    if (lot == 0 && shop.wrong_readings > 0) {
        shop.wrong_readings--;
        s.available--;
    }
    return (struct answer){.code = ANSWER_OK,
                           .on_hand = s.on_hand,
                           .reserved = s.reserved,
                           .confirmed = s.confirmed,
                           .available = s.available};
}

static struct answer answer_order(uint64_t order)
{
    uint64_t i = order_index(order);
    struct answer *a = &shop.orders[i];
    if (shop.asked[i]++ == 0)
        shop.first_asked[i] = clock_monotonic_ns();
    if (shop.expires_after && a->status == HOLD_PENDING && shop.asked[i] > shop.expires_after) {
        a->status = HOLD_REFUNDED;
        a->expired = true;
        shop.lots[0].reserved -= a->quantity;
        shop.lots[0].available += a->quantity;
    }
    return *a;
}

static struct answer answer_probe(const struct call *call)
{
    struct lot_stock *lot = &shop.lots[call->lot];
    if (call->kind == CALL_RESERVE) {
        bool sells = lot->available > 0 || (call->lot == 0 && shop.careless);
        if (!sells || (call->lot == 0 && shop.closed))
            return (struct answer){.code = ANSWER_SOLD_OUT};
        lot->reserved++;
        lot->available--;
    } else if (!shop.keeps) {
        lot->reserved--;
        lot->available++;
    }
    return (struct answer){.code = ANSWER_OK, .reservation_id = 1, .status = HOLD_PENDING};
}

static struct answer answer_call(const struct call *call)
{
    if (shop.unavailable > 0) {
        shop.unavailable--;
        return (struct answer){.code = ANSWER_UNAVAILABLE};
    }
    return call->kind == CALL_GET_LOT     ? answer_lot(call->lot)
           : call->kind == CALL_GET_ORDER ? answer_order(call->order)
                                          : answer_probe(call);
}

/* ---- a run that is over ---- */

static struct peer peer;
static struct order_book book;
static struct order_mix mix;
static char keys[2][LOT_KEY_SIZE] = {"A#00000000", "B#00000000"};
static struct lot_stock begin[2];
static struct lot_tally tallies[2];
static struct protocol_target target;
static struct target_lots lots;
static struct audit_input in;
static struct audit_result result;

/* All orders want one unit of lot 0, were acknowledged, and are held. */
static int set_up(void **state)
{
    (void)state;
    memset(&shop, 0, sizeof(shop));
    answers_set(answer_call);
    memset(tallies, 0, sizeof(tallies));
    mix = (struct order_mix){.seed = 3,
                             .choice = {.kind = CHOICE_ONE, .count = 1},
                             .quantity_max = 1,
                             .hold_ms = 3600 * 1000,
                             .expire_ms = 10};
    target = (struct protocol_target){.run = "0123456789ab",
                                      .lots = (const char(*)[96])keys,
                                      .lot_count = 2,
                                      .streams = 1,
                                      .timeout_ms = 1000};
    order_book_init(&book, 0);
    for (uint32_t i = 0; i < ORDERS; i++) {
        uint64_t order;
        assert_true(order_book_add(&book, &order));
        *order_book_at(&book, order) =
            (struct order_entry){.reservation_id = FIRST_ID + i, .step = ORDER_HELD};
        shop.orders[i] = (struct answer){.code = ANSWER_OK,
                                         .reservation_id = FIRST_ID + i,
                                         .status = HOLD_PENDING,
                                         .quantity = 1,
                                         .lines = 1,
                                         .lot_matches = true,
                                         .reserve_moves = 1};
    }
    for (uint32_t i = 0; i < 2; i++)
        begin[i] = shop.lots[i] = (struct lot_stock){.on_hand = UNITS, .available = UNITS};
    shop.lots[0].reserved = ORDERS;
    shop.lots[0].available -= ORDERS;
    lots = (struct target_lots){.count = 2, .keys = keys, .begin = begin};
    assert_true(peer_listen(&peer, AF_INET));
    peer_start(&peer);
    in = (struct audit_input){
        .books = &book,
        .book_count = 1,
        .mix = &mix,
        .lots = &lots,
        .tallies = tallies,
        .worker = {.protocol = &protocol_answers,
                   .target = &target,
                   .address = peer.address,
                   .address_size = peer.address_size},
        .look_ups_max = 1000000,
        .began_ns = clock_monotonic_ns(),
        .wait_ms = 30000,
    };
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    peer_stop(&peer);
    order_book_close(&book);
    return 0;
}

static struct order_entry *entry(uint64_t index)
{
    return order_book_at(&book, order_number(0, index));
}

static void assert_found(int64_t oversold, int64_t undersold, int64_t lost, int64_t duplicated)
{
    audit_run(&in, &result);
    for (uint32_t i = 0; i < result.finding_count; i++)
        print_message("%s\n", result.findings[i]);
    assert_string_equal(result.reason, "");
    assert_true(result.complete);
    assert_int_equal(result.oversold, oversold);
    assert_int_equal(result.undersold, undersold);
    assert_int_equal(result.lost, lost);
    assert_int_equal(result.duplicated, duplicated);
    assert_int_equal(result.finding_count > 0, oversold || undersold || lost || duplicated);
}

/* ---- what is asked ---- */

static void every_order_and_lot_is_asked_for_once(void **state)
{
    (void)state;
    assert_found(0, 0, 0, 0);
    assert_int_equal(result.acknowledged, ORDERS);
    assert_int_equal(result.looked_up, ORDERS);
    assert_int_equal(result.lots_checked, 2);
    assert_int_equal(result.probed, 2);
    for (uint32_t i = 0; i < ORDERS; i++)
        assert_int_equal(shop.asked[i], 1);
}

static void what_is_not_answered_is_asked_again(void **state)
{
    (void)state;
    shop.unavailable = ORDERS + 50;
    assert_found(0, 0, 0, 0);
    for (uint32_t i = 0; i < ORDERS; i++)
        assert_int_equal(shop.asked[i], 1);
}

static void connections_that_end_are_no_answers(void **state)
{
    (void)state;
    atomic_store(&peer.close_after, 60);
    assert_found(0, 0, 0, 0);
}

static void orders_that_were_never_sent_are_left_alone(void **state)
{
    (void)state;
    *entry(7) = (struct order_entry){.step = ORDER_UNUSED};
    shop.lots[0].reserved--;
    shop.lots[0].available++;
    assert_found(0, 0, 0, 0);
    assert_int_equal(shop.asked[7], 0);
    assert_int_equal(result.acknowledged, ORDERS - 1);
}

static void a_sample_and_the_sums_cover_what_is_not_looked_up(void **state)
{
    (void)state;
    in.look_ups_max = 40;
    assert_found(0, 0, 0, 0);
    assert_in_range(result.looked_up, 10, 100);
    shop.lots[0].reserved += 3;
    shop.lots[0].available -= 3;
    assert_found(0, 3, 0, 0);
    shop.lots[0].reserved -= 8;
    shop.lots[0].available += 8;
    assert_found(5, 0, 0, 0);
}

static void calls_in_doubt_are_asked_for_when_the_server_must_know(void **state)
{
    (void)state;
    entry(3)->in_doubt = true; /* the next step; it was not taken */
    *entry(4) = (struct order_entry){.step = ORDER_SENT, .in_doubt = true};
    shop.orders[4] = (struct answer){.code = ANSWER_NOT_FOUND};
    shop.lots[0].reserved--;
    shop.lots[0].available++;
    uint64_t begin_ns = clock_monotonic_ns();
    in.look_ups_max = 0;
    assert_found(0, 0, 0, 0);
    assert_int_equal(result.in_doubt, 2);
    assert_int_equal(result.in_doubt_held, 1);
    assert_true(shop.first_asked[3] - begin_ns > UINT64_C(5500000000));
    assert_true(shop.first_asked[4] - begin_ns > UINT64_C(5500000000));
}

/* ---- what is concluded ---- */

static void an_order_that_is_gone_is_lost_and_frees_its_units(void **state)
{
    (void)state;
    shop.orders[9] = (struct answer){.code = ANSWER_NOT_FOUND};
    shop.lots[0].reserved--;
    shop.lots[0].available++;
    assert_found(0, 0, 1, 0);
    assert_string_equal(result.findings[0],
                        "order 0123456789ab-000000000009: was acknowledged, and is not there");
}

static void two_orders_with_one_reservation_are_told(void **state)
{
    (void)state;
    entry(11)->reservation_id = shop.orders[11].reservation_id = FIRST_ID + 10;
    assert_found(0, 0, 0, 1);
}

static void what_the_run_noticed_counts(void **state)
{
    (void)state;
    entry(1)->denied = true;
    entry(2)->denied = true;
    entry(3)->twice = true;
    shop.lots[0].reserved++; /* the second reservation */
    shop.lots[0].available--;
    assert_found(0, 0, 2, 1);
}

static void a_refused_order_that_holds_units_is_told_once(void **state)
{
    (void)state;
    *entry(5) = (struct order_entry){.step = ORDER_REFUSED};
    assert_found(0, 1, 0, 0);
    assert_int_equal(result.refused_checked, 1);
}

static void a_peak_above_what_there_was_is_an_oversell(void **state)
{
    (void)state;
    atomic_store(&tallies[1].held_peak, UNITS);
    assert_found(0, 0, 0, 0);
    atomic_store(&tallies[1].held_peak, UNITS + 2);
    assert_found(2, 0, 0, 0);
}

static void a_reading_that_rights_itself_is_no_finding(void **state)
{
    (void)state;
    shop.wrong_readings = 2;
    assert_found(0, 0, 0, 0);
}

static void a_lot_that_is_read_wrong_every_time_is_one(void **state)
{
    (void)state;
    shop.wrong_readings = 1000;
    assert_found(0, 1, 0, 0);
}

static void holds_that_expire_late_are_waited_for(void **state)
{
    (void)state;
    mix.expire = 1;
    shop.expires_after = 1;
    assert_found(0, 0, 0, 0);
}

static void holds_that_never_expire_are_undersold(void **state)
{
    (void)state;
    mix.expire = 1;
    for (uint32_t i = 5; i < ORDERS; i++)
        shop.orders[i].status = HOLD_REFUNDED, shop.orders[i].expired = true;
    shop.lots[0].reserved = 5;
    shop.lots[0].available = UNITS - 5;
    assert_found(0, 5, 0, 0);
}

/* ---- probes ---- */

static void a_lot_that_sells_nothing_of_what_it_shows_is_undersold(void **state)
{
    (void)state;
    shop.closed = true;
    assert_found(0, UNITS - ORDERS, 0, 0);
}

static void a_lot_that_sells_what_it_does_not_show_is_oversold(void **state)
{
    (void)state;
    begin[0].on_hand = shop.lots[0].on_hand = ORDERS;
    shop.lots[0].available = 0;
    assert_found(0, 0, 0, 0);
    shop.careless = true;
    assert_found(1, 0, 0, 0);
}

static void a_unit_that_is_cancelled_must_come_back(void **state)
{
    (void)state;
    shop.keeps = true;
    assert_found(0, 2, 0, 0); /* one of each lot */
}

/* ---- when it cannot be told ---- */

static void a_server_that_is_gone_gives_no_zero_that_looks_good(void **state)
{
    (void)state;
    entry(1)->denied = true;
    atomic_store(&tallies[0].held_peak, UNITS + 1);
    in.wait_ms = 300;
    peer_refuse(&peer);
    audit_run(&in, &result);
    assert_false(result.complete);
    assert_non_null(strstr(result.reason, "Connection refused"));
    assert_int_equal(result.lost, 1);
    assert_int_equal(result.oversold, 1);
}

static void a_server_that_never_answers_one_call_is_told(void **state)
{
    (void)state;
    shop.orders[3] = (struct answer){.code = ANSWER_MALFORMED};
    in.wait_ms = 500;
    audit_run(&in, &result);
    assert_false(result.complete);
    assert_non_null(strstr(result.reason, "malformed answer"));
}

static bool stop_at_once(void *owner, const char *step, uint64_t done, uint64_t of)
{
    (void)owner;
    (void)done;
    (void)of;
    return strcmp(step, "looking up orders") == 0;
}

static void an_interrupt_is_no_result(void **state)
{
    (void)state;
    shop.orders[3] = (struct answer){.code = ANSWER_MALFORMED};
    in.progress = stop_at_once;
    audit_run(&in, &result);
    assert_false(result.complete);
    assert_string_equal(result.reason, "it was interrupted");
}

static void stock_that_others_adjusted_is_a_note(void **state)
{
    (void)state;
    shop.lots[1].on_hand += 10;
    shop.lots[1].available += 10;
    audit_run(&in, &result);
    assert_true(result.complete);
    assert_int_equal(result.oversold + result.undersold, 0);
    assert_int_equal(result.finding_count, 1);
    assert_int_equal(strncmp(result.findings[0], "note: lot B#00000000: on_hand was 1000", 38), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_order_and_lot_is_asked_for_once),
        TEST(what_is_not_answered_is_asked_again),
        TEST(connections_that_end_are_no_answers),
        TEST(orders_that_were_never_sent_are_left_alone),
        TEST(a_sample_and_the_sums_cover_what_is_not_looked_up),
        TEST(calls_in_doubt_are_asked_for_when_the_server_must_know),
        TEST(an_order_that_is_gone_is_lost_and_frees_its_units),
        TEST(two_orders_with_one_reservation_are_told),
        TEST(what_the_run_noticed_counts),
        TEST(a_refused_order_that_holds_units_is_told_once),
        TEST(a_peak_above_what_there_was_is_an_oversell),
        TEST(a_reading_that_rights_itself_is_no_finding),
        TEST(a_lot_that_is_read_wrong_every_time_is_one),
        TEST(holds_that_expire_late_are_waited_for),
        TEST(holds_that_never_expire_are_undersold),
        TEST(a_lot_that_sells_nothing_of_what_it_shows_is_undersold),
        TEST(a_lot_that_sells_what_it_does_not_show_is_oversold),
        TEST(a_unit_that_is_cancelled_must_come_back),
        TEST(a_server_that_is_gone_gives_no_zero_that_looks_good),
        TEST(a_server_that_never_answers_one_call_is_told),
        TEST(an_interrupt_is_no_result),
        TEST(stock_that_others_adjusted_is_a_note),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
