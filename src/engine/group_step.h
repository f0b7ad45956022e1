/* group_step.h - what a hold's moves mean for its group, and how groups end. */
#ifndef TALLY_ENGINE_GROUP_STEP_H
#define TALLY_ENGINE_GROUP_STEP_H

#include "engine/command.h"
#include "engine/groups.h"

struct engine;
struct engine_batch;
struct undo;

/* Is it OPEN, and has it not come to its end? */
bool group_is_open(const struct engine *e, int64_t group_id);
bool group_has_come_to_its_end(const struct engine *e, const struct group *g);
/* The hold's group, 0 if it is in none, and whether it has a place there. */
int64_t hold_group_id(const struct hold *h);
bool hold_has_place(const struct hold *h);
bool hold_is_in_open_group(const struct hold *h);
/* The end of its group has come and is still to be decided. */
bool hold_group_ends(const struct engine *e, const struct hold *h);
/* A PENDING hold that is due ends with its group, not by itself. */
bool hold_ends_with_group(const struct engine *e, const struct hold *h);

/* May the order take a place? Makes room for it. */
int group_admit(struct engine *e, struct command *c, struct reserve_command *r,
                const struct sale *sale);
/* The hold of an order in a sale went from one state to another; `undo`: back. */
void group_step(struct engine *e, struct hold *h, int from, int to, bool undo);
/* After a CONFIRM and all that goes with it: was that the last place that was to be paid? There is
 * room for the move (batch_make_room). */
void group_confirmed(struct engine *e, struct hold *h);
/* Appends GROUP_SUCCEED. */
void group_succeed(struct engine *e, struct group *g, struct str note);
/* A move of the hold is committed or undone: its group does not wait for that batch any more. */
void group_untouch(struct engine *e, const struct hold *h, uint8_t bit);
/* Others of the move's batch were undone: its sale and group wait for it on. */
void group_retouch(struct engine *e, const struct move *m, const struct undo *u, uint8_t bit);
/* A GROUP_ move is. */
void group_committed(struct engine *e, const struct move *m, struct undo *u, uint8_t bit);
void group_undone(struct engine *e, const struct move *m, struct undo *u, uint8_t bit);
/* Appends GROUP_OPEN; the group is there, and its number is the move's. */
void group_opened(struct engine *e, struct group *g, struct str user_id);
/* Takes down groups that have come to their end, at most `max`; false: there are more. */
bool group_take_due(struct engine *e, uint32_t max);
/* Lets them fail, as far as the open batch has room. False: no memory. */
bool group_expire(struct engine *e);
/* Loading: it ended. */
void group_forget(struct engine *e, struct group *g);

/* ---- decide_group.c ---- */
void decide_open_group(struct engine *e, struct command *c);
void decide_complete_group(struct engine *e, struct command *c);
void look_up_group(struct engine *e, struct command *c);
void group_answered(struct engine *e, struct command *c, uint32_t order, struct question *q,
                    bool last);
/* OPEN_GROUP with its order: that is decided. */
void answer_opened(struct engine *e, struct command *c, int64_t group_id);

#endif
