/* lot_reconcile.c - `tally lot reconcile`: what was counted against what the server has, lot by
 * lot; with --apply the stock becomes what was counted.
 *
 * What a count means is the caller's to say. on-hand: all units that are in the house, also those
 * that are held or paid; units that were shipped have left it, and left on_hand with the shipment.
 * available: those that can be sold. Nothing is created; a row of a lot that is not there is a
 * fault.
 *
 * Exit codes: 0 compared (and applied, if told to), 1 some row is bad, or could not be applied, 3
 * and 4 as for every call, 5 the file cannot be read.
 */
#include <inttypes.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/import.h"
#include "cli/progress.h"
#include "cli/table.h"

struct options {
    struct client_options client;
    struct import_source source;
    const char *mode;
    bool apply, keep_going;
};

static void print_difference(const struct import *im)
{
    static const struct table_column columns[] = {
        {"LOT", false},    {"FLAVOR", false}, {"SIZE", false},   {"BATCH", false},
        {"ON HAND", true}, {"HELD", true},    {"COUNTED", true}, {"DIFFERENCE", true}};
    struct table t;
    char difference[32];
    table_init(&t, columns, sizeof(columns) / sizeof(columns[0]));
    for (uint32_t i = 0; i < im->row_count; i++) {
        const struct import_row *row = &im->rows[i];
        if (row->action != IMPORT_ADJUST)
            continue;
        table_text(&t, row->key);
        for (int c = STOCK_flavor; c <= STOCK_batch; c++)
            table_text(&t, row->fields[c]);
        table_number(&t, row->on_hand);
        table_number(&t, row->held);
        table_number(&t, row->quantity);
        snprintf(difference, sizeof(difference), "%+" PRId64, row->target - row->on_hand);
        table_text(&t, difference);
    }
    if (t.cell_count > 0) {
        table_print(&t, stdout, 0);
        putchar('\n');
    }
    table_close(&t);
}

static json_t *difference_json(const struct import *im)
{
    json_t *all = json_array();
    for (uint32_t i = 0; i < im->row_count; i++) {
        const struct import_row *row = &im->rows[i];
        if (row->action != IMPORT_ADJUST)
            continue;
        json_array_append_new(
            all, json_pack("{s:i, s:s, s:I, s:I, s:I, s:I, s:I}", "line", (int)row->line, "lot",
                           row->key, "counted", (json_int_t)row->quantity, "on_hand",
                           (json_int_t)row->on_hand, "held", (json_int_t)row->held, "available",
                           (json_int_t)(row->on_hand - row->held), "difference",
                           (json_int_t)(row->target - row->on_hand)));
    }
    return all;
}

/* A count is of lots that are there. */
static void refuse_unknown(struct import *im)
{
    for (uint32_t i = 0; i < im->row_count; i++) {
        struct import_row *row = &im->rows[i];
        if (row->action == IMPORT_SKIPPED)
            import_bad(im, row, row->line, "", "there is no such lot; tally lot import creates it");
    }
    import_sort_problems(im);
}

static void show(const struct options *o, const struct import *im, json_t *differences,
                 bool refused)
{
    struct import_counts c = import_count(im);
    char file[1024];
    text_show(str_of(o->source.file), file, sizeof file);
    if (o->client.json) {
        json_t *result = json_pack(
            "{s:s, s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:O, s:O, s:o}", "file", file, "mode",
            o->mode, "applied", o->apply && !refused, "rows", (json_int_t)im->row_count, "created",
            (json_int_t)0, "changed", (json_int_t)im->changed, "unchanged", (json_int_t)c.unchanged,
            "different", (json_int_t)json_array_size(differences), "bad", (json_int_t)im->bad_count,
            "differences", differences, "not_counted", im->others, "problems",
            import_problems_json(im));
        if (result)
            print_json(result);
        json_decref(result);
        return;
    }
    import_print_problems(im);
    printf("%s: %zu of %u lots differ", file, json_array_size(differences), im->row_count);
    if (json_array_size(im->others))
        printf(", %zu lots of the server were not counted", json_array_size(im->others));
    if (im->bad_count)
        printf(", %u bad row%s", im->bad_count, im->bad_count == 1 ? "" : "s");
    if (o->apply && !refused)
        printf("; %u changed", im->changed);
    putchar('\n');
    if (refused && o->apply)
        fprintf(stderr, "Nothing was changed.%s\n",
                im->header_bad ? "" : " --keep-going applies the good rows.");
    else if (!o->apply && json_array_size(differences))
        fputs("Nothing was changed. --apply sets the stock to what was counted.\n", stderr);
}

static void on_progress(void *context, int64_t done, int64_t total)
{
    progress_set(context, done, total);
}

static int compare(const struct options *o, struct import *im)
{
    struct progress bar;
    int code = im->header_bad ? EXIT_DONE : import_plan(im);
    if (code != EXIT_DONE)
        return code;
    refuse_unknown(im);
    bool refused = im->header_bad || (im->bad_count && !o->keep_going);
    json_t *differences = difference_json(im);
    if (!o->client.json)
        print_difference(im);
    if (o->apply && !refused) {
        progress_begin(&bar, "lots");
        im->progress = on_progress;
        im->context = &bar;
        code = import_apply(im);
        progress_end(&bar);
    }
    show(o, im, differences, refused);
    json_decref(differences);
    return code == EXIT_DONE && (im->bad_count || im->header_bad) ? EXIT_REFUSED : code;
}

static int reconcile(const struct options *o)
{
    struct import im;
    import_init(&im);
    im.client = &o->client;
    im.source = &o->source;
    im.mode = strcmp(o->mode, "available") == 0 ? IMPORT_AVAILABLE : IMPORT_ON_HAND;
    int code = import_read_file(&im);
    im.others = json_array();
    if (code == EXIT_DONE)
        code = im.others ? compare(o, &im) : EXIT_FAILED;
    json_decref(im.others);
    import_close(&im);
    return code;
}

int cli_lot_reconcile(int argc, char **argv)
{
    struct options o = {.client = CLIENT_OPTIONS_INIT, .mode = "on-hand"};
    const struct cli_option options[] = {
        {"mode", "MODE", OPTION_TEXT, &o.mode,
         "on-hand: what was counted is all that is in the house (if not\n"
         "given); available: what can be sold",
         0, 0},
        {"apply", NULL, OPTION_FLAG, &o.apply, "set the stock to what was counted", 0, 0},
        {"keep-going", NULL, OPTION_FLAG, &o.keep_going,
         "apply the good rows although there are bad ones", 0, 0},
        IMPORT_SOURCE_OPTIONS(&o.source),
        CLIENT_OPTIONS(&o.client),
    };
    const struct usage usage = {
        .name = "tally lot reconcile",
        .synopsis = "FILE.csv [--mode on-hand|available] [--apply]",
        .text =
            "Compares what was counted with what the server has, lot by lot, and changes nothing\n"
            "unless --apply is given. FILE is as for `tally lot import`; a row need not name all\n"
            "dimensions, if only one lot has those that it names. Units that were shipped are in\n"
            "neither count; units that are held or paid are on hand until they are shipped.\n",
        .options = options,
        .option_count = sizeof(options) / sizeof(options[0]),
        .positionals_min = 1,
        .positionals_max = 1,
    };
    int code = import_source_parse(&usage, argc, argv, &o.mode, &o.source);
    o.source.existing_only = true;
    if (code == OPTIONS_GO)
        code = reconcile(&o);
    import_source_close(&o.source);
    return code;
}
