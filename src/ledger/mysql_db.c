/* mysql_db.c - see mysql_db.h.
 *
 * Happy path: connect, make the session strict and READ COMMITTED, ask.
 * Failure modes: a connection that is lost is closed here and noted; who asked decides what that
 * means. No password is ever in a text that is told.
 */
#include "ledger/mysql_db.h"

#include <errmsg.h>
#include <mysqld_error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Numbers that Connector/C has no names for: MariaDB's and MySQL's own. */
enum {
    MARIADB_CHECK_FAILED = 4025,
    MYSQL_CHECK_FAILED = 3819,
    MARIADB_KILLED = 1927,
    WSREP_NOT_READY =
        1047, /* ER_UNKNOWN_COM_ERROR, which Galera answers where there is no quorum */
};

/* What a decision rests on is locked, and nothing but rows that exist need be: an absent order_id
 * is proved by its unique key. So READ COMMITTED: no gap locks, and no stale reads after a lock. */
static const char session[] =
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00',"
    " autocommit = 1, innodb_lock_wait_timeout = %d;"
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED;"
    "SELECT @@max_allowed_packet, CONNECTION_ID(), VERSION()";

static enum mydb_trouble trouble_of(unsigned number)
{
    switch (number) {
    case CR_SERVER_GONE_ERROR:
    case CR_SERVER_LOST:
    case CR_CONNECTION_ERROR:
    case CR_CONN_HOST_ERROR:
    case CR_MALFORMED_PACKET:
    case CR_COMMANDS_OUT_OF_SYNC:
    case ER_SERVER_SHUTDOWN:
    case ER_QUERY_INTERRUPTED:
    case MARIADB_KILLED:
        return MYDB_LOST;
    case ER_LOCK_DEADLOCK:
    case ER_LOCK_WAIT_TIMEOUT:
        return MYDB_LOCKED;
    case ER_DUP_ENTRY:
        return MYDB_DUPLICATE;
    case ER_BAD_NULL_ERROR:
        return MYDB_MISMATCH;
    case MARIADB_CHECK_FAILED:
    case MYSQL_CHECK_FAILED:
    case ER_DATA_TOO_LONG:
    case ER_WARN_DATA_OUT_OF_RANGE:
    case ER_TRUNCATED_WRONG_VALUE_FOR_FIELD:
        return MYDB_WRONG;
    default:
        return MYDB_CLOSED;
    }
}

static int fail(struct mydb *db, struct mydb_answer *a, struct error *e)
{
    a->number = mysql_errno(db->mysql);
    a->trouble = trouble_of(a->number);
    error_set(e, TLY_EUNAVAILABLE, "ledger", "the database says: %.180s (%u)",
              mysql_error(db->mysql), a->number);
    if (a->trouble == MYDB_LOST) {
        mysql_close(db->mysql);
        db->mysql = NULL;
    }
    return TLY_EUNAVAILABLE;
}

/* ---- asking ---- */

static int take_set(struct mydb *db, struct mydb_answer *a, struct error *e)
{
    MYSQL_RES *set = mysql_store_result(db->mysql);
    if (!set && mysql_field_count(db->mysql))
        return fail(db, a, e);
    if (!set) {
        a->affected = mysql_affected_rows(db->mysql);
    } else if (a->set_count == MYDB_SETS_MAX) {
        mysql_free_result(set);
    } else {
        a->sets[a->set_count++] = set;
    }
    a->statements++;
    return 0;
}

static int ask(struct mydb *db, const char *sql, size_t size, struct mydb_answer *a,
               struct error *e)
{
    *a = (struct mydb_answer){0};
    if (!db->mysql) {
        a->trouble = MYDB_LOST;
        return error_set(e, TLY_EUNAVAILABLE, "ledger", "there is no connection to the database");
    }
    if (mysql_real_query(db->mysql, sql, size) != 0)
        return fail(db, a, e);
    for (;;) {
        int rc = take_set(db, a, e);
        if (rc)
            return rc;
        int next = mysql_next_result(db->mysql);
        if (next > 0)
            return fail(db, a, e);
        if (next < 0)
            return 0;
    }
}

int mydb_ask(struct mydb *db, const struct mydb_text *t, struct mydb_answer *a, struct error *e)
{
    if (t->failed) {
        *a = (struct mydb_answer){.trouble = MYDB_WRONG};
        return error_set(e, TLY_EUNAVAILABLE, "ledger", "no memory for statements");
    }
    size_t size = t->used; /* a last semicolon would be an empty statement */
    return ask(db, t->p, size && t->p[size - 1] == ';' ? size - 1 : size, a, e);
}

void mydb_answer_free(struct mydb_answer *a)
{
    for (unsigned i = 0; i < a->set_count; i++)
        mysql_free_result(a->sets[i]);
    a->set_count = 0;
}

int mydb_do(struct mydb *db, const char *sql, struct error *e)
{
    struct mydb_answer a;
    int rc = ask(db, sql, strlen(sql), &a, e);
    mydb_answer_free(&a);
    return rc;
}

