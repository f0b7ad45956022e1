/* report_file.c - a temporary file in the folder of the one that is wanted, renamed when it is
 * whole and on disk. A full disk, a missing folder and a folder that may not be written to are
 * told by the file's name; the file that stood there before stays. */
#include "loadgen/report_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int failed(const struct report_file *f, const char *what, int number, struct error *e)
{
    return error_set(e, TLY_EIO, f->path, "cannot %s %s: %s", what, f->path, strerror(number));
}

static int open_temporary(struct report_file *f, struct error *e)
{
    snprintf(f->temporary, sizeof(f->temporary), "%s.XXXXXX", f->place);
    int fd = mkstemp(f->temporary);
    if (fd < 0) {
        f->temporary[0] = '\0';
        return failed(f, "write", errno, e);
    }
    mode_t mask = umask(0);
    umask(mask);
    int status = fchmod(fd, 0666 & ~mask);
    f->to = status == 0 ? fdopen(fd, "w") : NULL;
    if (f->to)
        return 0;
    int number = errno;
    close(fd);
    unlink(f->temporary);
    return failed(f, "write", number, e);
}

int report_file_open(struct report_file *f, const char *path, struct error *e)
{
    *f = (struct report_file){.path = path};
    if (strlen(path) >= sizeof(f->place))
        return failed(f, "write", ENAMETOOLONG, e);
    struct stat s;
    bool there = stat(path, &s) == 0;
    if (there && S_ISDIR(s.st_mode))
        return failed(f, "write", EISDIR, e);
    if (there && !S_ISREG(s.st_mode)) {
        f->to = fopen(path, "w");
        return f->to ? 0 : failed(f, "write", errno, e);
    }
    /* A link stays one: what it points to is replaced. */
    if (!there || !realpath(path, f->place))
        memcpy(f->place, path, strlen(path) + 1);
    return open_temporary(f, e);
}

int report_file_keep(struct report_file *f, struct error *e)
{
    bool bad = fflush(f->to) != 0 || ferror(f->to);
    if (!bad && f->temporary[0])
        bad = fsync(fileno(f->to)) != 0;
    int number = bad ? errno : 0;
    if (fclose(f->to) != 0 && !bad) {
        number = errno;
        bad = true;
    }
    f->to = NULL;
    if (!bad && f->temporary[0] && rename(f->temporary, f->place) != 0) {
        number = errno;
        bad = true;
    }
    if (!bad)
        return 0;
    if (f->temporary[0])
        unlink(f->temporary);
    return failed(f, "write", number ? number : EIO, e);
}

void report_file_drop(struct report_file *f)
{
    if (f->to)
        fclose(f->to);
    if (f->temporary[0])
        unlink(f->temporary);
    *f = (struct report_file){0};
}
