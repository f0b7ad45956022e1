/* place_url.h - where somebody else's server is:
 * scheme://[user@]host[:port][,host[:port]...][/path].
 *
 * What may stand in it depends on the setting (struct place_rules). A password never does: it would
 * be in logs, lists of processes and /config; the refusal names the setting that takes it, and
 * shows nothing of the URL. User and path may be percent-encoded (RFC 3986); an IPv6 address stands
 * in brackets.
 */
#ifndef TALLY_SERVER_PLACE_URL_H
#define TALLY_SERVER_PLACE_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum {
    PLACE_HOSTS_MAX = 16,
    PLACE_SCHEME_SIZE = 16,
    PLACE_HOST_SIZE = 254, /* a name of DNS, with its terminating zero */
    PLACE_TEXT_SIZE = 129, /* user and path */
};

struct place_host {
    char host[PLACE_HOST_SIZE]; /* without brackets */
    uint16_t port;
};

struct place_url {
    char scheme[PLACE_SCHEME_SIZE];
    char user[PLACE_TEXT_SIZE]; /* "": none was given */
    char path[PLACE_TEXT_SIZE]; /* without the slash before it; "": none was given */
    unsigned host_count;        /* at least 1 */
    struct place_host hosts[PLACE_HOSTS_MAX];
};

/* What a setting's URL may be. */
struct place_rules {
    const char *setting; /* its key, for errors */
    const char *scheme;  /* the only one */
    const char *secret;  /* the setting to use for what would be the password */
    const char *example; /* shown where something is wrong */
    uint16_t port;       /* where none is given */
    unsigned hosts_max;
    bool needs_user;
    bool needs_path;
    bool takes_path;
};

/* TLY_EINVALID_ARGUMENT, with the setting as its field; `out` is then not to be used. */
int place_url_parse(struct place_url *out, const struct place_rules *rules, const char *text,
                    struct error *e) MUST_CHECK;

#endif
