/* cache.h - the read path of one lot: what the ledger said of it, kept where it is nearer.
 *
 * A cache is derived: losing all of it costs reads of the authority, nothing else. What it keeps
 * has the lot's version, and whatever it is told is weighed by it:
 *   - a fill that is older than what is there, or than what a delete named, is not kept. So a
 *     replica that lags cannot bring back what a commit has made old;
 *   - a delete names the version that the lot has now. It takes away what is older, leaves what is
 *     not, and stays behind as a tombstone. Repeated, late or out of order it does no harm.
 * That there is no such lot is kept, too, as version 0.
 *
 * Who asks and finds nothing is told FILL, and has the lease: it reads the authority, and calls
 * fill() or give_up(). Meanwhile others who ask for the lot wait, and get what was filled; when
 * they have waited too long, what was there before (stale), or BLIND.
 *
 * One struct cache for the node. Each I/O worker has a session of its own and is answered on its
 * own thread. remove() and forget() may come from any thread.
 *
 * Times are ledger time, handed in with every call of a session; a cache has no clock.
 */
#ifndef TALLY_CACHE_CACHE_H
#define TALLY_CACHE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/mailbox.h"
#include "base/str.h"
#include "cache/cached_lot.h"

struct uv_loop_s;

enum cache_verdict {
    CACHE_FOUND,  /* `lot` */
    CACHE_ABSENT, /* there is no such lot */
    CACHE_FILL,   /* not here: owe one fill() or give_up() */
    CACHE_BLIND,  /* the cache cannot tell: ask the authority, and owe nothing */
    CACHE_VERDICTS
};

/* Where an answer came from. name, text */
#define CACHE_SOURCES(X)                                                                           \
    X(MEMORY, "memory")                                                                            \
    X(LOCAL, "local") X(REDIS, "redis") X(REPLICA, "replica") X(PRIMARY, "primary")

enum cache_source {
#define X(name, text) SOURCE_##name,
    CACHE_SOURCES(X)
#undef X
        SOURCE_COUNT
};

/* The caller's; the cache's from ask() to the answer, and again in fill() or give_up(). */
struct cache_ask {
    struct mail mail; /* the cache's */
    struct str key;   /* a lot key; lives as long as the ask is owed anything */
    void *context;    /* the caller's */
    uint8_t verdict;  /* out; enum cache_verdict */
    uint8_t source;   /* out, FOUND and ABSENT; enum cache_source */
    bool stale;       /* out, FOUND and ABSENT: newer is known to be, and was waited for in vain */
    int64_t age_ms;   /* out, FOUND and ABSENT: since the authority was read */
    int64_t least_version; /* out, FILL and BLIND: an older answer is out of date for sure; or 0 */
    struct cached_lot lot; /* out, FOUND */
    /* the cache's */
    uint64_t hash;
    uint64_t lease;
    struct cache_session *session;
    struct cache_ask *next_waiting;  /* for the same lot */
    struct cache_ask *newer, *older; /* waits of the session */
    int64_t waits_since_ms;
    void *below;  /* the ask of the tier behind, which is owed a fill */
    bool waiting; /* at an entry: guarded by its shard's lock */
};

/* What the authority said. */
struct cache_reading {
    const struct cached_lot *lot; /* NULL: there is no such lot */
    uint8_t source;
    int64_t read_ms; /* when it was asked for */
};

struct cache_worker {
    struct uv_loop_s *loop; /* NULL: none; only for adapters that need no loop */
    void *context;
    void (*answered)(void *context, struct cache_ask *ask); /* the worker's thread, from turn() or
                                                               tick(); each exactly once */
    void (*wake)(void *context); /* any thread: there is something for turn() */
};

