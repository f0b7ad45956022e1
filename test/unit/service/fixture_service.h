/* fixture_service.h - a service between two fakes: exchanges whose answers are kept, and a host
 * whose commands wait until the test answers them. */
#ifndef TALLY_TEST_FIXTURE_SERVICE_H
#define TALLY_TEST_FIXTURE_SERVICE_H

#include "fixture.h"

#include <tally.pb-c.h>

#include "cache/cache_local.h"
#include "engine/engine.h"
#include "service/service.h"
#include "wire/codec.h"

enum { FAKE_HEADERS = 8, FAKE_COMMANDS = 64, FAKE_LOTS = 4 };

/* A request, what was answered, and what was streamed. */
struct fake_exchange {
    struct exchange x; /* first */
    int answers;       /* responses, or openings of a stream */
    int ends;
    int status;
    struct str content_type;
    struct header headers[FAKE_HEADERS];
    size_t header_count;
    bool length_unsaid;
    struct header trailers[FAKE_HEADERS];
    size_t trailer_count;
    struct str body;
    char *streamed; /* all that was written, zero-ended */
    size_t streamed_size;
    int write_result; /* what stream_write returns instead of taking the bytes */
    char buffer[1024];
};

struct fake_gate {
    struct gate_session session; /* first */
    struct fixture *fixture;
    enum gate_verdict verdict;
    int64_t available;
    bool later; /* keep what is flushed for fake_gate_answer() */
    int asks;
    struct gate_ask *asked; /* not flushed yet; newest first */
    struct gate_ask *kept;  /* flushed, not answered; newest first */
    bool detached;
};

struct fixture {
    struct service *service;
    struct service_settings settings;
    struct service_host host;
    struct fake_gate gate;
    struct command *commands[FAKE_COMMANDS]; /* submitted, not answered yet */
    size_t command_count;
    int submitted;
    struct event_read *reads[FAKE_COMMANDS]; /* asked of the bus, not answered yet */
    size_t read_count;
    int64_t newest;    /* event */
    uint32_t failures; /* of the webhook: ids 10, 20, ... */
    bool retry_fails;  /* its file cannot be written */
    int64_t retried;   /* the id that was asked for last */
    enum readiness readiness;
    struct lot_dims dims[FAKE_LOTS]; /* of lots 1.. */
    lot_id withdrawn;                /* this one is */
    struct lot_view lots[FAKE_LOTS];
    bool lots_tell_more;
    struct request_summary summary; /* of the last request_done; texts in `summary_text` */
    char summary_text[256];
    char summary_order_id[128];
    int summaries;
    uint64_t now_ns;
    int64_t later_ms; /* ledger time has gone on so far */
    struct cache *cache;
    struct cache_session *cache_session;
    struct known_lots *known_lots;
    struct meter *meter;                  /* with a cache; settings.meter_interval_ms is 0 */
    struct fake_exchange *exchanges[256]; /* freed at the end */
    size_t exchange_count;
};

struct fixture *fixture_open(void);
/* With a cache in this process; and a filter of lot keys, or none. */
struct fixture *fixture_open_with_cache(bool filter);
/* The cache's worker has its turn, so many milliseconds later. */
void fixture_cache_turn(struct fixture *f, int64_t after_ms);
void fixture_close(struct fixture *f);

/* HTTP/1: "POST", "/v1/lots", with a JSON body or "". The target may have a query. */
struct fake_exchange *http_new(struct fixture *f, const char *method, const char *target,
                               const char *body);
/* gRPC: "Reserve" or a whole path beginning with "/". */
struct fake_exchange *grpc_new(struct fixture *f, const char *method, const ProtobufCMessage *m);
void fake_header(struct fake_exchange *x, enum exchange_header which, const char *value);
void fixture_handle(struct fixture *f, struct fake_exchange *x);
/* New and handled. */
struct fake_exchange *http(struct fixture *f, const char *method, const char *target,
                           const char *body);
struct fake_exchange *grpc(struct fixture *f, const char *method, const ProtobufCMessage *m);

/* The oldest command that is not answered; fails the test if there is none. */
struct command *fixture_command(struct fixture *f);
/* From now on there is a webhook, with so many failures. */
void fixture_webhook(struct fixture *f, uint32_t failures);
/* Gives it back with the code. */
void fixture_answer(struct fixture *f, struct command *c, int code);
/* Answers a Reserve command: PENDING, one line of lot 1. */
void fixture_reserved(struct fixture *f, int64_t reservation_id);
void fixture_tick(struct fixture *f, int64_t after_ms);
/* Answers all that was kept, one at a time, the newest first. */
void fake_gate_answer(struct fixture *f, enum gate_verdict verdict);
/* Answers the newest that was kept. */
void fake_gate_answer_one(struct fixture *f, enum gate_verdict verdict);

/* Runs the tests twice: with a gate that answers from inside the flush, and with one that answers
 * after it, one ask at a time, the newest first. */
#define RUN_WITH_BOTH_GATES(tests) run_with_both_gates(tests, sizeof(tests) / sizeof((tests)[0]))
int run_with_both_gates(const struct CMUnitTest *tests, size_t count);

const char *answer_header(const struct fake_exchange *x, const char *name);  /* or NULL */
const char *answer_trailer(const struct fake_exchange *x, const char *name); /* or NULL */
/* The one message of a gRPC answer; freed with the exchange. */
void *answer_message(struct fake_exchange *x, const ProtobufCMessageDescriptor *type);
/* True if the body (problem or JSON) has the text. */
bool answer_says(const struct fake_exchange *x, const char *text);

/* A ReserveRequest for lot 1 with everything right; `line` is the caller's. */
Tally__V1__ReserveRequest reserve_request(Tally__V1__WantedLine *line,
                                          Tally__V1__WantedLine **lines);

#endif
