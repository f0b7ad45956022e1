#include "fixture_ledger.h"

#include <stdlib.h>

const struct rig_factory *factory;

struct rig *fixture_rig(uint32_t lots)
{
    struct rig *rig = calloc(1, sizeof *rig);
    rig_open(rig, factory);
    for (uint32_t i = 0; i < lots; i++)
        rig_create(rig, 100);
    if (lots)
        assert_int_equal(rig_commit(rig), LEDGER_COMMITTED);
    return rig;
}

int fixture_close(void **state)
{
    rig_close(*state);
    free(*state);
    return 0;
}

int fixture_empty(void **state)
{
    *state = fixture_rig(0);
    return 0;
}

int fixture_two_lots(void **state)
{
    *state = fixture_rig(2);
    return 0;
}

int fixture_check(void **state)
{
    rig_check_stock(*state);
    return fixture_close(state);
}

int fixture_run_tests(const struct CMUnitTest *tests, size_t count)
{
    static const struct rig_factory *const factories[] = {&rig_sqlite, &rig_mysql};
    int failed = 0;
    for (size_t i = 0; i < sizeof factories / sizeof factories[0]; i++) {
        factory = factories[i];
        if (factory->there && !factory->there()) {
            print_message("ledger: %s: not here\n", factory->name);
            continue;
        }
        print_message("ledger: %s\n", factory->name);
        failed += _cmocka_run_group_tests(factory->name, tests, count, NULL, NULL);
    }
    return failed;
}
