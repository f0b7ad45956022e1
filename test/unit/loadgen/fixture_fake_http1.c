#include "fixture_fake_http1.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

static void copy_text(char out[FAKE_TEXT], const char *text)
{
    assert_non_null(text);
    assert_true(strlen(text) < FAKE_TEXT);
    snprintf(out, FAKE_TEXT, "%s", text);
}

/* The value of a header of a head that is terminated; "" if it is not there. */
static void find_header(const char *head, const char *name, char out[FAKE_TEXT])
{
    char pattern[64];
    snprintf(pattern, sizeof pattern, "\r\n%s: ", name);
    const char *at = strstr(head, pattern);
    out[0] = 0;
    if (!at)
        return;
    at += strlen(pattern);
    size_t size = strcspn(at, "\r");
    assert_true(size < FAKE_TEXT);
    memcpy(out, at, size);
    out[size] = 0;
}

static void percent_decode(char *text)
{
    char *to = text;
    for (const char *at = text; *at; at++) {
        if (*at == '%') {
            unsigned byte;
            assert_int_equal(sscanf(at + 1, "%2x", &byte), 1);
            *to++ = (char)byte;
            at += 2;
        } else {
            *to++ = *at;
        }
    }
    *to = 0;
}

static void see_order(struct seen *seen, const json_t *order)
{
    const json_t *lines = json_object_get(order, "lines");
    const json_t *line = json_array_get(lines, 0);
    const json_t *hold = json_object_get(order, "hold_ms");
    const json_t *sale = json_object_get(order, "sale_id");
    const json_t *group = json_object_get(order, "group_id");
    assert_int_equal(json_array_size(lines), 1);
    assert_int_equal(json_object_size(line), 2);
    assert_int_equal(json_object_size(order),
                     3 + (hold != NULL) + (sale != NULL) + (group != NULL));
    if (sale)
        copy_text(seen->sale_id, json_string_value(sale));
    if (group)
        copy_text(seen->group_id, json_string_value(group));
    copy_text(seen->order_id, json_string_value(json_object_get(order, "order_id")));
    copy_text(seen->user_id, json_string_value(json_object_get(order, "user_id")));
    copy_text(seen->lot, json_string_value(json_object_get(line, "lot")));
    assert_true(json_is_integer(json_object_get(line, "quantity")));
    seen->quantity = json_integer_value(json_object_get(line, "quantity"));
    seen->hold_ms = json_integer_value(hold);
    seen->orders = 1;
}

static void see_batch(struct seen *seen, const json_t *body)
{
    const json_t *orders = json_object_get(body, "orders"), *order;
    size_t i;
    assert_int_equal(json_object_size(body), 1);
    assert_true(json_array_size(orders) > 0);
    see_order(seen, json_array_get(orders, 0));
    seen->uniform = true;
    json_array_foreach(orders, i, order)
    {
        struct seen one = {0};
        see_order(&one, order);
        seen->uniform = seen->uniform && strcmp(one.lot, seen->lot) == 0 &&
                        one.quantity == seen->quantity && one.hold_ms == seen->hold_ms;
        memcpy(seen->last_order_id, one.order_id, sizeof one.order_id);
    }
    seen->orders = (uint32_t)json_array_size(orders);
}

