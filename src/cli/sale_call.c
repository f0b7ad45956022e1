/* sale_call.c - builds bodies and paths of calls on sales and groups, and prints what they answer.
 */
#include "cli/sale_call.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/table.h"
#include "client/url.h"

static bool set_text(json_t *body, const char *name, const char *text)
{
    return !text || json_object_set_new(body, name, json_string(text)) == 0;
}

static bool set_number(json_t *body, const char *name, int64_t n)
{
    return n < 0 || json_object_set_new(body, name, json_integer(n)) == 0;
}

static bool set_list(json_t *body, const char *name, const struct option_list *list)
{
    if (!list->count)
        return true;
    json_t *array = json_array();
    for (size_t i = 0; i < list->count; i++) {
        if (json_array_append_new(array, json_string(list->items[i])) != 0) {
            json_decref(array);
            return false;
        }
    }
    return json_object_set_new(body, name, array) == 0;
}

static bool set_time(json_t *body, const char *name, const char *at, int64_t in_ms)
{
    char text[RFC3339_SIZE];
    struct timespec now;
    if (in_ms < 0)
        return set_text(body, name, at);
    clock_gettime(CLOCK_REALTIME, &now);
    rfc3339_format((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + in_ms, text);
    return set_text(body, name, text);
}

static bool set_group(json_t *body, const struct sale_flags *f)
{
    if (f->group_size < 0)
        return true;
    json_t *group = json_pack("{s:I, s:I}", "size", (json_int_t)f->group_size, "window_ms",
                              (json_int_t)(f->group_window_ms < 0 ? 0 : f->group_window_ms));
    return json_object_set_new(body, "group", group) == 0;
}

static bool set_queue(json_t *body, const char *mode)
{
    if (!mode)
        return true;
    json_t *queue = json_pack("{s:s}", "mode", strcmp(mode, "none") == 0 ? "" : mode);
    return json_object_set_new(body, "queue", queue) == 0;
}

bool sale_flags_set(const struct sale_flags *f, json_t *body)
{
    return set_text(body, "title", f->title) && set_list(body, "lots", &f->lots) &&
           set_list(body, "skus", &f->skus) &&
           set_time(body, "starts_at", f->starts_at, f->starts_in_ms) &&
           set_time(body, "ends_at", f->ends_at, f->ends_in_ms) &&
           set_number(body, "per_user_limit", f->per_user_limit) &&
           set_number(body, "per_order_limit", f->per_order_limit) &&
           set_number(body, "total_limit", f->total_limit) &&
           set_number(body, "hold_ms", f->hold_ms) &&
           set_number(body, "payment_extend_ms_max", f->payment_extend_ms_max) &&
           set_group(body, f) && set_queue(body, f->queue);
}

static bool path_of(char *path, size_t size, const char *prefix, const char *id, const char *verb)
{
    snprintf(path, size, "%s", prefix);
    if (!url_append(path, size, id))
        return false;
    size_t len = strlen(path);
    return (size_t)snprintf(path + len, size - len, "%s%s", *verb ? "/" : "", verb) < size - len;
}

int sale_call(const struct client_options *o, const struct usage *usage, const char *method,
              const char *sale_id, const char *verb, json_t *body)
{
    char path[512];
    bool writes = strcmp(method, "GET") != 0;
    if (writes && !body)
        return options_wrong(usage, "a value is not UTF-8 text");
    if (!path_of(path, sizeof(path), "/v1/sales/", sale_id, verb)) {
        json_decref(body);
        return options_wrong(usage, "the sale's id is too long");
    }
    return client_show_sale(
        o, &(struct client_call){.method = method,
                                 .path = path,
                                 .body = body,
                                 .ask = writes ? "`tally sale show` tells how it is." : NULL});
}

int group_call(const struct client_options *o, const struct usage *usage, const char *method,
               const char *group_id, const char *verb, json_t *body)
{
    char path[512];
    bool writes = strcmp(method, "GET") != 0;
    if (writes && !body)
        return options_wrong(usage, "a value is not UTF-8 text");
    if (!path_of(path, sizeof(path), "/v1/groups/", group_id, verb)) {
        json_decref(body);
        return options_wrong(usage, "the group's id is too long");
    }
    return client_show_group(
        o, &(struct client_call){.method = method,
                                 .path = path,
                                 .body = body,
                                 .ask = writes ? "`tally group show` tells how it is." : NULL});
}

static void print_property(const char *name, const char *value)
{
    if (!*value)
        return;
    printf("%-12s  ", name);
    print_safely(value, stdout);
    putchar('\n');
}

static void print_number(const char *name, const json_t *object, const char *member)
{
    int64_t n = number_of(object, member);
    if (n)
        printf("%-12s  %" PRId64 "\n", name, n);
}

static void print_seconds(const char *name, int64_t ms)
{
    if (ms > 0)
        printf("%-12s  %" PRId64 ".%03" PRId64 " s\n", name, ms / 1000, ms % 1000);
}

static void print_items(const char *name, const json_t *items)
{
    for (size_t i = 0; i < json_array_size(items); i++)
        print_property(name, json_string_value(json_array_get(items, i)));
}

static void print_sale(const json_t *sale)
{
    const json_t *units = json_object_get(sale, "units");
    const json_t *group = json_object_get(sale, "group");
    const json_t *groups = json_object_get(sale, "groups");
    print_property("sale", text_of(sale, "sale_id"));
    print_property("title", text_of(sale, "title"));
    print_property("status", text_of(sale, "status"));
    print_seconds("starts in", number_of(sale, "starts_in_ms"));
    print_seconds("remaining", number_of(sale, "remaining_ms"));
    print_property("starts", text_of(sale, "starts_at"));
    print_property("ends", text_of(sale, "ends_at"));
    print_property("closed", text_of(sale, "closed_at"));
    print_property("server time", text_of(sale, "server_time"));
    print_items("lot", json_object_get(sale, "lots"));
    print_items("sku", json_object_get(sale, "skus"));
    print_number("per user", sale, "per_user_limit");
    print_number("per order", sale, "per_order_limit");
    print_number("share", sale, "total_limit");
    print_seconds("hold", number_of(sale, "hold_ms"));
    print_property("queue", text_of(json_object_get(sale, "queue"), "mode"));
    if (group && groups)
        printf("%-12s  of %" PRId64 ", %" PRId64 " open, %" PRId64 " succeeded, %" PRId64
               " failed\n",
               "groups", number_of(group, "size"), number_of(groups, "open"),
               number_of(groups, "succeeded"), number_of(groups, "failed"));
    if (units)
        printf("%-12s  %" PRId64 " pending, %" PRId64 " confirmed, %" PRId64 " left\n", "units",
               number_of(units, "pending"), number_of(units, "confirmed"),
               number_of(units, "left"));
}

int print_sales(const json_t *sales)
{
    static const struct table_column columns[] = {
        {"SALE", false}, {"TITLE", false},    {"STATUS", false}, {"STARTS", false},
        {"ENDS", false}, {"CONFIRMED", true}, {"LEFT", true}};
    static const char *const texts[] = {"sale_id", "title", "status", "starts_at", "ends_at"};
    static const char *const figures[] = {"confirmed", "left"};
    struct table t;
    table_init(&t, columns, sizeof(columns) / sizeof(columns[0]));
    for (size_t i = 0; i < json_array_size(sales); i++) {
        const json_t *sale = json_array_get(sales, i);
        const json_t *units = json_object_get(sale, "units");
        for (size_t c = 0; c < sizeof(texts) / sizeof(texts[0]); c++)
            table_text(&t, text_of(sale, texts[c]));
        for (size_t c = 0; c < sizeof(figures) / sizeof(figures[0]); c++) {
            if (units)
                table_number(&t, number_of(units, figures[c]));
            else
                table_text(&t, "");
        }
    }
    bool failed = t.failed;
    table_print(&t, stdout, 0);
    table_close(&t);
    return failed ? EXIT_FAILED : EXIT_DONE;
}

int client_show_sale(const struct client_options *o, const struct client_call *call)
{
    json_t *answer = NULL;
    int code = client_call(o, call, &answer);
    if (code != EXIT_DONE)
        return code;
    if (o->json)
        print_json(answer);
    else
        print_sale(answer);
    json_decref(answer);
    return EXIT_DONE;
}

static int print_group(const json_t *group)
{
    const json_t *reservation = json_object_get(group, "reservation");
    print_property("group", text_of(group, "group_id"));
    print_property("sale", text_of(group, "sale_id"));
    print_property("status", text_of(group, "status"));
    printf("%-12s  %" PRId64 " of %" PRId64 ", %" PRId64 " left\n", "paid",
           number_of(group, "paid"), number_of(group, "size"), number_of(group, "places_left"));
    print_property("ends", text_of(group, "ends_at"));
    print_seconds("remaining", number_of(group, "remaining_ms"));
    if (!reservation)
        return EXIT_DONE;
    putchar('\n');
    return print_reservation(reservation);
}

static void print_ticket(const json_t *ticket)
{
    const json_t *draw = json_object_get(ticket, "draw");
    print_property("ticket", text_of(ticket, "ticket"));
    print_property("sale", text_of(ticket, "sale_id"));
    print_property("status", text_of(ticket, "status"));
    print_number("place", ticket, "place");
    print_number("number", ticket, "number");
    print_property("server time", text_of(ticket, "server_time"));
    print_property("commitment", text_of(draw, "commitment"));
    print_property("secret", text_of(draw, "secret"));
    print_number("entrants", draw, "entrants");
}

int queue_call(const struct client_options *o, const struct usage *usage, const char *sale_id,
               json_t *body)
{
    char path[512];
    json_t *answer = NULL;
    if (!body)
        return options_wrong(usage, "a value is not UTF-8 text");
    if (!path_of(path, sizeof(path), "/v1/sales/", sale_id, "queue")) {
        json_decref(body);
        return options_wrong(usage, "the sale's id is too long");
    }
    const struct client_call call = {
        .method = "POST", .path = path, .body = body, .ask = "Ask again: a user has one place."};
    int code = client_call(o, &call, &answer);
    if (code != EXIT_DONE)
        return code;
    if (o->json)
        print_json(answer);
    else
        print_ticket(answer);
    json_decref(answer);
    return EXIT_DONE;
}

int client_show_group(const struct client_options *o, const struct client_call *call)
{
    json_t *answer = NULL;
    int code = client_call(o, call, &answer);
    if (code != EXIT_DONE)
        return code;
    if (o->json)
        print_json(answer);
    else
        code = print_group(answer);
    json_decref(answer);
    return code;
}
