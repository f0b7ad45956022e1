/* lane_internal.h - what the files of lane/ share. */
#ifndef TALLY_LANE_LANE_INTERNAL_H
#define TALLY_LANE_LANE_INTERNAL_H

#include "lane/lane.h"

/* Units that changed hands, new lots, the next deadline. */
void lane_tell_gate(struct lane *l);

#endif
