/* sale_order.h - what being in a sale means for an order: who may, and what is counted. */
#ifndef TALLY_ENGINE_SALE_ORDER_H
#define TALLY_ENGINE_SALE_ORDER_H

#include "engine/command.h"
#include "engine/holds.h"
#include "engine/sales.h"

struct engine;

/* Is there the sale, is it open, and is the order let in? 0 with `*sale`, NULL if the order is in
 * none, or the code. */
int sale_admit(const struct engine *e, struct command *c, struct reserve_command *r,
               struct sale **sale);
/* Are its lots in the sale, and is it within the sale's limits? Makes room for its units. */
int sale_limits(struct engine *e, struct command *c, struct reserve_command *r, struct sale *sale);
/* The hash of its user_id; with an `extra` it is made once. */
uint64_t order_user(const struct engine *e, const struct reserve_command *r);
struct sale *order_sale(const struct engine *e, const struct order_extra *x); /* NULL: none */
void sale_prefetch(const struct engine *e, const struct reserve_command *r);
/* hold_ms of an order that asks for `asked` (0: nothing). */
int64_t sale_hold_ms(const struct engine *e, const struct sale *sale, int64_t asked);
/* A group of that sale; NULL: `*code` says why. */
struct group *sale_open_group(struct engine *e, struct command *c, struct sale *sale, int *code);
/* LIMIT_EXCEEDED, with the orders that count towards the limit. */
int order_over_limit(const struct engine *e, struct reserve_command *r, const int64_t *ids,
                     uint16_t count, int64_t taken, int64_t limit, enum order_trouble trouble);
/* OVERLOADED if there is no room for `more` entries in the tables of users' units. */
int user_entries_limit(const struct engine *e, struct command *c, struct reserve_command *r,
                       uint16_t more);
/* What a unit of a move changes of the units that its user has: -1, 0 or 1. */
int move_units_of_user(enum move_kind kind);
/* The user's PENDING holds. Makes room for one more. */
int user_holds_limit(struct engine *e, struct command *c, struct reserve_command *r);
/* So many units more of a hold: its lines would be `lines`. 0, or the code; room is made. */
int sale_allows_more(struct engine *e, struct command *c, const struct hold *h,
                     const struct line *lines, uint16_t line_count, int64_t units);
/* The latest deadline that EXTEND may set; INT64_MAX if the sale sets none. */
int64_t sale_latest_deadline(const struct hold *h);

/* Of a hold that was made in a sale. */
/* Of an order that is being decided. */
void sale_note_order(const struct engine *e, struct hold *h, const struct reserve_command *r);
void sale_note_hold(struct engine *e, struct hold *h, int64_t first_deadline_ms, int64_t group_id);
/* Counts a move (sign +1), or takes it back (-1). */
void sale_count(const struct hold *h, enum move_kind kind, int64_t quantity, int sign);
void sale_count_of(struct sale *sale, uint64_t user, int64_t reservation_id, enum move_kind kind,
                   int64_t quantity, int sign);

#endif
