/* target_sale.h - the sale of a run: made before it, and opened at a moment of the run's.
 *
 * HTTP/1.1 with JSON on a connection of its own, blocking, as in target.h.
 */
#ifndef TALLY_LOADGEN_TARGET_SALE_H
#define TALLY_LOADGEN_TARGET_SALE_H

#include "loadgen/order_book.h"
#include "loadgen/target.h"

enum { SALE_LOTS_MAX = 256 };

/* Of all its lots; it opens when target_sale_open() says. `sale_id` is made from the run's.
 * TLY_EINVALID_ARGUMENT, TLY_EUNAVAILABLE: with the server's own words. */
int target_sale_make(char sale_id[SALE_ID_SIZE], const char *target, const char run[RUN_ID_SIZE],
                     const struct target_lots *lots, const struct team_terms *terms,
                     uint32_t hold_ms, struct error *e) MUST_CHECK;

/* Monotonic ns: what the server's clock calls the begin is not before the first, nor after the
 * last. */
struct sale_opening {
    uint64_t first_ns, last_ns;
};

/* It opens in `opens_in_ms` from now, by the server's clock, and lasts `lasts_ms`. */
int target_sale_open(const char *sale_id, const char *target, uint64_t opens_in_ms,
                     uint64_t lasts_ms, struct sale_opening *out, struct error *e) MUST_CHECK;

#endif
