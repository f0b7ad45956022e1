#include "late_gate.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

enum { LOTS_ROOM_STEP = 64, OPEN_ROOM_STEP = 256, SEEN_SLOTS = 1 << 19 };

struct known_lot {
    struct str key; /* empty: not known */
    int64_t available;
    int64_t version;
    int64_t open; /* units of open entries */
};

struct open_entry {
    uint64_t order_hash;
    lot_id lot;
    int64_t quantity;
};

struct late_gate {
    struct gate gate;
    pthread_mutex_t lock;
    uint64_t dice;
    struct known_lot *lots; /* by number */
    size_t lot_room;
    uint32_t *by_key; /* open addressing, twice the room at least */
    size_t key_mask;
    struct open_entry *open;
    size_t open_count, open_room;
    uint64_t *seen; /* order hashes, open addressing; 0 is free */
    int64_t next_deadline_ms;
    struct gate_sale *sales; /* by number - 1 */
    size_t sale_count;
    bool orders_complete;
    bool away;
    unsigned flaky;
};

struct late_session {
    struct gate_session session;
    struct late_gate *gate;
    struct gate_worker worker;
    struct gate_ask *asked; /* newest first */
    struct gate_ask **sent; /* flushed, not answered */
    size_t sent_count, sent_room;
    int64_t now_ms;
};

static struct late_gate *self(struct gate *g)
{
    return (struct late_gate *)g;
}

static uint32_t draw(struct late_gate *g, uint32_t below)
{
    g->dice = g->dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(g->dice >> 33) % below;
}

static void *more(void *array, size_t bytes)
{
    void *bigger = realloc(array, bytes);
    if (!bigger)
        abort();
    return bigger;
}

/* ---- orders ---- */

static uint64_t *slot_of(struct late_gate *g, uint64_t order_hash)
{
    uint64_t i = order_hash % SEEN_SLOTS;
    while (g->seen[i] && g->seen[i] != order_hash)
        i = (i + 1) % SEEN_SLOTS;
    return &g->seen[i];
}

static bool seen_before(struct late_gate *g, uint64_t order_hash)
{
    return *slot_of(g, order_hash | 1) != 0;
}

static void mark_seen(struct late_gate *g, uint64_t order_hash)
{
    *slot_of(g, order_hash | 1) = order_hash | 1;
}

/* ---- lots ---- */

static size_t key_slot(const struct late_gate *g, struct str key)
{
    size_t i = hash64(key, 1) & g->key_mask;
    while (g->by_key[i] && !str_equal(g->lots[g->by_key[i]].key, key))
        i = (i + 1) & g->key_mask;
    return i;
}

static lot_id find(const struct late_gate *g, struct str key)
{
    return str_empty(key) || !g->by_key ? 0 : g->by_key[key_slot(g, key)];
}

static void make_room(struct late_gate *g, lot_id id)
{
    if (id < g->lot_room)
        return;
    size_t room = 2 * ((size_t)id + LOTS_ROOM_STEP), slots = 1;
    g->lots = more(g->lots, room * sizeof *g->lots);
    memset(g->lots + g->lot_room, 0, (room - g->lot_room) * sizeof *g->lots);
    while (slots < 2 * room)
        slots *= 2;
    free(g->by_key);
    g->by_key = calloc(slots, sizeof *g->by_key);
    if (!g->by_key)
        abort();
    g->key_mask = slots - 1;
    for (lot_id i = 1; i < g->lot_room; i++)
        if (g->lots[i].key.len)
            g->by_key[key_slot(g, g->lots[i].key)] = i;
    g->lot_room = room;
}

/* An older version never overwrites a newer one. */
static void take_stock(struct late_gate *g, const struct gate_stock *s)
{
    make_room(g, s->lot_id);
    struct known_lot *lot = &g->lots[s->lot_id];
    if (lot->key.len && s->version <= lot->version)
        return;
    if (!lot->key.len) {
        lot->key = s->dims->key;
        g->by_key[key_slot(g, lot->key)] = s->lot_id;
    }
    lot->available = s->available;
    lot->version = s->version;
}

static void open_entry(struct late_gate *g, uint64_t order_hash, const struct gate_line *line)
{
    if (g->open_count == g->open_room) {
        g->open_room += OPEN_ROOM_STEP;
        g->open = more(g->open, g->open_room * sizeof *g->open);
    }
    g->open[g->open_count++] = (struct open_entry){order_hash, line->lot_id, line->quantity};
    g->lots[line->lot_id].open += line->quantity;
}

