/* invalidations.h - the port over which every node's local cache hears that a lot has changed.
 *
 * tell() after a commit, or a second delete; heard() on every node, also on the one that told. A
 * message may be lost (a line that is full, brokers that are not there, a node that was not
 * listening yet) or come twice: what a local cache keeps has a time to live all the same, and a
 * delete does no harm. Adapter: Kafka (invalidations_kafka.h); one node alone needs none.
 *
 * Life: create; start; tell, until stop; stop; destroy.
 */
#ifndef TALLY_BUS_INVALIDATIONS_H
#define TALLY_BUS_INVALIDATIONS_H

#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

/* version: the lot's, as it was told; 0: not known. On the adapter's thread; must not block. */
typedef void invalidation_heard_fn(void *context, struct str key, int64_t version);

/* For metrics; a copy of the moment. Declared once: name, kind, help. */
#define INVALIDATIONS_STATS(X)                                                                     \
    X(told_total, COUNTER, "invalidations that this node told")                                    \
    X(dropped_total, COUNTER,                                                                      \
      "of them, dropped: too many under way, or the brokers did not answer")                       \
    X(heard_total, COUNTER, "invalidations that this node heard")                                  \
    X(listening, GAUGE, "1 while this node hears what others tell")

struct invalidations_stats {
#define X(name, kind, help) int64_t name;
    INVALIDATIONS_STATS(X)
#undef X
};

struct invalidations;

struct invalidations_ops {
    int (*start)(struct invalidations *i, struct error *e);
    void (*tell)(struct invalidations *i, struct str key, int64_t version);  /* any thread; never
                                                                                blocks */
    void (*stats)(struct invalidations *i, struct invalidations_stats *out); /* any thread */
    void (*stop)(struct invalidations *i);
    void (*destroy)(struct invalidations *i);
};

struct invalidations {
    const struct invalidations_ops *ops;
};

#endif
