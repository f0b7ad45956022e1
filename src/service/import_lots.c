/* import_lots.c - ImportLots: a stock file, streamed in, all or nothing.
 *
 * The body goes to a file as it arrives (intake/stock_import.h), whatever its size; then the worker
 * looks at the import once a tick, and answers when it is done: with its outcome, or, where the
 * client accepts application/x-ndjson, with lines of progress until then and the outcome as the
 * last one. A client that leaves before it is decided is one that wants nothing; later it is
 * carried out all the same.
 *
 * Refused at once: another content type or encoding, a parameter that is not known, too many
 * imports, more bytes than import_max.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "intake/stock_import.h"
#include "service/service_internal.h"

enum { PROGRESS_MS = 200, PIECE_BYTES = 65536 };

struct import_call {
    struct import_call *next;
    struct service *service;
    struct origin origin;
    struct stock_import *import;
    uint64_t bytes;
    uint64_t told_ns; /* when progress was */
    uint32_t sent;    /* bytes of the outcome */
    bool received;
    bool streams; /* the answer is lines */
    bool gone;
};

/* ---- what is asked ---- */

static int set_flag(struct str value, const char *name, bool *out, struct error *e)
{
    *out = str_equal(value, STR("true"));
    return *out || str_equal(value, STR("false")) ? 0
                                                  : rule_broken(e, name, "must be true or false");
}

static int set_mode(struct str value, uint8_t *out, struct error *e)
{
    *out = str_equal(value, STR("available")) ? SET_AVAILABLE : SET_ON_HAND;
    return *out == SET_AVAILABLE || str_equal(value, STR("on_hand"))
               ? 0
               : rule_broken(e, "mode", "must be on_hand or available");
}

static int set_option(struct stock_import_options *o, struct str name, struct str value,
                      uint32_t *seen, struct error *e)
{
    static const char *const names[] = {"mode", "dry_run", "existing_only", "ignore_other_columns"};
    bool *const flags[] = {NULL, &o->dry_run, &o->existing_only, &o->ignore_others};
    char given[41];
    for (uint32_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!str_equal(name, str_of(names[i])))
            continue;
        if (*seen & 1u << i)
            return rule_broken(e, names[i], "is given twice");
        *seen |= 1u << i;
        return flags[i] ? set_flag(value, names[i], flags[i], e) : set_mode(value, &o->mode, e);
    }
    snprintf(given, sizeof given, "%.*s", (int)(name.len < 40 ? name.len : 40), name.p);
    return rule_broken(e, given,
                       "is not a parameter here; known: mode, dry_run, existing_only, "
                       "ignore_other_columns");
}

static int read_query(struct exchange *x, struct stock_import_options *o, struct error *e)
{
    struct str rest = x->query;
    uint32_t seen = 0;
    int code = 0;
    while (rest.len && !code) {
        struct str value = text_cut(&rest, '&');
        if (value.len == 0)
            continue;
        struct str name = text_cut(&value, '=');
        if (percent_decode(name, true, &x->arena, &name) ||
            percent_decode(value, true, &x->arena, &value))
            return rule_broken(e, "", "the query must be UTF-8, percent-encoded");
        code = set_option(o, name, value, &seen, e);
    }
    return code;
}

/* text/csv or application/x-ndjson, perhaps with a charset. */
static int read_type(const struct service *s, const struct exchange *x,
                     struct stock_import_options *o, struct error *e)
{
    struct str type = x->headers[HEADER_content_type];
    struct str encoding = x->headers[HEADER_content_encoding];
    struct str shown = {type.p, type.len < 80 ? type.len : 80};
    struct str media = text_trim(text_cut(&type, ';'));
    o->json_lines = text_equal_fold(media, "application/x-ndjson") ||
                    text_equal_fold(media, "application/jsonl");
    if (!o->json_lines && !text_equal_fold(media, "text/csv"))
        return error_set(e, TLY_EUNSUPPORTED_MEDIA_TYPE, "content-type",
                         "content-type: must be text/csv or application/x-ndjson, is \"%.*s\"",
                         STR_ARG(shown));
    if (encoding.len && !text_equal_fold(encoding, "identity"))
        return error_set(e, TLY_EUNSUPPORTED_MEDIA_TYPE, "content-encoding",
                         "content-encoding: an import must be sent as it is");
    assert(s->host.imports);
    struct str name, value;
    while (media_parameter(&type, &name, &value)) {
        if (text_equal_fold(name, "charset") && !s->host.imports->encoding(value, &o->encoding))
            return error_set(e, TLY_EUNSUPPORTED_MEDIA_TYPE, "content-type",
                             "charset: must be utf-8, utf-16, gbk or iso-8859-1");
    }
    return 0;
}

/* ---- the end ---- */

/* Out of the service's list; its import is let go. */
static void leave(struct import_call *call)
{
    struct service *s = call->service;
    struct import_call **at = &s->imports;
    while (*at != call)
        at = &(*at)->next;
    *at = call->next;
    s->stream_count--;
    if (call->import)
        s->host.imports->release(call->import);
    call->import = NULL;
}

static void refuse(struct import_call *call, const struct error *e)
{
    struct service *s = call->service;
    struct origin o = call->origin;
    o.exchange->on_data = NULL;
    o.exchange->on_gone = NULL;
    leave(call);
    if (call->streams) {
        o.exchange->ops->stream_end(o.exchange, NULL, 0);
        return;
    }
    reply_error(s, &o, e);
}

