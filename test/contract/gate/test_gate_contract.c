/* What every adapter of gate.h must do, as one worker and one lane see it. */
#include "fixture_gate.h"

#include <stdio.h>

#include "base/limits.h"

/* ---- one ask at a time ---- */

static void units_are_taken_until_there_are_none(void **state)
{
    struct rig *r = *state;
    for (uint64_t i = 0; i < 10; i++)
        assert_int_equal(ask_for(r, "a", 1, order(i)), GATE_PASS);
    assert_int_equal(ask_for(r, "a", 1, order(10)), GATE_SOLD_OUT);
}

static void a_passed_ask_names_the_lots_number(void **state)
{
    struct gate_line line = {.lot = STR("a"), .quantity = 1};
    assert_int_equal(ask_lines(*state, &line, 1, order(1)).verdict, GATE_PASS);
    assert_int_equal(line.lot_id, 1);
}

static void a_refusal_says_which_line_and_how_many_there_are(void **state)
{
    struct gate_line line = {.lot = STR("a"), .quantity = 11};
    struct gate_ask ask = ask_lines(*state, &line, 1, order(1));
    assert_int_equal(ask.verdict, GATE_SOLD_OUT);
    assert_int_equal(ask.failed_line, 0);
    assert_true(line.is_short);
    assert_int_equal(line.available, 10);
}

static void a_refused_ask_takes_nothing(void **state)
{
    assert_int_equal(ask_for(*state, "a", 11, order(1)), GATE_SOLD_OUT);
    assert_int_equal(ask_for(*state, "a", 10, order(2)), GATE_PASS);
}

static void the_retry_of_the_order_that_took_the_last_unit_is_a_replay(void **state)
{
    assert_int_equal(ask_for(*state, "a", 10, order(1)), GATE_PASS);
    assert_int_equal(ask_for(*state, "a", 10, order(1)), GATE_REPLAY);
    assert_int_equal(ask_for(*state, "a", 10, order(2)), GATE_SOLD_OUT);
}

static void a_replay_takes_nothing_even_if_there_are_units(void **state)
{
    assert_int_equal(ask_for(*state, "a", 1, order(1)), GATE_PASS);
    assert_int_equal(ask_for(*state, "a", 1, order(1)), GATE_REPLAY);
    assert_int_equal(units_left(*state, "a"), 9);
}

static void an_order_told_by_the_engine_is_a_replay(void **state)
{
    struct rig *r = *state;
    r->g->ops->order_seen(r->g, order(7));
    assert_int_equal(ask_for(r, "b", 1, order(7)), GATE_REPLAY);
    assert_int_equal(ask_for(r, "a", 1, order(7)), GATE_REPLAY);
}

static void an_order_that_went_blind_is_a_replay_the_next_time(void **state)
{
    assert_int_equal(ask_for(*state, "nobody knows", 1, order(1)), GATE_BLIND);
    assert_int_equal(ask_for(*state, "b", 1, order(1)), GATE_REPLAY);
}

static void a_refused_order_may_be_asked_again(void **state)
{
    struct rig *r = *state;
    assert_int_equal(ask_for(r, "b", 1, order(1)), GATE_SOLD_OUT);
    assert_int_equal(ask_for(r, "b", 1, order(1)), GATE_SOLD_OUT);
    change(r, 2, 1);
    assert_int_equal(ask_for(r, "b", 1, order(1)), GATE_PASS);
}

static void while_orders_are_not_complete_only_new_ones_are_refused(void **state)
{
    struct rig *r = *state;
    r->g->ops->orders_complete(r->g, false);
    assert_int_equal(ask_for(r, "b", 1, order(1)), GATE_REPLAY);
    assert_int_equal(units_left(r, "b"), 0); /* asks with order_new */
    r->g->ops->orders_complete(r->g, true);
    assert_int_equal(ask_for(r, "b", 1, order(2)), GATE_SOLD_OUT);
}

