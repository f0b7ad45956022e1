/* Requests of HTTP/1.1, from api/openapi.yaml. All orders of a batch are written in one size, since
 * order ids and user ids have fixed widths, so that Content-Length is known before any. Nothing
 * here fails.
 */
#include <assert.h>

#include "loadgen/json_message.h"
#include "loadgen/put.h"

#define BATCH_OPEN  "{\"orders\":["
#define BATCH_CLOSE "]}"
#define GROUP_BEGIN "{\"order\":"
#define GROUP_END   "}"

static bool is_order(const struct call *call)
{
    return call->kind == CALL_RESERVE || call->kind == CALL_RESERVE_BATCH ||
           call->kind == CALL_OPEN_GROUP;
}

uint32_t json_request_pieces(const struct call *call)
{
    return !is_order(call) ? 1 : call->kind == CALL_RESERVE_BATCH ? 1 + call->batch : 2;
}

/* In the order itself; of the opener's the path names it. */
static bool names_sale(const struct call *call)
{
    return call->kind == CALL_RESERVE && call->in_sale;
}

static uint8_t *put_order(uint8_t *to, const struct call *call,
                          const struct protocol_target *target, uint64_t order)
{
    const char *lot = target->lots[call->lot];
    to = PUT_LITERAL(to, "{\"order_id\":\"");
    order_id_write((char *)to, target->run, order);
    to = PUT_LITERAL(to + ORDER_ID_SIZE - 1, "\",\"user_id\":\"");
    call_user_write((char *)to, call, order);
    to = PUT_LITERAL(to + USER_ID_SIZE - 1, "\",\"lines\":[{\"lot\":\"");
    to = put_bytes(to, lot, strlen(lot));
    to = put_decimal(PUT_LITERAL(to, "\",\"quantity\":"), call->quantity);
    to = PUT_LITERAL(to, "}]");
    if (call->hold_ms)
        to = put_decimal(PUT_LITERAL(to, ",\"hold_ms\":"), call->hold_ms);
    if (names_sale(call)) {
        to = put_bytes(PUT_LITERAL(to, ",\"sale_id\":\""), target->sale, strlen(target->sale));
        *to++ = '"';
    }
    if (names_sale(call) && call->group_id) {
        to = put_decimal(PUT_LITERAL(to, ",\"group_id\":\""), call->group_id);
        *to++ = '"';
    }
    *to++ = '}';
    return to;
}

static size_t sale_size(const struct call *call, const struct protocol_target *target)
{
    enum {
        AROUND_SALE = sizeof ",\"sale_id\":\"\"" - 1,
        AROUND_GROUP = sizeof ",\"group_id\":\"\"" - 1
    };
    if (!names_sale(call))
        return 0;
    return AROUND_SALE + strlen(target->sale) +
           (call->group_id ? AROUND_GROUP + decimal_size(call->group_id) : 0);
}

static size_t order_size(const struct call *call, const struct protocol_target *target)
{
    enum {
        AROUND = sizeof "{\"order_id\":\"\",\"user_id\":\"\",\"lines\":[{\"lot\":\"\","
                        "\"quantity\":}]}" -
                 1,
        AROUND_HOLD = sizeof ",\"hold_ms\":" - 1
    };
    return AROUND + (ORDER_ID_SIZE - 1) + (USER_ID_SIZE - 1) + strlen(target->lots[call->lot]) +
           decimal_size(call->quantity) +
           (call->hold_ms ? AROUND_HOLD + decimal_size(call->hold_ms) : 0) +
           sale_size(call, target);
}

static size_t body_size(const struct call *call, const struct protocol_target *target)
{
    size_t one = is_order(call) ? order_size(call, target) : 0;
    if (call->kind == CALL_OPEN_GROUP)
        return sizeof GROUP_BEGIN - 1 + one + sizeof GROUP_END - 1;
    if (call->kind != CALL_RESERVE_BATCH)
        return one;
    /* A comma after each but the last. */
    return sizeof BATCH_OPEN - 1 + (one + 1) * call->batch - 1 + sizeof BATCH_CLOSE - 1;
}

