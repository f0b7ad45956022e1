/* redis_teller.c - what the lanes tell the gate in Redis.
 *
 * Happy path: a lane copies what it tells into a message and posts it; the gate's thread sorts
 * messages into groups, a lot's or a sku's goods, puts together what follows on each other, and
 * tells all groups with one call (in a cluster one for each slot). While a round is under way the
 * next one gathers.
 *
 * A group is told in one step of the script: orders are marked as seen before the stock that they
 * made counts.
 *
 * Failure: a call that fails, or whose answer does not come, is made again: all of it bears that.
 * While Redis is away messages wait, at most WAITING_MAX lots and orders of them. More are dropped,
 * which the gate finds out by itself: the next version does not link up with the one before.
 */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "gate/redis_gate.h"

enum {
    WAITING_MAX = 1 << 18, /* lots and orders that are not told yet */
    SLOTS = 4096,          /* of the table of groups */
    CALL_GROUPS = 256,
    CALL_ORDERS = 8192, /* about, in one call */
    TICK_MS = 50,
    LOOK_BACK = 32, /* stocks of a group that are looked at for the same lot */
};

/* ---- messages ---- */

struct told_order {
    uint64_t hash;
    struct str tag;
    bool goods, marks, closes;
};

struct told_stock {
    int64_t available, version, orders_after;
    lot_id lot;
    struct str key, sku, flavor, size;
    bool all_of_sku;
};

struct message {
    struct mail mail;
    struct told_order *orders;
    struct told_stock *stocks;
    size_t order_count, stock_count;
    char *text;
};

/* ---- groups ---- */

struct group {
    struct group *next;      /* of its place in the table */
    struct group *following; /* of the list, or of its call */
    struct group_name name;
    uint16_t slot;
    uint64_t *marks, *closes;
    size_t mark_count, mark_room, close_count, close_room;
    struct told_stock *stocks;
    size_t stock_count, stock_room;
    int64_t waiting; /* lots and orders that are told with it */
    char tag[];
};

/* Under way. */
struct round_call {
    struct round_call *next;
    struct teller *teller;
    struct group *first;
};

struct teller {
    struct gate_redis *gate;
    struct redis_thread *thread;
    struct redis *redis;
    struct group *table[SLOTS];
    struct group *first; /* all in the table */
    size_t group_count;
    struct round_call *calls;
    struct arguments arguments;
    _Atomic int64_t waiting, told, dropped;
};

/* ---- the lane's side ---- */

static char *put_text(char *at, struct str *out, struct str text)
{
    if (text.len)
        memcpy(at, text.p, text.len);
    *out = (struct str){at, text.len};
    return at + text.len;
}

static struct str tag_of(const struct gate_line *line)
{
    struct str none = {"", 0};
    return !str_empty(line->lot) ? line->lot : line->goods ? line->goods->sku : none;
}

static struct message *make_message(const struct gate_settlement *orders, size_t n,
                                    const struct gate_stock *lots, size_t m)
{
    size_t lines = 0, text = 0;
    for (size_t i = 0; i < n; i++) {
        lines += orders[i].line_count;
        for (uint16_t j = 0; j < orders[i].line_count; j++)
            text += tag_of(&orders[i].lines[j]).len;
    }
    for (size_t i = 0; i < m; i++) {
        const struct lot_dims *d = lots[i].dims;
        text += (size_t)d->key.len + d->sku.len + d->flavor.len + d->size.len;
    }
    struct message *msg =
        malloc(sizeof *msg + lines * sizeof *msg->orders + m * sizeof *msg->stocks + text);
    if (!msg)
        return NULL;
    msg->orders = (struct told_order *)(msg + 1);
    msg->stocks = (struct told_stock *)(msg->orders + lines);
    msg->text = (char *)(msg->stocks + m);
    msg->order_count = msg->stock_count = 0;
    return msg;
}

