/* Who waits, in which order, and who is refused: the module by itself, and under a model of a
 * server that is asked for ten times what it can do. */
#include "fixture.h"

#include <stdlib.h>
#include <string.h>

#include "service/admission.h"

#define MS(n) ((uint64_t)(n)*UINT64_C(1000000))

enum { HOT = 11, SMALL = 12 };

static struct admission *admission_new(uint32_t work_max, uint32_t queue_max)
{
    struct admission *a = malloc(sizeof *a);
    admission_init(a);
    admission_limits(a, work_max, queue_max, MS(150));
    return a;
}

/* Waits with a deadline that it will surely meet. */
static void wait_in(struct admission *a, struct waiter *w, uint64_t key)
{
    struct waiter *leaver;
    w->cost = 1;
    assert_int_equal(admission_judge(a, key, MS(300), MS(1), &leaver), ADMISSION_WAIT);
    assert_null(leaver);
    admission_wait(a, w, key);
}

static void where_there_is_room_nobody_waits(void **state)
{
    (void)state;
    struct admission *a = admission_new(100, 200);
    struct waiter w;
    assert_true(admission_open(a, 99));
    assert_false(admission_open(a, 100));
    wait_in(a, &w, HOT);
    assert_false(admission_open(a, 0)); /* who comes later does not go first */
    assert_ptr_equal(admission_next(a), &w);
    assert_true(admission_open(a, 0));
    assert_null(admission_next(a));
    free(a);
}

static void within_a_sale_it_is_first_come_first_served(void **state)
{
    (void)state;
    struct admission *a = admission_new(1, 200);
    struct waiter w[100];
    for (int i = 0; i < 100; i++)
        wait_in(a, &w[i], HOT);
    admission_remove(a, &w[0]); /* its time was up */
    admission_remove(a, &w[50]);
    for (int i = 1; i < 100; i++) {
        if (i != 50)
            assert_ptr_equal(admission_next(a), &w[i]);
    }
    assert_int_equal(a->waiting, 0);
    free(a);
}

static void a_hot_sale_does_not_keep_a_small_one_waiting(void **state)
{
    (void)state;
    struct admission *a = admission_new(1, 2000);
    struct waiter hot[1000], small[10];
    for (int i = 0; i < 1000; i++)
        wait_in(a, &hot[i], HOT);
    for (int i = 0; i < 10; i++)
        wait_in(a, &small[i], SMALL);
    int served = 0, small_served = 0;
    while (small_served < 10) {
        struct waiter *w = admission_next(a);
        small_served += w >= small && w < small + 10;
        served++;
    }
    assert_true(served <= 2 * ADMISSION_QUANTUM + 10);
    free(a);
}

static void queues_take_turns_by_what_their_requests_cost(void **state)
{
    (void)state;
    enum { EACH = 640 };
    struct admission *a = admission_new(1, 2 * EACH);
    struct waiter *large = calloc(EACH, sizeof *large), *small = calloc(EACH, sizeof *small);
    for (int i = 0; i < EACH; i++) {
        wait_in(a, &large[i], HOT);
        large[i].cost = 4 * ADMISSION_QUANTUM;
        wait_in(a, &small[i], SMALL);
    }
    int taken = 0;
    for (int i = 0; i < EACH / 2; i++) {
        struct waiter *w = admission_next(a);
        taken += w >= large && w < large + EACH;
    }
    assert_in_range(taken, EACH / 2 / (4 * ADMISSION_QUANTUM) - 1,
                    EACH / 2 / (4 * ADMISSION_QUANTUM) + 1);
    free(large);
    free(small);
    free(a);
}

static void who_finds_no_place_is_refused(void **state)
{
    (void)state;
    struct admission *a = admission_new(1, 50);
    struct waiter w[50], *leaver;
    for (int i = 0; i < 50; i++)
        wait_in(a, &w[i], HOT);
    assert_int_equal(admission_judge(a, HOT, MS(300), MS(1), &leaver), ADMISSION_FULL);
    assert_null(leaver);
    free(a);
}

static void a_newcomer_takes_the_place_of_the_longest_queues_newest(void **state)
{
    (void)state;
    struct admission *a = admission_new(1, 50);
    struct waiter hot[50], small[50], *leaver;
    for (int i = 0; i < 50; i++)
        wait_in(a, &hot[i], HOT);
    int got = 0;
    while (admission_judge(a, SMALL, MS(300), MS(1), &leaver) == ADMISSION_WAIT) {
        assert_ptr_equal(leaver, &hot[49 - got]);
        small[got].cost = 1;
        admission_wait(a, &small[got++], SMALL);
        assert_int_equal(a->waiting, 50);
    }
    assert_in_range(got, 24, 25); /* half of the places are its share */
    free(a);
}

/* `rate` places a second come free, each after `work_ms` at work. */
static void measured(struct admission *a, double rate, uint64_t work_ms, uint64_t *now_ns)
{
    uint64_t until_ns = *now_ns + MS(2000);
    struct waiter *leaver;
    for (int i = 0; *now_ns < until_ns; i++) {
        *now_ns += (uint64_t)(1e9 / rate);
        (void)admission_judge(a, HOT, *now_ns + MS(60000), *now_ns, &leaver);
        if (a->busy)
            admission_done(a, MS(work_ms), *now_ns);
    }
}

