/* order_book.h - what the server said of every order of a run: what the audit holds it to.
 *
 * An order is a number: the thread that sends it in bits 40 to 47, and an index below. All that it
 * asks for follows from the run's seed and that number (order_plan_of), so the book keeps only what
 * was answered, 16 bytes an order, in chunks that are never moved. A book has one writer, its
 * worker; others read it after the workers have ended.
 */
#ifndef TALLY_LOADGEN_ORDER_BOOK_H
#define TALLY_LOADGEN_ORDER_BOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "loadgen/random.h"

enum { ORDER_INDEX_BITS = 40, ORDER_CHUNK = 1 << 16, BOOKS_MAX = 256 };

/* What becomes of an order once it is held. */
enum order_fate {
    FATE_KEEP,   /* nothing: it is still held when the run ends */
    FATE_PAY,    /* Confirm */
    FATE_CANCEL, /* Refund */
    FATE_EXPIRE, /* a short hold, left alone until its deadline */
    FATE_RETURN, /* Confirm, then Refund */
};

/* A sale of groups; size 0: the run has none. See teams.h. */
struct team_terms {
    uint32_t size;       /* places of a group */
    uint32_t user_limit; /* units of a buyer in the sale */
    uint32_t window_ms;
    int64_t total_limit; /* units of the sale */
};

/* Shares are 0 to 1; what is left of 1 is kept. */
struct order_mix {
    uint64_t seed;
    struct choice choice; /* of lots */
    double pay, cancel, expire, retry;
    bool sessions;         /* all are FATE_RETURN */
    uint32_t batch;        /* so many orders in a row ask for the same: those of one call; 0 is 1 */
    uint32_t quantity_max; /* 1 to this many units, uniformly */
    uint32_t hold_ms;      /* of holds that are not to expire */
    uint32_t expire_ms;    /* of those that are */
    struct team_terms teams;
};

struct order_plan {
    uint32_t lot, quantity, hold_ms;
    enum order_fate fate;
    bool retry; /* the same Reserve once more, after it was acknowledged */
};

struct order_plan order_plan_of(const struct order_mix *mix, uint64_t order);

/* The last step that was answered well. */
enum order_step {
    ORDER_UNUSED,  /* never sent */
    ORDER_SENT,    /* Reserve was sent; no good answer */
    ORDER_REFUSED, /* told that nothing was done: it must not exist */
    ORDER_HELD,
    ORDER_CONFIRMED,
    ORDER_REFUNDED,
};

struct order_entry {
    uint64_t reservation_id; /* 0: none was told */
    uint8_t step;            /* enum order_step */
    bool in_doubt;           /* the step after it was sent, and what became of it is not known */
    bool denied;             /* a retry after the acknowledgement was not answered with it */
    bool twice;              /* two answers named different reservations */
    /* Of a sale. */
    bool beyond; /* acknowledged against a rule: a limit, a full group, before the opening */
    bool shut; /* refused although there was time, a place, and nothing of the buyer's limit used */
    bool late; /* a step was refused when the group's window may have been over */
};

/* A group of the run, by the number of its first order (teams.h). */
struct team {
    uint64_t group_id;         /* 0: none was told */
    uint64_t sent_ns, told_ns; /* monotonic: it was opened between these */
    uint32_t members;          /* that have a place, as it was answered */
};

struct order_book {
    uint32_t thread;
    uint64_t count; /* indexes given out */
    struct order_entry **chunks;
    size_t chunk_count, chunk_capacity;
    struct team *teams; /* number `n` has the orders from n * team_orders() on */
    size_t team_count, team_capacity;
};

void order_book_init(struct order_book *b, uint32_t thread);
void order_book_close(struct order_book *b);
/* The next order's number, its entry empty; false: memory ran short. */
bool order_book_add(struct order_book *b, uint64_t *order) MUST_CHECK;
/* The next team, which no call was sent of, and its `orders` orders; false: memory ran short. */
bool order_book_add_team(struct order_book *b, uint32_t orders, uint64_t *first) MUST_CHECK;
/* `order` is of this book. The pointer stays valid. */
struct order_entry *order_book_at(const struct order_book *b, uint64_t order);
uint64_t order_number(uint32_t thread, uint64_t index);
uint32_t order_thread(uint64_t order);
uint64_t order_index(uint64_t order);

#endif
