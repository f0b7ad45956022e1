/* lot_key.h - the name of a lot: sku#hhhhhhhh, the first 8 hex digits of MD5("flavor|size|batch").
 * Pure: the same function serves the service and the command line. */
#ifndef TALLY_SERVICE_LOT_KEY_H
#define TALLY_SERVICE_LOT_KEY_H

#include <stdbool.h>

#include "base/limits.h"
#include "base/str.h"

enum { LOT_KEY_DIGITS = 8 };

/* The dimensions are valid and normalised (rules.h). Zero-ended; returns the length. */
size_t lot_key_make(struct str sku, struct str flavor, struct str size, struct str batch,
                    char out[LOT_KEY_MAX + 1]);

#endif
