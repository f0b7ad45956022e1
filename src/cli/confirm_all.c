/* confirm_all.c - `tally confirm-all`. */
#include "cli/cli.h"
#include "cli/views.h"

static int parse_ids(const struct usage *usage, const struct positionals *given, json_t *ids)
{
    for (size_t i = 0; i < given->count; i++) {
        int64_t number;
        if (!number_parse(given->items[i], 1, INT64_MAX, &number))
            return options_wrong(usage, "RESERVATION must be a reservation's number, is '%s'",
                                 given->items[i]);
        if (json_array_append_new(ids, json_string(given->items[i])) != 0)
            return EXIT_FAILED;
    }
    return OPTIONS_GO;
}

int cli_confirm_all(int argc, char **argv)
{
    struct client_options client = CLIENT_OPTIONS_INIT;
    const char *payment = "";
    const struct cli_option options[] = {
        {"payment", "ID", OPTION_TEXT, &payment, "the payment's id, kept with each of them", 0, 0},
        CLIENT_OPTIONS(&client),
    };
    const struct usage usage = {
        .name = "tally confirm-all",
        .synopsis = "RESERVATION [RESERVATION ...] [--payment ID]",
        .text = "One payment for several reservations: all become CONFIRMED, or none.\n",
        .options = options,
        .option_count = sizeof(options) / sizeof(options[0]),
        .positionals_min = 1,
        .positionals_max = POSITIONALS_MAX,
    };
    struct positionals given;
    int code = options_parse(&usage, argc, argv, &given);
    if (code != OPTIONS_GO)
        return code;
    json_t *ids = json_array(), *answer = NULL;
    code = ids ? parse_ids(&usage, &given, ids) : EXIT_FAILED;
    if (code != OPTIONS_GO) {
        json_decref(ids);
        return code;
    }
    struct client_call call = {
        .method = "POST",
        .path = "/v1/reservations/confirm",
        .body = json_pack("{s:o, s:s}", "reservation_ids", ids, "payment_id", payment),
        .ask = "`tally show RESERVATION` tells whether it is CONFIRMED."};
    if (!call.body)
        return options_wrong(&usage, "a value is not UTF-8 text");
    code = client_call(&client, &call, &answer);
    if (code != EXIT_DONE)
        return code;
    if (client.json)
        print_json(answer);
    else if (json_is_true(json_object_get(answer, "replayed")))
        puts("all were CONFIRMED before");
    else
        puts("all are CONFIRMED");
    json_decref(answer);
    return EXIT_DONE;
}
