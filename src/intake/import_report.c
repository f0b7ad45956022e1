/* import_report.c - what an import is answered: JSON, with the faults of its rows. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/put_json.h"
#include "intake/import_internal.h"

void import_note(struct stock_import *i, uint32_t line, const char *column, const char *text)
{
    if (i->problem_count == IMPORT_PROBLEMS_MAX)
        return;
    const char *kept_column = arena_copy(&i->texts, column, strlen(column));
    const char *kept_text = arena_copy(&i->texts, text, strlen(text));
    if (kept_column && kept_text)
        i->problems[i->problem_count++] = (struct import_problem){line, kept_column, kept_text};
}

void import_item_fault(struct stock_import *i, uint32_t k)
{
    const struct set_item *item = &i->items[k];
    char text[ERROR_TEXT_MAX];
    const char *column = "";
    switch ((enum set_fault)item->fault) {
    case SET_COLLIDES:
        snprintf(text, sizeof text, "its key %.*s is that of another lot", STR_ARG(item->dims.key));
        break;
    case SET_OTHER_EXPIRY:
        column = "expires_on";
        snprintf(text, sizeof text, "the lot has another one, which an import does not change");
        break;
    case SET_HELD:
        column = "quantity";
        snprintf(text, sizeof text,
                 "is %" PRId64 ", but %" PRId64 " units are reserved or confirmed", item->quantity,
                 item->held);
        break;
    case SET_TOO_MANY:
        column = "quantity";
        snprintf(text, sizeof text,
                 "with the %" PRId64 " units reserved or confirmed it makes more than %d",
                 item->held, QUANTITY_MAX);
        break;
    case SET_NO_QUANTITY:
        column = "quantity";
        snprintf(text, sizeof text, "is missing, and there is no lot %.*s yet",
                 STR_ARG(item->dims.key));
        break;
    default:
        snprintf(text, sizeof text, "lots_max: there would be more lots than there may be");
    }
    i->bad++;
    import_note(i, i->item_lines[k], column, text);
}

static void put_head(FILE *to, const struct stock_import *i, int code, const char *detail)
{
    if (code) {
        char name[40];
        const char *given = error_name(code);
        size_t n = 0;
        for (; given[n] && n + 1 < sizeof name; n++)
            name[n] = (char)(given[n] >= 'A' && given[n] <= 'Z' ? given[n] + 32 : given[n]);
        name[n] = 0;
        fprintf(to, "{\"type\":\"https://tallystick.dev/problems/%s\",\"title\":", name);
        put_json_text(to, str_of(error_text(code)));
        fprintf(to, ",\"status\":%d,\"detail\":", error_http(code));
        put_json_text(to, str_of(detail));
        fprintf(to, ",\"code\":\"%s\",", given);
    } else {
        fputc('{', to);
    }
    bool dry = i->options.dry_run;
    fprintf(to,
            "\"rows\":%u,\"created\":%u,\"changed\":%u,\"unchanged\":%u,\"skipped\":%u,"
            "\"bad\":%u,\"dry_run\":%s,",
            i->checked,
            code  ? 0
            : dry ? i->counts[SET_CREATE]
                  : i->created,
            code  ? 0
            : dry ? i->counts[SET_RAISE] + i->counts[SET_LOWER]
                  : i->changed,
            code ? 0 : i->counts[SET_SAME], code ? 0 : i->counts[SET_PASSED], i->bad,
            dry ? "true" : "false");
}

char *import_report(const struct stock_import *i, int code, const char *detail, size_t *len)
{
    char *text = NULL;
    FILE *to = open_memstream(&text, len);
    if (!to)
        return NULL;
    put_head(to, i, code, detail);
    fputs("\"problems\":[", to);
    for (uint32_t k = 0; k < i->problem_count; k++) {
        const struct import_problem *p = &i->problems[k];
        fprintf(to, "%s{\"line\":%u,\"column\":", k ? "," : "", p->line);
        put_json_text(to, str_of(p->column));
        fputs(",\"text\":", to);
        put_json_text(to, str_of(p->text));
        fputc('}', to);
    }
    fputs("]}", to);
    if (fclose(to) != 0) {
        free(text);
        return NULL;
    }
    return text;
}
