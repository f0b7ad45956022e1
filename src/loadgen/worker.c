/* worker.c - the loop of a worker's thread.
 *
 * One turn: what is over its time; connections that are to be opened; calls that are due, as long
 * as there is room; one send() for each channel that got some; then epoll waits for sockets or for
 * the next time at which something is to be done, and what arrived is answered.
 *
 * Calls out of time: all calls have the same time-out, so the list of those on their way is in
 * order of their ends, and only its head is looked at. A protocol cannot take a call back: one that
 * is TIMED_OUT is abandoned, which means that its slot stays with the session and the late answer
 * is dropped. A channel from which nothing has come for twice the time-out, with a call abandoned
 * on it as long ago, is given up. A call that was due and found no room in time is NOT_SENT; when
 * far behind, the source is asked for such calls only to drop them, so the rest is on time again.
 *
 * Failure modes: what becomes of connections is in channels.c; when memory runs short calls wait,
 * or are NOT_SENT.
 */
#include "loadgen/worker.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "loadgen/channels.h"

enum {
    TURN_CALLS = 1024, /* asked for in a turn, before sockets get their turn */
    TURN_EVENTS = 512,
    WAITING_MAX = 1 << 20, /* phased: calls that wait for their channels */
    WAKE = UINT32_MAX,     /* data of the event that is no channel's */
};

#define TICK_NS   UINT64_C(250000000)
#define RETRY_NS  UINT64_C(1000000) /* after memory ran short, or a source that had no call */
#define SECOND_NS UINT64_C(1000000000)

struct worker {
    _Alignas(64) struct worker_counts counts;
    _Alignas(64) struct worker_options options;
    struct call_source source;
    struct channels channels;
    struct call_slots slots;
    struct slot_list sent, abandoned, waiting;
    uint64_t in_flight, waiting_count; /* lengths of `sent` and `waiting` */
    uint64_t now_ns, timeout_ns, tick_ns, answered_ns;
    int epoll_fd, wake_fd;
    pthread_t thread;
    bool started;
    atomic_bool finishing, hurried, ended;
    struct epoll_event events[TURN_EVENTS];
};

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* ---- answers ---- */

static void tell(struct worker *w, struct call_slot *s, const struct answer *a)
{
    w->source.answered(w->source.owner, &s->call, a, w->now_ns);
}

static void tell_code(struct worker *w, struct call_slot *s, enum answer_code code)
{
    struct answer a = {.code = code};
    tell(w, s, &a);
}

static void tell_not_sent(struct worker *w, struct call_slot *s)
{
    tell_code(w, s, ANSWER_NOT_SENT);
    call_slots_give(&w->slots, s);
}

static void on_answered(void *owner, struct call *call, const struct answer *a)
{
    struct worker *w = owner;
    struct call_slot *s = slot_of(call);
    w->channels.all[s->channel].calls--;
    if (a->code == ANSWER_RESET)
        w->channels.reset_seen = true;
    if (s->abandoned) {
        slot_list_remove(&w->abandoned, s);
    } else {
        slot_list_remove(&w->sent, s);
        w->in_flight--;
        if (a->code != ANSWER_CLOSED)
            w->answered_ns = w->now_ns;
        tell(w, s, a);
    }
    call_slots_give(&w->slots, s);
}

/* ---- calls that wait ---- */

static void wait_in_line(struct worker *w, struct call_slot *s)
{
    slot_list_append(&w->waiting, s);
    w->waiting_count++;
    if (!w->options.phased)
        return;
    struct channel *c = &w->channels.all[s->call.connection];
    if (c->waiting_first)
        c->waiting_last->behind = s;
    else
        c->waiting_first = s;
    c->waiting_last = s;
}

/* The one that has waited longest, of all or (phased) of its channel. */
static void leave_line(struct worker *w, struct call_slot *s)
{
    slot_list_remove(&w->waiting, s);
    w->waiting_count--;
    if (!w->options.phased)
        return;
    struct channel *c = &w->channels.all[s->call.connection];
    assert(c->waiting_first == s);
    c->waiting_first = s->behind;
    s->behind = NULL;
}

/* True: it was taken, or answered because memory ran short. `in_line`: it waited. */
static bool submit(struct worker *w, struct call_slot *s, uint32_t channel, bool in_line)
{
    s->channel = channel;
    s->call.sent_ns = w->now_ns;
    int rc = channels_submit(&w->channels, channel, &s->call);
    if (rc) {
        s->call.sent_ns = 0;
        if (rc != TLY_ENO_MEMORY)
            return false;
    }
    if (in_line)
        leave_line(w, s);
    if (rc) {
        tell_not_sent(w, s);
    } else {
        slot_list_append(&w->sent, s);
        w->in_flight++;
    }
    return true;
}

/* ---- calls that are due ---- */

