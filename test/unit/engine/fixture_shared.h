/* fixture_shared.h - two shops over one ledger, with a lot of 10. */
#ifndef TALLY_TEST_FIXTURE_SHARED_H
#define TALLY_TEST_FIXTURE_SHARED_H

#include "fixture.h"
#include "shop_internal.h"

#define KEY  "cola#00000001"
#define LIME "lime#00000002"

static struct shop *a, *b;

static inline int open_shops(void **state)
{
    (void)state;
    a = shop_open_shared(NULL);
    b = shop_join(a);
    shop_lot(a, KEY, 10);
    shop_settle(b);
    return 0;
}

static inline int close_shops(void **state)
{
    (void)state;
    shop_close(b);
    shop_close(a);
    return 0;
}

static inline void settle(void)
{
    shop_settle(a);
    shop_settle(b);
}

static inline void assert_truth(lot_id lot, int64_t on_hand, int64_t reserved, int64_t confirmed)
{
    struct stock s = shop_truth(a, lot);
    assert_int_equal(s.on_hand, on_hand);
    assert_int_equal(s.reserved, reserved);
    assert_int_equal(s.confirmed, confirmed);
}

static inline struct ask *reserve(struct shop *s, const char *order_id, int64_t quantity)
{
    struct ask *ask = shop_reserve(s, order_id, KEY, quantity);
    shop_settle(s);
    assert_true(ask->answered);
    return ask;
}

#endif
