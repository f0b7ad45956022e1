/* redis_gate.h - what the files of the gate in Redis share.
 *
 *   gate_redis.c     the port: what this node knows by itself, and the two below
 *   redis_session.c  a worker's asks: grouped by key, one call a turn, answers
 *   redis_teller.c   what the lanes tell: gathered, grouped, told by a thread
 *   redis_keys.c     names of keys, arguments of calls
 *   gate_ask.lua, gate_tell.lua
 */
#ifndef TALLY_GATE_REDIS_GATE_H
#define TALLY_GATE_REDIS_GATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "base/limits.h"
#include "gate/gate_redis.h"
#include "gate/order_filter.h"
#include "redis/redis_thread.h"

enum {
    SCRIPT_ASK,
    SCRIPT_TELL,
    SCRIPTS,
    KEY_SIZE = 128, /* "tally:goods:{...}" */
    SPANS = 5,      /* the script's: open units are kept by spans of a fifth of the limit */
    NUMBER_SIZE = 24,
};

extern const char gate_script_ask[], gate_script_tell[]; /* made from the .lua at build */

struct redis_session;
struct teller;

struct gate_redis {
    struct gate gate;
    struct order_filter orders; /* seen by this node */
    _Atomic bool orders_complete;
    _Atomic int64_t next_deadline_ms;
    pthread_rwlock_t sales_lock;
    struct known_sale *sales; /* by their sale_id's hash, sorted */
    size_t sale_count, sale_room;
    uint64_t hash_seed;
    char fresh[NUMBER_SIZE], limit[NUMBER_SIZE], keep[NUMBER_SIZE]; /* as the scripts get them */
    struct redis_config redis; /* for every client; what it points to is below */
    struct redis_address *addresses;
    char *user, *password;
    struct redis_script scripts[SCRIPTS];
    struct teller *teller;
    pthread_mutex_t sessions_lock;
    struct redis_session *sessions;
    struct gate_redis_stats past; /* of sessions that have left */
};

/* ---- redis_keys.c ---- */

/* A group of asks or news: a lot by its key, or goods by their sku. */
struct group_name {
    struct str tag;
    bool goods;
};

struct str key_of_entry(char buffer[KEY_SIZE], struct group_name name);
struct str key_of_seen(char buffer[KEY_SIZE], struct group_name name);
/* Decimal, in a buffer of NUMBER_SIZE. */
struct str text_of_number(char *buffer, int64_t number);

/* Keys and arguments of one call. */
struct arguments {
    struct str *list;
    size_t count, room;
    struct arena scratch; /* of those that are made here */
};

void arguments_init(struct arguments *a);
void arguments_begin(struct arguments *a); /* of the next call */
void arguments_close(struct arguments *a);
/* Each: false when memory is short. */
bool arguments_put(struct arguments *a, struct str argument);
bool arguments_put_number(struct arguments *a, int64_t number);
bool arguments_put_keys(struct arguments *a, struct group_name name); /* both of a group */

/* ---- gate_redis.c ---- */

bool gate_redis_sale_is_on(struct gate_redis *g, struct str sale_id, int64_t now_ms);

/* ---- redis_session.c ---- */

int redis_session_attach(struct gate *g, const struct gate_worker *w, struct gate_session **out,
                         struct error *e);
void redis_session_ask(struct gate_session *session, struct gate_ask *ask);
void redis_session_flush(struct gate_session *session, int64_t now_ms);
void redis_session_detach(struct gate_session *session);
/* Adds up what the sessions counted; under sessions_lock. */
void redis_sessions_count(struct gate_redis *g, struct gate_redis_stats *out);

/* ---- redis_teller.c ---- */

int teller_create(struct teller **out, struct gate_redis *g, struct error *e) MUST_CHECK;
void teller_destroy(struct teller *t);
/* The lane's thread. Never waits; what is too much is dropped, and counted. */
void teller_tell(struct teller *t, const struct gate_settlement *orders, size_t n,
                 const struct gate_stock *lots, size_t m);
bool teller_is_done(struct teller *t);
void teller_count(struct teller *t, struct gate_redis_stats *out);

#endif
