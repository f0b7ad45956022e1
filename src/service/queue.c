/* queue.c - requests that wait for a place at work (admission.h says who may).
 *
 * Happy path: while there is room, nothing comes here. Otherwise a request gets a call, which
 * stands in a queue with its exchange, not decoded yet; whenever a command comes back, whoever's
 * turn it is goes on as if it had just come.
 *
 * Failure: a newcomer that cannot be served in time, or finds no place, is refused before anything
 * is made of it, with an answer that was made before; so is one whose deadline passes in the queue.
 * None of them is worth a log line of its own: they are counted.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "service/service_internal.h"

enum refused { REFUSED_FULL, REFUSED_LATE, REFUSED_EXPIRED };

/* What every key is that names no sale: new orders and look-ups, and moves of orders that are there
 * already, which a rush for new ones does not keep from being paid or given back. */
enum { KEY_NO_SALE = 1, KEY_MOVES = 2 };

/* ---- the key ---- */

/* Of a JSON body. A guess: what it names is only used to share out turns. */
static struct str sale_of_json(struct str body)
{
    static const char name[] = "\"sale_id\"";
    const char *end = body.p + body.len;
    const char *at = body.len ? memmem(body.p, body.len, name, sizeof name - 1) : NULL;
    if (!at)
        return (struct str){0};
    at += sizeof name - 1;
    while (at < end && *at != '"')
        at++;
    const char *close = at < end ? memchr(at + 1, '"', (size_t)(end - at - 1)) : NULL;
    return close ? (struct str){at + 1, (uint32_t)(close - at - 1)} : (struct str){0};
}

static struct str sale_of_grpc(uint64_t sale_tag, struct str body)
{
    enum { HEAD_BYTES = 5 };
    struct str rest = {body.p + HEAD_BYTES, body.len - HEAD_BYTES}, held;
    uint64_t tag;
    while (body.len > HEAD_BYTES && proto_next_field(&rest, &tag, &held)) {
        if (tag == sale_tag)
            return held;
    }
    return (struct str){0};
}

static uint64_t key_of(const struct service *s, const struct origin *o)
{
    switch (o->route->call) {
    case CALL_CONFIRM:
    case CALL_REFUND:
    case CALL_EXTEND:
    case CALL_SHIP:
    case CALL_CHANGE_RESERVATION:
    case CALL_CONFIRM_ALL:
    case CALL_GET_RESERVATION:
        return KEY_MOVES;
    default:
        break;
    }
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(o->route->request, "sale_id");
    struct str body = o->exchange->body, sale = {0};
    if (field && o->grpc)
        sale = sale_of_grpc((uint64_t)field->id << 3 | 2, body);
    else if (field)
        sale = o->parameter.len ? o->parameter : sale_of_json(body);
    return sale.len ? hash64(sale, s->host.hash_seed) : KEY_NO_SALE;
}

/* ---- refusals ---- */

void queue_init(struct service *s)
{
    enum { REFUSALS_BYTES_MAX = 1 << 14 };
    admission_init(&s->admission);
    arena_init(&s->refusal_memory, NULL, 0, REFUSALS_BYTES_MAX);
}

void queue_close(struct service *s)
{
    arena_close(&s->refusal_memory);
}

/* Made anew when Retry-After has changed. */
static bool refusals_make(struct service *s)
{
    static const struct str texts[REFUSALS] = {
        [REFUSED_FULL] = STR("queue_max: too many requests wait; nothing was done, try again"),
        [REFUSED_LATE] = STR("it would not be served in time; nothing was done, try again"),
        [REFUSED_EXPIRED] = STR("its time was up before it was its turn; nothing was done, try "
                                "again"),
    };
    uint32_t retry_after_s = s->host.settings->retry_after_s;
    if (s->refusals_retry_s == retry_after_s)
        return true;
    arena_reset(&s->refusal_memory);
    for (size_t i = 0; i < REFUSALS; i++) {
        struct failure f = {
            .code = TLY_EOVERLOADED, .text = texts[i], .retry_after_s = retry_after_s};
        problem_response(&s->refusals[i].http, &s->refusal_memory, &f);
        grpc_failure_response(&s->refusals[i].grpc, &s->refusal_memory, &f);
        if (!response_whole(&s->refusals[i].http, &f, false) ||
            !response_whole(&s->refusals[i].grpc, &f, true))
            return false;
    }
    s->refusals_retry_s = retry_after_s;
    return true;
}

