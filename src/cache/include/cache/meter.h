/* meter.h - how far "in the end all copies agree" is from now.
 *
 * Lots that were read are sampled: the authority is asked, then each tier that may have a copy. A
 * copy that is older than what the authority had said before is inconsistent; it is looked at again
 * at once and often, until it agrees or is gone, so that it is known how long it lasted.
 *
 * No I/O, no clock: whoever drives it asks what to sample, and tells what was seen. One thread, but
 * for the figures.
 */
#ifndef TALLY_CACHE_METER_H
#define TALLY_CACHE_METER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "cache/cached_lot.h"

/* Where copies are. name, text */
#define METER_TIERS(X) X(LOCAL, "local") X(REDIS, "redis")

enum meter_tier {
#define X(name, text) METER_##name,
    METER_TIERS(X)
#undef X
        METER_TIER_COUNT
};

/* For metrics; declared once: name, kind, help. */
#define METER_STATS(X)                                                                             \
    X(samples_total, COUNTER, "copies of lots that were compared with the authority")              \
    X(found_total, COUNTER, "of them, copies that turned out to be older than it")                 \
    X(lots, GAUGE, "copies that are older than the authority now, of those sampled")               \
    X(oldest_ms, GAUGE,                                                                            \
      "for how many milliseconds the one that is so longest has been seen to be")                  \
    X(lasted_longest_ms, GAUGE, "how many milliseconds the worst one lasted, since the start")

struct meter_stats {
#define X(name, kind, help) int64_t name;
    METER_STATS(X)
#undef X
};

struct meter;

int meter_create(struct meter **out, struct error *e) MUST_CHECK;
void meter_destroy(struct meter *m); /* NULL is fine */
/* A lot was read: it may be sampled. */
void meter_note(struct meter *m, struct str key);
/* The lot to sample now, in memory that lasts until the next call of this; empty: none. Those that
 * are known to be inconsistent come at every call in turn, others every `interval_ms`. */
struct str meter_next(struct meter *m, int64_t interval_ms, int64_t now_ms);
/* The copy (NULL: there is none) as it was seen after the authority had said `truth` (NULL: no such
 * lot) at `read_ms`. True: an inconsistency has ended, and lasted so long. */
bool meter_compare(struct meter *m, struct str key, enum meter_tier tier,
                   const struct cached_lot *truth, const struct cached_lot *copy, int64_t read_ms,
                   int64_t now_ms, int64_t *lasted_ms);
/* The copy says that there is no such lot: `absent` in place of a copy. */
extern const struct cached_lot meter_absent;
void meter_figures(struct meter *m, struct meter_stats *out); /* any thread */

#endif
