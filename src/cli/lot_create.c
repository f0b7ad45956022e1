/* lot_create.c - `tally lot create`. */
#include "base/limits.h"
#include "cli/cli.h"
#include "cli/views.h"

int cli_lot_create(int argc, char **argv)
{
    struct client_options client = CLIENT_OPTIONS_INIT;
    const char *sku = NULL, *flavor = NULL, *size = NULL, *batch = NULL, *expires_on = "";
    const char *expected_on = "";
    int64_t per_user_limit = 0, backorder_limit = 0;
    int64_t quantity = 0;
    const struct cli_option options[] = {
        {"sku", "SKU", OPTION_TEXT, &sku, "what is sold: LEMONADE-CLASSIC", 0, 0},
        {"flavor", "WORD", OPTION_TEXT, &flavor, "a lower-case word: lemon", 0, 0},
        {"size", "SIZE", OPTION_TEXT, &size, "330ml_can; \"0.33 L can\" is the same", 0, 0},
        {"batch", "BATCH", OPTION_TEXT, &batch, "BATCH-YYYYMMDD-X, with X from A to Z", 0, 0},
        {"expires-on", "DATE", OPTION_TEXT, &expires_on,
         "YYYY-MM-DD, the last day of sale; never if not given", 0, 0},
        {"quantity", "N", OPTION_NUMBER, &quantity,
         "units on hand; 0 if not given: announced, not yet here", 0, QUANTITY_MAX},
        {"per-user-limit", "N", OPTION_NUMBER, &per_user_limit,
         "units of one user outside sales; 0: no limit", 0, QUANTITY_MAX},
        {"backorder-limit", "N", OPTION_NUMBER, &backorder_limit,
         "so many units may be sold that are not there yet", 0, QUANTITY_MAX},
        {"expected-on", "DATE", OPTION_TEXT, &expected_on, "YYYY-MM-DD, when more units come", 0,
         0},
        CLIENT_OPTIONS(&client),
    };
    const struct usage usage = {
        .name = "tally lot create",
        .synopsis = "--sku SKU --flavor WORD --size SIZE --batch BATCH\n"
                    "                        [--expires-on DATE] [--quantity N]\n"
                    "                        [--per-user-limit N] [--backorder-limit N]\n"
                    "                        [--expected-on DATE]",
        .text =
            "Creates a lot. Its key, SKU#hhhhhhhh, follows from its sku, flavor, size and batch.\n"
            "\n"
            "  tally lot create --sku COLA --flavor lime --size 330ml_can --batch "
            "BATCH-20261001-A\n"
            "        --expires-on 2027-09-30 --quantity 240\n",
        .options = options,
        .option_count = sizeof(options) / sizeof(options[0]),
    };
    struct positionals none;
    int code = options_parse(&usage, argc, argv, &none);
    if (code != OPTIONS_GO)
        return code;
    const char *missing = !sku      ? "sku"
                          : !flavor ? "flavor"
                          : !size   ? "size"
                          : !batch  ? "batch"
                                    : NULL;
    if (missing)
        return options_wrong(&usage, "--%s is missing", missing);
    struct client_call call = {
        .method = "POST",
        .path = "/v1/lots",
        .body =
            json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:s}", "sku", sku, "flavor", flavor,
                      "size", size, "batch", batch, "expires_on", expires_on, "quantity",
                      (json_int_t)quantity, "per_user_limit", (json_int_t)per_user_limit,
                      "backorder_limit", (json_int_t)backorder_limit, "expected_on", expected_on),
        .ask = "`tally lot list` tells whether the lot is there.",
    };
    if (!call.body)
        return options_wrong(&usage, "a value is not UTF-8 text");
    return client_show_lot(&client, &call);
}
