/* fault_vfs.c - see fault_vfs.h. One mutex over all: it is for tests. */
#include "fault_vfs.h"

#include <assert.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pending {
    struct pending *next;
    sqlite3_int64 offset;
    int size;  /* -1: truncated to offset */
    bool lost; /* a sync failed: never written back */
    char data[];
};

/* One file as the disk has it. */
struct shadow {
    struct shadow *next;
    char *path;
    char *data;
    sqlite3_int64 size;
    struct pending *first, **last;
};

struct fault_file {
    sqlite3_file base;
    struct shadow *shadow; /* NULL: a file without a name */
    sqlite3_file *real;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct shadow *shadows;
static struct fault_plan plan;
static long counted, fired;
static sqlite3_vfs vfs;

static sqlite3_vfs *real_vfs(void)
{
    return vfs.pAppData;
}

/* ---- what the disk holds ---- */

static void set_size(struct shadow *s, sqlite3_int64 size)
{
    char *data = realloc(s->data, (size_t)(size ? size : 1));
    assert(data);
    if (size > s->size)
        memset(data + s->size, 0, (size_t)(size - s->size));
    s->data = data;
    s->size = size;
}

static void put(struct shadow *s, const struct pending *p, int size)
{
    if (p->size < 0) {
        set_size(s, p->offset);
        return;
    }
    if (s->size < p->offset + size)
        set_size(s, p->offset + size);
    memcpy(s->data + p->offset, p->data, (size_t)size);
}

static void drop_pending(struct shadow *s)
{
    while (s->first) {
        struct pending *p = s->first;
        s->first = p->next;
        free(p);
    }
    s->last = &s->first;
}

static void add_pending(struct shadow *s, const void *data, int size, sqlite3_int64 offset)
{
    struct pending *p = malloc(sizeof *p + (size > 0 ? (size_t)size : 0));
    assert(p);
    *p = (struct pending){.offset = offset, .size = size};
    if (size > 0)
        memcpy(p->data, data, (size_t)size);
    *s->last = p;
    s->last = &p->next;
}

static struct shadow *shadow_of(const char *path)
{
    for (struct shadow *s = shadows; s; s = s->next) {
        if (strcmp(s->path, path) == 0)
            return s;
    }
    struct shadow *s = calloc(1, sizeof *s);
    assert(s);
    s->path = strdup(path);
    s->last = &s->first;
    set_size(s, 0);
    FILE *file = fopen(path, "rb");
    if (file) {
        char block[4096];
        size_t got;
        while ((got = fread(block, 1, sizeof block, file)) > 0) {
            sqlite3_int64 at = s->size;
            set_size(s, at + (sqlite3_int64)got);
            memcpy(s->data + at, block, got);
        }
        fclose(file);
    }
    s->next = shadows;
    shadows = s;
    return s;
}

void fault_vfs_forget(void)
{
    pthread_mutex_lock(&lock);
    while (shadows) {
        struct shadow *s = shadows;
        shadows = s->next;
        drop_pending(s);
        free(s->path);
        free(s->data);
        free(s);
    }
    plan = (struct fault_plan){0};
    counted = fired = 0;
    pthread_mutex_unlock(&lock);
}

void fault_vfs_plan(const struct fault_plan *p)
{
    pthread_mutex_lock(&lock);
    plan = *p;
    counted = fired = 0;
    pthread_mutex_unlock(&lock);
}

long fault_vfs_fired(void)
{
    pthread_mutex_lock(&lock);
    long n = fired;
    pthread_mutex_unlock(&lock);
    return n;
}

static void save(const struct shadow *s, const char *to)
{
    char path[512];
    const char *slash = strrchr(s->path, '/');
    snprintf(path, sizeof path, "%s/%s", to, slash ? slash + 1 : s->path);
    FILE *file = fopen(path, "wb");
    assert(file);
    size_t put_bytes = fwrite(s->data, 1, (size_t)s->size, file);
    assert(put_bytes == (size_t)s->size);
    fclose(file);
}

static void put_some(struct shadow *copy, const struct pending *p, unsigned *seed)
{
    int r = *seed == FAULT_CUT_LATE ? 0 : rand_r(seed) & 3;
    if (r == 0)
        put(copy, p, p->size);
    else if (r == 1 && p->size > 512)
        put(copy, p, p->size / 1024 * 512);
}

void fault_vfs_power_cut(const char *to, unsigned seed)
{
    pthread_mutex_lock(&lock);
    for (struct shadow *s = shadows; s; s = s->next) {
        struct shadow copy = {.path = s->path};
        set_size(&copy, s->size);
        memcpy(copy.data, s->data, (size_t)s->size);
        for (struct pending *p = s->first; seed != FAULT_CUT_CLEAN && p; p = p->next)
            put_some(&copy, p, &seed);
        save(&copy, to);
        free(copy.data);
    }
    pthread_mutex_unlock(&lock);
}

/* A truncation that was lost is overtaken by anything that comes after it. */
static bool replaces(const struct pending *synced, const struct pending *lost)
{
    if (lost->size < 0)
        return true;
    if (synced->size < 0)
        return lost->offset + lost->size > synced->offset;
    return synced->offset < lost->offset + lost->size &&
           lost->offset < synced->offset + synced->size;
}

/* What a sync made certain replaces what was lost in its place. */
static void drop_replaced(struct shadow *s, const struct pending *synced)
{
    for (struct pending **at = &s->first; *at && *at != synced;) {
        struct pending *p = *at;
        if (p->lost && replaces(synced, p)) {
            *at = p->next;
            free(p);
        } else {
            at = &p->next;
        }
    }
}

static void sync_all(struct shadow *s)
{
    for (struct pending *p = s->first; p; p = p->next) {
        if (!p->lost) {
            put(s, p, p->size);
            drop_replaced(s, p);
        }
    }
    struct pending **at = &s->first;
    while (*at) {
        struct pending *p = *at;
        if (p->lost) {
            at = &p->next;
        } else {
            *at = p->next;
            free(p);
        }
    }
    s->last = at;
}

/* ---- files ---- */

/* With the lock held: true if this call is to fail. */
static bool fails(const struct shadow *s, int call)
{
    if (!(plan.calls & call) || plan.first == 0)
        return false;
    if (plan.wal_only && (!s || !strstr(s->path, "-wal")))
        return false;
    counted++;
    if (counted < plan.first || (plan.count >= 0 && counted >= plan.first + plan.count))
        return false;
    fired++;
    return true;
}

static struct fault_file *of(sqlite3_file *file)
{
    return (struct fault_file *)file;
}

#define REAL(file) (of(file)->real->pMethods)

static int on_close(sqlite3_file *file)
{
    int rc = REAL(file)->xClose(of(file)->real);
    return rc;
}

static int on_read(sqlite3_file *file, void *out, int size, sqlite3_int64 offset)
{
    pthread_mutex_lock(&lock);
    bool fail = fails(of(file)->shadow, FAULT_READ);
    pthread_mutex_unlock(&lock);
    return fail ? plan.code : REAL(file)->xRead(of(file)->real, out, size, offset);
}

static int on_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 offset)
{
    struct shadow *s = of(file)->shadow;
    pthread_mutex_lock(&lock);
    bool fail = fails(s, FAULT_WRITE);
    int rc = plan.code;
    int done = fail ? (plan.torn ? size / 2 : 0) : size;
    if (s && done > 0)
        add_pending(s, data, done, offset);
    pthread_mutex_unlock(&lock);
    if (done > 0) {
        int wrote = REAL(file)->xWrite(of(file)->real, data, done, offset);
        rc = fail ? rc : wrote;
    }
    return rc;
}

