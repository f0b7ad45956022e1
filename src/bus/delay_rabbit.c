/* delay_rabbit.c - the delay line over RabbitMQ, on a thread of its own.
 *
 * Happy path: put() writes into the outbox, the thread publishes what is in it (mandatory, with
 * confirms, at most UNCONFIRMED_MAX at a time), the broker hands the message back when its time is
 * up, it goes out, and is acknowledged when it is done.
 *
 * Failure: a connection that cannot be made, or is lost, is made again after a pause that grows;
 * what was not confirmed counts as lost, since whoever needs it notices (delay.h). A broker that is
 * blocked gets nothing until it says that it is not. One that refuses or returns a message: lost.
 * What was out when its connection went comes out again, and its acknowledgement is dropped.
 */
#include "bus/delay_rabbit.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mailbox.h"
#include "bus/rabbit_link.h"

enum {
    UNCONFIRMED_MAX = 1024, /* of at most 600 bytes each: they fit into the socket's buffer */
    PREFETCH = 512,
    CLASSES = 24, /* of delays, each twice as long as the one before */
    QUEUE_LENGTH_MAX = 1000000,
    QUEUE_EXPIRES_MS = 24 * 3600 * 1000, /* of a node that is gone */
    PAUSE_MS_MIN = 100,
    PAUSE_MS_MAX = 5000,
    TURN_MS_MAX = RABBIT_HEARTBEAT_S * 1000 / 4,
    NAME_SIZE = 160,
};

#define NS_PER_MS UINT64_C(1000000)

/* A message that waits to be sent. */
struct parcel {
    uint8_t size, class;
    char text[DELAY_TEXT_MAX];
};

/* One that is out. */
struct arrived {
    struct delay_message message; /* first */
    struct mail mail;
    uint64_t epoch; /* of the connection that it came with */
    int code;
};

struct rabbit_delay {
    struct delay port; /* first */
    struct delay_rabbit_config config;
    char *texts[6]; /* what config points to */
    struct mailbox done;
    int event_fd;

    pthread_mutex_t lock;
    struct parcel *outbox; /* guarded: a ring */
    uint32_t first, count; /* guarded */
    bool open;             /* guarded: the broker is connected, and takes messages */

    /* the thread's */
    struct rabbit_link out, in;
    bool pending[UNCONFIRMED_MAX]; /* by tag: sent, and not confirmed */
    uint64_t lowest;               /* the lowest tag that is; all from here to the last one sent
                                      fit into `pending` */
    uint64_t unconfirmed;          /* how many are */
    bool declared[CLASSES];
    uint64_t epoch;
    uint64_t connect_due_ns, connected_ns;
    int64_t pause_ms;
    char due_exchange[NAME_SIZE], due_queue[NAME_SIZE];

    _Atomic bool stopping;
    pthread_t thread;
    bool running;

#define X(name, kind, help) _Atomic int64_t name;
    struct {
        DELAY_STATS(X)
    } counters;
#undef X
};

static struct rabbit_delay *self(struct delay *d)
{
    return (struct rabbit_delay *)d;
}

