/* JSON (RFC 8259), read from front to back. Texts lie in the input; those with escapes are written
 * anew to the spare room of the scanner, and if it is too small the scanner is broken. Depth is
 * bounded. UTF-8 is not checked: texts are compared with what was sent, or skipped.
 */
#include "loadgen/json_scan.h"

void json_start(struct json_scan *j, const void *bytes, size_t size)
{
    j->at = size ? bytes : ""; /* no bytes may be NULL */
    j->end = j->at + size;
    j->broken = j->first = false;
    j->depth = 0;
    j->spare_used = 0;
}

void json_forget(struct json_scan *j)
{
    j->spare_used = 0;
}

static bool fail(struct json_scan *j)
{
    j->broken = true;
    return false;
}

/* The next character that is no space; 0 at the end. */
static inline char peek(struct json_scan *j)
{
    while (j->at < j->end && (*j->at == ' ' || *j->at == '\n' || *j->at == '\r' || *j->at == '\t'))
        j->at++;
    return j->at < j->end ? *j->at : 0;
}

static inline bool take(struct json_scan *j, char c)
{
    if (j->broken || peek(j) != c)
        return fail(j);
    j->at++;
    return true;
}

bool json_end(struct json_scan *j)
{
    return !j->broken && j->depth == 0 && peek(j) == 0 && j->at == j->end;
}

static bool enter(struct json_scan *j, char c)
{
    if (!take(j, c) || j->depth == JSON_DEPTH_MAX)
        return fail(j);
    j->depth++;
    j->first = true;
    return true;
}

/* To the next element: over the comma, or out at `close`. */
static bool next(struct json_scan *j, char close)
{
    if (j->broken)
        return false;
    bool first = j->first;
    j->first = false;
    if (peek(j) == close) {
        j->at++;
        j->depth--;
        return false;
    }
    return first || take(j, ',');
}

bool json_enter_object(struct json_scan *j)
{
    return enter(j, '{');
}

bool json_enter_array(struct json_scan *j)
{
    return enter(j, '[');
}

bool json_element(struct json_scan *j)
{
    return next(j, ']');
}

