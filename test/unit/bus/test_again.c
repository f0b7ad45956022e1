/* Second deletes, over a delay line of this process and one that loses everything. */
#include "fixture.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "bus/again.h"
#include "bus/delay_inproc.h"
#include "fake_log.h"

enum { DELETE_MS = 20, LIMIT_MS = 200, SEEN_MAX = 256 };

/* A line that takes all, and of which nothing comes out. */
static int lose(struct delay *d, struct str text, int64_t delay_ms)
{
    (void)d;
    (void)text;
    (void)delay_ms;
    return 0;
}

static int refuse(struct delay *d, struct str text, int64_t delay_ms)
{
    (void)d;
    (void)text;
    (void)delay_ms;
    return TLY_EUNAVAILABLE;
}

static const struct delay_ops losing_ops = {.put = lose}, refusing_ops = {.put = refuse};

struct rig {
    struct fake_log log;
    struct again *again;
    struct delay *inproc;
    struct delay other;
    pthread_mutex_t lock;
    struct {
        char key[16];
        int64_t version;
        bool swept;
    } seen[SEEN_MAX];
    int count;
    int fails; /* so many removals fail first */
};

static struct rig rig;

static void on_remove(void *context, struct again_removal *r)
{
    (void)context;
    pthread_mutex_lock(&rig.lock);
    bool fail = rig.fails > 0;
    if (fail) {
        rig.fails--;
    } else if (rig.count < SEEN_MAX) {
        memcpy(rig.seen[rig.count].key, r->key, r->key_size + 1);
        rig.seen[rig.count].version = r->version;
        rig.seen[rig.count].swept = r->message == NULL;
        rig.count++;
    }
    pthread_mutex_unlock(&rig.lock);
    again_removed(r, fail ? TLY_EUNAVAILABLE : 0);
}

static int seen(void)
{
    pthread_mutex_lock(&rig.lock);
    int count = rig.count;
    pthread_mutex_unlock(&rig.lock);
    return count;
}

static const struct lot_dims *dims_of(void *context, lot_id id)
{
    (void)context;
    return fake_log_dims(&rig.log, id);
}

static void create(uint32_t keys_max)
{
    struct error e;
    const struct again_config config = {.ledger = &rig.log.port,
                                        .delete_ms = DELETE_MS,
                                        .limit_ms = LIMIT_MS,
                                        .lookback_ms = 1000,
                                        .keys_max = keys_max,
                                        .lot_dims = dims_of,
                                        .remove = on_remove};
    assert_int_equal(again_create(&rig.again, &config, &e), 0);
    const struct delay_inproc_config line = {
        .messages_max = 100, .out = again_out, .context = rig.again};
    assert_int_equal(delay_inproc_create(&rig.inproc, &line, &e), 0);
    assert_int_equal(rig.inproc->ops->start(rig.inproc, &e), 0);
}

static void start(struct delay *line)
{
    struct error e;
    assert_int_equal(again_start(rig.again, line, &e), 0);
}

static int setup(void **state)
{
    (void)state;
    memset(&rig, 0, sizeof rig);
    pthread_mutex_init(&rig.lock, NULL);
    fake_log_init(&rig.log);
    create(100);
    return 0;
}

static void end(void)
{
    again_stop(rig.again);
    rig.inproc->ops->stop(rig.inproc);
    rig.inproc->ops->destroy(rig.inproc);
    again_destroy(rig.again);
}

static int teardown(void **state)
{
    (void)state;
    end();
    fake_log_close(&rig.log);
    pthread_mutex_destroy(&rig.lock);
    return 0;
}

static void commit(lot_id lot, int64_t version)
{
    int64_t seq = fake_log_add(&rig.log, lot);
    again_ask(rig.again, fake_log_dims(&rig.log, lot)->key, version, seq);
}

static struct again_stats stats(void)
{
    struct again_stats s;
    again_stats(rig.again, &s);
    return s;
}

static void a_key_is_removed_a_while_after_its_commit(void **state)
{
    (void)state;
    start(rig.inproc);
    uint64_t begun_ns = clock_monotonic_ns();
    commit(2, 7);
    AWAIT(seen() == 1);
    assert_true(clock_monotonic_ns() - begun_ns >= DELETE_MS * UINT64_C(1000000));
    assert_string_equal(rig.seen[0].key, "lot#2");
    assert_int_equal(rig.seen[0].version, 7);
    assert_false(rig.seen[0].swept);
}

static void many_commits_of_one_lot_are_few_removals(void **state)
{
    (void)state;
    start(rig.inproc);
    for (int i = 1; i <= 200; i++)
        commit(1, i);
    AWAIT(seen() > 0 && rig.seen[seen() - 1].version == 200);
    assert_true(seen() < 100);
    assert_true(stats().coalesced_total > 0);
}

static void replicas_that_are_behind_make_it_later(void **state)
{
    (void)state;
    start(rig.inproc);
    again_delay(rig.again, 8 * DELETE_MS);
    uint64_t begun_ns = clock_monotonic_ns();
    commit(1, 1);
    AWAIT(seen() == 1);
    assert_true(clock_monotonic_ns() - begun_ns >= 8 * DELETE_MS * UINT64_C(1000000));
    again_delay(rig.again, 0);
    AWAIT(stats().delay_ms == DELETE_MS);
}

