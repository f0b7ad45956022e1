/* channels.c - the life of a worker's connections.
 *
 * Happy path: all channels stand in the queue of those to be opened; channels_open() begins with as
 * many as may be under way at once; when epoll says that one is connected it gets its session and,
 * if that has room, a place in the ring. What arrives goes to the session, which answers calls from
 * inside; the channel is then listed to be flushed, since the session may have something to say.
 * Events are edge-triggered, so a socket is read until it is empty and registered once.
 *
 * Failure modes: a channel that cannot be opened, is closed by the peer, breaks the protocol or is
 * given up by the worker is closed, its calls are answered, and it pauses: 50 ms, then twice as
 * long each time up to 2 s, each shortened by up to a half at random. A peer from which nothing
 * came did not serve, so only one that sent something ends the series. What a peer sent before it
 * closed is still read when sending fails.
 */
#include "loadgen/channels.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"

enum {
    INPUT_SIZE = 64 << 10,
    OUTPUT_SIZE = 64 << 10,
    READS_MAX = 16, /* of one socket before others get their turn */
    OPENS_MAX = 32, /* in one turn: each takes several system calls */
    CONNECTS_DEFAULT = 512,
};

#define EVENTS (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

/* ---- queues by number ---- */

static void queue_push(struct channels *s, struct channel_queue *q, uint32_t number)
{
    s->all[number].next = CHANNEL_NONE;
    if (q->first == CHANNEL_NONE)
        q->first = number;
    else
        s->all[q->last].next = number;
    q->last = number;
}

static uint32_t queue_pop(struct channels *s, struct channel_queue *q)
{
    uint32_t number = q->first;
    if (number != CHANNEL_NONE)
        q->first = s->all[number].next;
    return number;
}

/* ---- pauses ---- */

static void pause_begin(struct channels *s, uint32_t number)
{
    struct channel *c = &s->all[number];
    uint32_t pause_ms = c->pause_ms ? 2u * c->pause_ms : PAUSE_MIN_MS;
    c->pause_ms = (uint16_t)(pause_ms < PAUSE_MAX_MS ? pause_ms : PAUSE_MAX_MS);
    double share = 1 - random_unit(&s->random) / 2;
    uint64_t end_ns = *s->now_ns + (uint64_t)(share * c->pause_ms * 1e6);
    uint32_t slot = (uint32_t)((end_ns >> PAUSE_STEP_BITS) + 1) % PAUSE_STEPS;
    queue_push(s, &s->pauses[slot], number);
    s->pauses_used |= UINT64_C(1) << slot;
}

static void pauses_end(struct channels *s)
{
    uint64_t step = *s->now_ns >> PAUSE_STEP_BITS;
    uint64_t passed = step - s->pause_step;
    for (uint64_t i = 1; i <= passed && i <= PAUSE_STEPS && s->pauses_used; i++) {
        uint32_t slot = (uint32_t)(s->pause_step + i) % PAUSE_STEPS;
        uint32_t number;
        while ((number = queue_pop(s, &s->pauses[slot])) != CHANNEL_NONE)
            queue_push(s, &s->to_open, number);
        s->pauses_used &= ~(UINT64_C(1) << slot);
    }
    s->pause_step = step;
}

static uint64_t pause_next_ns(const struct channels *s)
{
    if (!s->pauses_used)
        return UINT64_MAX;
    uint64_t step = s->pause_step + 1;
    while (!(s->pauses_used >> (step % PAUSE_STEPS) & 1))
        step++;
    return step << PAUSE_STEP_BITS;
}

/* ---- the ring and the list ---- */

/* Asks the session again, after anything that may have made room. */
static void offer(struct channels *s, uint32_t number)
{
    struct channel *c = &s->all[number];
    c->room = 0;
    if (c->state != CHANNEL_UP || c->leftover)
        return;
    c->room = s->options->protocol->room(c->session);
    if (!c->room || c->in_ring)
        return;
    uint32_t at = s->ring_head + s->ring_count++;
    s->ring[at < s->count ? at : at - s->count] = number;
    c->in_ring = true;
}

uint32_t channels_with_room(struct channels *s)
{
    while (s->ring_count) {
        uint32_t number = s->ring[s->ring_head];
        if (s->all[number].room)
            return number;
        s->all[number].in_ring = false;
        s->ring_head = s->ring_head + 1 < s->count ? s->ring_head + 1 : 0;
        s->ring_count--;
    }
    return CHANNEL_NONE;
}

