/* lot_import.c - `tally lot import`: read, plan, and if all rows are good (or --keep-going), apply.
 *
 * Exit codes: 0 all of the file is applied (or would be), 1 the header or some row is bad,
 * 3 and 4 as for every call, 5 the file cannot be read.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/import.h"
#include "cli/progress.h"
#include "cli/table.h"

struct options {
    struct client_options client;
    const char *file;
    const char *mode;
    bool dry_run, keep_going;
};

struct counts {
    uint32_t create, adjust, unchanged;
};

/* The whole file in one malloc'ed block; "-" is standard input. */
static char *read_file(const char *name, size_t *size)
{
    FILE *f = strcmp(name, "-") == 0 ? stdin : fopen(name, "rb");
    char *text = NULL;
    size_t capacity = 0, len = 0, n = 1;
    while (f && n > 0 && len <= IMPORT_FILE_MAX) {
        if (len == capacity) {
            capacity = capacity ? 2 * capacity : 65536;
            char *grown = realloc(text, capacity);
            if (!grown)
                break;
            text = grown;
        }
        n = fread(text + len, 1, capacity - len, f);
        len += n;
    }
    bool failed = !f || ferror(f) || n > 0;
    if (failed)
        fprintf(stderr, "tally: %s: %s\n", name,
                len > IMPORT_FILE_MAX ? "is larger than 256 MiB" : strerror(errno));
    if (f && f != stdin)
        fclose(f);
    if (failed) {
        free(text);
        return NULL;
    }
    *size = len;
    return text;
}

static struct counts count(const struct import *im)
{
    struct counts c = {0};
    for (uint32_t i = 0; i < im->row_count; i++) {
        c.create += im->rows[i].action == IMPORT_CREATE;
        c.adjust += im->rows[i].action == IMPORT_ADJUST;
        c.unchanged += im->rows[i].action == IMPORT_UNCHANGED;
    }
    return c;
}

static void print_problems(const struct options *o, const struct import *im)
{
    for (uint32_t i = 0; i < im->problem_count; i++) {
        const struct import_problem *p = &im->problems[i];
        fprintf(stderr, "%s%s:%u%s: ", style_on(stderr, STYLE_BAD), o->file, p->line,
                style_off(stderr));
        if (*p->column)
            fprintf(stderr, "column %s: ", p->column);
        print_safely(p->text, stderr);
        fputc('\n', stderr);
    }
    if (im->bad_count > im->problem_count)
        fprintf(stderr, "... and %u more\n", im->bad_count - im->problem_count);
}

/* ---- the difference ---- */

static void print_diff(const struct import *im)
{
    static const struct table_column columns[] = {
        {"", false},        {"LOT", false},    {"FLAVOR", false}, {"SIZE", false}, {"BATCH", false},
        {"EXPIRES", false}, {"ON HAND", true}, {"BECOMES", true}, {"CHANGE", true}};
    struct table t;
    char change[32];
    table_init(&t, columns, sizeof(columns) / sizeof(columns[0]));
    for (uint32_t i = 0; i < im->row_count; i++) {
        const struct import_row *row = &im->rows[i];
        bool creates = row->action == IMPORT_CREATE;
        if (!creates && row->action != IMPORT_ADJUST)
            continue;
        int64_t before = creates ? 0 : row->on_hand;
        int64_t after = creates ? row->quantity : row->target;
        table_text(&t, creates ? "new" : "changed");
        table_text(&t, row->key);
        for (int c = IMPORT_flavor; c <= IMPORT_expires_on; c++)
            table_text(&t, row->fields[c]);
        if (creates)
            table_text(&t, "");
        else
            table_number(&t, before);
        table_number(&t, after);
        snprintf(change, sizeof(change), "%+" PRId64, after - before);
        table_text(&t, change);
    }
    if (t.cell_count > 0) {
        table_print(&t, stdout, 0);
        putchar('\n');
    }
    table_close(&t);
}

static json_t *diff_json(const struct import *im)
{
    json_t *diff = json_array();
    for (uint32_t i = 0; i < im->row_count; i++) {
        const struct import_row *row = &im->rows[i];
        if (row->action != IMPORT_CREATE && row->action != IMPORT_ADJUST)
            continue;
        bool creates = row->action == IMPORT_CREATE;
        json_array_append_new(diff,
                              json_pack("{s:i, s:s, s:s, s:I, s:I}", "line", (int)row->line, "lot",
                                        row->key, "change", creates ? "new" : "changed", "on_hand",
                                        (json_int_t)(creates ? 0 : row->on_hand), "becomes",
                                        (json_int_t)(creates ? row->quantity : row->target)));
    }
    return diff;
}

static json_t *problems_json(const struct import *im)
{
    json_t *problems = json_array();
    for (uint32_t i = 0; i < im->problem_count; i++) {
        const struct import_problem *p = &im->problems[i];
        json_array_append_new(problems, json_pack("{s:i, s:s, s:s}", "line", (int)p->line, "column",
                                                  p->column, "text", p->text));
    }
    return problems;
}

