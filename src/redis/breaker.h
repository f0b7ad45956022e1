/* breaker.h - keeps callers away from a server that fails or has become slow.
 *
 *            too many bad ones            open_ms over
 *   CLOSED ───────────────────► OPEN ───────────────────► HALF_OPEN
 *      ▲                         ▲                            │ one goes through
 *      └──────── it was good ────┼────────────────────────────┤
 *                                └───── it was bad: twice as ─┘
 *                                       long, up to a bound
 *
 * A bad one is a failure, an error that says "not now", or an answer that took too long. Good ones
 * make up for bad ones, so a few among many open nothing. No clock and no randomness of its own.
 */
#ifndef TALLY_REDIS_BREAKER_H
#define TALLY_REDIS_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

struct breaker_limits {
    uint32_t bad_max;     /* so many bad ones in a row open it */
    uint32_t open_ms;     /* the first time */
    uint32_t open_max_ms; /* at most */
};

struct breaker {
    struct breaker_limits limits;
    enum breaker_state state;
    uint32_t score; /* two for a bad one, one less for a good one */
    uint32_t open_ms;
    uint64_t open_until_ms;
    uint64_t probe_ms; /* HALF_OPEN: when one was let through; 0: none is under way */
};

void breaker_init(struct breaker *b, const struct breaker_limits *limits);
/* May one go? In HALF_OPEN the first that asks is the probe, and the others may not; one that was
 * not heard of for open_max_ms counts as lost. */
bool breaker_allows(struct breaker *b, uint64_t now_ms);
void breaker_good(struct breaker *b);
/* `dice`: any random number; up to a quarter is added to the time, so that many callers do not
 * come back at once. */
void breaker_bad(struct breaker *b, uint64_t now_ms, uint32_t dice);
/* Opens it, however good it was. */
void breaker_trip(struct breaker *b, uint64_t now_ms, uint32_t dice);
/* The server can be reached again: the next one is the probe, without waiting. */
void breaker_try(struct breaker *b);

#endif
