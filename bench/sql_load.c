/* sql_load.c - orders against one stock row of a MariaDB server, by many clients that each have one
 * order on its way: what sysbench cannot do, which does not see whether an UPDATE hit a row and
 * takes a thread for each client. One thread, epoll, prepared statements, libmariadb's
 * non-blocking calls.
 *
 *   sql_load --port 3306 --clients 16 --how version|condition|recorded [--warm-up S] [--seconds S]
 *
 * version:   SELECT stock and version, UPDATE if the version is still the same, until it was
 * condition: UPDATE if there is stock
 * recorded:  CALL take(order_id): in one transaction the order's row, then the stock
 *
 * Prints one JSON object. An order counts when it succeeded within the measured seconds; its
 * latency is from its first statement to its success, repeats and all. Orders that are on their way
 * at the end are told with the age of the oldest one, and p99_ms counts them if that makes it
 * larger: otherwise a server that lets most of its clients starve would show the times of the few
 * others. The connections and statements are made one after another before the clock starts.
 */
#include <errmsg.h>
#include <errno.h>
#include <getopt.h>
#include <mysql.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>

enum how { HOW_VERSION, HOW_CONDITION, HOW_RECORDED, HOW_COUNT };
static const char *const HOW_NAMES[HOW_COUNT] = {"version", "condition", "recorded"};

enum { EVENTS = 512, ORDER_ID_SIZE = 33 };

enum step { STEP_READ, STEP_STORE, STEP_WRITE };

struct client {
    MYSQL *server;
    MYSQL_STMT *read, *write;
    enum step step;
    uint32_t events; /* that epoll waits for */
    int64_t stock, version;
    char order_id[ORDER_ID_SIZE];
    unsigned long order_id_size;
    uint64_t start_ns;
};

