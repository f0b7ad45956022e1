/* prompt.c - see prompt.h. The C library has no call for it yet. */
#include "base/prompt.h"

#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SLICE_NS = 100000 }; /* the shortest that the kernel takes */

/* struct sched_attr of sched_setattr(2), its first version. */
struct attributes {
    uint32_t size;
    uint32_t policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns;
    uint64_t deadline_ns;
    uint64_t period_ns;
};

void thread_prompt(void)
{
    struct attributes a = {.size = sizeof a};
    if (syscall(SYS_sched_getattr, 0, &a, sizeof a, 0) != 0)
        return;
    a.size = sizeof a;
    a.runtime_ns = SLICE_NS;
    (void)syscall(SYS_sched_setattr, 0, &a, 0);
}
