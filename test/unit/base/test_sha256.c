/* SHA-256, HMAC and base64url, by the examples of their standards. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

#include "base/sha256.h"

static void hex(const uint8_t bytes[SHA256_BYTES], char out[2 * SHA256_BYTES + 1])
{
    for (size_t i = 0; i < SHA256_BYTES; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static void sha256_is_that_of_fips_180(void **state)
{
    (void)state;
    uint8_t out[SHA256_BYTES];
    char text[2 * SHA256_BYTES + 1];
    sha256("abc", 3, out);
    hex(out, text);
    assert_string_equal(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void hmac_is_that_of_rfc_4231(void **state)
{
    (void)state;
    uint8_t out[SHA256_BYTES], key[131];
    char text[2 * SHA256_BYTES + 1];
    hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, out);
    hex(out, text);
    assert_string_equal(text, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof key);
    hmac_sha256(key, sizeof key, "Test Using Larger Than Block-Size Key - Hash Key First", 54, out);
    hex(out, text);
    assert_string_equal(text, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void base64url_goes_there_and_back(void **state)
{
    (void)state;
    const struct {
        const char *bytes, *text;
    } rows[] = {
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff", "-_8"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[16], bytes[16];
        assert_int_equal(base64url_encode(rows[i].bytes, strlen(rows[i].bytes), text),
                         strlen(rows[i].text));
        assert_string_equal(text, rows[i].text);
        long size = base64url_decode(str_of(text), bytes, sizeof bytes);
        assert_int_equal(size, strlen(rows[i].bytes));
        assert_memory_equal(bytes, rows[i].bytes, (size_t)size);
    }
}

static void what_encode_does_not_make_is_not_read(void **state)
{
    (void)state;
    char out[4];
    assert_int_equal(base64url_decode(STR("Zg=="), out, sizeof out), -1);
    assert_int_equal(base64url_decode(STR("Zh"), out, sizeof out), -1); /* bits beyond the end */
    assert_int_equal(base64url_decode(STR("Z"), out, sizeof out), -1);
    assert_int_equal(base64url_decode(STR("Zm9vYmFy"), out, sizeof out), -1); /* no room */
    assert_int_equal(base64url_decode((struct str){"Z\0", 2}, out, sizeof out), -1);
}

static void bytes_that_differ_anywhere_are_not_equal(void **state)
{
    (void)state;
    uint8_t a[16] = {0}, b[16] = {0};
    assert_true(bytes_equal_secretly(a, b, sizeof a));
    b[15] = 1;
    assert_false(bytes_equal_secretly(a, b, sizeof a));
    b[15] = 0;
    b[0] = 0x80;
    assert_false(bytes_equal_secretly(a, b, sizeof a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_is_that_of_fips_180),
        cmocka_unit_test(hmac_is_that_of_rfc_4231),
        cmocka_unit_test(base64url_goes_there_and_back),
        cmocka_unit_test(what_encode_does_not_make_is_not_read),
        cmocka_unit_test(bytes_that_differ_anywhere_are_not_equal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
