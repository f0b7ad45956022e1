/* data_dir.c - makes and locks the data folder.
 *
 * Happy path: mkdir, flock the folder, open DIR/lock, flock it too, write who we are.
 * Failure: the folder cannot be made or is not a folder (TLY_EIO); it is held (TLY_EBUSY): the
 * holder's own words are read from the file. A reader that asks whether anybody holds it takes the
 * lock for an instant, so a lock that cannot be had is tried again for LOCK_TRIES_MS.
 */
#include "server/data_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum { LOCK_TRIES_MS = 300, LOCK_TRY_MS = 20, NOTE_MAX = 512 };

static void sleep_ms(long ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

/* The text between `start` and `end` in the note; "" if it is not there. */
static void part_of(const char *note, const char *start, const char *end, char *out, size_t size)
{
    const char *at = strstr(note, start);
    out[0] = 0;
    if (!at)
        return;
    at += strlen(start);
    size_t length = strcspn(at, end);
    snprintf(out, size, "%.*s", (int)(length < size ? length : size - 1), at);
}

static int refuse_held(const char *path, const char *file, struct error *e)
{
    char note[NOTE_MAX] = "", pid[16], listen[256];
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t size = fd < 0 ? 0 : pread(fd, note, sizeof note - 1, 0);
    note[size > 0 ? size : 0] = 0;
    if (fd >= 0)
        close(fd);
    part_of(note, "\"pid\":", ",}", pid, sizeof pid);
    part_of(note, "\"listen\":\"", "\"", listen, sizeof listen);
    return error_set(e, TLY_EBUSY, "data",
                     "data folder %.100s is in use by tally, process %s, listening on %.80s", path,
                     pid[0] ? pid : "unknown", listen[0] ? listen : "an unknown address");
}

int data_dir_tell(struct data_dir *d, const char *listen, struct error *e)
{
    char note[NOTE_MAX], started[RFC3339_SIZE];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    rfc3339_format((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000, started);
    int size =
        snprintf(note, sizeof note, "{\"pid\":%ld,\"listen\":\"%.300s\",\"started\":\"%s\"}\n",
                 (long)getpid(), listen, started);
    if (pwrite(d->lock_fd, note, (size_t)size, 0) != size || ftruncate(d->lock_fd, size) != 0)
        return error_set(e, TLY_EIO, "data", "cannot write the lock file: %s", strerror(errno));
    return 0;
}

/* 0, or what flock() failed with; EWOULDBLOCK: somebody holds it. */
static int take_lock(int fd)
{
    for (int waited_ms = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; waited_ms += LOCK_TRY_MS) {
        if ((errno != EWOULDBLOCK && errno != EINTR) || waited_ms >= LOCK_TRIES_MS)
            return errno;
        sleep_ms(LOCK_TRY_MS);
    }
    return 0;
}

/* The folder itself: its lock cannot be deleted while it is held. A file system that locks no
 * folders leaves it at the file. */
static int lock_folder(struct data_dir *d, const char *path, const char *file, struct error *e)
{
    d->folder_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->folder_fd < 0)
        return error_set(e, TLY_EIO, "data", "cannot open the data folder %.100s: %s", path,
                         strerror(errno));
    return take_lock(d->folder_fd) == EWOULDBLOCK ? refuse_held(path, file, e) : 0;
}

static int lock_file(struct data_dir *d, const char *path, const char *file, struct error *e)
{
    d->lock_fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (d->lock_fd < 0)
        return error_set(e, TLY_EIO, "data", "cannot open %.150s: %s", file, strerror(errno));
    int why = take_lock(d->lock_fd);
    if (why == EWOULDBLOCK)
        return refuse_held(path, file, e);
    return why ? error_set(e, TLY_EIO, "data", "cannot lock %.150s: %s", file, strerror(why)) : 0;
}

int data_dir_hold(struct data_dir *d, const char *path, const char *listen, struct error *e)
{
    char file[1100];
    d->lock_fd = d->folder_fd = -1;
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return error_set(e, TLY_EIO, "data", "cannot make the data folder %.100s: %s", path,
                         strerror(errno));
    snprintf(file, sizeof file, "%s/lock", path);
    int code = lock_folder(d, path, file, e);
    if (code == 0)
        code = lock_file(d, path, file, e);
    if (code == 0)
        code = data_dir_tell(d, listen, e);
    if (code)
        data_dir_release(d);
    return code;
}

void data_dir_release(struct data_dir *d)
{
    if (d->lock_fd >= 0)
        close(d->lock_fd);
    if (d->folder_fd >= 0)
        close(d->folder_fd);
    d->lock_fd = d->folder_fd = -1;
}
