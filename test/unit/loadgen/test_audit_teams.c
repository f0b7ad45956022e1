/* The audit of a sale of groups: who is asked, when, and what it comes to. */
#include "fixture.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "fixture_answers.h"
#include "fixture_echo.h"
#include "loadgen/audit.h"
#include "loadgen/teams.h"

enum { SIZE = 3, PLACES = SIZE + 2, TEAMS = 40, ORDERS = TEAMS * PLACES, UNITS = 1000 };
enum { FIRST_ID = 5000, FIRST_GROUP = 700, TOTAL = 200 };

static struct {
    struct answer orders[ORDERS];
    struct answer groups[TEAMS];
    struct answer sale;
    struct lot_stock lot;
    uint32_t asked_orders[ORDERS], asked_groups[TEAMS];
    uint32_t open_for; /* so many look-ups of group 0 show it OPEN */
    bool sells_nothing, sold_one, gave_back;
} shop;

static struct answer answer_sale_order(void)
{
    if (shop.sells_nothing)
        return (struct answer){.code = ANSWER_SOLD_OUT};
    shop.sold_one = true;
    return (struct answer){.code = ANSWER_OK, .reservation_id = 77, .status = HOLD_PENDING};
}

/* One unit, to try, which comes back. */
static struct answer answer_lot_order(const struct call *call)
{
    bool back = call->kind == CALL_REFUND;
    shop.gave_back |= back && call->reservation_id == 77;
    return (struct answer){.code = ANSWER_OK,
                           .reservation_id = back ? call->reservation_id : 1,
                           .status = back ? HOLD_REFUNDED : HOLD_PENDING};
}

static struct answer answer_call(const struct call *call)
{
    switch (call->kind) {
    case CALL_GET_ORDER:
        shop.asked_orders[order_index(call->order)]++;
        return shop.orders[order_index(call->order)];
    case CALL_GET_GROUP: {
        uint64_t team = call->group_id - FIRST_GROUP;
        struct answer a = shop.groups[team];
        if (shop.asked_groups[team]++ < shop.open_for && team == 0)
            a.group = GROUP_OPEN;
        return a;
    }
    case CALL_GET_SALE:
        return shop.sale;
    case CALL_GET_LOT:
        return (struct answer){.code = ANSWER_OK,
                               .on_hand = shop.lot.on_hand,
                               .reserved = shop.lot.reserved,
                               .confirmed = shop.lot.confirmed,
                               .available = shop.lot.available};
    default:
        return call->kind == CALL_RESERVE && call->in_sale ? answer_sale_order()
                                                           : answer_lot_order(call);
    }
}

/* ---- a run that is over: even teams have succeeded, odd ones failed, with two of three paid ----
 */

static struct peer peer;
static struct order_book book;
static struct order_mix mix;
static char keys[1][LOT_KEY_SIZE] = {"A#00000000"};
static struct lot_stock begin[1];
static struct lot_tally tallies[1];
static struct protocol_target target;
static struct target_lots lots;
static struct audit_input in;
static struct audit_result result;

static struct order_entry *entry(uint64_t team, uint32_t place)
{
    return order_book_at(&book, order_number(0, team * PLACES + place));
}

static struct answer *order(uint64_t team, uint32_t place)
{
    return &shop.orders[team * PLACES + place];
}

static void add_team(uint64_t team)
{
    uint64_t first;
    bool good = team % 2 == 0;
    assert_true(order_book_add_team(&book, PLACES, &first));
    book.teams[team].group_id = FIRST_GROUP + team;
    book.teams[team].sent_ns = book.teams[team].told_ns = clock_monotonic_ns();
    for (uint32_t i = 0; i < PLACES; i++)
        *order(team, i) = (struct answer){.code = ANSWER_NOT_FOUND};
    for (uint32_t i = 0; i < SIZE; i++) {
        bool paid = good || i + 1 < SIZE;
        *entry(team, i) = (struct order_entry){
            .reservation_id = FIRST_ID + team * PLACES + i,
            .step = paid ? ORDER_CONFIRMED : ORDER_HELD,
        };
        *order(team, i) = (struct answer){.code = ANSWER_OK,
                                          .reservation_id = FIRST_ID + team * PLACES + i,
                                          .status = good ? HOLD_CONFIRMED : HOLD_REFUNDED,
                                          .group_failed = !good,
                                          .group_id = FIRST_GROUP + team,
                                          .in_sale = true,
                                          .quantity = 1,
                                          .lines = 1,
                                          .lot_matches = true,
                                          .reserve_moves = 1};
    }
    shop.groups[team] = (struct answer){.code = ANSWER_OK,
                                        .group_id = FIRST_GROUP + team,
                                        .group = good ? GROUP_SUCCEEDED : GROUP_FAILED,
                                        .places = SIZE,
                                        .paid = good ? SIZE : SIZE - 1};
}

