/* fixture_ledger.h - a ledger of any factory, and a suite run against each. A factory joins by one
 * entry in fixture_ledger.c. */
#ifndef TALLY_TEST_FIXTURE_LEDGER_H
#define TALLY_TEST_FIXTURE_LEDGER_H

#include "fixture.h"

#include "ledger_rig.h"

extern const struct rig_factory *factory; /* the one under test */

/* Open, with so many committed lots of 100 units each. */
struct rig *fixture_rig(uint32_t lots);
int fixture_close(void **state);

/* Set up, tear down: a rig without lots. */
int fixture_empty(void **state);
/* Two lots of 100; at the end the stock is what the moves say. */
int fixture_two_lots(void **state);
int fixture_check(void **state);

/* The tests against each factory; how many failed. */
#define fixture_run(tests) fixture_run_tests(tests, sizeof(tests) / sizeof((tests)[0]))
int fixture_run_tests(const struct CMUnitTest *tests, size_t count);

#endif
