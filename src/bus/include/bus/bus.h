/* bus.h - events: every move of the ledger's log, handed out to whoever wants to hear of it.
 *
 * An event is a move that is durable. Its id is the move's seq, so it is stable, and events come in
 * the order of the log, which is each lot's order. A reader says after which event it wants to go
 * on, and is handed a page: what comes next, encoded once for all who ask. It asks again when it
 * has passed the page on, so a slow reader waits at its own place and nothing is dropped for it.
 *
 * The log is read on a thread of the bus's own. Nothing of it is on the way of an order: while
 * nobody reads, committed() is one look at a flag.
 *
 * Life: create; attach readers; start; reads, until stop; stop; destroy. A read that was handed
 * over comes back exactly once, by stop() at the latest (TLY_ECLOSED).
 */
#ifndef TALLY_BUS_BUS_H
#define TALLY_BUS_BUS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/mailbox.h"
#include "model/model.h"

/* How events stand in a page, ready to be sent. */
enum event_form {
    EVENT_SSE,  /* "id: 77\ndata: {...}\n\n", the JSON of CloudEvents 1.0 */
    EVENT_GRPC, /* framed messages tally.v1.EventsResponse */
};

struct event_mark {
    int64_t id;   /* seq */
    uint32_t end; /* of its bytes in the page; they begin where the one before ends */
};

/* All events with after < id <= upto. Constant once handed out; shared by all who hold it. */
struct event_page {
    _Atomic uint32_t holders;
    uint8_t form;
    int64_t after, upto;
    uint32_t count; /* may be 0: there was nothing that is an event */
    uint32_t size;  /* of all bytes */
    const struct event_mark *marks;
    const char *bytes;
};

void event_page_release(struct event_page *page); /* any thread; NULL is fine */

struct event_reader;

/* A question, the asker's; the bus's from read() until it is answered. */
struct event_read {
    struct mail mail;
    struct event_reader *reader; /* the bus's */
    int64_t after;               /* an event's id, or 0 */
    uint8_t form;
    /* answered */
    int code; /* 0; TLY_EGONE; TLY_EINVALID_ARGUMENT: there is no such event yet; TLY_EUNAVAILABLE:
                 the log cannot be read now; TLY_ECLOSED */
    int64_t oldest;          /* TLY_EGONE: reading can begin after this one; else the log's end */
    struct event_page *page; /* code 0; the receiver releases it */
};

/* Where answers go: one for each thread that reads. */
struct event_reader {
    struct mailbox answers;      /* of struct event_read */
    void (*wake)(void *context); /* after a push to an empty mailbox; on the bus's thread */
    void *context;
};

/* For metrics; a copy of the moment. Declared once: name, kind, help. */
#define BUS_STATS(X)                                                                               \
    X(pages_total, COUNTER, "pages of events made from the log of moves")                          \
    X(pages_shared_total, COUNTER, "pages of events that were handed out again as they were")      \
    X(encoded_total, COUNTER, "moves encoded as events")                                           \
    X(page_bytes, GAUGE, "memory of pages that are kept for further readers")                      \
    X(waiting, GAUGE, "reads that wait for the next commit")                                       \
    X(read_errors_total, COUNTER, "reads of the log of moves that failed")

struct bus_stats {
#define X(name, kind, help) int64_t name;
    BUS_STATS(X)
#undef X
};

struct bus;

struct bus_ops {
    int (*start)(struct bus *b, struct error *e);
    /* Any thread; never blocks. Answered at once if there is anything after `after`, else when
     * there is. */
    void (*read)(struct bus *b, struct event_reader *reader, struct event_read *r);
    /* Any thread, after a commit: the log has grown. */
    void (*committed)(struct bus *b);
    /* Any thread: the newest event that there is. */
    int64_t (*newest)(struct bus *b);
    void (*stats)(struct bus *b, struct bus_stats *out); /* any thread */
    /* Answers all reads that are left. Nobody calls read() any more. */
    void (*stop)(struct bus *b);
    void (*destroy)(struct bus *b);
};

struct bus {
    const struct bus_ops *ops;
};

#endif
