/* ledger_rig.c - see ledger_rig.h. */
#include "engine/order_index.h"
#include "fixture.h"

#include "ledger_rig.h"

#include <assert.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/hash.h"

enum { WAIT_SECONDS = PATIENCE_MS / 1000 };

/* ---- lists of moves ---- */

static struct rig_move *push(struct rig_moves *list)
{
    if (list->count == list->room) {
        list->room = list->room ? list->room * 2 : 64;
        list->at = realloc(list->at, list->room * sizeof *list->at);
        assert_non_null(list->at);
    }
    struct rig_move *m = &list->at[list->count++];
    memset(m, 0, sizeof *m);
    return m;
}

static struct str keep(char out[RIG_TEXT_MAX], struct str s)
{
    assert_true(s.len < RIG_TEXT_MAX + 1);
    if (s.len)
        memcpy(out, s.p, s.len);
    return (struct str){out, s.len};
}

/* Points the move at its own copies, which move when the list grows. */
static void repoint(struct rig_move *m)
{
    m->move.order_id.p = m->order_id;
    m->move.user_id.p = m->user_id;
    m->move.detail.p = m->detail;
    m->move.note.p = m->note;
    m->move.lines = m->move.line_count > 1 ? m->lines : NULL;
    if (m->move.kind == MOVE_SALE) {
        m->sale.items = m->items;
        m->move.sale_terms = m->sale.number ? &m->sale : NULL;
        return;
    }
    if (m->move.terms)
        m->move.terms = &m->terms;
    if (m->move.dims) {
        m->dims.key.p = m->key;
        m->move.dims = &m->dims;
    }
}

static void copy_move(struct rig_moves *list, const struct move *m, bool in_stock)
{
    struct rig_move *to = push(list);
    to->move = *m;
    to->in_stock = in_stock;
    keep(to->order_id, m->order_id);
    keep(to->user_id, m->user_id);
    keep(to->detail, m->detail);
    keep(to->note, m->note);
    if (m->line_count > 1)
        memcpy(to->lines, m->lines, m->line_count * sizeof to->lines[0]);
    if (m->kind == MOVE_SALE && m->sale_terms) {
        to->sale = *m->sale_terms;
        memcpy(to->items, m->sale_terms->items, to->sale.item_count * sizeof to->items[0]);
    } else if (m->terms) {
        to->terms = *m->terms;
    }
    if (m->dims) {
        to->dims = *m->dims;
        keep(to->key, m->dims->key);
    }
}

/* ---- callbacks ---- */

static void on_outcome(void *context, struct batch *b)
{
    struct rig *rig = context;
    pthread_mutex_lock(&rig->lock);
    assert_ptr_equal(b, &rig->batch);
    rig->outcomes[rig->outcome_count++] = b->outcome;
    rig->writable = b->writable;
    pthread_cond_broadcast(&rig->changed);
    pthread_mutex_unlock(&rig->lock);
}

static void on_loaded(void *context, struct load *load)
{
    struct rig *rig = context;
    pthread_mutex_lock(&rig->lock);
    assert_ptr_equal(load, &rig->load);
    rig->load_count++;
    pthread_cond_broadcast(&rig->changed);
    pthread_mutex_unlock(&rig->lock);
}

static void on_answered(void *context, struct question *r)
{
    struct rig *rig = context;
    pthread_mutex_lock(&rig->lock);
    rig->answered = r;
    pthread_cond_broadcast(&rig->changed);
    pthread_mutex_unlock(&rig->lock);
}

static void on_segment_stored(void *context, struct order_segment *s, struct order_run *run)
{
    struct rig *rig = context;
    pthread_mutex_lock(&rig->lock);
    if (rig->index)
        order_index_install(rig->index, s, run);
    else
        order_run_free(run);
    if (s)
        rig->segments_stored++;
    else
        rig->runs_merged++;
    pthread_cond_broadcast(&rig->changed);
    pthread_mutex_unlock(&rig->lock);
}

static void on_available(void *context, bool available, const char *why)
{
    struct rig *rig = context;
    pthread_mutex_lock(&rig->lock);
    assert_non_null(why);
    assert_true(available || why[0]);
    rig->available = available;
    rig->unavailable_count += !available;
    pthread_cond_broadcast(&rig->changed);
    pthread_mutex_unlock(&rig->lock);
}

