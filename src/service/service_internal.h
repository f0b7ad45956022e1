/* service_internal.h - what the files of service/ share.
 *
 * A struct call is one request on its way: its command, and an arena with all that the command
 * points to. It comes from a pool and goes back when the command has come back, which may be later
 * than the answer: the message is decoded straight into the call's arena, so a command never points
 * into an exchange, and an exchange can be answered and forgotten while the engine is still busy.
 *
 *   handle -> [in the queue] -> decoded -> checked -> [at the gate] -> with the engine -> answered
 *                   |                                      |                 |
 *                   +--> refused, in the pool              +-----------------+--> its time is up:
 *                                                       answered, and the call goes on alone
 */
#ifndef TALLY_SERVICE_SERVICE_INTERNAL_H
#define TALLY_SERVICE_SERVICE_INTERNAL_H

#include <tally.pb-c.h>

#include "service/admission.h"
#include "service/rules.h"
#include "service/service.h"
#include "wire/codec.h"
#include "wire/http_text.h"

enum {
    CALL_BUFFER_BYTES = 2048,           /* a usual request fits, so that nothing is allocated */
    CALL_ARENA_BYTES_MAX = 64 << 20,    /* a full ReserveBatch fits */
    CALL_TEXT_BYTES = ERROR_TEXT_MAX,   /* a sentence of the engine's */
    CALL_SLAB = 32,                     /* calls that the pool grows by */
    WAIT_SLOTS = 256,                   /* of the wheel of waiting calls */
    WAIT_SLOT_SHIFT = 24,               /* a slot is 2^24 ns wide: 16.8 ms */
    BATCH_ORDERS_INFLIGHT_MAX = 131072, /* orders of ReserveBatch calls, per worker */
    REQUEST_TIMEOUT_MS_MAX = 600000,    /* a client's own limit counts for no longer than this */
    METRICS_WAIT_MS = 250,              /* for the engine's own figures */
    GATE_ASKS_MAX = 32,                 /* flushed before the turn's end: the engine begins */
    GRPC_MESSAGE_MAX = 16 << 20,
    WATCH_PAGE = 100, /* lots in one message of Watch: well below the unsent bytes of a stream */
    HEARTBEAT_MS = 15000,
    REFLECTION_MESSAGE_MAX = 16384,
    EVENT_READS = 4, /* questions to the bus under way: at most one a form waits at the log's end */
};

#define NS_PER_MS UINT64_C(1000000)

struct call;
struct origin;

/* One way to a use case. Either `start` with `request` (it makes a command of a message), or `open`
 * (a page or a stream, which answers by itself). */
struct route {
    enum metric_call call;
    struct str grpc_path; /* empty: not over gRPC */
    enum http_method method;
    struct str pattern;    /* HTTP path; empty: not over HTTP */
    const char *parameter; /* the field that "{}" in the pattern fills */
    const char *query;     /* the fields that may stand in the query, comma-separated */
    bool writes;           /* an answer that does not come in time is OUTCOME_UNKNOWN */
    bool always;           /* answered while starting and draining too */
    bool vital;            /* ... and when memory is short: health and metrics */
    const ProtobufCMessageDescriptor *request;
    int (*start)(struct service *s, struct call *c, struct error *e);
    void (*open)(struct service *s, struct origin *o);
};

/* Whom to answer, and what a log line says about it. */
struct origin {
    struct exchange *exchange; /* NULL once answered */
    const struct route *route; /* NULL: none was found */
    struct str parameter;      /* of the path, still percent-encoded */
    bool grpc;
    struct str order_id;
    struct str lot;
};

enum call_state {
    CALL_PREPARING,
    CALL_IN_QUEUE,
    CALL_AT_GATE,
    CALL_AT_CACHE, /* or standing by, see lot_filter.c */
    CALL_AT_ENGINE,
};

