/* clock.h - the server's two clocks.
 *
 * Monotonic time (CLOCK_MONOTONIC) measures durations. Ledger time, in milliseconds of Unix time,
 * is what deadlines and moves are written in: it starts at the wall clock, or at the newest time in
 * the ledger if that is later, advances with CLOCK_BOOTTIME, and follows the wall clock by at most
 * 1 % faster or slower. So a step of the wall clock neither expires holds nor keeps them, and times
 * in the ledger never go back.
 *
 * A wall clock that is further from ledger time than a limit, either way, is doubted: it may be
 * wrong, and what it says would end holds, forget order_ids and close refunds for good. Ledger time
 * then goes on from the newest time in the ledger by itself, until the two are close again. Only
 * who starts it with `trusted` can say that the wall clock is right all the same; then, and only
 * then, ledger time may begin before the newest time in the ledger.
 */
#ifndef TALLY_BASE_CLOCK_H
#define TALLY_BASE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint64_t clock_monotonic_ns(void);

struct ledger_clock {
    int64_t now_ns;     /* the last reading, Unix nanoseconds */
    int64_t boot_ns;    /* CLOCK_BOOTTIME at that reading */
    int64_t gap_ns;     /* the wall clock less ledger time, at that reading */
    int64_t gap_max_ns; /* beyond it, either way, the wall clock is doubted */
    bool doubted;       /* it is, and not followed */
};

/* `newest_ms`: the newest time in the ledger, 0 if there is none. */
void ledger_clock_init(struct ledger_clock *c, int64_t newest_ms, int64_t gap_max_ms, bool trusted);
int64_t ledger_clock_read_ms(struct ledger_clock *c); /* owner thread only */

/* The same with the readings of the system's clocks as parameters; gap_max_ns stands in `c`. */
void ledger_clock_start(struct ledger_clock *c, int64_t newest_ms, bool trusted, int64_t boot_ns,
                        int64_t wall_ns);
int64_t ledger_clock_follow_ms(struct ledger_clock *c, int64_t boot_ns, int64_t wall_ns);

enum { RFC3339_SIZE = 25 }; /* "2026-11-22T10:00:00.000Z" and the terminating zero */

/* Writes `out`, returns its length (24). Years 1970 to 9999; others are clamped. */
size_t rfc3339_format(int64_t unix_ms, char out[RFC3339_SIZE]);
/* 0, or TLY_EINVALID_ARGUMENT. Accepts any offset and up to 9 digits of fraction. */
int rfc3339_parse(const char *text, size_t len, int64_t *unix_ms);

#endif
