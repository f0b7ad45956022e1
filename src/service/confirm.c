/* confirm.c - Confirm: the payment has arrived. With lines, fewer units than held are kept and the
 * rest goes back; which lines fit the hold is the engine's to judge. */
#include <stdio.h>
#include <string.h>

#include "service/service_internal.h"

static void finish(struct service *s, struct call *c)
{
    finish_move(s, c, HOLD_CONFIRMED);
}

static int prepare_lines(struct call *c, const Tally__V1__ConfirmRequest *m, struct error *e)
{
    if (m->n_lines < 1 || m->n_lines > ORDER_LINES_MAX)
        return rule_broken(e, "lines", "must be 1 to %d lines, is %zu; left out, all is confirmed",
                           ORDER_LINES_MAX, m->n_lines);
    struct want *wants = arena_zalloc(&c->arena, m->n_lines * sizeof *wants);
    if (!wants)
        return error_set(e, TLY_ENO_MEMORY, "", "out of memory");
    for (size_t i = 0; i < m->n_lines; i++) {
        char field[ERROR_FIELD_MAX];
        wants[i].lot = str_of(m->lines[i]->lot);
        wants[i].quantity = m->lines[i]->quantity;
        snprintf(field, sizeof field, "lines[%zu].lot", i);
        int code = rule_lot_key(wants[i].lot, field, e);
        if (code)
            return code;
        snprintf(field, sizeof field, "lines[%zu].quantity", i);
        code = rule_quantity(wants[i].quantity, 1, field, e);
        if (code)
            return code;
    }
    c->command.move.wants = wants;
    c->command.move.want_count = (uint16_t)m->n_lines;
    return 0;
}

int confirm_start(struct service *s, struct call *c, struct error *e)
{
    const Tally__V1__ConfirmRequest *m = (const Tally__V1__ConfirmRequest *)c->request;
    int code = move_prepare(c, COMMAND_CONFIRM, m->reservation_id, e);
    if (!code && m->payment_id[0])
        code = rule_text(str_of(m->payment_id), PAYMENT_ID_MAX, "payment_id", e);
    if (!code && m->lines)
        code = prepare_lines(c, m, e);
    if (code)
        return code;
    c->command.move.payment_id = str_of(m->payment_id);
    c->finish = finish;
    call_submit(s, c);
    return 0;
}
