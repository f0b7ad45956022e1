/* change.c - `tally change`. */
#include "cli/cli.h"
#include "cli/reservation_call.h"

int cli_change(int argc, char **argv)
{
    struct client_options client = CLIENT_OPTIONS_INIT;
    const char *order = NULL, *change_id = NULL;
    struct option_list texts = {0};
    const struct cli_option options[] = {
        {"line", "LINE", OPTION_LIST, &texts,
         "what it is to hold, as for `tally reserve`; may be\nrepeated", 0, 0},
        {"change-id", "ID", OPTION_TEXT, &change_id, "the same id is carried out once", 0, 0},
        ORDER_OPTION(&order),
        CLIENT_OPTIONS(&client),
    };
    const struct usage usage = {
        .name = "tally change",
        .synopsis = "RESERVATION | --order ID --line LINE [--line LINE ...]\n"
                    "                    [--change-id ID]",
        .text = "A PENDING reservation gets these lines instead of its own: all of them, or it\n"
                "keeps what it has.\n",
        .options = options,
        .option_count = sizeof(options) / sizeof(options[0]),
        .positionals_max = 1,
    };
    struct positionals given;
    json_t *lines;
    int code = options_parse(&usage, argc, argv, &given);
    if (code == OPTIONS_GO && texts.count == 0)
        code = options_wrong(&usage, "--line is missing");
    if (code == OPTIONS_GO)
        code = order_lines_parse(&usage, &texts, &lines);
    if (code != OPTIONS_GO)
        return code;
    return reservation_call(&client, &usage, &given, order, "lines",
                            lines_body(lines, "change_id", change_id));
}
