/* reserve.c - `tally reserve`. The order_id is made here if none is given, so that an order whose
 * answer was lost can be asked for. */
#include "base/limits.h"
#include "cli/cli.h"
#include "cli/client_id.h"
#include "cli/views.h"
#include "cli/wanted_line.h"

static json_t *parse_lines(const struct usage *usage, const struct option_list *texts, int *code)
{
    json_t *lines = json_array();
    for (size_t i = 0; i < texts->count; i++) {
        struct error e = {0};
        json_t *line = NULL;
        if (wanted_line_parse(texts->items[i], &line, &e) != 0) {
            *code = options_wrong(usage, "--line %s: %s", texts->items[i], e.text);
            json_decref(lines);
            return NULL;
        }
        json_array_append_new(lines, line);
    }
    return lines;
}

static int reserve(const struct client_options *client, const struct usage *usage, json_t *lines,
                   const char *user, const char *order, int64_t hold_ms)
{
    char ask[256];
    snprintf(ask, sizeof(ask), "Ask for it: tally show --order %.*s", ORDER_ID_MAX, order);
    struct client_call call = {
        .method = "POST",
        .path = "/v1/reservations",
        .body = json_pack("{s:s, s:s, s:o, s:I}", "order_id", order, "user_id", user, "lines",
                          lines, "hold_ms", (json_int_t)hold_ms),
        .ask = ask,
    };
    if (!call.body)
        return options_wrong(usage, "a value is not UTF-8 text");
    return client_show_reservation(client, &call);
}

int cli_reserve(int argc, char **argv)
{
    struct client_options client = CLIENT_OPTIONS_INIT;
    const char *user = NULL, *order = NULL;
    int64_t hold_ms = 0;
    struct option_list texts = {0};
    const struct cli_option options[] = {
        {"user", "USER", OPTION_TEXT, &user, "who buys", 0, 0},
        {"line", "LINE", OPTION_LIST, &texts,
         "what is wanted; may be repeated. One of\n"
         "  LOT=QUANTITY    'COLA#1a2b3c4d=2'\n"
         "  SKU=QUANTITY    COLA=2: first expired, first out\n"
         "  name=value,...  sku=COLA,flavor=lime,quantity=2\n"
         "                  (lot, sku, flavor, size, batch, quantity)",
         0, 0},
        {"order", "ID", OPTION_TEXT, &order,
         "order_id: the same order is carried out once. Made if\nnot given", 0, 0},
        {"hold-ms", "N", OPTION_NUMBER, &hold_ms,
         "how long the units are held; the server's own if not given", 1, INT64_MAX},
        CLIENT_OPTIONS(&client),
    };
    const struct usage usage = {
        .name = "tally reserve",
        .synopsis = "--user USER --line LINE [--line LINE ...] [--order ID] [--hold-ms N]",
        .text =
            "Holds units for one order until its deadline: all lines, or none.\n"
            "\n"
            "  tally reserve --user ann --line LEMONADE-CLASSIC=2\n"
            "  tally reserve --user ann --line sku=COLA,flavor=lime,quantity=6 --order shop-4711\n",
        .options = options,
        .option_count = sizeof(options) / sizeof(options[0]),
    };
    struct positionals none;
    int code = options_parse(&usage, argc, argv, &none);
    if (code != OPTIONS_GO)
        return code;
    if (!user || texts.count == 0)
        return options_wrong(&usage, "%s is missing", user ? "--line" : "--user");
    char made[CLIENT_ID_SIZE];
    if (!order) {
        if (client_id_make(made) != 0)
            return EXIT_FAILED;
        order = made;
    }
    json_t *lines = parse_lines(&usage, &texts, &code);
    if (!lines)
        return code == OPTIONS_GO ? EXIT_FAILED : code;
    return reserve(&client, &usage, lines, user, order, hold_ms);
}