struct call {
    struct command command;
    struct service *service;
    struct origin origin;
    /* The command has come back. Submitted again in there, the call goes on. */
    void (*finish)(struct service *s, struct call *c);
    void (*expired)(struct service *s, struct call *c); /* answers when its time is up; or NULL */
    ProtobufCMessage *request;
    void *state;                                         /* the use case's own, in the arena */
    void (*admitted)(struct service *s, struct call *c); /* all its asks are answered */
    uint32_t at_gate;                                    /* asks that are not */
    uint32_t batch_orders;
    size_t charged; /* to the worker's budget, once it goes on without its exchange */
    uint8_t stage;  /* enum call_state */
    bool own;       /* the service's own call: finish() although there is nobody to answer */
    bool owes;      /* a fill to the cache: finish() also if there is nobody to answer */
    bool waiting;   /* in the wheel */
    uint64_t due_ns;
    uint64_t begun_ns; /* when it left the queue; 0: it was not in one */
    struct waiter waiter;
    struct call *next, *previous; /* in a slot of the wheel; next: in the pool */
    struct call *next_standing;   /* lot_filter.c's */
    struct arena arena;
    struct gate_ask ask;
    char text[CALL_TEXT_BYTES];
    _Alignas(8) char buffer[CALL_BUFFER_BYTES];
};

struct slab {
    struct slab *next;
    size_t count;
    size_t bytes;
    struct call calls[];
};

struct stream;

/* The answer to a refusal of one code, made beforehand. */
struct spare {
    struct response http, grpc;
};

enum { REFUSALS = 3 }; /* of the queue */

enum {
#define X(name, number, http, grpc, retry, text) SPARE_##name,
    TLY_ERRORS(X)
#undef X
        SPARE_COUNT
};

struct event_question {
    struct event_read read; /* first */
    int64_t after;          /* as it was asked */
    bool asked;
};

struct consumer;

/* events.c's */
struct service_events {
    struct event_question questions[EVENT_READS];
    struct consumer *opening; /* not answered yet: their first page will tell */
    uint32_t opening_count;
    uint32_t held;        /* pages that are being passed on */
    uint32_t turn_begins; /* number of the stream with which the next turn of the loop begins */
    size_t turn_bytes;    /* passed on in this one */
    uint64_t turn;        /* of the last question */
};

struct service {
    struct service_host host;
    struct uuid_state uuid;
    struct call *free_calls;
    struct slab *slabs;
    size_t slab_bytes;
    struct call *waiting[WAIT_SLOTS];
    uint64_t waited_slot; /* number of the last slot that was looked at */
    uint32_t inflight;    /* calls at the gate or with the engine */
    uint32_t own;         /* of them the service's own, which take nobody's place */
    uint32_t asked;       /* of the gate, since the last flush */
    bool flushing;
    bool figures_asked; /* a COMMAND_STATS is with the engine */
    uint32_t batch_orders;
    struct stream *streams;
    uint32_t stream_count;
    struct import_call *imports; /* counted as streams */
    uint64_t now_ns;             /* as of the last tick */
    const struct exchange
        *found_for;      /* of the last service_need(): the route, so that it is looked */
    struct origin found; /* for once */
    bool pulling;        /* a COMMAND_LOT_CHANGES is with the engine */
    uint64_t pull_due_ns;
    struct service_events events;
    struct spare spares[SPARE_COUNT];
    struct arena spare_memory;
    struct admission admission;
    bool advancing;
    struct call *standing;        /* lot_filter.c: by until the next list of lots, */
    struct call *standing_listed; /* or the present one, is there */
    bool listing;
    bool leaving_cache;
    bool sampling; /* read_meter.c's: one is under way */
    struct spare refusals[REFUSALS];
    uint32_t refusals_retry_s; /* what they say; 0: they are not made */
    struct arena refusal_memory;
    uint64_t refused_early;
};

/* ---- route.c ---- */

/* 0, or a refusal. METHOD_NOT_ALLOWED: `allow` names the methods (room for 64 bytes). */
int route_find(const struct exchange *x, struct origin *o, char allow[64], struct error *e);

/* ---- request.c ---- */