static void ring_turn(struct channels *s, uint32_t number)
{
    if (!s->ring_count || s->ring[s->ring_head] != number)
        return;
    s->ring_head = s->ring_head + 1 < s->count ? s->ring_head + 1 : 0;
    if (s->all[number].room) {
        uint32_t at = s->ring_head + s->ring_count - 1;
        s->ring[at < s->count ? at : at - s->count] = number;
    } else {
        s->all[number].in_ring = false;
        s->ring_count--;
    }
}

static void list_for_flush(struct channels *s, uint32_t number)
{
    struct channel *c = &s->all[number];
    if (c->in_flush || c->state != CHANNEL_UP)
        return;
    c->in_flush = true;
    s->flush[s->flush_count++] = number;
}

/* ---- losing ---- */

static void count_resets(struct channels *s, struct channel *c)
{
    uint64_t resets = s->options->protocol->counts(c->session).resets;
    count_add(&s->counts->resets, resets - c->resets);
    c->resets = resets;
}

static void count_connected(struct channels *s, int by)
{
    unsigned n = atomic_load_explicit(&s->counts->connected, memory_order_relaxed);
    atomic_store_explicit(&s->counts->connected, n + (unsigned)by, memory_order_relaxed);
}

static void set_error(struct channels *s, int reason)
{
    if (reason)
        atomic_store_explicit(&s->counts->connect_error, reason, memory_order_relaxed);
}

/* It could not be opened. */
static void give_up(struct channels *s, uint32_t number, int reason)
{
    struct channel *c = &s->all[number];
    if (c->state == CHANNEL_OPENING)
        s->opening--;
    c->state = CHANNEL_DOWN;
    channel_close(c, s->options->protocol);
    count_add(&s->counts->connects_failed, 1);
    set_error(s, reason);
    pause_begin(s, number);
}

void channels_lose(struct channels *s, uint32_t number, enum answer_code code, int reason)
{
    struct channel *c = &s->all[number];
    if (!c->session)
        return;
    c->state = CHANNEL_DOWN;
    c->room = 0;
    s->options->protocol->fail(c->session, code);
    count_resets(s, c);
    channel_close(c, s->options->protocol);
    c->calls = 0;
    count_connected(s, -1);
    count_add(&s->counts->connections_lost, 1);
    set_error(s, reason);
    pause_begin(s, number);
}

/* ---- input and output ---- */

static void heard(struct channels *s, uint32_t number)
{
    struct channel *c = &s->all[number];
    if (s->reset_seen)
        count_resets(s, c);
    s->reset_seen = false;
    offer(s, number);
    if (!c->room && !c->calls && c->state == CHANNEL_UP &&
        s->options->protocol->counts(c->session).goaway)
        channels_lose(s, number, ANSWER_CLOSED, 0);
    else
        list_for_flush(s, number);
}

/* Until the socket is empty; to its end if that is to come. */
static void receive(struct channels *s, uint32_t number, bool to_the_end)
{
    struct channel *c = &s->all[number];
    for (int i = 0; to_the_end || i < READS_MAX; i++) {
        ssize_t n = recv(c->fd, s->in.bytes, s->in.size, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return heard(s, number);
        if (n <= 0)
            return channels_lose(s, number, ANSWER_CLOSED, n < 0 ? errno : 0);
        *s->now_ns = clock_monotonic_ns();
        c->heard_ns = *s->now_ns;
        c->pause_ms = 0;
        s->bytes_in += (uint64_t)n;
        if (s->options->protocol->input(c->session, s->in.bytes, (size_t)n))
            return channels_lose(s, number, ANSWER_MALFORMED, EPROTO);
        if (!to_the_end && (size_t)n < s->in.size)
            return heard(s, number);
    }
    /* There may be more: setting the events again reports it once more. */
    struct epoll_event event = {.events = EVENTS, .data.u32 = number};
    if (epoll_ctl(s->epoll_fd, EPOLL_CTL_MOD, c->fd, &event))
        return channels_lose(s, number, ANSWER_CLOSED, errno);
    heard(s, number);
}

static void send_all(struct channels *s, uint32_t number)
{
    struct channel *c = &s->all[number];
    int rc = channel_send(c, s->options->protocol, s->out, &s->bytes_out);
    if (rc) {
        c->state = CHANNEL_ENDING;
        if (rc != EPROTO && rc != ENOMEM)
            receive(s, number, true);
        channels_lose(s, number, ANSWER_CLOSED, rc);
    } else if (c->leftover) {
        c->room = 0;
    }
}

void channels_flush(struct channels *s)
{
    for (uint32_t i = 0; i < s->flush_count; i++) {
        uint32_t number = s->flush[i];
        s->all[number].in_flush = false;
        if (s->all[number].state == CHANNEL_UP)
            send_all(s, number);
    }
    s->flush_count = 0;
}

/* ---- opening ---- */

static void opened(struct channels *s, uint32_t number)
{
    struct channel *c = &s->all[number];
    const struct worker_options *o = s->options;
    int reason = channel_connected(c);
    if (!reason && o->protocol->open(&c->session, o->target, s->answered, s->owner))
        reason = ENOMEM;
    if (reason)
        return give_up(s, number, reason);
    s->opening--;
    c->state = CHANNEL_UP;
    c->heard_ns = *s->now_ns;
    c->calls = 0;
    c->resets = 0;
    count_connected(s, 1);
    offer(s, number);
    list_for_flush(s, number);
}

void channels_event(struct channels *s, uint32_t number, uint32_t events)
{
    struct channel *c = &s->all[number];
    if (c->state == CHANNEL_OPENING)
        opened(s, number);
    else if (events & EPOLLOUT && c->leftover)
        send_all(s, number);
    if (c->state != CHANNEL_UP)
        return;
    bool ending = events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);
    if (ending || events & EPOLLIN)
        receive(s, number, ending);
    else
        offer(s, number);
}

