/* user_units.h - units that users have of a sale or a lot, and by which reservations.
 *
 * An entry a live reservation: 24 bytes, in shards with linear probing that grow by half when four
 * fifths full and are split when they are large (extendible hashing by the upper bits of the user's
 * hash). So a user who took part once costs 30 to 47 bytes at every moment, and the longest pause
 * is one shard's copy. A user's hash is 64 bits under the data folder's seed and stands for the
 * user.
 *
 * Of one user at most USER_ENTRIES_MAX reservations have entries of their own; those beyond share
 * one (reservation_id 0), so that a user with a hundred thousand orders slows nobody down.
 */
#ifndef TALLY_ENGINE_USER_UNITS_H
#define TALLY_ENGINE_USER_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { USER_ENTRIES_MAX = 32 };

struct user_entry {
    uint64_t user;
    int64_t reservation_id;
    int64_t units; /* 0: empty */
};

struct user_shard;

/* All zero is an empty one. */
struct user_units {
    uint64_t *all;                 /* counts the entries of several tables; or NULL */
    struct user_shard **directory; /* by the upper `depth` bits */
    uint8_t depth;
    uint64_t count; /* entries */
    size_t bytes;
};

void user_units_close(struct user_units *t); /* empty again */
/* The next reservation of that user can be added; false: no memory. */
bool user_units_make_room(struct user_units *t, uint64_t user) __attribute__((warn_unused_result));
/* The reservation has so many units more (or less). Room was made for a new one; to put back what
 * was taken away since the last room was made, none is needed. */
void user_units_add(struct user_units *t, uint64_t user, int64_t reservation_id, int64_t units);
/* The same downwards, as far as the reservation has them. */
void user_units_take(struct user_units *t, uint64_t user, int64_t reservation_id, int64_t units);
/* Is it to be forgotten? (The entry that several share has reservation_id 0.) */
typedef bool user_units_over_fn(const void *context, int64_t reservation_id);
/* The user's entries that are over. */
void user_units_forget(struct user_units *t, uint64_t user, user_units_over_fn *over,
                       const void *context);
/* The entries of one shard that are over; *place, 0 at first, goes from shard to shard. */
void user_units_sweep(struct user_units *t, uint32_t *place, user_units_over_fn *over,
                      const void *context);
/* All that the user has. `ids` gets the reservations that have entries of their own, at
 * most `max` of them. */
int64_t user_units_of(const struct user_units *t, uint64_t user, int64_t *ids, uint16_t max,
                      uint16_t *count);
void user_units_prefetch(const struct user_units *t, uint64_t user);

#endif
