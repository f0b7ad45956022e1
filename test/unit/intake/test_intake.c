/* Messages of a feed become commands, once each, with an engine that answers as the test says. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/feed_memory.h"
#include "intake/intake.h"

#define HEADER "sku,flavor,size,batch,expires_on,quantity,delta,lot,reason,message_id\n"
#define COLA   "COLA,lime,330ml_can,BATCH-20261001-A,2027-09-30,"

enum { COMMANDS = 512 };

struct rig {
    struct feed *feed;
    struct intake *in;
    struct command *commands[COMMANDS]; /* submitted and not answered, oldest first */
    uint32_t count;
    uint32_t applied, rejected, documents, troubles;
    enum stock_rules rules;
    const char *flavors;
    int64_t now_ms;
    int next_ms; /* what the last turn said */
};

static void submit(void *context, struct command *c)
{
    struct rig *r = context;
    assert_true(r->count < COMMANDS);
    r->commands[r->count++] = c;
}

static void tell_rules(void *context, enum stock_rules *rules, struct str *flavors)
{
    struct rig *r = context;
    *rules = r->rules;
    *flavors = str_of(r->flavors);
}

static void finished(void *context, struct str name, uint32_t applied, uint32_t rejected)
{
    struct rig *r = context;
    assert_true(name.len > 0);
    r->applied += applied;
    r->rejected += rejected;
    r->documents++;
}

static void trouble(void *context, const struct error *e)
{
    struct rig *r = context;
    (void)e;
    r->troubles++;
}

static int setup(void **state)
{
    struct rig *r = calloc(1, sizeof(*r));
    struct error e;
    const struct intake_host host = {.context = r,
                                     .submit = submit,
                                     .rules = tell_rules,
                                     .finished = finished,
                                     .trouble = trouble};
    r->flavors = "";
    assert_int_equal(feed_memory_create(&r->feed, &e), 0);
    assert_int_equal(intake_create(&r->in, r->feed, &host, &e), 0);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;
    intake_destroy(r->in);
    r->feed->ops->destroy(r->feed);
    free(r);
    return 0;
}

static void turn(struct rig *r)
{
    r->next_ms = intake_turn(r->in, r->now_ms);
}

static void put(struct rig *r, const char *text)
{
    assert_int_equal(
        feed_memory_put(r->feed, "0123456789abcdef0123456789abcdef", *text == '{', str_of(text)),
        0);
    turn(r);
}

/* The oldest command, which is answered with the code. */
static struct command *answer(struct rig *r, int code)
{
    assert_true(r->count > 0);
    struct command *c = r->commands[0];
    memmove(r->commands, r->commands + 1, --r->count * sizeof(r->commands[0]));
    c->code = code;
    intake_complete(r->in, c);
    return c;
}

static void expect_rejected(struct rig *r, const char *reason)
{
    assert_int_equal(r->rejected, 1);
    if (!strstr(feed_memory_rejects(r->feed), reason))
        fail_msg("'%s' does not say '%s'", feed_memory_rejects(r->feed), reason);
}

static void a_new_batch_is_a_lot_and_then_its_units(void **state)
{
    struct rig *r = *state;
    put(r, HEADER COLA "24,,,delivery 7,\n");
    assert_int_equal(r->count, 1);
    const struct command *c = r->commands[0];
    assert_int_equal(c->kind, COMMAND_CREATE_LOT);
    assert_int_equal(c->create.quantity, 0);
    assert_true(str_equal(c->create.dims.key, STR("COLA#01c74cf6")));
    assert_true(c->create.dims.expires_on != LOT_NEVER_EXPIRES);
    answer(r, 0);
    c = r->commands[0];
    assert_int_equal(c->kind, COMMAND_ADJUST);
    assert_int_equal(c->adjust.delta, 24);
    assert_true(str_equal(c->adjust.reason, STR("delivery 7")));
    assert_true(str_equal(c->adjust.adjustment_id, STR("feed-0123456789abcdef0123456789abcdef-2")));
    assert_int_equal(feed_memory_finished(r->feed), 0);
    answer(r, 0);
    turn(r);
    assert_int_equal(feed_memory_finished(r->feed), 1);
    assert_int_equal(r->applied, 1);
    assert_true(intake_idle(r->in));
}

static void a_batch_of_no_units_is_only_announced(void **state)
{
    struct rig *r = *state;
    put(r, HEADER COLA "0,,,,\n");
    answer(r, 0);
    turn(r);
    assert_int_equal(r->count, 0);
    assert_int_equal(r->applied, 1);
}

