/* groups.c - see groups.h. When memory is short nothing is added. */
#include "engine/groups.h"

#include <assert.h>
#include <stdlib.h>

#include "base/error.h"

enum { GROUPS_GOAL = 1048576, ENDS_MIN = 64 };

int groups_init(struct groups *gs)
{
    *gs = (struct groups){.found = calloc(1, sizeof *gs->found)};
    slab_init(&gs->slab, sizeof(struct group), 256);
    return !gs->found || pairs_init(&gs->by_id, GROUPS_GOAL) || pairs_init(&gs->places, GROUPS_GOAL)
               ? TLY_ENO_MEMORY
               : 0;
}

void groups_close(struct groups *gs)
{
    pairs_close(&gs->by_id);
    pairs_close(&gs->places);
    slab_close(&gs->slab);
    free(gs->ends);
    free(gs->found);
    gs->ends = NULL;
    gs->found = NULL;
}

size_t groups_bytes(const struct groups *gs)
{
    return gs->slab.bytes + gs->by_id.bytes + gs->places.bytes +
           gs->end_room * sizeof(struct group_end);
}

static uint64_t mix(uint64_t key)
{
    key *= UINT64_C(0x9E3779B97F4A7C15);
    return key ^ key >> 32;
}

static uint64_t id_key(int64_t group_id)
{
    return mix((uint64_t)group_id);
}

static uint64_t place_key(uint64_t user, int64_t group_id)
{
    return mix(user ^ id_key(group_id));
}

/* ---- ends to come: a heap by time, then by id ---- */

static bool before(const struct group_end *a, const struct group_end *b)
{
    return a->ends_ms != b->ends_ms ? a->ends_ms < b->ends_ms
                                    : a->group->group_id < b->group->group_id;
}

static void set_end(struct groups *gs, uint32_t i, struct group_end end)
{
    gs->ends[i] = end;
    end.group->timer = i + 1;
}

