/* fixture_echo.h - a protocol so small that a test knows every byte, and a peer that speaks it.
 *
 * A call is 12 bytes (number, size of the padding, connection) and call.quantity bytes of padding;
 * its answer is the number. The peer is a thread of the test with a listener on loopback; what it
 * does with calls is its mode, which the test changes at any time.
 */
#ifndef TALLY_TEST_LOADGEN_FIXTURE_ECHO_H
#define TALLY_TEST_LOADGEN_FIXTURE_ECHO_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "loadgen/protocol.h"

extern const struct protocol protocol_echo;

enum peer_mode {
    PEER_ECHO,  /* answers at once, first what it held */
    PEER_HOLD,  /* reads, answers later */
    PEER_DEAF,  /* does not even read */
    PEER_FORGET /* reads, and forgets; what it held it keeps */
};

enum { PEER_CONNECTIONS_MAX = 2100, PEER_SOURCES_MAX = 8 };

struct peer_connection;

struct peer {
    struct sockaddr_storage address;
    socklen_t address_size;
    int listener, epoll_fd;
    pthread_t thread;
    struct peer_connection *connections;
    /* The test sets: */
    atomic_int mode;
    atomic_int hold_connection; /* PEER_ECHO: calls of this one are held; -1: of none */
    atomic_uint close_after;    /* a connection is closed when so many calls came on it; 0: never */
    atomic_uint goaway_after;   /* ... or the last one's answer is GOAWAY, 0: never */
    atomic_bool close_when_answered; /* a connection, when what it held is answered */
    atomic_bool babble;              /* the next answer is no answer */
    atomic_bool stop;
    /* The test reads: */
    atomic_uint accepted, calls, wrong_connection; /* calls that came where others had come from */
    atomic_uint served[PEER_CONNECTIONS_MAX];      /* calls by connection, in order of accept() */
    atomic_uint sources[PEER_SOURCES_MAX];         /* addresses that connections came from */
};

/* A listener of that family on a free port; without a thread yet, so connects succeed but nothing
 * is accepted. False: there is no such family here. */
bool peer_listen(struct peer *p, int family);
/* Gives the port up: connects are refused. */
void peer_refuse(struct peer *p);
/* Takes the same port again. */
void peer_listen_again(struct peer *p);
void peer_start(struct peer *p);
/* All connections, too. */
void peer_stop(struct peer *p);

#endif
