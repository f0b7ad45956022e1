/* text.h - the bytes of a stock file as UTF-8, in whatever encoding they were written.
 *
 * The encoding is told or found: by a byte order mark, by the zero bytes of UTF-16, and else by
 * what all of the file's bytes can be: UTF-8, GBK (pairs that are mostly common characters), or
 * Latin-1 (as Windows writes it: windows-1252). A file that is no text at all, such as a workbook
 * or a compressed file, is refused by its name.
 *
 * What cannot be decoded comes out as a byte that is not UTF-8, so that the cell it stands in can
 * be told. Memory is one block, whatever the size of the file.
 */
#ifndef TALLY_STOCKFILE_TEXT_H
#define TALLY_STOCKFILE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

/* Bytes that can be read more than once. */
struct stock_input {
    const void *context;
    /* Reads up to `size` bytes at `offset`; 0: the end is there; -1: errno says why not. */
    long (*read_at)(const void *context, uint64_t offset, void *to, size_t size);
};

struct stock_input stock_input_text(const struct str *text); /* must outlive its use */
struct stock_input stock_input_file(const int *fd);

enum stock_encoding {
    ENCODING_FOUND, /* not told */
    ENCODING_UTF_8,
    ENCODING_UTF_16, /* by its byte order mark; without one little-endian */
    ENCODING_UTF_16BE,
    ENCODING_GBK,
    ENCODING_LATIN_1,
};

/* "utf-8", "utf-16", "gbk", "latin-1" and usual other names of them, in any case. False: unknown */
bool encoding_parse(struct str name, enum stock_encoding *out);
const char *encoding_name(enum stock_encoding encoding);

struct text_reader;

/* Finds out what it is, unless `told`. TLY_EINVALID_ARGUMENT: no text (e->text names what it is);
 * TLY_EIO; TLY_ENO_MEMORY. The input must outlive the reader. */
int text_reader_open(struct text_reader **out, const struct stock_input *input,
                     enum stock_encoding told, struct error *e) MUST_CHECK;
void text_reader_close(struct text_reader *t);
enum stock_encoding text_reader_encoding(const struct text_reader *t);
/* Up to `size` bytes (at least 8 are asked for) of UTF-8, without the byte order mark. 0: the end;
 * -1: the input could not be read. */
long text_reader_read(struct text_reader *t, char *to, size_t size);
uint64_t text_reader_taken(const struct text_reader *t); /* bytes of the input so far */

/* Length of the character at p, 1 to 4; 0 if the bytes there are not UTF-8. */
size_t utf8_char(const char *p, size_t len, uint32_t *code_point);
bool text_is_utf8(struct str text);
/* The text as a person can see it: control characters, spaces that are none of ASCII's, characters
 * without width and bytes that are not UTF-8 are written as \t, \u200b, \xff. Zero-ended, cut at a
 * whole character; always UTF-8. */
void text_show(struct str text, char *out, size_t size);

#endif
