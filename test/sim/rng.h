/* rng.h - the simulation's only source of chance: one seed, one sequence (splitmix64). */
#ifndef TALLY_SIM_RNG_H
#define TALLY_SIM_RNG_H

#include <stdbool.h>
#include <stdint.h>

struct rng {
    uint64_t state;
};

static inline uint64_t rng_next(struct rng *r)
{
    uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* 0 to bound - 1 */
static inline uint32_t rng_below(struct rng *r, uint32_t bound)
{
    return (uint32_t)((rng_next(r) >> 32) * bound >> 32);
}

static inline uint32_t rng_between(struct rng *r, uint32_t least, uint32_t most)
{
    return least + rng_below(r, most - least + 1);
}

/* True `per_mille` times out of a thousand. */
static inline bool rng_chance(struct rng *r, uint32_t per_mille)
{
    return rng_below(r, 1000) < per_mille;
}

#endif
