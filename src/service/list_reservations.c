/* list_reservations.c - ListReservations: by user, lot, status and sale, newest first, a page at a
 * time. The page token is the number of the last reservation that was looked at. */
#include <stdlib.h>
#include <string.h>

#include "service/service_internal.h"

enum { PAGE_SIZE_DEFAULT = 100 };

static int show_listed(const struct service *s, Tally__V1__ListedReservation *m,
                       const struct reservation_record *r, struct arena *a)
{
    char *sale_id, *group_id;
    m->reservation_id = show_number(r->reservation_id, a);
    m->order_id = show_text(r->order_id, a);
    m->status = (char *)hold_state_name(r->state);
    m->expires_at = show_time(r->deadline_ms, a);
    m->reason = (char *)refund_reason_name(r->reason);
    m->user_id = show_text(r->user_id, a);
    m->created_at = show_time(r->created_ms, a);
    m->confirmed_at = show_time(r->confirmed_ms, a);
    m->payment_id = show_text(r->payment_id, a);
    m->n_lines = r->line_count;
    if (!m->reservation_id || !m->order_id || !m->expires_at || !m->user_id || !m->created_at ||
        !m->confirmed_at || !m->payment_id ||
        show_sale_of(s, r->sale, r->group_id, &sale_id, &group_id, a))
        return TLY_ENO_MEMORY;
    if (sale_id)
        SHOW_OPTIONAL(m, LISTED_RESERVATION, sale_id, SALE_ID, sale_id);
    if (group_id)
        SHOW_OPTIONAL(m, LISTED_RESERVATION, group_id, GROUP_ID, group_id);
    return show_lines(s, &m->lines, r->lines, r->after, r->line_count, a);
}

static int show_page(const struct service *s, Tally__V1__ListReservationsResponse *m,
                     const struct reservation_list *list, struct arena *a)
{
    Tally__V1__ListedReservation *shown = arena_alloc(a, list->count * sizeof *shown);
    m->reservations = arena_alloc(a, list->count * sizeof *m->reservations);
    m->n_reservations = list->count;
    if (!shown || !m->reservations)
        return TLY_ENO_MEMORY;
    for (uint32_t i = 0; i < list->count; i++) {
        tally__v1__listed_reservation__init(&shown[i]);
        m->reservations[i] = &shown[i];
        if (show_listed(s, &shown[i], list->records[i], a))
            return TLY_ENO_MEMORY;
    }
    if (list->next)
        m->next_page_token = show_number(list->next, a);
    return m->next_page_token ? 0 : TLY_ENO_MEMORY;
}

static void finish(struct service *s, struct call *c)
{
    Tally__V1__ListReservationsResponse m = TALLY__V1__LIST_RESERVATIONS_RESPONSE__INIT;
    if (c->command.code)
        reply_refused(s, c);
    else if (show_page(s, &m, &c->command.list_reservations.list, &c->arena))
        reply_unsaid(s, &c->origin);
    else
        reply_message(s, &c->origin, 200, &m.base);
}

void list_reservations_free(struct reservation_list *list)
{
    for (uint32_t i = 0; list->records && i < list->count; i++)
        free(list->records[i]);
    free(list->records);
    list->records = NULL;
}

static int status_parse(const char *text, enum hold_state *out, struct error *e)
{
    static const enum hold_state states[] = {HOLD_PENDING, HOLD_CONFIRMED, HOLD_REFUNDED};
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        if (strcmp(text, hold_state_name(states[i])) == 0) {
            *out = states[i];
            return 0;
        }
    }
    return rule_broken(e, "status", "must be PENDING, CONFIRMED or REFUNDED, is \"%.40s\"", text);
}

static int check(const Tally__V1__ListReservationsRequest *m, struct reservation_list_command *to,
                 struct error *e)
{
    int code = 0;
    to->list.before = INT64_MAX;
    if (m->user_id[0])
        code = rule_text(str_of(m->user_id), USER_ID_MAX, "user_id", e);
    if (!code && m->lot[0])
        code = rule_lot_key(str_of(m->lot), "lot", e);
    if (!code && m->status[0])
        code = status_parse(m->status, &to->list.state, e);
    if (!code && m->sale_id[0])
        code = rule_text(str_of(m->sale_id), SALE_ID_MAX, "sale_id", e);
    if (code)
        return code;
    if (m->page_size < 0 || m->page_size > PAGE_SIZE_MAX)
        return rule_broken(e, "page_size", "must be 1 to %d, or 0 for %d, is %d", PAGE_SIZE_MAX,
                           PAGE_SIZE_DEFAULT, m->page_size);
    if (m->page_token[0] && !decimal_parse(str_of(m->page_token), INT64_MAX, &to->list.before))
        return rule_broken(e, "page_token", "must be a next_page_token of this server");
    return 0;
}

int list_reservations_start(struct service *s, struct call *c, struct error *e)
{
    const Tally__V1__ListReservationsRequest *m =
        (const Tally__V1__ListReservationsRequest *)c->request;
    struct reservation_list_command *to = &c->command.list_reservations;
    int code = check(m, to, e);
    if (code)
        return code;
    c->command.kind = COMMAND_LIST_RESERVATIONS;
    to->list.user_id = str_of(m->user_id);
    to->list.page_size = m->page_size ? (uint32_t)m->page_size : PAGE_SIZE_DEFAULT;
    to->lot_key = str_of(m->lot);
    to->sale_id = str_of(m->sale_id);
    c->finish = finish;
    call_submit(s, c);
    return 0;
}
