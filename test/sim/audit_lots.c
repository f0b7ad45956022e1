/* What a lot is sold on, at an instant: its terms, who waits for units that are not there yet, what
 * a user may have of it. And the rows about that, and of a stock file.
 */
#include <inttypes.h>
#include <string.h>

#include "audit_internal.h"
#include "base/error.h"

enum { PLACES_MAX = 4096 };

const struct lot_terms *audit_terms_at(const struct audit_lot *lot, size_t rows)
{
    size_t i = lot->terms_count;
    while (i > 1 && lot->terms[i - 1].row >= rows)
        i--;
    return &lot->terms[i - 1].terms;
}

const struct lot_terms *audit_terms_now(const struct audit_lot *lot)
{
    return &lot->terms[lot->terms_count - 1].terms;
}

int64_t audit_sellable(const struct lot_terms *t, int64_t available)
{
    int64_t units = available + t->backorder_limit;
    return t->withdrawn || units < 0 ? 0 : units;
}

int64_t audit_house_units(const struct audit_held *held, enum hold_state state, uint32_t line)
{
    return state == HOLD_PENDING     ? held->lines[line].quantity
           : state == HOLD_CONFIRMED ? held->units[line].house
                                     : 0;
}

/* ---- units that are not there yet ---- */

/* Units that an order took of a lot by one row, as far as it has them still. */
struct place {
    size_t row;
    const struct audit_hold *hold;
    int64_t units;
};

struct places {
    struct place of[PLACES_MAX];
    uint32_t count;
};

static int64_t units_after(const struct audit_step *s, lot_id lot)
{
    for (uint32_t i = 0; i < s->held->line_count; i++)
        if (s->held->lines[i].lot == lot)
            return audit_house_units(s->held, (enum hold_state)s->state, i);
    return 0;
}

/* Those that leave are those that came first, those that are given back came last. */
static void give(struct places *p, uint32_t first, int64_t units, bool leave)
{
    for (uint32_t n = p->count - first; n > 0 && units; n--) {
        struct place *x = leave ? &p->of[p->count - n] : &p->of[first + n - 1];
        int64_t part = x->units < units ? x->units : units;
        x->units -= part;
        units -= part;
    }
}

static void take_places(const struct auditor *a, const struct audit_hold *h, lot_id lot,
                        const struct audit_instant *in, struct places *p)
{
    uint32_t first = p->count;
    int64_t had = 0;
    const struct audit_step *last = audit_step_at(h, in->rows);
    enum refund_reason why;
    if (!last || last->state == HOLD_REFUNDED || audit_ended(a, h, last, in, &why))
        return;
    for (const struct audit_step *s = h->steps; s <= last; s++) {
        int64_t has = units_after(s, lot);
        if (has > had && p->count < PLACES_MAX)
            p->of[p->count++] = (struct place){s->row, h, has - had};
        else if (has < had)
            give(p, first, had - has, s->kind == MOVE_SHIP);
        had = has;
    }
}

static int64_t on_hand_at(const struct audit_lot *lot, size_t rows)
{
    int64_t version = lot->stock.version;
    while (version > 0 && lot->version_rows[version] >= rows)
        version--;
    return lot->versions[version].on_hand;
}

int64_t audit_owed(const struct auditor *a, const struct audit_hold *h, lot_id lot,
                   const struct audit_instant *in)
{
    struct places p;
    int64_t owed = 0;
    int64_t there = on_hand_at(&a->lots[lot - 1], in->rows);
    if (!audit_terms_now(&a->lots[lot - 1])->backorder_most)
        return 0;
    p.count = 0;
    for (size_t i = 0; i < a->hold_count; i++)
        take_places(a, a->holds[i], lot, in, &p);
    for (;;) { /* in the order in which they were taken, each once */
        struct place *next = NULL;
        for (uint32_t i = 0; i < p.count; i++)
            if (p.of[i].units && (!next || p.of[i].row < next->row))
                next = &p.of[i];
        if (!next)
            return owed;
        int64_t missing = next->units > there ? next->units - there : 0;
        owed += next->hold == h ? missing : 0;
        there -= next->units - missing;
        next->units = 0;
    }
}

/* ---- what a user may have ---- */

