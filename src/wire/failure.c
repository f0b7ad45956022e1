/* failure.c - see failure.h. */
#include "wire/failure.h"

static struct str number(bool said, int64_t n, char digits[DECIMAL_MAX])
{
    return said ? decimal_text(n, digits) : (struct str){0};
}

size_t failure_members(const struct failure *f, char digits[FAILURE_NUMBERS][DECIMAL_MAX],
                       struct failure_member out[FAILURE_MEMBERS_MAX])
{
    bool limited = f->code == TLY_ELIMIT_EXCEEDED && f->limit > 0;
    const struct failure_member all[] = {
        {STR("field"), f->field, false},
        {STR("lot"), f->lot, false},
        {STR("available"), number(f->code == TLY_ESOLD_OUT, f->available, digits[0]), true},
        {STR("starts_in_ms"), number(f->code == TLY_ESALE_NOT_OPEN, f->starts_in_ms, digits[0]),
         true},
        {STR("limit"), number(limited, f->limit, digits[1]), true},
        {STR("taken"), number(limited, f->taken, digits[2]), true},
        {STR("orders"), f->orders, true},
        {STR("from"), f->from, false},
        {STR("to"), f->to, false},
        {STR("after"), f->after, false},
        {STR("reservation_id"), f->reservation_id, false},
        {STR("order_id"), f->order_id, false},
        {STR("reservation_status"), f->reservation_status, false},
        {STR("reason"), f->reason, false},
        {STR("payment_id"), f->payment_id, false},
        {STR("lines"), f->lines, true},
    };
    _Static_assert(sizeof all / sizeof all[0] <= FAILURE_MEMBERS_MAX, "room for all members");
    size_t n = 0;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (!str_empty(all[i].value))
            out[n++] = all[i];
    }
    return n;
}
