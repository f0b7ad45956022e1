/* webhook_post.h - the requests of a webhook, several at a time, on the caller's thread. */
#ifndef TALLY_BUS_WEBHOOK_POST_H
#define TALLY_BUS_WEBHOOK_POST_H

#include <curl/curl.h>
#include <stdbool.h>

#include "base/str.h"
#include "bus/webhook.h"
#include "bus/webhook_sign.h"

/* One request; its body is the caller's until it is finished. */
struct post {
    CURL *easy;
    struct curl_slist *headers;
    size_t answered; /* bytes of the answer, which nobody looks at */
    bool busy;
    void *subject; /* whom it is about: the caller's */
    char problem[CURL_ERROR_SIZE];
};

struct post_result {
    struct post *post;
    int32_t status;         /* HTTP; 0: there was no answer */
    int64_t retry_after_ms; /* 0: not said */
    char why[WEBHOOK_WHY_MAX];
};

struct poster {
    CURLM *multi;
    struct webhook_keys keys;
    struct post posts[WEBHOOK_PARALLEL_MAX];
    uint32_t count, busy;
    const struct webhook_config *config;
};

int poster_open(struct poster *p, const struct webhook_config *config, struct error *e) MUST_CHECK;
void poster_close(struct poster *p); /* requests under way are given up */
/* True if one more can be begun. */
static inline bool poster_has_room(const struct poster *p)
{
    return p->busy < p->count;
}
int poster_send(struct poster *p, int64_t id, int64_t unix_s, struct str body,
                void *subject) MUST_CHECK;
/* One that has finished, if there is one: then its subject is nobody's any more. */
bool poster_take(struct poster *p, struct post_result *out);
/* Goes on with all of them, or sleeps until there is something to do, or poster_wake(). */
void poster_turn(struct poster *p, int timeout_ms);
void poster_wake(struct poster *p); /* any thread */

#endif
