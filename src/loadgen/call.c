/* Names and groups of calls and answers, and the ids that are made from an order's number. Nothing
 * here fails.
 */
#include <string.h>

#include "loadgen/call.h"

enum answer_group answer_group(enum answer_code c)
{
    static const enum answer_group groups[ANSWER_CODE_COUNT] = {
#define X(name, group, text) ANSWER_GROUP_##group,
        ANSWER_CODES(X)
#undef X
    };
    return groups[c];
}

const char *answer_text(enum answer_code c)
{
    static const char *const texts[ANSWER_CODE_COUNT] = {
#define X(name, group, text) text,
        ANSWER_CODES(X)
#undef X
    };
    return texts[c];
}

const char *call_text(enum call_kind k)
{
    static const char *const texts[CALL_KIND_COUNT] = {
#define X(name, text) text,
        CALL_KINDS(X)
#undef X
    };
    return texts[k];
}

enum answer_code answer_parse(const char *name, size_t size)
{
    /* Those that a server can say; SOLD_OUT is by far the most frequent refusal. */
    static const struct {
        const char *name;
        size_t size;
        enum answer_code code;
    } known[] = {
#define KNOWN(c) {#c, sizeof #c - 1, ANSWER_##c}
        KNOWN(SOLD_OUT),        KNOWN(OK),
        KNOWN(OVERLOADED),      KNOWN(LIMIT_EXCEEDED),
        KNOWN(NOT_FOUND),       KNOWN(INVALID_ARGUMENT),
        KNOWN(UNAVAILABLE),     KNOWN(INVALID_TRANSITION),
        KNOWN(ALREADY_EXISTS),  KNOWN(ORDER_MISMATCH),
        KNOWN(OUTCOME_UNKNOWN), KNOWN(SALE_NOT_OPEN),
        KNOWN(SALE_CLOSED),     KNOWN(GROUP_FULL),
        KNOWN(GROUP_CLOSED),
#undef KNOWN
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i].size == size && memcmp(known[i].name, name, size) == 0)
            return known[i].code;
    return ANSWER_OTHER;
}

bool answer_came(enum answer_code c)
{
    return c != ANSWER_RESET && c != ANSWER_CLOSED && c != ANSWER_TIMED_OUT && c != ANSWER_NOT_SENT;
}

bool answer_in_doubt(enum answer_code c)
{
    switch (c) {
    case ANSWER_OUTCOME_UNKNOWN:
    case ANSWER_OTHER:
    case ANSWER_MALFORMED:
    case ANSWER_RESET:
    case ANSWER_CLOSED:
    case ANSWER_TIMED_OUT:
        return true;
    default:
        return false;
    }
}

void order_id_write(char out[ORDER_ID_SIZE - 1], const char run[RUN_ID_SIZE], uint64_t order)
{
    static const char digits[] = "0123456789abcdef";
    memcpy(out, run, RUN_ID_SIZE - 1);
    out[RUN_ID_SIZE - 1] = '-';
    for (int i = ORDER_ID_SIZE - 2; i >= RUN_ID_SIZE; i--, order >>= 4)
        out[i] = digits[order & 15];
}

void user_id_write(char out[USER_ID_SIZE - 1], uint64_t order)
{
    enum { BUYERS = 100000 };
    static const char name[] = "buyer-";
    /* Knuth's multiplicative hash: neighbouring orders are of different buyers. */
    uint32_t buyer = (uint32_t)((order * 0x9E3779B97F4A7C15) >> 32) % BUYERS;
    memcpy(out, name, sizeof name - 1);
    for (int i = USER_ID_SIZE - 2; i >= (int)sizeof name - 1; i--, buyer /= 10)
        out[i] = (char)('0' + buyer % 10);
}

void buyer_id_write(char out[USER_ID_SIZE - 1], uint64_t buyer)
{
    enum { INDEX_DIGITS = 8, THREAD_SHIFT = 40 };
    static const char digits[] = "0123456789abcdef";
    uint64_t thread = buyer >> THREAD_SHIFT;
    out[0] = 'b';
    out[1] = digits[thread >> 4 & 15];
    out[2] = digits[thread & 15];
    for (int i = USER_ID_SIZE - 2; i >= USER_ID_SIZE - 1 - INDEX_DIGITS; i--, buyer >>= 4)
        out[i] = digits[buyer & 15];
}

bool call_is_in_sale(const struct call *call)
{
    return call->kind == CALL_OPEN_GROUP || (call->kind == CALL_RESERVE && call->in_sale);
}

void call_user_write(char out[USER_ID_SIZE - 1], const struct call *call, uint64_t order)
{
    if (call_is_in_sale(call))
        buyer_id_write(out, call->buyer);
    else
        user_id_write(out, order);
}