static int set_up(void **state)
{
    enum { HELD = TEAMS / 2 * SIZE };
    (void)state;
    memset(&shop, 0, sizeof shop);
    memset(tallies, 0, sizeof tallies);
    answers_set(answer_call);
    mix = (struct order_mix){
        .seed = 3,
        .choice = {.kind = CHOICE_ONE, .count = 1},
        .pay = 1,
        .quantity_max = 1,
        .hold_ms = 3600 * 1000,
        .teams = {.size = SIZE, .user_limit = 1, .window_ms = 50, .total_limit = TOTAL}};
    target = (struct protocol_target){.run = "0123456789ab",
                                      .sale = "bench-0123456789ab",
                                      .lots = (const char(*)[LOT_KEY_SIZE])keys,
                                      .lot_count = 1,
                                      .streams = 1,
                                      .timeout_ms = 1};
    order_book_init(&book, 0);
    for (uint64_t team = 0; team < TEAMS; team++)
        add_team(team);
    begin[0] = (struct lot_stock){.on_hand = UNITS, .available = UNITS};
    shop.lot = (struct lot_stock){.on_hand = UNITS, .confirmed = HELD, .available = UNITS - HELD};
    shop.sale = (struct answer){.code = ANSWER_OK,
                                .sale_open = true,
                                .units_confirmed = HELD,
                                .units_left = TOTAL - HELD,
                                .groups_succeeded = TEAMS / 2,
                                .groups_failed = TEAMS / 2};
    lots = (struct target_lots){.count = 1, .keys = keys, .begin = begin};
    assert_true(peer_listen(&peer, AF_INET));
    peer_start(&peer);
    in = (struct audit_input){.books = &book,
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
                              .wait_ms = 30000};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    peer_stop(&peer);
    order_book_close(&book);
    return 0;
}

static void run_audit(void)
{
    audit_run(&in, &result);
    for (uint32_t i = 0; i < result.finding_count; i++)
        print_message("%s\n", result.findings[i]);
    assert_string_equal(result.reason, "");
    assert_true(result.complete);
}

static void assert_found(int64_t groups_wrong, int64_t limits_broken)
{
    run_audit();
    assert_int_equal(result.groups_wrong, groups_wrong);
    assert_int_equal(result.limits_broken, limits_broken);
    assert_int_equal(result.oversold + result.undersold + result.lost + result.duplicated, 0);
    assert_int_equal(result.finding_count > 0, groups_wrong || limits_broken);
}

static void every_group_and_order_is_asked_for_once(void **state)
{
    (void)state;
    assert_found(0, 0);
    assert_int_equal(result.acknowledged, TEAMS * SIZE);
    assert_int_equal(result.looked_up, TEAMS * SIZE);
    assert_int_equal(result.groups_opened, TEAMS);
    assert_int_equal(result.groups_succeeded, TEAMS / 2);
    assert_int_equal(result.groups_failed, TEAMS / 2);
    assert_int_equal(result.groups_refunded, TEAMS / 2 * SIZE);
    for (uint32_t i = 0; i < TEAMS; i++)
        assert_int_equal(shop.asked_groups[i], 1);
    for (uint32_t i = 0; i < ORDERS; i++)
        assert_int_equal(shop.asked_orders[i], i % PLACES < SIZE);
    assert_true(shop.sold_one && shop.gave_back);
}

static void a_group_that_is_still_open_is_asked_for_again(void **state)
{
    (void)state;
    shop.open_for = 3;
    assert_found(0, 0);
    assert_int_equal(shop.asked_groups[0], 4);
}

static void windows_are_waited_for(void **state)
{
    (void)state;
    mix.teams.window_ms = 300;
    uint64_t told_ns = book.teams[TEAMS - 1].told_ns;
    assert_found(0, 0);
    assert_true(clock_monotonic_ns() - told_ns >= 300 * UINT64_C(1000000));
}

