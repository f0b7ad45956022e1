/* log.h - JSON lines on stderr: {"time":..., "level":..., "event":..., fields...}. Any thread; a
 * line is written with one write(). Libraries (base, engine, ledger, gate, wire) do not log: they
 * return errors. At most LOG_BURST lines of one event a second; how many were left out is told with
 * the next line of any event. A line longer than LOG_LINE_MAX loses its last fields, never its
 * form. `event` and the fields' names are string literals.
 */
#ifndef TALLY_OBS_LOG_H
#define TALLY_OBS_LOG_H

#include <stdint.h>

#include "base/str.h"

enum { LOG_BURST = 1000, LOG_LINE_MAX = 4096 }; /* lines of one event a second; bytes of a line */

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log_field {
    const char *name; /* NULL ends the list */
    enum { LOG_TEXT, LOG_NUMBER } kind;
    struct str text;
    int64_t number;
};

void log_set_level(enum log_level level);
int log_level_parse(const char *name); /* or -1 */
void log_fields(enum log_level level, const char *event, const struct log_field *fields);

#define log_event(level, event, ...)                                                               \
    log_fields((level), (event), (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){0}})
#define log_str(field, value)                                                                      \
    {                                                                                              \
        .name = (field), .kind = LOG_TEXT, .text = (value)                                         \
    }
#define log_text(field, value)                                                                     \
    {                                                                                              \
        .name = (field), .kind = LOG_TEXT, .text = str_of(value)                                   \
    }
#define log_int(field, value)                                                                      \
    {                                                                                              \
        .name = (field), .kind = LOG_NUMBER, .number = (value)                                     \
    }

#endif
