/* A consistent copy while the server runs.
 *
 * Happy path: a read transaction holds one moment of the ledger; its pages are copied into
 * a folder TO.partial and synced; when all is there it is renamed to TO. The archive is copied the
 * same way if there is one. Order runs and lists are not copied: a start makes them again from the
 * log of moves.
 *
 * What else in the folder nothing could make again is copied, too. The waiting rooms come before
 * the ledger, so that it has the sale of each; a room's file only grows behind its head, so what
 * is read in order is a room as it was. The list of what the webhook gave up comes behind it: an
 * event that is given up meanwhile is on the list, and delivered once more, but not lost.
 *
 * Failure modes: whatever fails, TO.partial is removed again; one that was left because the
 * process was killed is removed by the next try. While the copy runs the server's write-ahead log
 * cannot start over, so it grows.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ledger/db.h"
#include "ledger/guard.h"
#include "ledger/ledger_sqlite.h"

enum { STEP_PAGES = 512, PATH_SIZE = 4096, FILE_SIZE = PATH_SIZE + 32, BUSY_WAIT_MS = 20 };

#define WAITING_FOLDER "waiting" /* its key, and a file for each room */

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

/* The mark says how far the copy goes, and that it is one. */
static int write_mark(sqlite3 *from, const char *to, struct error *e)
{
    struct mark_facts facts;
    struct timespec now;
    int rc = guard_facts(from, &facts, e);
    clock_gettime(CLOCK_REALTIME, &now);
    facts.backup_at_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    return rc ? rc : mark_create(to, &facts, e);
}

