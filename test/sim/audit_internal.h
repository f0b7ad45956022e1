/* audit_internal.h - the auditor's model: lots and holds as the rows alone make them. */
#ifndef TALLY_SIM_AUDIT_INTERNAL_H
#define TALLY_SIM_AUDIT_INTERNAL_H

#include "auditor.h"
#include "base/error.h"

/* Two processes: what is due may wait so long, where nobody is there who knows of it. */
enum { AUDIT_LOOK_MS = 1200 };

/* What a lot is sold on from a row on. */
struct audit_terms_row {
    size_t row;
    struct lot_terms terms;
};

struct audit_lot {
    char *key, *sku, *flavor, *size, *batch;
    struct audit_terms_row *terms; /* the first by its CREATE */
    size_t terms_count, terms_room;
    bool owes_terms; /* it was created with some: the next row says them */
    int64_t last_seq;
    struct stock stock;
    struct stock *versions; /* [n]: the stock after n moves */
    size_t *version_rows;   /* [n]: the row that was the n-th move */
    size_t version_room, version_row_room;
};

enum { AUDIT_LINES_MAX = 32 };

/* Where the units of a line are that were confirmed; shipped and returned are counted for ever. */
struct audit_units {
    int64_t house, out; /* not left; left, and not back */
    int64_t shipped, returned;
};

/* What a hold has. */
struct audit_held {
    struct line lines[AUDIT_LINES_MAX];
    struct audit_units units[AUDIT_LINES_MAX]; /* of each line, once CONFIRMED */
    uint32_t line_count;
    struct line reserved[AUDIT_LINES_MAX]; /* as last held while PENDING */
    uint32_t reserved_count;
};

/* A call that was made under an id of its own. */
struct audit_call {
    char *id;
    enum audit_kind kind; /* SHIP, REFUND, CHANGE */
    size_t row, commit;
    struct audit_want wants[AUDIT_WANTS_MAX];
    uint32_t want_count;
    enum refund_reason reason;
    bool no_restock;
};

struct audit_step {
    size_t row;
    struct audit_held *held; /* after it */
    int64_t at_ms;
    int64_t deadline_ms; /* after it */
    uint8_t kind;
    uint8_t state;  /* after it */
    uint8_t reason; /* after it */
};

enum { AUDIT_STEPS_MAX = 64 };

struct audit_hold {
    int64_t id;
    char *order_id, *user_id;
    struct audit_want asked[AUDIT_WANTS_MAX]; /* by the request that caused it */
    uint32_t asked_count;
    enum hold_state state;
    enum refund_reason reason;
    int64_t created_ms, deadline_ms, confirmed_ms, first_deadline_ms;
    uint32_t sale; /* 0: none */
    int64_t group_id;
    bool fence;
    char *payment_id; /* NULL: never confirmed */
    struct audit_held now;
    struct line left_over[AUDIT_LINES_MAX]; /* a row of these must follow at once */
    uint32_t left_over_count;
    uint8_t left_over_kind; /* RELEASE, or the second row of a return */
    struct audit_call *calls;
    size_t call_count, call_room;
    struct audit_step steps[AUDIT_STEPS_MAX];
    uint32_t step_count;
    bool answered_first; /* somebody heard of it with replayed == false */
};

struct audit_adjustment {
    char *id;
    size_t row;
    struct line line;
};

/* A number of rows, and a time: what was due by then counts as given back. */
struct audit_instant {
    size_t rows;
    int64_t at_ms;
    bool rows_only; /* it counts as given back when a row says so */
};

/* A sale: its terms do not change, but it may be closed. */
struct audit_sale {
    const struct audit_sale_terms *terms;
    size_t row, close_row; /* SIZE_MAX: not closed */
    int64_t created_seq;
};

struct audit_group {
    int64_t id;
    uint32_t sale;
    uint32_t size;
    int64_t ends_ms;
    size_t row, end_row; /* SIZE_MAX: OPEN */
    size_t end_commit;
    enum group_status status;
    uint32_t members, paid; /* counted anew after each commit */
};

