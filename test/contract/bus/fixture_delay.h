/* fixture_delay.h - what every delay line promises, as tests for a rig of any adapter. */
#ifndef TALLY_TEST_FIXTURE_DELAY_H
#define TALLY_TEST_FIXTURE_DELAY_H

#include "fixture.h"

#include <pthread.h>

#include "bus/delay.h"

enum { DELAY_SEEN_MAX = 1024, DELAY_SHORT_MS = 100 };

struct delay_rig {
    struct delay *line;
    pthread_mutex_t lock;
    struct {
        char text[DELAY_TEXT_MAX + 1];
        uint64_t at_ns;
    } seen[DELAY_SEEN_MAX];
    int count;
    int fails; /* so many are done with an error first */
    bool keep; /* what comes out is not done */
    struct delay_message *kept;
};

struct delay_rig *delay_rig_new(void);
delay_out_fn delay_rig_out; /* context is the rig */
/* Stops and destroys the line, and the rig. */
void delay_rig_destroy(struct delay_rig *r);

int delay_seen(struct delay_rig *r);
/* As soon as the line takes it: a broker may still be being connected. */
void delay_put(struct delay_rig *r, const char *text, int64_t delay_ms);
struct delay_stats delay_rig_stats(struct delay_rig *r);

#define DELAY_CONTRACT(ON)                                                                         \
    ON(a_message_comes_out_not_before_its_time)                                                    \
    ON(a_longer_delay_does_not_hold_up_a_shorter_one)                                              \
    ON(all_that_were_taken_come_out)                                                               \
    ON(what_is_not_done_comes_again)                                                               \
    ON(a_line_that_holds_as_much_as_it_may_refuses)                                                \
    ON(a_stopped_line_takes_nothing)                                                               \
    ON(a_text_that_is_too_long_is_refused)                                                         \
    ON(what_is_out_may_be_done_after_the_stop)

#define DECLARE(name) void name(void **state);
DELAY_CONTRACT(DECLARE)
#undef DECLARE

#endif
