/* room.h - one sale's room: its line, its pace, its file. Under the rooms' lock. */
#ifndef TALLY_WAITING_ROOM_H
#define TALLY_WAITING_ROOM_H

#include "base/sha256.h"
#include "waiting/line.h"
#include "waiting/pace.h"
#include "waiting/room_file.h"

struct room {
    struct room_head head; /* as on disk */
    struct waiting_line line;
    struct pace pace;
    char path[1100];
    int fd;
    bool dirty;                   /* written since the last sync */
    uint8_t secret[SHA256_BYTES]; /* of the draw */
    char commitment[65];
};

static inline struct str room_sale(const struct room *r)
{
    return (struct str){r->head.sale_id, r->head.sale_id_len};
}

/* Each makes a room or returns NULL, with an error. */
struct room *room_create(const char *path, const struct sale_now *sale,
                         const uint8_t key[SHA256_BYTES], struct error *e);
struct room *room_load(const char *path, const uint8_t key[SHA256_BYTES], struct error *e);
void room_destroy(struct room *r); /* the file stays */

/* The sale as it stands: draws when it has opened, and lets the line advance. */
int room_see(struct room *r, const struct sale_now *sale, struct error *e) MUST_CHECK;
/* As number `at`, at least the line's count. */
int room_add(struct room *r, uint64_t user, uint32_t at, struct error *e) MUST_CHECK;
/* False: none yet. */
bool room_place(const struct room *r, uint32_t number, uint32_t *place);
void room_show(const struct room *r, uint32_t number, const struct sale_now *sale,
               struct ticket_view *out);

#endif
