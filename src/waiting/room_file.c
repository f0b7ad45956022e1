/* room_file.c - see room_file.h. An entry that was cut off in the middle is not there. */
#include "waiting/room_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/model.h"
#include "waiting/line.h"

static const char magic[8] = "TLYWAIT1";

int room_file_create(const char *path, const struct room_head *head, struct error *e)
{
    struct room_head made = *head;
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    memcpy(made.magic, magic, sizeof magic);
    if (fd < 0 || room_file_head(fd, &made)) {
        error_set(e, TLY_EUNAVAILABLE, "", "cannot write %.150s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

/* Nobody has more places to draw than there can be people. */
static bool is_sound(const struct room_head *head)
{
    return memcmp(head->magic, magic, sizeof magic) == 0 && head->sale_id_len > 0 &&
           head->sale_id_len <= SALE_ID_MAX && head->drawn <= LINE_MAX &&
           (head->mode == QUEUE_FIRST_COME || head->mode == QUEUE_DRAWN);
}

int room_file_open(const char *path, struct room_head *head, uint32_t *count, struct error *e)
{
    struct stat st;
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &st) != 0 || pread(fd, head, sizeof *head, 0) != sizeof *head ||
        !is_sound(head) || (st.st_size - ROOM_HEAD_BYTES) / (off_t)sizeof(uint64_t) > LINE_MAX) {
        error_set(e, TLY_EIO, "data", "%.150s is no waiting room, or cannot be read", path);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    *count = (uint32_t)((st.st_size - ROOM_HEAD_BYTES) / (off_t)sizeof(uint64_t));
    return fd;
}

int room_file_head(int fd, const struct room_head *head)
{
    return pwrite(fd, head, sizeof *head, 0) == sizeof *head ? 0 : TLY_EUNAVAILABLE;
}

int room_file_entry(int fd, uint32_t number, uint64_t user)
{
    off_t at = ROOM_HEAD_BYTES + (off_t)number * (off_t)sizeof user;
    return pwrite(fd, &user, sizeof user, at) == sizeof user ? 0 : TLY_EUNAVAILABLE;
}

uint32_t room_file_read(int fd, uint32_t first, uint64_t *out, uint32_t max)
{
    off_t at = ROOM_HEAD_BYTES + (off_t)first * (off_t)sizeof *out;
    ssize_t size = pread(fd, out, max * sizeof *out, at);
    return size > 0 ? (uint32_t)((size_t)size / sizeof *out) : 0;
}
