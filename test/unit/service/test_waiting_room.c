/* JoinQueue, GetTicket, and orders that come with a ticket. */
#include "fixture_service.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)
#define NOW_MS     INT64_C(1795000000000)

struct rig {
    struct fixture *f;
    struct waiting_rooms *rooms;
    struct sale_view sale;
    char folder[64];
};

static int open_rig(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    struct error e;
    snprintf(r->folder, sizeof r->folder, "/tmp/tally-rooms-XXXXXX");
    if (!mkdtemp(r->folder))
        return -1;
    const struct waiting_config config = {
        .folder = r->folder, .hash_seed = 7, .users_max = 3, .now_ms = NOW_MS};
    if (waiting_open(&r->rooms, &config, &e))
        return -1;
    r->f = fixture_open();
    service_destroy(r->f->service);
    r->f->gate.detached = r->f->gate.later = false;
    r->f->host.waiting = r->rooms;
    if (service_create(&r->f->service, &r->f->host, &e))
        return -1;
    r->sale = (struct sale_view){.terms = {.number = 1,
                                           .sale_id = STR("spring"),
                                           .starts_ms = NOW_MS - 1,
                                           .ends_ms = NOW_MS + 70000,
                                           .queue = QUEUE_FIRST_COME},
                                 .now_ms = NOW_MS,
                                 .units_left = 1};
    *state = r;
    return 0;
}

static int close_rig(void **state)
{
    struct rig *r = *state;
    char path[400];
    fixture_close(r->f);
    waiting_close(r->rooms);
    DIR *folder = opendir(r->folder);
    struct dirent *entry;
    while ((entry = readdir(folder))) {
        snprintf(path, sizeof path, "%s/%s", r->folder, entry->d_name);
        unlink(path);
    }
    closedir(folder);
    rmdir(r->folder);
    free(r);
    return 0;
}

static void answer_sale(struct rig *r)
{
    struct command *c = fixture_command(r->f);
    assert_int_equal(c->kind, COMMAND_GET_SALE);
    assert_true(str_equal(c->sale->terms.sale_id, STR("spring")));
    c->sale->sale = r->sale;
    fixture_answer(r->f, c, 0);
}

static struct fake_exchange *join(struct rig *r, const char *user)
{
    char body[100];
    snprintf(body, sizeof body, "{\"user_id\":\"%s\"}", user);
    struct fake_exchange *x = http(r->f, "POST", "/v1/sales/spring/queue", body);
    answer_sale(r);
    assert_int_equal(x->status, 200);
    return x;
}

/* The ticket in an answer; static. */
static const char *ticket_of(const struct fake_exchange *x)
{
    static char ticket[TICKET_TEXT_MAX + 1];
    const char *at = memmem(x->body.p, x->body.len, "\"ticket\":\"", 10);
    assert_non_null(at);
    snprintf(ticket, sizeof ticket, "%.*s", (int)strcspn(at + 10, "\""), at + 10);
    return ticket;
}

static struct fake_exchange *look(struct rig *r, const char *ticket)
{
    char path[250];
    snprintf(path, sizeof path, "/v1/queue/%s", ticket);
    struct fake_exchange *x = http(r->f, "GET", path, "");
    if (!x->answers)
        answer_sale(r);
    return x;
}

static const struct order_extra *order(struct rig *r, const char *user, const char *ticket)
{
    char body[500];
    snprintf(body, sizeof body,
             "{\"user_id\":\"%s\",\"sale_id\":\"spring\",\"ticket\":\"%s\","
             "\"lines\":[{\"lot\":\"cola#00000000\",\"quantity\":1}]}",
             user, ticket);
    http(r->f, "POST", "/v1/reservations", body);
    return fixture_command(r->f)->reserve.extra;
}

static void whoever_joins_is_told_his_place(void **state)
{
    struct rig *r = *state;
    struct fake_exchange *x = join(r, "ann");
    assert_true(answer_says(x, "\"place\":1"));
    assert_true(answer_says(x, "\"status\":\"ADMITTED\""));
    assert_true(answer_says(x, "\"sale_id\":\"spring\""));
    assert_false(answer_says(x, "\"draw\""));
    x = join(r, "bob");
    assert_true(answer_says(x, "\"place\":2"));
    assert_true(answer_says(x, "\"status\":\"SOLD_OUT\"")); /* told at once */
}

