/* lane.c - what other threads hand to a lane, and whether there is anything of it.
 *
 * Failure: nothing here fails. An UNKNOWN outcome holds up the ledger's thread until the engine has
 * heard it: the ledger sets the batch's second outcome as soon as the callback returns.
 */
#include "lane/lane.h"

static void hand_over(struct lane *l, struct mailbox *box, struct mail *mail)
{
    struct mail_chain chain = {0};
    mail_chain_add(&chain, mail);
    mailbox_push(box, &chain);
    if (l->host.wake)
        l->host.wake(l->host.context);
}

static void on_outcome(void *context, struct batch *b)
{
    struct lane *l = context;
    bool unknown = b->outcome == LEDGER_UNKNOWN;
    uint32_t told = atomic_load(&l->unknowns_told);
    hand_over(l, &l->outcomes, &b->mail);
    while (unknown && atomic_load(&l->unknowns_told) == told && l->host.pause &&
           l->host.pause(l->host.context))
        ;
}

static void on_loaded(void *context, struct load *load)
{
    struct lane *l = context;
    hand_over(l, &l->loads, &load->mail);
}

static void on_answered(void *context, struct question *q)
{
    struct lane *l = context;
    hand_over(l, &l->questions, &q->mail);
}

static void on_segment_stored(void *context, struct order_segment *s, struct order_run *run)
{
    struct lane *l = context;
    if (s) {
        s->stored = run;
        hand_over(l, &l->segments, &s->mail);
    } else if (run) {
        hand_over(l, &l->runs, &run->mail);
    }
}

/* The count releases what the ledger handed over before: see turn.c. */
static void on_available(void *context, bool available, const char *why)
{
    struct lane *l = context;
    atomic_store_explicit(&l->available, available, memory_order_relaxed);
    if (l->host.available)
        l->host.available(l->host.context, available, why);
    atomic_fetch_add_explicit(&l->availability_changes, 1, memory_order_release);
    if (l->host.wake)
        l->host.wake(l->host.context);
}

void lane_events(struct lane *l, struct ledger_events *out)
{
    *out = (struct ledger_events){.context = l,
                                  .outcome = on_outcome,
                                  .loaded = on_loaded,
                                  .answered = on_answered,
                                  .segment_stored = on_segment_stored,
                                  .available = on_available};
}

bool lane_work_waits(struct lane *l, bool ledger_only)
{
    return l->pending || (!ledger_only && !mailbox_empty(&l->commands)) ||
           !mailbox_empty(&l->outcomes) || !mailbox_empty(&l->loads) ||
           !mailbox_empty(&l->questions) || !mailbox_empty(&l->segments) ||
           !mailbox_empty(&l->runs) ||
           atomic_load_explicit(&l->availability_changes, memory_order_relaxed) !=
               l->availability_seen;
}
