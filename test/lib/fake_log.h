/* fake_log.h - a ledger of which only the log can be read: moves that a test puts there. */
#ifndef TALLY_TEST_FAKE_LOG_H
#define TALLY_TEST_FAKE_LOG_H

#include <pthread.h>

#include "ledger/ledger.h"

enum { FAKE_LOG_MOVES = 4096, FAKE_LOG_LOTS = 8, FAKE_LOG_CURSORS = 4 };

struct fake_log {
    struct ledger port; /* first */
    pthread_mutex_t lock;
    struct move moves[FAKE_LOG_MOVES];
    char orders[FAKE_LOG_MOVES][16];
    uint32_t count;
    uint32_t committed; /* of them: the log's end */
    int64_t start;
    int read_fails; /* what read_log returns instead, or 0 */
    int reads;
    struct {
        char reader[32];
        int64_t seq;
    } cursors[FAKE_LOG_CURSORS];
    uint32_t cursor_count;
    bool stuck; /* cursor_set does not return */
    pthread_cond_t loose;
    struct lot_dims dims[FAKE_LOG_LOTS];
    char keys[FAKE_LOG_LOTS][16];
};

void fake_log_init(struct fake_log *f);
void fake_log_close(struct fake_log *f);
/* A RESERVE of `lot` with the order_id "o<seq>"; committed unless `later`. Seqs are 10, 20, 30...
 */
int64_t fake_log_add(struct fake_log *f, lot_id lot);
int64_t fake_log_add_later(struct fake_log *f, lot_id lot);
void fake_log_commit(struct fake_log *f);
/* Takes away the moves up to seq, as retention does. */
void fake_log_take(struct fake_log *f, int64_t seq);
void fake_log_fail(struct fake_log *f, int code);
int fake_log_reads(struct fake_log *f);
void fake_log_stick(struct fake_log *f, bool stuck); /* cursor_set waits as long */
/* For bus_inproc_config and event_namer; context is the log. */
const struct lot_dims *fake_log_dims(void *context, lot_id id);

#endif
