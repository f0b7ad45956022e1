/* options.h - flags of a subcommand, declared once: parsing, checking and --help come from the same
 * table. `--name value` and `--name=value` are the same; flags and other arguments may be mixed;
 * after "--" nothing is a flag; a number such as -5 is not one either.
 */
#ifndef TALLY_CLI_OPTIONS_H
#define TALLY_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OPTION_LIST_MAX = 64, POSITIONALS_MAX = 8 };

struct option_list {
    const char *items[OPTION_LIST_MAX];
    size_t count;
};

enum option_kind {
    OPTION_FLAG,   /* bool */
    OPTION_TEXT,   /* const char * */
    OPTION_NUMBER, /* int64_t, min to max */
    OPTION_LIST,   /* struct option_list: may be repeated */
};

struct cli_option {
    const char *name;     /* without the dashes */
    const char *argument; /* "HOST:PORT"; NULL for a flag */
    enum option_kind kind;
    void *target;
    const char *help; /* lines after a newline are aligned with the first */
    int64_t min, max; /* OPTION_NUMBER */
};

struct usage {
    const char *name;     /* "tally lot adjust" */
    const char *synopsis; /* "LOT DELTA --reason TEXT" */
    const char *text;     /* what it does; lines of at most 80 columns */
    const struct cli_option *options;
    size_t option_count;
    size_t positionals_min, positionals_max;
};

struct positionals {
    const char *items[POSITIONALS_MAX];
    size_t count;
};

/* OPTIONS_GO, or the exit code with which to end: help was printed, or a mistake was. */
enum { OPTIONS_GO = -1 };
int options_parse(const struct usage *u, int argc, char **argv, struct positionals *out);

/* A mistake that the table cannot know: prints it as options_parse() would; EXIT_USAGE. */
int options_wrong(const struct usage *u, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A whole decimal number in the range, with an optional sign; false if it is anything else. */
bool number_parse(const char *text, int64_t min, int64_t max, int64_t *out);

#endif
