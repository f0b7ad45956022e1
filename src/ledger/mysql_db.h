/* mysql_db.h - a connection to MariaDB or MySQL: opening it as the ledger wants it, asking several
 * statements at once, and telling what went wrong. Blocking; one thread at a time.
 */
#ifndef TALLY_LEDGER_MYSQL_DB_H
#define TALLY_LEDGER_MYSQL_DB_H

#include <mysql.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "ledger/ledger_mysql.h"
#include "ledger/mysql_text.h"

/* Errors, by what they mean for what was asked. */
enum mydb_trouble {
    MYDB_FINE,
    MYDB_LOST,      /* the connection is gone: what was sent may be done or not */
    MYDB_LOCKED,    /* a deadlock, a lock that was waited for too long, a conflict between nodes of
                       Galera: nothing of the transaction is or will be done; again can help */
    MYDB_DUPLICATE, /* somebody else has used a unique key */
    MYDB_MISMATCH,  /* a row was not as it had to be (NULL for what is NOT NULL: mysql_write.c) */
    MYDB_WRONG,     /* these values break a rule of the tables */
    MYDB_CLOSED,    /* it takes no writes now: read-only, no quorum, a full disk, no rights */
};

enum { MYDB_SETS_MAX = 16 };

/* What came of one mydb_ask(). */
struct mydb_answer {
    MYSQL_RES *sets[MYDB_SETS_MAX]; /* of statements that have rows, in their order */
    unsigned set_count;
    unsigned statements; /* that were carried out */
    uint64_t affected;   /* rows, by the last of them without rows */
    enum mydb_trouble trouble;
    unsigned number; /* the database's own of the error */
};

struct mydb {
    MYSQL *mysql;        /* NULL: there is no connection */
    uint64_t thread;     /* its number with the database, also after it was lost */
    uint64_t packet_max; /* bytes that may be sent in one go */
    unsigned host;       /* of the place's: which one answers */
    bool is_mariadb;     /* or MySQL */
};

/* Tries each host once. TLY_EUNAVAILABLE. */
int mydb_open(struct mydb *db, const struct ledger_mysql_config *config,
              struct error *e) MUST_CHECK;
void mydb_close(struct mydb *db); /* a zeroed one is fine */

/* Sends all statements and waits for all of their answers; the first that fails ends it. 0, or
 * TLY_EUNAVAILABLE with a->trouble. The answer is to be freed in any case. */
int mydb_ask(struct mydb *db, const struct mydb_text *t, struct mydb_answer *a,
             struct error *e) MUST_CHECK;
void mydb_answer_free(struct mydb_answer *a);
/* The same for one plain statement without rows. */
int mydb_do(struct mydb *db, const char *sql, struct error *e) MUST_CHECK;
/* One number: the first column of the first row; `preset` where there is no row or it is NULL. */
int mydb_number(struct mydb *db, const char *sql, int64_t preset, int64_t *out,
                struct error *e) MUST_CHECK;

/* ---- rows ---- */

int64_t mydb_int(const char *text); /* of a column; NULL is 0 */
struct str mydb_str(MYSQL_ROW row, const unsigned long *sizes, unsigned column);

#endif
