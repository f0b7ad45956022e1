/* holds.h - the reservations that are in memory: the PENDING ones, and those whose last move is not
 * committed yet (or that somebody waits for). Found by id; PENDING ones stand in a list in order of
 * creation.
 */
#ifndef TALLY_ENGINE_HOLDS_H
#define TALLY_ENGINE_HOLDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/pairs.h"
#include "engine/slab.h"
#include "model/model.h"

/* Instead of a slot of the timers. */
enum { HOLD_NO_TIMER = 0x7ffff, HOLD_DUE = 0x7fffe, HOLD_PARKED = 0x7fffd };

struct sale;
struct group;

/* What a hold of an order in a sale has besides, in the piece of its texts: who is in no sale does
 * not pay for it. */
struct hold_sale {
    struct sale *sale;
    uint64_t user; /* hash of the user_id; 0: it has none */
    int64_t first_deadline_ms;
    int64_t group_id;    /* 0: in none */
    struct group *group; /* while it has a place in it */
    struct hold *group_previous;
    struct hold *group_next;
};

struct hold {
    int64_t reservation_id;
    int64_t deadline_ms;
    int64_t created_ms;
    uint64_t fingerprint; /* of the order's content; 0: not known, compare with the ledger's */
    struct hold *older;   /* the list of creation; HOLD_LISTED */
    struct hold *newer;
    union {
        struct {
            struct hold *timer_previous;
            struct hold *timer_next;
        };
        struct {                  /* it is not PENDING and has no timer */
            int64_t confirmed_ms; /* 0: it never was */
            uint32_t pins;        /* commands that need it in memory for a while */
        };
    };
    union {
        struct {
            uint32_t lot;
            uint32_t quantity;
        } one;
        struct line *many; /* line_count > 1 */
    } lines;
    char *text; /* order_id, and behind it user_id; in a sale, struct hold_sale behind that */
    uint8_t order_id_len;
    uint8_t user_id_len;
    uint8_t line_count; /* 0: a fence */
    uint8_t moves;      /* of it, ever, modulo 256: a record with as many is not an old one */
    unsigned timer_slot : 19;
    unsigned state : 3;
    unsigned reason : 4;
    unsigned touched : 3; /* bits of the batches that have moves of it and are not decided */
    unsigned in_sale : 1;
    unsigned listed : 1;
    unsigned written : 1; /* its record tells more: ids of changes, units that left or came back */
};

enum { TEXT_CLASSES = 6, LINE_CLASSES = 6 };

struct holds {
    struct slab holds;
    struct slab texts[TEXT_CLASSES];
    struct slab lines[LINE_CLASSES];
    struct pairs by_id;
    uint64_t count;
    struct hold *oldest;
    struct hold *newest;
};

int holds_init(struct holds *hs, uint32_t holds_max) __attribute__((warn_unused_result));
void holds_close(struct holds *hs);
size_t holds_bytes(const struct holds *hs);

/* A new one, findable, with its texts and lines copied; NULL when memory is short. `sale` NULL: it
 * is in none. */
struct hold *holds_add(struct holds *hs, int64_t reservation_id, struct str order_id,
                       struct str user_id, const struct line *lines, uint16_t line_count,
                       struct sale *sale);
void holds_remove(struct holds *hs, struct hold *h);
struct hold *holds_find(const struct holds *hs, int64_t reservation_id);
void holds_prefetch(const struct holds *hs, int64_t reservation_id);

/* In and out of the list of creation. */
void holds_list(struct holds *hs, struct hold *h);
void holds_append(struct holds *hs, struct hold *h); /* whatever its id */
void holds_unlist(struct holds *hs, struct hold *h);

/* Room for that many lines, and back. */
struct line *holds_lines_take(struct holds *hs, uint16_t count);
void holds_lines_give(struct holds *hs, struct line *lines, uint16_t count);

/* Other lines from now on, for good; false: no memory. */
bool holds_set_lines(struct holds *hs, struct hold *h, const struct line *lines,
                     uint16_t line_count);

/* The hold's lines; `one` is where a single one is written. */
const struct line *hold_lines(const struct hold *h, struct line *one);

static inline struct str hold_order_id(const struct hold *h)
{
    return (struct str){h->text, h->order_id_len};
}

static inline uint32_t hold_texts_bytes(uint32_t texts)
{
    return (texts + 7u) & ~7u;
}

/* Of one in a sale. */
static inline struct hold_sale *hold_sale(const struct hold *h)
{
    return (struct hold_sale *)(void *)(h->text + hold_texts_bytes((uint32_t)h->order_id_len +
                                                                   h->user_id_len));
}

/* An order_id that was taken by its cancel. */
static inline bool hold_is_fence(const struct hold *h)
{
    return h->line_count == 0;
}

static inline struct str hold_user_id(const struct hold *h)
{
    return (struct str){h->text + h->order_id_len, h->user_id_len};
}

#endif
