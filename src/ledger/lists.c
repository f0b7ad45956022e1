/* Lists of reservations.
 *
 * Happy path: one read transaction on the ledger, in which the index catches up; then candidates
 * from the newest to the oldest, each looked at in the log; one more than a page, so that the last
 * page is known as such. An index that is far behind catches up in several transactions, so that
 * the writer's log can start over meanwhile.
 *
 * A question costs at most LOOKS_MAX: where few of many candidates fit, its page is short or empty
 * and `next` says where to go on.
 *
 * Failure modes: the index is damaged, or of a ledger that is not this one any more: it is made
 * anew, once a question. It cannot be written, or the ledger cannot be read: TLY_EUNAVAILABLE, and
 * both are opened again for the next question.
 */
#include "ledger/lists.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "ledger/db.h"
#include "ledger/ledger_internal.h"

enum { LOOKS_MAX = 20000, LOOKS_OF_RECORD = 4, QUIET_US = 500000 };

/* ---- connections ---- */

static void close_index(struct lists *l)
{
    list_index_close(&l->index);
}

static void disconnect(struct lists *l)
{
    close_index(l);
    list_builder_close(&l->builder);
    record_reader_close(&l->records);
    sqlite3_finalize(l->begin);
    sqlite3_finalize(l->end);
    sqlite3_finalize(l->newest);
    l->begin = l->end = l->newest = NULL;
    db_close(l->db);
    l->db = NULL;
}

static int connect(struct lists *l, struct error *e)
{
    const struct ledger_sqlite *ledger = l->ledger;
    if (l->db)
        return 0;
    int rc = db_open(&l->db, ledger->db_path, ledger->config.vfs, DB_READER, e);
    if (rc == 0)
        rc = record_reader_init(&l->records, l->db, ledger->seed, e);
    if (rc == 0)
        rc = list_builder_init(&l->builder, l->db, ledger->seed, e);
    if (rc == 0)
        rc = db_prepare(l->db, &l->begin, "BEGIN", e);
    if (rc == 0)
        rc = db_prepare(l->db, &l->end, "COMMIT", e);
    if (rc == 0)
        rc = db_prepare(l->db, &l->newest,
                        "SELECT seq FROM move WHERE seq <= ? AND kind IN (3, 15)"
                        " ORDER BY seq DESC LIMIT 1",
                        e);
    if (rc)
        disconnect(l);
    return rc;
}

static int ledger_number(struct lists *l, const char *sql, int64_t *out, struct error *e)
{
    *out = 0;
    int rc = db_get_int(l->db, sql, out, e);
    return rc == TLY_ENOT_FOUND ? 0 : rc;
}

/* An index that has seen a move which is not there followed a ledger that was put back. */
static int check_cursor(struct lists *l, struct error *e)
{
    char sql[96];
    int64_t archived, there;
    int rc = ledger_number(
        l, "SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'archived_newest'", &archived, e);
    if (rc || l->index.cursor <= archived)
        return rc;
    sqlite3_snprintf(sizeof sql, sql, "SELECT count(*) FROM move WHERE seq = %lld",
                     (long long)l->index.cursor);
    rc = ledger_number(l, sql, &there, e);
    if (rc == 0 && !there)
        rc = error_set(e, TLY_ECORRUPT, "lists.db", "it knows moves that are not there");
    return rc;
}

static int open_index(struct lists *l, struct error *e)
{
    const struct ledger_sqlite *ledger = l->ledger;
    if (l->index.db)
        return 0;
    int rc = list_index_open(&l->index, l->path, ledger->config.vfs, ledger->seed, e);
    if (rc == 0)
        rc = check_cursor(l, e);
    if (rc)
        close_index(l);
    l->follows = l->follows || rc == 0;
    return rc;
}

/* ---- following the log ---- */

/* Within a transaction of the ledger's connection. */
static int catch_up_a_bit(struct lists *l, bool *more, struct error *e)
{
    int64_t archived;
    int rc = open_index(l, e);
    if (rc == 0)
        rc = list_build(&l->builder, &l->index, more, e);
    if (rc == 0)
        rc = ledger_number(l, "SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'archived_seq'",
                           &archived, e);
    if (rc == 0)
        rc = list_index_drop(&l->index, archived, e);
    if (rc)
        close_index(l);
    return rc;
}

