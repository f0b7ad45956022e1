/* group_show.c - `tally group show`. */
#include "cli/cli.h"
#include "cli/sale_call.h"

int cli_group_show(int argc, char **argv)
{
    struct client_options client = CLIENT_OPTIONS_INIT;
    const struct cli_option options[] = {CLIENT_OPTIONS(&client)};
    const struct usage usage = {
        .name = "tally group show",
        .synopsis = "GROUP",
        .text = "Shows a group: how many places are left, and how long it has.\n",
        .options = options,
        .option_count = sizeof(options) / sizeof(options[0]),
        .positionals_min = 1,
        .positionals_max = 1,
    };
    struct positionals given;
    int code = options_parse(&usage, argc, argv, &given);
    if (code != OPTIONS_GO)
        return code;
    return group_call(&client, &usage, "GET", given.items[0], "", NULL);
}
