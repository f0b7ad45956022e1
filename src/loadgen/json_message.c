/* Answers in JSON, from api/openapi.yaml. What is not JSON, or a member of another type than the
 * contract's, or does not fit the call makes ANSWER_MALFORMED; unknown members are skipped.
 */
#include "loadgen/json_message.h"
#include "loadgen/json_scan.h"

#define IS(name, literal) str_equal(name, STR(literal))

static void read_lines(struct json_scan *j, struct message *m)
{
    json_enter_array(j);
    while (json_element(j)) {
        struct str lot = {0};
        int64_t quantity = 0;
        json_enter_object(j);
        for (struct str name; json_member(j, &name);) {
            if (IS(name, "lot"))
                json_text(j, &lot);
            else if (IS(name, "quantity"))
                json_number(j, &quantity);
            else
                json_skip(j);
        }
        if (!message_add_line(m, lot, quantity))
            j->broken = true;
    }
}

static void read_moves(struct json_scan *j, struct message *m)
{
    json_enter_array(j);
    while (json_element(j)) {
        uint32_t spare = j->spare_used;
        struct str kind = {0};
        json_enter_object(j);
        for (struct str name; json_member(j, &name);) {
            if (IS(name, "kind"))
                json_text(j, &kind);
            else
                json_skip(j);
        }
        m->reserve_moves += IS(kind, "RESERVE");
        j->spare_used = spare;
    }
}

static void read_reservation(struct json_scan *j, struct message *m)
{
    json_enter_object(j);
    for (struct str name; json_member(j, &name);) {
        if (IS(name, "reservation_id"))
            json_text(j, &m->reservation_id);
        else if (IS(name, "order_id"))
            json_text(j, &m->order_id);
        else if (IS(name, "status"))
            json_text(j, &m->status);
        else if (IS(name, "expires_at"))
            json_text(j, &m->expires_at);
        else if (IS(name, "lines"))
            read_lines(j, m);
        else if (IS(name, "reason"))
            json_text(j, &m->reason);
        else if (IS(name, "replayed"))
            json_truth(j, &m->replayed);
        else if (IS(name, "moves"))
            read_moves(j, m);
        else if (IS(name, "sale_id"))
            json_text(j, &m->sale_id);
        else if (IS(name, "group_id"))
            json_text(j, &m->group_id);
        else
            json_skip(j);
    }
}

static void read_group(struct json_scan *j, struct message *m)
{
    bool replayed = false;
    json_enter_object(j);
    for (struct str name; json_member(j, &name);) {
        if (IS(name, "group_id"))
            json_text(j, &m->group.group_id);
        else if (IS(name, "status"))
            json_text(j, &m->group.status);
        else if (IS(name, "size"))
            json_number(j, &m->group.places);
        else if (IS(name, "places_left"))
            json_number(j, &m->group.places_left);
        else if (IS(name, "paid"))
            json_number(j, &m->group.paid);
        else if (IS(name, "remaining_ms"))
            json_number(j, &m->group.remaining_ms);
        else if (IS(name, "replayed"))
            json_truth(j, &replayed);
        else if (IS(name, "reservation"))
            read_reservation(j, m);
        else
            json_skip(j);
    }
    m->replayed |= replayed;
}

/* An object of numbers: what is wanted of it by name. */
static void read_numbers(struct json_scan *j, const struct str *names, int64_t *const *out,
                         size_t count)
{
    json_enter_object(j);
    for (struct str name; json_member(j, &name);) {
        size_t i = 0;
        while (i < count && !str_equal(names[i], name))
            i++;
        if (i < count)
            json_number(j, out[i]);
        else
            json_skip(j);
    }
}

static void read_sale(struct json_scan *j, struct sale_message *s)
{
    const struct str units[] = {STR("pending"), STR("confirmed"), STR("left")};
    const struct str groups[] = {STR("open"), STR("succeeded"), STR("failed")};
    json_enter_object(j);
    for (struct str name; json_member(j, &name);) {
        if (IS(name, "sale_id"))
            json_text(j, &s->sale_id);
        else if (IS(name, "status"))
            json_text(j, &s->status);
        else if (IS(name, "starts_in_ms"))
            json_number(j, &s->starts_in_ms);
        else if (IS(name, "units"))
            read_numbers(j, units,
                         (int64_t *const[]){&s->units_pending, &s->units_confirmed, &s->units_left},
                         3);
        else if (IS(name, "groups"))
            read_numbers(
                j, groups,
                (int64_t *const[]){&s->groups_open, &s->groups_succeeded, &s->groups_failed}, 3);
        else
            json_skip(j);
    }
}

