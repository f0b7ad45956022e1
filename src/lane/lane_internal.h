/* lane_internal.h - what the files of lane/ share. */
#ifndef TALLY_LANE_LANE_INTERNAL_H
#define TALLY_LANE_LANE_INTERNAL_H

#include "lane/lane.h"

/* ---- tell_gate.c ---- */

/* Units that changed hands, new lots, what was committed, what became of the answered orders (by
 * `link`; NULL: none), the next deadline. */
void lane_tell_gate(struct lane *l, const struct command *answered);
/* Before a batch goes to the ledger, and when its final outcome is there. */
void lane_note_stocks(struct lane *l, const struct batch *b);
void lane_settle_stocks(struct lane *l, const struct batch *b);
/* Before the engine has an answered load, and after: the lots that were read, as they were. */
void lane_note_read(struct lane *l, const struct load *load);
void lane_tell_read(struct lane *l);

#endif
