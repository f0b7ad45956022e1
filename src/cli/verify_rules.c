/* verify_rules.c - rules in plain SQL, and that of lots' limits per user.
 *
 * What a lot allowed at an earlier time the log does not say, so only what came after the lot's
 * newest LOT_TERMS is held against its per_user_limit, and what was reserved before that is not
 * counted: what is found is broken for certain. The count is the server's: PENDING and CONFIRMED
 * units outside sales, of reservations that are not older than the retention window.
 */
#include "cli/verify_internal.h"

static int apply(struct verify *v, const struct verify_rule *rule, struct error *e)
{
    sqlite3_stmt *rows = NULL;
    int code = verify_prepare(v, rule->sql, &rows, e);
    int retention = code ? 0 : sqlite3_bind_parameter_index(rows, ":retention_ms");
    if (retention)
        sqlite3_bind_int64(rows, retention, v->config->order_retention_ms);
    while (!code && (code = verify_step(v, rows, e)) == SQLITE_ROW) {
        const struct place where = {.seq = sqlite3_column_int64(rows, 0),
                                    .reservation_id = sqlite3_column_int64(rows, 1),
                                    .lot_id = sqlite3_column_int64(rows, 2)};
        const char *text = (const char *)sqlite3_column_text(rows, 4);
        if (sqlite3_column_int(rows, 3))
            verify_note(v, rule->check, where, "%s", text ? text : "");
        else
            verify_fault(v, rule->check, where, "%s", text ? text : "");
        code = 0;
    }
    sqlite3_finalize(rows);
    return code < 0 ? code : 0;
}

int verify_apply(struct verify *v, const struct verify_rule *rules, size_t count, struct error *e)
{
    int code = 0;
    for (size_t i = 0; !code && i < count; i++)
        code = apply(v, &rules[i], e);
    return code;
}

static const struct verify_rule lot_limit = {
    VERIFY_LIMIT,
    "WITH terms AS (SELECT lot_id, max(seq) AS since FROM move WHERE kind = 16 GROUP BY lot_id),"
    " limited AS (SELECT lot_id, lot_key, per_user_limit, since FROM lot JOIN terms USING (lot_id)"
    "              WHERE per_user_limit > 0),"
    " line AS (SELECT seq, lot_id, quantity FROM move WHERE lot_id IN (SELECT lot_id FROM limited)"
    "          UNION ALL SELECT seq, lot_id, quantity FROM move_line"
    "           WHERE lot_id IN (SELECT lot_id FROM limited)),"
    " event AS MATERIALIZED ("
    " SELECT x.lot_id, r.user_id, r.seq AS reservation_id, m.seq, m.at_ms,"
    "        CASE WHEN m.kind IN (3, 13, 14) THEN x.quantity"
    "             WHEN m.kind IN (5, 6, 7, 10, 11, 12) THEN -x.quantity ELSE 0 END AS units"
    "   FROM line AS x JOIN move AS m USING (seq) JOIN limited AS l ON l.lot_id = x.lot_id"
    "   JOIN move AS r ON r.seq = ifnull(m.reservation_id, m.seq)"
    "  WHERE r.kind = 3 AND r.sale IS NULL AND r.seq > l.since) "
    "SELECT v.seq, v.reservation_id, v.lot_id, 0,"
    "       printf('user %s has %d units of lot %s outside sales, which allows %d', v.user_id,"
    "              v.total, l.lot_key, l.per_user_limit)"
    "  FROM (SELECT *, sum(units) OVER (PARTITION BY lot_id, user_id ORDER BY seq) AS total"
    "          FROM event) AS v JOIN limited AS l USING (lot_id)"
    " WHERE v.units > 0 AND v.total > l.per_user_limit"
    /* 2020-01-01, from which the milliseconds of a seq count */
    "   AND (SELECT sum(o.units) FROM event AS o WHERE o.lot_id = v.lot_id"
    "           AND o.user_id = v.user_id AND o.seq <= v.seq"
    "           AND o.reservation_id >= (v.at_ms - :retention_ms - 1577836800000) << 22)"
    "       > l.per_user_limit"};

int verify_lot_limits(struct verify *v, struct error *e)
{
    return verify_apply(v, &lot_limit, 1, e);
}
