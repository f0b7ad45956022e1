/* sale_update.c - `tally sale update`. */
#include "cli/cli.h"
#include "cli/sale_call.h"

int cli_sale_update(int argc, char **argv)
{
    struct client_options client = CLIENT_OPTIONS_INIT;
    struct sale_flags flags = SALE_FLAGS_INIT;
    const struct cli_option options[] = {SALE_FLAGS(&flags), CLIENT_OPTIONS(&client)};
    const struct usage usage = {
        .name = "tally sale update",
        .synopsis = "SALE [what is to be changed]",
        .text =
            "Changes a sale, for orders from now on: only what is given. Lots and skus are set\n"
            "together.\n",
        .options = options,
        .option_count = sizeof(options) / sizeof(options[0]),
        .positionals_min = 1,
        .positionals_max = 1,
    };
    struct positionals given;
    int code = options_parse(&usage, argc, argv, &given);
    if (code != OPTIONS_GO)
        return code;
    json_t *body = json_object();
    if (body && !sale_flags_set(&flags, body)) {
        json_decref(body);
        body = NULL;
    }
    return sale_call(&client, &usage, "PATCH", given.items[0], "", body);
}
