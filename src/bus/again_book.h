/* again_book.h - which second deletes are still to come: pure, no I/O, no clock.
 *
 * An entry is a key. It stands in the table from its first ask until all that was asked is done,
 * and a moment longer, while its window is open: what is asked within the window is sent once, at
 * its end.
 *
 *     ask ──► ready ──send──► cooling (window) ──► rests until it is done
 *               ▲                │ asked again meanwhile        │ asked again
 *               └────────────────┴──────────────────────────────┘
 *
 * Times are nanoseconds of one clock that does not go back. One thread at a time.
 */
#ifndef TALLY_BUS_AGAIN_BOOK_H
#define TALLY_BUS_AGAIN_BOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/str.h"

struct again_entry {
    struct again_entry *same_hash;
    struct again_entry *next;          /* in the queue of its place, or of unused ones */
    struct again_entry *older, *newer; /* those that are asked for, by the time of it */
    uint64_t asked_ns;                 /* the oldest ask that is not done */
    uint64_t open_ns;                  /* its window's end */
    int64_t first_seq;                 /* of what is asked for and not done */
    int64_t seq, version;              /* the newest that was asked */
    int64_t sent_seq;
    uint32_t bucket;
    uint8_t key_size;
    uint8_t place;
    bool asked; /* something is not done */
    char key[LOT_KEY_MAX + 1];
};

struct again_queue {
    struct again_entry *first, *last;
};

struct again_book {
    struct again_entry *entries;
    struct again_entry **buckets;
    struct again_entry *unused;
    struct again_entry *oldest, *newest; /* asked for */
    struct again_queue ready, cooling;
    uint32_t max, bucket_mask;
    uint32_t asked_count;
    uint64_t window_ns;
    uint64_t overflowed_ns; /* when something was last asked for that is not in the book; or 0 */
};

int again_book_init(struct again_book *b, uint32_t max, int64_t window_ms) MUST_CHECK;
void again_book_close(struct again_book *b);

enum again_asked { AGAIN_NEW, AGAIN_COALESCED, AGAIN_REFUSED };

enum again_asked again_book_ask(struct again_book *b, struct str key, int64_t version, int64_t seq,
                                uint64_t now_ns);
/* The next one to be sent now; NULL: none. It counts as sent. */
const struct again_entry *again_book_send(struct again_book *b, uint64_t now_ns);
/* The last one sent was not taken: it comes first again. */
void again_book_unsend(struct again_book *b, const struct again_entry *entry);
/* Until when send() has nothing; UINT64_MAX: until something is asked. */
uint64_t again_book_due_ns(const struct again_book *b);
/* What was asked of the key, up to seq, is done. */
void again_book_done(struct again_book *b, struct str key, int64_t seq, uint64_t now_ns);
/* What was asked of any key up to seq is done. */
void again_book_done_upto(struct again_book *b, int64_t seq, uint64_t now_ns);
/* When the oldest ask was made that is not done; UINT64_MAX: there is none. */
uint64_t again_book_oldest_ns(const struct again_book *b);
/* The lowest seq that is asked for and not done; INT64_MAX: there is none. */
int64_t again_book_lowest_seq(const struct again_book *b);

#endif
