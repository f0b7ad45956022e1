#include "fixture_lane.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "gate/gate_local.h"

static const struct lot_dims cola = {.key = {RIG_LOT, sizeof RIG_LOT - 1},
                                     .sku = {"COLA", 4},
                                     .flavor = {"lime", 4},
                                     .size = {"330ml_can", 9},
                                     .batch = {"BATCH-20261122-A", 16},
                                     .expires_on = LOT_NEVER_EXPIRES};

/* ---- the ledger ---- */

static int play_recover(struct ledger *l, const struct ledger_loader *loader, struct error *e)
{
    struct rig *r = (struct rig *)l;
    const struct stock stock = {.on_hand = RIG_UNITS, .version = 1};
    const struct lot_terms terms = {.expires_on = cola.expires_on,
                                    .expected_on = LOT_NEVER_EXPIRES};
    int code = loader->lot(loader->context, 1, &cola, &terms, &stock, e);
    if (code == 0 && r->has_run) {
        struct order_run *run = calloc(1, sizeof *run);
        run->count = 1;
        run->seq_min = run->seq_max = seq_first_of_ms(r->now_ms) - 1;
        run->filter = bloom_create(1, 12);
        code = loader->order_run(loader->context, run);
    }
    for (uint32_t i = 0; code == 0 && i < r->move_count; i++)
        code = loader->move(loader->context, &r->moves[i], false, e);
    loader->progress(loader->context, r->move_count, r->move_count);
    return code;
}

static void play_stats(struct ledger *l, struct ledger_stats *out)
{
    out->last_seq = ((struct rig *)l)->last_seq;
}

static void play_submit(struct ledger *l, struct batch *b)
{
    struct rig *r = (struct rig *)l;
    assert_true(r->batch_count < RIG_BATCHES);
    r->batches[r->batch_count++] = b;
}

static void play_ask(struct ledger *l, struct question *q)
{
    struct rig *r = (struct rig *)l;
    q->code = TLY_ENOT_FOUND;
    r->events.answered(r->events.context, q);
}

static void play_store(struct ledger *l, struct order_segment *s)
{
    struct rig *r = (struct rig *)l;
    r->events.segment_stored(r->events.context, s, NULL);
}

static void play_load(struct ledger *l, struct load *load)
{
    struct rig *r = (struct rig *)l;
    assert_null(r->load);
    r->load = load;
    r->loads++;
}

static void play_release(struct ledger *l, struct load *load)
{
    struct rig *r = (struct rig *)l;
    assert_ptr_equal(r->load, load);
    r->load = NULL;
    r->releases++;
}

void rig_loaded(struct rig *r, int64_t reserved)
{
    static struct loaded_lot lot;
    lot = (struct loaded_lot){.id = 1,
                              .dims = cola,
                              .terms = lot_terms_plain(&cola),
                              .stock = {RIG_UNITS, reserved, 0, 1}};
    r->load->lots = &lot;
    r->load->lot_count = 1;
    r->load->lots_highest = 1;
    r->load->next_deadline_ms = INT64_MAX;
    r->events.loaded(r->events.context, r->load);
}

static const struct ledger_ops play_ops = {.recover = play_recover,
                                           .stats = play_stats,
                                           .submit = play_submit,
                                           .ask = play_ask,
                                           .load = play_load,
                                           .release = play_release,
                                           .store_segment = play_store};

void rig_outcome(struct rig *r, enum ledger_outcome outcome)
{
    assert_true(r->batch_count > 0);
    struct batch *b = r->batches[0];
    if (outcome != LEDGER_UNKNOWN) {
        r->batch_count--;
        memmove(r->batches, r->batches + 1, r->batch_count * sizeof *r->batches);
    }
    b->outcome = outcome;
    if (b->load == r->load && outcome != LEDGER_UNKNOWN)
        r->load = NULL;
    r->events.outcome(r->events.context, b);
}

/* ---- who drives ---- */

static void keep_answers(void *context, struct command *c)
{
    struct rig *r = context;
    for (; c; c = c->link)
        r->answered[r->answered_count++] = c;
}

static void count_wake(void *context)
{
    ((struct rig *)context)->wakes++;
}

static void count_settled(void *context, const struct batch *b)
{
    (void)b;
    ((struct rig *)context)->settled++;
}

static bool take_turn(void *context)
{
    struct rig *r = context;
    r->pauses++;
    if (r->pause_turns && r->pauses == 3)
        rig_turn(r);
    return !r->nobody_drives;
}

bool rig_turn(struct rig *r)
{
    return lane_turn(r->lane, r->now_ms, (uint64_t)r->now_ms * 1000000);
}

