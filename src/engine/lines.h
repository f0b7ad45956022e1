/* lines.h - sums of lines: both ascend by lot, no lot twice. */
#ifndef TALLY_ENGINE_LINES_H
#define TALLY_ENGINE_LINES_H

#include "model/model.h"

/* a + sign * b into `out`, which has room for both, without lines of 0 units. Returns how many. */
uint16_t lines_sum(const struct line *a, uint16_t a_count, const struct line *b, uint16_t b_count,
                   int sign, struct line *out);

/* Takes lines of 0 units out; how many are left. */
uint16_t lines_without_empty(struct line *lines, uint16_t count);

bool lines_equal(const struct line *a, uint32_t a_count, const struct line *b, uint32_t b_count);

#endif
