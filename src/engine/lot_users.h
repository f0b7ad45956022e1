/* lot_users.h - how many units of a lot each user has, outside sales, where the lot has a
 * per_user_limit.
 *
 * What counts: PENDING holds, and what was reserved within order_retention_ms, less what was given
 * back. Counting begins when the limit is set, with the holds that are PENDING then.
 */
#ifndef TALLY_ENGINE_LOT_USERS_H
#define TALLY_ENGINE_LOT_USERS_H

#include "engine/command.h"
#include "engine/holds.h"

struct engine;

/* The lot begins to count, if it doesn't. TLY_ENO_MEMORY, or TLY_EFULL: user_entries_max. */
int lot_users_begin(struct engine *e, lot_id id);
/* Over a shared ledger: what a user has by a reservation, as a load brought it, and the end of it
 * with that load. False: no memory. */
bool lot_users_put(struct engine *e, lot_id id, uint64_t user, int64_t reservation_id,
                   int64_t units);
void lot_users_forget(struct engine *e, lot_id id);
/* Reservations with lower ids count only while they are PENDING. */
int64_t lot_users_counted_from(const struct engine *e);
/* It ends: its creation is undone. */
void lot_users_end(struct engine *e, lot_id id);
/* A move of a hold (sign +1), or its undo (-1). */
void lot_users_moved(struct engine *e, lot_id id, const struct hold *h, enum move_kind kind,
                     int64_t quantity, int sign);
/* Would the order's lines be too many for its user? Makes room for them. */
int lot_users_limit(struct engine *e, struct command *c, struct reserve_command *r);
/* So many units more of a hold's lines (differences; those below 1 are not looked at). */
int lot_users_allow(struct engine *e, struct command *c, const struct hold *h,
                    const struct line *more, uint16_t count);
int lot_users_load(struct engine *e, const struct move *m, struct error *err);
/* No move before it is needed to count; INT64_MAX: nothing is counted. */
int64_t lot_users_oldest(const struct engine *e);
/* Now and then: forgets some of what does not count any more; a lot without a limit counts no
 * longer. */
void lot_users_sweep(struct engine *e);

#endif
