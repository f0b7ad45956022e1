/* rows_load.h - answers a load (ledger.h) by going through the rows of a log in memory: what the
 * keys name, what comes with it, and what is due. What is locked meanwhile is the caller's. */
#ifndef TALLY_TEST_ROWS_LOAD_H
#define TALLY_TEST_ROWS_LOAD_H

#include <stddef.h>

#include "ledger/ledger.h"

enum {
    ROWS_LOTS_MAX = 4096,
    ROWS_RECORDS_MAX = 4096,
    ROWS_ADJUSTMENTS_MAX = 4096,
    ROWS_SALES_MAX = 256,
    ROWS_GROUPS_MAX = 1024,
    ROWS_UNITS_MAX = 8192,
    ROWS_PLACES_MAX = 8192,
    ROWS_USERS_MAX = 4096,
};

/* Everything is part of the answer, unless the caller says no; `context` is the caller's. */
struct rows_load_hooks {
    void *context;
    /* One reservation as the rows say, malloc'ed in one block; NULL: there is none. */
    struct reservation_record *(*record)(void *context, int64_t reservation_id);
    bool (*takes_key)(void *context, const struct load_key *k);                /* or NULL */
    bool (*takes_due)(void *context, const struct reservation_record *record); /* or NULL */
    bool (*takes_group)(void *context, int64_t group_id);                      /* due; or NULL */
};

struct rows_load {
    struct rows_load_hooks hooks;
    const struct move *rows;
    size_t row_count;
    struct load *load;
    size_t *begins; /* of each row its reservation's first row, or SIZE_MAX */
    size_t begin_count, begin_room;
    struct loaded_lot lots[ROWS_LOTS_MAX];
    struct reservation_record *records[ROWS_RECORDS_MAX];
    struct loaded_adjustment adjustments[ROWS_ADJUSTMENTS_MAX];
    struct loaded_sale sales[ROWS_SALES_MAX];
    struct group_record groups[ROWS_GROUPS_MAX];
    struct loaded_units units[ROWS_UNITS_MAX];
    struct loaded_place places[ROWS_PLACES_MAX];
    struct str users[ROWS_USERS_MAX]; /* whose units are wanted */
    uint32_t user_count;
};

/* `rows` only ever grow at their end from one call to the next. */
void rows_load_answer(struct rows_load *l, const struct move *rows, size_t row_count,
                      struct load *load);
/* The sales' counts as they were after so many rows. */
void rows_load_recount_sales(struct rows_load *l, size_t row_count);
void rows_load_end(struct rows_load *l);   /* its records are freed */
void rows_load_close(struct rows_load *l); /* and all else */
/* It has something that is never assumed. */
bool rows_load_is_strict(const struct load *load);
/* A key of that sale or lot was not found: the next number is wanted. */
bool rows_load_lacks_lot(const struct load *load);
bool rows_load_lacks_sale(const struct load *load);

#endif