static void a_wrong_end_is_told_with_the_group(void **state)
{
    (void)state;
    shop.groups[4].group = GROUP_FAILED; /* its orders are CONFIRMED */
    shop.sale.groups_succeeded--;
    shop.sale.groups_failed++;
    assert_found(1, 0);
    assert_non_null(strstr(result.findings[0], "group 704: has FAILED"));
}

static void what_the_run_noticed_is_told(void **state)
{
    (void)state;
    *entry(2, SIZE) = (struct order_entry){.step = ORDER_REFUSED, .shut = true};
    *entry(3, SIZE) = (struct order_entry){.step = ORDER_REFUSED, .beyond = true};
    assert_found(1, 1);
    assert_int_equal(result.refused_checked, 2);
    assert_int_equal(shop.asked_orders[2 * PLACES + SIZE], 1);
}

static void a_paid_order_that_is_gone_is_lost(void **state)
{
    (void)state;
    *order(6, 1) = (struct answer){.code = ANSWER_NOT_FOUND};
    shop.lot.confirmed--;
    shop.lot.available++;
    shop.sale.units_confirmed--;
    shop.sale.units_left++;
    run_audit();
    assert_int_equal(result.lost, 1);
    assert_int_equal(result.groups_wrong, 1); /* it has SUCCEEDED with two */
}

static void a_group_of_an_opener_in_doubt_is_found_by_his_order(void **state)
{
    (void)state;
    *entry(8, 0) = (struct order_entry){.step = ORDER_SENT, .in_doubt = true};
    *entry(8, 1) = *entry(8, 2) = (struct order_entry){.step = ORDER_UNUSED};
    *order(8, 1) = *order(8, 2) = (struct answer){.code = ANSWER_NOT_FOUND};
    order(8, 0)->status = HOLD_REFUNDED;
    order(8, 0)->group_failed = true;
    book.teams[8].group_id = book.teams[8].told_ns = 0;
    shop.groups[8].group = GROUP_FAILED;
    shop.lot.confirmed -= SIZE;
    shop.lot.available += SIZE;
    shop.sale.units_confirmed -= SIZE;
    shop.sale.units_left += SIZE;
    shop.sale.groups_succeeded--;
    shop.sale.groups_failed++;
    assert_found(0, 0);
    assert_int_equal(shop.asked_groups[8], 1);
    assert_int_equal(result.in_doubt, 1);
    assert_int_equal(result.groups_opened, TEAMS);
    assert_int_equal(result.groups_failed, TEAMS / 2 + 1);
}

static void a_sale_that_sells_nothing_of_what_is_left_is_found(void **state)
{
    (void)state;
    shop.sells_nothing = true;
    run_audit();
    assert_int_equal(result.undersold, shop.sale.units_left);
    assert_int_equal(result.finding_count, 1);
}

static void a_sale_that_sells_what_it_has_not_is_found(void **state)
{
    (void)state;
    mix.teams.total_limit = shop.sale.units_confirmed;
    shop.sale.units_left = 0;
    assert_found(0, 1);
    assert_true(shop.gave_back);
}

static void a_sale_that_counts_wrong_is_found(void **state)
{
    (void)state;
    shop.sale.units_confirmed -= 2;
    shop.sale.groups_failed += 3;
    assert_found(3, 2);
}

static void a_countdown_that_was_told_wrong_is_found(void **state)
{
    (void)state;
    in.countdowns_wrong = 4;
    assert_found(4, 0);
    assert_non_null(strstr(result.findings[0], "countdown was told wrong 4 times"));
}

static void a_sale_that_is_gone_is_found(void **state)
{
    (void)state;
    shop.sale = (struct answer){.code = ANSWER_NOT_FOUND};
    assert_found(1, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        T(every_group_and_order_is_asked_for_once),
        T(a_group_that_is_still_open_is_asked_for_again),
        T(windows_are_waited_for),
        T(a_wrong_end_is_told_with_the_group),
        T(what_the_run_noticed_is_told),
        T(a_paid_order_that_is_gone_is_lost),
        T(a_group_of_an_opener_in_doubt_is_found_by_his_order),
        T(a_sale_that_sells_nothing_of_what_is_left_is_found),
        T(a_sale_that_sells_what_it_has_not_is_found),
        T(a_sale_that_counts_wrong_is_found),
        T(a_countdown_that_was_told_wrong_is_found),
        T(a_sale_that_is_gone_is_found),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
