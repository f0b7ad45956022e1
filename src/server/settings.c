/* settings.c - the table of settings, and how one value is read and shown.
 *
 * Happy path: find the row, read the text by its type, check the range, store.
 * Failure: TLY_EINVALID_ARGUMENT with source, key, value and what is allowed; nothing is stored.
 */
#include "server/settings.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/limits.h"
#include "obs/log.h"

#define PRESET_NUMBER(value)   .preset = (value)
#define PRESET_BYTES(value)    .preset = (value)
#define PRESET_DURATION(value) .preset = (value)
#define PRESET_SWITCH(value)   .preset = (value)
#define PRESET_TEXT(value)     .preset_text = (value)

const struct setting settings_table[] = {
#define ROW(key_, type_, preset_, least_, most_, when_, help_)                                     \
    {.key = #key_,                                                                                 \
     .help = (help_),                                                                              \
     PRESET_##type_(preset_),                                                                      \
     .least = (least_),                                                                            \
     .most = (most_),                                                                              \
     .place = offsetof(struct settings, key_),                                                     \
     .type = SETTING_##type_,                                                                      \
     .when = SETTING_##when_},
    SETTINGS(ROW)
#undef ROW
};
const size_t settings_count = sizeof settings_table / sizeof settings_table[0];

const struct setting_group setting_groups[] = {
#define ONE(key, type, preset, least, most, when, help) +1
#define GROUP(title, LIST)                              {(title), 0 LIST(ONE)},
    SETTINGS_GROUPS(GROUP)
#undef GROUP
#undef ONE
};
const size_t setting_groups_count = sizeof setting_groups / sizeof setting_groups[0];

struct unit {
    const char *name;
    int64_t size;
};

/* Largest first; the last one is what a number without a unit means. */
static const struct unit byte_units[] = {
    {"GiB", INT64_C(1) << 30}, {"MiB", INT64_C(1) << 20}, {"KiB", INT64_C(1) << 10}, {"", 1}};
static const struct unit duration_units[] = {
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
static const struct unit plain_units[] = {{"", 1}};

static const struct unit *units_of(uint8_t type, size_t *count)
{
    if (type == SETTING_BYTES) {
        *count = sizeof byte_units / sizeof byte_units[0];
        return byte_units;
    }
    if (type == SETTING_DURATION) {
        *count = sizeof duration_units / sizeof duration_units[0];
        return duration_units;
    }
    *count = 1;
    return plain_units;
}

static int64_t *number_field(const struct setting *row, struct settings *s)
{
    return (int64_t *)(void *)((char *)s + row->place);
}

static bool *switch_field(const struct setting *row, struct settings *s)
{
    return (bool *)((char *)s + row->place);
}

static char *text_field(const struct setting *row, struct settings *s)
{
    return (char *)s + row->place;
}

void settings_default(struct settings *s)
{
    memset(s, 0, sizeof *s);
    for (const struct setting *row = settings_table; row < settings_table + settings_count; row++) {
        if (row->type == SETTING_TEXT)
            snprintf(text_field(row, s), SETTING_TEXT_MAX, "%s", row->preset_text);
        else if (row->type == SETTING_SWITCH)
            *switch_field(row, s) = row->preset != 0;
        else
            *number_field(row, s) = row->preset;
    }
}

/* Changes of one letter (insert, drop, replace) that make `a` into `b`, or 99 beyond 39 letters. */
static unsigned distance(struct str a, const char *b)
{
    unsigned line[40];
    size_t b_size = strlen(b);
    if (b_size >= sizeof line / sizeof line[0] || a.len > 99)
        return 99;
    for (unsigned j = 0; j <= b_size; j++)
        line[j] = j;
    for (unsigned i = 1; i <= a.len; i++) {
        unsigned diagonal = line[0];
        line[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            unsigned best = diagonal + (a.p[i - 1] != b[j - 1]);
            diagonal = line[j];
            best = line[j] + 1 < best ? line[j] + 1 : best;
            best = line[j - 1] + 1 < best ? line[j - 1] + 1 : best;
            line[j] = best;
        }
    }
    return line[b_size];
}

/* The key that was probably meant: near against its length. NULL if there is none. */
static const struct setting *nearest(struct str key)
{
    const struct setting *best = settings_table;
    for (const struct setting *row = settings_table; row < settings_table + settings_count; row++)
        if (distance(key, row->key) < distance(key, best->key))
            best = row;
    return distance(key, best->key) <= 1 + key.len / 3 ? best : NULL;
}

static const struct setting *find(struct str key)
{
    for (const struct setting *row = settings_table; row < settings_table + settings_count; row++)
        if (str_equal(str_of(row->key), key))
            return row;
    return NULL;
}

const char *setting_show(struct str text, char *out, size_t size)
{
    size_t length = text.len < size - 4 ? text.len : size - 4;
    for (size_t i = 0; i < length; i++)
        out[i] = (unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7f ? '?' : text.p[i];
    snprintf(out + length, size - length, "%s", length < text.len ? "..." : "");
    return out;
}

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), end_size = strlen(end);
    return size > end_size && strcmp(text + size - end_size, end) == 0;
}

bool setting_is_secret(const struct setting *row)
{
    return ends_with(row->key, "_secret") || ends_with(row->key, "_password");
}

static int refuse(const struct setting *row, const char *source, struct str value, struct error *e)
{
    char range[96], start[64];
    setting_format_range(row, range, sizeof range);
    if (setting_is_secret(row))
        return error_set(e, TLY_EINVALID_ARGUMENT, row->key, "%s: %s: must be %s", source, row->key,
                         range);
    return error_set(e, TLY_EINVALID_ARGUMENT, row->key, "%s: %s = %s: must be %s", source,
                     row->key, setting_show(value, start, sizeof start), range);
}

/* Digits and a unit. False if it is anything else, or too large for 64 bits. */
static bool read_number(struct str text, uint8_t type, int64_t *out)
{
    size_t i = 0, count;
    int64_t number = 0;
    for (; i < text.len && text.p[i] >= '0' && text.p[i] <= '9'; i++)
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, text.p[i] - '0', &number))
            return false;
    if (i == 0)
        return false;
    struct str unit = {text.p + i, text.len - (uint32_t)i};
    const struct unit *units = units_of(type, &count);
    if (str_empty(unit)) {
        *out = number;
        return true;
    }
    for (size_t k = 0; k < count; k++)
        if (str_equal(str_of(units[k].name), unit))
            return !__builtin_mul_overflow(number, units[k].size, out);
    return false;
}

