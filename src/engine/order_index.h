/* order_index.h - which order_id led to which reservation, over the whole retention window.
 *
 * Like a log-structured merge tree. New entries go to the active segment, an open-addressed hash
 * table in memory. When it is full it is frozen and handed out (order_index_next_segment) to be
 * written to disk, in the background, as a sorted run; a new active segment takes over, and the
 * frozen one is searched until its run is installed. Of a run only a filter stays in memory: an
 * order_id that no filter knows is new for certain; one that a filter may know is looked up on
 * disk, which the engine asks of the ledger (QUESTION_ORDER). So a look-up of a new order_id costs
 * no I/O.
 *
 * Entries are 16 bytes: 64-bit hash of the order_id and reservation id. Two order_ids may share a
 * hash: a hit is a candidate, and the caller compares the order_id itself.
 *
 * One thread, but a frozen segment may be read by the thread that stores it.
 */
#ifndef TALLY_ENGINE_ORDER_INDEX_H
#define TALLY_ENGINE_ORDER_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "ledger/order_runs.h"

struct order_index;

int order_index_create(struct order_index **out, size_t memory_max, struct error *e) MUST_CHECK;
void order_index_destroy(struct order_index *ix);

/* TLY_ENO_MEMORY or TLY_EFULL (both segments full: the store is behind; refuse the order as
 * OVERLOADED). */
int order_index_add(struct order_index *ix, uint64_t hash, int64_t reservation_id) MUST_CHECK;
/* Undo of an add whose commit failed: newest first. */
void order_index_remove(struct order_index *ix, uint64_t hash, int64_t reservation_id);

/* Forgets all that is in memory. */
void order_index_clear(struct order_index *ix);

/* Candidates in memory, one after another: start with *cursor = 0. Returns 0 when there are no
 * more. */
int64_t order_index_find(const struct order_index *ix, uint64_t hash, size_t *cursor);
/* True if the part on disk may hold it. */
bool order_index_on_disk(const struct order_index *ix, uint64_t hash);
/* Brings the cache lines of a look-up closer; call it for a batch of commands first. */
void order_index_prefetch(const struct order_index *ix, uint64_t hash);

/* The segment that order_index_next_segment would hand out: until it is, it can still change. */
const struct order_segment *order_index_frozen(const struct order_index *ix);
struct order_segment *order_index_next_segment(struct order_index *ix);
/* The segment is freed, the run takes its place. A merged run comes with s == NULL. */
void order_index_install(struct order_index *ix, struct order_segment *s, struct order_run *run);
/* While loading, any number of segments may be frozen: they are stored afterwards. */
void order_index_set_loading(struct order_index *ix, bool loading);
/* A run of an earlier life. */
void order_index_load_run(struct order_index *ix, struct order_run *run);
/* True if an installed run spans that sequence number. */
bool order_index_covers(const struct order_index *ix, int64_t seq);
/* Drops runs whose newest entry is older. */
void order_index_forget(struct order_index *ix, int64_t seq_before);

size_t order_index_count(const struct order_index *ix);
size_t order_index_bytes(const struct order_index *ix);
size_t order_index_runs(const struct order_index *ix);

#endif
