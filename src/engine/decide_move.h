/* decide_move.h - what the decisions about one reservation share. */
#ifndef TALLY_ENGINE_DECIDE_MOVE_H
#define TALLY_ENGINE_DECIDE_MOVE_H

#include "engine/engine_internal.h"

/* A command and what it is about. */
struct moving {
    struct command *c;
    struct hold *h;
    const struct reservation_record *was;     /* with all moves of the hold; NULL: not looked at */
    struct line_after after[ORDER_LINES_MAX]; /* of each of the hold's lines, kept up to date */
};

/* Each decides, or says why not: c->code. Nothing is changed with a code other than 0. */
int confirm_decide(struct engine *e, struct moving *m);
int refund_decide(struct engine *e, struct moving *m);
int ship_decide(struct engine *e, struct moving *m);
int change_decide(struct engine *e, struct moving *m);

/* The moves of a CONFIRM of those lines, for which room was made. */
void confirm_moves(struct engine *e, struct hold *h, struct str payment_id,
                   const struct line *lines, uint16_t count, struct undo **u);
/* It was confirmed with that payment, or that is not said. */
bool confirmed_with(const struct reservation_record *was, struct str payment_id);

int move_wrong_state(struct command *c, const struct hold *h, const char *what);
int move_no_memory(struct command *c);
/* Asks the ledger about the reservation, or refuses the command. */
void move_ask_record(struct engine *e, struct command *c, int64_t id);
int move_does_not_add_up(struct command *c);
int move_too_late(const struct engine *e, struct command *c, const char *what, const char *how);
/* What the command's wants take from lines of which `left` can be `done`; `taken` of each line. */
int move_take(struct engine *e, struct command *c, const struct line *left, uint16_t count,
              const char *done, int64_t *taken);

/* ---- calls that are made once: shipment_id, return_id, change_id ---- */

/* Of what is asked for, whatever the order of its lines; never 0. It is stored: it must not change
 * with the program's version. */
uint64_t call_fingerprint(const struct engine *e, const struct command *c);
/* True: a call with this id was made before; *code is 0 (replayed) or TLY_EORDER_MISMATCH. */
bool call_was_made(const struct engine *e, struct moving *m, int *code);
/* The id may be stored. */
int call_check_id(struct command *c, const char *field);
/* Writes the call's id and fingerprint into its move: the record tells more than the hold now. */
void call_write(struct engine *e, struct moving *m, struct move *move, struct str id);

/* ---- by_order.c ---- */
/* The reservation that the command is about, into *id. False: it is answered, or waits. */
bool move_find(struct engine *e, struct command *c, int64_t *id);

#endif
