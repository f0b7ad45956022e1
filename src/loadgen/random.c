/* Seeded random numbers, and the choice of lots.
 *
 * Happy path: SplitMix64 (Guy L. Steele, Doug Lea, Christine H. Flood: "Fast Splittable
 * Pseudorandom Number Generators", OOPSLA 2014; the constants of its finalizer are David Stafford's
 * variant 13): the state goes up by the golden ratio, and a bijective hash of it is the number. So
 * the number at any place of the sequence can be had without those before it: random_at().
 *
 * Zipf's shares are cumulated once; a choice is a binary search in them.
 *
 * Failure modes: choice_init(): a count or an exponent out of range, memory. Nothing else fails.
 */
#include "loadgen/random.h"

#include <math.h>
#include <stdlib.h>

#define GOLDEN     UINT64_C(0x9E3779B97F4A7C15) /* 2^64 divided by the golden ratio, odd */
#define UNIT_SCALE 0x1.0p-53

static inline uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

void random_seed(struct random *r, uint64_t seed, uint64_t stream)
{
    r->state = random_at(seed, stream);
}

uint64_t random_next(struct random *r)
{
    r->state += GOLDEN;
    return mix(r->state);
}

double random_unit(struct random *r)
{
    return (double)(random_next(r) >> 11) * UNIT_SCALE;
}

uint64_t random_at(uint64_t seed, uint64_t n)
{
    return mix(mix(seed + GOLDEN) + (n + 1) * GOLDEN);
}

static int zipf_init(struct choice *c, struct error *e)
{
    c->shares = malloc(c->count * sizeof *c->shares);
    if (!c->shares)
        return error_set(e, TLY_ENO_MEMORY, "lots", "no memory for the shares of %u lots",
                         c->count);
    double sum = 0;
    for (uint32_t i = 0; i < c->count; i++) {
        sum += pow((double)i + 1, -c->exponent);
        c->shares[i] = sum;
    }
    for (uint32_t i = 0; i < c->count; i++)
        c->shares[i] /= sum;
    return 0;
}

int choice_init(struct choice *c, enum choice_kind kind, uint32_t count, double exponent,
                struct error *e)
{
    *c = (struct choice){.kind = kind, .count = count, .exponent = exponent};
    if (count < 1 || count > CHOICE_MAX)
        return error_set(e, TLY_EINVALID_ARGUMENT, "lots", "%u lots: must be 1 to %u", count,
                         (unsigned)CHOICE_MAX);
    if (kind != CHOICE_ZIPF)
        return 0;
    if (!(exponent >= 0 && exponent <= CHOICE_EXPONENT_MAX))
        return error_set(e, TLY_EINVALID_ARGUMENT, "zipf-exponent",
                         "%.10g: must be 0 (all lots alike) to %d; 0.99 is usual", exponent,
                         CHOICE_EXPONENT_MAX);
    return zipf_init(c, e);
}

void choice_close(struct choice *c)
{
    free(c->shares);
    c->shares = NULL;
}

/* The first lot whose cumulated share is above `unit`. */
static uint32_t zipf_pick(const struct choice *c, double unit)
{
    uint32_t first = 0, left = c->count - 1; /* the last one is what remains */
    while (left > 0) {
        uint32_t half = left / 2;
        if (c->shares[first + half] > unit) {
            left = half;
        } else {
            first += half + 1;
            left -= half + 1;
        }
    }
    return first;
}

uint32_t choice_pick(const struct choice *c, uint64_t draw)
{
    switch (c->kind) {
    case CHOICE_ONE:
        break;
    case CHOICE_UNIFORM:
        return (uint32_t)(((unsigned __int128)draw * c->count) >> 64);
    case CHOICE_ZIPF:
        return zipf_pick(c, (double)(draw >> 11) * UNIT_SCALE);
    }
    return 0;
}
