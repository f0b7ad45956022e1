/* The webhook's thread, against a receiver of the test's own. */
#include "fixture.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bus/webhook.h"
#include "fake_log.h"
#include "ledger_rig.h"

enum { SEEN_MAX = 512 };

/* Takes one request a connection, and answers with a status by the event's id. */
struct receiver {
    pthread_t thread;
    int socket;
    uint16_t port;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int64_t seen[SEEN_MAX]; /* ids, as they came */
    int count;
    int (*status)(int64_t id, int times);
    char location[64];
    bool stop;
};

static int times_of(const struct receiver *r, int64_t id)
{
    int times = 0;
    for (int i = 0; i < r->count; i++)
        times += r->seen[i] == id;
    return times;
}

static size_t read_request(int fd, char *text, size_t size)
{
    size_t got = 0;
    while (got + 1 < size) {
        ssize_t n = recv(fd, text + got, size - 1 - got, 0);
        if (n <= 0)
            return 0;
        got += (size_t)n;
        text[got] = 0;
        const char *body = strstr(text, "\r\n\r\n"), *length = strstr(text, "Content-Length: ");
        if (body && length &&
            strlen(body + 4) >= (size_t)strtol(length + strlen("Content-Length: "), NULL, 10))
            return got;
    }
    return got;
}

static void serve_one(struct receiver *r, int fd)
{
    char text[8192], answer[256];
    if (!read_request(fd, text, sizeof text))
        return;
    const char *name = strstr(text, "webhook-id: ");
    assert_non_null(name);
    int64_t id = strtoll(name + strlen("webhook-id: "), NULL, 10);
    pthread_mutex_lock(&r->lock);
    if (r->count < SEEN_MAX)
        r->seen[r->count++] = id;
    int status = r->status(id, times_of(r, id));
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    int size = snprintf(answer, sizeof answer,
                        "HTTP/1.1 %d x\r\nContent-Length: 0\r\nConnection: close\r\n%s\r\n", status,
                        r->location);
    assert_int_equal(send(fd, answer, (size_t)size, MSG_NOSIGNAL), size);
}

static void *receive(void *context)
{
    struct receiver *r = context;
    for (;;) {
        int fd = accept(r->socket, NULL, NULL);
        if (fd < 0)
            return NULL;
        serve_one(r, fd);
        close(fd);
    }
}

static int take_all(int64_t id, int times)
{
    (void)id;
    (void)times;
    return 204;
}

static void receiver_open(struct receiver *r)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    memset(r, 0, sizeof *r);
    r->status = take_all;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->changed, NULL);
    r->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(r->socket, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(r->socket, 64), 0);
    assert_int_equal(getsockname(r->socket, (struct sockaddr *)&a, &size), 0);
    r->port = ntohs(a.sin_port);
    assert_int_equal(pthread_create(&r->thread, NULL, receive, r), 0);
}

static void receiver_close(struct receiver *r)
{
    shutdown(r->socket, SHUT_RDWR);
    pthread_join(r->thread, NULL);
    close(r->socket);
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
}

/* Waits until so many requests have come. */
static void wait_for(struct receiver *r, int count)
{
    pthread_mutex_lock(&r->lock);
    while (r->count < count)
        pthread_cond_wait(&r->changed, &r->lock);
    pthread_mutex_unlock(&r->lock);
}

static int requests(struct receiver *r)
{
    pthread_mutex_lock(&r->lock);
    int count = r->count;
    pthread_mutex_unlock(&r->lock);
    return count;
}

static struct fake_log fake;

struct rig_webhook {
    struct receiver receiver;
    char dir[256];
    char url[64];
    struct webhook_config config;
    struct webhook *webhook;
};

static int open_rig(void **state)
{
    struct rig_webhook *rig = calloc(1, sizeof *rig);
    fake_log_init(&fake);
    receiver_open(&rig->receiver);
    rig_new_folder(rig->dir);
    snprintf(rig->url, sizeof rig->url, "http://127.0.0.1:%u/hook", rig->receiver.port);
    rig->config = (struct webhook_config){.ledger = &fake.port,
                                          .dir = rig->dir,
                                          .url = rig->url,
                                          .secrets = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                                          .ca_file = "",
                                          .source = "/shop",
                                          .attempts_max = 3,
                                          .backoff_ms = 1,
                                          .backoff_max_ms = 4,
                                          .timeout_ms = 60000,
                                          .parallel_max = 4,
                                          .failed_max = 4,
                                          .lot_dims = fake_log_dims,
                                          .context = &fake};
    *state = rig;
    return 0;
}

