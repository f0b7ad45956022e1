/* list_lots.c - ListLots: lots in order of creation, a page at a time. The page token is the number
 * of the last lot that was looked at. */
#include <string.h>

#include "service/service_internal.h"

enum { PAGE_SIZE_DEFAULT = 100 };

static void finish(struct service *s, struct call *c)
{
    const struct command *command = &c->command;
    Tally__V1__ListLotsResponse m = TALLY__V1__LIST_LOTS_RESPONSE__INIT;
    if (command->code) {
        reply_refused(s, c);
        return;
    }
    m.n_lots = command->list.count;
    if (show_lots(&m.lots, command->list.lots, command->list.count, &c->arena)) {
        reply_unsaid(s, &c->origin);
        return;
    }
    if (command->list.next)
        m.next_page_token = show_number(command->list.next, &c->arena);
    if (m.next_page_token)
        reply_message(s, &c->origin, 200, &m.base);
    else
        reply_unsaid(s, &c->origin);
}

static int check(const struct service *s, const Tally__V1__ListLotsRequest *m,
                 struct command *command, char room[SIZE_MAX_BYTES + 1], int64_t *after,
                 struct error *e)
{
    enum dimension_rules rules = (enum dimension_rules)s->host.settings->dimensions;
    int code = 0;
    command->list.flavor = command->list.size = (struct str){"", 0};
    if (m->sku[0])
        code = rule_sku(str_of(m->sku), "sku", e);
    if (!code && m->flavor[0])
        code = rule_dimension_flavor(rules, str_of(m->flavor), &command->list.flavor, e);
    if (!code && m->size[0])
        code = rule_dimension_size(rules, str_of(m->size), &command->list.size, room, e);
    if (code)
        return code;
    if (m->page_size < 0 || m->page_size > PAGE_SIZE_MAX)
        return rule_broken(e, "page_size", "must be 1 to %d, or 0 for %d, is %d", PAGE_SIZE_MAX,
                           PAGE_SIZE_DEFAULT, m->page_size);
    if (m->page_token[0] && !decimal_parse(str_of(m->page_token), UINT32_MAX, after))
        return rule_broken(e, "page_token", "must be a next_page_token of this server");
    return 0;
}

int list_lots_start(struct service *s, struct call *c, struct error *e)
{
    const Tally__V1__ListLotsRequest *m = (const Tally__V1__ListLotsRequest *)c->request;
    struct command *command = &c->command;
    char room[SIZE_MAX_BYTES + 1];
    int64_t after = 0;
    int code = check(s, m, command, room, &after, e);
    if (code)
        return code;
    command->kind = COMMAND_LIST_LOTS;
    command->list.sku = str_of(m->sku);
    command->list.size.p = arena_copy(&c->arena, command->list.size.p, command->list.size.len);
    command->list.after = (lot_id)after;
    command->list.page_size = m->page_size ? (uint32_t)m->page_size : PAGE_SIZE_DEFAULT;
    command->list.lots =
        arena_alloc(&c->arena, command->list.page_size * sizeof *command->list.lots);
    if (!command->list.size.p || !command->list.lots)
        return error_set(e, TLY_ENO_MEMORY, "", "out of memory");
    c->finish = finish;
    call_submit(s, c);
    return 0;
}
