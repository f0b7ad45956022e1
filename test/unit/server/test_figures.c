/* The engine's figures where others read them. */
#include "fixture.h"

#include <stdlib.h>

#include "server/figures.h"
#include "shop.h"

#define MS UINT64_C(1000000)

static struct figures_board *board;

static int begin(void **state)
{
    struct shop *s = shop_open(NULL);
    board = malloc(sizeof *board);
    figures_init(board);
    shop_lot(s, "cola#00000001", 10);
    *state = s;
    return 0;
}

static int finish(void **state)
{
    shop_close(*state);
    free(board);
    return 0;
}

static int64_t lots_shown(uint64_t now_ns)
{
    static struct figures shown;
    figures_read(board, now_ns, &shown);
    return shown.stats.lots;
}

static void what_was_published_is_read_with_its_age(void **state)
{
    struct shop *s = *state;
    struct figures shown;
    figures_publish(board, s->engine, 1000 * MS);
    figures_read(board, 1070 * MS, &shown);
    assert_int_equal(shown.stats.lots, 1);
    assert_int_equal(shown.top_count, 1);
    assert_int_equal(shown.top[0].stock.on_hand, 10);
    assert_int_equal(shown.age_ns, 70 * MS);
}

static void it_is_published_no_more_often_than_is_useful(void **state)
{
    struct shop *s = *state;
    figures_publish(board, s->engine, 1000 * MS);
    shop_lot(s, "lime#00000002", 20);
    figures_publish(board, s->engine, (999 + FIGURES_INTERVAL_MS) * MS);
    assert_int_equal(lots_shown(2000 * MS), 1);
    figures_publish(board, s->engine, (1000 + FIGURES_INTERVAL_MS) * MS);
    assert_int_equal(lots_shown(2000 * MS), 2);
}

static void the_engine_does_not_wait_for_who_reads(void **state)
{
    struct shop *s = *state;
    figures_publish(board, s->engine, 1000 * MS);
    shop_lot(s, "lime#00000002", 20);
    pthread_mutex_lock(&board->lock);
    figures_publish(board, s->engine, 2000 * MS);
    pthread_mutex_unlock(&board->lock);
    assert_int_equal(lots_shown(2000 * MS), 1);
    figures_publish(board, s->engine, 2001 * MS);
    assert_int_equal(lots_shown(2001 * MS), 2);
}

#define BOARD_TEST(f) cmocka_unit_test_setup_teardown(f, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOARD_TEST(what_was_published_is_read_with_its_age),
        BOARD_TEST(it_is_published_no_more_often_than_is_useful),
        BOARD_TEST(the_engine_does_not_wait_for_who_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
