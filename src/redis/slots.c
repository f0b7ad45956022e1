/* slots.c - see slots.h. Pure; it cannot fail. */
#include "redis/slots.h"

#include <string.h>

/* Bit by bit over a nibble's table: keys are short, and 32 bytes stay in the cache. */
uint16_t slot_crc16(struct str text)
{
    static const uint16_t of_nibble[16] = {
        0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7,
        0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef,
    };
    uint16_t crc = 0;
    for (uint32_t i = 0; i < text.len; i++) {
        uint8_t byte = (uint8_t)text.p[i];
        crc = (uint16_t)((crc << 4) ^ of_nibble[(crc >> 12) ^ (byte >> 4)]);
        crc = (uint16_t)((crc << 4) ^ of_nibble[(crc >> 12) ^ (byte & 15)]);
    }
    return crc;
}

uint16_t slot_of_key(struct str key)
{
    const char *open = key.len ? memchr(key.p, '{', key.len) : NULL;
    if (open) {
        uint32_t begin = (uint32_t)(open - key.p) + 1;
        const char *close = memchr(key.p + begin, '}', key.len - begin);
        if (close && close > key.p + begin)
            key = (struct str){key.p + begin, (uint32_t)(close - key.p) - begin};
    }
    return slot_crc16(key) % REDIS_SLOTS;
}
