/* delay.h - the port of delay lines: what is put in comes out again, a while later.
 *
 *     put(text, delay_ms) ── at least delay_ms ──► out(message) ──► delay_done(message, 0)
 *
 * A message comes out until it is done with code 0: one that is done with another code, or whose
 * receiver's process died, comes out again (where the line is kept by a broker). It may come out
 * twice. A line may lose what it holds, and says so in no way: who cannot bear that has to notice
 * that it did not come (again.h does). Adapters: a timer of this process (delay_inproc.h), RabbitMQ
 * (delay_rabbit.h).
 *
 * Life: create; start; put, until stop; stop; destroy. Messages that are out at a stop are still
 * to be done with, before destroy.
 */
#ifndef TALLY_BUS_DELAY_H
#define TALLY_BUS_DELAY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

enum { DELAY_TEXT_MAX = 255 /* bytes */ };

struct delay;

/* What came out; the receiver's until delay_done(). */
struct delay_message {
    struct delay *line;
    uint64_t tag; /* the adapter's */
    uint32_t size;
    char text[DELAY_TEXT_MAX + 1]; /* ends with a zero */
};

/* On the line's own thread; must not block. May call delay_done() from inside. */
typedef void delay_out_fn(void *context, struct delay_message *m);

/* For metrics; a copy of the moment. Declared once: name, kind, help. */
#define DELAY_STATS(X)                                                                             \
    X(put_total, COUNTER, "messages that the delay line took")                                     \
    X(refused_total, COUNTER, "messages that it could not take: full, or not connected")           \
    X(confirmed_total, COUNTER, "messages that it is known to hold")                               \
    X(lost_total, COUNTER, "messages that it gave back, or that went with a connection")           \
    X(out_total, COUNTER, "messages that came out")                                                \
    X(connects_total, COUNTER, "connections made to the broker")                                   \
    X(connected, GAUGE, "1 while the broker is connected")                                         \
    X(blocked, GAUGE, "1 while the broker takes nothing, since it is short of memory or disk")     \
    X(waiting, GAUGE, "messages that wait to be sent, or to be confirmed")

struct delay_stats {
#define X(name, kind, help) int64_t name;
    DELAY_STATS(X)
#undef X
};

struct delay_ops {
    int (*start)(struct delay *d, struct error *e);
    /* Any thread; never blocks. 0; TLY_EFULL: as much is under way as may be; TLY_EUNAVAILABLE:
     * the broker is not there, or takes nothing now. At most DELAY_TEXT_MAX bytes. */
    int (*put)(struct delay *d, struct str text, int64_t delay_ms);
    /* Any thread, through delay_done(). */
    void (*done)(struct delay *d, struct delay_message *m, int code);
    void (*stats)(struct delay *d, struct delay_stats *out); /* any thread */
    void (*stop)(struct delay *d);
    void (*destroy)(struct delay *d);
};

struct delay {
    const struct delay_ops *ops;
};

static inline void delay_done(struct delay_message *m, int code)
{
    m->line->ops->done(m->line, m, code);
}

#endif
