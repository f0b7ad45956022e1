/* fixture_gate.h - a gate of any adapter, with what a worker and a lane would do to it. An adapter
 * joins by one line in fixture_gate.c. */
#ifndef TALLY_TEST_FIXTURE_GATE_H
#define TALLY_TEST_FIXTURE_GATE_H

#include "fixture.h"

#include <stdbool.h>
#include <uv.h>

#include "gate/gate.h"

enum { SEED = 42, NOW_MS = 1000, RIG_LOTS = 100000 };

struct asker;

/* All but `name` and `make` may be NULL. */
struct adapter {
    const char *name;
    int (*make)(struct gate **out);
    /* Lets the session answer what was flushed; NULL: it did. */
    void (*deliver)(struct asker *a);
    /* Before and after all tests of a program. False: what it needs is not on this machine. */
    bool (*begin)(void);
    void (*end)(void);
    /* The session can ask. */
    bool (*is_up)(const struct gate_session *s);
    /* What was told is where asks find it. */
    bool (*is_told)(struct gate *g);
    bool is_far; /* every ask is a round trip */
};

/* A worker: its session, and how often it was answered. */
struct asker {
    struct gate_session *session;
    struct gate *gate;
    uv_loop_t loop;
    size_t answered;
    void (*on_answer)(struct asker *a, struct gate_ask *ask); /* or NULL */
};

/* The truth that the lane tells, by lot. One thread at a time may tell. */
struct truth {
    struct lot_dims dims;
    char key[16];
    int64_t available;
    int64_t version;
};

struct rig {
    struct gate *g;
    struct asker me;
    struct truth *lots; /* by number */
};

/* Runs the tests against every adapter; returns the number that failed. */
#define RUN_ADAPTERS(tests) run_adapters(tests, sizeof(tests) / sizeof((tests)[0]))
int run_adapters(const struct CMUnitTest *tests, size_t count);
/* Against one that is not in the list. */
#define RUN_ADAPTER(one, tests) run_adapter(one, tests, sizeof(tests) / sizeof((tests)[0]))
int run_adapter(const struct adapter *one, const struct CMUnitTest *tests, size_t count);

/* How often something is repeated that is repeated `often` where asking costs nothing. */
uint32_t times(uint32_t often);

/* Lot 1 ("a") of 10 units and lot 2 ("b") of none. */
int setup(void **state);
int teardown(void **state);
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

void asker_open(struct asker *a, struct gate *g);
void asker_close(struct asker *a);
/* Asks and flushes; each ask was answered once when it returns. */
void asker_ask(struct asker *a, struct gate_ask *asks, size_t n, int64_t now_ms);
/* What was flushed before is answered. */
void asker_deliver(struct asker *a);

/* ---- the lane ---- */

void add_lot(struct rig *r, lot_id lot, const char *key, int64_t units);
struct gate_stock stock_of(const struct rig *r, lot_id lot);
/* Decided by others, and committed. */
void change(struct rig *r, lot_id lot, int64_t units);
/* An order that passed with `units` of the lot: committed, or come to nothing. */
void accepted(struct rig *r, uint64_t order_hash, lot_id lot, int64_t units);
void come_to_nothing(struct rig *r, uint64_t order_hash, lot_id lot, int64_t units,
                     enum gate_outcome outcome);

/* ---- asks of one line and one order ---- */

uint64_t order(uint64_t number); /* a hash with all its bits in use */
struct gate_ask ask_lines(struct rig *r, struct gate_line *lines, uint16_t n, uint64_t order_hash);
enum gate_verdict ask_for(struct rig *r, const char *lot, int64_t quantity, uint64_t order_hash);
int64_t units_left(struct rig *r, const char *lot);

#endif
