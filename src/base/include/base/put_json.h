/* put_json.h - text as a JSON string into a file. */
#ifndef TALLY_BASE_PUT_JSON_H
#define TALLY_BASE_PUT_JSON_H

#include <stdio.h>

#include "base/str.h"

/* In quotes. What is not UTF-8 stays as it is; whether it was written, ferror() tells. */
void put_json_text(FILE *to, struct str text);

#endif
