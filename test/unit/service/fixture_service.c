#include "fixture_service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "service/lot_key.h"

/* ---- exchanges ---- */

static void keep_head(struct fake_exchange *x, const struct response *r)
{
    x->answers++;
    x->x.answered = true;
    x->status = r->status;
    x->content_type = r->content_type;
    x->header_count = r->header_count;
    x->length_unsaid = r->length_unsaid;
    memcpy(x->headers, r->headers, sizeof x->headers);
}

static void fake_respond(struct exchange *exchange, const struct response *r)
{
    struct fake_exchange *x = (struct fake_exchange *)exchange;
    keep_head(x, r);
    x->body = r->body;
    x->trailer_count = r->trailer_count;
    memcpy(x->trailers, r->trailers, sizeof x->trailers);
    x->ends++;
}

static void fake_stream_open(struct exchange *exchange, const struct response *head)
{
    keep_head((struct fake_exchange *)exchange, head);
}

static int fake_stream_write(struct exchange *exchange, const void *data, size_t size)
{
    struct fake_exchange *x = (struct fake_exchange *)exchange;
    assert_int_equal(x->ends, 0);
    if (x->write_result)
        return x->write_result;
    x->streamed = realloc(x->streamed, x->streamed_size + size + 1);
    memcpy(x->streamed + x->streamed_size, data, size);
    x->streamed_size += size;
    x->streamed[x->streamed_size] = 0;
    return 0;
}

static void fake_stream_end(struct exchange *exchange, const struct header *trailers, size_t count)
{
    struct fake_exchange *x = (struct fake_exchange *)exchange;
    assert_int_equal(x->ends, 0);
    x->ends++;
    x->trailer_count = count;
    if (count)
        memcpy(x->trailers, trailers, count * sizeof *trailers);
}

static const struct exchange_ops fake_ops = {fake_respond, fake_stream_open, fake_stream_write,
                                             fake_stream_end};

static struct fake_exchange *fake_new(struct fixture *f)
{
    struct fake_exchange *x = calloc(1, sizeof *x);
    assert_true(f->exchange_count < sizeof f->exchanges / sizeof f->exchanges[0]);
    f->exchanges[f->exchange_count++] = x;
    arena_init(&x->x.arena, x->buffer, sizeof x->buffer, 8 << 20);
    x->x.ops = &fake_ops;
    x->x.received_ns = f->now_ns;
    return x;
}

static enum http_method method_of(const char *name)
{
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i], name) == 0)
            return (enum http_method)i;
    }
    return HTTP_OTHER;
}

struct fake_exchange *http_new(struct fixture *f, const char *method, const char *target,
                               const char *body)
{
    struct fake_exchange *x = fake_new(f);
    const char *mark = strchr(target, '?');
    x->x.protocol = PROTOCOL_HTTP1;
    x->x.method = (uint8_t)method_of(method);
    x->x.method_text = str_of(method);
    x->x.path = str_of(target);
    if (mark) {
        x->x.path.len = (uint32_t)(mark - target);
        x->x.query = str_of(mark + 1);
    }
    x->x.body = str_of(body);
    if (*body)
        fake_header(x, HEADER_content_type, "application/json");
    return x;
}

struct fake_exchange *grpc_new(struct fixture *f, const char *method, const ProtobufCMessage *m)
{
    struct fake_exchange *x = fake_new(f);
    x->x.protocol = PROTOCOL_HTTP2;
    x->x.method = HTTP_POST;
    x->x.method_text = STR("POST");
    if (*method == '/') {
        x->x.path = str_of(method);
    } else {
        enum { PATH_BYTES = 64 };
        char *path = arena_alloc(&x->x.arena, PATH_BYTES);
        bool sales = strstr(method, "Sale") || strstr(method, "Group");
        snprintf(path, PATH_BYTES, "/tally.v1.%s/%s", sales ? "Sales" : "Inventory", method);
        x->x.path = str_of(path);
    }
    fake_header(x, HEADER_content_type, "application/grpc");
    fake_header(x, HEADER_te, "trailers");
    if (m)
        assert_int_equal(grpc_encode(m, &x->x.arena, &x->x.body), 0);
    return x;
}

