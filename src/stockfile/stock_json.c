/* stock_json.c - one JSON object on a line as a row: members are the fields of stock_field_names,
 * through the same mapping as columns. Failures: told as faults, as for CSV. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "stockfile/mapping.h"
#include "stockfile/rows.h"

/* A whole number as its digits, text as it is. Lives as long as the object. */
static bool take_value(json_t *value, char number[SKU_MAX + 1], struct str *out)
{
    if (json_is_string(value)) {
        *out = (struct str){json_string_value(value), (uint32_t)json_string_length(value)};
        return true;
    }
    if (!json_is_number(value))
        return false;
    size_t len = json_dumpb(value, number, SKU_MAX, JSON_ENCODE_ANY);
    *out = (struct str){number, len <= SKU_MAX ? (uint32_t)len : 0};
    return len <= SKU_MAX;
}

static int field_of(const struct stock_file *f, struct str name, bool *known)
{
    for (uint32_t i = 0; i < f->mapping->count; i++) {
        const struct stock_mapped *m = &f->mapping->mapped[i];
        if (str_equal(name, str_of(m->column))) {
            *known = true;
            return m->field;
        }
    }
    for (int i = 0; i < f->fields; i++) {
        if (str_equal(name, str_of(stock_field_names[i]))) {
            *known = true;
            return i;
        }
    }
    *known = f->mapping->ignore_others;
    return MAPPED_IGNORED;
}

static void take_member(struct stock_file *f, struct stock_row *row, const char *name,
                        json_t *value)
{
    bool known;
    struct str text;
    char shown[COLUMN_SHOWN_MAX];
    text_show(str_of(name), shown, sizeof shown);
    int field = field_of(f, str_of(name), &known);
    if (!known)
        stock_fault(f, row->line, shown, "there is no member '%.60s'", shown);
    if (field < 0)
        return;
    if (json_is_null(value))
        return;
    if (!take_value(value, row->normalised[field], &text)) {
        stock_fault(f, row->line, shown, "must be text or a number");
        return;
    }
    row->given[field] = true;
    row->fields[field] = cell_trim(text);
}

bool stock_row_of_json(struct stock_file *f, struct str line, struct stock_row *row)
{
    json_error_t why;
    const char *name;
    json_t *value;
    json_decref(f->json);
    f->json = json_loadb(line.p, line.len, JSON_REJECT_DUPLICATES, &why);
    if (!json_is_object(f->json)) {
        if (f->json)
            stock_fault(f, row->line, "", "must be a JSON object");
        else
            stock_fault(f, row->line, "", "is no JSON: %s, at byte %d", why.text, why.position);
        return false;
    }
    json_object_foreach(f->json, name, value) take_member(f, row, name, value);
    for (int i = 0; i < STOCK_FIELD_COUNT; i++) {
        if (f->mapping->set[i]) {
            row->given[i] = true;
            row->fields[i] = cell_trim(str_of(f->mapping->set[i]));
        }
        if (stock_field_needed(f, i) && !row->given[i])
            stock_fault(f, row->line, stock_field_names[i], "is missing");
    }
    return true;
}
