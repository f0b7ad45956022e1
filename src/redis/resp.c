/* resp.c - see resp.h.
 *
 * Happy path: hiredis' reader finds the structure; its objects are made by us, in an arena that is
 * reset with each reply, so a reply costs no allocation once the arena has its size. Text is
 * copied: the reader moves its buffer.
 *
 * Failure: memory or the bound is short, or it is no RESP: the reader is of no use any more, and
 * neither is its connection.
 */
#include "redis/resp.h"

#include <hiredis/read.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- bytes ---- */

enum { ROOM_MIN = 512, NESTED_MAX = 1 << 20 };

bool bytes_add(struct bytes *b, const void *p, size_t size)
{
    if (b->room - b->size < size) {
        size_t room = b->room ? b->room : ROOM_MIN;
        while (room - b->size < size)
            room *= 2;
        char *bigger = realloc(b->p, room);
        if (!bigger)
            return false;
        b->p = bigger;
        b->room = room;
    }
    if (size)
        memcpy(b->p + b->size, p, size);
    b->size += size;
    return true;
}

bool resp_put_count(struct bytes *b, char kind, uint64_t count)
{
    char line[32];
    int size = snprintf(line, sizeof line, "%c%" PRIu64 "\r\n", kind, count);
    return bytes_add(b, line, (size_t)size);
}

bool resp_put(struct bytes *b, struct str argument)
{
    return resp_put_count(b, '$', argument.len) && bytes_add(b, argument.p, argument.len) &&
           bytes_add(b, "\r\n", 2);
}

bool resp_put_number(struct bytes *b, int64_t number)
{
    char text[24];
    int size = snprintf(text, sizeof text, "%" PRId64, number);
    return resp_put(b, (struct str){text, (uint32_t)size});
}

void bytes_close(struct bytes *b)
{
    free(b->p);
    *b = (struct bytes){0};
}

/* ---- objects ---- */

/* Below a list an object lies in its place; at the top it is one of its own. */
static struct redis_value *place(const redisReadTask *task)
{
    struct arena *arena = task->privdata;
    if (!task->parent)
        return arena_alloc(arena, sizeof(struct redis_value));
    struct redis_value *list = task->parent->obj;
    return (struct redis_value *)&list->items[task->idx];
}

static void *make_text(const redisReadTask *task, char *p, size_t size)
{
    struct redis_value *v = place(task);
    char *copy = v ? arena_copy(task->privdata, p, size) : NULL;
    if (!copy)
        return NULL;
    *v = (struct redis_value){.kind = task->type == REDIS_REPLY_ERROR    ? REDIS_ERROR
                                      : task->type == REDIS_REPLY_STATUS ? REDIS_STATUS
                                                                         : REDIS_TEXT,
                              .text = {copy, (uint32_t)size}};
    return v;
}

static void *make_list(const redisReadTask *task, int count)
{
    struct redis_value *v = place(task);
    if (!v || count < 0 || count > NESTED_MAX)
        return NULL;
    struct redis_value *items = arena_zalloc(task->privdata, (size_t)count * sizeof *items + 1);
    if (!items)
        return NULL;
    *v = (struct redis_value){.kind = REDIS_LIST, .items = items, .count = (uint32_t)count};
    return v;
}

static void *make_number(const redisReadTask *task, long long number)
{
    struct redis_value *v = place(task);
    if (v)
        *v = (struct redis_value){.kind = REDIS_NUMBER, .number = number};
    return v;
}

static void *make_nil(const redisReadTask *task)
{
    struct redis_value *v = place(task);
    if (v)
        *v = (struct redis_value){.kind = REDIS_NIL};
    return v;
}

static void leave(void *object)
{
    (void)object; /* it is the arena's */
}

static redisReplyObjectFunctions in_arena = {make_text, make_list, make_number, make_nil, leave};

/* ---- the reader ---- */

int resp_reader_init(struct resp_reader *r)
{
    arena_init(&r->arena, r->first, sizeof r->first, RESP_REPLY_MAX);
    r->reader = redisReaderCreateWithFunctions(&in_arena);
    if (!r->reader)
        return TLY_ENO_MEMORY;
    r->reader->privdata = &r->arena;
    return 0;
}

void resp_reader_close(struct resp_reader *r)
{
    if (!r->reader)
        return;
    redisReaderFree(r->reader);
    arena_close(&r->arena);
    r->reader = NULL;
}

int resp_feed(struct resp_reader *r, const char *p, size_t size)
{
    return redisReaderFeed(r->reader, p, size) == REDIS_OK ? 0 : TLY_EIO;
}

int resp_next(struct resp_reader *r, const struct redis_value **out)
{
    void *reply = NULL;
    if (!r->reader->reply && r->reader->ridx < 0)
        arena_reset(&r->arena); /* none is half read */
    *out = NULL;
    if (redisReaderGetReply(r->reader, &reply) != REDIS_OK)
        return TLY_EIO;
    *out = reply;
    return 0;
}