void fake_header(struct fake_exchange *x, enum exchange_header which, const char *value)
{
    x->x.headers[which] = str_of(value);
}

void fixture_handle(struct fixture *f, struct fake_exchange *x)
{
    service_handle(f->service, &x->x);
    service_flush(f->service);
    while (f->gate.kept && !f->gate.later)
        fake_gate_answer_one(f, f->gate.verdict);
}

struct fake_exchange *http(struct fixture *f, const char *method, const char *target,
                           const char *body)
{
    struct fake_exchange *x = http_new(f, method, target, body);
    fixture_handle(f, x);
    return x;
}

struct fake_exchange *grpc(struct fixture *f, const char *method, const ProtobufCMessage *m)
{
    struct fake_exchange *x = grpc_new(f, method, m);
    fixture_handle(f, x);
    return x;
}

static const char *find_header(const struct header *headers, size_t count, const char *name)
{
    static char text[4096];
    for (size_t i = 0; i < count; i++) {
        if (!str_equal(headers[i].name, str_of(name)))
            continue;
        memcpy(text, headers[i].value.p, headers[i].value.len);
        text[headers[i].value.len] = 0;
        return text;
    }
    return NULL;
}

const char *answer_header(const struct fake_exchange *x, const char *name)
{
    return find_header(x->headers, x->header_count, name);
}

const char *answer_trailer(const struct fake_exchange *x, const char *name)
{
    return find_header(x->trailers, x->trailer_count, name);
}

void *answer_message(struct fake_exchange *x, const ProtobufCMessageDescriptor *type)
{
    struct str bytes;
    ProtobufCMessage *m;
    struct error e;
    assert_string_equal(answer_trailer(x, "grpc-status"), "0");
    assert_int_equal(grpc_unframe(x->body, 64 << 20, &bytes, &e), 0);
    assert_int_equal(proto_decode(type, bytes, &x->x.arena, &m, &e), 0);
    return m;
}

bool answer_says(const struct fake_exchange *x, const char *text)
{
    return x->body.len && memmem(x->body.p, x->body.len, text, strlen(text));
}

/* ---- the host ---- */

static void host_submit(void *context, struct command *c)
{
    struct fixture *f = context;
    assert_true(f->command_count < FAKE_COMMANDS);
    f->commands[f->command_count++] = c;
    f->submitted++;
}

static void host_events_read(void *context, struct event_read *r)
{
    struct fixture *f = context;
    assert_true(f->read_count < FAKE_COMMANDS);
    f->reads[f->read_count++] = r;
}

static int64_t host_events_newest(void *context)
{
    struct fixture *f = context;
    return f->newest;
}

static uint32_t host_webhook_failures(void *context, int64_t after, struct webhook_failure *out,
                                      uint32_t max)
{
    struct fixture *f = context;
    uint32_t count = 0;
    for (int64_t id = 10; id <= 10 * (int64_t)f->failures && count < max; id += 10) {
        if (id > after)
            out[count++] = (struct webhook_failure){.id = id,
                                                    .attempts = 3,
                                                    .status = 500,
                                                    .failed_ms = INT64_C(1795000000000),
                                                    .type = "tally.reservation.reserved",
                                                    .why = "the receiver answered 500"};
    }
    return count;
}

static int host_webhook_retry(void *context, const int64_t *ids, size_t count, uint32_t *found,
                              struct error *e)
{
    struct fixture *f = context;
    f->retried = count ? ids[count - 1] : 0;
    *found = count ? 0 : f->failures;
    for (size_t i = 0; i < count; i++)
        *found += ids[i] % 10 == 0 && ids[i] <= 10 * (int64_t)f->failures;
    return f->retry_fails ? error_set(e, TLY_EIO, "webhook.db", "disk full") : 0;
}

static enum readiness host_readiness(void *context, struct str *why)
{
    struct fixture *f = context;
    if (why)
        *why = f->readiness == READY_LEDGER_DOWN ? STR("disk full") : (struct str){0};
    return f->readiness;
}