static void start(struct rig_webhook *rig)
{
    struct error e;
    assert_int_equal(webhook_create(&rig->webhook, &rig->config, &e), 0);
    assert_int_equal(webhook_start(rig->webhook, &e), 0);
}

static void stop(struct rig_webhook *rig)
{
    webhook_destroy(rig->webhook);
    rig->webhook = NULL;
}

static int close_rig(void **state)
{
    struct rig_webhook *rig = *state;
    stop(rig);
    receiver_close(&rig->receiver);
    rig_remove_folder(rig->dir);
    fake_log_close(&fake);
    free(rig);
    return 0;
}

static int64_t happen(struct rig_webhook *rig, lot_id lot)
{
    int64_t id = fake_log_add(&fake, lot);
    if (rig->webhook)
        webhook_committed(rig->webhook);
    return id;
}

static int64_t cursor(void)
{
    int64_t seq = -1;
    struct error e;
    int code = fake.port.ops->cursor_get(&fake.port, "webhook", &seq, &e);
    return code ? -1 : seq;
}

/* Until the figures are as `done` wants them. */
static void wait_stats(struct rig_webhook *rig, bool (*done)(const struct webhook_stats *s))
{
    struct webhook_stats stats;
    for (webhook_stats(rig->webhook, &stats); !done(&stats); webhook_stats(rig->webhook, &stats))
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static bool none_pending(const struct webhook_stats *s)
{
    return s->pending == 0;
}

static bool one_failed(const struct webhook_stats *s)
{
    return s->failed == 1;
}

static bool none_failed(const struct webhook_stats *s)
{
    return s->failed == 0;
}

static void what_happens_is_delivered_from_the_first_start_on(void **state)
{
    struct rig_webhook *rig = *state;
    happen(rig, 1);
    start(rig);
    assert_int_equal(cursor(), 10);
    happen(rig, 1);
    happen(rig, 1);
    wait_for(&rig->receiver, 2);
    stop(rig);
    assert_int_equal(requests(&rig->receiver), 2);
    assert_int_equal(rig->receiver.seen[0], 20);
    assert_int_equal(rig->receiver.seen[1], 30);
    assert_int_equal(cursor(), 30);
}

/* Nobody says committed(): another node wrote. */
static void of_a_shared_ledger_other_nodes_moves_are_delivered(void **state)
{
    struct rig_webhook *rig = *state;
    fake.port.traits.shared = true;
    start(rig);
    fake_log_add(&fake, 1);
    wait_for(&rig->receiver, 1);
}

static void the_next_one_goes_on_behind_the_cursor(void **state)
{
    struct rig_webhook *rig = *state;
    start(rig);
    happen(rig, 1);
    wait_for(&rig->receiver, 1);
    stop(rig);
    happen(rig, 1);
    start(rig);
    wait_for(&rig->receiver, 2);
    stop(rig);
    assert_int_equal(requests(&rig->receiver), 2);
    assert_int_equal(rig->receiver.seen[1], 20);
}

static int fail_10_at_first(int64_t id, int times)
{
    return id == 10 && times < 3 ? 500 : 200;
}

static void one_that_fails_is_tried_again_before_the_next_of_its_lot(void **state)
{
    struct rig_webhook *rig = *state;
    rig->receiver.status = fail_10_at_first;
    happen(rig, 1);
    happen(rig, 1);
    struct error e;
    assert_int_equal(fake.port.ops->cursor_set(&fake.port, "webhook", 0, &e), 0);
    start(rig);
    wait_for(&rig->receiver, 4);
    stop(rig);
    const int64_t want[] = {10, 10, 10, 20};
    assert_memory_equal(rig->receiver.seen, want, sizeof want);
    assert_int_equal(cursor(), 20);
}

static int fail_10(int64_t id, int times)
{
    (void)times;
    return id == 10 ? 500 : 200;
}

static void one_that_fails_for_long_is_listed_with_why(void **state)
{
    struct rig_webhook *rig = *state;
    struct webhook_failure f[2];
    rig->receiver.status = fail_10;
    start(rig);
    happen(rig, 1);
    happen(rig, 1);
    wait_for(&rig->receiver, 4);
    wait_stats(rig, one_failed);
    assert_int_equal(webhook_failures(rig->webhook, 0, f, 2), 1);
    assert_int_equal(f[0].id, 10);
    assert_int_equal(f[0].attempts, 3);
    assert_int_equal(f[0].status, 500);
    assert_string_equal(f[0].type, "tally.reservation.reserved");
    assert_non_null(strstr(f[0].why, "500"));
    assert_int_equal(webhook_failures(rig->webhook, 10, f, 2), 0);
    stop(rig);
    assert_int_equal(cursor(), 20);
    start(rig); /* it is kept */
    assert_int_equal(webhook_failures(rig->webhook, 0, f, 2), 1);
    assert_int_equal(f[0].attempts, 3);
}

/* One of them, or all if id is 0; how many that are. */
static uint32_t retry(struct rig_webhook *rig, int64_t id)
{
    struct error e;
    uint32_t found = UINT32_MAX;
    assert_int_equal(webhook_retry(rig->webhook, &id, id != 0, &found, &e), 0);
    return found;
}

static void what_was_asked_for_is_sent_again_though_the_process_died(void **state)
{
    struct rig_webhook *rig = *state;
    struct error e;
    uint32_t found;
    const int64_t ids[] = {10, 4711};
    rig->receiver.status = fail_10;
    start(rig);
    happen(rig, 1);
    wait_stats(rig, one_failed);
    stop(rig);
    assert_int_equal(webhook_create(&rig->webhook, &rig->config, &e), 0);
    assert_int_equal(webhook_retry(rig->webhook, ids, 2, &found, &e), 0);
    assert_int_equal(found, 1);
    stop(rig); /* whose thread never ran: nothing but the file knows */
    rig->receiver.status = take_all;
    start(rig);
    wait_stats(rig, none_failed);
    assert_int_equal(requests(&rig->receiver), 4);
}

static void a_listed_one_is_sent_again_when_asked_for(void **state)
{
    struct rig_webhook *rig = *state;
    struct webhook_failure f;
    rig->receiver.status = fail_10;
    start(rig);
    happen(rig, 1);
    wait_stats(rig, one_failed);
    assert_int_equal(retry(rig, 11), 0);
    assert_int_equal(retry(rig, 10), 1);
    wait_for(&rig->receiver, 4);
    do { /* it failed again, and stays */
        assert_int_equal(webhook_failures(rig->webhook, 0, &f, 1), 1);
    } while (f.again);
    assert_int_equal(f.attempts, 4);
    assert_string_equal(f.type, "tally.reservation.reserved");
    pthread_mutex_lock(&rig->receiver.lock);
    rig->receiver.status = take_all;
    pthread_mutex_unlock(&rig->receiver.lock);
    assert_int_equal(retry(rig, 0), 1);
    wait_stats(rig, none_failed);
    assert_int_equal(requests(&rig->receiver), 5);
    stop(rig);
    start(rig);
    assert_int_equal(webhook_failures(rig->webhook, 0, &f, 1), 0);
}

static int gone(int64_t id, int times)
{
    (void)id;
    (void)times;
    return 410;
}

static void what_the_receiver_wants_no_more_is_not_tried_again(void **state)
{
    struct rig_webhook *rig = *state;
    struct webhook_failure f;
    rig->receiver.status = gone;
    start(rig);
    happen(rig, 1);
    wait_stats(rig, one_failed);
    assert_int_equal(webhook_failures(rig->webhook, 0, &f, 1), 1);
    assert_int_equal(f.status, 410);
    assert_int_equal(f.attempts, 1);
    assert_int_equal(requests(&rig->receiver), 1);
}

static int elsewhere(int64_t id, int times)
{
    (void)id;
    (void)times;
    return 302;
}

static void a_redirect_is_a_failure(void **state)
{
    struct rig_webhook *rig = *state;
    struct webhook_failure f;
    rig->receiver.status = elsewhere;
    snprintf(rig->receiver.location, sizeof rig->receiver.location, "Location: /elsewhere\r\n");
    start(rig);
    happen(rig, 1);
    wait_stats(rig, one_failed);
    assert_int_equal(webhook_failures(rig->webhook, 0, &f, 1), 1);
    assert_int_equal(f.status, 302);
    assert_int_equal(requests(&rig->receiver), 3); /* attempts; nobody went elsewhere */
}

static void what_may_not_be_committed_yet_is_not_sent(void **state)
{
    struct rig_webhook *rig = *state;
    start(rig);
    happen(rig, 1);
    fake_log_add_later(&fake, 2);
    webhook_committed(rig->webhook);
    wait_for(&rig->receiver, 1);
    wait_stats(rig, none_pending);
    stop(rig);
    assert_int_equal(requests(&rig->receiver), 1);
    assert_int_equal(cursor(), 10);
}

static void a_full_list_gives_nothing_up(void **state)
{
    enum { LOTS = 7 };
    struct rig_webhook *rig = *state;
    struct webhook_failure f[LOTS];
    rig->receiver.status = gone;
    start(rig);
    for (lot_id lot = 1; lot <= LOTS; lot++)
        happen(rig, lot);
    wait_for(&rig->receiver, 3 * LOTS); /* those that find no room are tried on and on */
    assert_int_equal(webhook_failures(rig->webhook, 0, f, LOTS), 4);
    pthread_mutex_lock(&rig->receiver.lock);
    rig->receiver.status = take_all;
    pthread_mutex_unlock(&rig->receiver.lock);
    wait_stats(rig, none_pending);
    assert_int_equal(webhook_failures(rig->webhook, 0, f, LOTS), 4);
    stop(rig);
    assert_int_equal(cursor(), 10 * LOTS);
}

static void a_stop_does_not_wait_for_a_ledger_that_does_not_answer(void **state)
{
    struct rig_webhook *rig = *state;
    start(rig);
    fake_log_stick(&fake, true);
    happen(rig, 1);
    wait_for(&rig->receiver, 1);
    assert_false(webhook_stop(rig->webhook, 50));
    fake_log_stick(&fake, false); /* as a ledger that is stopped */
    assert_true(webhook_stop(rig->webhook, 60000));
    assert_int_equal(cursor(), 10);
}

static void without_a_webhook_the_place_is_forgotten(void **state)
{
    struct rig_webhook *rig = *state;
    struct error e;
    assert_int_equal(webhook_forget(&fake.port, &e), 0); /* there was none */
    start(rig);
    stop(rig);
    assert_int_equal(cursor(), 0);
    assert_int_equal(webhook_forget(&fake.port, &e), 0);
    assert_int_equal(cursor(), -1);
}

static void only_http_urls_are_taken(void **state)
{
    static const char *const wrong[] = {"", "shop", "file:///etc/passwd", "ftp://127.0.0.1/",
                                        "http://"};
    static const char secret[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    struct error e;
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(webhook_check(wrong[i], secret, &e), TLY_EINVALID_ARGUMENT);
        assert_string_equal(e.field, "webhook_url");
    }
    assert_int_equal(webhook_check("https://shop.example:8443/hooks?x=1", secret, &e), 0);
    assert_int_equal(webhook_check("http://shop.example/", "secret", &e), TLY_EINVALID_ARGUMENT);
    assert_string_equal(e.field, "webhook_secret");
}

#define IN_A_RIG(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_RIG(what_happens_is_delivered_from_the_first_start_on),
        IN_A_RIG(of_a_shared_ledger_other_nodes_moves_are_delivered),
        IN_A_RIG(the_next_one_goes_on_behind_the_cursor),
        IN_A_RIG(one_that_fails_is_tried_again_before_the_next_of_its_lot),
        IN_A_RIG(one_that_fails_for_long_is_listed_with_why),
        IN_A_RIG(a_listed_one_is_sent_again_when_asked_for),
        IN_A_RIG(what_was_asked_for_is_sent_again_though_the_process_died),
        IN_A_RIG(what_the_receiver_wants_no_more_is_not_tried_again),
        IN_A_RIG(a_redirect_is_a_failure),
        IN_A_RIG(what_may_not_be_committed_yet_is_not_sent),
        IN_A_RIG(a_full_list_gives_nothing_up),
        IN_A_RIG(a_stop_does_not_wait_for_a_ledger_that_does_not_answer),
        IN_A_RIG(without_a_webhook_the_place_is_forgotten),
        IN_A_RIG(only_http_urls_are_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
