/* lines.c - see lines.h. */
#include "engine/lines.h"

uint16_t lines_sum(const struct line *a, uint16_t a_count, const struct line *b, uint16_t b_count,
                   int sign, struct line *out)
{
    uint16_t i = 0, j = 0, count = 0;
    while (i < a_count || j < b_count) {
        struct line next = {0};
        bool of_a = j == b_count || (i < a_count && a[i].lot <= b[j].lot);
        bool of_b = i == a_count || (j < b_count && b[j].lot <= a[i].lot);
        if (of_a)
            next = a[i++];
        if (of_b) {
            next.lot = b[j].lot;
            next.quantity += sign * b[j++].quantity;
        }
        if (next.quantity)
            out[count++] = next;
    }
    return count;
}

uint16_t lines_without_empty(struct line *lines, uint16_t count)
{
    uint16_t kept = 0;
    for (uint16_t i = 0; i < count; i++) {
        if (lines[i].quantity)
            lines[kept++] = lines[i];
    }
    return kept;
}

bool lines_equal(const struct line *a, uint32_t a_count, const struct line *b, uint32_t b_count)
{
    if (a_count != b_count)
        return false;
    for (uint32_t i = 0; i < a_count; i++) {
        if (a[i].lot != b[i].lot || a[i].quantity != b[i].quantity)
            return false;
    }
    return true;
}
