/* Events: streams of moves, over HTTP and gRPC. */
#include "fixture_service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

enum { FORMS = 2 };

static int open_fixture(void **state)
{
    struct fixture *f = fixture_open();
    f->newest = 90;
    *state = f;
    return 0;
}

/* What is still with the bus comes back when it stops. */
static int close_fixture(void **state)
{
    struct fixture *f = *state;
    while (f->read_count) {
        struct event_read *r = f->reads[--f->read_count];
        r->code = TLY_ECLOSED;
        r->page = NULL;
        service_events_answered(f->service, r);
    }
    fixture_close(f);
    return 0;
}

static struct event_read *take_read(struct fixture *f)
{
    assert_true(f->read_count > 0);
    struct event_read *r = f->reads[0];
    memmove(f->reads, f->reads + 1, --f->read_count * sizeof f->reads[0]);
    return r;
}

static void answer_code(struct fixture *f, int code, int64_t oldest)
{
    struct event_read *r = take_read(f);
    r->code = code;
    r->oldest = oldest;
    r->page = NULL;
    service_events_answered(f->service, r);
}

/* "<10>", "<20>", ...: count events from `first`, ids by tens, each `size` bytes. */
static struct event_page *page_of(struct event_read *r, int64_t first, uint32_t n, uint32_t size)
{
    struct event_page *page = calloc(1, sizeof *page + n * sizeof(struct event_mark) + n * size);
    struct event_mark *marks = (struct event_mark *)(void *)(page + 1);
    char *bytes = (char *)(marks + n);
    memset(bytes, '.', (size_t)n * size);
    for (uint32_t i = 0; i < n; i++) {
        char text[24];
        int64_t id = first + 10 * (int64_t)i;
        int length = snprintf(text, sizeof text, "<%d>", (int)id);
        memcpy(bytes + i * size, text, (size_t)length);
        marks[i] = (struct event_mark){id, (i + 1) * size};
    }
    page->holders = 1;
    page->form = r->form;
    page->after = r->after;
    page->upto = first + 10 * ((int64_t)n - 1);
    page->count = n;
    page->size = n * size;
    page->marks = marks;
    page->bytes = bytes;
    return page;
}

/* Answers the oldest read; the page is kept for the test, which releases it. */
static struct event_page *answer(struct fixture *f, int64_t first, uint32_t n, uint32_t size)
{
    struct event_read *r = take_read(f);
    struct event_page *page = page_of(r, first, n, size);
    page->holders = 2;
    r->code = 0;
    r->page = page;
    service_events_answered(f->service, r);
    return page;
}

static void a_consumer_gets_what_comes_after_its_event(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "GET", "/v1/events?after=40", "");
    assert_int_equal(x->answers, 0); /* not before it is known that its place is kept */
    assert_int_equal(f->reads[0]->after, 40);
    event_page_release(answer(f, 50, 2, 4));
    assert_int_equal(x->status, 200);
    assert_true(str_equal(x->content_type, STR("text/event-stream")));
    assert_string_equal(x->streamed, "<50><60>");
    assert_int_equal(service_streams(f->service), 1);
    assert_int_equal(f->reads[0]->after, 60);
    event_page_release(answer(f, 70, 1, 4));
    assert_string_equal(x->streamed, "<50><60><70>");
}

static void the_beginning_is_0_and_without_a_place_it_is_now(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *begin = http(f, "GET", "/v1/events?after=0", "");
    struct fake_exchange *now = http(f, "GET", "/v1/events", "");
    assert_int_equal(begin->answers, 0);
    assert_int_equal(now->status, 200); /* there is nothing to wait for */
    assert_int_equal(f->read_count, 2);
    assert_int_equal(f->reads[0]->after, 0);
    assert_int_equal(f->reads[1]->after, 90);
}

static void a_client_that_comes_back_goes_on_where_it_was(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http_new(f, "GET", "/v1/events?after=10", "");
    fake_header(x, HEADER_last_event_id, "40");
    fixture_handle(f, x);
    assert_int_equal(f->reads[0]->after, 40);
}

static void what_is_no_event_id_is_refused(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "GET", "/v1/events?after=soon", "");
    assert_int_equal(x->status, 400);
    assert_true(answer_says(x, "\"field\":\"after\""));
    x = http_new(f, "GET", "/v1/events?after=10", "");
    fake_header(x, HEADER_last_event_id, "-4");
    fixture_handle(f, x);
    assert_int_equal(x->status, 400);
    assert_true(answer_says(x, "Last-Event-ID"));
    assert_int_equal(f->read_count, 0);
}