static void close_entries(struct late_gate *g, uint64_t order_hash)
{
    for (size_t i = g->open_count; i-- > 0;) {
        if (g->open[i].order_hash != order_hash)
            continue;
        g->lots[g->open[i].lot].open -= g->open[i].quantity;
        g->open[i] = g->open[--g->open_count];
    }
}

/* ---- verdicts ---- */

static int64_t units_free(const struct late_gate *g, lot_id id)
{
    int64_t units = g->lots[id].available - g->lots[id].open;
    return units > 0 ? units : 0;
}

/* Lines of one lot are summed by taking as it goes, and given back if a later one is short. */
static bool take_all(struct late_gate *g, struct gate_ask *ask)
{
    bool enough = true, taken = false;
    for (uint16_t i = 0; i < ask->line_count; i++) {
        struct gate_line *line = &ask->lines[i];
        line->available = units_free(g, line->lot_id);
        line->is_short = line->available < line->quantity;
        if (line->is_short && enough)
            ask->failed_line = i;
        enough = enough && !line->is_short;
        if (line->is_short)
            continue;
        open_entry(g, ask->order_hash, line);
        taken = true;
    }
    if (!enough && taken)
        close_entries(g, ask->order_hash);
    return enough;
}

static bool is_on(const struct late_gate *g, struct str sale_id, int64_t now_ms)
{
    for (size_t i = 0; i < g->sale_count; i++) {
        const struct gate_sale *s = &g->sales[i];
        if (s->number && str_equal(s->sale_id, sale_id))
            return now_ms >= s->opens_ms && now_ms < s->closes_ms;
    }
    return str_empty(sale_id);
}

static enum gate_verdict decide(struct late_gate *g, struct gate_ask *ask, int64_t now_ms)
{
    bool known = ask->line_count > 0 && is_on(g, ask->sale_id, now_ms);
    bool blind = g->away || (g->flaky && draw(g, 1000) < g->flaky);
    for (uint16_t i = 0; i < ask->line_count; i++) {
        ask->lines[i].is_short = false;
        ask->lines[i].lot_id = find(g, ask->lines[i].lot);
        known = known && ask->lines[i].lot_id != 0;
    }
    bool is_new = ask->order_new || (g->orders_complete && !seen_before(g, ask->order_hash));
    if (!blind && is_new && known) {
        if (take_all(g, ask)) {
            mark_seen(g, ask->order_hash);
            return GATE_PASS;
        }
        if (now_ms < g->next_deadline_ms)
            return GATE_SOLD_OUT;
    }
    mark_seen(g, ask->order_hash);
    return is_new || blind ? GATE_BLIND : GATE_REPLAY;
}

/* ---- sessions ---- */

static int late_attach(struct gate *g, const struct gate_worker *w, struct gate_session **out,
                       struct error *e)
{
    struct late_session *s = calloc(1, sizeof *s);
    (void)e;
    if (!s)
        abort();
    *s = (struct late_session){.session.ops = g->ops, .gate = self(g), .worker = *w};
    *out = &s->session;
    return 0;
}

static void late_ask(struct gate_session *session, struct gate_ask *ask)
{
    struct late_session *s = (struct late_session *)session;
    ask->next = s->asked;
    s->asked = ask;
}

static void late_flush(struct gate_session *session, int64_t now_ms)
{
    struct late_session *s = (struct late_session *)session;
    struct gate_ask *next;
    s->now_ms = now_ms;
    for (struct gate_ask *ask = s->asked; ask; ask = next) {
        next = ask->next;
        if (s->sent_count == s->sent_room) {
            s->sent_room += OPEN_ROOM_STEP;
            s->sent = more(s->sent, s->sent_room * sizeof(struct gate_ask *));
        }
        s->sent[s->sent_count++] = ask;
    }
    s->asked = NULL;
}

size_t late_gate_deliver(struct gate_session *session, size_t max)
{
    struct late_session *s = (struct late_session *)session;
    size_t count = 0;
    while (count < max && s->sent_count > 0) {
        pthread_mutex_lock(&s->gate->lock);
        size_t i = draw(s->gate, (uint32_t)s->sent_count);
        struct gate_ask *ask = s->sent[i];
        ask->verdict = (uint8_t)decide(s->gate, ask, s->now_ms);
        pthread_mutex_unlock(&s->gate->lock);
        s->sent[i] = s->sent[--s->sent_count];
        ask->next = NULL;
        s->worker.answered(s->worker.context, ask);
        count++;
    }
    return count;
}