/* ---- results ---- */

static void print_result_json(const struct options *o, const struct import *im,
                              const struct counts *c, json_t *diff, double seconds)
{
    json_t *result =
        json_pack("{s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:f, s:o, s:o}", "file", o->file, "dry_run",
                  o->dry_run, "rows", (json_int_t)im->row_count, "created",
                  (json_int_t)(o->dry_run ? c->create : im->created), "changed",
                  (json_int_t)(o->dry_run ? c->adjust : im->changed), "unchanged",
                  (json_int_t)c->unchanged, "bad", (json_int_t)im->bad_count, "seconds", seconds,
                  "diff", diff, "problems", problems_json(im));
    if (result)
        print_json(result);
    json_decref(result);
}

static const char *plural(uint32_t n)
{
    return n == 1 ? "" : "s";
}

/* Consumes `diff`. */
static int finish(const struct options *o, const struct import *im, const struct counts *c,
                  json_t *diff, int code, double seconds)
{
    if (o->client.json) {
        print_result_json(o, im, c, diff, seconds);
    } else {
        json_decref(diff);
        print_problems(o, im);
        if (o->dry_run) {
            print_diff(im);
            printf("%s would bring %u new lot%s, change %u and leave %u as they are", o->file,
                   c->create, plural(c->create), c->adjust, c->unchanged);
        } else {
            printf("%s: %u new lot%s, %u changed, %u unchanged", o->file, im->created,
                   plural(im->created), im->changed, c->unchanged);
        }
        if (im->bad_count)
            printf(", %u bad row%s", im->bad_count, plural(im->bad_count));
        if (!o->dry_run)
            printf(" (%.2f s)", seconds);
        putchar('\n');
    }
    return code == EXIT_DONE && im->bad_count ? EXIT_REFUSED : code;
}

static void on_progress(void *context, int64_t done, int64_t total)
{
    progress_set(context, done, total);
}

/* The rows stand, some of them may be bad. */
static int carry_out(const struct options *o, struct import *im)
{
    struct progress bar;
    int code = import_plan(im);
    if (code != EXIT_DONE)
        return code;
    struct counts c = count(im);
    json_t *diff = diff_json(im);
    if (o->dry_run)
        return finish(o, im, &c, diff, EXIT_DONE, 0);
    if (im->bad_count && !o->keep_going) {
        finish(o, im, &(struct counts){0}, json_array(), EXIT_REFUSED, 0);
        json_decref(diff);
        fputs("Nothing was changed. --keep-going applies the good rows.\n", stderr);
        return EXIT_REFUSED;
    }
    progress_begin(&bar, "lots");
    im->progress = on_progress;
    im->context = &bar;
    code = import_apply(im);
    return finish(o, im, &c, diff, code, progress_end(&bar));
}

static int import(const struct options *o)
{
    struct import im;
    struct error e = {0};
    size_t size = 0;
    import_init(&im);
    im.client = &o->client;
    im.mode = strcmp(o->mode, "available") == 0 ? IMPORT_AVAILABLE : IMPORT_ON_HAND;
    char *text = read_file(o->file, &size);
    int code = EXIT_FAILED;
    if (text) {
        int failed = import_read(&im, text, size, &e);
        if (failed) {
            fprintf(stderr, "tally: %s: %s\n", o->file, e.text);
            code = failed == TLY_ENO_MEMORY ? EXIT_FAILED : EXIT_REFUSED;
        } else {
            code = carry_out(o, &im);
        }
    }
    free(text);
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
        CLIENT_OPTIONS(&o.client),
    };
    const struct usage usage = {
        .name = "tally lot import",
        .synopsis = "FILE.csv [--mode on-hand|available] [--dry-run] [--keep-going]",
        .text =
            "Brings lots to what FILE says (- is standard input): new lots are created, the stock\n"
            "of others is set; lots that are not in it are left alone. The first line names the\n"
            "columns: sku, flavor, size, batch, expires_on, quantity, in any order; expires_on\n"
            "may be empty or missing: never. A bad row is told with line, column and rule, and\n"
            "nothing of the file is applied. It can be repeated after anything.\n"
            "\n"
            "  tally lot import drinks.csv --dry-run\n",
        .options = options,
        .option_count = sizeof(options) / sizeof(options[0]),
        .positionals_min = 1,
        .positionals_max = 1,
    };
    struct positionals given;
    int code = options_parse(&usage, argc, argv, &given);
    if (code != OPTIONS_GO)
        return code;
    if (strcmp(o.mode, "on-hand") != 0 && strcmp(o.mode, "available") != 0)
        return options_wrong(&usage, "--mode must be on-hand or available, is '%s'", o.mode);
    o.file = given.items[0];
    return import(&o);
}
