/* room_file.h - a room on disk: a head, then 8 bytes for each who joined, in order.
 *
 * It is no part of the ledger, for a place is no unit of stock: a million people who join before an
 * opening shall neither wait for commits nor fill the log of moves, which is history and outbox,
 * and a place that a power cut took is still proved by its ticket. Entries are written at once and
 * synced soon; the head is synced when places are drawn.
 */
#ifndef TALLY_WAITING_ROOM_FILE_H
#define TALLY_WAITING_ROOM_FILE_H

#include <stdint.h>

#include "base/error.h"
#include "base/limits.h"

enum { ROOM_HEAD_BYTES = 128 };

struct room_head {
    char magic[8];
    uint32_t admitted;
    uint32_t drawn;    /* so many took part in the draw */
    uint8_t was_drawn; /* 1 */
    uint8_t mode;      /* enum queue_mode */
    uint8_t sale_id_len;
    uint8_t reserved[5];
    int64_t ends_ms; /* as the sale was last seen */
    char sale_id[SALE_ID_MAX];
    uint8_t rest[ROOM_HEAD_BYTES - 32 - SALE_ID_MAX];
};
_Static_assert(sizeof(struct room_head) == ROOM_HEAD_BYTES, "as on disk");

/* New, with that head: descriptor, or -1 with an error. */
int room_file_create(const char *path, const struct room_head *head, struct error *e);
/* As it was: descriptor, its head and how many entries it has; or -1. */
int room_file_open(const char *path, struct room_head *head, uint32_t *count, struct error *e);
int room_file_head(int fd, const struct room_head *head) MUST_CHECK;
int room_file_entry(int fd, uint32_t number, uint64_t user) MUST_CHECK;
/* Up to `max` entries from `first`; how many were read. */
uint32_t room_file_read(int fd, uint32_t first, uint64_t *out, uint32_t max);

#endif
