/* ledger_rig.h - drives a ledger the way the engine does, and remembers what it was told.
 *
 * A rig is one data folder with a ledger on it. Moves are added to a batch and committed; what came
 * back COMMITTED is kept as `told`. After a restart `loaded` is what recovery streamed.
 */
#ifndef TALLY_TEST_LEDGER_RIG_H
#define TALLY_TEST_LEDGER_RIG_H

#include <pthread.h>
#include <stdbool.h>

#include "ledger/ledger.h"
#include "ledger/order_runs.h"

struct rig;

/* How to make one kind of ledger, and how to break it. */
struct rig_factory {
    const char *name;
    bool (*there)(void); /* NULL: always. Else: what it needs can be had */
    int (*create)(struct rig *rig, struct ledger **out, struct error *e);
    /* NULL: the ledger streams itself. Else: what it would stream, if anything of it were resident.
     */
    void (*recover)(struct rig *rig, const struct ledger_loader *loader);
    /* The stock of a lot, asked of the store itself, behind the ledger's back. */
    struct stock (*stock)(struct rig *rig, lot_id lot);
    /* From now on commits cannot be made; they fail before, or at, the decisive moment. */
    void (*break_before_commit)(struct rig *rig);
    void (*break_at_commit)(struct rig *rig);
    void (*heal)(struct rig *rig);
    /* Until whoever stores segments has looked at each one that it was given, and waits. NULL: the
     * ledger keeps none. */
    void (*await_segments_seen)(struct rig *rig);
    void (*forget)(struct rig *rig); /* what it has outside the folder; NULL: nothing */
};

enum {
    RIG_TEXT_MAX = 64,
    RIG_LINES_MAX = 8,
    RIG_LOTS_MAX = 4096,
    RIG_SALES_MAX = 8,
    RIG_ITEMS_MAX = 4
};

/* A move with room for what it points to. */
struct rig_move {
    struct move move;
    struct line lines[RIG_LINES_MAX];
    char order_id[RIG_TEXT_MAX], user_id[RIG_TEXT_MAX], detail[RIG_TEXT_MAX], note[RIG_TEXT_MAX];
    struct lot_dims dims;
    char key[RIG_TEXT_MAX];
    struct lot_terms terms;
    struct sale_terms sale;
    struct sale_item items[RIG_ITEMS_MAX];
    bool in_stock; /* as recovery said */
};

/* A sale as recovery gave it. */
struct rig_sale {
    struct sale_terms terms;
    char sale_id[RIG_TEXT_MAX], title[RIG_TEXT_MAX];
    struct sale_item items[RIG_ITEMS_MAX];
    char skus[RIG_ITEMS_MAX][RIG_TEXT_MAX];
    int64_t created_seq;
};

struct rig_moves {
    struct rig_move *at;
    size_t count, room;
};

struct rig {
    char dir[256];
    const struct rig_factory *factory;
    void *extra; /* the factory's */
    struct ledger *ledger;
    uint64_t seed;
    int64_t retention_ms; /* of order runs; 0: a week */
    int64_t archive_after_ms;
    bool archive_keep;
    uint32_t archive_step_rows, dirty_lots_max, snapshot_moves; /* 0: a default */
    uint64_t wal_bytes_max;
    int64_t accept_loss; /* of missing moves; 0: none */
    const char *vfs;

    int64_t seq; /* the newest used */
    int64_t now_ms;
    lot_id lots;
    int64_t oldest_pending;

    struct rig_moves open; /* the batch that is being put together */
    struct move *flat;
    struct batch batch;
    struct rig_moves told;   /* COMMITTED */
    struct rig_moves loaded; /* by recovery */
    struct stock loaded_stock[RIG_LOTS_MAX];
    struct lot_terms loaded_terms[RIG_LOTS_MAX];
    struct rig_moves loaded_lots;
    struct rig_sale loaded_sales[RIG_SALES_MAX];
    int loaded_sale_count;
    struct order_index *index; /* takes the runs; NULL: they are given back */

