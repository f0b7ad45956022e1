/* import.c - one import at a time, one part of it with the engine.
 *
 * Happy path: check, part by part; then WHOLE, as one command; or, for more rows than IMPORT_CHUNK,
 * it is decided, then DOWN, then UP, row by row (import_apply.c).
 *
 * Failures: a fault of a row, or a server that cannot write, before anything was applied: nothing
 * was done. A row of DOWN that is refused (its units were sold since they were checked): BACK gives
 * all rows before it their units again. What passes is tried again; so is whatever fails of an
 * import that is decided.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "intake/import_internal.h"

enum { TEXTS_MAX = 4 << 20, CHUNK_TEXT_MAX = 64 << 20, PAUSE_MS = 100 };

/* ---- life ---- */

struct stock_import *import_new(struct imports *all)
{
    struct stock_import *i = calloc(1, sizeof *i);
    if (!i)
        return NULL;
    i->all = all;
    i->fd = -1;
    atomic_init(&i->references, 1);
    arena_init(&i->texts, NULL, 0, TEXTS_MAX);
    arena_init(&i->chunk, NULL, 0, CHUNK_TEXT_MAX);
    pthread_mutex_lock(&all->lock);
    all->count++;
    pthread_mutex_unlock(&all->lock);
    return i;
}

static void free_work(struct stock_import *i)
{
    stock_file_close(i->file);
    i->file = NULL;
    free(i->actions);
    free(i->deltas);
    free(i->lines);
    free(i->items);
    free(i->numbers);
    free(i->item_lines);
    free(i->jobs);
    i->actions = NULL;
    i->deltas = NULL;
    i->lines = NULL;
    i->items = NULL;
    i->numbers = i->item_lines = NULL;
    i->jobs = NULL;
    arena_close(&i->texts);
    arena_close(&i->chunk);
    if (i->named && !i->decided)
        journal_end(i);
    if (i->fd >= 0)
        close(i->fd);
    i->fd = -1;
}

void import_put(struct imports *all, struct stock_import *i)
{
    if (atomic_fetch_sub(&i->references, 1) != 1)
        return;
    free_work(i);
    free(i->result);
    free(i);
    pthread_mutex_lock(&all->lock);
    all->count--;
    pthread_mutex_unlock(&all->lock);
}

int stock_import_create(struct stock_import **out, struct imports *all,
                        const struct stock_import_options *options, struct error *e)
{
    uint64_t id;
    pthread_mutex_lock(&all->lock);
    bool full = all->count >= IMPORTS_MAX;
    pthread_mutex_unlock(&all->lock);
    if (full)
        return error_set(e, TLY_EOVERLOADED, "", "%d imports are under way, the most there may be",
                         IMPORTS_MAX);
    if (random_bytes(&id, sizeof id))
        return error_set(e, TLY_EIO, "", "the system gives no random numbers");
    struct stock_import *i = import_new(all);
    if (!i)
        return error_set(e, TLY_ENO_MEMORY, "", "out of memory");
    snprintf(i->id, sizeof i->id, "%016" PRIx64, id);
    i->options = *options;
    i->fd = openat(all->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0640);
    if (i->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT))
        journal_name(i); /* not every file system has files without a name */
    if (i->fd < 0) {
        int code = error_set(e, TLY_EIO, "", "cannot make a file: %s", strerror(errno));
        import_put(all, i);
        return code;
    }
    *out = i;
    return 0;
}

