/* Bytes to UTF-8: which encoding a file has, what is no text, what cannot be seen. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stockfile/text.h"

static char out[4096];
static struct error why;

/* The text in UTF-8; or "REFUSED", with the reason in `why`. */
static const char *decode(const char *bytes, size_t size, enum stock_encoding told,
                          enum stock_encoding *found)
{
    struct str text = {bytes, (uint32_t)size};
    struct stock_input input = stock_input_text(&text);
    struct text_reader *t;
    size_t len = 0;
    memset(&why, 0, sizeof(why));
    if (text_reader_open(&t, &input, told, &why) != 0)
        return "REFUSED";
    for (long n; (n = text_reader_read(t, out + len, 8)) > 0;)
        len += (size_t)n;
    out[len] = 0;
    if (found)
        *found = text_reader_encoding(t);
    text_reader_close(t);
    return out;
}

#define DECODE(bytes, told, found) decode(bytes, sizeof(bytes) - 1, told, found)

static void the_encoding_is_found(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        enum stock_encoding encoding;
        const char *utf8;
    } cases[] = {
        {"sku,name\n", 9, ENCODING_UTF_8, "sku,name\n"},
        {"\xEF\xBB\xBFsku\n", 7, ENCODING_UTF_8, "sku\n"},
        {"Gr\xC3\xB6\xC3\x9F"
         "e",
         7, ENCODING_UTF_8, "Größe"},
        {"Gr\xF6\xDF"
         "e,\xFC",
         7, ENCODING_LATIN_1, "Größe,ü"},
        {"Gr\xF6\xDF"
         "e",
         5, ENCODING_LATIN_1, "Größe"},
        {"Preis \x80", 7, ENCODING_LATIN_1, "Preis €"},
        {"\xC4\xFB\xC3\xCA,1", 6, ENCODING_GBK, "柠檬,1"},
        {"\xFF\xFEs\0k\0u\0\n\0", 10, ENCODING_UTF_16, "sku\n"},
        {"\xFE\xFF\0s\0k\0u", 8, ENCODING_UTF_16BE, "sku"},
        {"s\0k\0u\0,\0b\0", 10, ENCODING_UTF_16, "sku,b"},
        {"\0s\0k\0u\0,\0b", 10, ENCODING_UTF_16BE, "sku,b"},
        {"", 0, ENCODING_UTF_8, ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum stock_encoding found;
        assert_string_equal(decode(cases[i].bytes, cases[i].size, ENCODING_FOUND, &found),
                            cases[i].utf8);
        assert_int_equal(found, cases[i].encoding);
    }
}

static void a_character_far_behind_decides_too(void **state)
{
    (void)state;
    enum { SIZE = 200000 };
    struct error e;
    char *text = malloc(SIZE);
    memset(text, 'x', SIZE);
    memcpy(text + SIZE - 5, "\xC4\xFB\xC3\xCA\n", 5);
    struct str str = {text, SIZE};
    struct stock_input input = stock_input_text(&str);
    struct text_reader *t;
    assert_int_equal(text_reader_open(&t, &input, ENCODING_FOUND, &e), 0);
    assert_int_equal(text_reader_encoding(t), ENCODING_GBK);
    text_reader_close(t);
    free(text);
}

static void what_is_told_is_taken(void **state)
{
    (void)state;
    assert_string_equal(DECODE("\xC4\xFB", ENCODING_LATIN_1, NULL), "Äû");
    assert_string_equal(DECODE("\xC3\xB6", ENCODING_GBK, NULL), "枚");
    assert_string_equal(DECODE("a\0b\0", ENCODING_UTF_16, NULL), "ab");
    assert_string_equal(DECODE("\xFE\xFF\0a", ENCODING_UTF_16, NULL), "a");
}

static void what_cannot_be_decoded_is_no_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        enum stock_encoding encoding;
    } cases[] = {{"a\x81", 2, ENCODING_LATIN_1},
                 {"a\xC4", 2, ENCODING_GBK},
                 {"\x3D\xD8x\0", 4, ENCODING_UTF_16},
                 {"a\0b", 3, ENCODING_UTF_16},
                 {"a\xC3(", 3, ENCODING_UTF_8}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        decode(cases[i].bytes, cases[i].size, cases[i].encoding, NULL);
        assert_false(text_is_utf8(str_of(out)));
    }
}

