/* needs: mariadb */
/* What a load from the database says of sales, groups, users and who waits:
 * what the moves say. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger_rig_mysql.h"
#include "servers.h"

static const struct sale_item items[2] = {{.lot = 2}, {.sku = {"cola", 4}}};
static const struct sale_terms flash = {.number = 1,
                                        .sale_id = {"flash", 5},
                                        .title = {"Flash", 5},
                                        .starts_ms = 1000,
                                        .ends_ms = 2000,
                                        .per_user_limit = 2,
                                        .group_window_ms = 60000,
                                        .group_size = 3,
                                        .queue = QUEUE_DRAWN,
                                        .item_count = 2,
                                        .items = items};

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    rig_open(rig, &rig_mysql);
    rig_create(rig, 100);
    rig_create(rig, 100);
    rig_sale(rig, &flash);
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    rig_close(*state);
    free(*state);
    return 0;
}

/* Loads, and holds it. */
static const struct load *load(struct rig *rig, const struct load_key *keys, uint32_t count,
                               bool user_holds)
{
    int before = rig_load_count(rig);
    rig_release(rig);
    rig->load = (struct load){.keys = keys,
                              .key_count = count,
                              .writes = true,
                              .user_holds = user_holds,
                              .attempt = 1,
                              .due_max = 50,
                              .counted_from = 1,
                              .now_ms = rig->now_ms};
    rig->ledger->ops->load(rig->ledger, &rig->load);
    AWAIT(rig_load_count(rig) > before);
    assert_int_equal(rig->load.code, 0);
    assert_false(rig->load.assumed);
    rig->load_held = true;
    if (rig->load.seq_floor > rig->seq)
        rig->seq = rig->load.seq_floor;
    return &rig->load;
}

static int64_t order(struct rig *rig, const char *order_id, lot_id lot, int64_t units,
                     sale_number sale, int64_t group)
{
    int64_t id = rig_reserve(rig, lot, units, order_id);
    struct rig_move *m = &rig->open.at[rig->open.count - 1];
    m->move.sale = sale;
    m->move.group_id = group;
    return id;
}

static void a_sale_comes_with_its_terms_and_what_its_orders_come_to(void **state)
{
    struct rig *rig = *state;
    const struct load_key key = {.kind = LOAD_SALE, .text = STR("flash")};
    int64_t a = order(rig, "a", 1, 3, 1, 0), b = order(rig, "b", 2, 4, 1, 0);
    int64_t c = order(rig, "c", 2, 5, 1, 0);
    order(rig, "outside", 1, 7, 0, 0);
    rig_step(rig, MOVE_CONFIRM, b, 2, 3);
    rig_step(rig, MOVE_RELEASE, b, 2, 1);
    rig_step(rig, MOVE_REFUND, c, 2, 5);
    (void)a;
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    const struct load *l = load(rig, &key, 1, false);
    assert_int_equal(l->sale_count, 1);
    const struct loaded_sale *s = &l->sales[0];
    assert_true(str_equal(s->terms.title, STR("Flash")));
    assert_int_equal(s->terms.queue, QUEUE_DRAWN);
    assert_int_equal(s->terms.item_count, 2);
    assert_int_equal(s->terms.items[0].lot, 2);
    assert_true(str_equal(s->terms.items[1].sku, STR("cola")));
    assert_int_equal(s->created_seq, rig->told.at[2].move.seq);
    assert_int_equal(s->units_pending, 3);
    assert_int_equal(s->units_confirmed, 3);
    assert_int_equal(s->orders_made, 3);
    assert_int_equal(s->orders_back, 1);
    assert_int_equal(l->sales_highest, 1);
    assert_int_equal(l->lot_count, 0);
}

static void a_sale_with_lots_brings_all_that_it_sells(void **state)
{
    struct rig *rig = *state;
    const struct load_key keys[2] = {{.kind = LOAD_SALE_LOTS, .text = STR("flash")},
                                     {.kind = LOAD_SALES, .limit = 5}};
    for (int i = 0; i < 2; i++) {
        const struct load *l = load(rig, &keys[i], 1, false);
        assert_int_equal(l->sale_count, 1);
        assert_int_equal(l->lot_count, 2);
    }
}

