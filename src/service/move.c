/* move.c - what Confirm, Refund and Extend share: the reservation they name, and its
 * state after. */
#include <string.h>

#include "service/service_internal.h"

int reservation_id_parse(const char *text, int64_t *out, struct error *e)
{
    enum { DIGITS_MAX = 19 };
    struct str id = str_of(text);
    if (decimal_parse(id, INT64_MAX, out) && *out > 0)
        return 0;
    /* A number that is larger than any that there will be: it is not found. */
    if (id.len == DIGITS_MAX && id.p[0] == '9' && strspn(text, "0123456789") == id.len) {
        *out = INT64_MAX;
        return 0;
    }
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

/* The move had happened already, and is asked for with other content: what is stored is shown. */
static void show_stored(const struct service *s, const struct call *c, struct failure *f,
                        struct arena *a)
{
    const struct command *command = &c->command;
    char *id = show_number(command->move.reservation_id, a);
    f->reservation_id = id ? str_of(id) : (struct str){0};
    f->order_id = c->origin.order_id;
    f->reservation_status = str_of(hold_state_name(command->move.state));
    f->reason = str_of(refund_reason_name(command->move.state_reason));
    f->payment_id =
        (struct str){command->move.payment_id_stored, command->move.payment_id_stored_len};
    f->lines = show_lines_json(s, command->move.lines, command->move.line_count, a);
    if (!f->text.len && command->kind == COMMAND_CONFIRM)
        f->text = STR("the reservation was confirmed with another payment_id or other lines; "
                      "what is stored is shown");
    else if (!f->text.len)
        f->text = STR("the reservation was refunded for another reason; what is stored is shown");
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
        if (f.code == TLY_EORDER_MISMATCH)
            show_stored(s, c, &f, a);
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