static void an_order_made_by_the_server_passes_while_orders_are_not_complete(void **state)
{
    struct rig *r = *state;
    struct gate_line line = {.lot = STR("a"), .quantity = 1};
    struct gate_ask ask = {
        .lines = &line, .line_count = 1, .order_hash = order(1), .order_new = true};
    r->g->ops->orders_complete(r->g, false);
    asker_ask(&r->me, &ask, 1, NOW_MS);
    assert_int_equal(ask.verdict, GATE_PASS);
}

static void the_servers_own_order_id_is_known_when_it_is_sent_back(void **state)
{
    struct rig *r = *state;
    struct gate_line line = {.lot = STR("a"), .quantity = 10};
    struct gate_ask ask = {
        .lines = &line, .line_count = 1, .order_hash = order(1), .order_new = true};
    asker_ask(&r->me, &ask, 1, NOW_MS);
    assert_int_equal(ask.verdict, GATE_PASS);
    assert_int_equal(ask_for(r, "a", 10, order(1)), GATE_REPLAY);
}

static void nothing_is_refused_from_the_next_deadline_on(void **state)
{
    struct rig *r = *state;
    r->g->ops->next_deadline(r->g, NOW_MS + 1);
    assert_int_equal(ask_for(r, "b", 1, order(1)), GATE_SOLD_OUT);
    r->g->ops->next_deadline(r->g, NOW_MS);
    assert_int_equal(ask_for(r, "b", 1, order(2)), GATE_BLIND);
    r->g->ops->next_deadline(r->g, INT64_MAX);
    assert_int_equal(ask_for(r, "b", 1, order(3)), GATE_SOLD_OUT);
}

/* ---- sales ---- */

static enum gate_verdict ask_in(struct rig *r, const char *sale_id, int64_t now_ms,
                                uint64_t order_hash)
{
    struct gate_line line = {.lot = STR("b"), .quantity = 1}; /* there is none of it */
    struct gate_ask ask = {
        .lines = &line, .line_count = 1, .order_hash = order_hash, .sale_id = str_of(sale_id)};
    asker_ask(&r->me, &ask, 1, now_ms);
    return ask.verdict;
}

static void know_sale(struct rig *r, sale_number number, const char *sale_id, int64_t opens_ms,
                      int64_t closes_ms)
{
    const struct gate_sale sale = {number, str_of(sale_id), opens_ms, closes_ms};
    assert_int_equal(r->g->ops->sale_known(r->g, &sale), 0);
}

static void an_ask_in_a_sale_is_refused_only_while_that_is_on(void **state)
{
    struct rig *r = *state;
    assert_int_equal(ask_in(r, "flash", NOW_MS, order(1)), GATE_BLIND);
    know_sale(r, 1, "flash", NOW_MS, NOW_MS + 10);
    assert_int_equal(ask_in(r, "flash", NOW_MS - 1, order(2)), GATE_BLIND);
    assert_int_equal(ask_in(r, "flash", NOW_MS, order(3)), GATE_SOLD_OUT);
    assert_int_equal(ask_in(r, "flash", NOW_MS + 9, order(4)), GATE_SOLD_OUT);
    assert_int_equal(ask_in(r, "flash", NOW_MS + 10, order(5)), GATE_BLIND);
    assert_int_equal(ask_in(r, "other", NOW_MS, order(6)), GATE_BLIND);
    assert_int_equal(ask_in(r, "", NOW_MS + 10, order(7)), GATE_SOLD_OUT);
}

static void an_ask_in_a_sale_that_is_not_on_takes_nothing(void **state)
{
    struct rig *r = *state;
    struct gate_line line = {.lot = STR("a"), .quantity = 10};
    struct gate_ask ask = {
        .lines = &line, .line_count = 1, .order_hash = order(1), .sale_id = STR("flash")};
    know_sale(r, 1, "flash", NOW_MS + 1, NOW_MS + 10);
    asker_ask(&r->me, &ask, 1, NOW_MS);
    assert_int_equal(ask.verdict, GATE_BLIND);
    assert_int_equal(units_left(r, "a"), 10);
}

