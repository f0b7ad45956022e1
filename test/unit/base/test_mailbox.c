#include "fixture.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/mailbox.h"
#include "base/wake.h"

enum { SENDERS = 4, LETTERS = 20000, CHAIN = 7 };

struct letter {
    struct mail mail; /* first: a mail is the letter */
    uint32_t sender;
    uint32_t number;
};

static void an_empty_mailbox_gives_nothing(void **state)
{
    (void)state;
    struct mailbox box = {.top = NULL};
    assert_true(mailbox_empty(&box));
    assert_null(mailbox_take(&box));
}

static void letters_come_in_the_order_of_arrival(void **state)
{
    (void)state;
    struct mailbox box = {.top = NULL};
    struct letter letters[4] = {{.number = 0}, {.number = 1}, {.number = 2}, {.number = 3}};
    struct mail_chain chain = {0};
    mail_chain_add(&chain, &letters[0].mail);
    mail_chain_add(&chain, &letters[1].mail);
    assert_true(mailbox_push(&box, &chain));
    assert_null(chain.newest);
    mail_chain_add(&chain, &letters[2].mail);
    assert_false(mailbox_push(&box, &chain)); /* there was something */
    mail_chain_add(&chain, &letters[3].mail);
    assert_false(mailbox_push(&box, &chain));
    struct mail *m = mailbox_take(&box);
    for (uint32_t i = 0; i < 4; i++, m = m->next)
        assert_int_equal(((struct letter *)m)->number, i);
    assert_null(m);
    assert_true(mailbox_empty(&box));
}

struct office {
    struct mailbox box;
    struct wake wake;
    struct letter *letters; /* SENDERS * LETTERS */
    _Atomic uint32_t next_sender;
};

static void *send_letters(void *argument)
{
    struct office *o = argument;
    uint32_t me = atomic_fetch_add(&o->next_sender, 1);
    struct mail_chain chain = {0};
    for (uint32_t i = 0; i < LETTERS; i++) {
        struct letter *l = &o->letters[me * LETTERS + i];
        l->sender = me;
        l->number = i;
        mail_chain_add(&chain, &l->mail);
        if (i % CHAIN == CHAIN - 1 || i == LETTERS - 1) {
            mailbox_push(&o->box, &chain);
            wake_up(&o->wake);
        }
    }
    return NULL;
}

/* Waits without a limit: a wake-up that is missed hangs the test. */
static void no_letter_is_lost_between_threads_and_no_wake_up_is_missed(void **state)
{
    (void)state;
    struct office o = {.letters = calloc(SENDERS * LETTERS, sizeof(struct letter))};
    pthread_t senders[SENDERS];
    uint32_t expected[SENDERS] = {0};
    uint32_t received = 0;
    for (int i = 0; i < SENDERS; i++)
        assert_int_equal(pthread_create(&senders[i], NULL, send_letters, &o), 0);
    while (received < SENDERS * LETTERS) {
        struct mail *m = mailbox_take(&o.box);
        if (!m) {
            wake_prepare(&o.wake);
            if (mailbox_empty(&o.box))
                wake_wait(&o.wake, -1);
            else
                wake_cancel(&o.wake);
            continue;
        }
        for (; m; m = m->next, received++) {
            struct letter *l = (struct letter *)m;
            assert_int_equal(l->number, expected[l->sender]++);
        }
    }
    for (int i = 0; i < SENDERS; i++)
        pthread_join(senders[i], NULL);
    assert_true(mailbox_empty(&o.box));
    free(o.letters);
}

static void a_wait_ends_at_its_limit(void **state)
{
    (void)state;
    struct wake w = {0};
    wake_prepare(&w);
    wake_wait(&w, 1000);
    assert_int_equal(atomic_load(&w.asleep), 0);
}

static void a_wake_up_before_the_wait_is_not_lost(void **state)
{
    (void)state;
    struct wake w = {0};
    wake_prepare(&w);
    wake_up(&w);
    wake_wait(&w, -1); /* returns at once */
    assert_int_equal(atomic_load(&w.asleep), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_mailbox_gives_nothing),
        cmocka_unit_test(letters_come_in_the_order_of_arrival),
        cmocka_unit_test(no_letter_is_lost_between_threads_and_no_wake_up_is_missed),
        cmocka_unit_test(a_wait_ends_at_its_limit),
        cmocka_unit_test(a_wake_up_before_the_wait_is_not_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
