/* stock_file.c - the header, and rows with its columns as fields.
 *
 * Happy path: each column of the header is mapped, is a field by its own name, or is passed over
 * where that was allowed. Failures: told as faults, all of them; rows are read even below a header
 * that is wrong, for what its good columns say. Only an empty file, or one that is no text, has no
 * rows.
 */
#include "stockfile/stock_file.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "stockfile/mapping.h"
#include "stockfile/rows.h"

void stock_fault(struct stock_file *f, uint32_t line, const char *column, const char *format, ...)
{
    char text[ERROR_TEXT_MAX], shown[3 * ERROR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    text_show(str_of(text), shown, sizeof shown);
    f->faults++;
    f->config->fault(f->config->context, line, column, shown);
}

/* ---- header ---- */

static const struct stock_mapped *find_mapped(const struct stock_file *f, struct str name)
{
    for (uint32_t i = 0; i < f->mapping->count; i++) {
        if (column_equal(name, str_of(f->mapping->mapped[i].column)))
            return &f->mapping->mapped[i];
    }
    return NULL;
}

static bool is_mapped(const struct stock_file *f, int field)
{
    for (uint32_t i = 0; i < f->mapping->count; i++) {
        if (f->mapping->mapped[i].field == field)
            return true;
    }
    return false;
}

static void tell_unknown(struct stock_file *f, const char *shown)
{
    struct nearest nearest = nearest_to(shown);
    for (int i = 0; i < f->fields; i++)
        nearest_offer(&nearest, stock_field_names[i]);
    stock_fault(f, f->row.line, shown, "there is no column '%.60s'; %s%s", shown,
                nearest_found(&nearest) ? "did you mean "
                                        : "columns are sku, flavor, size, batch, expires_on, "
                                          "quantity; --map and --ignore-other-columns help",
                nearest_found(&nearest) ? nearest.best : "");
}

static void take_column(struct stock_file *f, uint32_t at)
{
    struct str name = cell_trim(f->row.fields[at]);
    char shown[COLUMN_SHOWN_MAX];
    f->named[at] = name.len > 0;
    if (name.len == 0)
        return;
    text_show(name, shown, sizeof shown);
    const struct stock_mapped *mapped = find_mapped(f, name);
    int field = mapped ? mapped->field : field_parse(name, f->fields);
    if (!mapped && field >= 0 && is_mapped(f, field))
        field = MAPPED_IGNORED; /* another column was told to be it */
    else if (!mapped && field < 0 && !f->mapping->ignore_others)
        tell_unknown(f, shown);
    if (field < 0)
        return;
    if (f->places[field] >= 0) {
        stock_fault(f, f->row.line, shown, "column '%.60s' is there twice", shown);
        return;
    }
    f->places[field] = (int)at;
    f->used[at] = true;
    bool own_name = field_parse(name, f->fields) == field;
    snprintf(f->shown[field], COLUMN_SHOWN_MAX, "%s", own_name ? stock_field_names[field] : shown);
}

static bool header_has(const struct stock_file *f, struct str name)
{
    for (uint32_t i = 0; i < f->columns; i++) {
        if (column_equal(name, f->row.fields[i]))
            return true;
    }
    return false;
}

/* What was mapped by name, and what no row can do without. */
static void check_header(struct stock_file *f)
{
    for (uint32_t i = 0; i < f->mapping->count; i++) {
        const struct stock_mapped *m = &f->mapping->mapped[i];
        if (m->optional || header_has(f, str_of(m->column)))
            continue;
        struct nearest nearest = nearest_to(m->column);
        char names[COLUMN_SHOWN_MAX] = "";
        for (uint32_t c = 0; c < f->columns && !nearest_found(&nearest); c++) {
            text_show(f->row.fields[c], names, sizeof names);
            nearest_offer(&nearest, names);
        }
        stock_fault(f, f->row.line, m->column, "the file has no column '%.60s'%s%s", m->column,
                    nearest_found(&nearest) ? "; did you mean " : "",
                    nearest_found(&nearest) ? names : "");
    }
    for (int i = 0; i < STOCK_FIELD_COUNT; i++) {
        if (stock_field_needed(f, i) && f->places[i] < 0 && !f->mapping->set[i])
            stock_fault(f, f->row.line, stock_field_names[i], "column '%s' is missing",
                        stock_field_names[i]);
    }
}

bool stock_field_needed(const struct stock_file *f, int field)
{
    if (f->config->messages)
        return false; /* it depends on the message */
    return field == STOCK_sku || (f->config->dimensions_needed && field <= STOCK_batch);
}

static int read_header(struct stock_file *f, struct error *e)
{
    enum csv_result result = csv_next(f->csv, &f->row, e);
    if (result == CSV_BAD)
        return e->code;
    if (result == CSV_END)
        return error_set(e, TLY_EINVALID_ARGUMENT, "",
                         "the file is empty: its first line names the columns");
    f->columns = f->width = f->row.count;
    while (f->columns > 1 && cell_trim(f->row.fields[f->columns - 1]).len == 0)
        f->columns--;
    for (uint32_t i = 0; i < f->columns; i++)
        take_column(f, i);
    check_header(f);
    f->header_bad = f->faults > 0;
    return 0;
}

int stock_file_open(struct stock_file **out, const struct stock_input *input,
                    const struct stock_file_config *config, struct error *e)
{
    struct error why = {0};
    struct stock_file *f = calloc(1, sizeof *f);
    if (!f)
        return error_set(e, TLY_ENO_MEMORY, "", "out of memory");
    f->config = config;
    f->mapping = config->mapping ? config->mapping : &f->none;
    f->row.line = 1;
    f->fields = config->messages ? STOCK_FIELD_COUNT : STOCK_FILE_FIELDS;
    for (int i = 0; i < STOCK_FIELD_COUNT; i++) {
        f->places[i] = -1;
        snprintf(f->shown[i], COLUMN_SHOWN_MAX, "%s", stock_field_names[i]);
    }
    int code = text_reader_open(&f->text, input, config->encoding, &why);
    if (!code && !(f->csv = csv_open(f->text, config->delimiter)))
        code = error_set(&why, TLY_ENO_MEMORY, "", "out of memory");
    if (!code && !config->json_lines)
        code = read_header(f, &why);
    if (!code) {
        *out = f;
        return 0;
    }
    if (code == TLY_EINVALID_ARGUMENT)
        stock_fault(f, f->row.line, "", "%s", why.text);
    if (e)
        *e = why;
    stock_file_close(f);
    return code;
}

void stock_file_close(struct stock_file *f)
{
    if (!f)
        return;
    json_decref(f->json);
    csv_close(f->csv);
    text_reader_close(f->text);
    free(f);
}

bool stock_file_header_bad(const struct stock_file *f)
{
    return f->header_bad;
}

struct put {
    char *out;
    size_t size, len;
};

static void put(struct put *p, char c)
{
    if (p->len + 1 < p->size)
        p->out[p->len] = c;
    p->len++;
}

static void put_field(struct put *p, struct str field, char delimiter)
{
    bool quoted = false;
    for (uint32_t i = 0; i < field.len && !quoted; i++)
        quoted = field.p[i] == delimiter || strchr("\"\r\n", field.p[i]);
    if (quoted)
        put(p, '"');
    for (uint32_t i = 0; i < field.len; i++) {
        if (field.p[i] == '"')
            put(p, '"');
        put(p, field.p[i]);
    }
    if (quoted)
        put(p, '"');
}

size_t stock_file_message(const struct stock_file *f, char *out, size_t size)
{
    struct put p = {out, size, 0};
    for (uint32_t i = 0; i < f->row.count; i++) {
        if (f->config->json_lines) {
            for (uint32_t k = 0; k < f->row.fields[i].len; k++)
                put(&p, f->row.fields[i].p[k]);
            continue;
        }
        if (i > 0)
            put(&p, csv_delimiter(f->csv));
        put_field(&p, f->row.fields[i], csv_delimiter(f->csv));
    }
    if (size > 0)
        out[p.len < size ? p.len : size - 1] = 0;
    return p.len;
}

enum stock_encoding stock_file_encoding(const struct stock_file *f)
{
    return text_reader_encoding(f->text);
}

char stock_file_delimiter(const struct stock_file *f)
{
    return csv_delimiter(f->csv);
}

uint64_t stock_file_taken(const struct stock_file *f)
{
    return text_reader_taken(f->text);
}

/* ---- rows ---- */

static bool all_empty(const struct csv_row *row)
{
    for (uint32_t i = 0; i < row->count; i++) {
        if (cell_trim(row->fields[i]).len > 0)
            return false;
    }
    return true;
}

/* A spreadsheet leaves out empty cells at the end of a row, and adds some: neither says anything.
 */
static void check_width(struct stock_file *f)
{
    const struct csv_row *row = &f->row;
    bool lacks = false, more = false;
    for (uint32_t i = row->count; i < f->columns; i++)
        lacks |= f->used[i] && (int)i != f->places[STOCK_expires_on];
    for (uint32_t i = 0; i < row->count; i++)
        more |= (i >= f->columns || !f->named[i]) && cell_trim(row->fields[i]).len > 0;
    if (lacks || (more && row->count > f->width))
        stock_fault(f, row->line, "", "has %u fields, the header has %u", row->count, f->columns);
    else if (more && !f->mapping->ignore_others)
        stock_fault(f, row->line, "", "has a cell in a column without a name");
}

static void take_cells(const struct stock_file *f, struct stock_row *row)
{
    for (int i = 0; i < STOCK_FIELD_COUNT; i++) {
        int at = f->places[i];
        row->given[i] = at >= 0 || f->mapping->set[i];
        if (f->mapping->set[i])
            row->fields[i] = cell_trim(str_of(f->mapping->set[i]));
        else if (at >= 0 && (uint32_t)at < f->row.count)
            row->fields[i] = cell_trim(f->row.fields[at]);
    }
}

static enum stock_result next_csv(struct stock_file *f, struct stock_row *row)
{
    struct error e;
    enum csv_result result;
    do
        result = csv_next(f->csv, &f->row, &e);
    while (result == CSV_ROW && all_empty(&f->row));
    row->line = f->row.line;
    if (result == CSV_END)
        return STOCK_END;
    if (result == CSV_BAD) {
        stock_fault(f, f->row.line, "", "%s, in field %u", e.text, f->row.count + 1);
        f->row.count = 0;
        return STOCK_BAD_ROW;
    }
    check_width(f);
    if (f->faults)
        return STOCK_BAD_ROW;
    take_cells(f, row);
    return STOCK_ROW;
}

static enum stock_result next_json(struct stock_file *f, struct stock_row *row)
{
    struct error e;
    enum csv_result result = csv_next_line(f->csv, &f->row, &e);
    row->line = f->row.line;
    if (result == CSV_END)
        return STOCK_END;
    if (result == CSV_ROW)
        return stock_row_of_json(f, f->row.fields[0], row) ? STOCK_ROW : STOCK_BAD_ROW;
    stock_fault(f, f->row.line, "", "%s", e.text);
    return STOCK_BAD_ROW;
}

enum stock_result stock_file_next(struct stock_file *f, enum stock_rules rules,
                                  struct stock_row *row)
{
    memset(row, 0, offsetof(struct stock_row, normalised));
    f->faults = 0;
    for (int i = 0; i < STOCK_FIELD_COUNT; i++)
        row->columns[i] = f->shown[i];
    enum stock_result result = f->config->json_lines ? next_json(f, row) : next_csv(f, row);
    if (result != STOCK_ROW)
        return result;
    stock_row_check(f, rules, row);
    return f->faults ? STOCK_BAD_ROW : STOCK_ROW;
}
