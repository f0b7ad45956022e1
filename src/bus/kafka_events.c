/* kafka_events.c - the publisher's thread.
 *
 * Happy path, a turn: read the log up to what the window has room for; give each move to the
 * idempotent producer, once for each of its lots; take delivery reports; store the cursor now and
 * then. It sleeps until a report or a commit comes.
 *
 * Failure: brokers that are not there are waited for, with the window full: the log keeps what
 * comes meanwhile. A message that the brokers refuse for good, or a producer that has lost its
 * place: all is thrown away and begins again from the cursor, so that no later event of a lot
 * overtakes an earlier one. Of the ledger: read again later.
 */
#include "bus/kafka_events.h"

#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "bus/event.h"
#include "bus/kafka_client.h"

enum {
    WINDOW = 4096,        /* moves read and not acknowledged; a power of two */
    MESSAGES_MAX = 16384, /* the same in messages, a little more at times, */
    BYTES_MAX = 32 << 20, /* and in bytes */
    READ_MAX = 512,       /* moves in one read of the log */
    CURSOR_MS = 500,      /* between two times that it is stored */
    TROUBLE_MS = 1000,    /* until something is tried again */
    SHARED_LOOK_MS = 50,  /* other nodes' commits wake nobody here */
    IDLE_MS = 1000,
    GRACE_MS = 2000, /* for what is under way, at a stop */
    EVENT_BYTES_MAX = 1 << 20,
};

#define NS_PER_MS UINT64_C(1000000)

/* A move in the window; what a delivery report points to. */
struct flight {
    struct kafka_events *owner;
    int64_t seq, at_ms;
    uint32_t left; /* messages that are not acknowledged */
};

struct kafka_events {
    struct kafka_teller teller; /* first: librdkafka's opaque */
    struct kafka_events_config config;
    char *brokers, *topic, *source, *group; /* what config points to */
    struct event_namer namer;
    int event_fd;
    _Atomic bool waits; /* for the next commit */
    _Atomic bool stopping;
    pthread_t thread;
    bool running;

    /* the thread's */
    rd_kafka_t *producer;
    rd_kafka_t *member; /* of the group that elects; NULL: there is no election */
    bool elected;
    bool broken; /* the producer is to be made anew */
    struct flight flights[WINDOW];
    uint32_t first, count;   /* of flights */
    int64_t messages, bytes; /* under way */
    int64_t read_upto, cursor, cursor_stored;
    uint64_t cursor_due_ns, read_due_ns, producer_due_ns;

#define X(name, kind, help) _Atomic int64_t name;
    struct {
        KAFKA_EVENTS_STATS(X)
    } counters;
#undef X
};

static void add(_Atomic int64_t *counter, int64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static void set(_Atomic int64_t *gauge, int64_t n)
{
    atomic_store_explicit(gauge, n, memory_order_relaxed);
}

static void tell(struct kafka_events *k, const char *event, const char *text)
{
    if (k->config.tell)
        k->config.tell(k->config.context, event, text);
}

static int64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- delivery ---- */

static void move_cursor(struct kafka_events *k)
{
    while (k->count && k->flights[k->first].left == 0) {
        k->cursor = k->flights[k->first].seq;
        k->first = (k->first + 1) % WINDOW;
        k->count--;
    }
    if (k->count == 0)
        k->cursor = k->read_upto;
}

/* From rd_kafka_poll(), on the thread. */
static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    struct flight *f = m->_private;
    struct kafka_events *k = f->owner;
    (void)rk;
    (void)opaque;
    k->messages--;
    k->bytes -= (int64_t)m->len;
    if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        add(&k->counters.delivered_total, 1);
        f->left--;
        return;
    }
    add(&k->counters.failed_total, 1);
    if (!k->broken && m->err != RD_KAFKA_RESP_ERR__PURGE_QUEUE)
        tell(k, "kafka.event_refused", rd_kafka_err2str(m->err));
    k->broken = true;
}

static void set_wake(rd_kafka_t *rk, int fd)
{
    static const uint64_t one = 1;
    rd_kafka_queue_t *q = rd_kafka_queue_get_main(rk);
    rd_kafka_queue_io_event_enable(q, fd, &one, sizeof one);
    rd_kafka_queue_destroy(q);
}

static int open_producer(struct kafka_events *k, struct error *e)
{
    const struct kafka_option options[] = {
        {"enable.idempotence", "true"},
        {"enable.gapless.guarantee", "true"}, /* one that fails takes all behind it */
        {"message.timeout.ms", "0"},          /* the log waits, not the client */
        {"linger.ms", "5"},
        {"partitioner", "murmur2_random"}, /* where the Java client puts a key */
        {"queue.buffering.max.messages", "65536"},
        {"queue.buffering.max.kbytes", "131072"},
    };
    rd_kafka_conf_t *conf = kafka_conf(k->brokers, KAFKA_OPTIONS(options), k, e);
    if (!conf)
        return TLY_EINVALID_ARGUMENT;
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    int code = kafka_open(&k->producer, RD_KAFKA_PRODUCER, conf, e);
    if (code == 0)
        set_wake(k->producer, k->event_fd);
    return code;
}

