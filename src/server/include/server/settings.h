/* settings.h - what the server is told: defaults, then a file, then the environment, then flags.
 *
 * A later source overrides an earlier one. Whatever is not understood (an unknown key, a malformed
 * value, one out of its range) fails, and the error names the source, the line, the key, the value
 * and what would be allowed. The settings are left as they were by then.
 */
#ifndef TALLY_SERVER_SETTINGS_H
#define TALLY_SERVER_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"
#include "base/str.h"
#include "model/model.h"
#include "server/settings_table.h"
#include "service/rules.h"

enum { SETTING_TEXT_MAX = 1001 }; /* bytes of a text with its terminating zero */

enum setting_type {
    SETTING_NUMBER,
    SETTING_BYTES,
    SETTING_DURATION,
    SETTING_SWITCH,
    SETTING_TEXT,
};

enum setting_when { SETTING_START, SETTING_RELOAD };

#define SETTING_FIELD_NUMBER(key)                                 int64_t key;
#define SETTING_FIELD_BYTES(key)                                  int64_t key;
#define SETTING_FIELD_DURATION(key)                               int64_t key;
#define SETTING_FIELD_SWITCH(key)                                 bool key;
#define SETTING_FIELD_TEXT(key)                                   char key[SETTING_TEXT_MAX];
#define SETTING_FIELD(key, type, preset, least, most, when, help) SETTING_FIELD_##type(key)

struct settings {
    SETTINGS(SETTING_FIELD)
};

/* One row of the table. */
struct setting {
    const char *key;
    const char *help;
    const char *preset_text; /* the default: of a text, */
    int64_t preset;          /* of anything else */
    int64_t least, most;
    size_t place; /* of its field in struct settings */
    uint8_t type;
    uint8_t when;
};

/* Settings of one chapter stand together in the table. */
struct setting_group {
    const char *title;
    size_t count;
};

extern const struct setting settings_table[];
extern const size_t settings_count;
extern const struct setting_group setting_groups[];
extern const size_t setting_groups_count;

void settings_default(struct settings *s);

/* `source` stands before the message: "tally.conf:12", "environment", "flag". */
int settings_set(struct settings *s, const char *source, struct str key, struct str value,
                 struct error *e) MUST_CHECK;
/* Lines `key = value`; empty lines and what follows a # are skipped. */
int settings_parse_text(struct settings *s, const char *name, struct str text,
                        struct error *e) MUST_CHECK;
int settings_load_file(struct settings *s, const char *path, struct error *e) MUST_CHECK;
/* TALLY_KEY=value. TALLY_SERVER (of the command line) and TALLY_CONFIG are not settings. */
int settings_load_environment(struct settings *s, char *const *environment,
                              struct error *e) MUST_CHECK;
/* --key value, --key=value; a switch alone means true. argv[0] is skipped, and --config FILE. */
int settings_load_flags(struct settings *s, int argc, char *const *argv,
                        struct error *e) MUST_CHECK;
/* All of it: defaults, the file that --config or TALLY_CONFIG names, environment, flags; then what
 * must hold between settings. */
int settings_load(struct settings *s, int argc, char *const *argv, char *const *environment,
                  struct error *e) MUST_CHECK;
int settings_check(const struct settings *s, struct error *e) MUST_CHECK;

/* The setting `dimensions`, checked before. */
enum dimension_rules settings_dimensions(const struct settings *s);

/* The value as text, in the largest unit that it is a whole number of; "" is an empty text. */
void setting_format(const struct setting *row, const struct settings *s, char *out, size_t size);
/* Its value is shown to nobody: not in an answer, a log line or an error. */
bool setting_is_secret(const struct setting *row);
/* The beginning of what somebody wrote, fit to be shown: control characters as '?'. Returns out. */
const char *setting_show(struct str text, char *out, size_t size);
/* What is allowed: "1 to 64", "10ms to 1h", "true or false". */
void setting_format_range(const struct setting *row, char *out, size_t size);
/* Calls `changed` for each setting that differs, takes over those that may change while running. */
void settings_reload(struct settings *now, const struct settings *wanted,
                     void (*changed)(void *context, const struct setting *row, const char *from,
                                     const char *to),
                     void *context);

/* "127.0.0.1:7070", "[::1]:7070" into host and port. */
int settings_split_address(const char *listen, char *host, size_t host_size, uint16_t *port,
                           struct error *e) MUST_CHECK;

void settings_print_help(FILE *out);
void settings_print_markdown(FILE *out);

#endif
