/* import_apply.c - carries a plan out over one connection, up to WINDOW requests under way.
 *
 * Happy path: each row is one request (CreateLot or AdjustStock), answers come in order, the row is
 * done. Whatever leaves a doubt (a lost connection, an unknown outcome, an answer that does not
 * show the units that were asked for, a lot that appeared or was touched meanwhile) leads to the
 * same place: the lot is read, the row is decided again, and what is still missing is asked for.
 *
 * Failures: a refusal makes the row bad and the others go on; a refusal that passes (busy) is tried
 * again TRIES_MAX times; a server that is gone is tried again RECONNECTS_MAX times, then it ends.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/client_id.h"
#include "cli/import.h"
#include "client/http_client.h"
#include "client/url.h"

enum {
    WINDOW = 64,
    TRIES_MAX = 10,
    ATTEMPTS_MAX = 32,
    ATTEMPTS_BY_VERSION = 8, /* a lot that sells faster than that is changed without its version */
    RECONNECTS_MAX = 6,
    PATH_BYTES = 320
};

enum step { STEP_WRITE, STEP_READ };

struct item {
    struct import_row *row;
    enum step step;
};

/* A ring that holds every row at most once. */
struct queue {
    struct item *items;
    uint32_t capacity, head, count;
};

struct apply {
    struct import *im;
    struct http_client *http;
    struct queue waiting, sent;
    uint32_t done, total;
    uint32_t reconnects;
    uint32_t pause_ms; /* asked for by the last refusal that passes */
    bool write_sent;   /* since the connection was made */
};

static void push(struct queue *q, struct import_row *row, enum step step)
{
    assert(q->count < q->capacity);
    q->items[(q->head + q->count++) % q->capacity] = (struct item){row, step};
}

static struct item pop(struct queue *q)
{
    assert(q->count > 0);
    struct item item = q->items[q->head];
    q->head = (q->head + 1) % q->capacity;
    q->count--;
    return item;
}

static void sleep_ms(uint32_t ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&t, &t) != 0) {
    }
}

/* ---- requests ---- */

/* A change holds for the version that it was made for. A lot that is sold many times a second never
 * stands still for long enough: there the units are added or written off as they are, once, under
 * an id of its own, which is as good while nobody else counts the same lot. */
static json_t *adjust_body(const struct import *im, const struct import_row *row)
{
    char id[CLIENT_ID_SIZE], reason[ADJUST_REASON_MAX + 1], file[72];
    const char *name = strrchr(im->source->file, '/');
    text_show(str_of(name ? name + 1 : im->source->file), file, sizeof file);
    snprintf(reason, sizeof(reason), "import %s line %u", file, row->line);
    json_t *body = json_pack("{s:I, s:s}", "delta", (json_int_t)(row->target - row->on_hand),
                             "reason", reason);
    if (row->attempt < ATTEMPTS_BY_VERSION)
        json_object_set_new(body, "expected_version", json_integer(row->version));
    else if (client_id_make(id) == 0)
        json_object_set_new(body, "adjustment_id", json_string(id));
    return body;
}

/* Of one lot, or of all. */
static void lot_path(const char *key, bool adjust, char path[PATH_BYTES])
{
    char segment[PATH_BYTES - sizeof("/v1/lots//adjust")] = "";
    bool fits = !key || url_append(segment, sizeof(segment), key);
    assert(fits);
    snprintf(path, PATH_BYTES, "/v1/lots%s%s%s", key ? "/" : "", segment, adjust ? "/adjust" : "");
}

static int send_item(struct apply *a, struct item item, struct error *e)
{
    char path[PATH_BYTES];
    const struct import_row *row = item.row;
    bool creates = item.step == STEP_WRITE && row->action == IMPORT_CREATE;
    bool adjusts = item.step == STEP_WRITE && row->action == IMPORT_ADJUST;
    lot_path(creates ? NULL : row->key, adjusts, path);
    json_t *body = creates ? import_lot_body(row) : adjusts ? adjust_body(a->im, row) : NULL;
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    if ((creates || adjusts) && !text)
        return error_set(e, TLY_ENO_MEMORY, "", "out of memory");
    const char *method = creates || adjusts ? "POST" : "GET";
    push(&a->sent, item.row, item.step);
    a->write_sent |= item.step == STEP_WRITE;
    int code = http_client_send(a->http, method, path, str_of(text), e);
    free(text);
    return code;
}

/* ---- answers ---- */

static void row_done(struct apply *a)
{
    a->done++;
    if (a->im->progress)
        a->im->progress(a->im->context, a->done, a->total);
}

static void row_refused(struct apply *a, struct import_row *row, const json_t *problem)
{
    const char *detail = text_of(problem, "detail");
    const char *field = text_of(problem, "field");
    bool known = stock_field_parse(str_of(field)) >= 0;
    if (!*detail)
        detail = text_of(problem, "title");
    const char *code = text_of(problem, "code");
    import_bad(a->im, row, row->line, known ? field : "", "refused by the server: %s%s%s",
               *code ? code : "no reason given", *detail ? ": " : "", detail);
    row_done(a);
}

/* A refusal that passes, or an outcome that must be looked at. */
static void try_again(struct apply *a, struct item item, const json_t *problem,
                      uint32_t retry_after_s)
{
    if (item.row->tries++ == TRIES_MAX) {
        row_refused(a, item.row, problem);
        return;
    }
    uint32_t pause_ms = 50u << (item.row->tries < 5 ? item.row->tries : 5);
    if (retry_after_s > 0 && item.row->tries > 3)
        pause_ms = 1000 * (retry_after_s < 30 ? retry_after_s : 30);
    a->pause_ms = pause_ms > a->pause_ms ? pause_ms : a->pause_ms;
    bool unknown = strcmp(text_of(problem, "code"), "OUTCOME_UNKNOWN") == 0;
    push(&a->waiting, item.row, unknown ? STEP_READ : item.step);
}

