/* version.c - `tally version`. */
#include <jansson.h>
#include <sqlite3.h>

#include "cli/cli.h"
#include "cli/client.h"

int cli_version(int argc, char **argv)
{
    bool json = false;
    const struct cli_option options[] = {
        {"json", NULL, OPTION_FLAG, &json, "as JSON", 0, 0},
    };
    const struct usage usage = {
        .name = "tally version",
        .synopsis = "[--json]",
        .text = "Prints the version of this binary, and of the SQLite that it runs with.\n",
        .options = options,
        .option_count = 1,
    };
    struct positionals none;
    int code = options_parse(&usage, argc, argv, &none);
    if (code != OPTIONS_GO)
        return code;
    if (json) {
        json_t *object =
            json_pack("{s:s, s:s}", "version", TALLY_VERSION, "sqlite", sqlite3_libversion());
        print_json(object);
        json_decref(object);
        return EXIT_DONE;
    }
    printf("tally %s (SQLite %s)\n", TALLY_VERSION, sqlite3_libversion());
    return EXIT_DONE;
}
