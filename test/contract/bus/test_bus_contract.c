/* What every bus must do with reads of events. */
#include "fixture.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/wake.h"
#include "bus/bus_inproc.h"
#include "fake_log.h"

struct rig {
    struct fake_log log;
    struct bus *bus;
    struct event_reader reader;
    struct wake wake;
    struct mail *taken; /* answers not looked at yet */
};

static void wake_test(void *context)
{
    wake_up(context);
}

static int set_up(void **state)
{
    struct rig *rig = NULL;
    struct error e;
    assert_int_equal(posix_memalign((void **)&rig, 64, sizeof *rig), 0);
    memset(rig, 0, sizeof *rig);
    fake_log_init(&rig->log);
    const struct bus_inproc_config config = {.ledger = &rig->log.port,
                                             .source = "/shop",
                                             .page_bytes_max = 1 << 20,
                                             .lot_dims = fake_log_dims,
                                             .context = &rig->log};
    assert_int_equal(bus_inproc_create(&rig->bus, &config, &e), 0);
    rig->reader = (struct event_reader){.wake = wake_test, .context = &rig->wake};
    assert_int_equal(rig->bus->ops->start(rig->bus, &e), 0);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    rig->bus->ops->destroy(rig->bus);
    fake_log_close(&rig->log);
    free(rig);
    return 0;
}

static void ask(struct rig *rig, struct event_read *r, int64_t after, enum event_form form)
{
    *r = (struct event_read){.after = after, .form = (uint8_t)form};
    rig->bus->ops->read(rig->bus, &rig->reader, r);
}

/* The next answer, whichever it is of. */
static struct event_read *answer(struct rig *rig)
{
    while (!rig->taken) {
        wake_prepare(&rig->wake);
        rig->taken = mailbox_take(&rig->reader.answers);
        if (rig->taken)
            wake_cancel(&rig->wake);
        else
            wake_wait(&rig->wake, -1);
    }
    struct event_read *r = MAIL_OF(rig->taken, struct event_read);
    rig->taken = rig->taken->next;
    return r;
}

static struct event_page *page_after(struct rig *rig, int64_t after, enum event_form form)
{
    struct event_read r;
    ask(rig, &r, after, form);
    assert_ptr_equal(answer(rig), &r);
    assert_int_equal(r.code, 0);
    return r.page;
}

static void add(struct rig *rig, int n)
{
    for (int i = 0; i < n; i++)
        fake_log_add(&rig->log, 1);
}

static void events_come_in_the_order_of_the_log_from_any_place(void **state)
{
    struct rig *rig = *state;
    add(rig, 3);
    struct event_page *all = page_after(rig, 0, EVENT_SSE);
    assert_int_equal(all->count, 3);
    assert_int_equal(all->upto, 30);
    assert_int_equal(strncmp(all->bytes, "id: 10\ndata: {", 14), 0);
    assert_int_equal(strncmp(all->bytes + all->marks[1].end, "id: 30\ndata: {", 14), 0);
    assert_int_equal(all->marks[2].end, all->size);
    assert_int_equal(strncmp(all->bytes + all->size - 3, "}\n\n", 3), 0);
    event_page_release(all);
    struct event_page *some = page_after(rig, 20, EVENT_GRPC);
    assert_int_equal(some->count, 1);
    assert_int_equal(some->marks[0].id, 30);
    event_page_release(some);
}

static void a_long_log_comes_in_pages_without_holes(void **state)
{
    struct rig *rig = *state;
    int64_t after = 0, expected = 10;
    int pages = 0;
    add(rig, 2000);
    for (; after < 20000; pages++) {
        struct event_page *page = page_after(rig, after, EVENT_SSE);
        assert_int_equal(page->after, after);
        assert_true(page->size < 128 << 10);
        for (uint32_t i = 0; i < page->count; i++, expected += 10)
            assert_int_equal(page->marks[i].id, expected);
        after = page->upto;
        event_page_release(page);
    }
    assert_true(pages > 3);
    assert_int_equal(expected, 20010);
}

static void readers_of_one_place_share_one_reading_of_the_log(void **state)
{
    struct rig *rig = *state;
    add(rig, 3);
    struct event_page *a = page_after(rig, 0, EVENT_SSE);
    struct event_page *b = page_after(rig, 0, EVENT_SSE);
    struct event_page *within = page_after(rig, 10, EVENT_SSE);
    assert_ptr_equal(a, b);
    assert_ptr_equal(a, within);
    assert_int_equal(fake_log_reads(&rig->log), 1);
    event_page_release(a);
    event_page_release(b);
    event_page_release(within);
}

/* Until the read waits for a commit. */
static void ask_and_wait(struct rig *rig, struct event_read *r, int64_t after)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    struct bus_stats stats = {0};
    ask(rig, r, after, EVENT_SSE);
    do {
        nanosleep(&pause, NULL);
        rig->bus->ops->stats(rig->bus, &stats);
    } while (stats.waiting == 0);
}

static void a_read_at_the_end_is_answered_by_the_next_commit(void **state)
{
    struct rig *rig = *state;
    enum { ROUNDS = 30 }; /* in most of them the bus's thread is asleep by then */
    struct event_read r;
    add(rig, 1);
    for (int64_t end = 10; end < 10 * ROUNDS; end += 10) {
        ask_and_wait(rig, &r, end);
        assert_true(mailbox_empty(&rig->reader.answers));
        add(rig, 1);
        rig->bus->ops->committed(rig->bus);
        assert_ptr_equal(answer(rig), &r);
        assert_int_equal(r.page->count, 1);
        assert_int_equal(r.page->marks[0].id, end + 10);
        event_page_release(r.page);
    }
}

