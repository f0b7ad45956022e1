/* group_open.c - `tally group open`. The order_id is made here if none is given, so that an order
 * whose answer was lost can be asked for. */
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "cli/cli.h"
#include "cli/client_id.h"
#include "cli/reservation_call.h"
#include "cli/sale_call.h"
#include "client/url.h"

struct opener {
    const char *user, *order, *ticket;
    int64_t hold_ms;
    struct option_list texts;
};

/* Alone, or with the opener's order. */
static int body_of(const struct usage *usage, const struct opener *o, json_t **out)
{
    json_t *lines;
    if (!o->texts.count) {
        *out = json_pack("{s:s}", "user_id", o->user ? o->user : "");
        return OPTIONS_GO;
    }
    int code = order_lines_parse(usage, &o->texts, &lines);
    if (code != OPTIONS_GO)
        return code;
    *out = json_pack("{s:{s:s, s:s, s:o, s:I}}", "order", "order_id", o->order, "user_id", o->user,
                     "lines", lines, "hold_ms", (json_int_t)o->hold_ms);
    if (*out && set_given(json_object_get(*out, "order"), "ticket", o->ticket) != 0) {
        json_decref(*out);
        *out = NULL;
    }
    return OPTIONS_GO;
}

int cli_group_open(int argc, char **argv)
{
    struct client_options client = CLIENT_OPTIONS_INIT;
    struct opener o = {0};
    const struct cli_option options[] = {
        {"user", "USER", OPTION_TEXT, &o.user, "who opens it", 0, 0},
        {"line", "LINE", OPTION_LIST, &o.texts,
         "the opener's order, as for `tally reserve`; may be\nrepeated", 0, 0},
        {"order", "ID", OPTION_TEXT, &o.order, "its order_id; made if not given", 0, 0},
        {"hold-ms", "N", OPTION_NUMBER, &o.hold_ms, "how long it is held", 1, INT64_MAX},
        {"ticket", "TICKET", OPTION_TEXT, &o.ticket,
         "the opener's, of the sale's waiting room:\n`tally sale queue`", 0, 0},
        CLIENT_OPTIONS(&client),
    };
    const struct usage usage = {
        .name = "tally group open",
        .synopsis = "SALE [--user USER] [--line LINE ...] [--order ID] [--hold-ms N]\n"
                    "                        [--ticket TICKET]",
        .text = "Opens a group in a sale; with lines, the opener's order is its first.\n",
        .options = options,
        .option_count = sizeof(options) / sizeof(options[0]),
        .positionals_min = 1,
        .positionals_max = 1,
    };
    struct positionals given;
    char made[CLIENT_ID_SIZE], path[512] = "/v1/sales/", ask[256];
    json_t *body = NULL;
    int code = options_parse(&usage, argc, argv, &given);
    if (code != OPTIONS_GO)
        return code;
    if (o.texts.count && !o.user)
        return options_wrong(&usage, "--user is missing");
    if (!o.order && client_id_make(made) != 0)
        return EXIT_FAILED;
    if (!o.order)
        o.order = made;
    if (!url_append(path, sizeof(path) - sizeof("/groups"), given.items[0]))
        return options_wrong(&usage, "the sale's id is too long");
    code = body_of(&usage, &o, &body);
    if (code != OPTIONS_GO)
        return code;
    if (!body)
        return options_wrong(&usage, "a value is not UTF-8 text");
    size_t len = strlen(path);
    snprintf(path + len, sizeof(path) - len, "/groups");
    snprintf(ask, sizeof(ask), "Ask for its order: tally show --order %.*s", ORDER_ID_MAX, o.order);
    return client_show_group(
        &client, &(struct client_call){.method = "POST", .path = path, .body = body, .ask = ask});
}
