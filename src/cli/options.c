/* options.c - walks the arguments once. A mistake ends it: one line that says what is wrong and
 * what would be right, and EXIT_USAGE. */
#include "cli/options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "cli/cli.h"

enum { HELP_COLUMN = 26 };

bool number_parse(const char *text, int64_t min, int64_t max, int64_t *out)
{
    const char *digits = text + (*text == '-' || *text == '+');
    if (!*digits || strspn(digits, "0123456789") != strlen(digits))
        return false;
    errno = 0;
    long long value = strtoll(text, NULL, 10);
    if (errno || value < min || value > max)
        return false;
    *out = value;
    return true;
}

static void print_help_text(const char *help)
{
    for (const char *p = help; *p; p++) {
        putchar(*p);
        if (*p == '\n')
            printf("%*s", HELP_COLUMN, "");
    }
    putchar('\n');
}

static void print_option(const char *name, const char *argument, const char *help)
{
    char head[64];
    snprintf(head, sizeof(head), "  --%s%s%s", name, argument ? " " : "", argument ? argument : "");
    if (strlen(head) < HELP_COLUMN)
        printf("%-*s", HELP_COLUMN, head);
    else
        printf("%s\n%*s", head, HELP_COLUMN, "");
    print_help_text(help);
}

static void print_help(const struct usage *u)
{
    printf("usage: %s%s%s\n\n%s\n", u->name, *u->synopsis ? " " : "", u->synopsis, u->text);
    for (size_t i = 0; i < u->option_count; i++)
        print_option(u->options[i].name, u->options[i].argument, u->options[i].help);
    print_option("help", NULL, "this text");
}

int options_wrong(const struct usage *u, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s: ", u->name);
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n%s --help tells more\n", u->name);
    va_end(args);
    return EXIT_USAGE;
}

static int unknown_option(const struct usage *u, const char *name)
{
    struct nearest nearest = nearest_to(name);
    for (size_t i = 0; i < u->option_count; i++)
        nearest_offer(&nearest, u->options[i].name);
    nearest_offer(&nearest, "help");
    if (nearest_found(&nearest))
        return options_wrong(u, "no flag --%s; did you mean --%s?", name, nearest.best);
    return options_wrong(u, "no flag --%s", name);
}

static int take_number(const struct usage *u, const struct cli_option *o, const char *value)
{
    if (number_parse(value, o->min, o->max, o->target))
        return OPTIONS_GO;
    return options_wrong(u, "--%s must be a whole number from %" PRId64 " to %" PRId64 ", is '%s'",
                         o->name, o->min, o->max, value);
}

static int take_value(const struct usage *u, const struct cli_option *o, const char *value)
{
    if (o->kind == OPTION_NUMBER)
        return take_number(u, o, value);
    if (o->kind == OPTION_TEXT) {
        *(const char **)o->target = value;
        return OPTIONS_GO;
    }
    struct option_list *list = o->target;
    if (list->count == OPTION_LIST_MAX)
        return options_wrong(u, "--%s may be given at most %d times", o->name, OPTION_LIST_MAX);
    list->items[list->count++] = value;
    return OPTIONS_GO;
}

/* `next` is the argument after it, or NULL; *used_next tells whether it was the value. */
static int take_option(const struct usage *u, const char *argument, const char *next,
                       bool *used_next)
{
    char name[64];
    const char *equals = strchr(argument, '=');
    size_t len = equals ? (size_t)(equals - argument) : strlen(argument);
    snprintf(name, sizeof(name), "%.*s", (int)len, argument);

    const struct cli_option *o = u->options;
    const struct cli_option *end = u->options + u->option_count;
    while (o < end && strcmp(o->name, name) != 0)
        o++;
    if (o == end)
        return unknown_option(u, name);
    if (o->kind == OPTION_FLAG) {
        if (equals)
            return options_wrong(u, "--%s takes no value", name);
        *(bool *)o->target = true;
        return OPTIONS_GO;
    }
    const char *value = equals ? equals + 1 : next;
    *used_next = !equals;
    if (!value)
        return options_wrong(u, "--%s needs a value: %s", name, o->argument);
    return take_value(u, o, value);
}

static bool is_option(const char *argument)
{
    return argument[0] == '-' && argument[1] && !(argument[1] >= '0' && argument[1] <= '9');
}

int options_parse(const struct usage *u, int argc, char **argv, struct positionals *out)
{
    bool only_positionals = false;
    out->count = 0;
    for (int i = 1; i < argc; i++) {
        const char *argument = argv[i];
        if (!only_positionals && strcmp(argument, "--") == 0) {
            only_positionals = true;
        } else if (!only_positionals &&
                   (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0)) {
            print_help(u);
            return EXIT_DONE;
        } else if (!only_positionals && is_option(argument)) {
            if (argument[1] != '-')
                return options_wrong(u, "no flag '%s'; flags begin with two dashes", argument);
            bool used_next = false;
            int code = take_option(u, argument + 2, i + 1 < argc ? argv[i + 1] : NULL, &used_next);
            if (code != OPTIONS_GO)
                return code;
            i += used_next;
        } else if (out->count == u->positionals_max) {
            return options_wrong(u, "'%s' is one argument too many; usage: %s %s", argument,
                                 u->name, u->synopsis);
        } else {
            out->items[out->count++] = argument;
        }
    }
    if (out->count < u->positionals_min)
        return options_wrong(u, "too few arguments; usage: %s %s", u->name, u->synopsis);
    return OPTIONS_GO;
}
