/* csv.h - RFC 4180 as shops write it: rows of a text_reader, one at a time, in one block of memory.
 *
 * Rows end with CRLF or LF (or CR alone, where the first one ends so). Fields are parted by `,` `;`
 * tab or `|`: told, or by a first line "sep=;", or the one that the first row has most of. A field
 * is plain (no quote in it) or quoted (with "" for a quote, and then delimiters and line ends in
 * it). Empty lines are passed over. Refused, with reading going on at the next line: a quote inside
 * a plain field, text after a closing quote, a quote that is never closed, a bare CR, a zero byte,
 * more than CSV_FIELDS_MAX fields, a row of more than CSV_ROW_MAX bytes.
 */
#ifndef TALLY_STOCKFILE_CSV_H
#define TALLY_STOCKFILE_CSV_H

#include "stockfile/text.h"

enum { CSV_FIELDS_MAX = 512, CSV_ROW_MAX = 256 << 10 };

struct csv;

struct csv_row {
    uint32_t line; /* on which it begins, from 1 */
    uint32_t count;
    struct str fields[CSV_FIELDS_MAX]; /* until the next row */
};

enum csv_result { CSV_ROW, CSV_END, CSV_BAD };

/* delimiter 0: it is found. The reader must outlive it. NULL: out of memory. */
struct csv *csv_open(struct text_reader *text, char delimiter);
void csv_close(struct csv *c);
/* CSV_BAD fills `e`: with the rule, row->line, and row->count the number of fields before the bad
 * one. With e->code TLY_EIO the input could not be read, and the next call is CSV_END. */
enum csv_result csv_next(struct csv *c, struct csv_row *row, struct error *e);
/* The next line that is not empty, whole, as the one field of the row; of a file without a header.
 */
enum csv_result csv_next_line(struct csv *c, struct csv_row *row, struct error *e);
char csv_delimiter(const struct csv *c); /* after the first row */

#endif
