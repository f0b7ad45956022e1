/* settings_print.c - the table of settings for a person: --help and docs/settings.md. */
#include <ctype.h>
#include <string.h>

#include "server/settings.h"

static void format_preset(const struct setting *row, char *out, size_t size)
{
    struct settings defaults;
    settings_default(&defaults);
    setting_format(row, &defaults, out, size);
}

/* Words of `text` in lines of at most 100 columns, all but the first indented. */
static void print_wrapped(FILE *out, const char *text, int column, int indent)
{
    while (*text) {
        int size = (int)strcspn(text, " ");
        if (column + 1 + size > 100 && column > indent) {
            fprintf(out, "\n%*s", indent, "");
            column = indent;
        } else if (column > indent) {
            fputc(' ', out);
            column++;
        }
        fprintf(out, "%.*s", size, text);
        column += size;
        text += size + (text[size] == ' ');
    }
    fputc('\n', out);
}

static void print_flag(FILE *out, const struct setting *row)
{
    char flag[64], preset[SETTING_TEXT_MAX], range[96], text[1600];
    snprintf(flag, sizeof flag, "--%s", row->key);
    for (char *p = flag; *p; p++)
        if (*p == '_')
            *p = '-';
    format_preset(row, preset, sizeof preset);
    setting_format_range(row, range, sizeof range);
    if (row->type == SETTING_TEXT)
        snprintf(text, sizeof text, "%s (default %s)", row->help, preset[0] ? preset : "empty");
    else
        snprintf(text, sizeof text, "%s (%s; default %s)", row->help, range, preset);
    int column = fprintf(out, "  %-28s", flag);
    print_wrapped(out, text, column, 30);
}

void settings_print_help(FILE *out)
{
    const struct setting *row = settings_table;
    for (size_t g = 0; g < setting_groups_count; g++) {
        fprintf(out, "\n%s:\n", setting_groups[g].title);
        for (size_t i = 0; i < setting_groups[g].count; i++)
            print_flag(out, row++);
    }
}

static void print_row(FILE *out, const struct setting *row)
{
    char variable[64], preset[SETTING_TEXT_MAX], range[96];
    snprintf(variable, sizeof variable, "TALLY_%s", row->key);
    for (char *p = variable; *p; p++)
        *p = (char)toupper((unsigned char)*p);
    format_preset(row, preset, sizeof preset);
    setting_format_range(row, range, sizeof range);
    fprintf(out, "| `%s` | `%s` | %s%s%s | %s | %s | %s |\n", row->key, variable,
            preset[0] ? "`" : "", preset[0] ? preset : "empty", preset[0] ? "`" : "", range,
            row->when == SETTING_RELOAD ? "reload" : "start", row->help);
}

void settings_print_markdown(FILE *out)
{
    const struct setting *row = settings_table;
    fputs("# Settings\n\n"
          "Made by `tally docs settings` from `src/server/settings_table.h`; change it there.\n\n"
          "Sources, each over the one before: the defaults, a file (`--config FILE` or "
          "`TALLY_CONFIG`, lines\n`key = value`, comments after `#`), `TALLY_KEY` in the "
          "environment, `--key value` on the command\nline (`_` may be written `-`). An unknown "
          "key, a malformed value or one out of its range stops the\nstart and says so.\n\n"
          "Sizes take `KiB`, `MiB`, `GiB`; durations `ms`, `s`, `m`, `h`, `d`; a bare number "
          "means bytes or\nmilliseconds. `reload`: SIGHUP reads the sources again and applies the "
          "setting at once; `start`: a\nchange is logged and takes a restart.\n",
          out);
    for (size_t g = 0; g < setting_groups_count; g++) {
        fprintf(out, "\n## %s\n\n| key | environment | default | allowed | when | what |\n",
                setting_groups[g].title);
        fputs("| --- | --- | --- | --- | --- | --- |\n", out);
        for (size_t i = 0; i < setting_groups[g].count; i++)
            print_row(out, row++);
    }
}
