/* mapping.h - names of columns, as the room's own files compare them. */
#ifndef TALLY_STOCKFILE_MAPPING_H
#define TALLY_STOCKFILE_MAPPING_H

#include "stockfile/stock_file.h"

/* Without case, blanks, '-' and '_'. */
bool column_equal(struct str a, struct str b);
/* Without ASCII's blanks and tabs at either end. */
struct str cell_trim(struct str s);

#endif
