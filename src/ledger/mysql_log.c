/* mysql_log.c - the log and its readers' cursors, from any thread: one
 * connection under a mutex.
 *
 * Where the log ends: every lane's row says above which number its next moves
 * are (schema_mysql.sql); the least of them is as far as a reader may go. A
 * lane that has nothing to write would hold all readers back: if others are
 * ahead, its floor is raised to where they are, unless it is writing just now
 * (SKIP LOCKED), which ends soon. A batch that was numbered below a raised
 * floor is refused when it comes, and numbered anew (mysql_write.c).
 *
 * Failure modes: a lost connection is opened once more; log_end() says what it
 * said last.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "ledger/mysql_internal.h"

static int ask(struct ledger_mysql *l, struct mydb_answer *a, struct error *e)
{
    struct mydb_log *log = &l->log;
    bool had = log->db.mysql != NULL;
    int rc = had ? 0 : mydb_open(&log->db, &l->config, e);
    if (rc == 0)
        rc = mydb_ask(&log->db, &log->text, a, e);
    if (rc && had && !log->db.mysql) { /* it had been lost before */
        mydb_answer_free(a);
        rc = mydb_open(&log->db, &l->config, e);
        if (rc == 0)
            rc = mydb_ask(&log->db, &log->text, a, e);
    }
    if (rc && log->db.mysql) /* an open transaction ends with it */
        mydb_close(&log->db);
    return rc;
}

/* ---- the log ---- */

enum { ORDER_ID = MOVE_COLUMN_COUNT, USER_ID, SALE, GROUP_ID, SALE_ID, LOT };

