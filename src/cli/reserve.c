/* reserve.c - `tally reserve`. The order_id is made here if none is given, so that an order whose
 * answer was lost can be asked for. */
#include "base/limits.h"
#include "cli/cli.h"
#include "cli/client_id.h"
#include "cli/reservation_call.h"

/* Whose order it is, and in what. */
struct buyer {
    const char *user, *order, *sale, *group, *ticket;
    int64_t hold_ms;
};

static int reserve(const struct client_options *client, const struct usage *usage, json_t *lines,
                   const struct buyer *b)
{
    char ask[256];
    snprintf(ask, sizeof(ask), "Ask for it: tally show --order %.*s", ORDER_ID_MAX, b->order);
    struct client_call call = {
        .method = "POST",
        .path = "/v1/reservations",
        .body = json_pack("{s:s, s:s, s:o, s:I}", "order_id", b->order, "user_id", b->user, "lines",
                          lines, "hold_ms", (json_int_t)b->hold_ms),
        .ask = ask,
    };
    if (!call.body || set_given(call.body, "sale_id", b->sale) != 0 ||
        set_given(call.body, "group_id", b->group) != 0 ||
        set_given(call.body, "ticket", b->ticket) != 0) {
        json_decref(call.body);
        return options_wrong(usage, "a value is not UTF-8 text");
    }
    return client_show_reservation(client, &call);
}

int cli_reserve(int argc, char **argv)
{
    struct client_options client = CLIENT_OPTIONS_INIT;
    struct buyer b = {0};
    struct option_list texts = {0};
    const struct cli_option options[] = {
        {"user", "USER", OPTION_TEXT, &b.user, "who buys", 0, 0},
        {"line", "LINE", OPTION_LIST, &texts,
         "what is wanted; may be repeated. One of\n"
         "  LOT=QUANTITY    'COLA#1a2b3c4d=2'\n"
         "  SKU=QUANTITY    COLA=2: first expired, first out\n"
         "  name=value,...  sku=COLA,flavor=lime,quantity=2\n"
         "                  (lot, sku, flavor, size, batch, quantity)",
         0, 0},
        {"order", "ID", OPTION_TEXT, &b.order,
         "order_id: the same order is carried out once. Made if\nnot given", 0, 0},
        {"hold-ms", "N", OPTION_NUMBER, &b.hold_ms,
         "how long the units are held; the server's own if not given", 1, INT64_MAX},
        {"sale", "ID", OPTION_TEXT, &b.sale, "the sale that the order is part of", 0, 0},
        {"group", "ID", OPTION_TEXT, &b.group, "a group of that sale, to join", 0, 0},
        {"ticket", "TICKET", OPTION_TEXT, &b.ticket,
         "of the sale's waiting room: `tally sale queue`", 0, 0},
        CLIENT_OPTIONS(&client),
    };
    const struct usage usage = {
        .name = "tally reserve",
        .synopsis = "--user USER --line LINE [--line LINE ...] [--order ID] [--hold-ms N]\n"
                    "                     [--sale ID [--group ID] [--ticket TICKET]]",
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
    if (!b.user || texts.count == 0)
        return options_wrong(&usage, "%s is missing", b.user ? "--line" : "--user");
    char made[CLIENT_ID_SIZE];
    if (!b.order && client_id_make(made) != 0)
        return EXIT_FAILED;
    if (!b.order)
        b.order = made;
    json_t *lines;
    code = order_lines_parse(&usage, &texts, &lines);
    return code == OPTIONS_GO ? reserve(&client, &usage, lines, &b) : code;
}
