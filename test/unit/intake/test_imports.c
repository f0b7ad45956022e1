/* A whole stock file through its stages, with an engine that answers as the test says. */
#include "fixture.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "intake/import_internal.h"
#include "intake/stock_import.h"

#define HEADER "sku,flavor,size,batch,quantity\n"

enum { ROWS = IMPORT_CHUNK + 3 * IMPORT_JOBS, NO_ROW = ROWS };

/* What the engine knows of lot S-n. */
struct one {
    int32_t on_hand; /* -1: there is none */
    bool changed, given_back;
};

struct rig {
    struct imports *all;
    char dir[64];
    struct command *commands[IMPORT_JOBS]; /* with the engine, oldest first */
    uint32_t count;
    uint32_t ended, woken;
    uint32_t (*lots)(const struct set_item *item); /* on hand; UINT32_MAX: there is no such lot */
    uint32_t held;                                 /* of each lot, when it is applied */
    struct one *ones;                              /* ROWS; NULL: `lots` tells */
    uint32_t sold;                                 /* number of a lot that cannot fall any more */
};

static void submit(void *context, struct command *c)
{
    struct rig *r = context;
    assert_true(r->count < IMPORT_JOBS);
    r->commands[r->count++] = c;
}

static struct command *command(const struct rig *r)
{
    return r->count ? r->commands[0] : NULL;
}

static void tell_rules(void *context, enum stock_rules *rules, struct str *flavors)
{
    (void)context;
    *rules = STOCK_DRINKS;
    *flavors = (struct str){"", 0};
}

static void wake(void *context)
{
    ((struct rig *)context)->woken++;
}

static void ended(void *context, struct str id, int status)
{
    (void)id, (void)status;
    ((struct rig *)context)->ended++;
}

static void open_imports(struct rig *r)
{
    struct error e;
    const struct imports_host host = {
        .context = r, .submit = submit, .rules = tell_rules, .wake = wake, .ended = ended};
    assert_int_equal(imports_create(&r->all, r->dir, &host, &e), 0);
}

static uint32_t no_lots(const struct set_item *item)
{
    (void)item;
    return UINT32_MAX;
}

static uint32_t of_fifty(const struct set_item *item)
{
    (void)item;
    return 50;
}