static void fill_message(struct message *msg, const struct gate_settlement *orders, size_t n,
                         const struct gate_stock *lots, size_t m)
{
    char *at = msg->text;
    for (size_t i = 0; i < n; i++) {
        bool marks = orders[i].outcome == GATE_ACCEPTED || orders[i].outcome == GATE_UNKNOWN;
        for (uint16_t j = 0; j < orders[i].line_count; j++) {
            const struct gate_line *line = &orders[i].lines[j];
            struct told_order *o = &msg->orders[msg->order_count];
            *o = (struct told_order){.hash = orders[i].order_hash,
                                     .goods = str_empty(line->lot),
                                     .marks = marks,
                                     .closes = orders[i].outcome != GATE_UNKNOWN};
            at = put_text(at, &o->tag, tag_of(line));
            msg->order_count += o->tag.len > 0;
        }
    }
    for (size_t i = 0; i < m; i++) {
        const struct lot_dims *d = lots[i].dims;
        struct told_stock *s = &msg->stocks[msg->stock_count++];
        *s = (struct told_stock){.available = lots[i].available,
                                 .version = lots[i].version,
                                 .orders_after = lots[i].orders_after,
                                 .lot = lots[i].lot_id,
                                 .all_of_sku = lots[i].all_of_sku};
        at = put_text(at, &s->key, d->key);
        at = put_text(at, &s->sku, d->sku);
        at = put_text(at, &s->flavor, d->flavor);
        at = put_text(at, &s->size, d->size);
    }
}

static int64_t weight(const struct message *msg)
{
    int64_t units = (int64_t)msg->order_count;
    for (size_t i = 0; i < msg->stock_count; i++)
        units += 1 + (msg->stocks[i].sku.len > 0);
    return units;
}

void teller_tell(struct teller *t, const struct gate_settlement *orders, size_t n,
                 const struct gate_stock *lots, size_t m)
{
    struct mail_chain chain = {0};
    struct message *msg = NULL;
    if (atomic_load_explicit(&t->waiting, memory_order_relaxed) < WAITING_MAX)
        msg = make_message(orders, n, lots, m);
    if (!msg) {
        atomic_fetch_add(&t->dropped, (int64_t)(n + m));
        return;
    }
    fill_message(msg, orders, n, lots, m);
    atomic_fetch_add(&t->waiting, weight(msg));
    mail_chain_add(&chain, &msg->mail);
    redis_thread_post(t->thread, &chain);
}

/* ---- gathering ---- */

static bool grow(void **list, size_t *room, size_t needed, size_t size)
{
    if (needed <= *room)
        return true;
    size_t wanted = *room * 2 > needed ? *room * 2 : needed + 8;
    void *bigger = realloc(*list, wanted * size);
    if (!bigger)
        return false;
    *list = bigger;
    *room = wanted;
    return true;
}

static struct group **place_of(struct teller *t, struct group_name name)
{
    struct group **at = &t->table[hash64(name.tag, name.goods) % SLOTS];
    while (*at && ((*at)->name.goods != name.goods || !str_equal((*at)->name.tag, name.tag)))
        at = &(*at)->next;
    return at;
}

static void enter(struct teller *t, struct group **at, struct group *g)
{
    g->next = NULL;
    *at = g;
    g->following = t->first;
    t->first = g;
    t->group_count++;
}

static struct group *group_for(struct teller *t, struct group_name name)
{
    struct group **at = place_of(t, name);
    if (*at)
        return *at;
    struct group *g = calloc(1, sizeof *g + name.tag.len);
    if (!g)
        return NULL;
    memcpy(g->tag, name.tag.p, name.tag.len);
    g->name = (struct group_name){.tag = {g->tag, name.tag.len}, .goods = name.goods};
    enter(t, at, g);
    return g;
}

static void free_group(struct group *g)
{
    for (size_t i = 0; i < g->stock_count; i++)
        free((char *)g->stocks[i].key.p);
    free(g->stocks);
    free(g->marks);
    free(g->closes);
    free(g);
}