static void a_ticket_tells_how_far_the_line_has_come(void **state)
{
    struct rig *r = *state;
    join(r, "ann");
    r->sale.units_left = 0; /* ann has ordered */
    r->sale.units_pending = 1;
    r->sale.orders_made = 1;
    struct fake_exchange *x = join(r, "bob");
    assert_true(answer_says(x, "\"status\":\"WAITING\""));
    char ticket[TICKET_TEXT_MAX + 1];
    snprintf(ticket, sizeof ticket, "%s", ticket_of(x));
    r->sale.units_left = 1; /* it came back */
    r->sale.units_pending = 0;
    x = look(r, ticket);
    assert_true(answer_says(x, "\"status\":\"ADMITTED\""));
    assert_true(answer_says(x, "\"place\":2"));
    assert_string_equal(ticket_of(x), ticket);
}

static void before_the_draw_an_answer_has_no_place(void **state)
{
    struct rig *r = *state;
    r->sale.terms.queue = QUEUE_DRAWN;
    r->sale.terms.starts_ms = NOW_MS + 1;
    struct fake_exchange *x = join(r, "ann");
    assert_false(answer_says(x, "\"place\""));
    assert_true(answer_says(x, "\"commitment\":\""));
    assert_true(answer_says(x, "\"secret\":\"\""));
    r->sale.terms.starts_ms = NOW_MS;
    x = look(r, ticket_of(x));
    assert_true(answer_says(x, "\"place\":1"));
    assert_true(answer_says(x, "\"entrants\":1"));
}

static void a_text_that_is_no_ticket_is_not_found(void **state)
{
    struct rig *r = *state;
    struct fake_exchange *x = look(r, "nonsense");
    assert_int_equal(x->status, 404);
    assert_true(answer_says(x, "\"field\":\"ticket\""));
}

static void a_sale_without_a_waiting_room_says_so(void **state)
{
    struct rig *r = *state;
    r->sale.terms.queue = QUEUE_NONE;
    struct fake_exchange *x = http(r->f, "POST", "/v1/sales/spring/queue", "{\"user_id\":\"ann\"}");
    answer_sale(r);
    assert_int_equal(x->status, 400);
    assert_true(answer_says(x, "no waiting room"));
    x = http(r->f, "POST", "/v1/sales/spring/queue", "{\"user_id\":\"ann\"}");
    fixture_answer(r->f, fixture_command(r->f), TLY_ENOT_FOUND);
    assert_int_equal(x->status, 404);
}

static void a_full_waiting_room_is_overloaded(void **state)
{
    struct rig *r = *state;
    join(r, "ann");
    join(r, "bob");
    join(r, "cem");
    struct fake_exchange *x = http(r->f, "POST", "/v1/sales/spring/queue", "{\"user_id\":\"dan\"}");
    answer_sale(r);
    assert_int_equal(x->status, 503);
    assert_true(answer_says(x, "waiting_users_max"));
}

