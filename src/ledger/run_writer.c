/* Runs: writing.
 *
 * Happy path: entries come sorted and go out in blocks; then fences, filter and, last, the header;
 * fsync, rename to the final name, fsync of the folder. Only then does the run count.
 * Failure modes: any failed write abandons the temporary file; the entries are still in memory or
 * in older runs, and in the log of moves in any case.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ledger/run_file.h"
#include "ledger/run_format.h"

enum {
    BUFFER_BLOCKS = 64,
    FLUSH_BYTES = 8 << 20, /* begin writing back now and then, so that the final fsync is short and
                              does not hold up the ledger's own */
};

struct run_writer {
    struct run_file *run;
    char *dir;
    struct run_header header;
    struct run_block *buffer;
    uint64_t buffered; /* full blocks in the buffer */
    uint64_t written;  /* bytes behind the header */
    uint64_t flushed;  /* of them, handed to the disk */
    uint64_t last_hash;
    uint64_t added;
};

static void path_of(const struct run_writer *w, bool final, char *out, size_t size)
{
    char name[RUN_NAME_SIZE];
    run_file_name(name, w->header.seq_min, w->header.seq_max);
    snprintf(out, size, "%s/%s%s", w->dir, name, final ? "" : ".tmp");
}

static int fail(const char *doing, struct error *e)
{
    return error_set(e, errno == ENOMEM ? TLY_ENO_MEMORY : TLY_EIO, "order run", "%s: %s", doing,
                     strerror(errno));
}

static int write_all(struct run_writer *w, const void *data, uint64_t size, uint64_t offset,
                     struct error *e)
{
    const char *p = data;
    while (size > 0) {
        ssize_t put = pwrite(w->run->fd, p, size > FLUSH_BYTES ? FLUSH_BYTES : size, (off_t)offset);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return fail("write", e);
        p += put;
        offset += (uint64_t)put;
        size -= (uint64_t)put;
    }
    return 0;
}

static int append(struct run_writer *w, const void *data, uint64_t size, struct error *e)
{
    int rc = write_all(w, data, size, RUN_BLOCK_BYTES + w->written, e);
    w->written += size;
    if (rc == 0 && w->written - w->flushed >= FLUSH_BYTES) {
        sync_file_range(w->run->fd, (off_t)w->flushed, (off_t)(w->written - w->flushed),
                        SYNC_FILE_RANGE_WRITE);
        w->flushed = w->written;
    }
    return rc;
}

static void free_writer(struct run_writer *w)
{
    run_file_release(w->run);
    free(w->buffer);
    free(w->dir);
    free(w);
}

static int allocate(struct run_writer *w, const char *dir)
{
    w->dir = strdup(dir);
    w->buffer = calloc(BUFFER_BLOCKS, sizeof *w->buffer);
    w->run = run_file_new(-1);
    if (!w->run || !w->buffer || !w->dir)
        return TLY_ENO_MEMORY;
    w->run->fences = malloc(w->header.block_count * sizeof *w->run->fences);
    w->run->port.filter = bloom_create(w->header.count, RUN_FILTER_BITS);
    return w->run->fences && w->run->port.filter ? 0 : TLY_ENO_MEMORY;
}

int run_writer_begin(struct run_writer **out, const char *dir, uint64_t seed, uint64_t count,
                     const struct run_span *span, struct error *e)
{
    char path[4096];
    assert(count > 0 && count <= RUN_ENTRIES_MAX);
    *out = NULL;
    struct run_writer *w = calloc(1, sizeof *w);
    if (!w)
        return error_set(e, TLY_ENO_MEMORY, "order run", "no memory for a writer");
    w->header = (struct run_header){.magic = RUN_MAGIC,
                                    .version = RUN_VERSION,
                                    .seed_check = run_seed_check(seed),
                                    .count = count,
                                    .after = span->after,
                                    .seq_min = span->seq_min,
                                    .seq_max = span->seq_max,
                                    .block_count = run_blocks_for(count)};
    int rc = allocate(w, dir);
    if (rc) {
        error_set(e, rc, "order run", "no memory for a run of %llu", (unsigned long long)count);
    } else {
        path_of(w, false, path, sizeof path);
        w->run->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (w->run->fd < 0)
            rc = fail("create", e);
    }
    if (rc) {
        free_writer(w);
        return rc;
    }
    *out = w;
    return 0;
}

static void seal_block(struct run_block *block)
{
    block->checksum = run_checksum(block, offsetof(struct run_block, checksum));
}

int run_writer_add(struct run_writer *w, const struct order_entry *entry, struct error *e)
{
    struct run_block *block = &w->buffer[w->buffered];
    assert(w->added < w->header.count && entry->hash >= w->last_hash);
    if (block->count == 0)
        w->run->fences[w->added / RUN_BLOCK_ENTRIES] = entry->hash;
    block->entries[block->count++] = *entry;
    bloom_add(w->run->port.filter, entry->hash);
    w->last_hash = entry->hash;
    w->added++;
    if (block->count < RUN_BLOCK_ENTRIES && w->added < w->header.count)
        return 0;
    seal_block(block);
    if (++w->buffered < BUFFER_BLOCKS && w->added < w->header.count)
        return 0;
    int rc = append(w, w->buffer, w->buffered * RUN_BLOCK_BYTES, e);
    memset(w->buffer, 0, BUFFER_BLOCKS * sizeof *w->buffer);
    w->buffered = 0;
    return rc;
}

static int write_tables(struct run_writer *w, struct error *e)
{
    const struct run_file *run = w->run;
    const struct bloom *filter = run->port.filter;
    uint64_t fence_bytes = w->header.block_count * sizeof *run->fences;
    uint64_t filter_bytes = filter->block_count * BLOOM_BLOCK_BYTES;
    w->header.filter_blocks = filter->block_count;
    w->header.fences_checksum = run_checksum(run->fences, fence_bytes);
    w->header.filter_checksum = run_checksum(filter->words, filter_bytes);
    w->header.checksum = run_checksum(&w->header, offsetof(struct run_header, checksum));
    int rc = append(w, run->fences, fence_bytes, e);
    if (rc == 0)
        rc = append(w, filter->words, filter_bytes, e);
    if (rc == 0)
        rc = write_all(w, &w->header, sizeof w->header, 0, e);
    return rc;
}

static int publish(struct run_writer *w, struct error *e)
{
    char from[4096], to[4096];
    path_of(w, false, from, sizeof from);
    path_of(w, true, to, sizeof to);
    if (fsync(w->run->fd))
        return fail("fsync", e);
    if (rename(from, to))
        return fail("rename", e);
    int fd = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail("open the folder", e);
    int rc = fsync(fd) ? fail("fsync of the folder", e) : 0;
    close(fd);
    return rc;
}

int run_writer_finish(struct run_writer *w, struct run_file **out, struct error *e)
{
    assert(w->added == w->header.count);
    int rc = write_tables(w, e);
    if (rc == 0)
        rc = publish(w, e);
    if (rc) {
        run_writer_abandon(w);
        return rc;
    }
    struct run_file *run = w->run;
    run->port.count = w->header.count;
    run->port.seq_min = w->header.seq_min;
    run->port.seq_max = w->header.seq_max;
    run->after = w->header.after;
    run->block_count = w->header.block_count;
    run->bytes = RUN_BLOCK_BYTES + w->written;
    w->run = NULL;
    free_writer(w);
    *out = run;
    return 0;
}

void run_writer_abandon(struct run_writer *w)
{
    char path[4096];
    path_of(w, false, path, sizeof path);
    unlink(path);
    free_writer(w);
}