static int on_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    struct shadow *s = of(file)->shadow;
    pthread_mutex_lock(&lock);
    bool fail = fails(s, FAULT_TRUNCATE);
    int rc = plan.code;
    if (s && !fail)
        add_pending(s, NULL, -1, size);
    pthread_mutex_unlock(&lock);
    return fail ? rc : REAL(file)->xTruncate(of(file)->real, size);
}

static int on_sync(sqlite3_file *file, int flags)
{
    struct shadow *s = of(file)->shadow;
    (void)flags; /* no real fsync: the power never fails for real */
    pthread_mutex_lock(&lock);
    bool fail = fails(s, FAULT_SYNC);
    int rc = fail ? plan.code : SQLITE_OK;
    for (struct pending *p = s && fail ? s->first : NULL; p; p = p->next)
        p->lost = true;
    if (s && !fail)
        sync_all(s);
    pthread_mutex_unlock(&lock);
    return rc;
}

static int on_file_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return REAL(file)->xFileSize(of(file)->real, size);
}

static int on_lock(sqlite3_file *file, int level)
{
    return REAL(file)->xLock(of(file)->real, level);
}

static int on_unlock(sqlite3_file *file, int level)
{
    return REAL(file)->xUnlock(of(file)->real, level);
}

static int on_check_lock(sqlite3_file *file, int *out)
{
    return REAL(file)->xCheckReservedLock(of(file)->real, out);
}

