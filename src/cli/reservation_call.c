/* reservation_call.c - builds the path, makes the call, prints the reservation. */
#include "cli/reservation_call.h"

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "cli/cli.h"
#include "cli/wanted_line.h"
#include "client/url.h"

static int lines_parse(const struct usage *usage, const struct option_list *texts, bool lots_only,
                       json_t **out)
{
    *out = json_array();
    if (!*out)
        return EXIT_FAILED;
    for (size_t i = 0; i < texts->count; i++) {
        struct error e = {0};
        json_t *line = NULL;
        int code = OPTIONS_GO;
        if (wanted_line_parse(texts->items[i], &line, &e) != 0)
            code = options_wrong(usage, "--line %s: %s", texts->items[i], e.text);
        else if (json_array_append_new(*out, line) != 0)
            code = EXIT_FAILED;
        else if (lots_only && (!json_object_get(line, "lot") || json_object_size(line) != 2))
            code = options_wrong(usage, "--line %s: a line of a reservation is LOT=QUANTITY",
                                 texts->items[i]);
        if (code != OPTIONS_GO) {
            json_decref(*out);
            *out = NULL;
            return code;
        }
    }
    return OPTIONS_GO;
}

int lot_lines_parse(const struct usage *usage, const struct option_list *texts, json_t **out)
{
    if (texts->count)
        return lines_parse(usage, texts, true, out);
    *out = json_null(); /* an empty list would be of no units */
    return OPTIONS_GO;
}

int order_lines_parse(const struct usage *usage, const struct option_list *texts, json_t **out)
{
    return lines_parse(usage, texts, false, out);
}

int set_given(json_t *object, const char *name, const char *text)
{
    return text ? json_object_set_new(object, name, json_string(text)) : 0;
}

json_t *lines_body(json_t *lines, const char *name, const char *id)
{
    json_t *body = json_pack("{s:o}", "lines", lines);
    if (body && set_given(body, name, id) != 0) {
        json_decref(body);
        return NULL;
    }
    return body;
}

int reservation_call(const struct client_options *client, const struct usage *usage,
                     const struct positionals *given, const char *order, const char *verb,
                     json_t *body)
{
    char path[512], ask[256];
    int64_t number = 0;
    int code = OPTIONS_GO;
    bool fits = true;
    if (!body)
        return options_wrong(usage, "a value is not UTF-8 text");
    if ((given->count == 1) == (order != NULL))
        code = options_wrong(usage, "name one: a reservation's number, or --order ID");
    else if (!order && !number_parse(given->items[0], 1, INT64_MAX, &number))
        code = options_wrong(usage, "RESERVATION must be a reservation's number, is '%s'",
                             given->items[0]);
    if (code != OPTIONS_GO) {
        json_decref(body);
        return code;
    }
    if (order) {
        snprintf(path, sizeof(path), "/v1/orders/");
        fits = url_append(path, sizeof(path), order);
        snprintf(ask, sizeof(ask), "Ask for it: tally show --order %.*s", ORDER_ID_MAX, order);
    } else {
        snprintf(path, sizeof(path), "/v1/reservations/%lld", (long long)number);
        snprintf(ask, sizeof(ask), "Ask for it: tally show %lld", (long long)number);
    }
    size_t len = strlen(path);
    if (!fits || len + strlen(verb) + 2 > sizeof(path)) {
        json_decref(body);
        return options_wrong(usage, "the order_id is too long");
    }
    snprintf(path + len, sizeof(path) - len, "/%s", verb);
    return client_show_reservation(
        client, &(struct client_call){.method = "POST", .path = path, .body = body, .ask = ask});
}
