/* mapping.c - columns to fields: names are compared without case, blanks, '-' and '_'. Refused: a
 * field that is not known, a column that is mapped twice, too many of them. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "stockfile/mapping.h"

const char *const stock_field_names[STOCK_FIELD_COUNT] = {
#define X(name) #name,
    STOCK_FIELDS(X) STOCK_MESSAGE_FIELDS(X)
#undef X
};

static bool is_passed_over(char c)
{
    return c == ' ' || c == '\t' || c == '-' || c == '_';
}

bool column_equal(struct str a, struct str b)
{
    uint32_t i = 0, k = 0;
    for (;;) {
        while (i < a.len && is_passed_over(a.p[i]))
            i++;
        while (k < b.len && is_passed_over(b.p[k]))
            k++;
        if (i == a.len || k == b.len)
            return i == a.len && k == b.len;
        if (tolower((unsigned char)a.p[i++]) != tolower((unsigned char)b.p[k++]))
            return false;
    }
}

struct str cell_trim(struct str s)
{
    while (s.len && (*s.p == ' ' || *s.p == '\t'))
        s = (struct str){s.p + 1, s.len - 1};
    while (s.len && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
        s.len--;
    return s;
}

int field_parse(struct str name, int count)
{
    for (int f = 0; f < count; f++) {
        if (column_equal(name, str_of(stock_field_names[f])))
            return f;
    }
    return -1;
}

int stock_field_parse(struct str name)
{
    return field_parse(name, STOCK_FILE_FIELDS);
}

static int no_field(struct str name, struct error *e)
{
    return error_set(e, TLY_EINVALID_ARGUMENT, "map",
                     "there is no field '%.*s'; fields are sku, flavor, size, batch, expires_on "
                     "and quantity",
                     (int)(name.len < 40 ? name.len : 40), name.p);
}

int stock_mapping_add(struct stock_mapping *m, struct str text, bool optional, struct error *e)
{
    uint32_t at = text.len;
    while (at > 0 && text.p[at - 1] != '=')
        at--;
    struct str column = cell_trim((struct str){text.p, at ? at - 1 : 0});
    struct str name = cell_trim((struct str){text.p + at, text.len - at});
    if (str_equal(column, STR("*")) && str_equal(name, STR("-"))) {
        m->ignore_others = true;
        return 0;
    }
    if (at == 0 || column.len == 0 || column.len >= STOCK_COLUMN_MAX)
        return error_set(e, TLY_EINVALID_ARGUMENT, "map", "must be COLUMN=field, is '%.*s'",
                         (int)(text.len < 80 ? text.len : 80), text.p);
    bool ignored = str_equal(name, STR("-"));
    int field = ignored ? MAPPED_IGNORED : stock_field_parse(name);
    if (field < 0 && !ignored)
        return no_field(name, e);
    for (uint32_t i = 0; i < m->count; i++) {
        if (column_equal(column, str_of(m->mapped[i].column)))
            return error_set(e, TLY_EINVALID_ARGUMENT, "map", "column '%.*s' is mapped twice",
                             STR_ARG(column));
    }
    if (m->count == STOCK_MAPPED_MAX)
        return error_set(e, TLY_EINVALID_ARGUMENT, "map", "more than %d columns", STOCK_MAPPED_MAX);
    struct stock_mapped *to = &m->mapped[m->count++];
    memcpy(to->column, column.p, column.len);
    to->column[column.len] = 0;
    to->field = field;
    to->optional = optional;
    return 0;
}

int stock_mapping_set(struct stock_mapping *m, const char *text, struct error *e)
{
    const char *equals = strchr(text, '=');
    if (!equals)
        return error_set(e, TLY_EINVALID_ARGUMENT, "set", "must be field=value, is '%.80s'", text);
    struct str name = cell_trim((struct str){text, (uint32_t)(equals - text)});
    int field = stock_field_parse(name);
    if (field < 0)
        return no_field(name, e);
    m->set[field] = equals + 1;
    return 0;
}

int stock_mapping_read(struct stock_mapping *m, char *text, struct error *e)
{
    if (strncmp(text, "\xEF\xBB\xBF", 3) == 0)
        text += 3;
    char *next;
    for (uint32_t line = 1; text; text = next, line++) {
        next = strchr(text, '\n');
        if (next)
            *next++ = 0;
        text[strcspn(text, "\r")] = 0;
        text += strspn(text, " \t");
        if (*text == 0 || *text == '#')
            continue;
        struct error why;
        int code = strncmp(text, "set ", 4) == 0
                       ? stock_mapping_set(m, text + 4 + strspn(text + 4, " "), &why)
                       : stock_mapping_add(m, str_of(text), true, &why);
        if (code)
            return error_set(e, code, "mapping", "line %u: %s", line, why.text);
    }
    return 0;
}
