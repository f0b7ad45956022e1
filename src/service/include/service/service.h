/* service.h - the use cases. One struct service per I/O worker; all calls on that worker's thread.
 *
 * An exchange comes in (service_handle), is routed (route.c: one table for gRPC and HTTP), decoded
 * into the message of api/tally.proto, checked, and turned into an engine command, which leaves
 * through host->submit. The command comes back through service_complete and is answered on the
 * exchange. What needs no engine (health, reflection, refusals of the gate) is answered at once.
 *
 * Every exchange that was handled is answered, by service_tick at the latest: with OUTCOME_UNKNOWN
 * when the engine has not answered a command within the limit. The command's memory is kept until
 * the engine gives it back.
 */
#ifndef TALLY_SERVICE_SERVICE_H
#define TALLY_SERVICE_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/budget.h"
#include "base/error.h"
#include "base/hash.h"
#include "bus/bus.h"
#include "bus/webhook.h"
#include "cache/cache.h"
#include "cache/known_lots.h"
#include "cache/meter.h"
#include "engine/command.h"
#include "engine/engine.h"
#include "gate/gate.h"
#include "intake/stock_import.h"
#include "obs/metrics.h"
#include "waiting/waiting.h"
#include "wire/exchange.h"

struct service;

/* What may change while running (SIGHUP) is read through the pointer for each request. */
struct service_settings {
    int64_t request_timeout_ms; /* to reach the engine, if the client sets none: 800 */
    int64_t stock_timeout_ms;   /* the same for Reserve and look-ups of lots, if it is less: 300 */
    int64_t reply_timeout_ms;   /* for the outcome: beyond it OUTCOME_UNKNOWN */
    int64_t hold_max_ms;
    uint64_t import_max;       /* bytes of a stock file */
    uint32_t retry_after_s;    /* in refusals that pass */
    uint8_t dimensions;        /* enum dimension_rules: what flavors, sizes and batches may be */
    struct str flavors;        /* allowed flavors, comma-separated; empty: any */
    uint32_t inflight_max;     /* commands of this worker with the engine: beyond it they wait */
    uint32_t queue_max;        /* so many: beyond it OVERLOADED */
    uint32_t watchers_max;     /* streams of this worker */
    int64_t watch_interval_ms; /* between two messages of a watcher */
    int64_t meter_interval_ms; /* between two samples of the meter; 0: none */
    uint32_t top_lots;         /* lots with gauges of their own in /metrics */
    bool log_requests;         /* a log line for each request, not only for failed ones */
};

/* One answered request, for whoever logs it. The strings live until the hook returns. */
struct request_summary {
    enum metric_call call;
    int code;            /* 0 or TLY_E... */
    struct str text;     /* why it was refused, or empty */
    struct str order_id; /* each of these: empty if the request has none */
    struct str lot;      /* of the first line */
    struct str request_id;
    struct str trace_id; /* 32 hex digits */
    uint64_t duration_ns;
};

enum { FIGURES_LOTS_MAX = 64 };

/* What the engine says of itself, for /metrics. */
struct figures {
    struct engine_stats stats;
    struct lot_view top[FIGURES_LOTS_MAX]; /* the lots with most moves */
    uint32_t top_count;
    uint64_t age_ns;
};

enum readiness {
    READY_STARTING,
    READY_YES,
    READY_LEDGER_DOWN,
    READY_ENGINE_STUCK, /* it has taken no turn for seconds */
    READY_DRAINING
};

/* Stock files as a whole: stock_import.h. */
struct service_imports {
    void *context;
    int (*create)(void *context, struct stock_import **out,
                  const struct stock_import_options *options, struct error *e);
    int (*write)(struct stock_import *i, const void *data, size_t size, struct error *e);
    void (*submit)(struct stock_import *i);
    void (*look)(const struct stock_import *i, struct stock_import_look *out);
    void (*release)(struct stock_import *i);
    bool (*encoding)(struct str name, enum stock_encoding *out);
};

