/* sync_fault.c - preloaded into a server, it makes fsync and fdatasync wait or fail.
 *
 * $SYNC_FAULT names a file: while it says `hold`, syncs wait; while it says `fail`, they fail;
 * while it is not there, they are what they are.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* The first letter of what the file says; 0 if there is none. */
static char fault(void)
{
    const char *path = getenv("SYNC_FAULT");
    FILE *f = path ? fopen(path, "re") : NULL;
    char text[32] = "";
    if (f) {
        if (!fgets(text, sizeof text, f))
            text[0] = 0;
        fclose(f);
    }
    return text[0];
}

static int sync_with(const char *name, int fd)
{
    while (fault() == 'h')
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    if (fault() == 'f') {
        errno = EIO;
        return -1;
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
