#include "session_driver.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_gone(struct exchange *x)
{
    struct driver *d = x->service;
    d->gone++;
}

static void log_add(struct driver *d, struct str text)
{
    if (text.len > DRIVER_TEXT_MAX - d->log_len - 1)
        return;
    if (text.len)
        memcpy(d->log + d->log_len, text.p, text.len);
    d->log_len += text.len;
    d->log[d->log_len] = 0;
}

static void log_exchange(struct driver *d, const struct exchange *x)
{
    log_add(d, x->method_text);
    log_add(d, STR(" "));
    log_add(d, x->path);
    log_add(d, STR("?"));
    log_add(d, x->query);
    for (int i = 0; i < HEADER_COUNT; i++) {
        if (!x->headers[i].p)
            continue;
        log_add(d, STR(" ["));
        log_add(d, x->headers[i]);
        log_add(d, STR("]"));
    }
    log_add(d, STR(" "));
    log_add(d, x->body);
    log_add(d, STR("\n"));
}

void driver_answer(struct driver *d, struct exchange *x)
{
    struct response r = {.status = 200, .content_type = STR("text/plain")};
    size_t size = (size_t)x->method_text.len + x->path.len + x->query.len + x->body.len + 4;
    char *text = arena_alloc(&x->arena, size);
    (void)d;
    if (text) {
        int n = snprintf(text, size, "%.*s %.*s %.*s", STR_ARG(x->method_text), STR_ARG(x->path),
                         STR_ARG(x->body));
        r.body = (struct str){text, (uint32_t)n};
    }
    exchange_respond(x, &r);
}

static void handle(void *context, struct exchange *x)
{
    struct driver *d = context;
    d->handled++;
    log_exchange(d, x);
    x->service = d;
    x->on_gone = on_gone;
    if (str_equal(x->path, STR("/stream")))
        x->on_data = d->on_data;
    if (!d->keep) {
        driver_answer(d, x);
        return;
    }
    assert(d->kept_count < DRIVER_KEPT_MAX);
    d->kept[d->kept_count++] = x;
}

static bool wants_stream(void *context, const struct exchange *x)
{
    const struct driver *d = context;
    return d->wants_stream && str_equal(x->path, STR("/stream"));
}

static void need(void *context, const struct exchange *x, struct exchange_need *out)
{
    const struct driver *d = context;
    *out = d->need;
    out->vital = str_equal(x->path, STR("/vital"));
}

static void want_write(void *connection)
{
    struct driver *d = connection;
    d->wanted++;
}

void driver_open(struct driver *d, enum protocol protocol)
{
    *d = (struct driver){
        .limits = {.header_line_max = 512,
                   .header_bytes_max = 2048,
                   .header_count_max = 20,
                   .target_max = 256,
                   .body_max = 4096,
                   .streams_max = 100,
                   .stream_buffer_max = 4096,
                   .output_max = 1 << 16},
    };
    d->handler = (struct exchange_handler){d, handle, wants_stream, need};
    d->need = (struct exchange_need){.bytes = 1000, .wait_ms = 800};
    budget_init(&d->budget, 64 << 20, NULL);
    d->date = STR("Sun, 22 Nov 2026 10:00:00 GMT");
    d->log = calloc(1, DRIVER_TEXT_MAX);
    d->out = malloc(DRIVER_TEXT_MAX);
    d->host = (struct session_host){.limits = &d->limits,
                                    .handler = &d->handler,
                                    .pool = wire_pool_create(),
                                    .want_write = want_write,
                                    .now_ns = 1000,
                                    .budget = &d->budget,
                                    .date = &d->date};
    assert(d->log && d->out && d->host.pool);
    d->session = protocol == PROTOCOL_HTTP1 ? http1_session_create(&d->host, d)
                                            : http2_session_create(&d->host, d);
    assert(d->session);
}

void driver_hang_up(struct driver *d)
{
    if (d->session)
        d->session->ops->close(d->session);
    d->session = NULL;
}

void driver_close(struct driver *d)
{
    driver_hang_up(d);
    for (size_t i = 0; i < d->kept_count; i++) {
        struct exchange *x = d->kept[i];
        if (!x)
            continue;
        if (x->answered)
            x->ops->stream_end(x, NULL, 0);
        else
            driver_answer(d, x);
    }
    assert(wire_pool_blocks(d->host.pool) == 0);
    assert(d->budget.used == 0 && d->budget.vital_used == 0);
    wire_pool_destroy(d->host.pool);
    free(d->log);
    free(d->out);
}

void driver_pull(struct driver *d)
{
    uint8_t buffer[4096];
    for (;;) {
        size_t n = d->session->ops->pull(d->session, buffer, sizeof(buffer));
        assert(n <= sizeof(buffer));
        size_t room = DRIVER_TEXT_MAX - d->out_len - 1;
        memcpy(d->out + d->out_len, buffer, n < room ? n : room);
        d->out_len += n < room ? n : room;
        if (n < sizeof(buffer) / 2)
            return;
    }
}

static void change_session(struct driver *d)
{
    struct session *next = d->session->successor;
    driver_pull(d);
    d->session->ops->close(d->session);
    d->session = next;
}

static void feed_piece(struct driver *d, const uint8_t *data, size_t size)
{
    size_t done = 0;
    bool again;
    do {
        size_t taken = 0;
        again = false;
        if (d->session->ops->feed(d->session, data + done, size - done, &taken))
            d->broken = true;
        done += taken;
        if (d->session->successor) {
            change_session(d);
            again = true;
        } else {
            driver_pull(d);
            again = done < size && taken > 0;
        }
    } while (again && !d->broken);
}

void driver_feed(struct driver *d, const void *data, size_t size, size_t step)
{
    const uint8_t *p = data;
    for (size_t i = 0; i < size && !d->broken; i += step) {
        if (step == 0 || step > size - i)
            step = size - i;
        feed_piece(d, p + i, step);
    }
}

const char *driver_out(struct driver *d)
{
    d->out[d->out_len] = 0;
    return (const char *)d->out;
}
