/* fixture_answers.h - a server that is a function from calls to answers, behind the protocol of
 * fixture_echo.h: its peer decides whether an answer comes, the function what it says. */
#ifndef TALLY_TEST_LOADGEN_FIXTURE_ANSWERS_H
#define TALLY_TEST_LOADGEN_FIXTURE_ANSWERS_H

#include "loadgen/protocol.h"

extern const struct protocol protocol_answers;

/* Called on the worker's thread, for calls that the peer answered well. */
void answers_set(struct answer (*answer)(const struct call *call));

#endif
