/* verify_sales.c - sales, limits and groups, at every instant of the log, by plain SQL.
 *
 * SQLite sorts outside memory where there is much. Units and places are counted along the
 * log, so a limit that was exceeded for one move only is found too.
 *
 * A sale that was changed is judged by what it says now, and what breaks that is a note: it may
 * have been right when it was decided. Its first SALE and the one that closed it change nothing of
 * that. What retention removed is not missed: a group leaves before the last of its members.
 */
#include "cli/verify_internal.h"

/* What each move of a sale's order does to the units and places that the order has. */
#define EVENTS                                                                                     \
    "WITH event AS ("                                                                              \
    " SELECT r.sale, r.user_id, r.group_id, r.seq AS reservation_id, r.seq, r.at_ms, 3 AS kind,"   \
    "        r.quantity AS units, 1 AS place"                                                      \
    "   FROM move AS r WHERE r.kind = 3 AND r.sale IS NOT NULL"                                    \
    " UNION ALL"                                                                                   \
    " SELECT r.sale, r.user_id, r.group_id, r.seq, m.seq, m.at_ms, m.kind,"                        \
    "        CASE WHEN m.kind IN (13, 14) THEN m.quantity"                                         \
    "             WHEN m.kind IN (5, 6, 7, 10, 11, 12) THEN -m.quantity ELSE 0 END,"               \
    "        CASE WHEN m.kind = 14 THEN 1"                                                         \
    "             WHEN m.kind IN (6, 7, 10, 11, 12) AND m.reason IS NOT NULL THEN -1 ELSE 0 END"   \
    "   FROM move AS r JOIN move AS m ON m.reservation_id = r.seq"                                 \
    "  WHERE r.kind = 3 AND r.sale IS NOT NULL),"                                                  \
    " changed AS (SELECT DISTINCT s.sale FROM sale AS s JOIN move AS m ON m.sale = s.sale"         \
    "              WHERE m.kind = 17 AND m.seq <> s.created_seq AND NOT (m.at_ms IS"               \
    "                    s.closed_at_ms AND m.seq = (SELECT max(x.seq) FROM move AS x"             \
    "                                                 WHERE x.kind = 17 AND x.sale = s.sale))),"   \
    " fate AS MATERIALIZED (SELECT group_id, seq, kind, at_ms FROM move WHERE kind IN (19, 20)) "

#define IS_CHANGED "(s.sale IN (SELECT sale FROM changed))"

