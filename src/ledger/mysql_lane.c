/* mysql_lane.c - numbers of lanes, leased in the database.
 *
 * Happy path: all rows are locked; one that was given back, or whose lease ran out long ago, is
 * taken, else the next number. The floor of a lane that is taken is above everything that any lane
 * has committed: a reader of the log, which had no reason to wait for this lane, may be that far.
 * As all rows were locked together, a move that is committed later is seen by readers together with
 * this lane's row.
 * Failure modes: all numbers are in use; the lease is lost to another node, which happens only
 * after all others were used meanwhile: nothing is written any more.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/hash.h"
#include "ledger/mysql_internal.h"

/* The last number is for moves that nobody decided here: what others write to the tables. */
enum { LANES = NODE_MAX, REUSE_AFTER_MS = 10 * LEASE_MS, LEASE_TRIES = 5 };

#define DATABASE_MS "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)"

struct lanes {
    int64_t now_ms;
    int64_t count;
    int64_t oldest_until; /* of `oldest`, which may be taken; -1: none */
    int64_t oldest;
    int64_t highest_seq;
};

static void look_at(struct lanes *all, MYSQL_ROW row)
{
    int64_t lane = mydb_int(row[0]), until = mydb_int(row[1]);
    int64_t last = mydb_int(row[2]), lowest = mydb_int(row[3]);
    if (last > all->highest_seq)
        all->highest_seq = last;
    if (lowest > all->highest_seq)
        all->highest_seq = lowest;
    if (lane >= LANES)
        return;
    if (lane >= all->count)
        all->count = lane + 1;
    if (until < all->now_ms - REUSE_AFTER_MS && (all->oldest < 0 || until < all->oldest_until)) {
        all->oldest = lane;
        all->oldest_until = until;
    }
}

static int lock_all(struct mydb *db, struct lanes *all, struct error *e)
{
    static const char sql[] =
        "START TRANSACTION;"
        "SELECT " DATABASE_MS ";"
        "SELECT lane, leased_until_ms, last_seq, floor_seq FROM lane FOR UPDATE";
    struct mydb_text t = {0};
    struct mydb_answer a;
    MYSQL_ROW row;
    *all = (struct lanes){.oldest = -1};
    mydb_put(&t, sql);
    int rc = mydb_ask(db, &t, &a, e);
    if (rc == 0) {
        row = mysql_fetch_row(a.sets[0]);
        all->now_ms = mydb_int(row[0]);
        while ((row = mysql_fetch_row(a.sets[1])))
            look_at(all, row);
    }
    mydb_answer_free(&a);
    mydb_text_close(&t);
    return rc;
}

static int take(struct ledger_mysql *l, struct mydb *db, const struct lanes *all, struct error *e)
{
    char name[100] = "", node[128];
    int64_t lowest = seq_first_of_ms(all->now_ms);
    l->lane = (uint16_t)(all->oldest >= 0 ? all->oldest : all->count);
    if (gethostname(name, sizeof name - 1))
        name[0] = 0;
    int size = snprintf(node, sizeof node, "%s/%ld", name, (long)getpid());
    struct str who = {node, (uint32_t)size};
    struct mydb_text t = {0};
    struct mydb_answer a;
    mydb_putf(&t,
              all->oldest >= 0 ? "UPDATE lane SET node = %s, token = %d, leased_until_ms = %d,"
                                 " floor_seq = %d WHERE lane = %d"
                               : "INSERT INTO lane(node, token, leased_until_ms, floor_seq, lane,"
                                 " last_seq) VALUES (%s, %d, %d, %d, %d, 0)",
              &who, l->token, all->now_ms + LEASE_MS,
              all->highest_seq > lowest ? all->highest_seq : lowest, (int64_t)l->lane);
    mydb_end(&t);
    mydb_put(&t, "COMMIT");
    int rc = mydb_ask(db, &t, &a, e);
    mydb_answer_free(&a);
    mydb_text_close(&t);
    return rc;
}

static int try_to_lease(struct ledger_mysql *l, struct mydb *db, struct error *e)
{
    struct lanes all;
    int rc = lock_all(db, &all, e);
    if (rc == 0 && all.oldest < 0 && all.count >= LANES)
        rc = error_set(e, TLY_EINVALID_ARGUMENT, "ledger",
                       "all %d lanes of this database are in use, or were a moment ago", LANES);
    if (rc == 0)
        rc = take(l, db, &all, e);
    if (rc && db->mysql && mydb_do(db, "ROLLBACK", NULL))
        mydb_close(db);
    return rc;
}

int mydb_lane_lease(struct ledger_mysql *l, struct mydb *db, struct error *e)
{
    if (random_bytes(&l->token, sizeof l->token))
        return error_set(e, TLY_EIO, "ledger", "the system gives no random bytes");
    l->token &= INT64_MAX;
    int rc = TLY_EUNAVAILABLE;
    for (int i = 0; rc == TLY_EUNAVAILABLE && db->mysql && i < LEASE_TRIES; i++)
        rc = try_to_lease(l, db, e); /* nodes that start together may meet, also those of Galera */
    return rc;
}

int mydb_lane_renew(struct ledger_mysql *l, struct mydb *db, struct error *e)
{
    struct mydb_text t = {0};
    struct mydb_answer a;
    mydb_putf(&t,
              "UPDATE lane SET token = %d, leased_until_ms = " DATABASE_MS " + %d"
              " WHERE lane = %d AND (token = %d OR leased_until_ms < " DATABASE_MS ")",
              l->token, (int64_t)LEASE_MS, (int64_t)l->lane, l->token);
    int rc = mydb_ask(db, &t, &a, e);
    uint64_t rows = a.affected;
    mydb_answer_free(&a);
    mydb_text_close(&t);
    if (rc == 0 && rows == 0)
        rc = error_set(e, TLY_EUNAVAILABLE, "ledger",
                       "lane %u was given to another node while this one was away: start it again",
                       l->lane);
    return rc;
}

void mydb_lane_return(struct ledger_mysql *l, struct mydb *db)
{
    struct mydb_text t = {0};
    struct mydb_answer a;
    mydb_putf(&t, "UPDATE lane SET leased_until_ms = 0 WHERE lane = %d AND token = %d",
              (int64_t)l->lane, l->token);
    if (mydb_ask(db, &t, &a, NULL)) /* the lease runs out by itself */
        mydb_close(db);
    mydb_answer_free(&a);
    mydb_text_close(&t);
}
