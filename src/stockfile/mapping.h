/* mapping.h - names of columns, as the room's own files compare them. */
#ifndef TALLY_STOCKFILE_MAPPING_H
#define TALLY_STOCKFILE_MAPPING_H

#include "stockfile/stock_file.h"

/* Without case, blanks, '-' and '_'. */
bool column_equal(struct str a, struct str b);
/* Among the first `count` fields; -1: there is none. */
int field_parse(struct str name, int count);
/* Without ASCII's blanks and tabs at either end. */
struct str cell_trim(struct str s);

#endif