/* Memory is short: it counts as dropped. */
static void lose(struct teller *t, int64_t units)
{
    atomic_fetch_sub(&t->waiting, units);
    atomic_fetch_add(&t->dropped, units);
}

static void add_order(struct teller *t, struct group *g, const struct told_order *o)
{
    bool good = true;
    if (o->marks && (good = grow((void **)&g->marks, &g->mark_room, g->mark_count + 1, 8)))
        g->marks[g->mark_count++] = o->hash;
    if (good && o->closes && !o->goods &&
        (good = grow((void **)&g->closes, &g->close_room, g->close_count + 1, 8)))
        g->closes[g->close_count++] = o->hash;
    if (good)
        g->waiting++;
    else
        lose(t, 1);
}

/* True if it was put together with one that waits. */
static bool joins(struct group *g, const struct told_stock *s)
{
    size_t oldest = g->stock_count > LOOK_BACK ? g->stock_count - LOOK_BACK : 0;
    for (size_t i = g->stock_count; i-- > oldest;) {
        struct told_stock *last = &g->stocks[i];
        if (last->lot != s->lot)
            continue;
        bool read_before = s->orders_after == s->version && s->version <= last->version;
        bool follows = s->orders_after > 0 && s->orders_after == last->version;
        if (!read_before && !follows)
            return false;
        if (s->version > last->version) {
            last->available = s->available;
            last->version = s->version;
        }
        last->all_of_sku = last->all_of_sku || s->all_of_sku;
        return true;
    }
    return false;
}

/* With its texts in one piece of memory, at its key. */
static bool copy_stock(struct told_stock *to, const struct told_stock *from)
{
    size_t size = (size_t)from->key.len + from->flavor.len + from->size.len;
    char *at = malloc(size + 1);
    if (!at)
        return false;
    *to = *from;
    at = put_text(at, &to->key, from->key);
    at = put_text(at, &to->flavor, from->flavor);
    put_text(at, &to->size, from->size);
    to->sku = (struct str){"", 0};
    return true;
}

static void add_stock(struct teller *t, struct group *g, const struct told_stock *s)
{
    if (!joins(g, s)) {
        if (!grow((void **)&g->stocks, &g->stock_room, g->stock_count + 1, sizeof *s) ||
            !copy_stock(&g->stocks[g->stock_count], s)) {
            lose(t, 1);
            return;
        }
        g->stock_count++;
    }
    g->waiting++;
}

static void take_message(struct teller *t, const struct message *msg)
{
    for (size_t i = 0; i < msg->order_count; i++) {
        const struct told_order *o = &msg->orders[i];
        struct group *g = group_for(t, (struct group_name){o->tag, o->goods});
        if (g)
            add_order(t, g, o);
        else
            lose(t, 1);
    }
    for (size_t i = 0; i < msg->stock_count; i++) {
        const struct told_stock *s = &msg->stocks[i];
        struct group *g = group_for(t, (struct group_name){s->key, false});
        if (g)
            add_stock(t, g, s);
        else
            lose(t, 1);
        if (str_empty(s->sku))
            continue;
        g = group_for(t, (struct group_name){s->sku, true});
        if (g)
            add_stock(t, g, s);
        else
            lose(t, 1);
    }
}

/* A group that was not told comes back among those that wait. Stocks are told by version, so their
 * order does not matter. */
