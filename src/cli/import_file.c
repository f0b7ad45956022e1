/* import_file.c - a CSV file as rows: header, fields, rules, no lot twice.
 *
 * Failures: the header lacks a column or has one that is not known (nothing can be read then), a
 * row is no CSV, a field breaks its rule, a lot stands in the file twice. All but the first are
 * noted and reading goes on, so that one run tells all mistakes.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "cli/csv.h"
#include "cli/import.h"
#include "cli/nearest.h"
#include "cli/options.h"
#include "service/lot_key.h"
#include "service/rules.h"

enum { ARENA_BYTES_MAX = 1 << 30 };

const char *const import_column_names[IMPORT_COLUMN_COUNT] = {
#define X(name) #name,
    IMPORT_COLUMNS(X)
#undef X
};

void import_init(struct import *im)
{
    *im = (struct import){0};
    arena_init(&im->arena, NULL, 0, ARENA_BYTES_MAX);
}

void import_close(struct import *im)
{
    arena_close(&im->arena);
    free(im->rows);
    free(im->by_key);
    free(im->problems);
}

void import_bad(struct import *im, struct import_row *row, uint32_t line, const char *column,
                const char *format, ...)
{
    if (row && row->action == IMPORT_BAD)
        return;
    if (row)
        row->action = IMPORT_BAD;
    im->bad_count++;
    if (!im->problems)
        im->problems = calloc(IMPORT_PROBLEMS_MAX, sizeof(*im->problems));
    if (!im->problems || im->problem_count == IMPORT_PROBLEMS_MAX)
        return;
    struct import_problem *p = &im->problems[im->problem_count++];
    va_list args;
    va_start(args, format);
    p->line = line;
    snprintf(p->column, sizeof(p->column), "%s", column);
    vsnprintf(p->text, sizeof(p->text), format, args);
    va_end(args);
}

/* ---- header ---- */

/* places[column] = number of the field, or -1 */
static int take_header(const struct csv_row *header, int places[IMPORT_COLUMN_COUNT],
                       struct error *e)
{
    for (int c = 0; c < IMPORT_COLUMN_COUNT; c++)
        places[c] = -1;
    for (uint32_t f = 0; f < header->count; f++) {
        char name[64];
        snprintf(name, sizeof(name), "%.*s", STR_ARG(header->fields[f]));
        struct nearest nearest = nearest_to(name);
        int column = -1;
        for (int c = 0; c < IMPORT_COLUMN_COUNT; c++) {
            nearest_offer(&nearest, import_column_names[c]);
            if (str_equal(header->fields[f], str_of(import_column_names[c])))
                column = c;
        }
        if (column < 0)
            return error_set(
                e, TLY_EINVALID_ARGUMENT, name, "line %u: there is no column '%s'; %s%s",
                header->line, name, nearest_found(&nearest) ? "did you mean " : "columns are ",
                nearest_found(&nearest) ? nearest.best
                                        : "sku, flavor, size, batch, expires_on, quantity");
        if (places[column] >= 0)
            return error_set(e, TLY_EINVALID_ARGUMENT, name, "line %u: column '%s' is there twice",
                             header->line, name);
        places[column] = (int)f;
    }
    for (int c = 0; c < IMPORT_COLUMN_COUNT; c++) {
        if (places[c] < 0 && c != IMPORT_expires_on)
            return error_set(e, TLY_EINVALID_ARGUMENT, import_column_names[c],
                             "line %u: column '%s' is missing", header->line,
                             import_column_names[c]);
    }
    return 0;
}

/* ---- rows ---- */

static struct import_row *add_row(struct import *im, uint32_t line)
{
    if (im->row_count == im->row_capacity) {
        uint32_t capacity = im->row_capacity ? 2 * im->row_capacity : 256;
        struct import_row *rows = realloc(im->rows, capacity * sizeof(*rows));
        if (!rows)
            return NULL;
        im->rows = rows;
        im->row_capacity = capacity;
    }
    struct import_row *row = &im->rows[im->row_count++];
    *row = (struct import_row){.line = line, .action = IMPORT_UNCHANGED};
    return row;
}

static int check_quantity(struct str text, int64_t *quantity, struct error *e)
{
    char digits[24];
    snprintf(digits, sizeof(digits), "%.*s", STR_ARG(text));
    if (text.len < sizeof(digits) && number_parse(digits, 0, QUANTITY_MAX, quantity))
        return 0;
    return error_set(e, TLY_EINVALID_ARGUMENT, "quantity",
                     "must be a whole number from 0 to %d, is '%.40s'", QUANTITY_MAX, digits);
}