static void close_producer(struct kafka_events *k)
{
    if (!k->producer)
        return;
    rd_kafka_purge(k->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    k->broken = true; /* what comes now tells nothing */
    rd_kafka_flush(k->producer, 0);
    while (rd_kafka_poll(k->producer, 0) > 0) {
    }
    rd_kafka_destroy(k->producer);
    k->producer = NULL;
}

/* What is under way is given up; take_up() begins again from the stored cursor. */
static void put_down(struct kafka_events *k)
{
    close_producer(k);
    k->first = k->count = 0;
    k->messages = k->bytes = 0;
    k->broken = false;
}

/* ---- sending ---- */

struct reading {
    struct kafka_events *k;
    int64_t end;
    int failed;
};

static int produce(struct kafka_events *k, struct flight *f, struct str key, struct str value)
{
    rd_kafka_resp_err_t code = rd_kafka_producev(
        k->producer, RD_KAFKA_V_TOPIC(k->topic), RD_KAFKA_V_KEY(key.p, key.len),
        RD_KAFKA_V_VALUE((void *)value.p, value.len), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_HEADER("content-type", "application/cloudevents+json", -1), RD_KAFKA_V_OPAQUE(f),
        RD_KAFKA_V_END);
    if (code)
        return TLY_EUNAVAILABLE;
    f->left++;
    k->messages++;
    k->bytes += value.len;
    add(&k->counters.sent_total, 1);
    return 0;
}

/* To each lot of the move; a lot stands in a move once. */
static int send_event(struct kafka_events *k, struct flight *f, const struct move *m,
                      struct str value)
{
    char number[DECIMAL_MAX + 1];
    const struct line *lines = m->line_count > 1 ? m->lines : &m->line;
    if (m->line_count == 0) {
        struct str key = {0};
        if (m->sale && m->sale_terms && m->kind == MOVE_SALE)
            key = m->sale_terms->sale_id;
        else
            key = (struct str){number,
                               (uint32_t)snprintf(number, sizeof number, "%" PRId64,
                                                  m->group_id ? m->group_id : m->reservation_id)};
        return produce(k, f, key, value);
    }
    for (uint32_t i = 0; i < m->line_count; i++) {
        const struct lot_dims *dims =
            m->dims ? m->dims : k->config.lot_dims(k->config.context, lines[i].lot);
        int code = produce(k, f, dims ? dims->key : STR("?"), value);
        if (code)
            return code;
    }
    return 0;
}

static int add_move(void *context, const struct move *m)
{
    char buffer[2048];
    struct reading *r = context;
    struct kafka_events *k = r->k;
    struct arena a;
    struct writer text;
    struct str json;
    if (m->seq > r->end)
        return 1; /* not known to be committed yet */
    arena_init(&a, buffer, sizeof buffer, EVENT_BYTES_MAX);
    writer_init(&text, &a, 1024);
    event_put_json(&text, m, &k->namer);
    r->failed = writer_result(&text, &json);
    if (r->failed == 0) {
        struct flight *f = &k->flights[(k->first + k->count++) % WINDOW];
        *f = (struct flight){.owner = k, .seq = m->seq, .at_ms = m->at_ms};
        r->failed = send_event(k, f, m, json);
        f->left += r->failed != 0; /* the cursor does not pass it */
        k->read_upto = m->seq;
    }
    arena_close(&a);
    return r->failed || k->count == WINDOW || k->messages >= MESSAGES_MAX || k->bytes >= BYTES_MAX;
}

static bool has_room(const struct kafka_events *k)
{
    return k->count < WINDOW && k->messages < MESSAGES_MAX && k->bytes < BYTES_MAX;
}

/* True: there is more to read at once. */
static bool read_log(struct kafka_events *k, uint64_t now_ns)
{
    struct ledger *l = k->config.ledger;
    struct error e = {0};
    struct reading r = {.k = k, .end = l->ops->log_end(l)};
    if (r.end <= k->read_upto || now_ns < k->read_due_ns || !has_room(k))
        return false;
    int got = l->ops->read_log(l, k->read_upto, READ_MAX, add_move, &r, &e);
    if (r.failed) {
        k->broken = true;
    } else if (got < 0) {
        add(&k->counters.read_errors_total, 1);
        k->read_due_ns = now_ns + TROUBLE_MS * NS_PER_MS;
    } else if (got < READ_MAX && has_room(k)) {
        k->read_upto = r.end;
        return false;
    }
    return !k->broken && got >= 0 && has_room(k);
}

/* ---- who publishes ---- */

static bool has_first(const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++) {
        if (list->elems[i].partition == 0)
            return true;
    }
    return false;
}

