/* user_units.c - see user_units.h. A shard that cannot grow refuses room; nothing changes then. */
#include "engine/user_units.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { ENTRIES_MIN = 16, SHARD_ENTRIES_MAX = 4096, DEPTH_MAX = 32 };

struct user_shard {
    struct user_entry *entries;
    uint32_t room;
    uint32_t count;
    uint8_t depth; /* so many upper bits are the same in all of it */
};

static inline uint32_t place_of(const struct user_units *t, uint64_t user)
{
    return t->depth ? (uint32_t)(user >> (64 - t->depth)) : 0;
}

static inline uint32_t home_of(uint64_t user, uint32_t room)
{
    return (uint32_t)(((user & UINT32_MAX) * room) >> 32);
}

static inline uint32_t next(uint32_t i, uint32_t room)
{
    return i + 1 == room ? 0 : i + 1;
}

static inline bool is_full(const struct user_shard *s)
{
    return (uint64_t)(s->count + 1) * 5 > (uint64_t)s->room * 4;
}

static void counted(struct user_units *t, int64_t more)
{
    t->count += (uint64_t)more;
    if (t->all)
        *t->all += (uint64_t)more;
}

void user_units_close(struct user_units *t)
{
    uint32_t places = t->directory ? UINT32_C(1) << t->depth : 0;
    for (uint32_t i = 0; i < places;) {
        struct user_shard *s = t->directory[i];
        i += UINT32_C(1) << (t->depth - s->depth);
        free(s->entries);
        free(s);
    }
    free(t->directory);
    counted(t, -(int64_t)t->count);
    *t = (struct user_units){.all = t->all};
}

static void put(struct user_shard *s, const struct user_entry *entry)
{
    uint32_t i = home_of(entry->user, s->room);
    while (s->entries[i].units)
        i = next(i, s->room);
    s->entries[i] = *entry;
    s->count++;
}

static struct user_shard *shard_new(struct user_units *t, uint32_t room, uint8_t depth)
{
    struct user_shard *s = malloc(sizeof *s);
    struct user_entry *entries = calloc(room, sizeof *entries);
    if (!s || !entries) {
        free(s);
        free(entries);
        return NULL;
    }
    *s = (struct user_shard){.entries = entries, .room = room, .depth = depth};
    t->bytes += sizeof *s + room * sizeof *entries;
    return s;
}

static bool start(struct user_units *t)
{
    t->directory = malloc(sizeof(struct user_shard *));
    struct user_shard *s = t->directory ? shard_new(t, ENTRIES_MIN, 0) : NULL;
    if (!s) {
        free(t->directory);
        t->directory = NULL;
        return false;
    }
    t->directory[0] = s;
    t->bytes += sizeof(struct user_shard *);
    return true;
}

static bool grow(struct user_units *t, struct user_shard *s)
{
    struct user_entry *old = s->entries;
    uint32_t old_room = s->room;
    uint32_t room = old_room + old_room / 2;
    struct user_entry *entries = calloc(room, sizeof *entries);
    if (!entries)
        return false;
    s->entries = entries;
    s->room = room;
    s->count = 0;
    for (uint32_t i = 0; i < old_room; i++) {
        if (old[i].units)
            put(s, &old[i]);
    }
    free(old);
    t->bytes += (room - old_room) * sizeof *entries;
    return true;
}

static bool deepen(struct user_units *t)
{
    size_t places = (size_t)1 << t->depth;
    struct user_shard **directory = malloc(2 * places * sizeof(struct user_shard *));
    if (!directory)
        return false;
    for (size_t i = 0; i < places; i++)
        directory[2 * i] = directory[2 * i + 1] = t->directory[i];
    free(t->directory);
    t->directory = directory;
    t->depth++;
    t->bytes += places * sizeof(struct user_shard *);
    return true;
}

static uint32_t room_for(uint32_t count)
{
    uint32_t room = count + count / 2;
    return room < ENTRIES_MIN ? ENTRIES_MIN : room;
}

/* Two of it, by its next bit. */
static bool split(struct user_units *t, struct user_shard *s, uint64_t user)
{
    if (s->depth == t->depth && !deepen(t))
        return false;
    uint64_t bit = UINT64_C(1) << (63 - s->depth);
    uint32_t counts[2] = {0, 0};
    for (uint32_t i = 0; i < s->room; i++) {
        if (s->entries[i].units)
            counts[(s->entries[i].user & bit) != 0]++;
    }
    uint8_t depth = (uint8_t)(s->depth + 1);
    struct user_shard *halves[2];
    halves[0] = shard_new(t, room_for(counts[0]), depth);
    halves[1] = halves[0] ? shard_new(t, room_for(counts[1]), depth) : NULL;
    if (!halves[1]) {
        if (halves[0]) {
            t->bytes -= sizeof *s + halves[0]->room * sizeof(struct user_entry);
            free(halves[0]->entries);
            free(halves[0]);
        }
        return false;
    }
    for (uint32_t i = 0; i < s->room; i++) {
        if (s->entries[i].units)
            put(halves[(s->entries[i].user & bit) != 0], &s->entries[i]);
    }
    uint32_t span = UINT32_C(1) << (t->depth - s->depth);
    uint32_t from = place_of(t, user) & ~(span - 1);
    uint32_t half = span / 2;
    assert(half > 0);
    for (uint32_t i = 0; i < half; i++) {
        t->directory[from + i] = halves[0];
        t->directory[from + half + i] = halves[1];
    }
    t->bytes -= sizeof *s + s->room * sizeof(struct user_entry);
    free(s->entries);
    free(s);
    return true;
}

