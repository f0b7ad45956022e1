/* verify.h - proves from the rows of a ledger that its promises were kept.
 *
 * It shares no code with the engine or the ledger: what a legal history is stands here a second
 * time, from the definition, so that a mistake there cannot hide itself here. It reads through one
 * connection, in one read transaction, so it sees one moment of a ledger that servers may be
 * writing to: of a file at its place, of MySQL into a temporary file, so that the checks are the
 * same and the database is not kept from cleaning up for longer than it takes to read it once.
 *
 * The log is read once, in order. Beside that scan run two more cursors in step with it: over the
 * moves of each reservation (by the index on reservation_id) and over the lines of multi-line
 * moves. So memory is bounded by the number of lots, not by the length of the log; order_ids are
 * sorted outside memory.
 */
#ifndef TALLY_CLI_VERIFY_H
#define TALLY_CLI_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "cli/mysql_login.h"

/* id, promise, what is checked */
#define VERIFY_CHECKS(X)                                                                           \
    X(FILE, "file", "the file, or what holds the tables, is sound")                                \
    X(LOG, "log", "the log is in order; snapshot and cursors lie within it")                       \
    X(DURABLE, "I3", "nothing is missing of what had been durable")                                \
    X(LOT, "I1", "every lot has one beginning and the key of its dimensions")                      \
    X(STOCK, "I1", "replayed move by move, no lot is ever oversold or negative")                   \
    X(STORED, "I1", "the stored stock is what the moves add up to")                                \
    X(OWNED, "I2", "every reserved and confirmed unit belongs to a reservation")                   \
    X(HISTORY, "I2", "every reservation's history is legal, and gives back once")                  \
    X(LINES, "I2", "the lines of every move add up")                                               \
    X(ORDER, "I4", "no order_id has two reservations")                                             \
    X(ADJUSTMENT, "I4", "no adjustment_id was applied twice")                                      \
    X(DEADLINE, "I5", "no hold was used after its deadline or expired before it")                  \
    X(OVERDUE, "I5", "no hold is pending past its deadline")                                       \
    X(LIMIT, "sale", "no user has more of a lot than it allows outside sales")                     \
    X(EXPIRED, "sale", "no unit was reserved after its lot's last day of sale")                    \
    X(SALE, "sale", "every sale kept its times, its lots, its share and its limits")               \
    X(GROUP, "sale", "every group has its places, and ended for all its members alike")

enum verify_check {
#define X(id, promise, text) VERIFY_##id,
    VERIFY_CHECKS(X)
#undef X
        VERIFY_CHECK_COUNT
};

extern const char *const verify_promises[VERIFY_CHECK_COUNT];
extern const char *const verify_names[VERIFY_CHECK_COUNT]; /* "HISTORY" */
extern const char *const verify_texts[VERIFY_CHECK_COUNT];

enum { FINDING_TEXT_MAX = 240 };

/* What is wrong and where. 0: has no such place. */
struct finding {
    enum verify_check check;
    bool note; /* worth knowing, not wrong */
    int64_t seq;
    int64_t reservation_id;
    int64_t lot_id;
    char text[FINDING_TEXT_MAX];
};

struct verify_config {
    const char *data;         /* a data folder, a ledger file, or mysql://user@host:port/database */
    struct mysql_login login; /* of the latter */
    int64_t now_ms;           /* 0: the later of the wall clock and the newest move */
    int64_t tolerance_ms;     /* how late a live server may be with an expiry */
    int64_t order_retention_ms; /* an order_id may be used again after it */
    uint32_t findings_max;      /* kept; all are counted */
    uint32_t sort_entries;      /* order_ids sorted in memory at a time */
    bool skip_file_check;
    void (*progress)(void *context, int64_t done, int64_t total);
    void (*stage)(void *context, const char *text); /* what comes next, where it may take long */
    void *context;
};

struct verify_report {
    struct finding *findings;
    uint32_t finding_count;
    uint32_t findings_max;
    uint64_t faults[VERIFY_CHECK_COUNT];
    uint64_t notes[VERIFY_CHECK_COUNT];
    uint64_t fault_count;
    bool live; /* a server has the data folder open */
    int64_t schema_version;
    int64_t bytes;
    int64_t lots, moves, reservations, pending, confirmed, refunded;
    int64_t archived_moves;
    int64_t newest_seq, newest_at_ms;
    int64_t late_max_ms; /* the latest expiry after its deadline */
    double seconds;      /* of reading the log */
};

/* 0 if the ledger was read to its end, whatever was found; else why it could not be read. */
int verify_run(const struct verify_config *config, struct verify_report *report,
               struct error *e) MUST_CHECK;
void verify_report_close(struct verify_report *report);

#endif
