-- Version 3: what happens after buying (shipping, returns, changed orders), what a lot is sold on, and
-- sales with their groups.

INSERT INTO move_kind VALUES
    (9,  'SHIP',         -1,  0, -1),       -- CONFIRMED units left the house
    (10, 'RESTOCK',      +1,  0,  0),       -- shipped units came back, and are sold again
    (11, 'WRITE_OFF',    -1,  0, -1),       -- CONFIRMED units that never left, and are not sold again
    (12, 'DISCARD',       0,  0,  0),       -- shipped units came back, and are not sold again
    (13, 'CHANGE',        0, +1,  0),       -- a PENDING hold's lines, by differences
    (14, 'RECLAIM',       0,  0, +1),       -- an expired hold, taken again and CONFIRMED at once
    (15, 'FENCE',         0,  0,  0),       -- an order_id taken by its cancel
    (16, 'LOT_TERMS',     0,  0,  0),       -- what a lot is sold on, from now on: see table lot; quantity: its backorder_limit
    (17, 'SALE',          0,  0,  0),       -- a sale, from now on: see table sale
    (18, 'GROUP_OPEN',    0,  0,  0),
    (19, 'GROUP_SUCCEED', 0,  0,  0),
    (20, 'GROUP_FAIL',    0,  0,  0);

ALTER TABLE move ADD COLUMN sale INTEGER /* number of the sale that it belongs to: see table sale */;
ALTER TABLE move ADD COLUMN group_id INTEGER /* RESERVE: the group it joins; GROUP_...: its GROUP_OPEN's seq */;

-- What a lot is sold on; the newest LOT_TERMS says it. expires_on was there before.
ALTER TABLE lot ADD COLUMN expected_on TEXT /* 'YYYY-MM-DD', when more units come; NULL: not known */;
ALTER TABLE lot ADD COLUMN per_user_limit INTEGER NOT NULL DEFAULT 0 /* units of one user outside sales; 0: any */;
ALTER TABLE lot ADD COLUMN backorder_limit INTEGER NOT NULL DEFAULT 0 /* available may fall to minus this */;
ALTER TABLE lot ADD COLUMN backorder_limit_most INTEGER NOT NULL DEFAULT 0 /* that it ever had */;
ALTER TABLE lot ADD COLUMN withdrawn INTEGER NOT NULL DEFAULT 0 /* 1: sells nothing */;

-- How a group ended, by its number.
CREATE INDEX move_group ON move(group_id) WHERE group_id IS NOT NULL AND kind > 18;

-- Sales as they stand now. Limits: 0 is none. Times are Unix milliseconds.
CREATE TABLE sale(
    sale                  INTEGER PRIMARY KEY,  -- 1, 2, 3, ... in order of creation
    sale_id               TEXT NOT NULL UNIQUE, -- the shop's name for it
    title                 TEXT NOT NULL,
    starts_at_ms          INTEGER NOT NULL,
    ends_at_ms            INTEGER NOT NULL,
    closed_at_ms          INTEGER,              -- by hand, before its end; NULL: it was not
    per_user_limit        INTEGER NOT NULL,     -- units
    per_order_limit       INTEGER NOT NULL,     -- units
    total_limit           INTEGER NOT NULL,     -- units that the sale may have of its lots
    hold_ms               INTEGER NOT NULL,     -- of an order, at most; 0: as outside sales
    payment_extend_ms_max INTEGER NOT NULL,
    group_size            INTEGER NOT NULL,     -- 0: a sale without groups
    group_window_ms       INTEGER NOT NULL,
    queue_mode            TEXT,                 -- FIRST_COME, DRAWN; NULL: no waiting room
    created_seq           INTEGER NOT NULL      -- of its first SALE move
);

-- What each sale sells: a lot, or all lots of a sku.
CREATE TABLE sale_item(
    sale     INTEGER NOT NULL,
    position INTEGER NOT NULL,                  -- 0, 1, 2, ... as the shop listed them
    lot_id   INTEGER,
    sku      TEXT,
    PRIMARY KEY (sale, position)
) WITHOUT ROWID;