static int64_t host_now_ms(void *context)
{
    const struct fixture *f = context;
    return INT64_C(1795000000000) + f->later_ms;
}

static bool host_lot_signs(void *context, lot_id id, struct lot_signs *out)
{
    struct fixture *f = context;
    if (id < 1 || id > FAKE_LOTS)
        return false;
    *out = (struct lot_signs){.last_day = f->dims[id - 1].expires_on,
                              .expected_on = LOT_NEVER_EXPIRES,
                              .withdrawn = f->withdrawn == id};
    return true;
}

static const struct lot_dims *host_lot_dims(void *context, lot_id id)
{
    struct fixture *f = context;
    return id >= 1 && id <= FAKE_LOTS ? &f->dims[id - 1] : NULL;
}

static int32_t host_lot_expected_on(void *context, lot_id id)
{
    struct fixture *f = context;
    return f->lots[id - 1].terms.expected_on;
}

static bool host_lots_tell_more(void *context)
{
    struct fixture *f = context;
    return f->lots_tell_more;
}

static struct str host_sale_id(void *context, sale_number sale)
{
    (void)context;
    return sale == 1 ? STR("spring") : (struct str){0};
}

static void host_request_done(void *context, const struct request_summary *summary)
{
    struct fixture *f = context;
    f->summary = *summary;
    f->summaries++;
    snprintf(f->summary_text, sizeof f->summary_text, "%.*s", STR_ARG(summary->text));
    snprintf(f->summary_order_id, sizeof f->summary_order_id, "%.*s", STR_ARG(summary->order_id));
}

static char *host_metrics_text(void *context, enum metrics_format format,
                               const struct figures *figures, size_t *size)
{
    char text[200];
    (void)context;
    int len = snprintf(text, sizeof text, "format %d reserved %lld top %u age %llu\n", (int)format,
                       (long long)figures->stats.reserved_total, figures->top_count,
                       (unsigned long long)figures->age_ns);
    *size = (size_t)len;
    return strdup(text);
}

static void host_figures(void *context, struct figures *out)
{
    (void)context;
    *out = (struct figures){.stats.reserved_total = 7, .top_count = 50, .age_ns = 99};
}

/* ---- the gate ---- */

static bool gate_is_late;

static void fake_ask(struct gate_session *session, struct gate_ask *ask)
{
    struct fake_gate *g = (struct fake_gate *)session;
    assert_false(g->detached);
    g->asks++;
    ask->next = g->asked;
    g->asked = ask;
}

static void decide(struct fake_gate *g, struct gate_ask *ask, enum gate_verdict verdict)
{
    ask->verdict = (uint8_t)verdict;
    for (uint16_t j = 0; j < ask->line_count; j++) {
        ask->lines[j].lot_id = ask->lines[j].lot.len ? 1 : 0;
        ask->lines[j].is_short = verdict == GATE_SOLD_OUT;
        ask->lines[j].available = g->available;
    }
}

static void fake_flush(struct gate_session *session, int64_t now_ms)
{
    struct fake_gate *g = (struct fake_gate *)session;
    struct gate_ask *first = NULL, *next;
    assert_true(now_ms > 0);
    if (g->later || gate_is_late) {
        struct gate_ask **last = &g->asked;
        while (*last)
            last = &(*last)->next;
        *last = g->kept;
        g->kept = g->asked;
        g->asked = NULL;
        return;
    }
    for (struct gate_ask *ask = g->asked; ask; ask = next) {
        next = ask->next;
        decide(g, ask, g->verdict);
        ask->next = first;
        first = ask;
    }
    g->asked = NULL;
    if (first)
        service_admitted(g->fixture->service, first);
}

void fake_gate_answer_one(struct fixture *f, enum gate_verdict verdict)
{
    struct gate_ask *ask = f->gate.kept;
    assert_non_null(ask);
    f->gate.kept = ask->next;
    ask->next = NULL;
    decide(&f->gate, ask, verdict);
    service_admitted(f->service, ask);
}

