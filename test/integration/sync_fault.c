/* sync_fault.c - preloaded into a server, it makes fsync and fdatasync slow or fail.
 *
 * $SYNC_FAULT names a file: `delay MS` or `fail`; while it is not there, syncs are what they are.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int sync_with(const char *name, int fd)
{
    const char *path = getenv("SYNC_FAULT");
    FILE *f = path ? fopen(path, "re") : NULL;
    char text[32] = "";
    if (f) {
        if (!fgets(text, sizeof text, f))
            text[0] = 0;
        fclose(f);
    }
    if (text[0] == 'f') {
        errno = EIO;
        return -1;
    }
    if (text[0] == 'd') {
        long ms = strtol(text + sizeof "delay", NULL, 10);
        nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
    }
    int (*real)(int);
    *(void **)&real = dlsym(RTLD_NEXT, name);
    return real(fd);
}

int fsync(int fd)
{
    return sync_with("fsync", fd);
}

int fdatasync(int fd)
{
    return sync_with("fdatasync", fd);
}