enum { AUDIT_SALES_MAX = 16, AUDIT_GROUPS_MAX = 512 };

/* The right answer at an instant. */
struct audit_expected {
    int code;
    bool replayed;                      /* nothing is done: it was done before */
    bool either;                        /* past retention: it may be remembered or not */
    int if_remembered;                  /* the code then */
    struct line lines[ORDER_LINES_MAX]; /* RESERVE that is not replayed */
    uint32_t line_count;
};

/* A refusal whose reasons may not be durable yet. */
struct audit_refusal {
    struct audit_refusal *next;
    struct audit_ask ask;
    int code;
    int64_t to_ms;
    size_t commits; /* when it was made */
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
    size_t row_count, rows_told;
    int64_t last_seq; /* the highest */
    struct audit_adjustment *adjustments;
    size_t adjustment_count, adjustment_room;
    struct audit_sale sales[AUDIT_SALES_MAX]; /* by number - 1 */
    uint32_t sale_count;
    struct audit_group groups[AUDIT_GROUPS_MAX];
    uint32_t group_count;
    int64_t calm_since_ms; /* INT64_MAX: not calm */
    bool strict;
    bool unknown;                   /* a batch's outcome is, and the process was told so */
    struct audit_refusal *refusals; /* not judged yet */
    size_t commits;
    int64_t oldest_claimed; /* the newest batch's oldest_pending */
    uint32_t outcomes[AUDIT_OUTCOME_COUNT];
};

