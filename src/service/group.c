/* group.c - OpenGroup, GetGroup, CompleteGroup: buyers who get their price together.
 *
 * A group is opened alone, or with its opener's order, in one move: then the answer has the order's
 * reservation too, and a refusal is the order's. The same order again is answered with the group
 * that it opened. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "service/sale.h"

enum { BEHIND_BASE = sizeof(ProtobufCMessage) };
#define SHARED_BYTES (sizeof(Tally__V1__GetGroupResponse) - BEHIND_BASE)
_Static_assert(offsetof(Tally__V1__OpenGroupResponse, server_time) ==
                   offsetof(Tally__V1__GetGroupResponse, server_time),
               "what GetGroup answers, and what is behind it");
_Static_assert(offsetof(Tally__V1__CompleteGroupResponse, server_time) ==
                   offsetof(Tally__V1__GetGroupResponse, server_time),
               "what GetGroup answers, and what is behind it");

/* The fields that all answers about a group begin with; those behind stay as they are. */
static int show_group(const struct service *s, ProtobufCMessage *out,
                      const struct group_view *group, struct arena *a)
{
    Tally__V1__GetGroupResponse shown = TALLY__V1__GET_GROUP_RESPONSE__INIT, *m = &shown;
    int64_t now_ms = s->host.now_ms(s->host.context);
    m->group_id = show_number(group->group_id, a);
    m->sale_id = show_text(group->sale_id, a);
    m->status = (char *)group_status_name(group->status);
    m->size = group->size;
    m->places_left = group->places_left;
    m->paid = group->paid;
    m->ends_at = show_time(group->ends_ms, a);
    m->server_time = show_time(now_ms, a);
    if (group->status == GROUP_IS_OPEN && group->ends_ms > now_ms)
        m->remaining_ms = group->ends_ms - now_ms;
    if (!m->group_id || !m->sale_id || !m->ends_at || !m->server_time)
        return TLY_ENO_MEMORY;
    memcpy((char *)out + BEHIND_BASE, (char *)m + BEHIND_BASE, SHARED_BYTES);
    return 0;
}

static void answer_open(struct service *s, struct call *c)
{
    const struct command *command = &c->command;
    struct reserve_command *order = command->group.order;
    struct arena *a = &c->origin.exchange->arena;
    Tally__V1__OpenGroupResponse m = TALLY__V1__OPEN_GROUP_RESPONSE__INIT;
    Tally__V1__ReserveResponse reservation = TALLY__V1__RESERVE_RESPONSE__INIT;
    if (command->code && order) {
        struct failure f = order_failure(s, order, command->text, a);
        reply_failure(s, &c->origin, &f);
        return;
    }
    if (command->code) {
        reply_refused(s, c);
        return;
    }
    if (order) {
        order->extra->group_id = command->group.group.group_id;
        m.reservation = &reservation;
    }
    m.replayed = command->group.replayed || (order && order->replayed);
    if (show_group(s, &m.base, &command->group.group, a) ||
        (order && show_order(s, &reservation, order, a))) {
        reply_unsaid(s, &c->origin);
        return;
    }
    struct header headers[2];
    size_t count = 0;
    if (!c->origin.grpc) {
        struct str path = path_with(STR("/v1/groups/"), str_of(m.group_id), a);
        headers[count++] = (struct header){STR("location"), path};
        if (!path.p) {
            reply_unsaid(s, &c->origin);
            return;
        }
    }
    if (m.replayed)
        headers[count++] = (struct header){STR("idempotent-replayed"), STR("true")};
    reply_message_with(s, &c->origin, m.replayed ? 200 : 201, &m.base, headers, count);
}

static void finish_open(struct service *s, struct call *c)
{
    struct reserve_command *order = c->command.group.order;
    if (order)
        order->code = c->command.code;
    if (!order || !orders_look_up(s, c, order, 1, answer_open))
        answer_open(s, c);
}

/* Puts "order." in front of the field that an error names. */
static int in_order(struct error *e)
{
    char field[ERROR_FIELD_MAX], text[ERROR_TEXT_MAX];
    int code = e->code;
    memcpy(field, e->field, sizeof field);
    memcpy(text, e->text, sizeof text);
    snprintf(e->field, sizeof e->field, "order.%.50s", field);
    snprintf(e->text, sizeof e->text, "order.%.240s", text);
    return code;
}

