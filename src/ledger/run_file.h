/* run_file.h - one sorted run of the order index on disk: DIR/orders/<first>-<last>.run.
 *
 * Layout, all little-endian, in blocks of 4,096 bytes:
 *   header  | struct run_header, its checksum last
 *   data    | per block: up to 255 entries of 16 bytes, ascending by hash, then the number of
 *           | entries and the block's checksum
 *   fences  | the first hash of every data block
 *   filter  | the words of a split-block Bloom filter (base/bloom.h)
 *
 * A run holds the order_ids of all moves with after < seq <= seq_max; runs in order of seq follow
 * each other without a gap, or the store reads the gap from the log of moves.
 */
#ifndef TALLY_LEDGER_RUN_FILE_H
#define TALLY_LEDGER_RUN_FILE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "ledger/order_runs.h"

enum {
    RUN_BLOCK_BYTES = 4096,
    RUN_BLOCK_ENTRIES = 255,
    RUN_FILTER_BITS = 16, /* per entry: 0.1 % false positives */
};

/* Shared by the index (through `port`), the store's list and look-ups under way; the last one to
 * let go closes it. */
struct run_file {
    struct order_run port;
    _Atomic uint32_t references;
    _Atomic bool damaged; /* a block failed its checksum */
    int fd;
    int64_t after;
    uint64_t block_count;
    uint64_t bytes;
    uint64_t *fences;
};

struct run_span {
    int64_t after;
    int64_t seq_min;
    int64_t seq_max;
};

/* ---- writing: begin, add in ascending order of hash, then finish or abandon ---- */

struct run_writer;
int run_writer_begin(struct run_writer **out, const char *dir, uint64_t seed, uint64_t count,
                     const struct run_span *span, struct error *e) MUST_CHECK;
int run_writer_add(struct run_writer *w, const struct order_entry *entry,
                   struct error *e) MUST_CHECK;
/* Durable under its final name when this returns 0. Frees the writer in any case. */
int run_writer_finish(struct run_writer *w, struct run_file **out, struct error *e) MUST_CHECK;
void run_writer_abandon(struct run_writer *w);

/* ---- reading ---- */

/* TLY_ECORRUPT if the file is damaged, of another format or of another data folder. */
int run_file_open(struct run_file **out, const char *dir, const char *name, uint64_t seed,
                  struct error *e) MUST_CHECK;
void run_file_hold(struct run_file *run);
void run_file_release(struct run_file *run);
/* Removes the file; who still holds the run can go on reading it. */
void run_file_unlink(const struct run_file *run, const char *dir);

/* Entries with this hash: at most `max` into `out`; returns their number or an error. */
int run_file_find(struct run_file *run, uint64_t hash, int64_t *out, int max, struct error *e);

struct run_block {
    struct order_entry entries[RUN_BLOCK_ENTRIES];
    uint64_t count;
    uint64_t checksum;
};
_Static_assert(sizeof(struct run_block) == RUN_BLOCK_BYTES, "a block is one page");
int run_file_read_block(struct run_file *run, uint64_t index, struct run_block *out,
                        struct error *e) MUST_CHECK;

#endif
