/* lot_filter.c - look-ups of lots that never were: refused without a look-up.
 *
 * Happy path: the filter of lot keys says that it has not seen the key. There may be newer lots
 * than the filter has: so the call stands by until a list of those, begun after it came, is there.
 * One list serves all who came before it, however many, and the next one all who came meanwhile.
 * Those whose key is still not among them are told so; the others go on to the engine.
 *
 * Until all lots that there were at the start are in, nobody is denied anything: one worker lists
 * them, a page at a time.
 *
 * Failure: the list is refused: those who stand by go on to the engine.
 */
#include <string.h>

#include "service/service_internal.h"

enum { LIST_PAGE = PAGE_SIZE_MAX };

static void list_on(struct service *s, struct call *c, lot_id after)
{
    c->command.code = 0;
    c->command.list.after = after;
    c->command.deadline_ns = 0;
    call_submit(s, c);
}

static void let_go(struct service *s, struct call *first, bool listed)
{
    struct call *next;
    for (struct call *c = first; c; c = next) {
        next = c->next_standing;
        call_leave_cache(s, c);
        if (!listed || known_lots_maybe(s->host.known_lots, c->command.get_lot.key)) {
            read_lot_from_engine(s, c);
        } else {
            read_lot_unknown(s, c);
            if (c->stage == CALL_PREPARING)
                call_put(s, c);
        }
    }
}

static void begin_list(struct service *s);

static void finish_list(struct service *s, struct call *c)
{
    struct known_lots *known = s->host.known_lots;
    bool listed = c->command.code == 0;
    if (listed) {
        for (uint32_t i = 0; i < c->command.list.count; i++)
            known_lots_add(known, c->command.list.lots[i].dims->key);
        if (c->command.list.next) {
            known_lots_reached(known, c->command.list.next);
            list_on(s, c, c->command.list.next);
            return;
        }
        if (c->command.list.count)
            known_lots_reached(known, c->command.list.lots[c->command.list.count - 1].id);
        known_lots_complete(known);
    }
    struct call *first = s->standing_listed;
    s->standing_listed = NULL;
    s->listing = false;
    if (!known_lots_are_complete(known))
        known_lots_unclaim(known);
    let_go(s, first, listed);
    if (s->standing)
        begin_list(s);
}

/* Takes all who stand by. */
static void begin_list(struct service *s)
{
    struct call *c = call_get(s);
    struct lot_view *lots = c ? arena_alloc(&c->arena, LIST_PAGE * sizeof *lots) : NULL;
    s->standing_listed = s->standing;
    s->standing = NULL;
    if (!lots) {
        struct call *first = s->standing_listed;
        s->standing_listed = NULL;
        if (c)
            call_put(s, c);
        let_go(s, first, false);
        return;
    }
    s->listing = true;
    c->own = true;
    c->finish = finish_list;
    c->command.kind = COMMAND_LIST_LOTS;
    c->command.list.sku = c->command.list.flavor = c->command.list.size = (struct str){"", 0};
    c->command.list.page_size = LIST_PAGE;
    c->command.list.lots = lots;
    list_on(s, c, known_lots_upto(s->host.known_lots));
}

bool lot_filter_denies(struct service *s, struct call *c)
{
    struct known_lots *known = s->host.known_lots;
    if (!known)
        return false;
    if (!known_lots_are_complete(known)) {
        if (!s->listing && known_lots_claim(known))
            begin_list(s);
        return false;
    }
    if (known_lots_maybe(known, c->command.get_lot.key))
        return false;
    call_wait_for_cache(s, c);
    c->next_standing = s->standing;
    s->standing = c;
    if (!s->listing)
        begin_list(s);
    return true;
}

void lot_filter_leave(struct service *s)
{
    for (int i = 0; i < 2; i++) {
        struct call **list = i ? &s->standing : &s->standing_listed, *first = *list, *next;
        *list = NULL;
        for (struct call *c = first; c; c = next) {
            next = c->next_standing;
            call_leave_cache(s, c);
            if (c->origin.exchange)
                reply_code(s, &c->origin, TLY_EOVERLOADED);
            call_put(s, c);
        }
    }
}
