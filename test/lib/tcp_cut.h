/* tcp_cut.h - a proxy between a client and a server that cuts connections where a test wants it. */
#ifndef TALLY_TEST_TCP_CUT_H
#define TALLY_TEST_TCP_CUT_H

#include <stdint.h>

enum tcp_cut_mode {
    TCP_CUT_NEVER,
    TCP_CUT_AFTER,  /* what contains `word` goes to the server, and no answer comes back */
    TCP_CUT_BEFORE, /* it does not go to the server */
    TCP_CUT_MUTE,   /* it goes to the server, whose answers are kept until tcp_cut_now() */
};

struct tcp_cut;

/* Listens on a port of loopback and leads to host:port. */
struct tcp_cut *tcp_cut_start(const char *host, uint16_t port);
uint16_t tcp_cut_port(const struct tcp_cut *c);
/* From now on. After the cut nobody gets through until the mode is set again. */
void tcp_cut_set(struct tcp_cut *c, enum tcp_cut_mode mode, const char *word);
/* Cuts all connections, and lets nobody through until the mode is set again. */
void tcp_cut_now(struct tcp_cut *c);
/* How many connections were cut so far. */
int tcp_cut_count(struct tcp_cut *c);
void tcp_cut_stop(struct tcp_cut *c);

#endif
