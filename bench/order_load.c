/* order_load.c - a closed-loop gRPC client for the benchmark's shapes that h2load cannot send: a
 * distinct order_id and user in every request, many lots, batches, sales and their groups. One
 * thread, epoll, nghttp2.
 *
 *   order_load --target 127.0.0.1:7070 --connections 10 --streams 100 --requests 1000000
 *              [--order-ids] [--users] [--lots FILE | --lot KEY] [--batch ORDERS]
 *              [--groups FILE] [--expire-at UNIX_MS [--expire-over MS]]
 *   order_load ... --create-sales COUNT --lot KEY --group-size MEMBERS
 *   order_load ... --open-groups COUNT_OF_SALES --requests COUNT --groups FILE
 *
 * The last one writes the groups to FILE, in the order in which they are answered; with orders,
 * FILE is what they join: all groups in an order of their own, then all again.
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
#include <time.h>
#include <unistd.h>

#include "order_text.h"

enum { STREAMS_MAX = 4096, OUTPUT_SIZE = 1 << 18, ANSWER_SIZE = 512, BUCKETS = 64 * 64 };

struct load;

struct request {
    struct order_body body;
    uint64_t number;
    uint64_t start_ns;
    uint8_t *answer; /* kept only where something of it is wanted */
    size_t answer_size;
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
    unsigned connections, streams;
    uint64_t requests, started, finished, ok, refused;
    struct order_text text;
    FILE *groups;              /* where those that were opened are written */
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

static ssize_t read_body(nghttp2_session *session, int32_t stream, uint8_t *out, size_t size,
                         uint32_t *flags, nghttp2_data_source *source, void *user)
{
    (void)session, (void)stream, (void)user;
    struct order_body *b = source->ptr;
    size_t left = b->size - b->sent;
    size_t n = left < size ? left : size;
    memcpy(out, b->bytes + b->sent, n);
    b->sent += n;
    if (b->sent == b->size)
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
    r->number = l->started;
    order_text_fill(&l->text, r->number, &r->body);
    r->answer_size = 0;
    r->ok = false;
    const char *path = order_text_path(&l->text);
    nghttp2_nv head[] = {NV(":method", "POST"),    NV(":scheme", "http"),
                         NV(":path", path),        NV(":authority", l->authority),
                         NV("te", "trailers"),     NV("content-type", "application/grpc"),
                         NV("grpc-timeout", "60S")};
    nghttp2_data_provider body = {.source.ptr = &r->body, .read_callback = read_body};
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

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data,
                   size_t size, void *user)
{
    (void)flags, (void)user;
    struct request *r = nghttp2_session_get_stream_user_data(session, stream);
    if (!r || size > ANSWER_SIZE - r->answer_size)
        return 0;
    if (!r->answer && !(r->answer = malloc(ANSWER_SIZE)))
        die("memory");
    memcpy(r->answer + r->answer_size, data, size);
    r->answer_size += size;
    return 0;
}

static void note_group(struct load *l, const struct request *r)
{
    char sale_id[SALE_ID_SIZE], group_id[GROUP_ID_SIZE];
    if (!r->ok || !order_text_group(r->answer, r->answer_size, group_id))
        return;
    order_text_sale_id((unsigned)(r->number % l->text.sales), sale_id);
    fprintf(l->groups, "%s %s\n", sale_id, group_id);
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
    if (l->groups)
        note_group(l, r);
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
    if (l->groups)
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
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

/* Lines of a file, each handed to take(). */
static void read_lines(struct load *l, const char *path, void (*take)(struct load *, const char *))
{
    FILE *f = fopen(path, "r");
    char line[LOT_SIZE];
    if (!f)
        die(path);
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\r\n")] = 0;
        take(l, line);
    }
    fclose(f);
}

/* Room for one more of an array that doubles. */
static void *one_more(void *array, size_t count, size_t size)
{
    if (count & (count - 1)) /* not a power of two */
        return array;
    void *grown = realloc(array, (count ? 2 * count : 1) * size);
    if (!grown)
        die("memory");
    return grown;
}

static void take_lot(struct load *l, const char *line)
{
    struct order_text *t = &l->text;
    t->lots = one_more(t->lots, t->lot_count, sizeof *t->lots);
    snprintf(t->lots[t->lot_count++], LOT_SIZE, "%s", line);
}

static void take_group(struct load *l, const char *line)
{
    struct order_text *t = &l->text;
    t->groups = one_more(t->groups, t->group_count, sizeof *t->groups);
    struct order_group *g = &t->groups[t->group_count++];
    if (sscanf(line, "%15s %23s", g->sale_id, g->group_id) != 2 ||
        strlen(g->sale_id) != strlen(t->groups[0].sale_id) ||
        strlen(g->group_id) != strlen(t->groups[0].group_id)) {
        fprintf(stderr, "order_load: '%s' is not a sale and a group\n", line);
        exit(1);
    }
}