static const struct verify_rule rules[] = {
    {VERIFY_SALE, "SELECT seq, iif(kind = 3, seq, NULL), NULL, 0,"
                  "       printf('it is of sale number %d, which is not there', sale)"
                  "  FROM move AS m WHERE sale IS NOT NULL"
                  "   AND NOT EXISTS (SELECT 1 FROM sale AS s WHERE s.sale = m.sale)"},
    {VERIFY_SALE, EVENTS
     "SELECT v.seq, v.reservation_id, NULL, " IS_CHANGED ","
     "       printf('reserved %d ms before sale %s begins', s.starts_at_ms - v.at_ms, s.sale_id)"
     "  FROM event AS v JOIN sale AS s USING (sale)"
     " WHERE v.kind = 3 AND v.at_ms < s.starts_at_ms"},
    {VERIFY_SALE,
     EVENTS "SELECT v.seq, v.reservation_id, NULL, " IS_CHANGED ","
            "       printf('reserved %d ms after sale %s ended', v.at_ms - s.ends_at_ms, s.sale_id)"
            "  FROM event AS v JOIN sale AS s USING (sale)"
            " WHERE v.kind = 3 AND (v.at_ms >= s.ends_at_ms OR v.at_ms > s.closed_at_ms)"},
    {VERIFY_SALE,
     EVENTS "SELECT l.seq, l.reservation_id, l.lot_id, " IS_CHANGED ","
            "       printf('sale %s does not sell this lot', s.sale_id)"
            "  FROM (SELECT v.sale, v.seq, v.reservation_id, m.lot_id FROM event AS v"
            "          JOIN move AS m USING (seq) WHERE m.lot_id IS NOT NULL AND v.units > 0"
            "        UNION ALL"
            "        SELECT v.sale, v.seq, v.reservation_id, x.lot_id FROM event AS v"
            "          JOIN move_line AS x USING (seq) WHERE x.quantity > 0 AND v.units > 0) AS l"
            "  JOIN sale AS s USING (sale) JOIN lot AS t ON t.lot_id = l.lot_id"
            " WHERE NOT EXISTS (SELECT 1 FROM sale_item AS i WHERE i.sale = s.sale"
            "                      AND (i.lot_id = t.lot_id OR i.sku = t.sku))"},
    {VERIFY_SALE, EVENTS
     "SELECT seq, reservation_id, NULL, " IS_CHANGED ","
     "       printf('an order of %d units; sale %s allows %d', units, s.sale_id, s.per_order_limit)"
     "  FROM (SELECT sale, seq, reservation_id, kind,"
     "               sum(units) OVER (PARTITION BY reservation_id ORDER BY seq) AS units"
     "          FROM event) AS v JOIN sale AS s USING (sale)"
     " WHERE s.per_order_limit > 0 AND units > s.per_order_limit AND kind IN (3, 13, 14)"},
    {VERIFY_SALE,
     EVENTS "SELECT seq, reservation_id, NULL, " IS_CHANGED ","
            "       printf('user %s has %d units of sale %s, which allows %d', v.user_id, units,"
            "              s.sale_id, s.per_user_limit)"
            "  FROM (SELECT sale, user_id, seq, reservation_id, kind,"
            "               sum(units) OVER (PARTITION BY sale, user_id ORDER BY seq) AS units"
            "          FROM event) AS v JOIN sale AS s USING (sale)"
            " WHERE s.per_user_limit > 0 AND units > s.per_user_limit AND kind IN (3, 13, 14)"},
    {VERIFY_SALE, EVENTS
     "SELECT seq, reservation_id, NULL, " IS_CHANGED ","
     "       printf('sale %s has %d units of a share of %d', s.sale_id, units, s.total_limit)"
     "  FROM (SELECT sale, seq, reservation_id, kind,"
     "               sum(units) OVER (PARTITION BY sale ORDER BY seq) AS units"
     "          FROM event) AS v JOIN sale AS s USING (sale)"
     " WHERE s.total_limit > 0 AND units > s.total_limit AND kind IN (3, 13, 14)"},
    /* Groups. `size` is the quantity of the GROUP_OPEN. */
    {VERIFY_GROUP,
     EVENTS "SELECT v.seq, v.reservation_id, NULL, 0,"
            "       printf('it joins group %d, which is not there or of another sale', v.group_id)"
            "  FROM event AS v LEFT JOIN move AS g ON g.seq = v.group_id"
            " WHERE v.kind = 3 AND v.group_id > ifnull((SELECT CAST(value AS INTEGER) FROM meta"
            "                                             WHERE key = 'archived_seq'), 0)"
            "   AND (g.seq IS NULL OR g.kind <> 18 OR g.sale <> v.sale OR g.seq > v.seq)"},
    {VERIFY_GROUP, EVENTS "SELECT v.seq, v.reservation_id, NULL, 0,"
                          "       printf('it joins group %d, which is over', v.group_id)"
                          "  FROM event AS v JOIN move AS g ON g.seq = v.group_id"
                          "  LEFT JOIN fate AS f ON f.group_id = g.seq"
                          " WHERE v.kind = 3 AND (v.at_ms >= g.deadline_ms OR v.seq > f.seq)"},
    {VERIFY_GROUP, EVENTS
     "SELECT v.seq, v.reservation_id, NULL, 0,"
     "       printf('group %d of %d places has %d members', v.group_id, g.quantity, places)"
     "  FROM (SELECT group_id, seq, reservation_id, place,"
     "               sum(place) OVER (PARTITION BY group_id ORDER BY seq) AS places"
     "          FROM event WHERE group_id IS NOT NULL) AS v JOIN move AS g ON g.seq = v.group_id"
     " WHERE v.place > 0 AND places > g.quantity"},
    {VERIFY_GROUP,
     EVENTS "SELECT seq, reservation_id, NULL, 0,"
            "       printf('user %s has %d places in group %d', user_id, places, group_id)"
            "  FROM (SELECT group_id, user_id, seq, reservation_id, place,"
            "               sum(place) OVER (PARTITION BY group_id, user_id ORDER BY seq) AS places"
            "          FROM event WHERE group_id IS NOT NULL)"
            " WHERE place > 0 AND places > 1"},
    {VERIFY_GROUP, EVENTS
     "SELECT f.seq, v.reservation_id, NULL, 0,"
     "       printf('group %d failed, and a member of it is not refunded', f.group_id)"
     "  FROM move AS f JOIN (SELECT group_id, reservation_id, sum(place) AS places FROM event"
     "                        WHERE group_id IS NOT NULL GROUP BY group_id, reservation_id) AS v"
     "    ON v.group_id = f.group_id"
     " WHERE f.kind = 20 AND v.places > 0"},
    {VERIFY_GROUP,
     EVENTS "SELECT m.seq, m.reservation_id, NULL, 0,"
            "       printf('refunded with GROUP_FAILED; its group did not fail at that moment')"
            "  FROM event AS v JOIN move AS m USING (seq)"
            "  LEFT JOIN fate AS f ON f.group_id = v.group_id AND f.kind = 20 AND f.at_ms = m.at_ms"
            " WHERE m.reason = 4 AND m.kind IN (6, 7, 10, 11, 12) AND v.group_id IS NOT NULL"
            "   AND f.seq IS NULL"},
    {VERIFY_GROUP,
     "SELECT f.seq, NULL, NULL, 0, printf('group %d ends %d times', f.group_id, count(*))"
     "  FROM move AS f WHERE f.kind IN (19, 20) GROUP BY f.group_id HAVING count(*) > 1"},
    {VERIFY_GROUP, "SELECT f.seq, NULL, NULL, 0,"
                   "       printf('group %d failed %d ms before its end', f.group_id,"
                   "              g.deadline_ms - f.at_ms)"
                   "  FROM move AS f JOIN move AS g ON g.seq = f.group_id"
                   " WHERE f.kind = 20 AND f.at_ms < g.deadline_ms"},
    {VERIFY_GROUP, EVENTS
     "SELECT f.seq, NULL, NULL, 0,"
     "       printf('group %d of %d succeeded with %d members that had paid', f.group_id,"
     "              g.quantity, count(c.seq))"
     "  FROM move AS f JOIN move AS g ON g.seq = f.group_id"
     "  LEFT JOIN (SELECT c.group_id, c.seq, min(x.seq) AS back FROM event AS c LEFT JOIN event AS "
     "x"
     "                ON x.reservation_id = c.reservation_id AND x.seq > c.seq AND x.place < 0"
     "              WHERE c.kind IN (4, 14) AND c.group_id IS NOT NULL GROUP BY c.seq) AS c"
     "    ON c.group_id = f.group_id AND c.seq < f.seq AND ifnull(c.back, f.seq) >= f.seq"
     " WHERE f.kind = 19 AND f.note IS NULL GROUP BY f.seq HAVING count(c.seq) < g.quantity"},
};

