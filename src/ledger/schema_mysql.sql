-- The ledger in MariaDB or MySQL, as a person sees it with the mysql shell:
--
--   SELECT * FROM stock;                                   what is on hand, held and free, per lot
--   SELECT * FROM reservation WHERE order_id = '...';      what the moves say about an order now
--   SELECT * FROM move ORDER BY seq DESC LIMIT 20;         the newest history
--
-- The same words as in schema.sql and what came after it (version 3). One row of `move` per move;
-- nothing of it is ever changed. Times are Unix milliseconds (ledger time), quantities are units.
-- Ids are bytes that are compared as they are: VARBINARY, since a text would forget the blanks at
-- its end. Making it again does no harm: MySQL commits each of these by itself.

CREATE TABLE IF NOT EXISTS meta(
    `key` VARBINARY(64) PRIMARY KEY,       -- schema_version, hash_seed, created_at; rows to lock: `numbers`
    value VARBINARY(255) NOT NULL          -- to number a lot, `sales` (its newest seq) to write about a sale
) ENGINE = InnoDB;
INSERT IGNORE INTO meta VALUES ('numbers', ''), ('sales', '0');

CREATE TABLE IF NOT EXISTS lot(
    lot_id               BIGINT PRIMARY KEY,        -- 1, 2, 3, ... in order of creation
    lot_key              VARBINARY(80) NOT NULL UNIQUE, -- sku#hhhhhhhh
    sku                  VARBINARY(64) NOT NULL,
    flavor               VARCHAR(64) NOT NULL,
    size                 VARCHAR(64) NOT NULL,
    batch                VARCHAR(64) NOT NULL,
    expires_on           VARBINARY(10),             -- 'YYYY-MM-DD', the last day of sale; NULL: never expires
    created_at_ms        BIGINT NOT NULL,
    expected_on          VARBINARY(10),             -- 'YYYY-MM-DD', when more units come; NULL: not known
    per_user_limit       BIGINT NOT NULL DEFAULT 0, -- units of one user outside sales; 0: any
    backorder_limit      BIGINT NOT NULL DEFAULT 0, -- available may fall to minus this
    backorder_limit_most BIGINT NOT NULL DEFAULT 0, -- that it ever had
    withdrawn            TINYINT NOT NULL DEFAULT 0, -- 1: sells nothing
    KEY lot_sku (sku)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- What a move does to its lot's counters, per unit of its quantity.
CREATE TABLE IF NOT EXISTS move_kind(
    kind      INT PRIMARY KEY,
    name      VARBINARY(16) NOT NULL,
    on_hand   INT NOT NULL,
    reserved  INT NOT NULL,
    confirmed INT NOT NULL
) ENGINE = InnoDB;
INSERT IGNORE INTO move_kind VALUES
    (1, 'CREATE', 1, 0, 0), (2, 'ADJUST', 1, 0, 0), (3, 'RESERVE', 0, 1, 0),
    (4, 'CONFIRM', 0, -1, 1), (5, 'RELEASE', 0, -1, 0), (6, 'REFUND', 0, -1, 0),
    (7, 'RETURN', 0, 0, -1), (8, 'EXTEND', 0, 0, 0), (9, 'SHIP', -1, 0, -1),
    (10, 'RESTOCK', 1, 0, 0), (11, 'WRITE_OFF', -1, 0, -1), (12, 'DISCARD', 0, 0, 0),
    (13, 'CHANGE', 0, 1, 0), (14, 'RECLAIM', 0, 0, 1), (15, 'FENCE', 0, 0, 0),
    (16, 'LOT_TERMS', 0, 0, 0), (17, 'SALE', 0, 0, 0), (18, 'GROUP_OPEN', 0, 0, 0),
    (19, 'GROUP_SUCCEED', 0, 0, 0), (20, 'GROUP_FAIL', 0, 0, 0);

CREATE TABLE IF NOT EXISTS refund_reason(
    reason INT PRIMARY KEY,
    name   VARBINARY(16) NOT NULL
) ENGINE = InnoDB;
INSERT IGNORE INTO refund_reason VALUES
    (1, 'EXPIRED'), (2, 'CANCELLED'), (3, 'RETURNED'), (4, 'GROUP_FAILED'), (5, 'UNSETTLED');

-- The log. seq = milliseconds since 2020-01-01 (41 bits) | lane (10 bits) | counter (12 bits). It
-- grows with every row of a lane and of a lot. A reservation's id is the seq of its RESERVE. What a
-- kind has no use for is NULL.
CREATE TABLE IF NOT EXISTS move(
    seq            BIGINT PRIMARY KEY,
    kind           TINYINT NOT NULL,
    lot_id         BIGINT,                 -- NULL: several lots, see move_line
    quantity       BIGINT NOT NULL,        -- units; of all lines together; ADJUST may be negative
    at_ms          BIGINT NOT NULL,
    deadline_ms    BIGINT,                 -- RESERVE, EXTEND: when the hold ends by itself
    order_id       VARBINARY(64),          -- RESERVE, FENCE: one outcome each
    user_id        VARBINARY(64),
    reservation_id BIGINT,                 -- NULL for RESERVE and FENCE (it is their seq)
    reason         TINYINT,                -- see refund_reason
    detail         VARBINARY(64),          -- payment_id, adjustment_id, shipment_id, ...
    note           VARCHAR(255),           -- why
    fingerprint    BIGINT,                 -- digest of what was asked for
    sale           BIGINT,                 -- number of the sale that it belongs to
    group_id       BIGINT,                 -- RESERVE: the group it joins; GROUP_...: its GROUP_OPEN's seq
    UNIQUE KEY move_order (order_id),
    KEY move_reservation (reservation_id),
    KEY move_user (user_id),
    KEY move_sale (sale),
    KEY move_group (group_id)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The lines of moves that touch several lots.
CREATE TABLE IF NOT EXISTS move_line(
    seq      BIGINT NOT NULL,
    lot_id   BIGINT NOT NULL,
    quantity BIGINT NOT NULL,
    PRIMARY KEY (seq, lot_id)
) ENGINE = InnoDB;

-- An adjustment_id is used once.
CREATE TABLE IF NOT EXISTS adjustment(
    adjustment_id VARBINARY(64) PRIMARY KEY,
    seq           BIGINT NOT NULL          -- of its ADJUST
) ENGINE = InnoDB;

-- Stock after all moves: written with every one of them, by whoever knew the row's version. What a
-- wrong writer would break, the database refuses.
CREATE TABLE IF NOT EXISTS stock(
    lot_id               BIGINT PRIMARY KEY,
    on_hand              BIGINT NOT NULL,
    reserved             BIGINT NOT NULL,
    confirmed            BIGINT NOT NULL,
    version              BIGINT NOT NULL,  -- lines of moves that touched the lot
    last_seq             BIGINT NOT NULL,  -- of the newest of them
    backorder_limit_most BIGINT NOT NULL,  -- as in lot
    available            BIGINT AS (on_hand - reserved - confirmed) VIRTUAL,
    CONSTRAINT stock_is_not_negative CHECK (on_hand >= 0 AND reserved >= 0 AND confirmed >= 0),
    CONSTRAINT stock_is_not_oversold
        CHECK (on_hand - reserved - confirmed >= -backorder_limit_most)
) ENGINE = InnoDB;

-- Holds that are PENDING, by their deadline: whoever comes first gives back what is due.
CREATE TABLE IF NOT EXISTS pending(
    reservation_id BIGINT PRIMARY KEY,
    deadline_ms    BIGINT NOT NULL,
    KEY pending_deadline (deadline_ms, reservation_id)
) ENGINE = InnoDB;

-- Groups that are OPEN, by their end.
CREATE TABLE IF NOT EXISTS open_group(
    group_id BIGINT PRIMARY KEY,           -- seq of its GROUP_OPEN
    ends_ms  BIGINT NOT NULL,
    KEY open_group_end (ends_ms, group_id)
) ENGINE = InnoDB;

-- Who writes under which number. Every transaction that writes moves updates its own row first, so
-- that a reader of the log knows from which number on rows may still come: none at or below the
-- greater of last_seq and floor_seq.
CREATE TABLE IF NOT EXISTS lane(
    lane            SMALLINT PRIMARY KEY,  -- the ten bits in the middle of a seq
    node            VARBINARY(128) NOT NULL, -- who has it: host and process
    token           BIGINT NOT NULL,       -- which only its holder knows
    leased_until_ms BIGINT NOT NULL,       -- by the database's clock; 0: given back
    last_seq        BIGINT NOT NULL,       -- newest move that was committed
    floor_seq       BIGINT NOT NULL        -- its next moves are higher than this
) ENGINE = InnoDB;

-- What the moves that retention removed had done.
CREATE TABLE IF NOT EXISTS archived(
    lot_id    BIGINT PRIMARY KEY,
    on_hand   BIGINT NOT NULL,
    reserved  BIGINT NOT NULL,
    confirmed BIGINT NOT NULL,
    moves     BIGINT NOT NULL              -- lines of removed moves
) ENGINE = InnoDB;

-- How far each reader of the log (events, webhooks, caches) has come.
CREATE TABLE IF NOT EXISTS `cursor`(
    reader VARBINARY(128) PRIMARY KEY,
    seq    BIGINT NOT NULL
) ENGINE = InnoDB;

-- Sales as they stand now. Limits: 0 is none.
CREATE TABLE IF NOT EXISTS sale(
    sale                  BIGINT PRIMARY KEY,          -- 1, 2, 3, ... in order of creation
    sale_id               VARBINARY(64) NOT NULL UNIQUE, -- the shop's name for it
    title                 VARCHAR(128) NOT NULL,
    starts_at_ms          BIGINT NOT NULL,
    ends_at_ms            BIGINT NOT NULL,
    closed_at_ms          BIGINT,                      -- by hand, before its end; NULL: it was not
    per_user_limit        BIGINT NOT NULL,             -- units
    per_order_limit       BIGINT NOT NULL,             -- units
    total_limit           BIGINT NOT NULL,             -- units that the sale may have of its lots
    hold_ms               BIGINT NOT NULL,             -- of an order, at most; 0: as outside sales
    payment_extend_ms_max BIGINT NOT NULL,
    group_size            INT NOT NULL,                -- 0: a sale without groups
    group_window_ms       BIGINT NOT NULL,
    queue_mode            VARBINARY(16),               -- FIRST_COME, DRAWN; NULL: no waiting room
    created_seq           BIGINT NOT NULL              -- of its first SALE move
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- What each sale sells: a lot, or all lots of a sku.
CREATE TABLE IF NOT EXISTS sale_item(
    sale     BIGINT NOT NULL,
    position INT NOT NULL,                             -- 0, 1, 2, ... as the shop listed them
    lot_id   BIGINT,
    sku      VARBINARY(64),
    PRIMARY KEY (sale, position)
) ENGINE = InnoDB;

-- What the moves say about each reservation now. quantity: as held, or as confirmed. shipped,
-- returned: of its confirmed units; returned counts those given back before they were shipped, too.
CREATE OR REPLACE VIEW reservation AS
    SELECT reservation_id, order_id, user_id,
           CASE WHEN kind = 15 THEN 'REFUNDED'
                WHEN confirmed IS NOT NULL AND returned < confirmed THEN 'CONFIRMED'
                WHEN confirmed IS NOT NULL OR refunded_at_ms IS NOT NULL THEN 'REFUNDED'
                ELSE 'PENDING' END AS status,
           CASE WHEN confirmed IS NULL OR returned >= confirmed THEN
                (SELECT n.name FROM refund_reason AS n WHERE n.reason = ended.reason) END AS reason,
           created_at_ms, deadline_ms, confirmed_at_ms,
           CASE WHEN confirmed IS NULL OR returned >= confirmed THEN refunded_at_ms END
               AS refunded_at_ms,
           ifnull(confirmed, held) AS quantity, shipped, returned, payment_id,
           (SELECT s.sale_id FROM sale AS s WHERE s.sale = ended.sale) AS sale_id, group_id
      FROM (SELECT r.seq AS reservation_id, r.kind, r.order_id, r.user_id, r.sale, r.group_id,
                   r.at_ms AS created_at_ms,
                   greatest(ifnull(r.deadline_ms, 0), ifnull(max(m.deadline_ms), 0)) AS deadline_ms,
                   r.quantity + ifnull(sum(CASE WHEN m.kind = 13 THEN m.quantity END), 0) AS held,
                   max(CASE WHEN m.kind IN (4, 14) THEN m.quantity END) AS confirmed,
                   max(CASE WHEN m.kind IN (4, 14) THEN m.at_ms END) AS confirmed_at_ms,
                   max(CASE WHEN m.kind IN (4, 14) THEN m.detail END) AS payment_id,
                   ifnull(sum(CASE WHEN m.kind = 9 THEN m.quantity END), 0) AS shipped,
                   ifnull(sum(CASE WHEN m.kind IN (7, 10, 11, 12) THEN m.quantity END), 0)
                       AS returned,
                   CASE r.kind WHEN 15 THEN r.at_ms ELSE
                        max(CASE WHEN m.kind IN (6, 7, 10, 11, 12) THEN m.at_ms END) END
                       AS refunded_at_ms,
                   CASE r.kind WHEN 15 THEN r.reason ELSE
                        (SELECT x.reason FROM move AS x WHERE x.reservation_id = r.seq
                            AND x.kind IN (6, 7, 10, 11, 12) ORDER BY x.seq DESC LIMIT 1) END
                       AS reason
              FROM move AS r LEFT JOIN move AS m ON m.reservation_id = r.seq
             WHERE r.kind IN (3, 15)
             GROUP BY r.seq) AS ended;

-- Groups: how they stand by what was committed. paid: members that are CONFIRMED.
CREATE OR REPLACE VIEW sale_group AS
    SELECT o.seq AS group_id, (SELECT s.sale_id FROM sale AS s WHERE s.sale = o.sale) AS sale_id,
           CASE ended.kind WHEN 19 THEN 'SUCCEEDED' WHEN 20 THEN 'FAILED' ELSE 'OPEN' END AS status,
           o.quantity AS size, o.at_ms AS opened_at_ms, o.deadline_ms AS ends_at_ms,
           (SELECT count(*) FROM reservation AS r
             WHERE r.group_id = o.seq AND r.status = 'CONFIRMED') AS paid
      FROM move AS o LEFT JOIN move AS ended ON ended.group_id = o.seq AND ended.kind IN (19, 20)
     WHERE o.kind = 18;
