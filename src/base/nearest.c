/* nearest.c - edit distance by dynamic programming over three rows. Words longer than NAME_MAX_LEN
 * are never near anything. */
#include "base/nearest.h"

#include <stdint.h>
#include <string.h>

enum { NAME_MAX_LEN = 47 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t edit_distance(const char *a, const char *b)
{
    size_t a_len = strlen(a), b_len = strlen(b);
    if (a_len > NAME_MAX_LEN || b_len > NAME_MAX_LEN)
        return SIZE_MAX;
    size_t rows[3][NAME_MAX_LEN + 1];
    size_t *before = rows[0], *previous = rows[1], *current = rows[2];
    for (size_t j = 0; j <= b_len; j++)
        previous[j] = before[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        current[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t substituted = previous[j - 1] + (a[i - 1] != b[j - 1]);
            current[j] = least(substituted, least(previous[j], current[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                current[j] = least(current[j], before[j - 2] + 1);
        }
        size_t *spare = before;
        before = previous;
        previous = current;
        current = spare;
    }
    return previous[b_len];
}

struct nearest nearest_to(const char *wanted)
{
    return (struct nearest){.wanted = wanted, .distance = SIZE_MAX};
}

void nearest_offer(struct nearest *n, const char *candidate)
{
    size_t distance = edit_distance(n->wanted, candidate);
    if (distance < n->distance) {
        n->distance = distance;
        n->best = candidate;
    }
}

bool nearest_found(const struct nearest *n)
{
    return n->best && n->distance <= 1 + strlen(n->wanted) / 4;
}