bool user_units_make_room(struct user_units *t, uint64_t user)
{
    if (!t->directory && !start(t))
        return false;
    for (;;) {
        struct user_shard *s = t->directory[place_of(t, user)];
        if (!is_full(s))
            return true;
        bool large = s->count >= SHARD_ENTRIES_MAX && s->depth < DEPTH_MAX;
        if (!(large ? split(t, s, user) : grow(t, s)))
            return false;
    }
}

/* Closes the gap at i: entries behind it move up where that brings them no further than home. */
static void close_gap(struct user_shard *s, uint32_t i)
{
    struct user_entry *entries = s->entries;
    for (uint32_t j = next(i, s->room); entries[j].units; j = next(j, s->room)) {
        uint32_t home = home_of(entries[j].user, s->room);
        bool stays = i < j ? home > i && home <= j : home > i || home <= j;
        if (stays)
            continue;
        entries[i] = entries[j];
        i = j;
    }
    entries[i] = (struct user_entry){0};
}

/* NULL: there is none. `end` is the empty place behind all that may be the user's. */
static struct user_entry *find(const struct user_shard *s, uint64_t user, int64_t reservation_id,
                               uint32_t *entries, struct user_entry **end)
{
    struct user_entry *found = NULL;
    *entries = 0;
    uint32_t i = home_of(user, s->room);
    for (; s->entries[i].units; i = next(i, s->room)) {
        *entries += s->entries[i].user == user;
        if (s->entries[i].user == user && s->entries[i].reservation_id == reservation_id)
            found = &s->entries[i];
    }
    *end = &s->entries[i];
    return found;
}

/* From the entry of that id, at most what it has; returns how many. */
static int64_t take(struct user_units *t, struct user_shard *s, uint64_t user,
                    int64_t reservation_id, int64_t units)
{
    uint32_t entries;
    struct user_entry *end, *entry = find(s, user, reservation_id, &entries, &end);
    if (!entry)
        return 0;
    int64_t taken = entry->units < units ? entry->units : units;
    entry->units -= taken;
    if (entry->units == 0) {
        close_gap(s, (uint32_t)(entry - s->entries));
        s->count--;
        counted(t, -1);
    }
    return taken;
}

void user_units_add(struct user_units *t, uint64_t user, int64_t reservation_id, int64_t units)
{
    struct user_shard *s = t->directory ? t->directory[place_of(t, user)] : NULL;
    if (!s || units == 0)
        return;
    if (units < 0) {
        units += take(t, s, user, reservation_id, -units);
        if (units < 0)
            units += take(t, s, user, 0, -units);
        assert(units == 0);
        return;
    }
    uint32_t entries;
    struct user_entry *end, *entry = find(s, user, reservation_id, &entries, &end);
    if (!entry && entries >= USER_ENTRIES_MAX - 1) {
        reservation_id = 0;
        entry = find(s, user, 0, &entries, &end);
    }
    if (entry) {
        entry->units += units;
        return;
    }
    assert(s->count + 1 < s->room);
    *end = (struct user_entry){user, reservation_id, units};
    s->count++;
    counted(t, +1);
}

void user_units_take(struct user_units *t, uint64_t user, int64_t reservation_id, int64_t units)
{
    struct user_shard *s = t->directory ? t->directory[place_of(t, user)] : NULL;
    if (!s)
        return;
    units -= take(t, s, user, reservation_id, units);
    if (units)
        take(t, s, user, 0, units);
}

static void drop(struct user_units *t, struct user_shard *s, uint32_t i)
{
    close_gap(s, i);
    s->count--;
    counted(t, -1);
}

void user_units_forget(struct user_units *t, uint64_t user, user_units_over_fn *over,
                       const void *context)
{
    struct user_shard *s = t->directory ? t->directory[place_of(t, user)] : NULL;
    if (!s)
        return;
    for (uint32_t i = home_of(user, s->room); s->entries[i].units;) {
        const struct user_entry *at = &s->entries[i];
        if (at->user == user && over(context, at->reservation_id))
            drop(t, s, i); /* another may stand there now */
        else
            i = next(i, s->room);
    }
}

void user_units_sweep(struct user_units *t, uint32_t *place, user_units_over_fn *over,
                      const void *context)
{
    if (!t->directory)
        return;
    if (*place >> t->depth)
        *place = 0;
    struct user_shard *s = t->directory[*place];
    for (uint32_t i = 0; i < s->room;) {
        if (s->entries[i].units && over(context, s->entries[i].reservation_id))
            drop(t, s, i);
        else
            i++;
    }
    *place += UINT32_C(1) << (t->depth - s->depth);
}

int64_t user_units_of(const struct user_units *t, uint64_t user, int64_t *ids, uint16_t max,
                      uint16_t *count)
{
    int64_t units = 0;
    *count = 0;
    if (!t->directory)
        return 0;
    const struct user_shard *s = t->directory[place_of(t, user)];
    for (uint32_t i = home_of(user, s->room); s->entries[i].units; i = next(i, s->room)) {
        const struct user_entry *at = &s->entries[i];
        if (at->user != user)
            continue;
        units += at->units;
        if (at->reservation_id && *count < max)
            ids[(*count)++] = at->reservation_id;
    }
    return units;
}

void user_units_prefetch(const struct user_units *t, uint64_t user)
{
    if (!t->directory)
        return;
    const struct user_shard *s = t->directory[place_of(t, user)];
    __builtin_prefetch(&s->entries[home_of(user, s->room)], 1);
}
