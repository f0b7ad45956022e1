/* client.h - what the files of redis/ share.
 *
 *   client.c     the public calls: routing, answers, redirections, master or cluster
 *   link.c       one server: connection, greeting, time-outs, backoff
 *   command.c    a command's life: made, in line, sent, answered
 *   map.c        CLUSTER SLOTS to the map of slots
 *   resp.c       bytes
 *   breaker.c    when to leave a server alone
 */
#ifndef TALLY_REDIS_CLIENT_H
#define TALLY_REDIS_CLIENT_H

#include <uv.h>

#include "redis/breaker.h"
#include "redis/redis.h"
#include "redis/resp.h"
#include "redis/slots.h"

enum {
    NO_SLOT = 0xffff,
    NO_NODE = 0xff,
    NO_SCRIPT = 0xffff,
    SHA_SIZE = 40,
    REDIRECTS_MAX = 5,
    TROUBLE_MAX = 400,
};

/* ---- commands ---- */

struct command {
    struct command *next;
    redis_reply_fn *fn;
    void *context;
    uint64_t sent_ns;
    uint64_t deadline_ms; /* of the loop's clock */
    struct bytes body;    /* of a script all that comes after its name or text */
    uint32_t argument_count;
    uint16_t slot;   /* NO_SLOT: any */
    uint16_t script; /* NO_SCRIPT: none */
    uint8_t redirects;
    bool asking;   /* ASKING before it, with an answer of its own */
    bool by_text;  /* EVAL: this server has not got the script */
    bool internal; /* the client's own: not counted */
};

struct command_queue {
    struct command *first, *last;
};

void queue_add(struct command_queue *q, struct command *c);
struct command *queue_take(struct command_queue *q);

/* ---- one server ---- */

enum link_state { LINK_DOWN, LINK_CONNECTING, LINK_GREETING, LINK_UP };

struct socket; /* a connection's handle and reader; outlives its end until the loop says so */

struct link {
    struct redis *client;
    struct redis_address address;
    struct socket *socket; /* NULL: DOWN */
    uv_timer_t timer;      /* the end of patience: with connecting, with an answer, with a pause */
    struct command_queue waiting; /* redirected here, until it is UP */
    struct command_queue sent;    /* in order */
    struct bytes line;            /* gathered, to be sent with the next flush */
    struct breaker breaker;
    uint32_t backoff_ms;
    uint32_t scripts_loaded; /* of the greeting under way */
    uint8_t state;
    bool used;      /* this place of the table */
    bool seed;      /* named in the config */
    bool mapped;    /* has slots */
    bool is_master; /* said so, where there is no cluster */
    bool asked_role;
};

/* ---- the client ---- */

struct redis {
    uv_loop_t *loop;
    struct redis_config config;
    char *user, *password;
    struct redis_script scripts[REDIS_SCRIPTS_MAX];
    char sha[REDIS_SCRIPTS_MAX][SHA_SIZE + 1]; /* "" until a server told */
    struct link links[REDIS_NODES_MAX];
    uint8_t node_of_slot[REDIS_SLOTS]; /* NO_NODE: nobody's */
    uv_timer_t tick;                   /* looks for a master, or for the map, while one is wanted */
    struct command *spare;
    uint32_t under_way;
    size_t bytes;
    uint32_t dice;
    uint32_t handles; /* that are not closed yet */
    bool cluster;
    bool map_wanted;
    bool map_asked;
    uint64_t map_read_ms;
    bool closing;
    void (*closed)(void *context);
    void *closed_context;
    char trouble[TROUBLE_MAX];
    struct redis_stats stats;
};

static inline void stat_add(_Atomic int64_t *counter, int64_t n)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

/* ---- command.c ---- */

/* NULL: memory is short. */
struct command *command_make(struct redis *r, redis_reply_fn *fn, void *context);
void command_drop(struct redis *r, struct command *c);
/* Tells its caller, and drops it. */
void command_end(struct redis *r, struct command *c, enum redis_outcome outcome,
                 const struct redis_value *reply);
bool command_put(struct command *c, const struct str *arguments, size_t count);
/* As it goes over the wire. */
bool command_encode(const struct redis *r, const struct command *c, struct bytes *out);

/* ---- link.c ---- */

int link_init(struct redis *r, struct link *l, const struct redis_address *address);
/* Connects, if it was given up: nobody needs a node that is DOWN and has no slots. */
void link_wake(struct link *l);
void link_close(struct link *l); /* its commands are dropped */
/* Puts a command in line; it is the link's. */
void link_send(struct link *l, struct command *c);
void link_flush(struct link *l);
/* The client's own command, in line at once. */
void link_ask(struct link *l, const struct str *arguments, size_t count, redis_reply_fn *fn);
/* Is it a master? client_link_up() comes when it has told. */
void link_ask_role(struct link *l);
/* Ends the connection: what was sent is UNKNOWN. */
void link_lose(struct link *l, const char *why);

/* ---- client.c ---- */

void client_answered(struct link *l, struct command *c, const struct redis_value *reply);
void client_link_up(struct link *l);
void client_link_lost(struct link *l);
struct link *client_find_link(struct redis *r, const char *host, uint16_t port, bool make);
void client_handle_closed(struct redis *r);

/* ---- map.c ---- */

/* Of the answer to CLUSTER SLOTS. False if it is none. `from`: who answered; its host stands for
 * one that is not told. */
bool map_read(struct redis *r, const struct redis_value *reply, const struct link *from);
/* "MOVED 3999 127.0.0.1:6381". */
struct link *map_moved(struct redis *r, struct str text, const struct link *from);

#endif