static void one_stray_byte_does_not_make_another_encoding(void **state)
{
    (void)state;
    enum stock_encoding found;
    assert_string_equal(DECODE("COLA\xFF,1", ENCODING_FOUND, &found), "COLA\xFF,1");
    assert_int_equal(found, ENCODING_UTF_8);
    assert_string_equal(DECODE("Gr\xC3\xB6\xC3\x9F\x81", ENCODING_FOUND, &found),
                        "Grö\xC3\x9F\x81");
    assert_int_equal(found, ENCODING_UTF_8);
}

static void a_file_that_is_no_text_is_called_by_its_name(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        const char *name;
    } cases[] = {{"PK\x03\x04..xl/workbook.xml", 22, "an Excel workbook (.xlsx)"},
                 {"PK\x03\x04mimetypeapplication/vnd.oasis.opendocument.spreadsheet", 58,
                  "OpenDocument workbook (.ods)"},
                 {"PK\x03\x04 readme", 11, "a zip archive"},
                 {"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", 8, "(.xls)"},
                 {"\x1F\x8B\x08\0", 4, "a gzip file"},
                 {"%PDF-1.4", 8, "a PDF document"},
                 {"<html><table>", 13, "an HTML page"},
                 {"\xEF\xBB\xBF\r\n <!DOCTYPE HTML>", 20, "an HTML page"},
                 {" <TABLE border=1>", 17, "an HTML page"},
                 {"[{\"sku\": 1}]", 12, "put each object on a line of its own"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_string_equal(decode(cases[i].bytes, cases[i].size, ENCODING_FOUND, NULL), "REFUSED");
        assert_int_equal(why.code, TLY_EINVALID_ARGUMENT);
        if (!strstr(why.text, cases[i].name))
            fail_msg("'%s' does not say '%s'", why.text, cases[i].name);
    }
}

static void names_of_encodings_are_known_in_any_case(void **state)
{
    (void)state;
    enum stock_encoding e;
    assert_true(encoding_parse(STR("GB2312"), &e) && e == ENCODING_GBK);
    assert_true(encoding_parse(STR("ISO-8859-1"), &e) && e == ENCODING_LATIN_1);
    assert_true(encoding_parse(STR("UTF-16"), &e) && e == ENCODING_UTF_16);
    assert_false(encoding_parse(STR("utf-7"), &e));
    assert_string_equal(encoding_name(ENCODING_LATIN_1), "latin-1");
}

static const char *shown(const char *text)
{
    text_show(str_of(text), out, sizeof(out));
    return out;
}

static void what_nobody_sees_is_shown(void **state)
{
    (void)state;
    assert_string_equal(shown("a\tb\r\n"), "a\\tb\\r\\n");
    assert_string_equal(shown("COLA\xC2\xA0"), "COLA\\u00a0");
    assert_string_equal(shown("\xE2\x80\x8B"
                              "7\xEF\xBB\xBF"),
                        "\\u200b7\\ufeff");
    assert_string_equal(shown("\xFF\x01"), "\\xff\\u0001");
    assert_string_equal(shown("柠檬 é"), "柠檬 é");
}

static void what_is_shown_is_cut_at_a_character(void **state)
{
    (void)state;
    char small[6];
    text_show(STR("柠檬"), small, sizeof(small));
    assert_string_equal(small, "柠");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_encoding_is_found),
        cmocka_unit_test(a_character_far_behind_decides_too),
        cmocka_unit_test(what_is_told_is_taken),
        cmocka_unit_test(what_cannot_be_decoded_is_no_utf8),
        cmocka_unit_test(one_stray_byte_does_not_make_another_encoding),
        cmocka_unit_test(a_file_that_is_no_text_is_called_by_its_name),
        cmocka_unit_test(names_of_encodings_are_known_in_any_case),
        cmocka_unit_test(what_nobody_sees_is_shown),
        cmocka_unit_test(what_is_shown_is_cut_at_a_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