static uint8_t *put_path_text(uint8_t *to, const char *text)
{
    static const char hex[] = "0123456789ABCDEF";
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        bool plain = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
                     c == '-' || c == '.' || c == '_' || c == '~'; /* RFC 3986: unreserved */
        if (plain) {
            *to++ = c;
        } else {
            *to++ = '%';
            *to++ = (uint8_t)hex[c >> 4];
            *to++ = (uint8_t)hex[c & 15];
        }
    }
    return to;
}

static uint8_t *put_target(uint8_t *to, const struct call *call,
                           const struct protocol_target *target)
{
    switch (call->kind) {
    case CALL_RESERVE:
        return PUT_LITERAL(to, "POST /v1/reservations");
    case CALL_RESERVE_BATCH:
        return PUT_LITERAL(to, "POST /v1/reservations/batch");
    case CALL_CONFIRM:
        to = put_decimal(PUT_LITERAL(to, "POST /v1/reservations/"), call->reservation_id);
        return PUT_LITERAL(to, "/confirm");
    case CALL_REFUND:
        to = put_decimal(PUT_LITERAL(to, "POST /v1/reservations/"), call->reservation_id);
        return PUT_LITERAL(to, "/refund");
    case CALL_GET_LOT:
        return put_path_text(PUT_LITERAL(to, "GET /v1/lots/"), target->lots[call->lot]);
    case CALL_OPEN_GROUP:
        to = put_path_text(PUT_LITERAL(to, "POST /v1/sales/"), target->sale);
        return PUT_LITERAL(to, "/groups");
    case CALL_GET_GROUP:
        return put_decimal(PUT_LITERAL(to, "GET /v1/groups/"), call->group_id);
    case CALL_GET_SALE:
        return put_path_text(PUT_LITERAL(to, "GET /v1/sales/"), target->sale);
    default:
        to = PUT_LITERAL(to, "GET /v1/orders/");
        order_id_write((char *)to, target->run, call->order);
        return to + ORDER_ID_SIZE - 1;
    }
}

static uint8_t *put_head(uint8_t *to, const struct call *call, const struct protocol_target *target)
{
    bool has_body = is_order(call);
    to = put_target(to, call, target);
    to = PUT_LITERAL(to, " HTTP/1.1\r\nHost: ");
    to = put_bytes(to, target->authority, strlen(target->authority));
    if (target->timeout_ms)
        to = put_decimal(PUT_LITERAL(to, "\r\nX-Request-Timeout-Ms: "), target->timeout_ms);
    if (has_body)
        to = PUT_LITERAL(to, "\r\nContent-Type: application/json");
    if (has_body || call->kind == CALL_CONFIRM || call->kind == CALL_REFUND)
        to = put_decimal(PUT_LITERAL(to, "\r\nContent-Length: "), body_size(call, target));
    to = PUT_LITERAL(to, "\r\n\r\n");
    if (call->kind == CALL_OPEN_GROUP)
        return PUT_LITERAL(to, GROUP_BEGIN);
    return call->kind == CALL_RESERVE_BATCH ? PUT_LITERAL(to, BATCH_OPEN) : to;
}

size_t json_request_write(const struct call *call, const struct protocol_target *target,
                          uint32_t piece, uint8_t *out)
{
    uint8_t *to = out;
    if (piece == 0) {
        to = put_head(to, call, target);
    } else {
        to = put_order(to, call, target, call->order + piece - 1);
        if (call->kind == CALL_RESERVE_BATCH)
            to = piece == call->batch ? PUT_LITERAL(to, BATCH_CLOSE) : PUT_LITERAL(to, ",");
        else if (call->kind == CALL_OPEN_GROUP)
            to = PUT_LITERAL(to, GROUP_END);
    }
    assert(to - out <= JSON_PIECE_MAX);
    return (size_t)(to - out);
}
