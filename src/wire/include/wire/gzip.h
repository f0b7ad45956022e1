/* gzip.h - gzip (RFC 1952) out of bytes, bounded: what comes out counts against a limit while it
 * comes, and what grows beyond all reason is no message. */
#ifndef TALLY_WIRE_GZIP_H
#define TALLY_WIRE_GZIP_H

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"

enum {
    GZIP_FREE_BYTES = 64 * 1024, /* so much may come out of however little */
    GZIP_GROWTH_MAX = 128,       /* and beyond that, times what went in */
};

/* Takes what came out, piece by piece; not 0 ends it, and is handed on. */
typedef int gzip_sink(void *context, const void *data, size_t size);

/* 0; TLY_EINVALID_ARGUMENT: it is not gzip, or is cut short; TLY_EPAYLOAD_TOO_LARGE: it grows too
 * much; TLY_ENO_MEMORY; or what `sink` said. */
int gzip_decode_to(struct str packed, gzip_sink *sink, void *context, struct error *e) MUST_CHECK;
/* Into the arena, at most `max` bytes. */
int gzip_decode(struct str packed, size_t max, struct arena *a, struct str *out,
                struct error *e) MUST_CHECK;

#endif
