/* room.c - a line whose places come first come, or by the draw; its file.
 *
 * Happy path: whoever joins is written to the file, then added to the line. What cannot be written
 * has not happened. The draw is written and synced before anybody is told of it, for a place that
 * was told must not change: whoever has joined by the time that the sale is first seen open takes
 * part.
 */
#include "waiting/room.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void hex(const uint8_t bytes[SHA256_BYTES], char out[65])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < SHA256_BYTES; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[64] = 0;
}

/* Of the draw: from the key and the sale, so that it is there before and after a restart. */
static void make_secret(struct room *r, const uint8_t key[SHA256_BYTES])
{
    char text[8 + SALE_ID_MAX] = "draw of ";
    uint8_t hash[SHA256_BYTES];
    struct str sale = room_sale(r);
    memcpy(text + 8, sale.p, sale.len);
    hmac_sha256(key, SHA256_BYTES, text, 8 + (size_t)sale.len, r->secret);
    sha256(r->secret, sizeof r->secret, hash);
    hex(hash, r->commitment);
}

static int draw(struct room *r)
{
    uint8_t text[SHA256_BYTES + 8], seed[SHA256_BYTES];
    memcpy(text, r->secret, SHA256_BYTES);
    for (unsigned i = 0; i < 8; i++)
        text[SHA256_BYTES + i] = (uint8_t)((uint64_t)r->head.drawn >> 8 * (7 - i));
    sha256(text, sizeof text, seed);
    return line_draw(&r->line, r->head.drawn, seed);
}

static struct room *room_new(const char *path, struct error *e)
{
    struct room *r = calloc(1, sizeof *r);
    size_t len = strlen(path);
    if (!r || len >= sizeof r->path) {
        error_set(e, TLY_ENO_MEMORY, "", "out of memory for a waiting room");
        free(r);
        return NULL;
    }
    memcpy(r->path, path, len + 1);
    r->fd = -1;
    return r;
}

struct room *room_create(const char *path, const struct sale_now *sale,
                         const uint8_t key[SHA256_BYTES], struct error *e)
{
    struct room *r = room_new(path, e);
    if (!r)
        return NULL;
    r->head.mode = (uint8_t)sale->mode;
    r->head.ends_ms = sale->ends_ms;
    r->head.sale_id_len = (uint8_t)sale->sale_id.len;
    memcpy(r->head.sale_id, sale->sale_id.p, sale->sale_id.len);
    make_secret(r, key);
    pace_init(&r->pace, 0);
    r->fd = room_file_create(path, &r->head, e);
    if (r->fd >= 0 && pread(r->fd, &r->head, sizeof r->head, 0) == sizeof r->head)
        return r;
    room_destroy(r);
    return NULL;
}

static int load_line(struct room *r, uint32_t count)
{
    enum { READ_ENTRIES = 8192 };
    uint64_t *users = malloc(READ_ENTRIES * sizeof *users);
    int code = users ? 0 : TLY_ENO_MEMORY;
    for (uint32_t at = 0; !code && at < count;) {
        uint32_t got = room_file_read(r->fd, at, users, READ_ENTRIES);
        if (!got)
            code = TLY_EIO;
        for (uint32_t i = 0; !code && i < got && at + i < count; i++) {
            if (users[i] && line_find(&r->line, users[i]) == LINE_NOBODY)
                code = line_add(&r->line, users[i], at + i);
        }
        at += got;
    }
    free(users);
    if (!code && r->head.was_drawn)
        code = draw(r);
    return code;
}

struct room *room_load(const char *path, const uint8_t key[SHA256_BYTES], struct error *e)
{
    uint32_t count;
    struct room *r = room_new(path, e);
    if (!r)
        return NULL;
    r->fd = room_file_open(path, &r->head, &count, e);
    if (r->fd >= 0) {
        make_secret(r, key);
        pace_init(&r->pace, r->head.admitted);
        int code = load_line(r, count);
        if (!code)
            return r;
        error_set(e, code, "data", "cannot load the waiting room %.150s", path);
    }
    room_destroy(r);
    return NULL;
}

void room_destroy(struct room *r)
{
    if (!r)
        return;
    if (r->fd >= 0)
        close(r->fd);
    line_close(&r->line);
    free(r);
}

static int write_head(struct room *r, const struct room_head *head, struct error *e)
{
    if (room_file_head(r->fd, head))
        return error_set(e, TLY_EUNAVAILABLE, "", "the waiting room cannot be written");
    r->head = *head;
    r->dirty = true;
    return 0;
}

static int open_sale(struct room *r, struct error *e)
{
    struct room_head head = r->head;
    head.was_drawn = 1;
    head.drawn = r->line.count;
    int code = write_head(r, &head, e);
    if (code)
        return code;
    if (fdatasync(r->fd) != 0)
        return error_set(e, TLY_EUNAVAILABLE, "", "the waiting room cannot be synced");
    return draw(r) ? error_set(e, TLY_ENO_MEMORY, "", "out of memory for the draw") : 0;
}

int room_see(struct room *r, const struct sale_now *sale, struct error *e)
{
    int code = 0;
    bool opened = sale->now_ms >= sale->starts_ms;
    if (opened && r->head.mode == QUEUE_DRAWN && !r->line.places)
        code = open_sale(r, e);
    if (code)
        return code;
    pace_advance(&r->pace, sale, r->line.count);
    if (r->pace.admitted == r->head.admitted && sale->ends_ms == r->head.ends_ms)
        return 0;
    struct room_head head = r->head;
    head.admitted = r->pace.admitted;
    head.ends_ms = sale->ends_ms;
    return write_head(r, &head, e);
}

int room_add(struct room *r, uint64_t user, uint32_t at, struct error *e)
{
    if (room_file_entry(r->fd, at, user))
        return error_set(e, TLY_EUNAVAILABLE, "", "the waiting room cannot be written");
    r->dirty = true;
    int code = line_add(&r->line, user, at);
    return code ? error_set(e, TLY_EOVERLOADED, "", "the waiting room is full") : 0;
}

bool room_place(const struct room *r, uint32_t number, uint32_t *place)
{
    *place = line_place(&r->line, number);
    return r->head.mode != QUEUE_DRAWN || r->line.places;
}

void room_show(const struct room *r, uint32_t number, const struct sale_now *sale,
               struct ticket_view *out)
{
    uint32_t place;
    bool placed = room_place(r, number, &place);
    out->number = number + 1;
    out->place = placed ? place + 1 : 0;
    out->status = TICKET_WAITING;
    out->commitment[0] = out->secret[0] = 0;
    out->entrants = 0;
    if (placed || sale->closed || sale->now_ms >= sale->ends_ms)
        out->status = pace_status(&r->pace, sale, placed ? place : UINT32_MAX);
    if (r->head.mode != QUEUE_DRAWN)
        return;
    memcpy(out->commitment, r->commitment, sizeof out->commitment);
    if (!placed)
        return;
    hex(r->secret, out->secret);
    out->entrants = r->line.drawn;
}