static void open_one(struct channels *s, uint32_t number)
{
    const struct worker_options *o = s->options;
    struct channel *c = &s->all[number];
    uint32_t source = o->sources > 1
                          ? INADDR_LOOPBACK + (uint32_t)(((uint64_t)o->first + number) % o->sources)
                          : 0;
    int reason = channel_connect(c, &o->address, o->address_size, source);
    if (reason)
        return give_up(s, number, reason);
    c->state = CHANNEL_OPENING;
    s->opening++;
    struct epoll_event event = {.events = EVENTS, .data.u32 = number};
    if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, c->fd, &event))
        give_up(s, number, errno);
}

uint64_t channels_open(struct channels *s)
{
    uint32_t opening_max =
        s->options->connects_max ? s->options->connects_max : (uint32_t)CONNECTS_DEFAULT;
    pauses_end(s);
    for (int i = 0; s->opening < opening_max; i++) {
        if (s->to_open.first == CHANNEL_NONE)
            break;
        if (i == OPENS_MAX)
            return *s->now_ns;
        open_one(s, queue_pop(s, &s->to_open));
    }
    return pause_next_ns(s);
}

/* ---- beginning and end ---- */

int channels_init(struct channels *s, const struct worker_options *o, struct worker_counts *counts,
                  int epoll_fd, uint64_t *now_ns, struct error *e)
{
    *s = (struct channels){.options = o, .counts = counts, .now_ns = now_ns, .epoll_fd = epoll_fd};
    s->count = o->connections;
    s->to_open = (struct channel_queue){CHANNEL_NONE, CHANNEL_NONE};
    for (int i = 0; i < PAUSE_STEPS; i++)
        s->pauses[i] = s->to_open;
    s->pause_step = *now_ns >> PAUSE_STEP_BITS;
    random_seed(&s->random, *now_ns, o->first);
    size_t n = s->count ? s->count : 1;
    s->all = calloc(n, sizeof *s->all);
    s->ring = calloc(n, sizeof *s->ring);
    s->flush = calloc(n, sizeof *s->flush);
    s->in = (struct channel_buffer){malloc(INPUT_SIZE), INPUT_SIZE};
    s->out = (struct channel_buffer){malloc(OUTPUT_SIZE), OUTPUT_SIZE};
    if (!s->all || !s->ring || !s->flush || !s->in.bytes || !s->out.bytes) {
        s->count = 0;
        return error_set(e, TLY_ENO_MEMORY, "connections", "no memory for %u connections",
                         o->connections);
    }
    for (uint32_t i = 0; i < s->count; i++) {
        s->all[i].fd = -1;
        queue_push(s, &s->to_open, i);
    }
    return 0;
}

int channels_submit(struct channels *s, uint32_t number, struct call *call)
{
    struct channel *c = &s->all[number];
    int rc = s->options->protocol->submit(c->session, call);
    if (!rc) {
        c->room--;
        c->calls++;
        list_for_flush(s, number);
    } else if (rc != TLY_ENO_MEMORY) {
        c->room = 0;
        if (rc == TLY_ECLOSED && !c->calls)
            channels_lose(s, number, ANSWER_CLOSED, 0);
    }
    ring_turn(s, number);
    return rc;
}

void channels_close(struct channels *s)
{
    for (uint32_t i = 0; i < s->count; i++)
        channel_close(&s->all[i], s->options->protocol);
    free(s->all);
    free(s->ring);
    free(s->flush);
    free(s->in.bytes);
    free(s->out.bytes);
}
