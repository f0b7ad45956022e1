/* pool.c - happy path: the class of a size is one table look-up, its free list gives a block.
 * Failure: malloc's NULL is handed on; nothing is changed. */
#include "wire/pool.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/pages.h"

#if defined(__SANITIZE_ADDRESS__)
#define POOL_PLAIN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOL_PLAIN 1
#endif
#endif
#ifndef POOL_PLAIN
#define POOL_PLAIN 0
#endif

enum {
    POOL_SLAB_BYTES = 64 * 1024,
    POOL_STEP = 32,        /* granularity of the class table, bytes */
    POOL_SMALL_MAX = 4096, /* bytes of a block with its head; beyond: malloc */
    POOL_CLASSES = 24,
    POOL_PAGES_MAP = 256, /* pages that are mapped at once */
};

/* Bytes of a block of each class, its head included. */
static const uint16_t class_bytes[POOL_CLASSES] = {
    32,  64,  96,  128,  160,  192,  224,  256,  320,  384,  448,  512,
    640, 768, 896, 1024, 1056, 1152, 1280, 1536, 1792, 2048, 2944, 4096,
};

/* Stands in front of every block. */
struct pool_head {
    size_t size; /* a class number, or POOL_CLASSES plus the bytes of a malloc'ed block */
};

struct pool_slab {
    struct pool_slab *next;
    size_t bytes;
};

struct pool_map {
    struct pool_map *next;
    void *start;
    size_t bytes;
};

struct pool_free {
    struct pool_free *next;
};

/* Blocks of one number of pages. Those that came back stand in a list beside them: a link inside
 * would take memory again for pages that rest. */
struct pool_pages {
    void **free;
    size_t free_count, room; /* `free` has room for all `blocks` */
    size_t blocks;
    char *fresh, *fresh_end; /* not used yet */
};

struct wire_pool {
    struct pool_free *free[POOL_CLASSES];
    char *next, *end; /* the uncut part of the newest slab */
    struct pool_slab *slabs;
    size_t slab_bytes;
    size_t blocks;
    struct pool_pages pages[POOL_PAGES_MAX + 1];
    struct pool_map *maps;
    uint8_t class_of[POOL_SMALL_MAX / POOL_STEP + 1];
};

struct wire_pool *wire_pool_create(void)
{
    struct wire_pool *p = calloc(1, sizeof(*p));
    if (!p)
        return NULL;
    uint8_t class = 0;
    for (size_t i = 0; i < sizeof(p->class_of); i++) {
        while (class_bytes[class] < i * POOL_STEP)
            class ++;
        p->class_of[i] = class;
    }
    return p;
}

void wire_pool_destroy(struct wire_pool *p)
{
    if (!p)
        return;
    while (p->slabs) {
        struct pool_slab *slab = p->slabs;
        p->slabs = slab->next;
        pool_chunk_free(slab, slab->bytes);
    }
    while (p->maps) {
        struct pool_map *map = p->maps;
        p->maps = map->next;
        munmap(map->start, map->bytes);
        free(map);
    }
    for (size_t i = 0; i <= POOL_PAGES_MAX; i++)
        free(p->pages[i].free);
    free(p);
}

static void *large_alloc(struct wire_pool *p, size_t size)
{
    struct pool_head *head = malloc(sizeof(*head) + size);
    if (!head)
        return NULL;
    head->size = POOL_CLASSES + size;
    p->blocks++;
    return head + 1;
}

static __attribute__((noinline)) void *cut(struct wire_pool *p, uint8_t class)
{
    size_t bytes = class_bytes[class];
    if ((size_t)(p->end - p->next) < bytes) {
        size_t got;
        struct pool_slab *slab = pool_chunk_alloc(p->slab_bytes, POOL_SLAB_BYTES, &got);
        if (!slab)
            return NULL;
        slab->next = p->slabs;
        slab->bytes = got;
        p->slabs = slab;
        p->slab_bytes += got;
        p->next = (char *)(slab + 1);
        p->end = (char *)slab + got;
    }
    struct pool_head *head = (struct pool_head *)(void *)p->next;
    p->next += bytes;
    head->size = class;
    p->blocks++;
    return head + 1;
}

