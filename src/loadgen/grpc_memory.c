/* Blocks of up to BLOCK_MAX bytes, header included, in steps of BLOCK_STEP: each size has a list of
 * free ones, filled from slabs, which go back when the last session leaves. Larger blocks are
 * malloc's. When memory is short the functions return NULL, as nghttp2 expects.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "loadgen/grpc_memory.h"

enum {
    BLOCK_STEP = 16,
    BLOCK_MAX = 1024,
    CLASSES = BLOCK_MAX / BLOCK_STEP + 1, /* 0: malloc's own */
    SLAB_BYTES = 32768,
    FRAME_BUFFER_MIN = 16384, /* what nghttp2 asks for is a little more */
    FRAME_BUFFER_BYTES = 16384 + 64,
};

#if defined(__SANITIZE_ADDRESS__)
enum { POOLED_MAX = 0 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
enum { POOLED_MAX = 0 };
#else
enum { POOLED_MAX = BLOCK_MAX };
#endif
#else
enum { POOLED_MAX = BLOCK_MAX };
#endif

struct block {
    uint64_t size; /* all of it, header included */
    union {
        struct block *next;
        uint8_t bytes[sizeof(struct block *)];
    };
};

enum { HEADER = offsetof(struct block, bytes) };

struct slab {
    struct slab *next;
    uint64_t bytes[(SLAB_BYTES - sizeof(struct slab *)) / sizeof(uint64_t)];
};

struct grpc_memory {
    size_t users;
    bool creating;
    size_t mallocs;
    struct block *free_blocks[CLASSES];
    struct slab *slabs;
    uint8_t *slab_at, *slab_end;
    uint8_t frame[FRAME_BUFFER_BYTES];
};

static _Thread_local struct grpc_memory *of_this_thread;

struct grpc_memory *grpc_memory_join(void)
{
    if (!of_this_thread)
        of_this_thread = calloc(1, sizeof *of_this_thread);
    if (of_this_thread)
        of_this_thread->users++;
    return of_this_thread;
}

void grpc_memory_leave(struct grpc_memory *m)
{
    if (!m || --m->users > 0)
        return;
    if (m == of_this_thread)
        of_this_thread = NULL;
    while (m->slabs) {
        struct slab *slab = m->slabs;
        m->slabs = slab->next;
        free(slab);
    }
    free(m);
}

void grpc_memory_creating(struct grpc_memory *m, bool creating)
{
    m->creating = creating;
}

void grpc_memory_frame_taken(struct grpc_memory *m)
{
    if (POOLED_MAX == 0)
        memset(m->frame, 0xAA, sizeof m->frame);
}

size_t grpc_memory_mallocs(const struct grpc_memory *m)
{
    return m->mallocs;
}

/* A new block of a pooled size. */
static struct block *cut(struct grpc_memory *m, size_t size)
{
    if ((size_t)(m->slab_end - m->slab_at) < size) {
        struct slab *slab = malloc(sizeof *slab);
        if (!slab)
            return NULL;
        m->mallocs++;
        slab->next = m->slabs;
        m->slabs = slab;
        m->slab_at = (uint8_t *)slab->bytes;
        m->slab_end = m->slab_at + sizeof slab->bytes;
    }
    struct block *block = (struct block *)(void *)m->slab_at;
    m->slab_at += size;
    return block;
}

static void *memory_malloc(size_t size, void *context)
{
    struct grpc_memory *m = context;
    struct block *block;
    assert(m == of_this_thread);
    if (size > SIZE_MAX / 2)
        return NULL;
    size = (size + HEADER + BLOCK_STEP - 1) & ~(size_t)(BLOCK_STEP - 1);
    if (size > POOLED_MAX) {
        block = malloc(size);
        m->mallocs++;
    } else if ((block = m->free_blocks[size / BLOCK_STEP])) {
        m->free_blocks[size / BLOCK_STEP] = block->next;
    } else {
        block = cut(m, size);
    }
    if (!block)
        return NULL;
    block->size = size;
    return block->bytes;
}

static struct block *block_of(void *bytes)
{
    return (struct block *)(void *)((uint8_t *)bytes - HEADER);
}

static void memory_free(void *bytes, void *context)
{
    struct grpc_memory *m = context;
    if (!bytes || bytes == m->frame)
        return;
    struct block *block = block_of(bytes);
    if (block->size > POOLED_MAX) {
        free(block);
        return;
    }
    block->next = m->free_blocks[block->size / BLOCK_STEP];
    m->free_blocks[block->size / BLOCK_STEP] = block;
}

static void *memory_calloc(size_t count, size_t size, void *context)
{
    if (size && count > SIZE_MAX / size)
        return NULL;
    void *bytes = memory_malloc(count * size, context);
    if (bytes)
        memset(bytes, 0, count * size);
    return bytes;
}

static void *memory_realloc(void *bytes, size_t size, void *context)
{
    struct grpc_memory *m = context;
    if (!bytes && m->creating && size >= FRAME_BUFFER_MIN && size <= sizeof m->frame)
        return m->frame;
    if (!bytes)
        return memory_malloc(size, context);
    size_t room = bytes == m->frame ? sizeof m->frame : block_of(bytes)->size - HEADER;
    if (size <= room)
        return bytes;
    void *larger = memory_malloc(size, context);
    if (!larger)
        return NULL;
    memcpy(larger, bytes, room);
    memory_free(bytes, context);
    return larger;
}

nghttp2_mem grpc_memory_functions(struct grpc_memory *m)
{
    return (nghttp2_mem){.mem_user_data = m,
                         .malloc = memory_malloc,
                         .free = memory_free,
                         .calloc = memory_calloc,
                         .realloc = memory_realloc};
}
