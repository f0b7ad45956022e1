/* mysql_questions.c - look-ups outside a load, on a thread and a connection of
 * their own.
 *
 * Happy path: one question after another, each by one round trip or two. A list
 * goes through reservations from the newest to the oldest: what rows tell
 * (user, sale) is compared there, the rest by records, a bounded number of
 * both; where few of many fit, a page is short, or empty, and `next` says where
 * to go on. Failure modes: any error answers TLY_EUNAVAILABLE; a lost
 * connection is opened for the next one.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/mysql_load.h"

enum { SCAN_ROWS = 20000, SCAN_RECORDS = 2000, SCAN_STEP = 250 };

static int ask(struct mydb_reader *r, struct mydb_answer *a, struct error *e)
{
    int rc = r->db.mysql ? 0 : mydb_open(&r->db, &r->ledger->config, e);
    if (rc == 0)
        rc = mydb_ask(&r->db, &r->text, a, e);
    return rc;
}

/* ---- records ---- */

static int take_one(void *context, struct reservation_record *record)
{
    struct reservation_record **out = context;
    free(*out);
    *out = record;
    return 0;
}

static int read_record(struct mydb_reader *r, int64_t id, struct reservation_record **out,
                       struct error *e)
{
    struct mydb_answer a = {0};
    mydb_text_clear(&r->text);
    mydb_put_history(&r->text, &id, 1);
    int rc = ask(r, &a, e);
    if (rc == 0)
        rc =
            mydb_read_history(a.sets[0], a.sets[1], r->ledger->seed, &r->builder, take_one, out, e);
    mydb_answer_free(&a);
    return rc ? rc : *out ? 0 : TLY_ENOT_FOUND;
}

static int read_order(struct mydb_reader *r, struct question *q, struct error *e)
{
    struct mydb_answer a = {0};
    MYSQL_ROW row = NULL;
    mydb_text_clear(&r->text);
    mydb_putf(&r->text, "SELECT seq FROM move WHERE order_id = %s", &q->order_id);
    int rc = ask(r, &a, e);
    int64_t id = rc == 0 && (row = mysql_fetch_row(a.sets[0])) ? mydb_int(row[0]) : 0;
    mydb_answer_free(&a);
    if (rc)
        return rc;
    return id ? read_record(r, id, &q->record, e) : TLY_ENOT_FOUND;
}

static int read_adjustment(struct mydb_reader *r, struct question *q, struct error *e)
{
    struct mydb_answer a = {0};
    MYSQL_ROW row = NULL;
    mydb_text_clear(&r->text);
    mydb_putf(&r->text,
              "SELECT m.seq, m.lot_id, m.quantity FROM adjustment AS a JOIN move AS m ON m.seq = "
              "a.seq WHERE a.adjustment_id = %s",
              &q->order_id);
    int rc = ask(r, &a, e);
    if (rc == 0 && (row = mysql_fetch_row(a.sets[0]))) {
        q->move_seq = mydb_int(row[0]);
        q->adjusted = (struct line){(lot_id)mydb_int(row[1]), mydb_int(row[2])};
    }
    mydb_answer_free(&a);
    return rc ? rc : row ? 0 : TLY_ENOT_FOUND;
}

/* ---- groups ---- */

static int read_group(struct mydb_reader *r, struct question *q, struct error *e)
{
    struct mydb_answer a = {0};
    MYSQL_ROW row;
    q->group = (struct group_record){.group_id = q->reservation_id};
    mydb_text_clear(&r->text);
    mydb_putf(&r->text,
              "SELECT kind, sale, quantity, at_ms, deadline_ms FROM move WHERE group_id = %d AND "
              "kind BETWEEN 18 AND 20 ORDER BY seq",
              q->reservation_id);
    int rc = ask(r, &a, e);
    while (rc == 0 && (row = mysql_fetch_row(a.sets[0])))
        mydb_group_row(row, &q->group);
    mydb_answer_free(&a);
    return rc ? rc : q->group.size ? 0 : TLY_ENOT_FOUND;
}

/* ---- lists ---- */

struct search {
    struct mydb_reader *reader;
    struct reservation_list *list;
    int64_t below;   /* ids that were looked at are not lower */
    int64_t lowest;  /* of the rows that were scanned; 0: there are none below them */
    uint32_t looked; /* at records */
    struct reservation_record *found[SCAN_STEP];
    uint32_t found_count;
};

/* Candidates, newest first, and how far the scan went. */
static int find_candidates(struct search *s, int64_t *ids, uint32_t *count, struct error *e)
{
    struct mydb_text *t = &s->reader->text;
    const struct reservation_list *list = s->list;
    struct mydb_answer a = {0};
    MYSQL_ROW row;
    mydb_text_clear(t);
    for (int i = 0; i < 2; i++) {
        mydb_put(t, i ? "SELECT count(*), min(seq) FROM" : "SELECT seq FROM");
        mydb_putf(t,
                  " (SELECT seq, user_id, sale FROM move WHERE kind IN (3, 15) AND seq < %d ORDER "
                  "BY seq DESC LIMIT %d) AS w",
                  s->below, (int64_t)SCAN_ROWS);
        if (i == 0 && list->user_id.len)
            mydb_putf(t, " WHERE user_id = %s", &list->user_id);
        else if (i == 0)
            mydb_put(t, " WHERE 1 = 1");
        if (i == 0 && list->sale)
            mydb_putf(t, " AND sale = %d", (int64_t)list->sale);
        if (i == 0)
            mydb_putf(t, " ORDER BY seq DESC LIMIT %d", (int64_t)SCAN_STEP);
        mydb_end(t);
    }
    int rc = ask(s->reader, &a, e);
    *count = 0;
    while (rc == 0 && (row = mysql_fetch_row(a.sets[0])))
        ids[(*count)++] = mydb_int(row[0]);
    if (rc == 0 && (row = mysql_fetch_row(a.sets[1])))
        s->lowest = mydb_int(row[0]) < SCAN_ROWS ? 0 : mydb_int(row[1]);
    mydb_answer_free(&a);
    return rc;
}

