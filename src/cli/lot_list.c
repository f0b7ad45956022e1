/* lot_list.c - `tally lot list`. Reads all pages, then prints one table. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/lot_pages.h"
#include "cli/views.h"
#include "client/url.h"

static int keep(void *context, json_t *lots)
{
    return json_array_extend(context, lots) == 0 ? EXIT_DONE : EXIT_FAILED;
}

static bool add_filter(char *filter, size_t size, const char *name, const char *value)
{
    if (!value)
        return true;
    size_t len = strlen(filter);
    int n = snprintf(filter + len, size - len, "%s%s=", len ? "&" : "", name);
    return len + (size_t)n < size && url_append(filter, size, value);
}

static void print_total(const json_t *lots)
{
    int64_t available = 0;
    for (size_t i = 0; i < json_array_size(lots); i++)
        available += number_of(json_array_get(lots, i), "available");
    size_t count = json_array_size(lots);
    fprintf(stderr, "\n%zu lot%s, %" PRId64 " units available\n", count, count == 1 ? "" : "s",
            available);
}

static int print_all(const struct client_options *client, json_t *lots)
{
    if (client->json) {
        print_json(lots);
        return EXIT_DONE;
    }
    if (json_array_size(lots) == 0) {
        fputs("no lots\n", stderr);
        return EXIT_DONE;
    }
    int code = print_lots(lots);
    if (code == EXIT_DONE && isatty(STDOUT_FILENO))
        print_total(lots);
    return code;
}

int cli_lot_list(int argc, char **argv)
{
    struct client_options client = CLIENT_OPTIONS_INIT;
    const char *sku = NULL, *flavor = NULL, *size = NULL;
    const struct cli_option options[] = {
        {"sku", "SKU", OPTION_TEXT, &sku, "only lots of this sku", 0, 0},
        {"flavor", "WORD", OPTION_TEXT, &flavor, "only lots of this flavor", 0, 0},
        {"size", "SIZE", OPTION_TEXT, &size, "only lots of this size", 0, 0},
        CLIENT_OPTIONS(&client),
    };
    const struct usage usage = {
        .name = "tally lot list",
        .synopsis = "[--sku SKU] [--flavor WORD] [--size SIZE]",
        .text = "Lists lots with their stock, in the order in which they were created.\n"
                "With --json: one array of all of them.\n",
        .options = options,
        .option_count = sizeof(options) / sizeof(options[0]),
    };
    struct positionals none;
    int code = options_parse(&usage, argc, argv, &none);
    if (code != OPTIONS_GO)
        return code;
    char filter[600] = "";
    if (!add_filter(filter, sizeof(filter), "sku", sku) ||
        !add_filter(filter, sizeof(filter), "flavor", flavor) ||
        !add_filter(filter, sizeof(filter), "size", size))
        return options_wrong(&usage, "a filter is too long");
    json_t *lots = json_array();
    code = lots ? lot_pages(&client, filter, keep, lots) : EXIT_FAILED;
    if (code == EXIT_DONE)
        code = print_all(&client, lots);
    json_decref(lots);
    return code;
}