static void who_would_not_be_served_in_time_is_refused_at_once(void **state)
{
    (void)state;
    enum { QUEUE = 500 };
    struct admission *a = admission_new(1, QUEUE);
    struct waiter *w = calloc(QUEUE, sizeof *w), *leaver;
    uint64_t now_ns = MS(1000);
    w[0].cost = 1;
    admission_wait(a, &w[0], HOT);
    measured(a, 1000, 20, &now_ns);
    uint32_t waiting = 1;
    while (admission_judge(a, HOT, now_ns + MS(300), now_ns, &leaver) == ADMISSION_WAIT) {
        w[waiting].cost = 1;
        admission_wait(a, &w[waiting++], HOT);
    }
    assert_int_equal(admission_judge(a, HOT, now_ns + MS(300), now_ns, &leaver), ADMISSION_LATE);
    assert_in_range(waiting, 240, 290); /* 300 ms less those at work, at one in a millisecond */
    assert_in_range(admission_wait_ns(a), MS(250), MS(310));
    /* Another sale has its turn before that. */
    assert_int_equal(admission_judge(a, SMALL, now_ns + MS(100), now_ns, &leaver), ADMISSION_WAIT);
    assert_int_equal(admission_judge(a, HOT, now_ns + MS(900), now_ns, &leaver), ADMISSION_WAIT);
    assert_int_equal(admission_judge(a, HOT, now_ns - 1, now_ns, &leaver), ADMISSION_LATE);
    free(w);
    free(a);
}

static void whose_turn_comes_too_late_to_be_served_in_time_is_told(void **state)
{
    (void)state;
    struct admission *a = admission_new(1, 100);
    struct waiter w = {.cost = 1};
    uint64_t now_ns = MS(1000);
    admission_wait(a, &w, HOT);
    measured(a, 1000, 20, &now_ns);
    assert_true(admission_in_time(a, now_ns + MS(30), now_ns));
    assert_false(admission_in_time(a, now_ns + MS(15), now_ns));
    free(a);
}

static void after_a_standstill_requests_are_let_in_again(void **state)
{
    (void)state;
    struct admission *a = admission_new(1, 100);
    struct waiter w = {.cost = 1}, *leaver;
    uint64_t now_ns = MS(1000);
    admission_wait(a, &w, HOT);
    measured(a, 1000, 20, &now_ns);
    assert_ptr_equal(admission_next(a), &w);
    for (int i = 0; i < 100; i++) /* those at work come back after 5 s, one every 100 ms */
        admission_done(a, MS(5000), now_ns += MS(100));
    assert_int_equal(admission_judge(a, HOT, now_ns + MS(300), now_ns, &leaver), ADMISSION_LATE);
    measured(a, 1000, 20, &now_ns);
    assert_int_equal(admission_judge(a, HOT, now_ns + MS(300), now_ns, &leaver), ADMISSION_WAIT);
    free(a);
}

/* ---- a server under too much load ---- */

enum { MODEL_WORK_MAX = 16384, MODEL_QUEUE_MAX = 32768, MODEL_BATCH_MAX = 8192, DEADLINE_MS = 300 };

/* Commits of at most MODEL_BATCH_MAX, each takes `fixed_ns` and `each_ns` for every request. */
struct model {
    struct admission *a;
    uint64_t fixed_ns, each_ns;
    double offered; /* a second */
    uint64_t now_ns;
    struct request *working, *committing; /* lists, oldest first */
    struct request **working_end;
    uint32_t at_work;
    uint64_t commit_ends_ns;
    uint64_t measure_from_ns;
    uint64_t served, offered_count;
    uint32_t latency_ms[10000];
};

struct request {
    struct waiter waiter; /* first */
    struct request *link;
    uint64_t arrived_ns, begun_ns;
};

static void begin(struct model *m, struct request *r)
{
    r->begun_ns = m->now_ns;
    r->link = NULL;
    *m->working_end = r;
    m->working_end = &r->link;
    m->at_work++;
}

static void let_in(struct model *m)
{
    while (m->a->waiting && m->at_work < admission_work_limit(m->a)) {
        struct request *r = (struct request *)admission_next(m->a);
        if (admission_in_time(m->a, r->arrived_ns + MS(DEADLINE_MS), m->now_ns))
            begin(m, r);
        else
            free(r);
    }
}

static void commit_ends(struct model *m)
{
    struct request *r = m->committing;
    m->committing = NULL;
    while (r) {
        struct request *next = r->link;
        m->at_work--;
        if (m->a->busy)
            admission_done(m->a, m->now_ns - r->begun_ns, m->now_ns);
        uint64_t ms = (m->now_ns - r->arrived_ns) / MS(1);
        if (m->now_ns >= m->measure_from_ns) {
            m->served++;
            m->latency_ms[ms < 9999 ? ms : 9999]++;
        }
        free(r);
        let_in(m);
        r = next;
    }
}

