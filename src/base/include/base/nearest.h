/* nearest.h - the name that was probably meant: least edit distance (Damerau-Levenshtein, adjacent
 * swaps count as one), and only if that is small against the length of the word. */
#ifndef TALLY_BASE_NEAREST_H
#define TALLY_BASE_NEAREST_H

#include <stdbool.h>
#include <stddef.h>

struct nearest {
    const char *wanted;
    const char *best;
    size_t distance;
};

struct nearest nearest_to(const char *wanted);
void nearest_offer(struct nearest *n, const char *candidate);
bool nearest_found(const struct nearest *n);

#endif
