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

struct rig {
    struct imports *all;
    char dir[64];
    struct command *command; /* with the engine */
    uint32_t commands;
    uint32_t ended, woken;
    uint32_t (*lots)(const struct set_item *item); /* on hand; UINT32_MAX: there is no such lot */
    uint32_t held;                                 /* of each lot, when it is applied */
};

static void submit(void *context, struct command *c)
{
    struct rig *r = context;
    assert_null(r->command);
    r->command = c;
    r->commands++;
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

/* As the engine would. */
static void answer_item(const struct rig *r, struct command *c, struct set_item *item)
{
    uint32_t on_hand = r->lots(item);
    int64_t held = c->set.check_only || c->set.mode == SET_RELATIVE ? 0 : r->held;
    item->held = held;
    item->fault = SET_FINE;
    if (on_hand == UINT32_MAX) {
        item->action = c->set.existing_only ? SET_PASSED : SET_CREATE;
        return;
    }
    item->delta = c->set.mode == SET_RELATIVE ? item->quantity : item->quantity - (int64_t)on_hand;
    item->action = item->delta == 0 ? SET_SAME : item->delta > 0 ? SET_RAISE : SET_LOWER;
    if (item->delta < 0 && item->quantity < held) {
        item->fault = SET_HELD;
        c->set.faults++;
    }
}

static void answer(struct rig *r, int code)
{
    struct command *c = r->command;
    assert_non_null(c);
    assert_int_equal(c->kind, COMMAND_SET_STOCK);
    assert_true(imports_own(r->all, c));
    c->set.faults = 0;
    for (uint32_t k = 0; k < c->set.count && !code; k++)
        answer_item(r, c, &c->set.items[k]);
    c->code = code ? code : c->set.faults ? TLY_EINVALID_ARGUMENT : 0;
    r->command = NULL;
    imports_complete(r->all, c);
}

static struct stock_import_look run(struct rig *r, struct stock_import *i)
{
    struct stock_import_look look;
    imports_turn(r->all, 0);
    while (r->command) {
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
    assert_true(r->command->set.check_only);
    answer(r, 0);
    imports_turn(r->all, 0);
    assert_false(r->command->set.check_only);
    assert_int_equal(r->command->set.count, 2);
    assert_int_equal(r->command->set.items[1].quantity, 6);
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
        if (r->command) {
            assert_true(r->command->set.check_only);
            answer(r, 0);
        }
        imports_turn(r->all, 0);
        assert_null(r->command);
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

static uint32_t lowered, raised;

static uint32_t count_all(const struct set_item *item)
{
    (void)item;
    return 50;
}

static void a_large_file_is_lowered_first_and_then_raised(void **state)
{
    struct rig *r = *state;
    r->lots = count_all;
    struct stock_import *i = send_rows(r, 3 * IMPORT_CHUNK);
    imports_turn(r->all, 0);
    while (r->command && r->command->set.check_only) {
        answer(r, 0);
        imports_turn(r->all, 0);
    }
    lowered = raised = 0;
    while (r->command) {
        struct command *c = r->command;
        uint32_t count = c->set.count;
        bool up = c->set.only_up;
        assert_true(up || raised == 0);
        answer(r, 0);
        lowered += up ? 0 : count;
        raised += up ? count : 0;
        imports_turn(r->all, 0);
    }
    struct stock_import_look look;
    stock_import_look(i, &look);
    assert_int_equal(look.status, 200);
    assert_true(lowered > IMPORT_CHUNK && raised > IMPORT_CHUNK);
    char part[64];
    snprintf(part, sizeof(part), "\"changed\":%u,", lowered + raised);
    expect_says(look, part);
    stock_import_release(i);
}

static void what_was_lowered_is_given_back_when_a_later_part_is_refused(void **state)
{
    struct rig *r = *state;
    r->lots = count_all;
    struct stock_import *i = send_rows(r, 3 * IMPORT_CHUNK);
    imports_turn(r->all, 0);
    while (r->command && r->command->set.check_only) {
        answer(r, 0);
        imports_turn(r->all, 0);
    }
    int64_t down = 0, back = 0;
    for (int part = 0; r->command; part++) {
        struct command *c = r->command;
        r->held = part == 1 ? 45 : 0; /* the second one finds its units held */
        if (part == 0) {
            for (uint32_t k = 0; k < c->set.count; k++)
                down += 50 - c->set.items[k].quantity;
        }
        if (c->set.mode == SET_RELATIVE) {
            for (uint32_t k = 0; k < c->set.count; k++)
                back += c->set.items[k].quantity;
        }
        answer(r, 0);
        imports_turn(r->all, 0);
    }
    assert_true(down > 0);
    assert_int_equal(back, down);
    struct stock_import_look look;
    stock_import_look(i, &look);
    assert_int_equal(look.status, 400);
    stock_import_release(i);
}

static void what_is_decided_goes_on_after_a_kill(void **state)
{
    struct rig *r = *state;
    r->lots = count_all;
    struct stock_import *i = send_rows(r, 2 * IMPORT_CHUNK);
    imports_turn(r->all, 0);
    while (r->command->set.check_only || !r->command->set.only_up) {
        answer(r, 0);
        imports_turn(r->all, 0);
    }
    answer(r, 0); /* one part of what rises */
    r->command = NULL;
    stock_import_release(i);
    imports_destroy(r->all);
    open_imports(r);
    raised = 0;
    imports_turn(r->all, 0);
    while (r->command) {
        assert_true(r->command->set.check_only || r->command->set.only_up);
        raised += r->command->set.only_up ? r->command->set.count : 0;
        answer(r, 0);
        imports_turn(r->all, 0);
    }
    assert_int_equal(r->ended, 1);
    uint32_t all = 0;
    for (uint32_t k = 0; k < 2 * IMPORT_CHUNK; k++)
        all += 40 + k % 21 > 50;
    assert_int_equal(raised, all - IMPORT_PART);
    imports_destroy(r->all);
    open_imports(r);
    imports_turn(r->all, 0);
    assert_null(r->command);
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
    assert_null(r->command);
}

static void who_leaves_before_it_is_begun_wants_nothing(void **state)
{
    struct rig *r = *state;
    struct stock_import *i = send_rows(r, 5);
    stock_import_release(i);
    imports_turn(r->all, 0);
    assert_null(r->command);
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
    assert_false(r->command->set.check_only);
    answer(r, TLY_EOUTCOME_UNKNOWN);
    int next_ms = imports_turn(r->all, 0);
    assert_true(next_ms > 0);
    imports_turn(r->all, next_ms);
    assert_int_equal(r->command->set.count, 5);
    answer(r, 0);
    imports_turn(r->all, next_ms);
    struct stock_import_look look;
    stock_import_look(i, &look);
    assert_int_equal(look.status, 200);
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

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_file_is_checked_and_then_one_command),
        CASE(a_fault_of_any_row_ends_it_before_anything_is_applied),
        CASE(units_that_were_sold_meanwhile_keep_all_of_it_out),
        CASE(a_large_file_is_lowered_first_and_then_raised),
        CASE(what_was_lowered_is_given_back_when_a_later_part_is_refused),
        CASE(what_is_decided_goes_on_after_a_kill),
        CASE(what_is_not_decided_is_gone_with_the_process),
        CASE(who_leaves_before_it_is_begun_wants_nothing),
        CASE(a_server_that_cannot_write_refuses_it_and_nothing_was_done),
        CASE(an_outcome_that_is_not_known_is_asked_for_again),
        CASE(a_file_that_must_have_a_name_is_removed_at_the_end),
        CASE(only_so_many_may_be_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
