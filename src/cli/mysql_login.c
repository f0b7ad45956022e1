/* mysql_login.c - see mysql_login.h. Failures: the URL, the password's file, a server that is not
 * there or refuses; each says which. */
#include "cli/mysql_login.h"

#include <errno.h>
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/place_url.h"

enum { CONNECT_S = 10, PASSWORD_BYTES = 1024 };

bool login_is_mysql(const char *place)
{
    return strncmp(place, "mysql://", strlen("mysql://")) == 0;
}

static int read_file(const char *path, char *out, struct error *e)
{
    FILE *f = fopen(path, "re");
    if (!f)
        return error_set(e, TLY_EIO, path, "the password cannot be read: %s", strerror(errno));
    size_t got = fread(out, 1, PASSWORD_BYTES, f);
    bool fine = !ferror(f) && got < PASSWORD_BYTES;
    fclose(f);
    if (!fine)
        return error_set(e, TLY_EIO, path, "the password cannot be read, or is too long");
    out[got] = '\0';
    out[strcspn(out, "\r\n")] = '\0';
    return 0;
}

static int find_password(const struct mysql_login *login, char *out, struct error *e)
{
    const char *given = getenv("TALLY_LEDGER_PASSWORD");
    const char *file = getenv("TALLY_LEDGER_PASSWORD_FILE");
    if (login->password_file)
        return read_file(login->password_file, out, e);
    if (!given && file && *file)
        return read_file(file, out, e);
    if (snprintf(out, PASSWORD_BYTES, "%s", given ? given : "") >= PASSWORD_BYTES)
        return error_set(e, TLY_EINVALID_ARGUMENT, "TALLY_LEDGER_PASSWORD", "it is too long");
    return 0;
}

static bool wants_tls(const struct mysql_login *login)
{
    return login->tls && strcmp(login->tls, "off") != 0;
}

static int set_tls(MYSQL *db, const struct mysql_login *login, struct error *e)
{
    my_bool on = wants_tls(login), checks = on && strcmp(login->tls, "verify") == 0;
    if (on && !checks && strcmp(login->tls, "on") != 0)
        return error_set(e, TLY_EINVALID_ARGUMENT, "--tls", "must be off, on or verify");
    mysql_optionsv(db, MYSQL_OPT_SSL_ENFORCE, &on);
    mysql_optionsv(db, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &checks);
    if (on && login->tls_ca)
        mysql_optionsv(db, MYSQL_OPT_SSL_CA, login->tls_ca);
    return 0;
}

static int connect_to(MYSQL *db, const struct place_url *url, const struct mysql_login *login,
                      struct error *e)
{
    char password[PASSWORD_BYTES + 1];
    unsigned wait_s = CONNECT_S;
    const struct place_host *host = &url->hosts[0];
    mysql_optionsv(db, MYSQL_OPT_CONNECT_TIMEOUT, &wait_s);
    mysql_optionsv(db, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    int code = set_tls(db, login, e);
    if (!code)
        code = find_password(login, password, e);
    if (!code &&
        !mysql_real_connect(db, host->host, url->user, password, url->path, host->port, NULL, 0))
        code = error_set(e, TLY_EIO, "", "%s:%u: %s", host->host, host->port, mysql_error(db));
    explicit_bzero(password, sizeof password);
    /* Connector/C goes on without, where the server has none. */
    if (!code && wants_tls(login) && !mysql_get_ssl_cipher(db))
        code = error_set(e, TLY_EIO, "--tls", "%s:%u: it speaks no TLS", host->host, host->port);
    return code;
}

int login_to_mysql(struct st_mysql **out, const char *url, const struct mysql_login *login,
                   struct error *e)
{
    static const struct place_rules rules = {.setting = "ledger",
                                             .scheme = "mysql",
                                             .secret = "TALLY_LEDGER_PASSWORD",
                                             .example = "mysql://tally@db.local:3306/tally",
                                             .port = 3306,
                                             .hosts_max = 1,
                                             .needs_user = true,
                                             .needs_path = true,
                                             .takes_path = true};
    struct place_url place;
    *out = NULL;
    int code = place_url_parse(&place, &rules, url, e);
    if (code)
        return code;
    MYSQL *db = mysql_init(NULL);
    if (!db)
        return error_set(e, TLY_ENO_MEMORY, "", "out of memory");
    code = connect_to(db, &place, login, e);
    if (code)
        mysql_close(db);
    else
        *out = db;
    return code;
}
