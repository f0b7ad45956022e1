/* The filter's memory: anonymous pages, which the system provides as they are first written.
 *
 * Failure modes: a size that is no power of two is refused; so is one that the system cannot map.
 */
#include "gate/order_filter.h"

#include <sys/mman.h>

int order_filter_init(struct order_filter *f, size_t bytes, struct error *e)
{
    *f = (struct order_filter){0};
    if (bytes < sizeof *f->words || (bytes & (bytes - 1)) != 0)
        return error_set(e, TLY_EINVALID_ARGUMENT, "order_filter_bytes",
                         "%zu bytes: must be a power of two, at least %zu", bytes,
                         sizeof *f->words);
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);
    if (p == MAP_FAILED)
        return error_set(e, TLY_ENO_MEMORY, "order_filter_bytes",
                         "cannot map %zu bytes for the filter of order_ids", bytes);
    /* Every order touches a random place: with small pages each would cost a miss of the TLB too.
     * A system that has no large pages to give goes on with small ones. */
    madvise(p, bytes, MADV_HUGEPAGE);
    f->words = p;
    f->word_mask = bytes / sizeof *f->words - 1;
    return 0;
}

void order_filter_close(struct order_filter *f)
{
    if (f->words)
        munmap(f->words, (f->word_mask + 1) * sizeof *f->words);
    *f = (struct order_filter){0};
}
