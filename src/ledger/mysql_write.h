/* mysql_write.h - what a batch does to lots, while its statements are put together. */
#ifndef TALLY_LEDGER_MYSQL_WRITE_H
#define TALLY_LEDGER_MYSQL_WRITE_H

#include "ledger/mysql_db.h"
#include "ledger/mysql_known.h"
#include "model/model.h"

/* A lot that the batch touches, as it will be. */
struct touched_lot {
    lot_id lot;
    uint32_t moves;            /* lines of moves: the version grows by it */
    const struct move *create; /* NULL: it was there before */
    struct stock stock;
    int64_t last_seq;
    int64_t most;                  /* backorder_limit_most */
    int64_t due_ms;                /* earliest deadline that the batch brings */
    const struct lot_terms *terms; /* new ones; NULL: none */
};

struct mydb_write {
    struct touched_lot *lots;
    uint32_t count, room;
    uint32_t *slots; /* places in `lots`, plus 1, hashed by lot; a power of two */
    uint32_t slot_room;
};

void mydb_write_close(struct mydb_write *t);
/* Applies a batch to what is known. TLY_ECORRUPT: it contradicts that. */
int mydb_touch(struct mydb_write *t, const struct mydb_known *known, const struct move *moves,
               uint32_t count, struct error *e) MUST_CHECK;
/* Committed: what is known is that. */
void mydb_touched_commit(const struct mydb_write *t, struct mydb_known *known);
/* Not committed, or not known to be: nothing of these lots is trusted. */
void mydb_touched_forget(const struct mydb_write *t, struct mydb_known *known);

/* mysql_statements.c: the statements of a batch, but for the first ones and COMMIT. */
struct mydb_batch {
    struct mydb_text *text;
    struct mydb_write *write;
    const struct move *moves;
    uint32_t count;
};
void mydb_put_batch(struct mydb_batch *b);

#endif
