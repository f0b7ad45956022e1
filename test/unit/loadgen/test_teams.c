/* Who is in a team of a sale of groups, and what becomes of their orders. */
#include "fixture.h"

#include "loadgen/teams.h"

enum { TEAMS = 3000, SIZE = 4, LIMIT = 7 };

static struct order_mix mix_of(double pay, double cancel)
{
    return (struct order_mix){.seed = 11,
                              .choice = {.kind = CHOICE_ONE, .count = 1},
                              .pay = pay,
                              .cancel = cancel,
                              .quantity_max = 3,
                              .hold_ms = 5000,
                              .expire_ms = 10,
                              .teams = {.size = SIZE, .user_limit = LIMIT}};
}

static uint64_t first_of(const struct order_mix *mix, uint64_t team)
{
    return order_number(3, team * team_orders(mix));
}

static uint32_t count_fate(const struct order_mix *mix, uint64_t first, uint32_t places,
                           enum order_fate fate)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < places; i++)
        n += order_plan_of(mix, first + i).fate == fate;
    return n;
}

static void all_orders_of_a_team_know_it_and_their_places(void **state)
{
    (void)state;
    struct order_mix mix = mix_of(0.3, 0.2);
    for (uint64_t team = 0; team < 100; team++) {
        uint64_t first = first_of(&mix, team);
        struct team_plan p = team_plan_of(&mix, first);
        for (uint32_t i = 0; i < team_orders(&mix); i++) {
            struct team_plan same = team_plan_of(&mix, first + i);
            assert_true(p.kind == same.kind && p.comes == same.comes && p.odd == same.odd &&
                        p.again == same.again && p.crowd == same.crowd);
            assert_int_equal(team_first(&mix, first + i), first);
            assert_int_equal(team_number(&mix, first + i), team);
            assert_int_equal(team_place(&mix, first + i), i);
        }
    }
    assert_int_equal(team_orders(&mix), SIZE + 2);
    assert_int_equal(team_place_spare(&mix), SIZE);
    assert_int_equal(team_place_again(&mix), SIZE + 1);
}

static void kinds_come_in_their_shares(void **state)
{
    (void)state;
    struct order_mix mix = mix_of(0.4, 0.3);
    uint32_t n[TEAM_LAST_MOMENT + 1] = {0}, crowds = 0, again = 0;
    for (uint64_t team = 0; team < TEAMS; team++) {
        struct team_plan p = team_plan_of(&mix, first_of(&mix, team));
        n[p.kind]++;
        crowds += p.crowd;
        again += p.again != TEAM_NOBODY;
    }
    assert_in_range(n[TEAM_PAYS], TEAMS * 0.36, TEAMS * 0.44);
    assert_in_range(n[TEAM_CHANGES], TEAMS * 0.26, TEAMS * 0.34);
    assert_in_range(n[TEAM_SHORT], TEAMS * 0.07, TEAMS * 0.13);
    assert_in_range(n[TEAM_OWES], TEAMS * 0.07, TEAMS * 0.13);
    assert_in_range(n[TEAM_LAST_MOMENT], TEAMS * 0.07, TEAMS * 0.13);
    assert_in_range(again, TEAMS * 0.16, TEAMS * 0.24);
    assert_in_range(crowds, TEAMS * 0.6 * 0.16, TEAMS * 0.6 * 0.24);
}

static void all_pay_where_all_are_to_pay(void **state)
{
    (void)state;
    struct order_mix mix = mix_of(1, 0);
    for (uint64_t team = 0; team < 200; team++) {
        uint64_t first = first_of(&mix, team);
        struct team_plan p = team_plan_of(&mix, first);
        assert_int_equal(p.kind, TEAM_PAYS);
        assert_int_equal(p.comes, SIZE);
        assert_int_equal(count_fate(&mix, first, SIZE, FATE_PAY), SIZE);
    }
}

static void where_one_leaves_it_is_not_the_opener_and_another_pays(void **state)
{
    (void)state;
    struct order_mix mix = mix_of(0, 1);
    for (uint64_t team = 0; team < 500; team++) {
        uint64_t first = first_of(&mix, team);
        struct team_plan p = team_plan_of(&mix, first);
        assert_int_equal(p.kind, TEAM_CHANGES);
        assert_in_range(p.odd, 1, SIZE - 1);
        assert_int_equal(order_plan_of(&mix, first + p.odd).fate, FATE_CANCEL);
        assert_int_equal(order_plan_of(&mix, first + team_place_spare(&mix)).fate, FATE_PAY);
        assert_int_equal(count_fate(&mix, first, SIZE, FATE_PAY), SIZE - 1);
        assert_true(p.again != p.odd);
        assert_false(p.crowd);
    }
}