static void add(_Atomic int64_t *counter, int64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static void set(_Atomic int64_t *gauge, int64_t n)
{
    atomic_store_explicit(gauge, n, memory_order_relaxed);
}

/* ---- any thread ---- */

static void wake(struct rabbit_delay *d)
{
    (void)eventfd_write(d->event_fd, 1);
}

/* The shortest of our delays that is long enough. */
static uint8_t class_of(const struct rabbit_delay *d, int64_t delay_ms)
{
    uint8_t class = 0;
    while (class + 1 < CLASSES && d->config.delay_ms << class < delay_ms)
        class ++;
    return class;
}

static int on_put(struct delay *port, struct str text, int64_t delay_ms)
{
    struct rabbit_delay *d = self(port);
    int code = 0;
    pthread_mutex_lock(&d->lock);
    bool first = d->count == 0;
    if (!d->open) {
        code = TLY_EUNAVAILABLE;
    } else if (d->count == d->config.messages_max || text.len > DELAY_TEXT_MAX) {
        code = TLY_EFULL;
    } else {
        struct parcel *p = &d->outbox[(d->first + d->count++) % d->config.messages_max];
        p->size = (uint8_t)text.len;
        p->class = class_of(d, delay_ms);
        memcpy(p->text, text.p, text.len);
    }
    pthread_mutex_unlock(&d->lock);
    add(code ? &d->counters.refused_total : &d->counters.put_total, 1);
    if (code == 0 && first)
        wake(d);
    return code;
}

static void on_done(struct delay *port, struct delay_message *m, int code)
{
    struct rabbit_delay *d = self(port);
    struct arrived *a = (struct arrived *)m;
    struct mail_chain chain = {0};
    a->code = code;
    mail_chain_add(&chain, &a->mail);
    if (mailbox_push(&d->done, &chain))
        wake(d);
}

static void on_stats(struct delay *port, struct delay_stats *out)
{
    struct rabbit_delay *d = self(port);
#define X(name, kind, help)                                                                        \
    out->name = atomic_load_explicit(&d->counters.name, memory_order_relaxed);
    DELAY_STATS(X)
#undef X
}

/* ---- connections ---- */

static void set_open(struct rabbit_delay *d, bool open)
{
    pthread_mutex_lock(&d->lock);
    d->open = open;
    if (!open) { /* whoever needs them notices; old ones are of no use later */
        add(&d->counters.lost_total, d->count);
        d->count = 0;
    }
    pthread_mutex_unlock(&d->lock);
}

static void disconnect(struct rabbit_delay *d, const char *why)
{
    uint64_t random = 0;
    set_open(d, false);
    add(&d->counters.lost_total, (int64_t)d->unconfirmed);
    d->unconfirmed = 0;
    rabbit_link_close(&d->out);
    rabbit_link_close(&d->in);
    d->epoch++;
    d->pause_ms = d->pause_ms < PAUSE_MS_MAX / 2 ? d->pause_ms * 2 : PAUSE_MS_MAX;
    if (random_bytes(&random, sizeof random))
        random = 0;
    int64_t pause_ms = d->pause_ms / 2 + (int64_t)(random % (uint64_t)d->pause_ms) / 2;
    d->connect_due_ns = clock_monotonic_ns() + (uint64_t)pause_ms * NS_PER_MS;
    if (d->config.tell && (atomic_load(&d->counters.connected) || d->epoch == 1))
        d->config.tell(d->config.context, false, why);
    set(&d->counters.connected, 0);
    set(&d->counters.blocked, 0);
}

static int declare_due(struct rabbit_delay *d)
{
    const struct rabbit_queue due = {.quorum = d->config.quorum, .expires_ms = QUEUE_EXPIRES_MS};
    int code = rabbit_link_exchange(&d->in, d->due_exchange, "direct");
    if (code == 0)
        code = rabbit_link_queue(&d->in, d->due_queue, &due);
    if (code == 0)
        code = rabbit_link_bind(&d->in, d->due_queue, d->due_exchange, d->config.name);
    if (code == 0)
        code = rabbit_link_consume(&d->in, d->due_queue, PREFETCH);
    return code;
}

static void wait_name(const struct rabbit_delay *d, uint8_t class, char name[NAME_SIZE])
{
    snprintf(name, NAME_SIZE, "%s.wait.%lldms", d->config.prefix,
             (long long)d->config.delay_ms << class);
}

static int declare_wait(struct rabbit_delay *d, uint8_t class)
{
    char name[NAME_SIZE];
    const struct rabbit_queue wait = {.quorum = d->config.quorum,
                                      .ttl_ms = d->config.delay_ms << class,
                                      .length_max = QUEUE_LENGTH_MAX,
                                      .dead_letters = d->due_exchange};
    wait_name(d, class, name);
    int code = rabbit_link_exchange(&d->out, name, "fanout");
    if (code == 0)
        code = rabbit_link_queue(&d->out, name, &wait);
    if (code == 0)
        code = rabbit_link_bind(&d->out, name, name, "");
    d->declared[class] = code == 0;
    return code;
}

static void connect_links(struct rabbit_delay *d)
{
    const struct rabbit_place place = {.host = d->config.host,
                                       .port = d->config.port,
                                       .user = d->config.user,
                                       .password = d->config.password,
                                       .vhost = d->config.vhost};
    struct error e = {0};
    int code = rabbit_link_open(&d->in, &place, false, DELAY_TEXT_MAX, &e);
    if (code == 0)
        code = rabbit_link_open(&d->out, &place, true, DELAY_TEXT_MAX, &e);
    memset(d->declared, 0, sizeof d->declared);
    if (code == 0 && (declare_due(d) || declare_wait(d, 0)))
        code = error_set(&e, TLY_EIO, "bus", "%.200s", *d->in.why ? d->in.why : d->out.why);
    if (code) {
        disconnect(d, e.text);
        return;
    }
    memset(d->pending, 0, sizeof d->pending);
    d->lowest = 1;
    d->connected_ns = clock_monotonic_ns();
    add(&d->counters.connects_total, 1);
    set(&d->counters.connected, 1);
    set_open(d, true);
    if (d->config.tell)
        d->config.tell(d->config.context, true, "connected");
}

/* ---- what goes and comes ---- */

static bool take_parcel(struct rabbit_delay *d, struct parcel *out)
{
    pthread_mutex_lock(&d->lock);
    bool there = d->count > 0;
    if (there) {
        *out = d->outbox[d->first];
        d->first = (d->first + 1) % d->config.messages_max;
        d->count--;
    }
    pthread_mutex_unlock(&d->lock);
    return there;
}

static void publish(struct rabbit_delay *d)
{
    struct parcel p;
    char name[NAME_SIZE];
    while (d->out.connection && !d->out.blocked && d->out.sent - d->lowest + 1 < UNCONFIRMED_MAX &&
           take_parcel(d, &p)) {
        int code = d->declared[p.class] ? 0 : declare_wait(d, p.class);
        wait_name(d, p.class, name);
        if (code == 0)
            code = rabbit_link_publish(&d->out, name, d->config.name, (struct str){p.text, p.size},
                                       d->config.quorum);
        if (code) {
            add(&d->counters.lost_total, 1);
            disconnect(d, d->out.why);
            return;
        }
        d->pending[d->out.sent % UNCONFIRMED_MAX] = true;
        d->unconfirmed++;
    }
}

/* The broker settles in any order; `multiple` speaks for all up to the tag. */
static void settle(struct rabbit_delay *d, const struct rabbit_event *event, bool taken)
{
    int64_t settled = 0;
    if (event->tag < d->lowest || event->tag > d->out.sent)
        return;
    for (uint64_t tag = event->multiple ? d->lowest : event->tag; tag <= event->tag; tag++) {
        settled += d->pending[tag % UNCONFIRMED_MAX];
        d->pending[tag % UNCONFIRMED_MAX] = false;
    }
    while (d->lowest <= d->out.sent && !d->pending[d->lowest % UNCONFIRMED_MAX])
        d->lowest++;
    d->unconfirmed -= (uint64_t)settled;
    add(taken ? &d->counters.confirmed_total : &d->counters.lost_total, settled);
}

/* The out link's news; false: it is lost. */
static bool hear_out(struct rabbit_delay *d)
{
    struct rabbit_event event;
    bool was_blocked = d->out.blocked;
    for (;;) {
        switch (rabbit_link_next(&d->out, &event)) {
        case RABBIT_CONFIRMED:
            settle(d, &event, true);
            break;
        case RABBIT_REFUSED:
            settle(d, &event, false);
            break;
        case RABBIT_RETURNED: /* its queue was deleted; a confirm follows */
            add(&d->counters.lost_total, 1);
            memset(d->declared, 0, sizeof d->declared);
            break;
        case RABBIT_LOST:
            return false;
        case RABBIT_DELIVERED:
            break;
        case RABBIT_NOTHING:
            if (d->out.blocked != was_blocked)
                set_open(d, !d->out.blocked);
            set(&d->counters.blocked, d->out.blocked);
            return true;
        }
    }
}

static void hand_out(struct rabbit_delay *d, const struct rabbit_event *event)
{
    struct arrived *a = calloc(1, sizeof *a);
    if (!a || event->cut || event->body.len > DELAY_TEXT_MAX) {
        free(a);
        if (rabbit_link_ack(&d->in, event->tag)) /* nobody can use it */
            disconnect(d, d->in.why);
        return;
    }
    a->epoch = d->epoch;
    a->message.line = &d->port;
    a->message.tag = event->tag;
    a->message.size = event->body.len;
    memcpy(a->message.text, event->body.p, event->body.len);
    add(&d->counters.out_total, 1);
    d->config.out(d->config.context, &a->message);
}

static bool hear_in(struct rabbit_delay *d)
{
    struct rabbit_event event;
    uint64_t epoch = d->epoch;
    while (d->epoch == epoch) {
        enum rabbit_news news = rabbit_link_next(&d->in, &event);
        if (news == RABBIT_LOST)
            return false;
        if (news == RABBIT_NOTHING)
            break;
        if (news == RABBIT_DELIVERED)
            hand_out(d, &event);
    }
    return true;
}

static void settle_done(struct rabbit_delay *d)
{
    struct mail *mail = mailbox_take(&d->done);
    while (mail) {
        struct arrived *a = MAIL_OF(mail, struct arrived);
        mail = mail->next;
        int code = 0;
        if (a->epoch == d->epoch && d->in.connection)
            code = a->code ? rabbit_link_nack(&d->in, a->message.tag)
                           : rabbit_link_ack(&d->in, a->message.tag);
        free(a);
        if (code)
            disconnect(d, d->in.why);
    }
}

/* ---- the thread ---- */

static void wait_for_news(struct rabbit_delay *d)
{
    uint64_t now_ns = clock_monotonic_ns();
    int timeout_ms = TURN_MS_MAX;
    eventfd_t ignored;
    struct pollfd fds[] = {{.fd = d->event_fd, .events = POLLIN},
                           {.fd = rabbit_link_fd(&d->out), .events = POLLIN},
                           {.fd = rabbit_link_fd(&d->in), .events = POLLIN}};
    if (!d->out.connection)
        timeout_ms =
            d->connect_due_ns > now_ns ? (int)((d->connect_due_ns - now_ns) / NS_PER_MS) + 1 : 0;
    if (poll(fds, 3, timeout_ms) > 0 && fds[0].revents)
        (void)eventfd_read(d->event_fd, &ignored);
}

static void turn(struct rabbit_delay *d)
{
    if (!d->out.connection && clock_monotonic_ns() >= d->connect_due_ns)
        connect_links(d);
    settle_done(d);
    if (!d->out.connection)
        return;
    if (!hear_out(d)) {
        disconnect(d, d->out.why);
        return;
    }
    if (!hear_in(d)) {
        disconnect(d, d->in.why);
        return;
    }
    if (clock_monotonic_ns() - d->connected_ns > PAUSE_MS_MAX * NS_PER_MS)
        d->pause_ms = PAUSE_MS_MIN; /* it works, and what was declared is right */
    publish(d);
}

static void *run(void *context)
{
    struct rabbit_delay *d = context;
    pthread_setname_np(pthread_self(), "tally-rabbit");
    while (!atomic_load(&d->stopping)) {
        turn(d);
        pthread_mutex_lock(&d->lock);
        set(&d->counters.waiting, (int64_t)(d->count + d->unconfirmed));
        pthread_mutex_unlock(&d->lock);
        wait_for_news(d);
    }
    settle_done(d);
    set_open(d, false);
    rabbit_link_close(&d->out);
    rabbit_link_close(&d->in);
    d->epoch++;
    return NULL;
}

/* ---- life ---- */

static int on_start(struct delay *port, struct error *e)
{
    struct rabbit_delay *d = self(port);
    int code = pthread_create(&d->thread, NULL, run, d);
    if (code)
        return error_set(e, TLY_ENO_MEMORY, "bus", "cannot start a thread: %s", strerror(code));
    d->running = true;
    return 0;
}

static void on_stop(struct delay *port)
{
    struct rabbit_delay *d = self(port);
    atomic_store(&d->stopping, true);
    wake(d);
    if (d->running)
        pthread_join(d->thread, NULL);
    d->running = false;
    set(&d->counters.connected, 0);
}

static void on_destroy(struct delay *port)
{
    if (!port)
        return;
    struct rabbit_delay *d = self(port);
    on_stop(port);
    settle_done(d);
    if (d->event_fd >= 0)
        close(d->event_fd);
    for (size_t i = 0; i < sizeof d->texts / sizeof d->texts[0]; i++)
        free(d->texts[i]);
    free(d->outbox);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

static const struct delay_ops ops = {.start = on_start,
                                     .put = on_put,
                                     .done = on_done,
                                     .stats = on_stats,
                                     .stop = on_stop,
                                     .destroy = on_destroy};

static bool copy_texts(struct rabbit_delay *d)
{
    const char **from[] = {&d->config.host,  &d->config.user,   &d->config.password,
                           &d->config.vhost, &d->config.prefix, &d->config.name};
    for (size_t i = 0; i < sizeof from / sizeof from[0]; i++) {
        d->texts[i] = strdup(*from[i]);
        *from[i] = d->texts[i];
        if (!d->texts[i])
            return false;
    }
    snprintf(d->due_exchange, sizeof d->due_exchange, "%s.due", d->config.prefix);
    snprintf(d->due_queue, sizeof d->due_queue, "%s.due.%s", d->config.prefix, d->config.name);
    return true;
}

int delay_rabbit_create(struct delay **out, const struct delay_rabbit_config *config,
                        struct error *e)
{
    struct rabbit_delay *d = NULL;
    *out = NULL;
    if (posix_memalign((void **)&d, 64, sizeof *d) != 0)
        return error_set(e, TLY_ENO_MEMORY, "bus", "no memory for the delay line");
    memset(d, 0, sizeof *d);
    d->port.ops = &ops;
    d->config = *config;
    d->pause_ms = PAUSE_MS_MIN;
    d->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    d->outbox = calloc(config->messages_max, sizeof *d->outbox);
    pthread_mutex_init(&d->lock, NULL);
    if (!copy_texts(d) || !d->outbox || d->event_fd < 0) {
        on_destroy(&d->port);
        return error_set(e, TLY_ENO_MEMORY, "bus", "no memory for the delay line");
    }
    *out = &d->port;
    return 0;
}
