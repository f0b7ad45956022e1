/* mysql_write.c - one batch, one transaction.
 *
 * Happy path: this lane's row, the batch, COMMIT, in one round trip; where the
 * load locked its rows, its transaction goes on.
 *
 * Failure modes, and what they become:
 *   a row changed under an assumed load, an order_id or another unique key that
 * is taken, the lane's floor raised by a reader of the log, a deadlock, a lock
 * waited for in vain, a conflict that Galera found at COMMIT: STALE; all is
 * rolled back values that the tables do not take (I1 among them), or more than
 * max_allowed_packet: REJECTED, writing goes on read-only, no quorum, a full
 * disk:                             REJECTED, writing does not go on the
 * connection is lost, or COMMIT fails in any other way:      UNKNOWN, until a
 * new connection has seen the lane's row after the old one's transaction has
 * ended
 */
#include "base/clock.h"
#include "ledger/mysql_internal.h"

#include <time.h>

enum { MISTRUST_MAX = 64, RESOLVE_PAUSE_MS = 100, PACKET_MARGIN = 65536 };

static int64_t newest_of(const struct batch *b)
{
    return b->moves[b->move_count - 1].seq;
}

/* ---- statements ---- */

static void put_start(struct mydb_worker *w, const struct batch *b)
{
    struct mydb_text *t = &w->text;
    mydb_text_clear(t);
    if (!w->in_transaction) {
        mydb_put(t, "START TRANSACTION");
        mydb_end(t);
    }
    /* NULL where the lease is lost, or a reader of the log has gone past the
     * batch: refused. */
    mydb_putf(
        t,
        "UPDATE lane SET last_seq = IF(token = %d AND floor_seq < %d, %d, NULL), leased_until_ms = "
        "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED) + %d WHERE lane = %d",
        w->ledger->token, b->moves[0].seq, newest_of(b), (int64_t)LEASE_MS,
        (int64_t)w->ledger->lane);
    mydb_end(t);
    if (w->strict) {
        mydb_putf(t, "UPDATE meta SET value = '%d' WHERE `key` = 'sales'", newest_of(b));
        mydb_end(t);
    }
}

/* ---- outcomes ---- */

static void deliver(struct mydb_worker *w, struct batch *b, enum ledger_outcome outcome,
                    bool writable)
{
    b->outcome = outcome;
    b->writable = writable;
    w->ledger->events.outcome(w->ledger->events.context, b);
}

static void learn_trust(struct mydb_worker *w, bool assumed, bool right)
{
    if (!assumed)
        return;
    if (right) {
        w->mistrust = 0;
        return;
    }
    w->mistrust = w->mistrust ? w->mistrust * 2 : 1;
    if (w->mistrust > MISTRUST_MAX)
        w->mistrust = MISTRUST_MAX;
    w->trust_after = w->mistrust;
}

static void settle(struct mydb_worker *w, const struct batch *b, uint64_t began_ns)
{
    struct mydb_counters *c = &w->ledger->counters;
    mydb_count(&c->commits_total, 1);
    mydb_count(&c->rows_total, b->move_count);
    mydb_count(&c->commit_us_total, (int64_t)((clock_monotonic_ns() - began_ns) / 1000));
    atomic_store(&c->last_seq, newest_of(b));
    w->floor_seq = newest_of(b);
    w->renew_ns = clock_monotonic_ns() + LEASE_RENEW_MS * UINT64_C(1000000);
    mydb_touched_commit(&w->write, &w->ledger->known);
    for (uint32_t i = 0; i < w->write.count; i++)
        if (w->write.lots[i].due_ms < w->next_deadline_ms)
            w->next_deadline_ms = w->write.lots[i].due_ms;
    w->loading.due.count = 0; /* they are given back */
}

/* What a failure before COMMIT, or of COMMIT, means. */
static enum ledger_outcome outcome_of(const struct mydb_answer *a, bool at_commit, bool *writable)
{
    *writable = true;
    switch (a->trouble) {
    case MYDB_LOST:
        return LEDGER_UNKNOWN;
    case MYDB_LOCKED:
    case MYDB_DUPLICATE:
    case MYDB_MISMATCH:
        return LEDGER_STALE;
    case MYDB_WRONG:
        return at_commit ? LEDGER_UNKNOWN : LEDGER_REJECTED;
    default:
        *writable = false;
        return at_commit ? LEDGER_UNKNOWN : LEDGER_REJECTED;
    }
}

/* ---- an unknown outcome ---- */

/* The old connection's transaction is over when its lane's row can be locked.
 */
