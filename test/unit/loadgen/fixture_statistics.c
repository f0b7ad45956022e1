#include "fixture_statistics.h"

#include <math.h>
#include <stdlib.h>

int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double ks_statistic(double *samples, size_t count, distribution_fn *of, const void *owner)
{
    double distance = 0, n = (double)count;
    qsort(samples, count, sizeof *samples, compare_doubles);
    for (size_t i = 0; i < count; i++) {
        double share = of(samples[i], owner);
        distance = fmax(distance, fmax(share - (double)i / n, (double)(i + 1) / n - share));
    }
    return distance * sqrt(n);
}

double chi_square_deviation(const uint64_t *counts, const double *expected, size_t count)
{
    double sum = 0, seen = 0, due = 0, cells = 0;
    for (size_t i = 0; i < count; i++) {
        seen += (double)counts[i];
        due += expected[i];
        if (due < 10)
            continue;
        sum += (seen - due) * (seen - due) / due;
        cells++;
        seen = due = 0;
    }
    /* The cube root of it is normal, nearly: Wilson and Hilferty. */
    double freedom = cells - 1, part = 2 / (9 * freedom);
    return (cbrt(sum / freedom) - (1 - part)) / sqrt(part);
}

double exponential_distribution(double value, const void *mean)
{
    return 1 - exp(-value / *(const double *)mean);
}

double unit_distribution(double value, const void *unused)
{
    (void)unused;
    return value;
}
