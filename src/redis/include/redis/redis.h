/* redis.h - a client of Redis 7 (also Valkey) on one libuv loop: one server, several of which one
 * is the master, or a Redis Cluster, which it finds out by itself.
 *
 * Commands are pipelined: redis_call() puts one in line, redis_flush() sends what has gathered, and
 * each is answered once, in any order, from the loop, never from inside a call of this header.
 * Nothing waits for a connection: while there is none, or the breaker is open, a call is refused at
 * once, and its caller does without. One thread, the loop's.
 *
 * A script (EVALSHA) is loaded when a connection is made, and again where a server has lost it
 * (NOSCRIPT). MOVED and ASK are followed; the map of slots is read again after a MOVED and while a
 * node of it cannot be reached. Where several addresses are no cluster, the one that says it is a
 * master is used; a master that has become a replica (READONLY) is not.
 *
 * Bounded: commands under way, bytes of them, time for each, nodes. A server that does not answer
 * in time is cut off with all that was sent to it, for replies come in order; after a pause, with
 * backoff and jitter, it is connected to again. Errors and slowness without an end of the
 * connection open the breaker (breaker.h).
 */
#ifndef TALLY_REDIS_REDIS_H
#define TALLY_REDIS_REDIS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

struct uv_loop_s;
struct redis;

enum { REDIS_NODES_MAX = 64, REDIS_SCRIPTS_MAX = 8, REDIS_HOST_MAX = 255 };

enum redis_kind { REDIS_NIL, REDIS_NUMBER, REDIS_TEXT, REDIS_STATUS, REDIS_ERROR, REDIS_LIST };

struct redis_value {
    enum redis_kind kind;
    uint32_t count;                  /* LIST */
    int64_t number;                  /* NUMBER */
    struct str text;                 /* TEXT, STATUS, ERROR; ends with a zero that is not counted */
    const struct redis_value *items; /* LIST */
};

enum redis_outcome {
    REDIS_ANSWERED, /* with anything but an error */
    REDIS_REFUSED,  /* with an error: not done */
    REDIS_NOT_DONE, /* it was not sent */
    REDIS_UNKNOWN,  /* sent; no answer came in time, or the connection was lost: may have been done
                     */
    REDIS_OUTCOMES
};

/* `reply` is NULL but for ANSWERED and REFUSED, and lives for the call. */
typedef void redis_reply_fn(void *context, enum redis_outcome outcome,
                            const struct redis_value *reply);

struct redis_address {
    char host[REDIS_HOST_MAX + 1];
    uint16_t port;
};

/* A script in Lua. Its keys must share a slot. */
struct redis_script {
    struct str text; /* static */
};

struct redis_config {
    struct uv_loop_s *loop;
    const struct redis_address *addresses; /* at least one, REDIS_NODES_MAX at most; copied */
    uint32_t address_count;
    struct str user, password; /* copied; empty user: the default one; empty password: no AUTH */
    const struct redis_script *scripts; /* copied; called by their place */
    uint32_t script_count;
    uint32_t commands_max; /* under way */
    size_t bytes_max;      /* of commands under way */
    uint32_t connect_ms;   /* to connect, with AUTH and loading scripts */
    uint32_t command_ms;   /* to answer one */
    uint32_t slow_ms;      /* an answer that took longer counts against the server */
    uint32_t bad_max;      /* bad ones in a row that open the breaker */
    uint32_t open_ms;      /* the breaker's first pause, and that before connecting again */
    uint32_t open_max_ms;
};

/* What may be left 0 in a config. */
void redis_config_defaults(struct redis_config *config);

/* For metrics; counted by the loop's thread, read by any. */
#define REDIS_STATS(X)                                                                             \
    X(calls_total, COUNTER, "commands and scripts sent")                                           \
    X(answers_total, COUNTER, "answers that were no error")                                        \
    X(errors_total, COUNTER, "answers that were an error")                                         \
    X(lost_total, COUNTER, "calls whose answer did not come, or not in time")                      \
    X(refused_total, COUNTER, "calls not sent: no connection, breaker open, too many under way")   \
    X(redirected_total, COUNTER, "calls sent on after MOVED or ASK")                               \
    X(reloaded_total, COUNTER, "scripts sent again after NOSCRIPT")                                \
    X(connects_total, COUNTER, "connections made")                                                 \
    X(breaker_opened_total, COUNTER, "times that a breaker opened")                                \
    X(round_trip_us_total, COUNTER, "time from sending a call to its answer")                      \
    X(under_way, GAUGE, "calls under way")                                                         \
    X(nodes_up, GAUGE, "servers that can be asked")                                                \
    X(breakers_open, GAUGE, "servers that are left alone: breaker open or half open")

struct redis_stats {
#define X(name, kind, help) _Atomic int64_t name;
    REDIS_STATS(X)
#undef X
};

/* Begins to connect; the loop does the rest. 0 or TLY_ENO_MEMORY, TLY_EINVALID_ARGUMENT. */
int redis_create(struct redis **out, const struct redis_config *config, struct error *e) MUST_CHECK;

/* Takes it down. No answer comes any more, not even to what is under way. `closed` comes from the
 * loop when all handles are gone, and may be NULL. */
void redis_close(struct redis *r, void (*closed)(void *context), void *context);

/* A command; `key` says where it goes, empty: anywhere. Everything is copied. 0, or TLY_ECLOSED (no
 * connection, or the breaker is open), TLY_EFULL, TLY_ENO_MEMORY: nothing was taken, `fn` is not
 * called. */
int redis_call(struct redis *r, struct str key, const struct str *arguments, size_t count,
               redis_reply_fn *fn, void *context) MUST_CHECK;

/* The same with a script: at least one key. */
int redis_call_script(struct redis *r, uint32_t script, const struct str *keys, size_t key_count,
                      const struct str *arguments, size_t count, redis_reply_fn *fn,
                      void *context) MUST_CHECK;

/* Sends what was put in line since the last flush. */
void redis_flush(struct redis *r);

/* Something can be asked now. */
bool redis_is_up(const struct redis *r);
/* And whatever the key: of a cluster every slot's node is up. */
bool redis_is_whole(const struct redis *r);
/* Keys are spread over slots. Known from the first connection on; only then is redis_is_up(). */
bool redis_is_cluster(const struct redis *r);
/* 0 where there is no cluster, so that keys of one slot are those of one number. */
uint16_t redis_slot(const struct redis *r, struct str key);

/* Why the last connection ended or was not made; "" if none did. For people. */
const char *redis_trouble(const struct redis *r);

struct redis_stats *redis_stats(struct redis *r);

#endif
