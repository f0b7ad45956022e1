/* verify_wal.c - SQLite's write-ahead log, read from its description
 * (https://sqlite.org/fileformat2.html#walformat): does it end, or is it broken in the middle?
 *
 * A checksum runs through all frames. The first frame that it does not fit is where SQLite stops. A
 * writer begins a transaction only when the one before is synced; so a frame that fits the checksum
 * of a transaction's last frame, anywhere behind the bad one, shows that the bad one was durable.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/verify_internal.h"

enum { HEAD = 32, FRAME_HEAD = 24, PATH_BYTES = 4096 };

static uint32_t number_at(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | (uint32_t)p[3];
}

static uint32_t word_at(const unsigned char *p, bool big)
{
    uint32_t big_endian = number_at(p);
    return big ? big_endian : __builtin_bswap32(big_endian);
}

static void add_to(uint32_t sum[2], const unsigned char *p, size_t size, bool big)
{
    for (size_t i = 0; i < size; i += 8) {
        sum[0] += word_at(p + i, big) + sum[1];
        sum[1] += word_at(p + i + 4, big) + sum[0];
    }
}

/* Does this frame continue a log whose checksum is `sum`? */
static bool fits(const unsigned char *log, const unsigned char *frame, size_t page, uint32_t a,
                 uint32_t b, bool big)
{
    uint32_t sum[2] = {a, b};
    add_to(sum, frame, 8, big);
    add_to(sum, frame + FRAME_HEAD, page, big);
    return memcmp(frame + 8, log + 16, 8) == 0 && sum[0] == number_at(frame + 16) &&
           sum[1] == number_at(frame + 20);
}

static void scan(const unsigned char *log, size_t size, struct verify_wal *out)
{
    bool big = number_at(log) == 0x377f0683;
    size_t page = number_at(log + 8), step = FRAME_HEAD + page;
    uint32_t sum[2] = {0, 0};
    add_to(sum, log, 24, big);
    if ((!big && number_at(log) != 0x377f0682) || page < 512 || page > 65536 || page % 8 ||
        sum[0] != number_at(log + 24) || sum[1] != number_at(log + 28))
        return;
    out->frames = (uint32_t)((size - HEAD) / step);
    bool proof = false, last_of_transaction = false;
    uint32_t ended = 0;
    for (uint32_t i = 0; i < out->frames; i++) {
        const unsigned char *frame = log + HEAD + i * step;
        bool fit = fits(log, frame, page, sum[0], sum[1], big);
        bool first_bad = !fit && out->bad_frame == 0;
        if (first_bad)
            out->bad_frame = i + 1;
        proof = proof || (fit && out->bad_frame && last_of_transaction);
        last_of_transaction = (fit || first_bad) && number_at(frame + 4) != 0;
        ended += out->bad_frame && last_of_transaction;
        sum[0] = number_at(frame + 16);
        sum[1] = number_at(frame + 20);
    }
    out->later_commits = proof ? ended : 0;
}

void verify_scan_wal(struct verify *v, const char *ledger_path)
{
    char path[PATH_BYTES + 8];
    struct stat info;
    snprintf(path, sizeof(path), "%s-wal", ledger_path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (fstat(fd, &info) == 0 && info.st_size > HEAD + FRAME_HEAD) {
        size_t size = (size_t)info.st_size;
        void *log = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (log != MAP_FAILED) {
            scan(log, size, &v->wal);
            munmap(log, size);
        }
    }
    close(fd);
}
