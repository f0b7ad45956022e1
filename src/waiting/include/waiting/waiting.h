/* waiting.h - the waiting rooms of sales: who has which place, and who may order now.
 *
 * A room is a sale's line. Whoever joins gets a ticket, which is signed and says who stands where
 * in which line; so it is checked without looking anything up, and it proves its place even where a
 * power cut took the newest entries of the file. A user who joins again gets the same place. In a
 * DRAWN sale places are drawn when it opens, from a seed that was committed to before (line_draw).
 *
 * The room knows nothing of stock: whoever asks brings the sale as it stands (struct sale_now), and
 * the room lets the line advance by it (pace.h). It only ever advances.
 *
 * Any thread; one lock, held for about a microsecond, and once a DRAWN sale for its draw and the
 * sync before it. Entries are written before waiting_join() returns, so they survive the process; a
 * thread of the rooms' own syncs them within WAITING_SYNC_MS. Memory: at most
 * WAITING_BYTES_PER_USER each, and `users_max` of them in all.
 */
#ifndef TALLY_WAITING_WAITING_H
#define TALLY_WAITING_WAITING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/str.h"
#include "model/model.h"

enum {
    WAITING_ROOMS_MAX = 256, /* an open file each */
    WAITING_BYTES_PER_USER = 24,
    WAITING_SYNC_MS = 200,
    WAITING_ADMIT_MS = 60000,   /* how long an admitted user is expected to order */
    WAITING_KEPT_MS = 86400000, /* a room, after its sale's end */
    TICKET_TEXT_MAX = 160,
};

enum ticket_status {
    TICKET_WAITING,
    TICKET_ADMITTED,
    TICKET_SOLD_OUT, /* as many are ahead as there are units left or held */
    TICKET_CLOSED,   /* the sale is over */
};
const char *ticket_status_name(enum ticket_status status);

/* A sale as it stands. */
struct sale_now {
    struct str sale_id;
    enum queue_mode mode; /* not QUEUE_NONE */
    int64_t now_ms;
    int64_t starts_ms, ends_ms;
    bool closed;
    int64_t available; /* units that can be sold in it now */
    int64_t held;      /* units of its PENDING holds */
    int64_t orders;    /* made in it, whatever became of them */
    int64_t confirmed; /* of them */
    int64_t given_back;
};

struct ticket {
    char sale_id[SALE_ID_MAX];
    uint8_t sale_id_len;
    uint64_t user;   /* hash of the user's id */
    uint32_t number; /* of those who joined, from 0 */
};

static inline struct str ticket_sale(const struct ticket *t)
{
    return (struct str){t->sale_id, t->sale_id_len};
}

struct ticket_view {
    char text[TICKET_TEXT_MAX + 1]; /* zero-ended */
    enum ticket_status status;
    uint32_t number; /* of those who joined, from 1 */
    uint32_t place;  /* from 1; 0: none yet */
    /* DRAWN: lower-case hex, zero-ended; the secret is "" before the draw */
    char commitment[65], secret[65];
    uint32_t entrants; /* who took part in the draw */
};

struct waiting_rooms;

struct waiting_config {
    const char *folder; /* DIR/waiting; made if it is not there */
    uint64_t hash_seed; /* the data folder's */
    uint32_t users_max;
    int64_t now_ms; /* rooms whose sale ended WAITING_KEPT_MS ago are deleted */
};

int waiting_open(struct waiting_rooms **out, const struct waiting_config *config,
                 struct error *e) MUST_CHECK;
void waiting_close(struct waiting_rooms *rooms); /* NULL is fine */

/* 0; TLY_EOVERLOADED: there are too many; TLY_EUNAVAILABLE: it cannot be written. */
int waiting_join(struct waiting_rooms *rooms, const struct sale_now *sale, struct str user_id,
                 struct ticket_view *out, struct error *e) MUST_CHECK;
/* 0 if the text is a ticket that was signed here. */
int waiting_read(struct waiting_rooms *rooms, struct str text, struct ticket *out) MUST_CHECK;
int waiting_look(struct waiting_rooms *rooms, const struct ticket *ticket,
                 const struct sale_now *sale, struct ticket_view *out, struct error *e) MUST_CHECK;

enum waiting_verdict {
    WAITING_ADMITS,
    WAITING_NO_TICKET, /* none that was signed here for this sale */
    WAITING_NOT_YOURS, /* another user's */
    WAITING_NOT_YET,
};
/* Whether the text lets this user order in this sale, by how far its line has come. */
enum waiting_verdict waiting_admits(struct waiting_rooms *rooms, struct str text,
                                    struct str sale_id, struct str user_id);

struct waiting_figures {
    uint32_t rooms, users;
    uint64_t bytes;
};
void waiting_figures(struct waiting_rooms *rooms, struct waiting_figures *out);

#endif
