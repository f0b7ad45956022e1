/* fixture_fake_grpc.h - what tests of gRPC alone do to the fake server. */
#ifndef TALLY_TEST_LOADGEN_FIXTURE_FAKE_GRPC_H
#define TALLY_TEST_LOADGEN_FIXTURE_FAKE_GRPC_H

#include <nghttp2/nghttp2.h>

#include "fixture_fake.h"

nghttp2_session *fake_grpc_session(struct fake *f);
/* What the session has to say goes to f->out. */
void fake_grpc_flush(struct fake *f);
/* An answer of these bytes: headers, body if there is any, trailers if there are any. */
struct fake_fields {
    const char *names[8], *values[8];
};
extern const struct fake_fields fake_no_end; /* as trailers: the stream stays open */
void fake_grpc_raw(struct fake *f, int32_t stream, const struct fake_fields *headers,
                   const void *body, size_t size, const struct fake_fields *trailers);
/* The good answer's body, with its prefix; returns its size. */
size_t fake_grpc_body(const struct seen *request, const struct reply *reply, uint8_t *out);
/* grpc-status-details-bin. */
void fake_grpc_details(const char *reason, bool padded, char out[1024]);
int fake_grpc_status(const char *reason);

#endif