/* The request's message into c->request. */
int request_decode(struct call *c, struct error *e) MUST_CHECK;
/* A message of any type from an exchange's parameters or body, in `a`. */
int request_message(const struct origin *o, const ProtobufCMessageDescriptor *type, struct arena *a,
                    ProtobufCMessage **out, struct error *e) MUST_CHECK;
/* The client's own limit, 0 if it has none. */
int request_timeout(const struct exchange *x, int64_t *timeout_ns, struct error *e) MUST_CHECK;
/* The text before the separator; `rest` goes on behind it. */
struct str text_cut(struct str *rest, char separator);
/* The next parameter of a media type, without its quotes; false at the end. */
bool media_parameter(struct str *rest, struct str *name, struct str *value);
int hex_digit(char c); /* -1: it is none */
/* Percent-decodes into the arena. `plus`: '+' is a space. */
int percent_decode(struct str text, bool plus, struct arena *a, struct str *out) MUST_CHECK;
/* A decimal number without sign or leading zeros; false if it is none, or over max. */
bool decimal_parse(struct str text, int64_t max, int64_t *out);
/* A message's text was given, be it empty. */
static inline bool is_given(const char *text)
{
    return text != protobuf_c_empty_string;
}
/* The header Idempotency-Key: as it stands, or the text of a quoted string (RFC 8941, 3.3.3). Not
 * given: `out` is NULL. */
int request_idempotency_key(const struct exchange *x, struct arena *a, char **out,
                            struct error *e) MUST_CHECK;

/* When it must have reached the engine, and when it is answered whatever happened. */
int request_limits(const struct service *s, const struct origin *o, uint64_t *reach_ns,
                   uint64_t *reply_ns, struct error *e) MUST_CHECK;

/* ---- need.c ---- */

/* The next field of a message on the wire: its tag, and what it holds where that is a text or a
 * message. False at the end, and where it is malformed, which the decoder will tell. */
bool proto_next_field(struct str *rest, uint64_t *tag, struct str *held);

/* ---- queue.c ---- */

void queue_init(struct service *s);
void queue_close(struct service *s);
/* There is room: a request goes on at once. */
bool queue_open(struct service *s);
/* There is none: it waits, or is refused. */
void queue_arrive(struct service *s, struct origin *o);
/* Somebody waits, and there is a place. */
bool queue_could_advance(const struct service *s);
/* Places may have come free. */
void queue_advance(struct service *s);
/* A command came back. */
void queue_done(struct service *s, const struct call *c);
/* Its time was up. */
void queue_expired(struct service *s, struct call *c);

/* ---- service.c ---- */

/* From the message on. */
void call_start(struct service *s, struct call *c);

/* ---- call.c ---- */

struct call *call_get(struct service *s); /* NULL when memory is short */
void call_put(struct service *s, struct call *c);
/* To the engine. Whatever comes back is handed to `finish`. */
void call_submit(struct service *s, struct call *c);
/* Puts `count` asks, which live in the call's arena, before the gate, with the next flush. When the
 * last one is answered, `admitted` submits the call or is done with it. */
void call_ask_gate(struct service *s, struct call *c, struct gate_ask *asks, uint32_t count,
                   void (*admitted)(struct service *s, struct call *c));
/* Answered, or nobody is there to be: the call ends without the engine. */
void call_refused_at_gate(struct service *s, struct call *c);
/* It stands at the cache: its time runs, it is counted. And it does so no more. */
void call_wait_for_cache(struct service *s, struct call *c);
void call_leave_cache(struct service *s, struct call *c);
/* What was asked of the gate is sent off. */
void service_flush_gate(struct service *s);
/* At the gate or with the engine: from now on its time runs. */
void call_wait(struct service *s, struct call *c);
void call_stop_waiting(struct service *s, struct call *c);
void calls_expire(struct service *s, uint64_t now_ns);
void calls_close(struct service *s);

static inline struct call *call_of(struct command *c)
{
    return (struct call *)c;
}