/* Fisher and Yates; the same order each time. */
static void shuffle_groups(struct order_text *t)
{
    uint64_t random = 88172645463325252u;
    for (size_t i = t->group_count; i > 1; i--) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        struct order_group *a = &t->groups[i - 1], *b = &t->groups[random % i], kept = *a;
        *a = *b;
        *b = kept;
    }
}

static void use_groups(struct load *l, const char *path)
{
    if (!path)
        return;
    if (l->text.call == CALL_OPEN_GROUPS) {
        l->groups = fopen(path, "w");
        if (!l->groups)
            die(path);
        return;
    }
    read_lines(l, path, take_group);
    shuffle_groups(&l->text);
}

static void take_option(struct load *l, int option, const char *value, const char **target,
                        const char **groups)
{
    struct order_text *t = &l->text;
    uint64_t number = value ? strtoull(value, NULL, 10) : 0;
    switch (option) {
    case 't':
        *target = value;
        break;
    case 'c':
        l->connections = (unsigned)number;
        break;
    case 'm':
        l->streams = (unsigned)number;
        break;
    case 'n':
        l->requests = number;
        break;
    case 'o':
        t->order_ids = true;
        break;
    case 'u':
        t->users = true;
        break;
    case 'b':
        t->batch = (unsigned)number;
        t->call = CALL_RESERVE_BATCH;
        break;
    case 'f':
        read_lines(l, value, take_lot);
        break;
    case 'l':
        take_lot(l, value);
        t->alike = true;
        break;
    case 'g':
        *groups = value;
        break;
    case 'x':
        t->expire_at_ms = (int64_t)number;
        break;
    case 'y':
        t->expire_over_ms = (int64_t)number;
        break;
    case 's':
        l->requests = number;
        t->call = CALL_CREATE_SALES;
        break;
    case 'z':
        t->group_size = (unsigned)number;
        break;
    case 'p':
        t->sales = (unsigned)number;
        t->call = CALL_OPEN_GROUPS;
        break;
    default:
        exit(2);
    }
}

static void parse(struct load *l, int argc, char **argv, struct sockaddr_in *to)
{
    static const struct option options[] = {{"target", 1, 0, 't'},       {"connections", 1, 0, 'c'},
                                            {"streams", 1, 0, 'm'},      {"requests", 1, 0, 'n'},
                                            {"order-ids", 0, 0, 'o'},    {"users", 0, 0, 'u'},
                                            {"lot", 1, 0, 'l'},          {"lots", 1, 0, 'f'},
                                            {"batch", 1, 0, 'b'},        {"groups", 1, 0, 'g'},
                                            {"expire-at", 1, 0, 'x'},    {"expire-over", 1, 0, 'y'},
                                            {"create-sales", 1, 0, 's'}, {"group-size", 1, 0, 'z'},
                                            {"open-groups", 1, 0, 'p'},  {0}};
    const char *target = "127.0.0.1:7070", *groups = NULL;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        take_option(l, option, optarg, &target, &groups);
    use_groups(l, groups);
    snprintf(l->authority, sizeof l->authority, "%s", target);
    char host[64];
    snprintf(host, sizeof host, "%s", target);
    char *colon = strrchr(host, ':');
    bool sold = l->text.call == CALL_OPEN_GROUPS ? l->text.sales > 0 : l->text.lot_count > 0;
    if (!colon || !sold || l->streams > STREAMS_MAX) {
        fprintf(stderr, "order_load: needs --target HOST:PORT and --lot or --lots, or sales\n");
        exit(2);
    }
    *colon = 0;
    *to = (struct sockaddr_in){.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10))};
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
    l.text.run = now_ns() ^ ((uint64_t)getpid() << 40);
    l.text.order_count = l.requests * (l.text.call == CALL_RESERVE_BATCH ? l.text.batch : 1);
    order_text_init(&l.text);
    l.epoll = epoll_create1(0);
    struct connection *connections = calloc(l.connections, sizeof *connections);
    if (l.epoll < 0 || !connections)
        die("start");
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
    unsigned orders = l.text.call == CALL_RESERVE_BATCH ? l.text.batch : 1;
    if (l.groups && fclose(l.groups))
        die("the file of groups");
    printf("{\"requests_per_s\": %.0f, \"orders_per_s\": %.0f, \"ok\": %" PRIu64
           ", \"refused\": %" PRIu64 ", \"p50_us\": %.0f, \"p99_us\": %.0f, \"p999_us\": %.0f}\n",
           (double)l.finished / seconds, (double)l.finished * orders / seconds, l.ok, l.refused,
           percentile_us(&l, 0.5), percentile_us(&l, 0.99), percentile_us(&l, 0.999));
    return 0;
}
