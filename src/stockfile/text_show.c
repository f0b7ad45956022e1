/* text_show.c - characters of UTF-8, and how those that nobody sees are shown. Nothing fails. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "stockfile/text.h"

size_t utf8_char(const char *text, size_t len, uint32_t *code_point)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    const uint8_t *p = (const uint8_t *)text;
    size_t bytes = p[0] < 0x80                   ? 1
                   : p[0] >= 0xC2 && p[0] < 0xE0 ? 2
                   : p[0] >= 0xE0 && p[0] < 0xF0 ? 3
                   : p[0] >= 0xF0 && p[0] < 0xF5 ? 4
                                                 : 0;
    if (bytes == 0 || bytes > len)
        return 0;
    uint32_t code = bytes == 1 ? p[0] : p[0] & (0x7Fu >> bytes);
    for (size_t i = 1; i < bytes; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
        code = code << 6 | (p[i] & 0x3Fu);
    }
    if (code < least[bytes] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
        return 0;
    *code_point = code;
    return bytes;
}

bool text_is_utf8(struct str text)
{
    uint32_t code;
    for (size_t i = 0, n; i < text.len; i += n) {
        n = utf8_char(text.p + i, text.len - i, &code);
        if (n == 0)
            return false;
    }
    return true;
}

/* Controls, soft hyphen, spaces other than ASCII's, marks of direction, joiners, byte order mark,
 * variation selectors, private use, non-characters. */
static bool is_invisible(uint32_t c)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = {{0, 0x1F},        {0x7F, 0xA0},     {0xAD, 0xAD},       {0x34F, 0x34F},
                  {0x61C, 0x61C},   {0x1680, 0x1680}, {0x180E, 0x180E},   {0x2000, 0x200F},
                  {0x2028, 0x202F}, {0x205F, 0x206F}, {0x3000, 0x3000},   {0x3164, 0x3164},
                  {0xE000, 0xF8FF}, {0xFE00, 0xFE0F}, {0xFEFF, 0xFEFF},   {0xFFA0, 0xFFA0},
                  {0xFFF0, 0xFFFB}, {0xFFFE, 0xFFFF}, {0xE0000, 0x10FFFF}};
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        if (c >= ranges[i].first && c <= ranges[i].last)
            return true;
    }
    return false;
}

static int show_code(uint32_t c, char out[16])
{
    if (c == '\t' || c == '\n' || c == '\r')
        return snprintf(out, 16, "\\%c", c == '\t' ? 't' : c == '\n' ? 'n' : 'r');
    return snprintf(out, 16, c > 0xFFFF ? "\\U%08" PRIx32 : "\\u%04" PRIx32, c);
}

void text_show(struct str text, char *out, size_t size)
{
    size_t len = 0;
    for (size_t i = 0, n; i < text.len; i += n) {
        char shown[16];
        uint32_t c;
        const char *from = text.p + i;
        n = utf8_char(from, text.len - i, &c);
        size_t bytes = n;
        if (n == 0 || is_invisible(c)) {
            bytes = (size_t)(n ? show_code(c, shown)
                               : snprintf(shown, sizeof shown, "\\x%02x", (uint8_t)*from));
            from = shown;
            n = n ? n : 1;
        }
        if (len + bytes >= size)
            break;
        memcpy(out + len, from, bytes);
        len += bytes;
    }
    out[len] = 0;
}
