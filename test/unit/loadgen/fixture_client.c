#include "fixture_client.h"

#include <stdlib.h>
#include <string.h>

#include "fixture.h"

static const char lots[CLIENT_LOTS][LOT_KEY_SIZE] = {
    "cola#008a47f9", "a#00000000",
    "o_.-o_.-o_.-o_.-o_.-o_.-o_.-o_.-o_.-o_.-o_.-o_.-o_.-o_.-o_.-o_.-#0123abcd"};

static void on_answer(void *owner, struct call *call, const struct answer *answer)
{
    struct client *c = owner;
    assert_true(c->may_answer);
    assert_true(c->answer_count < CLIENT_ANSWERS_MAX);
    struct client_answer *to = &c->answers[c->answer_count++];
    to->call = call;
    to->answer = *answer;
    for (uint32_t i = 0; i < answer->outcome_count && i < CLIENT_OUTCOMES_MAX; i++)
        to->outcomes[i] = answer->outcomes[i];
    if (answer->outcomes)
        to->answer.outcomes = to->outcomes;
    if (c->next_count > 0) {
        c->next_count--;
        c->next_result = c->protocol->submit(c->session, c->next_calls++);
    }
}

void client_open(struct client *c, const struct protocol *protocol, uint32_t streams)
{
    memset(c, 0, sizeof *c);
    c->protocol = protocol;
    c->target = (struct protocol_target){.authority = "server.example:7070",
                                         .run = "0123456789ab",
                                         .sale = "bench-0123456789ab",
                                         .lots = lots,
                                         .lot_count = CLIENT_LOTS,
                                         .streams = streams,
                                         .timeout_ms = 2500};
    assert_int_equal(protocol->open(&c->session, &c->target, on_answer, c), 0);
}

void client_close(struct client *c)
{
    c->protocol->close(c->session);
    c->session = NULL;
    free(c->sent);
    c->sent = NULL;
}

void client_submit(struct client *c, struct call *call)
{
    assert_int_equal(c->protocol->submit(c->session, call), 0);
}

void client_flush(struct client *c, size_t piece)
{
    enum { ROOM = 65536 };
    for (;;) {
        if (c->sent_capacity - c->sent_size < ROOM) {
            c->sent_capacity = 2 * c->sent_capacity + ROOM;
            c->sent = realloc(c->sent, c->sent_capacity);
            assert_non_null(c->sent);
        }
        ssize_t n = c->protocol->output(c->session, c->sent + c->sent_size, piece ? piece : ROOM);
        assert_true(n >= 0);
        assert_true((size_t)n <= (piece ? piece : ROOM));
        if (n == 0)
            return;
        c->sent_size += (size_t)n;
    }
}

int client_feed(struct client *c, const uint8_t *bytes, size_t size, size_t piece)
{
    int rv = 0;
    while (size > 0 && rv == 0) {
        size_t n = piece && piece < size ? piece : size;
        uint8_t *copy = malloc(n);
        assert_non_null(copy);
        memcpy(copy, bytes, n);
        c->may_answer = true;
        rv = c->protocol->input(c->session, copy, n);
        c->may_answer = false;
        free(copy);
        bytes += n;
        size -= n;
    }
    return rv;
}

void client_fail(struct client *c, enum answer_code code)
{
    c->may_answer = true;
    (c->protocol->fail)(c->session, code); /* cmocka has a macro of that name */
    c->may_answer = false;
}

bool client_has_answer(const struct client *c, const struct call *call)
{
    for (unsigned i = 0; i < c->answer_count; i++)
        if (c->answers[i].call == call)
            return true;
    return false;
}

const struct answer *client_answer(const struct client *c, const struct call *call)
{
    const struct answer *found = NULL;
    for (unsigned i = 0; i < c->answer_count; i++) {
        if (c->answers[i].call != call)
            continue;
        assert_null(found);
        found = &c->answers[i].answer;
    }
    assert_non_null(found);
    return found;
}
