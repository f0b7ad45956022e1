-- The ledger, as a person sees it with the sqlite3 shell:  sqlite3 -readonly DIR/ledger.db
--
--   SELECT * FROM stock;                                   what is on hand, held and free, per lot
--   SELECT * FROM reservation WHERE order_id = '...';      what the moves say about an order now
--   SELECT * FROM move ORDER BY seq DESC LIMIT 20;         the newest history
--
-- One row of `move` per move; nothing of it is ever changed, and retention alone removes rows.
-- Everything else follows from it. Times are Unix milliseconds (ledger time), quantities are units.

CREATE TABLE meta(
    key   TEXT PRIMARY KEY,                -- schema_version, hash_seed, created_at, archived_seq
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE lot(
    lot_id        INTEGER PRIMARY KEY,     -- 1, 2, 3, ... in order of creation
    lot_key       TEXT NOT NULL UNIQUE,    -- sku#hhhhhhhh
    sku           TEXT NOT NULL,
    flavor        TEXT NOT NULL,
    size          TEXT NOT NULL,
    batch         TEXT NOT NULL,
    expires_on    TEXT,                    -- 'YYYY-MM-DD', the last day of sale; NULL: never expires
    created_at_ms INTEGER NOT NULL
);

-- What a move does to its lot's counters, per unit of its quantity.
CREATE TABLE move_kind(
    kind      INTEGER PRIMARY KEY,
    name      TEXT NOT NULL,
    on_hand   INTEGER NOT NULL,
    reserved  INTEGER NOT NULL,
    confirmed INTEGER NOT NULL
);
INSERT INTO move_kind VALUES
    (1, 'CREATE',  +1,  0,  0),
    (2, 'ADJUST',  +1,  0,  0),
    (3, 'RESERVE',  0, +1,  0),
    (4, 'CONFIRM',  0, -1, +1),
    (5, 'RELEASE',  0, -1,  0),
    (6, 'REFUND',   0, -1,  0),
    (7, 'RETURN',   0,  0, -1),
    (8, 'EXTEND',   0,  0,  0);

CREATE TABLE refund_reason(
    reason INTEGER PRIMARY KEY,
    name   TEXT NOT NULL
);
INSERT INTO refund_reason VALUES
    (1, 'EXPIRED'), (2, 'CANCELLED'), (3, 'RETURNED'), (4, 'GROUP_FAILED'), (5, 'UNSETTLED');

-- The log. seq = milliseconds since 2020-01-01 (41 bits) | node (10 bits) | counter (12 bits), and
-- grows with every row. A reservation's id is the seq of its RESERVE. What a kind has no use for is
-- NULL.
CREATE TABLE move(
    seq            INTEGER PRIMARY KEY,
    kind           INTEGER NOT NULL,
    lot_id         INTEGER,                -- NULL: several lots, see move_line
    quantity       INTEGER NOT NULL,       -- units; of all lines together; ADJUST may be negative
    at_ms          INTEGER NOT NULL,
    deadline_ms    INTEGER,                -- RESERVE, EXTEND: when the hold ends by itself
    order_id       TEXT,                   -- RESERVE
    user_id        TEXT,                   -- RESERVE
    reservation_id INTEGER,                -- NULL for RESERVE (it is its seq), CREATE, ADJUST
    reason         INTEGER,                -- REFUND, RETURN: see refund_reason
    detail         TEXT,                   -- CONFIRM: payment_id. ADJUST: adjustment_id
    note           TEXT                    -- ADJUST: why
);
-- Both indexes are partial, so that a RESERVE touches no tree but the table's own right edge.
CREATE INDEX move_reservation ON move(reservation_id) WHERE reservation_id IS NOT NULL;
CREATE INDEX move_adjustment ON move(detail) WHERE kind = 2 AND detail IS NOT NULL;

-- The lines of moves that touch several lots.
CREATE TABLE move_line(
    seq      INTEGER NOT NULL,
    lot_id   INTEGER NOT NULL,
    quantity INTEGER NOT NULL,
    PRIMARY KEY (seq, lot_id)
) WITHOUT ROWID;

-- Stock after all moves up to snapshot.seq. The server writes it now and then, in the same
-- transaction as that move or a later one, so that a start needs to replay only what came since.
CREATE TABLE stock_snapshot(
    lot_id    INTEGER PRIMARY KEY,
    on_hand   INTEGER NOT NULL,
    reserved  INTEGER NOT NULL,
    confirmed INTEGER NOT NULL,
    version   INTEGER NOT NULL             -- lines of moves that touched the lot
);
CREATE TABLE snapshot(
    id             INTEGER PRIMARY KEY CHECK (id = 1),
    seq            INTEGER NOT NULL,
    oldest_pending INTEGER NOT NULL        -- every reservation with a lower id is finished
);
INSERT INTO snapshot VALUES (1, 0, 0);

-- What the moves that retention removed had done, so that archived + moves = stock stays provable.
CREATE TABLE archived(
    lot_id    INTEGER PRIMARY KEY,
    on_hand   INTEGER NOT NULL,
    reserved  INTEGER NOT NULL,
    confirmed INTEGER NOT NULL,
    moves     INTEGER NOT NULL             -- lines of removed moves
);

-- How far each reader of the log (events, webhooks, caches) has come.
CREATE TABLE cursor(
    reader TEXT PRIMARY KEY,
    seq    INTEGER NOT NULL
) WITHOUT ROWID;

-- The stock at this instant: right whenever it is asked, also while the server runs or after it was
-- killed.
CREATE VIEW stock AS
    WITH tail AS (
        SELECT lot_id, sum(on_hand) AS on_hand, sum(reserved) AS reserved,
               sum(confirmed) AS confirmed, count(*) AS moves
          FROM (SELECT m.lot_id, m.quantity * k.on_hand AS on_hand,
                       m.quantity * k.reserved AS reserved, m.quantity * k.confirmed AS confirmed
                  FROM move AS m CROSS JOIN move_kind AS k ON k.kind = m.kind
                 WHERE m.seq > (SELECT seq FROM snapshot) AND m.lot_id IS NOT NULL
                UNION ALL
                SELECT l.lot_id, l.quantity * k.on_hand, l.quantity * k.reserved,
                       l.quantity * k.confirmed
                  FROM move_line AS l CROSS JOIN move AS m ON m.seq = l.seq
                                      CROSS JOIN move_kind AS k ON k.kind = m.kind
                 WHERE l.seq > (SELECT seq FROM snapshot))
         GROUP BY lot_id),
    total AS (
        SELECT lot.lot_id, lot.lot_key,
               ifnull(s.on_hand, 0) + ifnull(t.on_hand, 0) AS on_hand,
               ifnull(s.reserved, 0) + ifnull(t.reserved, 0) AS reserved,
               ifnull(s.confirmed, 0) + ifnull(t.confirmed, 0) AS confirmed,
               ifnull(s.version, 0) + ifnull(t.moves, 0) AS version
          FROM lot LEFT JOIN stock_snapshot AS s ON s.lot_id = lot.lot_id
                   LEFT JOIN tail AS t ON t.lot_id = lot.lot_id)
    SELECT lot_id, lot_key, on_hand, reserved, confirmed,
           on_hand - reserved - confirmed AS available, version
      FROM total;

-- What the moves say about each reservation now. quantity: as held, or as confirmed; of a refunded
-- one, what was given back last.
CREATE VIEW reservation AS
    SELECT r.seq AS reservation_id, r.order_id, r.user_id,
           CASE WHEN e.seq IS NOT NULL THEN 'REFUNDED'
                WHEN c.seq IS NOT NULL THEN 'CONFIRMED'
                ELSE 'PENDING' END AS status,
           reason.name AS reason,
           r.at_ms AS created_at_ms,
           max(r.deadline_ms, ifnull((SELECT max(x.deadline_ms) FROM move AS x
                                       WHERE x.reservation_id = r.seq AND x.kind = 8), 0))
               AS deadline_ms,
           c.at_ms AS confirmed_at_ms,
           e.at_ms AS refunded_at_ms,
           ifnull(c.quantity, r.quantity) AS quantity,
           c.detail AS payment_id
      FROM move AS r
      LEFT JOIN move AS c ON c.reservation_id = r.seq AND c.kind = 4
      LEFT JOIN move AS e ON e.reservation_id = r.seq AND e.kind IN (6, 7)
      LEFT JOIN refund_reason AS reason ON reason.reason = e.reason
     WHERE r.kind = 3;
