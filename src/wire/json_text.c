/* The tokens of JSON. Happy path: a string without escapes is found eight bytes at a time and stays
 * where it is. Failure: what RFC 8259 does not allow, and what would be ambiguous here: zero bytes
 * and lone surrogates in strings, numbers that are not plain integers. */
#include "wire/json_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "wire/codec.h"

bool json_fail(struct json_text *j, const struct codec_path *path, const char *format, ...)
{
    char text[ERROR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    j->code = codec_fail(j->e, TLY_EINVALID_ARGUMENT, path, NULL, "%s", text);
    return false;
}

bool json_fail_syntax(struct json_text *j, const struct codec_path *path, const char *expected)
{
    size_t line = 1;
    const char *line_start = j->begin;
    for (const char *p = j->begin; p < j->p; p++) {
        if (*p == '\n') {
            line++;
            line_start = p + 1;
        }
    }
    return json_fail(j, path, "not JSON at line %zu, column %zu: expected %s, found %s", line,
                     (size_t)(j->p - line_start) + 1, expected, json_kind(j));
}

const char *json_kind(const struct json_text *j)
{
    if (j->p >= j->end)
        return "the end";
    switch (*j->p) {
    case '"':
        return "a string";
    case '{':
        return "an object";
    case '[':
        return "an array";
    case 't':
    case 'f':
        return "true or false";
    case 'n':
        return "null";
    case '-':
        return "a number";
    case ',':
    case ':':
    case ']':
    case '}':
        return "punctuation";
    default:
        return *j->p >= '0' && *j->p <= '9' ? "a number" : "something else";
    }
}

bool json_descend(struct json_text *j, const struct codec_path *path)
{
    if (j->depth == JSON_DEPTH_MAX)
        return json_fail(j, path, "must not be nested deeper than %d levels", JSON_DEPTH_MAX);
    j->depth++;
    return true;
}

bool json_word(struct json_text *j, const char *word)
{
    size_t size = strlen(word);
    if (size > (size_t)(j->end - j->p) || memcmp(j->p, word, size) != 0)
        return false;
    j->p += size;
    return true;
}

/* True if one of eight bytes ends a plain run: a quote, a backslash, a control character, or not
 * ASCII. May be true without need, never false in need. */
static inline bool must_look(uint64_t eight)
{
    const uint64_t ones = 0x0101010101010101u;
    const uint64_t tops = 0x8080808080808080u;
    uint64_t quote = eight ^ (ones * '"');
    uint64_t slash = eight ^ (ones * '\\');
    return ((eight - ones * 0x20) | (quote - ones) | (slash - ones) | eight) & tops;
}

static bool hex4(const char *p, const char *end, unsigned *out)
{
    unsigned n = 0;
    if (end - p < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        unsigned c = (unsigned char)p[i];
        if (c >= '0' && c <= '9')
            c -= '0';
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            c = (c | 0x20) - 'a' + 10;
        else
            return false;
        n = n << 4 | c;
    }
    *out = n;
    return true;
}

static char *put_utf8(char *out, unsigned c)
{
    if (c < 0x80) {
        *out++ = (char)c;
        return out;
    }
    if (c < 0x800) {
        *out++ = (char)(0xC0 | c >> 6);
    } else if (c < 0x10000) {
        *out++ = (char)(0xE0 | c >> 12);
        *out++ = (char)(0x80 | (c >> 6 & 0x3F));
    } else {
        *out++ = (char)(0xF0 | c >> 18);
        *out++ = (char)(0x80 | (c >> 12 & 0x3F));
        *out++ = (char)(0x80 | (c >> 6 & 0x3F));
    }
    *out++ = (char)(0x80 | (c & 0x3F));
    return out;
}

/* After "\u". Takes the second half of a surrogate pair too. */
static bool read_unicode(struct json_text *j, char **out, const struct codec_path *path)
{
    unsigned c;
    unsigned low;
    if (!hex4(j->p, j->end, &c))
        return json_fail_syntax(j, path, "four hexadecimal digits");
    if (c == 0)
        return json_fail(j, path, "must not contain a zero byte");
    j->p += 4;
    if (c >= 0xD800 && c < 0xE000) {
        bool pair = c < 0xDC00 && j->end - j->p >= 6 && j->p[0] == '\\' && j->p[1] == 'u' &&
                    hex4(j->p + 2, j->end, &low) && low >= 0xDC00 && low < 0xE000;
        if (!pair)
            return json_fail(j, path, "must not contain half a surrogate pair");
        c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
        j->p += 6;
    }
    *out = put_utf8(*out, c);
    return true;
}

/* After the backslash. */
static bool read_escape(struct json_text *j, char **out, const struct codec_path *path)
{
    static const char escapes[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    if (j->p < j->end && *j->p == 'u') {
        j->p++;
        return read_unicode(j, out, path);
    }
    const char *found = j->p < j->end ? memchr(escapes, *j->p, sizeof escapes - 1) : NULL;
    if (!found)
        return json_fail_syntax(j, path, "one of \"\\/bfnrtu after a backslash");
    *(*out)++ = meanings[found - escapes];
    j->p++;
    return true;
}

static bool fail_control(struct json_text *j, const struct codec_path *path)
{
    return json_fail(j, path, "must have its control characters escaped");
}

static bool fail_open(struct json_text *j, const struct codec_path *path)
{
    return json_fail_syntax(j, path, "'\"' at the end of a string");
}

/* The rest of a string from its first escape on; `begin` is where it started. */
static bool read_escaped(struct json_text *j, const char *begin, struct str *out,
                         const struct codec_path *path)
{
    /* What is written is never longer than what is read, so the room up to the closing quote is
     * enough; it is looked for first, so that an open string costs no memory. */
    const char *quote = j->p;
    while (quote < j->end && *quote != '"')
        quote += *quote == '\\' ? 2 : 1;
    if (quote >= j->end) {
        j->p = j->end;
        return fail_open(j, path);
    }
    char *copy = arena_alloc(j->arena, (size_t)(quote - begin));
    if (!copy) {
        j->code = codec_fail(j->e, TLY_ENO_MEMORY, path, NULL, "the string needs too much memory");
        return false;
    }
    char *to = copy + (j->p - begin);
    memcpy(copy, begin, (size_t)(j->p - begin));
    while (*j->p != '"') {
        if ((unsigned char)*j->p < 0x20)
            return fail_control(j, path);
        if (*j->p != '\\') {
            *to++ = *j->p++;
            continue;
        }
        j->p++;
        if (!read_escape(j, &to, path))
            return false;
    }
    j->p++;
    *out = (struct str){copy, (uint32_t)(to - copy)};
    return true;
}

bool json_take_string(struct json_text *j, struct str *out, const struct codec_path *path)
{
    const char *begin = ++j->p;
    const char *p = begin;
    bool ascii = true;
    for (;;) {
        uint64_t eight;
        while (j->end - p >= 8) {
            memcpy(&eight, p, 8);
            if (must_look(eight))
                break;
            p += 8;
        }
        size_t n = j->end - p < 8 ? (size_t)(j->end - p) : 8;
        for (; n > 0; n--, p++) {
            unsigned char c = (unsigned char)*p;
            if (c == '"' || c == '\\' || c < 0x20)
                goto stop;
            ascii = ascii && c < 0x80;
        }
        if (p == j->end)
            break;
    }
stop:
    j->p = p;
    if (p < j->end && *p == '\\') {
        if (!read_escaped(j, begin, out, path))
            return false;
        ascii = false;
    } else if (p < j->end && *p == '"') {
        *out = (struct str){begin, (uint32_t)(p - begin)};
        j->p++;
    } else {
        return p < j->end ? fail_control(j, path) : fail_open(j, path);
    }
    if (!ascii && !utf8_valid(*out))
        return json_fail(j, path, "must be valid UTF-8");
    return true;
}

bool json_take_integer(struct json_text *j, struct json_integer *out, const struct codec_path *path)
{
    const char *p = j->p;
    bool negative = p < j->end && *p == '-';
    if (negative)
        p++;
    if (p >= j->end || *p < '0' || *p > '9') {
        if (negative)
            return json_fail_syntax(j, path, "a digit after '-'");
        return json_fail(j, path, "must be a whole number, not %s", json_kind(j));
    }
    const char *first = p;
    uint64_t n = 0;
    bool overflow = false;
    for (; p < j->end && *p >= '0' && *p <= '9'; p++) {
        unsigned digit = (unsigned)(*p - '0');
        overflow = overflow || __builtin_mul_overflow(n, (uint64_t)10, &n) ||
                   __builtin_add_overflow(n, (uint64_t)digit, &n);
    }
    if (p - first > 1 && *first == '0')
        return json_fail(j, path, "must be a whole number without leading zeros");
    if (p < j->end && (*p == '.' || *p == 'e' || *p == 'E'))
        return json_fail(j, path, "must be a whole number, without fraction or exponent");
    if (negative && n == 0)
        return json_fail(j, path, "must be a whole number; write 0 for -0");
    if (overflow)
        return json_fail(j, path, "is a number of more than 64 bits");
    *out = (struct json_integer){n, negative};
    j->p = p;
    return true;
}