static void what_may_not_be_committed_yet_is_no_event(void **state)
{
    struct rig *rig = *state;
    add(rig, 1);
    fake_log_add_later(&rig->log, 1);
    struct event_page *page = page_after(rig, 0, EVENT_SSE);
    assert_int_equal(page->count, 1);
    assert_int_equal(page->upto, 10);
    event_page_release(page);
    fake_log_commit(&rig->log);
    page = page_after(rig, 10, EVENT_SSE);
    assert_int_equal(page->marks[0].id, 20);
    event_page_release(page);
}

static void what_is_not_kept_is_told_with_where_reading_can_begin(void **state)
{
    struct rig *rig = *state;
    struct event_read r;
    add(rig, 5);
    fake_log_take(&rig->log, 30);
    ask(rig, &r, 20, EVENT_SSE);
    assert_ptr_equal(answer(rig), &r);
    assert_int_equal(r.code, TLY_EGONE);
    assert_int_equal(r.oldest, 30);
    assert_null(r.page);
    struct event_page *page = page_after(rig, 30, EVENT_SSE);
    assert_int_equal(page->marks[0].id, 40);
    event_page_release(page);
}

static void the_beginning_is_what_is_kept(void **state)
{
    struct rig *rig = *state;
    struct event_read r;
    add(rig, 5);
    fake_log_take(&rig->log, 30);
    struct event_page *page = page_after(rig, 0, EVENT_SSE);
    assert_int_equal(page->marks[0].id, 40);
    event_page_release(page);
    ask(rig, &r, 10, EVENT_SSE); /* its place is within that page, and gone all the same */
    assert_ptr_equal(answer(rig), &r);
    assert_int_equal(r.code, TLY_EGONE);
}

static void an_event_that_is_not_there_yet_is_no_place_to_begin(void **state)
{
    struct rig *rig = *state;
    struct event_read r;
    add(rig, 1);
    ask(rig, &r, 11, EVENT_SSE);
    assert_ptr_equal(answer(rig), &r);
    assert_int_equal(r.code, TLY_EINVALID_ARGUMENT);
    assert_int_equal(r.oldest, 10);
}

static void a_log_that_cannot_be_read_is_said_and_read_later(void **state)
{
    struct rig *rig = *state;
    struct event_read r;
    add(rig, 1);
    fake_log_fail(&rig->log, TLY_EIO);
    ask(rig, &r, 0, EVENT_SSE);
    assert_ptr_equal(answer(rig), &r);
    assert_int_equal(r.code, TLY_EUNAVAILABLE);
    fake_log_fail(&rig->log, 0);
    struct event_page *page = page_after(rig, 0, EVENT_SSE);
    assert_int_equal(page->count, 1);
    event_page_release(page);
}

/* Nobody says committed(): another node wrote. */
static void of_a_shared_ledger_other_nodes_commits_are_seen(void **state)
{
    struct rig *rig = *state;
    struct event_read r;
    rig->log.port.traits.shared = true;
    ask_and_wait(rig, &r, 0);
    fake_log_add(&rig->log, 1);
    assert_ptr_equal(answer(rig), &r);
    assert_int_equal(r.code, 0);
    assert_int_equal(r.page->count, 1);
    event_page_release(r.page);
}

static void a_stop_answers_who_waits(void **state)
{
    struct rig *rig = *state;
    struct event_read r;
    ask_and_wait(rig, &r, 0);
    rig->bus->ops->stop(rig->bus);
    assert_ptr_equal(answer(rig), &r);
    assert_int_equal(r.code, TLY_ECLOSED);
}

static void the_two_forms_do_not_mix(void **state)
{
    struct rig *rig = *state;
    add(rig, 1);
    struct event_page *sse = page_after(rig, 0, EVENT_SSE);
    struct event_page *grpc = page_after(rig, 0, EVENT_GRPC);
    assert_int_equal(sse->form, EVENT_SSE);
    assert_int_equal(grpc->form, EVENT_GRPC);
    assert_int_equal(grpc->bytes[0], 0); /* not compressed */
    event_page_release(sse);
    event_page_release(grpc);
}

static void kept_pages_stay_within_their_bound(void **state)
{
    struct rig *rig = *state;
    struct bus_stats stats;
    add(rig, 4000);
    for (int64_t after = 0; after < 40000;) {
        struct event_page *page = page_after(rig, after, EVENT_SSE);
        after = page->upto;
        event_page_release(page);
        rig->bus->ops->stats(rig->bus, &stats);
        assert_true(stats.page_bytes <= 1 << 20);
    }
    assert_true(stats.page_bytes > 1 << 19);
    assert_int_equal(stats.encoded_total, 4000);
}

#define IN_A_RIG(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_RIG(events_come_in_the_order_of_the_log_from_any_place),
        IN_A_RIG(a_long_log_comes_in_pages_without_holes),
        IN_A_RIG(readers_of_one_place_share_one_reading_of_the_log),
        IN_A_RIG(a_read_at_the_end_is_answered_by_the_next_commit),
        IN_A_RIG(what_may_not_be_committed_yet_is_no_event),
        IN_A_RIG(of_a_shared_ledger_other_nodes_commits_are_seen),
        IN_A_RIG(what_is_not_kept_is_told_with_where_reading_can_begin),
        IN_A_RIG(the_beginning_is_what_is_kept),
        IN_A_RIG(an_event_that_is_not_there_yet_is_no_place_to_begin),
        IN_A_RIG(a_log_that_cannot_be_read_is_said_and_read_later),
        IN_A_RIG(a_stop_answers_who_waits),
        IN_A_RIG(the_two_forms_do_not_mix),
        IN_A_RIG(kept_pages_stay_within_their_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
