/* backorder.c - happy path: an order takes units that are not all there, and gets a place at the
 * end of its lot's line; units come; it has all of its own, and the place goes with the commit.
 *
 * A place goes only when its order has its units whatever becomes of the batches that are not
 * decided: what those brought (`supply`) does not count. Places without units stay until their
 * batch is committed, so that undo finds them, and are then taken out by the half line.
 *
 * Failure: memory is short for a place: see backorder_make_room().
 */
#include "engine/backorder.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine_internal.h"

enum { ROOM_MIN = 16, EMPTY_MIN = 64, LOTS_A_LOOK = 64, PLACES_MAX = 16 };

static struct backorder_line *line_of(const struct engine *e, lot_id id)
{
    const struct lot *lot = lots_at(&e->lots, id);
    if (!lot->extra)
        return NULL;
    struct lot_extra *extra = lots_extra(&e->lots, lot->extra);
    return extra->terms.backorder_most ? &extra->backorders : NULL;
}

/* ---- lots with a line ---- */

static void line_begins(struct engine *e, lot_id id, struct backorder_line *l, int64_t seq)
{
    l->previous = 0;
    l->next = e->backorder_first;
    if (l->next)
        line_of(e, l->next)->previous = id;
    else
        e->backorder_oldest = seq;
    e->backorder_first = id;
    e->backorder_lots++;
}

static void line_ends(struct engine *e, struct backorder_line *l)
{
    if (l->previous)
        line_of(e, l->previous)->next = l->next;
    else
        e->backorder_first = l->next;
    if (l->next)
        line_of(e, l->next)->previous = l->previous;
    l->previous = l->next = 0;
    l->first = 0;
    e->backorder_lots--;
}

/* All of them are looked at so seldom that it comes to LOTS_A_LOOK each time. */
int64_t backorder_oldest(struct engine *e)
{
    if (!e->backorder_first)
        return INT64_MAX;
    if (e->backorder_looks > 0) {
        e->backorder_looks--;
        return e->backorder_oldest;
    }
    e->backorder_looks = e->backorder_lots / LOTS_A_LOOK;
    e->backorder_oldest = INT64_MAX;
    for (lot_id id = e->backorder_first; id; id = line_of(e, id)->next) {
        const struct backorder_line *l = line_of(e, id);
        if (l->places[l->first].seq < e->backorder_oldest)
            e->backorder_oldest = l->places[l->first].seq;
    }
    return e->backorder_oldest;
}

/* ---- places ---- */

static bool make_room(struct engine *e, struct backorder_line *l)
{
    if (l->first + l->count < l->room)
        return true;
    if (l->first >= l->room / 2 && l->room) {
        memmove(l->places, l->places + l->first, l->count * sizeof *l->places);
        l->first = 0;
        return true;
    }
    uint32_t room = l->room ? l->room * 2 : ROOM_MIN;
    struct backorder *places = realloc(l->places, room * sizeof *places);
    if (!places)
        return false;
    e->lots.bytes += (room - l->room) * sizeof *places;
    l->places = places;
    l->room = room;
    return true;
}

int backorder_allow(const struct engine *e, struct command *c, const struct line *lines,
                    uint16_t count)
{
    uint64_t places = e->backorder_places;
    for (uint16_t i = 0; i < count; i++) {
        const struct backorder_line *l = line_of(e, lines[i].lot);
        int64_t there = stock_available(&lots_at(&e->lots, lines[i].lot)->stock);
        if (l && lines[i].quantity > 0 && (l->count || there < lines[i].quantity))
            places++;
    }
    if (places == e->backorder_places || places <= e->config.backorders_max)
        return 0;
    return engine_say(c, TLY_EOVERLOADED,
                      "backorders_max: %u orders wait for units, the most that may; try again",
                      e->config.backorders_max);
}

bool backorder_make_room(struct engine *e, const struct line *lines, uint16_t count)
{
    for (uint16_t i = 0; i < count; i++) {
        struct backorder_line *l = line_of(e, lines[i].lot);
        if (l && !make_room(e, l))
            return false;
    }
    return true;
}

static bool is_late(const struct backorder *p)
{
    return p->seq != p->reservation_id;
}

/* The places of an order, oldest first: one by the move that reserved it, and one for each time
 * that it took more. Returns how many. */
static uint32_t find(const struct backorder_line *l, int64_t reservation_id, struct backorder **out)
{
    struct backorder *places = l->places + l->first;
    struct backorder *later[PLACES_MAX];
    uint32_t low = 0, high = l->count, count = 0, found = 0;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (places[middle].seq < reservation_id)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < l->count && places[low].seq == reservation_id)
        out[count++] = &places[low];
    uint32_t late = l->late;
    for (uint32_t i = l->count; late && i-- > low;) {
        late -= is_late(&places[i]);
        if (places[i].reservation_id == reservation_id && is_late(&places[i]))
            later[found++] = &places[i];
    }
    while (found)
        out[count++] = later[--found];
    return count;
}

