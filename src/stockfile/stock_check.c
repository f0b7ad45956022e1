/* stock_check.c - the cells of a row by the rules of the service, and what a shop's file may write
 * otherwise: a whole number with zeros behind its point, a date with other separators.
 *
 * Failures: each cell that breaks its rule is told; one that is not UTF-8 is told as such.
 */
#include <stdio.h>
#include <string.h>

#include "service/lot_key.h"
#include "service/rules.h"
#include "stockfile/rows.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

int stock_quantity(struct str text, int64_t *out, struct error *e)
{
    int64_t n = 0;
    uint32_t i = text.len > 1 && *text.p == '+' ? 1 : 0;
    uint32_t begin = i, point;
    while (i < text.len && is_digit(text.p[i]) && n <= QUANTITY_MAX)
        n = n * 10 + (text.p[i++] - '0');
    point = i;
    bool whole = i > begin;
    if (whole && i < text.len && (text.p[i] == '.' || text.p[i] == ',')) {
        for (i++; i < text.len && text.p[i] == '0'; i++) {
        }
        whole = i > point + 1;
    }
    if (!whole || i != text.len || n > QUANTITY_MAX)
        return error_set(e, TLY_EINVALID_ARGUMENT, "quantity",
                         "must be a whole number from 0 to %d, is '%.*s'", QUANTITY_MAX,
                         (int)(text.len < 40 ? text.len : 40), text.p);
    if (text.len == point + 4 && n != 0)
        return error_set(e, TLY_EINVALID_ARGUMENT, "quantity",
                         "must be a whole number, is '%.*s', which may be %lld or %lld000",
                         (int)(text.len < 40 ? text.len : 40), text.p, (long long)n, (long long)n);
    *out = n;
    return 0;
}

int stock_delta(struct str text, int64_t *out, struct error *e)
{
    bool minus = text.len > 0 && *text.p == '-';
    struct str digits = {text.p + minus, text.len - minus};
    int64_t n = 0;
    if (stock_quantity(digits, &n, NULL) || n == 0 || (minus && *digits.p == '+'))
        return error_set(e, TLY_EINVALID_ARGUMENT, "delta",
                         "must be a whole number from -%d to %d and not 0, is '%.*s'", QUANTITY_MAX,
                         QUANTITY_MAX, (int)(text.len < 40 ? text.len : 40), text.p);
    *out = minus ? -n : n;
    return 0;
}

/* Digits at *at, 1 to max of them, as a number; -1: none. */
static int take_number(struct str s, uint32_t *at, uint32_t max)
{
    int n = -1;
    for (uint32_t i = 0; i < max && *at < s.len && is_digit(s.p[*at]); i++, (*at)++)
        n = (n < 0 ? 0 : n * 10) + (s.p[*at] - '0');
    return n;
}

/* One of - / . or the year, month, day of Chinese and Japanese dates. */
static bool take_mark(struct str s, uint32_t *at, const char *character)
{
    size_t len = strlen(character);
    if (*at < s.len && strchr("-/.", s.p[*at])) {
        (*at)++;
        return true;
    }
    if (s.len - *at < len || memcmp(s.p + *at, character, len) != 0)
        return false;
    *at += (uint32_t)len;
    return true;
}

static bool take_text(struct str *s, const char *text)
{
    uint32_t len = (uint32_t)strlen(text);
    if (s->len < len || memcmp(s->p, text, len) != 0)
        return false;
    *s = (struct str){s->p + len, s->len - len};
    return true;
}

/* The time that a spreadsheet or a database puts behind a date, wherever that date is one: 0:00,
 * 00:00:00, T00:00:00.000Z, T00:00:00+08:00. */
static bool is_midnight(struct str s)
{
    if (!take_text(&s, " ") && !take_text(&s, "T"))
        return false;
    if (!take_text(&s, "00:00") && !take_text(&s, "0:00"))
        return false;
    if (take_text(&s, ":00") && take_text(&s, ".")) {
        while (take_text(&s, "0")) {
        }
    }
    if (take_text(&s, "Z"))
        return s.len == 0;
    bool zone = take_text(&s, "+") || take_text(&s, "-");
    return zone ? s.len == 5 && s.p[2] == ':' && is_digit(s.p[0]) && is_digit(s.p[1]) &&
                      is_digit(s.p[3]) && is_digit(s.p[4])
                : s.len == 0;
}

struct str stock_date(struct str text, char out[SKU_MAX + 1])
{
    uint32_t at = 0;
    int year = take_number(text, &at, 4);
    if (at != 4 || !take_mark(text, &at, "\xE5\xB9\xB4"))
        return text;
    int month = take_number(text, &at, 2);
    if (month < 0 || !take_mark(text, &at, "\xE6\x9C\x88"))
        return text;
    int day = take_number(text, &at, 2);
    struct str rest = {text.p + at, text.len - at};
    if (day < 0 || (rest.len && !is_midnight(rest) && !str_equal(rest, STR("\xE6\x97\xA5"))))
        return text;
    int len = snprintf(out, SKU_MAX + 1, "%04d-%02d-%02d", year, month, day);
    return (struct str){out, (uint32_t)len};
}