static void a_correction_is_an_adjustment_under_its_message_id(void **state)
{
    struct rig *r = *state;
    put(r, "{\"lot\": \"COLA#01c74cf6\", \"delta\": -3, \"message_id\": \"m-1\"}\n"
           "{\"sku\": \"COLA\", \"flavor\": \"lime\", \"size\": \"33 cl can\", "
           "\"batch\": \"BATCH-20261001-A\", \"delta\": 4}\n");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(r->count, 1);
        assert_int_equal(r->commands[0]->kind, COMMAND_ADJUST);
        assert_true(str_equal(r->commands[0]->adjust.key, STR("COLA#01c74cf6")));
        assert_int_equal(r->commands[0]->adjust.delta, i ? 4 : -3);
        if (i == 0)
            assert_true(str_equal(r->commands[0]->adjust.adjustment_id, STR("m-1")));
        answer(r, 0);
    }
    turn(r);
    assert_int_equal(r->applied, 2);
}

static void messages_of_one_lot_go_one_behind_the_other(void **state)
{
    struct rig *r = *state;
    put(r, HEADER COLA "24,,,,\n"                     /* a batch, and what is wrong with it */
                       ",,,,,,-20,COLA#01c74cf6,,\n"  /* not before its units are there */
                       ",,,,,,-4,COLA#01c74cf6,,\n"   /* nor this */
                       ",,,,,,5,LEMON#01c74cf6,,\n"); /* who has nothing to do with it */
    assert_int_equal(r->count, 2);
    assert_true(str_equal(r->commands[1]->adjust.key, STR("LEMON#01c74cf6")));
    answer(r, 0);
    answer(r, 0);
    static const int64_t deltas[] = {24, -20, -4};
    for (size_t i = 0; i < sizeof(deltas) / sizeof(deltas[0]); i++) {
        assert_int_equal(r->count, 1);
        assert_int_equal(r->commands[0]->adjust.delta, deltas[i]);
        answer(r, TLY_EOVERLOADED); /* who tries again keeps its turn */
        turn(r);
        assert_int_equal(r->count, 0);
        r->now_ms += r->next_ms;
        turn(r);
        assert_int_equal(r->commands[0]->adjust.delta, deltas[i]);
        answer(r, 0);
    }
    turn(r);
    assert_int_equal(r->applied, 4);
}

static void a_lot_that_is_there_is_supplied(void **state)
{
    struct rig *r = *state;
    put(r, HEADER COLA "24,,,,\n");
    struct lot_dims have = r->commands[0]->create.dims;
    r->commands[0]->create.lot.dims = &have;
    answer(r, TLY_EALREADY_EXISTS);
    assert_int_equal(r->commands[0]->kind, COMMAND_ADJUST);
    answer(r, 0);
    turn(r);
    assert_int_equal(r->applied, 1);
}

static void a_lot_that_is_another_one_is_not_touched(void **state)
{
    struct rig *r = *state;
    put(r, HEADER COLA "24,,,,\n");
    struct lot_dims have = r->commands[0]->create.dims;
    have.expires_on++;
    r->commands[0]->create.lot.dims = &have;
    answer(r, TLY_EALREADY_EXISTS);
    turn(r);
    expect_rejected(r, "expires_on: the lot has another expires_on | COLA,lime");
    assert_int_equal(r->count, 0);
}

static void a_lot_whose_key_collides_is_not_touched(void **state)
{
    struct rig *r = *state;
    put(r, HEADER COLA "24,,,,\n");
    struct lot_dims have = r->commands[0]->create.dims;
    have.flavor = STR("lemon");
    r->commands[0]->create.lot.dims = &have;
    snprintf(r->commands[0]->text, r->commands[0]->text_size, "the digits collide");
    answer(r, TLY_EALREADY_EXISTS);
    turn(r);
    expect_rejected(r, "the digits collide");
}

static void a_refusal_that_stays_rejects_the_message(void **state)
{
    struct rig *r = *state;
    put(r, "{\"lot\": \"COLA#01c74cf6\", \"delta\": -3}\n");
    snprintf(r->commands[0]->text, r->commands[0]->text_size, "2 units can be written off");
    answer(r, TLY_ESOLD_OUT);
    turn(r);
    expect_rejected(r, "1 : 2 units can be written off | {\"lot\": \"COLA#01c74cf6\"");
    assert_int_equal(feed_memory_finished(r->feed), 1);
}

