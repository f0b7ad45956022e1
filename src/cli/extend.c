/* extend.c - `tally extend`. */
#include "cli/cli.h"
#include "cli/reservation_call.h"

int cli_extend(int argc, char **argv)
{
    struct client_options client = CLIENT_OPTIONS_INIT;
    const char *order = NULL;
    int64_t hold_ms = 0;
    const struct cli_option options[] = {
        {"hold-ms", "N", OPTION_NUMBER, &hold_ms, "the new deadline: N milliseconds from now", 1,
         INT64_MAX},
        ORDER_OPTION(&order),
        CLIENT_OPTIONS(&client),
    };
    const struct usage usage = {
        .name = "tally extend",
        .synopsis = "RESERVATION | --order ID --hold-ms N",
        .text = "Gives a PENDING reservation a later deadline, when its payment has begun.\n",
        .options = options,
        .option_count = sizeof(options) / sizeof(options[0]),
        .positionals_max = 1,
    };
    struct positionals given;
    int code = options_parse(&usage, argc, argv, &given);
    if (code != OPTIONS_GO)
        return code;
    if (hold_ms == 0)
        return options_wrong(&usage, "--hold-ms is missing");
    return reservation_call(&client, &usage, &given, order, "extend",
                            json_pack("{s:I}", "hold_ms", (json_int_t)hold_ms));
}