int mydb_number(struct mydb *db, const char *sql, int64_t preset, int64_t *out, struct error *e)
{
    struct mydb_answer a;
    int rc = ask(db, sql, strlen(sql), &a, e);
    MYSQL_ROW row = rc == 0 && a.set_count ? mysql_fetch_row(a.sets[0]) : NULL;
    *out = row && row[0] ? mydb_int(row[0]) : preset;
    mydb_answer_free(&a);
    return rc;
}

int64_t mydb_int(const char *text)
{
    return text ? (int64_t)strtoll(text, NULL, 10) : 0;
}

struct str mydb_str(MYSQL_ROW row, const unsigned long *sizes, unsigned column)
{
    return (struct str){row[column], row[column] ? (uint32_t)sizes[column] : 0};
}

/* ---- connecting ---- */

static void set_options(MYSQL *m, const struct ledger_mysql_config *config)
{
    unsigned connect_s = 5, answer_s = (unsigned)((config->timeout_ms + 999) / 1000);
    unsigned long packet = 1UL << 30;
    my_bool on = 1, off = 0;
    mysql_options(m, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    mysql_options(m, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
    mysql_options(m, MYSQL_OPT_READ_TIMEOUT, &answer_s);
    mysql_options(m, MYSQL_OPT_WRITE_TIMEOUT, &answer_s);
    mysql_options(m, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet);
    mysql_options(m, MYSQL_OPT_RECONNECT, &off);
    mysql_options4(m, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", "tally");
    if (config->tls == LEDGER_TLS_OFF)
        return;
    mysql_options(m, MYSQL_OPT_SSL_ENFORCE, &on);
    mysql_options(m, MYSQL_OPT_SSL_VERIFY_SERVER_CERT,
                  config->tls == LEDGER_TLS_VERIFY ? &on : &off);
    if (config->tls_ca && config->tls_ca[0])
        mysql_options(m, MYSQL_OPT_SSL_CA, config->tls_ca);
}

static int set_session(struct mydb *db, uint32_t lock_wait_s, struct error *e)
{
    struct mydb_answer a;
    struct mydb_text t = {0};
    mydb_putf(&t, session, (int64_t)lock_wait_s);
    int rc = mydb_ask(db, &t, &a, e);
    mydb_text_close(&t);
    MYSQL_ROW row = rc == 0 && a.set_count ? mysql_fetch_row(a.sets[0]) : NULL;
    if (row) {
        db->packet_max = (uint64_t)mydb_int(row[0]);
        db->thread = (uint64_t)mydb_int(row[1]);
        db->is_mariadb = row[2] && strstr(row[2], "MariaDB");
    }
    mydb_answer_free(&a);
    if (rc == 0 && !row)
        rc = error_set(e, TLY_EUNAVAILABLE, "ledger", "the database does not answer");
    /* Galera: reads see what other nodes have committed. Unknown to others, and refused there. */
    if (rc == 0 && db->is_mariadb)
        rc = mydb_do(db, "SET SESSION wsrep_sync_wait = 7", e);
    return rc;
}

static int open_host(struct mydb *db, const struct ledger_mysql_config *config, unsigned host,
                     struct error *e)
{
    const struct ledger_mysql_host *h = &config->hosts[host];
    MYSQL *m = mysql_init(NULL);
    if (!m)
        return error_set(e, TLY_EUNAVAILABLE, "ledger", "no memory for a connection");
    set_options(m, config);
    if (!mysql_real_connect(m, h->host, config->user, config->password, config->database, h->port,
                            NULL, CLIENT_MULTI_STATEMENTS | CLIENT_FOUND_ROWS)) {
        int rc = error_set(e, TLY_EUNAVAILABLE, "ledger", "%s:%u: %.150s (%u)", h->host,
                           (unsigned)h->port, mysql_error(m), mysql_errno(m));
        mysql_close(m);
        return rc;
    }
    db->mysql = m;
    db->host = host;
    int rc = 0;
    if (config->tls != LEDGER_TLS_OFF && !mysql_get_ssl_cipher(m)) /* the library lets that pass */
        rc = error_set(e, TLY_EUNAVAILABLE, "ledger", "%s:%u: the database offers no TLS", h->host,
                       (unsigned)h->port);
    if (rc == 0)
        rc = set_session(db, config->lock_wait_s, e);
    if (rc)
        mydb_close(db);
    return rc;
}

int mydb_open(struct mydb *db, const struct ledger_mysql_config *config, struct error *e)
{
    int rc = TLY_EUNAVAILABLE;
    mydb_close(db);
    for (unsigned i = 0; rc && i < config->host_count; i++)
        rc = open_host(db, config, (db->host + i) % config->host_count, e);
    return rc;
}

void mydb_close(struct mydb *db)
{
    if (db->mysql)
        mysql_close(db->mysql);
    db->mysql = NULL;
}
