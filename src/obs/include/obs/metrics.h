/* metrics.h - counters and histograms, declared once, counted per thread, summed when they are
 * read.
 *
 * Each thread that counts has a shard (struct metrics) that only it writes, with relaxed atomic
 * stores, so counting costs no locked instruction; a reader sums all shards. Gauges and totals that
 * the engine and the ledger keep themselves are declared there (ENGINE_STATS, LEDGER_STATS) and
 * rendered by server/metrics_page.c. Labels never carry a user, an order or a hold.
 */
#ifndef TALLY_OBS_METRICS_H
#define TALLY_OBS_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* Calls, as the label `call`. */
/* clang-format off */
#define METRIC_CALLS(X)                                                                            \
    X(CREATE_LOT, "CreateLot")                                                                     \
    X(GET_LOT, "GetLot")                                                                           \
    X(LIST_LOTS, "ListLots")                                                                       \
    X(ADJUST_STOCK, "AdjustStock")                                                                 \
    X(IMPORT_LOTS, "ImportLots")                                                                   \
    X(UPDATE_LOT, "UpdateLot")                                                                     \
    X(RESERVE, "Reserve")                                                                          \
    X(RESERVE_BATCH, "ReserveBatch")                                                               \
    X(CONFIRM, "Confirm")                                                                          \
    X(REFUND, "Refund")                                                                            \
    X(EXTEND, "Extend")                                                                            \
    X(SHIP, "Ship")                                                                                \
    X(CHANGE_RESERVATION, "ChangeReservation")                                                     \
    X(CONFIRM_ALL, "ConfirmAll")                                                                   \
    X(LIST_RESERVATIONS, "ListReservations")                                                       \
    X(GET_RESERVATION, "GetReservation")                                                           \
    X(CREATE_SALE, "CreateSale")                                                                   \
    X(LIST_SALES, "ListSales")                                                                     \
    X(GET_SALE, "GetSale")                                                                         \
    X(UPDATE_SALE, "UpdateSale")                                                                   \
    X(CLOSE_SALE, "CloseSale")                                                                     \
    X(WATCH_SALE, "WatchSale")                                                                     \
    X(OPEN_GROUP, "OpenGroup")                                                                     \
    X(GET_GROUP, "GetGroup")                                                                       \
    X(COMPLETE_GROUP, "CompleteGroup")                                                             \
    X(JOIN_QUEUE, "JoinQueue")                                                                     \
    X(GET_TICKET, "GetTicket")                                                                     \
    X(WATCH, "Watch")                                                                              \
    X(EVENTS, "Events")                                                                            \
    X(HEALTH, "Health")                                                                            \
    X(REFLECTION, "Reflection")                                                                    \
    X(METRICS, "Metrics")                                                                          \
    X(OTHER, "other")
/* clang-format on */

enum metric_call {
#define X(name, text) CALL_##name,
    METRIC_CALLS(X)
#undef X
        METRIC_CALL_COUNT
};

/* id, name, label, number of label values, help. Label "" means none. Counters end in _total. */
#define METRIC_COUNTERS(X)                                                                         \
    X(CONNECTIONS_ACCEPTED, "tally_connections_accepted_total", "", 1, "connections accepted")     \
    X(CONNECTIONS_CLOSED, "tally_connections_closed_total", "", 1, "connections closed")           \
    X(CONNECTIONS_REFUSED, "tally_connections_refused_total", "", 1,                               \
      "connections refused at the limit")                                                          \
    X(CONNECTIONS_TIMED_OUT, "tally_connections_timed_out_total", "", 1,                           \
      "connections closed because the client was too slow")                                        \
    X(REQUESTS_TIMED_OUT, "tally_requests_timed_out_total", "", 1,                                 \
      "requests and streams ended because the client was too slow")                                \
    X(REQUESTS_SHED, "tally_requests_shed_total", "", 1,                                           \
      "requests refused because their connection, worker or process had no memory for them")       \
    X(BYTES_IN, "tally_received_bytes_total", "", 1, "bytes received")                             \
    X(BYTES_OUT, "tally_sent_bytes_total", "", 1, "bytes sent")                                    \
    X(PROTOCOL_ERRORS, "tally_protocol_errors_total", "", 1,                                       \
      "connections closed or requests refused because of broken HTTP")                             \
    X(EVENTS_SENT, "tally_events_sent_total", "", 1, "events handed to streams of events")         \
    X(GATE_VERDICTS, "tally_gate_verdicts_total", "verdict", 4, "asks of the gate, by its answer") \
    X(LOT_READS, "tally_lot_reads_total", "source", 5,                                             \
      "answers to GetLot, by where they came from")                                                \
    X(LOTS_DENIED, "tally_lots_denied_total", "", 1,                                               \
      "look-ups of lots that never were, answered without one")                                    \
    X(REFUSED_EARLY, "tally_refused_early_total", "why", 3,                                        \
      "requests refused before anything was made of them")                                         \
    X(ENGINE_TURNS, "tally_engine_turns_total", "", 1, "turns of the engine's loop")

