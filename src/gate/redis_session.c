/* redis_session.c - a worker's asks of the gate in Redis.
 *
 * Happy path: a flush turns what was asked into items, one for each line; sorts them by slot and
 * key; sends one call for each slot there is (without a cluster: one); and answers when that
 * comes. An order of one line of a lot takes its units in the same step. Goods are only looked at.
 * So are the lines of an order of several: they may lie in several slots, and units that were taken
 * for one line and given back for another would be hidden from other orders meanwhile. If none of
 * them is short, a second call marks the order as seen before the engine gets it, as every order
 * that is not refused is.
 *
 * Without a call: an order that this node has seen is REPLAY.
 *
 * Failure: a call that cannot be made, fails or is not answered in time makes its asks BLIND. What
 * it took all the same is closed when the order is settled, or does not count after the limit.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "gate/redis_gate.h"

enum {
    CALL_ITEMS = 512, /* at most in one call */
    /* the script's modes */
    MODE_TAKE = 1,
    MODE_NEW = 2,
    MODE_MAY_REFUSE = 4,
    MODE_MARK = 8,
    MODE_MARK_ONLY = 16,
};

/* An order of several lines. */
struct several {
    struct several *next; /* of the spare ones */
    uint16_t left;        /* items not answered */
    bool unknown;         /* one of its lots or goods is */
    bool replay;
    bool marks;  /* its second call */
    bool failed; /* the first did not answer for all: no second one */
};

struct item {
    struct gate_ask *ask;
    struct several *several; /* NULL: one line */
    struct group_name name;
    uint64_t tag_hash;
    uint32_t order; /* of asking: who asks first takes first */
    uint16_t line;
    uint16_t slot;
    uint8_t mode;
};

/* A call of Redis under way. */
struct call {
    struct call *next, *previous;
    struct redis_session *session;
    uint32_t count;
    struct item items[CALL_ITEMS];
};

struct redis_session {
    struct gate_session session;
    struct gate_redis *gate;
    struct gate_worker worker;
    struct redis_session *next; /* of the gate's */
    struct redis *redis;
    struct gate_ask *asked_first, *asked_last;
    struct gate_ask *done_first, *done_last;
    struct item *items; /* to be sent */
    size_t item_count, item_room;
    struct call *calls; /* under way */
    struct call *spare;
    struct several *spare_several;
    struct arguments arguments;
    int64_t now_ms;
    size_t waiting; /* flushed, not answered */
    _Atomic int64_t asks, blind;
    bool leaving;
};

/* ---- answers ---- */

static void answer(struct redis_session *s, struct gate_ask *ask, enum gate_verdict verdict)
{
    ask->verdict = (uint8_t)verdict;
    if (verdict != GATE_SOLD_OUT)
        order_filter_mark(&s->gate->orders, ask->order_hash);
    ask->next = NULL;
    if (s->done_first)
        s->done_last->next = ask;
    else
        s->done_first = ask;
    s->done_last = ask;
    s->waiting--;
}

static void deliver(struct redis_session *s)
{
    struct gate_ask *first = s->done_first;
    s->done_first = NULL;
    if (first)
        s->worker.answered(s->worker.context, first);
}