static int take_found(void *context, struct reservation_record *record)
{
    struct search *s = context;
    assert(s->found_count < SCAN_STEP);
    s->found[s->found_count++] = record;
    return 0;
}

/* True if there is one more than a page. */
static bool fill_page(struct search *s)
{
    struct reservation_list *list = s->list;
    bool full = false;
    while (s->found_count) {
        struct reservation_record *record = s->found[--s->found_count]; /* newest first */
        bool fits = !full && record_fits(record, list);
        full = full || (fits && list->count == list->page_size);
        if (fits && !full)
            list->records[list->count++] = record;
        else
            free(record);
    }
    return full;
}

static int look_at(struct search *s, const int64_t *ids, uint32_t count, bool *full,
                   struct error *e)
{
    struct mydb_reader *r = s->reader;
    struct mydb_answer a = {0};
    mydb_text_clear(&r->text);
    mydb_put_history(&r->text, ids, count);
    int rc = ask(r, &a, e);
    if (rc == 0)
        rc =
            mydb_read_history(a.sets[0], a.sets[1], r->ledger->seed, &r->builder, take_found, s, e);
    mydb_answer_free(&a);
    s->looked += count;
    *full = fill_page(s);
    return rc;
}

static int search(struct search *s, struct error *e)
{
    struct reservation_list *list = s->list;
    int64_t ids[SCAN_STEP];
    uint32_t count;
    bool full = false;
    for (;;) {
        int rc = find_candidates(s, ids, &count, e);
        if (rc == 0 && count)
            rc = look_at(s, ids, count, &full, e);
        if (rc)
            return rc;
        if (full) {
            list->next = list->records[list->count - 1]->reservation_id;
            return 0;
        }
        bool more = count == SCAN_STEP; /* of the rows that were scanned */
        s->below = more ? ids[count - 1] : s->lowest;
        if (!more && s->lowest == 0)
            return 0;
        if (!more || s->looked >= SCAN_RECORDS) {
            list->next = s->below;
            return 0;
        }
    }
}

static int read_list(struct mydb_reader *r, struct reservation_list *list, struct error *e)
{
    struct search *s = calloc(1, sizeof *s);
    list->count = 0;
    list->next = 0;
    list->records = malloc((list->page_size ? list->page_size : 1) * sizeof *list->records);
    if (!s || !list->records) {
        free(s);
        free(list->records);
        list->records = NULL;
        return error_set(e, TLY_ENO_MEMORY, "ledger", "no memory for a list");
    }
    *s = (struct search){.reader = r, .list = list, .below = list->before};
    int rc = search(s, e);
    if (rc) {
        for (uint32_t i = 0; i < list->count; i++)
            free(list->records[i]);
        free(list->records);
        list->records = NULL;
        list->count = 0;
    }
    free(s);
    return rc;
}

/* ---- the thread ---- */

static int answer(struct mydb_reader *r, struct question *q, struct error *e)
{
    switch (q->kind) {
    case QUESTION_RESERVATION:
        return read_record(r, q->reservation_id, &q->record, e);
    case QUESTION_ORDER:
        return read_order(r, q, e);
    case QUESTION_ADJUSTMENT:
        return read_adjustment(r, q, e);
    case QUESTION_GROUP:
        return read_group(r, q, e);
    default:
        assert(q->kind == QUESTION_LIST && q->list);
        return read_list(r, q->list, e);
    }
}

static void answer_all(struct mydb_reader *r, struct mail *mail)
{
    while (mail) {
        struct question *q = MAIL_OF(mail, struct question);
        struct error e = {0};
        mail = mail->next; /* the engine may have it as soon as it is told */
        q->record = NULL;
        bool had = r->db.mysql != NULL;
        q->code = answer(r, q, &e);
        if (q->code && q->code != TLY_ENOT_FOUND && had && !r->db.mysql)
            q->code = answer(r, q, &e); /* the connection had been lost before it was asked */
        if (q->code && q->code != TLY_ENOT_FOUND)
            q->code = TLY_EUNAVAILABLE;
        r->ledger->events.answered(r->ledger->events.context, q);
    }
}

static void *reader_main(void *context)
{
    struct mydb_reader *r = context;
    mysql_thread_init();
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
    mydb_close(&r->db);
    mysql_thread_end();
    return NULL;
}

int mydb_reader_start(struct ledger_mysql *l, struct error *e)
{
    struct mydb_reader *r = &l->reader;
    r->ledger = l;
    int rc = pthread_create(&r->thread, NULL, reader_main, r);
    if (rc)
        return error_set(e, TLY_ENO_MEMORY, "ledger", "no thread for look-ups: %s", strerror(rc));
    r->running = true;
    return 0;
}

void mydb_reader_stop(struct mydb_reader *r)
{
    if (!r->running)
        return;
    atomic_store(&r->stopping, true);
    wake_up(&r->wake);
    pthread_join(r->thread, NULL);
    r->running = false;
}
