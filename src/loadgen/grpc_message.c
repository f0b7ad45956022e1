/* Answers in protobuf, from api/tally.proto and google/rpc: field numbers stand with each message.
 * Bytes that are not protobuf, fields of another wire type than the contract's, and messages that
 * do not fit the call make ANSWER_MALFORMED; unknown fields are skipped.
 */
#include "loadgen/grpc_message.h"

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 }; /* wire types */

struct cursor {
    const uint8_t *at, *end;
};

struct field {
    uint32_t number, type;
    uint64_t value;  /* VARINT */
    struct str text; /* BYTES */
};

static bool read_varint(struct cursor *c, uint64_t *out)
{
    uint64_t n = 0;
    for (unsigned shift = 0; shift < 64 && c->at < c->end; shift += 7) {
        uint8_t byte = *c->at++;
        n |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            *out = n;
            return true;
        }
    }
    return false;
}

static bool skip(struct cursor *c, size_t size)
{
    if ((size_t)(c->end - c->at) < size)
        return false;
    c->at += size;
    return true;
}

/* True: a field was read. False: the end, or bytes that are no field; then `c` is not
 * at its end. */
static bool next_field(struct cursor *c, struct field *f)
{
    const uint8_t *start = c->at;
    uint64_t tag, size;
    if (c->at == c->end)
        return false;
    if (!read_varint(c, &tag) || tag >> 3 == 0 || tag > UINT32_MAX)
        goto broken;
    f->number = (uint32_t)(tag >> 3);
    f->type = tag & 7;
    switch (f->type) {
    case VARINT:
        if (!read_varint(c, &f->value))
            goto broken;
        return true;
    case BYTES:
        if (!read_varint(c, &size) || size > (size_t)(c->end - c->at))
            goto broken;
        f->text = (struct str){(const char *)c->at, (uint32_t)size};
        c->at += size;
        return true;
    case FIXED64:
        if (!skip(c, 8))
            goto broken;
        return true;
    case FIXED32:
        if (!skip(c, 4))
            goto broken;
        return true;
    default:
        goto broken;
    }
broken:
    c->at = start;
    return false;
}

static struct cursor cursor_of(struct str text)
{
    const uint8_t *at = (const uint8_t *)(text.p ? text.p : ""); /* a text that was not given */
    return (struct cursor){at, at + text.len};
}

static bool take_text(const struct field *f, struct str *out)
{
    if (f->type != BYTES)
        return false;
    *out = f->text;
    return true;
}

static bool take_number(const struct field *f, int64_t *out)
{
    if (f->type != VARINT)
        return false;
    *out = (int64_t)f->value;
    return true;
}

/* Line */
static bool read_line(struct message *m, const struct field *line)
{
    enum { LOT = 1, QUANTITY = 2 };
    struct str lot = {0};
    int64_t quantity = 0;
    if (line->type != BYTES)
        return false;
    struct cursor c = cursor_of(line->text);
    bool good = true;
    for (struct field f; good && next_field(&c, &f);) {
        if (f.number == LOT)
            good = take_text(&f, &lot);
        else if (f.number == QUANTITY)
            good = take_number(&f, &quantity);
    }
    return good && c.at == c.end && message_add_line(m, lot, quantity);
}

/* Move */
static bool read_move(struct message *m, const struct field *move)
{
    enum { KIND = 2 };
    struct str kind = {0};
    if (move->type != BYTES)
        return false;
    struct cursor c = cursor_of(move->text);
    bool good = true;
    for (struct field f; good && next_field(&c, &f);)
        if (f.number == KIND)
            good = take_text(&f, &kind);
    m->reserve_moves += str_equal(kind, STR("RESERVE"));
    return good && c.at == c.end;
}

/* ReserveResponse, ConfirmResponse, RefundResponse; GetReservationResponse has other fields from 7
 * on. */
