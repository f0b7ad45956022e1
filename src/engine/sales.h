/* sales.h - the sales: found by number and by sale_id. A sale never moves in memory and lives as
 * long as the engine.
 *
 * What a sale's terms say is one block of memory, a version, that never changes: an UPDATE makes
 * the next one, and the one before lives until that is committed. The row of a SALE move points to
 * it, so one that is undone lives as long as the batch.
 */
#ifndef TALLY_ENGINE_SALES_H
#define TALLY_ENGINE_SALES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/lots.h"
#include "engine/pairs.h"
#include "engine/user_units.h"
#include "model/model.h"

enum { SALES_MAX = 1 << 20, SALE_CHUNK = 1024 };

struct sale_version {
    struct sale_terms terms;
    struct sale_version *next; /* of those that were undone in one batch */
    uint32_t *lots;            /* that are named; ascending */
    uint32_t *skus;            /* numbers of skus; ascending */
    uint16_t lot_count;
    uint16_t sku_count;
    bool by_text; /* it names a sku of which no lot is in memory (shared.c) */
};

struct sale {
    struct sale_version *version;
    struct str sale_id; /* its own copy: versions go */
    int64_t created_seq;
    int64_t units_pending;
    int64_t units_confirmed; /* shipped ones too */
    int64_t units_due;       /* of units_pending: of holds that are due */
    int64_t orders_made;
    int64_t orders_back; /* of them, ended before they were paid */
    uint32_t groups_open;
    uint32_t groups_succeeded;
    uint32_t groups_failed;
    struct user_units users; /* while it is live */
    struct sale *older;      /* the list of live sales, by number */
    struct sale *newer;
    uint8_t touched;       /* bits of the undecided batches that have moves of it or its orders */
    uint8_t terms_touched; /* of it */
    bool live;             /* it is not over (sale_is_over) */
    bool in_news;
    struct sale *news_next; /* of those that the gate is to be told of */
    bool whole;             /* all its orders are counted, from its beginning on */
    uint32_t group_due;     /* the last of its groups that came to its end, by its number */
    uint32_t load;          /* over a shared ledger: the load that it was in last; else 0 */
};

struct sales {
    struct sale **chunks[SALES_MAX / SALE_CHUNK]; /* by number - 1; of a shared ledger with gaps */
    uint32_t count;                               /* the highest number */
    uint32_t load; /* sales of another load are not found by their sale_id */
    uint64_t hash_seed;
    struct pairs by_id;
    struct sale *oldest;
    struct sale *newest;
    struct sale *news; /* newest first */
};

int sales_init(struct sales *ss, uint64_t hash_seed) __attribute__((warn_unused_result));
void sales_close(struct sales *ss);

/* Resolves the items, and copies all that the terms point to. NULL: `*failed` is the item of which
 * there is no lot, or, if it is item_count, memory is short. */
struct sale_version *sale_version_make(const struct lots *lots, const struct sale_terms *terms,
                                       uint32_t *failed);
/* The same of terms that a load brought, whose lots need not be in memory. NULL: no memory. */
struct sale_version *sale_version_loaded(const struct lots *lots, const struct sale_terms *terms);
void sale_version_free(struct sale_version *v); /* NULL is fine */

/* The next one, whose version becomes its own; NULL when memory is short. */
struct sale *sales_add(struct sales *ss, struct sale_version *version, int64_t created_seq);
/* With the number that its terms have, in no list; NULL when memory is short. */
struct sale *sales_put(struct sales *ss, struct sale_version *version, int64_t created_seq);
void sales_drop(struct sales *ss, struct sale *s); /* undo: the newest; its version stays */
struct sale *sales_find(const struct sales *ss, struct str sale_id);
/* `hash`: hash64(sale_id, the seed). */
struct sale *sales_find_hashed(const struct sales *ss, struct str sale_id, uint64_t hash);
/* The one of that hash, whatever its sale_id: to fetch its memory. */
const struct sale *sales_likely(const struct sales *ss, uint64_t hash);
void sales_unlive(struct sales *ss, struct sale *s); /* it is over */
void sales_tell(struct sales *ss, struct sale *s);   /* the gate, that it is new or changed */

/* A lot by its key, not a sku. */
bool sale_item_is_key(struct str text);
bool sale_version_sells(const struct sale_version *v, lot_id id, const struct lot *lot);

bool sale_version_has_sku_of(const struct sale_version *v, const struct lot *lot);

static inline struct sale **sales_place(const struct sales *ss, sale_number number)
{
    return &ss->chunks[(number - 1) / SALE_CHUNK][(number - 1) % SALE_CHUNK];
}

static inline struct sale *sales_at(const struct sales *ss, sale_number number)
{
    bool there = number && number <= ss->count && ss->chunks[(number - 1) / SALE_CHUNK];
    return there ? *sales_place(ss, number) : NULL;
}

/* It sells nothing more; its holds go on, and may be taken again by late payments. */
static inline bool sale_has_ended(const struct sale *s, int64_t now_ms)
{
    const struct sale_terms *t = &s->version->terms;
    return t->closed_ms || now_ms >= t->ends_ms;
}

#endif
