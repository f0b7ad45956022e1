/* lot_update.c - `tally lot update`. */
#include <string.h>

#include "base/limits.h"
#include "cli/cli.h"
#include "cli/reservation_call.h"
#include "client/url.h"

struct terms {
    const char *expires_on, *expected_on, *withdrawn;
    int64_t per_user_limit, backorder_limit; /* -1: not given */
};

/* "never" takes a date back. */
static int set_date(json_t *body, const char *name, const char *text)
{
    return set_given(body, name, text && strcmp(text, "never") == 0 ? "" : text);
}

static int set_number(json_t *body, const char *name, int64_t n)
{
    return n < 0 ? 0 : json_object_set_new(body, name, json_integer(n));
}

static json_t *body_of(const struct terms *t)
{
    json_t *body = json_object();
    if (body && set_date(body, "expires_on", t->expires_on) == 0 &&
        set_date(body, "expected_on", t->expected_on) == 0 &&
        set_number(body, "per_user_limit", t->per_user_limit) == 0 &&
        set_number(body, "backorder_limit", t->backorder_limit) == 0 &&
        (!t->withdrawn || json_object_set_new(body, "withdrawn",
                                              json_boolean(strcmp(t->withdrawn, "yes") == 0)) == 0))
        return body;
    json_decref(body);
    return NULL;
}

int cli_lot_update(int argc, char **argv)
{
    struct client_options client = CLIENT_OPTIONS_INIT;
    struct terms t = {.per_user_limit = -1, .backorder_limit = -1};
    const struct cli_option options[] = {
        {"expires-on", "DATE", OPTION_TEXT, &t.expires_on,
         "YYYY-MM-DD, the last day of sale; or never", 0, 0},
        {"withdrawn", "yes|no", OPTION_TEXT, &t.withdrawn, "yes: it sells nothing", 0, 0},
        {"per-user-limit", "N", OPTION_NUMBER, &t.per_user_limit,
         "units of one user outside sales; 0: no limit", 0, QUANTITY_MAX},
        {"backorder-limit", "N", OPTION_NUMBER, &t.backorder_limit,
         "so many units may be sold that are not there yet", 0, QUANTITY_MAX},
        {"expected-on", "DATE", OPTION_TEXT, &t.expected_on,
         "YYYY-MM-DD, when more units come; or never", 0, 0},
        CLIENT_OPTIONS(&client),
    };
    const struct usage usage = {
        .name = "tally lot update",
        .synopsis = "LOT [--expires-on DATE] [--withdrawn yes|no]\n"
                    "                        [--per-user-limit N] [--backorder-limit N]\n"
                    "                        [--expected-on DATE]",
        .text = "Changes what a lot is sold on: only what is given.\n",
        .options = options,
        .option_count = sizeof(options) / sizeof(options[0]),
        .positionals_min = 1,
        .positionals_max = 1,
    };
    struct positionals given;
    char path[512] = "/v1/lots/";
    int code = options_parse(&usage, argc, argv, &given);
    if (code != OPTIONS_GO)
        return code;
    if (t.withdrawn && strcmp(t.withdrawn, "yes") != 0 && strcmp(t.withdrawn, "no") != 0)
        return options_wrong(&usage, "--withdrawn must be yes or no, is '%s'", t.withdrawn);
    if (!t.expires_on && !t.withdrawn && !t.expected_on && t.per_user_limit < 0 &&
        t.backorder_limit < 0)
        return options_wrong(&usage, "nothing is given to be changed");
    if (!url_append(path, sizeof(path), given.items[0]))
        return options_wrong(&usage, "the lot key is too long");
    struct client_call call = {.method = "PATCH",
                               .path = path,
                               .body = body_of(&t),
                               .ask = "`tally lot show` tells how it is."};
    if (!call.body)
        return options_wrong(&usage, "a value is not UTF-8 text");
    return client_show_lot(&client, &call);
}