void rig_send(struct rig *r, struct command *c)
{
    struct mail_chain chain = {0};
    mail_chain_add(&chain, &c->mail);
    lane_send(r->lane, &chain, 1);
}

struct command *rig_order(struct rig_order *o, const char *id, int64_t quantity)
{
    memset(o, 0, sizeof *o);
    strncpy(o->id, id, sizeof o->id - 1);
    o->want = (struct want){.lot = STR(RIG_LOT), .quantity = quantity};
    o->command.kind = COMMAND_RESERVE;
    o->command.text = o->text;
    o->command.text_size = sizeof o->text;
    o->command.reserve = (struct reserve_command){.order_id = str_of(o->id),
                                                  .user_id = STR("u"),
                                                  .order_hash = hash64(str_of(o->id), RIG_SEED),
                                                  .fingerprint = 1,
                                                  .wants = &o->want,
                                                  .want_count = 1,
                                                  .lines = o->lines,
                                                  .line_max = ORDER_LINES_MAX};
    return &o->command;
}

/* ---- the gate ---- */

static void nothing(void *context, struct gate_ask *first)
{
    (void)context, (void)first;
}

static enum gate_verdict ask_gate(struct rig *r, const char *order_id, int64_t quantity)
{
    struct gate *g = r->lane->gate;
    struct gate_line line = {.lot = STR(RIG_LOT), .quantity = quantity};
    struct gate_ask ask = {
        .lines = &line, .line_count = 1, .order_hash = hash64(str_of(order_id), RIG_SEED)};
    const struct gate_worker worker = {.answered = nothing};
    struct gate_session *session = NULL;
    assert_int_equal(g->ops->attach(g, &worker, &session, NULL), 0);
    gate_ask(session, &ask);
    gate_flush(session, r->now_ms);
    gate_detach(session);
    return ask.verdict;
}

enum gate_verdict rig_ask_gate(struct rig *r, const char *order_id, int64_t quantity)
{
    struct gate *g = r->lane->gate;
    const struct gate_delta back = {1, quantity};
    enum gate_verdict verdict = ask_gate(r, order_id, quantity);
    if (verdict == GATE_PASS)
        g->ops->decided(g, &back, 1);
    return verdict;
}

void rig_pass_gate(struct rig *r, struct rig_order *o)
{
    assert_int_equal(ask_gate(r, o->id, o->want.quantity), GATE_PASS);
    o->want.lot_hint = 1;
    o->want.gate_taken = true;
}

/* ---- life ---- */

struct rig *rig_create(bool shared)
{
    const struct engine_config config = {.hash_seed = RIG_SEED,
                                         .shared = shared,
                                         .lots_max = 100,
                                         .holds_max = 100000,
                                         .batch_moves_max = 8192,
                                         .waiting_max = 100000,
                                         .questions_max = 100,
                                         .stale_tries_max = 3,
                                         .hold_default_ms = 60000,
                                         .hold_max_ms = 60000,
                                         .hold_total_max_ms = 60000,
                                         .refund_window_ms = 60000,
                                         .order_retention_ms = 3600000,
                                         .order_memory_max = 100000};
    const struct gate_local_config gate = {
        .hash_seed = RIG_SEED, .lots_max = 100, .order_filter_bytes = 65536};
    struct rig *r = calloc(1, sizeof *r);
    r->lane = aligned_alloc(64, (sizeof *r->lane + 63) & ~(size_t)63);
    memset(r->lane, 0, sizeof *r->lane);
    r->now_ms = RIG_NOW_MS;
    r->ledger.ops = &play_ops;
    r->lane->ledger = &r->ledger;
    r->lane->host = (struct lane_host){.context = r,
                                       .answered = keep_answers,
                                       .wake = count_wake,
                                       .pause = take_turn,
                                       .settled = count_settled};
    assert_int_equal(engine_create(&r->lane->engine, &config, NULL), 0);
    assert_int_equal(gate_local_create(&r->lane->gate, &gate, NULL), 0);
    lane_events(r->lane, &r->events);
    return r;
}

static int begin(void **state, bool shared)
{
    struct rig *r = rig_create(shared);
    struct lane_recovery recovery = {.hash_seed = RIG_SEED};
    *state = r;
    assert_int_equal(lane_recover(r->lane, &recovery, NULL), 0);
    lane_open(r->lane, r->now_ms);
    return 0;
}

int rig_begin(void **state)
{
    return begin(state, false);
}

int rig_begin_shared(void **state)
{
    return begin(state, true);
}

int rig_finish(void **state)
{
    struct rig *r = *state;
    lane_close(r->lane);
    engine_destroy(r->lane->engine);
    gate_destroy(r->lane->gate);
    free(r->lane);
    free(r);
    return 0;
}