static void what_passes_is_asked_for_again_under_the_same_id(void **state)
{
    static const int codes[] = {TLY_EOVERLOADED, TLY_EUNAVAILABLE, TLY_EOUTCOME_UNKNOWN};
    struct rig *r = *state;
    put(r, "{\"lot\": \"COLA#01c74cf6\", \"delta\": -3, \"message_id\": \"m-1\"}\n");
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        answer(r, codes[i]);
        turn(r);
        assert_int_equal(r->count, 0);
        assert_true(r->next_ms > 0);
        r->now_ms += r->next_ms;
        turn(r);
        assert_int_equal(r->count, 1);
        assert_true(str_equal(r->commands[0]->adjust.adjustment_id, STR("m-1")));
    }
    answer(r, 0);
    turn(r);
    assert_int_equal(r->applied, 1);
    assert_int_equal(r->next_ms, -1);
}

static void rows_that_break_a_rule_are_rejected_and_the_others_applied(void **state)
{
    struct rig *r = *state;
    r->flavors = "lime";
    put(r, HEADER "COLA,lime,huge,BATCH-20261001-A,,24,,,,\n"                   /* no size */
                  "COLA,lime,330ml_can,BATCH-20261001-A,,24,1,,,\n"             /* both */
                  "COLA,lime,330ml_can,BATCH-20261001-A,,,,,,\n"                /* neither */
                  ",,,,,24,,COLA#01c74cf6,,\n"                                  /* which batch? */
                  "COLA,kiwi,330ml_can,BATCH-20261001-A,,24,,,,\n"              /* not allowed */
                  ",,,,,,0,COLA#01c74cf6,,\n"                                   /* nothing */
                  "COLA,lime,330ml_can,BATCH-20261001-A,,,2,LEMON#01c74cf6,,\n" /* two lots */
                  ",,,,,,-1,COLA#01c74cf6,,m-1\n");
    assert_int_equal(r->count, 1);
    answer(r, 0);
    turn(r);
    assert_int_equal(r->applied, 1);
    assert_int_equal(r->rejected, 7);
    assert_int_equal(feed_memory_useless(r->feed), 0);
    const char *rejects = feed_memory_rejects(r->feed);
    static const char *const expected[] = {"2 size: must",         "3 delta: must have either",
                                           "4 : must have",        "5 : must name the batch",
                                           "6 flavor: ",           "7 delta: must",
                                           "8 lot: is another lot"};
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        if (!strstr(rejects, expected[i]))
            fail_msg("'%s' does not say '%s'", rejects, expected[i]);
    }
}

static void a_document_with_a_header_that_is_wrong_is_of_no_use(void **state)
{
    struct rig *r = *state;
    put(r, "sku,flavour,size,batch,quantity\nCOLA,lime,330ml_can,BATCH-20261001-A,1\n");
    assert_int_equal(r->count, 0);
    assert_int_equal(r->documents, 1);
    expect_rejected(r, "did you mean flavor");
    assert_int_equal(feed_memory_useless(r->feed), 1);
    put(r, "PK\x03\x04 xl/");
    assert_int_equal(r->documents, 2);
}

static void only_so_many_rows_are_under_way(void **state)
{
    enum { ROWS = 1000 };
    struct rig *r = *state;
    char *text = malloc(ROWS * 64);
    size_t len = 0;
    for (int i = 0; i < ROWS; i++)
        len += (size_t)snprintf(text + len, 64, "{\"lot\": \"S-%d#01c74cf6\", \"delta\": 1}\n", i);
    put(r, text);
    uint32_t most = r->count;
    assert_true(most > 10 && most < ROWS / 2);
    while (r->count > 0) {
        answer(r, 0);
        turn(r);
        assert_true(r->count <= most);
    }
    assert_int_equal(r->applied, ROWS);
    free(text);
}

static void what_is_drained_begins_nothing_new(void **state)
{
    struct rig *r = *state;
    put(r, HEADER COLA "24,,,,\n");
    intake_drain(r->in);
    assert_false(intake_idle(r->in));
    answer(r, TLY_EOVERLOADED);
    r->now_ms += 100000;
    turn(r);
    assert_int_equal(r->count, 0);
    assert_true(intake_idle(r->in));
    assert_int_equal(feed_memory_finished(r->feed), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_new_batch_is_a_lot_and_then_its_units),
        CASE(a_batch_of_no_units_is_only_announced),
        CASE(a_correction_is_an_adjustment_under_its_message_id),
        CASE(messages_of_one_lot_go_one_behind_the_other),
        CASE(a_lot_that_is_there_is_supplied),
        CASE(a_lot_that_is_another_one_is_not_touched),
        CASE(a_lot_whose_key_collides_is_not_touched),
        CASE(a_refusal_that_stays_rejects_the_message),
        CASE(what_passes_is_asked_for_again_under_the_same_id),
        CASE(rows_that_break_a_rule_are_rejected_and_the_others_applied),
        CASE(a_document_with_a_header_that_is_wrong_is_of_no_use),
        CASE(only_so_many_rows_are_under_way),
        CASE(what_is_drained_begins_nothing_new),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
