/* http2_session.h - what the files of the HTTP/2 session share. */
#ifndef TALLY_WIRE_HTTP2_SESSION_H
#define TALLY_WIRE_HTTP2_SESSION_H

#include <nghttp2/nghttp2.h>

#include "wire/charge.h"
#include "wire/http2_frames.h"
#include "wire/http_common.h"
#include "wire/session.h"

enum {
    HTTP2_EXCHANGE_SIZE = 1784, /* bytes, with the first part of the arena: a small call fits */
    HTTP2_STREAM_BYTES = 640,   /* of nghttp2's for a stream and the frames of its answer */
    HTTP2_NV_MAX = RESPONSE_HEADERS_MAX * 2 + 4,
};

/* One stream. */
struct http2_exchange {
    struct exchange x;
    struct http2_session *session; /* NULL once the client is gone */
    struct session_host *host;
    struct http2_exchange *next, *previous; /* in one of the session's lists */
    int32_t stream_id;
    uint8_t trailer_count;
    bool receiving;  /* the request is not complete */
    bool owed;       /* handed to the handler, and not answered to the end */
    bool refused;    /* answered by the session; the rest of the request is dropped */
    bool streaming;  /* the answer is a stream, */
    bool ended;      /* and was ended */
    bool early;      /* counted in early_count */
    bool input_open; /* the END_STREAM of the request has not come */
    bool deferred;   /* nghttp2 waits for more of it */
    bool truncated;  /* memory ran short: reset instead of ended */
    bool too_long;   /* its content-length is over the limit */
    bool expects;    /* the client waits for 100 (Continue) before it sends the body */
    uint32_t header_count;
    size_t header_bytes;
    size_t body_room;
    uint64_t begun_ns;      /* the request; once it is refused, the refusal */
    uint64_t waits_ns;      /* since when the client takes nothing of the answer; 0: it does */
    uint64_t authority;     /* authority_number() of :authority, 0: none */
    struct refusal refusal; /* code 0: none */
    struct str body;        /* still to be sent */
    struct header *trailers;
    struct send_queue stream;
    char memory[];
};

struct http2_list {
    struct http2_exchange *first, *last;
};

/* Blocks of whole pages that nghttp2 has: its map of streams, and its frame buffer. */
struct http2_pages {
    void *block;
    uint8_t count;
    bool is_map;
};
enum { HTTP2_PAGES_MAX = 3 };

struct http2_session {
    struct session s;
    struct session_host *host;
    nghttp2_session *ng;
    struct http2_exchange *current; /* whose frame is being read, or was last */
    struct http2_list receiving;    /* oldest first */
    struct http2_list open;         /* the others */
    uint32_t count;
    uint32_t early_count;      /* exchanges answered before their request was complete */
    size_t unsent_bytes;       /* of answers */
    uint64_t sending_since_ns; /* no stream has waited longer; 0: none does */
    uint64_t noticed_ns;       /* the first GOAWAY of a drain; 0: none, or the last one was, too */
    size_t large_bytes;        /* of nghttp2's memory, in large blocks */
    struct str left;           /* of the frame that nghttp2 gave last */
    struct http2_exchange *upgraded; /* stream 1 of an upgrade, not yet handed over */
    uint64_t created_ns;
    bool greeted; /* the client's SETTINGS has come */
    bool failed;  /* nothing more is read */
    bool feeding; /* inside feed() */
    bool creating;
    struct http2_frames frames;
    uint64_t authority; /* authority_number() of the newest one that is valid */
    struct http2_pages pages[HTTP2_PAGES_MAX];
};

extern const struct exchange_ops http2_exchange_ops;

static inline struct http2_session *http2_of(struct session *s)
{
    return (struct http2_session *)(void *)s;
}

static inline const struct http2_session *http2_of_const(const struct session *s)
{
    return (const struct http2_session *)(const void *)s;
}

/* http2_limits.c: for session_ops. */
enum session_wait http2_due(const struct session *base, uint64_t *at);
void http2_expire(struct session *base);
void http2_drain(struct session *base);
void http2_goodbye(struct session *base);
/* A GOAWAY has been sent. 0, or nghttp2's error. */
int http2_drain_said(struct http2_session *s);
/* The client has answered the PING behind the first GOAWAY. */
void http2_drain_seen(struct http2_session *s);

/* nghttp2's allocator, for one session. */
nghttp2_mem http2_memory(struct http2_session *s);
/* Gives back what nghttp2 does not need while nothing is under way. */
void http2_memory_rest(struct http2_session *s);

/* The first thing that is wrong with a request counts. */
void http2_note(struct http2_exchange *h, int code, const char *text);
/* Into the exchange's arena; false, and noted, without memory. */
bool http2_copy(struct http2_exchange *h, struct str *to, const uint8_t *p, size_t len);
/* nghttp2's callback for one header. */
int http2_on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name,
                    size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                    void *user);

void http2_exchange_free(struct http2_exchange *h);
/* The stream has something to send that does not leave, or has sent some of it. */
void http2_note_waiting(struct http2_session *s, struct http2_exchange *h);
/* Answers by itself; the rest of the request is dropped. */
void http2_refuse(struct http2_exchange *h, struct refusal refusal);
void http2_list_add(struct http2_list *list, struct http2_exchange *h);
void http2_list_remove(struct http2_list *list, struct http2_exchange *h);

#endif
