/* str.h - a borrowed piece of text: pointer and length, not terminated, not owned. */
#ifndef TALLY_BASE_STR_H
#define TALLY_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *p;
    uint32_t len;
};

#define STR(literal) ((struct str){(literal), (uint32_t)(sizeof(literal) - 1)})

/* For printf's "%.*s". */
#define STR_ARG(s) (int)(s).len, (s).p

static inline struct str str_of(const char *text)
{
    return (struct str){text, text ? (uint32_t)strlen(text) : 0};
}

static inline bool str_equal(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

static inline bool str_empty(struct str s)
{
    return s.len == 0;
}

#endif
