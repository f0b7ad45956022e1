/* webhook.c - `tally webhook list` and `tally webhook retry`: events that could not be delivered.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/views.h"

static const struct subcommand table[] = {
    {"list", "list the events that could not be delivered", cli_webhook_list},
    {"retry", "send them again", cli_webhook_retry},
    {0},
};

const struct subcommand *cli_webhook_table(void)
{
    return table;
}

int cli_webhook(int argc, char **argv)
{
    return cli_family(table, "tally webhook",
                      "What the server's webhook (webhook_url) could not deliver.\n", argc, argv);
}

/* All pages into one array. */
static int all_failures(const struct client_options *client, json_t *out)
{
    char token[32] = "";
    do {
        char path[96];
        json_t *page = NULL;
        snprintf(path, sizeof path, "/v1/webhook/failures?page_size=200&page_token=%s", token);
        int code = client_call(client, &(struct client_call){.method = "GET", .path = path}, &page);
        if (code != EXIT_DONE)
            return code;
        snprintf(token, sizeof token, "%s", text_of(page, "next_page_token"));
        int full = json_array_extend(out, json_object_get(page, "failures"));
        json_decref(page);
        if (full)
            return EXIT_FAILED;
    } while (token[0]);
    return EXIT_DONE;
}

int cli_webhook_list(int argc, char **argv)
{
    struct client_options client = CLIENT_OPTIONS_INIT;
    const struct cli_option options[] = {CLIENT_OPTIONS(&client)};
    const struct usage usage = {
        .name = "tally webhook list",
        .synopsis = "",
        .text = "Lists the events that were given up after webhook_attempts_max deliveries, or\n"
                "which the receiver wants no more (410). With --json: one array of all of them.\n",
        .options = options,
        .option_count = sizeof(options) / sizeof(options[0]),
    };
    struct positionals none;
    int code = options_parse(&usage, argc, argv, &none);
    if (code != OPTIONS_GO)
        return code;
    json_t *failures = json_array();
    code = failures ? all_failures(&client, failures) : EXIT_FAILED;
    if (code == EXIT_DONE && client.json)
        print_json(failures);
    else if (code == EXIT_DONE && json_array_size(failures) == 0)
        fputs("nothing failed\n", stderr);
    else if (code == EXIT_DONE)
        code = print_webhook_failures(failures);
    json_decref(failures);
    return code;
}

static json_t *wanted(bool all, const struct positionals *ids)
{
    json_t *body = json_object(), *list = json_array();
    for (size_t i = 0; i < ids->count; i++)
        json_array_append_new(list, json_string(ids->items[i]));
    if (all)
        json_object_set_new(body, "all", json_true());
    else
        json_object_set(body, "ids", list);
    json_decref(list);
    return body;
}

int cli_webhook_retry(int argc, char **argv)
{
    struct client_options client = CLIENT_OPTIONS_INIT;
    bool all = false;
    const struct cli_option options[] = {
        {"all", NULL, OPTION_FLAG, &all, "all that are on the list", 0, 0},
        CLIENT_OPTIONS(&client),
    };
    const struct usage usage = {
        .name = "tally webhook retry",
        .synopsis = "--all | ID...",
        .text =
            "Sends events that could not be delivered once more, in order, beside what is being\n"
            "delivered. One that the receiver takes leaves the list; another stays.\n",
        .options = options,
        .option_count = sizeof(options) / sizeof(options[0]),
        .positionals_max = POSITIONALS_MAX,
    };
    struct positionals ids;
    json_t *answer = NULL;
    int code = options_parse(&usage, argc, argv, &ids);
    if (code != OPTIONS_GO)
        return code;
    if (all == (ids.count > 0))
        return options_wrong(&usage, "either --all, or the ids of events");
    code = client_call(&client,
                       &(struct client_call){.method = "POST",
                                             .path = "/v1/webhook/retry",
                                             .body = wanted(all, &ids),
                                             .ask = "tally webhook list shows what is left"},
                       &answer);
    if (code != EXIT_DONE)
        return code;
    int64_t count = number_of(answer, "count");
    if (client.json)
        print_json(answer);
    else
        printf("%lld to be sent again\n", (long long)count);
    json_decref(answer);
    return !all && (size_t)count < ids.count ? EXIT_REFUSED : EXIT_DONE;
}
