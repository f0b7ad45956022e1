/* http1_head.h - the head of an HTTP/1.1 response: status line and fields (RFC 9112). */
#ifndef TALLY_LOADGEN_HTTP1_HEAD_H
#define TALLY_LOADGEN_HTTP1_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { HTTP1_HEAD_MAX = 16384 }; /* bytes */

struct http1_head {
    unsigned status;
    bool has_length;
    bool chunked;
    bool close; /* the connection, after this response */
    bool replayed;
    uint64_t length;
};

/* `bytes` end with the empty line. TLY_ECORRUPT: it is not one that a client can follow. */
int http1_head_read(const uint8_t *bytes, size_t size, struct http1_head *out) MUST_CHECK;

#endif
