/* The answer to one call over gRPC, as its pieces come: headers, one message, trailers. A message
 * that comes whole, as nearly all do, is read where it lies; otherwise its pieces are collected, up
 * to a bound. What breaks the rules of a unary call is remembered and makes ANSWER_MALFORMED.
 */
#include <stdlib.h>

#include "loadgen/grpc_slot.h"

/* Bounds of a message: far more than any that the contract allows. */
enum { MESSAGE_MAX = 1 << 20, OUTCOME_MAX = 4096, BUFFER_FIRST = 512 };

void grpc_slot_start(struct grpc_slot *slot, struct call *call,
                     const struct protocol_target *target)
{
    slot->call = call;
    slot->body = grpc_body_of(call, target);
    slot->body_sent = 0;
    slot->http_status = 0;
    slot->grpc_status = -1;
    slot->ended = slot->reset = slot->refused = false;
    slot->malformed = slot->has_message = slot->has_reason = false;
}

struct grpc_parts grpc_slot_take_parts(struct grpc_slot *slot)
{
    struct grpc_parts parts = {slot->buffer, slot->outcomes};
    slot->buffer = NULL;
    slot->buffer_size = slot->buffer_capacity = 0;
    slot->outcomes = NULL;
    return parts;
}

void grpc_parts_free(struct grpc_parts *p)
{
    free(p->buffer);
    free(p->outcomes);
}

/* Up to three digits; -1 for anything else. */
static int small_number(const uint8_t *text, size_t size)
{
    int n = 0;
    if (size == 0 || size > 3)
        return -1;
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        n = n * 10 + text[i] - '0';
    }
    return n;
}

#define IS(literal) (name_size == sizeof(literal) - 1 && memcmp(name, literal, name_size) == 0)

void grpc_slot_header(struct grpc_slot *slot, const uint8_t *name, size_t name_size,
                      const uint8_t *value, size_t value_size)
{
    if (IS(":status")) {
        slot->http_status = (uint16_t)small_number(value, value_size);
    } else if (IS("grpc-status")) {
        slot->grpc_status = (int16_t)small_number(value, value_size);
        slot->malformed |= slot->grpc_status < 0;
    } else if (IS("grpc-status-details-bin")) {
        slot->has_reason = grpc_details_reason(value, value_size, &slot->reason);
    }
}

#undef IS

static size_t message_max(const struct call *call)
{
    return MESSAGE_MAX + (call->kind == CALL_RESERVE_BATCH ? (size_t)call->batch * OUTCOME_MAX : 0);
}

static int read_message(struct grpc_slot *slot, const struct protocol_target *target,
                        const uint8_t *bytes, size_t size)
{
    const struct call *call = slot->call;
    if (call->kind == CALL_RESERVE_BATCH && !slot->outcomes) {
        slot->outcomes = calloc(call->batch ? call->batch : 1, sizeof *slot->outcomes);
        if (!slot->outcomes)
            return TLY_ENO_MEMORY;
    }
    slot->answer = (struct answer){0};
    grpc_message_read(bytes, size, target, call, slot->outcomes, &slot->answer);
    slot->has_message = true;
    return 0;
}

static int collect(struct grpc_slot *slot, const uint8_t *bytes, size_t size)
{
    size_t capacity = slot->buffer_capacity ? slot->buffer_capacity : BUFFER_FIRST;
    while (capacity - slot->buffer_size < size)
        capacity *= 2;
    if (capacity > slot->buffer_capacity) {
        uint8_t *larger = realloc(slot->buffer, capacity);
        if (!larger)
            return TLY_ENO_MEMORY;
        slot->buffer = larger;
        slot->buffer_capacity = capacity;
    }
    memcpy(slot->buffer + slot->buffer_size, bytes, size);
    slot->buffer_size += size;
    return 0;
}

int grpc_slot_data(struct grpc_slot *slot, const struct protocol_target *target,
                   const uint8_t *bytes, size_t size)
{
    if (size == 0 || slot->malformed)
        return 0;
    if (slot->has_message) { /* a second one */
        slot->malformed = true;
        return 0;
    }
    if (slot->buffer_size > 0 || size < GRPC_PREFIX_SIZE) {
        int rv = collect(slot, bytes, size);
        if (rv)
            return rv;
        bytes = slot->buffer;
        size = slot->buffer_size;
    }
    if (size < GRPC_PREFIX_SIZE)
        return 0;
    size_t length =
        (size_t)bytes[1] << 24 | (size_t)bytes[2] << 16 | (size_t)bytes[3] << 8 | (size_t)bytes[4];
    if (bytes[0] != 0 || length > message_max(slot->call) || length < size - GRPC_PREFIX_SIZE) {
        slot->malformed = true;
        return 0;
    }
    if (length == size - GRPC_PREFIX_SIZE)
        return read_message(slot, target, bytes + GRPC_PREFIX_SIZE, length);
    return bytes == slot->buffer ? 0 : collect(slot, bytes, size);
}

struct answer grpc_slot_answer(const struct grpc_slot *slot)
{
    enum { HTTP_OK = 200 };
    enum answer_code code;
    if (!slot->ended)
        code = slot->reset ? ANSWER_RESET : slot->refused ? ANSWER_CLOSED : ANSWER_MALFORMED;
    else if (slot->grpc_status < 0)
        code = slot->http_status == HTTP_OK ? ANSWER_MALFORMED : ANSWER_OTHER;
    else if (slot->malformed)
        code = ANSWER_MALFORMED;
    else if (slot->grpc_status > 0)
        code =
            slot->has_reason ? slot->reason : grpc_status_code(slot->grpc_status, slot->call->kind);
    else if (slot->http_status != HTTP_OK || !slot->has_message)
        code = ANSWER_MALFORMED;
    else
        return slot->answer;
    /* A refusal cannot be called OK. */
    return (struct answer){.code = code == ANSWER_OK ? ANSWER_OTHER : code};
}
