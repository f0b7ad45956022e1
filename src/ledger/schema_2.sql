-- Version 2: a RESERVE keeps a digest of what its order asked for, so that a retry can be told from
-- another order of the same order_id long after the hold has ended. A row of version 1 has none.
ALTER TABLE move ADD COLUMN fingerprint INTEGER /* RESERVE: digest of the order's content */;

-- The newest move that retention removed: a newest move that is not there was removed by it only up
-- to here.
INSERT INTO meta SELECT 'archived_newest', CASE WHEN EXISTS (SELECT 1 FROM archived)
                                                THEN (SELECT seq FROM snapshot) ELSE 0 END;

-- Moves that had been durable, were found missing at a start, and which the operator decided to go
-- on without.
CREATE TABLE accepted_loss(
    newest_seq     INTEGER PRIMARY KEY,    -- the newest move that was left; 0: there was none
    accepted_at_ms INTEGER NOT NULL,
    missing_to_seq INTEGER,                -- the newest move that is known to be missing
    missing_moves  INTEGER,                -- at least so many
    why            TEXT NOT NULL           -- how the start knew
);
