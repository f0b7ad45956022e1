/* figures.h - what the engine says of itself, where others can read it without asking.
 *
 * The engine's thread publishes now and then, and never waits: while somebody reads, it leaves it
 * for the next turn. */
#ifndef TALLY_SERVER_FIGURES_H
#define TALLY_SERVER_FIGURES_H

#include <pthread.h>

#include "engine/engine.h"
#include "service/service.h"

enum { FIGURES_INTERVAL_MS = 250 };

struct figures_board {
    pthread_mutex_t lock;
    struct figures shown; /* guarded by the lock */
    uint64_t shown_ns;    /* guarded by the lock */
    uint64_t next_ns;     /* the engine thread's */
};

void figures_init(struct figures_board *b);
/* The engine's thread, once a turn. */
void figures_publish(struct figures_board *b, struct engine *e, uint64_t now_ns);
/* Any thread. */
void figures_read(struct figures_board *b, uint64_t now_ns, struct figures *out);

#endif
