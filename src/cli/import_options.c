/* import_options.c - what the flags say of a file: mapping, delimiter, encoding. Refused, before
 * anything is sent: names that are not known. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/import.h"

enum { MAPPING_BYTES_MAX = 65536 };

static int read_mapping(struct import_source *s, struct error *e)
{
    FILE *f = fopen(s->mapping_file, "rb");
    if (!f)
        return error_set(e, TLY_EIO, "", "%s: %s", s->mapping_file, strerror(errno));
    s->mapping_text = malloc(MAPPING_BYTES_MAX + 1);
    size_t len = s->mapping_text ? fread(s->mapping_text, 1, MAPPING_BYTES_MAX + 1, f) : 0;
    bool failed = !s->mapping_text || ferror(f);
    fclose(f);
    if (failed || len > MAPPING_BYTES_MAX)
        return error_set(e, TLY_EIO, "", "%s: %s", s->mapping_file,
                         failed ? strerror(errno) : "is larger than 64 KiB");
    s->mapping_text[len] = 0;
    struct error why = {0};
    int code = stock_mapping_read(&s->mapping, s->mapping_text, &why);
    return code ? error_set(e, code, "", "%s: %.180s", s->mapping_file, why.text) : 0;
}

static bool parse_delimiter(const char *text, char *out)
{
    bool tab = strcmp(text, "tab") == 0 || strcmp(text, "\\t") == 0;
    if (tab || (strlen(text) == 1 && strchr(",;|\t", *text))) {
        *out = tab ? '\t' : *text;
        return true;
    }
    return false;
}

/* What was said on the command line comes after the saved mapping, and over it. */
static int read_maps(struct import_source *s, struct error *e)
{
    int code = 0;
    for (size_t i = 0; i < s->map.count && !code; i++)
        code = stock_mapping_add(&s->mapping, str_of(s->map.items[i]), false, e);
    if (!code && s->mapping_file)
        code = read_mapping(s, e);
    for (size_t i = 0; i < s->set.count && !code; i++)
        code = stock_mapping_set(&s->mapping, s->set.items[i], e);
    return code;
}

int import_mode_check(const char *mode, const struct usage *usage)
{
    if (strcmp(mode, "on-hand") != 0 && strcmp(mode, "available") != 0)
        return options_wrong(usage, "--mode must be on-hand or available, is '%s'", mode);
    return OPTIONS_GO;
}

static int source_check(struct import_source *s, const struct usage *usage)
{
    struct error e = {0};
    if (s->delimiter && !parse_delimiter(s->delimiter, &s->separator))
        return options_wrong(usage, "--delimiter must be , ; | or tab, is '%s'", s->delimiter);
    if (s->encoding && !encoding_parse(str_of(s->encoding), &s->told))
        return options_wrong(usage, "--encoding must be utf-8, utf-16, gbk or latin-1, is '%s'",
                             s->encoding);
    int code = read_maps(s, &e);
    s->mapping.ignore_others |= s->ignore_others;
    if (code == TLY_EIO) {
        fprintf(stderr, "tally: %s\n", e.text);
        return EXIT_FAILED;
    }
    if (code)
        return *e.field ? options_wrong(usage, "--%s: %s", e.field, e.text)
                        : options_wrong(usage, "%s", e.text);
    return OPTIONS_GO;
}

int import_source_parse(const struct usage *usage, int argc, char **argv, const char *const *mode,
                        struct import_source *s)
{
    struct positionals given;
    int code = options_parse(usage, argc, argv, &given);
    if (code == OPTIONS_GO)
        code = import_mode_check(*mode, usage);
    if (code != OPTIONS_GO)
        return code;
    s->file = given.items[0];
    return source_check(s, usage);
}

void import_source_close(struct import_source *s)
{
    free(s->mapping_text);
}