/* ---- reply.c: each answers once; the exchange is not touched afterwards ---- */

/* Makes the answers that are given when there is no memory to make one. 0 or TLY_ENO_MEMORY. */
int spares_make(struct service *s) MUST_CHECK;

/* An answer that was made beforehand, OVERLOADED; it is counted, but no line is logged. */
void reply_made(struct service *s, struct origin *o, const struct response *made);
/* Nothing of it had to be left out for want of memory. */
bool response_whole(const struct response *r, const struct failure *f, bool grpc);

void reply_message(struct service *s, struct origin *o, int status, const ProtobufCMessage *m);
/* A message with headers of its own (Location, Idempotent-Replayed). */
void reply_message_with(struct service *s, struct origin *o, int status, const ProtobufCMessage *m,
                        const struct header *headers, size_t header_count);
void reply_failure(struct service *s, struct origin *o, const struct failure *f);
void reply_error(struct service *s, struct origin *o, const struct error *e);
void reply_code(struct service *s, struct origin *o, int code);
/* METHOD_NOT_ALLOWED, with the methods that are. */
void reply_not_allowed(struct service *s, struct origin *o, const struct error *e,
                       struct str allow);
void reply_page(struct service *s, struct origin *o, int status, struct str content_type,
                struct str body);
/* To the HEAD of what would be a stream. */
void reply_stream_head(struct service *s, struct origin *o, struct str content_type);
/* For want of memory the outcome cannot be told. */
void reply_unsaid(struct service *s, struct origin *o);
/* A look-up that was not answered in time. */
void reply_late(struct service *s, struct origin *o);
/* The command's code and sentence. */
void reply_refused(struct service *s, struct call *c);
/* What the resource, or the server as a whole, can do: the methods. */
void reply_options(struct service *s, struct origin *o, struct str allow);
/* For who answers with a stream: the log line and counters. */
void reply_count(struct service *s, const struct origin *o, int code, struct str text);

/* ---- order.c: what Reserve and ReserveBatch share ---- */

struct order_flags {
    bool order_new; /* the order_id was made here */
};
int order_prepare(struct call *c, const Tally__V1__ReserveRequest *m, struct reserve_command *out,
                  struct order_flags *flags, struct error *e) MUST_CHECK;
/* What an order wants; `line_max`: how many lots that may become. */
int order_wants(struct call *c, Tally__V1__WantedLine *const *lines, size_t count,
                struct want **wants, uint16_t *line_max, struct error *e) MUST_CHECK;
/* Lines for the gate, and what it said about them. */
int order_ask(struct call *c, const struct reserve_command *order, struct order_flags flags,
              struct gate_ask *ask) MUST_CHECK;
void order_admitted(struct service *s, struct reserve_command *order, const struct gate_ask *ask);

/* ---- order_look_up.c ---- */

/* True: what the engine could not say of the orders' outcomes is being looked up; then `then` goes
 * on with the call, as if its command had only now come back. */
bool orders_look_up(struct service *s, struct call *c, struct reserve_command *orders,
                    uint32_t count, void (*then)(struct service *s, struct call *c));

/* ---- waiting_room.c ---- */

/* Whether the order's ticket, which may be "", admits it to its sale, and if not, why. */
void ticket_look(struct service *s, const char *ticket, struct reserve_command *order);

/* ---- order_failure.c ---- */

/* The gate's refusal, as the engine would tell it. */
void order_sold_out(const struct service *s, struct reserve_command *order,
                    const struct gate_ask *ask);
/* Why it was refused; texts in the arena. `text`: a sentence that is there already, or "". */
struct failure order_failure(const struct service *s, const struct reserve_command *order,
                             const char *text, struct arena *a);
/* order_trouble.c: what is not its lines' fault: members, and a sentence if there is none. */
void order_trouble_show(const struct reserve_command *order, struct failure *f, struct arena *a);
/* "lines[3]" and a member of it, in the arena; empty at its bound. */
struct str line_name(uint16_t i, const char *member, struct arena *a);
/* "field: text", in the arena; the text alone at its bound. */
struct str after_field(struct str field, struct str text, struct arena *a);

