/* get_lot.c - GetLot: one lot and its stock, as committed, with where the answer came from and how
 * old it may be.
 *
 * Happy path: without a cache, or if consistency is strong, the engine is asked. Else read_lot.c
 * goes through the cache.
 */
#include <inttypes.h>
#include <stdio.h>

#include "service/service_internal.h"

static const struct str source_names[] = {
#define X(name, text) [SOURCE_##name] = STR(text),
    CACHE_SOURCES(X)
#undef X
};

void finish_lot_read(struct service *s, struct call *c, const struct lot_view *lot,
                     enum cache_source source, int64_t age_ms)
{
    struct arena *a = &c->origin.exchange->arena;
    Tally__V1__Lot m;
    struct header headers[2] = {{STR("x-tally-source"), source_names[source]},
                                {STR("age"), STR("0")}};
    if (age_ms >= 1000)
        headers[1].value = str_of(show_number(age_ms / 1000, a));
    metrics_add(s->host.metrics, METRIC_LOT_READS, source, 1);
    if (show_lot(&m, lot, a) || !headers[1].value.p)
        reply_unsaid(s, &c->origin);
    else
        reply_message_with(s, &c->origin, 200, &m.base, headers, 2);
}

enum cache_source lot_source(const struct service *s, const struct call *c)
{
    if (c->command.get_lot.replica)
        return SOURCE_REPLICA;
    return s->host.lots_shared ? SOURCE_PRIMARY : SOURCE_MEMORY;
}

static void finish(struct service *s, struct call *c)
{
    if (c->command.code)
        reply_refused(s, c);
    else
        finish_lot_read(s, c, &c->command.get_lot.lot, lot_source(s, c), 0);
}

int get_lot_start(struct service *s, struct call *c, struct error *e)
{
    const Tally__V1__GetLotRequest *m = (const Tally__V1__GetLotRequest *)c->request;
    struct str consistency = str_of(m->consistency);
    bool strong = str_equal(consistency, STR("strong"));
    int code = rule_lot_key(str_of(m->lot), "lot", e);
    if (code)
        return code;
    if (!strong && !str_empty(consistency))
        return rule_broken(e, "consistency", "must be strong, or left out");
    c->command.kind = COMMAND_GET_LOT;
    c->command.get_lot.key = str_of(m->lot);
    c->command.get_lot.strong = strong;
    c->origin.lot = c->command.get_lot.key;
    c->finish = finish;
    if (s->host.cache && !strong)
        return read_lot(s, c, e);
    call_submit(s, c);
    return 0;
}