void fake_gate_answer(struct fixture *f, enum gate_verdict verdict)
{
    assert_non_null(f->gate.kept);
    while (f->gate.kept)
        fake_gate_answer_one(f, verdict);
}

static void fake_detach(struct gate_session *session)
{
    struct fake_gate *g = (struct fake_gate *)session;
    g->later = true;
    fake_flush(session, 1);
    while (g->kept)
        fake_gate_answer_one(g->fixture, GATE_BLIND);
    g->detached = true;
}

static const struct gate_ops gate_ops = {
    .ask = fake_ask, .flush = fake_flush, .detach = fake_detach};

int run_with_both_gates(const struct CMUnitTest *tests, size_t count)
{
    gate_is_late = false;
    int failed = _cmocka_run_group_tests("prompt gate", tests, count, NULL, NULL);
    gate_is_late = true;
    failed += _cmocka_run_group_tests("late gate", tests, count, NULL, NULL);
    return failed;
}

/* ---- the whole ---- */

static void add_lot(struct fixture *f, lot_id id, const char *sku, const char *flavor)
{
    static char keys[FAKE_LOTS][LOT_KEY_MAX + 1];
    struct lot_dims *dims = &f->dims[id - 1];
    *dims = (struct lot_dims){.sku = str_of(sku),
                              .flavor = str_of(flavor),
                              .size = STR("330ml_can"),
                              .batch = STR("BATCH-20260101-A"),
                              .expires_on = LOT_NEVER_EXPIRES};
    lot_key_make(dims->sku, dims->flavor, dims->size, dims->batch, keys[id - 1]);
    dims->key = str_of(keys[id - 1]);
    f->lots[id - 1] = (struct lot_view){
        .id = id,
        .dims = dims,
        .terms = {.expires_on = LOT_NEVER_EXPIRES, .expected_on = LOT_NEVER_EXPIRES},
        .stock = {100, 10, 5, 7}};
}

static void cache_answered(void *context, struct cache_ask *ask)
{
    struct fixture *f = context;
    service_read_answered(f->service, ask);
}

void fixture_cache_turn(struct fixture *f, int64_t after_ms)
{
    f->later_ms += after_ms;
    f->cache_session->ops->turn(f->cache_session, host_now_ms(f));
    f->cache_session->ops->tick(f->cache_session, host_now_ms(f));
}

static void add_cache(struct fixture *f, bool filter)
{
    const struct cache_worker worker = {.context = f, .answered = cache_answered};
    const struct cache_local_config config = {.bytes_max = 1 << 20,
                                              .keep_ms = 30000,
                                              .absent_ms = 5000,
                                              .stale_ms = 1000,
                                              .tombstone_ms = 30000,
                                              .lease_ms = 1000,
                                              .wait_ms = 250,
                                              .stale_wait_ms = 20};
    assert_int_equal(cache_local_create(&f->cache, &config, NULL), 0);
    assert_int_equal(f->cache->ops->attach(f->cache, &worker, &f->cache_session, NULL), 0);
    f->cache_session->ops->tick(f->cache_session, host_now_ms(f));
    if (filter)
        assert_int_equal(known_lots_create(&f->known_lots, 1000, 1, NULL), 0);
    f->host.cache = f->cache_session;
    f->host.known_lots = f->known_lots;
    assert_int_equal(meter_create(&f->meter, NULL), 0);
    f->host.meter = f->meter;
}

