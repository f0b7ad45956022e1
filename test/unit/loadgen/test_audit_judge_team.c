/* Judging a sale of groups: what was promised, how groups ended, what is held. */
#include "fixture.h"

#include <string.h>

#include "loadgen/audit_team.h"
#include "loadgen/teams.h"

enum { SIZE = 3, ORDERS = SIZE + 2, UNITS = 2, SPARE = SIZE, AGAIN = SIZE + 1 };

static struct order_mix mix;
static struct order_entry entries[ORDERS];
static struct order_fact facts[ORDERS];
static struct team_case team;

/* A member's order, as it should be shown. */
static struct order_fact shown(enum hold_status status)
{
    return (struct order_fact){.status = (uint8_t)status,
                               .lines = 1,
                               .reserve_moves = 1,
                               .lot_matches = true,
                               .in_sale = true,
                               .in_group = true,
                               .same_reservation = true,
                               .quantity = UNITS};
}

static struct order_fact failed(void)
{
    struct order_fact f = shown(HOLD_REFUNDED);
    f.group_failed = true;
    return f;
}

static void set_group(enum group_status status, int64_t paid)
{
    team.group = (struct group_fact){.known = true, .status = status, .places = SIZE, .paid = paid};
}

/* A team of the kind that `pays`, or changes, in which a buyer orders again. All have paid, and the
 * group has succeeded. */
static void set_up_kind(double pays, double changes)
{
    mix = (struct order_mix){.seed = 3,
                             .choice = {.kind = CHOICE_ONE, .count = 1},
                             .pay = pays,
                             .cancel = changes,
                             .quantity_max = 1,
                             .hold_ms = 3600 * 1000,
                             .teams = {.size = SIZE, .user_limit = UNITS}};
    team = (struct team_case){.mix = &mix, .entries = entries, .facts = facts};
    while (team_plan_of(&mix, team.first).again == TEAM_NOBODY)
        team.first += ORDERS;
    memset(entries, 0, sizeof entries);
    memset(facts, 0, sizeof facts);
    for (uint32_t i = 0; i < SIZE; i++) {
        entries[i] = (struct order_entry){.reservation_id = 50 + i, .step = ORDER_CONFIRMED};
        facts[i] = shown(HOLD_CONFIRMED);
        facts[i].quantity = 1; /* as it is drawn */
    }
    set_group(GROUP_SUCCEEDED, SIZE);
}

static int set_up(void **state)
{
    (void)state;
    set_up_kind(1, 0);
    return 0;
}

/* All of it failed: two had paid, one had not. */
static void fail_the_group(void)
{
    for (uint32_t i = 0; i < SIZE; i++)
        facts[i] = failed();
    entries[2].step = ORDER_HELD;
    set_group(GROUP_FAILED, 2);
}

static struct order_verdict member(uint32_t place)
{
    struct order_verdict v;
    audit_judge_member(&team, place, &v);
    return v;
}

static void assert_right(uint32_t place)
{
    struct order_verdict v = member(place);
    if (v.text[0])
        fail_msg("%s", v.text);
    assert_false(v.lost || v.duplicated || v.undersold);
}

static void assert_lost(uint32_t place, const char *why)
{
    struct order_verdict v = member(place);
    assert_true(v.lost);
    assert_false(v.duplicated || v.undersold);
    if (!strstr(v.text, why))
        fail_msg("'%s' does not say '%s'", v.text, why);
}

static void assert_undersold(uint32_t place, const char *why)
{
    struct order_verdict v = member(place);
    assert_int_equal(v.undersold, facts[place].quantity);
    assert_false(v.lost || v.duplicated);
    if (!strstr(v.text, why))
        fail_msg("'%s' does not say '%s'", v.text, why);
}

static void assert_group_right(void)
{
    struct group_verdict v;
    audit_judge_group(&team, &v);
    if (v.text[0] || v.limit_text[0])
        fail_msg("%s%s", v.text, v.limit_text);
    assert_false(v.wrong);
    assert_int_equal(v.over_limit, 0);
}

static void assert_group_wrong(const char *why)
{
    struct group_verdict v;
    audit_judge_group(&team, &v);
    assert_true(v.wrong);
    if (!strstr(v.text, why))
        fail_msg("'%s' does not say '%s'", v.text, why);
}

