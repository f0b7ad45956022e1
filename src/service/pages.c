/* pages.c - /livez: the worker runs. /readyz: orders are taken; else 503 and why not.
 * /openapi.yaml: the contract, as built in. */
#include <embedded.h>
#include <stdio.h>

#include "service/service_internal.h"

#define PLAIN STR("text/plain; charset=utf-8")

void livez_open(struct service *s, struct origin *o)
{
    reply_page(s, o, 200, PLAIN, STR("alive\n"));
}

void readyz_open(struct service *s, struct origin *o)
{
    enum { TEXT_BYTES = 512 };
    static const char *const states[] = {
        [READY_STARTING] = "starting",
        [READY_YES] = "ready",
        [READY_LEDGER_DOWN] = "the ledger is not available",
        [READY_ENGINE_STUCK] = "the engine does not answer",
        [READY_DRAINING] = "stopping",
    };
    struct str why = {0};
    enum readiness readiness = s->host.readiness(s->host.context, &why);
    char *text = arena_alloc(&o->exchange->arena, TEXT_BYTES);
    int len = 0;
    if (text)
        len = snprintf(text, TEXT_BYTES, "%s%s%.*s\n", states[readiness], why.len ? ": " : "",
                       (int)(why.len < 400 ? why.len : 400), why.len ? why.p : "");
    reply_page(s, o, readiness == READY_YES ? 200 : 503, PLAIN, (struct str){text, (uint32_t)len});
}

void openapi_open(struct service *s, struct origin *o)
{
    const struct embedded_file *file = embedded_find("openapi.yaml");
    if (file)
        reply_page(s, o, 200, STR("application/yaml"),
                   (struct str){(const char *)file->data, (uint32_t)file->size});
    else
        reply_code(s, o, TLY_ENOT_FOUND);
}