static int begin(struct lists *l, struct error *e)
{
    int rc = connect(l, e);
    return rc ? rc : db_run(l->db, l->begin, "begin a read", e);
}

/* Ends with a transaction open in which all is indexed. */
static int catch_up(struct lists *l, struct error *e)
{
    bool more = true;
    int rc = 0;
    while (rc == 0 && more) {
        if (atomic_load(&l->stopping))
            return error_set(e, TLY_EUNAVAILABLE, "ledger", "it is being stopped");
        rc = catch_up_a_bit(l, &more, e);
        if (rc == 0 && more) {
            rc = db_run(l->db, l->end, "end a read", e);
            if (rc == 0)
                rc = db_run(l->db, l->begin, "begin a read", e);
        }
    }
    return rc;
}

static int catch_up_anew(struct lists *l, struct error *e)
{
    int rc = catch_up(l, e);
    if (rc != TLY_ECORRUPT)
        return rc;
    list_index_remove(l->path);
    return catch_up(l, e);
}

/* ---- one question ---- */

struct search {
    struct lists *l;
    struct reservation_list *list;
    struct list_key keys[4];
    int key_count;
    uint32_t room;
    int64_t looks;
};

/* A state's list helps where no user narrows it down; of those, an order that is due and not given
 * back yet is in PENDING's. */
static void choose_keys(struct search *s)
{
    const struct reservation_list *list = s->list;
    if (list->user_id.len)
        s->keys[s->key_count++] =
            (struct list_key){LIST_USER, (int64_t)hash64(list->user_id, s->l->ledger->seed)};
    if (list->lot)
        s->keys[s->key_count++] = (struct list_key){LIST_LOT, list->lot};
    if (list->sale)
        s->keys[s->key_count++] = (struct list_key){LIST_SALE, list->sale};
    if (list->state && !list->user_id.len)
        s->keys[s->key_count++] = (struct list_key){LIST_STATE, list->state};
}

static int find_below(struct search *s, int64_t *id, struct error *e)
{
    struct lists *l = s->l;
    if (s->key_count)
        return list_index_find_below(&l->index, s->keys, s->key_count, id, &s->looks, e);
    sqlite3_bind_int64(l->newest, 1, *id);
    int step = sqlite3_step(l->newest);
    *id = step == SQLITE_ROW ? sqlite3_column_int64(l->newest, 0) : 0;
    int rc = step == SQLITE_ROW || step == SQLITE_DONE ? 0 : db_fail(l->db, "read reservations", e);
    sqlite3_reset(l->newest);
    return rc;
}

/* Takes a reservation that fits, or says by *full that there is one more than a page. */
static int look_at(struct search *s, int64_t id, bool *full, struct error *e)
{
    struct reservation_list *list = s->list;
    struct reservation_record *record;
    s->looks -= LOOKS_OF_RECORD;
    int rc = record_read(&s->l->records, id, NULL, &record, e);
    if (rc == TLY_ENOT_FOUND) /* retention took it */
        return 0;
    if (rc)
        return rc;
    *full = record_fits(record, list) && list->count == list->page_size;
    if (!record_fits(record, list) || *full)
        free(record);
    else
        list->records[list->count++] = record;
    return 0;
}

static int search(struct search *s, struct error *e)
{
    struct reservation_list *list = s->list;
    int64_t id = list->before - 1;
    bool full = false;
    while (id > 0 && !full) {
        int rc = s->looks > 0 ? find_below(s, &id, e) : TLY_EOVERLOADED;
        if (rc == TLY_EOVERLOADED) {
            list->next = id + 1;
            return 0;
        }
        if (rc == 0 && id > 0)
            rc = look_at(s, id, &full, e);
        if (rc)
            return rc;
        id--;
    }
    if (full)
        list->next = list->records[list->count - 1]->reservation_id;
    return 0;
}

static void give_up(struct reservation_list *list)
{
    for (uint32_t i = 0; i < list->count; i++)
        free(list->records[i]);
    free(list->records);
    list->records = NULL;
    list->count = 0;
    list->next = 0;
}