static bool read_switch(struct str text, bool *out)
{
    *out = str_equal(text, STR("true"));
    return *out || str_equal(text, STR("false"));
}

static bool text_is_plain(struct str text)
{
    for (uint32_t i = 0; i < text.len; i++)
        if ((unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7f)
            return false;
    return true;
}

int settings_set(struct settings *s, const char *source, struct str key, struct str value,
                 struct error *e)
{
    const struct setting *row = find(key);
    if (!row) {
        char start[48];
        const struct setting *near = nearest(key);
        return error_set(e, TLY_EINVALID_ARGUMENT, "", "%s: unknown setting %s; %s%s", source,
                         setting_show(key, start, sizeof start),
                         near ? "the nearest is " : "tally serve --help lists them",
                         near ? near->key : "");
    }
    int64_t number = 0;
    bool on = false;
    switch ((enum setting_type)row->type) {
    case SETTING_TEXT:
        if ((int64_t)value.len < row->least || (int64_t)value.len > row->most ||
            !text_is_plain(value))
            return refuse(row, source, value, e);
        if (value.len)
            memcpy(text_field(row, s), value.p, value.len);
        text_field(row, s)[value.len] = 0;
        return 0;
    case SETTING_SWITCH:
        if (!read_switch(value, &on))
            return refuse(row, source, value, e);
        *switch_field(row, s) = on;
        return 0;
    case SETTING_NUMBER:
    case SETTING_BYTES:
    case SETTING_DURATION:
        if (!read_number(value, row->type, &number) || number < row->least || number > row->most)
            return refuse(row, source, value, e);
        *number_field(row, s) = number;
        return 0;
    }
    return error_set(e, TLY_EINTERNAL, row->key, "%s has no type", row->key);
}

static void format_number(uint8_t type, int64_t number, char *out, size_t size)
{
    size_t count;
    const struct unit *units = units_of(type, &count);
    while (count > 1 && (number == 0 || number % units->size)) {
        units++;
        count--;
    }
    snprintf(out, size, "%" PRId64 "%s", number / units->size, units->name);
}

void setting_format(const struct setting *row, const struct settings *s, char *out, size_t size)
{
    struct settings *fields = (struct settings *)(uintptr_t)s; /* only read here */
    if (row->type == SETTING_TEXT)
        snprintf(out, size, "%s", text_field(row, fields));
    else if (row->type == SETTING_SWITCH)
        snprintf(out, size, "%s", *switch_field(row, fields) ? "true" : "false");
    else
        format_number(row->type, *number_field(row, fields), out, size);
}

void setting_format_range(const struct setting *row, char *out, size_t size)
{
    char least[32], most[32];
    if (row->type == SETTING_SWITCH) {
        snprintf(out, size, "true or false");
    } else if (row->type == SETTING_TEXT) {
        snprintf(out, size, "a text of %" PRId64 " to %" PRId64 " bytes", row->least, row->most);
    } else {
        format_number(row->type, row->least, least, sizeof least);
        format_number(row->type, row->most, most, sizeof most);
        snprintf(out, size, "%s to %s", least, most);
    }
}

static void take_over(const struct setting *row, struct settings *now, const struct settings *from)
{
    static const size_t sizes[] = {
        [SETTING_NUMBER] = sizeof(int64_t),   [SETTING_BYTES] = sizeof(int64_t),
        [SETTING_DURATION] = sizeof(int64_t), [SETTING_SWITCH] = sizeof(bool),
        [SETTING_TEXT] = SETTING_TEXT_MAX,
    };
    memcpy((char *)now + row->place, (const char *)from + row->place, sizes[row->type]);
}

void settings_reload(struct settings *now, const struct settings *wanted,
                     void (*changed)(void *context, const struct setting *row, const char *from,
                                     const char *to),
                     void *context)
{
    for (const struct setting *row = settings_table; row < settings_table + settings_count; row++) {
        char from[SETTING_TEXT_MAX], to[SETTING_TEXT_MAX];
        setting_format(row, now, from, sizeof from);
        setting_format(row, wanted, to, sizeof to);
        if (strcmp(from, to) == 0)
            continue;
        if (row->when == SETTING_RELOAD)
            take_over(row, now, wanted);
        changed(context, row, from, to);
    }
}
