/* channels.h - all channels of a worker: which are to be opened, which have room, which have
 * something to send.
 *
 * Every step costs the same with one channel and with 100,000: those with room stand in a ring,
 * those that got calls in a list, those that wait before they are opened again in a wheel of time.
 * One thread.
 */
#ifndef TALLY_LOADGEN_CHANNELS_H
#define TALLY_LOADGEN_CHANNELS_H

#include "loadgen/channel.h"
#include "loadgen/random.h"
#include "loadgen/worker.h"

/* Steps of 2^25 ns (34 ms): 64 of them reach beyond the longest pause. */
enum { PAUSE_STEP_BITS = 25, PAUSE_STEPS = 64, PAUSE_MIN_MS = 50, PAUSE_MAX_MS = 2000 };

enum { CHANNEL_NONE = UINT32_MAX };

struct channel_queue {
    uint32_t first, last;
};

struct channels {
    const struct worker_options *options;
    struct worker_counts *counts;
    protocol_answered_fn *answered;
    void *owner;      /* of the answers */
    uint64_t *now_ns; /* the owner's clock; read again whenever something has arrived */
    int epoll_fd;
    struct channel *all;
    uint32_t count;
    uint32_t *ring; /* of numbers of channels that may have room; each is in it once at most */
    uint32_t ring_head, ring_count;
    uint32_t *flush;
    uint32_t flush_count;
    struct channel_queue to_open;
    uint32_t opening;
    struct channel_queue pauses[PAUSE_STEPS];
    uint64_t pauses_used; /* a bit for each that is not empty */
    uint64_t pause_step;  /* the last one that was ended */
    struct random random;
    struct channel_buffer in, out;
    uint64_t bytes_in, bytes_out;
    bool reset_seen; /* set by the owner when a call is answered RESET */
};

/* epoll_fd reports the events, with the channel's number as data.u32. TLY_ENO_MEMORY. */
int channels_init(struct channels *s, const struct worker_options *o, struct worker_counts *counts,
                  int epoll_fd, uint64_t *now_ns, struct error *e) MUST_CHECK;
/* Forgets calls without a word. */
void channels_close(struct channels *s);

/* Begins to open some of the channels that are down and may be opened. Returns when there is more
 * to do: at once, at the end of a pause, or not before an event (UINT64_MAX). */
uint64_t channels_open(struct channels *s);
/* What epoll reported: connects, reads, sends. */
void channels_event(struct channels *s, uint32_t number, uint32_t events);
/* The next channel with room in turn, or CHANNEL_NONE. */
uint32_t channels_with_room(struct channels *s);
/* 0, or the session's TLY_EFULL, TLY_ECLOSED, TLY_ENO_MEMORY. */
int channels_submit(struct channels *s, uint32_t number, struct call *call);
/* Sends what was submitted. */
void channels_flush(struct channels *s);
/* Its calls are answered with `code`; it will be opened again. `reason`: an errno, or 0. */
void channels_lose(struct channels *s, uint32_t number, enum answer_code code, int reason);

static inline void count_add(atomic_ullong *count, uint64_t n)
{
    /* One writer. */
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

#endif
