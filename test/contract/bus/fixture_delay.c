/* See fixture_delay.h. */
#include "fixture_delay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

void delay_rig_out(void *context, struct delay_message *m)
{
    struct delay_rig *r = context;
    pthread_mutex_lock(&r->lock);
    bool fail = r->fails > 0, keep = r->keep;
    r->fails -= fail;
    if (r->count < DELAY_SEEN_MAX) {
        memcpy(r->seen[r->count].text, m->text, m->size + 1);
        r->seen[r->count++].at_ns = clock_monotonic_ns();
    }
    if (keep)
        r->kept = m;
    pthread_mutex_unlock(&r->lock);
    if (!keep)
        delay_done(m, fail ? TLY_EUNAVAILABLE : 0);
}

struct delay_rig *delay_rig_new(void)
{
    struct delay_rig *r = calloc(1, sizeof *r);
    assert_non_null(r);
    pthread_mutex_init(&r->lock, NULL);
    return r;
}

void delay_rig_destroy(struct delay_rig *r)
{
    r->line->ops->stop(r->line);
    if (r->kept)
        delay_done(r->kept, 0);
    r->line->ops->destroy(r->line);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

int delay_seen(struct delay_rig *r)
{
    pthread_mutex_lock(&r->lock);
    int count = r->count;
    pthread_mutex_unlock(&r->lock);
    return count;
}

void delay_put(struct delay_rig *r, const char *text, int64_t delay_ms)
{
    bool taken = false;
    AWAIT(taken || (taken = r->line->ops->put(r->line, str_of(text), delay_ms) == 0));
}

struct delay_stats delay_rig_stats(struct delay_rig *r)
{
    struct delay_stats s;
    r->line->ops->stats(r->line, &s);
    return s;
}

void a_message_comes_out_not_before_its_time(void **state)
{
    struct delay_rig *r = *state;
    delay_put(r, "first", DELAY_SHORT_MS); /* the line is there */
    AWAIT(delay_seen(r) == 1);
    uint64_t begun_ns = clock_monotonic_ns();
    delay_put(r, "1 2 lot#1", DELAY_SHORT_MS);
    AWAIT(delay_seen(r) == 2);
    assert_string_equal(r->seen[1].text, "1 2 lot#1");
    assert_true(r->seen[1].at_ns - begun_ns >= DELAY_SHORT_MS * UINT64_C(1000000));
}

void a_longer_delay_does_not_hold_up_a_shorter_one(void **state)
{
    struct delay_rig *r = *state;
    delay_put(r, "late", 2000);
    delay_put(r, "soon", DELAY_SHORT_MS);
    AWAIT(delay_seen(r) == 2);
    assert_string_equal(r->seen[0].text, "soon");
    assert_string_equal(r->seen[1].text, "late");
}

void all_that_were_taken_come_out(void **state)
{
    struct delay_rig *r = *state;
    enum { MANY = 300 };
    char text[32];
    for (int i = 0; i < MANY; i++) {
        snprintf(text, sizeof text, "%d", i);
        delay_put(r, text, DELAY_SHORT_MS);
    }
    AWAIT(delay_seen(r) >= MANY);
    bool found[MANY] = {false};
    for (int i = 0; i < delay_seen(r); i++)
        found[strtol(r->seen[i].text, NULL, 10)] = true;
    for (int i = 0; i < MANY; i++)
        assert_true(found[i]);
}

void what_is_not_done_comes_again(void **state)
{
    struct delay_rig *r = *state;
    r->fails = 3;
    delay_put(r, "again", DELAY_SHORT_MS);
    AWAIT(delay_seen(r) == 4);
    assert_string_equal(r->seen[3].text, "again");
}

void a_line_that_holds_as_much_as_it_may_refuses(void **state)
{
    struct delay_rig *r = *state;
    int taken = 0;
    char text[32];
    delay_put(r, "first", DELAY_SHORT_MS);
    AWAIT(delay_seen(r) == 1);
    pthread_mutex_lock(&r->lock);
    r->keep = true;
    pthread_mutex_unlock(&r->lock);
    for (int i = 0; i < 100000; i++) {
        snprintf(text, sizeof text, "%d", i);
        if (r->line->ops->put(r->line, str_of(text), 600000) == TLY_EFULL)
            break;
        taken++;
    }
    assert_in_range(taken, 1, 99999);
    assert_true(delay_rig_stats(r).refused_total > 0);
}

void a_stopped_line_takes_nothing(void **state)
{
    struct delay_rig *r = *state;
    delay_put(r, "first", DELAY_SHORT_MS);
    r->line->ops->stop(r->line);
    assert_int_equal(r->line->ops->put(r->line, STR("x"), 100), TLY_EUNAVAILABLE);
}

void a_text_that_is_too_long_is_refused(void **state)
{
    struct delay_rig *r = *state;
    char text[DELAY_TEXT_MAX + 2];
    memset(text, 'x', sizeof text);
    text[DELAY_TEXT_MAX + 1] = 0;
    assert_int_not_equal(r->line->ops->put(r->line, str_of(text), 1), 0);
    text[DELAY_TEXT_MAX] = 0;
    delay_put(r, text, DELAY_SHORT_MS);
    AWAIT(delay_seen(r) == 1);
    assert_string_equal(r->seen[0].text, text);
}

void what_is_out_may_be_done_after_the_stop(void **state)
{
    struct delay_rig *r = *state;
    r->keep = true;
    delay_put(r, "kept", DELAY_SHORT_MS);
    AWAIT(delay_seen(r) == 1);
    r->line->ops->stop(r->line);
    delay_done(r->kept, 0);
    r->kept = NULL;
}
