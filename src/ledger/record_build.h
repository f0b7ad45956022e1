/* record_build.h - what the moves of one reservation make of it, put together one by one; knows no
 * store. */
#ifndef TALLY_LEDGER_RECORD_BUILD_H
#define TALLY_LEDGER_RECORD_BUILD_H

#include "base/error.h"
#include "ledger/ledger.h"
#include "model/model.h"

/* Zeroed, before it is used first; may be used again and again. */
struct record_builder {
    struct reservation_record record; /* but for its arrays and the texts of its moves */
    struct reservation_move *moves;
    uint32_t move_count, move_room;
    char *text; /* the moves' details, one after another */
    uint32_t text_used, text_room;
    struct line lines[ORDER_LINES_MAX];
    struct line_after after[ORDER_LINES_MAX]; /* of each of `lines` */
    struct line reserved_lines[ORDER_LINES_MAX];
};

/* A RESERVE or FENCE; its order_id and user_id must live until record_pack(). */
int record_begin(struct record_builder *r, const struct move *m, struct error *e) MUST_CHECK;
/* Its other moves, in order of seq. TLY_ECORRUPT, TLY_ENO_MEMORY. */
int record_add(struct record_builder *r, const struct move *m, struct error *e) MUST_CHECK;
/* All of it in one malloc'ed block, the caller's; NULL: no memory. */
struct reservation_record *record_pack(const struct record_builder *r);
void record_builder_close(struct record_builder *r);

/* Whether it belongs on a page of this list. */
bool record_fits(const struct reservation_record *r, const struct reservation_list *list);

#endif