/* For metrics; a copy of the moment. Declared once: name, kind, help. */
#define CACHE_STATS(X)                                                                             \
    X(local_hits_total, COUNTER, "reads of lots answered from this process")                       \
    X(remote_hits_total, COUNTER, "reads of lots answered from Redis")                             \
    X(misses_total, COUNTER, "reads of lots that no tier could answer")                            \
    X(fills_total, COUNTER, "readings of the authority that were kept")                            \
    X(fills_ignored_total, COUNTER,                                                                \
      "readings that were older than what is there, or than a delete")                             \
    X(waits_total, COUNTER, "reads that waited for somebody else's fill")                          \
    X(stale_total, COUNTER, "reads answered with what was known to be old")                        \
    X(blind_total, COUNTER, "reads that had to ask the authority without a lease")                 \
    X(leases_lost_total, COUNTER, "fills that did not come in time, so that another one began")    \
    X(deletes_total, COUNTER, "deletes after commits")                                             \
    X(evicted_total, COUNTER, "lots that had to leave this process for want of room")              \
    X(lots, GAUGE, "lots kept in this process")                                                    \
    X(tombstones, GAUGE, "deletes that are remembered in this process")                            \
    X(bytes, GAUGE, "memory that they take")                                                       \
    X(remote_errors_total, COUNTER, "calls of Redis that failed, or did not come back in time")

struct cache_stats {
#define X(name, kind, help) int64_t name;
    CACHE_STATS(X)
#undef X
};

struct cache;

typedef void cache_done_fn(void *context, int code);

/* An adapter's session begins with one. */
struct cache_session {
    const struct cache_ops *ops;
};

struct cache_ops {
    /* ---- a worker; its thread, but for attach(), which comes before the thread runs ---- */

    int (*attach)(struct cache *c, const struct cache_worker *w, struct cache_session **out,
                  struct error *e);
    /* True: it is answered already, and answered() will not be called. */
    bool (*ask)(struct cache_session *s, struct cache_ask *ask, int64_t now_ms);
    /* As ask(), of the one tier (SOURCE_LOCAL, SOURCE_REDIS), for comparison: counts as no read,
     * waits for nobody and takes no lease. BLIND: nothing is there, or it is stale, or cannot be
     * told. */
    bool (*inspect)(struct cache_session *s, struct cache_ask *ask, enum cache_source tier,
                    int64_t now_ms);
    /* Of an ask whose verdict was FILL. False: the reading is older than ask->least_version, which
     * is out: the lease goes on, and a newer reading, or give_up(), is owed. */
    bool (*fill)(struct cache_session *s, struct cache_ask *ask, const struct cache_reading *r,
                 int64_t now_ms);
    void (*give_up)(struct cache_session *s, struct cache_ask *ask, int64_t now_ms);
    /* Hands out what was answered since; sends off what goes elsewhere. Once a turn of the loop. */
    void (*turn)(struct cache_session *s, int64_t now_ms);
    /* Every 10 to 50 ms: those who have waited too long. */
    void (*tick)(struct cache_session *s, int64_t now_ms);
    /* What is not answered yet comes back BLIND first, from inside; what was told FILL may be
     * dropped. NULL is fine. */
    void (*detach)(struct cache_session *s);

    /* ---- any thread; never block ---- */

    /* The lot is at this version now, or newer: in every tier that this node can reach. Version 0:
     * that is not known, and whatever is there goes. `done` may be NULL; else it is called once, on
     * any thread, also from inside: 0, or why a tier could not be told. */
    void (*remove)(struct cache *c, struct str key, int64_t version, cache_done_fn *done,
                   void *context);
    /* The same, in this process only: somebody else has told, or will tell, the rest. */
    void (*forget)(struct cache *c, struct str key, int64_t version);
    /* The version of the lot that a reader in this process would be shown; false: none. */
    bool (*peek)(struct cache *c, struct str key, int64_t *version);
    void (*stats)(struct cache *c, struct cache_stats *out);

    void (*destroy)(struct cache *c); /* no session is left */
};

struct cache {
    const struct cache_ops *ops;
};

/* Any thread, also where there is no cache: after a commit, and again when the second delete is
 * due. */
static inline void cache_delete(struct cache *c, struct str key, int64_t version,
                                cache_done_fn *done, void *context)
{
    if (c)
        c->ops->remove(c, key, version, done, context);
    else if (done)
        done(context, 0);
}

/* Any thread: another node's commit was heard of. */
static inline void cache_forget(struct cache *c, struct str key, int64_t version)
{
    if (c)
        c->ops->forget(c, key, version);
}

static inline void cache_detach(struct cache_session *s)
{
    if (s)
        s->ops->detach(s);
}

static inline void cache_destroy(struct cache *c)
{
    if (c)
        c->ops->destroy(c);
}

#endif
