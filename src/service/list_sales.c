/* list_sales.c - ListSales: in the order in which they were made, a page at a time. The page token
 * is the number of the last sale of the page. */
#include "service/sale.h"

static void finish(struct service *s, struct call *c)
{
    const struct command *command = &c->command;
    struct arena *a = &c->arena;
    Tally__V1__ListSalesResponse m = TALLY__V1__LIST_SALES_RESPONSE__INIT;
    uint32_t count = command->list_sales.count;
    if (command->code) {
        reply_refused(s, c);
        return;
    }
    Tally__V1__Sale *shown = arena_alloc(a, count * sizeof *shown);
    m.sales = arena_alloc(a, count * sizeof *m.sales);
    bool failed = !shown || !m.sales;
    for (uint32_t i = 0; !failed && i < count; i++) {
        m.sales[i] = &shown[i];
        failed = show_sale(s, &shown[i], &command->list_sales.sales[i], a) != 0;
    }
    m.n_sales = count;
    if (!failed && command->list_sales.next)
        m.next_page_token = show_number(command->list_sales.next, a);
    if (failed || !m.next_page_token)
        reply_unsaid(s, &c->origin);
    else
        reply_message(s, &c->origin, 200, &m.base);
}

int list_sales_start(struct service *s, struct call *c, struct error *e)
{
    const Tally__V1__ListSalesRequest *m = (const Tally__V1__ListSalesRequest *)c->request;
    struct command *command = &c->command;
    int64_t after = 0;
    if (m->page_size < 0 || m->page_size > SALES_PAGE_MAX)
        return rule_broken(e, "page_size", "must be 1 to %d, or 0 for %d, is %d", SALES_PAGE_MAX,
                           SALES_PAGE_MAX, m->page_size);
    if (m->page_token[0] && !decimal_parse(str_of(m->page_token), UINT32_MAX, &after))
        return rule_broken(e, "page_token", "must be a next_page_token of this server");
    command->kind = COMMAND_LIST_SALES;
    command->list_sales.after = (sale_number)after;
    command->list_sales.page_size = m->page_size ? (uint32_t)m->page_size : SALES_PAGE_MAX;
    command->list_sales.sales =
        arena_alloc(&c->arena, command->list_sales.page_size * sizeof *command->list_sales.sales);
    command->list_sales.copies =
        arena_alloc(&c->arena, command->list_sales.page_size * sizeof *command->list_sales.copies);
    if (!command->list_sales.sales || !command->list_sales.copies)
        return sale_no_memory(e);
    c->finish = finish;
    call_submit(s, c);
    return 0;
}