static void a_sale_that_is_changed_counts_as_it_is_now(void **state)
{
    struct rig *r = *state;
    char ids[300][8];
    for (unsigned i = 0; i < 300; i++) {
        snprintf(ids[i], sizeof ids[i], "s-%u", i);
        know_sale(r, 20 * i + 1, ids[i], NOW_MS, NOW_MS + 10);
    }
    know_sale(r, 20 * 7 + 1, ids[7], NOW_MS + 5, NOW_MS + 10);
    know_sale(r, 20 * 8 + 1, ids[8], NOW_MS, NOW_MS);
    assert_int_equal(ask_in(r, ids[7], NOW_MS, order(1)), GATE_BLIND);
    assert_int_equal(ask_in(r, ids[8], NOW_MS, order(2)), GATE_BLIND);
    assert_int_equal(ask_in(r, ids[299], NOW_MS, order(3)), GATE_SOLD_OUT);
}

static void a_lot_without_a_key_is_blind(void **state)
{
    const struct goods goods = {.sku = STR("a")};
    struct gate_line line = {.goods = &goods, .quantity = 1};
    assert_int_equal(ask_lines(*state, &line, 1, order(1)).verdict, GATE_BLIND);
    assert_int_equal(line.lot_id, 0);
}

/* ---- several lines ---- */

static void several_lines_are_refused_if_one_is_surely_short(void **state)
{
    struct gate_line lines[] = {{.lot = STR("a"), .quantity = 2}, {.lot = STR("b"), .quantity = 3}};
    struct gate_ask ask = ask_lines(*state, lines, 2, order(1));
    assert_int_equal(ask.verdict, GATE_SOLD_OUT);
    assert_int_equal(ask.failed_line, 1);
    assert_false(lines[0].is_short);
    assert_int_equal(lines[1].available, 0);
    assert_int_equal(units_left(*state, "a"), 10);
}

static void every_short_line_says_how_many_there_are(void **state)
{
    struct gate_line lines[] = {{.lot = STR("a"), .quantity = 1},
                                {.lot = STR("a"), .quantity = 11},
                                {.lot = STR("b"), .quantity = 1}};
    change(*state, 1, -7);
    struct gate_ask ask = ask_lines(*state, lines, 3, order(1));
    assert_int_equal(ask.verdict, GATE_SOLD_OUT);
    assert_int_equal(ask.failed_line, 1);
    assert_false(lines[0].is_short);
    assert_true(lines[1].is_short);
    assert_true(lines[1].available <= 3);
    assert_true(lines[2].is_short);
    assert_int_equal(lines[2].available, 0);
}

static void several_lines_with_an_unknown_lot_are_blind(void **state)
{
    struct gate_line lines[] = {{.lot = STR("b"), .quantity = 3}, {.lot = STR("x"), .quantity = 2}};
    assert_int_equal(ask_lines(*state, lines, 2, order(1)).verdict, GATE_BLIND);
}

static void the_retry_of_an_order_of_several_lines_is_a_replay(void **state)
{
    struct rig *r = *state;
    struct gate_line lines[] = {{.lot = STR("a"), .quantity = 4}, {.lot = STR("a"), .quantity = 6}};
    enum gate_verdict verdict = ask_lines(r, lines, 2, order(1)).verdict;
    assert_true(verdict == GATE_BLIND || verdict == GATE_PASS);
    if (verdict == GATE_PASS)
        accepted(r, order(1), 1, 10);
    else
        change(r, 1, -10);
    assert_int_equal(ask_lines(r, lines, 2, order(1)).verdict, GATE_REPLAY);
}

/* ---- what becomes of an order ---- */

