/* Reading SQLite's write-ahead log frame by frame.
 *
 * Happy path: every frame is of this generation (its salts are the header's) and its checksum,
 * which continues the one before, is right. Failure modes: behind a bad frame each further one is
 * held against the checksum that its predecessor bears. A frame with a commit mark, continued by a
 * sound one, proves the damage. What a failed transaction left behind does not: nothing was written
 * after it that continues it.
 */
#include "ledger/wal_scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    HEADER_BYTES = 32,
    FRAME_HEADER_BYTES = 24,
    PAGE_MIN = 512,
    PAGE_MAX = 65536,
    MAGIC_LITTLE = 0x377f0682,
    MAGIC_BIG = 0x377f0683,
};

struct checksum {
    uint32_t a, b;
};

struct walk {
    int fd;
    bool big;
    uint32_t page_bytes;
    uint8_t salts[8];
    uint8_t *frame;
};

static uint32_t big_endian(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint32_t little_endian(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static struct checksum continued(struct checksum c, bool big, const uint8_t *p, uint32_t size)
{
    for (uint32_t i = 0; i < size; i += 8) {
        c.a += (big ? big_endian(p + i) : little_endian(p + i)) + c.b;
        c.b += (big ? big_endian(p + i + 4) : little_endian(p + i + 4)) + c.a;
    }
    return c;
}

static struct checksum stored(const uint8_t *p)
{
    return (struct checksum){big_endian(p), big_endian(p + 4)};
}

static bool same(struct checksum x, struct checksum y)
{
    return x.a == y.a && x.b == y.b;
}

/* False: SQLite would not take it either, and the log counts as empty. */
static bool read_header(struct walk *w, struct checksum *sum)
{
    uint8_t header[HEADER_BYTES];
    if (pread(w->fd, header, sizeof header, 0) != HEADER_BYTES)
        return false;
    uint32_t magic = big_endian(header);
    w->big = magic == MAGIC_BIG;
    w->page_bytes = big_endian(header + 8);
    memcpy(w->salts, header + 16, sizeof w->salts);
    *sum = continued((struct checksum){0}, w->big, header, 24);
    return (magic == MAGIC_BIG || magic == MAGIC_LITTLE) && w->page_bytes >= PAGE_MIN &&
           w->page_bytes <= PAGE_MAX && (w->page_bytes & (w->page_bytes - 1)) == 0 &&
           same(*sum, stored(header + 24));
}

/* Reads frame i and tells whether it continues a log whose checksum so far is *sum, which becomes
 * the one that the frame bears. */
static int look_at(struct walk *w, uint32_t i, struct checksum *sum, bool *sound, bool *commit)
{
    size_t size = FRAME_HEADER_BYTES + w->page_bytes;
    if (pread(w->fd, w->frame, size, HEADER_BYTES + (off_t)(i * (uint64_t)size)) != (ssize_t)size)
        return -1;
    struct checksum is = continued(*sum, w->big, w->frame, 8);
    is = continued(is, w->big, w->frame + FRAME_HEADER_BYTES, w->page_bytes);
    *sum = stored(w->frame + 16);
    *sound = memcmp(w->frame + 8, w->salts, sizeof w->salts) == 0 && same(is, *sum) &&
             big_endian(w->frame) != 0;
    *commit = big_endian(w->frame + 4) != 0;
    return 0;
}

static int walk_frames(struct walk *w, struct checksum sum, struct wal_scan *out)
{
    bool sound, commit, before_committed = false;
    uint32_t i = 0, commits = 0;
    for (; i < out->frames; i++) {
        if (look_at(w, i, &sum, &sound, &commit))
            return -1;
        if (!sound)
            break;
    }
    out->sound = i;
    for (; i < out->frames; i++) {
        if (i > out->sound && look_at(w, i, &sum, &sound, &commit))
            return -1;
        if (sound && before_committed)
            out->damaged = true;
        /* The bad one itself may have been a transaction's last. */
        before_committed = commit && (sound || i == out->sound);
        commits += before_committed;
    }
    out->lost = out->damaged ? commits : 0;
    return 0;
}

int wal_scan(const char *path, struct wal_scan *out, struct error *e)
{
    struct walk w = {.fd = open(path, O_RDONLY | O_CLOEXEC)};
    struct checksum sum;
    struct stat st;
    int rc = 0;
    *out = (struct wal_scan){0};
    if (w.fd < 0)
        return errno == ENOENT
                   ? 0
                   : error_set(e, TLY_EIO, path, "cannot be opened: %s", strerror(errno));
    if (fstat(w.fd, &st) == 0 && st.st_size > HEADER_BYTES && read_header(&w, &sum)) {
        out->frames = (uint32_t)((st.st_size - HEADER_BYTES) / (FRAME_HEADER_BYTES + w.page_bytes));
        w.frame = malloc(FRAME_HEADER_BYTES + w.page_bytes);
        if (!w.frame)
            rc = error_set(e, TLY_ENO_MEMORY, path, "no memory to read it");
        else if (walk_frames(&w, sum, out))
            rc = error_set(e, TLY_EIO, path, "cannot be read: %s", strerror(errno));
    }
    free(w.frame);
    close(w.fd);
    return rc;
}