static void put_page(struct mydb_text *t, int64_t after, uint32_t max)
{
    mydb_text_clear(t);
    mydb_put(t, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ");
    mydb_end(t);
    mydb_put(t, "START TRANSACTION READ ONLY");
    mydb_end(t);
    mydb_putf(t,
              "SELECT " MYDB_MOVE_COLUMNS
              ", r.order_id, r.user_id, r.sale, r.group_id, a.sale_id, l.lot_id, l.lot_key, l.sku, "
              "l.flavor, l.size, l.batch, l.expires_on, l.expected_on, l.per_user_limit, "
              "l.backorder_limit, l.withdrawn, l.backorder_limit_most FROM (SELECT * FROM move "
              "WHERE seq > %d ORDER BY seq LIMIT %d) AS m LEFT JOIN move AS r ON r.seq = "
              "m.reservation_id LEFT JOIN sale AS a ON a.sale = ifnull(m.sale, r.sale) LEFT JOIN "
              "lot AS l ON l.lot_id = m.lot_id AND m.kind IN (1, 16) ORDER BY m.seq",
              after, (int64_t)max);
    mydb_end(t);
    mydb_putf(t,
              "SELECT x.seq, x.lot_id, x.quantity FROM (SELECT seq FROM move WHERE seq > %d ORDER "
              "BY seq LIMIT %d) AS m JOIN move_line AS x ON x.seq = m.seq ORDER BY x.seq, x.lot_id",
              after, (int64_t)max);
    mydb_end(t);
    mydb_put(t, "COMMIT");
    mydb_end(t);
}

/* What a move points to beyond its own row. */
struct completed {
    struct sale_terms sale;
    struct lot_dims dims;
    struct lot_terms terms;
};

static int complete(const struct mydb_moves *r, struct move *m, struct completed *c,
                    struct error *e)
{
    if (m->reservation_id && !move_begins(m)) {
        m->order_id = mydb_str(r->row, r->sizes, ORDER_ID);
        m->user_id = mydb_str(r->row, r->sizes, USER_ID);
        m->sale = (sale_number)mydb_int(r->row[SALE]);
        m->group_id = mydb_int(r->row[GROUP_ID]);
    }
    if (m->sale) {
        c->sale =
            (struct sale_terms){.number = m->sale, .sale_id = mydb_str(r->row, r->sizes, SALE_ID)};
        m->sale_terms = &c->sale;
    }
    if (m->kind != MOVE_CREATE && m->kind != MOVE_LOT_TERMS)
        return 0;
    lot_id id;
    int rc = mydb_lot_row(r->row, r->sizes, LOT, &id, &c->dims, &c->terms, e);
    m->terms = &c->terms;
    if (m->kind == MOVE_CREATE)
        m->dims = &c->dims;
    return rc;
}

static int hand_out(struct ledger_mysql *l, struct mydb_answer *a, ledger_move_fn *fn,
                    void *context, struct error *e)
{
    struct mydb_moves *r = malloc(sizeof *r);
    struct completed c;
    struct move m;
    int got = 0, count = 0;
    if (!r)
        return error_set(e, TLY_ENO_MEMORY, "ledger", "no memory to read the log");
    int rc = mydb_moves_open(r, a->sets[0], a->sets[1], l->seed, e);
    while (rc == 0 && (got = mydb_moves_next(r, &m, e)) > 0) {
        rc = complete(r, &m, &c, e);
        if (rc)
            break;
        count++;
        if (fn(context, &m))
            break;
    }
    mydb_moves_close(r);
    free(r);
    return rc ? rc : got < 0 ? got : count;
}

int mydb_read_log(struct ledger *port, int64_t after, uint32_t max, ledger_move_fn *fn,
                  void *context, struct error *e)
{
    struct ledger_mysql *l = (struct ledger_mysql *)port;
    struct mydb_answer a = {0};
    pthread_mutex_lock(&l->log.lock);
    put_page(&l->log.text, after, max);
    int rc = ask(l, &a, e);
    if (rc == 0)
        rc = hand_out(l, &a, fn, context, e);
    mydb_answer_free(&a);
    pthread_mutex_unlock(&l->log.lock);
    return rc;
}

/* ---- its end ---- */

static int read_lanes(struct ledger_mysql *l, int64_t *end, int64_t *newest, struct error *e)
{
    struct mydb_answer a = {0};
    MYSQL_ROW row;
    mydb_text_clear(&l->log.text);
    mydb_put(&l->log.text, "SELECT min(greatest(last_seq, floor_seq)), max(last_seq) FROM lane");
    mydb_end(&l->log.text);
    int rc = ask(l, &a, e);
    if (rc == 0 && (row = mysql_fetch_row(a.sets[0]))) {
        *end = mydb_int(row[0]);
        *newest = mydb_int(row[1]);
    }
    mydb_answer_free(&a);
    return rc;
}

static int raise_floors(struct ledger_mysql *l, int64_t newest, struct error *e)
{
    struct mydb_text *t = &l->log.text;
    struct mydb_answer a = {0};
    MYSQL_ROW row;
    int64_t lanes[NODE_MAX + 1];
    size_t count = 0;
    mydb_text_clear(t);
    mydb_put(t, "START TRANSACTION");
    mydb_end(t);
    mydb_putf(
        t, "SELECT lane FROM lane WHERE greatest(last_seq, floor_seq) < %d FOR UPDATE SKIP LOCKED",
        newest);
    mydb_end(t);
    int rc = ask(l, &a, e);
    while (rc == 0 && count <= NODE_MAX && (row = mysql_fetch_row(a.sets[0])))
        lanes[count++] = mydb_int(row[0]);
    mydb_answer_free(&a);
    if (rc)
        return rc;
    mydb_text_clear(t);
    if (count) {
        mydb_putf(t, "UPDATE lane SET floor_seq = %d WHERE lane IN ", newest);
        mydb_put_numbers(t, lanes, count);
        mydb_end(t);
    }
    mydb_put(t, "COMMIT");
    mydb_end(t);
    rc = ask(l, &a, e);
    mydb_answer_free(&a);
    return rc;
}

int64_t mydb_log_end(struct ledger *port)
{
    struct ledger_mysql *l = (struct ledger_mysql *)port;
    struct error e;
    int64_t end = 0, newest = 0;
    pthread_mutex_lock(&l->log.lock);
    int rc = read_lanes(l, &end, &newest, &e);
    if (rc == 0 && end < newest) {
        rc = raise_floors(l, newest, &e);
        if (rc == 0)
            rc = read_lanes(l, &end, &newest, &e);
    }
    if (rc == 0 && end > newest) /* floors of lanes that wait to be used: nothing is there */
        end = newest;
    if (rc == 0 && end > l->log.end)
        l->log.end = end;
    end = l->log.end;
    pthread_mutex_unlock(&l->log.lock);
    return end;
}

int mydb_log_start(struct ledger *port, int64_t *seq, struct error *e)
{
    struct ledger_mysql *l = (struct ledger_mysql *)port;
    struct mydb_answer a = {0};
    MYSQL_ROW row;
    pthread_mutex_lock(&l->log.lock);
    mydb_text_clear(&l->log.text);
    mydb_put(&l->log.text, "SELECT value FROM meta WHERE `key` = 'archived_newest'");
    mydb_end(&l->log.text);
    int rc = ask(l, &a, e);
    if (rc == 0)
        *seq = (row = mysql_fetch_row(a.sets[0])) ? mydb_int(row[0]) : 0;
    mydb_answer_free(&a);
    pthread_mutex_unlock(&l->log.lock);
    return rc;
}

/* ---- cursors ---- */

int mydb_cursor_get(struct ledger *port, const char *reader, int64_t *seq, struct error *e)
{
    struct ledger_mysql *l = (struct ledger_mysql *)port;
    struct str name = str_of(reader);
    struct mydb_answer a = {0};
    MYSQL_ROW row;
    pthread_mutex_lock(&l->log.lock);
    mydb_text_clear(&l->log.text);
    mydb_putf(&l->log.text, "SELECT seq FROM `cursor` WHERE reader = %s", &name);
    mydb_end(&l->log.text);
    int rc = ask(l, &a, e);
    if (rc == 0 && (row = mysql_fetch_row(a.sets[0])))
        *seq = mydb_int(row[0]);
    else if (rc == 0)
        rc = error_set(e, TLY_ENOT_FOUND, "ledger", "there is no cursor %s", reader);
    mydb_answer_free(&a);
    pthread_mutex_unlock(&l->log.lock);
    return rc;
}

int mydb_cursor_set(struct ledger *port, const char *reader, int64_t seq, struct error *e)
{
    struct ledger_mysql *l = (struct ledger_mysql *)port;
    struct str name = str_of(reader);
    struct mydb_answer a = {0};
    pthread_mutex_lock(&l->log.lock);
    mydb_text_clear(&l->log.text);
    if (seq < 0)
        mydb_putf(&l->log.text, "DELETE FROM `cursor` WHERE reader = %s", &name);
    else
        mydb_putf(&l->log.text, "REPLACE INTO `cursor` VALUES (%s, %d)", &name, seq);
    mydb_end(&l->log.text);
    int rc = ask(l, &a, e);
    mydb_answer_free(&a);
    pthread_mutex_unlock(&l->log.lock);
    return rc;
}
