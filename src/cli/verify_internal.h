/* verify_internal.h - shared by the files of verify. */
#ifndef TALLY_CLI_VERIFY_INTERNAL_H
#define TALLY_CLI_VERIFY_INTERNAL_H

#include <sqlite3.h>

#include "base/limits.h"
#include "cli/verify.h"
#include "cli/verify_orders.h"

/* What a row's kind means, as the schema defines it (move_kind). */
enum {
    KIND_CREATE = 1,
    KIND_ADJUST,
    KIND_RESERVE,
    KIND_CONFIRM,
    KIND_RELEASE,
    KIND_REFUND,
    KIND_RETURN,
    KIND_EXTEND,
    KIND_SHIP,
    KIND_RESTOCK,
    KIND_WRITE_OFF,
    KIND_DISCARD,
    KIND_CHANGE,
    KIND_RECLAIM,
    KIND_FENCE,
    KIND_LOT_TERMS,
    KIND_SALE,
    KIND_GROUP_OPEN,
    KIND_GROUP_SUCCEED,
    KIND_GROUP_FAIL,
    KIND_FOREIGN, /* MySQL only: what somebody else changed */
    KIND_END,
};

struct verify_kind {
    const char *name;
    int on_hand, reserved, confirmed;
    enum { LINES_POSITIVE, LINES_ANY, LINES_NONE } lines; /* what it moves */
    enum { OF_LOT, BEGINS, FOLLOWS, OF_SALE } of;         /* what it is a move of */
};
extern const struct verify_kind verify_kinds[KIND_END];
const char *verify_kind_name(int64_t kind);

enum { REASON_EXPIRED_NUMBER = 1, REASON_GROUP_FAILED_NUMBER = 4, REASON_LAST_NUMBER = 5 };

#define NEVER_EXPIRES INT64_MAX

struct verify_lot {
    int64_t on_hand, reserved, confirmed, version; /* replayed so far */
    int64_t owned_reserved, owned_confirmed;       /* by reservations as they stand at the end */
    int64_t last_day;                              /* of sale, days since 1970; NEVER_EXPIRES */
    int64_t backorder_limit;                       /* replayed so far */
    bool terms_changed; /* what it is sold on now may not be what it was sold on before */
    bool exists;
    bool created;
    bool told; /* its stock was found wrong once: one mistake is not told for every later move */
};

/* Of one move: a CHANGE names the lots of before and after. */
enum { LINES_MAX = 2 * ORDER_LINES_MAX };

struct verify_line {
    int64_t lot;
    int64_t quantity;
};

/* A row of the log with its lines. */
struct verify_move {
    int64_t seq, kind, quantity, at_ms, deadline_ms, reservation_id, reason;
    bool multi; /* lot_id is NULL: the lines are in move_line */
    bool has_reservation;
    bool lines_bad; /* told already */
    uint32_t line_count;
    struct verify_line lines[LINES_MAX];
};

/* One reservation while its moves are walked through. */
struct verify_hold {
    int64_t id;
    int state;      /* KIND_RESERVE, KIND_CONFIRM, or KIND_REFUND: how it was last moved */
    int64_t reason; /* why it is REFUNDED */
    int64_t deadline_ms;
    int64_t last_ms; /* of its newest move */
    uint32_t line_count;
    struct verify_line lines[LINES_MAX]; /* as held now, or as confirmed */
    int64_t shipped[LINES_MAX];          /* of the confirmed units: that left */
    int64_t returned[LINES_MAX];         /* ... that were given back before they left */
    int64_t came_back[LINES_MAX];        /* of those shipped */
    uint32_t left_count;
    struct verify_line left[LINES_MAX]; /* what a partial CONFIRM must RELEASE next */
};

/* DIR/mark: how far the ledger had come when it was last written. */
struct verify_mark {
    bool is_there, is_sound;
    int64_t generation;
    uint64_t ledger;
    int64_t seq, base_seq, moves, checkpoint_seq, backup_at_ms;
};

struct verify_wal {
    uint32_t frames;
    uint32_t bad_frame;     /* the first, from 1; 0: all are sound */
    uint32_t later_commits; /* behind it; 0: it is the torn end of the log */
};

struct verify;

/* A rule in plain SQL: each row is what breaks it. Columns: seq, reservation_id, lot_id, whether it
 * is a note, the sentence. */
struct verify_rule {
    enum verify_check check;
    const char *sql;
};

/* Where the rows come from. Whatever it is, the checks are the same: they read v->db, which holds
 * one moment of the ledger, as tables of SQLite. What only one source has is checked by it. */