static void see(struct seen *seen, const char *head, const char *body, size_t size)
{
    char target[512], method[8], type[FAKE_TEXT], host[FAKE_TEXT], what[16];
    json_t *json = NULL;
    *seen = (struct seen){0};
    assert_int_equal(sscanf(head, "%7s %511s HTTP/1.1\r", method, target), 2);
    find_header(head, "Host", host);
    assert_string_equal(host, "server.example:7070");
    find_header(head, "X-Request-Timeout-Ms", seen->timeout);
    find_header(head, "Content-Type", type);
    if (size > 0) {
        assert_string_equal(type, "application/json");
        json = json_loadb(body, size, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(json);
    }
    if (strcmp(target, "/v1/reservations") == 0) {
        seen->kind = CALL_RESERVE;
        see_order(seen, json);
    } else if (strcmp(target, "/v1/reservations/batch") == 0) {
        seen->kind = CALL_RESERVE_BATCH;
        see_batch(seen, json);
    } else if (sscanf(target, "/v1/reservations/%20[0-9]/%15s", seen->reservation_id, what) == 2) {
        seen->kind = strcmp(what, "confirm") == 0 ? CALL_CONFIRM : CALL_REFUND;
        assert_true(seen->kind == CALL_CONFIRM || strcmp(what, "refund") == 0);
    } else if (strncmp(target, "/v1/sales/", strlen("/v1/sales/")) == 0) {
        assert_int_equal(sscanf(target, "/v1/sales/%127[^/]", seen->sale_id), 1);
        seen->kind = json ? CALL_OPEN_GROUP : CALL_GET_SALE;
        if (json) {
            assert_string_equal(target + strlen(target) - strlen("/groups"), "/groups");
            assert_int_equal(json_object_size(json), 1);
            see_order(seen, json_object_get(json, "order"));
        }
    } else if (sscanf(target, "/v1/groups/%127s", seen->group_id) == 1) {
        seen->kind = CALL_GET_GROUP;
    } else if (sscanf(target, "/v1/lots/%127s", seen->lot) == 1) {
        seen->kind = CALL_GET_LOT;
        percent_decode(seen->lot);
    } else {
        assert_int_equal(sscanf(target, "/v1/orders/%127s", seen->order_id), 1);
        seen->kind = CALL_GET_ORDER;
    }
    bool is_get = seen->kind == CALL_GET_LOT || seen->kind == CALL_GET_ORDER ||
                  seen->kind == CALL_GET_GROUP || seen->kind == CALL_GET_SALE;
    assert_string_equal(method, is_get ? "GET" : "POST");
    json_decref(json);
}

static void http1_open(struct fake *f)
{
    memset(f, 0, sizeof *f);
}

static void http1_close(struct fake *f)
{
    free(f->out);
}

static void http1_read(struct fake *f, struct client *c)
{
    client_flush(c, 0);
    size_t at = 0;
    while (at < c->sent_size) {
        char *start = (char *)c->sent + at, length[FAKE_TEXT];
        char *end = memmem(start, c->sent_size - at, "\r\n\r\n", 4);
        assert_non_null(end);
        char *head = strndup(start, (size_t)(end - start) + 2);
        assert_non_null(head);
        find_header(head, "Content-Length", length);
        assert_true(head[0] == 'G' || length[0] != 0);
        size_t size = strtoull(length, NULL, 10);
        at += (size_t)(end - start) + 4;
        assert_true(size <= c->sent_size - at);
        assert_true(f->count < FAKE_CALLS_MAX);
        see(&f->seen[f->count++], head, (const char *)c->sent + at, size);
        at += size;
        free(head);
    }
    c->sent_size = 0;
}

/* ---- answers ---- */

static json_t *text(const char *t)
{
    return json_string(t ? t : "");
}

static json_t *make_reservation(const struct reply *r, bool with_history)
{
    json_t *m = json_object(), *lines = json_array(), *moves = json_array();
    for (unsigned i = 0; i < r->lines; i++)
        json_array_append_new(
            lines, json_pack("{s:o,s:I}", "lot", text(r->lots[i]), "quantity", r->quantities[i]));
    for (unsigned i = 0; i < r->move_count; i++)
        json_array_append_new(moves, json_pack("{s:s,s:o,s:i,s:s}", "seq", "7001", "kind",
                                               text(r->moves[i]), "quantity", 2, "reason", ""));
    json_object_set_new(m, "reservation_id", text(r->reservation_id));
    json_object_set_new(m, "order_id", text(r->order_id));
    json_object_set_new(m, "status", text(r->status));
    json_object_set_new(m, "expires_at", text(r->expires_at));
    json_object_set_new(m, "lines", lines);
    json_object_set_new(m, "reason", text(r->reason));
    if (with_history)
        json_object_set(m, "moves", moves);
    else
        json_object_set_new(m, "replayed", json_boolean(r->replayed));
    json_decref(moves);
    if (r->sale_id)
        json_object_set_new(m, "sale_id", text(r->sale_id));
    if (r->group_id)
        json_object_set_new(m, "group_id", text(r->group_id));
    return m;
}

static json_t *make_group(const struct reply *r, bool opened)
{
    json_t *m = json_pack("{s:o,s:o,s:o,s:I,s:I,s:I,s:s,s:I,s:s}", "group_id", text(r->group_id),
                          "sale_id", text(r->sale_id), "status", text(r->group_status), "size",
                          r->places, "places_left", r->places_left, "paid", r->paid, "ends_at",
                          "2026-11-22T10:10:00.000Z", "remaining_ms", r->remaining_ms,
                          "server_time", "2026-11-22T10:01:28.000Z");
    if (opened) {
        json_object_set_new(m, "replayed", json_boolean(r->replayed));
        json_object_set_new(m, "reservation", make_reservation(r, false));
    }
    return m;
}

static json_t *make_sale(const struct reply *r)
{
    return json_pack("{s:o,s:s,s:[s],s:{s:i,s:i},s:o,s:I,s:i,s:{s:I,s:I,s:I},s:{s:I,s:I,s:I}}",
                     "sale_id", text(r->sale_id), "title", "", "lots", "cola#008a47f9", "group",
                     "size", 3, "window_ms", 600000, "status", text(r->status), "starts_in_ms",
                     r->starts_in_ms, "remaining_ms", 5, "units", "pending", r->units[0],
                     "confirmed", r->units[1], "left", r->units[2], "groups", "open", r->groups[0],
                     "succeeded", r->groups[1], "failed", r->groups[2]);
}

static json_t *make_outcomes(const struct reply *r)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < r->outcome_count; i++) {
        const struct reply *one = &r->outcomes[i];
        json_t *m = json_pack("{s:o,s:s}", "order_id", text(one->order_id), "code",
                              one->code ? one->code : "OK");
        if (!one->code)
            json_object_set_new(m, "reservation", make_reservation(one, false));
        json_object_set_new(m, "message", text(one->code ? "lines[0]: not enough" : ""));
        json_object_set_new(m, "available", json_integer(one->available));
        json_array_append_new(list, m);
    }
    return json_pack("{s:o}", "outcomes", list);
}