static int64_t user_units(const struct auditor *a, struct str user_id, lot_id lot,
                          const struct audit_instant *in)
{
    int64_t units = 0;
    int64_t oldest = seq_first_of_ms(in->at_ms - a->rules.retention_ms);
    for (size_t i = 0; i < a->hold_count; i++) {
        const struct audit_hold *h = a->holds[i];
        const struct audit_step *s = audit_step_at(h, in->rows);
        enum refund_reason why;
        if (h->sale || !s || !str_equal(str_of(h->user_id), user_id) || s->state == HOLD_REFUNDED ||
            audit_ended(a, h, s, in, &why) || (s->state == HOLD_CONFIRMED && h->id < oldest))
            continue;
        for (uint32_t j = 0; j < s->held->line_count; j++)
            if (s->held->lines[j].lot == lot)
                units += s->state == HOLD_PENDING ? s->held->lines[j].quantity
                                                  : s->held->units[j].house + s->held->units[j].out;
    }
    return units;
}

int audit_lot_limits(const struct auditor *a, struct str user_id, const struct audit_instant *in,
                     const struct line *more, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        int64_t limit = audit_terms_at(&a->lots[more[i].lot - 1], in->rows)->per_user_limit;
        if (limit && more[i].quantity > 0 &&
            user_units(a, user_id, more[i].lot, in) + more[i].quantity > limit)
            return TLY_ELIMIT_EXCEEDED;
    }
    return 0;
}

bool audit_user_has_holds(const struct auditor *a, struct str user_id,
                          const struct audit_instant *in)
{
    uint32_t count = 0;
    for (size_t i = 0; i < a->hold_count && a->rules.user_holds_max; i++) {
        const struct audit_hold *h = a->holds[i];
        const struct audit_step *s = audit_step_at(h, in->rows);
        enum refund_reason why;
        count += s && s->state == HOLD_PENDING && str_equal(str_of(h->user_id), user_id) &&
                 !audit_ended(a, h, s, in, &why);
    }
    return a->rules.user_holds_max && count >= a->rules.user_holds_max;
}

/* The hold has just got units, by this row. */
void audit_check_user(struct auditor *a, const struct audit_hold *h, const struct move *m)
{
    const struct audit_instant now = {
        .rows = a->row_count + 1, .at_ms = m->at_ms, .rows_only = true};
    uint32_t holds = 0;
    for (size_t i = 0; i < a->hold_count; i++)
        holds += a->holds[i]->state == HOLD_PENDING && !strcmp(a->holds[i]->user_id, h->user_id);
    if (m->kind == MOVE_RESERVE && a->rules.user_holds_max && holds > a->rules.user_holds_max)
        audit_fail(a, "LIMIT", "user %s has %u holds, and may have %u", h->user_id, holds,
                   a->rules.user_holds_max);
    for (uint32_t i = 0; i < h->now.line_count; i++)
        if (audit_available(&a->lots[h->now.lines[i].lot - 1]) < 0)
            audit_count(a, AUDIT_OUTCOME_BACKORDERED);
    for (uint32_t i = 0; i < h->now.line_count && !h->sale; i++) {
        const struct audit_lot *lot = &a->lots[h->now.lines[i].lot - 1];
        int64_t limit = audit_terms_now(lot)->per_user_limit;
        int64_t units = user_units(a, str_of(h->user_id), h->now.lines[i].lot, &now);
        if (limit && units > limit && m->kind == MOVE_RESERVE)
            audit_fail(a, "LIMIT", "user %s has %" PRId64 " units of lot %s, and may have %" PRId64,
                       h->user_id, units, lot->key, limit);
    }
}

/* What recovery must read from to know what users have of lots that bound it. */
int64_t audit_oldest_limited(const struct auditor *a, int64_t now_ms)
{
    int64_t cutoff = seq_first_of_ms(now_ms - a->rules.retention_ms);
    for (size_t i = 0; i < a->hold_count; i++) { /* by id */
        const struct audit_hold *h = a->holds[i];
        for (uint32_t j = 0; j < h->now.line_count; j++)
            if (!h->sale && h->state != HOLD_REFUNDED && h->id >= cutoff &&
                audit_terms_now(&a->lots[h->now.lines[j].lot - 1])->per_user_limit)
                return h->id;
    }
    return INT64_MAX;
}

