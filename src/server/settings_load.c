/* settings_load.c - where settings come from, and what must hold between them.
 *
 * Happy path: defaults, the file, the environment, the flags, each over the one before.
 * Failure: the first fault ends it, named with its source and, in a file, its line.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/zone.h"
#include "obs/log.h"
#include "server/cache_parts.h"
#include "server/gate_parts.h"
#include "server/ledger_choice.h"
#include "server/settings.h"

enum { FILE_BYTES_MAX = 65536, KEY_MAX = 64 };

static struct str trim(struct str text)
{
    while (text.len && (text.p[0] == ' ' || text.p[0] == '\t' || text.p[0] == '\r'))
        text = (struct str){text.p + 1, text.len - 1};
    while (text.len && (text.p[text.len - 1] == ' ' || text.p[text.len - 1] == '\t' ||
                        text.p[text.len - 1] == '\r'))
        text.len--;
    return text;
}

/* The part before the first `mark`; all of it if there is none. */
static struct str before(struct str text, char mark)
{
    const char *at = text.len ? memchr(text.p, mark, text.len) : NULL;
    return at ? (struct str){text.p, (uint32_t)(at - text.p)} : text;
}

static int parse_line(struct settings *s, const char *source, struct str line, struct error *e)
{
    char start[64];
    line = trim(before(line, '#'));
    if (str_empty(line))
        return 0;
    struct str key = before(line, '=');
    if (key.len == line.len)
        return error_set(e, TLY_EINVALID_ARGUMENT, "", "%s: %s: must be key = value", source,
                         setting_show(line, start, sizeof start));
    struct str value = {line.p + key.len + 1, line.len - key.len - 1};
    return settings_set(s, source, trim(key), trim(value), e);
}

int settings_parse_text(struct settings *s, const char *name, struct str text, struct error *e)
{
    char source[128];
    struct settings result = *s;
    for (unsigned number = 1; text.len > 0; number++) {
        struct str line = before(text, '\n');
        snprintf(source, sizeof source, "%.100s:%u", name, number);
        int code = parse_line(&result, source, line, e);
        if (code)
            return code;
        uint32_t step = line.len < text.len ? line.len + 1 : line.len;
        text = (struct str){text.p + step, text.len - step};
    }
    *s = result;
    return 0;
}

int settings_load_file(struct settings *s, const char *path, struct error *e)
{
    int code = 0;
    char *text = NULL;
    size_t size = 0;
    ssize_t got = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(e, TLY_EIO, "config", "cannot open %s: %s", path, strerror(errno));
    text = malloc(FILE_BYTES_MAX + 1);
    if (!text) {
        code = error_set(e, TLY_ENO_MEMORY, "config", "out of memory");
        goto close;
    }
    while (size <= FILE_BYTES_MAX && (got = read(fd, text + size, FILE_BYTES_MAX + 1 - size)) > 0)
        size += (size_t)got;
    if (got < 0)
        code = error_set(e, TLY_EIO, "config", "cannot read %s: %s", path, strerror(errno));
    else if (size > FILE_BYTES_MAX)
        code = error_set(e, TLY_EINVALID_ARGUMENT, "config", "%s: longer than %d bytes", path,
                         FILE_BYTES_MAX);
    else
        code = settings_parse_text(s, path, (struct str){text, (uint32_t)size}, e);
    free(text);
close:
    close(fd);
    return code;
}

int settings_load_environment(struct settings *s, char *const *environment, struct error *e)
{
    for (char *const *entry = environment; *entry; entry++) {
        char key[KEY_MAX];
        if (strncmp(*entry, "TALLY_", 6) != 0)
            continue;
        struct str name = before(str_of(*entry + 6), '=');
        if (str_equal(name, STR("SERVER")) || str_equal(name, STR("CONFIG")))
            continue;
        struct str value = str_of(*entry + 6 + name.len + ((*entry)[6 + name.len] == '='));
        uint32_t size = name.len < KEY_MAX ? name.len : KEY_MAX;
        for (uint32_t i = 0; i < size; i++)
            key[i] = (char)tolower((unsigned char)name.p[i]);
        char source[96];
        snprintf(source, sizeof source, "environment TALLY_%.*s", (int)size, name.p);
        int code = settings_set(s, source, (struct str){key, size}, value, e);
        if (code)
            return code;
    }
    return 0;
}

