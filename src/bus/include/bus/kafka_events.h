/* kafka_events.h - every move of the log to a topic of Kafka, as CloudEvents 1.0 in JSON.
 *
 * A message is an event of one lot: its key is the lot's key, so that events of a lot stand in one
 * partition, in the order of the log; a move of several lots is as many messages with the same id.
 * Moves of no lot (sales, groups) have the sale or the group as their key.
 *
 * At least once: the cursor KAFKA_READER of the ledger passes what the brokers have acknowledged,
 * and nothing else, so a process that dies is gone on from by the next one, with doubles. Who keeps
 * the highest id of each lot that he has dealt with, and drops what is not higher, has each event
 * once and in order. That also holds where several nodes publish at the same time (each in order,
 * from a cursor that all before it was published): over a shared ledger one is enough, and whoever
 * has partition 0 in the consumer group TOPIC.publisher is it.
 */
#ifndef TALLY_BUS_KAFKA_EVENTS_H
#define TALLY_BUS_KAFKA_EVENTS_H

#include "base/error.h"
#include "ledger/ledger.h"

#define KAFKA_READER "kafka" /* its cursor's name */

struct kafka_events;

struct kafka_events_config {
    struct ledger *ledger; /* started; outlives kafka_events_stop() */
    const char *brokers;   /* HOST:PORT, separated by commas; texts are copied */
    const char *topic;
    const char *source; /* CloudEvents' */
    const struct lot_dims *(*lot_dims)(void *context, lot_id id);
    /* Something that an operator should know; on any thread. May be NULL. */
    void (*tell)(void *context, const char *event, const char *text);
    void *context;
};

/* For metrics; a copy of the moment. Declared once: name, kind, help. */
#define KAFKA_EVENTS_STATS(X)                                                                      \
    X(sent_total, COUNTER, "messages handed to the Kafka client")                                  \
    X(delivered_total, COUNTER, "messages that the brokers acknowledged")                          \
    X(failed_total, COUNTER, "messages that were not, and are sent again from the cursor")         \
    X(restarts_total, COUNTER, "times that publishing began again from the cursor")                \
    X(read_errors_total, COUNTER, "reads of the log of moves that failed")                         \
    X(publisher, GAUGE, "1 if this node is the one that publishes")                                \
    X(under_way, GAUGE, "messages sent and not acknowledged")                                      \
    X(behind_ms, GAUGE, "age of the oldest move that is read and not acknowledged, in milliseconds")

struct kafka_events_stats {
#define X(name, kind, help) int64_t name;
    KAFKA_EVENTS_STATS(X)
#undef X
};

int kafka_events_create(struct kafka_events **out, const struct kafka_events_config *config,
                        struct error *e) MUST_CHECK;
/* A publisher that was never there begins with the next event. */
int kafka_events_start(struct kafka_events *k, struct error *e) MUST_CHECK;
void kafka_events_committed(struct kafka_events *k); /* any thread; never blocks */
void kafka_events_stats(struct kafka_events *k, struct kafka_events_stats *out); /* any thread */
/* What is under way gets a moment, the cursor is stored. NULL is fine. */
void kafka_events_stop(struct kafka_events *k);
void kafka_events_destroy(struct kafka_events *k);

/* There are no events to Kafka any more: retention need not wait for them. */
int kafka_events_forget(struct ledger *ledger, struct error *e) MUST_CHECK;

#endif
