/* shop.h - an engine with a small ledger in memory, for tests: commands in one line, outcomes on
 * demand, reads answered from the rows that were committed.
 */
#ifndef TALLY_TEST_SHOP_H
#define TALLY_TEST_SHOP_H

#include "engine/engine.h"

enum { SHOP_WANTS_MAX = 64, SHOP_TEXT_SIZE = 256 };
#define SHOP_SEED     INT64_C(0x5eed)
#define SHOP_START_MS INT64_C(1790000000000)

/* A command with room for all that it may answer. */
struct ask {
    struct command c;
    bool answered;
    struct want wants[SHOP_WANTS_MAX];
    struct line lines[ORDER_LINES_MAX];
    struct line_after after[ORDER_LINES_MAX];
    char text[SHOP_TEXT_SIZE];
    struct order_extra extra; /* of an order in a sale */
    struct sale_command sale;
    struct sale_copy copy;
    struct sale_item items[4];
    struct ask *next;
};

struct shop {
    struct engine *engine;
    struct engine_config config;
    int64_t now_ms;
    struct batch *flight; /* the oldest that is under way */
    struct batch *flights[LEDGER_BATCHES_MAX];
    uint32_t flight_count;
    struct ask *asks;
    struct move *rows; /* what is committed */
    uint32_t row_count;
    uint32_t row_room;
    char **texts; /* that rows point to */
    uint32_t text_count;
    uint32_t text_room;
    int64_t gate[64]; /* the gate's counts by lot, kept from the deltas */
    uint32_t gate_lots;
    int64_t oldest_pending; /* as the newest batch says */
    bool ledger_silent;     /* reads are answered UNAVAILABLE */
    /* Over a shared ledger: */
    struct shop *truth;          /* whose rows are the ledger; NULL: its own, not shared */
    struct shop_load *load;      /* held, or assumed */
    const struct shop *locked;   /* truth: who holds the rows locked; NULL: nobody */
    bool assumes;                /* first loads are answered from `known_rows` rows, unlocked */
    uint32_t known_rows;         /* what this shop knew last */
    lot_id lots_gap;             /* truth: numbers that are left out before the next lot */
    uint32_t loads, stale_loads; /* answered; of them with attempt > 0 */
};

/* Two shops over one ledger (shop_shared.c). The ledger locks as a whole. */
struct shop *shop_open_shared(const struct engine_config *config);
struct shop *shop_join(struct shop *truth); /* close it before the other one */
bool shop_load(struct shop *s);             /* asks, answers; false: nothing is to be loaded */
bool shop_write(struct shop *s);            /* seals, commits or says STALE; false: nothing */
void shop_end_load(struct shop *s); /* its locks and rows; a batch that is known ends its own */
void shop_settle(struct shop *s);   /* until nothing is gathered and nothing open */
struct stock shop_truth(const struct shop *s, lot_id lot); /* what the ledger says */

struct engine_config shop_config(void);
struct shop *shop_open(const struct engine_config *config); /* NULL: shop_config() */
void shop_close(struct shop *s);
/* The process dies and comes back with what is committed. */
void shop_reopen(struct shop *s);

/* Commands. Answers are in the ask, which lives as long as the shop. None of them commits. */
struct ask *shop_create(struct shop *s, const char *key, const char *flavor, const char *size,
                        const char *batch, int32_t expires_on, int64_t quantity);
/* A lot "sku#0000000n" that is committed; its number. The sku is what stands before the '#'. */
lot_id shop_lot(struct shop *s, const char *key, int64_t quantity);
lot_id shop_lot_dims(struct shop *s, const char *key, const char *flavor, const char *size,
                     const char *batch, int32_t expires_on, int64_t quantity);
struct ask *shop_reserve(struct shop *s, const char *order_id, const char *lot, int64_t quantity);
/* An order of several wants: begin, add, send. */
struct ask *shop_order(struct shop *s, const char *order_id);
void shop_want_lot(struct ask *a, const char *lot, int64_t quantity);
void shop_want_sku(struct ask *a, const char *sku, const char *flavor, const char *size,
                   const char *batch, int64_t quantity);
void shop_send(struct shop *s, struct ask *a);
struct ask *shop_confirm(struct shop *s, int64_t reservation_id);
struct ask *shop_confirm_part(struct shop *s, int64_t reservation_id, const char *lot,
                              int64_t quantity);
struct ask *shop_refund(struct shop *s, int64_t reservation_id, enum refund_reason reason);
struct ask *shop_extend(struct shop *s, int64_t reservation_id, int64_t hold_ms);
/* What is done with a reservation, for what has no line of its own here: begin, add, send. */
struct ask *shop_move(struct shop *s, enum command_kind kind, int64_t reservation_id);
struct ask *shop_move_by_order(struct shop *s, enum command_kind kind, const char *order_id);
void shop_move_want(struct ask *a, const char *lot, int64_t quantity);
struct ask *shop_adjust(struct shop *s, const char *lot, int64_t delta, const char *adjustment_id);
struct ask *shop_get(struct shop *s, int64_t reservation_id, const char *order_id);
/* To be given its terms, and sent. */
struct ask *shop_update_lot(struct shop *s, const char *lot);
struct ask *shop_get_lot(struct shop *s, const char *lot);
/* An ask of a kind, for what has no line of its own here. */
struct ask *shop_ask(struct shop *s, enum command_kind kind);

/* Sales (shop_sale.c). shop_sale: a command of that kind, to be completed and sent; CREATE has a
 * window from now on of an hour. */
struct ask *shop_sale(struct shop *s, enum command_kind kind, const char *sale_id);
void shop_sale_lot(struct ask *a, lot_id lot);
void shop_sale_sku(struct ask *a, const char *sku);
struct ask *shop_get_sale(struct shop *s, const char *sale_id);
/* An order of that user in the sale; not sent. */
struct ask *shop_order_in(struct shop *s, const char *sale_id, const char *order_id,
                          const char *user_id);
/* Of one lot; sent. */
struct ask *shop_reserve_in(struct shop *s, const char *sale_id, const char *order_id,
                            const char *user_id, const char *lot, int64_t quantity);

/* Groups. open: alone, or with an order of shop_order_in, not sent before. */
struct ask *shop_open_group(struct shop *s, const char *sale_id, struct ask *order);
struct ask *shop_get_group(struct shop *s, int64_t group_id);
struct ask *shop_complete_group(struct shop *s, int64_t group_id);
struct ask *shop_join_group(struct shop *s, const char *sale_id, int64_t group_id,
                            const char *order_id, const char *user_id, const char *lot,
                            int64_t quantity);

/* The ledger. */
bool shop_seal(struct shop *s);                                 /* false: nothing is under way */
void shop_outcome(struct shop *s, enum ledger_outcome outcome); /* of the oldest */
void shop_reject(struct shop *s);                               /* the oldest; writing goes on */
void shop_commit(struct shop *s); /* until nothing is open: seal, reads, COMMITTED */
void shop_answer_reads(struct shop *s);
bool shop_answer_one_read(struct shop *s); /* false: there is none */
void shop_collect(struct shop *s);         /* marks what was answered; takes the gate's deltas */
void shop_advance(struct shop *s, int64_t by_ms);

struct stock shop_stock(struct shop *s, lot_id lot);
int64_t shop_available(struct shop *s, lot_id lot);
int64_t shop_sellable(struct shop *s, lot_id lot); /* what the gate's count should be */
struct engine_stats shop_stats(struct shop *s);
/* Committed rows of a kind. */
uint32_t shop_rows(const struct shop *s, enum move_kind kind);
const struct move *shop_last_row(const struct shop *s);

#endif