static void an_order_is_admitted_by_its_ticket(void **state)
{
    struct rig *r = *state;
    char ann[TICKET_TEXT_MAX + 1], bob[TICKET_TEXT_MAX + 1];
    snprintf(ann, sizeof ann, "%s", ticket_of(join(r, "ann")));
    snprintf(bob, sizeof bob, "%s", ticket_of(join(r, "bob")));
    assert_true(order(r, "ann", ann)->admitted);
    fixture_reserved(r->f, 1);
    const struct {
        const char *user, *ticket, *why;
    } rows[] = {{"bob", bob, "turn yet"},
                {"bob", ann, "another user's"},
                {"bob", "", "without a ticket"},
                {"bob", "nonsense", "not made for this sale"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct order_extra *x = order(r, rows[i].user, rows[i].ticket);
        assert_false(x->admitted);
        assert_non_null(strstr(x->why_not, rows[i].why));
        fixture_answer(r->f, fixture_command(r->f), TLY_ENOT_ADMITTED);
    }
}

static void a_ticket_goes_with_its_sale(void **state)
{
    struct rig *r = *state;
    struct fake_exchange *x =
        http(r->f, "POST", "/v1/reservations",
             "{\"user_id\":\"ann\",\"ticket\":\"x\",\"lines\":[{\"lot\":\"cola#00000000\","
             "\"quantity\":1}]}");
    assert_int_equal(x->status, 400);
    assert_true(answer_says(x, "\"field\":\"ticket\""));
}

static void both_protocols_join_the_same_line(void **state)
{
    struct rig *r = *state;
    join(r, "ann");
    Tally__V1__JoinQueueRequest m = TALLY__V1__JOIN_QUEUE_REQUEST__INIT;
    m.sale_id = (char *)"spring";
    m.user_id = (char *)"bob";
    struct fake_exchange *x = grpc(r->f, "/tally.v1.Sales/JoinQueue", &m.base);
    answer_sale(r);
    Tally__V1__JoinQueueResponse *joined =
        answer_message(x, &tally__v1__join_queue_response__descriptor);
    assert_int_equal(joined->place, 2);
    Tally__V1__GetTicketRequest g = TALLY__V1__GET_TICKET_REQUEST__INIT;
    g.ticket = joined->ticket;
    x = grpc(r->f, "/tally.v1.Sales/GetTicket", &g.base);
    answer_sale(r);
    Tally__V1__GetTicketResponse *looked =
        answer_message(x, &tally__v1__get_ticket_response__descriptor);
    assert_int_equal(looked->place, 2);
    assert_string_equal(looked->status, "SOLD_OUT");
}

static void orders_of_a_small_sale_do_not_wait_behind_those_of_a_hot_one(void **state)
{
    struct fixture *f = ((struct rig *)*state)->f;
    f->settings.inflight_max = 1;
    f->settings.queue_max = 200;
    for (int i = 0; i < 60; i++)
        http(f, "POST", "/v1/reservations",
             "{\"user_id\":\"ann\",\"sale_id\":\"hot\",\"lines\":[{\"lot\":\"cola#00000000\","
             "\"quantity\":1}]}");
    http(f, "POST", "/v1/reservations",
         "{\"user_id\":\"bob\",\"sale_id\":\"spring\",\"lines\":[{\"lot\":\"cola#00000000\","
         "\"quantity\":1}]}");
    http(
        f, "POST", "/v1/sales/small/groups",
        "{\"order\":{\"user_id\":\"eve\",\"lines\":[{\"lot\":\"cola#00000000\",\"quantity\":1}]}}");
    int before = 0;
    while (fixture_command(f)->kind != COMMAND_RESERVE ||
           !str_equal(fixture_command(f)->reserve.extra->sale_id, STR("spring"))) {
        fixture_answer(f, fixture_command(f), TLY_ESOLD_OUT);
        service_flush(f->service);
        while (f->gate.kept)
            fake_gate_answer(f, GATE_PASS);
        before++;
    }
    assert_in_range(before, 1, 35);
    while (f->command_count) {
        fixture_answer(f, fixture_command(f), TLY_ESOLD_OUT);
        service_flush(f->service);
        while (f->gate.kept)
            fake_gate_answer(f, GATE_PASS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(whoever_joins_is_told_his_place),
        TEST(a_ticket_tells_how_far_the_line_has_come),
        TEST(before_the_draw_an_answer_has_no_place),
        TEST(a_text_that_is_no_ticket_is_not_found),
        TEST(a_sale_without_a_waiting_room_says_so),
        TEST(a_full_waiting_room_is_overloaded),
        TEST(an_order_is_admitted_by_its_ticket),
        TEST(a_ticket_goes_with_its_sale),
        TEST(both_protocols_join_the_same_line),
        TEST(orders_of_a_small_sale_do_not_wait_behind_those_of_a_hot_one),
    };
    return RUN_WITH_BOTH_GATES(tests);
}
