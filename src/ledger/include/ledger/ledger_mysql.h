/* ledger_mysql.h - the ledger in MariaDB (from 10.6), MySQL (from 8.0.16) or Galera: shared by all
 * nodes that are given the same database. See schema_mysql.sql and README.md beside it.
 *
 * Threads of its own: the worker (loads and batches, on one connection) and the reader (look-ups,
 * on another); read_log, log_end and cursors use a third under a mutex. libmariadb, blocking.
 */
#ifndef TALLY_LEDGER_LEDGER_MYSQL_H
#define TALLY_LEDGER_LEDGER_MYSQL_H

#include "ledger/ledger.h"

enum { LEDGER_MYSQL_HOSTS_MAX = 16 };

enum ledger_tls {
    LEDGER_TLS_OFF,
    LEDGER_TLS_ON,     /* encrypted, whoever answers */
    LEDGER_TLS_VERIFY, /* the server's certificate is checked, and its name */
};

struct ledger_mysql_host {
    const char *host;
    uint16_t port;
};

/* All of it is copied. */
struct ledger_mysql_config {
    const struct ledger_mysql_host *hosts; /* of one database; the first that answers is used */
    unsigned host_count;
    const char *user;
    const char *password; /* "" for none; never told */
    const char *database; /* exists */
    enum ledger_tls tls;
    const char *tls_ca;       /* PEM file; NULL or "": the system's */
    int64_t timeout_ms;       /* an answer that takes longer is a lost connection */
    int64_t clock_gap_max_ms; /* of this machine's clock to the database's; beyond it no start, and
                                 no writes */
    uint32_t lock_wait_s; /* for a row that somebody else has locked; a load tries three times */
    bool weak_durability; /* commits that a power cut may undo are accepted */
};

/* Connects, makes or migrates the tables, checks what promises rest on, and leases a lane.
 * TLY_EUNAVAILABLE; TLY_EINVALID_ARGUMENT for what somebody has to set right. */
int ledger_mysql_create(struct ledger **out, const struct ledger_mysql_config *config,
                        struct error *e) MUST_CHECK;

/* The lane that was leased: the `node` of who numbers moves for this ledger. */
uint16_t ledger_mysql_lane(const struct ledger *l);

#endif
