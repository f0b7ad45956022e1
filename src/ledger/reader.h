/* reader.h - the thread that answers look-ups, through a read-only connection of its own.
 *
 * It goes on while the writer is down. What it cannot find out is TLY_EUNAVAILABLE, never "not
 * found".
 */
#ifndef TALLY_LEDGER_READER_H
#define TALLY_LEDGER_READER_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/mailbox.h"
#include "base/wake.h"
#include "ledger/ledger.h"
#include "ledger/record.h"

struct ledger_sqlite;

struct reader {
    struct ledger_sqlite *ledger;
    sqlite3 *db; /* NULL until needed, and after a failure */
    sqlite3_stmt *begin;
    sqlite3_stmt *end;
    sqlite3_stmt *adjustment;
    sqlite3_stmt *group;
    struct record_reader records;
    struct mailbox box;
    struct wake wake;
    _Atomic bool stopping;
    pthread_t thread;
    bool running;
};

int reader_start(struct reader *r, struct ledger_sqlite *ledger, struct error *e) MUST_CHECK;
void reader_stop(struct reader *r); /* answers what was asked */
void reader_ask(struct reader *r, struct question *read);

#endif
