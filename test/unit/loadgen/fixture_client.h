/* fixture_client.h - a session of the load generator under test, with what it sent and what it
 * answered. */
#ifndef TALLY_TEST_LOADGEN_FIXTURE_CLIENT_H
#define TALLY_TEST_LOADGEN_FIXTURE_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "loadgen/protocol.h"

enum { CLIENT_LOTS = 3, CLIENT_ANSWERS_MAX = 512, CLIENT_OUTCOMES_MAX = 16 };

struct client_answer {
    struct call *call;
    struct answer answer; /* `outcomes` points to the copies */
    struct batch_outcome outcomes[CLIENT_OUTCOMES_MAX];
};

struct client {
    const struct protocol *protocol;
    struct protocol_session *session;
    struct protocol_target target;
    uint8_t *sent; /* not yet looked at by the peer */
    size_t sent_size, sent_capacity;
    struct client_answer answers[CLIENT_ANSWERS_MAX];
    unsigned answer_count;
    bool may_answer; /* inside input() or fail() */
    /* Calls that are submitted from inside of an answer, one for each. */
    struct call *next_calls;
    unsigned next_count;
    int next_result; /* of the last one */
};

/* Lot 0 is "cola#008a47f9"; 1 is a short one; 2 is as long as they may be, and needs encoding. */
void client_open(struct client *c, const struct protocol *protocol, uint32_t streams);
void client_close(struct client *c);
/* Must be taken. */
void client_submit(struct client *c, struct call *call);
/* Takes all output, `piece` bytes at a time (0: any). */
void client_flush(struct client *c, size_t piece);
/* Input, from memory of its own, `piece` bytes at a time (0: all at once), until it is refused. */
int client_feed(struct client *c, const uint8_t *bytes, size_t size, size_t piece);
void client_fail(struct client *c, enum answer_code code);
/* The only answer to it; fails if there is none, or another. */
const struct answer *client_answer(const struct client *c, const struct call *call);
bool client_has_answer(const struct client *c, const struct call *call);

#endif
