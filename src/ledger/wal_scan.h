/* wal_scan.h - is SQLite's write-ahead log damaged, or did it only end in mid-write?
 *
 * SQLite reads the log up to the first frame whose checksum is wrong and takes that for its end. So
 * it does after a power cut, and so it does when a bit flipped in the middle. The difference is
 * what follows: a transaction is begun only when the one before was synced, so if a later
 * transaction's frames stand behind a bad one, what is bad had been durable once.
 */
#ifndef TALLY_LEDGER_WAL_SCAN_H
#define TALLY_LEDGER_WAL_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct wal_scan {
    uint32_t frames; /* in the file */
    uint32_t sound;  /* from the beginning on */
    bool damaged;    /* frame number `sound` + 1 is bad, and had been durable */
    uint32_t lost;   /* at least so many transactions stand behind it */
};

/* A log that is not there, or has no header that SQLite would take, has no frames. TLY_EIO if it
 * cannot be read. Format: https://sqlite.org/fileformat2.html#walformat */
int wal_scan(const char *path, struct wal_scan *out, struct error *e) MUST_CHECK;

#endif
