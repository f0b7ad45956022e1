/* import_journal.c - what stands in the folder, so that a kill leaves an import done or not begun.
 *
 * A file is received without a name. What is applied in more than one commit gets its name,
 * ID.rows, and a plan, ID.plan: what is to become of each row. It is decided once ID.decided stands
 * beside them: the options, the stage, and how many rows of that were dealt with, written anew
 * behind each part. At a start, what is decided goes on, and the rest is removed.
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

#define DECIDED_FORMAT "2 %d %d %d %u %u %u\n"

static void name_of(const struct stock_import *i, const char *suffix, char out[NAME_BYTES])
{
    snprintf(out, NAME_BYTES, "%s%s", i->id, suffix);
}

struct block {
    const void *data;
    size_t size;
};

static bool put_all(int fd, const struct block *block)
{
    const char *p = block->data;
    for (size_t left = block->size; left > 0;) {
        ssize_t n = write(fd, p, left);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        p += n;
        left -= (size_t)n;
    }
    return true;
}

/* Durable under its name with the folder's next sync. */
static int write_file(const struct stock_import *i, const char *suffix, const struct block *blocks,
                      size_t count)
{
    char part[NAME_BYTES], name[NAME_BYTES];
    name_of(i, ".part", part);
    name_of(i, suffix, name);
    int fd = openat(i->all->dir, part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (fd < 0)
        return TLY_EIO;
    bool whole = true;
    for (size_t k = 0; k < count && whole; k++)
        whole = put_all(fd, &blocks[k]);
    whole = whole && fsync(fd) == 0;
    whole = close(fd) == 0 && whole;
    return whole && renameat(i->all->dir, part, i->all->dir, name) == 0 ? 0 : TLY_EIO;
}

static int write_plan(const struct stock_import *i)
{
    const struct block blocks[] = {{&i->checked, sizeof i->checked},
                                   {i->actions, i->checked * sizeof *i->actions},
                                   {i->deltas, i->checked * sizeof *i->deltas}};
    return write_file(i, ".plan", blocks, sizeof blocks / sizeof blocks[0]);
}

static int write_decided(const struct stock_import *i)
{
    char text[160];
    const struct stock_import_options *o = &i->options;
    int len = snprintf(text, sizeof text, DECIDED_FORMAT, o->existing_only, o->ignore_others,
                       o->json_lines, (unsigned)o->encoding, (unsigned)i->stage, i->done);
    int code = write_file(i, ".decided", &(struct block){text, (size_t)len}, 1);
    return code || fsync(i->all->dir) != 0 ? TLY_EIO : 0;
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
    if (!i->named || fsync(i->fd) != 0 || write_plan(i) || write_decided(i))
        return error_set(e, TLY_EIO, "", "the import cannot be kept: %s", strerror(errno));
    i->decided = true;
    i->noted = i->done;
    return 0;
}

int journal_progress(struct stock_import *i)
{
    i->noted = i->done;
    return write_decided(i);
}

void journal_end(struct stock_import *i)
{
    static const char *const suffixes[] = {".decided", ".plan", ".rows", ".part"};
    char name[NAME_BYTES];
    if (!i->named)
        return;
    for (size_t k = 0; k < sizeof suffixes / sizeof suffixes[0]; k++) {
        name_of(i, suffixes[k], name);
        unlinkat(i->all->dir, name, 0);
    }
    fsync(i->all->dir);
    i->decided = i->named = false;
}

static bool take_all(int fd, void *to, size_t size)
{
    char *p = to;
    while (size > 0) {
        ssize_t n = read(fd, p, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        p += n;
        size -= (size_t)n;
    }
    return true;
}

static bool read_plan(struct stock_import *i)
{
    char name[NAME_BYTES];
    uint32_t count = 0;
    name_of(i, ".plan", name);
    int fd = openat(i->all->dir, name, O_RDONLY | O_CLOEXEC);
    bool whole = fd >= 0 && take_all(fd, &count, sizeof count);
    if (whole) {
        i->actions = malloc(count * sizeof *i->actions + 1);
        i->deltas = malloc(count * sizeof *i->deltas + 1);
        whole = i->actions && i->deltas && take_all(fd, i->actions, count * sizeof *i->actions) &&
                take_all(fd, i->deltas, count * sizeof *i->deltas);
    }
    if (fd >= 0)
        close(fd);
    i->checked = i->rows_max = count;
    return whole;
}

static bool read_decided(struct stock_import *i, const char *name)
{
    char text[160];
    unsigned encoding, stage;
    int existing_only, ignore_others, json_lines;
    int fd = openat(i->all->dir, name, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return false;
    text[n] = 0;
    if (sscanf(text, DECIDED_FORMAT, &existing_only, &ignore_others, &json_lines, &encoding, &stage,
               &i->done) != 6 ||
        stage < STAGE_DOWN || stage >= STAGE_COUNT)
        return false;
    i->options = (struct stock_import_options){.existing_only = existing_only,
                                               .ignore_others = ignore_others,
                                               .json_lines = json_lines,
                                               .encoding = (enum stock_encoding)encoding};
    i->stage = (enum import_stage)stage;
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
    if (i->fd < 0 || !read_decided(i, name) || !read_plan(i)) {
        import_put(all, i);
        return error_set(e, TLY_ECORRUPT, "",
                         "imports/%s: the import was carried out in part, and its .rows or .plan "
                         "beside it cannot be read; without %s it is left as it is",
                         name, name);
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