enum metric_counter {
#define X(id, name, label, values, help) METRIC_##id,
    METRIC_COUNTERS(X)
#undef X
        METRIC_COUNTER_COUNT
};

/* id, name, unit ("seconds": observed in nanoseconds; "": plain numbers), help */
#define METRIC_HISTOGRAMS(X)                                                                       \
    X(REQUEST, "tally_request_duration_seconds", "seconds",                                        \
      "from the last byte of a request to its answer, by call")                                    \
    X(QUEUE_WAIT, "tally_queue_wait_seconds", "seconds",                                           \
      "how long a request waited for a place at work, if it had to")                               \
    X(COMMIT, "tally_commit_duration_seconds", "seconds", "a ledger commit as the engine sees it") \
    X(INCONSISTENT, "tally_inconsistency_duration_seconds", "seconds",                             \
      "how long a sampled copy of a lot was older than the authority")                             \
    X(BATCH, "tally_batch_moves", "", "moves in a ledger commit")                                  \
    X(TURN_COMMANDS, "tally_engine_turn_commands", "", "commands in one turn of the engine")

enum metric_histogram {
#define X(id, name, unit, help) METRIC_HISTOGRAM_##id,
    METRIC_HISTOGRAMS(X)
#undef X
        METRIC_HISTOGRAM_COUNT
};

#define METRIC_REQUESTS_NAME "tally_requests_total"
#define METRIC_REQUESTS_HELP "requests answered, by call and code"

struct metrics; /* a shard */

/* Shards live until metrics_destroy_all(). NULL when memory is short. */
struct metrics *metrics_create(void);
void metrics_destroy_all(void);

void metrics_add(struct metrics *m, enum metric_counter counter, unsigned label_value, uint64_t n);
void metrics_observe(struct metrics *m, enum metric_histogram histogram, uint64_t value);
/* One answered request: tally_requests_total{call,code} and the REQUEST histogram of its call. */
void metrics_request(struct metrics *m, enum metric_call call, int code, uint64_t duration_ns);

/* Two text formats that differ in how they name a counter: OpenMetrics 1.0.0 for those who ask for
 * it, the older Prometheus 0.0.4 for everybody else (a browser, curl, `promtool check metrics`). */
enum metrics_format { METRICS_PROMETHEUS, METRICS_OPENMETRICS };

enum metrics_format metrics_format_of(struct str accept); /* the value of an Accept header */
struct str metrics_content_type(enum metrics_format format);

/* Growing text, for whoever renders metrics. */
struct metrics_text {
    enum metrics_format format;
    char *data;
    size_t size, capacity;
    int failed; /* memory ran short; the text is not complete */
};
void metrics_text_add(struct metrics_text *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The lines of help and type that come before a metric's samples, and of its unit if the name ends
 * in one. `name` is that of the samples, a counter's with _total; type is "counter", "gauge" or
 * "histogram". */
void metrics_text_family(struct metrics_text *t, const char *name, const char *type,
                         const char *help);
/* All metrics declared here, summed over shards. */
void metrics_render(struct metrics_text *t);
/* Ends the text: OpenMetrics wants a last line that says so. */
void metrics_text_end(struct metrics_text *t);

#endif