static void commit_begins(struct model *m)
{
    uint64_t count = 0;
    struct request **end = &m->working;
    while (*end && count < MODEL_BATCH_MAX) {
        end = &(*end)->link;
        count++;
    }
    if (!count)
        return;
    m->committing = m->working;
    m->working = *end;
    if (!m->working)
        m->working_end = &m->working;
    *end = NULL;
    m->commit_ends_ns = m->now_ns + m->fixed_ns + count * m->each_ns;
}

static void arrive(struct model *m)
{
    struct waiter *leaver;
    struct request *r = calloc(1, sizeof *r);
    r->arrived_ns = m->now_ns;
    r->waiter.cost = 1;
    m->offered_count += m->now_ns >= m->measure_from_ns;
    if (admission_open(m->a, m->at_work)) {
        begin(m, r);
    } else if (admission_judge(m->a, HOT, m->now_ns + MS(DEADLINE_MS), m->now_ns, &leaver) ==
               ADMISSION_WAIT) {
        assert_null(leaver);
        admission_wait(m->a, &r->waiter, HOT);
    } else {
        free(r);
    }
}

static uint64_t percentile_ms(const struct model *m, double part)
{
    uint64_t below = 0, ms = 0;
    while (ms < 9999 && (double)below < part * (double)m->served)
        below += m->latency_ms[ms++];
    return ms;
}

/* Returns requests served a second, after `settle_ms`; their p99 in `p99_ms`. */
static double run_model(uint64_t fixed_ns, uint64_t each_ns, double offered, uint64_t settle_ms,
                        uint64_t *p99_ms)
{
    enum { MEASURED_MS = 8000 };
    struct model *m = calloc(1, sizeof *m);
    m->a = admission_new(MODEL_WORK_MAX, MODEL_QUEUE_MAX);
    m->fixed_ns = fixed_ns;
    m->each_ns = each_ns;
    m->now_ns = MS(1000);
    m->working_end = &m->working;
    m->measure_from_ns = m->now_ns + MS(settle_ms);
    uint64_t end_ns = m->measure_from_ns + MS(MEASURED_MS), gap_ns = (uint64_t)(1e9 / offered);
    uint64_t next_ns = m->now_ns;
    while (m->now_ns < end_ns) {
        if (m->committing && m->commit_ends_ns <= next_ns) {
            m->now_ns = m->commit_ends_ns;
            commit_ends(m);
        } else {
            m->now_ns = next_ns;
            next_ns += gap_ns;
            arrive(m);
        }
        if (!m->committing)
            commit_begins(m);
    }
    double served = (double)m->served / (MEASURED_MS / 1000.0);
    *p99_ms = percentile_ms(m, 0.99);
    struct waiter *w;
    while ((w = admission_next(m->a)))
        free(w);
    commit_ends(m);
    m->committing = m->working;
    commit_ends(m);
    free(m->a);
    free(m);
    return served;
}

static void ten_times_the_load_is_served_at_the_peak_and_in_time(void **state)
{
    (void)state;
    uint64_t p99_ms;
    double served = run_model(MS(2), 10000, 600000, 1000, &p99_ms); /* 97,600 a second at most */
    assert_true(served > 0.9 * 97600);
    assert_true(p99_ms < DEADLINE_MS);
}

static void on_a_slow_machine_fewer_are_let_in_to_work_at_a_time(void **state)
{
    (void)state;
    uint64_t p99_ms;
    double served = run_model(MS(2), 100000, 100000, 12000, &p99_ms); /* 9,975 a second at most */
    assert_true(served > 0.9 * 9975);
    assert_true(p99_ms < DEADLINE_MS);
}

static void where_fewer_at_work_would_only_be_fewer_the_rate_goes_first(void **state)
{
    (void)state;
    uint64_t p99_ms;
    double served = run_model(MS(400), 0, 40000, 60000, &p99_ms); /* 20,480 a second at most */
    assert_true(served > 0.85 * 20480);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_there_is_room_nobody_waits),
        cmocka_unit_test(within_a_sale_it_is_first_come_first_served),
        cmocka_unit_test(a_hot_sale_does_not_keep_a_small_one_waiting),
        cmocka_unit_test(queues_take_turns_by_what_their_requests_cost),
        cmocka_unit_test(who_finds_no_place_is_refused),
        cmocka_unit_test(a_newcomer_takes_the_place_of_the_longest_queues_newest),
        cmocka_unit_test(who_would_not_be_served_in_time_is_refused_at_once),
        cmocka_unit_test(whose_turn_comes_too_late_to_be_served_in_time_is_told),
        cmocka_unit_test(after_a_standstill_requests_are_let_in_again),
        cmocka_unit_test(ten_times_the_load_is_served_at_the_peak_and_in_time),
        cmocka_unit_test(on_a_slow_machine_fewer_are_let_in_to_work_at_a_time),
        cmocka_unit_test(where_fewer_at_work_would_only_be_fewer_the_rate_goes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