-- What the moves say about each reservation now. quantity: as held, or as confirmed. shipped,
-- returned: of its confirmed units; returned counts those given back before they were shipped, too.
DROP VIEW reservation;
CREATE VIEW reservation AS
    SELECT reservation_id, order_id, user_id,
           CASE WHEN kind = 15 THEN 'REFUNDED'
                WHEN confirmed IS NOT NULL AND returned < confirmed THEN 'CONFIRMED'
                WHEN confirmed IS NOT NULL OR refunded_at_ms IS NOT NULL THEN 'REFUNDED'
                ELSE 'PENDING' END AS status,
           CASE WHEN confirmed IS NULL OR returned >= confirmed THEN
                (SELECT name FROM refund_reason AS n WHERE n.reason = ended.reason) END AS reason,
           created_at_ms, deadline_ms, confirmed_at_ms,
           CASE WHEN confirmed IS NULL OR returned >= confirmed THEN refunded_at_ms END
               AS refunded_at_ms,
           ifnull(confirmed, held) AS quantity, shipped, returned, payment_id,
           (SELECT s.sale_id FROM sale AS s WHERE s.sale = ended.sale) AS sale_id, group_id
      FROM (SELECT r.seq AS reservation_id, r.kind, r.order_id, r.user_id, r.sale, r.group_id,
                   r.at_ms AS created_at_ms,
                   max(ifnull(r.deadline_ms, 0), ifnull(max(m.deadline_ms), 0)) AS deadline_ms,
                   r.quantity + ifnull(sum(m.quantity) FILTER (WHERE m.kind = 13), 0) AS held,
                   max(m.quantity) FILTER (WHERE m.kind IN (4, 14)) AS confirmed,
                   max(m.at_ms) FILTER (WHERE m.kind IN (4, 14)) AS confirmed_at_ms,
                   max(m.detail) FILTER (WHERE m.kind IN (4, 14)) AS payment_id,
                   ifnull(sum(m.quantity) FILTER (WHERE m.kind = 9), 0) AS shipped,
                   ifnull(sum(m.quantity) FILTER (WHERE m.kind IN (7, 10, 11, 12)), 0) AS returned,
                   CASE r.kind WHEN 15 THEN r.at_ms ELSE
                        max(m.at_ms) FILTER (WHERE m.kind IN (6, 7, 10, 11, 12)) END
                       AS refunded_at_ms,
                   CASE r.kind WHEN 15 THEN r.reason ELSE
                        (SELECT x.reason FROM move AS x WHERE x.reservation_id = r.seq
                            AND x.kind IN (6, 7, 10, 11, 12) ORDER BY x.seq DESC LIMIT 1) END
                       AS reason
              FROM move AS r LEFT JOIN move AS m ON m.reservation_id = r.seq
             WHERE r.kind IN (3, 15)
             GROUP BY r.seq) AS ended;

-- Groups: how they stand by what was committed. paid: members that are CONFIRMED and not archived.
CREATE VIEW sale_group AS
    WITH ended AS (
        SELECT group_id, max(kind) AS kind FROM move WHERE kind IN (19, 20) GROUP BY group_id),
    member AS (
        SELECT group_id, count(*) AS paid FROM reservation
         WHERE group_id IS NOT NULL AND status = 'CONFIRMED' GROUP BY group_id)
    SELECT o.seq AS group_id, (SELECT s.sale_id FROM sale AS s WHERE s.sale = o.sale) AS sale_id,
           CASE ended.kind WHEN 19 THEN 'SUCCEEDED' WHEN 20 THEN 'FAILED' ELSE 'OPEN' END AS status,
           o.quantity AS size, o.at_ms AS opened_at_ms, o.deadline_ms AS ends_at_ms,
           ifnull(member.paid, 0) AS paid
      FROM move AS o LEFT JOIN ended ON ended.group_id = o.seq
                     LEFT JOIN member ON member.group_id = o.seq
     WHERE o.kind = 18;
