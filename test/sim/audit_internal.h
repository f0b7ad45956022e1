/* audit_internal.h - the auditor's model: lots and holds as the rows alone make them. */
#ifndef TALLY_SIM_AUDIT_INTERNAL_H
#define TALLY_SIM_AUDIT_INTERNAL_H

#include "auditor.h"
#include "base/error.h"

struct audit_lot {
    char *key, *sku, *flavor;
    int32_t expires_on;
    struct stock stock;
    struct stock *versions; /* [n]: the stock after n moves */
    size_t version_room;
};

struct audit_step {
    size_t row;
    int64_t at_ms;
    int64_t deadline_ms; /* after it */
    uint8_t kind;
    uint8_t state; /* after it */
};

enum { AUDIT_STEPS_MAX = 64 };

struct audit_hold {
    int64_t id;
    char *order_id, *user_id;
    enum hold_state state;
    enum refund_reason reason;
    int64_t created_ms, deadline_ms, confirmed_ms;
    struct line lines[ORDER_LINES_MAX];
    uint32_t line_count;
    struct line first_lines[ORDER_LINES_MAX]; /* as reserved */
    uint32_t first_line_count;
    struct line left_over[ORDER_LINES_MAX]; /* a RELEASE of these must follow */
    uint32_t left_over_count;
    struct audit_step steps[AUDIT_STEPS_MAX];
    uint32_t step_count;
    bool answered_first; /* somebody heard of it with replayed == false */
};

/* What one row did to the available units of one lot. */
struct audit_effect {
    size_t row;
    lot_id lot;
    int64_t available;
    int64_t expired_deadline_ms; /* a hold given back at its deadline; else INT64_MAX */
};

struct auditor {
    struct audit_rules rules;
    char finding[AUDIT_TEXT_MAX];
    struct audit_ask *asks; /* not answered, and ghosts */
    struct audit_lot lots[AUDIT_LOTS_MAX];
    uint32_t lot_count;
    struct audit_hold **holds; /* by id */
    size_t hold_count, hold_room;
    struct audit_effect *effects;
    size_t effect_count, effect_room;
    size_t row_count;
    int64_t last_seq;
    char **adjustments;
    size_t adjustment_count;
    int64_t calm_since_ms; /* INT64_MAX: not calm */
};

/* Notes the first broken promise. `promise` is "I1" to "I7". */
void audit_fail(struct auditor *a, const char *promise, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void *audit_grow(void *array, size_t *room, size_t need, size_t size);

/* ---- the model (audit_rows.c) ---- */
struct audit_lot *audit_lot_find(struct auditor *a, struct str key);
struct audit_hold *audit_hold_find(const struct auditor *a, int64_t id);
struct audit_hold *audit_hold_of_order(const struct auditor *a, struct str order_id);
bool audit_lot_matches(const struct audit_lot *lot, const struct audit_want *w);
int64_t audit_available(const struct audit_lot *lot);
bool audit_lines_equal(const struct line *a, uint32_t a_count, const struct line *b,
                       uint32_t b_count);
/* The state that a hold was in when `rows` rows were durable. */
const struct audit_step *audit_step_at(const struct audit_hold *h, size_t rows);
/* Whether these lines are what the ask wanted, lot by lot and sku by sku. */
bool audit_lines_serve(struct auditor *a, const struct audit_ask *ask, const struct line *lines,
                       uint32_t count);

/* ---- what was asked (auditor.c) ---- */
/* An ask under way (or a ghost) that may have caused this row; NULL if nobody asked for it. */
struct audit_ask *audit_cause(struct auditor *a, const struct move *m);
/* ---- what was answered (audit_answers.c) ---- */
void audit_answer(struct auditor *a, const struct audit_ask *ask, const struct audit_answer *answer,
                  int64_t now_ms);

#endif
