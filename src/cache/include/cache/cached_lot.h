/* cached_lot.h - a lot as caches keep it: all that GetLot shows, in one piece without pointers. */
#ifndef TALLY_CACHE_CACHED_LOT_H
#define TALLY_CACHE_CACHED_LOT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "model/model.h"

enum {
    CACHED_TEXT_MAX = LOT_KEY_MAX + 3 * DIMENSION_MAX,
    CACHED_LINE_MAX = 16 * 21 + CACHED_TEXT_MAX, /* as text */
};

struct cached_lot {
    struct stock stock; /* with the version by which caches weigh it; at least 1 */
    struct lot_terms terms;
    int32_t expires_on; /* of its dimensions */
    lot_id id;
    uint8_t key_len, flavor_len, size_len, batch_len;
    char text[CACHED_TEXT_MAX]; /* one behind the other; the sku is the key's beginning */
};

/* Bytes of it that count. */
size_t cached_lot_size(const struct cached_lot *lot);
void cached_lot_make(struct cached_lot *out, lot_id id, const struct lot_dims *dims,
                     const struct lot_terms *terms, const struct stock *stock);
/* The strings are those in `lot`. */
void cached_lot_dims(const struct cached_lot *lot, struct lot_dims *out);

/* As a line that a person can read, for tiers outside the process: "1|on_hand|...|batch", where 1
 * is the form's number. Returns its length; not zero-ended. */
size_t cached_lot_format(const struct cached_lot *lot, char out[CACHED_LINE_MAX]);
/* False: it is none, or of another form; *out is not touched then. */
bool cached_lot_parse(struct str line, struct cached_lot *out) MUST_CHECK;

#endif