size_t late_gate_waiting(const struct gate_session *session)
{
    return ((const struct late_session *)session)->sent_count;
}

static void late_order_seen(struct gate *gate, uint64_t order_hash)
{
    struct late_gate *g = self(gate);
    pthread_mutex_lock(&g->lock);
    mark_seen(g, order_hash);
    pthread_mutex_unlock(&g->lock);
}

static void late_detach(struct gate_session *session)
{
    struct late_session *s = (struct late_session *)session;
    late_flush(session, s->now_ms);
    while (s->sent_count > 0) {
        struct gate_ask *ask = s->sent[--s->sent_count];
        late_order_seen(&s->gate->gate, ask->order_hash);
        ask->verdict = GATE_BLIND;
        ask->next = NULL;
        s->worker.answered(s->worker.context, ask);
    }
    free(s->sent);
    free(s);
}

/* ---- the lane's side ---- */

static int late_lot_known(struct gate *gate, const struct gate_stock *lot)
{
    struct late_gate *g = self(gate);
    pthread_mutex_lock(&g->lock);
    take_stock(g, lot);
    pthread_mutex_unlock(&g->lock);
    return 0;
}

static int late_sale_known(struct gate *gate, const struct gate_sale *sale)
{
    struct late_gate *g = self(gate);
    pthread_mutex_lock(&g->lock);
    if (sale->number > g->sale_count) {
        g->sales = more(g->sales, sale->number * sizeof *g->sales);
        memset(g->sales + g->sale_count, 0, (sale->number - g->sale_count) * sizeof *g->sales);
        g->sale_count = sale->number;
    }
    g->sales[sale->number - 1] = *sale;
    pthread_mutex_unlock(&g->lock);
    return 0;
}

static void late_committed(struct gate *gate, const struct gate_settlement *orders, size_t n,
                           const struct gate_stock *lots, size_t m)
{
    struct late_gate *g = self(gate);
    pthread_mutex_lock(&g->lock);
    for (size_t i = 0; i < m; i++)
        take_stock(g, &lots[i]);
    for (size_t i = 0; i < n; i++)
        if (orders[i].outcome != GATE_UNKNOWN)
            close_entries(g, orders[i].order_hash);
    pthread_mutex_unlock(&g->lock);
}

static void late_orders_complete(struct gate *gate, bool complete)
{
    struct late_gate *g = self(gate);
    pthread_mutex_lock(&g->lock);
    g->orders_complete = complete;
    pthread_mutex_unlock(&g->lock);
}

static void late_next_deadline(struct gate *gate, int64_t deadline_ms)
{
    struct late_gate *g = self(gate);
    pthread_mutex_lock(&g->lock);
    g->next_deadline_ms = deadline_ms;
    pthread_mutex_unlock(&g->lock);
}

static void late_destroy(struct gate *gate)
{
    struct late_gate *g = self(gate);
    pthread_mutex_destroy(&g->lock);
    free(g->lots);
    free(g->by_key);
    free(g->open);
    free(g->seen);
    free(g->sales);
    free(g);
}

static const struct gate_ops late_ops = {
    .attach = late_attach,
    .ask = late_ask,
    .flush = late_flush,
    .detach = late_detach,
    .lot_known = late_lot_known,
    .sale_known = late_sale_known,
    .committed = late_committed,
    .order_seen = late_order_seen,
    .orders_complete = late_orders_complete,
    .next_deadline = late_next_deadline,
    .destroy = late_destroy,
};

struct gate *late_gate_create(uint64_t seed)
{
    struct late_gate *g = calloc(1, sizeof *g);
    if (!g)
        abort();
    g->gate.ops = &late_ops;
    g->dice = seed;
    g->next_deadline_ms = INT64_MAX;
    g->orders_complete = true;
    g->seen = calloc(SEEN_SLOTS, sizeof *g->seen);
    if (!g->seen || pthread_mutex_init(&g->lock, NULL) != 0)
        abort();
    return &g->gate;
}

void late_gate_away(struct gate *g, bool away)
{
    self(g)->away = away;
}

void late_gate_flaky(struct gate *g, unsigned per_mille)
{
    self(g)->flaky = per_mille;
}

int64_t late_gate_open_units(struct gate *gate, lot_id lot)
{
    struct late_gate *g = self(gate);
    pthread_mutex_lock(&g->lock);
    int64_t units = lot < g->lot_room ? g->lots[lot].open : 0;
    pthread_mutex_unlock(&g->lock);
    return units;
}
