/* webhook.c - ListWebhookFailures and RetryWebhook: what could not be delivered, for operators.
 * Both are answered at once: the list is in memory; a retry waits for one commit of its file. */
#include <stdlib.h>

#include "service/service_internal.h"

enum { FAILURES_PAGE = 100, FAILURES_PAGE_MAX = 200 };

static bool is_off(struct service *s, struct origin *o)
{
    struct error e;
    if (s->host.webhook_failures)
        return false;
    error_set(&e, TLY_ENOT_FOUND, "", "no webhook is set up (webhook_url)");
    reply_error(s, o, &e);
    return true;
}

static int show_failure(Tally__V1__WebhookFailure *m, const struct webhook_failure *f,
                        struct arena *a)
{
    *m = (Tally__V1__WebhookFailure)TALLY__V1__WEBHOOK_FAILURE__INIT;
    m->id = show_number(f->id, a);
    m->type = show_text(str_of(f->type), a);
    m->attempts = (int32_t)f->attempts;
    m->status = f->status;
    m->failed_at = show_time(f->failed_ms, a);
    m->why = show_text(str_of(f->why), a);
    m->retrying = f->again;
    return m->id && m->type && m->failed_at && m->why ? 0 : TLY_ENO_MEMORY;
}

static int show_page(struct service *s, int64_t after, uint32_t size, struct arena *a,
                     Tally__V1__ListWebhookFailuresResponse *out)
{
    struct webhook_failure *page = arena_alloc(a, (size + 1) * sizeof *page);
    Tally__V1__WebhookFailure *shown = arena_alloc(a, size * sizeof *shown);
    out->failures = arena_alloc(a, size * sizeof *out->failures);
    if (!page || !shown || !out->failures)
        return TLY_ENO_MEMORY;
    uint32_t count = s->host.webhook_failures(s->host.context, after, page, size + 1);
    uint32_t on_page = count < size ? count : size;
    int code = 0;
    for (uint32_t i = 0; code == 0 && i < on_page; i++) {
        code = show_failure(&shown[i], &page[i], a);
        out->failures[out->n_failures++] = &shown[i];
    }
    if (code == 0 && count > size && !(out->next_page_token = show_number(page[size - 1].id, a)))
        code = TLY_ENO_MEMORY;
    return code;
}

void webhook_failures_open(struct service *s, struct origin *o)
{
    Tally__V1__ListWebhookFailuresResponse answer = TALLY__V1__LIST_WEBHOOK_FAILURES_RESPONSE__INIT;
    struct arena *a = &o->exchange->arena;
    ProtobufCMessage *m;
    struct error e;
    int64_t after = 0;
    if (is_off(s, o))
        return;
    int code = request_message(o, o->route->request, a, &m, &e);
    const Tally__V1__ListWebhookFailuresRequest *wanted =
        (const Tally__V1__ListWebhookFailuresRequest *)m;
    if (!code && (wanted->page_size < 0 || wanted->page_size > FAILURES_PAGE_MAX))
        code = error_set(&e, TLY_EINVALID_ARGUMENT, "page_size", "page_size: must be 1 to %d",
                         FAILURES_PAGE_MAX);
    if (!code && wanted->page_token[0] &&
        !decimal_parse(str_of(wanted->page_token), INT64_MAX - 1, &after))
        code = error_set(&e, TLY_EINVALID_ARGUMENT, "page_token",
                         "page_token: must be a next_page_token of an earlier answer");
    if (code) {
        reply_error(s, o, &e);
        return;
    }
    uint32_t size = wanted->page_size ? (uint32_t)wanted->page_size : FAILURES_PAGE;
    if (show_page(s, after, size, a, &answer))
        reply_unsaid(s, o);
    else
        reply_message(s, o, 200, &answer.base);
}

/* All ids are looked at before the first is sent. */
static int parse_ids(const Tally__V1__RetryWebhookRequest *m, int64_t *ids, struct error *e)
{
    if (m->all == (m->n_ids > 0))
        return error_set(e, TLY_EINVALID_ARGUMENT, "ids",
                         "ids: either some ids of events, or all: true");
    for (size_t i = 0; i < m->n_ids; i++) {
        if (!decimal_parse(str_of(m->ids[i]), INT64_MAX, &ids[i]) || ids[i] == 0)
            return error_set(e, TLY_EINVALID_ARGUMENT, "ids",
                             "ids[%zu]: must be the id of an event", i);
    }
    return 0;
}

void webhook_retry_open(struct service *s, struct origin *o)
{
    Tally__V1__RetryWebhookResponse answer = TALLY__V1__RETRY_WEBHOOK_RESPONSE__INIT;
    struct arena *a = &o->exchange->arena;
    ProtobufCMessage *m;
    struct error e;
    if (is_off(s, o))
        return;
    int code = request_message(o, o->route->request, a, &m, &e);
    if (code) {
        reply_error(s, o, &e);
        return;
    }
    const Tally__V1__RetryWebhookRequest *wanted = (const Tally__V1__RetryWebhookRequest *)m;
    int64_t *ids = arena_alloc(a, (wanted->n_ids + 1) * sizeof *ids);
    if (!ids) {
        reply_unsaid(s, o);
        return;
    }
    code = parse_ids(wanted, ids, &e);
    if (code) {
        reply_error(s, o, &e);
        return;
    }
    uint32_t found = 0;
    if (s->host.webhook_retry(s->host.context, ids, wanted->n_ids, &found, &e)) {
        error_set(&e, TLY_EUNAVAILABLE, "",
                  "that they are to be sent again cannot be written down");
        reply_error(s, o, &e);
        return;
    }
    answer.count = found;
    reply_message(s, o, 200, &answer.base);
}
