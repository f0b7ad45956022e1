/* A consistent copy while the server runs.
 *
 * Happy path: a read transaction holds one moment of the ledger; its pages are copied to a
 * temporary name in the new folder, synced, and renamed. The archive is copied the same way if
 * there is one. Order runs are not copied: a start makes them again from the log of moves.
 * Failure modes: whatever fails, the new folder is removed again. While the copy runs the server's
 * write-ahead log cannot start over, so it grows.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ledger/db.h"
#include "ledger/ledger_sqlite.h"

enum { STEP_PAGES = 512, PATH_SIZE = 4096, BUSY_WAIT_MS = 20 };

typedef void progress_fn(void *context, int64_t done, int64_t total);

static int copy_pages(sqlite3 *from, sqlite3 *to, progress_fn *progress, void *context,
                      struct error *e)
{
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
    if (!backup)
        return db_fail(to, "begin the copy", e);
    int step;
    do {
        step = sqlite3_backup_step(backup, STEP_PAGES);
        int64_t total = sqlite3_backup_pagecount(backup);
        if (progress)
            progress(context, total - sqlite3_backup_remaining(backup), total);
        if (step == SQLITE_BUSY || step == SQLITE_LOCKED)
            sqlite3_sleep(BUSY_WAIT_MS);
    } while (step == SQLITE_OK || step == SQLITE_BUSY || step == SQLITE_LOCKED);
    if (sqlite3_backup_finish(backup) != SQLITE_OK || step != SQLITE_DONE)
        return db_fail(to, "copy", e);
    return 0;
}

static int copy_file(const char *from_path, const char *to_path, progress_fn *progress,
                     void *context, struct error *e)
{
    sqlite3 *from = NULL, *to = NULL;
    char partial[PATH_SIZE + 16];
    snprintf(partial, sizeof partial, "%s.partial", to_path);
    int rc = db_open(&from, from_path, NULL, DB_READER, e);
    if (rc == 0)
        rc = db_exec(from, "BEGIN; SELECT count(*) FROM sqlite_schema", e);
    if (rc == 0)
        rc = db_open(&to, partial, NULL, DB_COPY, e);
    if (rc == 0)
        rc = copy_pages(from, to, progress, context, e);
    db_close(from);
    db_close(to);
    if (rc == 0 && rename(partial, to_path))
        rc = error_set(e, TLY_EIO, to_path, "cannot be renamed: %s", strerror(errno));
    if (rc)
        unlink(partial);
    return rc;
}

static int sync_folder(const char *path, struct error *e)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 || fsync(fd)
                 ? error_set(e, TLY_EIO, path, "cannot be synced: %s", strerror(errno))
                 : 0;
    if (fd >= 0)
        close(fd);
    return rc;
}

static int copy_both(const char *dir, const char *to, progress_fn *progress, void *context,
                     struct error *e)
{
    char from_path[PATH_SIZE], to_path[PATH_SIZE];
    snprintf(from_path, sizeof from_path, "%s/ledger.db", dir);
    snprintf(to_path, sizeof to_path, "%s/ledger.db", to);
    int rc = copy_file(from_path, to_path, progress, context, e);
    if (rc)
        return rc;
    snprintf(from_path, sizeof from_path, "%s/archive.db", dir);
    snprintf(to_path, sizeof to_path, "%s/archive.db", to);
    if (access(from_path, F_OK) == 0)
        rc = copy_file(from_path, to_path, progress, context, e);
    return rc ? rc : sync_folder(to, e);
}

int ledger_sqlite_backup(const char *dir, const char *to, progress_fn *progress, void *context,
                         struct error *e)
{
    char path[PATH_SIZE];
    if (strlen(dir) > PATH_SIZE - 32 || strlen(to) > PATH_SIZE - 32)
        return error_set(e, TLY_EINVALID_ARGUMENT, "path", "it is too long");
    snprintf(path, sizeof path, "%s/ledger.db", dir);
    if (access(path, R_OK))
        return error_set(e, TLY_ENOT_FOUND, path, "cannot be read: %s", strerror(errno));
    if (mkdir(to, 0700))
        return error_set(e, errno == EEXIST ? TLY_EALREADY_EXISTS : TLY_EIO, to,
                         "the folder cannot be made: %s", strerror(errno));
    int rc = copy_both(dir, to, progress, context, e);
    if (rc) {
        snprintf(path, sizeof path, "%s/ledger.db", to);
        unlink(path);
        rmdir(to);
    }
    return rc;
}
