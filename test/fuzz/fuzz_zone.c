/* Files of time zones, and the rules that they end with: what does not begin as such a file does is
 * taken as the rule of one. Whatever is accepted tells a day at any time, close to that of UTC.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/zone.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { DAY_S = 86400, OFFSET_MAX = 26 * 3600, FRAME_BYTES = 2 * 44 + 2 * 6 + 2 };

static int64_t floor_by(int64_t n, int64_t by)
{
    return n / by - (n % by < 0);
}

static void look(const struct zone *z, int64_t seconds)
{
    int64_t until_ms, now_ms = seconds * 1000 + 7;
    int32_t offset = zone_offset(z, seconds);
    int32_t day = zone_day(z, now_ms, &until_ms);
    assert(offset > -OFFSET_MAX && offset < OFFSET_MAX);
    assert(day == floor_by(seconds + offset, DAY_S));
    assert(until_ms > now_ms && until_ms <= now_ms + 60000);
}

/* A file without transitions, of one type, that ends with this rule. */
static size_t frame(const uint8_t *rule, size_t size, uint8_t *out)
{
    uint8_t *p = out;
    for (int block = 0; block < 2; block++) {
        static const uint8_t header[44] = {'T', 'Z', 'i', 'f', '2', [39] = 1};
        memcpy(p, header, sizeof header);
        p += sizeof header;
        memset(p, 0, 6);
        p += 6;
    }
    *p++ = '\n';
    memcpy(p, rule, size);
    p += size;
    *p++ = '\n';
    return (size_t)(p - out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct zone *z = NULL;
    uint8_t *framed = NULL;
    if (size < 4 || memcmp(data, "TZif", 4) != 0) {
        framed = malloc(FRAME_BYTES + size);
        if (!framed)
            abort();
        size = frame(data, size, framed);
        data = framed;
    }
    int code = zone_parse(&z, data, size);
    assert((code == 0) == (z != NULL));
    if (z) {
        /* Some years from 1970 on, the ends of what is told, and what the input may be about. */
        for (int64_t month = 0; month < 120; month++)
            look(z, month * 91 * DAY_S - month % 7);
        look(z, INT64_C(-12212553600));
        look(z, INT64_C(253402300799));
        for (size_t at = 88; at + 8 <= size && at < 600; at += 4) {
            uint64_t n = 0;
            for (size_t i = 0; i < 8; i++)
                n = n << 8 | data[at + i];
            int64_t seconds = (int64_t)n % INT64_C(200000000000);
            look(z, seconds);
            look(z, seconds - 1);
        }
    }
    zone_close(z);
    free(framed);
    return 0;
}
