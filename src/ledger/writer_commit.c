/* One batch, one transaction.
 *
 * Happy path: BEGIN, all moves by one statement (those that give back due holds by one of their
 * own), lots, lines and sales where there are some,
 * cursors that wait, the stock snapshot if it is due, COMMIT (which is the fsync), then the
 * outcome. Failure modes: before COMMIT everything is rolled back and the batch is REJECTED; an
 * error from COMMIT leaves the file's state in doubt and is UNKNOWN until writer_resolve() knows.
 */
#include <assert.h>
#include <inttypes.h>

#include "base/clock.h"
#include "ledger/db.h"
#include "ledger/ledger_internal.h"
#include "ledger/lot_rows.h"
#include "ledger/sale_rows.h"

static int run(struct writer *w, enum writer_statement which, const char *doing, struct error *e)
{
    return db_run(w->db, w->statements[which], doing, e);
}

int writer_begin(struct writer *w, struct error *e)
{
    return run(w, STATEMENT_BEGIN, "begin", e);
}

void writer_rollback(struct writer *w)
{
    if (w->db && !sqlite3_get_autocommit(w->db) && run(w, STATEMENT_ROLLBACK, "rollback", NULL))
        writer_disconnect(w); /* closing ends the transaction */
}

int writer_end(struct writer *w, struct error *e)
{
    int rc = run(w, STATEMENT_COMMIT, "commit", e);
    if (rc)
        writer_disconnect(w);
    else
        counter_add(&w->ledger->counters.commits_total, 1);
    return rc;
}

/* ---- cursors ---- */

struct cursor_request *writer_cursors_take(struct writer *w)
{
    pthread_mutex_lock(&w->cursors.lock);
    struct cursor_request *first = w->cursors.first;
    w->cursors.first = NULL;
    pthread_mutex_unlock(&w->cursors.lock);
    return first;
}

void writer_cursors_answer(struct writer *w, struct cursor_request *first, int code)
{
    if (!first)
        return;
    pthread_mutex_lock(&w->cursors.lock);
    while (first) {
        struct cursor_request *next = first->next;
        first->code = code;
        first->done = true; /* its owner may go as soon as the lock is given back */
        first = next;
    }
    pthread_cond_broadcast(&w->cursors.answered);
    pthread_mutex_unlock(&w->cursors.lock);
}

static int forget_cursor(struct writer *w, const char *reader, struct error *e)
{
    sqlite3_stmt *forget;
    int rc = db_prepare(w->db, &forget, "DELETE FROM cursor WHERE reader = ?", e);
    if (rc)
        return rc;
    sqlite3_bind_text(forget, 1, reader, -1, SQLITE_STATIC);
    rc = db_run(w->db, forget, "forget a cursor", e);
    sqlite3_finalize(forget);
    return rc;
}

static int put_cursors(struct writer *w, const struct cursor_request *request, struct error *e)
{
    sqlite3_stmt *put = w->statements[STATEMENT_PUT_CURSOR];
    int rc = 0;
    for (; rc == 0 && request; request = request->next) {
        if (request->seq < 0) {
            rc = forget_cursor(w, request->reader, e);
            continue;
        }
        sqlite3_bind_text(put, 1, request->reader, -1, SQLITE_STATIC);
        sqlite3_bind_int64(put, 2, request->seq);
        rc = db_run(w->db, put, "write a cursor", e);
    }
    return rc;
}

void writer_commit_cursors(struct writer *w)
{
    struct error e;
    struct cursor_request *requests = writer_cursors_take(w);
    int rc = TLY_EUNAVAILABLE;
    if (!requests)
        return;
    if (!w->down) {
        rc = writer_begin(w, &e);
        if (rc == 0)
            rc = put_cursors(w, requests, &e);
        if (rc == 0)
            rc = writer_end(w, &e);
        else
            writer_rollback(w);
        if (rc)
            writer_go_down(w, &e);
    }
    writer_cursors_answer(w, requests, rc ? TLY_EUNAVAILABLE : 0);
}

/* ---- batches ---- */

static int put_lot(struct writer *w, const struct move *m, struct error *e)
{
    struct lot_dates dates;
    sqlite3_stmt *insert = w->statements[STATEMENT_INSERT_LOT];
    assert(m->dims && m->line_count == 1);
    struct lot_terms terms = m->terms ? *m->terms : lot_terms_plain(m->dims);
    lot_row_bind(insert, m->line.lot, m->dims, &terms, m->at_ms, &dates);
    return db_run(w->db, insert, "write a lot", e);
}

