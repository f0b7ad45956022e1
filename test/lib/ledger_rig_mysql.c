/* ledger_rig_mysql.c - rigs on a real database (TALLY_TEST_MYSQL, test/lib/servers.py), reached
 * through a proxy that can cut connections. A rig's database has the name of its folder. */
#include "fixture.h"

#include "ledger_rig_mysql.h"

#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/ledger_mysql.h"

/* ---- where it is ---- */

struct place {
    char user[64], password[64], host[64], database[64];
    uint16_t port;
};

bool rig_mysql_strict;
uint32_t rig_mysql_lock_wait_s = 1;

static bool read_url(const char *variable, struct place *p)
{
    unsigned port = 0;
    const char *url = getenv(variable);
    if (!url)
        return false;
    assert_int_equal(sscanf(url, "mysql://%63[^:]:%63[^@]@%63[^:]:%u/%63s", p->user, p->password,
                            p->host, &port, p->database),
                     5);
    p->port = (uint16_t)port;
    return true;
}

static bool read_place(struct place *p)
{
    return read_url("TALLY_TEST_MYSQL", p);
}

static bool there(void)
{
    struct place p = {0};
    return read_place(&p);
}

static void database_of(const struct rig *rig, char out[128])
{
    snprintf(out, 128, "%s", strrchr(rig->dir, '/') + 1);
    for (char *c = out; *c; c++)
        if (*c == '-')
            *c = '_';
}

MYSQL *rig_mysql_connect(const struct rig *rig)
{
    struct place p = {0};
    char database[128];
    assert_true(read_place(&p));
    MYSQL *m = mysql_init(NULL);
    if (rig)
        database_of(rig, database);
    if (!mysql_real_connect(m, p.host, p.user, p.password, rig ? database : p.database, p.port,
                            NULL, CLIENT_MULTI_STATEMENTS))
        fail_msg("%s", mysql_error(m));
    return m;
}

MYSQL *rig_mysql_admin(void)
{
    struct place p = {0};
    assert_true(read_url("TALLY_TEST_MYSQL_ADMIN", &p));
    MYSQL *m = mysql_init(NULL);
    if (!mysql_real_connect(m, p.host, p.user, p.password, p.database, p.port, NULL, 0))
        fail_msg("%s", mysql_error(m));
    return m;
}

void rig_mysql_do(MYSQL *m, const char *sql)
{
    if (mysql_query(m, sql))
        fail_msg("%s: %s", sql, mysql_error(m));
    do {
        mysql_free_result(mysql_store_result(m));
    } while (mysql_next_result(m) == 0);
}

int64_t rig_mysql_number(MYSQL *m, const char *sql)
{
    if (mysql_query(m, sql))
        fail_msg("%s: %s", sql, mysql_error(m));
    MYSQL_RES *set = mysql_store_result(m);
    MYSQL_ROW row = mysql_fetch_row(set);
    int64_t number = row && row[0] ? strtoll(row[0], NULL, 10) : 0;
    mysql_free_result(set);
    return number;
}

/* ---- life ---- */

static void make_database(const struct rig *rig)
{
    char sql[200], database[128];
    database_of(rig, database);
    snprintf(sql, sizeof sql, "CREATE DATABASE IF NOT EXISTS `%s`", database);
    MYSQL *m = rig_mysql_connect(NULL);
    rig_mysql_do(m, sql);
    mysql_close(m);
}

static int create(struct rig *rig, struct ledger **out, struct error *e)
{
    char database[128];
    struct place p = {0};
    assert_true(read_place(&p));
    make_database(rig);
    database_of(rig, database);
    if (!rig->extra)
        rig->extra = tcp_cut_start(p.host, p.port);
    const struct ledger_mysql_host host = {"127.0.0.1", tcp_cut_port(rig->extra)};
    const struct ledger_mysql_config config = {.hosts = &host,
                                               .host_count = 1,
                                               .user = p.user,
                                               .password = p.password,
                                               .database = database,
                                               .timeout_ms = PATIENCE_MS,
                                               .clock_gap_max_ms = 10000,
                                               .lock_wait_s = rig_mysql_lock_wait_s,
                                               .weak_durability = !rig_mysql_strict};
    return ledger_mysql_create(out, &config, e);
}

static void forget(struct rig *rig)
{
    char sql[200], database[128];
    database_of(rig, database);
    snprintf(sql, sizeof sql, "DROP DATABASE IF EXISTS `%s`", database);
    MYSQL *m = rig_mysql_connect(NULL);
    rig_mysql_do(m, sql);
    mysql_close(m);
    tcp_cut_stop(rig->extra);
    rig->extra = NULL;
}

static struct stock stock(struct rig *rig, lot_id lot)
{
    char sql[160];
    MYSQL *m = rig_mysql_connect(rig);
    snprintf(sql, sizeof sql,
             "SELECT on_hand, reserved, confirmed, version, available FROM stock WHERE lot_id = %u",
             lot);
    assert_int_equal(mysql_query(m, sql), 0);
    MYSQL_RES *set = mysql_store_result(m);
    MYSQL_ROW row = mysql_fetch_row(set);
    assert_non_null(row);
    struct stock s = {atoll(row[0]), atoll(row[1]), atoll(row[2]), atoll(row[3])};
    assert_int_equal(atoll(row[4]), s.on_hand - s.reserved - s.confirmed);
    mysql_free_result(set);
    mysql_close(m);
    return s;
}

