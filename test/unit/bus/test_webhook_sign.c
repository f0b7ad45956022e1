/* Signatures of Standard Webhooks. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

#include "bus/webhook_sign.h"

/* The example of the specification. */
#define SECRET    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define SIGNATURE "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
#define OTHER     "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"

static void sign(const char *secrets, char out[WEBHOOK_SIGNATURES_MAX])
{
    struct webhook_keys keys;
    struct error e;
    assert_int_equal(webhook_keys_parse(&keys, secrets, &e), 0);
    assert_int_equal(webhook_sign(&keys, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330,
                                  STR("{\"test\": 2432232314}"), out),
                     0);
}

static void the_example_of_the_specification_is_signed_as_it_says(void **state)
{
    char out[WEBHOOK_SIGNATURES_MAX];
    (void)state;
    sign(SECRET, out);
    assert_string_equal(out, SIGNATURE);
}

static void each_of_several_secrets_signs(void **state)
{
    char out[WEBHOOK_SIGNATURES_MAX], alone[WEBHOOK_SIGNATURES_MAX], both[300];
    (void)state;
    sign(OTHER, alone);
    sign(OTHER " \n" SECRET "\n", out);
    snprintf(both, sizeof both, "%s %s", alone, SIGNATURE);
    assert_string_equal(out, both);
}

static void id_time_and_body_are_signed(void **state)
{
    char a[WEBHOOK_SIGNATURES_MAX], b[WEBHOOK_SIGNATURES_MAX];
    struct webhook_keys keys;
    struct error e;
    (void)state;
    assert_int_equal(webhook_keys_parse(&keys, SECRET, &e), 0);
    assert_int_equal(webhook_sign(&keys, "1", 5, STR("x"), a), 0);
    assert_int_equal(webhook_sign(&keys, "2", 5, STR("x"), b), 0);
    assert_string_not_equal(a, b);
    assert_int_equal(webhook_sign(&keys, "1", 6, STR("x"), b), 0);
    assert_string_not_equal(a, b);
    assert_int_equal(webhook_sign(&keys, "1", 5, STR("y"), b), 0);
    assert_string_not_equal(a, b);
}

static void padding_is_no_part_of_a_secret(void **state)
{
    struct webhook_keys keys;
    struct error e;
    (void)state;
    assert_int_equal(webhook_keys_parse(&keys, "whsec_AAECAwQFBgcICQ==", &e), 0);
    assert_int_equal(keys.at[0].size, 10);
}

static void what_is_no_secret_is_refused_without_showing_it(void **state)
{
    static const char *const wrong[] = {
        "",
        " ",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_",
        "whsec_AAE",                       /* cut short */
        "whsec_AAECAwQFBgcICQo*",          /* no base64 */
        "whsec_AAECAwQFBgcICQoL whsec_!!", /* the second */
        SECRET " " SECRET " " SECRET " " SECRET " " SECRET,
    };
    struct webhook_keys keys;
    struct error e;
    char longest[300];
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(webhook_keys_parse(&keys, wrong[i], &e), TLY_EINVALID_ARGUMENT);
        assert_string_equal(e.field, "webhook_secret");
        assert_null(strstr(e.text, "AAEC"));
    }
    memset(longest, 'A', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    memcpy(longest, "whsec_", 6);
    assert_int_equal(webhook_keys_parse(&keys, longest, &e), TLY_EINVALID_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_of_the_specification_is_signed_as_it_says),
        cmocka_unit_test(each_of_several_secrets_signs),
        cmocka_unit_test(id_time_and_body_are_signed),
        cmocka_unit_test(padding_is_no_part_of_a_secret),
        cmocka_unit_test(what_is_no_secret_is_refused_without_showing_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
