/* http2_memory.c - nghttp2's memory: small blocks from the pool, its two large ones in pages of
 * their own, so that an idle connection costs half.
 *
 * A session has a table of 4 KiB for its streams and a buffer of 16 KiB for the frame that it
 * sends, of which the first page is ever used by small answers. While no stream is open the table
 * is zero, and when everything was pulled the buffer holds nothing: http2_memory_rest() hands
 * their pages to the system, and they come back as zeros when they are touched. That the table is
 * zero is looked at, not taken for granted.
 *
 * Other large blocks are what a client makes nghttp2 keep: half a header field, for instance, which
 * is allocated in the size that it announces. They are charged to the worker's budget.
 */
#include <assert.h>
#include <string.h>

#include "wire/http2_session.h"

static struct http2_pages *find(struct http2_session *s, const void *block)
{
    for (int i = 0; i < HTTP2_PAGES_MAX; i++)
        if (s->pages[i].block == block)
            return &s->pages[i];
    return NULL;
}

static void *add(struct http2_session *s, size_t size, bool is_map)
{
    size_t count = (size + POOL_PAGE_BYTES - 1) / POOL_PAGE_BYTES;
    struct http2_pages *slot = find(s, NULL);
    if (!slot || count > POOL_PAGES_MAX)
        return NULL;
    slot->block = wire_pool_pages_alloc(s->host->pool, count);
    slot->count = (uint8_t)count;
    slot->is_map = is_map;
    return slot->block;
}

enum { LARGE_BYTES = 4096 }; /* what is larger is charged */

static bool charge(struct http2_session *s, size_t before, size_t after)
{
    struct budget *b = s->host->budget;
    before = before > LARGE_BYTES ? before : 0;
    after = after > LARGE_BYTES ? after : 0;
    if (after > before && b && !budget_take(b, BUDGET_BEGIN, after - before))
        return false; /* the connection ends, as when memory is short */
    if (before > after && b)
        budget_give(b, BUDGET_BEGIN, before - after);
    s->large_bytes += after - before;
    return true;
}

/* Small blocks come and go several times a request: their way is kept short. */
static __attribute__((noinline)) void *large_alloc(struct http2_session *s, size_t size)
{
    if (!charge(s, 0, size))
        return NULL;
    void *block = wire_pool_alloc(s->host->pool, size);
    if (!block)
        (void)charge(s, size, 0);
    return block;
}

static inline void *pool_alloc(struct http2_session *s, size_t size)
{
    return size <= LARGE_BYTES ? wire_pool_alloc(s->host->pool, size) : large_alloc(s, size);
}

static void *pool_realloc(struct http2_session *s, void *block, size_t size)
{
    size_t before = block ? wire_pool_block_bytes(block) : 0;
    if (before <= LARGE_BYTES && size <= LARGE_BYTES)
        return wire_pool_realloc(s->host->pool, block, size);
    if (!charge(s, before, size))
        return NULL;
    void *larger = wire_pool_realloc(s->host->pool, block, size);
    (void)charge(s, size, larger ? wire_pool_block_bytes(larger) : before);
    return larger;
}

static void *memory_malloc(size_t size, void *context)
{
    return pool_alloc(context, size);
}

static bool in_pages(const void *block)
{
    return ((uintptr_t)block & (POOL_PAGE_BYTES - 1)) == 0;
}

static __attribute__((noinline)) void large_free(struct http2_session *s, void *block)
{
    struct http2_pages *slot = in_pages(block) ? find(s, block) : NULL;
    if (slot) {
        wire_pool_pages_free(s->host->pool, block, slot->count);
        slot->block = NULL;
        return;
    }
    (void)charge(s, wire_pool_block_bytes(block), 0);
    wire_pool_free(s->host->pool, block);
}

static void memory_free(void *block, void *context)
{
    struct http2_session *s = context;
    if (block && (s->large_bytes || in_pages(block)))
        large_free(s, block);
    else
        wire_pool_free(s->host->pool, block);
}

static void *memory_calloc(size_t count, size_t size, void *context)
{
    struct http2_session *s = context;
    void *block;
    if (size && count > SIZE_MAX / size)
        return NULL;
    if (count * size >= POOL_PAGE_BYTES && (block = add(s, count * size, true)))
        return block;
    block = pool_alloc(s, count * size);
    if (block)
        memset(block, 0, count * size);
    return block;
}

static void *memory_realloc(void *block, size_t size, void *context)
{
    struct http2_session *s = context;
    struct http2_pages *slot = block && in_pages(block) ? find(s, block) : NULL;
    if (!slot) {
        void *pages = NULL;
        if (!block && s->creating && size >= POOL_PAGE_BYTES)
            pages = add(s, size, false);
        return pages ? pages : pool_realloc(s, block, size);
    }
    size_t room = (size_t)slot->count * POOL_PAGE_BYTES;
    if (size <= room)
        return block;
    void *larger = pool_alloc(s, size);
    if (!larger)
        return NULL;
    memcpy(larger, block, room);
    memory_free(block, s);
    return larger;
}

nghttp2_mem http2_memory(struct http2_session *s)
{
    return (nghttp2_mem){.mem_user_data = s,
                         .malloc = memory_malloc,
                         .free = memory_free,
                         .calloc = memory_calloc,
                         .realloc = memory_realloc};
}

static bool is_zero(const void *block, size_t size)
{
    const char *p = block;
    return p[0] == 0 && memcmp(p, p + 1, size - 1) == 0;
}

void http2_memory_rest(struct http2_session *s)
{
    for (int i = 0; i < HTTP2_PAGES_MAX; i++) {
        const struct http2_pages *slot = &s->pages[i];
        if (!slot->block)
            continue;
        if (!slot->is_map || is_zero(slot->block, (size_t)slot->count * POOL_PAGE_BYTES))
            wire_pool_pages_rest(slot->block, slot->count);
    }
}
