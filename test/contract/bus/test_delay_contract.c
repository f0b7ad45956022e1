/* What every delay line promises, for the one of this process. */
#include "fixture_delay.h"

#include "bus/delay_inproc.h"

enum { MESSAGES_MAX = 64 };

static int setup(void **state)
{
    struct error e;
    struct delay_rig *r = delay_rig_new();
    const struct delay_inproc_config config = {
        .messages_max = MESSAGES_MAX, .out = delay_rig_out, .context = r};
    *state = r;
    assert_int_equal(delay_inproc_create(&r->line, &config, &e), 0);
    return r->line->ops->start(r->line, &e);
}

static int teardown(void **state)
{
    delay_rig_destroy(*state);
    return 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown),

int main(void)
{
    const struct CMUnitTest tests[] = {DELAY_CONTRACT(T)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
