/* team_play.h - the life of a sale of groups, as one worker plays it: which order comes next, and
 * what its answer brings. Part of traffic.c's call source; on the worker's thread. */
#ifndef TALLY_LOADGEN_TEAM_PLAY_H
#define TALLY_LOADGEN_TEAM_PLAY_H

#include "loadgen/traffic_internal.h"

/* An order that is due at `at_ns` since the start; its stage and times are the caller's. False:
 * memory ran short (a fault). */
bool team_fill_order(struct traffic *t, uint64_t at_ns, struct call *out);
/* A step of an order: what traffic.c fills in for any, completed. */
void team_fill_step(struct traffic *t, const struct step *s, struct call *out);
/* A look-up of the sale: its countdown is held against what is known of the opening. */
void team_looked(struct traffic *t, const struct call *call, const struct answer *a,
                 uint64_t now_ns);
/* Any other call. Returns what it counts as. */
enum answer_code team_answered(struct traffic *t, const struct call *call, const struct answer *a,
                               uint64_t now_ns);
/* The earliest time at which the group of an order may be over; UINT64_MAX: it was not opened, as
 * far as is known. */
uint64_t team_over_ns(const struct order_mix *mix, const struct team *team);

#endif
