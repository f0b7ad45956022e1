/* update_sale.c - UpdateSale: what is given is changed, for orders from now on. A group of size 0,
 * and a queue without a mode, take them away. */
#include "service/sale.h"

static void finish(struct service *s, struct call *c)
{
    const Tally__V1__UpdateSaleRequest *m = (const Tally__V1__UpdateSaleRequest *)c->request;
    if (c->command.code)
        sale_refuse(s, c, m->n_lots);
    else
        finish_sale(s, c, 200);
}

static int set_times(const Tally__V1__UpdateSaleRequest *m, struct sale_command *sale,
                     struct error *e)
{
    struct sale_terms *terms = &sale->terms;
    int code = 0;
    if (m->starts_at_is_case) {
        sale->sets |= SALE_STARTS;
        code = sale_time(m->starts_at, "starts_at", &terms->starts_ms, e);
    }
    if (!code && m->ends_at_is_case) {
        sale->sets |= SALE_ENDS;
        code = sale_time(m->ends_at, "ends_at", &terms->ends_ms, e);
    }
    if (!code && m->starts_at_is_case && m->ends_at_is_case && terms->ends_ms <= terms->starts_ms)
        code = rule_broken(e, "ends_at", "must be later than starts_at");
    return code;
}

static int set_limit(struct sale_command *sale, uint32_t field, bool given, int64_t value,
                     const char *name, int64_t *out, struct error *e)
{
    if (!given)
        return 0;
    sale->sets |= field;
    *out = value;
    return rule_quantity(value, 0, name, e);
}

static int set_limits(const struct service *s, const Tally__V1__UpdateSaleRequest *m,
                      struct sale_command *sale, struct error *e)
{
    int64_t hold_max_ms = s->host.settings->hold_max_ms;
    struct sale_terms *terms = &sale->terms;
    int code = set_limit(sale, SALE_PER_USER, m->per_user_limit_is_case != 0, m->per_user_limit,
                         "per_user_limit", &terms->per_user_limit, e);
    if (!code)
        code = set_limit(sale, SALE_PER_ORDER, m->per_order_limit_is_case != 0, m->per_order_limit,
                         "per_order_limit", &terms->per_order_limit, e);
    if (!code)
        code = set_limit(sale, SALE_TOTAL, m->total_limit_is_case != 0, m->total_limit,
                         "total_limit", &terms->total_limit, e);
    if (!code && m->hold_ms_is_case) {
        sale->sets |= SALE_HOLD;
        terms->hold_ms = m->hold_ms;
        code = sale_duration(m->hold_ms, hold_max_ms, "hold_ms", e);
    }
    if (!code && m->payment_extend_ms_max_is_case) {
        sale->sets |= SALE_EXTEND;
        terms->payment_extend_ms_max = m->payment_extend_ms_max;
        code = sale_duration(m->payment_extend_ms_max, hold_max_ms, "payment_extend_ms_max", e);
    }
    return code;
}

static int set_rest(struct call *c, const Tally__V1__UpdateSaleRequest *m, struct error *e)
{
    struct sale_command *sale = c->command.sale;
    int code = 0;
    if (m->title_is_case) {
        sale->sets |= SALE_TITLE;
        sale->terms.title = str_of(m->title);
        code = sale_title(m->title, e);
    }
    if (!code && (m->lots || m->skus)) {
        sale->sets |= SALE_ITEMS;
        code = sale_items(c, m->lots, m->n_lots, m->skus, m->n_skus, &sale->terms, e);
    }
    if (!code && m->group) {
        sale->sets |= SALE_GROUP;
        code = sale_group(m->group, true, &sale->terms, e);
    }
    if (!code && m->queue) {
        sale->sets |= SALE_QUEUE;
        code = sale_queue(m->queue, true, &sale->terms, e);
    }
    return code;
}

int update_sale_start(struct service *s, struct call *c, struct error *e)
{
    const Tally__V1__UpdateSaleRequest *m = (const Tally__V1__UpdateSaleRequest *)c->request;
    int code = sale_prepare(c, COMMAND_UPDATE_SALE, m->sale_id, e);
    if (!code)
        code = set_times(m, c->command.sale, e);
    if (!code)
        code = set_limits(s, m, c->command.sale, e);
    if (!code)
        code = set_rest(c, m, e);
    if (!code && !c->command.sale->sets)
        code = rule_broken(e, "", "nothing is given to be changed");
    if (code)
        return code;
    c->finish = finish;
    call_submit(s, c);
    return 0;
}
