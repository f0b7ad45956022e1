/* gzip.c - see gzip.h. The state of zlib lives as long as the call: a message is decoded when it is
 * complete, so no connection holds any. */
#include "wire/gzip.h"

#include <string.h>
#include <zlib.h>

enum { GZIP_ONLY = 15 + 16, PIECE_BYTES = 16 * 1024 };

static int not_gzip(struct error *e)
{
    return error_set(e, TLY_EINVALID_ARGUMENT, "", "the content is not gzip, or is damaged");
}

/* One piece, to `sink`. 0, or 1 at the end of all members, or an error. */
static int step(z_stream *z, struct str packed, uint64_t *total, gzip_sink *sink, void *context,
                struct error *e)
{
    unsigned char piece[PIECE_BYTES];
    z->next_out = piece;
    z->avail_out = sizeof(piece);
    int rv = inflate(z, Z_NO_FLUSH);
    size_t size = sizeof(piece) - z->avail_out;
    if (rv == Z_MEM_ERROR)
        return error_set(e, TLY_ENO_MEMORY, "", "out of memory");
    if (rv != Z_OK && rv != Z_STREAM_END && rv != Z_BUF_ERROR)
        return not_gzip(e);
    *total += size;
    if (*total > GZIP_FREE_BYTES && *total > (uint64_t)packed.len * GZIP_GROWTH_MAX)
        return error_set(e, TLY_EPAYLOAD_TOO_LARGE, "",
                         "the content grows to more than %d times its size", GZIP_GROWTH_MAX);
    int code = size ? sink(context, piece, size) : 0;
    if (code)
        return code;
    if (rv == Z_STREAM_END) /* another member may follow */
        return z->avail_in == 0 ? 1 : inflateReset(z) == Z_OK ? 0 : not_gzip(e);
    if (z->avail_in == 0 && z->avail_out > 0)
        return error_set(e, TLY_EINVALID_ARGUMENT, "", "the gzip content is cut short");
    return 0;
}

int gzip_decode_to(struct str packed, gzip_sink *sink, void *context, struct error *e)
{
    z_stream z = {.next_in = (z_const unsigned char *)(uintptr_t)packed.p, .avail_in = packed.len};
    uint64_t total = 0;
    int rv = 0;
    if (inflateInit2(&z, GZIP_ONLY) != Z_OK)
        return error_set(e, TLY_ENO_MEMORY, "", "out of memory");
    while (rv == 0)
        rv = step(&z, packed, &total, sink, context, e);
    (void)inflateEnd(&z); /* fails only for a state that was never made */
    return rv == 1 ? 0 : rv;
}

struct arena_sink {
    struct arena *arena;
    struct str out;
    size_t room, max;
    struct error *e;
};

static int to_arena(void *context, const void *data, size_t size)
{
    struct arena_sink *s = context;
    size_t total = s->out.len + size;
    if (total > s->max)
        return error_set(s->e, TLY_EPAYLOAD_TOO_LARGE, "", "the content is larger than %zu bytes",
                         s->max);
    if (total > s->room) {
        size_t room = total * 2 < s->max ? total * 2 : s->max;
        char *larger = arena_alloc(s->arena, room);
        if (!larger)
            return error_set(s->e, TLY_ENO_MEMORY, "", "out of memory");
        if (s->out.len)
            memcpy(larger, s->out.p, s->out.len);
        s->out.p = larger;
        s->room = room;
    }
    memcpy((char *)(uintptr_t)s->out.p + s->out.len, data, size);
    s->out.len = (uint32_t)total;
    return 0;
}

int gzip_decode(struct str packed, size_t max, struct arena *a, struct str *out, struct error *e)
{
    struct arena_sink s = {.arena = a, .max = max, .e = e};
    int code = gzip_decode_to(packed, to_arena, &s, e);
    if (code == 0)
        *out = s.out;
    return code;
}