static void a_place_that_is_not_kept_is_refused_with_where_one_can_begin(void **state)
{
    struct fixture *f = *state;
    Tally__V1__EventsRequest m = TALLY__V1__EVENTS_REQUEST__INIT;
    struct fake_exchange *x = http(f, "GET", "/v1/events?after=40", "");
    m.after = (char *)"40";
    struct fake_exchange *g = grpc(f, "Events", &m.base);
    answer_code(f, TLY_EGONE, 60);
    answer_code(f, TLY_EGONE, 60);
    assert_int_equal(x->status, 410);
    assert_true(answer_says(x, "\"code\":\"GONE\""));
    assert_true(answer_says(x, "\"after\":\"60\""));
    assert_string_equal(answer_trailer(g, "grpc-status"), "11");
    assert_int_equal(service_streams(f->service), 0);
}

static void an_event_that_is_not_there_yet_is_refused(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "GET", "/v1/events?after=91", "");
    answer_code(f, TLY_EINVALID_ARGUMENT, 90);
    assert_int_equal(x->status, 400);
    assert_true(answer_says(x, "the newest is 90"));
}

static void a_place_that_is_lost_on_the_way_ends_the_stream_and_says_so(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "GET", "/v1/events?after=90", "");
    assert_int_equal(x->status, 200);
    answer_code(f, TLY_EGONE, 200);
    assert_non_null(strstr(x->streamed, "event: error\ndata: {"));
    assert_non_null(strstr(x->streamed, "\"after\":\"200\""));
    assert_int_equal(x->ends, 1);
}

static void consumers_at_the_same_place_share_one_question(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *a = http(f, "GET", "/v1/events?after=40", "");
    struct fake_exchange *b = http(f, "GET", "/v1/events?after=40", "");
    assert_int_equal(f->read_count, 1);
    event_page_release(answer(f, 50, 1, 4));
    assert_string_equal(a->streamed, "<50>");
    assert_string_equal(b->streamed, "<50>");
    assert_int_equal(f->read_count, 1);
}

static void one_within_a_page_gets_the_rest_of_it(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "GET", "/v1/events?after=60", "");
    event_page_release(answer(f, 50, 3, 4));
    assert_string_equal(x->streamed, "<70>");
}

static void a_slow_client_waits_and_misses_nothing(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "GET", "/v1/events?after=0", "");
    x->write_result = TLY_EFULL;
    struct event_page *page = answer(f, 10, 2, 4);
    assert_int_equal(page->holders, 2); /* it is kept for a moment */
    assert_null(x->streamed);
    assert_int_equal(f->read_count, 0);
    x->write_result = 0;
    service_events_turn(f->service);
    assert_string_equal(x->streamed, "<10><20>");
    assert_int_equal(page->holders, 1);
    assert_int_equal(f->reads[0]->after, 20);
    event_page_release(page);
}

static void a_client_that_reads_nothing_for_long_is_asked_for_again_later(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "GET", "/v1/events?after=0", "");
    x->write_result = TLY_EFULL;
    struct event_page *page = answer(f, 10, 2, 4);
    fixture_tick(f, 150);
    assert_int_equal(page->holders, 1); /* nothing is kept for it */
    event_page_release(page);
    assert_int_equal(f->read_count, 0);
    fixture_tick(f, 2000);
    assert_int_equal(f->reads[0]->after, 0);
    x->write_result = 0;
    event_page_release(answer(f, 10, 2, 4));
    assert_string_equal(x->streamed, "<10><20>");
}

static void a_page_that_does_not_fit_goes_out_in_parts(void **state)
{
    enum { EVENTS = 40, BYTES = 2048 };
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "GET", "/v1/events?after=0", "");
    event_page_release(answer(f, 10, EVENTS, BYTES));
    assert_int_equal(x->streamed_size, EVENTS * BYTES);
    assert_int_equal(f->reads[0]->after, 10 * EVENTS);
}

static void one_turn_passes_on_no_more_than_its_share(void **state)
{
    enum { EVENTS = 500, BYTES = 2000, EACH = EVENTS * BYTES, SHARE = (1 << 20) + (32 << 10) };
    struct fixture *f = *state;
    struct fake_exchange *x[3];
    size_t all = 0;
    for (size_t i = 0; i < 3; i++)
        x[i] = http(f, "GET", "/v1/events?after=0", "");
    event_page_release(answer(f, 10, EVENTS, BYTES));
    for (int turn = 0; turn < 3; turn++) {
        size_t before = all;
        service_events_turn(f->service);
        all = x[0]->streamed_size + x[1]->streamed_size + x[2]->streamed_size;
        assert_true(all - before <= SHARE + (turn ? 0 : SHARE));
    }
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(x[i]->streamed_size, EACH);
}

static void a_client_that_goes_lets_its_page_go(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "GET", "/v1/events?after=0", "");
    x->write_result = TLY_EFULL;
    struct event_page *page = answer(f, 10, 2, 4);
    x->x.gone = true;
    x->x.on_gone(&x->x);
    fixture_tick(f, 20);
    assert_int_equal(service_streams(f->service), 0);
    assert_int_equal(page->holders, 1);
    event_page_release(page);
}

