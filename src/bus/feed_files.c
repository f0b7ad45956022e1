/* feed_files.c - a folder, and inotify on it.
 *
 * Happy path: a file is renamed in, the folder is looked through, the oldest file is opened and
 * handed out; when it is finished, what was rejected is synced and gets its names, then the file is
 * renamed to done/. A kill before that rename leaves the file where it is: it is handed out again,
 * and what was rejected the first time is written anew.
 *
 * Failures: the folder cannot be read or written (told, and tried again later), or it or one of
 * those below it is gone (it is made again); a file that vanishes between two looks is passed over,
 * and one that may not be read goes to dead/.
 */
#include "bus/feed_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/put_json.h"

enum { NAME_BYTES = 256, NUMBERS = 100, TRIES_MAX = NUMBERS + 10 };

struct files_feed {
    struct feed feed;
    int dir, done, dead; /* folders */
    DIR *listing;        /* of `dir`; from the first look on */
    char *path;          /* of `dir`; malloc'ed */
    int inotify;
    /* the document that is out */
    int fd; /* -1: none */
    char name[NAME_BYTES];
    FILE *rejected, *why; /* in dead/, not under their names yet; NULL: nothing was rejected */
};

#define REJECTED_PART ".rejected.part"
#define WHY_PART      ".why.part"

static struct files_feed *of(struct feed *f)
{
    return (struct files_feed *)f;
}

static long read_at(const void *context, uint64_t offset, void *to, size_t size)
{
    long n;
    do
        n = pread(*(const int *)context, to, size, (off_t)offset);
    while (n < 0 && errno == EINTR);
    return n;
}

/* ---- folders ---- */

