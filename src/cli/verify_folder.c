/* verify_folder.c - the rows of a data folder, or of a ledger file alone.
 *
 * Happy path: a read-only connection, one read transaction, schema known. A ledger whose folder
 * cannot be written to and that no server has open is read as it lies there (immutable). Failures:
 * no such file, not a ledger, newer schema, damaged beyond reading.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/verify_internal.h"

enum { CACHE_KIB = 65536, PATH_BYTES = 4096 };

static bool is_locked(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool locked = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    close(fd);
    return locked;
}

/* A running server holds locks on the folder and on DIR/lock, of which either may be there alone:
 * the file can be deleted, and not every file system locks folders. */
static bool is_live(const char *data)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof(path), "%s/lock", data);
    return is_locked(data) || is_locked(path);
}

int verify_open_file(const char *path, bool immutable, sqlite3 **out)
{
    char uri[3 * PATH_BYTES] = "file:";
    size_t len = strlen(uri);
    for (const char *p = path; *p && len + 4 < sizeof(uri); p++) {
        if (*p == '?' || *p == '#' || *p == '%')
            len += (size_t)snprintf(uri + len, sizeof(uri) - len, "%%%02X", (unsigned char)*p);
        else
            uri[len++] = *p;
    }
    snprintf(uri + len, sizeof(uri) - len, "%s", immutable ? "?immutable=1" : "");
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX;
    return sqlite3_open_v2(uri, out, flags, NULL);
}

static int open_at(struct verify *v, const char *path, bool immutable, struct error *e)
{
    sqlite3_close(v->db);
    v->db = NULL;
    if (verify_open_file(path, immutable, &v->db) != SQLITE_OK)
        return error_set(e, TLY_EIO, path, "cannot be opened: %s", sqlite3_errmsg(v->db));
    sqlite3_busy_timeout(v->db, 5000);
    char pragma[64];
    snprintf(pragma, sizeof(pragma), "PRAGMA cache_size=-%d", CACHE_KIB);
    sqlite3_exec(v->db, pragma, NULL, NULL, NULL);
    sqlite3_exec(v->db, "BEGIN", NULL, NULL, NULL);
    return verify_number(v, "SELECT value FROM meta WHERE key='schema_version'", 0,
                         &v->report->schema_version, e);
}

static int open_folder(struct verify *v, struct error *e)
{
    const char *data = v->config->data;
    char path[PATH_BYTES];
    struct stat info;
    if (stat(data, &info) != 0)
        return error_set(e, TLY_EIO, data, "%s", strerror(errno));
    bool folder = S_ISDIR(info.st_mode);
    snprintf(path, sizeof(path), folder ? "%s/ledger.db" : "%s", data);
    if (folder)
        verify_read_mark(v);
    if (stat(path, &info) != 0) {
        const char *mark = v->mark.is_there ? "; a file mark is there, so there was one" : "";
        return error_set(e, TLY_EIO, path, "there is no ledger: %s%s", strerror(errno), mark);
    }
    v->report->bytes = info.st_size;
    v->report->live = folder && is_live(data);
    v->now_ms = v->config->now_ms ? v->config->now_ms : verify_wall_clock_ms();

    if (!v->report->live)
        verify_scan_wal(v, path);
    int code = open_at(v, path, false, e);
    if (code && !v->report->live && sqlite3_errcode(v->db) == SQLITE_CANTOPEN)
        code = open_at(v, path, true, e);
    if (code)
        return code;
    if (v->report->schema_version < 1 || v->report->schema_version > VERIFY_SCHEMA_KNOWN)
        return error_set(e, TLY_EINVALID_ARGUMENT, path,
                         "its schema is number %" PRId64 "; this binary knows those up to %d",
                         v->report->schema_version, VERIFY_SCHEMA_KNOWN);
    return 0;
}

static int check_file(struct verify *v, struct error *e)
{
    sqlite3_stmt *stmt = NULL;
    int code = verify_prepare(v, "PRAGMA quick_check(20)", &stmt, e);
    while (!code) {
        code = verify_step(v, stmt, e);
        if (code != SQLITE_ROW)
            break;
        const char *text = (const char *)sqlite3_column_text(stmt, 0);
        if (text && strcmp(text, "ok") != 0)
            verify_fault(v, VERIFY_FILE, (struct place){0}, "%s", text);
        code = 0;
    }
    sqlite3_finalize(stmt);
    return code < 0 ? code : 0;
}

const struct verify_source verify_folder = {
    .open = open_folder,
    .check_whole = check_file,
    .check_durable = verify_check_durable,
    .check_whole_says = "reading the pages of the file",
    .stock = "the view stock",
    .has_snapshot = true,
};
