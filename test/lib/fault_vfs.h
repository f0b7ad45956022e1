/* fault_vfs.h - an SQLite VFS on top of the default one whose disk can fail and lose power.
 *
 * It counts the calls that reach the disk and fails those that a plan names. Beside the real files
 * it keeps, in memory, what a disk would hold after a power cut: a write counts once the file was
 * synced. After a failed sync the writes before it are no longer written back, as Linux does it:
 * only writing them again makes them certain, though by chance they may have reached the disk.
 */
#ifndef TALLY_TEST_FAULT_VFS_H
#define TALLY_TEST_FAULT_VFS_H

#include <stdbool.h>

#define FAULT_VFS "fault"

enum {
    FAULT_WRITE = 1,
    FAULT_SYNC = 2,
    FAULT_TRUNCATE = 4,
    FAULT_OPEN = 8,
    FAULT_READ = 16,
    FAULT_ALL_WRITES = FAULT_WRITE | FAULT_SYNC | FAULT_TRUNCATE,
};

struct fault_plan {
    int calls;     /* which kinds count, and fail */
    long first;    /* the first that fails, from 1; 0: none does */
    long count;    /* how many fail; -1: all from then on */
    int code;      /* SQLITE_IOERR..., SQLITE_FULL */
    bool wal_only; /* only calls on the write-ahead log */
    bool torn;     /* a failing write still writes its first half */
};

void fault_vfs_install(void);                       /* registers FAULT_VFS; once is enough */
void fault_vfs_forget(void);                        /* forgets all files and plans */
void fault_vfs_plan(const struct fault_plan *plan); /* counting starts again */
long fault_vfs_fired(void);                         /* calls that failed since then */
/* Writes what the disk would hold into `to`: for each file that was opened, what was synced, plus a
 * random part of what was not; with FAULT_CUT_CLEAN nothing of it, with FAULT_CUT_LATE all. */
enum { FAULT_CUT_CLEAN = 0, FAULT_CUT_LATE = 1 };
void fault_vfs_power_cut(const char *to, unsigned seed);

#endif
