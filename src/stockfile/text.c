/* text.c - a block of the input at a time, through iconv where it is not UTF-8 already.
 *
 * Happy path: one pass over the input finds the encoding, a second one decodes it. Failures: the
 * input is no text, or cannot be read; the C library lacks the conversion.
 */
#include "stockfile/text.h"

#include <assert.h>
#include <errno.h>
#include <iconv.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "stockfile/text_find.h"

enum { BLOCK_BYTES = 65536 };

struct text_reader {
    struct stock_input input;
    enum stock_encoding encoding;
    iconv_t converter; /* (iconv_t)-1: the bytes are UTF-8 */
    uint64_t at;       /* of the input's next block */
    size_t begin, end; /* of what is left in `raw` */
    bool ended;
    char raw[BLOCK_BYTES];
};

/* ---- inputs ---- */

static long read_text(const void *context, uint64_t offset, void *to, size_t size)
{
    const struct str *text = context;
    if (offset >= text->len)
        return 0;
    size_t n = text->len - (size_t)offset < size ? text->len - (size_t)offset : size;
    memcpy(to, text->p + offset, n);
    return (long)n;
}

static long read_file(const void *context, uint64_t offset, void *to, size_t size)
{
    long n;
    do
        n = pread(*(const int *)context, to, size, (off_t)offset);
    while (n < 0 && errno == EINTR);
    return n;
}

struct stock_input stock_input_text(const struct str *text)
{
    return (struct stock_input){text, read_text};
}

struct stock_input stock_input_file(const int *fd)
{
    return (struct stock_input){fd, read_file};
}

/* ---- names ---- */

static const struct {
    const char *name;
    enum stock_encoding encoding;
    const char *iconv;
} names[] = {
    {"utf-8", ENCODING_UTF_8, NULL},
    {"utf-16", ENCODING_UTF_16, "UTF-16LE"},
    {"utf-16be", ENCODING_UTF_16BE, "UTF-16BE"},
    {"gbk", ENCODING_GBK, "GB18030"},
    {"latin-1", ENCODING_LATIN_1, "WINDOWS-1252"},
    {"utf8", ENCODING_UTF_8, NULL},
    {"us-ascii", ENCODING_UTF_8, NULL},
    {"ascii", ENCODING_UTF_8, NULL},
    {"utf16", ENCODING_UTF_16, NULL},
    {"utf-16le", ENCODING_UTF_16, NULL},
    {"gb2312", ENCODING_GBK, NULL},
    {"gb18030", ENCODING_GBK, NULL},
    {"cp936", ENCODING_GBK, NULL},
    {"latin1", ENCODING_LATIN_1, NULL},
    {"iso-8859-1", ENCODING_LATIN_1, NULL},
    {"windows-1252", ENCODING_LATIN_1, NULL},
    {"cp1252", ENCODING_LATIN_1, NULL},
};

bool encoding_parse(struct str name, enum stock_encoding *out)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strlen(names[i].name) == name.len &&
            strncasecmp(names[i].name, name.p, name.len) == 0) {
            *out = names[i].encoding;
            return true;
        }
    }
    return false;
}

const char *encoding_name(enum stock_encoding encoding)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i].encoding == encoding)
            return names[i].name;
    }
    return "";
}

/* ---- open ---- */

/* The encoding that a byte order mark tells, and the mark's length; ENCODING_FOUND if it has none
 */
static enum stock_encoding byte_order_mark(const char *p, size_t len, size_t *mark)
{
    *mark = 0;
    if (len >= 3 && memcmp(p, "\xEF\xBB\xBF", 3) == 0) {
        *mark = 3;
        return ENCODING_UTF_8;
    }
    if (len >= 2 && (memcmp(p, "\xFF\xFE", 2) == 0 || memcmp(p, "\xFE\xFF", 2) == 0)) {
        *mark = 2;
        return *p == '\xFF' ? ENCODING_UTF_16 : ENCODING_UTF_16BE;
    }
    return ENCODING_FOUND;
}

static bool is_utf16(enum stock_encoding encoding)
{
    return encoding == ENCODING_UTF_16 || encoding == ENCODING_UTF_16BE;
}