static void read_lot(struct json_scan *j, struct message *m)
{
    json_enter_object(j);
    for (struct str name; json_member(j, &name);) {
        if (IS(name, "lot"))
            json_text(j, &m->lot);
        else if (IS(name, "on_hand"))
            json_number(j, &m->on_hand);
        else if (IS(name, "reserved"))
            json_number(j, &m->reserved);
        else if (IS(name, "confirmed"))
            json_number(j, &m->confirmed);
        else if (IS(name, "available"))
            json_number(j, &m->available);
        else if (IS(name, "version"))
            json_number(j, &m->version);
        else
            json_skip(j);
    }
}

static bool read_outcome(struct json_scan *j, const struct protocol_target *target,
                         const struct call *call, uint32_t index, struct batch_outcome *out)
{
    struct message m = {0};
    struct str order_id = {0}, code = {0};
    json_forget(j);
    json_enter_object(j);
    for (struct str name; json_member(j, &name);) {
        if (IS(name, "order_id"))
            json_text(j, &order_id);
        else if (IS(name, "code"))
            json_text(j, &code);
        else if (IS(name, "reservation"))
            read_reservation(j, &m);
        else
            json_skip(j);
    }
    return !j->broken && message_judge_outcome(&m, order_id, code, target, call, index, out);
}

static bool read_batch(struct json_scan *j, const struct protocol_target *target,
                       const struct call *call, struct batch_outcome *outcomes)
{
    uint32_t count = 0;
    json_enter_object(j);
    for (struct str name; json_member(j, &name);) {
        if (!IS(name, "outcomes")) {
            json_skip(j);
            continue;
        }
        json_enter_array(j);
        while (json_element(j)) {
            if (count == call->batch || !read_outcome(j, target, call, count, &outcomes[count]))
                return false;
            count++;
        }
    }
    return json_end(j) && count == call->batch;
}

void json_message_read(const uint8_t *bytes, size_t size, const struct protocol_target *target,
                       const struct call *call, struct batch_outcome *outcomes, struct answer *out)
{
    struct json_scan j;
    struct message m = {0};
    bool good;
    json_start(&j, bytes, size);
    switch (call->kind) {
    case CALL_RESERVE_BATCH:
        good = read_batch(&j, target, call, outcomes);
        *out = (struct answer){.code = good ? ANSWER_OK : ANSWER_MALFORMED,
                               .outcomes = good ? outcomes : NULL,
                               .outcome_count = good ? call->batch : 0};
        return;
    case CALL_GET_LOT:
        read_lot(&j, &m);
        break;
    case CALL_OPEN_GROUP:
    case CALL_GET_GROUP:
        read_group(&j, &m);
        break;
    case CALL_GET_SALE:
        read_sale(&j, &m.sale);
        break;
    default:
        read_reservation(&j, &m);
        break;
    }
    if (json_end(&j))
        message_judge(&m, target, call, out);
    else
        out->code = ANSWER_MALFORMED;
}

static enum answer_code status_code(unsigned status, enum call_kind kind)
{
    bool is_move = kind == CALL_CONFIRM || kind == CALL_REFUND;
    switch (status) {
    case 400:
        return ANSWER_INVALID_ARGUMENT;
    case 404:
        return ANSWER_NOT_FOUND;
    case 409:
        return is_move ? ANSWER_INVALID_TRANSITION : ANSWER_SOLD_OUT;
    case 422:
        return ANSWER_ORDER_MISMATCH;
    case 429:
        return ANSWER_LIMIT_EXCEEDED;
    case 504:
        return ANSWER_OUTCOME_UNKNOWN;
    default: /* 503 among them: a proxy says it of calls that were carried out */
        return ANSWER_OTHER;
    }
}

enum answer_code json_problem_read(const uint8_t *bytes, size_t size, unsigned status,
                                   enum call_kind kind)
{
    struct json_scan j;
    struct str code = {0};
    json_start(&j, bytes, size);
    json_enter_object(&j);
    for (struct str name; json_member(&j, &name);) {
        if (IS(name, "code")) {
            json_text(&j, &code);
            break; /* the rest is for people */
        }
        json_skip(&j);
    }
    if (j.broken || str_empty(code))
        return status_code(status, kind);
    enum answer_code known = answer_parse(code.p, code.len);
    return known == ANSWER_OK ? ANSWER_OTHER : known; /* a refusal cannot be called OK */
}
