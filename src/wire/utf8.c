/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#include <string.h>

#include "wire/codec.h"

static bool tail(unsigned char c)
{
    return (c & 0xC0) == 0x80;
}

/* Bytes of the character at p, or 0 if it is none. */
static size_t character(const unsigned char *p, size_t room)
{
    unsigned char c = p[0];
    if (c < 0x80)
        return 1;
    if (c < 0xC2)
        return 0;
    if (c < 0xE0)
        return room >= 2 && tail(p[1]) ? 2 : 0;
    if (c < 0xF0) {
        if (room < 3 || !tail(p[1]) || !tail(p[2]))
            return 0;
        bool overlong = c == 0xE0 && p[1] < 0xA0;
        bool surrogate = c == 0xED && p[1] >= 0xA0;
        return overlong || surrogate ? 0 : 3;
    }
    if (c > 0xF4 || room < 4 || !tail(p[1]) || !tail(p[2]) || !tail(p[3]))
        return 0;
    bool overlong = c == 0xF0 && p[1] < 0x90;
    bool beyond = c == 0xF4 && p[1] >= 0x90;
    return overlong || beyond ? 0 : 4;
}

bool utf8_valid(struct str text)
{
    const unsigned char *p = (const unsigned char *)text.p;
    size_t left = text.len;
    while (left > 0) {
        uint64_t eight;
        if (left >= sizeof eight) {
            memcpy(&eight, p, sizeof eight);
            if (!(eight & 0x8080808080808080u)) {
                p += sizeof eight;
                left -= sizeof eight;
                continue;
            }
        }
        size_t n = character(p, left);
        if (n == 0)
            return false;
        p += n;
        left -= n;
    }
    return true;
}