static int put_lot_terms(struct writer *w, const struct move *m, struct error *e)
{
    struct lot_dates dates;
    sqlite3_stmt *put = w->statements[STATEMENT_PUT_LOT_TERMS];
    assert(m->terms && m->line_count == 1);
    lot_terms_bind(put, m->line.lot, m->terms, &dates);
    return db_run(w->db, put, "write a lot's terms", e);
}

static int put_sale(struct writer *w, const struct move *m, struct error *e)
{
    const struct sale_statements statements = {w->statements[STATEMENT_PUT_SALE],
                                               w->statements[STATEMENT_CLEAR_SALE_ITEMS],
                                               w->statements[STATEMENT_INSERT_SALE_ITEM]};
    assert(m->sale_terms);
    return sale_rows_put(w->db, &statements, m, e);
}

static int put_lines(struct writer *w, const struct move *m, struct error *e)
{
    sqlite3_stmt *insert = w->statements[STATEMENT_INSERT_LINE];
    int rc = 0;
    sqlite3_bind_int64(insert, 1, m->seq);
    for (uint32_t i = 0; rc == 0 && i < m->line_count; i++) {
        sqlite3_bind_int64(insert, 2, m->lines[i].lot);
        sqlite3_bind_int64(insert, 3, m->lines[i].quantity);
        rc = db_run(w->db, insert, "write a line", e);
    }
    return rc;
}

/* The statement with no more columns than the moves have. */
static enum writer_statement insert_for(const struct move *moves, uint32_t count)
{
    bool reserves = true, in_sale = false;
    for (uint32_t i = 0; i < count; i++) {
        in_sale = in_sale || moves[i].sale || moves[i].group_id;
        reserves = reserves && moves[i].kind == MOVE_RESERVE;
    }
    if (in_sale)
        return reserves ? STATEMENT_INSERT_SALE_RESERVES : STATEMENT_INSERT_MOVES;
    return reserves ? STATEMENT_INSERT_RESERVES : STATEMENT_INSERT_PLAIN_MOVES;
}

/* Of holds that are due, which come first in a batch. */
static uint32_t leading_refunds(const struct batch *b)
{
    enum { WORTH_A_STATEMENT = 16 };
    uint32_t count = 0;
    while (count < b->move_count && b->moves[count].kind == MOVE_REFUND &&
           !b->moves[count].detail.len && !b->moves[count].note.len && !b->moves[count].sale &&
           !b->moves[count].group_id)
        count++;
    return count < WORTH_A_STATEMENT ? 0 : count;
}

static int insert(struct writer *w, enum writer_statement statement, const struct move *moves,
                  uint32_t count, struct error *e)
{
    if (count == 0)
        return 0;
    w->source = (struct batch_source){moves, count};
    int rc = run(w, statement, "write moves", e);
    w->source = (struct batch_source){0};
    return rc;
}

static int put_moves(struct writer *w, const struct batch *b, struct error *e)
{
    uint32_t refunds = leading_refunds(b);
    const struct move *others = b->moves + refunds;
    uint32_t other_count = b->move_count - refunds;
    int rc = insert(w, STATEMENT_INSERT_REFUNDS, b->moves, refunds, e);
    if (rc == 0)
        rc = insert(w, insert_for(others, other_count), others, other_count, e);
    for (uint32_t i = 0; rc == 0 && i < b->move_count; i++) {
        const struct move *m = &b->moves[i];
        if (m->line_count > 1)
            rc = put_lines(w, m, e);
        else if (m->kind == MOVE_CREATE)
            rc = put_lot(w, m, e);
        else if (m->kind == MOVE_LOT_TERMS)
            rc = put_lot_terms(w, m, e);
        else if (m->kind == MOVE_SALE)
            rc = put_sale(w, m, e);
    }
    return rc;
}

static int check_order(const struct writer *w, const struct batch *b, struct error *e)
{
    int64_t last = atomic_load(&w->ledger->counters.last_seq);
    for (uint32_t i = 0; i < b->move_count; i++) {
        if (b->moves[i].seq <= last)
            return error_set(e, TLY_ECORRUPT, "move", "seq %" PRId64 " does not follow %" PRId64,
                             b->moves[i].seq, last);
        last = b->moves[i].seq;
    }
    return 0;
}

