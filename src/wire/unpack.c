/* unpack.c - a complete request's body without its compression: gzip as Content-Encoding over HTTP,
 * and as grpc-encoding of the one message of a gRPC call. Any other coding is left to the service,
 * which names those that are taken.
 *
 * What comes out is appended to a new body, so that every limit and charge of a body holds for it.
 * The old one stays in the arena.
 */
#include <string.h>

#include "wire/gzip.h"
#include "wire/http_common.h"
#include "wire/http_text.h"

enum { GRPC_HEAD = 5 };

struct unpacking {
    struct session_host *host;
    struct session *session;
    struct exchange *x;
    size_t room;
};

static int append(void *context, const void *data, size_t size)
{
    struct unpacking *u = context;
    return exchange_add_body(u->host, u->session, u->x, data, size, 0, &u->room);
}

static bool is_gzip(struct str coding)
{
    return text_equal_fold(coding, "gzip") || text_equal_fold(coding, "x-gzip");
}

/* The length that stands in front of a gRPC message. */
static uint32_t announced(const char *head)
{
    const uint8_t *p = (const uint8_t *)head;
    return (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4];
}

/* 0, or an error; the whole message, or nothing of it, was compressed. */
static int unpack_message(struct unpacking *u, struct str body)
{
    static const char head[GRPC_HEAD] = {0};
    struct str message = {body.p + GRPC_HEAD, body.len - GRPC_HEAD};
    u->x->body = (struct str){0};
    int code = append(u, head, GRPC_HEAD);
    if (code == 0)
        code = gzip_decode_to(message, append, u, NULL);
    if (code)
        return code;
    uint32_t size = u->x->body.len - GRPC_HEAD;
    char *p = (char *)(uintptr_t)u->x->body.p;
    for (int i = 0; i < 4; i++)
        p[1 + i] = (char)(size >> (24 - 8 * i));
    return 0;
}

static int unpack(struct unpacking *u)
{
    struct exchange *x = u->x;
    struct str body = x->body;
    if (!x->headers[HEADER_grpc_encoding].len && !x->headers[HEADER_content_encoding].len)
        return 0;
    if (x->protocol == PROTOCOL_HTTP2 && media_is_grpc(x->headers[HEADER_content_type])) {
        bool packed = body.len >= GRPC_HEAD && body.p[0] == 1 &&
                      announced(body.p) == body.len - GRPC_HEAD &&
                      is_gzip(x->headers[HEADER_grpc_encoding]);
        return packed ? unpack_message(u, body) : 0;
    }
    if (!body.len || !is_gzip(x->headers[HEADER_content_encoding]))
        return 0;
    x->headers[HEADER_content_encoding] = (struct str){0};
    x->body = (struct str){0};
    return gzip_decode_to(body, append, u, NULL);
}

int exchange_unpack(struct session_host *host, struct session *s, struct exchange *x,
                    struct refusal *refusal)
{
    struct unpacking u = {.host = host, .session = s, .x = x};
    int code = unpack(&u);
    if (code == TLY_EINVALID_ARGUMENT)
        *refusal = (struct refusal){code, "the content is not gzip, or is damaged"};
    else if (code)
        *refusal = body_refusal(code);
    return code;
}
