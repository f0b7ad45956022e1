/* confirm.c - `tally confirm`. */
#include "cli/cli.h"
#include "cli/reservation_call.h"
#include "cli/wanted_line.h"

/* Lines of a confirm name lots only. */
static int parse_lines(const struct usage *usage, const struct option_list *texts, json_t *lines)
{
    for (size_t i = 0; i < texts->count; i++) {
        struct error e = {0};
        json_t *line = NULL;
        if (wanted_line_parse(texts->items[i], &line, &e) != 0)
            return options_wrong(usage, "--line %s: %s", texts->items[i], e.text);
        json_array_append_new(lines, line);
        if (!json_object_get(line, "lot") || json_object_size(line) != 2)
            return options_wrong(usage, "--line %s: a confirmed line is LOT=QUANTITY",
                                 texts->items[i]);
    }
    return OPTIONS_GO;
}

int cli_confirm(int argc, char **argv)
{
    struct client_options client = CLIENT_OPTIONS_INIT;
    const char *payment = "";
    struct option_list texts = {0};
    const struct cli_option options[] = {
        {"payment", "ID", OPTION_TEXT, &payment, "the payment's id, kept with the reservation", 0,
         0},
        {"line", "LOT=QUANTITY", OPTION_LIST, &texts,
         "fewer units than held: the rest is given back;\nmay be repeated", 0, 0},
        CLIENT_OPTIONS(&client),
    };
    const struct usage usage = {
        .name = "tally confirm",
        .synopsis = "RESERVATION [--payment ID] [--line LOT=QUANTITY ...]",
        .text = "The payment arrived: the reservation becomes CONFIRMED.\n",
        .options = options,
        .option_count = sizeof(options) / sizeof(options[0]),
        .positionals_min = 1,
        .positionals_max = 1,
    };
    struct positionals given;
    int code = options_parse(&usage, argc, argv, &given);
    if (code != OPTIONS_GO)
        return code;
    json_t *lines = json_array();
    if (!lines)
        return EXIT_FAILED;
    code = parse_lines(&usage, &texts, lines);
    if (code != OPTIONS_GO) {
        json_decref(lines);
        return code;
    }
    /* Without lines all is confirmed; an empty list would confirm nothing. */
    if (texts.count == 0) {
        json_decref(lines);
        lines = json_null();
    }
    return reservation_call(&client, &usage, given.items[0], "confirm",
                            json_pack("{s:s, s:o}", "payment_id", payment, "lines", lines));
}