/* ---- what a restart would load, were anything resident: read from the tables ---- */

struct replay {
    const struct ledger_loader *loader;
};

/* A reader of the log is told whose reservation a move is of; the row itself says it once. */
static int replay_move(void *context, const struct move *m)
{
    const struct replay *r = context;
    struct move own = *m;
    struct error e;
    if (m->reservation_id && !move_begins(m)) {
        own.order_id = own.user_id = (struct str){0};
        own.sale = 0;
        own.group_id = 0;
    }
    if (m->kind != MOVE_CREATE && m->kind != MOVE_LOT_TERMS)
        own.terms = NULL;
    return r->loader->move(r->loader->context, &own, true, &e);
}

static void replay_items(MYSQL *m, struct sale_terms *terms, struct sale_item items[RIG_ITEMS_MAX],
                         char skus[RIG_ITEMS_MAX][RIG_TEXT_MAX])
{
    char sql[120];
    MYSQL_ROW row;
    snprintf(sql, sizeof sql, "SELECT lot_id, sku FROM sale_item WHERE sale = %u ORDER BY position",
             terms->number);
    assert_int_equal(mysql_query(m, sql), 0);
    MYSQL_RES *set = mysql_store_result(m);
    while ((row = mysql_fetch_row(set))) {
        int i = terms->item_count++;
        snprintf(skus[i], RIG_TEXT_MAX, "%s", row[1] ? row[1] : "");
        items[i] = (struct sale_item){row[0] ? (lot_id)atoll(row[0]) : 0, str_of(skus[i])};
    }
    mysql_free_result(set);
    terms->items = items;
}

static void replay_sales(MYSQL *m, MYSQL *for_items, const struct ledger_loader *loader)
{
    MYSQL_ROW row;
    struct error e;
    struct sale_item items[RIG_ITEMS_MAX];
    char skus[RIG_ITEMS_MAX][RIG_TEXT_MAX];
    assert_int_equal(mysql_query(m,
                                 "SELECT sale, sale_id, title, starts_at_ms, ends_at_ms,"
                                 " ifnull(closed_at_ms, 0), per_user_limit, per_order_limit,"
                                 " total_limit, hold_ms, payment_extend_ms_max, group_size,"
                                 " group_window_ms, ifnull(queue_mode, ''), created_seq FROM sale"
                                 " ORDER BY sale"),
                     0);
    MYSQL_RES *set = mysql_store_result(m);
    while ((row = mysql_fetch_row(set))) {
        struct sale_terms t = {.number = (sale_number)atoll(row[0]),
                               .sale_id = str_of(row[1]),
                               .title = str_of(row[2]),
                               .starts_ms = atoll(row[3]),
                               .ends_ms = atoll(row[4]),
                               .closed_ms = atoll(row[5]),
                               .per_user_limit = atoll(row[6]),
                               .per_order_limit = atoll(row[7]),
                               .total_limit = atoll(row[8]),
                               .hold_ms = atoll(row[9]),
                               .payment_extend_ms_max = atoll(row[10]),
                               .group_size = (uint16_t)atoi(row[11]),
                               .group_window_ms = atoll(row[12])};
        for (int mode = QUEUE_NONE; mode <= QUEUE_DRAWN; mode++)
            if (strcmp(row[13], queue_mode_name((enum queue_mode)mode)) == 0)
                t.queue = (uint8_t)mode;
        replay_items(for_items, &t, items, skus);
        assert_int_equal(loader->sale(loader->context, &t, atoll(row[14]), &e), 0);
    }
    mysql_free_result(set);
}

static void recover(struct rig *rig, const struct ledger_loader *loader)
{
    struct replay r = {loader};
    struct error e = {0};
    MYSQL *m = rig_mysql_connect(rig), *for_items = rig_mysql_connect(rig);
    rig_load_lots(rig, loader);
    replay_sales(m, for_items, loader);
    mysql_close(m);
    mysql_close(for_items);
    if (rig->ledger->ops->read_log(rig->ledger, 0, 1000000, replay_move, &r, &e) < 0)
        fail_msg("%s", e.text);
}

/* ---- breaking it ---- */

/* A column that every write needs is not there; reads do not want it. */
static void break_before_commit(struct rig *rig)
{
    MYSQL *m = rig_mysql_connect(rig);
    rig_mysql_do(m, "ALTER TABLE lane RENAME COLUMN leased_until_ms TO broken");
    mysql_close(m);
}

static void break_at_commit(struct rig *rig)
{
    tcp_cut_set(rig->extra, TCP_CUT_AFTER, "COMMIT");
}

static void heal(struct rig *rig)
{
    MYSQL *m = rig_mysql_connect(rig);
    tcp_cut_set(rig->extra, TCP_CUT_NEVER, "");
    if (rig_mysql_number(m, "SELECT count(*) FROM information_schema.columns WHERE table_schema ="
                            " DATABASE() AND table_name = 'lane' AND column_name = 'broken'"))
        rig_mysql_do(m, "ALTER TABLE lane RENAME COLUMN broken TO leased_until_ms");
    mysql_close(m);
}

const struct rig_factory rig_mysql = {
    .name = "mysql",
    .there = there,
    .create = create,
    .recover = recover,
    .stock = stock,
    .break_before_commit = break_before_commit,
    .break_at_commit = break_at_commit,
    .heal = heal,
    .forget = forget,
};