static int prepare_order(struct call *c, Tally__V1__ReserveRequest *m, const char *sale_id,
                         struct error *e)
{
    struct order_flags flags;
    if (m->group_id[0])
        return rule_broken(e, "order.group_id", "must be left out: the group is made here");
    if (m->sale_id[0] && !str_equal(str_of(m->sale_id), str_of(sale_id)))
        return rule_broken(e, "order.sale_id", "must be the group's sale, if it is given");
    m->sale_id = (char *)sale_id;
    struct reserve_command *order = arena_zalloc(&c->arena, sizeof *order);
    if (!order)
        return sale_no_memory(e);
    c->command.group.order = order;
    int code = order_prepare(c, m, order, &flags, e);
    c->origin.order_id = order->order_id;
    return code && *e->field ? in_order(e) : code;
}

int open_group_start(struct service *s, struct call *c, struct error *e)
{
    const Tally__V1__OpenGroupRequest *m = (const Tally__V1__OpenGroupRequest *)c->request;
    c->command.kind = COMMAND_OPEN_GROUP;
    c->command.group.sale_id = str_of(m->sale_id);
    c->command.group.user_id = str_of(m->user_id);
    int code = rule_text(str_of(m->sale_id), SALE_ID_MAX, "sale_id", e);
    if (!code && m->user_id[0])
        code = rule_text(str_of(m->user_id), USER_ID_MAX, "user_id", e);
    if (!code && m->order && m->user_id[0])
        code =
            rule_broken(e, "user_id", "must be left out if there is an order, which has its own");
    if (!code && m->order)
        code = prepare_order(c, m->order, m->sale_id, e);
    if (code)
        return code;
    c->finish = finish_open;
    call_submit(s, c);
    return 0;
}

static int prepare(struct call *c, enum command_kind kind, const char *group_id, struct error *e)
{
    c->command.kind = (uint8_t)kind;
    return id_parse(group_id, "group_id", "group", &c->command.group.group_id, e);
}

static void finish_get(struct service *s, struct call *c)
{
    Tally__V1__GetGroupResponse m = TALLY__V1__GET_GROUP_RESPONSE__INIT;
    if (c->command.code)
        reply_refused(s, c);
    else if (show_group(s, &m.base, &c->command.group.group, &c->origin.exchange->arena))
        reply_unsaid(s, &c->origin);
    else
        reply_message(s, &c->origin, 200, &m.base);
}

int get_group_start(struct service *s, struct call *c, struct error *e)
{
    const Tally__V1__GetGroupRequest *m = (const Tally__V1__GetGroupRequest *)c->request;
    int code = prepare(c, COMMAND_GET_GROUP, m->group_id, e);
    if (code)
        return code;
    c->finish = finish_get;
    call_submit(s, c);
    return 0;
}

static void finish_complete(struct service *s, struct call *c)
{
    Tally__V1__CompleteGroupResponse m = TALLY__V1__COMPLETE_GROUP_RESPONSE__INIT;
    struct header replayed = {STR("idempotent-replayed"), STR("true")};
    m.replayed = c->command.group.replayed;
    if (c->command.code)
        reply_refused(s, c);
    else if (show_group(s, &m.base, &c->command.group.group, &c->origin.exchange->arena))
        reply_unsaid(s, &c->origin);
    else
        reply_message_with(s, &c->origin, 200, &m.base, &replayed, m.replayed ? 1 : 0);
}

int complete_group_start(struct service *s, struct call *c, struct error *e)
{
    const Tally__V1__CompleteGroupRequest *m = (const Tally__V1__CompleteGroupRequest *)c->request;
    int code = prepare(c, COMMAND_COMPLETE_GROUP, m->group_id, e);
    if (!code && m->reason[0])
        code = rule_text(str_of(m->reason), ADJUST_REASON_MAX, "reason", e);
    if (code)
        return code;
    c->command.group.reason = str_of(m->reason);
    c->finish = finish_complete;
    call_submit(s, c);
    return 0;
}
