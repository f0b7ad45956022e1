/* timers.h - deadlines of PENDING holds, to the millisecond.
 *
 * A timing wheel of three rings: 64 slots of 1 ms (the current granule), 65,536 granules of 64 ms
 * (70 minutes ahead), 4,096 slots of 70 minutes. Insert and cancel are O(1). Against the usual
 * wheel of 64 slots a level, an ordinary hold is moved once in its life, and never more of them at
 * a time than fall due within 64 ms, so there is no pause when a coarse slot comes round. Bitmaps
 * make an hour of idle time one step. A slot knows the earliest deadline that was ever put into it
 * since it was empty: a lower bound, exact unless that hold has ended.
 */
#ifndef TALLY_ENGINE_TIMERS_H
#define TALLY_ENGINE_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hold;
struct timers;

struct timers *timers_create(void); /* NULL when memory is short */
void timers_destroy(struct timers *t);
void timers_start(struct timers *t, int64_t now_ms); /* only while empty */

/* By hold->deadline_ms. */
void timers_insert(struct timers *t, struct hold *h);
void timers_cancel(struct timers *t, struct hold *h);
/* The next hold with a deadline of at most now_ms, cancelled; NULL if there is none. */
struct hold *timers_due(struct timers *t, int64_t now_ms);
int64_t timers_next(const struct timers *t); /* INT64_MAX if empty */
size_t timers_bytes(const struct timers *t);

#endif
