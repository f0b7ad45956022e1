/* loadgen_side.h - calls of the load generator under way on a session that is fuzzed, and their
 * answers. */
#ifndef TALLY_FUZZ_LOADGEN_SIDE_H
#define TALLY_FUZZ_LOADGEN_SIDE_H

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "loadgen/protocol.h"

enum { SIDE_CALLS = 6, SIDE_ORDERS = 2 };

static const char side_lots[1][LOT_KEY_SIZE] = {"cola#008a47f9"};
static const struct protocol_target side_target = {.authority = "a:1",
                                                   .run = "0123456789ab",
                                                   .sale = "bench-0123456789ab",
                                                   .lots = side_lots,
                                                   .lot_count = 1,
                                                   .streams = SIDE_CALLS,
                                                   .timeout_ms = 800};

struct side {
    struct call calls[SIDE_CALLS];
    struct answer answers[SIDE_CALLS];
    struct batch_outcome outcomes[SIDE_CALLS][SIDE_ORDERS];
    bool answered[SIDE_CALLS];
    int rv;
};

static inline struct call side_call(unsigned kind)
{
    return (struct call){.kind = (enum call_kind)(kind % CALL_KIND_COUNT),
                         .quantity = 2,
                         .order = 42,
                         .in_sale = kind % 2,
                         .group_id = 7,
                         .reservation_id = 9,
                         .batch = SIDE_ORDERS};
}

static inline void side_answered(void *owner, struct call *call, const struct answer *answer)
{
    struct side *s = owner;
    unsigned number = (unsigned)(call - s->calls);
    assert(number < SIDE_CALLS && !s->answered[number]);
    s->answered[number] = true;
    s->answers[number] = *answer;
    assert(answer->outcome_count <= SIDE_ORDERS);
    for (uint32_t i = 0; i < answer->outcome_count; i++)
        s->outcomes[number][i] = answer->outcomes[i];
}

static inline void side_drain(const struct protocol *p, struct protocol_session *session)
{
    uint8_t out[4096];
    while (p->output(session, out, sizeof out) > 0)
        ;
}

/* A session from its begin to its end, which gets the bytes in steps. What the client says to them
 * goes out at the end, so that it does not depend on the steps. */
static inline void side_run(struct side *s, const struct protocol *p, unsigned first_kind,
                            const uint8_t *bytes, size_t size, size_t step)
{
    struct protocol_session *session;
    memset(s, 0, sizeof *s);
    if (p->open(&session, &side_target, side_answered, s))
        abort();
    for (unsigned i = 0; i < SIDE_CALLS; i++) {
        s->calls[i] = side_call(first_kind + i);
        if (p->submit(session, &s->calls[i]))
            abort();
    }
    side_drain(p, session);
    for (size_t n; size > 0 && !s->rv; bytes += n, size -= n) {
        n = step < size ? step : size;
        s->rv = p->input(session, bytes, n);
    }
    side_drain(p, session);
    p->fail(session, ANSWER_CLOSED);
    for (unsigned i = 0; i < SIDE_CALLS; i++)
        assert(s->answered[i]);
    p->close(session);
}

static inline bool side_same_answer(const struct answer *a, const struct answer *b)
{
    return a->code == b->code && a->replayed == b->replayed &&
           a->reservation_id == b->reservation_id && a->status == b->status &&
           a->quantity == b->quantity && a->lines == b->lines && a->lot_matches == b->lot_matches &&
           a->reserve_moves == b->reserve_moves && a->expires_at_ms == b->expires_at_ms &&
           a->expired == b->expired && a->group_failed == b->group_failed &&
           a->in_sale == b->in_sale && a->group_id == b->group_id && a->group == b->group &&
           a->places == b->places && a->places_left == b->places_left && a->paid == b->paid &&
           a->remaining_ms == b->remaining_ms && a->sale_open == b->sale_open &&
           a->starts_in_ms == b->starts_in_ms && a->units_pending == b->units_pending &&
           a->units_confirmed == b->units_confirmed && a->units_left == b->units_left &&
           a->groups_open == b->groups_open && a->groups_succeeded == b->groups_succeeded &&
           a->groups_failed == b->groups_failed && a->on_hand == b->on_hand &&
           a->reserved == b->reserved && a->confirmed == b->confirmed &&
           a->available == b->available && a->version == b->version &&
           a->outcome_count == b->outcome_count;
}

static inline void side_assert_same(const struct side *a, const struct side *b)
{
    assert(a->rv == b->rv);
    for (unsigned i = 0; i < SIDE_CALLS; i++) {
        assert(side_same_answer(&a->answers[i], &b->answers[i]));
        for (unsigned n = 0; n < SIDE_ORDERS; n++) {
            assert(a->outcomes[i][n].code == b->outcomes[i][n].code);
            assert(a->outcomes[i][n].replayed == b->outcomes[i][n].replayed);
            assert(a->outcomes[i][n].reservation_id == b->outcomes[i][n].reservation_id);
        }
    }
}

#endif
