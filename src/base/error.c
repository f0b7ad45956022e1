/* error.c - the table of error.h as rows that can be searched. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

struct row {
    int code;
    int shown; /* itself, if it is public */
    int http;
    int grpc;
    enum error_retry retry;
    const char *name;
    const char *text;
};

static const struct row rows[] = {
#define X(name, number, http, grpc, retry, text)                                                   \
    {(number), (number), (http), (grpc), ERROR_##retry, #name, text},
    TLY_ERRORS(X)
#undef X
#define X(name, number, shown, text) {(number), TLY_E##shown, 0, 0, ERROR_FINAL, #name, text},
        TLY_INTERNAL_ERRORS(X)
#undef X
};

static const struct row *find(int code)
{
    const struct row *internal = NULL;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].code == code)
            return &rows[i];
        if (rows[i].code == TLY_EINTERNAL)
            internal = &rows[i];
    }
    return internal;
}

int error_set(struct error *e, int code, const char *field, const char *format, ...)
{
    if (!e)
        return code;
    va_list args;
    e->code = code;
    snprintf(e->field, sizeof e->field, "%s", field ? field : "");
    va_start(args, format);
    vsnprintf(e->text, sizeof e->text, format, args);
    va_end(args);
    return code;
}

const char *error_name(int code)
{
    return find(code)->name;
}

const char *error_text(int code)
{
    return find(code)->text;
}

int error_public(int code)
{
    return code == 0 ? 0 : find(code)->shown;
}

int error_http(int code)
{
    return code == 0 ? 200 : find(error_public(code))->http;
}

int error_grpc(int code)
{
    return code == 0 ? 0 : find(error_public(code))->grpc;
}

bool error_passes(int code)
{
    return code != 0 && find(error_public(code))->retry == ERROR_PASSES;
}
