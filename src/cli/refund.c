/* refund.c - `tally refund`. */
#include "cli/cli.h"
#include "cli/reservation_call.h"

int cli_refund(int argc, char **argv)
{
    struct client_options client = CLIENT_OPTIONS_INIT;
    const char *reason = "";
    const struct cli_option options[] = {
        {"reason", "REASON", OPTION_TEXT, &reason,
         "CANCELLED, RETURNED, GROUP_FAILED or UNSETTLED;\nby the state if not given", 0, 0},
        CLIENT_OPTIONS(&client),
    };
    const struct usage usage = {
        .name = "tally refund",
        .synopsis = "RESERVATION [--reason REASON]",
        .text = "Cancels a PENDING reservation, or takes a CONFIRMED one back. Its units are\n"
                "available again at once.\n",
        .options = options,
        .option_count = sizeof(options) / sizeof(options[0]),
        .positionals_min = 1,
        .positionals_max = 1,
    };
    struct positionals given;
    int code = options_parse(&usage, argc, argv, &given);
    if (code != OPTIONS_GO)
        return code;
    return reservation_call(&client, &usage, given.items[0], "refund",
                            json_pack("{s:s}", "reason", reason));
}
