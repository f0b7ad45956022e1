/* audit_ask.c - many calls through a worker, closed loop, each until it is settled.
 *
 * Happy path: next() gives a call, the worker sends it, answered() settles it. A call that is not
 * settled waits in a ring and is asked again after a pause; the same pause for all, so the ring is
 * in order of time. Calls that are on their way or in the ring are at most RING.
 *
 * Failure modes: no worker can be made; the caller interrupts; nothing is settled for wait_ms.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "loadgen/audit_internal.h"

enum { RING = 4096, AGAIN_MS = 50, TURN_MS = 5, PROGRESS_MS = 250 };

#define MS_NS UINT64_C(1000000)

struct asker {
    const struct ask *ask;
    struct call *ring; /* RING of them: to be asked again, in order of due_ns */
    uint32_t head, count;
    uint32_t in_flight;
    bool exhausted; /* next() said that was all */
    /* Read by the thread that waits. */
    atomic_bool done;
    atomic_ullong settled, good_ns; /* calls; when the last good answer came */
    atomic_int failure;             /* the last enum answer_code that was of no use */
};

static uint64_t ask_due_ns(void *owner, uint64_t now_ns)
{
    struct asker *s = owner;
    if (s->count > 0 && s->ring[s->head].due_ns <= now_ns)
        return now_ns;
    if (!s->exhausted && s->in_flight + s->count < RING)
        return now_ns;
    if (s->exhausted && s->in_flight == 0 && s->count == 0)
        atomic_store(&s->done, true);
    return s->count > 0 ? s->ring[s->head].due_ns : UINT64_MAX;
}

static bool ask_next(void *owner, uint64_t now_ns, struct call *out)
{
    struct asker *s = owner;
    if (s->count > 0 && s->ring[s->head].due_ns <= now_ns) {
        *out = s->ring[s->head];
        s->head = (s->head + 1) % RING;
        s->count--;
    } else if (s->exhausted || s->in_flight + s->count == RING) {
        return false;
    } else {
        *out = (struct call){0};
        if (!s->ask->next(s->ask->owner, out)) {
            s->exhausted = true;
            return false;
        }
    }
    out->due_ns = now_ns;
    s->in_flight++;
    return true;
}

static void ask_answered(void *owner, const struct call *call, const struct answer *answer,
                         uint64_t now_ns)
{
    struct asker *s = owner;
    s->in_flight--;
    enum ask_result result = s->ask->answered(s->ask->owner, call, answer);
    if (result == ASK_FAILED)
        atomic_store(&s->failure, (int)answer->code);
    else
        atomic_store(&s->good_ns, now_ns);
    if (result == ASK_SETTLED) {
        atomic_fetch_add(&s->settled, 1);
        return;
    }
    struct call *again = &s->ring[(s->head + s->count++) % RING];
    *again = *call;
    again->due_ns = now_ns + AGAIN_MS * MS_NS;
    again->sent_ns = 0;
}

static bool stalled(struct audit *a, const struct ask *ask, struct asker *s, struct worker *w)
{
    const struct worker_counts *counts = load_worker_counts(w);
    int problem = atomic_load(&counts->connect_error);
    int failure = atomic_load(&s->failure);
    char why[100] = "";
    if (atomic_load(&counts->connected) == 0 && problem)
        snprintf(why, sizeof(why), ": %s", strerror(problem));
    else if (failure != ANSWER_OK)
        snprintf(why, sizeof(why), ": %s", answer_text((enum answer_code)failure));
    return audit_give_up(a, "no answer for %u s while %s%s", a->in->wait_ms / 1000, ask->step, why);
}

/* Until all is settled. */
static bool attend(struct audit *a, const struct ask *ask, struct asker *s, struct worker *w)
{
    const struct audit_input *in = a->in;
    uint64_t shown_ns = 0;
    while (!atomic_load(&s->done)) {
        nanosleep(&(struct timespec){.tv_nsec = TURN_MS * (long)MS_NS}, NULL);
        uint64_t now_ns = clock_monotonic_ns(), good_ns = atomic_load(&s->good_ns);
        if (now_ns > good_ns && now_ns - good_ns > in->wait_ms * MS_NS)
            return stalled(a, ask, s, w);
        if (!in->progress || now_ns - shown_ns < PROGRESS_MS * MS_NS)
            continue;
        shown_ns = now_ns;
        if (in->progress(in->owner, ask->step, atomic_load(&s->settled), ask->total))
            return audit_give_up(a, "it was interrupted");
    }
    return true;
}

bool audit_ask(struct audit *a, const struct ask *ask)
{
    struct asker s = {.ask = ask, .ring = calloc(RING, sizeof(*s.ring))};
    if (!s.ring)
        return audit_give_up(a, "out of memory");
    atomic_store(&s.good_ns, clock_monotonic_ns());
    struct call_source source = {
        .due_ns = ask_due_ns, .next = ask_next, .answered = ask_answered, .owner = &s};
    struct protocol_target target = *a->in->worker.target;
    target.streams = ASK_STREAMS;
    target.timeout_ms = ASK_TIMEOUT_MS;
    struct worker_options options = a->in->worker;
    options.target = &target;
    options.connections = options.connects_max = ASK_CONNECTIONS;
    options.first = 0;
    options.sources = 0;
    options.timeout_ms = ASK_TIMEOUT_MS;
    options.phased = false;

    struct error e = {0};
    struct worker *w = NULL;
    bool good = false;
    if (load_worker_create(&w, &options, &source, &e) || load_worker_start(w, &e)) {
        audit_give_up(a, "%s", e.text);
    } else {
        good = attend(a, ask, &s, w);
        load_worker_finish(w);
        load_worker_join(w);
    }
    load_worker_destroy(w);
    free(s.ring);
    return good;
}
