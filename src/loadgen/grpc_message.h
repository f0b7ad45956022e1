/* grpc_message.h - the messages of api/tally.proto that a load needs, written and read by hand.
 *
 * Requests are written without a buffer: the body is gRPC's prefix and parts of equal size, one a
 * line of a batch, that can be written again from any of them. Readers skip fields that they do not
 * know, and never allocate.
 */
#ifndef TALLY_LOADGEN_GRPC_MESSAGE_H
#define TALLY_LOADGEN_GRPC_MESSAGE_H

#include "loadgen/message.h"
#include "loadgen/protocol.h"

enum { GRPC_PREFIX_SIZE = 5, GRPC_PART_MAX = 256 };

struct grpc_body {
    uint32_t part_size, part_count; /* part_size is at most GRPC_PART_MAX */
};

struct grpc_body grpc_body_of(const struct call *call, const struct protocol_target *target);
size_t grpc_body_size(const struct grpc_body *b);
/* Writes `size` bytes of the body, from `offset` on. */
void grpc_body_write(const struct grpc_body *b, const struct call *call,
                     const struct protocol_target *target, size_t offset, uint8_t *out,
                     size_t size);

/* The message of an answer, without the prefix. `outcomes` has room for call->batch and is used
 * with RESERVE_BATCH alone. Fills `out`, which is zero: ANSWER_OK or ANSWER_MALFORMED. */
void grpc_message_read(const uint8_t *bytes, size_t size, const struct protocol_target *target,
                       const struct call *call, struct batch_outcome *outcomes, struct answer *out);

/* The reason in grpc-status-details-bin: base64, with or without padding, of a google.rpc.Status
 * with a google.rpc.ErrorInfo among its details. False: there is none. */
bool grpc_details_reason(const uint8_t *base64, size_t size, enum answer_code *out);
/* What a status means to a call if there are no details. */
enum answer_code grpc_status_code(int status, enum call_kind kind);

#endif
