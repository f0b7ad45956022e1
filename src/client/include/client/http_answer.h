/* http_answer.h - takes an HTTP/1.1 answer apart. Pure: bytes in, a struct out. */
#ifndef TALLY_CLIENT_HTTP_ANSWER_H
#define TALLY_CLIENT_HTTP_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct http_answer {
    int status;
    struct str content_type;
    struct str body;
    uint32_t retry_after_s; /* 0: not said */
    bool keep_alive;        /* false: the server closes the connection after it */
};

enum http_answer_result {
    HTTP_ANSWER_COMPLETE,
    HTTP_ANSWER_MORE,   /* cut short: come again with more */
    HTTP_ANSWER_BROKEN, /* not HTTP, or something that a server of this kind does not send */
};

/* Takes the first answer in `data` (100 Continue is passed over) and tells how many bytes it was.
 * The strings point into `data`; a chunked body is put together in place, so `data` is changed when
 * the result is HTTP_ANSWER_COMPLETE. */
enum http_answer_result http_answer_parse(char *data, size_t size, struct http_answer *out,
                                          size_t *used);

#endif