static int64_t last_seq_of(const struct batch *b)
{
    return b->moves[b->move_count - 1].seq;
}

static void undo(struct writer *w, const struct batch *b)
{
    stock_table_undo(&w->stocks, b->moves, b->move_count);
    w->oldest_pending = w->oldest_pending_before;
}

/* Up to COMMIT. The stock is applied if this returns 0. */
static int write_batch(struct writer *w, const struct batch *b,
                       const struct cursor_request *cursors, bool *snapshot, struct error *e)
{
    int rc = check_order(w, b, e);
    if (rc)
        return rc;
    rc = stock_table_apply(&w->stocks, b->moves, b->move_count, e);
    if (rc)
        return rc;
    w->moves_since_snapshot += b->move_count;
    w->oldest_pending_before = w->oldest_pending;
    w->oldest_pending = b->oldest_pending;
    *snapshot = writer_snapshot_due(w);
    rc = writer_begin(w, e);
    if (rc == 0)
        rc = put_moves(w, b, e);
    if (rc == 0)
        rc = put_cursors(w, cursors, e);
    if (rc == 0 && *snapshot)
        rc = writer_put_snapshot(w, last_seq_of(b), e);
    if (rc) {
        writer_rollback(w);
        undo(w, b);
    }
    return rc;
}

static void deliver(struct writer *w, struct batch *b, enum ledger_outcome outcome)
{
    b->outcome = outcome;
    b->writable = false; /* the connection is closed, and available() comes when it is up again */
    w->ledger->events.outcome(w->ledger->events.context, b);
}

static void settle(struct writer *w, struct batch *b, uint64_t began_ns)
{
    struct ledger_counters *c = &w->ledger->counters;
    uint64_t now_ns = clock_monotonic_ns();
    const struct move *last = &b->moves[b->move_count - 1];
    counter_add(&c->commits_total, 1);
    counter_add(&c->rows_total, b->move_count);
    counter_add(&c->commit_us_total, (int64_t)((now_ns - began_ns) / 1000));
    atomic_store(&c->last_seq, last->seq);
    mark_committed(&w->ledger->mark, last->seq, b->move_count);
    w->last_at_ms = last->at_ms;
    w->last_at_ns = w->last_commit_ns = now_ns;
}

static void doubt(struct writer *w, struct batch *b, const struct error *why, uint64_t began_ns)
{
    bool committed;
    deliver(w, b, LEDGER_UNKNOWN);
    writer_go_down(w, why);
    if (!writer_resolve(w, last_seq_of(b), &committed))
        return;
    if (committed)
        settle(w, b, began_ns);
    else
        undo(w, b);
    deliver(w, b, committed ? LEDGER_COMMITTED : LEDGER_REJECTED);
    writer_come_up(w);
}

void writer_commit(struct writer *w, struct batch *b)
{
    struct error e = {0};
    bool snapshot = false;
    uint64_t began_ns = clock_monotonic_ns();
    assert(b->move_count > 0);
    if (w->down && began_ns >= w->retry_ns)
        writer_try_again(w);
    struct cursor_request *cursors = w->down ? NULL : writer_cursors_take(w);
    int rc = w->down ? error_set(&e, TLY_EUNAVAILABLE, "ledger", "the ledger is not writable")
                     : write_batch(w, b, cursors, &snapshot, &e);
    if (rc) {
        counter_add(&w->ledger->counters.commit_errors_total, 1);
        writer_cursors_answer(w, cursors, TLY_EUNAVAILABLE);
        deliver(w, b, LEDGER_REJECTED);
        writer_go_down(w, &e);
        return;
    }
    rc = run(w, STATEMENT_COMMIT, "commit", &e);
    writer_cursors_answer(w, cursors, rc ? TLY_EUNAVAILABLE : 0);
    if (rc) {
        counter_add(&w->ledger->counters.commit_errors_total, 1);
        doubt(w, b, &e, began_ns);
        return;
    }
    if (snapshot)
        writer_snapshot_written(w, last_seq_of(b));
    settle(w, b, began_ns);
    deliver(w, b, LEDGER_COMMITTED);
}
