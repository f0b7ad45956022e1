/* sale_create.c - `tally sale create`. */
#include "cli/cli.h"
#include "cli/sale_call.h"

static json_t *body_of(const char *sale_id, const struct sale_flags *flags)
{
    json_t *body = json_object();
    if (body && (!sale_id || json_object_set_new(body, "sale_id", json_string(sale_id)) == 0) &&
        sale_flags_set(flags, body))
        return body;
    json_decref(body);
    return NULL;
}

int cli_sale_create(int argc, char **argv)
{
    struct client_options client = CLIENT_OPTIONS_INIT;
    struct sale_flags flags = SALE_FLAGS_INIT;
    const struct cli_option options[] = {SALE_FLAGS(&flags), CLIENT_OPTIONS(&client)};
    const struct usage usage = {
        .name = "tally sale create",
        .synopsis = "[SALE] --sku SKU | --lot LOT --ends-at TIME [more]",
        .text = "Makes a sale. It begins at once if no time is given. SALE is its id; the server\n"
                "makes one if none is given.\n"
                "\n"
                "  tally sale create autumn --sku COLA --starts-in-ms 10000 --ends-in-ms 3600000\n"
                "        --group-size 3 --group-window-ms 60000 --per-user-limit 2\n",
        .options = options,
        .option_count = sizeof(options) / sizeof(options[0]),
        .positionals_max = 1,
    };
    struct positionals given;
    int code = options_parse(&usage, argc, argv, &given);
    if (code != OPTIONS_GO)
        return code;
    if (!flags.lots.count && !flags.skus.count)
        return options_wrong(&usage, "--sku or --lot is missing");
    if (!flags.ends_at && flags.ends_in_ms < 0)
        return options_wrong(&usage, "--ends-at or --ends-in-ms is missing");
    struct client_call call = {.method = "POST",
                               .path = "/v1/sales",
                               .body = body_of(given.count ? given.items[0] : NULL, &flags),
                               .ask = "`tally sale list` tells whether the sale is there."};
    if (!call.body)
        return options_wrong(&usage, "a value is not UTF-8 text");
    return client_show_sale(&client, &call);
}