static bool read_reservation(struct message *m, struct str text, bool with_history)
{
    enum { RESERVATION_ID = 1, ORDER_ID, STATUS, EXPIRES_AT, LINES, REASON, REPLAYED };
    enum { MOVES = 11, SALE_ID, GROUP_ID };
    struct cursor c = cursor_of(text);
    bool good = true;
    int64_t replayed = 0;
    for (struct field f; good && next_field(&c, &f);) {
        if (f.number == RESERVATION_ID)
            good = take_text(&f, &m->reservation_id);
        else if (f.number == ORDER_ID)
            good = take_text(&f, &m->order_id);
        else if (f.number == STATUS)
            good = take_text(&f, &m->status);
        else if (f.number == EXPIRES_AT)
            good = take_text(&f, &m->expires_at);
        else if (f.number == LINES)
            good = read_line(m, &f);
        else if (f.number == REASON)
            good = take_text(&f, &m->reason);
        else if (f.number == REPLAYED && !with_history)
            good = take_number(&f, &replayed);
        else if (f.number == MOVES && with_history)
            good = read_move(m, &f);
        else if (f.number == SALE_ID)
            good = take_text(&f, &m->sale_id);
        else if (f.number == GROUP_ID)
            good = take_text(&f, &m->group_id);
    }
    m->replayed = replayed != 0;
    return good && c.at == c.end;
}

/* GetGroupResponse, OpenGroupResponse */
static bool read_group(struct message *m, struct str text)
{
    enum { GROUP_ID = 1, STATUS = 3, SIZE, PLACES_LEFT, PAID, REMAINING_MS = 8 };
    enum { REPLAYED = 100, RESERVATION };
    struct cursor c = cursor_of(text);
    bool good = true;
    int64_t replayed = 0;
    for (struct field f; good && next_field(&c, &f);) {
        if (f.number == GROUP_ID)
            good = take_text(&f, &m->group.group_id);
        else if (f.number == STATUS)
            good = take_text(&f, &m->group.status);
        else if (f.number == SIZE)
            good = take_number(&f, &m->group.places);
        else if (f.number == PLACES_LEFT)
            good = take_number(&f, &m->group.places_left);
        else if (f.number == PAID)
            good = take_number(&f, &m->group.paid);
        else if (f.number == REMAINING_MS)
            good = take_number(&f, &m->group.remaining_ms);
        else if (f.number == REPLAYED)
            good = take_number(&f, &replayed);
        else if (f.number == RESERVATION)
            good = f.type == BYTES && read_reservation(m, f.text, false);
    }
    m->replayed |= replayed != 0;
    return good && c.at == c.end;
}

/* SaleUnits, SaleGroups: three numbers, 1 to 3. */
static bool read_three(const struct field *field, int64_t *const out[3])
{
    if (field->type != BYTES)
        return false;
    struct cursor c = cursor_of(field->text);
    bool good = true;
    for (struct field f; good && next_field(&c, &f);)
        if (f.number >= 1 && f.number <= 3)
            good = take_number(&f, out[f.number - 1]);
    return good && c.at == c.end;
}

/* GetSaleResponse */
static bool read_sale(struct sale_message *s, struct str text)
{
    enum { SALE_ID = 1, STATUS = 14, STARTS_IN_MS = 16, UNITS = 20, GROUPS };
    int64_t *const units[] = {&s->units_pending, &s->units_confirmed, &s->units_left};
    int64_t *const groups[] = {&s->groups_open, &s->groups_succeeded, &s->groups_failed};
    struct cursor c = cursor_of(text);
    bool good = true;
    for (struct field f; good && next_field(&c, &f);) {
        if (f.number == SALE_ID)
            good = take_text(&f, &s->sale_id);
        else if (f.number == STATUS)
            good = take_text(&f, &s->status);
        else if (f.number == STARTS_IN_MS)
            good = take_number(&f, &s->starts_in_ms);
        else if (f.number == UNITS)
            good = read_three(&f, units);
        else if (f.number == GROUPS)
            good = read_three(&f, groups);
    }
    return good && c.at == c.end;
}

