/* redis_server.h - real Redis servers for tests: one, or a cluster of six, on private ports and
 * folders of their own. Without redis-server on the machine a test program is skipped; where
 * CI=true that is a failure. */
#ifndef TALLY_TEST_REDIS_SERVER_H
#define TALLY_TEST_REDIS_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct redis_server {
    pid_t pid; /* 0: not running */
    uint16_t port;
    uint16_t bus_port; /* of a cluster's node */
    bool in_cluster;
    char folder[64];
    const char *const *arguments; /* more of them, ended by NULL; or NULL */
};

enum { CLUSTER_NODES = 6 };

struct redis_cluster {
    struct redis_server nodes[CLUSTER_NODES];
};

/* Ends the program, as said above, if there is no redis-server. First thing in main(). */
void redis_server_needed(void);
bool redis_server_there(void);

/* Returns when it answers. */
void redis_server_start(struct redis_server *s, const char *const *arguments);
/* On the same port, with nothing in it. */
void redis_server_start_again(struct redis_server *s);
void redis_server_kill(struct redis_server *s);
void redis_server_pause(struct redis_server *s);
void redis_server_go_on(struct redis_server *s);
/* Kills it, if it runs, and removes its folder. */
void redis_server_remove(struct redis_server *s);
/* One command in a line; its answer's first line in a buffer that the next call uses again, and of
 * a bulk string the text. */
const char *redis_server_do(const struct redis_server *s, const char *command);
int64_t redis_server_number(const struct redis_server *s, const char *command);

/* Three masters with a replica each; returns when all slots are served. */
void redis_cluster_start(struct redis_cluster *c);
void redis_cluster_remove(struct redis_cluster *c);

#endif
