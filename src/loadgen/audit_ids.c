/* audit_ids.c - no two orders may have been acknowledged with the same reservation.
 *
 * Happy path: the ids are sorted and neighbours compared; a long run's ids in several parts, chosen
 * by hash, each of about PART_ORDERS, so that memory is bounded. Fails only for want of memory.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "loadgen/audit_internal.h"

enum { PART_ORDERS = 1 << 21 };

struct pair {
    uint64_t reservation_id, order;
};

static int by_reservation(const void *x, const void *y)
{
    const struct pair *a = x, *b = y;
    if (a->reservation_id != b->reservation_id)
        return a->reservation_id < b->reservation_id ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

/* The orders whose reservation is in the part, to `out` if it is not NULL; returns their number. */
static uint64_t collect(const struct audit_input *in, uint64_t part, uint64_t parts,
                        struct pair *out)
{
    uint64_t n = 0;
    for (uint32_t b = 0; b < in->book_count; b++) {
        const struct order_book *book = &in->books[b];
        for (uint64_t i = 0; i < book->count; i++) {
            uint64_t order = order_number(book->thread, i);
            uint64_t id = order_book_at(book, order)->reservation_id;
            if (!id || random_at(0, id) % parts != part)
                continue;
            if (out)
                out[n] = (struct pair){id, order};
            n++;
        }
    }
    return n;
}

static void compare(struct audit *a, const struct pair *pairs, uint64_t count)
{
    for (uint64_t i = 1; i < count; i++) {
        if (pairs[i].reservation_id != pairs[i - 1].reservation_id)
            continue;
        a->out->duplicated++;
        char other[ORDER_ID_SIZE] = "", text[VERDICT_TEXT_SIZE];
        order_id_write(other, a->in->worker.target->run, pairs[i - 1].order);
        snprintf(text, sizeof(text), "was given reservation %" PRIu64 " of order %s",
                 pairs[i].reservation_id, other);
        audit_find_order(a, pairs[i].order, text);
    }
}

bool audit_reservations(struct audit *a)
{
    uint64_t total = collect(a->in, 0, 1, NULL), parts = total / PART_ORDERS + 1;
    for (uint64_t part = 0; part < parts; part++) {
        uint64_t count = parts == 1 ? total : collect(a->in, part, parts, NULL);
        struct pair *pairs = malloc((count ? count : 1) * sizeof(*pairs));
        if (!pairs)
            return audit_give_up(a, "out of memory");
        collect(a->in, part, parts, pairs);
        qsort(pairs, count, sizeof(*pairs), by_reservation);
        compare(a, pairs, count);
        free(pairs);
    }
    return true;
}