static void the_others_stay_short_owe_or_wait_for_the_last_moment(void **state)
{
    (void)state;
    struct order_mix mix = mix_of(0, 0);
    for (uint64_t team = 0; team < 500; team++) {
        uint64_t first = first_of(&mix, team);
        struct team_plan p = team_plan_of(&mix, first);
        uint32_t pay = count_fate(&mix, first, p.comes, FATE_PAY);
        switch (p.kind) {
        case TEAM_SHORT:
            assert_int_equal(p.comes, SIZE - 1);
            assert_int_equal(pay, SIZE - 1);
            assert_false(p.crowd);
            break;
        case TEAM_OWES:
            assert_int_equal(p.comes, SIZE);
            assert_int_equal(pay, SIZE - 1);
            assert_int_equal(order_plan_of(&mix, first + p.odd).fate, FATE_KEEP);
            break;
        default:
            assert_int_equal(p.kind, TEAM_LAST_MOMENT);
            assert_int_equal(p.odd, SIZE - 1);
            assert_int_equal(pay, SIZE);
        }
    }
}

static void every_order_has_a_buyer_of_its_own_but_the_one_that_is_too_much(void **state)
{
    (void)state;
    struct order_mix mix = mix_of(0.5, 0.2);
    uint32_t seen = 0;
    for (uint64_t team = 0; team < 500; team++) {
        uint64_t first = first_of(&mix, team), second = first + team_place_again(&mix);
        struct team_plan p = team_plan_of(&mix, first);
        for (uint32_t i = 0; i <= team_place_spare(&mix); i++)
            assert_int_equal(team_buyer(&mix, first + i), first + i);
        assert_int_equal(order_plan_of(&mix, second).quantity, LIMIT);
        assert_int_equal(order_plan_of(&mix, second).fate, FATE_KEEP);
        if (p.again == TEAM_NOBODY)
            continue;
        seen++;
        assert_true(p.again < p.comes);
        assert_int_equal(team_buyer(&mix, second), first + p.again);
    }
    assert_true(seen > 0);
}

static void holds_of_members_are_the_runs_and_quantities_are_drawn(void **state)
{
    (void)state;
    struct order_mix mix = mix_of(0.5, 0.2);
    uint32_t seen[4] = {0};
    for (uint64_t team = 0; team < 200; team++) {
        struct order_plan plan = order_plan_of(&mix, first_of(&mix, team) + team % SIZE);
        assert_int_equal(plan.hold_ms, 5000);
        assert_in_range(plan.quantity, 1, 3);
        seen[plan.quantity]++;
    }
    assert_true(seen[1] && seen[2] && seen[3]);
}

static void teams_of_a_book_lie_one_behind_the_other(void **state)
{
    (void)state;
    struct order_mix mix = mix_of(1, 0);
    struct order_book book;
    order_book_init(&book, 3);
    for (uint64_t team = 0; team < 5000; team++) {
        uint64_t first;
        assert_true(order_book_add_team(&book, team_orders(&mix), &first));
        assert_int_equal(first, first_of(&mix, team));
        assert_int_equal(book.team_count, team + 1);
        assert_int_equal(book.teams[team].group_id, 0);
        assert_int_equal(order_book_at(&book, first + SIZE + 1)->step, ORDER_UNUSED);
        book.teams[team].group_id = team + 1;
    }
    for (uint64_t team = 0; team < 5000; team++)
        assert_int_equal(book.teams[team].group_id, team + 1);
    order_book_close(&book);
    assert_int_equal(book.team_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_orders_of_a_team_know_it_and_their_places),
        cmocka_unit_test(kinds_come_in_their_shares),
        cmocka_unit_test(all_pay_where_all_are_to_pay),
        cmocka_unit_test(where_one_leaves_it_is_not_the_opener_and_another_pays),
        cmocka_unit_test(the_others_stay_short_owe_or_wait_for_the_last_moment),
        cmocka_unit_test(every_order_has_a_buyer_of_its_own_but_the_one_that_is_too_much),
        cmocka_unit_test(holds_of_members_are_the_runs_and_quantities_are_drawn),
        cmocka_unit_test(teams_of_a_book_lie_one_behind_the_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