static void an_accepted_orders_units_are_used_up_once(void **state)
{
    struct rig *r = *state;
    assert_int_equal(ask_for(r, "a", 4, order(1)), GATE_PASS);
    accepted(r, order(1), 1, 4);
    assert_int_equal(units_left(r, "a"), 6);
}

static void the_units_of_an_order_that_came_to_nothing_are_there_again(void **state)
{
    struct rig *r = *state;
    const enum gate_outcome outcomes[] = {GATE_REFUSED, GATE_FAILED};
    for (uint64_t i = 0; i < 2; i++) {
        assert_int_equal(ask_for(r, "a", 4, order(i)), GATE_PASS);
        assert_int_equal(units_left(r, "a"), 6);
        come_to_nothing(r, order(i), 1, 4, outcomes[i]);
        assert_int_equal(units_left(r, "a"), 10);
    }
}

static void the_units_of_an_order_whose_outcome_is_unknown_are_not_sold_again(void **state)
{
    struct rig *r = *state;
    assert_int_equal(ask_for(r, "a", 4, order(1)), GATE_PASS);
    come_to_nothing(r, order(1), 1, 4, GATE_UNKNOWN);
    assert_int_equal(units_left(r, "a"), 6);
}

static void a_settlement_of_an_order_that_never_asked_changes_nothing(void **state)
{
    struct rig *r = *state;
    assert_int_equal(ask_for(r, "a", 4, order(1)), GATE_PASS);
    const struct gate_settlement stranger = {.order_hash = order(2), .outcome = GATE_REFUSED};
    if (r->g->ops->committed)
        r->g->ops->committed(r->g, &stranger, 1, NULL, 0);
    assert_int_equal(units_left(r, "a"), 6);
}

/* ---- lots ---- */

static void units_given_back_can_be_taken_again(void **state)
{
    struct rig *r = *state;
    assert_int_equal(ask_for(r, "a", 10, order(1)), GATE_PASS);
    accepted(r, order(1), 1, 10);
    change(r, 1, 4);
    assert_int_equal(ask_for(r, "a", 5, order(2)), GATE_SOLD_OUT);
    assert_int_equal(ask_for(r, "a", 4, order(3)), GATE_PASS);
}

static void orders_that_took_nothing_here_may_be_decided_before_those_that_did(void **state)
{
    struct rig *r = *state;
    assert_int_equal(ask_for(r, "a", 10, order(1)), GATE_PASS);
    change(r, 1, -5);
    assert_int_equal(units_left(r, "a"), 0);
    come_to_nothing(r, order(1), 1, 10, GATE_REFUSED);
    assert_int_equal(units_left(r, "a"), 5);
}

static void a_lot_told_again_is_not_counted_again(void **state)
{
    struct rig *r = *state;
    const struct gate_stock stock = stock_of(r, 1);
    assert_int_equal(ask_for(r, "a", 3, order(1)), GATE_PASS);
    assert_int_equal(r->g->ops->lot_known(r->g, &stock), 0);
    assert_int_equal(units_left(r, "a"), 7);
}

static void an_older_version_never_overwrites_a_newer_one(void **state)
{
    struct rig *r = *state;
    const struct gate_stock old = stock_of(r, 1);
    change(r, 1, -6);
    assert_int_equal(r->g->ops->lot_known(r->g, &old), 0);
    if (r->g->ops->committed)
        r->g->ops->committed(r->g, NULL, 0, &old, 1);
    assert_int_equal(units_left(r, "a"), 4);
}

static void a_lot_can_hold_the_most_units_that_there_may_be(void **state)
{
    struct rig *r = *state;
    change(r, 2, QUANTITY_MAX);
    assert_int_equal(ask_for(r, "b", QUANTITY_MAX, order(1)), GATE_PASS);
    assert_int_equal(units_left(r, "b"), 0);
}