struct verify_source {
    /* Connects, and sets now_ms, live, schema_version and bytes. */
    int (*open)(struct verify *v, struct error *e);
    int (*check_whole)(struct verify *v, struct error *e); /* what holds the rows is sound */
    int (*fetch)(struct verify *v, struct error *e);       /* the rows to v->db; NULL: are there */
    int (*check_durable)(struct verify *v, struct error *e);
    void (*close)(struct verify *v); /* NULL: nothing but v->db */
    const struct verify_rule *rules; /* of what no other source has */
    size_t rule_count;
    const char *check_whole_says; /* while that goes on */
    const char *stock;            /* what holds the stock as of the end */
    bool has_snapshot;            /* a start replays from one */
    bool has_lanes;               /* several servers write, each by its own clock */
};
extern const struct verify_source verify_folder, verify_mysql;

struct verify {
    const struct verify_config *config;
    const struct verify_source *source;
    void *place; /* the source's own */
    struct verify_report *report;
    sqlite3 *db;
    int64_t now_ms;
    struct verify_lot *lots; /* by lot_id; [0] is not used */
    int64_t lot_max;
    int64_t snapshot_seq;
    bool snapshot_checked;
    int64_t archived_seq;    /* newest reservation that retention removed, with all its moves */
    int64_t archived_newest; /* newest move that retention removed */
    bool archived_added;
    struct verify_mark mark;
    struct verify_wal wal;
    struct order_sort *orders;
    struct verify_hold hold;
};

/* ---- verify_report.c ---- */
struct place {
    int64_t seq, reservation_id, lot_id;
};
void verify_fault(struct verify *v, enum verify_check check, struct place where, const char *format,
                  ...) __attribute__((format(printf, 4, 5)));
void verify_note(struct verify *v, enum verify_check check, struct place where, const char *format,
                 ...) __attribute__((format(printf, 4, 5)));

/* ---- verify_folder.c ---- */
/* Read-only. `immutable`: as if it had no log beside it. SQLite's code. */
int verify_open_file(const char *path, bool immutable, sqlite3 **out);

/* ---- verify_ledger.c: the small tables ---- */
enum { VERIFY_SCHEMA_KNOWN = 3 };
int64_t verify_wall_clock_ms(void);
/* One number of a query's first row; `none` if there is no row or it is NULL. */
int verify_number(struct verify *v, const char *sql, int64_t none, int64_t *out,
                  struct error *e) MUST_CHECK;
int verify_load_tables(struct verify *v, struct error *e) MUST_CHECK;
int verify_add_archived(struct verify *v, struct error *e) MUST_CHECK;
/* `view`: the stock as of the end, else the stored snapshot. */
int verify_compare_stock(struct verify *v, bool view, struct error *e) MUST_CHECK;
int verify_check_cursors(struct verify *v, struct error *e) MUST_CHECK;
int verify_check_adjustments(struct verify *v, struct error *e) MUST_CHECK;
int verify_prepare(struct verify *v, const char *sql, sqlite3_stmt **out,
                   struct error *e) MUST_CHECK;
/* SQLITE_ROW or SQLITE_DONE, or an error (negative). */
int verify_step(struct verify *v, sqlite3_stmt *stmt, struct error *e) MUST_CHECK;
struct verify_lot *verify_lot_of(struct verify *v, int64_t lot_id); /* NULL if there is none */

/* ---- verify_durable.c, verify_wal.c ---- */
void verify_read_mark(struct verify *v); /* before the rows are read */
/* Of a ledger on which no server runs. */
void verify_scan_wal(struct verify *v, const char *ledger_path);
int verify_check_durable(struct verify *v, struct error *e) MUST_CHECK;

/* ---- verify_moves.c: the scan ---- */
int verify_scan(struct verify *v, struct error *e) MUST_CHECK;

/* ---- verify_history.c: one reservation ---- */
void verify_hold_begin(struct verify *v, const struct verify_move *reserve);
void verify_hold_step(struct verify *v, const struct verify_move *m);
void verify_hold_end(struct verify *v);

/* ---- verify_sales.c: sales, limits, groups; ledgers of schema 3 on ---- */
int verify_sales(struct verify *v, struct error *e) MUST_CHECK;

/* ---- verify_rules.c ---- */
int verify_apply(struct verify *v, const struct verify_rule *rules, size_t count,
                 struct error *e) MUST_CHECK;
/* Lots' limits per user; ledgers of schema 3 on. */
int verify_lot_limits(struct verify *v, struct error *e) MUST_CHECK;

#endif
