/* webhook.c - the webhook's thread.
 *
 * Happy path, a turn: read the log up to the window's room; begin what may be sent; go on with what
 * is under way; settle what has finished; store the cursor now and then. It sleeps in poll() until
 * the receiver answers, something is due, or a commit wakes it.
 *
 * Failure: of a delivery: tried again after a pause, and at last put on the list (webhook_list.c),
 * durably, before the cursor passes it. 410 (Gone) is not tried again. Of the list's file, or a
 * list that is full: the delivery goes on being tried. Of the ledger: the cursor stays, and events
 * since are delivered once more by the next process.
 */
#include "bus/webhook.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/hash.h"
#include "bus/webhook_internal.h"

enum {
    READ_MAX = 128,    /* moves in one read of the log */
    CURSOR_MS = 500,   /* between two times that it is stored */
    TROUBLE_MS = 1000, /* until the ledger is asked again */
    IDLE_MS = 60000,
    SHARED_LOOK_MS = 50, /* other nodes' commits wake nobody here */
    GRACE_MS = 2000,     /* for deliveries under way, at a stop */
    EVENT_BYTES_MAX = 1 << 20,
    STATUS_GONE = 410,
};

#define NS_PER_MS UINT64_C(1000000)

static void count(_Atomic int64_t *counter, int64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static int64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void tell(struct webhook *w, const char *event, int64_t id, const char *text)
{
    if (w->config.tell)
        w->config.tell(w->config.context, event, id, text);
}

/* ---- reading ---- */

struct reading {
    struct webhook *w;
    int64_t end;
    int failed;
};

static char *body_of(struct webhook *w, const struct move *m, uint32_t *size)
{
    char buffer[2048];
    struct arena a;
    struct writer text;
    struct str json;
    char *body = NULL;
    arena_init(&a, buffer, sizeof buffer, EVENT_BYTES_MAX);
    writer_init(&text, &a, 1024);
    event_put_json(&text, m, &w->namer);
    if (writer_result(&text, &json) == 0 && (body = malloc(json.len + 1))) {
        memcpy(body, json.p, json.len);
        body[json.len] = 0;
        *size = json.len;
    }
    arena_close(&a);
    return body;
}

static int add_move(void *context, const struct move *m)
{
    struct reading *r = context;
    struct webhook *w = r->w;
    uint32_t size;
    if (m->seq > r->end)
        return 1; /* not known to be committed yet */
    char *body = body_of(w, m, &size);
    if (!body) {
        r->failed = TLY_ENO_MEMORY;
        return 1;
    }
    struct delivery *d = webhook_window_add(&w->window, m, body, size);
    snprintf(d->type, sizeof d->type, "%s", event_type((enum move_kind)m->kind));
    return webhook_window_room(&w->window) == 0;
}

static void pass_over(struct webhook *w, int64_t end)
{
    w->window.read_upto = end;
    if (w->window.count == 0)
        w->window.cursor = end;
}

static void read_log(struct webhook *w, uint64_t now_ns)
{
    struct ledger *l = w->config.ledger;
    struct error e = {0};
    struct reading r = {.w = w, .end = l->ops->log_end(l)};
    w->caught_up = r.end <= w->window.read_upto;
    if (w->caught_up || now_ns < w->read_due_ns || webhook_window_room(&w->window) == 0)
        return;
    int got = l->ops->read_log(l, w->window.read_upto, READ_MAX, add_move, &r, &e);
    if (got < 0 || r.failed) {
        tell(w, "webhook.log_unreadable", w->window.read_upto, got < 0 ? e.text : "out of memory");
        w->read_due_ns = now_ns + TROUBLE_MS * NS_PER_MS;
    } else if (got < READ_MAX && webhook_window_room(&w->window)) {
        pass_over(w, r.end);
        w->caught_up = true;
    }
}

/* ---- sending ---- */

/* True if one was begun. */
static bool begin_one(struct webhook *w, uint64_t now_ns, uint64_t *due_ns)
{
    struct delivery *d =
        poster_has_room(&w->poster) ? webhook_window_next(&w->window, now_ns, due_ns) : NULL;
    if (!d)
        return false;
    if (poster_send(&w->poster, d->id, wall_ms() / 1000, (struct str){d->body, d->size}, d)) {
        webhook_window_again(d, now_ns + TROUBLE_MS * NS_PER_MS);
        d->attempts--;
    }
    return true;
}

static struct again *free_again(struct webhook *w, int64_t *after)
{
    struct again *unused = NULL;
    for (size_t i = 0; i < WEBHOOK_AGAIN_MAX; i++) {
        if (!w->again[i].body)
            unused = &w->again[i];
        else if (w->again[i].id > *after)
            *after = w->again[i].id;
    }
    return unused;
}

/* One of the list, oldest first. Those behind the newest under way are all that are left: who is
 * marked again meanwhile has his turn when these are back. */
static bool begin_again(struct webhook *w, uint64_t now_ns)
{
    struct webhook_failure f;
    struct error e;
    int64_t after = 0;
    struct again *a = free_again(w, &after);
    uint32_t size = 0;
    if (!a || now_ns < w->again_due_ns || !poster_has_room(&w->poster) ||
        !webhook_list_next(w, after, &f))
        return false;
    if (webhook_list_body(w, f.id, &a->body, &size, &e)) {
        tell(w, "webhook.list_unreadable", f.id, e.text);
        w->again_due_ns = now_ns + TROUBLE_MS * NS_PER_MS;
        return false;
    }
    a->id = f.id;
    a->attempts = f.attempts;
    memcpy(a->type, f.type, sizeof a->type);
    if (poster_send(&w->poster, f.id, wall_ms() / 1000, (struct str){a->body, size}, a)) {
        free(a->body);
        a->body = NULL;
        w->again_due_ns = now_ns + TROUBLE_MS * NS_PER_MS;
        return false;
    }
    return true;
}

/* ---- what became of it ---- */

static bool is_again(const struct webhook *w, const void *subject)
{
    const char *p = subject, *first = (const char *)w->again;
    return p >= first && p < first + sizeof w->again;
}

static struct webhook_failure failure_of(int64_t id, uint32_t attempts, const struct post_result *r)
{
    struct webhook_failure f = {
        .id = id, .attempts = attempts, .status = r->status, .failed_ms = wall_ms()};
    snprintf(f.why, sizeof f.why, "%s", r->why);
    return f;
}

static void settle_again(struct webhook *w, struct again *a, const struct post_result *r,
                         bool taken)
{
    struct error e;
    struct webhook_failure f = failure_of(a->id, a->attempts + 1, r);
    memcpy(f.type, a->type, sizeof f.type);
    int code = webhook_list_settle(w, a->id, taken ? NULL : &f, &e);
    if (code) { /* it is still marked, and sent once more: at least once */
        tell(w, "webhook.list_unwritable", a->id, e.text);
        w->again_due_ns = clock_monotonic_ns() + TROUBLE_MS * NS_PER_MS;
    }
    free(a->body);
    a->body = NULL;
}

/* Puts it on the list; false: it cannot be, and is tried once more. */
static bool give_up(struct webhook *w, struct delivery *d, const struct post_result *r)
{
    struct error e = {0};
    struct webhook_failure f = failure_of(d->id, d->attempts, r);
    snprintf(f.type, sizeof f.type, "%s", d->type);
    int code = webhook_list_add(w, &f, (struct str){d->body, d->size}, &e);
    if (code && !w->full_told)
        tell(w, "webhook.stuck", d->id, e.text);
    w->full_told = code != 0;
    if (code)
        return false;
    count(&w->counters.given_up_total, 1);
    tell(w, "webhook.given_up", d->id, r->why);
    return true;
}

static void failed(struct webhook *w, struct delivery *d, const struct post_result *r,
                   uint64_t now_ns)
{
    uint64_t random = 0;
    const struct webhook_config *c = &w->config;
    bool last = d->attempts >= c->attempts_max || r->status == STATUS_GONE;
    if (last && give_up(w, d, r)) {
        webhook_window_done(&w->window, d);
        return;
    }
    if (random_bytes(&random, sizeof random))
        random = now_ns;
    int64_t pause_ms = webhook_backoff_ms(c->backoff_ms, c->backoff_max_ms, d->attempts, random);
    int64_t asked_ms =
        r->retry_after_ms < c->backoff_max_ms ? r->retry_after_ms : c->backoff_max_ms;
    if (asked_ms > pause_ms)
        pause_ms = asked_ms;
    webhook_window_again(d, now_ns + (uint64_t)pause_ms * NS_PER_MS);
}

static void settle(struct webhook *w, const struct post_result *r, uint64_t now_ns)
{
    void *subject = r->post->subject;
    bool taken = r->status >= 200 && r->status < 300;
    count(taken ? &w->counters.delivered_total : &w->counters.attempts_failed_total, 1);
    if (is_again(w, subject))
        settle_again(w, subject, r, taken);
    else if (taken)
        webhook_window_done(&w->window, subject);
    else
        failed(w, subject, r, now_ns);
}

static void settle_all(struct webhook *w)
{
    struct post_result r;
    while (poster_take(&w->poster, &r))
        settle(w, &r, clock_monotonic_ns());
}

/* ---- the cursor ---- */

static void store_cursor(struct webhook *w, uint64_t now_ns)
{
    struct ledger *l = w->config.ledger;
    struct error e;
    int64_t cursor = w->window.cursor;
    if (cursor == w->cursor_stored || now_ns < w->cursor_due_ns)
        return;
    if (l->ops->cursor_set(l, WEBHOOK_READER, cursor, &e) == 0)
        w->cursor_stored = cursor;
    w->cursor_due_ns = clock_monotonic_ns() + CURSOR_MS * NS_PER_MS;
}

/* ---- the thread ---- */

static void show(struct webhook *w)
{
    const struct webhook_window *window = &w->window;
    int64_t oldest_ms = window->count ? window->at[window->first].at_ms : 0;
    int64_t behind_ms = oldest_ms ? wall_ms() - oldest_ms : 0;
    atomic_store_explicit(&w->counters.pending, window->count, memory_order_relaxed);
    atomic_store_explicit(&w->counters.behind_ms, behind_ms > 0 ? behind_ms : 0,
                          memory_order_relaxed);
}

static int sleep_ms(const struct webhook *w, uint64_t now_ns, uint64_t due_ns)
{
    if (w->window.cursor != w->cursor_stored && w->cursor_due_ns < due_ns)
        due_ns = w->cursor_due_ns;
    if (w->again_due_ns > now_ns && w->again_due_ns < due_ns)
        due_ns = w->again_due_ns;
    if (!w->caught_up && webhook_window_room(&w->window))
        due_ns = w->read_due_ns < due_ns ? w->read_due_ns : due_ns;
    if (due_ns <= now_ns)
        return 0;
    return (int)((due_ns - now_ns) / NS_PER_MS) + 1;
}

/* The fence, with the one in webhook_committed(): either that sees that this thread waits, or this
 * one that the log has grown. */
static bool may_sleep(struct webhook *w)
{
    struct ledger *l = w->config.ledger;
    if (webhook_window_room(&w->window) == 0)
        return true; /* a commit would change nothing */
    atomic_store_explicit(&w->waits, true, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
    return !w->caught_up || l->ops->log_end(l) == w->window.read_upto;
}

static void *run(void *context)
{
    struct webhook *w = context;
    pthread_setname_np(pthread_self(), "tally-webhook");
    while (!atomic_load(&w->stopping)) {
        uint64_t now_ns = clock_monotonic_ns();
        uint64_t idle_ms = w->config.ledger->traits.shared ? SHARED_LOOK_MS : IDLE_MS;
        uint64_t due_ns = now_ns + idle_ms * NS_PER_MS;
        read_log(w, now_ns);
        while (begin_again(w, now_ns))
            ;
        while (begin_one(w, now_ns, &due_ns))
            ;
        store_cursor(w, now_ns);
        show(w);
        poster_turn(&w->poster, may_sleep(w) ? sleep_ms(w, now_ns, due_ns) : 0);
        atomic_store_explicit(&w->waits, false, memory_order_relaxed);
        settle_all(w);
    }
    uint64_t until_ns = clock_monotonic_ns() + GRACE_MS * NS_PER_MS;
    while (w->poster.busy && clock_monotonic_ns() < until_ns) {
        poster_turn(&w->poster, 10);
        settle_all(w);
    }
    w->cursor_due_ns = 0;
    store_cursor(w, clock_monotonic_ns());
    return NULL;
}

/* ---- life ---- */

static int copy_config(struct webhook *w, const struct webhook_config *config)
{
    w->config = *config;
    w->dir = strdup(config->dir);
    w->url = strdup(config->url);
    w->secrets = strdup(config->secrets);
    w->ca_file = strdup(config->ca_file);
    w->source = strdup(config->source);
    w->config.dir = w->dir;
    w->config.url = w->url;
    w->config.secrets = w->secrets;
    w->config.ca_file = w->ca_file;
    w->config.source = w->source;
    if (!w->dir || !w->url || !w->secrets || !w->ca_file || !w->source)
        return TLY_ENO_MEMORY;
    w->namer = (struct event_namer){
        .source = str_of(w->source), .lot_dims = config->lot_dims, .context = config->context};
    return 0;
}

int webhook_create(struct webhook **out, const struct webhook_config *config, struct error *e)
{
    struct webhook *w = calloc(1, sizeof *w);
    *out = NULL;
    if (!w)
        return error_set(e, TLY_ENO_MEMORY, "webhook", "no memory for the webhook");
    pthread_mutex_init(&w->file_lock, NULL);
    pthread_mutex_init(&w->lock, NULL);
    int code = copy_config(w, config);
    if (code)
        error_set(e, code, "webhook", "no memory for the webhook");
    if (code == 0)
        code = webhook_check(w->url, w->secrets, e);
    if (code == 0)
        code = poster_open(&w->poster, &w->config, e);
    for (int i = 0; code == 0 && i < w->poster.keys.count; i++) {
        if (w->poster.keys.at[i].size < WEBHOOK_KEY_SHORT)
            tell(w, "webhook.secret_short", 0, "24 bytes or more are hard to guess, fewer are not");
    }
    if (code == 0)
        code = webhook_list_load(w, e);
    if (code) {
        webhook_destroy(w);
        return code;
    }
    *out = w;
    return 0;
}

int webhook_start(struct webhook *w, struct error *e)
{
    struct ledger *l = w->config.ledger;
    int64_t cursor = 0;
    int code = l->ops->cursor_get(l, WEBHOOK_READER, &cursor, e);
    w->cursor_stored = cursor;
    if (code == TLY_ENOT_FOUND) {
        cursor = l->ops->log_end(l);
        code = l->ops->cursor_set(l, WEBHOOK_READER, cursor, e);
        w->cursor_stored = cursor;
    }
    if (code)
        return code;
    webhook_window_init(&w->window, cursor);
    code = pthread_create(&w->thread, NULL, run, w);
    if (code)
        return error_set(e, TLY_ENO_MEMORY, "webhook", "cannot start a thread: %s", strerror(code));
    w->running = true;
    return 0;
}

void webhook_committed(struct webhook *w)
{
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&w->waits, memory_order_relaxed) &&
        atomic_exchange_explicit(&w->waits, false, memory_order_relaxed))
        poster_wake(&w->poster);
}

