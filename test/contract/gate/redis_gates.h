/* redis_gates.h - the rows of the gate in Redis, with one server and with a cluster of six. */
#ifndef TALLY_TEST_REDIS_GATES_H
#define TALLY_TEST_REDIS_GATES_H

#include "fixture_gate.h"

bool redis_gate_begin(void);
bool redis_gate_begin_cluster(void);
void redis_gate_end(void);
int redis_gate_make(struct gate **out);
void redis_gate_deliver(struct asker *a);
bool redis_gate_up(const struct gate_session *s);
bool redis_gate_told(struct gate *g);

#define REDIS_GATE(title, how)                                                                     \
    {                                                                                              \
        .name = (title), .make = redis_gate_make, .deliver = redis_gate_deliver, .begin = (how),   \
        .end = redis_gate_end, .is_up = redis_gate_up, .is_told = redis_gate_told,                 \
    }
#define REDIS_GATES                                                                                \
    REDIS_GATE("redis", redis_gate_begin), REDIS_GATE("redis cluster", redis_gate_begin_cluster)

#endif
