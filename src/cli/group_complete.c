/* group_complete.c - `tally group complete`. */
#include "cli/cli.h"
#include "cli/sale_call.h"

int cli_group_complete(int argc, char **argv)
{
    struct client_options client = CLIENT_OPTIONS_INIT;
    const char *reason = "";
    const struct cli_option options[] = {
        {"reason", "TEXT", OPTION_TEXT, &reason, "for the log", 0, 0}, CLIENT_OPTIONS(&client)};
    const struct usage usage = {
        .name = "tally group complete",
        .synopsis = "GROUP [--reason TEXT]",
        .text = "The group succeeds although places are left.\n",
        .options = options,
        .option_count = sizeof(options) / sizeof(options[0]),
        .positionals_min = 1,
        .positionals_max = 1,
    };
    struct positionals given;
    int code = options_parse(&usage, argc, argv, &given);
    if (code != OPTIONS_GO)
        return code;
    return group_call(&client, &usage, "POST", given.items[0], "complete",
                      json_pack("{s:s}", "reason", reason));
}
