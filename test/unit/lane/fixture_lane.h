/* fixture_lane.h - a lane with a real engine and gate, over a ledger that the test plays. One
 * thread; time stands still unless the test moves it. */
#ifndef TALLY_TEST_FIXTURE_LANE_H
#define TALLY_TEST_FIXTURE_LANE_H

#include "fixture.h"
#include "lane/lane.h"

enum { RIG_SEED = 7, RIG_UNITS = 5, RIG_BATCHES = 4 };
#define RIG_NOW_MS INT64_C(1790000000000)
#define RIG_LOT    "COLA#00000001"

struct rig {
    struct ledger ledger; /* first: the ops get a pointer to it */
    struct lane *lane;
    struct ledger_events events;
    int64_t now_ms;
    struct batch *batches[RIG_BATCHES]; /* submitted, without an outcome yet */
    uint32_t batch_count;
    struct load *load; /* asked, not answered or held */
    uint32_t loads, releases;
    struct command *answered[64]; /* oldest first */
    uint32_t answered_count;
    uint32_t wakes;
    uint32_t pauses;
    bool pause_turns; /* pause() takes a turn of the lane */
    bool nobody_drives;
    uint32_t settled;
    /* what recovery streams */
    int64_t last_seq;
    bool has_run;
    const struct move *moves;
    uint32_t move_count;
};

struct rig_order {
    struct command command;
    struct want want;
    struct line lines[ORDER_LINES_MAX];
    char id[24], text[256];
};

/* Recovered and open: one lot of RIG_UNITS. */
int rig_begin(void **state);
/* The same over a shared ledger. */
int rig_begin_shared(void **state);
/* Created, not recovered yet. */
struct rig *rig_create(bool shared);
int rig_finish(void **state);

struct command *rig_order(struct rig_order *o, const char *id, int64_t quantity);
void rig_send(struct rig *r, struct command *c);
bool rig_turn(struct rig *r);
/* The oldest batch under way; its outcome is for the next turn. */
void rig_outcome(struct rig *r, enum ledger_outcome outcome);
/* Answers the load with the lot: `reserved` of its units are taken. */
void rig_loaded(struct rig *r, int64_t reserved);
/* What the gate says to an order of that id; what it took is given back. */
enum gate_verdict rig_ask_gate(struct rig *r, const char *order_id, int64_t quantity);
/* The gate passes the order; what it took is the order's, which the engine gives back. */
void rig_pass_gate(struct rig *r, struct rig_order *o);

#endif
