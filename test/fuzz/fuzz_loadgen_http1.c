/* Answers over HTTP/1.1, as the load generator reads them: however they are cut, the calls get the
 * same answers, and each gets one. The first byte says how they are cut, the second which calls
 * wait and whether the rest is a whole stream or only the body of a response. */
#include <stdio.h>

#include "loadgen_side.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct side whole, cut;
    enum { HEAD_MAX = 64, REFUSED = 0x80, ONLY_BODY = 0x80 };
    if (size < 2)
        return 0;
    size_t step = 1 + data[0] % 64;
    unsigned kinds = data[1] & 0x7F;
    size_t head = 0, body = size - 2;
    uint8_t *bytes = malloc(HEAD_MAX + size);
    if (!bytes)
        abort();
    if (data[1] & ONLY_BODY)
        head = (size_t)snprintf((char *)bytes, HEAD_MAX,
                                "HTTP/1.1 %d X\r\ncontent-length: %zu\r\n\r\n",
                                data[0] & REFUSED ? 409 : 200, body);
    memcpy(bytes + head, data + 2, body);
    side_run(&whole, &protocol_http1, kinds, bytes, head + body, SIZE_MAX);
    side_run(&cut, &protocol_http1, kinds, bytes, head + body, step);
    side_assert_same(&whole, &cut);
    free(bytes);
    return 0;
}
