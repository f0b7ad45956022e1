/* JSON without a tree: what is JSON, what the scanner makes of it, and where it stops. */
#include "fixture.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loadgen/json_scan.h"

/* From memory of its own size, so that a read past the end is seen. */
static char *begin(struct json_scan *j, const char *text)
{
    size_t size = strlen(text);
    char *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    memcpy(copy, text, size);
    json_start(j, copy, size);
    return copy;
}

static bool skips(const char *text)
{
    struct json_scan j;
    char *copy = begin(&j, text);
    bool good = json_skip(&j) && json_end(&j);
    free(copy);
    return good;
}

static void what_jansson_takes_is_taken_and_nothing_else(void **state)
{
    static const char *const texts[] = {"0",
                                        "-0",
                                        "7",
                                        "-7",
                                        "1.5",
                                        "1e5",
                                        "1E+5",
                                        "-1.25e-7",
                                        "01",
                                        "-",
                                        "+1",
                                        ".5",
                                        "1.",
                                        "1e",
                                        "1e+",
                                        "0x1",
                                        "\"\"",
                                        "\"a\"",
                                        "\"a",
                                        "\"\\",
                                        "\"\\\"\"",
                                        "\"\\x\"",
                                        "\"\\u00e4\"",
                                        "\"\\u00e\"",
                                        "\"\\ud83d\\ude00\"",
                                        "\"\\ud83d\"",
                                        "\"\\ude00\"",
                                        "\"\\ud83d\\u0041\"",
                                        "\"\\ud83dx\"",
                                        "\"\t\"",
                                        "\"\\t\"",
                                        "true",
                                        "false",
                                        "null",
                                        "tru",
                                        "nul",
                                        "True",
                                        "[]",
                                        "[1]",
                                        "[1,2]",
                                        "[1,]",
                                        "[,1]",
                                        "[1 2]",
                                        "[",
                                        "]",
                                        "[1",
                                        "[1,",
                                        "{}",
                                        "{\"a\":1}",
                                        "{\"a\":1,\"b\":[{}]}",
                                        "{\"a\"}",
                                        "{\"a\":}",
                                        "{\"a\":1,}",
                                        "{,}",
                                        "{1:2}",
                                        "{\"a\" 1}",
                                        "{",
                                        "{\"a\":1",
                                        " [ 1 , { \"a\" : null } ] ",
                                        "\n\t[\r]",
                                        "[1]]",
                                        "{}{}",
                                        "[1}",
                                        "{]",
                                        "[[[[[[[[[[]]]]]]]]]]",
                                        "",
                                        " ",
                                        "nullx",
                                        "truefalse",
                                        "[1]x",
                                        "\"a\"\"b\"",
                                        "[true,false]"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        json_t *tree = json_loads(texts[i], JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        if (skips(texts[i]) != (tree != NULL))
            fail_msg("%s: jansson says %d", texts[i], tree != NULL);
        json_decref(tree);
    }
}

static void depth_is_bounded(void **state)
{
    char text[2 * JSON_DEPTH_MAX + 3] = "";
    (void)state;
    memset(text, '[', JSON_DEPTH_MAX);
    memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
    assert_true(skips(text));
    memset(text, '[', JSON_DEPTH_MAX + 1);
    memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
    assert_false(skips(text));
}

static void an_object_is_read_member_by_member(void **state)
{
    struct json_scan j;
    struct str name, text;
    int64_t number;
    bool truth;
    char *copy = begin(&j, " { \"a\" : \"x\" , \"b\":-7,\"c\":[true,false],\"d\":{}} ");
    (void)state;
    assert_true(json_enter_object(&j));
    assert_true(json_member(&j, &name) && str_equal(name, STR("a")));
    assert_true(json_text(&j, &text) && str_equal(text, STR("x")));
    assert_true(json_member(&j, &name) && str_equal(name, STR("b")));
    assert_true(json_number(&j, &number) && number == -7);
    assert_true(json_member(&j, &name) && str_equal(name, STR("c")));
    assert_true(json_enter_array(&j));
    assert_true(json_element(&j) && json_truth(&j, &truth) && truth);
    assert_true(json_element(&j) && json_truth(&j, &truth) && !truth);
    assert_false(json_element(&j));
    assert_true(json_member(&j, &name) && str_equal(name, STR("d")));
    assert_true(json_skip(&j));
    assert_false(json_member(&j, &name));
    assert_true(json_end(&j));
    free(copy);
}

static bool number_of(const char *text, int64_t *out)
{
    struct json_scan j;
    char *copy = begin(&j, text);
    bool good = json_number(&j, out) && json_end(&j);
    free(copy);
    return good;
}

static void numbers_are_whole_and_of_64_bits(void **state)
{
    static const char *const bad[] = {"9223372036854775808",
                                      "-9223372036854775809",
                                      "99999999999999999999",
                                      "1.0",
                                      "1e3",
                                      "01",
                                      "-",
                                      "",
                                      "\"1\"",
                                      "true",
                                      "--1",
                                      "+1"};
    int64_t n;
    (void)state;
    assert_true(number_of("9223372036854775807", &n) && n == INT64_MAX);
    assert_true(number_of("-9223372036854775808", &n) && n == INT64_MIN);
    assert_true(number_of(" 0 ", &n) && n == 0);
    assert_true(number_of("-0", &n) && n == 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(number_of(bad[i], &n));
}

static bool text_is(const char *json, const char *wanted)
{
    struct json_scan j;
    struct str text;
    char *copy = begin(&j, json);
    bool same = json_text(&j, &text) && json_end(&j) && str_equal(text, str_of(wanted));
    free(copy);
    return same;
}

static void escapes_are_resolved(void **state)
{
    (void)state;
    assert_true(text_is("\"cola\\u0023008a47f9\"", "cola#008a47f9"));
    assert_true(text_is("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"));
    assert_true(
        text_is("\"\\u00E4\\u20ac\\ud83d\\uDE00\"", "\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80"));
    assert_true(text_is("\"plain \xC3\xA4\"", "plain \xC3\xA4"));
    assert_true(text_is("null", ""));
}

static void texts_with_escapes_have_bounded_room(void **state)
{
    enum { HALF = JSON_SPARE_SIZE / 2 - 1 };
    char half[HALF + 8], text[4 * sizeof half];
    struct json_scan j;
    struct str first = {0}, second = {0}, third = {0};
    (void)state;
    memset(half, 'x', sizeof half);
    memcpy(half, "\"\\n", 3);
    memcpy(half + HALF, "\"", 2);
    snprintf(text, sizeof text, "[%s,%s,%s]", half, half, half);
    char *copy = begin(&j, text);
    assert_true(json_enter_array(&j));
    assert_true(json_element(&j) && json_text(&j, &first));
    assert_true(json_element(&j) && json_text(&j, &second));
    assert_true(str_equal(first, second) && first.p != second.p && first.len == HALF - 2);
    json_forget(&j);
    assert_true(json_element(&j) && json_text(&j, &third));
    assert_true(str_equal(third, (struct str){third.p, HALF - 2}));
    free(copy);
    copy = begin(&j, text);
    json_enter_array(&j);
    for (int i = 0; i < 2; i++)
        assert_true(json_element(&j) && json_text(&j, &first));
    assert_true(json_element(&j) && !json_text(&j, &third));
    assert_true(j.broken && third.len == 0);
    free(copy);
}

static void once_broken_everything_fails_and_gives_nothing(void **state)
{
    struct json_scan j;
    struct str text = STR("left over");
    int64_t number = 7;
    bool truth = true;
    char *copy = begin(&j, "[1, \"a\", 2]");
    (void)state;
    assert_false(json_enter_object(&j));
    assert_false(json_enter_array(&j));
    assert_false(json_element(&j));
    assert_false(json_text(&j, &text));
    assert_false(json_number(&j, &number));
    assert_false(json_truth(&j, &truth));
    assert_false(json_skip(&j));
    assert_false(json_member(&j, &text));
    assert_false(json_end(&j));
    assert_int_equal(text.len, 0);
    assert_int_equal(number, 0);
    assert_false(truth);
    free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_jansson_takes_is_taken_and_nothing_else),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(an_object_is_read_member_by_member),
        cmocka_unit_test(numbers_are_whole_and_of_64_bits),
        cmocka_unit_test(escapes_are_resolved),
        cmocka_unit_test(texts_with_escapes_have_bounded_room),
        cmocka_unit_test(once_broken_everything_fails_and_gives_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
