/* refund.c - `tally refund`. */
#include "cli/cli.h"
#include "cli/reservation_call.h"

static json_t *body_of(const char *reason, const char *return_id, json_t *lines, bool no_restock,
                       bool fence)
{
    json_t *body = json_pack("{s:s, s:o, s:b, s:b}", "reason", reason, "lines", lines, "restock",
                             !no_restock, "fence", fence);
    if (body && set_given(body, "return_id", return_id) != 0) {
        json_decref(body);
        return NULL;
    }
    return body;
}

int cli_refund(int argc, char **argv)
{
    struct client_options client = CLIENT_OPTIONS_INIT;
    const char *reason = "", *order = NULL, *return_id = NULL;
    bool no_restock = false, fence = false;
    struct option_list texts = {0};
    const struct cli_option options[] = {
        {"reason", "REASON", OPTION_TEXT, &reason,
         "CANCELLED, RETURNED, GROUP_FAILED or UNSETTLED;\nby the state if not given", 0, 0},
        {"line", "LOT=QUANTITY", OPTION_LIST, &texts,
         "some of the units of a CONFIRMED one; may be repeated", 0, 0},
        {"return-id", "ID", OPTION_TEXT, &return_id, "the same id is carried out once", 0, 0},
        {"no-restock", NULL, OPTION_FLAG, &no_restock,
         "the units are written off instead of sold again", 0, 0},
        {"fence", NULL, OPTION_FLAG, &fence,
         "with --order: an order that is not there is cancelled\nbefore it comes", 0, 0},
        ORDER_OPTION(&order),
        CLIENT_OPTIONS(&client),
    };
    const struct usage usage = {
        .name = "tally refund",
        .synopsis =
            "RESERVATION | --order ID [--reason REASON]\n"
            "                    [--line LOT=QUANTITY ...] [--return-id ID] [--no-restock]\n"
            "                    [--fence]",
        .text = "Cancels a PENDING reservation, or takes a CONFIRMED one back, whole or in part.\n"
                "Its units are available again at once.\n",
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
    return reservation_call(&client, &usage, &given, order, "refund",
                            body_of(reason, return_id, lines, no_restock, fence));
}