static void a_removal_that_failed_comes_again(void **state)
{
    (void)state;
    rig.fails = 2;
    start(rig.inproc);
    commit(1, 1);
    AWAIT(seen() >= 1);
    assert_int_equal(stats().remove_errors_total, 2);
}

/* Waits until the sweep that every start makes is over. */
static void first_sweep_is_over(void)
{
    AWAIT(stats().sweeps_total > 0);
    pthread_mutex_lock(&rig.lock);
    rig.count = 0;
    pthread_mutex_unlock(&rig.lock);
}

static void what_the_line_loses_is_finished_from_the_log(void **state)
{
    (void)state;
    rig.other.ops = &losing_ops;
    start(&rig.other);
    first_sweep_is_over();
    commit(3, 1);
    commit(5, 1);
    AWAIT(seen() >= 2);
    assert_true(rig.seen[0].swept);
    AWAIT(stats().waiting == 0);
}

static void a_line_that_refuses_is_the_sweeps_affair(void **state)
{
    (void)state;
    rig.other.ops = &refusing_ops;
    start(&rig.other);
    first_sweep_is_over();
    commit(3, 1);
    AWAIT(seen() >= 1);
    assert_string_equal(rig.seen[0].key, "lot#3");
    AWAIT(stats().waiting == 0);
}

static bool was_removed(lot_id lot)
{
    bool found = false;
    pthread_mutex_lock(&rig.lock);
    for (int i = 0; i < rig.count; i++)
        found = found || rig.seen[i].key[4] == (char)('0' + lot);
    pthread_mutex_unlock(&rig.lock);
    return found;
}

static void what_does_not_fit_into_the_book_is_finished_from_the_log(void **state)
{
    (void)state;
    end();
    create(1);
    start(rig.inproc);
    first_sweep_is_over();
    commit(1, 1);
    commit(2, 1); /* no room, if the first is still there */
    for (lot_id lot = 3; lot <= 7; lot++)
        commit(lot, 1);
    assert_true(stats().refused_total > 0);
    for (lot_id lot = 1; lot <= 7; lot++)
        AWAIT(was_removed(lot));
}

static void a_start_finishes_what_the_process_before_left(void **state)
{
    (void)state;
    struct error e;
    int64_t before = fake_log_add(&rig.log, 1);
    fake_log_add(&rig.log, 2);
    assert_int_equal(rig.log.port.ops->cursor_set(&rig.log.port, AGAIN_READER, before, &e), 0);
    start(NULL);
    AWAIT(seen() == 1);
    assert_string_equal(rig.seen[0].key, "lot#2");
    assert_true(rig.seen[0].swept);
}

static void a_sweep_whose_removals_fail_is_made_again(void **state)
{
    (void)state;
    struct error e;
    assert_int_equal(rig.log.port.ops->cursor_set(&rig.log.port, AGAIN_READER, 1, &e), 0);
    fake_log_add(&rig.log, 4);
    rig.fails = 1;
    start(NULL);
    AWAIT(seen() == 1);
    assert_int_equal(stats().sweep_errors_total, 1);
}

static void a_log_that_cannot_be_read_is_read_later(void **state)
{
    (void)state;
    struct error e;
    assert_int_equal(rig.log.port.ops->cursor_set(&rig.log.port, AGAIN_READER, 1, &e), 0);
    fake_log_add(&rig.log, 4);
    fake_log_fail(&rig.log, TLY_EUNAVAILABLE);
    start(NULL);
    AWAIT(stats().sweep_errors_total >= 1);
    assert_int_equal(seen(), 0);
    fake_log_fail(&rig.log, 0);
    AWAIT(seen() == 1);
}

static void the_cursor_passes_what_was_removed_without_reading_the_log(void **state)
{
    (void)state;
    int64_t cursor = 0;
    struct error e;
    start(rig.inproc);
    first_sweep_is_over();
    int reads = fake_log_reads(&rig.log);
    commit(1, 1);
    AWAIT(seen() == 1);
    int64_t last = rig.log.port.ops->log_end(&rig.log.port);
    pause_ms(3 * LIMIT_MS); /* time for notes to grow old; more of it changes nothing */
    again_stop(rig.again);
    assert_int_equal(rig.log.port.ops->cursor_get(&rig.log.port, AGAIN_READER, &cursor, &e), 0);
    assert_int_equal(cursor, last);
    assert_int_equal(fake_log_reads(&rig.log), reads);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_key_is_removed_a_while_after_its_commit),
        T(many_commits_of_one_lot_are_few_removals),
        T(replicas_that_are_behind_make_it_later),
        T(a_removal_that_failed_comes_again),
        T(what_the_line_loses_is_finished_from_the_log),
        T(a_line_that_refuses_is_the_sweeps_affair),
        T(what_does_not_fit_into_the_book_is_finished_from_the_log),
        T(a_start_finishes_what_the_process_before_left),
        T(a_sweep_whose_removals_fail_is_made_again),
        T(a_log_that_cannot_be_read_is_read_later),
        T(the_cursor_passes_what_was_removed_without_reading_the_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
