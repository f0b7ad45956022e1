/* metrics_route.c - /metrics: the engine is asked for its counters and the lots that move most, the
 * server renders the page. An engine that does not answer within METRICS_WAIT_MS, or still owes the
 * worker's last question, is not waited for: the page shows what it published last. */
#include <stdlib.h>
#include <string.h>

#include "service/service_internal.h"

static void answer(struct service *s, struct origin *o, struct figures *figures)
{
    struct exchange *x = o->exchange;
    enum metrics_format format = metrics_format_of(x->headers[HEADER_accept]);
    size_t size;
    if (figures->top_count > s->host.settings->top_lots)
        figures->top_count = s->host.settings->top_lots;
    char *text = s->host.metrics_text(s->host.context, format, figures, &size);
    char *body = text ? arena_copy(&x->arena, text, size) : NULL;
    free(text);
    if (body)
        reply_page(s, o, 200, metrics_content_type(format), (struct str){body, (uint32_t)size});
    else
        reply_unsaid(s, o);
}

static void answer_without_engine(struct service *s, struct origin *o)
{
    struct figures figures;
    s->host.figures(s->host.context, &figures);
    answer(s, o, &figures);
}

/* Its memory stays the engine's until the command comes back. */
static void expired(struct service *s, struct call *c)
{
    answer_without_engine(s, &c->origin);
}

static void finish(struct service *s, struct call *c)
{
    struct figures *figures = c->state;
    s->figures_asked = false;
    if (!c->origin.exchange)
        return;
    if (c->command.code) {
        answer_without_engine(s, &c->origin);
        return;
    }
    figures->top_count = c->command.stats.top_count;
    answer(s, &c->origin, figures);
}

void metrics_open(struct service *s, struct origin *o)
{
    struct call *c = s->figures_asked ? NULL : call_get(s);
    struct figures *figures = c ? arena_zalloc(&c->arena, sizeof *figures) : NULL;
    if (!figures) {
        if (c)
            call_put(s, c);
        answer_without_engine(s, o);
        return;
    }
    s->figures_asked = true;
    c->origin = *o;
    c->state = figures;
    c->own = true;
    c->command.kind = COMMAND_STATS;
    c->command.stats.stats = &figures->stats;
    c->command.stats.top = figures->top;
    c->command.stats.top_max = FIGURES_LOTS_MAX;
    c->due_ns = o->exchange->received_ns + METRICS_WAIT_MS * NS_PER_MS;
    c->finish = finish;
    c->expired = expired;
    call_submit(s, c);
}
