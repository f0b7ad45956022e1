/* request_log.c - one answered request as a line of the log. Nothing here fails. */
#include "server/request_log.h"

#include "base/error.h"
#include "obs/log.h"

static const char *call_name(enum metric_call call)
{
    static const char *const names[] = {
#define X(name, text) text,
        METRIC_CALLS(X)
#undef X
    };
    return names[call];
}

static enum log_level level_of(int code)
{
    if (code == TLY_EINTERNAL || code == TLY_EIO || code == TLY_ECORRUPT)
        return LOG_ERROR;
    return code == TLY_EUNAVAILABLE || code == TLY_EOUTCOME_UNKNOWN || code == TLY_EOVERLOADED
               ? LOG_WARN
               : LOG_INFO;
}

void request_log(void *context, const struct request_summary *s)
{
    struct log_field fields[9];
    size_t n = 0;
    (void)context;
    fields[n++] = (struct log_field)log_text("call", call_name(s->call));
    fields[n++] = (struct log_field)log_text("code", s->code ? error_name(s->code) : "OK");
    const struct {
        const char *name;
        struct str value;
    } texts[] = {{"order_id", s->order_id},
                 {"lot", s->lot},
                 {"request_id", s->request_id},
                 {"trace_id", s->trace_id},
                 {"why", s->text}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (!str_empty(texts[i].value))
            fields[n++] = (struct log_field)log_str(texts[i].name, texts[i].value);
    fields[n++] = (struct log_field)log_int("duration_us", (int64_t)(s->duration_ns / 1000));
    fields[n] = (struct log_field){0};
    log_fields(level_of(s->code), s->code ? "request.refused" : "request.done", fields);
}
