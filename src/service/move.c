/* move.c - what the moves of one reservation share: the reservation they name, by its number or by
 * its order_id; some of its units; and how it stands after. */
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "service/service_internal.h"

int id_parse(const char *text, const char *field, const char *what, int64_t *out, struct error *e)
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
    return rule_broken(e, field, "must be a %s's number, is \"%.30s\"", what, text);
}

int reservation_id_parse(const char *text, const char *field, int64_t *out, struct error *e)
{
    return id_parse(text, field, "reservation", out, e);
}

static int no_memory(struct error *e)
{
    return error_set(e, TLY_ENO_MEMORY, "", "out of memory");
}

static int prepare_name(struct call *c, const char *reservation_id, const char *order_id,
                        struct error *e)
{
    if (!order_id[0])
        return reservation_id_parse(reservation_id, "reservation_id",
                                    &c->command.move.reservation_id, e);
    if (reservation_id[0])
        return rule_broken(e, "order_id", "must be empty if a reservation_id is given");
    c->command.move.by_order_id = str_of(order_id);
    c->command.move.order_hash = hash64(c->command.move.by_order_id, c->service->host.hash_seed);
    c->origin.order_id = c->command.move.by_order_id;
    return rule_text(c->command.move.by_order_id, ORDER_ID_MAX, "order_id", e);
}

int move_prepare(struct call *c, enum command_kind kind, const char *reservation_id,
                 const char *order_id, struct error *e)
{
    c->command.kind = (uint8_t)kind;
    int code = prepare_name(c, reservation_id, order_id, e);
    if (code)
        return code;
    c->command.move.lines = arena_alloc(&c->arena, ORDER_LINES_MAX * sizeof(struct line));
    c->command.move.after = arena_zalloc(&c->arena, ORDER_LINES_MAX * sizeof(struct line_after));
    c->command.move.line_max = ORDER_LINES_MAX;
    return c->command.move.lines && c->command.move.after ? 0 : no_memory(e);
}

int move_take_lines(struct call *c, Tally__V1__Line *const *lines, size_t count, const char *all,
                    struct error *e)
{
    if (count < 1 || count > ORDER_LINES_MAX)
        return rule_broken(e, "lines", "must be 1 to %d lines, is %zu; left out, %s",
                           ORDER_LINES_MAX, count, all);
    struct want *wants = arena_zalloc(&c->arena, count * sizeof *wants);
    if (!wants)
        return no_memory(e);
    for (size_t i = 0; i < count; i++) {
        char field[ERROR_FIELD_MAX];
        wants[i].lot = str_of(lines[i]->lot);
        wants[i].quantity = lines[i]->quantity;
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
    c->command.move.want_count = (uint16_t)count;
    return 0;
}

int move_id(struct call *c, const char *id, const char *field, struct error *e)
{
    if (!is_given(id))
        return 0;
    c->command.move.id = str_of(id);
    return rule_text(c->command.move.id, ADJUSTMENT_ID_MAX, field, e);
}

static struct str mismatch_text(enum command_kind kind)
{
    switch (kind) {
    case COMMAND_CONFIRM:
        return STR("the reservation was confirmed with another payment_id or other lines; "
                   "what is stored is shown");
    case COMMAND_SHIP:
        return STR(
            "this shipment_id was used for other units; how the reservation stands is shown");
    case COMMAND_CHANGE:
        return STR("this change_id was used for other lines; how the reservation stands is shown");
    default:
        return STR("the reservation was refunded for another reason, or the return_id was used for "
                   "other units; what is stored is shown");
    }
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
    if (!f->text.len)
        f->text = mismatch_text((enum command_kind)command->kind);
}

/* The new lines of a CHANGE are judged, and told, as those of an order. */
static struct failure change_failure(const struct service *s, const struct call *c, struct arena *a)
{
    const struct command *command = &c->command;
    struct reserve_command order = {.code = command->code,
                                    .order_id = c->origin.order_id,
                                    .wants = command->move.wants,
                                    .want_count = command->move.want_count,
                                    .failed_want = command->move.failed_want,
                                    .available = command->move.available};
    return order_failure(s, &order, command->text, a);
}

static struct failure move_failure(const struct service *s, const struct call *c,
                                   enum hold_state to, struct arena *a)
{
    const struct command *command = &c->command;
    struct failure f = {.code = command->code, .text = str_of(command->text)};
    bool of_lines =
        f.code == TLY_EINVALID_ARGUMENT || f.code == TLY_ENOT_FOUND || f.code == TLY_ESOLD_OUT;
    if (command->kind == COMMAND_CHANGE && of_lines && !f.text.len)
        return change_failure(s, c, a);
    if (f.code == TLY_ESOLD_OUT)
        f.available = command->move.available;
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
    return f;
}

static int show_move(const struct service *s, Tally__V1__ReserveResponse *m,
                     const struct command *command, struct str order_id, struct arena *a)
{
    char *sale_id, *group_id;
    m->reservation_id = show_number(command->move.reservation_id, a);
    m->order_id = show_text(order_id, a);
    m->status = (char *)hold_state_name(command->move.state);
    m->expires_at = show_time(command->move.expires_ms, a);
    m->reason = (char *)refund_reason_name(command->move.state_reason);
    m->replayed = command->move.replayed;
    m->n_lines = command->move.line_count;
    if (!m->reservation_id || !m->order_id || !m->expires_at ||
        show_sale_of(s, command->move.sale, command->move.group_id, &sale_id, &group_id, a))
        return TLY_ENO_MEMORY;
    if (sale_id)
        SHOW_OPTIONAL(m, RESERVE_RESPONSE, sale_id, SALE_ID, sale_id);
    if (group_id)
        SHOW_OPTIONAL(m, RESERVE_RESPONSE, group_id, GROUP_ID, group_id);
    return show_lines(s, &m->lines, command->move.lines, command->move.after,
                      command->move.line_count, a);
}

void finish_move(struct service *s, struct call *c, enum hold_state to)
{
    const struct command *command = &c->command;
    struct arena *a = &c->origin.exchange->arena;
    struct str order_id = {command->move.order_id, command->move.order_id_len};
    if (order_id.len)
        c->origin.order_id = order_id;
    if (command->code) {
        struct failure f = move_failure(s, c, to, a);
        reply_failure(s, &c->origin, &f);
        return;
    }
    Tally__V1__ReserveResponse m = TALLY__V1__RESERVE_RESPONSE__INIT;
    if (show_move(s, &m, command, order_id, a)) {
        reply_unsaid(s, &c->origin);
        return;
    }
    struct header replayed = {STR("idempotent-replayed"), STR("true")};
    reply_message_with(s, &c->origin, 200, &m.base, &replayed, m.replayed ? 1 : 0);
}