struct service_host {
    void *context;
    /* Hands a command to the engine. Never blocks. */
    void (*submit)(void *context, struct command *c);
    /* Renders /metrics into malloc'ed text, on the worker. The format is what metrics_format_of()
     * finds in the Accept header; its content type is metrics_content_type(). */
    char *(*metrics_text)(void *context, enum metrics_format format, const struct figures *figures,
                          size_t *size);
    /* The figures that the engine published last, without asking it. */
    void (*figures)(void *context, struct figures *out);
    /* `why`, if not NULL: what a person should know besides. */
    enum readiness (*readiness)(void *context, struct str *why);
    int64_t (*now_ms)(void *context); /* ledger time, as of the loop's turn */
    /* The dimensions of a lot that an answered command names; NULL if there is no such lot. */
    const struct lot_dims *(*lot_dims)(void *context, lot_id id);
    /* The day on which more units of it come; LOT_NEVER_EXPIRES: not known. May be NULL. */
    int32_t (*lot_expected_on)(void *context, lot_id id);
    /* Some lot has, or had, a limit per user, or sells what is not there yet. May be NULL. */
    bool (*lots_tell_more)(void *context);
    /* The sale_id of a sale that an answered command names; may be NULL. */
    struct str (*sale_id)(void *context, sale_number sale);
    /* What besides changes about it; false if there is no such lot. */
    bool (*lot_signs)(void *context, lot_id id, struct lot_signs *out);
    const struct zone *expiry_zone; /* base/zone.h: that its last day is of */
    /* May be NULL. Called before the answer leaves: for every request if settings->log_requests,
     * else for refused ones, except SOLD_OUT, which is a sale's everyday business. */
    void (*request_done)(void *context, const struct request_summary *summary);
    /* Hands a question to the bus; it comes back through service_events_answered(). Never blocks.
     */
    void (*events_read)(void *context, struct event_read *r);
    int64_t (*events_newest)(void *context); /* the id of the newest event, 0 if there is none */
    /* NULL: there is no webhook. Those with a higher id than `after`; and webhook_retry(). */
    uint32_t (*webhook_failures)(void *context, int64_t after, struct webhook_failure *out,
                                 uint32_t max);
    int (*webhook_retry)(void *context, const int64_t *ids, size_t count, uint32_t *found,
                         struct error *e);
    struct waiting_rooms *waiting; /* NULL: there are none */
    struct gate_session *gate;     /* the service's now; its answers go to service_admitted() */
    struct cache_session *cache;   /* the service's now, or NULL; to service_read_answered() */
    struct known_lots *known_lots; /* or NULL: any lot may be there */
    struct meter *meter;           /* this worker's; or NULL */
    bool lots_shared;              /* others write to the ledger, too: the engine reads it anew */
    struct budget *budget; /* the worker's, or NULL: for calls that go on without their exchange */
    const struct service_imports *imports; /* or NULL */
    struct metrics *metrics;               /* this worker's shard */
    const struct service_settings *settings;
    uint64_t hash_seed;
    /* Random, the same for all workers of this process: event ids of /v1/watch carry it, so that
     * Last-Event-ID resumes only where the change numbers are still the same. */
    uint64_t change_epoch;
};

int service_create(struct service **out, const struct service_host *host,
                   struct error *e) MUST_CHECK;
void service_destroy(struct service *s);

/* For struct exchange_handler; context is the service. */
void service_handle(void *context, struct exchange *x);
bool service_wants_stream(void *context, const struct exchange *x);
/* What the request will take until it is answered: its call with all that the command points to,
 * and the answer. An upper bound, by the route and what the request says of its own size. */
void service_need(void *context, const struct exchange *x, struct exchange_need *need);
/* A command that will be completed as the second next (ahead 2), or next (ahead 1),
 * comes closer. */
void service_prefetch(const struct command *c, unsigned ahead);
/* A command that came back. */
void service_complete(struct service *s, struct command *c);
/* Whenever the loop has handled requests or replies: what was asked of the gate is sent off, and
 * those who wait take the places that came free. */
void service_flush(struct service *s);
/* What the gate answered, by `next`. */
void service_admitted(struct service *s, struct gate_ask *first);
/* What the cache answered later than at once. */
void service_read_answered(struct service *s, struct cache_ask *ask);
/* Before the loop ends: the cache is let go of; who waits for it is refused. */
void service_leave_cache(struct service *s);
/* A page of events came, or why there is none. */
void service_events_answered(struct service *s, struct event_read *r);
/* Once a turn of the loop: clients that did not take all of their events may do so now. */
void service_events_turn(struct service *s);
/* Before the loop ends: what is still at the gate, and what comes later, goes on without it. */
void service_leave_gate(struct service *s);
/* Every 10 to 50 ms: limits on waiting, watchers' messages, health watchers. */
void service_tick(struct service *s, uint64_t monotonic_ns);
/* Ends all streams (drain): Watch, Events, health Watch. New requests are refused with OVERLOADED
 * as soon as readiness says READY_DRAINING. */
void service_end_streams(struct service *s);
/* Commands with the engine, and open streams: 0 and 0, and nobody waiting, means drained. */
uint32_t service_inflight(const struct service *s);
/* Requests that wait for a place at work. */
uint32_t service_waiting(const struct service *s);
/* Requests refused before anything was made of them, since the start. */
uint64_t service_refused_early(const struct service *s);
uint32_t service_streams(const struct service *s);

#endif
