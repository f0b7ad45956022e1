/* target_sale.c - two requests to make a sale, two to open it.
 *
 * Happy path: the sale is made for a far day, so that everything that can be refused is refused
 * before the run. To open it the server is asked for its time, in the answer about the sale, and
 * told a time that is so much later; what it then says about starts_in_ms is what counts.
 *
 * Failure modes: nobody there, a refusal (told with the server's own words), an answer that is not
 * a sale.
 */
#include "loadgen/target_sale.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "client/http_client.h"

enum { TIMEOUT_MS = 10000, PATH_SIZE = 64, DAY_MS = 24 * 3600 * 1000 };

#define MS_NS UINT64_C(1000000)

static int refused(const struct http_answer *answer, const json_t *problem, struct error *e)
{
    const char *code = json_string_value(json_object_get(problem, "code"));
    const char *detail = json_string_value(json_object_get(problem, "detail"));
    return error_set(e, answer->status < 500 ? TLY_EINVALID_ARGUMENT : TLY_EUNAVAILABLE, "model",
                     "the server refuses the sale: %s (HTTP status %d)%s%s",
                     code ? code : "refused", answer->status, detail ? ": " : "",
                     detail ? detail : "");
}

/* One request; `body` is released. The answer, a sale, is the caller's. */
static int ask(struct http_client *client, const char *method, const char *path, json_t *body,
               json_t **out, struct error *e)
{
    struct http_answer answer;
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    bool short_of_memory = body && !text;
    json_decref(body);
    *out = NULL;
    if (short_of_memory)
        return error_set(e, TLY_ENO_MEMORY, "", "no memory for a sale");
    int failed = http_client_send(client, method, path, text ? str_of(text) : (struct str){0}, e);
    free(text);
    if (!failed)
        failed = http_client_receive(client, &answer, e);
    if (failed)
        return failed;
    json_t *sale = json_loadb(answer.body.len ? answer.body.p : "", answer.body.len, 0, NULL);
    if (answer.status >= 300)
        failed = refused(&answer, sale, e);
    else if (!json_is_string(json_object_get(sale, "server_time")) ||
             !json_is_integer(json_object_get(sale, "starts_in_ms")))
        failed =
            error_set(e, TLY_ECORRUPT, "model", "the answer is not a sale as Tallystick shows it");
    if (failed)
        json_decref(sale);
    else
        *out = sale;
    return failed;
}

static json_t *time_of(int64_t unix_ms)
{
    char text[RFC3339_SIZE + 1] = {0};
    size_t size = rfc3339_format(unix_ms, text);
    return json_stringn(text, size);
}

int target_sale_make(char sale_id[SALE_ID_SIZE], const char *target, const char run[RUN_ID_SIZE],
                     const struct target_lots *lots, const struct team_terms *terms,
                     uint32_t hold_ms, struct error *e)
{
    struct http_client *client = NULL;
    json_t *sale = NULL, *keys = json_array();
    int64_t day_ms = (int64_t)time(NULL) * 1000 + DAY_MS;
    for (uint32_t i = 0; i < lots->count; i++)
        json_array_append_new(keys, json_string(lots->keys[i]));
    snprintf(sale_id, SALE_ID_SIZE, "bench-%s", run);
    json_t *body = json_pack(
        "{s:s,s:s,s:o,s:o,s:o,s:I,s:I,s:I,s:{s:I,s:I}}", "sale_id", sale_id, "title", "tally bench",
        "lots", keys, "starts_at", time_of(day_ms), "ends_at", time_of(day_ms + DAY_MS),
        "per_user_limit", (json_int_t)terms->user_limit, "total_limit",
        (json_int_t)terms->total_limit, "hold_ms", (json_int_t)hold_ms, "group", "size",
        (json_int_t)terms->size, "window_ms", (json_int_t)terms->window_ms);
    if (!body)
        return error_set(e, TLY_ENO_MEMORY, "", "no memory for a sale");
    int failed = http_client_open(&client, target, TIMEOUT_MS, e);
    if (failed)
        json_decref(body);
    else
        failed = ask(client, "POST", "/v1/sales", body, &sale, e);
    json_decref(sale);
    http_client_close(client);
    return failed;
}

/* The time that the server has. */
static int server_time(struct http_client *client, const char *path, int64_t *unix_ms,
                       struct error *e)
{
    json_t *sale;
    int failed = ask(client, "GET", path, NULL, &sale, e);
    if (failed)
        return failed;
    const char *text = json_string_value(json_object_get(sale, "server_time"));
    if (rfc3339_parse(text, strlen(text), unix_ms))
        failed = error_set(e, TLY_ECORRUPT, "model", "the server's time is no time: %.40s", text);
    json_decref(sale);
    return failed;
}

int target_sale_open(const char *sale_id, const char *target, uint64_t opens_in_ms,
                     uint64_t lasts_ms, struct sale_opening *out, struct error *e)
{
    struct http_client *client = NULL;
    char path[PATH_SIZE];
    int64_t now_ms = 0;
    json_t *sale;
    snprintf(path, sizeof path, "/v1/sales/%s", sale_id);
    int failed = http_client_open(&client, target, TIMEOUT_MS, e);
    if (!failed)
        failed = server_time(client, path, &now_ms, e);
    if (failed)
        goto close;
    int64_t starts_ms = now_ms + (int64_t)opens_in_ms;
    uint64_t sent_ns = clock_monotonic_ns();
    failed = ask(client, "PATCH", path,
                 json_pack("{s:o,s:o}", "starts_at", time_of(starts_ms), "ends_at",
                           time_of(starts_ms + (int64_t)lasts_ms)),
                 &sale, e);
    if (failed)
        goto close;
    json_int_t in_ms = json_integer_value(json_object_get(sale, "starts_in_ms"));
    json_decref(sale);
    if (in_ms <= 0 || (uint64_t)in_ms > opens_in_ms) {
        failed = error_set(e, TLY_ECORRUPT, "model",
                           "the sale was to open in %llu ms, and opens in %lld ms",
                           (unsigned long long)opens_in_ms, (long long)in_ms);
        goto close;
    }
    uint64_t in_ns = (uint64_t)in_ms * MS_NS, drift_ns = in_ns / 50;
    out->first_ns = sent_ns + in_ns - drift_ns - MS_NS; /* the answer has whole milliseconds */
    out->last_ns = clock_monotonic_ns() + in_ns + drift_ns + MS_NS;
close:
    http_client_close(client);
    return failed;
}