/* A flag's key: without the dashes, '-' as '_', up to '='. */
static struct str flag_key(const char *flag, char out[KEY_MAX])
{
    struct str name = before(str_of(flag + 2), '=');
    uint32_t size = name.len < KEY_MAX ? name.len : KEY_MAX;
    for (uint32_t i = 0; i < size; i++)
        out[i] = name.p[i] == '-' ? '_' : name.p[i];
    return (struct str){out, size};
}

static bool is_switch(struct str key)
{
    for (size_t i = 0; i < settings_count; i++)
        if (str_equal(str_of(settings_table[i].key), key))
            return settings_table[i].type == SETTING_SWITCH;
    return false;
}

/* The key and value of the flag at *i, which is moved to the flag's last word. */
static int next_flag(int argc, char *const *argv, int *i, char key_text[KEY_MAX], struct str *key,
                     struct str *value, struct error *e)
{
    const char *flag = argv[*i];
    if (strncmp(flag, "--", 2) != 0 || flag[2] == 0)
        return error_set(e, TLY_EINVALID_ARGUMENT, "", "%.60s: must be a flag, --key value", flag);
    *key = flag_key(flag, key_text);
    const char *equals = strchr(flag, '=');
    if (equals) {
        *value = str_of(equals + 1);
    } else if (is_switch(*key) && (*i + 1 == argc || strncmp(argv[*i + 1], "--", 2) == 0)) {
        *value = STR("true");
    } else if (*i + 1 < argc) {
        *value = str_of(argv[++*i]);
    } else {
        return error_set(e, TLY_EINVALID_ARGUMENT, "", "flag %.60s: the value is missing", flag);
    }
    return 0;
}

int settings_load_flags(struct settings *s, int argc, char *const *argv, struct error *e)
{
    for (int i = 1; i < argc; i++) {
        char key_text[KEY_MAX], source[96];
        struct str key = {0}, value = {0};
        const char *flag = argv[i];
        int code = next_flag(argc, argv, &i, key_text, &key, &value, e);
        if (code)
            return code;
        if (str_equal(key, STR("config")))
            continue;
        snprintf(source, sizeof source, "flag %.*s", (int)strcspn(flag, "="), flag);
        code = settings_set(s, source, key, value, e);
        if (code)
            return code;
    }
    return 0;
}

/* The last --config wins; NULL if there is none. */
static int config_flag(int argc, char *const *argv, const char **path, struct error *e)
{
    for (int i = 1; i < argc; i++) {
        char key_text[KEY_MAX];
        struct str key = {0}, value = {0};
        int code = next_flag(argc, argv, &i, key_text, &key, &value, e);
        if (code)
            return code;
        if (str_equal(key, STR("config")))
            *path = value.p;
    }
    return 0;
}

int settings_load(struct settings *s, int argc, char *const *argv, char *const *environment,
                  struct error *e)
{
    struct settings result;
    const char *path = NULL;
    settings_default(&result);
    for (char *const *entry = environment; *entry; entry++)
        if (strncmp(*entry, "TALLY_CONFIG=", 13) == 0 && (*entry)[13])
            path = *entry + 13;
    int code = config_flag(argc, argv, &path, e);
    if (code == 0 && path)
        code = settings_load_file(&result, path, e);
    if (code == 0)
        code = settings_load_environment(&result, environment, e);
    if (code == 0)
        code = settings_load_flags(&result, argc, argv, e);
    if (code == 0)
        code = settings_check(&result, e);
    if (code == 0)
        *s = result;
    return code;
}

static const struct setting *row_of(const char *key)
{
    const struct setting *row = settings_table;
    while (strcmp(row->key, key) != 0)
        row++;
    return row;
}

static int order(const struct settings *s, const char *less_key, int64_t less, const char *more_key,
                 int64_t more, struct error *e)
{
    if (less <= more)
        return 0;
    char less_text[SETTING_TEXT_MAX], more_text[SETTING_TEXT_MAX];
    setting_format(row_of(less_key), s, less_text, sizeof less_text);
    setting_format(row_of(more_key), s, more_text, sizeof more_text);
    return error_set(e, TLY_EINVALID_ARGUMENT, less_key, "%s = %s: must be at most %s, which is %s",
                     less_key, less_text, more_key, more_text);
}

