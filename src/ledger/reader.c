/* Look-ups.
 *
 * Happy path: all questions that have arrived are answered within one read transaction.
 * Failure modes: any SQLite error answers TLY_EUNAVAILABLE and closes the connection, which is
 * opened again for the next question.
 */
#include "ledger/reader.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "ledger/db.h"
#include "ledger/ledger_internal.h"

static void disconnect(struct reader *r)
{
    record_reader_close(&r->records);
    sqlite3_finalize(r->begin);
    sqlite3_finalize(r->end);
    sqlite3_finalize(r->adjustment);
    sqlite3_finalize(r->group);
    r->begin = r->end = r->adjustment = r->group = NULL;
    db_close(r->db);
    r->db = NULL;
}

static int connect(struct reader *r, struct error *e)
{
    struct ledger_sqlite *l = r->ledger;
    int rc = db_open(&r->db, l->db_path, l->config.vfs, DB_READER, e);
    if (rc == 0)
        rc = record_reader_init(&r->records, r->db, l->seed, e);
    if (rc == 0)
        rc = db_prepare(r->db, &r->begin, "BEGIN", e);
    if (rc == 0)
        rc = db_prepare(r->db, &r->end, "COMMIT", e);
    if (rc == 0)
        rc = db_prepare(r->db, &r->adjustment,
                        "SELECT seq, lot_id, quantity FROM move WHERE kind = 2 AND detail = ?"
                        " ORDER BY seq DESC LIMIT 1",
                        e);
    if (rc == 0)
        rc = db_prepare(r->db, &r->group,
                        "SELECT kind, sale, quantity, at_ms, deadline_ms FROM move"
                        " WHERE seq = ?1 AND kind = 18 UNION ALL"
                        " SELECT kind, sale, quantity, at_ms, deadline_ms FROM move"
                        " WHERE group_id = ?1 AND kind > 18",
                        e);
    if (rc)
        disconnect(r);
    return rc;
}

static int read_order(struct reader *r, struct question *read, struct error *e)
{
    int64_t candidates[ORDER_CANDIDATES_MAX];
    int count = order_store_find(&r->ledger->orders, read->order_hash, candidates, e);
    if (count < 0)
        return count;
    for (int i = 0; i < count; i++) {
        int rc = record_read(&r->records, candidates[i], &read->order_id, &read->record, e);
        if (rc != TLY_ENOT_FOUND)
            return rc;
    }
    return TLY_ENOT_FOUND;
}

static int read_adjustment(struct reader *r, struct question *read, struct error *e)
{
    sqlite3_bind_text(r->adjustment, 1, read->order_id.p, (int)read->order_id.len, SQLITE_STATIC);
    int step = sqlite3_step(r->adjustment);
    int rc = step == SQLITE_DONE ? TLY_ENOT_FOUND : 0;
    if (step == SQLITE_ROW) {
        read->move_seq = sqlite3_column_int64(r->adjustment, 0);
        read->adjusted = (struct line){(lot_id)sqlite3_column_int64(r->adjustment, 1),
                                       sqlite3_column_int64(r->adjustment, 2)};
    } else if (step != SQLITE_DONE) {
        rc = db_fail(r->db, "look for an adjustment", e);
    }
    sqlite3_reset(r->adjustment);
    return rc;
}

/* Its GROUP_OPEN, and its end if that has come. */
static void group_row(sqlite3_stmt *row, struct group_record *g)
{
    int kind = sqlite3_column_int(row, 0);
    uint16_t quantity = (uint16_t)sqlite3_column_int(row, 2);
    int64_t at_ms = sqlite3_column_int64(row, 3);
    if (kind == MOVE_GROUP_OPEN) {
        g->sale = (sale_number)sqlite3_column_int64(row, 1);
        g->status = GROUP_IS_OPEN;
        g->size = quantity;
        g->opened_ms = at_ms;
        g->ends_ms = sqlite3_column_int64(row, 4);
    } else {
        g->status = kind == MOVE_GROUP_SUCCEED ? GROUP_SUCCEEDED : GROUP_FAILED;
        g->paid = quantity;
        g->ended_ms = at_ms;
    }
}

static int read_group(struct reader *r, struct question *read, struct error *e)
{
    int step;
    read->group = (struct group_record){.group_id = read->reservation_id};
    sqlite3_bind_int64(r->group, 1, read->reservation_id);
    while ((step = sqlite3_step(r->group)) == SQLITE_ROW)
        group_row(r->group, &read->group);
    int rc = read->group.size ? 0 : TLY_ENOT_FOUND;
    if (step != SQLITE_DONE)
        rc = db_fail(r->db, "read a group", e);
    sqlite3_reset(r->group);
    return rc;
}

static int answer(struct reader *r, struct question *read, struct error *e)
{
    switch (read->kind) {
    case QUESTION_RESERVATION:
        return record_read(&r->records, read->reservation_id, NULL, &read->record, e);
    case QUESTION_ORDER:
        return read_order(r, read, e);
    case QUESTION_GROUP:
        return read_group(r, read, e);
    default:
        assert(read->kind == QUESTION_ADJUSTMENT);
        return read_adjustment(r, read, e);
    }
}

static void answer_all(struct reader *r, struct mail *mail)
{
    struct error e;
    int rc = r->db ? 0 : connect(r, &e);
    if (rc == 0)
        rc = db_run(r->db, r->begin, "begin a read", &e);
    bool begun = rc == 0;
    while (mail) {
        struct question *read = MAIL_OF(mail, struct question);
        mail = mail->next; /* the engine may have it as soon as it is told */
        read->record = NULL;
        read->code = rc;
        if (rc == 0)
            read->code = answer(r, read, &e);
        if (read->code && read->code != TLY_ENOT_FOUND) {
            if (rc == 0 && read->code != TLY_ENO_MEMORY)
                rc = TLY_EUNAVAILABLE;
            read->code = TLY_EUNAVAILABLE;
        }
        r->ledger->events.answered(r->ledger->events.context, read);
    }
    if (begun && db_run(r->db, r->end, "end a read", &e))
        rc = TLY_EIO;
    if (rc)
        disconnect(r);
}

static void *thread_main(void *context)
{
    struct reader *r = context;
    for (;;) {
        bool stopping = atomic_load(&r->stopping);
        struct mail *mail = mailbox_take(&r->box);
        if (mail) {
            answer_all(r, mail);
            continue;
        }
        if (stopping)
            break;
        wake_prepare(&r->wake);
        if (mailbox_empty(&r->box) && !atomic_load(&r->stopping))
            wake_wait(&r->wake, -1);
        else
            wake_cancel(&r->wake);
    }
    disconnect(r);
    return NULL;
}

int reader_start(struct reader *r, struct ledger_sqlite *ledger, struct error *e)
{
    *r = (struct reader){.ledger = ledger};
    int rc = pthread_create(&r->thread, NULL, thread_main, r);
    if (rc)
        return error_set(e, TLY_ENO_MEMORY, "ledger", "no thread for look-ups: %s", strerror(rc));
    r->running = true;
    return 0;
}

void reader_stop(struct reader *r)
{
    if (!r->running)
        return;
    atomic_store(&r->stopping, true);
    wake_up(&r->wake);
    pthread_join(r->thread, NULL);
    r->running = false;
}

void reader_ask(struct reader *r, struct question *read)
{
    struct mail_chain chain = {0};
    mail_chain_add(&chain, &read->mail);
    mailbox_push(&r->box, &chain);
    wake_up(&r->wake);
}
