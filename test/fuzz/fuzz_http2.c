/* HTTP/2 input behind the preface. The first byte says how it is cut, the second how requests are
 * answered: at once, later and in reverse, or as a stream. Nothing is lost, whatever comes. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "session_driver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct driver d;

static void on_data(struct exchange *x, const void *data, size_t size, bool end)
{
    (void)end;
    if (x->answered && !x->gone && size)
        (void)x->ops->stream_write(x, data, size);
}

static void answer_kept(bool stream)
{
    while (d.kept_count) {
        struct exchange *x = d.kept[--d.kept_count];
        if (!stream) {
            driver_answer(&d, x);
            continue;
        }
        struct response r = {.status = 200, .content_type = STR("application/grpc")};
        struct header trailer = {STR("grpc-status"), STR("0")};
        x->ops->stream_open(x, &r);
        (void)x->ops->stream_write(x, "0123456789", 10);
        x->ops->stream_end(x, &trailer, 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    if (size < 2)
        return 0;
    size_t step = data[0] % 64;
    uint8_t mode = data[1] % 4;
    driver_open(&d, PROTOCOL_HTTP2);
    d.wants_stream = true;
    d.on_data = on_data;
    d.keep = mode != 0;
    driver_feed(&d, preface, sizeof(preface) - 1, 0);
    data += 2;
    size -= 2;
    size_t half = size / 2;
    driver_feed(&d, data, half, step);
    if (mode >= 2)
        answer_kept(mode == 3);
    driver_feed(&d, data + half, size - half, step);
    driver_pull(&d);
    if (size % 2)
        driver_hang_up(&d);
    answer_kept(mode == 3);
    if (d.session)
        driver_pull(&d);
    driver_close(&d);
    return 0;
}
