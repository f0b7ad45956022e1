/* metrics_route.c - /metrics: the engine fills in its counters and the lots that move most, the
 * server renders the page. While the engine does not answer, the page is refused as any look-up. */
#include <stdlib.h>

#include "engine/engine.h"
#include "service/service_internal.h"

struct page {
    struct engine_stats stats;
    struct lot_view top[];
};

static void finish(struct service *s, struct call *c)
{
    const struct command *command = &c->command;
    struct exchange *x = c->origin.exchange;
    enum metrics_format format = metrics_format_of(x->headers[HEADER_accept]);
    size_t size;
    if (command->code) {
        reply_refused(s, c);
        return;
    }
    char *text = s->host.metrics_text(s->host.context, format, command->stats.stats,
                                      command->stats.top, command->stats.top_count, &size);
    char *body = text ? arena_copy(&x->arena, text, size) : NULL;
    free(text);
    if (body)
        reply_page(s, &c->origin, 200, metrics_content_type(format),
                   (struct str){body, (uint32_t)size});
    else
        reply_unsaid(s, &c->origin);
}

void metrics_open(struct service *s, struct origin *o)
{
    const struct service_settings *settings = s->host.settings;
    struct call *c = call_get(s);
    struct page *page = NULL;
    if (c)
        page = arena_zalloc(&c->arena, sizeof *page + settings->top_lots * sizeof(struct lot_view));
    if (!page) {
        if (c)
            call_put(s, c);
        reply_unsaid(s, o);
        return;
    }
    c->origin = *o;
    c->command.kind = COMMAND_STATS;
    c->command.stats.stats = &page->stats;
    c->command.stats.top = page->top;
    c->command.stats.top_max = settings->top_lots;
    c->due_ns = o->exchange->received_ns + (uint64_t)settings->reply_timeout_ms * NS_PER_MS;
    c->finish = finish;
    call_submit(s, c);
}