int stock_import_write(struct stock_import *i, const void *data, size_t size, struct error *e)
{
    const char *p = data;
    while (size > 0) {
        long n = write(i->fd, p, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return error_set(e, TLY_EIO, "", "cannot keep the file: %s", strerror(errno));
        p += n;
        size -= (size_t)n;
        i->bytes += (uint64_t)n;
    }
    return 0;
}

void stock_import_submit(struct stock_import *i)
{
    struct imports *all = i->all;
    atomic_fetch_add(&i->references, 1);
    atomic_store(&i->state, STOCK_IMPORT_WAITING);
    pthread_mutex_lock(&all->lock);
    struct stock_import **last = &all->first;
    while (*last)
        last = &(*last)->next;
    *last = i;
    pthread_mutex_unlock(&all->lock);
    all->host.wake(all->host.context);
}

void stock_import_look(const struct stock_import *i, struct stock_import_look *out)
{
    *out = (struct stock_import_look){
        .state = (enum stock_import_state)atomic_load_explicit(&i->state, memory_order_acquire),
        .rows = atomic_load_explicit(&i->rows, memory_order_relaxed)};
    if (out->state != STOCK_IMPORT_DONE)
        return;
    out->status = i->status;
    out->result = (struct str){i->result, (uint32_t)i->result_len};
}

void stock_import_release(struct stock_import *i)
{
    atomic_store(&i->unwanted, true);
    import_put(i->all, i);
}

/* ---- the end of one ---- */

static void end(struct imports *all, struct stock_import *i, int code, const char *detail)
{
    i->status = code ? error_http(error_public(code)) : 200;
    i->result = import_report(i, error_public(code), detail, &i->result_len);
    if (!i->result) {
        i->status = 500;
        i->result_len = 0;
    }
    journal_end(i);
    all->host.ended(all->host.context, str_of(i->id), i->status);
    free_work(i);
    all->current = NULL;
    atomic_store_explicit(&i->state, STOCK_IMPORT_DONE, memory_order_release);
    import_put(all, i);
}

/* In the order of the file, whatever found them. */
static int compare_problems(const void *a, const void *b)
{
    const struct import_problem *x = a, *y = b;
    return (x->line > y->line) - (x->line < y->line);
}

static void end_bad(struct imports *all, struct stock_import *i)
{
    char text[120];
    qsort(i->problems, i->problem_count, sizeof i->problems[0], compare_problems);
    if (i->file && stock_file_header_bad(i->file))
        snprintf(text, sizeof text, "the header is at fault; nothing was changed");
    else
        snprintf(text, sizeof text, "%u of %u rows are at fault; nothing was changed", i->bad,
                 i->checked);
    end(all, i, TLY_EINVALID_ARGUMENT, text);
}

/* ---- stages ---- */

static int make_items(struct stock_import *i, uint32_t items)
{
    if (i->items && i->item_max >= items) {
        i->item_max = items;
        return 0;
    }
    free(i->items);
    free(i->numbers);
    free(i->item_lines);
    i->items = calloc(items, sizeof *i->items);
    i->numbers = calloc(items, sizeof *i->numbers);
    i->item_lines = calloc(items, sizeof *i->item_lines);
    i->item_max = items;
    return i->items && i->numbers && i->item_lines ? 0 : TLY_ENO_MEMORY;
}

static int make_jobs(struct stock_import *i)
{
    if (!i->jobs)
        i->jobs = calloc(IMPORT_JOBS, sizeof *i->jobs);
    i->item_max = IMPORT_JOBS;
    return i->jobs ? 0 : TLY_ENO_MEMORY;
}

static int enter(struct stock_import *i, enum import_stage stage, struct error *e)
{
    i->stage = stage;
    i->item_count = 0;
    int code = APPLIES_ROWS(i)        ? make_jobs(i)
               : stage == STAGE_WHOLE ? make_items(i, IMPORT_CHUNK)
                                      : make_items(i, IMPORT_PART);
    return code ? error_set(e, code, "", "out of memory") : import_open(i, e);
}

/* Something of ours failed. What is decided is not given up for that. */
static void fail(struct imports *all, struct stock_import *i, int code, const char *why)
{
    if (!i->decided) {
        end(all, i, code, why);
        return;
    }
    i->stalled = true;
    i->again_ms = -1;
}

static void submit(struct imports *all, struct stock_import *i)
{
    struct command *c = &i->command;
    if (APPLIES_ROWS(i)) {
        import_submit_jobs(i);
        return;
    }
    memset(c, 0, sizeof *c);
    c->kind = COMMAND_SET_STOCK;
    c->text = i->text;
    c->text_size = sizeof i->text;
    c->set.items = i->items;
    c->set.count = i->item_count;
    c->set.creates_before = i->stage == STAGE_CHECK ? i->counts[SET_CREATE] : 0;
    c->set.mode = i->options.mode;
    c->set.check_only = i->stage == STAGE_CHECK;
    c->set.existing_only = i->options.existing_only;
    c->set.reason = STR("import");
    i->at_engine++;
    all->host.submit(all->host.context, c);
}

/* All rows are checked. */
static void decide(struct imports *all, struct stock_import *i)
{
    struct error e = {0};
    i->checked = i->row_number;
    import_find_twice(i);
    if (i->bad) {
        end_bad(all, i);
        return;
    }
    if (i->options.dry_run || all->draining) {
        end(all, i, i->options.dry_run ? 0 : TLY_EOVERLOADED,
            "the server is stopping; nothing was changed");
        return;
    }
    atomic_store(&i->state, STOCK_IMPORT_APPLYING);
    i->stage = i->checked <= IMPORT_CHUNK ? STAGE_WHOLE : STAGE_DOWN;
    int code = APPLIES_ROWS(i) ? journal_decide(i, &e) : 0;
    if (!code)
        code = enter(i, i->stage, &e);
    if (code)
        fail(all, i, code, e.text);
}

static void next_stage(struct imports *all, struct stock_import *i)
{
    struct error e = {0};
    if (i->stage == STAGE_CHECK) {
        decide(all, i);
    } else if (i->stage == STAGE_DOWN) {
        i->done = 0;
        if (enter(i, STAGE_UP, &e))
            fail(all, i, e.code, e.text);
        else if (journal_progress(i))
            return; /* a kill would have DOWN asked for once more, and that does no harm */
    } else if (i->stage == STAGE_BACK) {
        end_bad(all, i);
    } else {
        end(all, i, 0, "");
    }
}

/* Its jobs are settled. */
static void end_part(struct stock_import *i)
{
    i->item_count = 0;
    i->done = i->row_number;
    if (i->refused)
        i->asked = i->row_number;
    else if (i->done - i->noted >= IMPORT_CHUNK && journal_progress(i))
        return; /* a kill would have more asked for once more, and that does no harm */
}

static void turn_back(struct imports *all, struct stock_import *i)
{
    struct error e = {0};
    int code = import_turn_back(i, &e);
    if (!code)
        code = enter(i, STAGE_BACK, &e);
    if (code)
        fail(all, i, code, e.text);
}

/* One step: a part goes to the engine, or the stage ends. False: wait. */
static bool step(struct imports *all, struct stock_import *i)
{
    struct error e = {0};
    if (i->at_engine > 0)
        return false;
    if (APPLIES_ROWS(i) && i->item_count > 0)
        end_part(i);
    if (i->refused) {
        turn_back(all, i);
        return true;
    }
    if (i->ended) {
        next_stage(all, i);
        return true;
    }
    int code = import_fill(i, &e);
    if (code) {
        i->item_count = 0;
        fail(all, i, code, e.text);
        return true;
    }
    if (i->item_count > 0)
        submit(all, i);
    return i->item_count == 0;
}

static void begin(struct imports *all)
{
    struct error e = {0};
    pthread_mutex_lock(&all->lock);
    struct stock_import *i = all->first;
    if (i)
        all->first = i->next;
    pthread_mutex_unlock(&all->lock);
    if (!i)
        return;
    all->current = i;
    i->next = NULL;
    if (atomic_load(&i->unwanted) && !i->decided) {
        end(all, i, TLY_ECLOSED, "the client has gone");
        return;
    }
    atomic_store(&i->state, i->decided ? STOCK_IMPORT_APPLYING : STOCK_IMPORT_CHECKING);
    int code = enter(i, i->stage, &e); /* CHECK, or as it stands in the folder */
    i->bad += code == TLY_EINVALID_ARGUMENT;
    if (code)
        fail(all, i, code, e.text);
}

/* ---- answers ---- */

static void take_checked(struct stock_import *i)
{
    for (uint32_t k = 0; k < i->item_count; k++) {
        const struct set_item *item = &i->items[k];
        i->actions[i->numbers[k]] = item->action;
        i->deltas[i->numbers[k]] = (int32_t)item->delta;
        if (item->fault)
            import_item_fault(i, k);
        else
            i->counts[item->action]++;
    }
}

static void take_applied(struct stock_import *i)
{
    for (uint32_t k = 0; k < i->item_count; k++) {
        const struct set_item *item = &i->items[k];
        i->created += item->action == SET_CREATE;
        i->changed += item->action == SET_RAISE || item->action == SET_LOWER;
    }
}

/* Units were sold, or lots made, since the rows were checked. */
static void refused(struct imports *all, struct stock_import *i)
{
    for (uint32_t k = 0; k < i->item_count; k++) {
        if (i->items[k].fault)
            import_item_fault(i, k);
    }
    end_bad(all, i);
}

/* WHOLE, whose outcome is not known, is asked for once more. What it made of the lots is what it
 * shall make of them then, whoever has taken units of them since. */
static void ask_again(struct stock_import *i)
{
    bool fix = i->stage == STAGE_WHOLE && i->options.mode == SET_AVAILABLE;
    for (uint32_t k = 0; fix && k < i->item_count; k++) {
        struct set_item *item = &i->items[k];
        item->counts = item->counts && (item->quantity || item->action != SET_SAME);
        item->quantity += item->held;
    }
    if (fix)
        i->options.mode = SET_ON_HAND;
    i->unsure = true;
    i->again_ms = -1;
}

void imports_complete(struct imports *all, struct command *c)
{
    struct stock_import *i = all->current;
    int code = error_public(c->code);
    if (import_job_complete(i, c))
        return;
    i->at_engine--;
    bool passes = code == TLY_EOVERLOADED || code == TLY_EUNAVAILABLE;
    if (code == TLY_EOUTCOME_UNKNOWN || (passes && i->unsure)) {
        ask_again(i);
    } else if (i->stage == STAGE_CHECK && (code == 0 || c->set.faults)) {
        take_checked(i);
    } else if (code == 0) {
        take_applied(i);
    } else if (c->set.faults) {
        refused(all, i);
    } else {
        end(all, i, code, *i->text ? i->text : error_text(code));
    }
}

/* ---- the intake's turn ---- */

/* After a pause: the stage is opened anew, or what was not done is asked for again. */
static void go_on(struct imports *all, struct stock_import *i)
{
    struct error e = {0};
    i->again_ms = 0;
    if (!i->stalled) {
        submit(all, i);
        return;
    }
    i->stalled = false;
    if (enter(i, i->stage, &e))
        fail(all, i, e.code, e.text);
}

int imports_turn(struct imports *all, int64_t now_ms)
{
    for (;;) {
        struct stock_import *i = all->current;
        if (!i) {
            if (!all->draining)
                begin(all);
            if (!all->current)
                return -1;
            continue;
        }
        if (all->draining && i->decided && !i->at_engine)
            return -1; /* goes on at the next start */
        if (i->again_ms < 0)
            i->again_ms = now_ms + PAUSE_MS;
        if (i->again_ms > now_ms)
            return (int)(i->again_ms - now_ms);
        if (i->again_ms)
            go_on(all, i);
        else if (!step(all, i))
            return -1;
    }
}

void imports_drain(struct imports *all)
{
    all->draining = true;
}

bool imports_idle(const struct imports *all)
{
    return !all->current || all->current->at_engine == 0;
}

bool imports_own(const struct imports *all, const struct command *c)
{
    const struct stock_import *i = all->current;
    return i && (c == &i->command || import_has_job(i, c));
}

int imports_create(struct imports **out, const char *dir, const struct imports_host *host,
                   struct error *e)
{
    struct imports *all = calloc(1, sizeof *all);
    if (!all)
        return error_set(e, TLY_ENO_MEMORY, "", "out of memory");
    all->host = *host;
    pthread_mutex_init(&all->lock, NULL);
    all->dir = -1;
    if (mkdir(dir, 0750) == 0 || errno == EEXIST)
        all->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int code = all->dir < 0 ? error_set(e, TLY_EIO, "", "%.180s: %s", dir, strerror(errno)) : 0;
    if (!code)
        code = journal_resume(all, e);
    if (code) {
        imports_destroy(all);
        return code;
    }
    *out = all;
    return 0;
}

void imports_destroy(struct imports *all)
{
    if (!all)
        return;
    if (all->current)
        import_put(all, all->current);
    while (all->first) {
        struct stock_import *i = all->first;
        all->first = i->next;
        import_put(all, i);
    }
    if (all->dir >= 0)
        close(all->dir);
    pthread_mutex_destroy(&all->lock);
    free(all);
}
