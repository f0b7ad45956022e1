/* place_url.c - see place_url.h. Pure.
 *
 * Happy path: the scheme, what stands before the last @ of the authority, the hosts between commas,
 * the path. Failure: the first fault is named; of the text itself nothing is shown, as it may hold
 * what is a secret.
 */
#include "server/place_url.h"

#include <stdbool.h>
#include <string.h>

#include "base/str.h"

static int wrong(const struct place_rules *rules, const char *what, struct error *e)
{
    return error_set(e, TLY_EINVALID_ARGUMENT, rules->setting, "%s: %s; it is written %s",
                     rules->setting, what, rules->example);
}

static struct str until(struct str text, char mark)
{
    const char *at = text.len ? memchr(text.p, mark, text.len) : NULL;
    return at ? (struct str){text.p, (uint32_t)(at - text.p)} : text;
}

static struct str after(struct str text, uint32_t skip)
{
    return skip < text.len ? (struct str){text.p + skip, text.len - skip} : (struct str){0};
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent-decodes. False: a broken escape, a control character, or too long. */
static bool decode(struct str text, char *out, size_t size)
{
    size_t used = 0;
    for (uint32_t i = 0; i < text.len; i++) {
        char c = text.p[i];
        if (c == '%') {
            int high = i + 2 < text.len ? hex_digit(text.p[i + 1]) : -1;
            int low = i + 2 < text.len ? hex_digit(text.p[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        }
        if ((unsigned char)c < 0x20 || c == 0x7f || used + 1 == size)
            return false;
        out[used++] = c;
    }
    out[used] = 0;
    return true;
}

static bool read_port(struct str text, uint16_t *port)
{
    uint32_t number = 0;
    if (text.len < 1 || text.len > 5)
        return false;
    for (uint32_t i = 0; i < text.len; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
        number = number * 10 + (uint32_t)(text.p[i] - '0');
    }
    *port = (uint16_t)number;
    return number >= 1 && number <= UINT16_MAX;
}

static bool host_is_plain(struct str host, bool address)
{
    for (uint32_t i = 0; i < host.len; i++) {
        char c = host.p[i], lower = (char)(c | 0x20);
        bool name = (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
                    c == '.' || c == '_';
        if (!name && !(address && (c == ':' || c == '%')))
            return false;
    }
    return host.len > 0 && host.len < PLACE_HOST_SIZE;
}

static bool read_host(struct str text, uint16_t port, struct place_host *out)
{
    bool address = text.len && text.p[0] == '[';
    struct str host = address ? until(after(text, 1), ']') : until(text, ':');
    uint32_t used = host.len + (address ? 2 : 0);
    if (!host.p || !host_is_plain(host, address) || used > text.len)
        return false;
    struct str rest = after(text, used);
    out->port = port;
    if (rest.len && (rest.p[0] != ':' || !read_port(after(rest, 1), &out->port)))
        return false;
    memcpy(out->host, host.p, host.len);
    out->host[host.len] = 0;
    return true;
}

static int read_hosts(struct place_url *out, const struct place_rules *rules, struct str text,
                      struct error *e)
{
    out->host_count = 0;
    for (;;) {
        struct str one = until(text, ',');
        if (out->host_count == PLACE_HOSTS_MAX || out->host_count == rules->hosts_max)
            return wrong(rules, "it names more servers than it may", e);
        if (!read_host(one, rules->port, &out->hosts[out->host_count]))
            return wrong(rules, "a HOST or HOST:PORT in it is none", e);
        out->host_count++;
        if (one.len == text.len)
            return 0;
        text = after(text, one.len + 1);
    }
}

/* The user and, behind a colon, what may not be there. */
static int read_user(struct place_url *out, const struct place_rules *rules, struct str text,
                     struct error *e)
{
    if (until(text, ':').len != text.len)
        return error_set(e, TLY_EINVALID_ARGUMENT, rules->setting,
                         "%s: a password does not stand in it; give it in %s_file, or in %s",
                         rules->setting, rules->secret, rules->secret);
    if (!decode(text, out->user, sizeof out->user))
        return wrong(rules, "its user is too long, or not percent-encoded as it should be", e);
    return 0;
}

int place_url_parse(struct place_url *out, const struct place_rules *rules, const char *text,
                    struct error *e)
{
    struct str rest = str_of(text), scheme = str_of(rules->scheme);
    *out = (struct place_url){0};
    if (rest.len < scheme.len + 3 || memcmp(rest.p, scheme.p, scheme.len) != 0 ||
        memcmp(rest.p + scheme.len, "://", 3) != 0)
        return wrong(rules, "it is of no kind that is known here", e);
    memcpy(out->scheme, scheme.p, scheme.len);
    rest = after(rest, scheme.len + 3);
    /* A password may hold any character: the user ends at the last @ there is. */
    const char *at = rest.len ? memrchr(rest.p, '@', rest.len) : NULL;
    if (at) {
        struct str user = {rest.p, (uint32_t)(at - rest.p)};
        int rc = read_user(out, rules, user, e);
        if (rc)
            return rc;
        rest = after(rest, user.len + 1);
    }
    struct str hosts = until(rest, '/');
    struct str path = after(rest, hosts.len + 1);
    if (rules->needs_user && !out->user[0])
        return wrong(rules, "it names no user", e);
    if (!decode(path, out->path, sizeof out->path) || (path.len && !rules->takes_path))
        return wrong(rules, "what stands behind its hosts is not understood", e);
    if (rules->needs_path && !out->path[0])
        return wrong(rules, "what should stand behind its hosts is missing", e);
    return read_hosts(out, rules, hosts, e);
}
