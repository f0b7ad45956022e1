/* again.h - second deletes: a key of the cache that was deleted after a commit is deleted once
 * more, a little later.
 *
 * A reader that misses loads the value from a replica that may still be behind, and puts it into
 * the cache after the first delete: the second one takes it out again. Who commits says so with
 * again_ask(); delete_ms later, or up to twice as late, config.remove() is called. What is asked of
 * one key within delete_ms is asked once (coalesced).
 *
 *     again_ask ──► book ──► delay line ──► remove ──► again_removed
 *                     │                        ▲
 *                     └─ late, or not taken ── sweep of the log
 *
 * Nothing depends on the delay line, which may refuse, lose and double: each key is in the book
 * until it was removed, and what has not been after limit_ms, or did not fit into the book, is
 * finished by the sweep: it reads the log of moves behind the cursor AGAIN_READER of the ledger and
 * removes each lot that changed. The cursor passes only what was removed. A start looks back
 * lookback_ms at least, which should be as long as a value stays in the cache.
 *
 * Life: create; start; again_ask, until stop; again_stop; again_destroy. All calls on any thread,
 * but for those of its life. The delay line is started and stopped by its owner, within that of
 * this.
 */
#ifndef TALLY_BUS_AGAIN_H
#define TALLY_BUS_AGAIN_H

#include "bus/delay.h"
#include "ledger/ledger.h"

#define AGAIN_READER "again" /* its cursor's name */

struct again;

/* A key that is to be deleted now; the receiver's until again_removed(). */
struct again_removal {
    struct again *again;
    struct delay_message *message; /* that it came with; NULL: the sweep's */
    uint64_t sweep;                /* the sweep's number; 0: it came with a message */
    int64_t version;               /* of the lot, as it was committed; 0: not known, delete it */
    int64_t seq;                   /* of the newest move that this is about */
    uint32_t key_size;
    char key[LOT_KEY_MAX + 1]; /* ends with a zero */
};

struct again_config {
    struct ledger *ledger; /* started; outlives again_stop() */
    int64_t delete_ms;
    int64_t limit_ms;    /* what is not removed by then is the sweep's */
    int64_t lookback_ms; /* of the first sweep */
    uint32_t keys_max;   /* in the book */
    const struct lot_dims *(*lot_dims)(void *dims_context, lot_id id); /* any thread */
    void *dims_context;
    /* Deletes the key, here and wherever else it is kept; must not block. On a thread of the
     * delay line or of this. May call again_removed() from inside. */
    void (*remove)(void *context, struct again_removal *r);
    void *context;
};

/* For metrics; a copy of the moment. Declared once: name, kind, help. */
#define AGAIN_STATS(X)                                                                             \
    X(asked_total, COUNTER, "second deletes that commits asked for")                               \
    X(coalesced_total, COUNTER, "of them, made together with another one of the same lot")         \
    X(refused_total, COUNTER, "of them, left to the sweep, since too many lots were waiting")      \
    X(removed_total, COUNTER, "second deletes that were made")                                     \
    X(remove_errors_total, COUNTER, "second deletes that failed; they are tried again")            \
    X(sweeps_total, COUNTER, "sweeps of the log of moves for second deletes that did not come")    \
    X(swept_total, COUNTER, "second deletes that a sweep made")                                    \
    X(sweep_errors_total, COUNTER, "sweeps that failed; they are made again")                      \
    X(waiting, GAUGE, "lots whose second delete is still to come")                                 \
    X(delay_ms, GAUGE, "how long after a commit the second delete comes, in milliseconds")         \
    X(late_ms, GAUGE, "how long the oldest second delete has been waited for, in milliseconds")

struct again_stats {
#define X(name, kind, help) int64_t name;
    AGAIN_STATS(X)
#undef X
};

int again_create(struct again **out, const struct again_config *config, struct error *e) MUST_CHECK;
/* What comes out of the delay line goes here: its config's `out`; context is the again. */
delay_out_fn again_out;
/* `line` may be NULL: all is left to the sweep. */
int again_start(struct again *a, struct delay *line, struct error *e) MUST_CHECK;
/* A lot was changed by a move that is committed, and has that version now; 0 where one is not
 * known. Never blocks for longer than a look at the book. */
void again_ask(struct again *a, struct str key, int64_t version, int64_t seq);
/* Replicas are behind: second deletes come that late at least, from now on. */
void again_delay(struct again *a, int64_t delay_ms);
/* code 0: the key is deleted. */
void again_removed(struct again_removal *r, int code);
void again_stats(struct again *a, struct again_stats *out);
void again_stop(struct again *a); /* NULL is fine; removals that are out may still come back */
void again_destroy(struct again *a);

#endif