static int setup(void **state)
{
    struct rig *r = calloc(1, sizeof(*r));
    snprintf(r->dir, sizeof(r->dir), "/tmp/tally-imports-XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    r->lots = no_lots;
    open_imports(r);
    *state = r;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static int teardown(void **state)
{
    struct rig *r = *state;
    imports_destroy(r->all);
    nftw(r->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(r->ones);
    free(r);
    return 0;
}

static struct stock_import *send_options(struct rig *r, const struct stock_import_options *o,
                                         const char *text, size_t size)
{
    struct stock_import *i;
    struct error e;
    assert_int_equal(stock_import_create(&i, r->all, o, &e), 0);
    assert_int_equal(stock_import_write(i, text, size, &e), 0);
    stock_import_submit(i);
    return i;
}

static struct stock_import *send_text(struct rig *r, const char *text)
{
    return send_options(r, &(struct stock_import_options){0}, text, strlen(text));
}

/* `rows` rows of quantities from 40 to 60. */
static struct stock_import *send_rows(struct rig *r, uint32_t rows)
{
    char *text = malloc((size_t)rows * 64 + 64);
    size_t len = (size_t)snprintf(text, 64, HEADER);
    for (uint32_t i = 0; i < rows; i++)
        len += (size_t)snprintf(text + len, 64, "S-%u,lime,330ml_can,BATCH-20261001-A,%u\n", i,
                                40 + i % 21);
    struct stock_import *import = send_options(r, &(struct stock_import_options){0}, text, len);
    free(text);
    return import;
}

static uint32_t number_of(struct str key)
{
    return (uint32_t)strtoul(key.p + 2, NULL, 10);
}

/* As the engine would. */
static void answer_item(const struct rig *r, struct command *c, struct set_item *item)
{
    uint32_t on_hand =
        r->ones ? (uint32_t)r->ones[number_of(item->dims.key)].on_hand : r->lots(item);
    int64_t held = c->set.check_only ? 0 : r->held;
    int64_t target = item->quantity + (c->set.mode == SET_AVAILABLE ? held : 0);
    item->held = held;
    item->fault = SET_FINE;
    if (on_hand == UINT32_MAX) {
        item->action = c->set.existing_only ? SET_PASSED : SET_CREATE;
        item->delta = item->quantity;
        return;
    }
    item->delta = target - (int64_t)on_hand;
    item->action = item->delta == 0 ? SET_SAME : item->delta > 0 ? SET_RAISE : SET_LOWER;
    if (item->delta < 0 && target < held) {
        item->fault = SET_HELD;
        c->set.faults++;
    }
}

/* An adjustment counts once; a lot is made once. */
static int answer_row(struct rig *r, struct command *c)
{
    bool creates = c->kind == COMMAND_CREATE_LOT;
    uint32_t n = number_of(creates ? c->create.dims.key : c->adjust.key);
    struct one *one = &r->ones[n];
    if (creates && one->on_hand >= 0)
        return TLY_EALREADY_EXISTS;
    if (creates) {
        one->on_hand = (int32_t)c->create.quantity;
        return 0;
    }
    bool *done = c->adjust.adjustment_id.p[0] == 'b' ? &one->given_back : &one->changed;
    if (*done)
        return 0;
    if (n == r->sold && c->adjust.delta < 0)
        return TLY_ESOLD_OUT;
    *done = true;
    one->on_hand += (int32_t)c->adjust.delta;
    return 0;
}

static void answer(struct rig *r, int code)
{
    struct command *c = command(r);
    assert_non_null(c);
    assert_true(imports_own(r->all, c));
    memmove(r->commands, r->commands + 1, --r->count * sizeof(struct command *));
    if (c->kind != COMMAND_SET_STOCK) {
        c->code = code ? code : answer_row(r, c);
        imports_complete(r->all, c);
        return;
    }
    c->set.faults = 0;
    for (uint32_t k = 0; k < c->set.count && !code; k++)
        answer_item(r, c, &c->set.items[k]);
    c->code = code ? code : c->set.faults ? TLY_EINVALID_ARGUMENT : 0;
    imports_complete(r->all, c);
}

static struct stock_import_look run(struct rig *r, struct stock_import *i)
{
    struct stock_import_look look;
    imports_turn(r->all, 0);
    while (r->count) {
        answer(r, 0);
        imports_turn(r->all, 0);
    }
    stock_import_look(i, &look);
    assert_int_equal(look.state, STOCK_IMPORT_DONE);
    return look;
}

static void expect_says(struct stock_import_look look, const char *part)
{
    if (!strstr(look.result.p, part))
        fail_msg("'%s' does not say '%s'", look.result.p, part);
}

static void a_file_is_checked_and_then_one_command(void **state)
{
    struct rig *r = *state;
    struct stock_import *i = send_text(r, HEADER "A,lime,330ml_can,BATCH-20261001-A,5\n"
                                                 "B,lime,330ml_can,BATCH-20261001-A,6\n");
    assert_int_equal(r->woken, 1);
    imports_turn(r->all, 0);
    assert_true(command(r)->set.check_only);
    answer(r, 0);
    imports_turn(r->all, 0);
    assert_false(command(r)->set.check_only);
    assert_int_equal(command(r)->set.count, 2);
    assert_int_equal(command(r)->set.items[1].quantity, 6);
    struct stock_import_look look = run(r, i);
    assert_int_equal(look.status, 200);
    expect_says(look, "\"rows\":2,\"created\":2,");
    stock_import_release(i);
}

static void a_fault_of_any_row_ends_it_before_anything_is_applied(void **state)
{
    static const char *const rows[] = {
        "B,lime,330ml_can,BATCH-20261001-A,x\n",   /* a rule */
        "A,lime,33 cl can,BATCH-20261001-A,5\n",   /* a lot twice */
        "B,lime,330ml_can\n",                      /* too short */
        "B,\"lime,330ml_can,BATCH-20261001-A,5\n", /* no CSV */
    };
    struct rig *r = *state;
    for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
        char text[256];
        snprintf(text, sizeof(text), HEADER "A,lime,330ml_can,BATCH-20261001-A,5\n%s", rows[k]);
        struct stock_import *i = send_text(r, text);
        imports_turn(r->all, 0);
        if (command(r)) {
            assert_true(command(r)->set.check_only);
            answer(r, 0);
        }
        imports_turn(r->all, 0);
        assert_null(command(r));
        struct stock_import_look look;
        stock_import_look(i, &look);
        assert_int_equal(look.status, 400);
        expect_says(look, "\"line\":3");
        stock_import_release(i);
    }
}

static void units_that_were_sold_meanwhile_keep_all_of_it_out(void **state)
{
    struct rig *r = *state;
    r->lots = of_fifty;
    r->held = 45;
    struct stock_import *i = send_rows(r, 21);
    struct stock_import_look look = run(r, i);
    assert_int_equal(look.status, 400);
    expect_says(look, "45 units are reserved or confirmed");
    expect_says(look, "\"changed\":0");
    stock_import_release(i);
}

static uint32_t files_in(const char *dir)
{
    uint32_t count = 0;
    DIR *d = opendir(dir);
    const struct dirent *entry;
    while ((entry = readdir(d)))
        count += *entry->d_name != '.';
    closedir(d);
    return count;
}

/* ROWS rows of quantities from 40 to 60, of lots that have 50, but for each tenth, which is not
 * there. */
static int large_setup(void **state)
{
    setup(state);
    struct rig *r = *state;
    r->ones = calloc(ROWS, sizeof(*r->ones));
    r->sold = NO_ROW;
    for (uint32_t n = 0; n < ROWS; n++)
        r->ones[n].on_hand = n % 10 ? 50 : -1;
    return 0;
}

static void expect_all(const struct rig *r)
{
    for (uint32_t n = 0; n < ROWS; n++)
        assert_int_equal(r->ones[n].on_hand, 40 + n % 21);
}

static void expect_nothing(const struct rig *r)
{
    for (uint32_t n = 0; n < ROWS; n++)
        assert_int_equal(r->ones[n].on_hand, n % 10 ? 50 : -1);
}

/* Answers until nothing is left, or `stop` says so. */
static void run_until(struct rig *r, bool (*stop)(const struct rig *r))
{
    imports_turn(r->all, 0);
    while (r->count && !(stop && stop(r))) {
        answer(r, 0);
        if (!r->count)
            imports_turn(r->all, 0);
    }
}

static bool applies(const struct rig *r)
{
    return command(r)->kind != COMMAND_SET_STOCK;
}

/* The process, with all that is with the engine, and a new one. */
static void kill_it(struct rig *r, struct stock_import *i)
{
    r->count = 0;
    if (i)
        stock_import_release(i);
    imports_destroy(r->all);
    open_imports(r);
}

static void a_large_file_is_lowered_first_and_then_raised(void **state)
{
    struct rig *r = *state;
    struct stock_import *i = send_rows(r, ROWS);
    struct stock_import_look look;
    bool up = false;
    run_until(r, applies);
    while (r->count) {
        const struct command *c = command(r);
        bool rises = c->kind == COMMAND_CREATE_LOT || c->adjust.delta > 0;
        assert_true(rises || !up);
        up |= rises;
        answer(r, 0);
        imports_turn(r->all, 0);
    }
    stock_import_look(i, &look);
    assert_int_equal(look.status, 200);
    expect_all(r);
    expect_says(look, "\"created\":1946,");
    stock_import_release(i);
}

static void what_was_lowered_is_given_back_when_a_later_row_is_refused(void **state)
{
    struct rig *r = *state;
    struct stock_import *i = send_rows(r, ROWS);
    struct stock_import_look look;
    r->sold = 21 * 300 + 1;
    run_until(r, NULL);
    expect_nothing(r);
    stock_import_look(i, &look);
    assert_int_equal(look.status, 400);
    expect_says(look, "\"line\":6303,\"column\":\"quantity\",\"text\":\"is 9 units fewer");
    expect_says(look, "\"changed\":0,");
    stock_import_release(i);
}

static uint32_t answers, answers_max;

static bool have_answers(const struct rig *r)
{
    (void)r;
    return answers++ == answers_max;
}

/* Killed after so many answers, and the next process as well; then a lot may be found sold. True if
 * all of it was applied. */
static bool killed_after(struct rig *r, uint32_t count, uint32_t sold)
{
    for (uint32_t n = 0; n < ROWS; n++)
        r->ones[n] = (struct one){.on_hand = n % 10 ? 50 : -1};
    r->sold = NO_ROW;
    struct stock_import *i = send_rows(r, ROWS);
    answers_max = count;
    for (int process = 0; process < 2; process++) {
        run_until(r, process ? NULL : applies);
        answers = 0;
        run_until(r, have_answers);
        kill_it(r, process ? NULL : i);
        r->sold = sold;
    }
    run_until(r, NULL);
    bool all = r->ones[1].on_hand != 50;
    if (all)
        expect_all(r);
    else
        expect_nothing(r);
    return all;
}

static void after_a_kill_all_that_was_decided_is_applied(void **state)
{
    struct rig *r = *state;
    for (uint32_t count = 0; count < ROWS; count += 2503)
        assert_true(killed_after(r, count, NO_ROW));
}

static void after_a_kill_all_is_given_back_if_a_row_is_refused(void **state)
{
    struct rig *r = *state;
    bool all = false;
    for (uint32_t count = 0; count < ROWS; count += 2503) {
        bool now = killed_after(r, count, 12601);
        assert_true(now || !all); /* once the lot has fallen, it cannot be refused */
        assert_true(count || !now);
        all = now;
    }
    assert_true(all);
}

static void a_row_whose_outcome_is_not_known_counts_once(void **state)
{
    static const int codes[] = {TLY_EOUTCOME_UNKNOWN, TLY_EUNAVAILABLE, TLY_EOVERLOADED};
    struct rig *r = *state;
    struct stock_import *i = send_rows(r, ROWS);
    struct stock_import_look look;
    int64_t now_ms = 0;
    run_until(r, applies);
    for (uint32_t k = 0; r->count; k++) {
        struct command *c = command(r);
        if (k % 100 == 0) {
            if (codes[k / 100 % 3] == TLY_EOUTCOME_UNKNOWN)
                (void)answer_row(r, c); /* it was done all the same */
            answer(r, codes[k / 100 % 3]);
        } else {
            answer(r, 0);
        }
        if (r->count)
            continue;
        int wait_ms = imports_turn(r->all, now_ms);
        now_ms += wait_ms > 0 ? wait_ms : 0;
        imports_turn(r->all, now_ms);
    }
    stock_import_look(i, &look);
    assert_int_equal(look.status, 200);
    expect_says(look, "\"created\":1946,");
    expect_all(r);
    stock_import_release(i);
}

static void what_is_decided_does_not_end_with_a_disk_that_is_full(void **state)
{
    struct rig *r = *state;
    struct stock_import *i = send_rows(r, ROWS);
    struct stock_import_look look;
    r->sold = 12601;
    run_until(r, applies);
    int dir = r->all->dir;
    r->all->dir = -1; /* nothing can be written */
    run_until(r, NULL);
    stock_import_look(i, &look);
    assert_int_equal(look.state, STOCK_IMPORT_APPLYING);
    r->all->dir = dir;
    int wait_ms = imports_turn(r->all, 0);
    assert_true(wait_ms > 0);
    imports_turn(r->all, wait_ms);
    while (r->count) {
        answer(r, 0);
        imports_turn(r->all, wait_ms);
    }
    stock_import_look(i, &look);
    assert_int_equal(look.status, 400);
    expect_nothing(r);
    stock_import_release(i);
}

static void what_is_ended_leaves_nothing_in_the_folder(void **state)
{
    struct rig *r = *state;
    struct stock_import *i = send_rows(r, ROWS);
    run_until(r, applies);
    assert_int_equal(files_in(r->dir), 3);
    run_until(r, NULL);
    assert_int_equal(files_in(r->dir), 0);
    stock_import_release(i);
}

static void one_that_lost_its_plan_stops_the_start(void **state)
{
    struct rig *r = *state;
    struct stock_import *i = send_rows(r, ROWS);
    const struct imports_host host = {.context = r, .submit = submit, .rules = tell_rules};
    struct error e;
    char path[200], id[IMPORT_ID_SIZE];
    run_until(r, applies);
    memcpy(id, i->id, sizeof(id));
    r->count = 0;
    stock_import_release(i);
    imports_destroy(r->all);
    snprintf(path, sizeof(path), "%s/%s.plan", r->dir, id);
    assert_int_equal(remove(path), 0);
    assert_int_equal(imports_create(&r->all, r->dir, &host, &e), TLY_ECORRUPT);
    assert_non_null(strstr(e.text, id));
    snprintf(path, sizeof(path), "%s/%s.decided", r->dir, id);
    assert_int_equal(remove(path), 0);
    open_imports(r);
    assert_int_equal(files_in(r->dir), 0);
}

static void what_is_not_decided_is_gone_with_the_process(void **state)
{
    struct rig *r = *state;
    struct stock_import *i = send_rows(r, 2 * IMPORT_CHUNK);
    imports_turn(r->all, 0);
    answer(r, 0);
    stock_import_release(i);
    imports_destroy(r->all);
    open_imports(r);
    imports_turn(r->all, 0);
    assert_null(command(r));
}

static void who_leaves_before_it_is_begun_wants_nothing(void **state)
{
    struct rig *r = *state;
    struct stock_import *i = send_rows(r, 5);
    stock_import_release(i);
    imports_turn(r->all, 0);
    assert_null(command(r));
    assert_int_equal(r->ended, 1);
}

static void a_server_that_cannot_write_refuses_it_and_nothing_was_done(void **state)
{
    struct rig *r = *state;
    struct stock_import *i = send_rows(r, 5);
    struct stock_import_look look;
    imports_turn(r->all, 0);
    answer(r, TLY_EUNAVAILABLE);
    stock_import_look(i, &look);
    assert_int_equal(look.status, 503);
    expect_says(look, "\"code\":\"UNAVAILABLE\"");
    stock_import_release(i);
}

static void an_outcome_that_is_not_known_is_asked_for_again(void **state)
{
    struct rig *r = *state;
    struct stock_import *i = send_rows(r, 5);
    imports_turn(r->all, 0);
    answer(r, 0);
    imports_turn(r->all, 0);
    assert_false(command(r)->set.check_only);
    answer(r, TLY_EOUTCOME_UNKNOWN);
    int next_ms = imports_turn(r->all, 0);
    assert_true(next_ms > 0);
    imports_turn(r->all, next_ms);
    assert_int_equal(command(r)->set.count, 5);
    answer(r, 0);
    imports_turn(r->all, next_ms);
    struct stock_import_look look;
    stock_import_look(i, &look);
    assert_int_equal(look.status, 200);
    stock_import_release(i);
}

static void a_file_that_must_have_a_name_is_removed_at_the_end(void **state)
{
    struct rig *r = *state;
    struct stock_import *i;
    struct error e;
    const struct stock_import_options options = {0};
    const char text[] = HEADER "A,lime,330ml_can,BATCH-20261001-A,5\n";
    assert_int_equal(stock_import_create(&i, r->all, &options, &e), 0);
    assert_int_equal(files_in(r->dir), 0);
    close(i->fd);
    journal_name(i); /* as on a file system that has no files without one */
    assert_int_equal(files_in(r->dir), 1);
    assert_int_equal(stock_import_write(i, text, sizeof(text) - 1, &e), 0);
    stock_import_submit(i);
    assert_int_equal(run(r, i).status, 200);
    stock_import_release(i);
    assert_int_equal(files_in(r->dir), 0);
}

static void units_taken_meanwhile_do_not_count_twice(void **state)
{
    struct rig *r = *state;
    r->lots = of_fifty;
    struct stock_import *i =
        send_options(r, &(struct stock_import_options){.mode = SET_AVAILABLE},
                     HEADER "A,lime,330ml_can,BATCH-20261001-A,60\n", strlen(HEADER) + 37);
    imports_turn(r->all, 0);
    answer(r, 0);
    imports_turn(r->all, 0);
    struct command *c = command(r);
    r->held = 4;
    answer_item(r, c, &c->set.items[0]);
    assert_int_equal(c->set.items[0].delta, 14);
    answer(r, TLY_EOUTCOME_UNKNOWN);
    imports_turn(r->all, 0);
    imports_turn(r->all, 1000);
    r->held = 7;                 /* three of the 60 are sold */
    answer(r, TLY_EUNAVAILABLE); /* it may still have been done */
    imports_turn(r->all, 1000);
    imports_turn(r->all, 2000);
    c = command(r);
    answer_item(r, c, &c->set.items[0]);
    assert_int_equal(c->set.items[0].delta, 14);
    answer(r, 0);
    imports_turn(r->all, 2000);
    struct stock_import_look look;
    stock_import_look(i, &look);
    assert_int_equal(look.status, 200);
    stock_import_release(i);
}

static void only_so_many_may_be_under_way(void **state)
{
    struct rig *r = *state;
    struct stock_import *all[64];
    struct error e;
    const struct stock_import_options options = {0};
    uint32_t count = 0;
    while (count < 64 && stock_import_create(&all[count], r->all, &options, &e) == 0)
        count++;
    assert_true(count >= 4 && count < 64);
    assert_int_equal(e.code, TLY_EOVERLOADED);
    while (count > 0)
        stock_import_release(all[--count]);
    assert_int_equal(stock_import_create(&all[0], r->all, &options, &e), 0);
    stock_import_release(all[0]);
}

#define CASE(name)  cmocka_unit_test_setup_teardown(name, setup, teardown)
#define LARGE(name) cmocka_unit_test_setup_teardown(name, large_setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_file_is_checked_and_then_one_command),
        CASE(a_fault_of_any_row_ends_it_before_anything_is_applied),
        CASE(units_that_were_sold_meanwhile_keep_all_of_it_out),
        LARGE(a_large_file_is_lowered_first_and_then_raised),
        LARGE(what_was_lowered_is_given_back_when_a_later_row_is_refused),
        LARGE(after_a_kill_all_that_was_decided_is_applied),
        LARGE(after_a_kill_all_is_given_back_if_a_row_is_refused),
        LARGE(a_row_whose_outcome_is_not_known_counts_once),
        LARGE(what_is_decided_does_not_end_with_a_disk_that_is_full),
        LARGE(what_is_ended_leaves_nothing_in_the_folder),
        LARGE(one_that_lost_its_plan_stops_the_start),
        CASE(units_taken_meanwhile_do_not_count_twice),
        CASE(what_is_not_decided_is_gone_with_the_process),
        CASE(who_leaves_before_it_is_begun_wants_nothing),
        CASE(a_server_that_cannot_write_refuses_it_and_nothing_was_done),
        CASE(an_outcome_that_is_not_known_is_asked_for_again),
        CASE(a_file_that_must_have_a_name_is_removed_at_the_end),
        CASE(only_so_many_may_be_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
