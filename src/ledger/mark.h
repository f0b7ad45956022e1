/* mark.h - DIR/mark: how far the ledger had come, told outside of SQLite's files.
 *
 * SQLite takes a log that was cut, or a database that was swapped, for one that ends there. The
 * mark is what a start holds against it (guard.h). It never runs ahead: it names only moves whose
 * commit is durable. It lags by at most MARK_PAUSE_MS and one write: under steady load the moves of
 * the last quarter of a second are not in it; after a stop in order all are.
 *
 * The file is text, two slots of 4,096 bytes that are written in turn, each with a checksum, so
 * that a torn write leaves the other. A thread of its own writes it: commits do not wait for it,
 * and a disk on which it cannot be written changes nothing else.
 */
#ifndef TALLY_LEDGER_MARK_H
#define TALLY_LEDGER_MARK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/wake.h"

enum { MARK_PAUSE_MS = 250, MARK_MOVES_MAX = 1 << 20 };

struct mark_facts {
    uint64_t ledger;  /* whose mark it is: mark_ledger_of(seed) */
    int64_t seq;      /* the newest move that is durable */
    int64_t base_seq; /* so many moves follow this one, up to seq: */
    int64_t moves;
    int64_t checkpoint_seq; /* ledger.db without its log has every move up to this */
    int64_t backup_at_ms;   /* written by a backup, then; else 0 */
};

enum mark_state { MARK_NONE, MARK_SOUND, MARK_DAMAGED };

uint64_t mark_ledger_of(uint64_t seed);
/* The newer sound slot of DIR/mark. `generation` may be NULL. */
enum mark_state mark_read(const char *dir, struct mark_facts *out, uint64_t *generation);
/* A whole new file, durable when it returns 0. */
int mark_create(const char *dir, const struct mark_facts *facts, struct error *e) MUST_CHECK;

struct mark {
    char *dir;
    pthread_mutex_t lock;    /* guards facts */
    struct mark_facts facts; /* as they are now */
    struct mark_facts written;
    uint64_t generation;
    int fd; /* -1: to be opened */
    _Atomic int64_t *errors;
    struct wake wake;  /* there is something new */
    struct wake pause; /* between two writes: only a stop wakes it */
    _Atomic bool stopping;
    pthread_t thread;
    bool running;
};

/* `errors` counts writes that failed; it outlives the mark. */
int mark_init(struct mark *m, const char *dir, _Atomic int64_t *errors, struct error *e) MUST_CHECK;
void mark_close(struct mark *m);
/* From here on the file follows `facts`; the first write comes at once. */
int mark_start(struct mark *m, const struct mark_facts *facts, struct error *e) MUST_CHECK;
void mark_stop(struct mark *m); /* writes what is new */

/* The writer's thread: moves up to `seq` have become durable; all up to `seq` are in ledger.db. */
void mark_committed(struct mark *m, int64_t seq, uint32_t moves);
void mark_checkpointed(struct mark *m, int64_t seq);

#endif