/* ---- members ---- */

static void members_of_a_group_that_succeeded_hold_what_they_paid(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < SIZE; i++) {
        assert_right(i);
        assert_int_equal(member(i).confirmed, 1);
        assert_int_equal(member(i).pending, 0);
    }
    assert_group_right();
}

static void members_of_a_group_that_failed_hold_nothing(void **state)
{
    (void)state;
    fail_the_group();
    for (uint32_t i = 0; i < SIZE; i++) {
        assert_right(i);
        assert_int_equal(member(i).confirmed + member(i).pending, 0);
    }
    assert_group_right();
}

static void a_payment_that_is_gone_though_the_group_succeeded_is_lost(void **state)
{
    (void)state;
    facts[1] = failed();
    assert_lost(1, "its group SUCCEEDED");
    facts[1] = shown(HOLD_REFUNDED);
    assert_lost(1, "was acknowledged as CONFIRMED, and is REFUNDED");
    facts[1] = (struct order_fact){0};
    assert_lost(1, "is not there");
}

static void a_payment_given_back_for_another_reason_than_the_groups_is_lost(void **state)
{
    (void)state;
    fail_the_group();
    facts[0] = shown(HOLD_REFUNDED);
    assert_lost(0, "was acknowledged as CONFIRMED");
    facts[2] = shown(HOLD_REFUNDED);
    assert_lost(2, "nobody cancelled it");
}

static void a_hold_that_ended_with_a_group_that_did_not_fail_is_lost(void **state)
{
    (void)state;
    entries[2].step = ORDER_HELD;
    facts[2] = failed();
    assert_lost(2, "its group is SUCCEEDED");
}

static void an_expiry_before_the_deadline_is_lost_and_one_after_it_is_not(void **state)
{
    (void)state;
    fail_the_group();
    facts[2] = shown(HOLD_REFUNDED);
    facts[2].expired = true;
    assert_lost(2, "before its deadline");
    team.may_have_expired = true;
    assert_right(2);
}

static void a_payment_that_nobody_made_is_undersold_unless_it_is_in_doubt(void **state)
{
    (void)state;
    entries[0].step = ORDER_HELD;
    assert_undersold(0, "nobody paid");
    entries[0].in_doubt = true;
    assert_right(0);
}

static void who_left_is_refunded_and_holds_nothing(void **state)
{
    (void)state;
    set_up_kind(0, 1);
    uint32_t leaver = team_plan_of(&mix, team.first).odd;
    entries[leaver].step = ORDER_REFUNDED;
    assert_undersold(leaver, "acknowledged as REFUNDED");
    facts[leaver] = shown(HOLD_REFUNDED);
    assert_right(leaver);
    entries[leaver].step = ORDER_HELD;
    entries[leaver].in_doubt = true;
    assert_right(leaver);
    entries[leaver].in_doubt = false;
    assert_lost(leaver, "nobody cancelled it");
}

static void a_refused_order_holds_nothing(void **state)
{
    (void)state;
    entries[SPARE].step = ORDER_REFUSED;
    assert_right(SPARE);
    facts[SPARE] = shown(HOLD_PENDING);
    assert_undersold(SPARE, "was refused, and is PENDING");
    facts[SPARE] = shown(HOLD_REFUNDED);
    assert_right(SPARE);
}

static void an_order_in_doubt_may_be_either(void **state)
{
    (void)state;
    entries[SPARE].step = ORDER_SENT;
    assert_right(SPARE);
    facts[SPARE] = shown(HOLD_PENDING);
    facts[SPARE].quantity = 1;
    entries[SPARE].reservation_id = 0;
    facts[SPARE].same_reservation = false;
    assert_right(SPARE);
    assert_int_equal(member(SPARE).pending, 1);
}

static void another_reservation_is_duplicated(void **state)
{
    (void)state;
    facts[0].same_reservation = false;
    assert_true(member(0).duplicated);
    assert_int_equal(member(0).spare, 1);
    facts[0].same_reservation = true;
    facts[0].reserve_moves = 2;
    assert_true(member(0).duplicated);
    entries[0].twice = true; /* told already */
    assert_false(member(0).duplicated);
}