void *wire_pool_alloc(struct wire_pool *p, size_t size)
{
    if (POOL_PLAIN || size > POOL_SMALL_MAX - sizeof(struct pool_head))
        return size > SIZE_MAX / 2 ? NULL : large_alloc(p, size);
    uint8_t class = p->class_of[(size + sizeof(struct pool_head) + POOL_STEP - 1) / POOL_STEP];
    struct pool_free *block = p->free[class];
    if (!block)
        return cut(p, class);
    p->free[class] = block->next;
    __builtin_prefetch(block->next, 1); /* the next one to be taken, whose link is read then */
    p->blocks++;
    return block;
}

void wire_pool_free(struct wire_pool *p, void *block)
{
    if (!block)
        return;
    struct pool_head *head = (struct pool_head *)block - 1;
    assert(p->blocks > 0);
    p->blocks--;
    if (head->size >= POOL_CLASSES) {
        free(head);
        return;
    }
    struct pool_free *entry = block;
    entry->next = p->free[head->size];
    p->free[head->size] = entry;
}

size_t wire_pool_block_bytes(const void *block)
{
    const struct pool_head *head = (const struct pool_head *)block - 1;
    return head->size >= POOL_CLASSES ? head->size - POOL_CLASSES
                                      : class_bytes[head->size] - sizeof(struct pool_head);
}

void *wire_pool_realloc(struct wire_pool *p, void *block, size_t size)
{
    if (!block)
        return wire_pool_alloc(p, size);
    size_t room = wire_pool_block_bytes(block);
    if (size <= room && !POOL_PLAIN)
        return block;
    void *larger = wire_pool_alloc(p, size);
    if (!larger)
        return NULL;
    memcpy(larger, block, room < size ? room : size);
    wire_pool_free(p, block);
    return larger;
}

static bool make_room(struct pool_pages *pages, size_t blocks)
{
    if (blocks <= pages->room)
        return true;
    size_t room = pages->room * 2 > blocks ? pages->room * 2 : blocks;
    void **list = realloc(pages->free, room * sizeof(*list));
    if (!list)
        return false;
    pages->free = list;
    pages->room = room;
    return true;
}

/* Several blocks at once, so that the map of the process stays short. */
static bool map_pages(struct wire_pool *p, size_t count)
{
    struct pool_pages *pages = &p->pages[count];
    size_t blocks = POOL_PLAIN ? 1 : POOL_PAGES_MAP / count;
    size_t bytes = blocks * count * POOL_PAGE_BYTES;
    if (!make_room(pages, pages->blocks + blocks))
        return false;
    struct pool_map *map = malloc(sizeof(*map));
    if (!map)
        return false;
    char *start = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED) {
        free(map);
        return false;
    }
    *map = (struct pool_map){p->maps, start, bytes};
    p->maps = map;
    pages->blocks += blocks;
    pages->fresh = start;
    pages->fresh_end = start + bytes;
    return true;
}

void *wire_pool_pages_alloc(struct wire_pool *p, size_t count)
{
    assert(count >= 1 && count <= POOL_PAGES_MAX);
    struct pool_pages *pages = &p->pages[count];
    if (pages->free_count > 0) {
        p->blocks++;
        return memset(pages->free[--pages->free_count], 0, count * POOL_PAGE_BYTES);
    }
    if (pages->fresh == pages->fresh_end && !map_pages(p, count))
        return NULL;
    void *fresh = pages->fresh;
    pages->fresh += count * POOL_PAGE_BYTES;
    p->blocks++;
    return fresh;
}

void wire_pool_pages_free(struct wire_pool *p, void *block, size_t count)
{
    struct pool_pages *pages = &p->pages[count];
    assert(p->blocks > 0 && pages->free_count < pages->room);
    p->blocks--;
    pages->free[pages->free_count++] = block;
}

void wire_pool_pages_rest(void *block, size_t count)
{
    /* If the system will not take them the pages stay, which only costs memory. */
    (void)madvise(block, count * POOL_PAGE_BYTES, MADV_DONTNEED);
}

size_t wire_pool_blocks(const struct wire_pool *p)
{
    return p->blocks;
}

size_t wire_pool_slab_bytes(const struct wire_pool *p)
{
    return p->slab_bytes;
}