/* The lot as it is decides what is left to do. */
static void take_lot(struct apply *a, struct import_row *row, const json_t *lot)
{
    bool was_created = row->action == IMPORT_CREATE;
    import_decide(a->im, row, lot);
    if (row->action == IMPORT_BAD || row->action == IMPORT_UNCHANGED) {
        a->im->created += was_created && row->action == IMPORT_UNCHANGED;
        a->im->changed += !was_created && row->action == IMPORT_UNCHANGED;
        row_done(a);
        return;
    }
    if (++row->attempt > ATTEMPTS_MAX) {
        import_bad(a->im, row, row->line, "quantity",
                   "others are changing its stock at the same time");
        row_done(a);
        return;
    }
    push(&a->waiting, row, STEP_WRITE);
}

static void take_written(struct apply *a, struct import_row *row, const json_t *lot)
{
    if (row->action == IMPORT_CREATE) {
        a->im->created++;
        row_done(a);
    } else if (number_of(lot, "on_hand") == row->target) {
        a->im->changed++;
        row_done(a);
    } else {
        push(&a->waiting, row, STEP_READ);
    }
}

static void take_answer(struct apply *a, const struct http_answer *answer)
{
    struct item item = pop(&a->sent);
    json_t *json = json_loadb(answer->body.len ? answer->body.p : "", answer->body.len, 0, NULL);
    const char *code = text_of(json, "code");
    if (answer->status < 300 && item.step == STEP_READ)
        take_lot(a, item.row, json);
    else if (answer->status < 300)
        take_written(a, item.row, json);
    else if (answer->status >= 502 ||
             (answer->status == 429 && strcmp(code, "LIMIT_EXCEEDED") != 0)) /* that one stays */
        try_again(a, item, json, answer->retry_after_s);
    else if (item.step == STEP_READ && answer->status == 404)
        take_lot(a, item.row, NULL);
    else if (item.step == STEP_WRITE &&
             (strcmp(code, "ALREADY_EXISTS") == 0 || strcmp(code, "VERSION_MISMATCH") == 0))
        push(&a->waiting, item.row, STEP_READ);
    else
        row_refused(a, item.row, json);
    json_decref(json);
}

/* ---- the loop ---- */

/* What was sent and not answered is looked at before it is asked for again. */
static int reconnect(struct apply *a, struct error *e)
{
    http_client_close(a->http);
    a->http = NULL;
    while (a->sent.count > 0)
        push(&a->waiting, pop(&a->sent).row, STEP_READ);
    int code = TLY_EUNAVAILABLE;
    while (code && a->reconnects < RECONNECTS_MAX) {
        if (a->reconnects > 0)
            sleep_ms(100u << a->reconnects);
        a->reconnects++;
        code =
            http_client_open(&a->http, client_server(a->im->client), a->im->client->timeout_ms, e);
    }
    a->write_sent &= code != 0;
    return code;
}

static int run_window(struct apply *a, struct error *e)
{
    int code = 0;
    if (a->pause_ms && a->sent.count == 0) {
        sleep_ms(a->pause_ms);
        a->pause_ms = 0;
    }
    while (!code && !a->pause_ms && a->waiting.count > 0 && a->sent.count < WINDOW)
        code = send_item(a, pop(&a->waiting), e);
    struct http_answer answer;
    if (!code)
        code = http_client_receive(a->http, &answer, e);
    if (code)
        return code;
    take_answer(a, &answer);
    return answer.keep_alive ? 0
                             : error_set(e, TLY_ECLOSED, "", "the server closed the connection");
}

static int run(struct apply *a)
{
    struct error e = {0};
    uint32_t done_before = 0;
    int code = reconnect(a, &e);
    while (!code && a->done < a->total) {
        code = run_window(a, &e);
        if (code == TLY_ENO_MEMORY)
            break;
        if (a->done > done_before)
            a->reconnects = 1;
        done_before = a->done;
        if (code && a->done < a->total)
            code = reconnect(a, &e);
    }
    if (!code || a->done == a->total)
        return EXIT_DONE;
    fprintf(stderr,
            "tally: %s: %s\n%u of %u changes were carried out and %s. Run the same command again:\n"
            "what was carried out is not done twice.\n",
            client_server(a->im->client), e.text, a->done, a->total,
            a->write_sent ? "of some it is not known" : "the others were not");
    return code == TLY_ENO_MEMORY ? EXIT_FAILED : a->write_sent ? EXIT_UNKNOWN : EXIT_UNREACHABLE;
}

int import_apply(struct import *im)
{
    struct apply a = {.im = im};
    a.waiting.capacity = a.sent.capacity = im->row_count + 1;
    a.waiting.items = calloc(a.waiting.capacity, sizeof(struct item));
    a.sent.items = calloc(a.sent.capacity, sizeof(struct item));
    int code = EXIT_FAILED;
    if (a.waiting.items && a.sent.items) {
        for (uint32_t i = 0; i < im->row_count; i++) {
            struct import_row *row = &im->rows[i];
            if (row->action == IMPORT_CREATE || row->action == IMPORT_ADJUST)
                push(&a.waiting, row, STEP_WRITE);
        }
        a.total = a.waiting.count;
        code = a.total > 0 ? run(&a) : EXIT_DONE;
    } else {
        fputs("tally: out of memory\n", stderr);
    }
    http_client_close(a.http);
    free(a.waiting.items);
    free(a.sent.items);
    return code;
}