struct load {
    enum how how;
    unsigned port, number;
    double warm_up_s, measured_s;
    struct client *clients;
    int epoll;
    uint64_t run, next_order, begin_ns, end_ns;
    uint64_t repeats, failures, finished; /* finished: also before the measured time */
    unsigned last_error;
    double *latency_ms; /* of the orders that count */
    size_t orders, capacity;
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static _Noreturn void die(const char *what, const char *why)
{
    fprintf(stderr, "sql_load: %s: %s\n", what, why);
    exit(1);
}

static void count(struct load *l, uint64_t start_ns, uint64_t now)
{
    l->finished++;
    if (now < l->begin_ns || now >= l->end_ns)
        return;
    if (l->orders == l->capacity) {
        l->capacity = l->capacity ? l->capacity * 2 : 1 << 16;
        l->latency_ms = realloc(l->latency_ms, l->capacity * sizeof(*l->latency_ms));
        if (!l->latency_ms)
            die("memory", strerror(errno));
    }
    l->latency_ms[l->orders++] = (double)(now - start_ns) / 1e6;
}

static void begin_order(struct load *l, struct client *c, uint64_t now)
{
    c->start_ns = now;
    int size = snprintf(c->order_id, sizeof(c->order_id), "%016llx%016llx",
                        (unsigned long long)l->run, (unsigned long long)l->next_order++);
    c->order_id_size = (unsigned long)size;
    c->step = l->how == HOW_VERSION ? STEP_READ : STEP_WRITE;
}

/* The statement of this step was answered: what comes next? */
static void answered(struct load *l, struct client *c, bool failed)
{
    MYSQL_STMT *statement = c->step == STEP_WRITE ? c->write : c->read;
    if (failed) { /* a lock's time-out: the same order again */
        l->failures++;
        l->last_error = mysql_stmt_errno(statement);
        if (l->last_error >= CR_MIN_ERROR && l->last_error <= CR_MAX_ERROR)
            die("the server is gone", mysql_stmt_error(statement));
        c->step = l->how == HOW_VERSION ? STEP_READ : STEP_WRITE;
        return;
    }
    switch (c->step) {
    case STEP_READ:
        c->step = STEP_STORE;
        return;
    case STEP_STORE:
        if (mysql_stmt_fetch(c->read))
            die("SELECT", mysql_stmt_error(c->read));
        mysql_stmt_free_result(c->read);
        c->step = STEP_WRITE;
        return;
    case STEP_WRITE:
        if (l->how != HOW_RECORDED && mysql_stmt_affected_rows(c->write) != 1) {
            if (l->how == HOW_CONDITION)
                die("UPDATE", "the stock is used up");
            l->repeats++;
            c->step = STEP_READ;
            return;
        }
        uint64_t now = now_ns();
        count(l, c->start_ns, now);
        begin_order(l, c, now);
    }
}

static void wait_for(struct load *l, struct client *c, int status)
{
    uint32_t events = (status & MYSQL_WAIT_WRITE ? (uint32_t)EPOLLOUT : 0) |
                      (status & MYSQL_WAIT_READ ? (uint32_t)EPOLLIN : 0);
    if (events == c->events)
        return;
    struct epoll_event event = {.events = events, .data.ptr = c};
    int how = c->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (epoll_ctl(l->epoll, how, mysql_get_socket(c->server), &event))
        die("epoll_ctl", strerror(errno));
    c->events = events;
}

/* Goes on until the client has to wait for the server. ready: MYSQL_WAIT_ bits, or 0 to start. */
static void go_on(struct load *l, struct client *c, int ready)
{
    for (;;) {
        int failed = 0, status;
        switch (c->step) {
        case STEP_READ:
            status = ready ? mysql_stmt_execute_cont(&failed, c->read, ready)
                           : mysql_stmt_execute_start(&failed, c->read);
            break;
        case STEP_STORE:
            status = ready ? mysql_stmt_store_result_cont(&failed, c->read, ready)
                           : mysql_stmt_store_result_start(&failed, c->read);
            break;
        default:
            status = ready ? mysql_stmt_execute_cont(&failed, c->write, ready)
                           : mysql_stmt_execute_start(&failed, c->write);
        }
        if (status) {
            wait_for(l, c, status);
            return;
        }
        answered(l, c, failed != 0);
        ready = 0;
    }
}

static MYSQL_STMT *prepare(struct client *c, const char *text)
{
    MYSQL_STMT *statement = mysql_stmt_init(c->server);
    if (!statement || mysql_stmt_prepare(statement, text, (unsigned long)strlen(text)))
        die(text, statement ? mysql_stmt_error(statement) : mysql_error(c->server));
    return statement;
}

static void connect_client(struct load *l, struct client *c)
{
    c->server = mysql_init(NULL);
    if (!c->server || mysql_optionsv(c->server, MYSQL_OPT_NONBLOCK, NULL))
        die("mysql_init", "no memory");
    if (!mysql_real_connect(c->server, "127.0.0.1", "bench", "bench", "shop", l->port, NULL, 0))
        die("connect", mysql_error(c->server));
    MYSQL_BIND parameter = {0};
    if (l->how == HOW_VERSION) {
        c->read = prepare(c, "SELECT stock, version FROM stock WHERE id = 1");
        c->write = prepare(c, "UPDATE stock SET stock = stock - 1, version = version + 1 "
                              "WHERE id = 1 AND stock >= 1 AND version = ?");
        MYSQL_BIND columns[2] = {
            {.buffer_type = MYSQL_TYPE_LONGLONG, .buffer = &c->stock},
            {.buffer_type = MYSQL_TYPE_LONGLONG, .buffer = &c->version},
        };
        if (mysql_stmt_bind_result(c->read, columns))
            die("bind", mysql_stmt_error(c->read));
        parameter.buffer_type = MYSQL_TYPE_LONGLONG;
        parameter.buffer = &c->version;
    } else if (l->how == HOW_RECORDED) {
        c->write = prepare(c, "CALL take(?)");
        parameter.buffer_type = MYSQL_TYPE_STRING;
        parameter.buffer = c->order_id;
        parameter.buffer_length = sizeof(c->order_id);
        parameter.length = &c->order_id_size;
    } else {
        c->write = prepare(c, "UPDATE stock SET stock = stock - 1 WHERE id = 1 AND stock >= 1");
    }
    if (l->how != HOW_CONDITION && mysql_stmt_bind_param(c->write, &parameter))
        die("bind", mysql_stmt_error(c->write));
}

static void run(struct load *l)
{
    struct epoll_event events[EVENTS];
    uint64_t now = now_ns();
    l->begin_ns = now + (uint64_t)(l->warm_up_s * 1e9);
    l->end_ns = l->begin_ns + (uint64_t)(l->measured_s * 1e9);
    for (unsigned i = 0; i < l->number; i++) {
        begin_order(l, &l->clients[i], now_ns());
        go_on(l, &l->clients[i], 0);
    }
    while ((now = now_ns()) < l->end_ns) {
        int left_ms = (int)((l->end_ns - now) / 1000000) + 1;
        int ready = epoll_wait(l->epoll, events, EVENTS, left_ms);
        if (ready < 0 && errno != EINTR)
            die("epoll_wait", strerror(errno));
        for (int i = 0; i < ready; i++) {
            int bits = (events[i].events & EPOLLOUT ? MYSQL_WAIT_WRITE : 0) |
                       (events[i].events & ~(uint32_t)EPOLLOUT ? MYSQL_WAIT_READ : 0);
            go_on(l, events[i].data.ptr, bits);
        }
    }
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double percentile(const double *sorted, size_t n, double share)
{
    return n == 0 ? 0 : sorted[(size_t)(share * (double)(n - 1) + 0.5)];
}

static void report(struct load *l)
{
    size_t all = l->orders + l->number;
    double *with_unfinished = malloc(all * sizeof(double));
    if (!with_unfinished)
        die("memory", strerror(errno));
    double oldest_ms = 0;
    for (unsigned i = 0; i < l->number; i++) {
        uint64_t start = l->clients[i].start_ns;
        double age_ms = start < l->end_ns ? (double)(l->end_ns - start) / 1e6 : 0;
        oldest_ms = age_ms > oldest_ms ? age_ms : oldest_ms;
        with_unfinished[i] = age_ms;
    }
    if (l->orders) {
        memcpy(with_unfinished + l->number, l->latency_ms, l->orders * sizeof(double));
        qsort(l->latency_ms, l->orders, sizeof(double), by_size);
    }
    qsort(with_unfinished, all, sizeof(double), by_size);
    double p99 = percentile(l->latency_ms, l->orders, 0.99);
    double at_least = percentile(with_unfinished, all, 0.99);
    bool starved = at_least > 1.1 * p99;
    printf("{\"how\": \"%s\", \"clients\": %u, \"seconds\": %g, \"orders\": %zu, \"orders_per_s\": "
           "%.2f, "
           "\"p50_ms\": %.3f, \"p99_ms\": %.3f, \"p99_at_least\": %s, \"finished\": %llu, "
           "\"repeats\": %llu, \"failures\": %llu, \"last_error\": %u, \"oldest_ms\": %.1f}\n",
           HOW_NAMES[l->how], l->number, l->measured_s, l->orders,
           (double)l->orders / l->measured_s, percentile(l->latency_ms, l->orders, 0.5),
           starved ? at_least : p99, starved ? "true" : "false", (unsigned long long)l->finished,
           (unsigned long long)l->repeats, (unsigned long long)l->failures, l->last_error,
           oldest_ms);
    free(with_unfinished);
}

static void parse(struct load *l, int argc, char **argv)
{
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},    {"clients", required_argument, NULL, 'c'},
        {"how", required_argument, NULL, 'h'},     {"warm-up", required_argument, NULL, 'w'},
        {"seconds", required_argument, NULL, 's'}, {0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'p':
            l->port = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'c':
            l->number = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'w':
            l->warm_up_s = strtod(optarg, NULL);
            break;
        case 's':
            l->measured_s = strtod(optarg, NULL);
            break;
        case 'h':
            for (l->how = 0; l->how < HOW_COUNT && strcmp(optarg, HOW_NAMES[l->how]) != 0;)
                l->how++;
            break;
        default:
            exit(2);
        }
    }
    if (!l->port || !l->number || l->how == HOW_COUNT || l->measured_s <= 0)
        die("usage", "--port N --clients N --how version|condition|recorded");
}

int main(int argc, char **argv)
{
    struct load l = {.how = HOW_COUNT, .warm_up_s = 1, .measured_s = 3};
    parse(&l, argc, argv);
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    l.run = now_ns();
    l.epoll = epoll_create1(EPOLL_CLOEXEC);
    l.clients = calloc(l.number, sizeof(*l.clients));
    if (l.epoll < 0 || !l.clients || mysql_library_init(0, NULL, NULL))
        die("start", strerror(errno));
    uint64_t start = now_ns();
    for (unsigned i = 0; i < l.number; i++)
        connect_client(&l, &l.clients[i]);
    fprintf(stderr, "%u clients connected in %.1f s\n", l.number, (double)(now_ns() - start) / 1e9);
    run(&l);
    report(&l);
    return 0; /* the end of the process closes the connections, whatever they wait for */
}