static bool hex4(const struct json_scan *j, const char *at, uint32_t *out)
{
    uint32_t n = 0;
    if (j->end - at < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        uint32_t digit;
        if (c >= '0' && c <= '9')
            digit = (uint32_t)(c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            digit = (uint32_t)((c | 0x20) - 'a') + 10;
        else
            return false;
        n = n << 4 | digit;
    }
    *out = n;
    return true;
}

/* What follows a backslash at `*at`, in UTF-8; its size, 0 if it is no escape. */
static size_t escape(const struct json_scan *j, const char **at, char out[4])
{
    static const char letters[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
    uint32_t n, low;
    if (*at == j->end)
        return 0;
    char c = *(*at)++;
    for (size_t i = 0; i < sizeof letters - 1; i += 2) {
        if (letters[i] == c) {
            out[0] = letters[i + 1];
            return 1;
        }
    }
    if (c != 'u' || !hex4(j, *at, &n))
        return 0;
    *at += 4;
    if (n >= 0xDC00 && n < 0xE000)
        return 0; /* the second half of a pair, alone */
    if (n >= 0xD800 && n < 0xDC00) {
        if (j->end - *at < 6 || (*at)[0] != '\\' || (*at)[1] != 'u' || !hex4(j, *at + 2, &low) ||
            low < 0xDC00 || low >= 0xE000)
            return 0;
        *at += 6;
        n = 0x10000 + ((n - 0xD800) << 10) + (low - 0xDC00);
    }
    if (n < 0x80) {
        out[0] = (char)n;
        return 1;
    }
    size_t size = n < 0x800 ? 2 : n < 0x10000 ? 3 : 4;
    for (size_t i = size - 1; i > 0; i--, n >>= 6)
        out[i] = (char)(0x80 | (n & 0x3F));
    out[0] = (char)((0xF00u >> size) | n);
    return size;
}

/* From the first backslash on; `out` is NULL if nobody wants it. */
static bool text_with_escapes(struct json_scan *j, const char *start, struct str *out)
{
    const char *at = start;
    uint32_t begin = j->spare_used, used = begin;
    while (at < j->end && *at != '"') {
        char bytes[4] = {*at};
        size_t size = 1;
        if ((unsigned char)*at < 0x20)
            return fail(j);
        if (*at++ == '\\' && (size = escape(j, &at, bytes)) == 0)
            return fail(j);
        if (!out)
            continue;
        if (size > JSON_SPARE_SIZE - used)
            return fail(j);
        memcpy(j->spare + used, bytes, size);
        used += (uint32_t)size;
    }
    if (at == j->end)
        return fail(j);
    j->at = at + 1;
    if (out)
        *out = (struct str){j->spare + begin, used - begin};
    j->spare_used = used;
    return true;
}

static bool text(struct json_scan *j, struct str *out)
{
    if (!take(j, '"'))
        return false;
    const char *start = j->at, *at = start;
    while (at < j->end && *at != '"' && *at != '\\' && (unsigned char)*at >= 0x20)
        at++;
    if (at < j->end && *at == '\\')
        return text_with_escapes(j, start, out);
    if (at == j->end || *at != '"')
        return fail(j);
    if (out)
        *out = (struct str){start, (uint32_t)(at - start)};
    j->at = at + 1;
    return true;
}

static bool word(struct json_scan *j, struct str expected)
{
    if ((size_t)(j->end - j->at) < expected.len || memcmp(j->at, expected.p, expected.len) != 0)
        return fail(j);
    j->at += expected.len;
    return true;
}

bool json_member(struct json_scan *j, struct str *name)
{
    *name = (struct str){0};
    return next(j, '}') && text(j, name) && take(j, ':');
}

bool json_text(struct json_scan *j, struct str *out)
{
    *out = (struct str){0};
    if (j->broken)
        return false;
    return peek(j) == 'n' ? word(j, STR("null")) : text(j, out);
}

static bool is_digit(const struct json_scan *j, const char *at)
{
    return at < j->end && *at >= '0' && *at <= '9';
}

bool json_number(struct json_scan *j, int64_t *out)
{
    int64_t n = 0;
    *out = 0;
    if (j->broken)
        return false;
    if (peek(j) == 'n')
        return word(j, STR("null"));
    bool negative = j->at < j->end && *j->at == '-';
    const char *start = j->at + negative;
    const char *at = start;
    /* Counted downwards, since there is one negative number more than positive ones. */
    for (; is_digit(j, at); at++)
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_sub_overflow(n, *at - '0', &n))
            return fail(j);
    if (at == start || (*start == '0' && at - start > 1) || (!negative && n == INT64_MIN))
        return fail(j);
    if (at < j->end && (*at == '.' || *at == 'e' || *at == 'E'))
        return fail(j);
    j->at = at;
    *out = negative ? n : -n;
    return true;
}

bool json_truth(struct json_scan *j, bool *out)
{
    *out = false;
    if (j->broken)
        return false;
    char c = peek(j);
    if (c == 'n')
        return word(j, STR("null"));
    *out = c == 't';
    if (!word(j, *out ? STR("true") : STR("false"))) {
        *out = false;
        return false;
    }
    return true;
}

/* Any number, also with a fraction and an exponent. */
static bool skip_number(struct json_scan *j)
{
    const char *at = j->at + (*j->at == '-');
    if (!is_digit(j, at))
        return fail(j);
    if (*at == '0')
        at++;
    else
        while (is_digit(j, at))
            at++;
    if (at < j->end && *at == '.') {
        if (!is_digit(j, ++at))
            return fail(j);
        while (is_digit(j, at))
            at++;
    }
    if (at < j->end && (*at == 'e' || *at == 'E')) {
        at++;
        at += at < j->end && (*at == '+' || *at == '-');
        if (!is_digit(j, at))
            return fail(j);
        while (is_digit(j, at))
            at++;
    }
    j->at = at;
    return true;
}

static bool skip_plain(struct json_scan *j)
{
    switch (peek(j)) {
    case '"':
        return text(j, NULL);
    case 't':
        return word(j, STR("true"));
    case 'f':
        return word(j, STR("false"));
    case 'n':
        return word(j, STR("null"));
    default:
        return j->at < j->end ? skip_number(j) : fail(j);
    }
}

bool json_skip(struct json_scan *j)
{
    if (j->broken)
        return false;
    char c = peek(j);
    if (c == '{') {
        json_enter_object(j);
        while (next(j, '}'))
            if (!text(j, NULL) || !take(j, ':') || !json_skip(j))
                return false;
        return !j->broken;
    }
    if (c == '[') {
        json_enter_array(j);
        while (json_element(j))
            if (!json_skip(j))
                return false;
        return !j->broken;
    }
    return skip_plain(j);
}
