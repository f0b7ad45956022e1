/* mysql_names.c - what lots are called, for readers of the log on any thread: asked of the database
 * once, many lots at a time. Failure: a lot that cannot be read now is not known now. */
#include "ledger/mysql_internal.h"

enum { NAMES_AT_ONCE = 500 };

static void take(struct mydb_names *n, MYSQL_RES *set)
{
    MYSQL_ROW row;
    lot_id id;
    struct lot_dims dims;
    struct lot_terms terms;
    struct error e;
    while ((row = mysql_fetch_row(set)))
        if (mydb_lot_row(row, mysql_fetch_lengths(set), 0, &id, &dims, &terms, &e) == 0)
            mydb_known_put(&n->known, id, &dims);
}

static void ask(struct ledger_mysql *l, lot_id id)
{
    struct mydb_names *n = &l->names;
    struct mydb_answer a = {0};
    struct error e;
    mydb_text_clear(&n->text);
    mydb_putf(&n->text,
              "SELECT lot_id, lot_key, sku, flavor, size, batch, expires_on, expected_on,"
              " per_user_limit, backorder_limit, withdrawn, backorder_limit_most FROM lot"
              " WHERE lot_id >= %d ORDER BY lot_id LIMIT %d",
              (int64_t)id, (int64_t)NAMES_AT_ONCE);
    mydb_end(&n->text);
    for (int i = 0; i < 2; i++) { /* the connection may have been lost since it was used last */
        if (!n->db.mysql && mydb_open(&n->db, &l->config, &e))
            return;
        if (mydb_ask(&n->db, &n->text, &a, &e) == 0) {
            take(n, a.sets[0]);
            mydb_answer_free(&a);
            return;
        }
        mydb_answer_free(&a);
        mydb_close(&n->db);
    }
}

const struct lot_dims *mydb_lot_dims(struct ledger *port, lot_id id)
{
    struct ledger_mysql *l = (struct ledger_mysql *)port;
    pthread_mutex_lock(&l->names.lock);
    const struct known_lot *lot = mydb_known_lot(&l->names.known, id);
    if (!lot) {
        ask(l, id);
        lot = mydb_known_lot(&l->names.known, id);
    }
    pthread_mutex_unlock(&l->names.lock);
    return lot ? &lot->dims : NULL;
}