static void answer(struct import_call *call, const struct stock_import_look *look)
{
    struct service *s = call->service;
    struct origin o = call->origin;
    struct str body = {show_text(look->result, &o.exchange->arena), look->result.len};
    o.exchange->on_gone = NULL;
    leave(call);
    if (!body.p || body.len == 0)
        reply_unsaid(s, &o);
    else
        reply_page(s, &o, look->status,
                   look->status == 200 ? STR("application/json") : STR("application/problem+json"),
                   body);
}

/* Pieces of the outcome as the client takes them. */
static void send_outcome(struct import_call *call, const struct stock_import_look *look)
{
    struct exchange *x = call->origin.exchange;
    while (call->sent < look->result.len) {
        uint32_t n = look->result.len - call->sent;
        n = n < PIECE_BYTES ? n : PIECE_BYTES;
        int code = x->ops->stream_write(x, look->result.p + call->sent, n);
        if (code == TLY_EFULL)
            return;
        if (code)
            break;
        call->sent += n;
    }
    x->on_gone = NULL;
    leave(call);
    if (x->ops->stream_write(x, "\n", 1)) {
        /* the line's end is missing where the stream's is there */
    }
    x->ops->stream_end(x, NULL, 0);
}

static void tell_progress(struct import_call *call, const struct stock_import_look *look)
{
    static const char *const names[] = {"RECEIVING", "WAITING", "CHECKING", "APPLYING", "DONE"};
    struct exchange *x = call->origin.exchange;
    char line[96];
    if (call->service->now_ns < call->told_ns + PROGRESS_MS * NS_PER_MS)
        return;
    int len = snprintf(line, sizeof line, "{\"state\":\"%s\",\"rows\":%" PRIu64 "}\n",
                       names[look->state], look->rows);
    if (x->ops->stream_write(x, line, (size_t)len) == 0)
        call->told_ns = call->service->now_ns;
}

void imports_tick(struct service *s)
{
    struct import_call *next;
    for (struct import_call *call = s->imports; call; call = next) {
        struct stock_import_look look;
        next = call->next;
        if (call->gone) {
            refuse(call, &(struct error){.code = TLY_EOVERLOADED, .text = "the client is gone"});
            continue;
        }
        s->host.imports->look(call->import, &look);
        if (look.state == STOCK_IMPORT_DONE && call->streams)
            send_outcome(call, &look);
        else if (look.state == STOCK_IMPORT_DONE)
            answer(call, &look);
        else if (call->streams)
            tell_progress(call, &look);
    }
}

void imports_end(struct service *s, bool all)
{
    struct import_call *next;
    for (struct import_call *call = s->imports; call; call = next) {
        struct stock_import_look look;
        next = call->next;
        s->host.imports->look(call->import, &look);
        if (all || look.state <= STOCK_IMPORT_WAITING)
            refuse(call, &(struct error){.code = all ? TLY_EOUTCOME_UNKNOWN : TLY_EOVERLOADED,
                                         .text = "the server is stopping"});
    }
}

/* ---- the beginning ---- */

static void on_gone(struct exchange *x)
{
    struct import_call *call = x->service;
    call->gone = true;
}

static void received(struct import_call *call)
{
    struct service *s = call->service;
    struct exchange *x = call->origin.exchange;
    call->received = true;
    x->on_data = NULL;
    s->host.imports->submit(call->import);
    if (memmem(x->headers[HEADER_accept].p ? x->headers[HEADER_accept].p : "",
               x->headers[HEADER_accept].len, "application/x-ndjson", 20)) {
        struct response head = {.status = 200, .content_type = STR("application/x-ndjson")};
        head.headers[head.header_count++] = (struct header){STR("cache-control"), STR("no-store")};
        response_identify(&head, x);
        reply_count(s, &call->origin, 0, (struct str){0});
        call->streams = true;
        x->ops->stream_open(x, &head);
    }
}

static void take_data(struct exchange *x, const void *data, size_t size, bool end)
{
    struct import_call *call = x->service;
    struct service *s = call->service;
    struct error e;
    int code = 0;
    call->bytes += size;
    if (call->bytes > s->host.settings->import_max)
        code = error_set(&e, TLY_EPAYLOAD_TOO_LARGE, "",
                         "import_max: the file has more than %" PRIu64 " bytes",
                         s->host.settings->import_max);
    else if (size)
        code = s->host.imports->write(call->import, data, size, &e);
    if (code)
        refuse(call, &e);
    else if (end)
        received(call);
}

void import_lots_open(struct service *s, struct origin *o)
{
    struct exchange *x = o->exchange;
    struct stock_import_options options = {0};
    struct import_call *call = NULL;
    struct error e;
    int code = s->host.imports ? 0 : error_set(&e, TLY_EUNIMPLEMENTED, "", "no imports here");
    if (!code)
        code = read_query(x, &options, &e);
    if (!code)
        code = read_type(s, x, &options, &e);
    if (!code && !(call = arena_alloc(&x->arena, sizeof *call)))
        code = error_set(&e, TLY_ENO_MEMORY, "", "out of memory");
    if (!code && call && s->host.imports) {
        *call = (struct import_call){.service = s, .origin = *o};
        code = s->host.imports->create(s->host.imports->context, &call->import, &options, &e);
    }
    if (code || !call) {
        reply_error(s, o, &e);
        return;
    }
    call->next = s->imports;
    s->imports = call;
    s->stream_count++;
    x->service = call;
    x->on_gone = on_gone;
    o->exchange = NULL;
    if (x->streams_in)
        x->on_data = take_data;
    else
        take_data(x, x->body.p, x->body.len, true);
}