static struct fixture *open_fixture(bool cache, bool filter)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct error e;
    add_lot(f, 1, "cola", "lime");
    add_lot(f, 2, "cola", "cherry");
    add_lot(f, 3, "water", "plain");
    add_lot(f, 4, "tonic", "dry");
    f->dims[1].expires_on = f->lots[1].terms.expires_on = 20818; /* 2026-12-31 */
    f->settings = (struct service_settings){
        .request_timeout_ms = 800,
        .reply_timeout_ms = 5000,
        .hold_max_ms = 3600000,
        .retry_after_s = 2,
        .inflight_max = 32,
        .queue_max = 0,
        .stock_timeout_ms = 800,
        .watchers_max = 8,
        .watch_interval_ms = 250,
        .top_lots = 4,
    };
    f->readiness = READY_YES;
    f->gate = (struct fake_gate){.session.ops = &gate_ops, .fixture = f, .verdict = GATE_PASS};
    f->now_ns = clock_monotonic_ns();
    f->host = (struct service_host){.context = f,
                                    .submit = host_submit,
                                    .metrics_text = host_metrics_text,
                                    .figures = host_figures,
                                    .readiness = host_readiness,
                                    .now_ms = host_now_ms,
                                    .lot_dims = host_lot_dims,
                                    .lot_expected_on = host_lot_expected_on,
                                    .lots_tell_more = host_lots_tell_more,
                                    .sale_id = host_sale_id,
                                    .lot_signs = host_lot_signs,
                                    .events_read = host_events_read,
                                    .events_newest = host_events_newest,
                                    .request_done = host_request_done,
                                    .gate = &f->gate.session,
                                    .metrics = metrics_create(),
                                    .settings = &f->settings,
                                    .hash_seed = 0x5eed,
                                    .change_epoch = 0xabc};
    if (cache)
        add_cache(f, filter);
    assert_int_equal(service_create(&f->service, &f->host, &e), 0);
    return f;
}

struct fixture *fixture_open(void)
{
    return open_fixture(false, false);
}

struct fixture *fixture_open_with_cache(bool filter)
{
    return open_fixture(true, filter);
}

void fixture_webhook(struct fixture *f, uint32_t failures)
{
    struct error e;
    f->failures = failures;
    f->host.webhook_failures = host_webhook_failures;
    f->host.webhook_retry = host_webhook_retry;
    service_destroy(f->service);
    assert_int_equal(service_create(&f->service, &f->host, &e), 0);
}

void fixture_close(struct fixture *f)
{
    service_destroy(f->service);
    cache_destroy(f->cache);
    known_lots_destroy(f->known_lots);
    meter_destroy(f->meter);
    for (size_t i = 0; i < f->exchange_count; i++) {
        struct fake_exchange *x = f->exchanges[i];
        assert_true(x->answers <= 1 && x->ends == x->answers);
        arena_close(&x->x.arena);
        free(x->streamed);
        free(x);
    }
    metrics_destroy_all();
    free(f);
}

struct command *fixture_command(struct fixture *f)
{
    assert_true(f->command_count > 0);
    return f->commands[0];
}

void fixture_answer(struct fixture *f, struct command *c, int code)
{
    for (size_t i = 0; i < f->command_count; i++) {
        if (f->commands[i] != c)
            continue;
        f->command_count--;
        memmove(&f->commands[i], &f->commands[i + 1],
                (f->command_count - i) * sizeof f->commands[0]);
        c->code = code;
        service_complete(f->service, c);
        return;
    }
    fail_msg("the command is not under way");
}

void fixture_reserved(struct fixture *f, int64_t reservation_id)
{
    struct command *c = fixture_command(f);
    assert_int_equal(c->kind, COMMAND_RESERVE);
    assert_true(c->reserve.line_max >= 1);
    c->reserve.reservation_id = reservation_id;
    c->reserve.state = HOLD_PENDING;
    c->reserve.expires_ms = INT64_C(1795000900000);
    c->reserve.line_count = 1;
    c->reserve.lines[0] = (struct line){1, c->reserve.wants[0].quantity};
    fixture_answer(f, c, 0);
}

void fixture_tick(struct fixture *f, int64_t after_ms)
{
    f->now_ns += (uint64_t)after_ms * 1000000;
    service_tick(f->service, f->now_ns);
}

Tally__V1__ReserveRequest reserve_request(Tally__V1__WantedLine *line,
                                          Tally__V1__WantedLine **lines)
{
    Tally__V1__ReserveRequest m = TALLY__V1__RESERVE_REQUEST__INIT;
    tally__v1__wanted_line__init(line);
    line->lot = (char *)"cola#00000000";
    line->quantity = 2;
    lines[0] = line;
    m.user_id = (char *)"ann";
    m.order_id = (char *)"order-1";
    m.n_lines = 1;
    m.lines = lines;
    return m;
}
