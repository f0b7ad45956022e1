/* The book of second deletes: what is sent when, and what is left to the sweep. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

#include "bus/again_book.h"

enum { WINDOW_MS = 150, KEYS = 4 };

#define MS UINT64_C(1000000)

static struct again_book book;

static int setup(void **state)
{
    (void)state;
    return again_book_init(&book, KEYS, WINDOW_MS);
}

static int teardown(void **state)
{
    (void)state;
    again_book_close(&book);
    return 0;
}

static enum again_asked ask(const char *key, int64_t seq, uint64_t now_ms)
{
    return again_book_ask(&book, str_of(key), seq / 10, seq, now_ms * MS);
}

/* The key that is sent, or "". */
static const char *sent(uint64_t now_ms)
{
    static char key[LOT_KEY_MAX + 1];
    const struct again_entry *entry = again_book_send(&book, now_ms * MS);
    snprintf(key, sizeof key, "%.*s", entry ? entry->key_size : 0, entry ? entry->key : "");
    return key;
}

static void a_key_is_sent_at_once_and_then_rests(void **state)
{
    (void)state;
    assert_int_equal(ask("a", 10, 1), AGAIN_NEW);
    assert_int_equal(again_book_due_ns(&book), 0);
    assert_string_equal(sent(1), "a");
    assert_string_equal(sent(1), "");
    assert_string_equal(sent(1 + WINDOW_MS), "");
    assert_true(again_book_due_ns(&book) == UINT64_MAX);
    assert_int_equal(book.asked_count, 1); /* until it is done */
}

static void asks_within_the_window_are_sent_once_at_its_end(void **state)
{
    (void)state;
    ask("a", 10, 1);
    assert_string_equal(sent(1), "a");
    assert_int_equal(ask("a", 20, 50), AGAIN_COALESCED);
    assert_int_equal(ask("a", 30, 60), AGAIN_COALESCED);
    assert_string_equal(sent(WINDOW_MS), "");
    assert_true(again_book_due_ns(&book) == (1 + WINDOW_MS) * MS);
    const struct again_entry *entry = again_book_send(&book, (1 + WINDOW_MS) * MS);
    assert_non_null(entry);
    assert_int_equal(entry->sent_seq, 30);
    assert_int_equal(entry->version, 3);
    assert_string_equal(sent(1 + 2 * WINDOW_MS), "");
}

static void what_is_done_makes_room_for_others(void **state)
{
    (void)state;
    static const char *const keys[] = {"a", "b", "c", "d"};
    for (int round = 0; round < 3; round++) {
        uint64_t now_ms = 1000 * (uint64_t)(round + 1);
        for (int i = 0; i < KEYS; i++)
            assert_int_equal(ask(keys[i], 10, now_ms), AGAIN_NEW);
        while (*sent(now_ms))
            ;
        for (int i = 0; i < KEYS; i++)
            again_book_done(&book, str_of(keys[i]), 10, now_ms * MS);
        assert_int_equal(book.asked_count, 0);
        assert_true(again_book_oldest_ns(&book) == UINT64_MAX);
        assert_string_equal(sent(now_ms + WINDOW_MS), "");
    }
}

static void a_full_book_refuses_and_remembers_it(void **state)
{
    (void)state;
    static const char *const keys[] = {"a", "b", "c", "d"};
    for (int i = 0; i < KEYS; i++)
        ask(keys[i], 10, 1);
    assert_true(book.overflowed_ns == 0);
    assert_int_equal(ask("e", 10, 2), AGAIN_REFUSED);
    assert_true(book.overflowed_ns == 2 * MS);
    assert_int_equal(ask("a", 20, 2), AGAIN_COALESCED);
}

static void a_key_that_was_asked_again_after_it_was_sent_is_not_done(void **state)
{
    (void)state;
    ask("a", 10, 1);
    sent(1);
    ask("a", 20, 10);
    again_book_done(&book, STR("a"), 10, 160 * MS);
    assert_int_equal(book.asked_count, 1);
    assert_int_equal(again_book_lowest_seq(&book), 11);
    assert_true(again_book_oldest_ns(&book) == 160 * MS);
    assert_string_equal(sent(160), "a");
    again_book_done(&book, STR("a"), 20, 400 * MS);
    assert_int_equal(book.asked_count, 0);
}

static void what_was_not_taken_comes_first_again(void **state)
{
    (void)state;
    ask("a", 10, 1);
    ask("b", 10, 1);
    ask("c", 10, 1);
    sent(1);
    const struct again_entry *entry = again_book_send(&book, 1 * MS);
    again_book_unsend(&book, entry);
    assert_string_equal(sent(1), "b");
    assert_string_equal(sent(1), "c");
    assert_string_equal(sent(1), "");
}

static void a_sweep_settles_all_that_it_covers_and_no_more(void **state)
{
    (void)state;
    ask("a", 10, 1);
    ask("b", 20, 2);
    ask("c", 30, 3);
    again_book_done_upto(&book, 20, 9 * MS);
    assert_int_equal(book.asked_count, 1);
    assert_int_equal(again_book_lowest_seq(&book), 30);
    assert_string_equal(sent(9), "c"); /* the others need not be sent any more */
    assert_string_equal(sent(9), "");
}

static void the_oldest_ask_counts_for_its_age(void **state)
{
    (void)state;
    ask("a", 10, 1);
    ask("b", 10, 5);
    ask("a", 20, 7);
    assert_true(again_book_oldest_ns(&book) == 1 * MS);
    again_book_done(&book, STR("a"), 20, 8 * MS);
    assert_true(again_book_oldest_ns(&book) == 5 * MS);
}

static void a_key_that_is_longer_than_any_lots_is_refused(void **state)
{
    (void)state;
    char key[LOT_KEY_MAX + 2];
    memset(key, 'k', sizeof key);
    key[LOT_KEY_MAX + 1] = 0;
    assert_int_equal(ask(key, 10, 1), AGAIN_REFUSED);
    key[LOT_KEY_MAX] = 0;
    assert_int_equal(ask(key, 10, 1), AGAIN_NEW);
    assert_string_equal(sent(1), key);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_key_is_sent_at_once_and_then_rests),
        T(asks_within_the_window_are_sent_once_at_its_end),
        T(what_is_done_makes_room_for_others),
        T(a_full_book_refuses_and_remembers_it),
        T(a_key_that_was_asked_again_after_it_was_sent_is_not_done),
        T(what_was_not_taken_comes_first_again),
        T(a_sweep_settles_all_that_it_covers_and_no_more),
        T(the_oldest_ask_counts_for_its_age),
        T(a_key_that_is_longer_than_any_lots_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
