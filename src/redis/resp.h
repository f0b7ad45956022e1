/* resp.h - commands to bytes, and bytes to replies (RESP2, read by hiredis' reader). */
#ifndef TALLY_REDIS_RESP_H
#define TALLY_REDIS_RESP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "redis/redis.h"

/* ---- bytes to send ---- */

struct bytes {
    char *p;
    size_t size, room;
};

/* Each: false when memory is short; what stood there stands. */
bool bytes_add(struct bytes *b, const void *p, size_t size);
bool resp_put_count(struct bytes *b, char kind, uint64_t count); /* "*3\r\n", "$11\r\n" */
bool resp_put(struct bytes *b, struct str argument);
bool resp_put_number(struct bytes *b, int64_t number);
void bytes_close(struct bytes *b);

/* ---- replies ---- */

struct redisReader;

enum {
    RESP_REPLY_MAX = 64 << 20, /* bytes of one reply in memory */
    RESP_FIRST = 8192,         /* bytes of a reply that cost no allocation */
};

struct resp_reader {
    struct redisReader *reader;
    struct arena arena; /* of the reply that is being read */
    _Alignas(8) char first[RESP_FIRST];
};

int resp_reader_init(struct resp_reader *r);
void resp_reader_close(struct resp_reader *r); /* also of a zeroed one */
/* 0 or TLY_EIO: what came is no RESP, or too much. */
int resp_feed(struct resp_reader *r, const char *p, size_t size);
/* The next whole reply, valid until the next call; NULL: there is none yet. */
int resp_next(struct resp_reader *r, const struct redis_value **out);

#endif