static bool overdue(const struct worker *w, const struct call_slot *s)
{
    return s->call.due_ns + w->timeout_ns <= w->now_ns;
}

static void submit_phased(struct worker *w, uint32_t number)
{
    struct channel *c = &w->channels.all[number];
    while (c->waiting_first && c->room && submit(w, c->waiting_first, number, true))
        ;
}

static void submit_waiting(struct worker *w)
{
    uint32_t number;
    while (w->waiting.first && (number = channels_with_room(&w->channels)) != CHANNEL_NONE)
        (void)submit(w, w->waiting.first, number, true);
}

static void place(struct worker *w, struct call_slot *s, uint32_t number)
{
    if (overdue(w, s))
        return tell_not_sent(w, s);
    bool room = number != CHANNEL_NONE;
    if (w->options.phased) {
        number = s->call.connection;
        assert(number < w->channels.count);
        const struct channel *c = &w->channels.all[number];
        room = !c->waiting_first && c->room;
    }
    if (!room || !submit(w, s, number, false))
        wait_in_line(w, s);
}

/* Asks the source. Returns when to ask again. */
static uint64_t pull(struct worker *w)
{
    const struct call_source *source = &w->source;
    bool phased = w->options.phased;
    if (!phased)
        submit_waiting(w);
    for (int i = 0; i < TURN_CALLS; i++) {
        uint32_t number = phased ? CHANNEL_NONE : channels_with_room(&w->channels);
        uint64_t due_ns = source->due_ns(source->owner, w->now_ns);
        if (due_ns > w->now_ns)
            return due_ns;
        if (number == CHANNEL_NONE && !phased && due_ns + w->timeout_ns > w->now_ns)
            return due_ns + w->timeout_ns;
        if (w->waiting_count >= (phased ? WAITING_MAX : 1))
            return UINT64_MAX; /* until one is sent or out of time */
        struct call_slot *s = call_slots_take(&w->slots);
        if (!s)
            return w->now_ns + RETRY_NS;
        if (!source->next(source->owner, w->now_ns, &s->call)) {
            call_slots_give(&w->slots, s);
            return w->now_ns + RETRY_NS;
        }
        s->call.sent_ns = 0;
        place(w, s, number);
    }
    return w->now_ns;
}

/* ---- calls out of time ---- */

static void expire_sent(struct worker *w)
{
    struct call_slot *s;
    while ((s = w->sent.first) && s->call.sent_ns + w->timeout_ns <= w->now_ns) {
        slot_list_remove(&w->sent, s);
        w->in_flight--;
        s->abandoned = true;
        s->check_ns = w->now_ns + w->timeout_ns;
        slot_list_append(&w->abandoned, s);
        tell_code(w, s, ANSWER_TIMED_OUT);
    }
}

static void expire_waiting(struct worker *w)
{
    struct call_slot *s;
    while ((s = w->waiting.first) && overdue(w, s)) {
        leave_line(w, s);
        tell_not_sent(w, s);
    }
}

/* Channels whose peer is silent. Both lists of times grow by the same amount, so the head of the
 * list is the next one to look at. */
static void give_up_silent(struct worker *w)
{
    struct call_slot *s;
    while ((s = w->abandoned.first) && s->check_ns <= w->now_ns) {
        const struct channel *c = &w->channels.all[s->channel];
        if (c->heard_ns + 2 * w->timeout_ns <= w->now_ns) {
            channels_lose(&w->channels, s->channel, ANSWER_CLOSED, ETIMEDOUT);
        } else {
            slot_list_remove(&w->abandoned, s);
            s->check_ns = w->now_ns + w->timeout_ns;
            slot_list_append(&w->abandoned, s);
        }
    }
}

static uint64_t next_expiry_ns(const struct worker *w)
{
    uint64_t at_ns = UINT64_MAX;
    if (w->sent.first)
        at_ns = w->sent.first->call.sent_ns + w->timeout_ns;
    if (w->waiting.first)
        at_ns = earlier(at_ns, w->waiting.first->call.due_ns + w->timeout_ns);
    if (w->abandoned.first)
        at_ns = earlier(at_ns, w->abandoned.first->check_ns);
    return at_ns;
}

/* ---- the loop ---- */

static void publish(struct worker *w)
{
    struct worker_counts *c = &w->counts;
    atomic_store_explicit(&c->in_flight, (unsigned)w->in_flight, memory_order_relaxed);
    atomic_store_explicit(&c->bytes_in, w->channels.bytes_in, memory_order_relaxed);
    atomic_store_explicit(&c->bytes_out, w->channels.bytes_out, memory_order_relaxed);
    atomic_store_explicit(&c->last_answer_ns, w->answered_ns, memory_order_relaxed);
}

