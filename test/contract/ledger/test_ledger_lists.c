/* needs: mariadb */
/* Lists of reservations, as every ledger must give them. Runs against each factory. */
#include "fixture_ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int64_t reserve(struct rig *rig, const char *order_id, const char *user_id, lot_id lot,
                       sale_number sale)
{
    int64_t id = rig_reserve(rig, lot, 2, order_id);
    struct rig_move *m = &rig->open.at[rig->open.count - 1];
    int len = snprintf(m->user_id, sizeof m->user_id, "%s", user_id);
    m->move.user_id = (struct str){m->user_id, (uint32_t)len};
    m->move.sale = sale;
    return id;
}

/* Three lots; orders a to f of ann and bob, in sale 1, sale 2 and none, in each state. */
static int set_up(void **state)
{
    struct rig *rig = fixture_rig(3);
    reserve(rig, "a", "ann", 1, 1);
    int64_t b = reserve(rig, "b", "bob", 1, 2);
    int64_t c = reserve(rig, "c", "ann", 2, 1);
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    int64_t d = reserve(rig, "d", "bob", 2, 0);
    reserve(rig, "e", "ann", 2, 0);
    rig_step(rig, MOVE_CONFIRM, b, 1, 2);
    rig_step(rig, MOVE_REFUND, c, 2, 2);
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    rig_step(rig, MOVE_CONFIRM, d, 2, 2);
    rig_fence(rig, "f");
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    *state = rig;
    return 0;
}

#define ALL         .before = INT64_MAX, .page_size = 100, .now_ms = 1
#define LISTED(...) rig_listed(rig, &(struct reservation_list){ALL, __VA_ARGS__})

static void all_are_listed_newest_first(void **state)
{
    struct rig *rig = *state;
    assert_string_equal(LISTED(.lot = 0), "f e d c b a");
}

static void each_filter_takes_what_fits(void **state)
{
    struct rig *rig = *state;
    assert_string_equal(LISTED(.user_id = STR("ann")), "e c a");
    assert_string_equal(LISTED(.user_id = STR("bob")), "d b");
    assert_string_equal(LISTED(.user_id = STR("eve")), "");
    assert_string_equal(LISTED(.lot = 1), "b a");
    assert_string_equal(LISTED(.lot = 2), "e d c");
    assert_string_equal(LISTED(.lot = 3), "");
    assert_string_equal(LISTED(.sale = 1), "c a");
    assert_string_equal(LISTED(.sale = 2), "b");
    assert_string_equal(LISTED(.state = HOLD_PENDING), "e a");
    assert_string_equal(LISTED(.state = HOLD_CONFIRMED), "d b");
    assert_string_equal(LISTED(.state = HOLD_REFUNDED), "f c");
}

static void filters_are_taken_together(void **state)
{
    struct rig *rig = *state;
    assert_string_equal(LISTED(.user_id = STR("ann"), .lot = 2), "e c");
    assert_string_equal(LISTED(.user_id = STR("ann"), .state = HOLD_PENDING), "e a");
    assert_string_equal(LISTED(.user_id = STR("ann"), .state = HOLD_REFUNDED), "c");
    assert_string_equal(LISTED(.lot = 2, .state = HOLD_CONFIRMED), "d");
    assert_string_equal(LISTED(.lot = 1, .sale = 1), "a");
    assert_string_equal(LISTED(.lot = 2, .sale = 1, .state = HOLD_REFUNDED), "c");
    assert_string_equal(LISTED(.lot = 2, .sale = 2), "");
    assert_string_equal(LISTED(.user_id = STR("bob"), .lot = 1, .sale = 2, .state = HOLD_CONFIRMED),
                        "b");
}

