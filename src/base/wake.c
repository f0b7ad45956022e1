/* wake.c - the futex behind wake.h. */
#include "base/wake.h"

#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

void wake_prepare(struct wake *w)
{
    atomic_store_explicit(&w->asleep, 1, memory_order_seq_cst);
    atomic_thread_fence(memory_order_seq_cst);
}

void wake_cancel(struct wake *w)
{
    atomic_store_explicit(&w->asleep, 0, memory_order_relaxed);
}

void wake_wait(struct wake *w, int64_t timeout_us)
{
    struct timespec limit = {.tv_sec = timeout_us / 1000000,
                             .tv_nsec = (timeout_us % 1000000) * 1000};
    syscall(SYS_futex, &w->asleep, FUTEX_WAIT_PRIVATE, 1, timeout_us < 0 ? NULL : &limit, NULL, 0);
    wake_cancel(w);
}

void wake_up(struct wake *w)
{
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&w->asleep, memory_order_relaxed) == 0)
        return;
    if (atomic_exchange_explicit(&w->asleep, 0, memory_order_seq_cst) == 1)
        syscall(SYS_futex, &w->asleep, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
