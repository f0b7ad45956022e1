/* wake.h - lets one thread sleep until another has something for it, at one system call a sleep.
 *
 * The sleeper: wake_prepare(); look once more for work; wake_wait() if there is none, else
 * wake_cancel(). The others: publish the work, then wake_up(), which makes a system call only if
 * the sleeper has announced itself. The two sequentially consistent fences make it impossible that
 * the sleeper misses the work and the waker misses the sleeper.
 */
#ifndef TALLY_BASE_WAKE_H
#define TALLY_BASE_WAKE_H

#include <stdatomic.h>
#include <stdint.h>

struct wake {
    _Alignas(
        64) _Atomic uint32_t asleep; /* futex word: 1 while the sleeper sleeps or is about to */
};

void wake_prepare(struct wake *w);
void wake_cancel(struct wake *w);
void wake_wait(struct wake *w, int64_t timeout_us); /* negative: no limit. May return early. */
void wake_up(struct wake *w);

#endif
