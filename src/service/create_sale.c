/* create_sale.c - CreateSale. A sale_id that is there already is refused, whatever the terms. */
#include <string.h>

#include "service/sale.h"

static void finish(struct service *s, struct call *c)
{
    const Tally__V1__CreateSaleRequest *m = (const Tally__V1__CreateSaleRequest *)c->request;
    struct arena *a = &c->origin.exchange->arena;
    Tally__V1__Sale sale;
    if (c->command.code) {
        sale_refuse(s, c, m->n_lots);
        return;
    }
    struct header location = {STR("location"),
                              path_with(STR("/v1/sales/"), c->command.sale->terms.sale_id, a)};
    if (show_sale(s, &sale, &c->command.sale->sale, a) || !location.value.p)
        reply_unsaid(s, &c->origin);
    else
        reply_message_with(s, &c->origin, 201, &sale.base, &location, !c->origin.grpc);
}

/* The caller's, or a new one. */
static const char *name_of(struct call *c, const char *given)
{
    enum { UUID_SIZE = 37 };
    struct service *s = c->service;
    if (is_given(given))
        return given;
    char *made = arena_alloc(&c->arena, UUID_SIZE);
    if (made)
        uuid_v7(&s->uuid, s->host.now_ms(s->host.context), made);
    return made;
}

static int check_times(const struct service *s, const Tally__V1__CreateSaleRequest *m,
                       struct sale_terms *terms, struct error *e)
{
    int code = 0;
    terms->starts_ms = s->host.now_ms(s->host.context);
    if (m->starts_at[0])
        code = sale_time(m->starts_at, "starts_at", &terms->starts_ms, e);
    if (!code)
        code = sale_time(m->ends_at, "ends_at", &terms->ends_ms, e);
    if (!code && terms->ends_ms <= terms->starts_ms)
        code = rule_broken(e, "ends_at", "must be later than starts_at");
    return code;
}

static int check_limits(const struct service *s, const Tally__V1__CreateSaleRequest *m,
                        struct sale_terms *terms, struct error *e)
{
    int64_t hold_max_ms = s->host.settings->hold_max_ms;
    int code = rule_quantity(m->per_user_limit, 0, "per_user_limit", e);
    if (!code)
        code = rule_quantity(m->per_order_limit, 0, "per_order_limit", e);
    if (!code)
        code = rule_quantity(m->total_limit, 0, "total_limit", e);
    if (!code)
        code = sale_duration(m->hold_ms, hold_max_ms, "hold_ms", e);
    if (!code)
        code = sale_duration(m->payment_extend_ms_max, hold_max_ms, "payment_extend_ms_max", e);
    terms->per_user_limit = m->per_user_limit;
    terms->per_order_limit = m->per_order_limit;
    terms->total_limit = m->total_limit;
    terms->hold_ms = m->hold_ms;
    terms->payment_extend_ms_max = m->payment_extend_ms_max;
    return code;
}

int create_sale_start(struct service *s, struct call *c, struct error *e)
{
    const Tally__V1__CreateSaleRequest *m = (const Tally__V1__CreateSaleRequest *)c->request;
    const char *sale_id = name_of(c, m->sale_id);
    if (!sale_id)
        return sale_no_memory(e);
    int code = sale_prepare(c, COMMAND_CREATE_SALE, sale_id, e);
    if (code)
        return code;
    struct sale_terms *terms = &c->command.sale->terms;
    terms->title = str_of(m->title);
    code = sale_title(m->title, e);
    if (!code)
        code = sale_items(c, m->lots, m->n_lots, m->skus, m->n_skus, terms, e);
    if (!code)
        code = check_times(s, m, terms, e);
    if (!code)
        code = check_limits(s, m, terms, e);
    if (!code)
        code = sale_group(m->group, false, terms, e);
    if (!code)
        code = sale_queue(m->queue, false, terms, e);
    if (code)
        return code;
    c->finish = finish;
    call_submit(s, c);
    return 0;
}
