/* http2_frames.h - the rules about streams that nghttp2 does not keep, because it forgets a stream
 * when it closes, and because it ignores PRIORITY (RFC 9113, 5.1, 5.1.1, 6.1, 6.3; RFC
 * 7540, 5.3.1).
 *
 * http2_frames_check() walks over what the client sends, before nghttp2 does, from frame to frame:
 * it reads heads and skips payloads. Of the latest HTTP2_STREAMS_KNOWN streams it knows which the
 * client has opened, and which it has ended; of older ones nothing is said. A flood of empty DATA
 * frames, which nghttp2 takes without end for a stream that was reset, is ENHANCE_YOUR_CALM.
 */
#ifndef TALLY_WIRE_HTTP2_FRAMES_H
#define TALLY_WIRE_HTTP2_FRAMES_H

#include <stddef.h>
#include <stdint.h>

enum {
    HTTP2_STREAMS_KNOWN = 256,    /* by number: 512 numbers back */
    HTTP2_EMPTY_DATA_MAX = 10000, /* frames, */
    HTTP2_EMPTY_DATA_FREE = 100,  /* and so many for each new stream */
    HTTP2_FRAME_HEAD = 9,
    HTTP2_FRAME_KEPT = HTTP2_FRAME_HEAD + 4, /* with the dependency of a PRIORITY frame */
};

/* All zero but `skip` at first. */
struct http2_frames {
    uint64_t opened[HTTP2_STREAMS_KNOWN / 64]; /* bit id / 2 % HTTP2_STREAMS_KNOWN */
    uint64_t ended[HTTP2_STREAMS_KNOWN / 64];
    uint32_t newest; /* id of the newest stream, 0: none */
    uint32_t skip;   /* bytes until the next frame */
    uint32_t empty;  /* DATA frames that brought nothing; a new stream pays for some */
    uint8_t have;    /* bytes of `head` */
    uint8_t head[HTTP2_FRAME_KEPT];
};

/* `preface`: bytes that come before the first frame. */
void http2_frames_init(struct http2_frames *f, uint32_t preface);
/* A stream whose request came another way (h2c upgrade), complete. */
void http2_frames_ended(struct http2_frames *f, uint32_t id);
/* Returns how many of the bytes may be read: all, or those before the last byte of a head that
 * breaks a rule; then `*reason` is the error code of the connection (RFC 9113, 7). */
size_t http2_frames_check(struct http2_frames *f, const uint8_t *data, size_t size,
                          uint32_t *reason);

#endif
