/* verify_ledger.c - the small tables of a ledger: lots, kinds, snapshot, stock, cursors.
 *
 * They are read from v->db, which the source of the rows has opened (verify_source). Failures: what
 * a table says is no ledger's; it is damaged beyond reading.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/hash.h"
#include "cli/verify_internal.h"

int verify_prepare(struct verify *v, const char *sql, sqlite3_stmt **out, struct error *e)
{
    if (sqlite3_prepare_v2(v->db, sql, -1, out, NULL) != SQLITE_OK)
        return error_set(e, TLY_ECORRUPT, "ledger", "%s", sqlite3_errmsg(v->db));
    return 0;
}

int verify_step(struct verify *v, sqlite3_stmt *stmt, struct error *e)
{
    int code = sqlite3_step(stmt);
    if (code == SQLITE_ROW || code == SQLITE_DONE)
        return code;
    return error_set(e, TLY_ECORRUPT, "ledger", "%s", sqlite3_errmsg(v->db));
}

struct verify_lot *verify_lot_of(struct verify *v, int64_t lot_id)
{
    if (lot_id < 1 || lot_id > v->lot_max || !v->lots[lot_id].exists)
        return NULL;
    return &v->lots[lot_id];
}

int64_t verify_wall_clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int verify_number(struct verify *v, const char *sql, int64_t none, int64_t *out, struct error *e)
{
    sqlite3_stmt *stmt = NULL;
    int code = verify_prepare(v, sql, &stmt, e);
    if (!code)
        code = verify_step(v, stmt, e);
    if (code >= 0) {
        bool has = code == SQLITE_ROW && sqlite3_column_type(stmt, 0) != SQLITE_NULL;
        *out = has ? sqlite3_column_int64(stmt, 0) : none;
        code = 0;
    }
    sqlite3_finalize(stmt);
    return code;
}

/* ---- lots ---- */

/* Days since 1970 of 'YYYY-MM-DD' by the calendar's own rule (Howard Hinnant, days_from_civil). */
static bool parse_date(const char *text, int64_t *days)
{
    int year, month, day, end = 0;
    if (sscanf(text, "%4d-%2d-%2d%n", &year, &month, &day, &end) != 3 || text[end] != '\0' ||
        end != 10 || month < 1 || month > 12 || day < 1 || day > 31)
        return false;
    int64_t y = year - (month <= 2);
    int64_t era = y / 400, of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    *days = era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
    return true;
}

static void check_key(struct verify *v, sqlite3_stmt *stmt, int64_t lot_id)
{
    enum { KEY, SKU, FLAVOR, SIZE, BATCH, COLUMNS };
    const char *column[COLUMNS];
    for (int i = 0; i < COLUMNS; i++) {
        const char *text = (const char *)sqlite3_column_text(stmt, i + 1);
        column[i] = text ? text : "";
    }
    char dimensions[512], digest[33], key[256];
    snprintf(dimensions, sizeof(dimensions), "%s|%s|%s", column[FLAVOR], column[SIZE],
             column[BATCH]);
    md5_hex(dimensions, strlen(dimensions), digest);
    snprintf(key, sizeof(key), "%s#%.8s", column[SKU], digest);
    if (strcmp(key, column[KEY]) != 0)
        verify_fault(v, VERIFY_LOT, (struct place){.lot_id = lot_id},
                     "its key is %.100s; its dimensions make %.100s", column[KEY], key);
}

static void load_lot(struct verify *v, sqlite3_stmt *stmt)
{
    int64_t lot_id = sqlite3_column_int64(stmt, 0);
    struct place where = {.lot_id = lot_id};
    if (lot_id < 1 || lot_id > v->lot_max) {
        verify_fault(v, VERIFY_LOT, where, "lots are numbered 1, 2, 3, ...; this one leaves a gap");
        return;
    }
    struct verify_lot *lot = &v->lots[lot_id];
    lot->exists = true;
    lot->last_day = NEVER_EXPIRES;
    const char *expires_on = (const char *)sqlite3_column_text(stmt, 6);
    if (expires_on && !parse_date(expires_on, &lot->last_day))
        verify_fault(v, VERIFY_LOT, where, "expires_on is '%.40s', no date", expires_on);
    check_key(v, stmt, lot_id);
}

