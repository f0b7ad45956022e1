/* sync_fault.c - preloaded into a server, it makes fsync and fdatasync wait or fail, or kills.
 *
 * $SYNC_FAULT names a file: while it says `hold`, syncs wait; while it says `fail`, they fail;
 * while it says `kill N`, the process is killed in front of the Nth one of a path that has
 * $SYNC_FAULT_PATH in it; while it is not there, they are what they are.
 */
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static _Atomic int synced; /* of the path that kills, since the file says so */

/* The first letter of what the file says, and its number; 0 if there is none. */
static char fault(int *number)
{
    const char *path = getenv("SYNC_FAULT");
    FILE *f = path ? fopen(path, "re") : NULL;
    char text[32] = "";
    if (f) {
        if (!fgets(text, sizeof text, f))
            text[0] = 0;
        fclose(f);
    }
    *number = strlen(text) > 5 ? atoi(text + 5) : 0;
    return text[0];
}

static int kills(int fd)
{
    const char *part = getenv("SYNC_FAULT_PATH");
    char name[32], path[512] = "";
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    return part && readlink(name, path, sizeof path - 1) > 0 && strstr(path, part);
}

static int sync_with(const char *name, int fd)
{
    int number;
    while (fault(&number) == 'h')
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    if (fault(&number) == 'f') {
        errno = EIO;
        return -1;
    }
    if (fault(&number) == 'k' && kills(fd) && atomic_fetch_add(&synced, 1) + 1 == number)
        raise(SIGKILL);
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
