/* step_queue.h - steps of orders that are to come, in order of their times: a ring that grows. Most
 * are pushed in that order; one that is not is moved to its place from the end. */
#ifndef TALLY_LOADGEN_STEP_QUEUE_H
#define TALLY_LOADGEN_STEP_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a call is to its order. ROLE_OPEN to ROLE_AGAIN are of groups: team_play.h. */
enum role {
    ROLE_ORDER,
    ROLE_LOOK,
    ROLE_RETRY,
    ROLE_CONFIRM,
    ROLE_REFUND,
    ROLE_OPEN,  /* the opener's order */
    ROLE_JOIN,  /* a member's */
    ROLE_CROWD, /* of one more than a group has places */
    ROLE_AGAIN, /* a second one of a buyer who has what the sale allows him */
};

struct step {
    uint64_t due_ns;
    uint64_t order;
    enum role role;
};

/* All zero: empty. The capacity is a power of two. */
struct step_queue {
    struct step *steps;
    size_t capacity, head, count;
};

void step_queue_close(struct step_queue *q);
/* False: memory ran short. */
bool step_queue_push(struct step_queue *q, struct step s);
/* The next one, to look at or to change; NULL: there is none. */
struct step *step_queue_head(const struct step_queue *q);
/* It is not empty. */
struct step step_queue_pop(struct step_queue *q);
/* Of the next one; UINT64_MAX: there is none. */
uint64_t step_queue_due_ns(const struct step_queue *q);

#endif