    pthread_mutex_t lock;
    pthread_cond_t changed;
    enum ledger_outcome outcomes[4];
    int outcome_count;
    bool writable; /* as the last outcome said */
    bool available;
    struct load load; /* of a shared ledger: all lots, locked, while moves are put together */
    struct load_key load_key;
    bool load_held;
    int load_count;
    int unavailable_count, unavailable_before;
    struct question *answered;
    int segments_stored;
    int runs_merged;
};

/* A fresh folder under /tmp, and a ledger on it, recovered and started. */
void rig_open(struct rig *rig, const struct rig_factory *factory);
/* The same on a rig whose fields were set, with a folder of its own if dir is empty. */
void rig_open_as_set(struct rig *rig);
int rig_try_open(struct rig *rig, struct error *e); /* once more on the same folder */
void rig_stop(struct rig *rig);                     /* stop, destroy: the folder stays */
void rig_reopen(struct rig *rig);                   /* stop, then open again */
void rig_close(struct rig *rig);                    /* stop, and remove the folder */
void rig_remove_folder(const char *dir);
void rig_new_folder(char out[256]);

/* ---- moves of the open batch ---- */

void rig_create(struct rig *rig, int64_t quantity); /* lot number rig->lots + 1 */
int64_t rig_reserve(struct rig *rig, lot_id lot, int64_t quantity, const char *order_id);
uint64_t rig_fingerprint(const char *order_id); /* what rig_reserve puts into the move */
int64_t rig_reserve_lines(struct rig *rig, const struct line *lines, int count,
                          const char *order_id);
/* A move of one line of a reservation: CONFIRM, REFUND, SHIP, ... */
struct rig_move *rig_step(struct rig *rig, enum move_kind kind, int64_t reservation, lot_id lot,
                          int64_t quantity);
int64_t rig_fence(struct rig *rig, const char *order_id);
void rig_lot_terms(struct rig *rig, lot_id lot, const struct lot_terms *terms);
/* What `terms` points to must live as long as the rig. */
int64_t rig_sale(struct rig *rig, const struct sale_terms *terms);
/* GROUP_OPEN with group_id 0 begins one. */
int64_t rig_group(struct rig *rig, enum move_kind kind, sale_number sale, int64_t group_id);
void rig_adjust(struct rig *rig, lot_id lot, int64_t delta, const char *adjustment_id,
                const char *note);
/* One that the ledger does not take; it says so in one of the ways that there are, and goes on. */
void rig_commit_refused(struct rig *rig);
/* Of a shared ledger: a load of all lots; `writes`: it is held until the next batch or release. */
int rig_load(struct rig *rig, bool writes);
void rig_release(struct rig *rig);
/* A look-up of all lots, told as recovery would. */
void rig_load_lots(struct rig *rig, const struct ledger_loader *loader);
/* Hands the open batch over and waits for the first outcome; and, unless that is COMMITTED or says
 * that writing goes on, for the ledger to say that it is not available. */
enum ledger_outcome rig_commit(struct rig *rig);
void rig_submit(struct rig *rig);                             /* does not wait */
enum ledger_outcome rig_outcome(struct rig *rig, int number); /* waits for the n-th, from 0 */
void rig_settle(struct rig *rig); /* outcome known: keeps or forgets the batch */
bool rig_wait_available(struct rig *rig, bool available);

/* Asks and waits; returns the code. */
int rig_read(struct rig *rig, struct question *read);
int rig_read_reservation(struct rig *rig, int64_t id, struct reservation_record **out);
int rig_load_count(struct rig *rig); /* loads that were answered */
int rig_read_order(struct rig *rig, const char *order_id, struct reservation_record **out);
int rig_list(struct rig *rig, struct reservation_list *list);
void rig_list_free(struct reservation_list *list);
/* Asks for a page; its order_ids with a space between them, good until the next call. */
const char *rig_listed(struct rig *rig, struct reservation_list *list);

/* What was told is what recovery loaded, no more and no less, and the stock of every lot is what
 * the moves say: in the loader's snapshot plus moves, and in the store itself. */
void rig_check_loaded(struct rig *rig);
void rig_check_stock(struct rig *rig);
struct stock rig_stock_told(const struct rig *rig, lot_id lot);

extern const struct rig_factory rig_sqlite;
extern const struct rig_factory rig_mysql;

#endif