static void put_back(struct teller *t, struct group *g)
{
    struct group **at = place_of(t, g->name), *there = *at;
    if (!there) {
        enter(t, at, g);
        return;
    }
    int64_t added = 0;
    if (grow((void **)&there->marks, &there->mark_room, there->mark_count + g->mark_count, 8) &&
        grow((void **)&there->closes, &there->close_room, there->close_count + g->close_count, 8) &&
        grow((void **)&there->stocks, &there->stock_room, there->stock_count + g->stock_count,
             sizeof g->stocks[0])) {
        for (size_t i = 0; i < g->mark_count; i++)
            there->marks[there->mark_count++] = g->marks[i];
        for (size_t i = 0; i < g->close_count; i++)
            there->closes[there->close_count++] = g->closes[i];
        for (size_t i = 0; i < g->stock_count; i++)
            there->stocks[there->stock_count++] = g->stocks[i];
        g->stock_count = 0; /* the texts are the other one's now */
        added = g->waiting;
    } else {
        lose(t, g->waiting);
    }
    there->waiting += added;
    free_group(g);
}

/* ---- telling ---- */

static bool put_hashes(struct arguments *a, const uint64_t *hashes, size_t count)
{
    bool good = arguments_put_number(a, (int64_t)count);
    for (size_t i = 0; good && i < count; i++)
        good = arguments_put(a, (struct str){(const char *)&hashes[i], sizeof hashes[i]});
    return good;
}

static bool put_group(struct arguments *a, const struct group *g)
{
    bool goods = g->name.goods;
    bool good = arguments_put(a, goods ? STR("g") : STR("l")) &&
                put_hashes(a, g->marks, g->mark_count) &&
                put_hashes(a, g->closes, g->close_count) &&
                arguments_put_number(a, (int64_t)g->stock_count);
    for (size_t i = 0; good && i < g->stock_count; i++) {
        const struct told_stock *s = &g->stocks[i];
        good = arguments_put_number(a, s->available) && arguments_put_number(a, s->version) &&
               arguments_put_number(a, s->orders_after);
        if (!goods)
            good = good && arguments_put_number(a, s->lot);
        else
            good = good && arguments_put(a, s->key) && arguments_put(a, s->flavor) &&
                   arguments_put(a, s->size) &&
                   arguments_put(a, s->all_of_sku ? STR("1") : STR("0"));
    }
    return good;
}

static void tell_round(struct teller *t);

static void on_told(void *context, enum redis_outcome outcome, const struct redis_value *reply)
{
    struct round_call *c = context;
    struct teller *t = c->teller;
    struct group *next;
    (void)reply;
    for (struct group *g = c->first; g; g = next) {
        next = g->following;
        if (outcome != REDIS_ANSWERED) {
            put_back(t, g);
            continue;
        }
        atomic_fetch_add(&t->told, g->waiting);
        atomic_fetch_sub(&t->waiting, g->waiting);
        free_group(g);
    }
    struct round_call **at = &t->calls;
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    free(c);
    if (outcome == REDIS_ANSWERED && !t->calls && t->first) {
        tell_round(t);
        redis_flush(t->redis);
    }
}

/* Those from `first`, `count` of them by `following`, in one call; false: they are still the
 * caller's. */
static bool tell_some(struct teller *t, struct group *first)
{
    struct arguments *a = &t->arguments;
    struct round_call *c = malloc(sizeof *c);
    bool good = c != NULL;
    arguments_begin(a);
    for (const struct group *g = first; good && g; g = g->following)
        good = arguments_put_keys(a, g->name);
    size_t keys = a->count;
    good =
        good && arguments_put(a, str_of(t->gate->limit)) && arguments_put(a, str_of(t->gate->keep));
    for (const struct group *g = first; good && g; g = g->following)
        good = put_group(a, g);
    if (good) {
        *c = (struct round_call){t->calls, t, first};
        good = redis_call_script(t->redis, SCRIPT_TELL, a->list, keys, a->list + keys,
                                 a->count - keys, on_told, c) == 0;
    }
    if (!good) {
        free(c);
        return false;
    }
    t->calls = c;
    return true;
}

static int compare_slots(const void *left, const void *right)
{
    const struct group *const *a = left, *const *b = right;
    return (int)(*a)->slot - (int)(*b)->slot;
}

