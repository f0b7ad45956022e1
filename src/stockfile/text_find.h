/* text_find.h - which encoding a file's bytes are in: fed once through, in pieces. */
#ifndef TALLY_STOCKFILE_TEXT_FIND_H
#define TALLY_STOCKFILE_TEXT_FIND_H

#include "stockfile/text.h"

struct text_find {
    uint64_t utf8_chars, utf8_wrong; /* characters of several bytes; bytes that begin none */
    uint64_t pairs, pairs_common;    /* of two bytes, as GBK has them */
    uint64_t zeros[2];               /* bytes that are zero, at even and at odd places */
    uint64_t bytes;
    uint32_t utf8_left; /* bytes that the character still needs */
    uint8_t pair_lead;  /* 0: none is open */
    bool not_gbk, not_latin_1;
};

void text_find_feed(struct text_find *f, const uint8_t *p, size_t len);
enum stock_encoding text_find_result(const struct text_find *f);
/* What a file is that begins so and is no text: "an Excel workbook"; NULL: it may be text. */
const char *text_find_other(const uint8_t *p, size_t len);

#endif
