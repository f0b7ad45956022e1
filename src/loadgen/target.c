/* target.c - resolves the server's name, and makes or finds the lots of a run.
 *
 * Happy path: requests are pipelined on one connection, WINDOW at a time, answers come in their
 * order. A request that the server is too busy for is sent again after a pause.
 *
 * Failure modes: nobody there, the connection ends, a refusal (told with the server's own words),
 * an answer that is not a lot. Lots that were created by then stay: the API has no way to remove
 * them.
 */
#include "loadgen/target.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/address.h"
#include "client/http_client.h"
#include "client/url.h"

enum { WINDOW = 64, TIMEOUT_MS = 10000, BUSY_MAX = 100, BUSY_PAUSE_MS = 100, PROGRESS_EVERY = 256 };

/* Whether somebody listens there; a second is enough for any address that is worth loading. */
static bool answers(const struct addrinfo *a)
{
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), problem = 0;
    socklen_t size = sizeof(problem);
    if (fd < 0)
        return false;
    if (connect(fd, a->ai_addr, a->ai_addrlen))
        problem = errno;
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    if (problem == EINPROGRESS &&
        (poll(&p, 1, 1000) < 1 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &size)))
        problem = ETIMEDOUT;
    close(fd);
    return !problem;
}

int target_resolve(const char *target, struct sockaddr_storage *address, socklen_t *size,
                   struct error *e)
{
    char host[ADDRESS_HOST_SIZE], port[ADDRESS_PORT_SIZE];
    int failed = address_split(target, host, port, e);
    if (failed)
        return failed;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int problem = getaddrinfo(host, port, &hints, &found);
    if (problem)
        return error_set(e, TLY_EUNAVAILABLE, target, "the host is not known: %s",
                         gai_strerror(problem));
    const struct addrinfo *a = found; /* localhost may be ::1 and 127.0.0.1 */
    while (a->ai_next && !answers(a))
        a = a->ai_next;
    *size = a->ai_addrlen;
    memcpy(address, a->ai_addr, a->ai_addrlen);
    freeaddrinfo(found);
    return 0;
}

/* ---- many requests, one for each lot ---- */

struct lot_calls {
    struct target_lots *lots;
    struct http_client *client;
    const char *target;
    const char *run; /* to create, with `units` in each; NULL: to find */
    int64_t units;
    uint32_t waiting[WINDOW]; /* numbers of the lots that were asked for, oldest first */
    uint32_t head, count;
    uint32_t busy; /* times that the server was too busy, since it last was not */
};

static int send_create(struct lot_calls *c, uint32_t number, struct error *e)
{
    char body[256];
    snprintf(body, sizeof(body),
             "{\"sku\":\"BENCH-%s-%u\",\"flavor\":\"plain\",\"size\":\"1pcs_box\","
             "\"batch\":\"BATCH-20260101-A\",\"quantity\":%" PRId64 "}",
             c->run, number, c->units);
    return http_client_send(c->client, "POST", "/v1/lots", str_of(body), e);
}

static int send_find(struct lot_calls *c, uint32_t number, struct error *e)
{
    char path[16 + 3 * LOT_KEY_SIZE] = "/v1/lots/";
    if (!url_append(path, sizeof(path), c->lots->keys[number]))
        return error_set(e, TLY_EINVALID_ARGUMENT, "lot", "the lot key is too long");
    return http_client_send(c->client, "GET", path, (struct str){0}, e);
}

static int ask_for(struct lot_calls *c, uint32_t number, struct error *e)
{
    c->waiting[(c->head + c->count++) % WINDOW] = number;
    return c->run ? send_create(c, number, e) : send_find(c, number, e);
}

static bool take_number(const json_t *lot, const char *name, int64_t *out)
{
    const json_t *value = json_object_get(lot, name);
    *out = json_integer_value(value);
    return json_is_integer(value);
}

static bool take_lot(const json_t *lot, char key[LOT_KEY_SIZE], struct lot_stock *s)
{
    const char *name = json_string_value(json_object_get(lot, "lot"));
    if (!name || !*name || strlen(name) >= LOT_KEY_SIZE ||
        !take_number(lot, "on_hand", &s->on_hand))
        return false;
    snprintf(key, LOT_KEY_SIZE, "%s", name);
    return take_number(lot, "reserved", &s->reserved) &&
           take_number(lot, "confirmed", &s->confirmed) &&
           take_number(lot, "available", &s->available) && take_number(lot, "version", &s->version);
}

