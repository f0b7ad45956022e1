/* lot_pages.c - follows next_page_token until it is empty. */
#include "cli/lot_pages.h"

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "cli/cli.h"
#include "client/url.h"

int lot_pages(const struct client_options *o, const char *filter, lot_page_fn *fn, void *context)
{
    char path[1024], token[128] = "";
    for (;;) {
        int len = snprintf(path, sizeof(path), "/v1/lots?page_size=%d%s%s%s", PAGE_SIZE_MAX,
                           *filter ? "&" : "", filter, *token ? "&page_token=" : "");
        if (len >= (int)sizeof(path) || !url_append(path, sizeof(path), token)) {
            fputs("tally: the filter is too long\n", stderr);
            return EXIT_USAGE;
        }
        json_t *page = NULL;
        int code = client_call(o, &(struct client_call){.method = "GET", .path = path}, &page);
        if (code != EXIT_DONE)
            return code;
        snprintf(token, sizeof(token), "%s", text_of(page, "next_page_token"));
        code = fn(context, json_object_get(page, "lots"));
        json_decref(page);
        if (code != EXIT_DONE || !*token)
            return code;
    }
}