/* ---- show.c: the engine's answers as messages; texts in the arena ---- */

/* An optional member: m->name = value. */
#define SHOW_OPTIONAL(m, TYPE, name, NAME, value)                                                  \
    ((m)->name##_is_case = TALLY__V1__##TYPE##__##NAME##_IS_##NAME, (m)->name = (value))

int show_lot(Tally__V1__Lot *m, const struct lot_view *lot, struct arena *a) MUST_CHECK;
int show_lots(Tally__V1__Lot ***out, const struct lot_view *lots, uint32_t count,
              struct arena *a) MUST_CHECK;
/* `after`: of each line, or NULL. */
int show_lines(const struct service *s, Tally__V1__Line ***out, const struct line *lines,
               const struct line_after *after, uint32_t count, struct arena *a) MUST_CHECK;
/* A reservation's sale and group, where it has them. */
int show_sale_of(const struct service *s, sale_number sale, int64_t group_id, char **sale_id,
                 char **group, struct arena *a) MUST_CHECK;
/* [{"lot":...,"quantity":...}], empty at the arena's bound. */
struct str show_lines_json(const struct service *s, const struct line *lines, uint32_t count,
                           struct arena *a);
int show_order(const struct service *s, Tally__V1__ReserveResponse *m,
               const struct reserve_command *order, struct arena *a) MUST_CHECK;
/* The path with the segment behind it, percent-encoded; empty without memory. */
struct str path_with(struct str path, struct str segment, struct arena *a);
char *show_number(int64_t n, struct arena *a);
char *show_time(int64_t unix_ms, struct arena *a); /* "" for 0 */
char *show_text(struct str text, struct arena *a);
void finish_lot(struct service *s, struct call *c, int status, const struct lot_view *lot);
/* 201, with the Location of the lot. */
void finish_lot_created(struct service *s, struct call *c, const struct lot_view *lot);

/* ---- get_lot.c, read_lot.c, lot_filter.c ---- */

/* With where the answer came from, and how old it may be. */
void finish_lot_read(struct service *s, struct call *c, const struct lot_view *lot,
                     enum cache_source source, int64_t age_ms);
/* Of what the engine answered. */
enum cache_source lot_source(const struct service *s, const struct call *c);
/* Through the cache. */
int read_lot(struct service *s, struct call *c, struct error *e) MUST_CHECK;
/* Of a call that stood by: there is no such lot; or there may be. */
void read_lot_unknown(struct service *s, struct call *c);
void read_lot_from_engine(struct service *s, struct call *c);
/* True: there seems to be no such lot; the call stands by until that is sure. */
bool lot_filter_denies(struct service *s, struct call *c);
void lot_filter_leave(struct service *s);
/* read_meter.c: a sample, if it is time for one. */
void read_meter_tick(struct service *s);
/* True: the ask was one of a sample. */
bool read_meter_answered(struct service *s, struct cache_ask *ask);

/* ---- move.c: what the moves of one reservation share ---- */

void finish_move(struct service *s, struct call *c, enum hold_state to);
int move_prepare(struct call *c, enum command_kind kind, const char *reservation_id,
                 const char *order_id, struct error *e) MUST_CHECK;
/* Some of the units: by lot. `all`: what leaving them out means. */
int move_take_lines(struct call *c, Tally__V1__Line *const *lines, size_t count, const char *all,
                    struct error *e) MUST_CHECK;
/* The call's own idempotency key, which may be left out. */
int move_id(struct call *c, const char *id, const char *field, struct error *e) MUST_CHECK;
/* A reservation's or a group's number. */
int id_parse(const char *text, const char *field, const char *what, int64_t *out,
             struct error *e) MUST_CHECK;
int reservation_id_parse(const char *text, const char *field, int64_t *out,
                         struct error *e) MUST_CHECK;

/* ---- the use cases, one file each ---- */

int create_lot_start(struct service *s, struct call *c, struct error *e);
int get_lot_start(struct service *s, struct call *c, struct error *e);
int list_lots_start(struct service *s, struct call *c, struct error *e);
int adjust_stock_start(struct service *s, struct call *c, struct error *e);
int reserve_start(struct service *s, struct call *c, struct error *e);
int reserve_batch_start(struct service *s, struct call *c, struct error *e);
int confirm_start(struct service *s, struct call *c, struct error *e);
int refund_start(struct service *s, struct call *c, struct error *e);
int extend_start(struct service *s, struct call *c, struct error *e);
int ship_start(struct service *s, struct call *c, struct error *e);
int change_reservation_start(struct service *s, struct call *c, struct error *e);
int confirm_all_start(struct service *s, struct call *c, struct error *e);
int list_reservations_start(struct service *s, struct call *c, struct error *e);
void list_reservations_free(struct reservation_list *list);
int update_lot_start(struct service *s, struct call *c, struct error *e);
int create_sale_start(struct service *s, struct call *c, struct error *e);
int get_sale_start(struct service *s, struct call *c, struct error *e);
int list_sales_start(struct service *s, struct call *c, struct error *e);
int update_sale_start(struct service *s, struct call *c, struct error *e);
int close_sale_start(struct service *s, struct call *c, struct error *e);
int watch_sale_start(struct service *s, struct call *c, struct error *e);
int open_group_start(struct service *s, struct call *c, struct error *e);
int get_group_start(struct service *s, struct call *c, struct error *e);
int complete_group_start(struct service *s, struct call *c, struct error *e);
int join_queue_start(struct service *s, struct call *c, struct error *e);
int get_ticket_start(struct service *s, struct call *c, struct error *e);
int get_reservation_start(struct service *s, struct call *c, struct error *e);
void import_lots_open(struct service *s, struct origin *o);
/* Looks at what is being imported, and answers. */
void imports_tick(struct service *s);
/* Refuses those that are not begun, or all. */
void imports_end(struct service *s, bool all);
void watch_open(struct service *s, struct origin *o);
void events_open(struct service *s, struct origin *o);
void webhook_failures_open(struct service *s, struct origin *o);
void webhook_retry_open(struct service *s, struct origin *o);
void health_check(struct service *s, struct origin *o);
void health_watch(struct service *s, struct origin *o);
void reflection_open(struct service *s, struct origin *o);
void metrics_open(struct service *s, struct origin *o);
void livez_open(struct service *s, struct origin *o);
void readyz_open(struct service *s, struct origin *o);
void openapi_open(struct service *s, struct origin *o);

/* ---- stream.c: answers that go on: Watch, Events, health Watch, reflection ---- */

enum stream_kind { STREAM_WATCH, STREAM_EVENTS, STREAM_HEALTH, STREAM_REFLECTION, STREAM_SALE };

struct stream {
    struct stream *next, *previous;
    struct service *service;
    struct exchange *exchange;
    uint64_t due_ns; /* the client's own limit; 0: none */
    uint8_t kind;
    bool grpc;
    bool gone; /* the client; ended at the next tick */
};

/* Opens the answer and counts it in; `st` lies in the exchange's arena. */
void stream_open(struct service *s, struct origin *o, struct stream *st, enum stream_kind kind);
/* With the code as trailers (gRPC). The stream is gone afterwards. */
void stream_close(struct stream *st, int code, const char *text);
/* Ends those whose client has gone or whose time is up. */
void streams_reap(struct service *s, uint64_t now_ns);
/* Answered: there are too many, or the client's limit is none. */
bool stream_refused(struct service *s, struct origin *o);
void watch_tick(struct service *s);
void watch_sale_tick(struct service *s);
void events_tick(struct service *s);
/* A stream ends; of one that is none of Events' nothing is done. */
void events_closed(struct stream *st);
/* The server stops before these were answered. */
void events_refuse_opening(struct service *s);
void health_tick(struct service *s);

#endif
