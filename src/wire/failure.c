/* failure.c - see failure.h. */
#include "wire/failure.h"

size_t failure_members(const struct failure *f, char digits[DECIMAL_MAX],
                       struct failure_member out[FAILURE_MEMBERS_MAX])
{
    const struct failure_member all[] = {
        {STR("field"), f->field, false},
        {STR("lot"), f->lot, false},
        {STR("available"),
         f->code == TLY_ESOLD_OUT ? decimal_text(f->available, digits) : (struct str){0}, true},
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