static void other_contents_than_were_ordered_are_lost(void **state)
{
    (void)state;
    facts[0].quantity = 2;
    assert_lost(0, "holds 2 in 1 lines instead of the 1");
    facts[0].quantity = 1;
    facts[0].lot_matches = false;
    assert_lost(0, "of another lot");
    facts[0].lot_matches = true;
    facts[0].in_group = false;
    assert_lost(0, "is not in the group");
    facts[0].in_sale = false;
    assert_lost(0, "is not in the sale");
    facts[0] = facts[1];
    facts[0].reserve_moves = 0;
    assert_lost(0, "no RESERVE");
}

static void what_was_denied_is_counted_elsewhere(void **state)
{
    (void)state;
    entries[1].denied = true;
    facts[1] = (struct order_fact){0};
    assert_false(member(1).lost);
}

/* ---- groups ---- */

static void a_group_succeeds_only_when_all_places_are_paid(void **state)
{
    (void)state;
    entries[2].step = ORDER_HELD;
    facts[2] = shown(HOLD_PENDING);
    assert_group_wrong("2 members are CONFIRMED, 1 PENDING");
    facts[2] = failed();
    assert_group_wrong("2 members are CONFIRMED, 0 PENDING");
    set_up(NULL);
    facts[SPARE] = shown(HOLD_CONFIRMED);
    assert_group_wrong("4 members are CONFIRMED");
    set_up(NULL);
    facts[SPARE] = shown(HOLD_PENDING);
    assert_group_wrong("3 members are CONFIRMED, 1 PENDING");
    set_up(NULL);
    set_group(GROUP_SUCCEEDED, SIZE - 1);
    assert_group_wrong("shows 2 of 3 paid");
}

static void a_group_that_was_paid_in_all_places_must_have_succeeded(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < SIZE; i++)
        facts[i] = failed();
    set_group(GROUP_FAILED, SIZE);
    assert_group_wrong("all its 3 members had paid in time");
}

static void nobody_holds_units_of_a_group_that_failed(void **state)
{
    (void)state;
    fail_the_group();
    facts[0] = shown(HOLD_CONFIRMED);
    assert_group_wrong("of its members 1 are CONFIRMED, 0 PENDING");
    fail_the_group();
    facts[2] = shown(HOLD_PENDING);
    assert_group_wrong("of its members 0 are CONFIRMED, 1 PENDING");
}

static void a_group_is_over_after_its_window(void **state)
{
    (void)state;
    set_group(GROUP_OPEN, SIZE);
    assert_group_wrong("is OPEN, long after its window");
    team.may_be_open = true;
    assert_group_right();
}

static void a_group_that_is_gone_or_of_another_size_is_wrong(void **state)
{
    (void)state;
    set_group(GROUP_NONE, 0);
    assert_group_wrong("is not there");
    set_group(GROUP_SUCCEEDED, SIZE);
    team.group.places = SIZE + 1;
    assert_group_wrong("has 4 places instead of 3");
    team.group = (struct group_fact){0}; /* never opened */
    assert_group_right();
}

static void a_buyer_over_his_limit_is_found(void **state)
{
    (void)state;
    uint32_t place = team_plan_of(&mix, team.first).again;
    struct group_verdict v;
    facts[AGAIN] = shown(HOLD_PENDING);
    audit_judge_group(&team, &v);
    assert_false(v.wrong);
    assert_int_equal(v.over_limit, 1); /* 1 + 2, and he may have 2 */
    assert_int_equal(v.limit_place, place);
    assert_non_null(strstr(v.limit_text, "3 units, and may hold 2"));
    facts[AGAIN].status = HOLD_REFUNDED;
    assert_group_right();
    facts[0].quantity = 5;
    audit_judge_group(&team, &v);
    assert_int_equal(v.over_limit, 3);
}

/* ---- the sale ---- */

static const struct sale_account account = {
    .held = 40, .total_limit = 50, .available = 100, .succeeded = 5, .failed = 7};
static const struct answer right = {.units_pending = 10,
                                    .units_confirmed = 30,
                                    .units_left = 10,
                                    .groups_succeeded = 5,
                                    .groups_failed = 7};