static int on_lot(void *context, lot_id id, const struct lot_dims *dims,
                  const struct lot_terms *terms, const struct stock *snapshot, struct error *e)
{
    struct rig *rig = context;
    struct move create = {.kind = MOVE_CREATE, .line_count = 1, .line = {id, 0}, .dims = dims};
    (void)e;
    assert_int_equal(id, rig->loaded_lots.count + 1);
    rig->loaded_stock[id - 1] = *snapshot;
    rig->loaded_terms[id - 1] = *terms;
    copy_move(&rig->loaded_lots, &create, false);
    return 0;
}

static int on_sale(void *context, const struct sale_terms *terms, int64_t created_seq,
                   struct error *e)
{
    struct rig *rig = context;
    (void)e;
    assert_in_range(rig->loaded_sale_count, 0, RIG_SALES_MAX - 1);
    assert_in_range(terms->item_count, 0, RIG_ITEMS_MAX);
    assert_int_equal(rig->loaded.count, 0);
    struct rig_sale *s = &rig->loaded_sales[rig->loaded_sale_count++];
    *s = (struct rig_sale){.terms = *terms, .created_seq = created_seq};
    s->terms.sale_id = keep(s->sale_id, terms->sale_id);
    s->terms.title = keep(s->title, terms->title);
    s->terms.items = s->items;
    for (int i = 0; i < terms->item_count; i++)
        s->items[i] =
            (struct sale_item){terms->items[i].lot, keep(s->skus[i], terms->items[i].sku)};
    return 0;
}

static int on_order_run(void *context, struct order_run *run)
{
    struct rig *rig = context;
    if (rig->index)
        order_index_install(rig->index, NULL, run);
    else
        order_run_free(run);
    return 0;
}

static int on_move(void *context, const struct move *m, bool in_stock, struct error *e)
{
    struct rig *rig = context;
    (void)e;
    copy_move(&rig->loaded, m, in_stock);
    return 0;
}

/* ---- life ---- */

void rig_new_folder(char out[256])
{
    snprintf(out, 256, "/tmp/tally-ledger-XXXXXX");
    assert_non_null(mkdtemp(out));
}

void rig_remove_folder(const char *dir)
{
    struct dirent *entry;
    char path[1024];
    DIR *d = opendir(dir);
    if (!d)
        return;
    while ((entry = readdir(d))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        if (entry->d_type == DT_DIR)
            rig_remove_folder(path);
        else
            unlink(path);
    }
    closedir(d);
    rmdir(dir);
}

static void forget_loaded(struct rig *rig)
{
    free(rig->loaded.at);
    free(rig->loaded_lots.at);
    rig->loaded = rig->loaded_lots = (struct rig_moves){0};
    rig->loaded_sale_count = 0;
}

static void take_up(struct rig *rig)
{
    rig->lots = (lot_id)rig->loaded_lots.count;
    for (size_t i = 0; i < rig->loaded.count; i++) {
        repoint(&rig->loaded.at[i]);
        if (rig->loaded.at[i].move.seq > rig->seq)
            rig->seq = rig->loaded.at[i].move.seq;
    }
}

int rig_try_open(struct rig *rig, struct error *e)
{
    struct ledger_loader loader = {
        .context = rig, .lot = on_lot, .sale = on_sale, .order_run = on_order_run, .move = on_move};
    struct ledger_events events = {.context = rig,
                                   .outcome = on_outcome,
                                   .loaded = on_loaded,
                                   .answered = on_answered,
                                   .segment_stored = on_segment_stored,
                                   .available = on_available};
    forget_loaded(rig);
    rig->available = true;
    int rc = rig->factory->create(rig, &rig->ledger, e);
    if (rc)
        return rc;
    rig->seed = rig->ledger->ops->hash_seed(rig->ledger);
    rc = rig->ledger->ops->recover(rig->ledger, &loader, e);
    if (rc == 0)
        rc = rig->ledger->ops->start(rig->ledger, &events, e);
    if (rc) {
        rig->ledger->ops->destroy(rig->ledger);
        rig->ledger = NULL;
        return rc;
    }
    if (rig->factory->recover)
        rig->factory->recover(rig, &loader);
    take_up(rig);
    return 0;
}

void rig_open_as_set(struct rig *rig)
{
    struct error e = {0};
    if (!rig->dir[0])
        rig_new_folder(rig->dir);
    if (!rig->now_ms)
        rig->now_ms = INT64_C(1790000000000);
    pthread_mutex_init(&rig->lock, NULL);
    pthread_cond_init(&rig->changed, NULL);
    int rc = rig_try_open(rig, &e);
    if (rc)
        print_error("open: %s: %s\n", e.field, e.text);
    assert_int_equal(rc, 0);
}

