/* planted_limit.h - a limit per user that is counted wrongly, in front of the engine: units that
 * came back, or that were undone, count for ever. */
#ifndef TALLY_SIM_PLANTED_LIMIT_H
#define TALLY_SIM_PLANTED_LIMIT_H

#include "engine/command.h"
#include "plants.h"

enum { PLANTED_USERS_MAX = 64 };

struct planted_limit {
    struct str sale_id;
    int64_t limit;
    struct str user_id; /* empty: the sale's limit itself */
    int64_t taken;
};

struct planted_limits {
    struct planted_limit of[PLANTED_USERS_MAX];
    uint32_t count;
};

/* True: the command is refused with LIMIT_EXCEEDED. */
bool planted_refuses(struct planted_limits *l, struct command *c);
/* Its answer is out. */
void planted_counts(struct planted_limits *l, enum plant plant, const struct command *c);

#endif
