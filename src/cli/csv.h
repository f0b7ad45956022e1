/* csv.h - RFC 4180, strictly: pure, no allocation.
 *
 * Lines end with CRLF or LF. A field is plain (no quote in it) or quoted (with "" for a quote, and
 * then commas and line ends in it). A UTF-8 byte order mark at the start and empty lines are passed
 * over. Refused: a quote inside a plain field, text after a closing quote, a quote that is never
 * closed, a bare CR, a zero byte, more than CSV_FIELDS_MAX fields.
 */
#ifndef TALLY_CLI_CSV_H
#define TALLY_CLI_CSV_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

enum { CSV_FIELDS_MAX = 64 };

struct csv {
    char *next, *end; /* quoted fields are unquoted in place */
    uint32_t line;    /* of `next`, from 1 */
};

struct csv_row {
    uint32_t line; /* on which it begins */
    uint32_t count;
    struct str fields[CSV_FIELDS_MAX];
};

enum csv_result { CSV_ROW, CSV_END, CSV_BAD };

void csv_begin(struct csv *c, char *text, size_t size);
/* CSV_BAD fills `e` with the rule; row->line is the line and row->count the number of fields before
 * the bad one. The rest of that line is skipped: the next call goes on behind it. */
enum csv_result csv_next(struct csv *c, struct csv_row *row, struct error *e);

#endif
