/* pages.c - follows next_page_token until it is empty. */
#include "cli/pages.h"

#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "client/url.h"

bool path_add(char *path, size_t size, const char *name, const char *value)
{
    if (!value)
        return true;
    size_t len = strlen(path);
    int n = snprintf(path + len, size - len, "&%s=", name);
    return len + (size_t)n < size && url_append(path, size, value);
}

static int gather(const struct client_options *o, const char *path, const char *member, json_t *to)
{
    char target[1200], token[128] = "";
    do {
        snprintf(target, sizeof(target), "%s", path);
        if (*token && !path_add(target, sizeof(target), "page_token", token))
            return EXIT_USAGE;
        json_t *page = NULL;
        int code = client_call(o, &(struct client_call){.method = "GET", .path = target}, &page);
        if (code != EXIT_DONE)
            return code;
        snprintf(token, sizeof(token), "%s", text_of(page, "next_page_token"));
        code = json_array_extend(to, json_object_get(page, member)) == 0 ? EXIT_DONE : EXIT_FAILED;
        json_decref(page);
        if (code != EXIT_DONE)
            return code;
    } while (*token);
    return EXIT_DONE;
}

int pages_show(const struct client_options *o, const char *path, const char *member,
               int (*print)(const json_t *list))
{
    json_t *list = json_array();
    int code = list ? gather(o, path, member, list) : EXIT_FAILED;
    if (code == EXIT_DONE && o->json)
        print_json(list);
    else if (code == EXIT_DONE && json_array_size(list) == 0)
        fprintf(stderr, "no %s\n", member);
    else if (code == EXIT_DONE)
        code = print(list);
    json_decref(list);
    return code;
}
