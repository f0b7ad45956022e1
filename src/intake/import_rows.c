/* import_rows.c - rows of the received file into a chunk for the engine. Failures: no memory, the
 * file cannot be read; faults of rows are noted. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "intake/import_internal.h"
#include "service/rules.h"

enum { CHUNK_TEXT_MAX = 64 << 20 };

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
    struct import_line *lines = actions ? realloc(i->lines, max * sizeof *lines) : NULL;
    if (!lines)
        return TLY_ENO_MEMORY;
    i->lines = lines;
    i->rows_max = max;
    return 0;
}

static struct str keep(struct stock_import *i, struct str text, bool *failed)
{
    char *p = arena_copy(&i->chunk, text.p ? text.p : "", text.len);
    *failed |= !p;
    return (struct str){p, text.len};
}

static int add_item(struct stock_import *i, const struct stock_row *row)
{
    bool failed = false;
    struct set_item *item = &i->items[i->item_count];
    bool dated = row->given[STOCK_expires_on];
    *item = (struct set_item){
        .dims = {.key = keep(i, str_of(row->key), &failed),
                 .sku = keep(i, row->fields[STOCK_sku], &failed),
                 .flavor = keep(i, row->fields[STOCK_flavor], &failed),
                 .size = keep(i, row->fields[STOCK_size], &failed),
                 .batch = keep(i, row->fields[STOCK_batch], &failed),
                 .expires_on = row->fields[STOCK_expires_on].len ? row->days : LOT_NEVER_EXPIRES},
        .quantity = row->quantity,
        .counts = row->given[STOCK_quantity],
        .dated = dated};
    i->numbers[i->item_count] = i->row_number;
    i->item_lines[i->item_count] = row->line;
    i->item_count++;
    return failed ? TLY_ENO_MEMORY : 0;
}

/* Whether this stage deals with the row, as it was checked. */
static bool wanted(struct stock_import *i, struct stock_row *row)
{
    uint32_t n = i->row_number;
    uint8_t action = i->actions[n];
    switch (i->stage) {
    case STAGE_DOWN:
        return action == SET_LOWER && n >= i->down_done;
    case STAGE_UP:
        return (action == SET_CREATE || action == SET_RAISE) && n >= i->up_done;
    case STAGE_BACK:
        row->quantity = i->lowered[n];
        return i->lowered[n] > 0;
    default:
        return true;
    }
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
        if (grow(i))
            return error_set(e, TLY_ENO_MEMORY, "", "out of memory");
        int code = 0;
        if (i->stage == STAGE_CHECK)
            i->actions[i->row_number] = SET_PASSED;
        if (result == STOCK_BAD_ROW)
            i->bad += i->stage == STAGE_CHECK;
        else if (i->stage != STAGE_CHECK ? wanted(i, row) : !check_row(i, row, flavors, rules))
            code = add_item(i, row);
        if (code)
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