void rig_open(struct rig *rig, const struct rig_factory *factory)
{
    *rig = (struct rig){.factory = factory};
    rig_open_as_set(rig);
}

void rig_stop(struct rig *rig)
{
    if (!rig->ledger)
        return;
    rig_release(rig);
    rig->ledger->ops->stop(rig->ledger);
    rig->ledger->ops->destroy(rig->ledger);
    rig->ledger = NULL;
}

void rig_reopen(struct rig *rig)
{
    struct error e = {0};
    rig_stop(rig);
    int rc = rig_try_open(rig, &e);
    if (rc)
        print_error("reopen: %s: %s\n", e.field, e.text);
    assert_int_equal(rc, 0);
}

void rig_close(struct rig *rig)
{
    rig_stop(rig);
    if (rig->factory->heal)
        rig->factory->heal(rig);
    if (rig->factory->forget)
        rig->factory->forget(rig);
    rig_remove_folder(rig->dir);
    forget_loaded(rig);
    free(rig->open.at);
    free(rig->told.at);
    free(rig->flat);
    pthread_mutex_destroy(&rig->lock);
    pthread_cond_destroy(&rig->changed);
}

/* ---- moves ---- */

static struct rig_move *add(struct rig *rig, enum move_kind kind, lot_id lot, int64_t quantity)
{
    if (rig->ledger->traits.shared && !rig->load_held)
        assert_int_equal(rig_load(rig, true), 0);
    struct rig_move *m = push(&rig->open);
    int64_t first = seq_first_of_ms(++rig->now_ms);
    rig->seq = rig->seq >= first ? rig->seq + 1 : first;
    m->move.seq = rig->seq;
    m->move.kind = (uint8_t)kind;
    m->move.at_ms = rig->now_ms;
    m->move.line_count = 1;
    m->move.line = (struct line){lot, quantity};
    return m;
}

void rig_create(struct rig *rig, int64_t quantity)
{
    struct rig_move *m = add(rig, MOVE_CREATE, ++rig->lots, quantity);
    int len = snprintf(m->key, sizeof m->key, "cola#%08x", rig->lots);
    m->dims = (struct lot_dims){.key = {m->key, (uint32_t)len},
                                .sku = STR("cola"),
                                .flavor = STR("lime"),
                                .size = STR("330ml_can"),
                                .batch = STR("BATCH-20261122-A"),
                                .expires_on = rig->lots % 2 ? 20800 : LOT_NEVER_EXPIRES};
    m->move.dims = &m->dims;
}

/* Any number that is not 0 will do; half of them are negative in SQL. */
uint64_t rig_fingerprint(const char *order_id)
{
    return hash64(str_of(order_id), 1) | 1;
}

static int64_t reserve(struct rig *rig, struct rig_move *m, const char *order_id)
{
    m->move.order_id = keep(m->order_id, str_of(order_id));
    m->move.user_id = keep(m->user_id, STR("user-1"));
    m->move.reservation_id = m->move.seq;
    m->move.deadline_ms = m->move.at_ms + 900000;
    m->move.order_hash = hash64(m->move.order_id, rig->seed);
    m->move.fingerprint = rig_fingerprint(order_id);
    return m->move.seq;
}

int64_t rig_reserve(struct rig *rig, lot_id lot, int64_t quantity, const char *order_id)
{
    return reserve(rig, add(rig, MOVE_RESERVE, lot, quantity), order_id);
}

int64_t rig_reserve_lines(struct rig *rig, const struct line *lines, int count,
                          const char *order_id)
{
    struct rig_move *m = add(rig, MOVE_RESERVE, 0, 0);
    m->move.line_count = (uint16_t)count;
    for (int i = 0; i < count; i++) {
        m->lines[i] = lines[i];
        m->move.line.quantity += lines[i].quantity;
    }
    return reserve(rig, m, order_id);
}

struct rig_move *rig_step(struct rig *rig, enum move_kind kind, int64_t reservation, lot_id lot,
                          int64_t quantity)
{
    struct rig_move *m = add(rig, kind, lot, quantity);
    m->move.reservation_id = reservation;
    if (kind == MOVE_REFUND)
        m->move.reason = REASON_EXPIRED;
    if (kind == MOVE_RETURN)
        m->move.reason = REASON_RETURNED;
    if (kind == MOVE_EXTEND)
        m->move.deadline_ms = m->move.at_ms + 3600000;
    if (kind == MOVE_CONFIRM || kind == MOVE_RECLAIM)
        m->move.detail = keep(m->detail, STR("payment-7"));
    return m;
}

