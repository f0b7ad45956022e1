#include "fixture.h"

#include <string.h>

#include "client/address.h"
#include "client/url.h"

static char host[ADDRESS_HOST_SIZE], port[ADDRESS_PORT_SIZE];

static void a_server_is_named_in_three_ways(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host, *port;
    } cases[] = {{"shop:7070", "shop", "7070"},
                 {"127.0.0.1:1", "127.0.0.1", "1"},
                 {"[::1]:65535", "::1", "65535"},
                 {"http://[::1]:80/", "::1", "80"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(address_split(cases[i].text, host, port, NULL), 0);
        assert_string_equal(host, cases[i].host);
        assert_string_equal(port, cases[i].port);
    }
}

static void anything_else_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {"",      "shop",    "shop:",    ":80",     "shop:0",
                                        "a:b:1", "shop:8x", "shop:+80", "::1:80",  "shop:65536",
                                        "[::1]", "[]:80",   "shop:-1",  "shop: 1", "shop:123456"};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error e = {0};
        assert_int_equal(address_split(cases[i], host, port, &e), TLY_EINVALID_ARGUMENT);
        assert_string_equal(e.field, cases[i]);
    }
}

static void text_in_a_url_is_percent_encoded_or_refused_for_want_of_room(void **state)
{
    (void)state;
    char url[20] = "/v1/";
    assert_true(url_append(url, sizeof(url), "A#b/~"));
    assert_string_equal(url, "/v1/A%23b%2F~");
    assert_false(url_append(url, sizeof(url), "#####"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_is_named_in_three_ways),
        cmocka_unit_test(anything_else_is_refused),
        cmocka_unit_test(text_in_a_url_is_percent_encoded_or_refused_for_want_of_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
