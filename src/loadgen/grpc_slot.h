/* grpc_slot.h - one call on its way over gRPC: what is sent of it, and what has come of its answer.
 *
 * A slot lasts as long as its HTTP/2 stream, which may be longer than its call: `call` is NULL
 * between the answer and the end of the stream.
 */
#ifndef TALLY_LOADGEN_GRPC_SLOT_H
#define TALLY_LOADGEN_GRPC_SLOT_H

#include "loadgen/grpc_message.h"

struct grpc_slot {
    struct grpc_slot *next; /* in the list of free ones, or of those whose answer waits */
    struct call *call;
    struct grpc_body body;
    size_t body_sent;
    int32_t stream;
    uint16_t http_status;
    int16_t grpc_status; /* -1: not told */
    bool ended;          /* the answer is complete */
    bool reset;          /* by the peer */
    bool refused;        /* the peer will not look at it */
    bool malformed;
    bool has_message;
    bool has_reason;
    enum answer_code reason;
    /* A message that comes in pieces. */
    uint8_t *buffer;
    size_t buffer_size, buffer_capacity;
    struct batch_outcome *outcomes; /* RESERVE_BATCH */
    struct answer answer;           /* what the message says */
};

/* For a call that begins. */
void grpc_slot_start(struct grpc_slot *slot, struct call *call,
                     const struct protocol_target *target);
/* What the answer lies in, which must last for as long as it is looked at. */
struct grpc_parts {
    uint8_t *buffer;
    struct batch_outcome *outcomes;
};
struct grpc_parts grpc_slot_take_parts(struct grpc_slot *slot);
void grpc_parts_free(struct grpc_parts *p);
/* A header or trailer of the answer. */
void grpc_slot_header(struct grpc_slot *slot, const uint8_t *name, size_t name_size,
                      const uint8_t *value, size_t value_size);
/* Bytes of the answer's body. 0 or TLY_ENO_MEMORY. */
int grpc_slot_data(struct grpc_slot *slot, const struct protocol_target *target,
                   const uint8_t *bytes, size_t size) MUST_CHECK;
/* The answer, however the stream ended. What it points to belongs to the slot's parts. */
struct answer grpc_slot_answer(const struct grpc_slot *slot);

#endif