/* Checks the fields in the order of the columns; `e->field` names the first bad one. */
static int check_fields(const struct str fields[IMPORT_COLUMN_COUNT], char size[SIZE_MAX_BYTES + 1],
                        int64_t *quantity, struct error *e)
{
    int32_t days;
    for (int c = 0; c < IMPORT_COLUMN_COUNT; c++) {
        if (c != IMPORT_expires_on && fields[c].len == 0)
            return error_set(e, TLY_EINVALID_ARGUMENT, import_column_names[c], "is empty");
    }
    int code = rule_sku(fields[IMPORT_sku], "sku", e);
    if (!code)
        code = rule_flavor(fields[IMPORT_flavor], "flavor", e);
    if (!code)
        code = rule_size(fields[IMPORT_size], "size", size, e);
    if (!code)
        code = rule_batch(fields[IMPORT_batch], "batch", e);
    if (!code && fields[IMPORT_expires_on].len > 0)
        code = rule_date(fields[IMPORT_expires_on], "expires_on", &days, e);
    return code ? code : check_quantity(fields[IMPORT_quantity], quantity, e);
}

/* A rule's sentence begins with the field's name, which is told as the column. */
static const char *without_field(const struct error *e)
{
    size_t len = strlen(e->field);
    bool named = len > 0 && strncmp(e->text, e->field, len) == 0 && e->text[len] == ':';
    return named ? e->text + len + 1 + strspn(e->text + len + 1, " ") : e->text;
}

static int fill_row(struct import *im, struct import_row *row, const struct str *fields)
{
    char size[SIZE_MAX_BYTES + 1];
    struct error e = {0};
    if (check_fields(fields, size, &row->quantity, &e) != 0) {
        import_bad(im, row, row->line, e.field, "%s", without_field(&e));
        return 0;
    }
    for (int c = 0; c < IMPORT_quantity; c++) {
        struct str value = c == IMPORT_size ? str_of(size) : fields[c];
        row->fields[c] = arena_copy(&im->arena, value.p ? value.p : "", value.len);
        if (!row->fields[c])
            return TLY_ENO_MEMORY;
    }
    lot_key_make(str_of(row->fields[IMPORT_sku]), str_of(row->fields[IMPORT_flavor]), str_of(size),
                 str_of(row->fields[IMPORT_batch]), row->key);
    return 0;
}

static int take_row(struct import *im, const struct csv_row *csv, uint32_t columns,
                    const int places[IMPORT_COLUMN_COUNT])
{
    struct str fields[IMPORT_COLUMN_COUNT] = {0};
    struct import_row *row = add_row(im, csv->line);
    if (!row)
        return TLY_ENO_MEMORY;
    if (csv->count != columns) {
        import_bad(im, row, row->line, "", "has %u fields, the header has %u", csv->count, columns);
        return 0;
    }
    for (int c = 0; c < IMPORT_COLUMN_COUNT; c++) {
        if (places[c] >= 0)
            fields[c] = csv->fields[places[c]];
    }
    return fill_row(im, row, fields);
}

/* ---- no lot twice ---- */

static int compare_keys(const void *a, const void *b)
{
    const struct import_row *x = *(struct import_row *const *)a;
    const struct import_row *y = *(struct import_row *const *)b;
    int order = strcmp(x->key, y->key);
    return order ? order : (x->line > y->line) - (x->line < y->line);
}

static int index_rows(struct import *im)
{
    im->by_key = malloc((im->row_count + 1) * sizeof(struct import_row *));
    if (!im->by_key)
        return TLY_ENO_MEMORY;
    for (uint32_t i = 0; i < im->row_count; i++) {
        if (im->rows[i].action != IMPORT_BAD)
            im->by_key[im->key_count++] = &im->rows[i];
    }
    qsort(im->by_key, im->key_count, sizeof(struct import_row *), compare_keys);
    struct import_row *first = NULL;
    for (uint32_t i = 0; i < im->key_count; i++) {
        struct import_row *row = im->by_key[i];
        if (first && strcmp(row->key, first->key) == 0)
            import_bad(im, row, row->line, "", "lot %s stands in line %u already", row->key,
                       first->line);
        else
            first = row;
    }
    return 0;
}

struct import_row *import_find(const struct import *im, const char *key)
{
    uint32_t low = 0, high = im->key_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (strcmp(im->by_key[middle]->key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < im->key_count && strcmp(im->by_key[low]->key, key) == 0;
    return found ? im->by_key[low] : NULL;
}

int import_read(struct import *im, char *text, size_t size, struct error *e)
{
    struct csv csv;
    struct csv_row row;
    struct error bad;
    int places[IMPORT_COLUMN_COUNT];
    md5_hex(text, size, im->content_md5);
    csv_begin(&csv, text, size);
    enum csv_result result = csv_next(&csv, &row, &bad);
    if (result == CSV_BAD)
        return error_set(e, TLY_EINVALID_ARGUMENT, "", "line %u: %s", row.line, bad.text);
    if (result == CSV_END)
        return error_set(e, TLY_EINVALID_ARGUMENT, "",
                         "the file is empty: its first line names "
                         "the columns");
    int code = take_header(&row, places, e);
    uint32_t columns = row.count;
    while (!code && (result = csv_next(&csv, &row, &bad)) != CSV_END) {
        if (result == CSV_BAD) {
            import_bad(im, NULL, row.line, "", "%s, in field %u", bad.text, row.count + 1);
            continue;
        }
        code = take_row(im, &row, columns, places);
    }
    if (!code)
        code = index_rows(im);
    if (code == TLY_ENO_MEMORY)
        return error_set(e, code, "", "out of memory");
    return code;
}