static void a_client_that_goes_while_it_is_asked_for_is_forgotten(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "GET", "/v1/events?after=90", "");
    x->x.gone = true;
    x->x.on_gone(&x->x);
    fixture_tick(f, 20);
    assert_int_equal(x->ends, 1);
    event_page_release(answer(f, 100, 1, 5));
    assert_null(x->streamed);
}

static void a_log_that_cannot_be_read_is_asked_again_later(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "GET", "/v1/events?after=90", "");
    answer_code(f, TLY_EUNAVAILABLE, 0);
    assert_int_equal(x->ends, 0);
    fixture_tick(f, 100);
    assert_int_equal(f->read_count, 0);
    fixture_tick(f, 1500);
    assert_int_equal(f->reads[0]->after, 90);
}

static void many_places_take_turns(void **state)
{
    struct fixture *f = *state;
    const char *const targets[] = {"/v1/events?after=0",  "/v1/events?after=10",
                                   "/v1/events?after=20", "/v1/events?after=30",
                                   "/v1/events?after=40", "/v1/events?after=50"};
    struct fake_exchange *x[6];
    for (size_t i = 0; i < 6; i++)
        x[i] = http(f, "GET", targets[i], "");
    assert_true(f->read_count < 6);
    for (int i = 0; i < 6; i++) {
        int64_t after = f->reads[0]->after;
        event_page_release(answer(f, after + 1, 1, 4));
    }
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(x[i]->status, 200); /* each had its first page */
}

static void a_quiet_stream_carries_a_comment(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "GET", "/v1/events?after=90", "");
    fixture_tick(f, 14000);
    assert_null(x->streamed);
    fixture_tick(f, 16000);
    assert_string_equal(x->streamed, ":\n\n");
}

static void streams_of_events_are_bounded(void **state)
{
    struct fixture *f = *state;
    f->settings.watchers_max = 2;
    http(f, "GET", "/v1/events?after=90", "");
    http(f, "GET", "/v1/events?after=0", ""); /* opening */
    struct fake_exchange *x = http(f, "GET", "/v1/events?after=90", "");
    assert_int_equal(x->status, 503);
    assert_true(answer_says(x, "watchers_max"));
}

static void a_stopping_server_ends_them_all(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *open = http(f, "GET", "/v1/events?after=90", "");
    struct fake_exchange *opening = http(f, "GET", "/v1/events?after=0", "");
    service_end_streams(f->service);
    assert_int_equal(open->ends, 1);
    assert_int_equal(opening->status, 503);
    answer_code(f, TLY_ECLOSED, 0);
    answer_code(f, TLY_ECLOSED, 0);
    assert_int_equal(f->read_count, 0);
}

static void over_grpc_the_form_is_its_own(void **state)
{
    struct fixture *f = *state;
    Tally__V1__EventsRequest m = TALLY__V1__EVENTS_REQUEST__INIT;
    m.after = (char *)"40";
    struct fake_exchange *g = grpc(f, "Events", &m.base);
    http(f, "GET", "/v1/events?after=40", "");
    assert_int_equal(f->read_count, 2);
    assert_int_equal(f->reads[0]->form, EVENT_GRPC);
    assert_int_equal(f->reads[1]->form, EVENT_SSE);
    event_page_release(answer(f, 50, 1, 4));
    assert_string_equal(g->streamed, "<50>");
}

static void a_head_is_answered_without_a_stream(void **state)
{
    struct fixture *f = *state;
    struct fake_exchange *x = http(f, "HEAD", "/v1/events?after=90", "");
    assert_int_equal(x->status, 200);
    assert_int_equal(service_streams(f->service), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_consumer_gets_what_comes_after_its_event),
        TEST(the_beginning_is_0_and_without_a_place_it_is_now),
        TEST(a_client_that_comes_back_goes_on_where_it_was),
        TEST(what_is_no_event_id_is_refused),
        TEST(a_place_that_is_not_kept_is_refused_with_where_one_can_begin),
        TEST(an_event_that_is_not_there_yet_is_refused),
        TEST(a_place_that_is_lost_on_the_way_ends_the_stream_and_says_so),
        TEST(consumers_at_the_same_place_share_one_question),
        TEST(one_within_a_page_gets_the_rest_of_it),
        TEST(a_slow_client_waits_and_misses_nothing),
        TEST(a_client_that_reads_nothing_for_long_is_asked_for_again_later),
        TEST(a_page_that_does_not_fit_goes_out_in_parts),
        TEST(one_turn_passes_on_no_more_than_its_share),
        TEST(a_client_that_goes_lets_its_page_go),
        TEST(a_client_that_goes_while_it_is_asked_for_is_forgotten),
        TEST(a_log_that_cannot_be_read_is_asked_again_later),
        TEST(many_places_take_turns),
        TEST(a_quiet_stream_carries_a_comment),
        TEST(streams_of_events_are_bounded),
        TEST(a_stopping_server_ends_them_all),
        TEST(over_grpc_the_form_is_its_own),
        TEST(a_head_is_answered_without_a_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
