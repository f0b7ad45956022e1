/* Log-linear histogram.
 *
 * Happy path: a value's octave is the position of its highest bit, its step the ten bits below; one
 * count goes up. Quantiles walk the counts from below. What is longer than the last octave counts
 * in the last step, whose upper bound is then the maximum itself.
 *
 * Failure modes: memory for an octave runs short: the value, or all of what was to be added, counts
 * as lost and changes nothing else.
 */
#include "loadgen/histogram.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STEP_COUNT = HISTOGRAM_OCTAVES * HISTOGRAM_STEPS };

_Static_assert(HISTOGRAM_STEPS == 1 << HISTOGRAM_LOW_BITS, "an octave starts at its first step");

static const uint64_t longest_ns =
    (UINT64_C(1) << (HISTOGRAM_LOW_BITS + HISTOGRAM_OCTAVES - 1)) - 1;

static inline uint32_t step_of(uint64_t ns)
{
    if (ns > longest_ns)
        return STEP_COUNT - 1;
    if (ns < HISTOGRAM_STEPS)
        return (uint32_t)ns;
    uint32_t above = 63 - (uint32_t)__builtin_clzll(ns) - HISTOGRAM_LOW_BITS;
    return (above + 1) * HISTOGRAM_STEPS + (uint32_t)((ns >> above) & (HISTOGRAM_STEPS - 1));
}

/* The greatest value that counts in the step. */
static uint64_t step_upper_ns(uint32_t step)
{
    uint32_t octave = step / HISTOGRAM_STEPS, within = step % HISTOGRAM_STEPS;
    if (octave == 0)
        return within;
    return (((uint64_t)HISTOGRAM_STEPS + within + 1) << (octave - 1)) - 1;
}

static uint64_t upper_of(const struct histogram *h, uint32_t step)
{
    uint64_t upper_ns = step_upper_ns(step);
    return upper_ns > h->max_ns || step == STEP_COUNT - 1 ? h->max_ns : upper_ns;
}

/* Out of the way of histogram_record(). */
static __attribute__((noinline, cold)) bool octave_make(struct histogram *h, uint32_t octave)
{
    h->octaves[octave] = calloc(HISTOGRAM_STEPS, sizeof *h->octaves[octave]);
    return h->octaves[octave] != NULL;
}

void histogram_init(struct histogram *h)
{
    *h = (struct histogram){0};
}

void histogram_close(struct histogram *h)
{
    for (size_t i = 0; i < HISTOGRAM_OCTAVES; i++)
        free(h->octaves[i]);
    histogram_init(h);
}

void histogram_reset(struct histogram *h)
{
    for (size_t i = 0; i < HISTOGRAM_OCTAVES; i++) {
        if (h->octaves[i])
            memset(h->octaves[i], 0, HISTOGRAM_STEPS * sizeof *h->octaves[i]);
    }
    h->count = 0;
    h->min_ns = 0;
    h->max_ns = 0;
    h->sum_ns = 0;
    h->lost = 0;
}

void histogram_record(struct histogram *h, uint64_t ns)
{
    uint32_t step = step_of(ns), octave = step / HISTOGRAM_STEPS;
    if (__builtin_expect(!h->octaves[octave], 0) && !octave_make(h, octave)) {
        h->lost++;
        return;
    }
    h->octaves[octave][step % HISTOGRAM_STEPS]++;
    if (h->count == 0 || ns < h->min_ns)
        h->min_ns = ns;
    if (ns > h->max_ns)
        h->max_ns = ns;
    h->sum_ns += (double)ns;
    h->count++;
}

void histogram_add(struct histogram *h, const struct histogram *from)
{
    h->lost += from->lost;
    if (from->count == 0)
        return;
    uint32_t first = step_of(from->min_ns) / HISTOGRAM_STEPS;
    uint32_t last = step_of(from->max_ns) / HISTOGRAM_STEPS;
    for (uint32_t i = first; i <= last; i++) {
        if (from->octaves[i] && !h->octaves[i] && !octave_make(h, i)) {
            h->lost += from->count;
            return;
        }
    }
    for (uint32_t i = first; i <= last; i++) {
        for (uint32_t k = 0; from->octaves[i] && k < HISTOGRAM_STEPS; k++)
            h->octaves[i][k] += from->octaves[i][k];
    }
    if (h->count == 0 || from->min_ns < h->min_ns)
        h->min_ns = from->min_ns;
    if (from->max_ns > h->max_ns)
        h->max_ns = from->max_ns;
    h->sum_ns += from->sum_ns;
    h->count += from->count;
}

/* The least number of values, at least one, that is `share` of `count`. Checked by division: the
 * product may be off by a rounding, 0.999 x 1000 must be 999. */
static uint64_t rank_of(double share, uint64_t count)
{
    if (!(share > 0))
        return 1;
    if (share >= 1)
        return count;
    uint64_t rank = (uint64_t)ceil(share * (double)count);
    if (rank > 1 && (double)(rank - 1) / (double)count >= share)
        rank--;
    else if ((double)rank / (double)count < share)
        rank++;
    return rank < 1 ? 1 : rank > count ? count : rank;
}

uint64_t histogram_quantile_ns(const struct histogram *h, double share)
{
    if (h->count == 0)
        return 0;
    uint64_t rank = rank_of(share, h->count), seen = 0;
    for (uint32_t i = 0; i < HISTOGRAM_OCTAVES; i++) {
        for (uint32_t k = 0; h->octaves[i] && k < HISTOGRAM_STEPS; k++) {
            seen += h->octaves[i][k];
            if (seen >= rank)
                return upper_of(h, i * HISTOGRAM_STEPS + k);
        }
    }
    return h->max_ns;
}

double histogram_mean_ns(const struct histogram *h)
{
    return h->count == 0 ? 0 : h->sum_ns / (double)h->count;
}

bool histogram_next(const struct histogram *h, uint32_t *cursor, uint64_t *upper_ns,
                    uint64_t *count)
{
    for (uint32_t step = *cursor; step < STEP_COUNT; step++) {
        const uint64_t *octave = h->octaves[step / HISTOGRAM_STEPS];
        if (!octave) {
            step |= HISTOGRAM_STEPS - 1; /* to the octave's last */
            continue;
        }
        if (octave[step % HISTOGRAM_STEPS] == 0)
            continue;
        *upper_ns = upper_of(h, step);
        *count = octave[step % HISTOGRAM_STEPS];
        *cursor = step + 1;
        return true;
    }
    *cursor = STEP_COUNT;
    return false;
}
