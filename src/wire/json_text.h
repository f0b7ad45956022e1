/* json_text.h - the tokens of RFC 8259, read in place.
 *
 * Functions that return bool return false when the text is wrong; then code and the error are set.
 */
#ifndef TALLY_WIRE_JSON_TEXT_H
#define TALLY_WIRE_JSON_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "wire/codec_message.h"

struct json_text {
    const char *begin;
    const char *p;
    const char *end;
    struct arena *arena;
    struct error *e;
    int code;
    unsigned depth;
};

struct json_integer {
    uint64_t magnitude;
    bool negative;
};

static inline void json_space(struct json_text *j)
{
    while (j->p < j->end && (*j->p == ' ' || *j->p == '\n' || *j->p == '\r' || *j->p == '\t'))
        j->p++;
}

/* Skips space and takes `c` if it comes next. */
static inline bool json_accept(struct json_text *j, char c)
{
    json_space(j);
    if (j->p >= j->end || *j->p != c)
        return false;
    j->p++;
    return true;
}

static inline bool json_ascend(struct json_text *j)
{
    j->depth--;
    return true;
}

bool json_descend(struct json_text *j, const struct codec_path *path);
/* Takes true, false or null if it comes next. */
bool json_word(struct json_text *j, const char *word);
/* At the opening quote. The result lies in the text, or in the arena if it had escapes. */
bool json_take_string(struct json_text *j, struct str *out, const struct codec_path *path);
/* A number without fraction or exponent; -0 and leading zeros are refused. */
bool json_take_integer(struct json_text *j, struct json_integer *out,
                       const struct codec_path *path);

/* "a string", "a number", ...: what comes next, for an error's text. */
const char *json_kind(const struct json_text *j);
/* Both return false. */
bool json_fail(struct json_text *j, const struct codec_path *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool json_fail_syntax(struct json_text *j, const struct codec_path *path, const char *expected);

#endif
