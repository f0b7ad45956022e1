/* wanted_line.c - a pure parser. What the server checks (the form of a lot key, of a batch) is left
 * to the server. */
#include "cli/wanted_line.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/nearest.h"
#include "cli/options.h"

static const char *const names[] = {"lot", "sku", "flavor", "size", "batch", "quantity"};
enum { NAME_COUNT = sizeof(names) / sizeof(names[0]) };

static int set_quantity(json_t *line, const char *text, struct error *e)
{
    int64_t quantity;
    if (!number_parse(text, 1, QUANTITY_MAX, &quantity))
        return error_set(e, TLY_EINVALID_ARGUMENT, "quantity",
                         "the quantity must be a whole number from 1 to %d, is '%s'", QUANTITY_MAX,
                         text);
    return json_object_set_new(line, "quantity", json_integer(quantity)) ? TLY_ENO_MEMORY : 0;
}

static int set_text(json_t *line, const char *name, const char *value, struct error *e)
{
    json_t *text = json_string(value);
    if (!text)
        return error_set(e, TLY_EINVALID_ARGUMENT, name, "%s is not UTF-8 text", name);
    return json_object_set_new(line, name, text) ? TLY_ENO_MEMORY : 0;
}

static bool is_name(const char *text, size_t len)
{
    for (size_t i = 0; i < NAME_COUNT; i++) {
        if (strlen(names[i]) == len && memcmp(names[i], text, len) == 0)
            return true;
    }
    return false;
}

static int set_pair(json_t *line, char *pair, struct error *e)
{
    char *equals = strchr(pair, '=');
    if (!equals)
        return error_set(e, TLY_EINVALID_ARGUMENT, "", "'%s' is not name=value", pair);
    *equals = '\0';
    if (!is_name(pair, strlen(pair))) {
        struct nearest nearest = nearest_to(pair);
        for (size_t i = 0; i < NAME_COUNT; i++)
            nearest_offer(&nearest, names[i]);
        return error_set(e, TLY_EINVALID_ARGUMENT, "", "a line has no '%s'%s%s%s", pair,
                         nearest_found(&nearest) ? "; did you mean " : "; it has ",
                         nearest_found(&nearest) ? nearest.best
                                                 : "lot, sku, flavor, size, batch, quantity",
                         nearest_found(&nearest) ? "?" : "");
    }
    if (json_object_get(line, pair))
        return error_set(e, TLY_EINVALID_ARGUMENT, pair, "%s is given twice", pair);
    if (strcmp(pair, "quantity") == 0)
        return set_quantity(line, equals + 1, e);
    return set_text(line, pair, equals + 1, e);
}

static int parse_pairs(json_t *line, char *text, struct error *e)
{
    char *rest = text, *pair;
    while ((pair = strsep(&rest, ",")) != NULL) {
        int code = set_pair(line, pair, e);
        if (code)
            return code;
    }
    if (!json_object_get(line, "lot") == !json_object_get(line, "sku"))
        return error_set(e, TLY_EINVALID_ARGUMENT, "", "a line names either a lot or a sku");
    return json_object_get(line, "quantity") ? 0 : set_quantity(line, "1", e);
}

static int parse_short(json_t *line, char *text, struct error *e)
{
    char *equals = strrchr(text, '=');
    if (!equals || equals == text)
        return error_set(e, TLY_EINVALID_ARGUMENT, "",
                         "'%s' is neither LOT=QUANTITY, SKU=QUANTITY nor name=value,...", text);
    *equals = '\0';
    int code = set_text(line, strchr(text, '#') ? "lot" : "sku", text, e);
    return code ? code : set_quantity(line, equals + 1, e);
}

int wanted_line_parse(const char *text, json_t **out, struct error *e)
{
    json_t *line = json_object();
    char *copy = strdup(text);
    int code = TLY_ENO_MEMORY;
    if (line && copy) {
        bool pairs = strchr(text, ',') || is_name(text, strcspn(text, "="));
        code = pairs ? parse_pairs(line, copy, e) : parse_short(line, copy, e);
    }
    if (code == TLY_ENO_MEMORY)
        error_set(e, code, "", "out of memory");
    free(copy);
    if (code)
        json_decref(line);
    else
        *out = line;
    return code;
}