static int open_folder(int at, const char *name)
{
    if (mkdirat(at, name, 0750) != 0 && errno != EEXIST)
        return -1;
    return openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool is_gone(int folder)
{
    struct stat st;
    return folder < 0 || fstat(folder, &st) != 0 || st.st_nlink == 0;
}

static void forget(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static int open_below(struct files_feed *f, int *folder, const char *name)
{
    if (!is_gone(*folder))
        return 0;
    forget(folder);
    *folder = open_folder(f->dir, name);
    return *folder < 0 ? TLY_EIO : 0;
}

/* Makes and opens what is not there, or not any more. */
static int open_folders(struct files_feed *f, struct error *e)
{
    if (is_gone(f->dir)) {
        forget(&f->dir);
        if (f->listing)
            closedir(f->listing);
        f->listing = NULL;
        f->dir = open_folder(AT_FDCWD, f->path);
        if (f->dir < 0 ||
            inotify_add_watch(f->inotify, f->path, IN_MOVED_TO | IN_CLOSE_WRITE | IN_ONLYDIR) < 0) {
            int code =
                error_set(e, TLY_EIO, "feed_dir", "feed_dir: %.150s: %s", f->path, strerror(errno));
            forget(&f->dir);
            return code;
        }
    }
    if (open_below(f, &f->done, "done") || open_below(f, &f->dead, "dead"))
        return error_set(e, TLY_EIO, "feed_dir", "feed_dir: %.150s: %s", f->path, strerror(errno));
    return 0;
}

/* ---- take ---- */

static bool has_end(const char *name, const char *end)
{
    size_t len = strlen(name), n = strlen(end);
    return len >= n && strcmp(name + len - n, end) == 0;
}

static bool looked_at(const char *name)
{
    return *name != '.' && strlen(name) < NAME_BYTES - 16 && !has_end(name, ".tmp") &&
           !has_end(name, ".part") && !has_end(name, "~");
}

static bool earlier(const struct stat *a, const char *a_name, const struct stat *b,
                    const char *b_name)
{
    if (a->st_mtim.tv_sec != b->st_mtim.tv_sec)
        return a->st_mtim.tv_sec < b->st_mtim.tv_sec;
    if (a->st_mtim.tv_nsec != b->st_mtim.tv_nsec)
        return a->st_mtim.tv_nsec < b->st_mtim.tv_nsec;
    return strcmp(a_name, b_name) < 0;
}

/* The name of the oldest file; "" if there is none. */
static int find_oldest(struct files_feed *f, char name[NAME_BYTES], struct stat *found,
                       struct error *e)
{
    int fd = f->listing ? -1 : openat(f->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? f->listing : fdopendir(fd);
    const struct dirent *entry;
    struct stat st = {0};
    name[0] = 0;
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return error_set(e, TLY_EIO, "feed_dir", "cannot read the folder: %s", strerror(errno));
    }
    f->listing = dir;
    rewinddir(dir);
    while ((entry = readdir(dir))) {
        if (!looked_at(entry->d_name) ||
            fstatat(f->dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
            continue;
        if (*name && !earlier(&st, entry->d_name, found, name))
            continue;
        snprintf(name, NAME_BYTES, "%.*s", NAME_BYTES - 1, entry->d_name);
        *found = st;
    }
    return 0;
}

static void identify(const char *name, const struct stat *st, char id[FEED_ID_SIZE])
{
    char text[NAME_BYTES + 96];
    int len = snprintf(text, sizeof text, "%s|%" PRId64 "|%" PRId64 ".%09ld", name,
                       (int64_t)st->st_size, (int64_t)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
    md5_hex(text, (size_t)len, id);
}

static bool begins_as_json(int fd)
{
    char text[256];
    long n = pread(fd, text, sizeof text, 0);
    for (long i = 0; i < n; i++) {
        if (!strchr(" \t\r\n\xEF\xBB\xBF", text[i]) || !text[i])
            return text[i] == '{';
    }
    return false;
}

/* 1: the oldest file is open; 0: there is none; or an error, with errno as it was. */
static int open_oldest(struct files_feed *f, struct stat *st, struct error *e)
{
    for (int tries = 0; tries < 2; tries++) {
        int code = find_oldest(f, f->name, st, e);
        if (code)
            return code;
        if (!*f->name)
            return 0;
        f->fd = openat(f->dir, f->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (f->fd >= 0)
            return 1;
        if (errno != ENOENT)
            break;
    }
    int why = errno;
    error_set(e, TLY_EIO, "feed_dir", "cannot open %.100s: %s", f->name, strerror(why));
    errno = why;
    return TLY_EIO;
}

/* ---- reject ---- */

static FILE *create_part(const struct files_feed *f, const char *name)
{
    int fd = openat(f->dead, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "wb");
    if (!file && fd >= 0)
        close(fd);
    return file;
}

static void close_parts(struct files_feed *f)
{
    if (f->rejected)
        fclose(f->rejected);
    if (f->why)
        fclose(f->why);
    f->rejected = f->why = NULL;
}

static int cannot_write(struct error *e)
{
    return error_set(e, TLY_EIO, "feed_dir", "cannot write to dead/: %s", strerror(errno));
}

static int reject(struct feed *feed, struct str header, const struct feed_reject *r,
                  struct error *e)
{
    struct files_feed *f = of(feed);
    if (!f->why) {
        f->rejected = create_part(f, REJECTED_PART);
        f->why = create_part(f, WHY_PART);
        if (!f->rejected || !f->why) {
            int code = cannot_write(e);
            close_parts(f);
            return code;
        }
        if (header.len)
            fprintf(f->rejected, "%.*s\n", STR_ARG(header));
    }
    if (r->message.len)
        fprintf(f->rejected, "%.*s\n", STR_ARG(r->message));
    fprintf(f->why, "{\"line\": %u, \"column\": ", r->line);
    put_json_text(f->why, r->column);
    fputs(", \"reason\": ", f->why);
    put_json_text(f->why, r->reason);
    fputs("}\n", f->why);
    return ferror(f->rejected) || ferror(f->why) ? cannot_write(e) : 0;
}

/* ---- finish ---- */

/* Renames to a name that is free: NAME, or NAME.1 and so on before the suffix; once those are taken
 * the number is a clock's, so that a name that comes every minute is never looked for long. */
static int rename_free(int from_dir, const char *from, int to_dir, const char *name,
                       const char *suffix)
{
    char to[NAME_BYTES + 32];
    for (int i = 0; i < TRIES_MAX; i++) {
        if (i == 0)
            snprintf(to, sizeof to, "%s%s", name, suffix);
        else
            snprintf(to, sizeof to, "%s.%" PRIu64 "%s", name,
                     i < NUMBERS ? (uint64_t)i : clock_monotonic_ns(), suffix);
        if (renameat2(from_dir, from, to_dir, to, RENAME_NOREPLACE) == 0)
            return 0;
        if (errno != EEXIST)
            break;
    }
    return TLY_EIO;
}

static int sync_part(FILE *file)
{
    return fflush(file) == 0 && fsync(fileno(file)) == 0 ? 0 : TLY_EIO;
}

/* What was rejected gets its names. Called again after a failure, it finds some of it done. */
static int name_rejects(struct files_feed *f, bool dead, struct error *e)
{
    if (sync_part(f->rejected) || sync_part(f->why))
        return cannot_write(e);
    if (rename_free(f->dead, WHY_PART, f->dead, f->name, ".why") && errno != ENOENT)
        return cannot_write(e);
    if (!dead && rename_free(f->dead, REJECTED_PART, f->dead, f->name, "") && errno != ENOENT)
        return cannot_write(e);
    if (dead)
        unlinkat(f->dead, REJECTED_PART, 0);
    fsync(f->dead);
    return 0;
}

static int finish(struct feed *feed, bool applied, struct error *e)
{
    struct files_feed *f = of(feed);
    bool dead = f->why && !applied;
    int code = open_folders(f, e);
    if (!code && f->why)
        code = name_rejects(f, dead, e);
    if (code)
        return code;
    if (rename_free(f->dir, f->name, dead ? f->dead : f->done, f->name, "") && errno != ENOENT)
        return error_set(e, TLY_EIO, "feed_dir", "cannot rename %.100s: %s", f->name,
                         strerror(errno));
    fsync(dead ? f->dead : f->done);
    fsync(f->dir);
    close_parts(f);
    close(f->fd);
    f->fd = -1;
    return 0;
}

/* ---- a document ---- */

/* A file that may not be read is of no use, and is not to hold up the others. */
static int set_aside(struct files_feed *f, struct error *e)
{
    const struct feed_reject why = {.reason = str_of(e->text)};
    struct error failed;
    if (reject(&f->feed, (struct str){0}, &why, &failed) || finish(&f->feed, false, &failed)) {
        close_parts(f);
        return TLY_EIO;
    }
    return 0;
}

static int take(struct feed *feed, struct feed_document *out, struct error *e)
{
    struct files_feed *f = of(feed);
    struct stat st = {0};
    if (f->fd >= 0)
        return 0;
    int found = open_folders(f, e);
    while (found == 0 && (found = open_oldest(f, &st, e)) < 0 && errno == EACCES && *f->name)
        found = set_aside(f, e);
    if (found <= 0)
        return found;
    *out = (struct feed_document){.name = str_of(f->name),
                                  .json_lines = begins_as_json(f->fd),
                                  .context = &f->fd,
                                  .read_at = read_at};
    identify(f->name, &st, out->id);
    return 1;
}

static void give_back(struct feed *feed)
{
    struct files_feed *f = of(feed);
    close_parts(f);
    close(f->fd);
    f->fd = -1;
}

/* ---- life ---- */

static int wait_fd(const struct feed *feed)
{
    return ((const struct files_feed *)feed)->inotify;
}

static void woken(struct feed *feed)
{
    char events[4096];
    while (read(of(feed)->inotify, events, sizeof events) > 0) {
    }
}

static void destroy(struct feed *feed)
{
    struct files_feed *f = of(feed);
    if (f->listing)
        closedir(f->listing);
    const int fds[] = {f->dir, f->done, f->dead, f->inotify, f->fd};
    close_parts(f);
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
    free(f->path);
    free(f);
}

static const struct feed_ops ops = {.take = take,
                                    .reject = reject,
                                    .finish = finish,
                                    .give_back = give_back,
                                    .wait_fd = wait_fd,
                                    .woken = woken,
                                    .destroy = destroy};

int feed_files_create(struct feed **out, const char *dir, struct error *e)
{
    struct files_feed *f = calloc(1, sizeof *f);
    if (!f)
        return error_set(e, TLY_ENO_MEMORY, "", "out of memory");
    f->feed.ops = &ops;
    f->fd = f->dir = f->done = f->dead = -1;
    f->path = strdup(dir);
    f->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    int code = !f->path         ? error_set(e, TLY_ENO_MEMORY, "", "out of memory")
               : f->inotify < 0 ? error_set(e, TLY_EIO, "feed_dir", "feed_dir: %s", strerror(errno))
                                : open_folders(f, e);
    if (code) {
        destroy(&f->feed);
        return code;
    }
    *out = &f->feed;
    return 0;
}