/* A rule's sentence begins with the field's name, which is told as the column. */
static const char *without_field(const struct error *e)
{
    size_t len = strlen(e->field);
    bool named = len > 0 && strncmp(e->text, e->field, len) == 0 && e->text[len] == ':';
    return named ? e->text + len + 1 + strspn(e->text + len + 1, " ") : e->text;
}

static int check_dimension(enum stock_rules rules, enum stock_field i, struct stock_row *row,
                           struct error *e)
{
    struct str cell = row->fields[i];
    const char *name = stock_field_names[i];
    if (rules == STOCK_FREE)
        return rule_free(cell, name, &row->fields[i], e);
    if (i == STOCK_flavor)
        return rule_flavor(cell, name, e);
    if (i == STOCK_batch)
        return rule_batch(cell, name, e);
    int code = rule_size(cell, name, row->normalised[i], e);
    if (code)
        return code;
    row->fields[i] = str_of(row->normalised[i]);
    row->rewritten = !str_equal(row->fields[i], cell);
    return 0;
}

static int check_cell(enum stock_rules rules, enum stock_field i, struct stock_row *row,
                      struct error *e)
{
    switch (i) {
    case STOCK_sku:
        return rule_sku(row->fields[i], "sku", e);
    case STOCK_quantity:
        return stock_quantity(row->fields[i], &row->quantity, e);
    case STOCK_expires_on:
        row->fields[i] = stock_date(row->fields[i], row->normalised[i]);
        return rule_date(row->fields[i], "expires_on", &row->days, e);
    case STOCK_lot:
        return rule_lot_key(row->fields[i], "lot", e);
    case STOCK_delta:
        return stock_delta(row->fields[i], &row->delta, e);
    case STOCK_reason:
        return rule_text(row->fields[i], ADJUST_REASON_MAX, "reason", e);
    case STOCK_message_id:
        return rule_text(row->fields[i], ADJUSTMENT_ID_MAX, "message_id", e);
    default:
        return check_dimension(rules, i, row, e);
    }
}

/* Of messages some columns hold for some rows: an empty cell is not given. */
static bool may_be_empty(const struct stock_file *f, int field)
{
    return field == STOCK_expires_on || f->config->messages;
}

/* A message says which lot, and what it gets. */
static void check_message(struct stock_file *f, const struct stock_row *row, bool named)
{
    const bool *given = row->given;
    if (given[STOCK_delta] == given[STOCK_quantity])
        stock_fault(f, row->line, given[STOCK_delta] ? "delta" : "",
                    "must have either quantity, of a batch, or delta, of a correction");
    else if (given[STOCK_delta] ? !given[STOCK_lot] && !named : !named)
        stock_fault(f, row->line, "",
                    given[STOCK_delta]
                        ? "must name the lot, by lot or by sku, flavor, size and batch"
                        : "must name the batch by sku, flavor, size and batch");
}

void stock_row_check(struct stock_file *f, enum stock_rules rules, struct stock_row *row)
{
    bool bad[STOCK_FIELD_COUNT] = {false};
    for (int i = 0; i < STOCK_FIELD_COUNT; i++) {
        struct error e = {0};
        struct str cell = row->fields[i];
        if (row->given[i] && cell.len == 0 && may_be_empty(f, i))
            row->given[i] = i == STOCK_expires_on && !f->config->messages;
        if (!row->given[i] || (i == STOCK_expires_on && cell.len == 0))
            continue;
        bad[i] = true;
        if (cell.len == 0)
            stock_fault(f, row->line, row->columns[i], "is empty");
        else if (!text_is_utf8(cell))
            stock_fault(f, row->line, row->columns[i], "must be %s, is '%.*s'",
                        encoding_name(stock_file_encoding(f)), (int)(cell.len < 60 ? cell.len : 60),
                        cell.p);
        else if (check_cell(rules, (enum stock_field)i, row, &e) != 0)
            stock_fault(f, row->line, row->columns[i], "%s", without_field(&e));
        else
            bad[i] = false;
    }
    bool named = true, known = true;
    for (int i = STOCK_sku; i <= STOCK_batch; i++) {
        named &= row->given[i];
        known &= row->given[i] && !bad[i];
    }
    if (known)
        lot_key_make(row->fields[STOCK_sku], row->fields[STOCK_flavor], row->fields[STOCK_size],
                     row->fields[STOCK_batch], row->key);
    if (f->config->messages)
        check_message(f, row, named);
}
