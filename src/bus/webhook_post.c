/* webhook_post.c - see webhook_post.h.
 *
 * Happy path: libcurl's multi interface keeps connections to the receiver; a request takes a free
 * slot with its handle. Only the configured URL, no redirects, no proxies, nothing of the answer
 * but its status is used. Failure: memory, or what libcurl says of one request.
 */
#include "bus/webhook_post.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_MAX = 64 << 10, CONNECT_MS_MAX = 10000 };

static size_t drop_answer(char *data, size_t size, size_t count, void *context)
{
    struct post *post = context;
    (void)data;
    post->answered += size * count;
    return post->answered > ANSWER_MAX ? 0 : size * count;
}

static int set_up(const struct webhook_config *c, struct post *post)
{
    CURL *h = post->easy;
    long connect_ms = c->timeout_ms < CONNECT_MS_MAX ? (long)c->timeout_ms : CONNECT_MS_MAX;
    CURLcode code = curl_easy_setopt(h, CURLOPT_URL, c->url);
    if (code == CURLE_OK)
        code = curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
    if (code == CURLE_OK && c->ca_file[0])
        code = curl_easy_setopt(h, CURLOPT_CAINFO, c->ca_file);
    curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(h, CURLOPT_PROXY, "");
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_POST, 1L);
    curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)c->timeout_ms);
    curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, connect_ms);
    curl_easy_setopt(h, CURLOPT_USERAGENT, "tally/" TALLY_VERSION);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, drop_answer);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, post);
    curl_easy_setopt(h, CURLOPT_ERRORBUFFER, post->problem);
    curl_easy_setopt(h, CURLOPT_PRIVATE, post);
    return code == CURLE_OK ? 0 : TLY_ENO_MEMORY;
}

int poster_open(struct poster *p, const struct webhook_config *config, struct error *e)
{
    *p = (struct poster){.config = config};
    int code = webhook_keys_parse(&p->keys, config->secrets, e);
    if (code)
        return code;
    p->multi = curl_multi_init();
    if (!p->multi)
        return error_set(e, TLY_ENO_MEMORY, "webhook", "no memory for the webhook");
    curl_multi_setopt(p->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)config->parallel_max);
    for (; p->count < config->parallel_max; p->count++) {
        struct post *post = &p->posts[p->count];
        post->easy = curl_easy_init();
        if (!post->easy || set_up(config, post)) {
            p->count++;
            return error_set(e, TLY_ENO_MEMORY, "webhook", "no memory for the webhook");
        }
    }
    return 0;
}

static void finish(struct poster *p, struct post *post)
{
    curl_multi_remove_handle(p->multi, post->easy);
    curl_slist_free_all(post->headers);
    post->headers = NULL;
    post->busy = false;
    p->busy--;
}

void poster_close(struct poster *p)
{
    for (uint32_t i = 0; i < p->count; i++) {
        if (p->posts[i].busy)
            finish(p, &p->posts[i]);
        curl_easy_cleanup(p->posts[i].easy);
    }
    p->count = 0;
    if (p->multi)
        curl_multi_cleanup(p->multi);
    p->multi = NULL;
}

static bool add_header(struct post *post, const char *text)
{
    struct curl_slist *longer = curl_slist_append(post->headers, text);
    if (longer)
        post->headers = longer;
    return longer != NULL;
}

static int add_headers(struct poster *p, struct post *post, int64_t id, int64_t unix_s,
                       struct str body)
{
    char name[32], signatures[WEBHOOK_SIGNATURES_MAX];
    char text[WEBHOOK_SIGNATURES_MAX + 32];
    snprintf(name, sizeof name, "%" PRId64, id);
    int code = webhook_sign(&p->keys, name, unix_s, body, signatures);
    if (code)
        return code;
    bool all = add_header(post, "Content-Type: application/cloudevents+json; charset=utf-8") &&
               add_header(post, "Expect:") && add_header(post, "Accept:");
    snprintf(text, sizeof text, "webhook-id: %s", name);
    all = all && add_header(post, text);
    snprintf(text, sizeof text, "webhook-timestamp: %" PRId64, unix_s);
    all = all && add_header(post, text);
    snprintf(text, sizeof text, "webhook-signature: %s", signatures);
    return all && add_header(post, text) ? 0 : TLY_ENO_MEMORY;
}

int poster_send(struct poster *p, int64_t id, int64_t unix_s, struct str body, void *subject)
{
    struct post *post = p->posts;
    while (post->busy)
        post++;
    post->subject = subject;
    post->answered = 0;
    post->problem[0] = 0;
    int code = add_headers(p, post, id, unix_s, body);
    if (code == 0) {
        curl_easy_setopt(post->easy, CURLOPT_HTTPHEADER, post->headers);
        curl_easy_setopt(post->easy, CURLOPT_POSTFIELDSIZE, (long)body.len);
        curl_easy_setopt(post->easy, CURLOPT_POSTFIELDS, body.p);
        code = curl_multi_add_handle(p->multi, post->easy) == CURLM_OK ? 0 : TLY_ENO_MEMORY;
    }
    if (code) {
        curl_slist_free_all(post->headers);
        post->headers = NULL;
        return code;
    }
    post->busy = true;
    p->busy++;
    return 0;
}

static void describe(struct post *post, CURLcode code, struct post_result *out)
{
    long status = 0;
    curl_off_t retry_after_s = 0;
    curl_easy_getinfo(post->easy, CURLINFO_RESPONSE_CODE, &status);
    /* An answer that was too long to be read to its end has been given all the same. */
    bool answered = code == CURLE_OK || (code == CURLE_WRITE_ERROR && status);
    out->status = answered ? (int32_t)status : 0;
    if (!answered) {
        snprintf(out->why, sizeof out->why, "%.*s", WEBHOOK_WHY_MAX - 1,
                 post->problem[0] ? post->problem : curl_easy_strerror(code));
        return;
    }
    snprintf(out->why, sizeof out->why, "the receiver answered %ld", status);
    if (curl_easy_getinfo(post->easy, CURLINFO_RETRY_AFTER, &retry_after_s) == CURLE_OK &&
        retry_after_s > 0)
        out->retry_after_ms = retry_after_s < INT32_MAX ? retry_after_s * 1000 : INT32_MAX;
}

bool poster_take(struct poster *p, struct post_result *out)
{
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(p->multi, &left))) {
        if (message->msg != CURLMSG_DONE)
            continue;
        char *private = NULL;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
        struct post *post = (struct post *)(void *)private;
        *out = (struct post_result){.post = post};
        describe(post, message->data.result, out);
        finish(p, post);
        return true;
    }
    return false;
}

void poster_turn(struct poster *p, int timeout_ms)
{
    int running;
    curl_multi_perform(p->multi, &running);
    if ((uint32_t)running == p->busy) /* else some have finished: nothing to wait for */
        curl_multi_poll(p->multi, NULL, 0, timeout_ms, NULL);
    curl_multi_perform(p->multi, &running);
}

void poster_wake(struct poster *p)
{
    curl_multi_wakeup(p->multi);
}
