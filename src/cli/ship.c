/* ship.c - `tally ship`. */
#include "cli/cli.h"
#include "cli/reservation_call.h"

int cli_ship(int argc, char **argv)
{
    struct client_options client = CLIENT_OPTIONS_INIT;
    const char *order = NULL, *shipment_id = NULL;
    struct option_list texts = {0};
    const struct cli_option options[] = {
        {"line", "LOT=QUANTITY", OPTION_LIST, &texts,
         "some of the units; may be repeated. All that has not been\nshipped if not given", 0, 0},
        {"shipment-id", "ID", OPTION_TEXT, &shipment_id, "the same id is carried out once", 0, 0},
        ORDER_OPTION(&order),
        CLIENT_OPTIONS(&client),
    };
    const struct usage usage = {
        .name = "tally ship",
        .synopsis = "RESERVATION | --order ID [--line LOT=QUANTITY ...]\n"
                    "                  [--shipment-id ID]",
        .text =
            "Units of a CONFIRMED reservation leave the house: they are not on hand any more.\n",
        .options = options,
        .option_count = sizeof(options) / sizeof(options[0]),
        .positionals_max = 1,
    };
    struct positionals given;
    json_t *lines;
    int code = options_parse(&usage, argc, argv, &given);
    if (code == OPTIONS_GO)
        code = lot_lines_parse(&usage, &texts, &lines);
    if (code != OPTIONS_GO)
        return code;
    return reservation_call(&client, &usage, &given, order, "ship",
                            lines_body(lines, "shipment_id", shipment_id));
}
