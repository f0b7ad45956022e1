/* What every delay line promises, for every adapter: what was taken comes out, not before its time,
 * until it is done. */
#include "fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "bus/delay.h"
#include "bus/delay_inproc.h"

enum { SEEN_MAX = 1024, MESSAGES_MAX = 64 };

struct rig {
    struct delay *line;
    pthread_mutex_t lock;
    struct {
        char text[DELAY_TEXT_MAX + 1];
        uint64_t at_ns;
    } seen[SEEN_MAX];
    int count;
    int fails; /* so many are done with an error first */
    bool keep; /* what comes out is not done */
    struct delay_message *kept;
};

static void on_out(void *context, struct delay_message *m)
{
    struct rig *r = context;
    pthread_mutex_lock(&r->lock);
    bool fail = r->fails > 0, keep = r->keep;
    r->fails -= fail;
    if (r->count < SEEN_MAX) {
        memcpy(r->seen[r->count].text, m->text, m->size + 1);
        r->seen[r->count++].at_ns = clock_monotonic_ns();
    }
    if (keep)
        r->kept = m;
    pthread_mutex_unlock(&r->lock);
    if (!keep)
        delay_done(m, fail ? TLY_EUNAVAILABLE : 0);
}

/* ---- rigs ---- */

static struct rig *rig_new(void)
{
    struct rig *r = calloc(1, sizeof *r);
    pthread_mutex_init(&r->lock, NULL);
    return r;
}

static int setup_inproc(void **state)
{
    struct error e;
    struct rig *r = rig_new();
    const struct delay_inproc_config config = {
        .messages_max = MESSAGES_MAX, .out = on_out, .context = r};
    *state = r;
    assert_int_equal(delay_inproc_create(&r->line, &config, &e), 0);
    return r->line->ops->start(r->line, &e);
}

static int teardown(void **state)
{
    struct rig *r = *state;
    r->line->ops->stop(r->line);
    if (r->kept)
        delay_done(r->kept, 0);
    r->line->ops->destroy(r->line);
    pthread_mutex_destroy(&r->lock);
    free(r);
    return 0;
}

/* ---- for all ---- */

static int seen(struct rig *r)
{
    pthread_mutex_lock(&r->lock);
    int count = r->count;
    pthread_mutex_unlock(&r->lock);
    return count;
}

/* As soon as the line takes it: a broker may still be being connected. */
static void put(struct rig *r, const char *text, int64_t delay_ms)
{
    bool taken = false;
    AWAIT(taken || (taken = r->line->ops->put(r->line, str_of(text), delay_ms) == 0));
}

static struct delay_stats stats(struct rig *r)
{
    struct delay_stats s;
    r->line->ops->stats(r->line, &s);
    return s;
}

static void a_message_comes_out_not_before_its_time(void **state)
{
    struct rig *r = *state;
    put(r, "first", 100); /* the line is there */
    AWAIT(seen(r) == 1);
    uint64_t begun_ns = clock_monotonic_ns();
    put(r, "1 2 lot#1", 100);
    AWAIT(seen(r) == 2);
    assert_string_equal(r->seen[1].text, "1 2 lot#1");
    assert_true(r->seen[1].at_ns - begun_ns >= 100 * UINT64_C(1000000));
}

static void a_longer_delay_does_not_hold_up_a_shorter_one(void **state)
{
    struct rig *r = *state;
    put(r, "late", 2000);
    put(r, "soon", 100);
    AWAIT(seen(r) == 2);
    assert_string_equal(r->seen[0].text, "soon");
    assert_string_equal(r->seen[1].text, "late");
}

static void all_that_were_taken_come_out(void **state)
{
    struct rig *r = *state;
    enum { MANY = 300 };
    char text[32];
    for (int i = 0; i < MANY; i++) {
        snprintf(text, sizeof text, "%d", i);
        put(r, text, 100);
    }
    AWAIT(seen(r) >= MANY);
    bool found[MANY] = {false};
    for (int i = 0; i < seen(r); i++)
        found[strtol(r->seen[i].text, NULL, 10)] = true;
    for (int i = 0; i < MANY; i++)
        assert_true(found[i]);
}

static void what_is_not_done_comes_again(void **state)
{
    struct rig *r = *state;
    r->fails = 3;
    put(r, "again", 100);
    AWAIT(seen(r) == 4);
    assert_string_equal(r->seen[3].text, "again");
}

static void a_line_that_holds_as_much_as_it_may_refuses(void **state)
{
    struct rig *r = *state;
    int taken = 0;
    char text[32];
    put(r, "first", 100);
    AWAIT(seen(r) == 1);
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
    assert_true(stats(r).refused_total > 0);
}

static void a_stopped_line_takes_nothing(void **state)
{
    struct rig *r = *state;
    put(r, "first", 100);
    r->line->ops->stop(r->line);
    assert_int_equal(r->line->ops->put(r->line, STR("x"), 100), TLY_EUNAVAILABLE);
}

static void a_text_that_is_too_long_is_refused(void **state)
{
    struct rig *r = *state;
    char text[DELAY_TEXT_MAX + 2];
    memset(text, 'x', sizeof text);
    text[DELAY_TEXT_MAX + 1] = 0;
    assert_int_not_equal(r->line->ops->put(r->line, str_of(text), 1), 0);
    text[DELAY_TEXT_MAX] = 0;
    put(r, text, 100);
    AWAIT(seen(r) == 1);
    assert_string_equal(r->seen[0].text, text);
}

/* ---- done after the stop ---- */

static void what_is_out_may_be_done_after_the_stop(void **state)
{
    struct rig *r = *state;
    r->keep = true;
    put(r, "kept", 100);
    AWAIT(seen(r) == 1);
    r->line->ops->stop(r->line);
    delay_done(r->kept, 0);
    r->kept = NULL;
}

#define INPROC(name)                                                                               \
    {                                                                                              \
#name "(inproc)", name, setup_inproc, teardown, NULL                                       \
    }

#define ALL(ON)                                                                                    \
    ON(a_message_comes_out_not_before_its_time),                                                   \
        ON(a_longer_delay_does_not_hold_up_a_shorter_one), ON(all_that_were_taken_come_out),       \
        ON(what_is_not_done_comes_again), ON(a_line_that_holds_as_much_as_it_may_refuses),         \
        ON(a_stopped_line_takes_nothing), ON(a_text_that_is_too_long_is_refused),                  \
        ON(what_is_out_may_be_done_after_the_stop)

int main(void)
{
    const struct CMUnitTest tests[] = {ALL(INPROC)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
