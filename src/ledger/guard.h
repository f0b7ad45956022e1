/* guard.h - is all there that was there? Asked before anything in a data folder is written.
 *
 * What a start can know of a ledger from outside its rows: the mark (mark.h), the order runs, what
 * stands behind a bad frame of the log (wal_scan.h), and the stock snapshot, whose seq is that of a
 * move. A ledger that ends before any of them is not opened, until an operator accepts the loss by
 * naming the move after which it begins.
 */
#ifndef TALLY_LEDGER_GUARD_H
#define TALLY_LEDGER_GUARD_H

#include <sqlite3.h>

#include "ledger/ledger_sqlite.h"
#include "ledger/mark.h"

struct loss {
    bool is;
    int64_t newest_seq; /* the newest move that is left; 0: none is. What is to be accepted */
    int64_t from_seq;   /* the missing ones come after this one */
    int64_t upto_seq;   /* the newest that is known to be missing; 0: not known which */
    int64_t moves;      /* at least so many are missing; 0: not known how many */
    char why[160];      /* how it is known */
};

struct guard {
    struct loss loss;       /* found, and accepted: still to be noted in the ledger */
    struct mark_facts mark; /* as the mark shall go on from here, for moves up to mark.seq */
    int64_t restored_at_ms; /* it is a backup of that moment that nobody has started yet; else 0 */
};

/* What a mark would say of the ledger as this connection's transaction sees it. */
int guard_facts(sqlite3 *db, struct mark_facts *out, struct error *e) MUST_CHECK;

/* TLY_ECORRUPT, with what is missing and how to go on, unless accept_loss names what is left. */
int guard_check(struct guard *g, const struct ledger_sqlite_config *config,
                struct error *e) MUST_CHECK;

#endif
