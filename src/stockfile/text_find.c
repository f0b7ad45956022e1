/* text_find.c - counts what each encoding would make of the bytes, and takes the likeliest.
 *
 * UTF-8 is told by its own pattern, which other encodings do not produce by chance: more characters
 * of it than bytes that break it. GBK writes a Chinese character in two bytes, the common ones with
 * a first byte from B0 to D7 and a second one from A1; Latin-1 letters seldom stand in pairs. What
 * fits nothing counts as UTF-8, so that the cells that break it are told. Nothing fails.
 */
#include "stockfile/text_find.h"

#include <string.h>
#include <strings.h>

static void feed_utf8(struct text_find *f, uint8_t b)
{
    if (f->utf8_left > 0) {
        if ((b & 0xC0) == 0x80) {
            f->utf8_chars += --f->utf8_left == 0;
            return;
        }
        f->utf8_wrong++;
        f->utf8_left = 0;
    }
    if (b < 0x80)
        return;
    f->utf8_left = b >= 0xC2 && b < 0xE0   ? 1
                   : b >= 0xE0 && b < 0xF0 ? 2
                   : b >= 0xF0 && b < 0xF5 ? 3
                                           : 0;
    f->utf8_wrong += f->utf8_left == 0;
}

static void feed_gbk(struct text_find *f, uint8_t b)
{
    if (f->pair_lead) {
        if (b < 0x40 || b == 0x7F || b == 0xFF)
            f->not_gbk = true;
        f->pairs++;
        f->pairs_common += ((f->pair_lead >= 0xB0 && f->pair_lead <= 0xD7) ||
                            (f->pair_lead >= 0xA1 && f->pair_lead <= 0xA3)) &&
                           b >= 0xA1;
        f->pair_lead = 0;
    } else if (b > 0x80) {
        f->pair_lead = b;
        f->not_gbk |= b == 0xFF;
    } else if (b == 0x80) {
        f->not_gbk = true;
    }
}

/* Letters and signs of Western European text, with what Windows puts between 80 and 9F. */
static void feed_latin_1(struct text_find *f, uint8_t b)
{
    if (b >= 0x80 && b < 0xA0)
        f->not_latin_1 |= !strchr("\x80\x82\x84\x85\x8a\x8c\x8e\x91\x92\x93\x94\x95\x96\x97\x99"
                                  "\x9a\x9c\x9e\x9f",
                                  (char)b);
    f->not_latin_1 |= b >= 0xFD;
}

void text_find_feed(struct text_find *f, const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (p[i] == 0)
            f->zeros[f->bytes & 1]++;
        f->bytes++;
        if (p[i] < 0x80 && f->utf8_left == 0 && !f->pair_lead)
            continue;
        feed_utf8(f, p[i]);
        feed_gbk(f, p[i]);
        feed_latin_1(f, p[i]);
    }
}

enum stock_encoding text_find_result(const struct text_find *f)
{
    uint64_t wrong = f->utf8_wrong + (f->utf8_left > 0);
    if (f->zeros[1] > f->bytes / 8 && f->zeros[0] <= f->zeros[1] / 16)
        return ENCODING_UTF_16;
    if (f->zeros[0] > f->bytes / 8 && f->zeros[1] <= f->zeros[0] / 16)
        return ENCODING_UTF_16BE;
    if (wrong == 0 || f->utf8_chars > wrong)
        return ENCODING_UTF_8;
    if (!f->not_gbk && !f->pair_lead && f->pairs_common * 2 > f->pairs)
        return ENCODING_GBK;
    return f->not_latin_1 ? ENCODING_UTF_8 : ENCODING_LATIN_1;
}

static bool holds(const uint8_t *p, size_t len, const char *text)
{
    return memmem(p, len, text, strlen(text)) != NULL;
}

const char *text_find_other(const uint8_t *p, size_t len)
{
    static const struct {
        const char *magic;
        size_t size;
        const char *name;
    } table[] = {
        {"\xD0\xCF\x11\xE0", 4, "an Excel workbook of the old kind (.xls)"},
        {"\x1F\x8B", 2, "a gzip file; unpack it first (gunzip)"},
        {"BZh", 3, "a bzip2 file; unpack it first (bunzip2)"},
        {"\xFD"
         "7zXZ",
         5, "an xz file; unpack it first (unxz)"},
        {"\x28\xB5\x2F\xFD", 4, "a zstd file; unpack it first (unzstd)"},
        {"7z\xBC\xAF", 4, "a 7z archive; unpack it first"},
        {"Rar!", 4, "a RAR archive; unpack it first"},
        {"%PDF-", 5, "a PDF document"},
        {"{\\rtf", 5, "an RTF document"},
    };
    static const struct {
        const char *begin, *name;
    } texts[] = {
        {"<!doctype html", "an HTML page"},
        {"<html", "an HTML page"},
        {"<table", "an HTML page"},
        {"<?xml", "an XML document"},
        {"[{", "a JSON array; put each object on a line of its own"},
    };
    if (len >= 4 && memcmp(p, "PK\x03\x04", 4) == 0)
        return holds(p, len, "opendocument.spreadsheet") ? "an OpenDocument workbook (.ods)"
               : holds(p, len, "xl/") || holds(p, len, "[Content_Types].xml")
                   ? "an Excel workbook (.xlsx)"
                   : "a zip archive; unpack it first";
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (len >= table[i].size && memcmp(p, table[i].magic, table[i].size) == 0)
            return table[i].name;
    }
    while (len > 0 && strchr("\xEF\xBB\xBF \t\r\n", *p) && *p) {
        p++;
        len--;
    }
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        size_t size = strlen(texts[i].begin);
        if (len >= size && strncasecmp((const char *)p, texts[i].begin, size) == 0)
            return texts[i].name;
    }
    return NULL;
}