/* The group is there for its assignment alone: nothing is fetched. */
static void on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t code,
                         rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct kafka_events *k = opaque;
    bool gained = code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    rd_kafka_assign(rk, gained ? list : NULL);
    if (gained)
        rd_kafka_pause_partitions(rk, list);
    k->elected = gained && has_first(list);
}

static int open_member(struct kafka_events *k, struct error *e)
{
    const struct kafka_option options[] = {
        {"group.id", k->group},
        {"session.timeout.ms", "10000"},
        {"enable.auto.commit", "false"},
        {"auto.offset.reset", "latest"},
        {"allow.auto.create.topics", "true"},
        {"partition.assignment.strategy", "range"},
        {"topic.metadata.refresh.interval.ms", "5000"},
    };
    rd_kafka_conf_t *conf = kafka_conf(k->brokers, KAFKA_OPTIONS(options), k, e);
    if (!conf)
        return TLY_EINVALID_ARGUMENT;
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    int code = kafka_open(&k->member, RD_KAFKA_CONSUMER, conf, e);
    if (code)
        return code;
    rd_kafka_poll_set_consumer(k->member);
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, k->topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_subscribe(k->member, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    return 0;
}

static void hear_member(struct kafka_events *k)
{
    rd_kafka_message_t *m;
    while (k->member && (m = rd_kafka_consumer_poll(k->member, 0)))
        rd_kafka_message_destroy(m); /* an error, or nothing of ours */
}

/* Another node may have published meanwhile: begin where the ledger says. */
static bool take_up(struct kafka_events *k)
{
    struct ledger *l = k->config.ledger;
    struct error e = {0};
    int64_t cursor;
    if (l->ops->cursor_get(l, KAFKA_READER, &cursor, &e) || open_producer(k, &e)) {
        tell(k, "kafka.trouble", e.text);
        k->producer_due_ns = clock_monotonic_ns() + TROUBLE_MS * NS_PER_MS;
        return false;
    }
    k->read_upto = k->cursor = k->cursor_stored = cursor;
    k->first = k->count = 0;
    return true;
}

/* ---- the thread ---- */

static void store_cursor(struct kafka_events *k, uint64_t now_ns)
{
    struct ledger *l = k->config.ledger;
    struct error e;
    move_cursor(k);
    if (k->cursor <= k->cursor_stored || now_ns < k->cursor_due_ns || k->broken)
        return;
    if (l->ops->cursor_set(l, KAFKA_READER, k->cursor, &e) == 0)
        k->cursor_stored = k->cursor;
    k->cursor_due_ns = clock_monotonic_ns() + CURSOR_MS * NS_PER_MS;
}

static void show(struct kafka_events *k)
{
    int64_t behind_ms = k->count ? wall_ms() - k->flights[k->first].at_ms : 0;
    set(&k->counters.under_way, k->messages);
    set(&k->counters.publisher, k->producer != NULL);
    set(&k->counters.behind_ms, behind_ms > 0 ? behind_ms : 0);
}

static bool lost_its_place(struct kafka_events *k)
{
    char why[200];
    if (rd_kafka_fatal_error(k->producer, why, sizeof why) == RD_KAFKA_RESP_ERR_NO_ERROR)
        return k->broken;
    if (!k->broken)
        tell(k, "kafka.began_again", why);
    return true;
}

/* True: there is more to do at once. */
static bool turn(struct kafka_events *k, uint64_t now_ns)
{
    hear_member(k);
    bool wanted = k->elected || !k->member;
    if (!wanted && k->producer) {
        store_cursor(k, UINT64_MAX);
        put_down(k);
    }
    if (wanted && !k->producer && (now_ns < k->producer_due_ns || !take_up(k)))
        return false;
    if (!k->producer)
        return false;
    while (rd_kafka_poll(k->producer, 0) > 0) {
    }
    store_cursor(k, now_ns);
    if (lost_its_place(k)) {
        put_down(k);
        add(&k->counters.restarts_total, 1);
        k->producer_due_ns = now_ns + TROUBLE_MS * NS_PER_MS;
        return false;
    }
    return read_log(k, now_ns);
}

/* The fence, with the one in kafka_events_committed(): either that sees that this thread waits, or
 * this one that the log has grown. */
static bool may_sleep(struct kafka_events *k)
{
    struct ledger *l = k->config.ledger;
    atomic_store_explicit(&k->waits, true, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
    return !k->producer || !has_room(k) || l->ops->log_end(l) <= k->read_upto;
}

static int sleep_ms(const struct kafka_events *k)
{
    if (k->member)
        return SHARED_LOOK_MS;
    if (!k->producer || k->count || k->cursor != k->cursor_stored)
        return CURSOR_MS / 2;
    return IDLE_MS;
}

static void *run(void *context)
{
    struct kafka_events *k = context;
    eventfd_t ignored;
    pthread_setname_np(pthread_self(), "tally-kafka");
    while (!atomic_load(&k->stopping)) {
        bool more = turn(k, clock_monotonic_ns());
        show(k);
        struct pollfd fd = {.fd = k->event_fd, .events = POLLIN};
        int timeout_ms = more || !may_sleep(k) ? 0 : sleep_ms(k);
        if (k->read_due_ns > clock_monotonic_ns())
            timeout_ms = CURSOR_MS / 2;
        if (poll(&fd, 1, timeout_ms) > 0)
            (void)eventfd_read(k->event_fd, &ignored);
        atomic_store_explicit(&k->waits, false, memory_order_relaxed);
    }
    if (k->producer) {
        rd_kafka_flush(k->producer, GRACE_MS);
        store_cursor(k, UINT64_MAX);
        close_producer(k);
    }
    if (k->member) {
        rd_kafka_consumer_close(k->member);
        rd_kafka_destroy(k->member);
        k->member = NULL;
    }
    return NULL;
}

/* ---- life ---- */

int kafka_events_create(struct kafka_events **out, const struct kafka_events_config *config,
                        struct error *e)
{
    struct kafka_events *k = calloc(1, sizeof *k);
    *out = NULL;
    if (!k)
        return error_set(e, TLY_ENO_MEMORY, "events", "no memory for events");
    k->config = *config;
    k->teller = (struct kafka_teller){.tell = config->tell, .context = config->context};
    k->brokers = strdup(config->brokers);
    k->topic = strdup(config->topic);
    k->source = strdup(config->source);
    k->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!k->brokers || !k->topic || !k->source || k->event_fd < 0 ||
        asprintf(&k->group, "%s.publisher", k->topic) < 0) {
        kafka_events_destroy(k);
        return error_set(e, TLY_ENO_MEMORY, "events", "no memory for events");
    }
    k->namer = (struct event_namer){
        .source = str_of(k->source), .lot_dims = config->lot_dims, .context = config->context};
    *out = k;
    return 0;
}

int kafka_events_start(struct kafka_events *k, struct error *e)
{
    struct ledger *l = k->config.ledger;
    int64_t cursor;
    int code = l->ops->cursor_get(l, KAFKA_READER, &cursor, e);
    if (code == TLY_ENOT_FOUND)
        code = l->ops->cursor_set(l, KAFKA_READER, l->ops->log_end(l), e);
    if (code == 0 && l->traits.shared)
        code = open_member(k, e);
    if (code)
        return code;
    code = pthread_create(&k->thread, NULL, run, k);
    if (code)
        return error_set(e, TLY_ENO_MEMORY, "events", "cannot start a thread: %s", strerror(code));
    k->running = true;
    return 0;
}

void kafka_events_committed(struct kafka_events *k)
{
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&k->waits, memory_order_relaxed) &&
        atomic_exchange_explicit(&k->waits, false, memory_order_relaxed))
        (void)eventfd_write(k->event_fd, 1);
}

void kafka_events_stats(struct kafka_events *k, struct kafka_events_stats *out)
{
#define X(name, kind, help)                                                                        \
    out->name = atomic_load_explicit(&k->counters.name, memory_order_relaxed);
    KAFKA_EVENTS_STATS(X)
#undef X
}

void kafka_events_stop(struct kafka_events *k)
{
    if (!k || !k->running)
        return;
    atomic_store(&k->stopping, true);
    (void)eventfd_write(k->event_fd, 1);
    pthread_join(k->thread, NULL);
    k->running = false;
}

void kafka_events_destroy(struct kafka_events *k)
{
    if (!k)
        return;
    kafka_events_stop(k);
    if (k->member)
        rd_kafka_destroy(k->member);
    if (k->event_fd >= 0)
        close(k->event_fd);
    free(k->brokers);
    free(k->topic);
    free(k->source);
    free(k->group);
    free(k);
}

int kafka_events_forget(struct ledger *ledger, struct error *e)
{
    int64_t cursor;
    int code = ledger->ops->cursor_get(ledger, KAFKA_READER, &cursor, e);
    if (code == TLY_ENOT_FOUND)
        return 0;
    return code ? code : ledger->ops->cursor_set(ledger, KAFKA_READER, -1, e);
}
