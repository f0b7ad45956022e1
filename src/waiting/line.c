/* line.c - numbers by user, places by number.
 *
 * The draw is a Fisher-Yates shuffle of 0 to count - 1 driven by SplitMix64 from the first 8 bytes
 * of the seed: docs/admission.md has the same in a few lines of Python, by which anybody can check
 * the place of a number.
 */
#include "waiting/line.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum { SLOTS_FIRST = 64 };

void line_close(struct waiting_line *l)
{
    for (uint32_t i = 0; i < l->chunk_count; i++)
        free(l->chunks[i]);
    for (size_t i = 0; i < LINE_SHARDS; i++)
        free(l->shards[i].slots);
    free(l->chunks);
    free(l->places);
    memset(l, 0, sizeof *l);
}

static uint64_t user_at(const struct waiting_line *l, uint32_t number)
{
    return l->chunks[number / LINE_CHUNK][number % LINE_CHUNK];
}

static const struct line_shard *shard_of(const struct waiting_line *l, uint64_t user)
{
    return &l->shards[user % LINE_SHARDS];
}

/* Where the user stands in the shard's table, or would. */
static uint32_t slot_of(const struct waiting_line *l, const struct line_shard *s, uint64_t user)
{
    uint32_t at = (uint32_t)(user >> 32) & s->mask;
    while (s->slots[at] && user_at(l, s->slots[at] - 1) != user)
        at = (at + 1) & s->mask;
    return at;
}

uint32_t line_find(const struct waiting_line *l, uint64_t user)
{
    const struct line_shard *s = shard_of(l, user);
    if (!s->slots)
        return LINE_NOBODY;
    uint32_t found = s->slots[slot_of(l, s, user)];
    return found ? found - 1 : LINE_NOBODY;
}

static int shard_grow(struct waiting_line *l, struct line_shard *s)
{
    uint32_t size = s->slots ? 2 * (s->mask + 1) : SLOTS_FIRST;
    struct line_shard grown = {calloc(size, sizeof *grown.slots), size - 1, s->used};
    if (!grown.slots)
        return TLY_ENO_MEMORY;
    for (uint32_t i = 0; s->slots && i <= s->mask; i++) {
        if (s->slots[i])
            grown.slots[slot_of(l, &grown, user_at(l, s->slots[i] - 1))] = s->slots[i];
    }
    l->bytes += (size - (s->slots ? s->mask + 1 : 0)) * sizeof *s->slots;
    free(s->slots);
    *s = grown;
    return 0;
}

static int chunks_reach(struct waiting_line *l, uint32_t at)
{
    uint32_t wanted = at / LINE_CHUNK + 1;
    if (wanted <= l->chunk_count)
        return 0;
    uint64_t **chunks = realloc(l->chunks, wanted * sizeof *chunks);
    if (!chunks)
        return TLY_ENO_MEMORY;
    l->chunks = chunks;
    while (l->chunk_count < wanted) {
        chunks[l->chunk_count] = calloc(LINE_CHUNK, sizeof(uint64_t));
        if (!chunks[l->chunk_count])
            return TLY_ENO_MEMORY;
        l->chunk_count++;
        l->bytes += LINE_CHUNK * sizeof(uint64_t);
    }
    return 0;
}

int line_add(struct waiting_line *l, uint64_t user, uint32_t at)
{
    struct line_shard *s = &l->shards[user % LINE_SHARDS];
    if (at >= LINE_MAX)
        return TLY_EFULL;
    bool full = !s->slots || 4 * (s->used + 1) > 3 * (s->mask + 1);
    if (chunks_reach(l, at) || (full && shard_grow(l, s)))
        return TLY_ENO_MEMORY;
    l->chunks[at / LINE_CHUNK][at % LINE_CHUNK] = user;
    s->slots[slot_of(l, s, user)] = at + 1;
    s->used++;
    l->count = at + 1;
    return 0;
}

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

int line_draw(struct waiting_line *l, uint32_t count, const uint8_t seed[32])
{
    uint64_t state = 0;
    uint32_t *places = malloc(count ? count * sizeof *places : 1);
    if (!places)
        return TLY_ENO_MEMORY;
    for (size_t i = 0; i < sizeof state; i++)
        state = state << 8 | seed[i];
    for (uint32_t i = 0; i < count; i++)
        places[i] = i;
    for (uint32_t i = count; i > 1; i--) {
        uint32_t other = (uint32_t)(splitmix64(&state) % i);
        uint32_t place = places[i - 1];
        places[i - 1] = places[other];
        places[other] = place;
    }
    free(l->places);
    l->places = places;
    l->drawn = count;
    l->bytes += count * sizeof *places;
    return 0;
}

uint32_t line_place(const struct waiting_line *l, uint32_t number)
{
    return number < l->drawn ? l->places[number] : number;
}
