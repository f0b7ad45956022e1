/* fixture_fake_http1.h - what tests of HTTP/1.1 alone use of the fake server. */
#ifndef TALLY_TEST_LOADGEN_FIXTURE_FAKE_HTTP1_H
#define TALLY_TEST_LOADGEN_FIXTURE_FAKE_HTTP1_H

#include "fixture_fake.h"

/* The JSON of a good answer or a problem; to be freed. */
char *fake_http1_body(const struct seen *request, const struct reply *reply);
int fake_http1_status(const char *code);

#endif
