/* import_show.c - what an import found and did, for a person (a table, a line for each problem) or
 * for a script. Nothing fails. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/import.h"
#include "cli/table.h"

struct import_counts import_count(const struct import *im)
{
    struct import_counts c = {0};
    for (uint32_t i = 0; i < im->row_count; i++) {
        c.create += im->rows[i].action == IMPORT_CREATE;
        c.adjust += im->rows[i].action == IMPORT_ADJUST;
        c.unchanged += im->rows[i].action == IMPORT_UNCHANGED;
        c.skipped += im->rows[i].action == IMPORT_SKIPPED;
    }
    return c;
}

void import_print_problems(const struct import *im)
{
    for (uint32_t i = 0; i < im->problem_count; i++) {
        const struct import_problem *p = &im->problems[i];
        fprintf(stderr, "%s%s:%u%s: ", style_on(stderr, STYLE_BAD), im->source->file, p->line,
                style_off(stderr));
        if (*p->column)
            fprintf(stderr, "column %s: ", p->column);
        print_safely(p->text, stderr);
        fputc('\n', stderr);
    }
}

/* ---- the difference ---- */

void import_print_diff(const struct import *im)
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
        for (int c = STOCK_flavor; c <= STOCK_expires_on; c++)
            table_text(&t, row->fields[c]); /* NULL is an empty cell */
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

json_t *import_diff_json(const struct import *im)
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

json_t *import_problems_json(const struct import *im)
{
    json_t *problems = json_array();
    for (uint32_t i = 0; i < im->problem_count; i++) {
        const struct import_problem *p = &im->problems[i];
        json_array_append_new(problems, json_pack("{s:i, s:s, s:s}", "line", (int)p->line, "column",
                                                  p->column, "text", p->text));
    }
    return problems;
}
