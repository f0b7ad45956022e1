/* import_journal.c - what stands in the folder, so that a kill leaves an import done or not begun.
 *
 * A file is received without a name. What is applied in more than one commit gets its name,
 * ID.rows, and is decided once ID.decided stands beside it: the options and how many rows each
 * stage has dealt with, written anew behind each part. At a start, what is decided goes on, and the
 * rest is removed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "intake/import_internal.h"

enum { NAME_BYTES = 64 };

#define FORMAT_OUT "1 %u %d %d %d %u %u %u\n"

static void name_of(const struct stock_import *i, const char *suffix, char out[NAME_BYTES])
{
    snprintf(out, NAME_BYTES, "%s%s", i->id, suffix);
}

static int write_decided(const struct stock_import *i)
{
    char part[NAME_BYTES], name[NAME_BYTES], text[160];
    const struct stock_import_options *o = &i->options;
    name_of(i, ".part", part);
    name_of(i, ".decided", name);
    int len =
        snprintf(text, sizeof text, FORMAT_OUT, (unsigned)o->mode, o->existing_only,
                 o->ignore_others, o->json_lines, (unsigned)o->encoding, i->down_done, i->up_done);
    int fd = openat(i->all->dir, part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (fd < 0)
        return TLY_EIO;
    bool failed = write(fd, text, (size_t)len) != len || fsync(fd) != 0;
    failed |= close(fd) != 0;
    failed = failed || renameat(i->all->dir, part, i->all->dir, name) != 0;
    return failed || fsync(i->all->dir) != 0 ? TLY_EIO : 0;
}

void journal_name(struct stock_import *i)
{
    char name[NAME_BYTES];
    name_of(i, ".rows", name);
    i->fd = openat(i->all->dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    i->named = i->fd >= 0;
}

int journal_decide(struct stock_import *i, struct error *e)
{
    char path[40], name[NAME_BYTES];
    snprintf(path, sizeof path, "/proc/self/fd/%d", i->fd);
    name_of(i, ".rows", name);
    i->named = i->named || linkat(AT_FDCWD, path, i->all->dir, name, AT_SYMLINK_FOLLOW) == 0;
    if (!i->named || fsync(i->fd) != 0 || write_decided(i))
        return error_set(e, TLY_EIO, "", "the import cannot be kept: %s", strerror(errno));
    i->decided = true;
    return 0;
}

int journal_progress(struct stock_import *i)
{
    return write_decided(i);
}

void journal_end(struct stock_import *i)
{
    char name[NAME_BYTES];
    if (!i->named)
        return;
    name_of(i, ".decided", name);
    unlinkat(i->all->dir, name, 0);
    name_of(i, ".rows", name);
    unlinkat(i->all->dir, name, 0);
    fsync(i->all->dir);
    i->decided = i->named = false;
}

static bool read_decided(struct stock_import *i, const char *name)
{
    char text[160];
    unsigned mode, encoding;
    int existing_only, ignore_others, json_lines;
    int fd = openat(i->all->dir, name, O_RDONLY | O_CLOEXEC);
    long n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return false;
    text[n] = 0;
    if (sscanf(text, "1 %u %d %d %d %u %u %u", &mode, &existing_only, &ignore_others, &json_lines,
               &encoding, &i->down_done, &i->up_done) != 7)
        return false;
    i->options = (struct stock_import_options){.mode = (uint8_t)mode,
                                               .existing_only = existing_only,
                                               .ignore_others = ignore_others,
                                               .json_lines = json_lines,
                                               .encoding = (enum stock_encoding)encoding};
    return true;
}

static int resume_one(struct imports *all, const char *name, struct error *e)
{
    char rows[NAME_BYTES];
    struct stock_import *i = import_new(all);
    if (!i)
        return error_set(e, TLY_ENO_MEMORY, "", "out of memory");
    snprintf(i->id, sizeof i->id, "%.16s", name);
    name_of(i, ".rows", rows);
    i->fd = openat(all->dir, rows, O_RDONLY | O_CLOEXEC);
    if (i->fd < 0 || !read_decided(i, name)) {
        import_put(all, i);
        return error_set(e, TLY_ECORRUPT, "", "the import %.16s was decided and cannot be read",
                         name);
    }
    i->named = i->decided = i->resumed = true;
    atomic_store(&i->unwanted, true);
    stock_import_submit(i);
    import_put(all, i);
    return 0;
}

int journal_resume(struct imports *all, struct error *e)
{
    int fd = openat(all->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;
    int code = 0;
    if (!dir)
        return error_set(e, TLY_EIO, "", "the folder of imports cannot be read: %s",
                         strerror(errno));
    while (!code && (entry = readdir(dir))) {
        const char *dot = strchr(entry->d_name, '.');
        if (!dot || dot - entry->d_name != IMPORT_ID_SIZE - 1)
            continue;
        char decided[NAME_BYTES];
        snprintf(decided, sizeof decided, "%.16s.decided", entry->d_name);
        if (strcmp(dot, ".decided") == 0)
            code = resume_one(all, entry->d_name, e);
        else if (faccessat(all->dir, decided, F_OK, 0) != 0)
            unlinkat(all->dir, entry->d_name, 0);
    }
    closedir(dir);
    return code;
}