static void tick(struct worker *w)
{
    if (w->now_ns < w->tick_ns)
        return;
    w->tick_ns = w->now_ns + TICK_NS;
    if (w->source.tick)
        w->source.tick(w->source.owner, w->now_ns);
}

static void wait_for_events(struct worker *w, uint64_t until_ns)
{
    struct timespec wait = {0};
    if (until_ns > w->now_ns) {
        uint64_t now_ns = clock_monotonic_ns(); /* the turn took its time */
        uint64_t ns = until_ns > now_ns ? until_ns - now_ns : 0;
        wait.tv_sec = (time_t)(ns / SECOND_NS);
        wait.tv_nsec = (long)(ns % SECOND_NS);
    }
    int n = epoll_pwait2(w->epoll_fd, w->events, TURN_EVENTS, &wait, NULL);
    w->now_ns = clock_monotonic_ns();
    for (int i = 0; i < n; i++) {
        uint32_t number = w->events[i].data.u32;
        if (number == WAKE) {
            eventfd_t value;
            (void)eventfd_read(w->wake_fd, &value);
            continue;
        }
        channels_event(&w->channels, number, w->events[i].events);
        if (w->options.phased)
            submit_phased(w, number);
    }
}

static void *run(void *arg)
{
    struct worker *w = arg;
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    w->tick_ns = clock_monotonic_ns() + TICK_NS;
    for (;;) {
        w->now_ns = clock_monotonic_ns();
        bool finishing = atomic_load_explicit(&w->finishing, memory_order_acquire);
        tick(w);
        expire_sent(w);
        expire_waiting(w);
        give_up_silent(w);
        uint64_t until_ns = earlier(w->tick_ns, channels_open(&w->channels));
        if (finishing) {
            if (!w->options.phased)
                submit_waiting(w);
        } else {
            until_ns = earlier(until_ns, pull(w));
        }
        channels_flush(&w->channels);
        publish(w);
        if (finishing && ((!w->in_flight && !w->waiting_count) ||
                          atomic_load_explicit(&w->hurried, memory_order_acquire)))
            break;
        wait_for_events(w, earlier(until_ns, next_expiry_ns(w)));
    }
    atomic_store_explicit(&w->ended, true, memory_order_release);
    return NULL;
}

/* ---- from outside ---- */

int load_worker_create(struct worker **out, const struct worker_options *o,
                       const struct call_source *source, struct error *e)
{
    struct worker *w = aligned_alloc(_Alignof(struct worker), sizeof *w);
    if (!w)
        return error_set(e, TLY_ENO_MEMORY, "threads", "no memory for a worker");
    memset(w, 0, sizeof *w);
    w->options = *o;
    w->source = *source;
    w->timeout_ns = (uint64_t)o->timeout_ms * 1000000u;
    w->now_ns = clock_monotonic_ns();
    w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    w->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = WAKE};
    int rc = 0;
    if (w->epoll_fd < 0 || w->wake_fd < 0 ||
        epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, w->wake_fd, &event))
        rc = error_set(e, TLY_EIO, "threads", "epoll: %s", strerror(errno));
    if (!rc)
        rc = channels_init(&w->channels, &w->options, &w->counts, w->epoll_fd, &w->now_ns, e);
    if (rc) {
        load_worker_destroy(w);
        return rc;
    }
    w->channels.answered = on_answered;
    w->channels.owner = w;
    *out = w;
    return 0;
}

int load_worker_start(struct worker *w, struct error *e)
{
    /* Signals are for the thread that watches the run. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&w->thread, NULL, run, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc)
        return error_set(e, TLY_EIO, "threads", "no further thread: %s", strerror(rc));
    w->started = true;
    pthread_setname_np(w->thread, "load");
    return 0;
}

const struct worker_counts *load_worker_counts(const struct worker *w)
{
    return &w->counts;
}

void load_worker_finish(struct worker *w)
{
    atomic_store_explicit(&w->finishing, true, memory_order_release);
    (void)eventfd_write(w->wake_fd, 1);
}

void load_worker_abandon(struct worker *w)
{
    atomic_store_explicit(&w->hurried, true, memory_order_release);
    (void)eventfd_write(w->wake_fd, 1);
}

bool load_worker_ended(const struct worker *w)
{
    return !w->started || atomic_load_explicit(&w->ended, memory_order_acquire);
}

void load_worker_join(struct worker *w)
{
    if (w->started)
        pthread_join(w->thread, NULL);
    w->started = false;
}

void load_worker_destroy(struct worker *w)
{
    if (!w)
        return;
    if (w->started)
        load_worker_finish(w);
    load_worker_join(w);
    channels_close(&w->channels);
    call_slots_close(&w->slots);
    if (w->epoll_fd >= 0)
        close(w->epoll_fd);
    if (w->wake_fd >= 0)
        close(w->wake_fd);
    free(w);
}