static int load_lots(struct verify *v, struct error *e)
{
    int code = verify_number(v, "SELECT count(*) FROM lot", 0, &v->report->lots, e);
    if (code)
        return code;
    v->lot_max = v->report->lots;
    v->lots = calloc((size_t)v->lot_max + 1, sizeof(*v->lots));
    if (!v->lots)
        return error_set(e, TLY_ENO_MEMORY, "", "out of memory");
    sqlite3_stmt *stmt = NULL;
    code = verify_prepare(v,
                          "SELECT lot_id, lot_key, sku, flavor, size, batch, expires_on FROM lot"
                          " ORDER BY lot_id",
                          &stmt, e);
    while (!code && (code = verify_step(v, stmt, e)) == SQLITE_ROW) {
        load_lot(v, stmt);
        code = 0;
    }
    sqlite3_finalize(stmt);
    return code < 0 ? code : 0;
}

/* Plain SQL replays by move_kind, so its rows must be what the kinds mean. */
static int check_kinds(struct verify *v, struct error *e)
{
    sqlite3_stmt *stmt = NULL;
    int64_t seen = 0, wrong = 0;
    int code =
        verify_prepare(v, "SELECT kind, on_hand, reserved, confirmed FROM move_kind", &stmt, e);
    while (!code && (code = verify_step(v, stmt, e)) == SQLITE_ROW) {
        int64_t kind = sqlite3_column_int64(stmt, 0);
        if (kind >= KIND_CREATE && kind < KIND_END) {
            const struct verify_kind *k = &verify_kinds[kind];
            bool right = sqlite3_column_int(stmt, 1) == k->on_hand &&
                         sqlite3_column_int(stmt, 2) == k->reserved &&
                         sqlite3_column_int(stmt, 3) == k->confirmed;
            seen += right && kind < KIND_FOREIGN;
            wrong += !right;
        }
        code = 0;
    }
    sqlite3_finalize(stmt);
    int64_t known =
        v->report->schema_version < 3 ? KIND_SHIP - KIND_CREATE : KIND_FOREIGN - KIND_CREATE;
    if (code == SQLITE_DONE && (seen != known || wrong))
        verify_fault(v, VERIFY_STORED, (struct place){0},
                     "the table move_kind does not say what the kinds of moves do");
    return code < 0 ? code : 0;
}

int verify_load_tables(struct verify *v, struct error *e)
{
    struct verify_report *r = v->report;
    int code = load_lots(v, e);
    if (!code)
        code = check_kinds(v, e);
    if (!code)
        code = verify_number(v, "SELECT max(seq) FROM move", 0, &r->newest_seq, e);
    if (!code)
        code = verify_number(v, "SELECT at_ms FROM move ORDER BY seq DESC LIMIT 1", 0,
                             &r->newest_at_ms, e);
    if (!code && v->source->has_snapshot)
        code = verify_number(v, "SELECT seq FROM snapshot", 0, &v->snapshot_seq, e);
    if (!code)
        code = verify_number(v, "SELECT value FROM meta WHERE key='archived_seq'", 0,
                             &v->archived_seq, e);
    if (!code)
        code = verify_number(v, "SELECT sum(moves) FROM archived", 0, &r->archived_moves, e);
    if (!code) /* a ledger of the first schema did not note it: it may have been any */
        code = verify_number(v, "SELECT value FROM meta WHERE key='archived_newest'",
                             r->archived_moves ? INT64_MAX : 0, &v->archived_newest, e);
    if (code)
        return code;
    if (!v->config->now_ms && r->newest_at_ms > v->now_ms)
        v->now_ms = r->newest_at_ms;
    /* Retention may have removed the newest moves, the last ones of a reservation that
     * it removed. */
    if (v->snapshot_seq > r->newest_seq && v->snapshot_seq > v->archived_newest)
        verify_fault(v, VERIFY_LOG, (struct place){.seq = v->snapshot_seq},
                     "the snapshot is newer than the newest move");
    if (v->source->has_snapshot && v->archived_seq > v->snapshot_seq)
        verify_fault(v, VERIFY_LOG, (struct place){.seq = v->archived_seq},
                     "moves were removed that the snapshot does not contain");
    return 0;
}

