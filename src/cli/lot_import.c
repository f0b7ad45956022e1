/* lot_import.c - `tally lot import`: read, plan, and if all rows are good (or --keep-going), apply.
 *
 * Exit codes: 0 all of the file is applied (or would be), 1 the header or some row is bad,
 * 3 and 4 as for every call, 5 the file cannot be read.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/import.h"
#include "cli/progress.h"
#include "cli/table.h"

struct options {
    struct client_options client;
    struct import_source source;
    const char *mode;
    bool dry_run, keep_going;
};

/* ---- results ---- */

static void print_result_json(const struct options *o, const struct import *im,
                              const struct import_counts *c, json_t *diff, double seconds)
{
    char file[1024], delimiter[8];
    text_show(str_of(o->source.file), file, sizeof file);
    text_show((struct str){&im->separator, im->separator != 0}, delimiter, sizeof delimiter);
    json_t *result = json_pack("{s:s, s:s, s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:o, s:o}",
                               "file", file, "encoding", im->encoding, "delimiter", delimiter,
                               "dry_run", o->dry_run, "rows", (json_int_t)im->row_count, "created",
                               (json_int_t)(o->dry_run ? c->create : im->created), "changed",
                               (json_int_t)(o->dry_run ? c->adjust : im->changed), "unchanged",
                               (json_int_t)c->unchanged, "skipped", (json_int_t)c->skipped, "bad",
                               (json_int_t)im->bad_count, "seconds", seconds, "diff", diff,
                               "problems", import_problems_json(im));
    if (result)
        print_json(result);
    json_decref(result);
}

static const char *plural(uint32_t n)
{
    return n == 1 ? "" : "s";
}

/* Consumes `diff`. */
static int finish(const struct options *o, const struct import *im, const struct import_counts *c,
                  json_t *diff, int code, double seconds)
{
    if (o->client.json) {
        print_result_json(o, im, c, diff, seconds);
    } else {
        json_decref(diff);
        import_print_problems(im);
        if (o->dry_run) {
            if (c->create + c->adjust > 0)
                import_print_diff(im);
            printf("%s would bring %u new lot%s, change %u and leave %u as they are",
                   o->source.file, c->create, plural(c->create), c->adjust, c->unchanged);
        } else {
            printf("%s: %u new lot%s, %u changed, %u unchanged", o->source.file, im->created,
                   plural(im->created), im->changed, c->unchanged);
        }
        if (c->skipped)
            printf(", %u passed over", c->skipped);
        if (im->bad_count)
            printf(", %u bad row%s", im->bad_count, plural(im->bad_count));
        if (!o->dry_run)
            printf(" (%.2f s)", seconds);
        putchar('\n');
    }
    return code == EXIT_DONE && (im->bad_count || im->header_bad) ? EXIT_REFUSED : code;
}

static void on_progress(void *context, int64_t done, int64_t total)
{
    progress_set(context, done, total);
}

/* A dry run ends as the real one would. */
static int refuse(const struct options *o, const struct import *im)
{
    finish(o, im, &(struct import_counts){0}, json_array(), EXIT_REFUSED, 0);
    fprintf(stderr, "Nothing %s changed.%s\n", o->dry_run ? "would be" : "was",
            im->header_bad ? "" : " --keep-going applies the good rows.");
    return EXIT_REFUSED;
}

/* The rows stand, some of them may be bad. */
static int carry_out(const struct options *o, struct import *im)
{
    struct progress bar;
    if (im->header_bad)
        return refuse(o, im);
    int code = import_plan(im);
    if (code != EXIT_DONE)
        return code;
    if (im->bad_count && !o->keep_going)
        return refuse(o, im);
    struct import_counts c = import_count(im);
    json_t *diff = import_diff_json(im);
    if (o->dry_run)
        return finish(o, im, &c, diff, EXIT_DONE, 0);
    progress_begin(&bar, "lots");
    im->progress = on_progress;
    im->context = &bar;
    code = import_apply(im);
    return finish(o, im, &c, diff, code, progress_end(&bar));
}

static int import(const struct options *o)
{
    struct import im;
    import_init(&im);
    im.client = &o->client;
    im.source = &o->source;
    im.mode = strcmp(o->mode, "available") == 0 ? IMPORT_AVAILABLE : IMPORT_ON_HAND;
    int code = import_read_file(&im);
    if (code == EXIT_DONE)
        code = carry_out(o, &im);
    import_close(&im);
    return code;
}

int cli_lot_import(int argc, char **argv)
{
    struct options o = {.client = CLIENT_OPTIONS_INIT, .mode = "on-hand"};
    const struct cli_option options[] = {
        {"mode", "MODE", OPTION_TEXT, &o.mode,
         "on-hand: `quantity` is what is on hand (if not given);\n"
         "available: `quantity` is what can be sold",
         0, 0},
        {"dry-run", NULL, OPTION_FLAG, &o.dry_run, "print what would change, and change nothing", 0,
         0},
        {"keep-going", NULL, OPTION_FLAG, &o.keep_going,
         "apply the good rows although there are bad ones", 0, 0},
        IMPORT_SOURCE_OPTIONS(&o.source),
        CLIENT_OPTIONS(&o.client),
    };
    const struct usage usage = {
        .name = "tally lot import",
        .synopsis = "FILE.csv [--mode on-hand|available] [--dry-run] [--keep-going]",
        .text =
            "Brings lots to what FILE says (- is standard input): new lots are created, the stock\n"
            "of others is set; lots that are not in it are left alone. The first line names the\n"
            "columns: sku, flavor, size, batch, expires_on, quantity, in any order, or is mapped "
            "to\n"
            "them. What FILE has no column for stays as it is. All bad rows are told with line,\n"
            "column and rule, and then nothing of the file is applied. It can be repeated after\n"
            "anything. docs/stock-files.md has more, and mappings for shop systems.\n"
            "\n"
            "  tally lot import drinks.csv --dry-run\n"
            "  tally lot import stock.csv --map Artikel=sku --map Bestand=quantity \\\n"
            "      --ignore-other-columns --existing-only\n",
        .options = options,
        .option_count = sizeof(options) / sizeof(options[0]),
        .positionals_min = 1,
        .positionals_max = 1,
    };
    int code = import_source_parse(&usage, argc, argv, &o.mode, &o.source);
    if (code == OPTIONS_GO)
        code = import(&o);
    import_source_close(&o.source);
    return code;
}
