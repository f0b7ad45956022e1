-- Version 2: a RESERVE keeps a digest of what its order asked for, so that a retry can be told from
-- another order of the same order_id long after the hold has ended. A row of version 1 has none.
ALTER TABLE move ADD COLUMN fingerprint INTEGER /* RESERVE: digest of the order's content */;