void webhook_stats(struct webhook *w, struct webhook_stats *out)
{
#define X(name, kind, help)                                                                        \
    out->name = atomic_load_explicit(&w->counters.name, memory_order_relaxed);
    WEBHOOK_STATS(X)
#undef X
}

bool webhook_stop(struct webhook *w, int64_t wait_ms)
{
    struct timespec until;
    if (!w || !w->running)
        return true;
    atomic_store(&w->stopping, true);
    poster_wake(&w->poster);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += wait_ms / 1000;
    until.tv_nsec += wait_ms % 1000 * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    w->running = pthread_timedjoin_np(w->thread, NULL, &until) != 0;
    return !w->running;
}

void webhook_destroy(struct webhook *w)
{
    if (!w)
        return;
    while (!webhook_stop(w, GRACE_MS))
        ;
    poster_close(&w->poster);
    webhook_window_close(&w->window);
    for (size_t i = 0; i < WEBHOOK_AGAIN_MAX; i++)
        free(w->again[i].body);
    webhook_store_close(&w->store);
    free(w->failures);
    pthread_mutex_destroy(&w->lock);
    pthread_mutex_destroy(&w->file_lock);
    free(w->dir);
    free(w->url);
    free(w->secrets);
    free(w->ca_file);
    free(w->source);
    free(w);
}

int webhook_forget(struct ledger *ledger, struct error *e)
{
    int64_t cursor;
    int code = ledger->ops->cursor_get(ledger, WEBHOOK_READER, &cursor, e);
    if (code == TLY_ENOT_FOUND)
        return 0;
    return code ? code : ledger->ops->cursor_set(ledger, WEBHOOK_READER, -1, e);
}

int webhook_check(const char *url, const char *secrets, struct error *e)
{
    struct webhook_keys keys;
    char *scheme = NULL;
    CURLU *parsed = curl_url();
    if (!parsed)
        return error_set(e, TLY_ENO_MEMORY, "webhook_url", "out of memory");
    bool fine = curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
                curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
    curl_free(scheme);
    curl_url_cleanup(parsed);
    if (!fine)
        return error_set(e, TLY_EINVALID_ARGUMENT, "webhook_url",
                         "webhook_url must be the http: or https: URL of a receiver");
    return webhook_keys_parse(&keys, secrets, e);
}
