/* wanted_line.h - `--line` of the command line as a line of an order.
 *
 *   LOT=QUANTITY    a lot by its key: 'COLA#1a2b3c4d=2'
 *   SKU=QUANTITY    a sku, whatever of it expires first: COLA=2
 *   name=value,...  with the names lot, sku, flavor, size, batch, quantity (1 if not given)
 */
#ifndef TALLY_CLI_WANTED_LINE_H
#define TALLY_CLI_WANTED_LINE_H

#include <jansson.h>

#include "base/error.h"

/* TLY_EINVALID_ARGUMENT says in e->text what is wrong; TLY_ENO_MEMORY. */
int wanted_line_parse(const char *text, json_t **out, struct error *e) MUST_CHECK;

#endif