/* GetLotResponse */
static bool read_lot(struct message *m, struct str text)
{
    enum { LOT = 1, ON_HAND = 7, RESERVED, CONFIRMED, AVAILABLE, VERSION };
    struct cursor c = cursor_of(text);
    bool good = true;
    for (struct field f; good && next_field(&c, &f);) {
        if (f.number == LOT)
            good = take_text(&f, &m->lot);
        else if (f.number == ON_HAND)
            good = take_number(&f, &m->on_hand);
        else if (f.number == RESERVED)
            good = take_number(&f, &m->reserved);
        else if (f.number == CONFIRMED)
            good = take_number(&f, &m->confirmed);
        else if (f.number == AVAILABLE)
            good = take_number(&f, &m->available);
        else if (f.number == VERSION)
            good = take_number(&f, &m->version);
    }
    return good && c.at == c.end;
}

/* OrderOutcome */
static bool read_outcome(const struct field *outcome, const struct protocol_target *target,
                         const struct call *call, uint32_t index, struct batch_outcome *out)
{
    enum { ORDER_ID = 1, CODE, RESERVATION };
    struct message m = {0};
    struct str order_id = {0}, code = {0};
    if (outcome->type != BYTES)
        return false;
    struct cursor c = cursor_of(outcome->text);
    bool good = true;
    for (struct field f; good && next_field(&c, &f);) {
        if (f.number == ORDER_ID)
            good = take_text(&f, &order_id);
        else if (f.number == CODE)
            good = take_text(&f, &code);
        else if (f.number == RESERVATION)
            good = f.type == BYTES && read_reservation(&m, f.text, false);
    }
    return good && c.at == c.end &&
           message_judge_outcome(&m, order_id, code, target, call, index, out);
}

/* ReserveBatchResponse */
static bool read_batch(struct str text, const struct protocol_target *target,
                       const struct call *call, struct batch_outcome *outcomes)
{
    enum { OUTCOMES = 1 };
    struct cursor c = cursor_of(text);
    uint32_t count = 0;
    for (struct field f; next_field(&c, &f);) {
        if (f.number != OUTCOMES)
            continue;
        if (count == call->batch || !read_outcome(&f, target, call, count, &outcomes[count]))
            return false;
        count++;
    }
    return c.at == c.end && count == call->batch;
}

void grpc_message_read(const uint8_t *bytes, size_t size, const struct protocol_target *target,
                       const struct call *call, struct batch_outcome *outcomes, struct answer *out)
{
    struct str text = {(const char *)bytes, (uint32_t)size};
    struct message m = {0};
    bool good;
    switch (call->kind) {
    case CALL_RESERVE_BATCH:
        good = read_batch(text, target, call, outcomes);
        *out = (struct answer){.code = good ? ANSWER_OK : ANSWER_MALFORMED,
                               .outcomes = good ? outcomes : NULL,
                               .outcome_count = good ? call->batch : 0};
        return;
    case CALL_GET_LOT:
        good = read_lot(&m, text);
        break;
    case CALL_OPEN_GROUP:
    case CALL_GET_GROUP:
        good = read_group(&m, text);
        break;
    case CALL_GET_SALE:
        good = read_sale(&m.sale, text);
        break;
    default:
        good = read_reservation(&m, text, call->kind == CALL_GET_ORDER);
        break;
    }
    if (good)
        message_judge(&m, target, call, out);
    else
        out->code = ANSWER_MALFORMED;
}

/* 0 to 63; 64 for a byte that is not of the alphabet. */
static unsigned base64_value(uint8_t c)
{
    enum { N = 64 };
    /* From '+' to 'z'. */
    static const uint8_t values[] = {
        62, N,  N,  N,  63, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, N,  N,  N,  N,  N,
        N,  N,  0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17,
        18, 19, 20, 21, 22, 23, 24, 25, N,  N,  N,  N,  N,  N,  26, 27, 28, 29, 30, 31,
        32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51};
    return c < '+' || c > 'z' ? N : values[c - '+'];
}