static void sift_up(struct groups *gs, uint32_t i, struct group_end end)
{
    while (i && before(&end, &gs->ends[(i - 1) / 2])) {
        set_end(gs, i, gs->ends[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    set_end(gs, i, end);
}

static void sift_down(struct groups *gs, uint32_t i, struct group_end end)
{
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= gs->end_count)
            break;
        if (child + 1 < gs->end_count && before(&gs->ends[child + 1], &gs->ends[child]))
            child++;
        if (!before(&gs->ends[child], &end))
            break;
        set_end(gs, i, gs->ends[child]);
        i = child;
    }
    set_end(gs, i, end);
}

static bool ends_make_room(struct groups *gs)
{
    if (gs->count < gs->end_room)
        return true;
    uint32_t room = gs->end_room ? gs->end_room * 2 : ENDS_MIN;
    struct group_end *ends = realloc(gs->ends, room * sizeof *ends);
    if (!ends)
        return false;
    gs->ends = ends;
    gs->end_room = room;
    return true;
}

void groups_watch(struct groups *gs, struct group *g)
{
    assert(!g->timer && !g->due && gs->end_count < gs->end_room);
    sift_up(gs, gs->end_count++, (struct group_end){g->ends_ms, g});
}

static void due_unlink(struct groups *gs, struct group *g)
{
    if (g->due_previous)
        g->due_previous->due_next = g->due_next;
    else
        gs->due_first = g->due_next;
    if (g->due_next)
        g->due_next->due_previous = g->due_previous;
    else
        gs->due_last = g->due_previous;
    g->due_next = g->due_previous = NULL;
    g->due = 0;
}

void groups_unwatch(struct groups *gs, struct group *g)
{
    if (g->due)
        due_unlink(gs, g);
    if (!g->timer)
        return;
    uint32_t i = g->timer - 1;
    struct group_end last = gs->ends[--gs->end_count];
    g->timer = 0;
    if (last.group == g)
        return;
    if (i && before(&last, &gs->ends[(i - 1) / 2]))
        sift_up(gs, i, last);
    else
        sift_down(gs, i, last);
}

int64_t groups_next_end(const struct groups *gs)
{
    return gs->end_count ? gs->ends[0].ends_ms : INT64_MAX;
}

void groups_set_due(struct groups *gs, struct group *g)
{
    assert(!g->timer && !g->due);
    gs->due_number += gs->due_number == UINT32_MAX ? 2 : 1;
    g->due = gs->due_number;
    g->due_previous = gs->due_last;
    if (gs->due_last)
        gs->due_last->due_next = g;
    else
        gs->due_first = g;
    gs->due_last = g;
}

struct group *groups_take_due(struct groups *gs, int64_t now_ms)
{
    if (groups_next_end(gs) > now_ms)
        return NULL;
    struct group *g = gs->ends[0].group;
    groups_unwatch(gs, g);
    groups_set_due(gs, g);
    return g;
}

/* ---- groups ---- */

struct group *groups_add(struct groups *gs, int64_t group_id, struct sale *sale, uint16_t size,
                         int64_t opened_ms, int64_t ends_ms)
{
    struct group *g = ends_make_room(gs) ? slab_take(&gs->slab) : NULL;
    if (!g)
        return NULL;
    if (!pairs_put(&gs->by_id, id_key(group_id), (uintptr_t)g)) {
        slab_give(&gs->slab, g);
        return NULL;
    }
    *g = (struct group){
        .group_id = group_id,
        .opened_ms = opened_ms,
        .ends_ms = ends_ms,
        .sale = sale,
        .older = gs->newest,
        .size = size,
        .status = GROUP_IS_OPEN,
    };
    if (gs->newest)
        gs->newest->newer = g;
    else
        gs->oldest = g;
    gs->newest = g;
    gs->count++;
    groups_watch(gs, g);
    return g;
}

void groups_remove(struct groups *gs, struct group *g)
{
    assert(!g->first);
    groups_unwatch(gs, g);
    if (gs->found->lately == g)
        gs->found->lately = NULL;
    if (g->older)
        g->older->newer = g->newer;
    else
        gs->oldest = g->newer;
    if (g->newer)
        g->newer->older = g->older;
    else
        gs->newest = g->older;
    pairs_remove(&gs->by_id, id_key(g->group_id), (uintptr_t)g);
    gs->count--;
    slab_give(&gs->slab, g);
}

/* Ids are mapped one to one, so that equal keys are equal ids. */
static struct group *in_table(const struct groups *gs, int64_t group_id)
{
    uint32_t probe = 0;
    return (struct group *)(uintptr_t)pairs_find(&gs->by_id, id_key(group_id), &probe);
}

struct group *groups_find(const struct groups *gs, int64_t group_id)
{
    if (gs->found->lately && gs->found->lately->group_id == group_id)
        return gs->found->lately;
    struct group *g = in_table(gs, group_id);
    if (g)
        gs->found->lately = g;
    return g;
}

void groups_prefetch(const struct groups *gs, int64_t group_id, uint64_t user)
{
    uint32_t at = gs->found->ahead_at++;
    int64_t *ahead = gs->found->ahead;
    pairs_prefetch(&gs->by_id, id_key(group_id));
    pairs_prefetch(&gs->places, place_key(user, group_id));
    const struct group *g = in_table(gs, ahead[(at - 2) % GROUPS_AHEAD]);
    if (g) {
        __builtin_prefetch(g, 1);
        __builtin_prefetch(&g->size, 1);
    }
    g = in_table(gs, ahead[at % GROUPS_AHEAD]);
    if (g && g->first)
        __builtin_prefetch(&g->first->text);
    ahead[at % GROUPS_AHEAD] = group_id;
}

bool groups_make_room(struct groups *gs, uint64_t user, int64_t group_id)
{
    return pairs_make_room(&gs->places, place_key(user, group_id));
}

void groups_join(struct groups *gs, struct group *g, struct hold *h)
{
    struct hold_sale *hs = hold_sale(h);
    assert(!hs->group);
    hs->group = g;
    hs->group_previous = NULL;
    hs->group_next = g->first;
    if (g->first)
        hold_sale(g->first)->group_previous = h;
    g->first = h;
    bool known = pairs_put(&gs->places, place_key(hs->user, g->group_id), (uintptr_t)h);
    assert(known);
}

void groups_leave(struct groups *gs, struct hold *h)
{
    struct hold_sale *hs = hold_sale(h);
    struct group *g = hs->group;
    assert(g);
    if (hs->group_previous)
        hold_sale(hs->group_previous)->group_next = hs->group_next;
    else
        g->first = hs->group_next;
    if (hs->group_next)
        hold_sale(hs->group_next)->group_previous = hs->group_previous;
    hs->group_next = hs->group_previous = NULL;
    hs->group = NULL;
    pairs_remove(&gs->places, place_key(hs->user, g->group_id), (uintptr_t)h);
}

struct hold *groups_member(const struct groups *gs, const struct group *g, uint64_t user,
                           struct str user_id)
{
    uint32_t probe = 0;
    uint64_t value;
    while ((value = pairs_find(&gs->places, place_key(user, g->group_id), &probe))) {
        struct hold *h = (struct hold *)(uintptr_t)value;
        if (hold_sale(h)->group == g && str_equal(hold_user_id(h), user_id))
            return h;
    }
    return NULL;
}