static void a_sale_that_is_not_there_tells_what_the_last_number_is(void **state)
{
    struct rig *rig = *state;
    const struct load_key key = {.kind = LOAD_SALE, .text = STR("none")};
    const struct load *l = load(rig, &key, 1, false);
    assert_int_equal(l->sale_count, 0);
    assert_int_equal(l->sales_highest, 1);
}

static void an_open_group_brings_its_sale_and_those_of_its_members_that_have_a_place(void **state)
{
    struct rig *rig = *state;
    int64_t group = rig_group(rig, MOVE_GROUP_OPEN, 1, 0);
    order(rig, "in", 1, 1, 1, group);
    int64_t left = order(rig, "left", 2, 1, 1, group);
    rig_step(rig, MOVE_REFUND, left, 2, 1);
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    const struct load_key key = {.kind = LOAD_GROUP, .number = group};
    const struct load *l = load(rig, &key, 1, false);
    assert_int_equal(l->group_count, 1);
    assert_int_equal(l->groups[0].status, GROUP_IS_OPEN);
    assert_int_equal(l->groups[0].size, 3);
    assert_int_equal(l->sale_count, 1);
    assert_int_equal(l->sales[0].groups_open, 1);
    assert_int_equal(l->record_count, 1);
    assert_true(str_equal(l->records[0]->order_id, STR("in")));
    assert_int_equal(l->lot_count, 1);
    rig_release(rig);
    rig_group(rig, MOVE_GROUP_SUCCEED, 1, group);
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    l = load(rig, &key, 1, false);
    assert_int_equal(l->groups[0].status, GROUP_SUCCEEDED);
    assert_int_equal(l->record_count, 0);
    assert_int_equal(l->sales[0].groups_open, 0);
    assert_int_equal(l->sales[0].groups_succeeded, 1);
}

static void a_reservation_in_a_group_brings_the_group_and_its_other_members(void **state)
{
    struct rig *rig = *state;
    int64_t group = rig_group(rig, MOVE_GROUP_OPEN, 1, 0);
    int64_t one = order(rig, "one", 1, 1, 1, group);
    order(rig, "two", 2, 1, 1, group);
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    const struct load_key key = {.kind = LOAD_RESERVATION, .number = one};
    const struct load *l = load(rig, &key, 1, false);
    assert_int_equal(l->record_count, 2);
    assert_int_equal(l->group_count, 1);
    assert_int_equal(l->sale_count, 1);
    assert_int_equal(l->lot_count, 2);
}

static void a_group_whose_end_has_come_comes_by_itself(void **state)
{
    struct rig *rig = *state;
    int64_t group = rig_group(rig, MOVE_GROUP_OPEN, 1, 0);
    order(rig, "in", 1, 1, 1, group);
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    const struct load *l = load(rig, NULL, 0, false);
    assert_int_equal(l->group_count, 0);
    assert_int_equal(l->next_deadline_ms, rig->told.at[3].move.deadline_ms);
    rig->now_ms += 60001;
    l = load(rig, NULL, 0, false);
    assert_int_equal(l->group_count, 1);
    assert_int_equal(l->groups[0].group_id, group);
    assert_int_equal(l->record_count, 1);
}

static int64_t units_of(const struct load *l, sale_number sale, lot_id lot)
{
    int64_t units = 0;
    for (uint32_t i = 0; i < l->unit_count; i++)
        if (l->units[i].sale == sale && l->units[i].lot == lot)
            units += l->units[i].units;
    return units;
}

