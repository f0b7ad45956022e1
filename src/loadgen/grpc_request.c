/* Requests in protobuf, from api/tally.proto: field numbers stand with each message. All parts of a
 * batch have one size, since order ids and user ids have fixed widths. Nothing here fails.
 */
#include <assert.h>

#include "loadgen/grpc_message.h"
#include "loadgen/put.h"

enum { VARINT = 0, BYTES = 2 }; /* wire types */

static size_t varint_size(uint64_t n)
{
    size_t size = 1;
    for (; n >= 0x80; n >>= 7)
        size++;
    return size;
}

static uint8_t *put_varint(uint8_t *to, uint64_t n)
{
    for (; n >= 0x80; n >>= 7)
        *to++ = (uint8_t)(n | 0x80);
    *to++ = (uint8_t)n;
    return to;
}

/* Fields up to 15: the tag is one byte. */
static uint8_t *put_tag(uint8_t *to, unsigned field, unsigned type)
{
    *to++ = (uint8_t)(field << 3 | type);
    return to;
}

static size_t number_size(uint64_t n)
{
    return n ? 1 + varint_size(n) : 0;
}

static uint8_t *put_number(uint8_t *to, unsigned field, uint64_t n)
{
    return n ? put_varint(put_tag(to, field, VARINT), n) : to;
}

static size_t bytes_size(size_t size)
{
    return 1 + varint_size(size) + size;
}

/* Tag and length of a text or a message. */
static uint8_t *put_head(uint8_t *to, unsigned field, size_t size)
{
    return put_varint(put_tag(to, field, BYTES), size);
}

static uint8_t *put_text(uint8_t *to, unsigned field, const char *text)
{
    size_t size = strlen(text);
    return put_bytes(put_head(to, field, size), text, size);
}

/* WantedLine */
enum { WANTED_LOT = 1, WANTED_QUANTITY = 6 };
/* ReserveRequest */
enum { ORDER_ID = 1, USER_ID = 2, LINES = 3, HOLD_MS = 4, SALE_ID = 5, GROUP_ID = 6 };

static size_t line_size(const struct call *call, size_t lot_size)
{
    return bytes_size(lot_size) + number_size(call->quantity);
}

/* In the order itself; the opener's is in that of its request. */
static bool names_sale(const struct call *call)
{
    return call->kind == CALL_RESERVE && call->in_sale;
}

static bool names_group(const struct call *call)
{
    return names_sale(call) && call->group_id;
}

static size_t order_size(const struct call *call, const struct protocol_target *target)
{
    return bytes_size(ORDER_ID_SIZE - 1) + bytes_size(USER_ID_SIZE - 1) +
           bytes_size(line_size(call, strlen(target->lots[call->lot]))) +
           number_size(call->hold_ms) + (names_sale(call) ? bytes_size(strlen(target->sale)) : 0) +
           (names_group(call) ? bytes_size(decimal_size(call->group_id)) : 0);
}

static uint8_t *put_order(uint8_t *to, const struct call *call,
                          const struct protocol_target *target, uint64_t order)
{
    const char *lot = target->lots[call->lot];
    size_t lot_size = strlen(lot);
    to = put_head(to, ORDER_ID, ORDER_ID_SIZE - 1);
    order_id_write((char *)to, target->run, order);
    to = put_head(to + ORDER_ID_SIZE - 1, USER_ID, USER_ID_SIZE - 1);
    call_user_write((char *)to, call, order);
    to = put_head(to + USER_ID_SIZE - 1, LINES, line_size(call, lot_size));
    to = put_bytes(put_head(to, WANTED_LOT, lot_size), lot, lot_size);
    to = put_number(to, WANTED_QUANTITY, call->quantity);
    to = put_number(to, HOLD_MS, call->hold_ms);
    if (names_sale(call))
        to = put_text(to, SALE_ID, target->sale);
    if (names_group(call))
        to = put_decimal(put_head(to, GROUP_ID, decimal_size(call->group_id)), call->group_id);
    return to;
}

static size_t open_group_size(const struct call *call, const struct protocol_target *target)
{
    return bytes_size(strlen(target->sale)) + bytes_size(order_size(call, target));
}

static uint8_t *put_open_group(uint8_t *to, const struct call *call,
                               const struct protocol_target *target)
{
    enum { OF_SALE = 1, ORDER = 3 }; /* OpenGroupRequest */
    to = put_text(to, OF_SALE, target->sale);
    to = put_head(to, ORDER, order_size(call, target));
    return put_order(to, call, target, call->order);
}

