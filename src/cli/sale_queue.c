/* sale_queue.c - `tally sale queue`. A user has one place, so to look is to join again. */
#include "cli/cli.h"
#include "cli/sale_call.h"

int cli_sale_queue(int argc, char **argv)
{
    struct client_options client = CLIENT_OPTIONS_INIT;
    const char *user = NULL;
    const struct cli_option options[] = {{"user", "USER", OPTION_TEXT, &user, "who joins", 0, 0},
                                         CLIENT_OPTIONS(&client)};
    const struct usage usage = {
        .name = "tally sale queue",
        .synopsis = "SALE --user USER",
        .text =
            "Takes a place in the line of a sale that has a waiting room; again, tells how far\n"
            "the line has come: a user keeps his ticket and place. Once it is ADMITTED:\n"
            "\n"
            "  tally reserve --user USER --sale SALE --ticket TICKET --line COLA=1\n",
        .options = options,
        .option_count = sizeof(options) / sizeof(options[0]),
        .positionals_min = 1,
        .positionals_max = 1,
    };
    struct positionals given;
    int code = options_parse(&usage, argc, argv, &given);
    if (code != OPTIONS_GO)
        return code;
    if (!user)
        return options_wrong(&usage, "--user is missing");
    return queue_call(&client, &usage, given.items[0], json_pack("{s:s}", "user_id", user));
}