int64_t rig_fence(struct rig *rig, const char *order_id)
{
    struct rig_move *m = add(rig, MOVE_FENCE, 0, 0);
    m->move.line_count = 0;
    m->move.reason = REASON_CANCELLED;
    m->move.reservation_id = m->move.seq;
    m->move.order_id = keep(m->order_id, str_of(order_id));
    m->move.order_hash = hash64(m->move.order_id, rig->seed);
    return m->move.seq;
}

void rig_lot_terms(struct rig *rig, lot_id lot, const struct lot_terms *terms)
{
    struct rig_move *m = add(rig, MOVE_LOT_TERMS, lot, 0);
    m->terms = *terms;
    m->move.terms = &m->terms;
}

int64_t rig_sale(struct rig *rig, const struct sale_terms *terms)
{
    struct rig_move *m = add(rig, MOVE_SALE, 0, 0);
    assert_in_range(terms->item_count, 0, RIG_ITEMS_MAX);
    m->move.line_count = 0;
    m->move.sale = terms->number;
    m->sale = *terms;
    memcpy(m->items, terms->items, terms->item_count * sizeof m->items[0]);
    m->move.sale_terms = &m->sale;
    return m->move.seq;
}

int64_t rig_group(struct rig *rig, enum move_kind kind, sale_number sale, int64_t group_id)
{
    struct rig_move *m = add(rig, kind, 0, kind == MOVE_GROUP_OPEN ? 3 : 0);
    m->move.line_count = 0;
    m->move.sale = sale;
    m->move.group_id = group_id ? group_id : m->move.seq;
    if (kind == MOVE_GROUP_OPEN)
        m->move.deadline_ms = m->move.at_ms + 60000;
    return m->move.group_id;
}

void rig_adjust(struct rig *rig, lot_id lot, int64_t delta, const char *adjustment_id,
                const char *note)
{
    struct rig_move *m = add(rig, MOVE_ADJUST, lot, delta);
    m->move.detail = keep(m->detail, str_of(adjustment_id));
    m->move.note = keep(m->note, str_of(note));
}

void rig_submit(struct rig *rig)
{
    rig->flat = realloc(rig->flat, rig->open.count * sizeof *rig->flat);
    assert_non_null(rig->flat);
    for (size_t i = 0; i < rig->open.count; i++) {
        repoint(&rig->open.at[i]);
        rig->flat[i] = rig->open.at[i].move;
    }
    rig->batch = (struct batch){.moves = rig->flat,
                                .move_count = (uint32_t)rig->open.count,
                                .number = rig->batch.number + 1,
                                .oldest_pending = rig->oldest_pending,
                                .load = rig->load_held ? &rig->load : NULL};
    rig->load_held = false;
    rig->outcome_count = 0;
    rig->unavailable_before = rig->unavailable_count;
    rig->ledger->ops->submit(rig->ledger, &rig->batch);
}

static bool wait_for(struct rig *rig, bool (*reached)(const struct rig *, int64_t), int64_t what)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_SECONDS;
    pthread_mutex_lock(&rig->lock);
    int rc = 0;
    while (!reached(rig, what) && rc == 0)
        rc = pthread_cond_timedwait(&rig->changed, &rig->lock, &until);
    bool is = reached(rig, what);
    pthread_mutex_unlock(&rig->lock);
    return is;
}

static bool has_outcomes(const struct rig *rig, int64_t number)
{
    return rig->outcome_count > number;
}

static bool has_availability(const struct rig *rig, int64_t available)
{
    return rig->available == (available != 0);
}

static bool has_become_unavailable(const struct rig *rig, int64_t before)
{
    return rig->unavailable_count > before;
}

static bool has_read(const struct rig *rig, int64_t unused)
{
    (void)unused;
    return rig->answered != NULL;
}

enum ledger_outcome rig_outcome(struct rig *rig, int number)
{
    assert_true(wait_for(rig, has_outcomes, number));
    return rig->outcomes[number];
}

bool rig_wait_available(struct rig *rig, bool available)
{
    return wait_for(rig, has_availability, available);
}

void rig_settle(struct rig *rig)
{
    enum ledger_outcome last = rig->outcomes[rig->outcome_count - 1];
    assert_int_not_equal(last, LEDGER_UNKNOWN);
    for (size_t i = 0; i < rig->open.count; i++) {
        if (last == LEDGER_COMMITTED)
            copy_move(&rig->told, &rig->open.at[i].move, false);
        else if (rig->open.at[i].move.kind == MOVE_CREATE)
            rig->lots--;
    }
    for (size_t i = 0; i < rig->told.count; i++)
        repoint(&rig->told.at[i]);
    rig->open.count = 0;
}

