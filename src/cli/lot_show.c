/* lot_show.c - `tally lot show`. */
#include "cli/cli.h"
#include "cli/views.h"
#include "client/url.h"

int cli_lot_show(int argc, char **argv)
{
    struct client_options client = CLIENT_OPTIONS_INIT;
    const struct cli_option options[] = {CLIENT_OPTIONS(&client)};
    const struct usage usage = {
        .name = "tally lot show",
        .synopsis = "LOT",
        .text = "Shows one lot by its key. Quote the key: '#' begins a comment in some shells.\n",
        .options = options,
        .option_count = sizeof(options) / sizeof(options[0]),
        .positionals_min = 1,
        .positionals_max = 1,
    };
    struct positionals given;
    int code = options_parse(&usage, argc, argv, &given);
    if (code != OPTIONS_GO)
        return code;
    char path[512] = "/v1/lots/";
    if (!url_append(path, sizeof(path), given.items[0]))
        return options_wrong(&usage, "the lot key is too long");
    return client_show_lot(&client, &(struct client_call){.method = "GET", .path = path});
}
