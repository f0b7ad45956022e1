/* need.c - how much memory a request will take until it is answered.
 *
 * Happy path: the route tells the kind, the request its size. These are bounds that were measured
 * (test/unit/service/test_need.c holds them against what is really taken). A request that will be
 * refused needs no more than a small one.
 */
#include <string.h>

#include "service/service_internal.h"

enum {
    PAGE_SIZE_DEFAULT = 100,
    SMALL_BYTES = 1024,      /* a usual answer, with the beginning of its arena */
    LOT_BYTES = 3712,        /* a lot of a page: as the engine's, as a message, as JSON */
    SALE_BYTES = 104 << 10,  /* a sale with as many lots as there may be, in all its forms */
    PLACE_BYTES = 10 << 10,  /* a place in a line, with the sale that it is looked up in */
    LISTED_BYTES = 62 << 10, /* a reservation of a page, with as many lines as there may be */
    /* What is to be told of a reservation whose lines are not in the request: as many as people
     * have. What more of them take is charged when it is there. */
    MOVE_BYTES = 7 << 10,
    EXTRA_BYTES = 4 << 10,      /* an order in a sale: whose orders count towards a limit */
    BODY_GROWTH = 16,           /* texts are decoded, kept, and given back in the answer */
    LINE_BYTES = 640,           /* a line of an order: as asked, at the gate, as allocated */
    ORDER_BYTES = 4352,         /* an order of a batch without its lines, and its outcome */
    ORDER_JSON_BYTES = 5888,    /* ... as JSON */
    RECORD_BYTES = 16 << 10,    /* a reservation with its moves */
    FAILURES_BYTES = 208 << 10, /* a page of what the webhook gave up, as long as it may be */
    METRICS_BYTES = 256 << 10,
    HEALTH_BYTES = 4096,
};

/* Parts of a message, by their tags on the wire (api/tally.proto). */
enum { TAG_BATCH_ORDERS = 0x0a, TAG_ORDER_LINES = 0x1a, TAG_ORDER_SALE_ID = 0x2a };

static int64_t page_size(const struct origin *o)
{
    enum { SCRATCH_BYTES = 1024 };
    char buffer[SCRATCH_BYTES];
    struct arena scratch;
    ProtobufCMessage *m;
    struct error e;
    arena_init(&scratch, buffer, sizeof buffer, 64 * SCRATCH_BYTES);
    int code = request_message(o, o->route->request, &scratch, &m, &e);
    int64_t size = 0;
    if (!code && o->route->call == CALL_LIST_LOTS)
        size = ((Tally__V1__ListLotsRequest *)m)->page_size;
    else if (!code && o->route->call == CALL_LIST_RESERVATIONS)
        size = ((Tally__V1__ListReservationsRequest *)m)->page_size;
    else if (!code)
        size = ((Tally__V1__ListSalesRequest *)m)->page_size;
    arena_close(&scratch);
    if (code || size < 0 || size > PAGE_SIZE_MAX)
        return 0;
    return size ? size : PAGE_SIZE_DEFAULT;
}

struct counts {
    size_t orders, lines;
    size_t extras; /* orders of which more may be told */
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

/* The lines of an order, and whether it names a sale. */
static void count_order(struct str message, struct counts *n)
{
    uint64_t tag;
    struct str held;
    while (proto_next_field(&message, &tag, &held)) {
        n->lines += tag == TAG_ORDER_LINES;
        n->extras += tag == TAG_ORDER_SALE_ID;
    }
}

static struct counts count_grpc(struct str body, bool batch)
{
    enum { HEAD_BYTES = 5 };
    struct counts n = {.orders = 1};
    uint64_t tag;
    struct str held;
    if (body.len < HEAD_BYTES)
        return n;
    struct str message = {body.p + HEAD_BYTES, body.len - HEAD_BYTES};
    if (!batch) {
        count_order(message, &n);
        return n;
    }
    n.orders = 0;
    while (proto_next_field(&message, &tag, &held)) {
        if (tag != TAG_BATCH_ORDERS)
            continue;
        n.orders++;
        count_order(held, &n);
    }
    return n;
}

/* Every order and every line is an object, and an order has a line at least. */
static struct counts count_json(struct str body, bool batch)
{
    static const char sale[] = "\"sale_id\"";
    struct counts n = {.orders = 1};
    const char *end = body.p + body.len, *at = body.p;
    for (uint32_t i = 0; i < body.len; i++)
        n.lines += body.p[i] == '{';
    if (batch) {
        n.orders = n.lines / 2 < ORDER_BATCH_MAX ? n.lines / 2 : ORDER_BATCH_MAX;
        n.lines -= n.orders;
    }
    while (at < end && (at = memmem(at, (size_t)(end - at), sale, sizeof sale - 1))) {
        n.extras++;
        at += sizeof sale - 1;
    }
    return n;
}

static size_t orders_bytes(const struct service *s, const struct origin *o, struct str body,
                           bool batch)
{
    struct counts n = o->grpc ? count_grpc(body, batch) : count_json(body, batch);
    size_t bytes = n.lines * LINE_BYTES + (size_t)body.len * BODY_GROWTH;
    if (s->host.lots_tell_more && s->host.lots_tell_more(s->host.context))
        n.extras = n.orders;
    if (batch)
        bytes += n.orders * (o->grpc ? ORDER_BYTES : ORDER_JSON_BYTES);
    return bytes + n.extras * EXTRA_BYTES;
}

static size_t bytes_of(const struct service *s, const struct origin *o, const struct exchange *x)
{
    size_t call = sizeof(struct call) + SMALL_BYTES;
    if (o->route->open == webhook_failures_open)
        return call + FAILURES_BYTES;
    switch (o->route->call) {
    case CALL_LIST_LOTS:
        return call + (size_t)page_size(o) * LOT_BYTES;
    case CALL_RESERVE_BATCH:
        return call + orders_bytes(s, o, x->body, true);
    case CALL_RESERVE:
        return call + orders_bytes(s, o, x->body, false);
    case CALL_OPEN_GROUP:
        return call + EXTRA_BYTES + ORDER_JSON_BYTES + (size_t)x->body.len * BODY_GROWTH;
    case CALL_CREATE_LOT:
    case CALL_GET_LOT:
    case CALL_UPDATE_LOT:
    case CALL_ADJUST_STOCK:
        return call + LOT_BYTES + (size_t)x->body.len * BODY_GROWTH;
    case CALL_CONFIRM:
    case CALL_REFUND:
    case CALL_EXTEND:
    case CALL_SHIP:
    case CALL_CHANGE_RESERVATION:
        return call + MOVE_BYTES + orders_bytes(s, o, x->body, false);
    case CALL_LIST_RESERVATIONS:
        return call + (size_t)page_size(o) * LISTED_BYTES;
    case CALL_LIST_SALES:
        return call + (size_t)page_size(o) * SALE_BYTES;
    case CALL_CREATE_SALE:
    case CALL_GET_SALE:
    case CALL_UPDATE_SALE:
    case CALL_CLOSE_SALE:
    case CALL_WATCH_SALE:
        return call + SALE_BYTES + (size_t)x->body.len * BODY_GROWTH;
    case CALL_JOIN_QUEUE:
    case CALL_GET_TICKET:
        return call + PLACE_BYTES + (size_t)x->body.len * BODY_GROWTH;
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
    need->bytes = bytes_of(s, &s->found, x);
}
