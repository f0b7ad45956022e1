/* mailbox.h - lock-free hand-over of chains from any number of threads to one.
 *
 * Senders push a whole chain of items with one compare-and-swap; the receiver takes everything that
 * has arrived with one exchange and sees it in the order of arrival. It is a Treiber stack that is
 * only ever emptied whole, so the ABA problem does not arise. The mailbox itself is not bounded:
 * who sends bounds what is under way (see each use).
 *
 * Order: a push releases what the sender wrote to the items; a take acquires it.
 */
#ifndef TALLY_BASE_MAILBOX_H
#define TALLY_BASE_MAILBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct mail {
    struct mail *next;
};

/* The object whose member `mail` this is. */
#define MAIL_OF(item, type) ((type *)(void *)((char *)(item)-offsetof(type, mail)))

struct mailbox {
    _Alignas(64) _Atomic(struct mail *) top;
};

/* A chain is linked newest first: each new item points to the one before it. */
struct mail_chain {
    struct mail *newest;
    struct mail *oldest;
};

static inline void mail_chain_add(struct mail_chain *chain, struct mail *item)
{
    item->next = chain->newest;
    if (!chain->oldest)
        chain->oldest = item;
    chain->newest = item;
}

/* Leaves the chain empty. True if the mailbox was empty: the receiver may be asleep. */
static inline bool mailbox_push(struct mailbox *box, struct mail_chain *chain)
{
    struct mail *top = atomic_load_explicit(&box->top, memory_order_relaxed);
    do {
        chain->oldest->next = top;
    } while (!atomic_compare_exchange_weak_explicit(&box->top, &top, chain->newest,
                                                    memory_order_acq_rel, memory_order_relaxed));
    *chain = (struct mail_chain){0};
    return top == NULL;
}

static inline bool mailbox_empty(struct mailbox *box)
{
    return atomic_load_explicit(&box->top, memory_order_acquire) == NULL;
}

/* All items, oldest first, linked by `next`; NULL if there are none. */
static inline struct mail *mailbox_take(struct mailbox *box)
{
    if (mailbox_empty(box))
        return NULL;
    struct mail *newest = atomic_exchange_explicit(&box->top, NULL, memory_order_acq_rel);
    struct mail *oldest = NULL;
    while (newest) {
        struct mail *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

#endif