static int refused(const struct lot_calls *c, uint32_t number, int status, const json_t *problem,
                   struct error *e)
{
    const char *code = json_string_value(json_object_get(problem, "code"));
    const char *detail = json_string_value(json_object_get(problem, "detail"));
    if (!c->run && status == 404)
        return error_set(e, TLY_ENOT_FOUND, "lot", "the server has no lot %s",
                         c->lots->keys[number]);
    return error_set(e, status < 500 ? TLY_EINVALID_ARGUMENT : TLY_EUNAVAILABLE, "lots",
                     "the server refuses %s: %s (HTTP status %d)%s%s",
                     c->run ? "to create a lot" : c->lots->keys[number], code ? code : "refused",
                     status, detail ? ": " : "", detail ? detail : "");
}

/* One answer. */
static int take_answer(struct lot_calls *c, struct error *e)
{
    struct http_answer answer;
    int failed = http_client_receive(c->client, &answer, e);
    if (failed)
        return failed;
    uint32_t number = c->waiting[c->head];
    c->head = (c->head + 1) % WINDOW;
    c->count--;
    if (answer.status == 503 && c->busy++ < BUSY_MAX) {
        nanosleep(&(struct timespec){.tv_nsec = BUSY_PAUSE_MS * 1000000L}, NULL);
        return ask_for(c, number, e);
    }
    c->busy = 0;
    json_t *body = json_loadb(answer.body.len ? answer.body.p : "", answer.body.len, 0, NULL);
    if (answer.status >= 300)
        failed = refused(c, number, answer.status, body, e);
    else if (!take_lot(body, c->lots->keys[number], &c->lots->begin[number]))
        failed =
            error_set(e, TLY_ECORRUPT, "lots", "the answer is not a lot as Tallystick shows it");
    json_decref(body);
    return failed;
}

static int run_calls(struct lot_calls *c, const struct target_progress *progress, struct error *e)
{
    uint32_t next = 0, total = c->lots->count;
    int failed = http_client_open(&c->client, c->target, TIMEOUT_MS, e);
    while (!failed && (next < total || c->count > 0)) {
        if (next < total && c->count < WINDOW)
            failed = ask_for(c, next++, e);
        else
            failed = take_answer(c, e);
        if (progress && !failed && next % PROGRESS_EVERY == 0 &&
            progress->show(progress->owner, next - c->count, total))
            failed = error_set(e, TLY_ECLOSED, "", "interrupted while preparing the lots");
    }
    if (progress && !failed)
        (void)progress->show(progress->owner, total, total);
    http_client_close(c->client);
    return failed;
}

static int lots_allocate(struct target_lots *lots, uint32_t count, struct error *e)
{
    *lots = (struct target_lots){
        .count = count,
        .keys = calloc(count ? count : 1, LOT_KEY_SIZE),
        .begin = calloc(count ? count : 1, sizeof(struct lot_stock)),
    };
    if (lots->keys && lots->begin)
        return 0;
    target_lots_close(lots);
    error_set(e, TLY_ENO_MEMORY, "lots", "no memory for %u lots", count);
    return TLY_ENO_MEMORY;
}

int target_lots_make(struct target_lots *lots, const char *target, const char run[RUN_ID_SIZE],
                     uint32_t count, int64_t units, const struct target_progress *progress,
                     struct error *e)
{
    int failed = lots_allocate(lots, count, e);
    if (failed)
        return failed;
    struct lot_calls c = {.lots = lots, .target = target, .run = run, .units = units};
    return run_calls(&c, progress, e);
}

int target_lots_find(struct target_lots *lots, const char *target, const char *const *keys,
                     uint32_t count, struct error *e)
{
    int failed = lots_allocate(lots, count, e);
    for (uint32_t i = 0; !failed && i < count; i++)
        if ((size_t)snprintf(lots->keys[i], LOT_KEY_SIZE, "%s", keys[i]) >= LOT_KEY_SIZE)
            failed = error_set(e, TLY_EINVALID_ARGUMENT, "lot", "the lot key %.40s... is too long",
                               keys[i]);
    if (failed)
        return failed;
    struct lot_calls c = {.lots = lots, .target = target};
    return run_calls(&c, NULL, e);
}

void target_lots_close(struct target_lots *lots)
{
    free(lots->keys);
    free(lots->begin);
    *lots = (struct target_lots){0};
}
