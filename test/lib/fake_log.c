#include "fake_log.h"

#include <stdio.h>
#include <string.h>

static struct fake_log *self(struct ledger *l)
{
    return (struct fake_log *)l;
}

static int on_read_log(struct ledger *l, int64_t after, uint32_t max, ledger_move_fn *fn,
                       void *context, struct error *e)
{
    struct fake_log *f = self(l);
    int handed = 0;
    pthread_mutex_lock(&f->lock);
    int code = f->read_fails;
    f->reads++;
    for (uint32_t i = 0; code == 0 && i < f->count && (uint32_t)handed < max; i++) {
        if (f->moves[i].seq <= after)
            continue;
        handed++;
        if (fn(context, &f->moves[i]))
            break;
    }
    pthread_mutex_unlock(&f->lock);
    return code ? error_set(e, code, "log", "the test says so") : handed;
}

static int64_t on_log_end(struct ledger *l)
{
    struct fake_log *f = self(l);
    pthread_mutex_lock(&f->lock);
    int64_t end = f->committed ? f->moves[f->committed - 1].seq : 0;
    pthread_mutex_unlock(&f->lock);
    return end;
}

static int on_log_start(struct ledger *l, int64_t *seq, struct error *e)
{
    struct fake_log *f = self(l);
    (void)e;
    pthread_mutex_lock(&f->lock);
    *seq = f->start;
    pthread_mutex_unlock(&f->lock);
    return 0;
}

static int on_cursor_get(struct ledger *l, const char *reader, int64_t *seq, struct error *e)
{
    struct fake_log *f = self(l);
    int code = TLY_ENOT_FOUND;
    pthread_mutex_lock(&f->lock);
    for (uint32_t i = 0; i < f->cursor_count; i++) {
        if (strcmp(f->cursors[i].reader, reader) != 0 || f->cursors[i].seq < 0)
            continue;
        *seq = f->cursors[i].seq;
        code = 0;
    }
    pthread_mutex_unlock(&f->lock);
    return code ? error_set(e, code, "log", "no cursor") : 0;
}

static int on_cursor_set(struct ledger *l, const char *reader, int64_t seq, struct error *e)
{
    struct fake_log *f = self(l);
    uint32_t i = 0;
    (void)e;
    pthread_mutex_lock(&f->lock);
    while (f->stuck)
        pthread_cond_wait(&f->loose, &f->lock);
    while (i < f->cursor_count && strcmp(f->cursors[i].reader, reader) != 0)
        i++;
    if (i == f->cursor_count)
        snprintf(f->cursors[f->cursor_count++].reader, sizeof f->cursors[0].reader, "%s", reader);
    f->cursors[i].seq = seq;
    pthread_mutex_unlock(&f->lock);
    return 0;
}

static const struct ledger_ops ops = {
    .read_log = on_read_log,
    .log_end = on_log_end,
    .log_start = on_log_start,
    .cursor_get = on_cursor_get,
    .cursor_set = on_cursor_set,
};

void fake_log_init(struct fake_log *f)
{
    memset(f, 0, sizeof *f);
    f->port.ops = &ops;
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->loose, NULL);
    for (uint32_t i = 0; i < FAKE_LOG_LOTS; i++) {
        snprintf(f->keys[i], sizeof f->keys[i], "lot#%u", i + 1);
        f->dims[i].key = str_of(f->keys[i]);
    }
}

void fake_log_close(struct fake_log *f)
{
    pthread_cond_destroy(&f->loose);
    pthread_mutex_destroy(&f->lock);
}

static int64_t add(struct fake_log *f, lot_id lot, bool committed)
{
    pthread_mutex_lock(&f->lock);
    uint32_t i = f->count++;
    int64_t seq = 10 * (int64_t)(i + 1);
    snprintf(f->orders[i], sizeof f->orders[i], "o%d", (int)seq);
    f->moves[i] = (struct move){.seq = seq,
                                .reservation_id = seq,
                                .at_ms = 1764000000000 + seq,
                                .kind = MOVE_RESERVE,
                                .line_count = 1,
                                .line = {lot, 1},
                                .order_id = str_of(f->orders[i])};
    if (committed)
        f->committed = f->count;
    pthread_mutex_unlock(&f->lock);
    return seq;
}

int64_t fake_log_add(struct fake_log *f, lot_id lot)
{
    return add(f, lot, true);
}

int64_t fake_log_add_later(struct fake_log *f, lot_id lot)
{
    return add(f, lot, false);
}

void fake_log_commit(struct fake_log *f)
{
    pthread_mutex_lock(&f->lock);
    f->committed = f->count;
    pthread_mutex_unlock(&f->lock);
}

void fake_log_take(struct fake_log *f, int64_t seq)
{
    uint32_t gone = 0;
    pthread_mutex_lock(&f->lock);
    while (gone < f->count && f->moves[gone].seq <= seq)
        gone++;
    memmove(f->moves, f->moves + gone, (f->count - gone) * sizeof f->moves[0]);
    f->count -= gone;
    f->committed -= gone;
    f->start = seq;
    pthread_mutex_unlock(&f->lock);
}

void fake_log_fail(struct fake_log *f, int code)
{
    pthread_mutex_lock(&f->lock);
    f->read_fails = code;
    pthread_mutex_unlock(&f->lock);
}

void fake_log_stick(struct fake_log *f, bool stuck)
{
    pthread_mutex_lock(&f->lock);
    f->stuck = stuck;
    pthread_cond_broadcast(&f->loose);
    pthread_mutex_unlock(&f->lock);
}

int fake_log_reads(struct fake_log *f)
{
    pthread_mutex_lock(&f->lock);
    int reads = f->reads;
    pthread_mutex_unlock(&f->lock);
    return reads;
}

const struct lot_dims *fake_log_dims(void *context, lot_id id)
{
    struct fake_log *f = context;
    return id >= 1 && id <= FAKE_LOG_LOTS ? &f->dims[id - 1] : NULL;
}
