/* mysql_internal.h - what the files of ledger_mysql share.
 *
 * Who touches what: `worker` and `known` are the worker's thread's; `reader`
 * its thread's; `log` is and `names` are used under their mutexes by any
 * thread; counters are atomics.
 */
#ifndef TALLY_LEDGER_MYSQL_INTERNAL_H
#define TALLY_LEDGER_MYSQL_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/wake.h"
#include "ledger/ledger_mysql.h"
#include "ledger/mysql_db.h"
#include "ledger/mysql_known.h"
#include "ledger/mysql_rows.h"
#include "ledger/mysql_write.h"

enum { LEASE_MS = 30000, LEASE_RENEW_MS = 5000 };

struct mydb_counters {
#define X(name, kind, help) _Atomic int64_t name;
    LEDGER_STATS(X)
#undef X
};

/* The keys of one load, by kind; what they turned out to be; the rows.
 * mysql_load.c */
struct mydb_numbers {
    int64_t *at;
    uint32_t count, room;
};

struct mydb_loading {
    struct load *load;
    struct mydb_numbers lots;         /* to be locked, ascending */
    struct mydb_numbers reservations; /* whose records are wanted */
    struct mydb_numbers due;          /* reservations, in order of deadline */
    struct mydb_numbers due_lots;     /* theirs, not locked yet */
    bool creates;                     /* a lot that was asked for by key is not there */
    bool again;                       /* what was read shows that more must be locked */
    struct loaded_lot *rows;
    uint32_t row_count, row_room;
    struct reservation_record **records;
    uint32_t record_count, record_room;
    struct loaded_adjustment *adjustments;
    uint32_t adjustment_room;
    struct mydb_answer kept; /* the adjustments' texts are in it */

    /* sales and groups: mysql_sales.c */
    bool strict;                 /* the row `sales` is to be locked */
    struct mydb_numbers read;    /* reservations whose histories were read */
    struct mydb_numbers members; /* of OPEN groups: read as reservations, too */
    struct mydb_numbers due_groups;
    struct mydb_numbers groups, sales; /* wanted, by number */
    struct group_record *group_rows;
    struct loaded_sale *sale_rows;
    struct sale_item *items;
    uint32_t group_count, sale_count;
    struct mydb_answer kept_sales;

    /* users and who waits: mysql_units.c */
    struct str *users;
    struct loaded_units *units;
    struct loaded_place *places;
    struct reservation_record **holdings;
    uint32_t user_count, user_room, unit_count, unit_room, place_count, place_room;
    uint32_t holding_count, holding_room;
};

struct mydb_worker {
    struct ledger_mysql *ledger;
    struct mydb db;
    pthread_t thread;
    bool running;
    struct wake wake;
    struct mailbox loads;
    struct mailbox batches;
    _Atomic bool release;
    _Atomic bool stopping;

    struct mydb_text text;
    struct mydb_loading loading;
    struct record_builder builder;
    struct mydb_write write;
    bool in_transaction;  /* a load holds locks */
    bool strict;          /* the row `sales` is locked, too */
    bool answered;        /* a load was answered with 0, and has not ended */
    bool down;            /* available(false) was told */
    uint64_t retry_ns;    /* when to try again while down */
    uint64_t renew_ns;    /* when the lease is to be renewed */
    uint32_t trust_after; /* loads that are not answered on trust, since trust was
                             wrong */
    uint32_t mistrust;    /* how many it will be next time */
    int64_t floor_seq;    /* of the lane, as known last */
    int64_t next_deadline_ms;
};

struct mydb_reader {
    struct ledger_mysql *ledger;
    struct mydb db;
    pthread_t thread;
    bool running;
    struct wake wake;
    struct mailbox box;
    _Atomic bool stopping;
    struct mydb_text text;
    struct record_builder builder;
};

struct mydb_log {
    pthread_mutex_t lock;
    struct mydb db;
    struct mydb_text text;
    int64_t end; /* of the log, as it was told last */
};

/* Dimensions of lots for any thread; its lock may be taken under that of `log`.
 */
struct mydb_names {
    pthread_mutex_t lock;
    struct mydb db;
    struct mydb_text text;
    struct mydb_known known;
};

struct ledger_mysql {
    struct ledger port; /* first */
    struct ledger_mysql_config config;
    struct ledger_mysql_host hosts[LEDGER_MYSQL_HOSTS_MAX];
    char *texts; /* what config points to */
    uint64_t seed;
    uint16_t lane;
    int64_t token;
    struct ledger_events events;
    struct mydb_known known;
    struct mydb_worker worker;
    struct mydb_reader reader;
    struct mydb_log log;
    struct mydb_names names;
    struct mydb_counters counters;
    bool started;
};

static inline void mydb_count(_Atomic int64_t *counter, int64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* mysql_schema.c: on a connection that nobody else uses yet. */
int mydb_prepare(struct ledger_mysql *l, struct mydb *db, struct error *e) MUST_CHECK;
/* The clock, durability: what may change while it runs. */
int mydb_check(struct ledger_mysql *l, struct mydb *db, struct error *e) MUST_CHECK;

/* mysql_lane.c */
int mydb_lane_lease(struct ledger_mysql *l, struct mydb *db, struct error *e) MUST_CHECK;
/* TLY_EUNAVAILABLE: also if another node has it. */
int mydb_lane_renew(struct ledger_mysql *l, struct mydb *db, struct error *e) MUST_CHECK;
void mydb_lane_return(struct ledger_mysql *l, struct mydb *db);

/* mysql_load.c */
void mydb_load(struct mydb_worker *w, struct load *load);
void mydb_load_end(struct mydb_worker *w); /* gives its rows back, and its locks
                                              if it has any */
void mydb_load_close(struct mydb_worker *w);

/* mysql_write.c */
void mydb_commit(struct mydb_worker *w, struct batch *b);

/* mysql_worker.c */
int mydb_worker_start(struct ledger_mysql *l, struct error *e) MUST_CHECK;
void mydb_worker_stop(struct mydb_worker *w);
/* Opens the connection if there is none. */
int mydb_worker_connect(struct mydb_worker *w, struct error *e) MUST_CHECK;
void mydb_worker_rollback(struct mydb_worker *w);
void mydb_worker_go_down(struct mydb_worker *w, const struct error *why);
void mydb_worker_try_up(struct mydb_worker *w);

/* mysql_questions.c */
int mydb_reader_start(struct ledger_mysql *l, struct error *e) MUST_CHECK;
void mydb_reader_stop(struct mydb_reader *r);

/* mysql_log.c */
int mydb_read_log(struct ledger *port, int64_t after, uint32_t max, ledger_move_fn *fn,
                  void *context, struct error *e);
int64_t mydb_log_end(struct ledger *port);
int mydb_log_start(struct ledger *port, int64_t *seq, struct error *e);
int mydb_cursor_get(struct ledger *port, const char *reader, int64_t *seq, struct error *e);
int mydb_cursor_set(struct ledger *port, const char *reader, int64_t seq, struct error *e);

/* mysql_names.c */
const struct lot_dims *mydb_lot_dims(struct ledger *port, lot_id id);

#endif
