/* Runs: reading.
 *
 * Happy path: open reads header, fences and filter and checks each; a look-up asks the filter,
 * searches the fences in memory and reads one block of 4 KiB.
 * Failure modes: whatever does not match its checksum is TLY_ECORRUPT, and a damaged block marks
 * its run, so that the store rebuilds it from the log of moves.
 */
#include "ledger/run_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ledger/run_format.h"

static void free_run(struct run_file *run)
{
    if (run->fd >= 0)
        close(run->fd);
    free(run->fences);
    free(run->port.filter);
    free(run);
}

static void release_port(struct order_run *port)
{
    run_file_release((struct run_file *)((char *)port - offsetof(struct run_file, port)));
}

struct run_file *run_file_new(int fd)
{
    struct run_file *run = calloc(1, sizeof *run);
    if (!run)
        return NULL;
    run->fd = fd;
    run->port.release = release_port;
    atomic_init(&run->references, 1);
    return run;
}

void run_file_hold(struct run_file *run)
{
    atomic_fetch_add_explicit(&run->references, 1, memory_order_relaxed);
}

void run_file_release(struct run_file *run)
{
    if (run && atomic_fetch_sub_explicit(&run->references, 1, memory_order_acq_rel) == 1)
        free_run(run);
}

void run_file_name(char out[RUN_NAME_SIZE], int64_t seq_min, int64_t seq_max)
{
    snprintf(out, RUN_NAME_SIZE, "%019lld-%019lld.run", (long long)seq_min, (long long)seq_max);
}

void run_file_unlink(const struct run_file *run, const char *dir)
{
    char name[RUN_NAME_SIZE], path[4096];
    run_file_name(name, run->port.seq_min, run->port.seq_max);
    if (snprintf(path, sizeof path, "%s/%s", dir, name) < (int)sizeof path)
        unlink(path);
}

static int read_all(int fd, void *out, uint64_t size, uint64_t offset)
{
    char *p = out;
    while (size > 0) {
        ssize_t got = pread(fd, p, size > (1U << 30) ? (1U << 30) : size, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got == 0 ? TLY_ECORRUPT : TLY_EIO;
        p += got;
        offset += (uint64_t)got;
        size -= (uint64_t)got;
    }
    return 0;
}

static bool header_fits(const struct run_header *h, uint64_t seed, uint64_t file_bytes)
{
    if (memcmp(h->magic, RUN_MAGIC, sizeof h->magic) != 0 || h->version != RUN_VERSION ||
        h->checksum != run_checksum(h, offsetof(struct run_header, checksum)) ||
        h->seed_check != run_seed_check(seed))
        return false;
    return h->count > 0 && h->count <= RUN_ENTRIES_MAX &&
           h->block_count == run_blocks_for(h->count) && h->after < h->seq_min &&
           h->seq_min <= h->seq_max && file_bytes == run_bytes(h->block_count, h->filter_blocks);
}

static int load_tables(struct run_file *run, const struct run_header *h)
{
    uint64_t fence_bytes = h->block_count * sizeof *run->fences;
    run->fences = malloc(fence_bytes);
    run->port.filter = bloom_create(h->count, RUN_FILTER_BITS);
    if (!run->fences || !run->port.filter)
        return TLY_ENO_MEMORY;
    struct bloom *filter = run->port.filter;
    if (filter->block_count != h->filter_blocks)
        return TLY_ECORRUPT;
    uint64_t filter_bytes = filter->block_count * BLOOM_BLOCK_BYTES;
    uint64_t offset = RUN_BLOCK_BYTES * (1 + h->block_count);
    int rc = read_all(run->fd, run->fences, fence_bytes, offset);
    if (rc == 0)
        rc = read_all(run->fd, filter->words, filter_bytes, offset + fence_bytes);
    if (rc)
        return rc;
    if (run_checksum(run->fences, fence_bytes) != h->fences_checksum ||
        run_checksum(filter->words, filter_bytes) != h->filter_checksum)
        return TLY_ECORRUPT;
    return 0;
}

int run_file_open(struct run_file **out, const char *dir, const char *name, uint64_t seed,
                  struct error *e)
{
    char path[4096];
    struct stat st;
    struct run_header h;
    *out = NULL;
    if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path)
        return error_set(e, TLY_EIO, name, "the path is too long");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(e, TLY_EIO, name, "cannot be opened: %s", strerror(errno));
    struct run_file *run = run_file_new(fd);
    if (!run) {
        close(fd);
        return error_set(e, TLY_ENO_MEMORY, name, "no memory for the run");
    }
    int rc = fstat(fd, &st) ? TLY_EIO : read_all(fd, &h, sizeof h, 0);
    if (rc == 0 && !header_fits(&h, seed, (uint64_t)st.st_size))
        rc = TLY_ECORRUPT;
    if (rc == 0)
        rc = load_tables(run, &h);
    if (rc) {
        free_run(run);
        return error_set(e, rc, name, "the run cannot be used: %s", error_text(rc));
    }
    run->port.count = h.count;
    run->port.seq_min = h.seq_min;
    run->port.seq_max = h.seq_max;
    run->after = h.after;
    run->block_count = h.block_count;
    run->bytes = (uint64_t)st.st_size;
    *out = run;
    return 0;
}

int run_file_read_block(struct run_file *run, uint64_t index, struct run_block *out,
                        struct error *e)
{
    int rc = read_all(run->fd, out, sizeof *out, RUN_BLOCK_BYTES * (1 + index));
    if (rc == 0 && (out->count == 0 || out->count > RUN_BLOCK_ENTRIES ||
                    out->checksum != run_checksum(out, offsetof(struct run_block, checksum))))
        rc = TLY_ECORRUPT;
    if (rc == 0)
        return 0;
    if (rc == TLY_ECORRUPT)
        atomic_store(&run->damaged, true);
    return error_set(e, rc, "order run", "block %llu: %s", (unsigned long long)index,
                     error_text(rc));
}

/* The last block whose first hash is lower: the first one that can hold the hash. */
static uint64_t first_block(const struct run_file *run, uint64_t hash)
{
    uint64_t low = 0, high = run->block_count;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (run->fences[middle] < hash)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 ? 0 : low - 1;
}

int run_file_find(struct run_file *run, uint64_t hash, int64_t *out, int max, struct error *e)
{
    struct run_block block;
    int found = 0;
    if (!bloom_maybe(run->port.filter, hash))
        return 0;
    for (uint64_t i = first_block(run, hash); i < run->block_count && run->fences[i] <= hash; i++) {
        int rc = run_file_read_block(run, i, &block, e);
        if (rc)
            return rc;
        for (uint64_t k = 0; k < block.count && found < max; k++) {
            if (block.entries[k].hash == hash)
                out[found++] = block.entries[k].reservation_id;
        }
    }
    return found;
}