static uint8_t *put_batched_order(uint8_t *to, const struct call *call,
                                  const struct protocol_target *target, uint32_t index)
{
    enum { ORDERS = 1 }; /* ReserveBatchRequest */
    to = put_head(to, ORDERS, order_size(call, target));
    return put_order(to, call, target, call->order + index);
}

static uint8_t *put_order_id(uint8_t *to, const struct protocol_target *target, uint64_t order)
{
    enum { BY_ORDER_ID = 2 }; /* GetReservationRequest */
    to = put_head(to, BY_ORDER_ID, ORDER_ID_SIZE - 1);
    order_id_write((char *)to, target->run, order);
    return to + ORDER_ID_SIZE - 1;
}

/* The only field of ConfirmRequest, RefundRequest, GetGroupRequest as they are sent. */
static uint8_t *put_id(uint8_t *to, uint64_t id)
{
    enum { ID = 1 };
    return put_decimal(put_head(to, ID, decimal_size(id)), id);
}

static uint8_t *put_part(uint8_t *to, const struct call *call, const struct protocol_target *target,
                         uint32_t index)
{
    enum { KEY = 1 }; /* of GetLotRequest, GetSaleRequest */
    switch (call->kind) {
    case CALL_RESERVE:
        return put_order(to, call, target, call->order);
    case CALL_RESERVE_BATCH:
        return put_batched_order(to, call, target, index);
    case CALL_CONFIRM:
    case CALL_REFUND:
        return put_id(to, call->reservation_id);
    case CALL_GET_LOT:
        return put_text(to, KEY, target->lots[call->lot]);
    case CALL_OPEN_GROUP:
        return put_open_group(to, call, target);
    case CALL_GET_GROUP:
        return put_id(to, call->group_id);
    case CALL_GET_SALE:
        return put_text(to, KEY, target->sale);
    default:
        return put_order_id(to, target, call->order);
    }
}

struct grpc_body grpc_body_of(const struct call *call, const struct protocol_target *target)
{
    size_t size, count = 1;
    switch (call->kind) {
    case CALL_RESERVE:
        size = order_size(call, target);
        break;
    case CALL_RESERVE_BATCH:
        size = bytes_size(order_size(call, target));
        count = call->batch;
        break;
    case CALL_CONFIRM:
    case CALL_REFUND:
        size = bytes_size(decimal_size(call->reservation_id));
        break;
    case CALL_GET_LOT:
        size = bytes_size(strlen(target->lots[call->lot]));
        break;
    case CALL_OPEN_GROUP:
        size = open_group_size(call, target);
        break;
    case CALL_GET_GROUP:
        size = bytes_size(decimal_size(call->group_id));
        break;
    case CALL_GET_SALE:
        size = bytes_size(strlen(target->sale));
        break;
    default:
        size = bytes_size(ORDER_ID_SIZE - 1);
        break;
    }
    assert(size <= GRPC_PART_MAX);
    return (struct grpc_body){.part_size = (uint32_t)size, .part_count = (uint32_t)count};
}

size_t grpc_body_size(const struct grpc_body *b)
{
    return GRPC_PREFIX_SIZE + (size_t)b->part_size * b->part_count;
}

static uint8_t *put_prefix(uint8_t *to, const struct grpc_body *b)
{
    size_t size = (size_t)b->part_size * b->part_count;
    *to++ = 0; /* not compressed */
    for (int shift = 24; shift >= 0; shift -= 8)
        *to++ = (uint8_t)(size >> shift);
    return to;
}

void grpc_body_write(const struct grpc_body *b, const struct call *call,
                     const struct protocol_target *target, size_t offset, uint8_t *out, size_t size)
{
    uint8_t piece[GRPC_PART_MAX];
    if (offset == 0 && b->part_count == 1 && size == GRPC_PREFIX_SIZE + b->part_size) {
        put_part(put_prefix(out, b), call, target, 0);
        return;
    }
    while (size > 0) {
        size_t at = offset, whole = GRPC_PREFIX_SIZE;
        if (offset < GRPC_PREFIX_SIZE) {
            put_prefix(piece, b);
        } else {
            at = (offset - GRPC_PREFIX_SIZE) % b->part_size;
            whole = b->part_size;
            put_part(piece, call, target, (uint32_t)((offset - GRPC_PREFIX_SIZE) / b->part_size));
        }
        size_t n = whole - at < size ? whole - at : size;
        out = put_bytes(out, piece + at, n);
        offset += n;
        size -= n;
    }
}