/* With `mark_to` the folder gets a mark of what is copied. */
static int copy_file(const char *from_path, const char *to_path, const char *mark_to,
                     progress_fn *progress, void *context, struct error *e)
{
    sqlite3 *from = NULL, *to = NULL;
    int rc = db_open(&from, from_path, NULL, DB_READER, e);
    if (rc == 0)
        rc = db_exec(from, "BEGIN; SELECT count(*) FROM sqlite_schema", e);
    if (rc == 0)
        rc = db_open(&to, to_path, NULL, DB_COPY, e);
    if (rc == 0)
        rc = copy_pages(from, to, progress, context, e);
    if (rc == 0 && mark_to)
        rc = write_mark(from, mark_to, e);
    db_close(from);
    db_close(to);
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

/* True when all that `from` holds is in `to`, durably. */
static bool copy_bytes(int from, int to)
{
    char bytes[16384];
    ssize_t count;
    while ((count = read(from, bytes, sizeof bytes)) > 0) {
        if (write(to, bytes, (size_t)count) != count)
            return false;
    }
    return count == 0 && fsync(to) == 0;
}

/* A room that was deleted in that moment is none any more. */
static int copy_plain(int from_dir, int to_dir, const char *name, struct error *e)
{
    int from = openat(from_dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (from < 0 && errno == ENOENT)
        return 0;
    int to = from < 0 ? -1 : openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool copied = to >= 0 && copy_bytes(from, to);
    int rc = copied ? 0 : error_set(e, TLY_EIO, name, "cannot be copied: %s", strerror(errno));
    if (to >= 0)
        close(to);
    if (from >= 0)
        close(from);
    return rc;
}

static bool is_of_a_room(const char *name)
{
    return strcmp(name, "key") == 0 || strncmp(name, "room-", 5) == 0;
}

static int copy_each_room(DIR *from, int to, struct error *e)
{
    const struct dirent *entry;
    int rc = 0;
    while (rc == 0 && (entry = readdir(from))) {
        if (is_of_a_room(entry->d_name))
            rc = copy_plain(dirfd(from), to, entry->d_name, e);
    }
    if (rc == 0 && fsync(to))
        rc = error_set(e, TLY_EIO, WAITING_FOLDER, "cannot be synced: %s", strerror(errno));
    return rc;
}

static int copy_rooms(const char *dir, const char *to, struct error *e)
{
    char path[FILE_SIZE];
    snprintf(path, sizeof path, "%s/" WAITING_FOLDER, dir);
    DIR *from = opendir(path);
    if (!from && errno == ENOENT)
        return 0;
    snprintf(path, sizeof path, "%s/" WAITING_FOLDER, to);
    int to_fd = mkdir(path, 0700) ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = from && to_fd >= 0
                 ? copy_each_room(from, to_fd, e)
                 : error_set(e, TLY_EIO, WAITING_FOLDER, "cannot be copied: %s", strerror(errno));
    if (to_fd >= 0)
        close(to_fd);
    if (from)
        closedir(from);
    return rc;
}

static int copy_all(const char *dir, const char *to, progress_fn *progress, void *context,
                    struct error *e)
{
    static const char *const others[] = {"archive.db", "webhook.db"};
    char from_path[FILE_SIZE], to_path[FILE_SIZE];
    int rc = copy_rooms(dir, to, e);
    if (rc)
        return rc;
    snprintf(from_path, sizeof from_path, "%s/ledger.db", dir);
    snprintf(to_path, sizeof to_path, "%s/ledger.db", to);
    rc = copy_file(from_path, to_path, to, progress, context, e);
    for (size_t i = 0; rc == 0 && i < sizeof others / sizeof others[0]; i++) {
        snprintf(from_path, sizeof from_path, "%s/%s", dir, others[i]);
        snprintf(to_path, sizeof to_path, "%s/%s", to, others[i]);
        if (access(from_path, F_OK) == 0)
            rc = copy_file(from_path, to_path, NULL, progress, context, e);
    }
    return rc ? rc : sync_folder(to, e);
}

static void remove_rooms(const char *folder)
{
    char path[FILE_SIZE];
    snprintf(path, sizeof path, "%s/" WAITING_FOLDER, folder);
    DIR *rooms = opendir(path);
    const struct dirent *entry;
    while (rooms && (entry = readdir(rooms))) {
        if (is_of_a_room(entry->d_name))
            unlinkat(dirfd(rooms), entry->d_name, 0);
    }
    if (rooms)
        closedir(rooms);
    rmdir(path);
}

/* Every file that a copy may have made in the folder, and the folder. */
static void remove_partial(const char *folder)
{
    static const char *const names[] = {"ledger.db", "archive.db", "webhook.db"};
    static const char *const endings[] = {"", "-journal", "-wal", "-shm"};
    char path[FILE_SIZE + 16];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        for (size_t j = 0; j < sizeof endings / sizeof endings[0]; j++) {
            snprintf(path, sizeof path, "%s/%s%s", folder, names[i], endings[j]);
            unlink(path);
        }
    }
    snprintf(path, sizeof path, "%s/mark", folder);
    unlink(path);
    remove_rooms(folder);
    rmdir(folder);
}

static int sync_parent(const char *path, struct error *e)
{
    char parent[PATH_SIZE];
    snprintf(parent, sizeof parent, "%s", path);
    return sync_folder(dirname(parent), e);
}

static int move_in_place(const char *partial, const char *to, struct error *e)
{
    if (rename(partial, to))
        return error_set(e, errno == EEXIST || errno == ENOTEMPTY ? TLY_EALREADY_EXISTS : TLY_EIO,
                         to, "the copy cannot be moved there: %s", strerror(errno));
    return sync_parent(to, e);
}

int ledger_sqlite_backup(const char *dir, const char *to, progress_fn *progress, void *context,
                         struct error *e)
{
    char path[PATH_SIZE], partial[PATH_SIZE + 16];
    if (strlen(dir) > PATH_SIZE - 64 || strlen(to) > PATH_SIZE - 64 || !to[0])
        return error_set(e, TLY_EINVALID_ARGUMENT, "path", "it is empty or too long");
    snprintf(path, sizeof path, "%s/ledger.db", dir);
    if (access(path, R_OK))
        return error_set(e, TLY_ENOT_FOUND, path, "cannot be read: %s", strerror(errno));
    size_t len = strlen(to);
    while (len > 1 && to[len - 1] == '/')
        len--;
    snprintf(path, sizeof path, "%.*s", (int)len, to);
    snprintf(partial, sizeof partial, "%s.partial", path);
    if (access(path, F_OK) == 0)
        return error_set(e, TLY_EALREADY_EXISTS, path, "it is there already");
    remove_partial(partial); /* what a backup left that was killed */
    if (mkdir(partial, 0700))
        return error_set(e, TLY_EIO, partial, "the folder cannot be made: %s", strerror(errno));
    int rc = copy_all(dir, partial, progress, context, e);
    if (rc == 0)
        rc = move_in_place(partial, path, e);
    if (rc)
        remove_partial(partial);
    return rc;
}
