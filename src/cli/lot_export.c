/* lot_export.c - `tally lot export`: all lots as a CSV file that `tally lot import` reads back.
 *
 * Failures: the server cannot be asked, the file cannot be written; then a file that was there
 * before is as it was, for the new one is renamed to its name only when it is complete.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/import.h"
#include "cli/lot_pages.h"
#include "client/url.h"

struct export
{
    FILE *to;
    const char *count; /* the member that is the quantity */
    uint32_t lots;
};

static void put_field(FILE *to, const char *text)
{
    if (!text[strcspn(text, ",;\t\"\r\n")]) {
        fputs(text, to);
        return;
    }
    fputc('"', to);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', to);
        fputc(*text, to);
    }
    fputc('"', to);
}

static int put_page(void *context, json_t *lots)
{
    static const char *const columns[] = {"sku", "flavor", "size", "batch", "expires_on"};
    struct export *x = context;
    for (size_t i = 0; i < json_array_size(lots); i++) {
        const json_t *lot = json_array_get(lots, i);
        for (size_t c = 0; c < sizeof columns / sizeof columns[0]; c++) {
            put_field(x->to, text_of(lot, columns[c]));
            fputc(',', x->to);
        }
        int64_t count = number_of(lot, x->count); /* below 0: units are owed, none can be sold */
        fprintf(x->to, "%" PRId64 "\n", count > 0 ? count : 0);
        x->lots++;
    }
    return ferror(x->to) ? EXIT_FAILED : EXIT_DONE;
}

static int put_all(const struct client_options *client, const char *filter, struct export *x)
{
    fputs("sku,flavor,size,batch,expires_on,quantity\n", x->to);
    int code = lot_pages(client, filter, put_page, x);
    if (fflush(x->to) != 0 || (code == EXIT_FAILED && ferror(x->to))) {
        fprintf(stderr, "tally: the file cannot be written: %s\n", strerror(errno));
        return EXIT_FAILED;
    }
    return code;
}

static int to_file(const struct client_options *client, const char *filter, const char *out,
                   struct export *x)
{
    char part[4096];
    if (snprintf(part, sizeof part, "%s.part", out) >= (int)sizeof part) {
        fprintf(stderr, "tally: %s: the name is too long\n", out);
        return EXIT_FAILED;
    }
    x->to = fopen(part, "wb");
    int code = x->to ? put_all(client, filter, x) : EXIT_FAILED;
    bool kept = x->to && fsync(fileno(x->to)) == 0;
    if (x->to)
        kept &= fclose(x->to) == 0;
    if (code == EXIT_DONE && kept && rename(part, out) == 0)
        return EXIT_DONE;
    if (code == EXIT_DONE || !x->to)
        fprintf(stderr, "tally: %s: %s\n", out, strerror(errno));
    unlink(part);
    return code == EXIT_DONE ? EXIT_FAILED : code;
}

int cli_lot_export(int argc, char **argv)
{
    struct client_options client = CLIENT_OPTIONS_INIT;
    struct export x = {.to = stdout};
    const char *out = NULL, *mode = "on-hand", *sku = NULL;
    const struct cli_option options[] = {
        {"out", "FILE", OPTION_TEXT, &out, "write to FILE; else to standard output", 0, 0},
        {"mode", "MODE", OPTION_TEXT, &mode,
         "on-hand: `quantity` is what is on hand (if not given);\n"
         "available: `quantity` is what can be sold",
         0, 0},
        {"sku", "SKU", OPTION_TEXT, &sku, "only lots of this sku", 0, 0},
        CLIENT_OPTIONS(&client),
    };
    const struct usage usage = {
        .name = "tally lot export",
        .synopsis = "[--out FILE] [--mode on-hand|available] [--sku SKU]",
        .text =
            "Writes all lots as a CSV file that `tally lot import` reads back, with the columns\n"
            "sku, flavor, size, batch, expires_on and quantity.\n",
        .options = options,
        .option_count = sizeof(options) / sizeof(options[0]),
    };
    struct positionals none;
    char filter[400] = "";
    int code = options_parse(&usage, argc, argv, &none);
    if (code == OPTIONS_GO)
        code = import_mode_check(mode, &usage);
    if (code != OPTIONS_GO)
        return code;
    x.count = strcmp(mode, "available") == 0 ? "available" : "on_hand";
    if (sku) {
        snprintf(filter, sizeof filter, "sku=");
        if (!url_append(filter, sizeof filter, sku))
            return options_wrong(&usage, "a filter is too long");
    }
    code = out ? to_file(&client, filter, out, &x) : put_all(&client, filter, &x);
    if (code != EXIT_DONE || !out)
        return code;
    if (client.json)
        print_json(json_pack("{s:s, s:i}", "file", out, "lots", (int)x.lots));
    else
        printf("%s: %u lot%s\n", out, x.lots, x.lots == 1 ? "" : "s");
    return EXIT_DONE;
}