/* Notes the first broken promise. `promise` is "I1" to "I7". */
void audit_fail(struct auditor *a, const char *promise, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void *audit_grow(void *array, size_t *room, size_t need, size_t size);

/* ---- the model (audit_rows.c) ---- */
struct audit_lot *audit_lot_find(const struct auditor *a, struct str key);
struct audit_hold *audit_hold_find(const struct auditor *a, int64_t id);
bool audit_lot_matches(const struct audit_lot *lot, const struct audit_want *w);
/* Through a filter: what is not given lets everything pass. */
bool audit_lot_passes(const struct audit_lot *lot, const struct audit_want *filter);
int64_t audit_available(const struct audit_lot *lot);
bool audit_lines_equal(const struct line *a, uint32_t a_count, const struct line *b,
                       uint32_t b_count);
/* The state that a hold was in when `rows` rows were durable. */
const struct audit_step *audit_step_at(const struct audit_hold *h, size_t rows);
/* The newest reservation of an order_id among the first rows. */
struct audit_hold *audit_hold_of_order_at(const struct auditor *a, struct str order_id,
                                          size_t rows);

/* ---- what a lot is sold on (audit_lots.c) ---- */
/* Its terms when `rows` rows were durable. */
const struct lot_terms *audit_terms_at(const struct audit_lot *lot, size_t rows);
const struct lot_terms *audit_terms_now(const struct audit_lot *lot);
bool audit_terms_equal(const struct lot_terms *x, const struct lot_terms *y);
/* The terms that an ask makes of the old ones. */
struct lot_terms audit_terms_set(const struct lot_terms *old, const struct audit_ask *ask);
void audit_note_terms(struct auditor *a, struct audit_lot *lot, const struct lot_terms *terms);
bool audit_terms_shown(const struct audit_lot *lot, const struct lot_terms *shown, size_t from);
/* Units that an order can have of a lot of which so many are available. */
int64_t audit_sellable(const struct lot_terms *t, int64_t available);
/* Of the i-th line: units that have not left. */
int64_t audit_house_units(const struct audit_held *held, enum hold_state state, uint32_t line);
/* Units of the hold that are not there yet: whoever took units first has them first. */
int64_t audit_owed(const struct auditor *a, const struct audit_hold *h, lot_id lot,
                   const struct audit_instant *in);
/* LIMIT_EXCEEDED if the user may not have so many more, outside sales; or 0. */
int audit_lot_limits(const struct auditor *a, struct str user_id, const struct audit_instant *in,
                     const struct line *more, uint32_t count);
/* The user has as many PENDING holds as he may have. */
bool audit_user_has_holds(const struct auditor *a, struct str user_id,
                          const struct audit_instant *in);
void audit_check_user(struct auditor *a, const struct audit_hold *h, const struct move *m);
/* What recovery must read from to know what users have. */
int64_t audit_oldest_limited(const struct auditor *a, int64_t now_ms);
/* No lot bounds users, and none sells what is not there. */
bool audit_lots_are_plain(const struct auditor *a);
bool audit_asks_for_terms(const struct auditor *a, const struct audit_ask *ask,
                          const struct move *m);
void audit_row_terms(struct auditor *a, const struct move *m);
int audit_expect_set(const struct auditor *a, const struct audit_ask *ask,
                     const struct audit_instant *in);
/* These rows begin with all rows of a stock file: how many those are. */
size_t audit_set_rows(struct auditor *a, const struct move *rows, size_t count);

/* ---- what is wanted (audit_content.c) ---- */
/* Whether these lines are what the ask wanted: each unit serves one want, and none is left. */
bool audit_lines_serve(struct auditor *a, const struct audit_ask *ask, const struct line *lines,
                       uint32_t count);
/* RESERVE of an order that is there: 0, it is replayed. Anything but the same user and the same
 * lines is another order; one that was cancelled before it came opens no group. */
int audit_replay(const struct audit_ask *ask, const struct audit_hold *h);

/* ---- the right answer (audit_expect.c) ---- */
void audit_expect(struct auditor *a, const struct audit_ask *ask, const struct audit_instant *in,
                  struct audit_expected *out);
/* Which lots an order's units come from: 0 and the lines, or why not. `has`: what it has already,
 * or NULL. */
int audit_allocation(const struct auditor *a, const struct audit_ask *ask,
                     const struct audit_instant *in, const struct audit_held *has,
                     struct line *lines, uint32_t *count);
/* Free units of every lot. */
void audit_free_units(const struct auditor *a, const struct audit_instant *in, int64_t *units);

/* ---- what is done with a hold (audit_moves.c) ---- */
/* The hold that the ask is about, among the first rows. */
struct audit_hold *audit_named(const struct auditor *a, const struct audit_ask *ask, size_t rows);
void audit_expect_move(const struct auditor *a, const struct audit_ask *ask,
                       const struct audit_instant *in, struct audit_expected *out);
void audit_expect_all(const struct auditor *a, const struct audit_ask *ask,
                      const struct audit_instant *in, struct audit_expected *out);
/* CONFIRM_ALL: one of them could not be confirmed, for that reason. */
bool audit_all_fails(const struct auditor *a, const struct audit_ask *ask,
                     const struct audit_instant *in, int code);
/* CHANGE to lots that it has, no more of any: nothing else can be in the way. Its lines then. */
bool audit_gives_back(const struct auditor *a, const struct audit_ask *ask,
                      const struct audit_held *held, struct line *lines, uint32_t *count);
/* How many units of each line the ask takes, of which there are `most`. False: it names others. */
bool audit_takes(const struct auditor *a, const struct audit_ask *ask,
                 const struct audit_held *held, const int64_t *most, int64_t *taken);

/* ---- rows of what comes after buying (audit_after.c) ---- */
/* The ask would make just this row now. */
bool audit_asks_for_move(struct auditor *a, const struct audit_ask *ask, const struct move *m);
void audit_check_ship(struct auditor *a, struct audit_hold *h, const struct move *m);
void audit_check_back(struct auditor *a, struct audit_hold *h, const struct move *m,
                      const struct audit_ask *cause);
void audit_check_change(struct auditor *a, struct audit_hold *h, const struct move *m,
                        const struct audit_ask *cause);
void audit_check_reclaim(struct auditor *a, struct audit_hold *h, const struct move *m);
/* The row is the first of a call with an id. */
void audit_note_call(struct auditor *a, struct audit_hold *h, const struct move *m,
                     const struct audit_ask *cause);
/* ---- sales and groups (audit_sales.c) ---- */
struct audit_sale *audit_sale_find(const struct auditor *a, struct str sale_id);
struct audit_group *audit_group_find(const struct auditor *a, int64_t id);
bool audit_group_open(const struct audit_group *g, size_t rows);
bool audit_in_open_group(const struct auditor *a, const struct audit_hold *h, size_t rows);
/* The hold has ended by then, by its deadline or with its group. */
bool audit_ended(const struct auditor *a, const struct audit_hold *h, const struct audit_step *s,
                 const struct audit_instant *in, enum refund_reason *reason);
bool audit_sells(const struct audit_sale *s, const struct audit_lot *lot);
/* What a sale says to an order in it before stock is looked at; 0: nothing. */
int audit_sale_admits(const struct auditor *a, const struct audit_ask *ask,
                      const struct audit_instant *in);
/* ... to more units, for a hold that has some, or had. `units` may be less than 0. */
int audit_sale_allows(const struct auditor *a, const struct audit_hold *h,
                      const struct audit_instant *in, const struct line *lines, uint32_t count,
                      int64_t units, bool joins);
void audit_expect_sale(const struct auditor *a, const struct audit_ask *ask,
                       const struct audit_instant *in, struct audit_expected *out);
void audit_group_seen(struct auditor *a, const struct audit_ask *ask,
                      const struct audit_answer *answer);

/* ---- their rows (audit_sale_rows.c) ---- */
bool audit_asks_for_sale(struct auditor *a, const struct audit_ask *ask, const struct move *m);
void audit_row_sale(struct auditor *a, const struct move *m);
void audit_row_group(struct auditor *a, const struct move *m);
/* The hold has just got units in its sale. */
void audit_check_limits(struct auditor *a, const struct audit_hold *h, const struct move *m);
void audit_note_sale(struct auditor *a, struct audit_hold *h, const struct move *m);
/* It is given back with its group, in this commit. */
bool audit_fails_with_group(const struct auditor *a, const struct audit_hold *h,
                            const struct move *m);
/* A commit leaves no group half final. */
void audit_check_groups(struct auditor *a);
/* What recovery must read from for them. */
int64_t audit_oldest_in_sales(const struct auditor *a, int64_t now_ms);
/* Every unit that is reserved or confirmed is somebody's. */
void audit_balance(struct auditor *a);

/* A line of it names what there was not, or not of that flavor, when it was asked for. */
bool audit_names_nothing(const struct auditor *a, const struct audit_ask *ask, int code);

/* ---- refusals (audit_refusals.c) ---- */
void audit_refused(struct auditor *a, const struct audit_ask *ask,
                   const struct audit_answer *answer, int64_t now_ms);
/* It was the right answer at some instant from the request on until now; *expected: at the last. */
bool audit_right(struct auditor *a, const struct audit_ask *ask, int code, bool replayed,
                 int64_t to_ms, struct audit_expected *expected);
/* Judges what was refused long enough ago; all: every one. */
void audit_judge_refusals(struct auditor *a, bool all);
void audit_drop_refusals(struct auditor *a);

/* ---- how often what happened (auditor.c) ---- */
void audit_count(struct auditor *a, enum audit_outcome outcome);

/* ---- what was asked (auditor.c) ---- */
/* An ask under way (or a ghost) that may have caused this row; NULL if nobody asked for it. */
struct audit_ask *audit_cause(struct auditor *a, const struct move *m);
/* The CONFIRM_ALL that this CONFIRM is of; NULL: none. */
const struct audit_ask *audit_all_of(const struct auditor *a, const struct move *m);
/* ---- what was answered (audit_answers.c) ---- */
void audit_answer(struct auditor *a, const struct audit_ask *ask, const struct audit_answer *answer,
                  int64_t now_ms);

#endif