static void every_one_of_many_lots_is_found(void **state)
{
    struct rig *r = *state;
    const lot_id lots = times(20000);
    char key[16];
    for (lot_id i = 3; i <= lots; i++) {
        snprintf(key, sizeof key, "lot%u", i);
        add_lot(r, i, key, i);
    }
    for (lot_id i = 3; i <= lots; i++)
        assert_int_equal(units_left(r, r->lots[i].key), i);
}

/* ---- the session ---- */

enum { MANY = 64 };

static void make_asks(struct asker *a, struct gate_ask asks[MANY], struct gate_line lines[MANY])
{
    for (uint64_t i = 0; i < MANY; i++) {
        lines[i] = (struct gate_line){.lot = STR("a"), .quantity = 1};
        asks[i] = (struct gate_ask){
            .lines = &lines[i], .line_count = 1, .order_hash = order(100 + i), .context = a};
    }
}

static void every_ask_of_a_flush_is_answered_once(void **state)
{
    struct rig *r = *state;
    struct gate_line lines[MANY];
    struct gate_ask asks[MANY];
    size_t count[GATE_VERDICTS] = {0};
    make_asks(&r->me, asks, lines);
    asker_ask(&r->me, asks, MANY, NOW_MS);
    for (size_t i = 0; i < MANY; i++)
        count[asks[i].verdict]++;
    assert_int_equal(count[GATE_PASS], 10);
    assert_int_equal(count[GATE_SOLD_OUT], MANY - 10);
}

static void an_ask_that_is_not_flushed_is_not_answered(void **state)
{
    struct rig *r = *state;
    struct gate_line line = {.lot = STR("a"), .quantity = 1};
    struct gate_ask ask = {.lines = &line, .line_count = 1, .context = &r->me};
    gate_ask(r->me.session, &ask);
    asker_deliver(&r->me);
    assert_int_equal(r->me.answered, 0);
    gate_flush(r->me.session, NOW_MS);
    asker_deliver(&r->me);
    assert_int_equal(r->me.answered, 1);
}

static void a_flush_with_nothing_asked_does_nothing(void **state)
{
    struct rig *r = *state;
    gate_flush(r->me.session, NOW_MS);
    asker_deliver(&r->me);
    assert_int_equal(r->me.answered, 0);
}

static struct gate_line again_line;
static struct gate_ask again;

static void ask_again(struct asker *a, struct gate_ask *ask)
{
    (void)ask;
    a->on_answer = NULL;
    again_line = (struct gate_line){.lot = STR("a"), .quantity = 1};
    again = (struct gate_ask){
        .lines = &again_line, .line_count = 1, .order_hash = order(2), .context = a};
    gate_ask(a->session, &again);
}

static void an_answer_may_ask_again_and_is_answered_with_the_next_flush(void **state)
{
    struct rig *r = *state;
    r->me.on_answer = ask_again;
    assert_int_equal(ask_for(r, "a", 1, order(1)), GATE_PASS);
    asker_deliver(&r->me);
    assert_int_equal(r->me.answered, 1);
    gate_flush(r->me.session, NOW_MS);
    asker_deliver(&r->me);
    assert_int_equal(r->me.answered, 2);
    assert_int_equal(again.verdict, GATE_PASS);
}

static void sessions_share_the_units_and_each_hears_its_own_answers(void **state)
{
    struct rig *r = *state;
    struct asker other;
    struct gate_line line = {.lot = STR("a"), .quantity = 6};
    struct gate_ask ask = {.lines = &line, .line_count = 1, .order_hash = order(2)};
    asker_open(&other, r->g);
    assert_int_equal(ask_for(r, "a", 6, order(1)), GATE_PASS);
    asker_ask(&other, &ask, 1, NOW_MS);
    assert_int_equal(ask.verdict, GATE_SOLD_OUT);
    assert_int_equal(other.answered, 1);
    assert_int_equal(r->me.answered, 1);
    asker_close(&other);
}