static void pages_follow_each_other_and_the_last_is_known(void **state)
{
    struct rig *rig = *state;
    struct reservation_list list = {ALL};
    list.page_size = 2;
    assert_string_equal(rig_listed(rig, &list), "f e");
    assert_int_not_equal(list.next, 0);
    list.before = list.next;
    assert_string_equal(rig_listed(rig, &list), "d c");
    list.before = list.next;
    assert_string_equal(rig_listed(rig, &list), "b a");
    assert_int_equal(list.next, 0);
    struct reservation_list anns = {ALL, .user_id = STR("ann")};
    anns.page_size = 2;
    assert_string_equal(rig_listed(rig, &anns), "e c");
    anns.before = anns.next;
    assert_string_equal(rig_listed(rig, &anns), "a");
    assert_int_equal(anns.next, 0);
}

static void a_list_is_right_at_the_instant_it_is_asked_for(void **state)
{
    struct rig *rig = *state;
    assert_string_equal(LISTED(.state = HOLD_PENDING), "e a");
    int64_t g = reserve(rig, "g", "ann", 3, 2);
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    assert_string_equal(LISTED(.state = HOLD_PENDING), "g e a");
    assert_string_equal(LISTED(.user_id = STR("ann")), "g e c a");
    assert_string_equal(LISTED(.lot = 3), "g");
    rig_step(rig, MOVE_CONFIRM, g, 3, 2);
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    assert_string_equal(LISTED(.state = HOLD_PENDING), "e a");
    assert_string_equal(LISTED(.state = HOLD_CONFIRMED), "g d b");
    rig_step(rig, MOVE_RETURN, g, 3, 1);
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    assert_string_equal(LISTED(.state = HOLD_CONFIRMED), "g d b");
    assert_string_equal(LISTED(.state = HOLD_REFUNDED), "f c");
    rig_step(rig, MOVE_RETURN, g, 3, 1);
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    assert_string_equal(LISTED(.state = HOLD_CONFIRMED), "d b");
    assert_string_equal(LISTED(.state = HOLD_REFUNDED), "g f c");
}

static void every_way_back_makes_it_refunded(void **state)
{
    static const enum move_kind kinds[] = {MOVE_RESTOCK, MOVE_DISCARD, MOVE_WRITE_OFF};
    struct rig *rig = *state;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        char id[2] = {(char)('x' + i), 0};
        int64_t r = reserve(rig, id, "zoe", 3, 0);
        rig_step(rig, MOVE_CONFIRM, r, 3, 2);
        if (kinds[i] != MOVE_WRITE_OFF)
            rig_step(rig, MOVE_SHIP, r, 3, 2);
        assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
        assert_string_equal(LISTED(.lot = 3, .state = HOLD_CONFIRMED), id);
        rig_step(rig, kinds[i], r, 3, 2);
        assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    }
    assert_string_equal(LISTED(.lot = 3, .state = HOLD_REFUNDED), "z y x");
}

static void what_was_taken_again_is_confirmed(void **state)
{
    struct rig *rig = *state;
    assert_string_equal(LISTED(.state = HOLD_REFUNDED), "f c");
    rig_step(rig, MOVE_RECLAIM, rig->told.at[5].move.seq, 2, 2);
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    assert_string_equal(LISTED(.state = HOLD_REFUNDED), "f");
    assert_string_equal(LISTED(.state = HOLD_CONFIRMED), "d c b");
}

static void a_changed_order_is_of_the_lots_that_it_has_now(void **state)
{
    struct rig *rig = *state;
    int64_t a = rig->told.at[3].move.seq;
    assert_string_equal(LISTED(.lot = 1), "b a");
    struct rig_move *m = rig_step(rig, MOVE_CHANGE, a, 0, 0);
    m->move.line_count = 2;
    m->lines[0] = (struct line){1, -2};
    m->lines[1] = (struct line){3, 2};
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    assert_string_equal(LISTED(.lot = 1), "b");
    assert_string_equal(LISTED(.lot = 3), "a");
    rig_step(rig, MOVE_CHANGE, a, 2, 4);
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    assert_string_equal(LISTED(.lot = 2), "e d c a");
}

static void an_order_of_several_lots_is_in_each_ones_list(void **state)
{
    struct rig *rig = *state;
    rig_reserve_lines(rig, (struct line[]){{1, 1}, {3, 1}}, 2, "both");
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    assert_string_equal(LISTED(.lot = 1), "both b a");
    assert_string_equal(LISTED(.lot = 3), "both");
}

