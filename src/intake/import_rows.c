/* import_rows.c - rows of the received file into a part for the engine. Failures: no memory, the
 * file cannot be read; faults of rows are noted. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "intake/import_internal.h"
#include "service/rules.h"

static void on_fault(void *context, uint32_t line, const char *column, const char *text)
{
    struct stock_import *i = context;
    if (i->stage == STAGE_CHECK)
        import_note(i, line, column, text);
}

int import_open(struct stock_import *i, struct error *e)
{
    stock_file_close(i->file);
    i->file = NULL;
    i->row_number = 0;
    i->ended = false;
    i->input = stock_input_file(&i->fd);
    i->mapping.ignore_others = i->options.ignore_others;
    i->config = (struct stock_file_config){.mapping = &i->mapping,
                                           .encoding = i->options.encoding,
                                           .json_lines = i->options.json_lines,
                                           .dimensions_needed = true,
                                           .fault = on_fault,
                                           .context = i};
    atomic_store(&i->rows, 0);
    int code = stock_file_open(&i->file, &i->input, &i->config, e);
    if (code)
        i->file = NULL;
    else if (stock_file_header_bad(i->file))
        i->bad++;
    return code;
}

/* Room for one row more. */
static int grow(struct stock_import *i)
{
    if (i->row_number < i->rows_max)
        return 0;
    uint32_t max = i->rows_max ? 2 * i->rows_max : 4096;
    uint8_t *actions = realloc(i->actions, max * sizeof *actions);
    if (actions)
        i->actions = actions;
    int32_t *deltas = realloc(i->deltas, max * sizeof *deltas);
    if (deltas)
        i->deltas = deltas;
    struct import_line *lines = realloc(i->lines, max * sizeof *lines);
    if (lines)
        i->lines = lines;
    if (!actions || !deltas || !lines)
        return TLY_ENO_MEMORY;
    i->rows_max = max;
    return 0;
}

static struct str keep(struct stock_import *i, struct str text, bool *failed)
{
    char *p = arena_copy(&i->chunk, text.p ? text.p : "", text.len);
    *failed |= !p;
    return (struct str){p, text.len};
}

static struct lot_dims keep_dims(struct stock_import *i, const struct stock_row *row, bool *failed)
{
    return (struct lot_dims){.key = keep(i, str_of(row->key), failed),
                             .sku = keep(i, row->fields[STOCK_sku], failed),
                             .flavor = keep(i, row->fields[STOCK_flavor], failed),
                             .size = keep(i, row->fields[STOCK_size], failed),
                             .batch = keep(i, row->fields[STOCK_batch], failed),
                             .expires_on =
                                 row->fields[STOCK_expires_on].len ? row->days : LOT_NEVER_EXPIRES};
}

static int add_item(struct stock_import *i, const struct stock_row *row)
{
    bool failed = false;
    i->items[i->item_count] = (struct set_item){.dims = keep_dims(i, row, &failed),
                                                .quantity = row->quantity,
                                                .counts = row->given[STOCK_quantity],
                                                .dated = row->given[STOCK_expires_on]};
    i->numbers[i->item_count] = i->row_number;
    i->item_lines[i->item_count] = row->line;
    i->item_count++;
    return failed ? TLY_ENO_MEMORY : 0;
}

static int add_job(struct stock_import *i, const struct stock_row *row)
{
    bool failed = false;
    struct import_job *job = &i->jobs[i->item_count++];
    struct command *c = &job->command;
    int64_t delta = i->deltas[i->row_number];
    *job = (struct import_job){.row = i->row_number, .line = row->line};
    if (i->actions[i->row_number] == SET_CREATE) {
        c->kind = COMMAND_CREATE_LOT;
        c->create.dims = keep_dims(i, row, &failed);
        c->create.quantity = delta;
        return failed ? TLY_ENO_MEMORY : 0;
    }
    snprintf(job->id, sizeof job->id, "%s-%s-%u", i->stage == STAGE_BACK ? "back" : "import", i->id,
             i->row_number + 1);
    c->kind = COMMAND_ADJUST;
    c->adjust.key = keep(i, str_of(row->key), &failed);
    c->adjust.delta = i->stage == STAGE_BACK ? -delta : delta;
    c->adjust.reason = STR("import");
    c->adjust.adjustment_id = str_of(job->id);
    return failed ? TLY_ENO_MEMORY : 0;
}

/* Whether this stage applies the row, by the plan. */
static bool wanted(const struct stock_import *i)
{
    uint32_t n = i->row_number;
    if (n < i->done || n >= i->checked)
        return false;
    bool up = i->actions[n] == SET_CREATE || i->actions[n] == SET_RAISE;
    return i->stage == STAGE_UP ? up : i->actions[n] == SET_LOWER;
}

static int check_row(struct stock_import *i, const struct stock_row *row, struct str flavors,
                     enum stock_rules rules)
{
    struct error why;
    i->lines[i->line_count++] = (struct import_line){hash64(str_of(row->key), 0), row->line};
    if (rules == STOCK_DRINKS &&
        rule_flavor_allowed(row->fields[STOCK_flavor], flavors, "flavor", &why)) {
        i->bad++;
        import_note(i, row->line, "flavor", why.text);
        return 1;
    }
    return 0;
}

/* A good row, or a bad one; what checking says of it first. */
static int take_row(struct stock_import *i, const struct stock_row *row, bool good,
                    struct str flavors, enum stock_rules rules)
{
    if (APPLIES_ROWS(i))
        return good && wanted(i) ? add_job(i, row) : 0;
    if (i->stage == STAGE_WHOLE)
        return good ? add_item(i, row) : 0;
    if (grow(i))
        return TLY_ENO_MEMORY;
    i->actions[i->row_number] = SET_PASSED;
    i->deltas[i->row_number] = 0;
    i->bad += !good;
    return good && !check_row(i, row, flavors, rules) ? add_item(i, row) : 0;
}

int import_fill(struct stock_import *i, struct error *e)
{
    struct stock_row *row = &i->all->row;
    enum stock_rules rules;
    struct str flavors;
    i->all->host.rules(i->all->host.context, &rules, &flavors);
    arena_reset(&i->chunk);
    i->item_count = 0;
    while (i->item_count < i->item_max) {
        enum stock_result result = stock_file_next(i->file, rules, row);
        if (result == STOCK_END) {
            i->ended = true;
            break;
        }
        if (take_row(i, row, result == STOCK_ROW, flavors, rules))
            return error_set(e, TLY_ENO_MEMORY, "", "out of memory");
        i->row_number++;
    }
    atomic_store_explicit(&i->rows, i->row_number, memory_order_relaxed);
    return 0;
}

static int compare_lines(const void *a, const void *b)
{
    const struct import_line *x = a, *y = b;
    if (x->hash != y->hash)
        return x->hash > y->hash ? 1 : -1;
    return (x->line > y->line) - (x->line < y->line);
}

void import_find_twice(struct stock_import *i)
{
    if (i->line_count < 2)
        return;
    qsort(i->lines, i->line_count, sizeof *i->lines, compare_lines);
    for (uint32_t k = 0; k < i->line_count; k++) {
        bool before = k > 0 && i->lines[k - 1].hash == i->lines[k].hash;
        bool after = k + 1 < i->line_count && i->lines[k + 1].hash == i->lines[k].hash;
        char text[80];
        if (!before && !after)
            continue;
        snprintf(text, sizeof text, "its lot stands in line %u, too",
                 i->lines[before ? k - 1 : k + 1].line);
        i->bad++;
        import_note(i, i->lines[k].line, "", text);
    }
}