/* The size of what it says; -1: it is not base64. `out` has room for size / 4 * 3 + 3. */
static ssize_t base64_read(const uint8_t *text, size_t size, uint8_t *out)
{
    uint8_t *to = out;
    uint32_t bits = 0;
    unsigned bad = 0;
    size_t whole;
    while (size > 0 && text[size - 1] == '=')
        size--;
    whole = size & ~(size_t)3;
    for (size_t i = 0; i < whole; i += 4, to += 3) {
        unsigned a = base64_value(text[i]), b = base64_value(text[i + 1]),
                 c = base64_value(text[i + 2]), d = base64_value(text[i + 3]);
        bad |= a | b | c | d;
        bits = a << 18 | b << 12 | c << 6 | d;
        to[0] = (uint8_t)(bits >> 16);
        to[1] = (uint8_t)(bits >> 8);
        to[2] = (uint8_t)bits;
    }
    bits = 0;
    for (size_t i = whole; i < size; i++) {
        bad |= base64_value(text[i]);
        bits = bits << 6 | base64_value(text[i]);
    }
    if (size % 4 == 1 || bad & 64)
        return -1;
    if (size % 4 == 2)
        *to++ = (uint8_t)(bits >> 4);
    if (size % 4 == 3) {
        *to++ = (uint8_t)(bits >> 10);
        *to++ = (uint8_t)(bits >> 2);
    }
    return to - out;
}

/* google.protobuf.Any with a google.rpc.ErrorInfo. */
static bool read_reason(struct str any, struct str *reason)
{
    enum { TYPE_URL = 1, VALUE = 2, REASON = 1 };
    struct str type = {0}, value = {0};
    struct cursor c = cursor_of(any);
    for (struct field f; next_field(&c, &f);) {
        if (f.number == TYPE_URL && f.type == BYTES)
            type = f.text;
        else if (f.number == VALUE && f.type == BYTES)
            value = f.text;
    }
    if (!str_equal(type, STR("type.googleapis.com/google.rpc.ErrorInfo")))
        return false;
    c = cursor_of(value);
    for (struct field f; next_field(&c, &f);)
        if (f.number == REASON && f.type == BYTES)
            *reason = f.text;
    return !str_empty(*reason);
}

bool grpc_details_reason(const uint8_t *base64, size_t size, enum answer_code *out)
{
    enum { DETAILS_SIZE_MAX = 4096, DETAILS = 3 }; /* google.rpc.Status */
    uint8_t bytes[DETAILS_SIZE_MAX / 4 * 3 + 3];
    struct str reason = {0};
    ssize_t n = size <= DETAILS_SIZE_MAX ? base64_read(base64, size, bytes) : -1;
    if (n < 0)
        return false;
    struct cursor c = {bytes, bytes + n};
    for (struct field f; next_field(&c, &f);) {
        if (f.number == DETAILS && f.type == BYTES && read_reason(f.text, &reason)) {
            *out = answer_parse(reason.p, reason.len);
            return true;
        }
    }
    return false;
}

enum answer_code grpc_status_code(int status, enum call_kind kind)
{
    enum {
        INVALID_ARGUMENT = 3,
        DEADLINE_EXCEEDED = 4,
        NOT_FOUND = 5,
        ALREADY_EXISTS = 6,
        RESOURCE_EXHAUSTED = 8,
        FAILED_PRECONDITION = 9
    };
    bool is_move = kind == CALL_CONFIRM || kind == CALL_REFUND;
    switch (status) {
    case INVALID_ARGUMENT:
        return ANSWER_INVALID_ARGUMENT;
    case DEADLINE_EXCEEDED:
        return ANSWER_OUTCOME_UNKNOWN;
    case NOT_FOUND:
        return ANSWER_NOT_FOUND;
    case ALREADY_EXISTS:
        return ANSWER_ALREADY_EXISTS;
    case RESOURCE_EXHAUSTED:
        return ANSWER_LIMIT_EXCEEDED;
    case FAILED_PRECONDITION:
        return is_move ? ANSWER_INVALID_TRANSITION : ANSWER_SOLD_OUT;
    default: /* UNAVAILABLE among them: a proxy says it of calls that were carried out */
        return ANSWER_OTHER;
    }
}