static int on_control(sqlite3_file *file, int op, void *arg)
{
    return REAL(file)->xFileControl(of(file)->real, op, arg);
}

static int on_sector_size(sqlite3_file *file)
{
    return REAL(file)->xSectorSize(of(file)->real);
}

static int on_characteristics(sqlite3_file *file)
{
    return REAL(file)->xDeviceCharacteristics(of(file)->real);
}

static int on_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **out)
{
    return REAL(file)->xShmMap(of(file)->real, page, size, extend, out);
}

static int on_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
    return REAL(file)->xShmLock(of(file)->real, offset, n, flags);
}

static void on_shm_barrier(sqlite3_file *file)
{
    REAL(file)->xShmBarrier(of(file)->real);
}

static int on_shm_unmap(sqlite3_file *file, int remove)
{
    return REAL(file)->xShmUnmap(of(file)->real, remove);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = on_close,
    .xRead = on_read,
    .xWrite = on_write,
    .xTruncate = on_truncate,
    .xSync = on_sync,
    .xFileSize = on_file_size,
    .xLock = on_lock,
    .xUnlock = on_unlock,
    .xCheckReservedLock = on_check_lock,
    .xFileControl = on_control,
    .xSectorSize = on_sector_size,
    .xDeviceCharacteristics = on_characteristics,
    .xShmMap = on_shm_map,
    .xShmLock = on_shm_lock,
    .xShmBarrier = on_shm_barrier,
    .xShmUnmap = on_shm_unmap,
};

/* ---- the VFS ---- */

static int on_open(sqlite3_vfs *v, const char *path, sqlite3_file *file, int flags, int *out_flags)
{
    struct fault_file *f = of(file);
    (void)v;
    *f = (struct fault_file){.real = (sqlite3_file *)(f + 1)};
    pthread_mutex_lock(&lock);
    f->shadow = path ? shadow_of(path) : NULL;
    bool fail = fails(f->shadow, FAULT_OPEN);
    pthread_mutex_unlock(&lock);
    int rc =
        fail ? SQLITE_CANTOPEN : real_vfs()->xOpen(real_vfs(), path, f->real, flags, out_flags);
    if (rc == SQLITE_OK)
        f->base.pMethods = &methods;
    return rc;
}

static int on_delete(sqlite3_vfs *v, const char *path, int sync_dir)
{
    (void)v;
    pthread_mutex_lock(&lock);
    for (struct shadow *s = shadows; s; s = s->next) {
        if (strcmp(s->path, path) == 0) {
            drop_pending(s);
            set_size(s, 0);
        }
    }
    pthread_mutex_unlock(&lock);
    return real_vfs()->xDelete(real_vfs(), path, sync_dir);
}

void fault_vfs_install(void)
{
    if (sqlite3_vfs_find(FAULT_VFS))
        return;
    sqlite3_vfs *base = sqlite3_vfs_find(NULL);
    assert(base);
    vfs = *base;
    vfs.pNext = NULL;
    vfs.zName = FAULT_VFS;
    vfs.pAppData = base;
    vfs.szOsFile = (int)sizeof(struct fault_file) + base->szOsFile;
    vfs.xOpen = on_open;
    vfs.xDelete = on_delete;
    int rc = sqlite3_vfs_register(&vfs, 0);
    assert(rc == SQLITE_OK);
    (void)rc;
}
