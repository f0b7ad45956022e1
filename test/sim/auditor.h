/* auditor.h - the judge of a simulation. It knows what clients asked and heard, and which rows the
 * ledger made durable, keeps a model of its own from the rows alone, and finds where the two, or
 * the rows among themselves, break a promise (I1 to I7 of the design). It shares no code with the
 * engine; of its headers it reads only model.h, for the shape of a row.
 */
#ifndef TALLY_SIM_AUDITOR_H
#define TALLY_SIM_AUDITOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/model.h"

enum { AUDIT_WANTS_MAX = 8, AUDIT_LOTS_MAX = 64, AUDIT_TEXT_MAX = 400 };

enum audit_kind {
    AUDIT_CREATE,
    AUDIT_ADJUST,
    AUDIT_RESERVE,
    AUDIT_CONFIRM,
    AUDIT_REFUND,
    AUDIT_EXTEND,
    AUDIT_GET_LOTS, /* one or all */
    AUDIT_CHANGES,  /* lots as they were at some time */
    AUDIT_GET_RESERVATION,
};

/* A line as asked for: a lot, or all lots of a sku (and flavor) that have not expired. */
struct audit_want {
    struct str lot; /* its key; empty: by sku */
    struct str sku;
    struct str flavor; /* may be empty */
    int64_t quantity;
};

struct audit_ask {
    struct audit_ask *next;
    enum audit_kind kind;
    uint32_t number;        /* for the trace */
    struct str order_id;    /* RESERVE, GET_RESERVATION by order */
    int64_t reservation_id; /* CONFIRM, REFUND, EXTEND, GET_RESERVATION by id */
    struct str user_id;
    struct str lot;                           /* CREATE, ADJUST, GET_LOTS of one */
    int64_t quantity;                         /* CREATE, ADJUST */
    struct str adjustment_id;                 /* ADJUST, may be empty */
    struct audit_want wants[AUDIT_WANTS_MAX]; /* RESERVE; CONFIRM of fewer */
    uint32_t want_count;
    void *context; /* the caller's */
    /* the auditor's */
    int64_t sent_ms;
    size_t rows_at_send;
    bool ghost; /* answered with OUTCOME_UNKNOWN: may still happen */
};

struct audit_lot_view {
    lot_id id;
    struct stock stock;
};

struct audit_answer {
    int code;
    bool from_gate;
    bool replayed;
    int64_t reservation_id;
    int64_t at_ms;
    int64_t expires_ms;
    enum hold_state state;
    enum refund_reason reason;
    const struct line *lines;
    uint32_t line_count;
    const struct audit_lot_view *lots; /* GET_LOTS, CREATE, ADJUST */
    uint32_t lot_count;
    const struct reservation_record *record; /* GET_RESERVATION */
};

struct audit_rules {
    int64_t refund_window_ms;
    int64_t hold_total_max_ms;
};

struct auditor;

struct auditor *auditor_create(const struct audit_rules *rules);
void auditor_destroy(struct auditor *a);

/* The first broken promise, as a sentence; NULL while all are kept. */
const char *auditor_finding(const struct auditor *a);

/* A client asks; the ask stays the caller's until it was answered, and as a ghost until
 * auditor_resolved or auditor_crashed gives it back through `freed`. */
void auditor_sent(struct auditor *a, struct audit_ask *ask, int64_t now_ms);
/* True: the auditor keeps the ask as a ghost. */
bool auditor_answered(struct auditor *a, struct audit_ask *ask, const struct audit_answer *answer,
                      int64_t now_ms);
typedef void audit_freed_fn(void *context, struct audit_ask *ask);
/* The unknown outcome is known and the process has heard of it: ghosts are gone. */
void auditor_resolved(struct auditor *a, audit_freed_fn *freed, void *context);
/* The process is gone, and with it every ask that was not answered. */
void auditor_crashed(struct auditor *a, audit_freed_fn *freed, void *context);

/* Rows became durable, all at once. `foreign`: by another writer. */
void auditor_committed(struct auditor *a, const struct move *rows, size_t count, bool foreign);

/* Nothing is under way: what the gate thinks is available (0 if it is less). */
void auditor_quiet(struct auditor *a, lot_id lot, int64_t gate_units);
/* A watcher has heard of all changes: this is the last that it heard of a lot. */
void auditor_watched(struct auditor *a, lot_id lot, const struct stock *last);
/* From now on nothing fails and every deadline is kept to the millisecond. */
void auditor_calm(struct auditor *a, int64_t now_ms);
/* All holds must have ended. */
void auditor_drained(struct auditor *a);

size_t auditor_ask_count(const struct auditor *a); /* not ghosts */
lot_id auditor_lot_count(const struct auditor *a);
struct str auditor_lot_key(const struct auditor *a, lot_id lot);

#endif