static void a_user_has_what_their_reservations_hold(void **state)
{
    struct rig *rig = *state;
    const struct lot_terms limited = {
        .expires_on = LOT_NEVER_EXPIRES, .expected_on = LOT_NEVER_EXPIRES, .per_user_limit = 9};
    rig_lot_terms(rig, 1, &limited);
    order(rig, "in-sale", 2, 2, 1, 0);
    order(rig, "limited", 1, 3, 0, 0);
    order(rig, "free", 2, 4, 0, 0);
    int64_t back = order(rig, "back", 1, 5, 0, 0);
    rig_step(rig, MOVE_REFUND, back, 1, 5);
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    const struct load_key keys[3] = {
        {.kind = LOAD_ORDER, .text = STR("new"), .takes = true, .user_id = STR("user-1")},
        {.kind = LOAD_LOT, .text = STR("cola#00000001")},
        {.kind = LOAD_SALE, .text = STR("flash")}};
    const struct load *l = load(rig, keys, 2, false);
    assert_int_equal(units_of(l, 0, 1), 3);
    assert_int_equal(l->unit_count, 1);
    l = load(rig, keys, 3, true);
    assert_int_equal(units_of(l, 0, 1), 3);
    assert_int_equal(units_of(l, 1, 0), 2);
    assert_int_equal(units_of(l, 0, 0), 3); /* PENDING holds */
}

static void a_lot_with_a_limit_is_never_answered_on_trust(void **state)
{
    struct rig *rig = *state;
    const struct lot_terms limited = {
        .expires_on = LOT_NEVER_EXPIRES, .expected_on = LOT_NEVER_EXPIRES, .per_user_limit = 9};
    const struct load_key key = {.kind = LOAD_LOT, .text = STR("cola#00000001")};
    for (int limit = 0; limit < 2; limit++) {
        int before = rig_load_count(rig);
        rig->load = (struct load){
            .keys = &key, .key_count = 1, .writes = true, .due_max = 1, .now_ms = rig->now_ms};
        rig->ledger->ops->load(rig->ledger, &rig->load);
        AWAIT(rig_load_count(rig) > before);
        assert_int_equal(rig->load.assumed, !limit);
        rig->load_held = true;
        rig_release(rig);
        rig_lot_terms(rig, 1, &limited);
        assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    }
}

static void who_waits_are_the_newest_that_hold_what_is_not_there(void **state)
{
    struct rig *rig = *state;
    const struct lot_terms ten = {
        .expires_on = LOT_NEVER_EXPIRES, .expected_on = LOT_NEVER_EXPIRES, .backorder_limit = 10};
    const struct load_key key = {.kind = LOAD_LOT, .text = STR("cola#00000001")};
    rig_lot_terms(rig, 1, &ten);
    order(rig, "all", 1, 98, 0, 0);
    int64_t gone = order(rig, "gone", 1, 1, 0, 0);
    int64_t both = order(rig, "both", 1, 4, 0, 0);
    int64_t last = order(rig, "last", 1, 3, 0, 0);
    rig_step(rig, MOVE_REFUND, gone, 1, 1);
    assert_int_equal(rig_commit(rig), LEDGER_COMMITTED); /* 105 of 100 */
    const struct load *l = load(rig, &key, 1, false);
    assert_int_equal(l->lots[0].terms.backorder_most, 10);
    assert_int_equal(l->place_count, 2);
    assert_int_equal(l->places[0].reservation_id, both);
    assert_int_equal(l->places[0].units, 4);
    assert_int_equal(l->places[1].reservation_id, last);
    assert_int_equal(l->places[1].units, 3);
}

#define WITH_SALE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SALE(a_sale_comes_with_its_terms_and_what_its_orders_come_to),
        WITH_SALE(a_sale_with_lots_brings_all_that_it_sells),
        WITH_SALE(a_sale_that_is_not_there_tells_what_the_last_number_is),
        WITH_SALE(an_open_group_brings_its_sale_and_those_of_its_members_that_have_a_place),
        WITH_SALE(a_reservation_in_a_group_brings_the_group_and_its_other_members),
        WITH_SALE(a_group_whose_end_has_come_comes_by_itself),
        WITH_SALE(a_user_has_what_their_reservations_hold),
        WITH_SALE(a_lot_with_a_limit_is_never_answered_on_trust),
        WITH_SALE(who_waits_are_the_newest_that_hold_what_is_not_there),
    };
    server_url("TALLY_TEST_MYSQL");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