bool audit_lots_are_plain(const struct auditor *a)
{
    for (uint32_t i = 0; i < a->lot_count; i++) {
        const struct lot_terms *t = audit_terms_now(&a->lots[i]);
        if (t->per_user_limit || t->backorder_most)
            return false;
    }
    return true;
}

/* ---- terms ---- */

bool audit_terms_equal(const struct lot_terms *x, const struct lot_terms *y)
{
    return x->expires_on == y->expires_on && x->expected_on == y->expected_on &&
           x->per_user_limit == y->per_user_limit && x->backorder_limit == y->backorder_limit &&
           x->withdrawn == y->withdrawn;
}

struct lot_terms audit_terms_set(const struct lot_terms *old, const struct audit_ask *ask)
{
    struct lot_terms t = *old;
    if (ask->sets & AUDIT_EXPIRES)
        t.expires_on = ask->lot_terms.expires_on;
    if (ask->sets & AUDIT_EXPECTED)
        t.expected_on = ask->lot_terms.expected_on;
    if (ask->sets & AUDIT_PER_USER)
        t.per_user_limit = ask->lot_terms.per_user_limit;
    if (ask->sets & AUDIT_BACKORDER)
        t.backorder_limit = ask->lot_terms.backorder_limit;
    if (ask->sets & AUDIT_WITHDRAWN)
        t.withdrawn = ask->lot_terms.withdrawn;
    if (t.backorder_most < t.backorder_limit)
        t.backorder_most = t.backorder_limit;
    return t;
}

void audit_note_terms(struct auditor *a, struct audit_lot *lot, const struct lot_terms *terms)
{
    lot->terms =
        audit_grow(lot->terms, &lot->terms_room, lot->terms_count + 1, sizeof lot->terms[0]);
    lot->terms[lot->terms_count++] = (struct audit_terms_row){.row = a->row_count, .terms = *terms};
}

bool audit_asks_for_terms(const struct auditor *a, const struct audit_ask *ask,
                          const struct move *m)
{
    if (ask->kind != AUDIT_UPDATE_LOT || !m->terms || m->line.lot > a->lot_count)
        return false;
    const struct audit_lot *lot = &a->lots[m->line.lot - 1];
    struct lot_terms right = audit_terms_set(audit_terms_now(lot), ask);
    return str_equal(ask->lot, str_of(lot->key)) && audit_terms_equal(&right, m->terms) &&
           right.backorder_most == m->terms->backorder_most;
}

void audit_row_terms(struct auditor *a, const struct move *m)
{
    struct audit_lot *lot = m->line.lot <= a->lot_count ? &a->lots[m->line.lot - 1] : NULL;
    bool created = lot && lot->owes_terms;
    if (!lot || !m->terms || !(created || audit_cause(a, m))) {
        audit_fail(a, "I6", "lot %u has new terms, which nobody is waiting for", m->line.lot);
        return;
    }
    lot->owes_terms = false;
    if (m->line.quantity != m->terms->backorder_limit)
        audit_fail(a, "I1", "the log tells another backorder_limit of lot %s", lot->key);
    if (created != audit_terms_equal(audit_terms_now(lot), m->terms))
        audit_fail(a, "I4", "the new terms of lot %s are %s", lot->key,
                   created ? "not those that it was created with" : "those that it had");
    if (created)
        return;
    audit_note_terms(a, lot, m->terms);
    audit_count(a, AUDIT_OUTCOME_LOT_UPDATED);
}

/* Of a lot as it is shown: so they were at some instant since the request left. */
bool audit_terms_shown(const struct audit_lot *lot, const struct lot_terms *shown, size_t from)
{
    for (size_t i = 0; i < lot->terms_count; i++) {
        bool over = i + 1 < lot->terms_count && lot->terms[i + 1].row < from;
        if (!over && audit_terms_equal(&lot->terms[i].terms, shown))
            return true;
    }
    return false;
}

/* ---- a stock file ---- */

struct set_change {
    struct str key;
    uint8_t kind; /* MOVE_CREATE, MOVE_ADJUST; 0: none */
    int64_t delta;
};

static bool there_at(const struct audit_lot *lot, const struct audit_instant *in)
{
    return lot->version_rows[1] < in->rows;
}

static uint32_t lots_at(const struct auditor *a, const struct audit_instant *in)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < a->lot_count; i++)
        count += there_at(&a->lots[i], in);
    return count;
}

