/* known_lots.h - which lot keys there are, so that a look-up of one that never was costs nothing.
 *
 * A Bloom filter (at most 0.01 % false positives) of the keys of all lots up to a number; lots are
 * numbered in order of creation, without gaps, so whoever fills it knows what is missing. "No" is
 * exact for the lots up to known_lots_upto(); whether there are newer ones is the caller's to ask.
 * Any thread.
 */
#ifndef TALLY_CACHE_KNOWN_LOTS_H
#define TALLY_CACHE_KNOWN_LOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "model/model.h"

struct known_lots;

/* Room for `lots_max`; with more it says "maybe" more often. */
int known_lots_create(struct known_lots **out, uint32_t lots_max, uint64_t hash_seed,
                      struct error *e) MUST_CHECK;
void known_lots_destroy(struct known_lots *k); /* NULL is fine */
void known_lots_add(struct known_lots *k, struct str key);
/* All lots up to this number are in; never goes back. */
void known_lots_reached(struct known_lots *k, lot_id upto);
lot_id known_lots_upto(struct known_lots *k);
/* The lots that there were when it was made are all in. */
void known_lots_complete(struct known_lots *k);
bool known_lots_are_complete(struct known_lots *k);
/* True for one caller: it fills it, or gives the claim back. */
bool known_lots_claim(struct known_lots *k);
void known_lots_unclaim(struct known_lots *k);
bool known_lots_maybe(struct known_lots *k, struct str key);

#endif