/* Units that belong to orders which are in no line: older than all that are. */
static int64_t units_before(const struct engine *e, lot_id id, const struct backorder_line *l)
{
    const struct stock *s = &lots_at(&e->lots, id)->stock;
    return s->reserved + s->confirmed - l->listed;
}

/* Of an order, if so many units are there for the line. */
static int64_t owed_of(const struct backorder_line *l, int64_t reservation_id, int64_t there)
{
    struct backorder *of_order[PLACES_MAX];
    uint32_t count = find(l, reservation_id, of_order);
    const struct backorder *at = l->places + l->first;
    int64_t owed = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct backorder *p = of_order[i];
        for (; at != p && there > 0; at++)
            there -= at->units;
        int64_t units = p->units;
        owed += there <= 0 ? units : units > there ? units - there : 0;
    }
    return owed;
}

/* The same before `left` of its units were taken from the lot's stock. */
static int64_t owed_before(const struct engine *e, lot_id id, const struct backorder_line *l,
                           int64_t reservation_id, int64_t left)
{
    const struct stock *s = &lots_at(&e->lots, id)->stock;
    int64_t there = s->on_hand + left - (units_before(e, id, l) + left);
    return owed_of(l, reservation_id, there);
}

static void set_units(struct engine *e, struct backorder_line *l, struct backorder *p,
                      int64_t units)
{
    l->listed += units - p->units;
    l->empty += units == 0;
    l->empty -= p->units == 0;
    p->units = (uint32_t)units;
    p->batch = e->loading ? 0 : e->batch_number + 1;
}

/* At the end of the line, whatever place the order has already. */
static void add(struct engine *e, lot_id id, struct backorder_line *l, const struct move *m,
                int64_t units)
{
    struct backorder *of_order[PLACES_MAX];
    uint32_t count = l->count ? find(l, m->reservation_id, of_order) : 0;
    struct backorder *p = count ? of_order[count - 1] : NULL;
    bool all_there = stock_available(&lots_at(&e->lots, id)->stock) >= 0;
    for (uint32_t i = 0; i < count; i++)
        of_order[i]->size = of_order[i]->units;
    if (!p || (count < PLACES_MAX - 1 && p != &l->places[l->first + l->count - 1])) {
        if ((l->count == 0 && all_there && !e->loading) || !make_room(e, l))
            return;
        p = &l->places[l->first + l->count];
        *p = (struct backorder){.seq = m->seq, .reservation_id = m->reservation_id};
        e->backorder_places++;
        if (l->count++ == 0)
            line_begins(e, id, l, m->seq);
        l->empty++;
        l->late += is_late(p);
    }
    set_units(e, l, p, p->units + units);
    p->size = p->units;
}

static void drop_last(struct engine *e, struct backorder_line *l)
{
    const struct backorder *p = &l->places[l->first + l->count - 1];
    l->late -= is_late(p);
    l->empty--;
    e->backorder_places--;
    if (--l->count == 0)
        line_ends(e, l);
}

static void compact(struct engine *e, struct backorder_line *l)
{
    if (l->empty < EMPTY_MIN || l->empty < l->count / 2)
        return;
    struct backorder *places = l->places + l->first;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < l->count; i++) {
        if (places[i].units || places[i].batch > e->committed_number)
            places[kept++] = places[i];
        else
            l->late -= is_late(&places[i]);
    }
    l->empty -= l->count - kept;
    e->backorder_places -= l->count - kept;
    l->count = kept;
    if (!kept)
        line_ends(e, l);
}

/* What an order gives back are the units that it took last. */
static void take(struct engine *e, struct backorder_line *l, const struct move *m, int64_t units)
{
    struct backorder *of_order[PLACES_MAX];
    uint32_t count = l->count ? find(l, m->reservation_id, of_order) : 0;
    while (units && count-- > 0) {
        struct backorder *p = of_order[count];
        int64_t taken = p->units < units ? p->units : units;
        set_units(e, l, p, p->units - taken);
        units -= taken;
    }
    if (e->loading)
        compact(e, l);
}

/* Undo of add(). */
static void take_back(struct engine *e, struct backorder_line *l, const struct move *m,
                      int64_t units)
{
    struct backorder *of_order[PLACES_MAX];
    uint32_t count = l->count ? find(l, m->reservation_id, of_order) : 0;
    if (!count)
        return;
    struct backorder *p = of_order[count - 1];
    set_units(e, l, p, p->units > units ? p->units - units : 0);
    p->size = p->units;
    if (p->units == 0 && p->seq == m->seq && p == &l->places[l->first + l->count - 1])
        drop_last(e, l);
}

/* Undo of take(). */
static void give_back(struct engine *e, struct backorder_line *l, const struct move *m,
                      int64_t units)
{
    struct backorder *of_order[PLACES_MAX];
    uint32_t count = l->count ? find(l, m->reservation_id, of_order) : 0;
    for (uint32_t i = 0; i < count && units; i++) {
        struct backorder *p = of_order[i];
        int64_t missing = (int64_t)p->size - p->units;
        int64_t given = i + 1 == count || missing > units ? units : missing;
        set_units(e, l, p, p->units + given);
        p->size = p->size < p->units ? p->units : p->size;
        units -= given;
    }
}

