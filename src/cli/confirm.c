/* confirm.c - `tally confirm`. */
#include "cli/cli.h"
#include "cli/reservation_call.h"

int cli_confirm(int argc, char **argv)
{
    struct client_options client = CLIENT_OPTIONS_INIT;
    const char *payment = "", *order = NULL;
    bool reclaim = false;
    struct option_list texts = {0};
    const struct cli_option options[] = {
        {"payment", "ID", OPTION_TEXT, &payment, "the payment's id, kept with the reservation", 0,
         0},
        {"line", "LOT=QUANTITY", OPTION_LIST, &texts,
         "fewer units than held: the rest is given back;\nmay be repeated", 0, 0},
        {"reclaim", NULL, OPTION_FLAG, &reclaim,
         "one that has expired is taken again, if its units are\nfree", 0, 0},
        ORDER_OPTION(&order),
        CLIENT_OPTIONS(&client),
    };
    const struct usage usage = {
        .name = "tally confirm",
        .synopsis = "RESERVATION | --order ID [--payment ID]\n"
                    "                     [--line LOT=QUANTITY ...] [--reclaim]",
        .text = "The payment arrived: the reservation becomes CONFIRMED.\n",
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
    return reservation_call(
        &client, &usage, &given, order, "confirm",
        json_pack("{s:s, s:o, s:b}", "payment_id", payment, "lines", lines, "reclaim", reclaim));
}
