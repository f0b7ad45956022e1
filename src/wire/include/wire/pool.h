/* pool.h - memory of one I/O worker's sessions and exchanges.
 *
 * Small blocks come from free lists, one for each size class, cut from slabs; larger ones from
 * malloc. So a request costs no malloc once the worker is warm; what nghttp2 allocates comes from
 * here, too. Slabs go back only with the pool: it keeps what was needed at the busiest moment. One
 * thread.
 *
 * Built with AddressSanitizer every block is a malloc of its own, so that a use after free shows.
 */
#ifndef TALLY_WIRE_POOL_H
#define TALLY_WIRE_POOL_H

#include <stddef.h>

struct wire_pool;

/* NULL when memory is short. */
struct wire_pool *wire_pool_create(void);
/* Every block must have come back. NULL is fine. */
void wire_pool_destroy(struct wire_pool *p);

/* 8-byte aligned, not zeroed; NULL when memory is short. */
void *wire_pool_alloc(struct wire_pool *p, size_t size);
void wire_pool_free(struct wire_pool *p, void *block); /* NULL is fine */
/* Like realloc(): on failure NULL, and the block is as it was. */
void *wire_pool_realloc(struct wire_pool *p, void *block, size_t size);

/* What a block has room for, at least what was asked for. */
size_t wire_pool_block_bytes(const void *block);

/* `count` whole pages, zeroed, page-aligned; they go back with the same count. */
enum { POOL_PAGE_BYTES = 4096, POOL_PAGES_MAX = 8 };
void *wire_pool_pages_alloc(struct wire_pool *p, size_t count);
void wire_pool_pages_free(struct wire_pool *p, void *block, size_t count);
/* The block stays; what is in it becomes zero, and takes no memory until it is written again. */
void wire_pool_pages_rest(void *block, size_t count);

size_t wire_pool_blocks(const struct wire_pool *p);     /* blocks that are out */
size_t wire_pool_slab_bytes(const struct wire_pool *p); /* bytes taken from the system in slabs */

#endif
