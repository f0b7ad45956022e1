/* audit_internal.h - the parts of an audit: what is judged (pure), and who asks the server. */
#ifndef TALLY_LOADGEN_AUDIT_INTERNAL_H
#define TALLY_LOADGEN_AUDIT_INTERNAL_H

#include "loadgen/audit.h"

enum {
    VERDICT_TEXT_SIZE = 160,
    NOTES_MAX = 5,
    ASK_CONNECTIONS = 4,
    ASK_STREAMS = 64,
    ASK_TIMEOUT_MS = 5000,
    /* A Reserve that was sent before the audit is decided, if ever, within its own deadline (the
     * run's time-out) and the server's reply_timeout_ms. */
    LATE_MS = 6000,
    /* How long after its deadline a hold may still be shown. */
    OVERDUE_MS = 2000,
    /* Longer holds than this that were to expire are not waited for. */
    EXPIRY_WAIT_MAX_MS = 600 * 1000,
};

/* ---- judging orders: audit_judge.c ---- */

struct order_case {
    struct order_entry entry;
    struct order_plan plan;
    bool may_have_expired;  /* its hold may have reached its deadline by now */
    bool must_have_expired; /* ... must have, some time ago */
    bool expiry_is_awaited; /* if PENDING and to expire: look again */
};

struct order_verdict {
    bool again; /* nothing can be said yet */
    bool lost, duplicated;
    int64_t undersold; /* units */
    /* What it holds now, and what a second reservation of it may hold. */
    int64_t pending, confirmed, spare;
    char text[VERDICT_TEXT_SIZE]; /* if any of the four is set: what is wrong */
};

/* True if the order's last call is in doubt: nothing later than entry.step was promised, and it may
 * have happened nevertheless. */
bool order_in_doubt(const struct order_entry *e);
/* `a` is OK or NOT_FOUND. Findings that the entry tells by itself (denied, twice) are not told
 * again. */
void audit_judge_order(const struct order_case *c, const struct answer *a,
                       struct order_verdict *out);

/* ---- judging lots: audit_judge_lot.c ---- */

/* What the run's orders hold in a lot, units. */
struct lot_account {
    int64_t pending;   /* PENDING when looked up, or as acknowledged */
    int64_t perhaps;   /* those that may or may not be given back yet */
    int64_t confirmed; /* CONFIRMED likewise */
    int64_t spare;     /* second reservations of orders that are counted as duplicated */
    struct lot_stock end;
    bool read, missing;
    int64_t oversold, undersold;
};

struct lot_verdict {
    int64_t oversold, undersold;
    bool adjusted; /* on_hand is not what it was before the run */
    char over_text[VERDICT_TEXT_SIZE], under_text[VERDICT_TEXT_SIZE]; /* "" if there are none */
};

/* `holds_last`: no hold of `pending` can have expired. Several findings of one kind may be about
 * the same units: the largest counts. */
void audit_judge_lot(const struct lot_stock *begin, const struct lot_account *account,
                     int64_t held_peak, bool holds_last, struct lot_verdict *out);

/* ---- one audit ---- */

struct audit {
    const struct audit_input *in;
    struct audit_result *out;
    /* Monotonic: when the audit began; no call of the run was sent after. */
    uint64_t started_ns;
    struct lot_account *lots;
    bool await_expiry; /* holds that were to expire are waited for */
    char notes[NOTES_MAX][FINDING_SIZE];
    uint32_t note_count;
};

/* Both drop what does not fit. */
void audit_find(struct audit *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
void audit_find_order(struct audit *a, uint64_t order, const char *what);
void audit_note(struct audit *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The audit can say nothing more. Returns false. */
bool audit_give_up(struct audit *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* False: interrupted (and given up). */
bool audit_wait_until(struct audit *a, uint64_t until_ns, const char *step);
struct order_entry *audit_entry(const struct audit *a, uint64_t order);
/* When a hold of `hold_ms` that was asked for before the audit has expired at the latest. */
uint64_t audit_expired_by_ns(const struct audit *a, uint32_t hold_ms);
/* A hold of `hold_ms` may have expired by `now_ns`. */
bool audit_may_have_expired(const struct audit *a, uint32_t hold_ms, uint64_t now_ns);

/* ---- asking: audit_ask.c ---- */

enum ask_result {
    ASK_SETTLED,
    ASK_AGAIN,  /* a good answer, and not the last word */
    ASK_FAILED, /* no answer of any use: again */
};

/* Many calls, each asked until it is settled. Both functions are called on a thread of their own
 * while audit_ask() waits. */
struct ask {
    const char *step;                            /* for the progress */
    uint64_t total;                              /* calls, about; 0: not known */
    bool (*next)(void *owner, struct call *out); /* false: that was all */
    enum ask_result (*answered)(void *owner, const struct call *call, const struct answer *answer);
    void *owner;
};

/* False: interrupted, or nothing was settled for wait_ms; the audit is given up. */
bool audit_ask(struct audit *a, const struct ask *ask);

/* Takes the stock from a GetLot's answer. */
enum ask_result audit_take_lot(struct lot_account *lot, const struct answer *answer);

/* ---- the steps; false: given up ---- */

bool audit_orders(struct audit *a); /* audit_orders.c: steps 1 to 3 */
/* What the run noticed of an order by itself. */
void audit_tell_flags(struct audit *a, uint64_t order, const struct order_entry *e);
bool audit_reservations(struct audit *a); /* audit_ids.c: no two orders share one */
bool audit_lots(struct audit *a);         /* audit_lots.c: step 4 */
bool audit_probes(struct audit *a);       /* audit_probes.c: step 5 */

#endif
