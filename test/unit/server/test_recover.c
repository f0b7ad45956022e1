/* What the server makes of a ledger whose newest moves retention removed. */
#include "fixture.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gate/gate_local.h"
#include "server/recover.h"

enum { HOUR_MS = 3600000 };

static int64_t last_seq;

static int play_recover(struct ledger *l, const struct ledger_loader *loader, struct error *e)
{
    (void)l, (void)loader, (void)e;
    return 0;
}

static void play_stats(struct ledger *l, struct ledger_stats *out)
{
    (void)l;
    out->last_seq = last_seq;
}

static const struct ledger_ops play_ops = {.recover = play_recover, .stats = play_stats};

static void open_thread(struct engine_thread *t, struct state *state, struct ledger *ledger)
{
    const struct engine_config config = {.lots_max = 8,
                                         .holds_max = 8,
                                         .batch_moves_max = 8,
                                         .waiting_max = 8,
                                         .questions_max = 8,
                                         .stale_tries_max = 1,
                                         .hold_default_ms = 1,
                                         .hold_max_ms = 1,
                                         .hold_total_max_ms = 1,
                                         .order_memory_max = 8};
    const struct gate_local_config gate = {.lots_max = 8, .order_filter_bytes = 64};
    struct error e;
    memset(t, 0, sizeof *t);
    t->state = state;
    t->lane.ledger = ledger;
    engine_thread_init(t);
    assert_int_equal(state_init(state, &e), 0);
    assert_int_equal(engine_create(&t->lane.engine, &config, &e), 0);
    assert_int_equal(gate_local_create(&t->lane.gate, &gate, &e), 0);
}

static void
numbers_go_on_after_the_last_though_its_move_is_archived_and_the_clock_went_back(void **unused)
{
    (void)unused;
    struct engine_thread *t = NULL;
    struct state state;
    struct ledger ledger = {.ops = &play_ops};
    struct command create = {
        .kind = COMMAND_CREATE_LOT,
        .create = {.dims = {.key = STR("COLA#00000001"),
                            .sku = STR("COLA"),
                            .expires_on = LOT_NEVER_EXPIRES}},
    };
    struct error e;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    last_seq = seq_first_of_ms((int64_t)now.tv_sec * 1000 + HOUR_MS) | 7;
    assert_int_equal(posix_memalign((void **)&t, 64, sizeof *t), 0);
    open_thread(t, &state, &ledger);
    assert_int_equal(recover(t, 0, &(struct recover_clock){.gap_max_ms = 24 * HOUR_MS}, &e), 0);
    engine_command(t->lane.engine, &create);
    const struct batch *b = engine_seal(t->lane.engine);
    assert_non_null(b);
    assert_true(b->moves[0].seq > last_seq);
    engine_destroy(t->lane.engine);
    gate_destroy(t->lane.gate);
    state_close(&state);
    free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            numbers_go_on_after_the_last_though_its_move_is_archived_and_the_clock_went_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
