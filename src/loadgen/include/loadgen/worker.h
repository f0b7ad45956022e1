/* worker.h - one thread that sends calls on its share of the connections and hands back the
 * answers.
 *
 * It asks its source when the next call is due, waits for that time or for a socket, whichever is
 * first, and puts each call on the next connection with room, round robin. A call that is due and
 * finds no room waits, in order; its latency counts from when it was due, so a slow server cannot
 * slow the count down (no coordinated omission). Lost connections are opened again, with a growing
 * pause; while there is none, calls that are due wait until their time-out. The thread does all of
 * it: epoll, non-blocking sockets, no locks on the way of a call.
 *
 * (The server has workers of its own in src/server; the program holds both, hence load_worker_.)
 */
#ifndef TALLY_LOADGEN_WORKER_H
#define TALLY_LOADGEN_WORKER_H

#include <stdatomic.h>
#include <sys/socket.h>

#include "loadgen/protocol.h"

/* Called on the worker's thread. */
struct call_source {
    /* When the next call is due, monotonic ns; in the past: at once, but timeout_ms after that time
     * it is not sent any more, so a source that wants to send whenever there is room says now_ns.
     * UINT64_MAX: not before an answer has come. Calls are given in order of their due times. */
    uint64_t (*due_ns)(void *owner, uint64_t now_ns);
    /* That call (kind, lot, order, ..., due_ns, tag); sent_ns is the worker's. False: there is none
     * after all. */
    bool (*next)(void *owner, uint64_t now_ns, struct call *out);
    /* Once for each call that next() gave, ANSWER_NOT_SENT and ANSWER_TIMED_OUT included. The call
     * may not be used afterwards. */
    void (*answered)(void *owner, const struct call *call, const struct answer *answer,
                     uint64_t now_ns);
    /* About four times a second, whatever else happens. May be NULL. */
    void (*tick)(void *owner, uint64_t now_ns);
    void *owner;
};

struct worker_options {
    const struct protocol *protocol;
    const struct protocol_target *target;
    struct sockaddr_storage address; /* of the server */
    socklen_t address_size;
    uint32_t connections; /* of this worker */
    uint32_t first;       /* number of its first connection, in the whole run */
    uint32_t sources;     /* loopback source addresses 127.0.0.1 ... to spread them over; 0: none */
    uint32_t timeout_ms;  /* for a call: from due to sent, and from sent to answered */
    uint32_t connects_max; /* connections that are being opened at once; 0: 512 */
    bool phased;           /* a call waits for its own connection (struct call), not for any */
};

/* Read by other threads at any time, relaxed. */
struct worker_counts {
    atomic_uint connected; /* connections that are up */
    atomic_uint in_flight; /* calls on their way */
    atomic_ullong connects_failed, connections_lost, resets, bytes_in, bytes_out;
    atomic_ullong last_answer_ns; /* monotonic; 0: none yet */
    /* Why a connection was not opened or was lost, the last errno; 0: nothing but the peer's own
     * closing. EPROTO: what the peer sent is not the protocol; ETIMEDOUT: it fell silent. */
    atomic_int connect_error;
};

struct worker;

/* Nothing runs yet. TLY_ENO_MEMORY, TLY_EIO (epoll). `source` and what the options point to outlive
 * the worker. */
int load_worker_create(struct worker **out, const struct worker_options *o,
                       const struct call_source *source, struct error *e) MUST_CHECK;
/* Starts the thread, which first opens the connections. */
int load_worker_start(struct worker *w, struct error *e) MUST_CHECK;
const struct worker_counts *load_worker_counts(const struct worker *w);
/* From any thread: no further call is asked for; those on their way are awaited up to their
 * time-out; then the thread ends. The connections stay until load_worker_destroy(). */
void load_worker_finish(struct worker *w);
/* From any thread, after load_worker_finish(): what is on its way is not awaited any longer, nor
 * answered to the source. */
void load_worker_abandon(struct worker *w);
/* True once the thread has ended, after load_worker_finish(), and before it was started. */
bool load_worker_ended(const struct worker *w);
/* Waits for the end. */
void load_worker_join(struct worker *w);
/* NULL is fine. One that still runs is finished and joined. */
void load_worker_destroy(struct worker *w);

#endif
