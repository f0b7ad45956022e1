/* lot_adjust.c - `tally lot adjust`. Without --id it makes an adjustment_id of its own, so that the
 * user can repeat the call when the outcome stayed unknown. */
#include "base/hash.h"
#include "base/limits.h"
#include "cli/cli.h"
#include "cli/client_id.h"
#include "cli/views.h"
#include "client/url.h"

static int send_adjustment(const struct client_options *client, const struct usage *usage,
                           const char *lot, int64_t delta, const char *reason, const char *id)
{
    char segment[400] = "", path[512], ask[256];
    if (!url_append(segment, sizeof(segment), lot))
        return options_wrong(usage, "the lot key is too long");
    snprintf(path, sizeof(path), "/v1/lots/%s/adjust", segment);
    snprintf(ask, sizeof(ask),
             "Repeat the command with --id %.*s: it is applied once, however often it is sent.",
             ADJUSTMENT_ID_MAX, id);
    struct client_call call = {
        .method = "POST",
        .path = path,
        .body = json_pack("{s:I, s:s, s:s}", "delta", (json_int_t)delta, "reason", reason,
                          "adjustment_id", id),
        .ask = ask,
    };
    if (!call.body)
        return options_wrong(usage, "a value is not UTF-8 text");
    return client_show_lot(client, &call);
}

int cli_lot_adjust(int argc, char **argv)
{
    struct client_options client = CLIENT_OPTIONS_INIT;
    const char *reason = "", *id = NULL;
    const struct cli_option options[] = {
        {"reason", "TEXT", OPTION_TEXT, &reason, "for the log, at most 128 bytes", 0, 0},
        {"id", "ID", OPTION_TEXT, &id,
         "adjustment_id: the same id is applied once. Made if not given", 0, 0},
        CLIENT_OPTIONS(&client),
    };
    const struct usage usage = {
        .name = "tally lot adjust",
        .synopsis = "LOT DELTA [--reason TEXT] [--id ID]",
        .text = "Changes the units on hand by DELTA: +40 supplies forty, -3 writes three off.\n"
                "What is reserved or confirmed cannot be written off.\n",
        .options = options,
        .option_count = sizeof(options) / sizeof(options[0]),
        .positionals_min = 2,
        .positionals_max = 2,
    };
    struct positionals given;
    int code = options_parse(&usage, argc, argv, &given);
    if (code != OPTIONS_GO)
        return code;
    int64_t delta;
    if (!number_parse(given.items[1], -QUANTITY_MAX, QUANTITY_MAX, &delta) || delta == 0)
        return options_wrong(&usage, "DELTA must be a whole number other than 0, is '%s'",
                             given.items[1]);
    char made[CLIENT_ID_SIZE];
    if (!id) {
        if (client_id_make(made) != 0)
            return EXIT_FAILED;
        id = made;
    }
    return send_adjustment(&client, &usage, given.items[0], delta, reason, id);
}
