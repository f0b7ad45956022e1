/* audit.h - counts, after a run, what was sold, through the public API alone.
 *
 * 1. Holds that were to expire are waited for.
 * 2. Every acknowledged order (or a sample, if there are more than look_ups_max) is looked up: is
 *    it there, the same reservation, the same units, in the state that was acknowledged, reserved
 *    once? Of the orders that were refused, a sample: they must hold nothing.
 * 3. Calls in doubt are resolved: every such order is looked up, at the earliest when the server
 *    must itself know what became of it.
 * 4. For every lot, what the server counts as reserved and confirmed must be what it held before
 *    the run plus what the run's orders hold, and never more than on_hand.
 * 5. One unit of every lot that shows some available is reserved and cancelled; of one that shows
 *    none, it must be refused. (At most PROBES_MAX lots.)
 *
 * Of a sale of groups (teams.h) the windows are waited for instead, all groups and all orders are
 * looked up, and more is asked:
 * 6. A group that has SUCCEEDED is paid in all its places; one that was paid in all its places has
 *    SUCCEEDED. Nobody holds units of one that has FAILED, and all its orders, paid or not, are
 *    REFUNDED with GROUP_FAILED. None is OPEN after its window.
 * 7. No buyer holds more than the sale's limit, the sale no more than its share. What was tried
 *    against a rule during the run was refused; what was refused had a reason.
 * 8. The sale counts its units and groups as they are, and sells what it shows as left.
 *
 * The lots must be the run's alone while it lasts; orders that others place there are reported as
 * differences. Holds from before the run may run out meanwhile: they are allowed for.
 */
#ifndef TALLY_LOADGEN_AUDIT_H
#define TALLY_LOADGEN_AUDIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "loadgen/order_book.h"
#include "loadgen/target.h"
#include "loadgen/worker.h"

enum { FINDINGS_MAX = 20, FINDING_SIZE = 200, PROBES_MAX = 1000 };

/* Per lot, kept by the workers during the run (relaxed atomics): units held for certain at the
 * moment, which counts an order from its acknowledgement until its Refund is sent, and only if its
 * hold cannot have expired. A peak above on_hand is an oversell even if it is gone at the end. */
struct lot_tally {
    atomic_llong held;
    atomic_llong held_peak;
};

struct audit_input {
    const struct order_book *books; /* at most BOOKS_MAX - 1: the audit has orders of its own */
    uint32_t book_count;
    const struct order_mix *mix;
    const struct target_lots *lots;
    const struct lot_tally *tallies; /* one a lot */
    struct worker_options worker;    /* protocol, target, address; connections as the audit likes */
    uint64_t countdowns_wrong; /* of the sale: look-ups that told another time than it opened */
    uint64_t look_ups_max;
    uint64_t seed;
    /* Monotonic: no order was sent before. Holds that were made since, and are to last longer than
     * that is ago, cannot have expired. 0: not known, so any hold may have. */
    uint64_t began_ns;
    uint32_t wait_ms; /* how long to go on asking a server that does not answer */
    /* May be NULL: called a few times a second; true: stop at once. */
    bool (*progress)(void *owner, const char *step, uint64_t done, uint64_t of);
    void *owner;
};

struct audit_result {
    /* Units, units, orders, orders. */
    int64_t oversold, undersold, lost, duplicated;
    /* Of a sale of groups: groups (and places in them that were refused, countdowns that were
     * wrong), units. */
    int64_t groups_wrong, limits_broken;
    bool complete; /* false: the six cannot be trusted; `reason` says why */
    char reason[200];
    uint64_t acknowledged, looked_up, in_doubt, in_doubt_held, refused_checked, lots_checked,
        probed;
    /* Of groups; orders that were REFUNDED because theirs failed. */
    uint64_t groups_opened, groups_succeeded, groups_failed, groups_refunded;
    /* "order 7f..-00..2a: ... ", the first ones; those that begin with "note: " count nowhere. */
    char findings[FINDINGS_MAX][FINDING_SIZE];
    uint32_t finding_count;
};

/* Never fails but by what is in `out`. */
void audit_run(const struct audit_input *in, struct audit_result *out);

#endif
