/* teams.h - who is in a team of a sale of groups, and what they do: it follows from the run's seed
 * and the number of the team's first order alone, as an order's plan does.
 *
 * A team has as many orders as its group has places and two more: one that takes the place of a
 * member who left, or comes to a group that is full; and one of a buyer who has had what the sale
 * allows him. An order that the team does not need is never sent.
 */
#ifndef TALLY_LOADGEN_TEAMS_H
#define TALLY_LOADGEN_TEAMS_H

#include "loadgen/order_book.h"

enum team_kind {
    TEAM_PAYS,        /* all places are taken and paid */
    TEAM_CHANGES,     /* ... after a member left, and another took the place */
    TEAM_SHORT,       /* one place stays empty: it fails */
    TEAM_OWES,        /* one member does not pay: it fails */
    TEAM_LAST_MOMENT, /* the last payment is sent when the window ends: in time, or not */
};

enum { TEAM_NOBODY = UINT32_MAX };

struct team_plan {
    enum team_kind kind;
    uint32_t comes; /* members who come, from place 0 on */
    uint32_t odd; /* the place of the member who leaves, does not pay, or pays last; else NOBODY */
    uint32_t again; /* of the one who orders again; NOBODY */
    bool crowd;     /* one more comes to the group that is full */
};

/* `order`: any of the team's. */
struct team_plan team_plan_of(const struct order_mix *mix, uint64_t order);
enum order_fate team_fate(const struct order_mix *mix, uint64_t order);

uint32_t team_orders(const struct order_mix *mix);                 /* of each team */
uint64_t team_first(const struct order_mix *mix, uint64_t order);  /* the opener's */
uint64_t team_number(const struct order_mix *mix, uint64_t order); /* within its book */
uint32_t team_place(const struct order_mix *mix, uint64_t order);
/* The places of the two more. */
uint32_t team_place_spare(const struct order_mix *mix);
uint32_t team_place_again(const struct order_mix *mix);
/* The number that names the buyer: of his first order. */
uint64_t team_buyer(const struct order_mix *mix, uint64_t order);

#endif