static int answer(struct lists *l, struct reservation_list *list, struct error *e)
{
    struct search s = {.l = l, .list = list, .looks = LOOKS_MAX};
    list->records = NULL;
    list->count = 0;
    list->next = 0;
    choose_keys(&s);
    int rc = begin(l, e);
    if (rc == 0 && s.key_count)
        rc = catch_up_anew(l, e);
    if (rc == 0) {
        list->records = malloc((list->page_size ? list->page_size : 1) * sizeof *list->records);
        rc = list->records ? search(&s, e)
                           : error_set(e, TLY_ENO_MEMORY, "ledger", "no memory for a list");
    }
    if (rc) {
        give_up(list);
        disconnect(l);
        return rc;
    }
    if (db_run(l->db, l->end, "end a read", e))
        disconnect(l);
    return 0;
}

/* ---- the thread ---- */

static void answer_all(struct lists *l, struct mail *mail)
{
    struct error e;
    while (mail) {
        struct question *q = MAIL_OF(mail, struct question);
        mail = mail->next; /* the engine may have it as soon as it is told */
        assert(q->kind == QUESTION_LIST && q->list && q->list->page_size > 0);
        q->record = NULL;
        q->code = answer(l, q->list, &e) ? TLY_EUNAVAILABLE : 0;
        l->ledger->events.answered(l->ledger->events.context, q);
    }
}

/* Follows the log while nothing is committed; microseconds to sleep, -1: until somebody asks. */
static int64_t follow(struct lists *l)
{
    struct error e;
    bool more = false;
    int64_t newest = atomic_load(&l->ledger->counters.last_seq);
    bool quiet = newest == l->seen_seq;
    l->seen_seq = newest;
    if (!l->follows)
        return -1;
    if (!quiet || (l->index.db && l->index.cursor >= newest))
        return QUIET_US;
    int rc = begin(l, &e);
    if (rc == 0)
        rc = catch_up_a_bit(l, &more, &e);
    if (rc == 0)
        rc = db_run(l->db, l->end, "end a read", &e);
    if (rc)
        disconnect(l); /* the next question says why */
    return rc == 0 && more ? 0 : QUIET_US;
}

static void *thread_main(void *context)
{
    struct lists *l = context;
    for (;;) {
        bool stopping = atomic_load(&l->stopping);
        struct mail *mail = mailbox_take(&l->box);
        if (mail) {
            answer_all(l, mail);
            continue;
        }
        if (stopping)
            break;
        int64_t sleep_us = follow(l);
        wake_prepare(&l->wake);
        if (sleep_us != 0 && mailbox_empty(&l->box) && !atomic_load(&l->stopping))
            wake_wait(&l->wake, sleep_us);
        else
            wake_cancel(&l->wake);
    }
    disconnect(l);
    return NULL;
}

int lists_start(struct lists *l, struct ledger_sqlite *ledger, struct error *e)
{
    *l = (struct lists){.ledger = ledger};
    size_t size = strlen(ledger->dir) + sizeof "/lists.db";
    l->path = malloc(size);
    if (!l->path)
        return error_set(e, TLY_ENO_MEMORY, "ledger", "no memory for lists");
    sqlite3_snprintf((int)size, l->path, "%s/lists.db", ledger->dir);
    l->follows = access(l->path, F_OK) == 0;
    int rc = pthread_create(&l->thread, NULL, thread_main, l);
    if (rc) {
        free(l->path);
        l->path = NULL;
        return error_set(e, TLY_ENO_MEMORY, "ledger", "no thread for lists: %s", strerror(rc));
    }
    l->running = true;
    return 0;
}

void lists_stop(struct lists *l)
{
    if (!l->running)
        return;
    atomic_store(&l->stopping, true);
    wake_up(&l->wake);
    pthread_join(l->thread, NULL);
    free(l->path);
    l->path = NULL;
    l->running = false;
}

void lists_ask(struct lists *l, struct question *q)
{
    struct mail_chain chain = {0};
    mail_chain_add(&chain, &q->mail);
    mailbox_push(&l->box, &chain);
    wake_up(&l->wake);
}