static void refuse(struct service *s, struct origin *o, enum refused why)
{
    metrics_add(s->host.metrics, METRIC_REFUSED_EARLY, why, 1);
    s->refused_early++;
    if (refusals_make(s))
        reply_made(s, o, o->grpc ? &s->refusals[why].grpc : &s->refusals[why].http);
    else
        reply_code(s, o, TLY_EOVERLOADED);
}

/* ---- in and out ---- */

bool queue_open(struct service *s)
{
    const struct service_settings *settings = s->host.settings;
    admission_limits(&s->admission, settings->inflight_max, settings->queue_max,
                     (uint64_t)settings->stock_timeout_ms * NS_PER_MS / 2);
    return admission_open(&s->admission, s->inflight - s->own);
}

bool queue_could_advance(const struct service *s)
{
    return s->admission.waiting && s->inflight - s->own < admission_work_limit(&s->admission);
}

static uint16_t cost_of(const struct origin *o)
{
    enum { ORDER_BYTES = 64 };
    uint32_t orders =
        o->route->call == CALL_RESERVE_BATCH ? o->exchange->body.len / ORDER_BYTES : 0;
    return (uint16_t)(orders < ADMISSION_COST_MAX ? orders + 1 : ADMISSION_COST_MAX);
}

static struct call *call_of_waiter(struct waiter *w)
{
    return (struct call *)((char *)w - offsetof(struct call, waiter));
}

/* Out of the queue already. */
static void turn_away(struct service *s, struct call *c, enum refused why)
{
    call_stop_waiting(s, c);
    refuse(s, &c->origin, why);
    call_put(s, c);
}

void queue_arrive(struct service *s, struct origin *o)
{
    struct error e;
    uint64_t reach_ns, reply_ns, now_ns = clock_monotonic_ns();
    struct waiter *leaver;
    if (request_limits(s, o, &reach_ns, &reply_ns, &e)) {
        reply_error(s, o, &e);
        return;
    }
    uint64_t key = key_of(s, o);
    enum admission_verdict verdict = admission_judge(&s->admission, key, reach_ns, now_ns, &leaver);
    if (leaver)
        turn_away(s, call_of_waiter(leaver), REFUSED_FULL);
    struct call *c = verdict == ADMISSION_WAIT ? call_get(s) : NULL;
    if (!c) {
        refuse(s, o, verdict == ADMISSION_LATE ? REFUSED_LATE : REFUSED_FULL);
        return;
    }
    c->origin = *o;
    c->stage = CALL_IN_QUEUE;
    c->command.deadline_ns = reach_ns;
    c->due_ns = reach_ns;
    c->waiter.cost = cost_of(o);
    admission_wait(&s->admission, &c->waiter, key);
    call_wait(s, c);
}

void queue_expired(struct service *s, struct call *c)
{
    admission_remove(&s->admission, &c->waiter);
    turn_away(s, c, REFUSED_EXPIRED);
}

void queue_advance(struct service *s)
{
    if (s->advancing)
        return;
    s->advancing = true;
    while (queue_could_advance(s)) {
        struct call *c = call_of_waiter(admission_next(&s->admission));
        uint64_t now_ns = clock_monotonic_ns();
        if (c->origin.exchange->gone ||
            !admission_in_time(&s->admission, c->command.deadline_ns, now_ns)) {
            turn_away(s, c, REFUSED_EXPIRED);
            continue;
        }
        metrics_observe(s->host.metrics, METRIC_HISTOGRAM_QUEUE_WAIT,
                        now_ns - c->origin.exchange->received_ns);
        call_stop_waiting(s, c);
        c->stage = CALL_PREPARING;
        c->begun_ns = now_ns;
        call_start(s, c);
        if (s->asked >= GATE_ASKS_MAX && !s->flushing)
            service_flush_gate(s);
    }
    s->advancing = false;
}

void queue_done(struct service *s, const struct call *c)
{
    if (!s->admission.busy || c->own)
        return;
    uint64_t now_ns = clock_monotonic_ns();
    uint64_t begun_ns = c->begun_ns ? c->begun_ns : c->command.received_ns;
    admission_done(&s->admission, now_ns > begun_ns ? now_ns - begun_ns : 0, now_ns);
}