static json_t *make_problem(const struct reply *r)
{
    return json_pack("{s:s,s:s,s:i,s:s,s:s,s:s,s:i}", "type",
                     "https://tallystick.dev/problems/sold_out", "title", "not enough", "status",
                     fake_http1_status(r->code), "detail", "lines[0]: \"100\" asked for", "code",
                     r->code, "field", "lines[0]", "available", 7);
}

char *fake_http1_body(const struct seen *request, const struct reply *r)
{
    json_t *m;
    if (r->code)
        m = make_problem(r);
    else if (request->kind == CALL_RESERVE_BATCH)
        m = make_outcomes(r);
    else if (request->kind == CALL_GET_LOT)
        m = json_pack("{s:o,s:s,s:I,s:I,s:I,s:I,s:I}", "lot", text(r->lot), "sku", "cola",
                      "on_hand", r->on_hand, "reserved", r->reserved, "confirmed", r->confirmed,
                      "available", r->available, "version", r->version);
    else if (request->kind == CALL_OPEN_GROUP || request->kind == CALL_GET_GROUP)
        m = make_group(r, request->kind == CALL_OPEN_GROUP);
    else if (request->kind == CALL_GET_SALE)
        m = make_sale(r);
    else
        m = make_reservation(r, request->kind == CALL_GET_ORDER);
    assert_non_null(m);
    char *body = json_dumps(m, JSON_COMPACT);
    assert_non_null(body);
    json_decref(m);
    return body;
}

int fake_http1_status(const char *code)
{
    static const struct {
        const char *code;
        int status;
    } known[] = {{"INVALID_ARGUMENT", 400},   {"NOT_FOUND", 404},      {"SOLD_OUT", 409},
                 {"INVALID_TRANSITION", 409}, {"ALREADY_EXISTS", 409}, {"ORDER_MISMATCH", 422},
                 {"LIMIT_EXCEEDED", 429},     {"OVERLOADED", 503},     {"UNAVAILABLE", 503},
                 {"OUTCOME_UNKNOWN", 504},    {"SALE_NOT_OPEN", 409},  {"SALE_CLOSED", 409},
                 {"GROUP_FULL", 409},         {"GROUP_CLOSED", 409}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(known[i].code, code) == 0)
            return known[i].status;
    return 500;
}

static void http1_answer(struct fake *f, const struct seen *request, const struct reply *r)
{
    char head[512];
    char *body = fake_http1_body(request, r);
    int status = r->code ? fake_http1_status(r->code) : request->kind == CALL_RESERVE ? 201 : 200;
    int n = snprintf(head, sizeof head,
                     "HTTP/1.1 %d Whatever\r\ndate: Sun, 22 Nov 2026 10:00:00 GMT\r\n"
                     "content-type: application/%s\r\n%scontent-length: %zu\r\n\r\n",
                     status, r->code ? "problem+json" : "json",
                     r->replayed ? "idempotent-replayed: true\r\n" : "", strlen(body));
    fake_write(f, head, (size_t)n);
    fake_write(f, body, strlen(body));
    free(body);
}

const struct fake_kind fake_http1 = {.protocol = &protocol_http1,
                                     .open = http1_open,
                                     .close = http1_close,
                                     .read = http1_read,
                                     .answer = http1_answer};
