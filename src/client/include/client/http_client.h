/* http_client.h - a small blocking HTTP/1.1 client for one server: keep-alive, pipelining, bounded.
 *
 * send() queues a request and starts to write; receive() returns the answers in the order of the
 * requests. While either waits, both directions go on, so a full socket cannot block the two sides
 * against each other. Nothing is retried here: after TLY_ECLOSED or a time-out the caller decides
 * what that means for the requests that were not answered.
 */
#ifndef TALLY_CLIENT_HTTP_CLIENT_H
#define TALLY_CLIENT_HTTP_CLIENT_H

#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "client/http_answer.h"

struct http_client;

/* `server` is HOST:PORT, [HOST]:PORT or http://HOST:PORT. TLY_EINVALID_ARGUMENT if it is none of
 * them, TLY_EUNAVAILABLE if nobody answers there. The time-out holds for connecting and for each
 * wait without any progress. */
int http_client_open(struct http_client **out, const char *server, int64_t timeout_ms,
                     struct error *e) MUST_CHECK;
void http_client_close(struct http_client *c);

/* `body` empty: none. TLY_ENO_MEMORY: nothing was sent. TLY_ECLOSED, TLY_EREQUEST_TIMEOUT: some of
 * it may have been. */
int http_client_send(struct http_client *c, const char *method, const char *path, struct str body,
                     struct error *e) MUST_CHECK;
/* The answer lives until the next call. TLY_ECLOSED, TLY_EREQUEST_TIMEOUT, TLY_ECORRUPT (not HTTP,
 * or larger than the limit), TLY_ENO_MEMORY. */
int http_client_receive(struct http_client *c, struct http_answer *out, struct error *e) MUST_CHECK;

#endif
