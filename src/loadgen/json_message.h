/* json_message.h - the messages of api/openapi.yaml that a load needs, written and read by hand.
 *
 * A request is a head and parts of equal size, one an order of a batch, that can be written again
 * from any of them, so that nothing needs to be kept. Readers skip members that they do not know,
 * and never allocate.
 */
#ifndef TALLY_LOADGEN_JSON_MESSAGE_H
#define TALLY_LOADGEN_JSON_MESSAGE_H

#include "loadgen/message.h"
#include "loadgen/protocol.h"

enum { JSON_PIECE_MAX = 1024 };

/* Pieces of a request: 0 is the head, the others are orders. */
uint32_t json_request_pieces(const struct call *call);
/* Writes one, at most JSON_PIECE_MAX bytes, and returns its size. */
size_t json_request_write(const struct call *call, const struct protocol_target *target,
                          uint32_t piece, uint8_t *out);

/* The body of an answer with status 2xx. `outcomes` has room for call->batch and is used with
 * RESERVE_BATCH alone. Fills `out`, which is zero: ANSWER_OK or ANSWER_MALFORMED. */
void json_message_read(const uint8_t *bytes, size_t size, const struct protocol_target *target,
                       const struct call *call, struct batch_outcome *outcomes, struct answer *out);
/* What another status says, with its problem (RFC 9457) if there is one. */
enum answer_code json_problem_read(const uint8_t *bytes, size_t size, unsigned status,
                                   enum call_kind kind);

#endif
