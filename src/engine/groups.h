/* groups.h - the groups of buyers that are OPEN, or whose end is not committed yet: found by id, by
 * the end that comes next, and in order of creation.
 *
 * Members are linked through the hold (struct hold_sale). A user's place is found by the hash of
 * the user and the group, so that a group of a thousand costs a join no more than one of three.
 */
#ifndef TALLY_ENGINE_GROUPS_H
#define TALLY_ENGINE_GROUPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/holds.h"
#include "engine/pairs.h"
#include "engine/slab.h"

struct group {
    int64_t group_id;
    int64_t opened_ms;
    int64_t ends_ms;
    int64_t ended_ms; /* 0: it is OPEN */
    struct sale *sale;
    struct hold *first; /* of its members, newest first */
    struct group *older;
    struct group *newer;
    struct group *due_next; /* the list of those that have come to their end */
    struct group *due_previous;
    uint32_t timer; /* its place among the ends to come, from 1; 0: it waits for none */
    uint16_t size;
    uint16_t members; /* these two stay as they were when it ended */
    uint16_t paid;
    uint8_t status;  /* enum group_status */
    uint8_t touched; /* bits of the undecided batches that changed it */
    uint32_t due; /* its end has come and is still to be decided: its number in that line; or 0 */
};

struct group_end {
    int64_t ends_ms;
    struct group *group;
};

enum { GROUPS_AHEAD = 4 };

/* What speeds up finding, and is no part of what there is. */
struct groups_found {
    struct group *lately;        /* that was found last: one order asks several times; or NULL */
    int64_t ahead[GROUPS_AHEAD]; /* of the orders to come, as memory is fetched for them */
    uint32_t ahead_at;
};

struct groups {
    struct slab slab;
    struct pairs by_id;
    struct pairs places; /* of user and group: the member's hold */
    struct groups_found *found;
    struct group_end *ends; /* a heap: the earliest first */
    uint32_t end_count;
    uint32_t end_room;
    struct group *oldest;
    struct group *newest;
    struct group *due_first;
    struct group *due_last;
    uint32_t due_number; /* of the last one that came to its end */
    uint32_t count;
};

int groups_init(struct groups *gs) __attribute__((warn_unused_result));
void groups_close(struct groups *gs);
size_t groups_bytes(const struct groups *gs);

/* A new one, OPEN, that waits for its end; NULL when memory is short. */
struct group *groups_add(struct groups *gs, int64_t group_id, struct sale *sale, uint16_t size,
                         int64_t opened_ms, int64_t ends_ms);
void groups_remove(struct groups *gs, struct group *g); /* without members */
struct group *groups_find(const struct groups *gs, int64_t group_id);

/* It waits for its end; for one that did before there is room. */
void groups_watch(struct groups *gs, struct group *g);
void groups_unwatch(struct groups *gs, struct group *g); /* also if it is due */
int64_t groups_next_end(const struct groups *gs);        /* INT64_MAX: none is to come */
/* The next that ends by now_ms becomes due; NULL: there is none. */
struct group *groups_take_due(struct groups *gs, int64_t now_ms);
void groups_set_due(struct groups *gs, struct group *g); /* one that waits for nothing */
/* Is the group of that number, or one behind it in the line, due? Numbers begin again after 2^32.
 */
static inline bool groups_wait_for(const struct groups *gs, uint32_t number)
{
    return gs->due_first && number && (int32_t)(number - gs->due_first->due) >= 0;
}

/* An order of that user in the group comes soon. What this can only find by what it fetches now is
 * fetched by the calls for the next orders. */
void groups_prefetch(const struct groups *gs, int64_t group_id, uint64_t user);
/* Room for one more place of that user; false: no memory. */
bool groups_make_room(struct groups *gs, uint64_t user, int64_t group_id);
void groups_join(struct groups *gs, struct group *g, struct hold *h);
void groups_leave(struct groups *gs, struct hold *h);
/* The user's hold in the group, or NULL. */
struct hold *groups_member(const struct groups *gs, const struct group *g, uint64_t user,
                           struct str user_id);

#endif