static void count_blind(struct redis_session *s)
{
    atomic_store_explicit(&s->blind, atomic_load_explicit(&s->blind, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

/* ---- items ---- */

static struct item *more_items(struct redis_session *s)
{
    if (s->item_count == s->item_room) {
        size_t room = s->item_room ? 2 * s->item_room : 64;
        struct item *bigger = realloc(s->items, room * sizeof *bigger);
        if (!bigger)
            return NULL;
        s->items = bigger;
        s->item_room = room;
    }
    return &s->items[s->item_count++];
}

static bool add_item(struct redis_session *s, struct gate_ask *ask, struct several *several,
                     uint16_t line, uint8_t mode)
{
    struct item *i = more_items(s);
    char key[KEY_SIZE];
    if (!i)
        return false;
    const struct gate_line *l = &ask->lines[line];
    bool goods = str_empty(l->lot);
    struct group_name name = {.tag = goods && l->goods ? l->goods->sku : l->lot, .goods = goods};
    *i = (struct item){.ask = ask,
                       .several = several,
                       .name = name,
                       .tag_hash = hash64(name.tag, name.goods),
                       .order = (uint32_t)s->item_count,
                       .line = line,
                       .mode = mode};
    if (redis_is_cluster(s->redis))
        i->slot = redis_slot(s->redis, key_of_entry(key, name));
    return true;
}

static struct several *make_several(struct redis_session *s)
{
    struct several *several = s->spare_several;
    if (several)
        s->spare_several = several->next;
    else
        several = malloc(sizeof *several);
    if (several)
        *several = (struct several){0};
    return several;
}

static void drop_several(struct redis_session *s, struct several *several)
{
    if (!several)
        return;
    several->next = s->spare_several;
    s->spare_several = several;
}

/* All its lines, or none. */
static bool add_lines(struct redis_session *s, struct gate_ask *ask, struct several *several,
                      uint8_t mode)
{
    size_t before = s->item_count;
    several->left = ask->line_count;
    for (uint16_t i = 0; i < ask->line_count; i++) {
        if (add_item(s, ask, several, i, mode))
            continue;
        s->item_count = before;
        return false;
    }
    return true;
}

static void put_ask(struct redis_session *s, struct gate_ask *ask)
{
    struct gate_redis *g = s->gate;
    bool on = str_empty(ask->sale_id) || gate_redis_sale_is_on(g, ask->sale_id, s->now_ms);
    bool due = s->now_ms >= atomic_load_explicit(&g->next_deadline_ms, memory_order_acquire);
    uint8_t mode = (uint8_t)((ask->order_new ? MODE_NEW : 0) | (on && !due ? MODE_MAY_REFUSE : 0));
    bool added;
    if (ask->line_count == 1) {
        bool take = on && !str_empty(ask->lines[0].lot);
        mode |= (uint8_t)(MODE_MARK | (take ? MODE_TAKE : 0) | (on ? 0 : MODE_MARK_ONLY));
        added = add_item(s, ask, NULL, 0, mode);
    } else {
        struct several *several = make_several(s);
        if (several)
            several->marks = !on;
        if (!on)
            mode |= MODE_MARK | MODE_MARK_ONLY;
        added = several && add_lines(s, ask, several, mode);
        if (!added)
            drop_several(s, several);
    }
    if (added)
        return;
    count_blind(s);
    answer(s, ask, GATE_BLIND);
}

static void take_up(struct redis_session *s, struct gate_ask *ask)
{
    struct gate_redis *g = s->gate;
    bool complete = atomic_load_explicit(&g->orders_complete, memory_order_acquire);
    s->waiting++;
    for (uint16_t i = 0; i < ask->line_count; i++) {
        ask->lines[i].is_short = false;
        ask->lines[i].lot_id = 0;
    }
    if (!ask->order_new && (!complete || order_filter_maybe(&g->orders, ask->order_hash)))
        answer(s, ask, GATE_REPLAY);
    else if (ask->line_count == 0)
        answer(s, ask, GATE_BLIND);
    else
        put_ask(s, ask);
}

/* ---- what comes back ---- */

static void mark_short(struct gate_ask *ask, uint16_t line, int64_t units)
{
    ask->lines[line].is_short = true;
    ask->lines[line].available = units;
    ask->failed_line = line;
}

static bool any_short(const struct gate_ask *ask)
{
    bool any = false;
    for (uint16_t i = 0; i < ask->line_count; i++)
        any = any || ask->lines[i].is_short;
    return any;
}

/* All its items are answered: the verdict, or the second call. */
static void conclude(struct redis_session *s, struct gate_ask *ask, struct several *several)
{
    bool looked = !several->marks && !several->failed;
    if (looked && !several->replay && !several->unknown && any_short(ask)) {
        drop_several(s, several);
        for (uint16_t i = ask->line_count; i-- > 0;)
            if (ask->lines[i].is_short)
                ask->failed_line = i;
        answer(s, ask, GATE_SOLD_OUT);
        return;
    }
    if (looked && !s->leaving) {
        several->marks = true;
        if (add_lines(s, ask, several, MODE_MARK | MODE_MARK_ONLY))
            return;
    }
    for (uint16_t i = 0; i < ask->line_count; i++)
        ask->lines[i].is_short = false;
    enum gate_verdict verdict = several->replay && !several->failed ? GATE_REPLAY : GATE_BLIND;
    drop_several(s, several);
    answer(s, ask, verdict);
}

static void item_done(struct redis_session *s, const struct item *i, enum gate_verdict verdict,
                      int64_t units)
{
    if (verdict == GATE_SOLD_OUT)
        mark_short(i->ask, i->line, units);
    if (!i->several) {
        answer(s, i->ask, verdict);
        return;
    }
    /* In the second call it is seen already where two of its lines are of one lot. */
    if (!i->several->marks)
        i->several->replay |= verdict == GATE_REPLAY;
    if (--i->several->left == 0)
        conclude(s, i->ask, i->several);
}

static void item_failed(struct redis_session *s, const struct item *i)
{
    if (!i->several || !i->several->failed)
        count_blind(s);
    if (i->several)
        i->several->failed = true;
    item_done(s, i, GATE_BLIND, 0);
}

static bool same_group(const struct item *a, const struct item *b)
{
    if (a->tag_hash != b->tag_hash || a->name.goods != b->name.goods ||
        !str_equal(a->name.tag, b->name.tag))
        return false;
    const struct goods *x = a->ask->lines[a->line].goods, *y = b->ask->lines[b->line].goods;
    return !a->name.goods || !x || !y ||
           (str_equal(x->flavor, y->flavor) && str_equal(x->size, y->size));
}

/* A lot, or goods of one kind, which has a sum of its own among those of its sku. */
static uint32_t group_end(const struct item *items, uint32_t from, uint32_t count)
{
    uint32_t end = from + 1;
    while (end < count && same_group(&items[from], &items[end]))
        end++;
    return end;
}

static bool reply_fits(const struct call *c, const struct redis_value *reply)
{
    uint32_t groups = 0;
    for (uint32_t i = 0; i < c->count; i = group_end(c->items, i, c->count))
        groups++;
    return reply->kind == REDIS_LIST && reply->count == c->count + groups;
}

/* As the script answers: for each group the lot's number, or -1 if nothing is known of it, then its
 * items. */
static void take_reply(struct redis_session *s, const struct call *c,
                       const struct redis_value *reply)
{
    const struct redis_value *at = reply->items;
    for (uint32_t i = 0, end; i < c->count; i = end) {
        int64_t lot = (at++)->number;
        end = group_end(c->items, i, c->count);
        for (uint32_t j = i; j < end; j++) {
            const struct item *it = &c->items[j];
            int64_t number = (at++)->number;
            it->ask->lines[it->line].lot_id = lot > 0 ? (lot_id)lot : 0;
            if (it->several && lot < 0)
                it->several->unknown = true;
            item_done(s, it, (enum gate_verdict)(number % 8), number / 8);
        }
    }
}

static void unlink_call(struct redis_session *s, struct call *c)
{
    if (c->previous)
        c->previous->next = c->next;
    else
        s->calls = c->next;
    if (c->next)
        c->next->previous = c->previous;
}

static void send_items(struct redis_session *s);

static void on_reply(void *context, enum redis_outcome outcome, const struct redis_value *reply)
{
    struct call *c = context;
    struct redis_session *s = c->session;
    unlink_call(s, c);
    if (outcome == REDIS_ANSWERED && reply_fits(c, reply)) {
        take_reply(s, c, reply);
    } else {
        for (uint32_t i = 0; i < c->count; i++)
            item_failed(s, &c->items[i]);
    }
    c->next = s->spare;
    s->spare = c;
    send_items(s);
    deliver(s);
}

/* ---- a call ---- */

/* The field of the sum that goods of that kind have. */
static bool put_sum(struct arguments *a, const struct goods *goods)
{
    struct str flavor = goods->flavor, size = goods->size;
    uint32_t length = flavor.len + size.len + 3;
    char *buffer = arena_alloc(&a->scratch, length);
    if (!buffer)
        return false;
    buffer[0] = 'n';
    buffer[1] = ':';
    if (flavor.len)
        memcpy(buffer + 2, flavor.p, flavor.len);
    buffer[2 + flavor.len] = '|';
    if (size.len)
        memcpy(buffer + 3 + flavor.len, size.p, size.len);
    return arguments_put(a, (struct str){buffer, length});
}

static bool put_group(struct arguments *a, const struct item *items, uint32_t count)
{
    static const struct goods any = {.sku = {"", 0}};
    const struct goods *goods = items[0].ask->lines[items[0].line].goods;
    bool good = arguments_put(a, items[0].name.goods ? STR("g") : STR("l")) &&
                (!items[0].name.goods || put_sum(a, goods ? goods : &any)) &&
                arguments_put_number(a, count);
    for (uint32_t i = 0; good && i < count; i++) {
        const struct gate_ask *ask = items[i].ask;
        const struct str hash = {(const char *)&ask->order_hash, sizeof ask->order_hash};
        good = arguments_put(a, hash) &&
               arguments_put_number(a, ask->lines[items[i].line].quantity) &&
               arguments_put_number(a, items[i].mode);
    }
    return good;
}

static int send(struct redis_session *s, struct call *c)
{
    struct gate_redis *g = s->gate;
    struct arguments *a = &s->arguments;
    bool good = true;
    arguments_begin(a);
    for (uint32_t i = 0; good && i < c->count; i = group_end(c->items, i, c->count))
        good = arguments_put_keys(a, c->items[i].name);
    size_t keys = a->count;
    good = good && arguments_put(a, str_of(g->fresh)) && arguments_put(a, str_of(g->limit)) &&
           arguments_put(a, str_of(g->keep));
    for (uint32_t i = 0, end; good && i < c->count; i = end) {
        end = group_end(c->items, i, c->count);
        good = put_group(a, &c->items[i], end - i);
    }
    if (!good)
        return TLY_ENO_MEMORY;
    return redis_call_script(s->redis, SCRIPT_ASK, a->list, keys, a->list + keys, a->count - keys,
                             on_reply, c);
}

static int compare_items(const void *left, const void *right)
{
    const struct item *a = left, *b = right;
    if (a->slot != b->slot)
        return a->slot < b->slot ? -1 : 1;
    if (a->tag_hash != b->tag_hash)
        return a->tag_hash < b->tag_hash ? -1 : 1;
    return a->order < b->order ? -1 : 1;
}

static struct call *make_call(struct redis_session *s, const struct item *items, uint32_t count)
{
    struct call *c = s->spare;
    if (c)
        s->spare = c->next;
    else
        c = malloc(sizeof *c);
    if (!c)
        return NULL;
    c->session = s;
    c->count = count;
    memcpy(c->items, items, count * sizeof items[0]);
    return c;
}

/* Sends what can be sent of a slot's items; what cannot is BLIND. */
static void send_some(struct redis_session *s, const struct item *items, uint32_t count)
{
    struct call *c = make_call(s, items, count);
    if (c && send(s, c) == 0) {
        c->previous = NULL;
        c->next = s->calls;
        if (s->calls)
            s->calls->previous = c;
        s->calls = c;
        return;
    }
    if (c) {
        c->next = s->spare;
        s->spare = c;
    }
    for (uint32_t i = 0; i < count; i++)
        item_failed(s, &items[i]);
}

static void send_items(struct redis_session *s)
{
    struct item *items = s->items;
    size_t count = s->item_count;
    if (count == 0)
        return;
    s->items = NULL; /* what fails may add more */
    s->item_count = s->item_room = 0;
    if (count > 1)
        qsort(items, count, sizeof items[0], compare_items);
    for (size_t i = 0, end; i < count; i = end) {
        end = i + 1;
        while (end < count && end - i < CALL_ITEMS && items[end].slot == items[i].slot)
            end++;
        send_some(s, &items[i], (uint32_t)(end - i));
    }
    redis_flush(s->redis);
    assert(s->item_count == 0); /* a call that was not made concludes without a second one */
    free(s->items);
    s->items = items;
    s->item_room = count;
}

/* ---- the port ---- */

void redis_session_ask(struct gate_session *session, struct gate_ask *ask)
{
    struct redis_session *s = (struct redis_session *)session;
    order_filter_prefetch(&s->gate->orders, ask->order_hash);
    ask->next = NULL;
    if (s->asked_first)
        s->asked_last->next = ask;
    else
        s->asked_first = ask;
    s->asked_last = ask;
}

void redis_session_flush(struct gate_session *session, int64_t now_ms)
{
    struct redis_session *s = (struct redis_session *)session;
    struct gate_ask *next;
    s->now_ms = now_ms;
    int64_t asks = atomic_load_explicit(&s->asks, memory_order_relaxed);
    for (struct gate_ask *ask = s->asked_first; ask; ask = next) {
        next = ask->next;
        take_up(s, ask);
        asks++;
    }
    atomic_store_explicit(&s->asks, asks, memory_order_relaxed);
    s->asked_first = NULL;
    send_items(s);
    deliver(s);
}

int redis_session_attach(struct gate *gate, const struct gate_worker *w, struct gate_session **out,
                         struct error *e)
{
    struct gate_redis *g = (struct gate_redis *)gate;
    struct redis_config config = g->redis;
    struct redis_session *s = calloc(1, sizeof *s);
    if (!s)
        return error_set(e, TLY_ENO_MEMORY, "", "no memory for a session with the gate");
    s->session.ops = gate->ops;
    s->gate = g;
    s->worker = *w;
    arguments_init(&s->arguments);
    config.loop = w->loop;
    int code = redis_create(&s->redis, &config, e);
    if (code) {
        free(s);
        return code;
    }
    pthread_mutex_lock(&g->sessions_lock);
    s->next = g->sessions;
    g->sessions = s;
    pthread_mutex_unlock(&g->sessions_lock);
    *out = &s->session;
    return 0;
}

static void free_session(void *context)
{
    struct redis_session *s = context;
    struct several *several;
    struct call *c;
    while ((c = s->spare)) {
        s->spare = c->next;
        free(c);
    }
    while ((several = s->spare_several)) {
        s->spare_several = several->next;
        free(several);
    }
    arguments_close(&s->arguments);
    free(s->items);
    free(s);
}

static void count_session(struct redis_session *s, struct gate_redis_stats *out)
{
    struct redis_stats *r = redis_stats(s->redis);
    out->asks_total += atomic_load_explicit(&s->asks, memory_order_relaxed);
    out->blind_total += atomic_load_explicit(&s->blind, memory_order_relaxed);
    out->calls_total += atomic_load_explicit(&r->calls_total, memory_order_relaxed);
    out->call_errors_total += atomic_load_explicit(&r->errors_total, memory_order_relaxed) +
                              atomic_load_explicit(&r->lost_total, memory_order_relaxed) +
                              atomic_load_explicit(&r->refused_total, memory_order_relaxed);
    out->call_us_total += atomic_load_explicit(&r->round_trip_us_total, memory_order_relaxed);
}

void redis_sessions_count(struct gate_redis *g, struct gate_redis_stats *out)
{
    for (struct redis_session *s = g->sessions; s; s = s->next) {
        count_session(s, out);
        out->breakers_open +=
            atomic_load_explicit(&redis_stats(s->redis)->breakers_open, memory_order_relaxed);
    }
}

static void leave_gate(struct redis_session *s)
{
    struct gate_redis *g = s->gate;
    pthread_mutex_lock(&g->sessions_lock);
    struct redis_session **at = &g->sessions;
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    count_session(s, &g->past);
    pthread_mutex_unlock(&g->sessions_lock);
}

void redis_session_detach(struct gate_session *session)
{
    struct redis_session *s = (struct redis_session *)session;
    struct gate_ask *next;
    s->leaving = true;
    do {
        for (struct gate_ask *ask = s->asked_first; ask; ask = next) {
            next = ask->next;
            s->waiting++;
            answer(s, ask, GATE_BLIND);
        }
        s->asked_first = NULL;
        for (struct call *c = s->calls, *after; c; c = after) {
            after = c->next;
            for (uint32_t i = 0; i < c->count; i++)
                item_failed(s, &c->items[i]);
            free(c);
        }
        s->calls = NULL;
        deliver(s);
    } while (s->asked_first);
    leave_gate(s);
    redis_close(s->redis, free_session, s);
}

size_t gate_redis_waiting(const struct gate_session *session)
{
    return ((const struct redis_session *)session)->waiting;
}

bool gate_redis_is_up(const struct gate_session *session)
{
    return redis_is_whole(((const struct redis_session *)session)->redis);
}
