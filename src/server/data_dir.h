/* data_dir.h - the data folder, held by one process at a time.
 *
 * The folder and DIR/lock in it are locked with flock() while the server lives, so the locks go
 * with the process, however it ends, and deleting DIR/lock lets nobody in. Inside stands who holds
 * it, as JSON: {"pid":1234,"listen":"127.0.0.1:7070", "started":"2026-11-22T10:00:00.000Z"}.
 */
#ifndef TALLY_SERVER_DATA_DIR_H
#define TALLY_SERVER_DATA_DIR_H

#include "base/error.h"

struct data_dir {
    int folder_fd; /* -1: not held */
    int lock_fd;
};

/* Makes the folder (mode 0700, one level) if it is not there. TLY_EBUSY, naming the holder, if
 * another process has it. */
int data_dir_hold(struct data_dir *d, const char *path, const char *listen,
                  struct error *e) MUST_CHECK;
/* Writes who holds it anew, with the address that was bound. */
int data_dir_tell(struct data_dir *d, const char *listen, struct error *e) MUST_CHECK;
void data_dir_release(struct data_dir *d);

#endif
