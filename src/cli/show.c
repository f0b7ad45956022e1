/* show.c - `tally show`. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/views.h"
#include "client/url.h"

int cli_show(int argc, char **argv)
{
    struct client_options client = CLIENT_OPTIONS_INIT;
    const char *order = NULL;
    const struct cli_option options[] = {
        {"order", "ID", OPTION_TEXT, &order, "the reservation of this order_id", 0, 0},
        CLIENT_OPTIONS(&client),
    };
    const struct usage usage = {
        .name = "tally show",
        .synopsis = "RESERVATION | --order ID",
        .text = "Shows a reservation with its lines and its history of moves.\n",
        .options = options,
        .option_count = sizeof(options) / sizeof(options[0]),
        .positionals_max = 1,
    };
    struct positionals given;
    int code = options_parse(&usage, argc, argv, &given);
    if (code != OPTIONS_GO)
        return code;
    if ((given.count == 1) == (order != NULL))
        return options_wrong(&usage, "name one: a reservation's number, or --order ID");
    char path[512];
    snprintf(path, sizeof(path), "%s", order ? "/v1/orders/" : "/v1/reservations/");
    if (!url_append(path, sizeof(path), order ? order : given.items[0]))
        return options_wrong(&usage, "the id is too long");
    return client_show_reservation(&client, &(struct client_call){.method = "GET", .path = path});
}