/* Takes all groups out of the table, by slot. NULL: memory is short. */
static struct group **take_groups(struct teller *t, size_t *count)
{
    char key[KEY_SIZE];
    size_t n = 0;
    struct group **all = malloc((t->group_count + 1) * sizeof(struct group *));
    if (!all)
        return NULL;
    for (struct group *g = t->first; g; g = g->following) {
        g->slot = redis_slot(t->redis, key_of_entry(key, g->name));
        all[n++] = g;
    }
    qsort(all, n, sizeof all[0], compare_slots);
    memset(t->table, 0, sizeof t->table);
    t->first = NULL;
    t->group_count = 0;
    *count = n;
    return all;
}

static void tell_round(struct teller *t)
{
    size_t count;
    if (!t->first || !redis_is_up(t->redis))
        return;
    struct group **all = take_groups(t, &count);
    if (!all)
        return;
    for (size_t i = 0, end; i < count; i = end) {
        size_t orders = 0;
        for (end = i; end < count && end - i < CALL_GROUPS && all[end]->slot == all[i]->slot &&
                      (end == i || orders < CALL_ORDERS);
             end++) {
            orders += all[end]->mark_count + all[end]->close_count + all[end]->stock_count;
            all[end]->following = NULL;
            if (end > i)
                all[end - 1]->following = all[end];
        }
        if (tell_some(t, all[i]))
            continue;
        for (size_t j = i; j < end; j++)
            put_back(t, all[j]);
    }
    free(all);
}

/* The thread. */
static void take(void *context, struct redis *r, struct mail *first)
{
    struct teller *t = context;
    struct mail *next;
    t->redis = r;
    for (; first; first = next) {
        struct message *msg = MAIL_OF(first, struct message);
        next = first->next;
        take_message(t, msg);
        free(msg);
    }
    if (!t->calls)
        tell_round(t);
}

/* ---- figures ---- */

bool teller_is_done(struct teller *t)
{
    return atomic_load(&t->waiting) == 0;
}

void teller_count(struct teller *t, struct gate_redis_stats *out)
{
    struct redis_stats *r = redis_thread_stats(t->thread);
    out->tells_total = atomic_load_explicit(&t->told, memory_order_relaxed);
    out->tells_dropped_total = atomic_load_explicit(&t->dropped, memory_order_relaxed);
    out->tells_waiting = atomic_load_explicit(&t->waiting, memory_order_relaxed);
    out->calls_total += atomic_load_explicit(&r->calls_total, memory_order_relaxed);
    out->call_errors_total += atomic_load_explicit(&r->errors_total, memory_order_relaxed) +
                              atomic_load_explicit(&r->lost_total, memory_order_relaxed);
    out->call_us_total += atomic_load_explicit(&r->round_trip_us_total, memory_order_relaxed);
    out->breakers_open += atomic_load_explicit(&r->breakers_open, memory_order_relaxed);
}

/* ---- life ---- */

int teller_create(struct teller **out, struct gate_redis *g, struct error *e)
{
    struct teller *t = calloc(1, sizeof *t);
    if (!t)
        return error_set(e, TLY_ENO_MEMORY, "", "no memory for the gate");
    t->gate = g;
    arguments_init(&t->arguments);
    const struct redis_thread_config config = {
        .redis = g->redis, .name = "gate", .context = t, .take = take, .tick_ms = TICK_MS};
    int code = redis_thread_create(&t->thread, &config, e);
    if (code) {
        free(t);
        return code;
    }
    *out = t;
    return 0;
}

static void free_groups(struct group *first)
{
    struct group *next;
    for (struct group *g = first; g; g = next) {
        next = g->following;
        free_group(g);
    }
}

void teller_destroy(struct teller *t)
{
    struct round_call *c;
    if (!t)
        return;
    redis_thread_destroy(t->thread);
    while ((c = t->calls)) {
        t->calls = c->next;
        free_groups(c->first);
        free(c);
    }
    free_groups(t->first);
    arguments_close(&t->arguments);
    free(t);
}
