/* fixture.h - what tests of several folders share. */
#ifndef TALLY_TEST_FIXTURE_H
#define TALLY_TEST_FIXTURE_H

/* cmocka wants these before itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* How long an event is waited for. No machine is so busy that what was promised takes longer, and a
 * test that passes never waits so long. */
enum { PATIENCE_MS = 60000 };

void pause_ms(long ms);

/* Skips the test where there is no such program; with CI=true that is a failure. */
void skip_without(const char *program);
/* What main() returns where a test may be skipped so: 77, which ctest counts as skipped, if one was
 * and no test failed. */
int tests_end(int failed);

/* Until it is true, or the test fails. */
#define AWAIT(condition)                                                                           \
    do {                                                                                           \
        int left_ms = PATIENCE_MS;                                                                 \
        while (!(condition) && left_ms-- > 0)                                                      \
            pause_ms(1);                                                                           \
        assert_true(condition);                                                                    \
    } while (0)

#endif