/* What an item comes to; false: it is at fault. */
static bool set_one(const struct auditor *a, const struct audit_ask *ask,
                    const struct audit_set_item *item, const struct audit_instant *in,
                    uint32_t creates, struct set_change *out)
{
    const struct audit_lot *lot = audit_lot_find(a, item->key);
    int64_t units[AUDIT_LOTS_MAX];
    *out = (struct set_change){.key = item->key};
    if (!lot || !there_at(lot, in)) {
        if (ask->existing_only)
            return true;
        out->kind = MOVE_CREATE;
        out->delta = item->quantity;
        return item->counts && item->quantity >= 0 && lots_at(a, in) + creates < a->rules.lots_max;
    }
    if (item->dated && audit_terms_at(lot, in->rows)->expires_on != item->expires_on)
        return false;
    audit_free_units(a, in, units);
    int64_t on_hand = on_hand_at(lot, in->rows);
    int64_t held = on_hand - units[lot - a->lots];
    bool owes = ask->mode == AUDIT_AVAILABLE && !item->quantity && on_hand < held;
    int64_t target = !item->counts || owes          ? on_hand
                     : ask->mode == AUDIT_AVAILABLE ? item->quantity + held
                                                    : item->quantity;
    out->delta = target - on_hand;
    out->kind = out->delta ? MOVE_ADJUST : 0;
    return out->delta >= 0 || target >= held;
}

int audit_expect_set(const struct auditor *a, const struct audit_ask *ask,
                     const struct audit_instant *in)
{
    struct set_change change;
    uint32_t creates = 0;
    int code = 0;
    for (uint32_t i = 0; i < ask->item_count; i++) {
        if (!set_one(a, ask, &ask->items[i], in, creates, &change))
            code = TLY_EINVALID_ARGUMENT;
        else
            creates += change.kind == MOVE_CREATE;
    }
    return code;
}

static bool is_row_of(const struct auditor *a, const struct move *m, const struct set_change *x)
{
    if (m->kind != x->kind || m->line.quantity != x->delta || !str_empty(m->detail))
        return false;
    if (m->kind == MOVE_CREATE)
        return str_equal(m->dims->key, x->key);
    return m->line.lot <= a->lot_count && str_equal(str_of(a->lots[m->line.lot - 1].key), x->key) &&
           str_equal(m->note, STR(AUDIT_SET_REASON));
}

/* All that the ask comes to, now, is in these rows: how many they are. */
static size_t rows_of(const struct auditor *a, const struct audit_ask *ask, const struct move *rows,
                      size_t count)
{
    const struct audit_instant now = {
        .rows = a->row_count, .at_ms = rows->at_ms, .rows_only = true};
    size_t found = 0;
    uint32_t creates = 0;
    for (uint32_t i = 0; i < ask->item_count; i++) {
        struct set_change x;
        if (!set_one(a, ask, &ask->items[i], &now, creates, &x))
            return 0;
        if (!x.kind)
            continue;
        creates += x.kind == MOVE_CREATE;
        if (found == count || !is_row_of(a, &rows[found], &x))
            return 0;
        found++;
    }
    return found;
}

size_t audit_set_rows(struct auditor *a, const struct move *rows, size_t count)
{
    bool from_file = rows->kind == MOVE_ADJUST && str_equal(rows->note, STR(AUDIT_SET_REASON));
    if (rows->kind != MOVE_CREATE && !from_file)
        return 0;
    struct audit_ask *cause = NULL; /* the oldest: equal requests are served in turn */
    size_t of_cause = 0;
    for (struct audit_ask *ask = a->asks; ask; ask = ask->next) {
        size_t found = ask->kind == AUDIT_SET && !ask->caused ? rows_of(a, ask, rows, count) : 0;
        if (!found)
            continue;
        cause = ask;
        of_cause = found;
    }
    /* A file of one new lot is like an order to create it: where both wait, that may have done it.
     */
    if (cause && of_cause == 1 && rows->kind == MOVE_CREATE && audit_cause(a, rows))
        return 0;
    if (cause) {
        cause->caused = true;
        audit_count(a, AUDIT_OUTCOME_STOCK_SET);
        return of_cause;
    }
    if (from_file)
        audit_fail(a, "I4", "rows of a stock file are not what it says, or not all of it");
    return 0;
}
