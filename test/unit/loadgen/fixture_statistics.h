/* fixture_statistics.h - tests of distributions. With fixed seeds they give the same answer always;
 * their limits are such that one right generator in a thousand would fail. */
#ifndef TALLY_TEST_FIXTURE_STATISTICS_H
#define TALLY_TEST_FIXTURE_STATISTICS_H

#include <stddef.h>
#include <stdint.h>

/* Share of all values that are at most `value`. */
typedef double distribution_fn(double value, const void *owner);

/* The greatest distance between the samples' distribution and the one they should have, times the
 * square root of their number (Kolmogorov and Smirnov). Sorts the samples. */
double ks_statistic(double *samples, size_t count, distribution_fn *of, const void *owner);
#define KS_LIMIT 1.95 /* 0.1 % */

/* How far Pearson's chi-square is from what it should be, in standard deviations. Neighbours of
 * which fewer than ten are expected are taken together, such a rest at the end is left out. */
double chi_square_deviation(const uint64_t *counts, const double *expected, size_t count);
#define CHI_LIMIT 3.3 /* 0.1 % */

/* 1 - exp(-value / *(const double *)mean) */
double exponential_distribution(double value, const void *mean);
double unit_distribution(double value, const void *unused);

int compare_doubles(const void *a, const void *b);

#endif