int verify_add_archived(struct verify *v, struct error *e)
{
    sqlite3_stmt *stmt = NULL;
    v->archived_added = true;
    int code = verify_prepare(v, "SELECT lot_id, on_hand, reserved, confirmed, moves FROM archived",
                              &stmt, e);
    while (!code && (code = verify_step(v, stmt, e)) == SQLITE_ROW) {
        int64_t lot_id = sqlite3_column_int64(stmt, 0);
        struct verify_lot *lot = verify_lot_of(v, lot_id);
        code = 0;
        if (!lot) {
            verify_fault(v, VERIFY_LOT, (struct place){.lot_id = lot_id},
                         "removed moves name a lot that does not exist");
            continue;
        }
        if (sqlite3_column_int64(stmt, 2) != 0)
            verify_fault(v, VERIFY_OWNED, (struct place){.lot_id = lot_id},
                         "moves of a PENDING reservation were removed");
        lot->on_hand += sqlite3_column_int64(stmt, 1);
        lot->reserved += sqlite3_column_int64(stmt, 2);
        lot->confirmed += sqlite3_column_int64(stmt, 3);
        lot->version += sqlite3_column_int64(stmt, 4);
        lot->owned_reserved += sqlite3_column_int64(stmt, 2);
        lot->owned_confirmed += sqlite3_column_int64(stmt, 3);
    }
    sqlite3_finalize(stmt);
    return code < 0 ? code : 0;
}

/* ---- stored stock ---- */

static void compare(struct verify *v, const char *what, int64_t lot_id, const int64_t *stored)
{
    const struct verify_lot *lot = &v->lots[lot_id];
    const int64_t replayed[4] = {lot->on_hand, lot->reserved, lot->confirmed, lot->version};
    static const char *const names[4] = {"on_hand", "reserved", "confirmed", "version"};
    for (int i = 0; i < 4; i++) {
        if (stored[i] != replayed[i])
            verify_fault(v, VERIFY_STORED, (struct place){.lot_id = lot_id},
                         "%s says %s = %" PRId64 ", the moves add up to %" PRId64, what, names[i],
                         stored[i], replayed[i]);
    }
}

int verify_compare_stock(struct verify *v, bool view, struct error *e)
{
    const char *sql = view ? "SELECT lot_id, on_hand, reserved, confirmed, version FROM stock"
                           : "SELECT lot.lot_id, ifnull(s.on_hand, 0), ifnull(s.reserved, 0),"
                             " ifnull(s.confirmed, 0), ifnull(s.version, 0)"
                             " FROM lot LEFT JOIN stock_snapshot AS s ON s.lot_id = lot.lot_id";
    const char *what = view ? v->source->stock : "the snapshot";
    sqlite3_stmt *stmt = NULL;
    int code = verify_prepare(v, sql, &stmt, e);
    while (!code && (code = verify_step(v, stmt, e)) == SQLITE_ROW) {
        int64_t lot_id = sqlite3_column_int64(stmt, 0);
        int64_t stored[4];
        for (int i = 0; i < 4; i++)
            stored[i] = sqlite3_column_int64(stmt, i + 1);
        if (verify_lot_of(v, lot_id))
            compare(v, what, lot_id, stored);
        code = 0;
    }
    sqlite3_finalize(stmt);
    if (!view)
        v->snapshot_checked = true;
    return code < 0 ? code : 0;
}

/* ---- readers, adjustments ---- */

int verify_check_cursors(struct verify *v, struct error *e)
{
    sqlite3_stmt *stmt = NULL;
    int64_t newest = v->report->newest_seq;
    if (v->snapshot_seq > newest)
        newest = v->snapshot_seq; /* of a move that retention removed */
    int code = verify_prepare(v, "SELECT reader, seq FROM cursor", &stmt, e);
    while (!code && (code = verify_step(v, stmt, e)) == SQLITE_ROW) {
        int64_t seq = sqlite3_column_int64(stmt, 1);
        if (seq > newest)
            verify_fault(v, VERIFY_LOG, (struct place){.seq = seq},
                         "the cursor of reader '%.64s' is ahead of the newest move",
                         (const char *)sqlite3_column_text(stmt, 0));
        code = 0;
    }
    sqlite3_finalize(stmt);
    return code < 0 ? code : 0;
}

int verify_check_adjustments(struct verify *v, struct error *e)
{
    sqlite3_stmt *stmt = NULL;
    int code = verify_prepare(v,
                              "SELECT detail, max(seq), count(*) FROM move WHERE kind = 2 AND "
                              "detail IS NOT NULL GROUP BY detail HAVING count(*) > 1",
                              &stmt, e);
    while (!code && (code = verify_step(v, stmt, e)) == SQLITE_ROW) {
        verify_fault(v, VERIFY_ADJUSTMENT, (struct place){.seq = sqlite3_column_int64(stmt, 1)},
                     "adjustment_id %.64s was applied %d times",
                     (const char *)sqlite3_column_text(stmt, 0), sqlite3_column_int(stmt, 2));
        code = 0;
    }
    sqlite3_finalize(stmt);
    return code < 0 ? code : 0;
}
