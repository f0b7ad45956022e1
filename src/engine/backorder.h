/* backorder.h - who waits for which units of a lot that sells more than is there.
 *
 * Units on hand belong to the oldest orders: those of an order that are not there yet follow from
 * the order's place in the line, so nothing is handed out when units arrive, and nothing but the
 * line has to be undone. A line begins with the first order that does not get all that it wants,
 * and lets go of its first ones when they have all, for good: orders that are in no line are older
 * than all that are, and have theirs. An order that takes more units later gets another place, at
 * the end.
 */
#ifndef TALLY_ENGINE_BACKORDER_H
#define TALLY_ENGINE_BACKORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "model/model.h"

struct command;
struct engine;

/* A place in the line. */
struct backorder {
    int64_t seq; /* of the move that took it: ascending along the line */
    int64_t reservation_id;
    uint64_t batch; /* the last that changed it */
    uint32_t units;
    uint32_t size; /* that it had at first: what is undone fills it up again */
};

struct backorder_line {
    struct backorder *places;
    uint32_t first;
    uint32_t count;
    uint32_t room;
    uint32_t empty;  /* places without units */
    uint32_t late;   /* places of orders that took more */
    int64_t listed;  /* units of all places */
    int64_t supply;  /* units that came or came back in batches that are not decided */
    lot_id previous; /* lots with a line */
    lot_id next;
};

/* OVERLOADED if so many places more (of the lots whose orders wait for units) are more than
 * backorders_max. */
int backorder_allow(const struct engine *e, struct command *c, const struct line *lines,
                    uint16_t count);
/* Room for one more place in each lot's line; false: no memory. Who takes units without it counts
 * as older than all in the line. */
bool backorder_make_room(struct engine *e, const struct line *lines, uint16_t count);
/* A move of a reservation (or of none) was applied to a lot's stock (sign +1), or undone (-1). */
void backorder_moved(struct engine *e, lot_id id, const struct move *m, int64_t quantity, int sign);
/* It was committed. */
void backorder_committed(struct engine *e, lot_id id, enum move_kind kind, int64_t quantity);
/* Over a shared ledger: the line's next place, as a load brought it, and the line's end with that
 * load. False: no memory. */
bool backorder_put(struct engine *e, lot_id id, int64_t seq, int64_t reservation_id, int64_t units);
void backorder_forget(struct engine *e, lot_id id);
/* All is loaded: the lines of all lots lose those who have their units. */
void backorder_loaded(struct engine *e);

/* Units of a reservation's line that are not there yet. So many cannot be shipped. */
int64_t backorder_units(const struct engine *e, lot_id id, int64_t reservation_id);
/* The same of all lines, into `after`, which may be NULL. */
void backorder_show(const struct engine *e, int64_t reservation_id, const struct line *lines,
                    uint32_t count, struct line_after *after);
/* No line has a place that a move before this one took; it may have come later. INT64_MAX: there
 * is no line. */
int64_t backorder_oldest(struct engine *e);

#endif
