/* order_load.c - a closed-loop gRPC client for the benchmark's shapes that h2load cannot send: a
 * distinct order_id in every request, many lots, batches. One thread, epoll, nghttp2.
 *
 *   order_load --target 127.0.0.1:7070 --connections 10 --streams 100 --requests 1000000
 *              [--order-ids] [--lots FILE | --lot KEY] [--batch ORDERS]
 *
 * Prints one JSON object: requests and orders per second, outcomes, latency percentiles. Latency is
 * from handing the request to nghttp2 to the end of its stream.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <tally.pb-c.h>
#include <time.h>
#include <unistd.h>

enum {
    ID_DIGITS = 12, /* the part of an order_id that differs */
};
enum { STREAMS_MAX = 4096, OUTPUT_SIZE = 1 << 18, LOT_SIZE = 96, BUCKETS = 64 * 64 };

struct load;

struct request {
    uint8_t *body;
    size_t body_size, body_capacity, body_sent;
    uint64_t start_ns;
    bool ok;
};

struct connection {
    struct load *load;
    int fd;
    nghttp2_session *session;
    struct request *requests; /* one a stream slot */
    uint8_t *pending;         /* bytes the socket did not take */
    size_t pending_size, pending_sent;
    bool wants_out;
};

struct load {
    int epoll;
    unsigned connections, streams, batch;
    uint64_t requests, started, finished, ok, refused;
    bool order_ids;
    bool one_lot;
    struct request pattern; /* one lot: packed once, then copied and given new order_ids */
    size_t *id_places;      /* of the differing digits in it */
    size_t id_count;
    char (*lots)[LOT_SIZE];
    size_t lot_count;
    uint64_t random;
    uint64_t run;
    uint64_t latency[BUCKETS]; /* log-linear, microseconds */
    char authority[64];
    uint8_t buffer[OUTPUT_SIZE];
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "order_load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t next_random(struct load *l)
{
    l->random ^= l->random << 13;
    l->random ^= l->random >> 7;
    l->random ^= l->random << 17;
    return l->random;
}

/* 64 linear steps in each power of two. */
static unsigned bucket_of(uint64_t us)
{
    if (us < 64)
        return (unsigned)us;
    unsigned exponent = 63u - (unsigned)__builtin_clzll(us);
    unsigned bucket = (exponent - 5) * 64 + (unsigned)((us >> (exponent - 6)) & 63);
    return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

static double bucket_us(unsigned bucket)
{
    if (bucket < 64)
        return bucket;
    unsigned exponent = bucket / 64 + 5;
    return (double)((64 + (uint64_t)(bucket % 64)) << (exponent - 6));
}

static double percentile_us(const struct load *l, double share)
{
    uint64_t want = (uint64_t)((double)l->finished * share), seen = 0;
    for (unsigned i = 0; i < BUCKETS; i++) {
        seen += l->latency[i];
        if (seen > want)
            return bucket_us(i);
    }
    return 0;
}

static void write_body(struct request *r, size_t size, void (*pack)(void *message, uint8_t *out),
                       void *message)
{
    if (size + 5 > r->body_capacity) {
        r->body = realloc(r->body, size + 5);
        if (!r->body)
            die("memory");
        r->body_capacity = size + 5;
    }
    r->body[0] = 0;
    uint32_t length = htonl((uint32_t)size);
    memcpy(r->body + 1, &length, 4);
    pack(message, r->body + 5);
    r->body_size = size + 5;
    r->body_sent = 0;
}

static void pack_order(void *message, uint8_t *out)
{
    tally__v1__reserve_request__pack(message, out);
}

static void pack_batch(void *message, uint8_t *out)
{
    tally__v1__reserve_batch_request__pack(message, out);
}

struct order {
    Tally__V1__ReserveRequest message;
    Tally__V1__WantedLine line;
    Tally__V1__WantedLine *lines[1];
    char order_id[48];
    char user_id[16];
};

static void fill_order(struct load *l, struct order *o, uint64_t number)
{
    tally__v1__reserve_request__init(&o->message);
    tally__v1__wanted_line__init(&o->line);
    o->order_id[0] = 0;
    if (l->order_ids)
        snprintf(o->order_id, sizeof o->order_id, "%016" PRIx64 "-%012" PRIu64, l->run, number);
    snprintf(o->user_id, sizeof o->user_id, "u%u", (unsigned)(next_random(l) % 1000000));
    o->line.lot = l->lots[l->lot_count == 1 ? 0 : next_random(l) % l->lot_count];
    o->line.quantity = 1;
    o->lines[0] = &o->line;
    o->message.order_id = o->order_id;
    o->message.user_id = o->user_id;
    o->message.lines = o->lines;
    o->message.n_lines = 1;
}

static void pack_request(struct load *l, struct request *r)
{
    static struct order *orders;
    static Tally__V1__ReserveRequest **pointers;
    uint64_t first = l->started * (l->batch ? l->batch : 1);
    if (!l->batch) {
        struct order o;
        fill_order(l, &o, first);
        write_body(r, tally__v1__reserve_request__get_packed_size(&o.message), pack_order,
                   &o.message);
        return;
    }
    if (!orders) {
        orders = calloc(l->batch, sizeof *orders);
        pointers = calloc(l->batch, sizeof *pointers);
        if (!orders || !pointers)
            die("memory");
    }
    for (unsigned i = 0; i < l->batch; i++) {
        fill_order(l, &orders[i], first + i);
        pointers[i] = &orders[i].message;
    }
    Tally__V1__ReserveBatchRequest batch = TALLY__V1__RESERVE_BATCH_REQUEST__INIT;
    batch.orders = pointers;
    batch.n_orders = l->batch;
    write_body(r, tally__v1__reserve_batch_request__get_packed_size(&batch), pack_batch, &batch);
}

/* Packs one request and finds where its order_ids end, so that the client costs as little as it
 * can, and the same with order_ids as without. */
static void make_pattern(struct load *l)
{
    struct request *p = &l->pattern;
    char run[24];
    int run_size = snprintf(run, sizeof run, "%016" PRIx64 "-", l->run);
    pack_request(l, p);
    l->id_places = calloc(l->batch ? l->batch : 1, sizeof *l->id_places);
    if (!l->id_places)
        die("memory");
    const uint8_t *at = p->body, *end = p->body + p->body_size;
    while (l->order_ids && (at = memmem(at, (size_t)(end - at), run, (size_t)run_size))) {
        at += run_size;
        l->id_places[l->id_count++] = (size_t)(at - p->body);
    }
}

static void write_digits(uint8_t *to, uint64_t number)
{
    for (int i = ID_DIGITS; i-- > 0; number /= 10)
        to[i] = (uint8_t)('0' + number % 10);
}

static void fill_request(struct load *l, struct request *r)
{
    const struct request *p = &l->pattern;
    if (!p->body) {
        pack_request(l, r);
        return;
    }
    if (r->body_capacity < p->body_size) {
        r->body = realloc(r->body, p->body_size);
        if (!r->body)
            die("memory");
        r->body_capacity = p->body_size;
    }
    memcpy(r->body, p->body, p->body_size);
    r->body_size = p->body_size;
    r->body_sent = 0;
    uint64_t first = l->started * (l->batch ? l->batch : 1);
    for (size_t i = 0; i < l->id_count; i++)
        write_digits(r->body + l->id_places[i], first + i);
}

static ssize_t read_body(nghttp2_session *session, int32_t stream, uint8_t *out, size_t size,
                         uint32_t *flags, nghttp2_data_source *source, void *user)
{
    (void)session, (void)stream, (void)user;
    struct request *r = source->ptr;
    size_t left = r->body_size - r->body_sent;
    size_t n = left < size ? left : size;
    memcpy(out, r->body + r->body_sent, n);
    r->body_sent += n;
    if (r->body_sent == r->body_size)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

#define NV(n, v)                                                                                   \
    {                                                                                              \
        (uint8_t *)(n), (uint8_t *)(v), sizeof(n) - 1, strlen(v),                                  \
            NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE                           \
    }

static void start_request(struct connection *c, struct request *r)
{
    struct load *l = c->load;
    if (l->started == l->requests)
        return;
    fill_request(l, r);
    r->ok = false;
    const char *path =
        l->batch ? "/tally.v1.Inventory/ReserveBatch" : "/tally.v1.Inventory/Reserve";
    nghttp2_nv head[] = {NV(":method", "POST"),    NV(":scheme", "http"),
                         NV(":path", path),        NV(":authority", l->authority),
                         NV("te", "trailers"),     NV("content-type", "application/grpc"),
                         NV("grpc-timeout", "60S")};
    nghttp2_data_provider body = {.source.ptr = r, .read_callback = read_body};
    r->start_ns = now_ns();
    if (nghttp2_submit_request(c->session, NULL, head, sizeof head / sizeof head[0], &body, r) < 0)
        die("nghttp2_submit_request");
    l->started++;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *user)
{
    (void)flags, (void)user;
    if (name_size == 11 && memcmp(name, "grpc-status", 11) == 0) {
        struct request *r = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
        if (r)
            r->ok = value_size == 1 && value[0] == '0';
    }
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t code, void *user)
{
    struct connection *c = user;
    struct load *l = c->load;
    struct request *r = nghttp2_session_get_stream_user_data(session, stream);
    (void)code;
    l->latency[bucket_of((now_ns() - r->start_ns) / 1000)]++;
    l->finished++;
    if (r->ok)
        l->ok++;
    else
        l->refused++;
    start_request(c, r);
    return 0;
}

static void watch_output(struct connection *c, bool on)
{
    if (c->wants_out == on)
        return;
    c->wants_out = on;
    struct epoll_event event = {.events = EPOLLIN | (on ? EPOLLOUT : 0), .data.ptr = c};
    if (epoll_ctl(c->load->epoll, EPOLL_CTL_MOD, c->fd, &event))
        die("epoll_ctl");
}

/* True when the socket took everything. */
static bool send_all(struct connection *c, const uint8_t *data, size_t size)
{
    size_t sent = 0;
    while (sent < size) {
        ssize_t n = send(c->fd, data + sent, size - sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0)
            die("send");
        sent += (size_t)n;
    }
    if (sent == size)
        return true;
    memmove(c->pending, data + sent, size - sent);
    c->pending_size = size - sent;
    return false;
}

static void flush_output(struct connection *c)
{
    struct load *l = c->load;
    if (c->pending_size && !send_all(c, c->pending, c->pending_size))
        return;
    c->pending_size = 0;
    for (;;) {
        size_t size = 0;
        const uint8_t *chunk;
        ssize_t n;
        while (size < OUTPUT_SIZE - 32768 &&
               (n = nghttp2_session_mem_send(c->session, &chunk)) > 0) {
            memcpy(l->buffer + size, chunk, (size_t)n);
            size += (size_t)n;
        }
        if (size == 0)
            break;
        if (!send_all(c, l->buffer, size)) {
            watch_output(c, true);
            return;
        }
    }
    watch_output(c, false);
}

static void read_input(struct connection *c)
{
    static uint8_t input[1 << 17];
    for (;;) {
        ssize_t n = recv(c->fd, input, sizeof input, 0);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            fprintf(stderr, "order_load: the server closed a connection\n");
            exit(1);
        }
        if (nghttp2_session_mem_recv(c->session, input, (size_t)n) < 0)
            die("broken HTTP/2 from the server");
        if ((size_t)n < sizeof input)
            return;
    }
}

static void open_connection(struct load *l, struct connection *c, const struct sockaddr_in *to)
{
    c->load = l;
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)to, sizeof *to))
        die("connect");
    int one = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    c->requests = calloc(l->streams, sizeof *c->requests);
    c->pending = malloc(OUTPUT_SIZE);
    nghttp2_session_callbacks *callbacks;
    if (!c->requests || !c->pending || nghttp2_session_callbacks_new(&callbacks))
        die("memory");
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    if (nghttp2_session_client_new(&c->session, callbacks, c))
        die("memory");
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
                                         {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 24}};
    nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, settings, 2);
    nghttp2_session_set_local_window_size(c->session, NGHTTP2_FLAG_NONE, 0, 1 << 28);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &event))
        die("epoll_ctl");
    for (unsigned i = 0; i < l->streams; i++)
        start_request(c, &c->requests[i]);
    flush_output(c);
}

