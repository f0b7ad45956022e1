/* webhook.h - events to one receiver over HTTP: at least once, signed, in each lot's order.
 *
 * A thread of its own reads the ledger's log behind a cursor that the ledger keeps, so what was not
 * delivered when the process died is delivered by the next one. An event that fails is tried again,
 * with growing pauses, and those of the same lot or reservation wait behind it; others go on. One
 * that has failed so often as it may goes to a list, in a file of its own, from which it can be
 * sent again. While the list is full nothing is given up: deliveries wait, and the log keeps them.
 *
 * Signed as Standard Webhooks says: webhook-id (the event's), webhook-timestamp, webhook-signature.
 * Only the configured URL is called; redirects are not followed, proxies not used.
 */
#ifndef TALLY_BUS_WEBHOOK_H
#define TALLY_BUS_WEBHOOK_H

#include "base/error.h"
#include "ledger/ledger.h"

enum { WEBHOOK_WHY_MAX = 160, WEBHOOK_TYPE_MAX = 64, WEBHOOK_PARALLEL_MAX = 64 };

struct webhook;

struct webhook_config {
    struct ledger *ledger; /* started; outlives webhook_stop() */
    const char *dir;       /* the data folder, for the list of what failed */
    const char *url;       /* http: or https: */
    const char *secrets;   /* "whsec_" and base64; several, separated by spaces: each signs */
    const char *ca_file;   /* certificates to trust instead of the system's; "": those */
    const char *source;    /* CloudEvents' */
    uint32_t attempts_max;
    int64_t backoff_ms; /* after the first failure; doubled with each, up to */
    int64_t backoff_max_ms;
    int64_t timeout_ms;
    uint32_t parallel_max; /* deliveries under way at once */
    uint32_t failed_max;   /* on the list */
    const struct lot_dims *(*lot_dims)(void *context, lot_id id);
    /* Something that an operator should know; on the webhook's thread. */
    void (*tell)(void *context, const char *event, int64_t id, const char *text);
    void *context;
};

/* One that is on the list. */
struct webhook_failure {
    int64_t id;
    uint32_t attempts;
    int32_t status; /* HTTP; 0: there was no answer */
    int64_t failed_ms;
    bool again; /* to be sent again, as soon as it can be */
    char type[WEBHOOK_TYPE_MAX];
    char why[WEBHOOK_WHY_MAX];
};

/* For metrics; a copy of the moment. Declared once: name, kind, help. */
#define WEBHOOK_STATS(X)                                                                           \
    X(delivered_total, COUNTER, "events that the receiver took")                                   \
    X(attempts_failed_total, COUNTER, "deliveries that failed; most are tried again")              \
    X(given_up_total, COUNTER, "events put on the list of what failed")                            \
    X(failed, GAUGE, "events on the list of what failed")                                          \
    X(pending, GAUGE, "events read from the log and not delivered yet")                            \
    X(behind_ms, GAUGE, "age of the oldest event that is not delivered, in milliseconds")

struct webhook_stats {
#define X(name, kind, help) int64_t name;
    WEBHOOK_STATS(X)
#undef X
};

int webhook_create(struct webhook **out, const struct webhook_config *config,
                   struct error *e) MUST_CHECK;
/* The ledger has been started. A webhook that was never there begins with the next event. */
int webhook_start(struct webhook *w, struct error *e) MUST_CHECK;
void webhook_committed(struct webhook *w); /* any thread; never blocks */
/* Those with a higher id, in order; their number. Any thread. */
uint32_t webhook_failures(struct webhook *w, int64_t after, struct webhook_failure *out,
                          uint32_t max);
/* Sends these, or all if count is 0, once more: also after a kill, once it has returned 0, for it
 * waits until that is durable. `found`: how many of them are on the list. Any thread. TLY_EIO:
 * nothing is done. */
int webhook_retry(struct webhook *w, const int64_t *ids, size_t count, uint32_t *found,
                  struct error *e) MUST_CHECK;
void webhook_stats(struct webhook *w, struct webhook_stats *out); /* any thread */
/* Deliveries under way get a moment to finish, the cursor is stored. False: after wait_ms the
 * thread has not ended, since it waits for a ledger that does not know what became of a commit; it
 * ends when that is stopped, and stop() is called again. NULL is fine. */
bool webhook_stop(struct webhook *w, int64_t wait_ms);
void webhook_destroy(struct webhook *w); /* NULL is fine */

/* There is no webhook any more: retention need not wait for it. What failed stays on the list. */
int webhook_forget(struct ledger *ledger, struct error *e) MUST_CHECK;
/* 0, or what is wrong with them, under the setting's name. */
int webhook_check(const char *url, const char *secrets, struct error *e) MUST_CHECK;

#endif