static struct sale_verdict judged(struct sale_account a, struct answer shown_sale)
{
    struct sale_verdict v;
    audit_judge_sale(&a, &shown_sale, &v);
    return v;
}

static void a_sale_that_counts_right_passes(void **state)
{
    (void)state;
    struct sale_account a = account;
    struct answer s = right;
    struct sale_verdict v = judged(a, s);
    assert_int_equal(v.over_limit + v.undersold + v.groups, 0);
    a.total_limit = 0; /* none */
    s.units_left = 100;
    v = judged(a, s);
    assert_int_equal(v.over_limit + v.undersold + v.groups, 0);
    a.total_limit = 50;
    a.available = s.units_left = 4; /* the lots have less than its share */
    v = judged(a, s);
    assert_int_equal(v.over_limit + v.undersold + v.groups, 0);
}

static void a_sale_beyond_its_share_is_found(void **state)
{
    (void)state;
    struct sale_account a = account;
    a.total_limit = 38;
    struct sale_verdict v = judged(a, right);
    assert_int_equal(v.over_limit, 2);
    assert_non_null(strstr(v.limit_text, "hold 40 units, and it has 38"));
}

static void a_sale_that_counts_less_than_its_orders_hold_would_sell_too_much(void **state)
{
    (void)state;
    struct answer s = right;
    s.units_pending = 7;
    s.units_left = 13;
    struct sale_verdict v = judged(account, s);
    assert_int_equal(v.over_limit, 3);
    assert_int_equal(v.undersold, 0);
}

static void a_sale_that_counts_more_or_shows_less_left_strands_units(void **state)
{
    (void)state;
    struct answer s = right;
    s.units_confirmed = 34;
    s.units_left = 6;
    struct sale_verdict v = judged(account, s);
    assert_int_equal(v.undersold, 4);
    assert_int_equal(v.over_limit, 0);
    s = right;
    s.units_left = 8;
    assert_int_equal(judged(account, s).undersold, 2);
}

static void groups_that_are_counted_wrong_are_found(void **state)
{
    (void)state;
    struct answer s = right;
    s.groups_succeeded = 6;
    s.groups_failed = 6;
    struct sale_verdict v = judged(account, s);
    assert_int_equal(v.groups, 1);
    assert_non_null(strstr(v.groups_text, "6 as SUCCEEDED, 6 as FAILED: there are 0, 5 and 7"));
    s = right;
    s.groups_open = 2;
    assert_int_equal(judged(account, s).groups, 2);
    s = right;
    s.groups_failed = 4;
    assert_int_equal(judged(account, s).groups, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup(name, set_up)
        T(members_of_a_group_that_succeeded_hold_what_they_paid),
        T(members_of_a_group_that_failed_hold_nothing),
        T(a_payment_that_is_gone_though_the_group_succeeded_is_lost),
        T(a_payment_given_back_for_another_reason_than_the_groups_is_lost),
        T(a_hold_that_ended_with_a_group_that_did_not_fail_is_lost),
        T(an_expiry_before_the_deadline_is_lost_and_one_after_it_is_not),
        T(a_payment_that_nobody_made_is_undersold_unless_it_is_in_doubt),
        T(who_left_is_refunded_and_holds_nothing),
        T(a_refused_order_holds_nothing),
        T(an_order_in_doubt_may_be_either),
        T(another_reservation_is_duplicated),
        T(other_contents_than_were_ordered_are_lost),
        T(what_was_denied_is_counted_elsewhere),
        T(a_group_succeeds_only_when_all_places_are_paid),
        T(a_group_that_was_paid_in_all_places_must_have_succeeded),
        T(nobody_holds_units_of_a_group_that_failed),
        T(a_group_is_over_after_its_window),
        T(a_group_that_is_gone_or_of_another_size_is_wrong),
        T(a_buyer_over_his_limit_is_found),
        T(a_sale_that_counts_right_passes),
        T(a_sale_beyond_its_share_is_found),
        T(a_sale_that_counts_less_than_its_orders_hold_would_sell_too_much),
        T(a_sale_that_counts_more_or_shows_less_left_strands_units),
        T(groups_that_are_counted_wrong_are_found),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
