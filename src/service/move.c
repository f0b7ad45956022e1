/* move.c - what Confirm, Refund and Extend share: the reservation they name, and its state after.
 */
#include <string.h>

#include "service/service_internal.h"

int reservation_id_parse(const char *text, int64_t *out, struct error *e)
{
    if (decimal_parse(str_of(text), INT64_MAX, out) && *out > 0)
        return 0;
    return rule_broken(e, "reservation_id", "must be a reservation's number, is \"%.30s\"", text);
}

int move_prepare(struct call *c, enum command_kind kind, const char *reservation_id,
                 struct error *e)
{
    c->command.kind = (uint8_t)kind;
    int code = reservation_id_parse(reservation_id, &c->command.move.reservation_id, e);
    if (code)
        return code;
    c->command.move.lines = arena_alloc(&c->arena, ORDER_LINES_MAX * sizeof(struct line));
    c->command.move.line_max = ORDER_LINES_MAX;
    if (!c->command.move.lines)
        return error_set(e, TLY_ENO_MEMORY, "", "out of memory");
    return 0;
}

void finish_move(struct service *s, struct call *c, enum hold_state to)
{
    const struct command *command = &c->command;
    struct arena *a = &c->origin.exchange->arena;
    struct str order_id = {command->move.order_id, command->move.order_id_len};
    c->origin.order_id = order_id;
    if (command->code) {
        struct failure f = {.code = command->code, .text = str_of(command->text)};
        if (f.code == TLY_EINVALID_TRANSITION) {
            f.from = str_of(hold_state_name(command->move.state));
            f.to = str_of(hold_state_name(to));
        }
        if (f.code == TLY_EINVALID_ARGUMENT && command->move.want_count > 0) {
            f.field = line_name(command->move.failed_want, "", a);
            f.text = after_field(f.field, f.text, a);
        }
        reply_failure(s, &c->origin, &f);
        return;
    }
    Tally__V1__ReserveResponse m = TALLY__V1__RESERVE_RESPONSE__INIT;
    m.reservation_id = show_number(command->move.reservation_id, a);
    m.order_id = show_text(order_id, a);
    m.status = (char *)hold_state_name(command->move.state);
    m.expires_at = show_time(command->move.expires_ms, a);
    m.reason = (char *)refund_reason_name(command->move.state_reason);
    m.replayed = command->move.replayed;
    m.n_lines = command->move.line_count;
    if (!m.reservation_id || !m.order_id || !m.expires_at ||
        show_lines(s, &m.lines, command->move.lines, command->move.line_count, a)) {
        reply_unsaid(s, &c->origin);
        return;
    }
    struct header replayed = {STR("idempotent-replayed"), STR("true")};
    reply_message_with(s, &c->origin, 200, &m.base, &replayed, m.replayed ? 1 : 0);
}