static void a_hold_that_is_due_is_not_pending(void **state)
{
    struct rig *rig = *state;
    int64_t due_ms = rig->told.at[7].move.deadline_ms;
    struct reservation_list pending = {ALL, .state = HOLD_PENDING};
    pending.now_ms = due_ms - 1;
    assert_string_equal(rig_listed(rig, &pending), "e");
    pending.now_ms = due_ms;
    assert_string_equal(rig_listed(rig, &pending), "");
    struct reservation_list refunded = {ALL, .user_id = STR("ann"), .state = HOLD_REFUNDED};
    refunded.now_ms = due_ms;
    assert_string_equal(rig_listed(rig, &refunded), "e c a");
}

static void lists_go_on_after_a_restart(void **state)
{
    struct rig *rig = *state;
    assert_string_equal(LISTED(.user_id = STR("ann")), "e c a");
    rig_reopen(rig);
    assert_string_equal(LISTED(.user_id = STR("ann")), "e c a");
    reserve(rig, "g", "ann", 1, 0);
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    assert_string_equal(LISTED(.user_id = STR("ann")), "g e c a");
}

static void a_list_has_whole_records(void **state)
{
    struct rig *rig = *state;
    struct reservation_list list = {ALL, .sale = 2};
    assert_int_equal(rig_list(rig, &list), 0);
    assert_int_equal(list.count, 1);
    const struct reservation_record *r = list.records[0];
    assert_true(str_equal(r->user_id, STR("bob")));
    assert_int_equal(r->state, HOLD_CONFIRMED);
    assert_int_equal(r->lines[0].quantity, 2);
    assert_int_equal(r->move_count, 2);
    assert_true(str_equal(r->payment_id, STR("payment-7")));
    rig_list_free(&list);
}

/* Every page is bounded in what it costs; going on finds all. */
static void where_few_of_many_fit_pages_lead_on_to_them(void **state)
{
    enum { MANY = 6000 };
    struct rig *rig = *state;
    int64_t first = reserve(rig, "needle", "ann", 3, 0);
    for (int i = 0; i < MANY; i++) {
        char id[32];
        snprintf(id, sizeof id, "hay-%d", i);
        reserve(rig, id, "ann", 1, 0);
        rig->open.at[rig->open.count - 1].move.line.quantity = 0;
    }
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    rig_step(rig, MOVE_CONFIRM, first, 3, 2);
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    struct reservation_list list = {ALL, .user_id = STR("ann"), .state = HOLD_CONFIRMED};
    int pages = 0, found = 0;
    do {
        pages++;
        found += strcmp(rig_listed(rig, &list), "needle") == 0;
        assert_true(list.next < list.before);
        list.before = list.next;
    } while (list.next && pages < MANY);
    assert_int_equal(found, 1);
    assert_in_range(pages, 2, 10);
}

#define IN_A_RIG(test) cmocka_unit_test_setup_teardown(test, set_up, fixture_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_RIG(all_are_listed_newest_first),
        IN_A_RIG(each_filter_takes_what_fits),
        IN_A_RIG(filters_are_taken_together),
        IN_A_RIG(pages_follow_each_other_and_the_last_is_known),
        IN_A_RIG(a_list_is_right_at_the_instant_it_is_asked_for),
        IN_A_RIG(every_way_back_makes_it_refunded),
        IN_A_RIG(what_was_taken_again_is_confirmed),
        IN_A_RIG(a_changed_order_is_of_the_lots_that_it_has_now),
        IN_A_RIG(an_order_of_several_lots_is_in_each_ones_list),
        IN_A_RIG(a_hold_that_is_due_is_not_pending),
        IN_A_RIG(lists_go_on_after_a_restart),
        IN_A_RIG(a_list_has_whole_records),
        IN_A_RIG(where_few_of_many_fit_pages_lead_on_to_them),
    };
    return fixture_run(tests);
}
