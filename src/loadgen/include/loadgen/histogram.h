/* histogram.h - latencies, log-linear: three significant digits up to 73 minutes.
 *
 * Values are nanoseconds, exact below 2^11. From 2^10 on each power of two has 1,024 equal steps,
 * so a value is told to better than 0.1 %; the last step also takes all that is longer. An octave's
 * counts are allocated when it is first needed, so a quiet histogram is small. Exact quantiles of
 * the recorded steps, no decay, no sampling. One thread at a time.
 */
#ifndef TALLY_LOADGEN_HISTOGRAM_H
#define TALLY_LOADGEN_HISTOGRAM_H

#include <stdbool.h>
#include <stdint.h>

enum {
    HISTOGRAM_STEPS = 1024,  /* in an octave */
    HISTOGRAM_LOW_BITS = 10, /* below 2^10 ns: one octave of 1 ns steps */
    HISTOGRAM_OCTAVES = 33,
};

struct histogram {
    uint64_t *octaves[HISTOGRAM_OCTAVES];
    uint64_t count;          /* recorded; those lost are not in it, nor in what follows */
    uint64_t min_ns, max_ns; /* exact; 0 while empty */
    double sum_ns;
    uint64_t lost; /* not recorded because memory ran short: a report says so */
};

void histogram_init(struct histogram *h);
void histogram_close(struct histogram *h);
/* Empties it and keeps its memory. */
void histogram_reset(struct histogram *h);
void histogram_record(struct histogram *h, uint64_t ns);
/* Adds all of `from` to `h`; nothing, and all of it as lost, if memory runs short. */
void histogram_add(struct histogram *h, const struct histogram *from);
/* The smallest step that at least `share` (0 to 1) of all values do not exceed, as its upper bound,
 * never above max_ns; 0 while empty. */
uint64_t histogram_quantile_ns(const struct histogram *h, double share);
double histogram_mean_ns(const struct histogram *h);
/* The next step with a count at or after *cursor (start with 0): its upper bound and count; false
 * at the end. For charts of the whole distribution. */
bool histogram_next(const struct histogram *h, uint32_t *cursor, uint64_t *upper_ns,
                    uint64_t *count);

#endif
