/* lots.h - the lots: found by number, by key, and by sku in the order in which they are sold
 * (first expired first out). A lot never moves in memory and its strings live as long as the
 * engine.
 */
#ifndef TALLY_ENGINE_LOTS_H
#define TALLY_ENGINE_LOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/backorder.h"
#include "engine/user_units.h"
#include "model/model.h"

enum { LOT_CHUNK = 1024, LOT_TEXT_CHUNK_BYTES = 65536 };

/* What few lots have. Never moves, and is given back only with a lot that nobody heard of. */
struct lot_extra {
    struct lot_terms terms; /* expires_on, expected_on, withdrawn: other threads read them */
    struct backorder_line backorders;
    struct user_units users; /* units that users have outside sales, if it has a limit */
    uint32_t sweep;          /* where the next look for what is over begins in it */
    lot_id limited_previous; /* lots that count */
    lot_id limited_next;
    bool counts_users;
    uint32_t next_free;
};

/* What every order needs comes first, side by side. */
struct lot {
    struct stock stock;
    uint64_t change;    /* number of its last committed change; 0: none yet */
    int64_t gate_units; /* owed to the gate */
    uint32_t change_previous;
    uint32_t change_next;
    uint32_t gate_next;
    uint32_t extra;  /* number of its lot_extra; 0: its terms are plain */
    uint8_t touched; /* bits of the batches that have moves of it and are not decided */
    uint8_t key_tag; /* of the key's hash: most chains are gone through without comparing text */
    bool created;    /* its CREATE is committed */
    bool gate_listed;
    uint32_t due_units; /* of holds that are due, reserved until their REFUND is decided */
    struct lot_dims dims;
    uint32_t due_moves; /* so many REFUND moves are to come */
    uint32_t key_next;
    uint32_t sku;
    uint32_t sku_next;     /* in order of sale */
    uint32_t sku_next_new; /* in order of number */
    union {
        uint32_t load;      /* over a shared ledger: the load that it was in last */
        uint32_t group_due; /* else: the last due group with units of it, its number in that line */
    };
};

struct sku {
    uint32_t next;
    lot_id first; /* in order of sale */
    lot_id last;
    lot_id oldest; /* in order of number */
    lot_id youngest;
};

/* Heads of chains: as many as there are things in them, at most twice. */
struct heads {
    uint32_t *heads;
    uint32_t mask;
};

struct lots {
    struct lot **chunks;
    struct sku **sku_chunks;
    struct lot_extra **extra_chunks;
    struct heads by_key;
    struct heads by_sku;
    uint32_t max;
    uint32_t count; /* the highest number */
    uint32_t sku_count;
    uint32_t extra_count;
    uint32_t extra_free; /* the first of those given back */
    uint64_t hash_seed;
    char **texts;
    uint32_t text_count;
    uint32_t text_room;
    uint32_t text_used; /* bytes of the last one */
    size_t bytes;
};

int lots_init(struct lots *ls, uint32_t max, uint64_t hash_seed)
    __attribute__((warn_unused_result));
void lots_close(struct lots *ls);

/* The next lot, with a copy of `dims` and no stock; NULL when memory is short or `max`
 * is reached. */
struct lot *lots_add(struct lots *ls, const struct lot_dims *dims);
/* With a number of its own, higher or lower than others: there may be gaps. */
struct lot *lots_put(struct lots *ls, lot_id id, const struct lot_dims *dims);
/* Where it stands in the order of sale: out, and in again by its present last day. */
void lots_leave_sale(struct lots *ls, lot_id id);
void lots_join_sale(struct lots *ls, lot_id id);
/* Undo: lots that were added go in reverse order. */
void lots_drop(struct lots *ls, lot_id id);

lot_id lots_find(const struct lots *ls, struct str key);
const struct sku *lots_sku(const struct lots *ls, struct str sku);
const struct sku *lots_sku_at(const struct lots *ls, uint32_t number);
/* True if the lot has the dimensions that are given (not empty). */
bool lot_matches(const struct lot *lot, struct str flavor, struct str size, struct str batch);
bool lot_dims_equal(const struct lot_dims *a, const struct lot_dims *b);

/* ---- lot_terms.c ---- */
/* Room for terms that are not plain; false: no memory. */
bool lots_make_terms(struct lots *ls, lot_id id);
/* For which room was made, unless they are plain. The lot finds its new place in the order of
 * sale. */
void lots_set_terms(struct lots *ls, lot_id id, const struct lot_terms *terms);
bool lot_terms_equal(const struct lot_terms *a, const struct lot_terms *b);
void lots_clear_extra(struct lot_extra *extra);
void lots_drop_terms(struct lots *ls, lot_id id);

static inline struct lot_extra *lots_extra(const struct lots *ls, uint32_t number)
{
    return &ls->extra_chunks[(number - 1) / LOT_CHUNK][(number - 1) % LOT_CHUNK];
}

static inline struct lot_terms lots_terms(const struct lots *ls, const struct lot *lot)
{
    return lot->extra ? lots_extra(ls, lot->extra)->terms : lot_terms_plain(&lot->dims);
}

static inline int32_t lots_last_day(const struct lots *ls, const struct lot *lot)
{
    return lot->extra ? lots_extra(ls, lot->extra)->terms.expires_on : lot->dims.expires_on;
}

static inline struct lot *lots_at(const struct lots *ls, lot_id id)
{
    return &ls->chunks[(id - 1) / LOT_CHUNK][(id - 1) % LOT_CHUNK];
}

static inline bool lots_has(const struct lots *ls, lot_id id)
{
    return id > 0 && id <= ls->count && ls->chunks[(id - 1) / LOT_CHUNK] &&
           lots_at(ls, id)->dims.key.len;
}

/* Whether there is such a lot or not: nothing of it is read. Always inline: the compiler drops a
 * call of a function that has no other effect. */
static inline __attribute__((always_inline)) void lots_prefetch(const struct lots *ls, lot_id id)
{
    if (id == 0 || id > ls->count || !ls->chunks[(id - 1) / LOT_CHUNK])
        return;
    const char *lot = (const char *)lots_at(ls, id);
    __builtin_prefetch(lot, 1);
    __builtin_prefetch(lot + 64, 1);
    __builtin_prefetch(lot + offsetof(struct lot, dims.expires_on));
}

#endif
