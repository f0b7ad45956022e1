/* shelf.h - one part of the lots that a process keeps: entries with versions, tombstones, leases
 * and those who wait. No lock, no clock: whoever has a shelf guards it and says what time it is.
 *
 * An entry is there while any of these holds, and says by them what it knows of its lot:
 *   - a value, until `until_ms`. It may be stale: a delete named a newer version, and it is kept
 * for a moment for those who would else wait too long;
 *   - a tombstone, until `tombstone_until_ms`: nothing older than `least_version` is taken;
 *   - a lease, until `lease_until_ms`: somebody reads what is further away;
 *   - asks that wait for it.
 * Bounded in bytes. A value makes room by leaving, the least recently read first; a lease, a
 * tombstone and a waiting ask never do: where there is no room for those, shelf_look() says
 * NO_ROOM, and a tombstone closes the shelf to all fills for as long as it would have stood.
 */
#ifndef TALLY_CACHE_SHELF_H
#define TALLY_CACHE_SHELF_H

#include <stdatomic.h>

#include "cache/cache.h"

struct shelf_terms {
    size_t bytes_max;     /* of this shelf */
    int64_t keep_ms;      /* a value */
    int64_t absent_ms;    /* that there is no such lot */
    int64_t recheck_ms;   /* a value this old is looked up again by one reader, while the others
                             still have it; 0: never */
    int64_t stale_ms;     /* a value after a delete */
    int64_t tombstone_ms; /* longer than any reading may lag */
    int64_t lease_ms;     /* for one fill */
};

/* Shared by all shelves of a cache. Counted with relaxed atomics. */
struct shelf_figures {
    _Atomic int64_t lots; /* values, and lots known to be absent */
    _Atomic int64_t tombstones;
    _Atomic int64_t bytes;
    _Atomic int64_t evicted_total;
    _Atomic int64_t fills_total;
    _Atomic int64_t fills_ignored_total;
    _Atomic int64_t leases_lost_total;
};

struct shelf_entry;

struct shelf {
    const struct shelf_terms *terms;
    struct shelf_figures *figures;
    struct shelf_entry **slots;
    uint32_t slot_count; /* a power of two */
    uint32_t count;
    size_t bytes;
    struct shelf_entry *newest, *oldest; /* by the last read */
    uint64_t leases;                     /* given so far */
    int64_t closed_until_ms;             /* to fills */
};

enum shelf_state { SHELF_HIT, SHELF_LEASE, SHELF_WAIT, SHELF_NO_ROOM };

int shelf_init(struct shelf *s, const struct shelf_terms *terms,
               struct shelf_figures *figures) MUST_CHECK;
/* Nobody waits any more. */
void shelf_close(struct shelf *s);

/* HIT: the ask is answered. LEASE: ask->lease and least_version are set. WAIT: the ask hangs at the
 * entry until shelf_settle(), shelf_give_up() or shelf_leave(); ask->stale: something old is there.
 * `key` and `hash` are the ask's. */
enum shelf_state shelf_look(struct shelf *s, struct cache_ask *ask, int64_t now_ms);

/* What a reading became. */
enum shelf_fill {
    SHELF_KEPT,
    SHELF_NOT_KEPT,   /* for want of room, or a fill that came too late, or not wanted */
    SHELF_SUPERSEDED, /* newer is there: the ask is answered with that */
    SHELF_TOO_OLD,    /* by the tombstone: nothing is answered, the lease goes on;
                         ask->least_version says what is wanted */
};

/* The end of the ask's lease. `keep`: the value is to stay. *answered: those who waited, answered,
 * by next_waiting. With any result but TOO_OLD the ask is answered, too. */
enum shelf_fill shelf_settle(struct shelf *s, struct cache_ask *ask, const struct cache_reading *r,
                             bool keep, int64_t now_ms, struct cache_ask **answered);
/* The ask's lease, if it still has it, lasts as long as if it had begun now. */
void shelf_renew(struct shelf *s, const struct cache_ask *ask, int64_t now_ms);
/* The lease passes on to the first who waits, who is told LEASE and returned; NULL: there is none.
 */
struct cache_ask *shelf_give_up(struct shelf *s, struct cache_ask *ask, int64_t now_ms);
/* Waits no longer. HIT: answered with what is there, stale; LEASE: it has the lease, because it was
 * lost; NO_ROOM: there is nothing to be had. */
enum shelf_state shelf_leave(struct shelf *s, struct cache_ask *ask, int64_t now_ms);

/* What is older than the version goes; version 0: whatever is there. */
void shelf_delete(struct shelf *s, struct str key, uint64_t hash, int64_t version, int64_t now_ms);

/* Answers the ask with what a reader would be shown now, and changes nothing. False: nothing. */
bool shelf_peek(const struct shelf *s, struct cache_ask *ask, int64_t now_ms);

#endif
