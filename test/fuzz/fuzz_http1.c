/* HTTP/1.1 input: however it is cut, the same requests come out of it, and the same end. The first
 * byte says how it is cut. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "session_driver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct driver whole, cut;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    size_t step = 1 + data[0] % 32;
    driver_open(&whole, PROTOCOL_HTTP1);
    driver_open(&cut, PROTOCOL_HTTP1);
    whole.limits.h2c_upgrade = cut.limits.h2c_upgrade = true;
    driver_feed(&whole, data + 1, size - 1, 0);
    driver_feed(&cut, data + 1, size - 1, step);
    assert(whole.handled == cut.handled);
    assert(whole.broken == cut.broken);
    assert(whole.log_len == cut.log_len && memcmp(whole.log, cut.log, whole.log_len) == 0);
    /* The word to continue is left out when the body is there already. */
    if (!memmem(data, size, "100-", 4) && whole.session->ops == cut.session->ops &&
        !memmem(whole.out, whole.out_len, " 101 ", 5))
        assert(whole.out_len == cut.out_len && memcmp(whole.out, cut.out, cut.out_len) == 0);
    driver_close(&whole);
    driver_close(&cut);
    return 0;
}