enum ledger_outcome rig_commit(struct rig *rig)
{
    rig_submit(rig);
    enum ledger_outcome outcome = rig_outcome(rig, 0);
    bool goes_on = outcome == LEDGER_COMMITTED || outcome == LEDGER_STALE ||
                   (outcome == LEDGER_REJECTED && rig->writable);
    if (!goes_on)
        assert_true(wait_for(rig, has_become_unavailable, rig->unavailable_before));
    if (outcome != LEDGER_UNKNOWN)
        rig_settle(rig);
    return outcome;
}

void rig_commit_refused(struct rig *rig)
{
    enum ledger_outcome outcome = rig_commit(rig);
    assert_true(outcome == LEDGER_REJECTED ||
                (rig->ledger->traits.shared && outcome == LEDGER_STALE));
}

/* ---- loads ---- */

static bool has_loads(const struct rig *rig, int64_t number)
{
    return rig->load_count > number;
}

int rig_load_count(struct rig *rig)
{
    pthread_mutex_lock(&rig->lock);
    int count = rig->load_count;
    pthread_mutex_unlock(&rig->lock);
    return count;
}

int rig_load(struct rig *rig, bool writes)
{
    int before = rig_load_count(rig);
    rig->load_key = (struct load_key){.kind = LOAD_LOTS, .limit = RIG_LOTS_MAX};
    rig->load = (struct load){.keys = &rig->load_key,
                              .key_count = 1,
                              .writes = writes,
                              .attempt = 1,
                              .now_ms = rig->now_ms};
    rig->ledger->ops->load(rig->ledger, &rig->load);
    assert_true(wait_for(rig, has_loads, before));
    rig->load_held = rig->load.code == 0;
    if (rig->load.code == 0 && rig->load.seq_floor > rig->seq)
        rig->seq = rig->load.seq_floor;
    return rig->load.code;
}

void rig_release(struct rig *rig)
{
    if (rig->load_held)
        rig->ledger->ops->release(rig->ledger, &rig->load);
    rig->load_held = false;
}

void rig_load_lots(struct rig *rig, const struct ledger_loader *loader)
{
    struct error e;
    assert_int_equal(rig_load(rig, false), 0);
    for (uint32_t i = 0; i < rig->load.lot_count; i++) {
        const struct loaded_lot *lot = &rig->load.lots[i];
        assert_int_equal(
            loader->lot(loader->context, lot->id, &lot->dims, &lot->terms, &lot->stock, &e), 0);
    }
    rig_release(rig);
}

/* ---- reads ---- */

int rig_read(struct rig *rig, struct question *read)
{
    rig->answered = NULL;
    rig->ledger->ops->ask(rig->ledger, read);
    assert_true(wait_for(rig, has_read, 0));
    assert_ptr_equal(rig->answered, read);
    return read->code;
}

int rig_read_reservation(struct rig *rig, int64_t id, struct reservation_record **out)
{
    struct question read = {.kind = QUESTION_RESERVATION, .reservation_id = id};
    int rc = rig_read(rig, &read);
    *out = read.record;
    return rc;
}

int rig_read_order(struct rig *rig, const char *order_id, struct reservation_record **out)
{
    struct question read = {.kind = QUESTION_ORDER, .order_id = str_of(order_id)};
    read.order_hash = hash64(read.order_id, rig->seed);
    int rc = rig_read(rig, &read);
    *out = read.record;
    return rc;
}

int rig_list(struct rig *rig, struct reservation_list *list)
{
    struct question q = {.kind = QUESTION_LIST, .list = list};
    return rig_read(rig, &q);
}

void rig_list_free(struct reservation_list *list)
{
    for (uint32_t i = 0; i < list->count; i++)
        free(list->records[i]);
    free(list->records);
    list->records = NULL;
    list->count = 0;
}

const char *rig_listed(struct rig *rig, struct reservation_list *list)
{
    static char text[1024];
    size_t used = 0;
    text[0] = 0;
    assert_int_equal(rig_list(rig, list), 0);
    for (uint32_t i = 0; i < list->count; i++) {
        struct str id = list->records[i]->order_id;
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%.*s", i ? " " : "",
                                 (int)id.len, id.p);
        assert_true(i == 0 ||
                    list->records[i]->reservation_id < list->records[i - 1]->reservation_id);
    }
    rig_list_free(list);
    return text;
}