enum { BODY_MEMORY = 64 }; /* half of a worker's memory holds the largest ReserveBatch */

#define IN_ORDER(less, more) order(s, #less, s->less, #more, s->more, e)

int settings_check(const struct settings *s, struct error *e)
{
    char host[256];
    uint16_t port;
    int code = settings_split_address(s->listen, host, sizeof host, &port, e);
    if (code)
        return code;
    if (s->accept_loss[strspn(s->accept_loss, "0123456789")])
        return error_set(e, TLY_EINVALID_ARGUMENT, "accept_loss",
                         "accept_loss = %s: must be the number that the refused start named",
                         s->accept_loss);
    if (log_level_parse(s->log_level) < 0)
        return error_set(e, TLY_EINVALID_ARGUMENT, "log_level",
                         "log_level = %s: must be debug, info, warn or error", s->log_level);
    if (strcmp(s->dimensions, "drinks") != 0 && strcmp(s->dimensions, "free") != 0)
        return error_set(e, TLY_EINVALID_ARGUMENT, "dimensions",
                         "dimensions = %s: must be drinks or free", s->dimensions);
    if ((code = server_check_cache(s, e)) != 0)
        return code;
    struct zone *zone;
    if ((code = zone_open(&zone, s->expiry_zone, "expiry_zone", e)) != 0)
        return code;
    zone_close(zone);
    if (s->gate_order_filter_bytes & (s->gate_order_filter_bytes - 1))
        return error_set(e, TLY_EINVALID_ARGUMENT, "gate_order_filter_bytes",
                         "gate_order_filter_bytes = %" PRId64 ": must be a power of two",
                         s->gate_order_filter_bytes);
    if ((code = gate_parts_check(s, e)) != 0 ||
        (code = IN_ORDER(hold_default_ms, hold_max_ms)) != 0 ||
        (code = IN_ORDER(webhook_backoff_ms, webhook_backoff_max_ms)) != 0 ||
        (code = IN_ORDER(hold_max_ms, hold_total_max_ms)) != 0 ||
        (code = IN_ORDER(header_line_max, header_bytes_max)) != 0 ||
        (code = IN_ORDER(target_max, header_bytes_max)) != 0 ||
        (code = IN_ORDER(connection_memory_max, worker_memory_max)) != 0 ||
        (code = IN_ORDER(worker_memory_max, process_memory_max)) != 0)
        return code;
    if (s->worker_memory_max / BODY_MEMORY < s->body_max)
        return error_set(
            e, TLY_EINVALID_ARGUMENT, "worker_memory_max",
            "worker_memory_max must be at least %d times body_max, so that the largest "
            "request has room",
            BODY_MEMORY);
    if (s->archive_after_ms && (code = IN_ORDER(order_retention_ms, archive_after_ms)) != 0)
        return code;
    if (s->archive_after_ms && (code = IN_ORDER(refund_window_ms, archive_after_ms)) != 0)
        return code;
    return server_check_ledger(s, e);
}

enum dimension_rules settings_dimensions(const struct settings *s)
{
    return strcmp(s->dimensions, "free") == 0 ? DIMENSIONS_FREE : DIMENSIONS_DRINKS;
}

int settings_split_address(const char *listen, char *host, size_t host_size, uint16_t *port,
                           struct error *e)
{
    const char *colon = strrchr(listen, ':');
    const char *first = listen, *last = colon;
    bool bracketed = listen[0] == '[' && colon && colon[-1] == ']';
    if (bracketed) {
        first++;
        last--;
    }
    char *end = NULL;
    errno = 0;
    unsigned long number =
        colon && isdigit((unsigned char)colon[1]) ? strtoul(colon + 1, &end, 10) : 65536;
    if (!colon || first >= last || (size_t)(last - first) >= host_size || errno || number > 65535 ||
        *end || (!bracketed && memchr(first, ':', (size_t)(last - first))))
        return error_set(e, TLY_EINVALID_ARGUMENT, "listen",
                         "listen = %.100s: must be HOST:PORT or [HOST]:PORT, with a port of 0 to "
                         "65535",
                         listen);
    memcpy(host, first, (size_t)(last - first));
    host[last - first] = 0;
    *port = (uint16_t)number;
    return 0;
}
