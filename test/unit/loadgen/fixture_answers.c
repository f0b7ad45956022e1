#include "fixture_answers.h"

#include <stdlib.h>

#include "fixture.h"
#include "fixture_echo.h"

static struct answer (*answer_of)(const struct call *call);

struct protocol_session {
    struct protocol_session *inner;
    protocol_answered_fn *answered;
    void *owner;
};

void answers_set(struct answer (*answer)(const struct call *call))
{
    answer_of = answer;
}

static void inner_answered(void *owner, struct call *call, const struct answer *given)
{
    struct protocol_session *s = owner;
    struct answer a = *given;
    if (a.code == ANSWER_OK)
        a = answer_of(call);
    s->answered(s->owner, call, &a);
}

static int answers_open(struct protocol_session **out, const struct protocol_target *target,
                        protocol_answered_fn *answered, void *owner)
{
    struct protocol_session *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->answered = answered;
    s->owner = owner;
    *out = s;
    return protocol_echo.open(&s->inner, target, inner_answered, s);
}

static void answers_close(struct protocol_session *s)
{
    if (s)
        protocol_echo.close(s->inner);
    free(s);
}

static int answers_submit(struct protocol_session *s, struct call *call)
{
    return protocol_echo.submit(s->inner, call);
}

static ssize_t answers_output(struct protocol_session *s, uint8_t *out, size_t size)
{
    return protocol_echo.output(s->inner, out, size);
}

static int answers_input(struct protocol_session *s, const uint8_t *bytes, size_t size)
{
    return protocol_echo.input(s->inner, bytes, size);
}

static void answers_fail(struct protocol_session *s, enum answer_code code)
{
    (protocol_echo.fail)(s->inner, code); /* not cmocka's macro */
}

static uint32_t answers_room(const struct protocol_session *s)
{
    return protocol_echo.room(s->inner);
}

static struct protocol_counts answers_counts(const struct protocol_session *s)
{
    return protocol_echo.counts(s->inner);
}

const struct protocol protocol_answers = {
    .name = "answers",
    .open = answers_open,
    .close = answers_close,
    .submit = answers_submit,
    .output = answers_output,
    .input = answers_input,
    .fail = answers_fail,
    .room = answers_room,
    .counts = answers_counts,
};
