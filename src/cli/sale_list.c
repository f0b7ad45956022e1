/* sale_list.c - `tally sale list`. */
#include "cli/cli.h"
#include "cli/pages.h"
#include "cli/sale_call.h"

int cli_sale_list(int argc, char **argv)
{
    struct client_options client = CLIENT_OPTIONS_INIT;
    const struct cli_option options[] = {CLIENT_OPTIONS(&client)};
    const struct usage usage = {
        .name = "tally sale list",
        .synopsis = "",
        .text = "Lists sales, in the order in which they were made. With --json: one array.\n",
        .options = options,
        .option_count = sizeof(options) / sizeof(options[0]),
    };
    struct positionals none;
    int code = options_parse(&usage, argc, argv, &none);
    if (code != OPTIONS_GO)
        return code;
    return pages_show(&client, "/v1/sales?page_size=100", "sales", print_sales);
}
