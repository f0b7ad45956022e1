/* extend.c - Extend: a later deadline, when a payment starts. */
#include "service/service_internal.h"

static void finish(struct service *s, struct call *c)
{
    finish_move(s, c, HOLD_PENDING);
}

int extend_start(struct service *s, struct call *c, struct error *e)
{
    const Tally__V1__ExtendRequest *m = (const Tally__V1__ExtendRequest *)c->request;
    int64_t hold_max_ms = s->host.settings->hold_max_ms;
    int code = move_prepare(c, COMMAND_EXTEND, m->reservation_id, m->order_id, e);
    if (code)
        return code;
    if (m->hold_ms < 1 || m->hold_ms > hold_max_ms)
        return rule_broken(e, "hold_ms", "must be 1 to %lld, is %lld", (long long)hold_max_ms,
                           (long long)m->hold_ms);
    c->command.move.hold_ms = m->hold_ms;
    c->finish = finish;
    call_submit(s, c);
    return 0;
}
