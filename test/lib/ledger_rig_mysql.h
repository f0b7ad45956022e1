/* ledger_rig_mysql.h - a rig's database, behind the ledger's back. */
#ifndef TALLY_TEST_LEDGER_RIG_MYSQL_H
#define TALLY_TEST_LEDGER_RIG_MYSQL_H

#include <mysql.h>

#include "ledger_rig.h"
#include "tcp_cut.h"

/* rig->extra is the proxy (struct tcp_cut) through which the ledger reaches the database. */

/* A connection of one's own to the rig's database, or (NULL) to the server's. */
MYSQL *rig_mysql_connect(const struct rig *rig);
/* One that may do all (TALLY_TEST_MYSQL_ADMIN). */
MYSQL *rig_mysql_admin(void);
/* Rigs that are made now want durable commits, as a server does. */
extern bool rig_mysql_strict;
/* Rigs that are made now wait so long for a lock; 1 unless it was set. */
extern uint32_t rig_mysql_lock_wait_s;
void rig_mysql_do(MYSQL *m, const char *sql);
int64_t rig_mysql_number(MYSQL *m, const char *sql);

#endif
