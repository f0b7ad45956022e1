/* heat.h - which lots are hot: read more often than a bound within the last minute.
 *
 * A window of WINDOW_S seconds slides a second at a time: reads are counted in the second in which
 * they come, and a second's count leaves when the second is that long ago. No lock, no clock.
 *
 * Bounded: HEAT_WAYS places for each set of lots; a lot without a place takes that of the one with
 * the fewest reads in the window. A lot that is hot has more reads than the cold ones that
 * come by once, so it stays.
 */
#ifndef TALLY_CACHE_HEAT_H
#define TALLY_CACHE_HEAT_H

#include <stdint.h>

#include "base/error.h"

enum { WINDOW_S = 60, HEAT_WAYS = 8 };

struct heat_place;

struct heat {
    struct heat_place *places;
    uint32_t set_count; /* a power of two */
};

int heat_init(struct heat *h, uint32_t sets) MUST_CHECK;
void heat_close(struct heat *h);
/* A read; how many there were in the window, with it. */
uint32_t heat_count(struct heat *h, uint64_t hash, int64_t now_ms);

#endif
