/* fixture_planted.h - a cache of one lot as one would write it first, right but for what is
 * planted; to show that the simulation of races would find it. */
#ifndef TALLY_TEST_FIXTURE_PLANTED_H
#define TALLY_TEST_FIXTURE_PLANTED_H

#include "cache/cache.h"

enum plant {
    PLANT_NOTHING,
    PLANT_OLDER_FILL_WINS,   /* whatever is filled last is there */
    PLANT_TOMBSTONE_IGNORED, /* a delete takes away, and is forgotten */
    PLANT_LEASE_LOST,        /* all who miss are sent to the authority, with a lease each */
    PLANT_DELETE_IGNORED,    /* a delete does nothing */
    PLANTS
};

struct cache *planted_create(enum plant plant, int64_t lease_ms);

#endif