/* All of the input decides; a character that only comes late counts, too. */
static int find(struct text_reader *t, enum stock_encoding told, struct error *e)
{
    struct text_find f = {0};
    size_t mark;
    long n = t->input.read_at(t->input.context, 0, t->raw, sizeof t->raw);
    if (n < 0)
        return error_set(e, TLY_EIO, "", "%s", strerror(errno));
    const char *other = text_find_other((const uint8_t *)t->raw, (size_t)n);
    if (other)
        return error_set(e, TLY_EINVALID_ARGUMENT, "", "this is no stock file but %s%s", other,
                         strstr(other, "workbook") ? "; save the sheet as CSV" : "");
    enum stock_encoding marked = byte_order_mark(t->raw, (size_t)n, &mark);
    bool fits = told == ENCODING_FOUND || told == marked || (is_utf16(told) && is_utf16(marked));
    if (marked != ENCODING_FOUND && fits) {
        t->encoding = marked;
        t->at = mark;
        return 0;
    }
    t->encoding = told;
    uint64_t at = 0;
    while (told == ENCODING_FOUND && n > 0) {
        text_find_feed(&f, (const uint8_t *)t->raw, (size_t)n);
        at += (uint64_t)n;
        n = t->input.read_at(t->input.context, at, t->raw, sizeof t->raw);
        if (n < 0)
            return error_set(e, TLY_EIO, "", "%s", strerror(errno));
    }
    if (told == ENCODING_FOUND)
        t->encoding = text_find_result(&f);
    return 0;
}

static int open_converter(struct text_reader *t, struct error *e)
{
    const char *from = NULL;
    for (size_t i = 0; i < sizeof names / sizeof names[0] && !from; i++) {
        if (names[i].encoding == t->encoding)
            from = names[i].iconv;
        if (t->encoding == ENCODING_UTF_8)
            return 0;
    }
    t->converter = iconv_open("UTF-8", from);
    if (t->converter == (iconv_t)-1)
        return error_set(e, TLY_EINVALID_ARGUMENT, "encoding",
                         "the system cannot convert %s; save the file as UTF-8",
                         encoding_name(t->encoding));
    return 0;
}

int text_reader_open(struct text_reader **out, const struct stock_input *input,
                     enum stock_encoding told, struct error *e)
{
    struct text_reader *t = malloc(sizeof *t);
    if (!t)
        return error_set(e, TLY_ENO_MEMORY, "", "out of memory");
    t->input = *input;
    t->converter = (iconv_t)-1;
    t->at = 0;
    t->begin = t->end = 0;
    t->ended = false;
    int code = find(t, told, e);
    if (!code)
        code = open_converter(t, e);
    if (code) {
        text_reader_close(t);
        return code;
    }
    *out = t;
    return 0;
}

void text_reader_close(struct text_reader *t)
{
    if (!t)
        return;
    if (t->converter != (iconv_t)-1)
        iconv_close(t->converter);
    free(t);
}

enum stock_encoding text_reader_encoding(const struct text_reader *t)
{
    return t->encoding;
}

uint64_t text_reader_taken(const struct text_reader *t)
{
    return t->at - (t->end - t->begin);
}

/* ---- read ---- */

static long fill(struct text_reader *t)
{
    memmove(t->raw, t->raw + t->begin, t->end - t->begin);
    t->end -= t->begin;
    t->begin = 0;
    long n = t->input.read_at(t->input.context, t->at, t->raw + t->end, sizeof t->raw - t->end);
    if (n <= 0)
        return n;
    t->at += (uint64_t)n;
    t->end += (size_t)n;
    return n;
}

/* What no character begins with, as one byte that is not UTF-8. */
static void pass_over(struct text_reader *t, char **to, size_t *room)
{
    char byte = t->raw[t->begin];
    size_t n = is_utf16(t->encoding) && t->end - t->begin >= 2 ? 2 : 1;
    *(*to)++ = is_utf16(t->encoding) || (uint8_t)byte < 0x80 ? '\xFF' : byte;
    (*room)--;
    t->begin += n;
}

static size_t convert(struct text_reader *t, char *to, size_t size)
{
    char *out = to;
    size_t room = size;
    while (t->begin < t->end && room > 4) {
        char *in = t->raw + t->begin;
        size_t left = t->end - t->begin;
        size_t made = iconv(t->converter, &in, &left, &out, &room);
        int why = made == (size_t)-1 ? errno : 0;
        t->begin = t->end - left;
        if (why == EILSEQ || (why == EINVAL && t->ended))
            pass_over(t, &out, &room);
        else if (why)
            break;
    }
    return size - room;
}

long text_reader_read(struct text_reader *t, char *to, size_t size)
{
    assert(size >= 8);
    for (;;) {
        size_t n = t->end - t->begin;
        if (t->converter != (iconv_t)-1) {
            n = convert(t, to, size);
        } else {
            n = n < size ? n : size;
            memcpy(to, t->raw + t->begin, n);
            t->begin += n;
        }
        if (n > 0)
            return (long)n;
        if (t->ended)
            return 0;
        long got = fill(t);
        if (got < 0)
            return -1;
        t->ended = got == 0;
    }
}