static void read_lots(struct load *l, const char *path)
{
    FILE *f = fopen(path, "r");
    char line[LOT_SIZE];
    size_t capacity = 0;
    if (!f)
        die(path);
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\r\n")] = 0;
        if (l->lot_count == capacity) {
            capacity = capacity ? 2 * capacity : 1024;
            l->lots = realloc(l->lots, capacity * sizeof *l->lots);
            if (!l->lots)
                die("memory");
        }
        memcpy(l->lots[l->lot_count++], line, sizeof line);
    }
    fclose(f);
}

static void parse(struct load *l, int argc, char **argv, struct sockaddr_in *to)
{
    static const struct option options[] = {
        {"target", 1, 0, 't'},   {"connections", 1, 0, 'c'}, {"streams", 1, 0, 'm'},
        {"requests", 1, 0, 'n'}, {"order-ids", 0, 0, 'o'},   {"lot", 1, 0, 'l'},
        {"lots", 1, 0, 'f'},     {"batch", 1, 0, 'b'},       {0}};
    const char *target = "127.0.0.1:7070";
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 't':
            target = optarg;
            break;
        case 'c':
            l->connections = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'm':
            l->streams = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'n':
            l->requests = strtoull(optarg, NULL, 10);
            break;
        case 'o':
            l->order_ids = true;
            break;
        case 'b':
            l->batch = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'f':
            read_lots(l, optarg);
            break;
        case 'l':
            l->lots = calloc(1, sizeof *l->lots);
            if (!l->lots)
                die("memory");
            snprintf(l->lots[0], LOT_SIZE, "%s", optarg);
            l->lot_count = 1;
            l->one_lot = true;
            break;
        default:
            exit(2);
        }
    }
    snprintf(l->authority, sizeof l->authority, "%s", target);
    char host[64];
    snprintf(host, sizeof host, "%s", target);
    char *colon = strrchr(host, ':');
    if (!colon || !l->lot_count || l->streams > STREAMS_MAX) {
        fprintf(stderr, "order_load: needs --target HOST:PORT and --lot or --lots\n");
        exit(2);
    }
    *colon = 0;
    *to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(colon + 1))};
    if (inet_pton(AF_INET, host, &to->sin_addr) != 1) {
        fprintf(stderr, "order_load: %s is not an IPv4 address\n", host);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    static struct load l = {.connections = 10, .streams = 100, .requests = 100000};
    struct sockaddr_in to;
    parse(&l, argc, argv, &to);
    struct rlimit files = {0};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    l.run = now_ns() ^ ((uint64_t)getpid() << 40);
    l.random = l.run | 1;
    l.epoll = epoll_create1(0);
    struct connection *connections = calloc(l.connections, sizeof *connections);
    if (l.epoll < 0 || !connections)
        die("start");
    if (l.one_lot)
        make_pattern(&l);
    uint64_t start = now_ns();
    for (unsigned i = 0; i < l.connections; i++)
        open_connection(&l, &connections[i], &to);
    struct epoll_event events[256];
    while (l.finished < l.requests) {
        int n = epoll_wait(l.epoll, events, 256, 60000);
        if (n == 0) {
            fprintf(stderr, "order_load: no answer for a minute\n");
            return 1;
        }
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                read_input(c);
            flush_output(c);
        }
    }
    double seconds = (double)(now_ns() - start) / 1e9;
    printf("{\"requests_per_s\": %.0f, \"orders_per_s\": %.0f, \"ok\": %" PRIu64
           ", \"refused\": %" PRIu64 ", \"p50_us\": %.0f, \"p99_us\": %.0f, \"p999_us\": %.0f}\n",
           (double)l.finished / seconds, (double)l.finished * (l.batch ? l.batch : 1) / seconds,
           l.ok, l.refused, percentile_us(&l, 0.5), percentile_us(&l, 0.99),
           percentile_us(&l, 0.999));
    return 0;
}
