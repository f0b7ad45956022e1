/* ledger_choice.c - see ledger_choice.h. Failure: what the ledger's create says, or a setting that
 * is none; the password is in no text. */
#include "server/ledger_choice.h"

#include <stdlib.h>
#include <string.h>

#include "ledger/ledger_mysql.h"
#include "ledger/ledger_sqlite.h"
#include "server/place_url.h"
#include "server/secret.h"

static const struct place_rules mysql_place = {
    .setting = "ledger",
    .scheme = "mysql",
    .secret = "ledger_password",
    .example = "mysql://user@host:port/database, or is local",
    .port = 3306,
    .hosts_max = LEDGER_MYSQL_HOSTS_MAX,
    .needs_user = true,
    .needs_path = true,
    .takes_path = true,
};

static const char *const tls_names[] = {
    [LEDGER_TLS_OFF] = "off", [LEDGER_TLS_ON] = "on", [LEDGER_TLS_VERIFY] = "verify"};

static int read_tls(const struct settings *s, enum ledger_tls *tls, struct error *e)
{
    for (int i = LEDGER_TLS_OFF; i <= LEDGER_TLS_VERIFY; i++) {
        if (strcmp(s->ledger_tls, tls_names[i]) == 0) {
            *tls = (enum ledger_tls)i;
            return 0;
        }
    }
    return error_set(e, TLY_EINVALID_ARGUMENT, "ledger_tls",
                     "ledger_tls = %.20s: must be off, on or verify", s->ledger_tls);
}

static bool is_local(const struct settings *s)
{
    return strcmp(s->ledger, "local") == 0;
}

int server_check_ledger(const struct settings *s, struct error *e)
{
    struct place_url url;
    enum ledger_tls tls;
    int rc = read_tls(s, &tls, e);
    return rc || is_local(s) ? rc : place_url_parse(&url, &mysql_place, s->ledger, e);
}

static int create_local(const struct settings *s,
                        void (*tell)(void *context, const char *event, const char *text),
                        struct ledger **out, struct error *e)
{
    const struct ledger_sqlite_config config = {
        .dir = s->data,
        .order_retention_ms = s->order_retention_ms,
        .archive_after_ms = s->archive_after_ms,
        .archive_keep = s->archive_keep,
        .accept_loss = s->accept_loss[0] ? strtoll(s->accept_loss, NULL, 10) : -1,
        .tell = tell,
        .archive_step_rows = (uint32_t)s->archive_step_rows,
        .wal_bytes_max = (uint64_t)s->wal_bytes_max,
        .dirty_lots_max = (uint32_t)s->dirty_lots_max,
        .snapshot_moves = (uint32_t)s->snapshot_moves,
    };
    return ledger_sqlite_create(out, &config, e);
}

static int create_mysql(const struct settings *s, struct ledger **out, struct error *e)
{
    struct place_url url;
    struct ledger_mysql_host hosts[LEDGER_MYSQL_HOSTS_MAX];
    char password[SETTING_TEXT_MAX];
    struct ledger_mysql_config config = {
        .hosts = hosts,
        .password = password,
        .tls_ca = s->ledger_tls_ca,
        .timeout_ms = s->ledger_timeout_ms,
        .clock_gap_max_ms = s->ledger_clock_gap_max_ms,
        .lock_wait_s = 1,
        .weak_durability = s->ledger_weak_durability,
    };
    int rc = read_tls(s, &config.tls, e);
    if (rc == 0)
        rc = place_url_parse(&url, &mysql_place, s->ledger, e);
    if (rc == 0)
        rc = secret_read("ledger_password", s->ledger_password, s->ledger_password_file, password,
                         sizeof password, e);
    if (rc)
        return rc;
    config.user = url.user;
    config.database = url.path;
    config.host_count = url.host_count;
    for (unsigned i = 0; i < url.host_count; i++)
        hosts[i] = (struct ledger_mysql_host){url.hosts[i].host, url.hosts[i].port};
    rc = ledger_mysql_create(out, &config, e);
    explicit_bzero(password, sizeof password);
    return rc;
}

int server_create_ledger(const struct settings *s,
                         void (*tell)(void *context, const char *event, const char *text),
                         struct ledger **out, uint16_t *node, struct error *e)
{
    *node = (uint16_t)s->node;
    if (is_local(s))
        return create_local(s, tell, out, e);
    int rc = create_mysql(s, out, e);
    if (rc == 0)
        *node = ledger_mysql_lane(*out);
    return rc;
}
