#include "client/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void what_goes_into_a_path_is_percent_encoded(void **state)
{
    (void)state;
    char path[64] = "/v1/lots/";
    assert_true(url_append(path, sizeof(path), "A b#c/\xc3\xa4?"));
    assert_string_equal(path, "/v1/lots/A%20b%23c%2F%C3%A4%3F");
    char small[12] = "/";
    assert_false(url_append(small, sizeof(small), "############"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_into_a_path_is_percent_encoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
