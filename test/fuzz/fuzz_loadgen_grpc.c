/* Answers over gRPC, as the load generator reads them. The first byte says what the rest is: a
 * server's bytes on a connection with calls under way, which however they are cut give each call
 * the same one answer; or a message; or grpc-status-details-bin. */
#include "loadgen/grpc_message.h"
#include "loadgen_side.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_connection(const uint8_t *bytes, size_t size, size_t step)
{
    static struct side whole, cut;
    side_run(&whole, &protocol_grpc, 0, bytes, size, SIZE_MAX);
    side_run(&cut, &protocol_grpc, 0, bytes, size, step);
    side_assert_same(&whole, &cut);
}

static void read_message(const uint8_t *bytes, size_t size)
{
    for (unsigned kind = 0; kind < CALL_KIND_COUNT; kind++) {
        struct batch_outcome outcomes[SIDE_ORDERS];
        struct call call = side_call(kind);
        struct answer answer = {0};
        grpc_message_read(bytes, size, &side_target, &call, outcomes, &answer);
        assert(answer.code == ANSWER_OK || answer.code == ANSWER_MALFORMED);
        assert(answer.code == ANSWER_OK || answer.reservation_id == 0);
        assert(answer.outcome_count == 0 || answer.outcomes == outcomes);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum answer_code code = ANSWER_CODE_COUNT;
    if (size < 1)
        return 0;
    if (data[0] == 'm')
        read_message(data + 1, size - 1);
    else if (data[0] == 'd')
        assert(grpc_details_reason(data + 1, size - 1, &code) == (code != ANSWER_CODE_COUNT));
    else
        read_connection(data + 1, size - 1, 1 + data[0] % 64);
    return 0;
}
