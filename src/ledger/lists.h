/* lists.h - the thread that answers QUESTION_LIST and keeps the index that it needs, DIR/lists.db.
 *
 * Nothing of it is on the way of an order. The index is begun by the first question that names a
 * user, a lot, a sale or a state; from then on it follows the log while nothing is committed, and
 * catches up before every answer. So an answer is right at its instant; what it costs is reading
 * what was committed since the last one.
 */
#ifndef TALLY_LEDGER_LISTS_H
#define TALLY_LEDGER_LISTS_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/mailbox.h"
#include "base/wake.h"
#include "ledger/ledger.h"
#include "ledger/list_build.h"
#include "ledger/list_index.h"
#include "ledger/record.h"

struct ledger_sqlite;

struct lists {
    struct ledger_sqlite *ledger;
    char *path;
    sqlite3 *db; /* the ledger, read-only; NULL until needed, and after a failure */
    sqlite3_stmt *begin, *end;
    sqlite3_stmt *newest;
    struct record_reader records;
    struct list_builder builder;
    struct list_index index; /* its db is NULL until needed */
    bool follows;            /* there is an index */
    int64_t seen_seq;        /* newest move when it last looked whether all is quiet */
    struct mailbox box;
    struct wake wake;
    _Atomic bool stopping;
    pthread_t thread;
    bool running;
};

int lists_start(struct lists *l, struct ledger_sqlite *ledger, struct error *e) MUST_CHECK;
void lists_stop(struct lists *l); /* answers what was asked */
void lists_ask(struct lists *l, struct question *q);

#endif
