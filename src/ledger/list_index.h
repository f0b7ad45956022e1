/* list_index.h - which reservations are a user's, of a lot, of a sale, in a state: DIR/lists.db.
 *
 * Everything in it follows from the log of moves: it may be deleted at any time while no server
 * runs, and is made again when a list is asked for. An entry says "perhaps": hashes of users
 * collide, a lot may have been changed away, a state may have moved on; who lists looks at the
 * reservation. What is not in the index up to its cursor is not listed by it.
 *
 * Entries lie in segments: spans of reservation ids, each with all lists of its own. So a batch is
 * written in one sorted run at the end of the file, a reservation's entries are found together, and
 * what retention removed goes segment by segment. One thread.
 */
#ifndef TALLY_LEDGER_LIST_INDEX_H
#define TALLY_LEDGER_LIST_INDEX_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum list_kind { LIST_USER = 1, LIST_LOT, LIST_SALE, LIST_STATE };

/* A list: by user (hash64 under the ledger's seed), lot, sale or state. */
struct list_key {
    enum list_kind kind;
    int64_t key;
};

struct list_entry {
    int64_t key;
    int64_t reservation_id;
    uint32_t segment;
    uint8_t kind; /* enum list_kind */
    bool gone; /* is no longer in it: an older entry is removed, one of the same batch not made */
};

struct list_segment {
    int64_t first; /* reservation_id */
    int64_t reservations;
};

struct list_index {
    sqlite3 *db; /* NULL: closed */
    sqlite3_stmt *begin, *commit;
    sqlite3_stmt *insert, *remove, *seek;
    sqlite3_stmt *put_segment, *put_cursor;
    int64_t cursor; /* moves up to this one are in it */
    struct list_segment *segments;
    uint32_t segment_first; /* number of segments[0] */
    uint32_t segment_count, segment_room;
    uint32_t
        segments_written; /* segments before this one are as their rows say, but for the last */
};

/* Opens the file, or makes an empty one. TLY_ECORRUPT: it is damaged, of another format, or belongs
 * to another ledger than that of `seed`. */
int list_index_open(struct list_index *x, const char *path, const char *vfs, uint64_t seed,
                    struct error *e) MUST_CHECK;
void list_index_close(struct list_index *x); /* a zeroed one is fine */
void list_index_remove(const char *path);    /* the file and all that belongs to it */

/* The segment of a new reservation, with a higher id than all before; of an old one, or false if it
 * is none of the index. Until list_index_write() is called the index must not be given up but by
 * closing it. */
int list_index_add(struct list_index *x, int64_t reservation_id, uint32_t *segment,
                   struct error *e) MUST_CHECK;
bool list_index_find(const struct list_index *x, int64_t reservation_id, uint32_t *segment);
/* Sorts and writes all, and moves the cursor. On failure the index must be closed. */
int list_index_write(struct list_index *x, struct list_entry *entries, size_t count, int64_t cursor,
                     struct error *e) MUST_CHECK;
/* Forgets segments all of whose reservations are at or below this one. */
int list_index_drop(struct list_index *x, int64_t reservation_id, struct error *e) MUST_CHECK;

/* The highest reservation at or below *reservation_id that is in all lists; 0: there is none.
 * *looks counts down by what it cost; at 0 or below TLY_EOVERLOADED, and *reservation_id is where
 * to go on. */
int list_index_find_below(struct list_index *x, const struct list_key *lists, int count,
                          int64_t *reservation_id, int64_t *looks, struct error *e) MUST_CHECK;

#endif
