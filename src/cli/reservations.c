/* reservations.c - `tally reservations`. Reads all pages, then prints one table. */
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "cli/cli.h"
#include "cli/pages.h"
#include "cli/views.h"

int cli_reservations(int argc, char **argv)
{
    struct client_options client = CLIENT_OPTIONS_INIT;
    const char *user = NULL, *lot = NULL, *status = NULL, *sale = NULL;
    const struct cli_option options[] = {
        {"user", "USER", OPTION_TEXT, &user, "only of this user", 0, 0},
        {"lot", "LOT", OPTION_TEXT, &lot, "only those with units of this lot", 0, 0},
        {"status", "STATUS", OPTION_TEXT, &status, "only PENDING, CONFIRMED or REFUNDED", 0, 0},
        {"sale", "ID", OPTION_TEXT, &sale, "only of this sale", 0, 0},
        CLIENT_OPTIONS(&client),
    };
    const struct usage usage = {
        .name = "tally reservations",
        .synopsis = "[--user USER] [--lot LOT] [--status STATUS] [--sale ID]",
        .text = "Lists reservations, newest first. With --json: one array of all of them.\n",
        .options = options,
        .option_count = sizeof(options) / sizeof(options[0]),
    };
    struct positionals none;
    int code = options_parse(&usage, argc, argv, &none);
    if (code != OPTIONS_GO)
        return code;
    char path[1024];
    snprintf(path, sizeof(path), "/v1/reservations?page_size=%d", PAGE_SIZE_MAX);
    if (!path_add(path, sizeof(path), "user_id", user) ||
        !path_add(path, sizeof(path), "lot", lot) ||
        !path_add(path, sizeof(path), "status", status) ||
        !path_add(path, sizeof(path), "sale_id", sale))
        return options_wrong(&usage, "a filter is too long");
    return pages_show(&client, path, "reservations", print_reservations);
}
