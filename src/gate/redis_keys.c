/* redis_keys.c - names of keys, and what a call of a script is made of. All keys of a lot, and all
 * of a sku's goods, share a hash tag. Failure: memory is short, and the call is not made. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "gate/redis_gate.h"

_Static_assert(LOT_KEY_MAX + 20 < KEY_SIZE, "a key has room for the longest lot key");

static struct str put(char buffer[KEY_SIZE], const char *prefix, struct str tag)
{
    int size =
        snprintf(buffer, KEY_SIZE, "%s{%.*s}", prefix, (int)(tag.len < 100 ? tag.len : 100), tag.p);
    return (struct str){buffer, (uint32_t)size};
}

struct str key_of_entry(char buffer[KEY_SIZE], struct group_name name)
{
    return put(buffer, name.goods ? "tally:goods:" : "tally:gate:", name.tag);
}

struct str key_of_seen(char buffer[KEY_SIZE], struct group_name name)
{
    return put(buffer, "tally:seen:", name.tag);
}

struct str text_of_number(char *buffer, int64_t number)
{
    int size = snprintf(buffer, NUMBER_SIZE, "%" PRId64, number);
    return (struct str){buffer, (uint32_t)size};
}

/* ---- arguments ---- */

enum { SCRATCH_MAX = 64 << 20, ROOM_MIN = 256 };

void arguments_init(struct arguments *a)
{
    *a = (struct arguments){0};
    arena_init(&a->scratch, NULL, 0, SCRATCH_MAX);
}

void arguments_begin(struct arguments *a)
{
    arena_reset(&a->scratch);
    a->count = 0;
}

void arguments_close(struct arguments *a)
{
    arena_close(&a->scratch);
    free(a->list);
    a->list = NULL;
}

bool arguments_put(struct arguments *a, struct str argument)
{
    if (a->count == a->room) {
        size_t room = a->room ? 2 * a->room : ROOM_MIN;
        struct str *bigger = realloc(a->list, room * sizeof *bigger);
        if (!bigger)
            return false;
        a->list = bigger;
        a->room = room;
    }
    a->list[a->count++] = argument;
    return true;
}

bool arguments_put_number(struct arguments *a, int64_t number)
{
    char *buffer = arena_alloc(&a->scratch, NUMBER_SIZE);
    return buffer && arguments_put(a, text_of_number(buffer, number));
}

bool arguments_put_keys(struct arguments *a, struct group_name name)
{
    char *buffers = arena_alloc(&a->scratch, 2 * (size_t)KEY_SIZE);
    return buffers && arguments_put(a, key_of_entry(buffers, name)) &&
           arguments_put(a, key_of_seen(buffers + KEY_SIZE, name));
}