static int look(struct mydb_worker *w, uint64_t old_thread, int64_t newest, bool *there,
                struct error *e)
{
    struct mydb_text *t = &w->text;
    struct mydb_answer a;
    int rc = mydb_worker_connect(w, e);
    if (rc)
        return rc;
    mydb_text_clear(t);
    mydb_putf(t, "KILL CONNECTION %d", (int64_t)old_thread);
    if (old_thread && mydb_ask(&w->db, t, &a, NULL) && !w->db.mysql)
        return TLY_EUNAVAILABLE; /* that it is gone already is no failure */
    if (old_thread)
        mydb_answer_free(&a);
    mydb_text_clear(t);
    mydb_put(t, "START TRANSACTION");
    mydb_end(t);
    mydb_putf(t, "SELECT last_seq FROM lane WHERE lane = %d FOR UPDATE", (int64_t)w->ledger->lane);
    mydb_end(t);
    mydb_putf(t, "SELECT seq FROM move WHERE seq = %d", newest);
    mydb_end(t);
    mydb_put(t, "COMMIT");
    rc = mydb_ask(&w->db, t, &a, e);
    if (rc == 0)
        *there = mysql_num_rows(a.sets[1]) > 0;
    mydb_answer_free(&a);
    if (rc)
        mydb_worker_rollback(w);
    return rc;
}

static void doubt(struct mydb_worker *w, struct batch *b, uint64_t began_ns,
                  const struct error *why)
{
    struct error e;
    uint64_t old_thread = w->db.thread;
    bool there = false;
    mydb_touched_forget(&w->write, &w->ledger->known);
    mydb_close(&w->db);
    w->in_transaction = w->strict = false;
    deliver(w, b, LEDGER_UNKNOWN, false);
    mydb_worker_go_down(w, why);
    while (look(w, old_thread, newest_of(b), &there, &e)) {
        if (atomic_load(&w->stopping))
            return;
        nanosleep(&(struct timespec){.tv_nsec = RESOLVE_PAUSE_MS * 1000000L}, NULL);
    }
    if (there)
        settle(w, b, began_ns);
    deliver(w, b, there ? LEDGER_COMMITTED : LEDGER_REJECTED, false);
    mydb_load_end(w);
    mydb_worker_try_up(w);
}

/* ---- the batch ---- */

static void refuse(struct mydb_worker *w, struct batch *b, enum ledger_outcome outcome,
                   bool writable, const struct error *why)
{
    mydb_count(&w->ledger->counters.commit_errors_total, outcome == LEDGER_REJECTED);
    mydb_touched_forget(&w->write, &w->ledger->known);
    deliver(w, b, outcome, writable);
    mydb_load_end(w);
    if (!writable)
        mydb_worker_go_down(w, why);
}

static int too_long(struct mydb_answer *a, struct error *e)
{
    *a = (struct mydb_answer){.trouble = MYDB_WRONG};
    return error_set(e, TLY_EUNAVAILABLE, "ledger",
                     "a batch is longer than the database's max_allowed_packet");
}

/* *at_commit: all before it was done, and it failed. */
static int send(struct mydb_worker *w, const struct batch *b, struct mydb_answer *a,
                bool *at_commit, struct error *e)
{
    struct mydb_batch batch = {&w->text, &w->write, b->moves, b->move_count};
    put_start(w, b);
    mydb_put_batch(&batch);
    unsigned before = w->text.statements;
    mydb_put(&w->text, "COMMIT");
    mydb_end(&w->text);
    if (w->text.used + PACKET_MARGIN > w->db.packet_max)
        return too_long(a, e);
    int rc = mydb_ask(&w->db, &w->text, a, e);
    *at_commit = rc && a->statements >= before;
    mydb_answer_free(a);
    return rc;
}

void mydb_commit(struct mydb_worker *w, struct batch *b)
{
    struct mydb_answer a;
    struct error e = {0};
    bool at_commit = false, writable = true, assumed = b->load && b->load->assumed;
    uint64_t began_ns = clock_monotonic_ns();
    if (mydb_touch(&w->write, &w->ledger->known, b->moves, b->move_count, &e)) {
        mydb_worker_rollback(w);
        refuse(w, b, LEDGER_REJECTED, true, &e);
        return;
    }
    if (!w->db.mysql) { /* it was lost before anything of this batch was sent */
        refuse(w, b, LEDGER_STALE, true, &e);
        return;
    }
    if (send(w, b, &a, &at_commit, &e) == 0) {
        w->in_transaction = w->strict = false;
        learn_trust(w, assumed, true);
        settle(w, b, began_ns);
        deliver(w, b, LEDGER_COMMITTED, true);
        mydb_load_end(w);
        return;
    }
    enum ledger_outcome outcome = outcome_of(&a, at_commit, &writable);
    if (outcome == LEDGER_UNKNOWN) {
        mydb_count(&w->ledger->counters.commit_errors_total, 1);
        doubt(w, b, began_ns, &e);
        return;
    }
    learn_trust(w, assumed, outcome != LEDGER_STALE);
    w->in_transaction = true;
    mydb_worker_rollback(w);
    refuse(w, b, outcome, writable, &e);
}