/* An OPEN group past its end: told as an overdue hold is. */
static int check_overdue(struct verify *v, struct error *e)
{
    sqlite3_stmt *rows = NULL;
    int code = verify_prepare(v,
                              "SELECT seq, deadline_ms FROM move WHERE kind = 18 AND seq NOT IN"
                              " (SELECT group_id FROM move WHERE kind IN (19, 20))",
                              &rows, e);
    while (!code && (code = verify_step(v, rows, e)) == SQLITE_ROW) {
        struct place where = {.seq = sqlite3_column_int64(rows, 0)};
        long long late_ms = (long long)(v->now_ms - sqlite3_column_int64(rows, 1));
        code = 0;
        if (v->report->live && late_ms > v->config->tolerance_ms)
            verify_fault(v, VERIFY_OVERDUE, where,
                         "a group is OPEN %lld ms after its end although a server is running",
                         late_ms);
        else if (!v->report->live && late_ms > 0)
            verify_note(v, VERIFY_OVERDUE, where,
                        "a group's end passed %lld ms ago: the next start ends it", late_ms);
    }
    sqlite3_finalize(rows);
    return code < 0 ? code : 0;
}

int verify_sales(struct verify *v, struct error *e)
{
    sqlite3_stmt *any = NULL;
    int code = verify_prepare(v,
                              "SELECT EXISTS (SELECT 1 FROM sale), EXISTS (SELECT 1 FROM move"
                              " WHERE sale IS NOT NULL OR group_id IS NOT NULL)",
                              &any, e);
    if (!code && (code = verify_step(v, any, e)) == SQLITE_ROW)
        code = sqlite3_column_int(any, 0) || sqlite3_column_int(any, 1) ? 0 : SQLITE_DONE;
    sqlite3_finalize(any);
    if (!code)
        code = verify_apply(v, rules, sizeof rules / sizeof rules[0], e);
    if (!code)
        code = check_overdue(v, e);
    return code < 0 ? code : 0;
}
