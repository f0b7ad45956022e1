/* pace.h - how far a line has come, by what is left. Pure.
 *
 * Of those who were admitted some have ordered, and some never will: whoever was admitted
 * WAITING_ADMIT_MS ago and has not ordered is not counted on any more (he may still order). The
 * others each take one of the units that are left. So as many are admitted as there are units left,
 * and holds expected back: PENDING units times the part of the orders so far that came back. Where
 * units are left and nobody orders for so long, twice as many are admitted as the time before:
 * people who have gone home do not keep units from those behind them.
 *
 * The engine decides about every order, so whoever is admitted too early is refused, no more.
 */
#ifndef TALLY_WAITING_PACE_H
#define TALLY_WAITING_PACE_H

#include "waiting/waiting.h"

enum { PACE_STEPS = 16, PACE_BOOST_MAX = 1 << 20 };

struct pace {
    uint32_t admitted;
    int64_t step_ms;             /* when the newest step began; 0: none has */
    uint32_t before[PACE_STEPS]; /* `admitted` at the begin of the newest steps */
    uint32_t step;               /* the newest of them */
    uint32_t steps_idle;         /* for so many nobody has ordered though units were left */
    int64_t orders;
    uint32_t boost;
};

void pace_init(struct pace *p, uint32_t admitted);
/* The line is `count` long. */
void pace_advance(struct pace *p, const struct sale_now *sale, uint32_t count);
/* Place from 0, of a line whose places are known. */
enum ticket_status pace_status(const struct pace *p, const struct sale_now *sale, uint32_t place);

#endif
