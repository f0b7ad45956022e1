/* random.h - seeded random numbers, and what a load draws with them. The same seed gives the same
 * load on every machine.
 */
#ifndef TALLY_LOADGEN_RANDOM_H
#define TALLY_LOADGEN_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct random {
    uint64_t state;
};

void random_seed(struct random *r, uint64_t seed, uint64_t stream); /* streams are independent */
uint64_t random_next(struct random *r);
double random_unit(struct random *r); /* [0, 1) */
/* A hash: the draw number `n` of `seed`, without any state. */
uint64_t random_at(uint64_t seed, uint64_t n);

enum { CHOICE_MAX = 1000000, CHOICE_EXPONENT_MAX = 10 };

/* Which lot an order wants. */
enum choice_kind { CHOICE_ONE, CHOICE_UNIFORM, CHOICE_ZIPF };

struct choice {
    enum choice_kind kind;
    uint32_t count;
    double exponent; /* of zipf; 0.99 is usual */
    double *shares;  /* zipf: cumulated, `count` of them */
};

/* TLY_EINVALID_ARGUMENT ("lots", "zipf-exponent"), TLY_ENO_MEMORY. */
int choice_init(struct choice *c, enum choice_kind kind, uint32_t count, double exponent,
                struct error *e) MUST_CHECK;
void choice_close(struct choice *c);
/* 0 to count - 1; 0 is the most wanted. `draw` is a random 64-bit number. */
uint32_t choice_pick(const struct choice *c, uint64_t draw);

#endif