/* Units that leave the house are those that are there: of the places that were taken first. What is
 * not in the line any more was there as well, so undo leaves it at that. */
static void leave(struct engine *e, lot_id id, struct backorder_line *l, const struct move *m,
                  int64_t units)
{
    struct backorder *of_order[PLACES_MAX];
    uint32_t count = l->count ? find(l, m->reservation_id, of_order) : 0;
    int64_t listed = 0, owed = e->loading ? 0 : owed_before(e, id, l, m->reservation_id, units);
    for (uint32_t i = 0; i < count; i++)
        listed += of_order[i]->units;
    units = units < listed - owed ? units : listed - owed;
    for (uint32_t i = 0; i < count && units > 0; i++) {
        struct backorder *p = of_order[i];
        int64_t left = p->units < units ? p->units : units;
        p->size -= (uint32_t)left;
        set_units(e, l, p, p->units - left);
        units -= left;
    }
    if (e->loading)
        compact(e, l);
}

/* Units that come to be available by it; none if they are taken. */
static int64_t gain_of(enum move_kind kind, int64_t quantity)
{
    const struct move_effect *effect = &move_effects[kind];
    int64_t gain = quantity * (effect->on_hand - effect->reserved - effect->confirmed);
    return gain > 0 ? gain : 0;
}

void backorder_moved(struct engine *e, lot_id id, const struct move *m, int64_t quantity, int sign)
{
    struct backorder_line *l = line_of(e, id);
    if (!l)
        return;
    const struct move_effect *effect = &move_effects[m->kind];
    int64_t held = quantity * (effect->reserved + effect->confirmed);
    l->supply += sign * gain_of(m->kind, quantity);
    if (l->supply < 0)
        l->supply = 0;
    if (!m->reservation_id || !held)
        return;
    if (effect->on_hand < 0 && sign > 0)
        leave(e, id, l, m, -held);
    else if (held > 0 && sign > 0)
        add(e, id, l, m, held);
    else if (held > 0)
        take_back(e, l, m, held);
    else if (sign > 0)
        take(e, l, m, -held);
    else if (effect->on_hand == 0)
        give_back(e, l, m, -held);
}

static void let_go(struct engine *e, lot_id id, struct backorder_line *l)
{
    int64_t there = lots_at(&e->lots, id)->stock.on_hand - l->supply;
    while (l->count) {
        struct backorder *p = &l->places[l->first];
        if (p->units && units_before(e, id, l) + p->units > there)
            break;
        l->listed -= p->units;
        l->empty -= p->units == 0;
        l->late -= is_late(p);
        l->first++;
        e->backorder_places--;
        if (--l->count == 0)
            line_ends(e, l);
    }
}

void backorder_committed(struct engine *e, lot_id id, enum move_kind kind, int64_t quantity)
{
    struct backorder_line *l = line_of(e, id);
    if (!l)
        return;
    int64_t gain = gain_of(kind, quantity);
    l->supply = l->supply > gain ? l->supply - gain : 0;
    let_go(e, id, l);
    compact(e, l);
}

bool backorder_put(struct engine *e, lot_id id, int64_t seq, int64_t reservation_id, int64_t units)
{
    struct backorder_line *l = line_of(e, id);
    if (!l)
        return true; /* it sells nothing that is to come */
    if (!make_room(e, l))
        return false;
    struct backorder *p = &l->places[l->first + l->count];
    *p = (struct backorder){.seq = seq,
                            .reservation_id = reservation_id,
                            .units = (uint32_t)units,
                            .size = (uint32_t)units};
    l->late += is_late(p);
    l->listed += units;
    e->backorder_places++;
    if (l->count++ == 0)
        line_begins(e, id, l, seq);
    return true;
}

void backorder_forget(struct engine *e, lot_id id)
{
    struct backorder_line *l = line_of(e, id);
    if (!l)
        return;
    e->backorder_places -= l->count;
    if (l->count)
        line_ends(e, l);
    e->lots.bytes -= l->room * sizeof *l->places;
    free(l->places);
    *l = (struct backorder_line){0};
}

void backorder_loaded(struct engine *e)
{
    lot_id next;
    for (lot_id id = e->backorder_first; id; id = next) {
        struct backorder_line *l = line_of(e, id);
        next = l->next;
        l->supply = 0;
        let_go(e, id, l);
    }
}

int64_t backorder_units(const struct engine *e, lot_id id, int64_t reservation_id)
{
    const struct backorder_line *l = line_of(e, id);
    const struct stock *s = &lots_at(&e->lots, id)->stock;
    if (!l || !l->count || stock_available(s) >= 0)
        return 0;
    return owed_of(l, reservation_id, s->on_hand - units_before(e, id, l));
}

void backorder_show(const struct engine *e, int64_t reservation_id, const struct line *lines,
                    uint32_t count, struct line_after *after)
{
    for (uint32_t i = 0; after && i < count; i++)
        after[i].backordered =
            lots_has(&e->lots, lines[i].lot) ? backorder_units(e, lines[i].lot, reservation_id) : 0;
}
