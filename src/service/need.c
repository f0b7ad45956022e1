/* need.c - how much memory a request will take until it is answered.
 *
 * Happy path: the route tells the kind, the request its size. These are bounds that were measured
 * (test/unit/service/test_need.c holds them against what is really taken). A request that will be
 * refused needs no more than a small one.
 */
#include "service/service_internal.h"

enum {
    PAGE_SIZE_DEFAULT = 100,
    SMALL_BYTES = 1024,      /* a usual answer, with the beginning of its arena */
    LOT_BYTES = 2432,        /* a lot of a page: as the engine's, as a message, as JSON */
    BODY_GROWTH = 16,        /* texts are decoded, kept, and given back in the answer */
    LINE_BYTES = 640,        /* a line of an order: as asked, at the gate, as allocated */
    ORDER_BYTES = 4352,      /* an order of a batch without its lines, and its outcome */
    ORDER_JSON_BYTES = 5888, /* ... as JSON */
    RECORD_BYTES = 16 << 10, /* a reservation with its moves */
    METRICS_BYTES = 256 << 10,
    HEALTH_BYTES = 4096,
};

/* Parts of a message, by their tags on the wire (api/tally.proto). */
enum { TAG_BATCH_ORDERS = 0x0a, TAG_ORDER_LINES = 0x1a };

static int64_t page_size(const struct origin *o)
{
    enum { SCRATCH_BYTES = 1024 };
    char buffer[SCRATCH_BYTES];
    struct arena scratch;
    ProtobufCMessage *m;
    struct error e;
    arena_init(&scratch, buffer, sizeof buffer, 64 * SCRATCH_BYTES);
    int code = request_message(o, o->route->request, &scratch, &m, &e);
    int64_t size = code ? 0 : ((Tally__V1__ListLotsRequest *)m)->page_size;
    arena_close(&scratch);
    if (code || size < 0 || size > PAGE_SIZE_MAX)
        return 0;
    return size ? size : PAGE_SIZE_DEFAULT;
}

struct counts {
    size_t orders, lines;
};

bool proto_next_field(struct str *rest, uint64_t *tag, struct str *held)
{
    uint64_t number[2] = {0, 0};
    uint32_t at = 0;
    const uint8_t *p = (const uint8_t *)rest->p;
    if (rest->len >= 2 && p[0] < 0x80 && (p[0] & 7) == 2 && p[1] <= rest->len - 2u &&
        p[1] < 0x80) { /* as most are */
        *tag = p[0];
        *held = (struct str){rest->p + 2, p[1]};
        *rest = (struct str){rest->p + 2 + p[1], rest->len - 2 - p[1]};
        return true;
    }
    for (unsigned i = 0; i < 2; i++) {
        for (unsigned shift = 0;; shift += 7) {
            if (at == rest->len || shift > 63)
                return false;
            uint8_t byte = (uint8_t)rest->p[at++];
            number[i] |= (uint64_t)(byte & 0x7f) << shift;
            if (byte < 0x80)
                break;
        }
    }
    *tag = number[0];
    *held = (struct str){rest->p + at, 0};
    if ((number[0] & 7) == 2) {
        if (number[1] > rest->len - at)
            return false;
        held->len = (uint32_t)number[1];
    } else if ((number[0] & 7) != 0) {
        return false;
    }
    at += held->len;
    *rest = (struct str){rest->p + at, rest->len - at};
    return true;
}

static size_t count_parts(struct str message, uint64_t wanted, size_t *inner)
{
    size_t count = 0;
    uint64_t tag;
    struct str held;
    while (proto_next_field(&message, &tag, &held)) {
        if (tag != wanted)
            continue;
        count++;
        if (inner)
            *inner += count_parts(held, TAG_ORDER_LINES, NULL);
    }
    return count;
}

static struct counts count_grpc(struct str body, bool batch)
{
    enum { HEAD_BYTES = 5 };
    struct counts n = {1, 0};
    if (body.len < HEAD_BYTES)
        return n;
    struct str message = {body.p + HEAD_BYTES, body.len - HEAD_BYTES};
    if (batch)
        n.orders = count_parts(message, TAG_BATCH_ORDERS, &n.lines);
    else
        n.lines = count_parts(message, TAG_ORDER_LINES, NULL);
    return n;
}

/* Every order and every line is an object, and an order has a line at least. */
static struct counts count_json(struct str body, bool batch)
{
    size_t braces = 0;
    for (uint32_t i = 0; i < body.len; i++)
        braces += body.p[i] == '{';
    if (!batch)
        return (struct counts){1, braces};
    size_t orders = braces / 2 < ORDER_BATCH_MAX ? braces / 2 : ORDER_BATCH_MAX;
    return (struct counts){orders, braces - orders};
}

static size_t orders_bytes(const struct origin *o, struct str body, bool batch)
{
    struct counts n = o->grpc ? count_grpc(body, batch) : count_json(body, batch);
    size_t bytes = n.lines * LINE_BYTES + (size_t)body.len * BODY_GROWTH;
    if (batch)
        bytes += n.orders * (o->grpc ? ORDER_BYTES : ORDER_JSON_BYTES);
    return bytes;
}

static size_t bytes_of(const struct origin *o, const struct exchange *x)
{
    size_t call = sizeof(struct call) + SMALL_BYTES;
    switch (o->route->call) {
    case CALL_LIST_LOTS:
        return call + (size_t)page_size(o) * LOT_BYTES;
    case CALL_RESERVE_BATCH:
        return call + orders_bytes(o, x->body, true);
    case CALL_RESERVE:
        return call + orders_bytes(o, x->body, false);
    case CALL_GET_RESERVATION:
        return call + RECORD_BYTES;
    case CALL_METRICS:
        return call + METRICS_BYTES;
    case CALL_HEALTH:
        return HEALTH_BYTES;
    default:
        return call + (size_t)x->body.len * BODY_GROWTH;
    }
}

void service_need(void *context, const struct exchange *x, struct exchange_need *need)
{
    struct service *s = context;
    char allow[64];
    struct error e;
    s->found = (struct origin){.exchange = (struct exchange *)(uintptr_t)x};
    s->found_for = NULL;
    need->wait_ms = s->host.settings->request_timeout_ms;
    if (route_find(x, &s->found, allow, &e)) {
        need->bytes = HEALTH_BYTES;
        return;
    }
    s->found_for = x;
    need->vital = s->found.route->vital;
    need->bytes = bytes_of(&s->found, x);
}