static void leaving_answers_what_is_open_blind_with_nothing_taken(void **state)
{
    struct rig *r = *state;
    struct asker other;
    struct gate_line lines[MANY];
    struct gate_ask asks[MANY];
    asker_open(&other, r->g);
    make_asks(&other, asks, lines);
    for (size_t i = 0; i < MANY; i++)
        gate_ask(other.session, &asks[i]);
    asker_close(&other);
    assert_int_equal(other.answered, MANY);
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(asks[i].verdict, GATE_BLIND);
    assert_int_equal(units_left(r, "a"), 10);
}

static void an_order_that_was_left_blind_is_a_replay_the_next_time(void **state)
{
    struct rig *r = *state;
    struct asker other;
    struct gate_line line = {.lot = STR("b"), .quantity = 1};
    struct gate_ask ask = {.lines = &line, .line_count = 1, .order_hash = order(1)};
    asker_open(&other, r->g);
    ask.context = &other;
    gate_ask(other.session, &ask);
    asker_close(&other);
    assert_int_equal(ask_for(r, "b", 1, order(1)), GATE_REPLAY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(units_are_taken_until_there_are_none),
        TEST(a_passed_ask_names_the_lots_number),
        TEST(a_refusal_says_which_line_and_how_many_there_are),
        TEST(a_refused_ask_takes_nothing),
        TEST(the_retry_of_the_order_that_took_the_last_unit_is_a_replay),
        TEST(a_replay_takes_nothing_even_if_there_are_units),
        TEST(an_order_told_by_the_engine_is_a_replay),
        TEST(an_order_that_went_blind_is_a_replay_the_next_time),
        TEST(a_refused_order_may_be_asked_again),
        TEST(while_orders_are_not_complete_only_new_ones_are_refused),
        TEST(an_order_made_by_the_server_passes_while_orders_are_not_complete),
        TEST(the_servers_own_order_id_is_known_when_it_is_sent_back),
        TEST(nothing_is_refused_from_the_next_deadline_on),
        TEST(an_ask_in_a_sale_is_refused_only_while_that_is_on),
        TEST(an_ask_in_a_sale_that_is_not_on_takes_nothing),
        TEST(a_sale_that_is_changed_counts_as_it_is_now),
        TEST(a_lot_without_a_key_is_blind),
        TEST(several_lines_are_refused_if_one_is_surely_short),
        TEST(every_short_line_says_how_many_there_are),
        TEST(several_lines_with_an_unknown_lot_are_blind),
        TEST(the_retry_of_an_order_of_several_lines_is_a_replay),
        TEST(an_accepted_orders_units_are_used_up_once),
        TEST(the_units_of_an_order_that_came_to_nothing_are_there_again),
        TEST(the_units_of_an_order_whose_outcome_is_unknown_are_not_sold_again),
        TEST(a_settlement_of_an_order_that_never_asked_changes_nothing),
        TEST(units_given_back_can_be_taken_again),
        TEST(orders_that_took_nothing_here_may_be_decided_before_those_that_did),
        TEST(a_lot_told_again_is_not_counted_again),
        TEST(an_older_version_never_overwrites_a_newer_one),
        TEST(a_lot_can_hold_the_most_units_that_there_may_be),
        TEST(every_one_of_many_lots_is_found),
        TEST(every_ask_of_a_flush_is_answered_once),
        TEST(an_ask_that_is_not_flushed_is_not_answered),
        TEST(a_flush_with_nothing_asked_does_nothing),
        TEST(an_answer_may_ask_again_and_is_answered_with_the_next_flush),
        TEST(sessions_share_the_units_and_each_hears_its_own_answers),
        TEST(leaving_answers_what_is_open_blind_with_nothing_taken),
        TEST(an_order_that_was_left_blind_is_a_replay_the_next_time),
    };
    return RUN_ADAPTERS(tests);
}
