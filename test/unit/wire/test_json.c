/* JSON in and out. Each refusal is checked for the field that it names and for what it says. */
#include "fixture.h"

#include <all_types.pb-c.h>
#include <stdio.h>
#include <string.h>
#include <tally.pb-c.h>

#include "wire/codec.h"

static char memory[16384];
static struct arena arena;
static struct error error;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena, memory, sizeof memory, 1 << 20);
    error = (struct error){0};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_close(&arena);
    return 0;
}

static Tally__V1__ReserveRequest *reserve(const char *text)
{
    ProtobufCMessage *m = NULL;
    int code =
        json_decode(&tally__v1__reserve_request__descriptor, str_of(text), &arena, &m, &error);
    if (code)
        fail_msg("%s: %s", text, error.text);
    return (Tally__V1__ReserveRequest *)m;
}

static Tally__Test__AllTypes *all_types(const char *text)
{
    ProtobufCMessage *m = NULL;
    int code = json_decode(&tally__test__all_types__descriptor, str_of(text), &arena, &m, &error);
    if (code)
        fail_msg("%s: %s", text, error.text);
    return (Tally__Test__AllTypes *)m;
}

static void refused(const ProtobufCMessageDescriptor *type, struct str text, const char *field,
                    const char *saying)
{
    ProtobufCMessage *m = NULL;
    error = (struct error){0};
    int code = json_decode(type, text, &arena, &m, &error);
    assert_int_equal(code, TLY_EINVALID_ARGUMENT);
    assert_int_equal(error.code, TLY_EINVALID_ARGUMENT);
    assert_null(m);
    assert_string_equal(error.field, field);
    if (!strstr(error.text, saying))
        fail_msg("\"%s\" does not say \"%s\"", error.text, saying);
}

static void reserve_refused(const char *text, const char *field, const char *saying)
{
    refused(&tally__v1__reserve_request__descriptor, str_of(text), field, saying);
}

static void an_order_is_read_into_its_message(void **state)
{
    (void)state;
    const Tally__V1__ReserveRequest *r = reserve(
        " {\"order_id\" : \"o-1\",\r\n\t\"user_id\":\"u\",\"hold_ms\":60000, \"lines\":[ "
        "{\"lot\":\"cola#0a1b2c3d\",\"quantity\":2} , {\"sku\":\"cola\",\"quantity\":1}]} ");
    assert_string_equal(r->order_id, "o-1");
    assert_string_equal(r->user_id, "u");
    assert_int_equal(r->hold_ms, 60000);
    assert_int_equal(r->n_lines, 2);
    assert_string_equal(r->lines[0]->lot, "cola#0a1b2c3d");
    assert_int_equal(r->lines[0]->quantity, 2);
    assert_string_equal(r->lines[1]->sku, "cola");
    assert_string_equal(r->lines[1]->lot, "");
}

static void an_empty_body_is_an_empty_message(void **state)
{
    (void)state;
    ProtobufCMessage *m = NULL;
    struct str nothing = {0};
    assert_int_equal(json_decode(&tally__v1__refund_request__descriptor, nothing, &arena, &m, NULL),
                     0);
    assert_string_equal(((Tally__V1__RefundRequest *)m)->reason, "");
    assert_string_equal(reserve("{}")->order_id, "");
}

static void null_counts_as_not_given(void **state)
{
    (void)state;
    const Tally__V1__ReserveRequest *r =
        reserve("{\"order_id\":null,\"lines\":null,\"hold_ms\":null}");
    assert_string_equal(r->order_id, "");
    assert_int_equal(r->n_lines, 0);
    assert_int_equal(r->hold_ms, 0);
}

static void null_as_an_element_is_refused(void **state)
{
    (void)state;
    reserve_refused("{\"lines\":[null]}", "lines[0]", "must be an object, not null");
}

static void a_wrong_type_names_the_field_and_the_right_type(void **state)
{
    (void)state;
    reserve_refused("{\"lines\":[{},{},{\"quantity\":\"3\"}]}", "lines[2].quantity",
                    "lines[2].quantity: must be a whole number, not a string");
    reserve_refused("{\"user_id\":42}", "user_id", "user_id: must be a string, not a number");
    reserve_refused("{\"user_id\":{}}", "user_id", "must be a string, not an object");
    reserve_refused("{\"lines\":{}}", "lines", "must be an array, not an object");
    reserve_refused("{\"lines\":[[]]}", "lines[0]", "must be an object, not an array");
    reserve_refused("{\"hold_ms\":true}", "hold_ms", "must be a whole number, not true or false");
    refused(&tally__test__all_types__descriptor, STR("{\"a_bool\":1}"), "a_bool",
            "must be true or false, not a number");
}

static void an_unknown_field_is_refused_with_the_known_ones(void **state)
{
    (void)state;
    reserve_refused("{\"orderid\":\"x\"}", "orderid",
                    "there is no such field; known are order_id, user_id, lines, hold_ms");
    reserve_refused("{\"lines\":[{\"colour\":1}]}", "lines[0].colour",
                    "known are lot, sku, flavor");
    reserve_refused("{\"\":1}", "", "there is no such field");
    reserve_refused("{\"order_i\":1}", "order_i", "there is no such field");
    reserve_refused("{\"a\\u0001\\\"b\":1}", "a??b", "there is no such field");
}

static void a_field_given_twice_is_refused(void **state)
{
    (void)state;
    reserve_refused("{\"order_id\":\"a\",\"order_id\":\"a\"}", "order_id", "is given twice");
    reserve_refused("{\"order_id\":null,\"order\\u005fid\":\"a\"}", "order_id", "is given twice");
}

static void numbers_that_are_not_plain_integers_are_refused(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"1.0", "must be a whole number, without fraction or exponent"},
        {"1e3", "must be a whole number, without fraction or exponent"},
        {"1E3", "must be a whole number, without fraction or exponent"},
        {"0.5", "must be a whole number, without fraction or exponent"},
        {"-0", "write 0 for -0"},
        {"01", "without leading zeros"},
        {"-01", "without leading zeros"},
        {"00", "without leading zeros"},
        {"9223372036854775808", "must be from -9223372036854775808 to 9223372036854775807"},
        {"-9223372036854775809", "must be from -9223372036854775808"},
        {"18446744073709551616", "is a number of more than 64 bits"},
        {"99999999999999999999999999", "is a number of more than 64 bits"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[80];
        snprintf(text, sizeof text, "{\"hold_ms\":%s}", rows[i][0]);
        reserve_refused(text, "hold_ms", rows[i][1]);
    }
    reserve_refused("{\"hold_ms\":-}", "hold_ms", "expected a digit after '-'");
    reserve_refused("{\"hold_ms\":+1}", "hold_ms", "must be a whole number, not something else");
    reserve_refused("{\"hold_ms\":NaN}", "hold_ms", "must be a whole number");
    reserve_refused("{\"hold_ms\":0x10}", "", "expected ',' or '}'");
    reserve_refused("{\"hold_ms\":", "hold_ms", "must be a whole number, not the end");
}

static void the_ends_of_the_integer_ranges_are_read(void **state)
{
    (void)state;
    assert_true(reserve("{\"hold_ms\":9223372036854775807}")->hold_ms == INT64_MAX);
    assert_true(reserve("{\"hold_ms\":-9223372036854775808}")->hold_ms == INT64_MIN);
    const Tally__Test__AllTypes *m =
        all_types("{\"a_int32\":-2147483648,\"a_uint32\":4294967295,"
                  "\"a_uint64\":18446744073709551615,\"a_sfixed32\":2147483647,\"a_bool\":true}");
    assert_true(m->a_int32 == INT32_MIN);
    assert_true(m->a_uint32 == UINT32_MAX);
    assert_true(m->a_uint64 == UINT64_MAX);
    assert_true(m->a_sfixed32 == INT32_MAX);
    assert_true(m->a_bool);
    const ProtobufCMessageDescriptor *type = &tally__test__all_types__descriptor;
    refused(type, STR("{\"a_int32\":2147483648}"), "a_int32", "from -2147483648 to 2147483647");
    refused(type, STR("{\"a_uint32\":4294967296}"), "a_uint32", "from 0 to 4294967295");
    refused(type, STR("{\"a_uint32\":-1}"), "a_uint32", "from 0 to 4294967295");
}

static void escapes_are_read(void **state)
{
    (void)state;
    const Tally__V1__ReserveRequest *r =
        reserve("{\"user_id\":\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u20AC\\ud83c\\udf7Az\"}");
    assert_string_equal(r->user_id, "a\"\\/\b\f\n\r\t\xc3\xa9\xe2\x82\xac\xf0\x9f\x8d\xbaz");
    assert_string_equal(reserve("{\"user_id\":\"12345678\\n\"}")->user_id, "12345678\n");
    assert_string_equal(reserve("{\"user_id\":\"gr\xc3\xbc\xc3\x9f dich wohl\"}")->user_id,
                        "gr\xc3\xbc\xc3\x9f dich wohl");
}

static void strings_of_every_length_end_where_they_should(void **state)
{
    (void)state;
    for (int length = 0; length < 40; length++) {
        char text[64];
        int n = snprintf(text, sizeof text, "{\"user_id\":\"%.*s\"}", length,
                         "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ");
        assert_true(n > 0);
        assert_int_equal(strlen(reserve(text)->user_id), length);
    }
}

static void what_ends_a_plain_run_is_seen_at_every_place(void **state)
{
    (void)state;
    static const char run[] = "abcdefghijklmnopqrstuvwx";
    for (size_t at = 0; at < 24; at++) {
        char text[64];
        snprintf(text, sizeof text, "{\"user_id\":\"%.*s\\t%s\"}", (int)at, run, &run[at]);
        assert_int_equal(strlen(reserve(text)->user_id), 25);
        assert_int_equal(reserve(text)->user_id[at], '\t');
        text[12 + at] = 'x';
        text[13 + at] = '\x1f';
        reserve_refused(text, "user_id", "control characters");
        text[13 + at] = '\x80';
        reserve_refused(text, "user_id", "must be valid UTF-8");
        text[13 + at] = '"';
        reserve_refused(text, "", "expected ',' or '}'");
    }
}

static void bad_strings_are_refused(void **state)
{
    (void)state;
    reserve_refused("{\"user_id\":\"a\\u0000b\"}", "user_id", "must not contain a zero byte");
    reserve_refused("{\"user_id\":\"\\ud800\"}", "user_id", "half a surrogate pair");
    reserve_refused("{\"user_id\":\"\\udc00\\ud800\"}", "user_id", "half a surrogate pair");
    reserve_refused("{\"user_id\":\"\\ud800\\u0041\"}", "user_id", "half a surrogate pair");
    reserve_refused("{\"user_id\":\"\\ud800x\"}", "user_id", "half a surrogate pair");
    reserve_refused("{\"user_id\":\"\\u12g4\"}", "user_id", "four hexadecimal digits");
    reserve_refused("{\"user_id\":\"\\x41\"}", "user_id", "after a backslash");
    reserve_refused("{\"user_id\":\"a\nb\"}", "user_id", "control characters");
    reserve_refused("{\"user_id\":\"\\t\nb\"}", "user_id", "control characters");
    reserve_refused("{\"user_id\":\"abc", "user_id", "'\"' at the end of a string, found the end");
    reserve_refused("{\"user_id\":\"abc\\", "user_id",
                    "'\"' at the end of a string, found the end");
    reserve_refused("{\"user_id\":\"abc\\\"}", "user_id", "'\"' at the end of a string");
    refused(&tally__v1__reserve_request__descriptor, ((struct str){"{\"user_id\":\"a\0b\"}", 17}),
            "user_id", "control characters");
}

static void invalid_utf8_is_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "\xff",
        "\xc0\xaf",
        "\xe0\x80\xaf",
        "\xed\xa0\x80",
        "\xf4\x90\x80\x80",
        "\xf0\x80\x80",
        "\x80",
        "\xc3",
        "\xe2\x82",
        "\xf0\x9f\x8d",
        "\xc3(",
        "\xe2(\xa1",
        "\xe2\x82(",
        "\xf8\x88\x80\x80\x80",
        "1234567\xc3",
        "12345678\xed\xbf\xbf",
        "\\n\xff",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[80];
        snprintf(text, sizeof text, "{\"user_id\":\"%s\"}", rows[i]);
        reserve_refused(text, "user_id", "must be valid UTF-8");
    }
}

static void text_that_is_not_json_is_refused_with_line_and_column(void **state)
{
    (void)state;
    reserve_refused("[]", "", "the body must be a JSON object, not an array");
    reserve_refused("null", "", "the body must be a JSON object, not null");
    reserve_refused(" ", "", "the body must be a JSON object, not the end");
    reserve_refused("\xef\xbb\xbf{}", "", "the body must be a JSON object");
    reserve_refused("{\n  \"user_id\" \"x\"}", "user_id", "line 2, column 13: expected ':'");
    reserve_refused("{\"user_id\":\"x\",}", "", "column 16: expected a field's name");
    reserve_refused("{\"user_id\":\"x\"", "", "expected ',' or '}', found the end");
    reserve_refused("{\"lines\":[{},]}", "lines[1]", "must be an object, not punctuation");
    reserve_refused("{\"lines\":[{} {}]}", "lines[0]", "expected ',' or ']'");
    reserve_refused("{\"lines\":[", "lines[0]", "must be an object, not the end");
    reserve_refused("{user_id:1}", "", "a field's name in double quotes");
    reserve_refused("{'user_id':1}", "", "a field's name in double quotes");
    reserve_refused("{} x", "", "expected nothing after the object");
    reserve_refused("{}{}", "", "expected nothing after the object, found an object");
    reserve_refused("{/* c */}", "", "a field's name in double quotes");
    reserve_refused("{\"user_id\":nul}", "user_id", "must be a string, not null");
}

static void nesting_deeper_than_the_limit_is_refused(void **state)
{
    (void)state;
    char text[400] = "";
    size_t used = 0;
    for (int i = 1; i < JSON_DEPTH_MAX; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "{\"child\":");
    size_t open = used;
    used += (size_t)snprintf(text + used, sizeof text - used, "{}");
    for (int i = 1; i < JSON_DEPTH_MAX; i++)
        text[used++] = '}';
    assert_non_null(all_types(text)->child);

    used = open + (size_t)snprintf(text + open, sizeof text - open, "{\"child\":{}}");
    for (int i = 1; i < JSON_DEPTH_MAX; i++)
        text[used++] = '}';
    text[used] = 0;
    ProtobufCMessage *m = NULL;
    assert_int_equal(
        json_decode(&tally__test__all_types__descriptor, str_of(text), &arena, &m, &error),
        TLY_EINVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "deeper than 16"));
}

static void a_thousand_brackets_are_refused_at_the_first(void **state)
{
    (void)state;
    char text[2000];
    memset(text, '[', sizeof text);
    memcpy(text, "{\"lines\":", 9);
    refused(&tally__v1__reserve_request__descriptor, (struct str){text, sizeof text}, "lines[0]",
            "must be an object, not an array");
}

static void a_message_beyond_the_arenas_bound_is_no_memory(void **state)
{
    (void)state;
    static char small[256];
    static char text[20000];
    struct arena bounded;
    size_t used = (size_t)snprintf(text, sizeof text, "{\"lines\":[{}");
    while (used < sizeof text - 10) {
        memcpy(text + used, ",{}", 3);
        used += 3;
    }
    memcpy(text + used, "]}", 2);
    arena_init(&bounded, small, sizeof small, 8192);
    ProtobufCMessage *m = NULL;
    int code = json_decode(&tally__v1__reserve_request__descriptor,
                           (struct str){text, (uint32_t)used + 2}, &bounded, &m, &error);
    assert_int_equal(code, TLY_ENO_MEMORY);
    assert_int_equal(error.code, TLY_ENO_MEMORY);
    assert_null(m);
    arena_close(&bounded);
}

static void arrays_enums_and_choices_are_read(void **state)
{
    (void)state;
    const Tally__Test__AllTypes *m =
        all_types("{\"many_int32\":[1,-2,3,4,5],\"many_string\":[\"a\",\"\"],\"many_bool\":[true,"
                  "false],\"a_color\":\"BLUE\",\"number\":7,\"many_sint64\":[]}");
    assert_int_equal(m->n_many_int32, 5);
    assert_int_equal(m->many_int32[1], -2);
    assert_int_equal(m->many_int32[4], 5);
    assert_int_equal(m->n_many_string, 2);
    assert_string_equal(m->many_string[0], "a");
    assert_true(m->many_bool[0] && !m->many_bool[1]);
    assert_int_equal(m->a_color, TALLY__TEST__COLOR__BLUE);
    assert_int_equal(m->choice_case, TALLY__TEST__ALL_TYPES__CHOICE_NUMBER);
    assert_int_equal(m->number, 7);
    assert_int_equal(m->n_many_sint64, 0);
    const ProtobufCMessageDescriptor *type = &tally__test__all_types__descriptor;
    refused(type, STR("{\"number\":1,\"name\":\"x\"}"), "name", "excludes another field");
    refused(type, STR("{\"a_color\":\"GREEN\"}"), "a_color", "is not a name of Color");
    refused(type, STR("{\"a_color\":1}"), "a_color", "the name of a value");
    refused(type, STR("{\"a_double\":1}"), "a_double", "cannot be given in JSON");
    refused(type, STR("{\"a_bytes\":\"\"}"), "a_bytes", "cannot be given in JSON");
}

static const char *encoded(const ProtobufCMessage *m)
{
    struct str out;
    assert_int_equal(json_encode(m, &arena, &out), 0);
    return arena_copy(&arena, out.p, out.len);
}

static void a_reservation_is_written_with_all_its_fields(void **state)
{
    (void)state;
    Tally__V1__ReserveResponse r = TALLY__V1__RESERVE_RESPONSE__INIT;
    Tally__V1__Line line = TALLY__V1__LINE__INIT;
    Tally__V1__Line *lines[] = {&line, &line};
    line.lot = "cola#0a1b2c3d";
    line.quantity = 2;
    r.reservation_id = "42";
    r.status = "PENDING";
    r.n_lines = 2;
    r.lines = lines;
    assert_string_equal(encoded(&r.base),
                        "{\"reservation_id\":\"42\",\"order_id\":\"\",\"status\":\"PENDING\","
                        "\"expires_at\":\"\",\"lines\":[{\"lot\":\"cola#0a1b2c3d\",\"quantity\":2},"
                        "{\"lot\":\"cola#0a1b2c3d\",\"quantity\":2}],\"reason\":\"\","
                        "\"replayed\":false}");
}

static void sub_messages_that_are_absent_are_left_out(void **state)
{
    (void)state;
    Tally__V1__OrderOutcome o = TALLY__V1__ORDER_OUTCOME__INIT;
    o.code = "SOLD_OUT";
    assert_string_equal(
        encoded(&o.base),
        "{\"order_id\":\"\",\"code\":\"SOLD_OUT\",\"message\":\"\",\"available\":0,\"orders\":[]}");
    Tally__V1__ListLotsResponse empty = TALLY__V1__LIST_LOTS_RESPONSE__INIT;
    assert_string_equal(encoded(&empty.base), "{\"lots\":[],\"next_page_token\":\"\"}");
}

static void numbers_beyond_two_to_the_53_are_written_as_strings(void **state)
{
    (void)state;
    static const struct {
        int64_t n;
        const char *text;
    } rows[] = {{0, "0"},
                {-1, "-1"},
                {9007199254740992, "9007199254740992"},
                {-9007199254740992, "-9007199254740992"},
                {9007199254740993, "\"9007199254740993\""},
                {INT64_MAX, "\"9223372036854775807\""},
                {INT64_MIN, "\"-9223372036854775808\""}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char want[80];
        Tally__V1__Line line = TALLY__V1__LINE__INIT;
        line.quantity = rows[i].n;
        snprintf(want, sizeof want, "{\"lot\":\"\",\"quantity\":%s}", rows[i].text);
        assert_string_equal(encoded(&line.base), want);
    }
}

static void numbers_of_any_length_are_written_with_all_their_digits(void **state)
{
    (void)state;
    const int64_t safe = INT64_C(9007199254740992); /* beyond it they are strings */
    for (int64_t power = 1; power <= INT64_MAX / 10; power *= 10) {
        for (int64_t digit = 1; digit <= 9; digit++) {
            const int64_t some[] = {digit * power - 1, digit * power, digit * power + digit,
                                    INT64_C(1234567890987654321) / power};
            for (size_t i = 0; i < sizeof some / sizeof some[0]; i++) {
                char want[80];
                const char *quote = some[i] > safe ? "\"" : "";
                Tally__V1__Line line = TALLY__V1__LINE__INIT;
                line.quantity = some[i];
                snprintf(want, sizeof want, "{\"lot\":\"\",\"quantity\":%s%lld%s}", quote,
                         (long long)some[i], quote);
                assert_string_equal(encoded(&line.base), want);
            }
        }
    }
}

static void hundreds_are_written_as_they_are_wherever_they_stand(void **state)
{
    (void)state;
    for (int64_t hundreds = 0; hundreds <= 9900; hundreds += 100) {
        char want[80];
        Tally__V1__Line line = TALLY__V1__LINE__INIT;
        line.quantity = INT64_C(700000000) + hundreds * 10000 + (9999 - hundreds);
        snprintf(want, sizeof want, "{\"lot\":\"\",\"quantity\":%lld}", (long long)line.quantity);
        assert_string_equal(encoded(&line.base), want);
    }
}

static void strings_are_escaped_only_where_json_wants_it(void **state)
{
    (void)state;
    Tally__V1__GetLotRequest r = TALLY__V1__GET_LOT_REQUEST__INIT;
    r.lot = "a\"b\\c/\b\f\n\r\t\x01\x1f\x7f gr\xc3\xbc\xc3\x9f";
    assert_string_equal(encoded(&r.base),
                        "{\"lot\":\"a\\\"b\\\\c/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f "
                        "gr\xc3\xbc\xc3\x9f\",\"consistency\":\"\"}");
    static const char *const rows[][2] = {{"\"", "\\\""}, {"\\", "\\\\"}, {"\x1f", "\\u001f"}};
    for (size_t i = 0; i < 3; i++) {
        for (size_t at = 0; at < 24; at++) {
            char plain[25] = "abcdefghijklmnopqrstuvwx";
            char want[64];
            plain[at] = rows[i][0][0];
            r.lot = plain;
            snprintf(want, sizeof want, "{\"lot\":\"%.*s%s%s\",\"consistency\":\"\"}", (int)at,
                     plain, rows[i][1], plain + at + 1);
            assert_string_equal(encoded(&r.base), want);
        }
    }
}

static void what_is_written_reads_back_the_same(void **state)
{
    (void)state;
    const Tally__Test__AllTypes *m = all_types(
        "{\"a_int32\":-5,\"a_uint64\":77,\"a_string\":\"\\u0001\\\"x\",\"children\":[{\"a_bool\":"
        "true},"
        "{\"many_color\":[\"RED\",\"NONE\"]}],\"nested\":{\"a_int64\":9},\"far_away\":\"f\"}");
    const char *once = encoded(&m->base);
    assert_non_null(strstr(once, "\"children\":[{"));
    assert_non_null(strstr(once, "\"many_color\":[\"RED\",\"NONE\"]"));
    assert_non_null(strstr(once, "\"nested\":{"));
    assert_null(strstr(once, "\"blob\":"));
    assert_string_equal(encoded(&all_types(once)->base), once);
}

static void a_response_larger_than_its_first_buffer_is_whole(void **state)
{
    (void)state;
    enum { LOTS = 300 };
    static Tally__V1__Lot lots[LOTS];
    static Tally__V1__Lot *pointers[LOTS];
    Tally__V1__ListLotsResponse r = TALLY__V1__LIST_LOTS_RESPONSE__INIT;
    for (int i = 0; i < LOTS; i++) {
        tally__v1__lot__init(&lots[i]);
        lots[i].sku = "cola";
        lots[i].version = i;
        pointers[i] = &lots[i];
    }
    r.n_lots = LOTS;
    r.lots = pointers;
    struct str out;
    ProtobufCMessage *m = NULL;
    assert_int_equal(json_encode(&r.base, &arena, &out), 0);
    assert_int_equal(json_decode(&tally__v1__list_lots_response__descriptor, out, &arena, &m, NULL),
                     0);
    const Tally__V1__ListLotsResponse *back = (const Tally__V1__ListLotsResponse *)m;
    assert_int_equal(back->n_lots, LOTS);
    for (int i = 0; i < LOTS; i++)
        assert_int_equal(back->lots[i]->version, i);
}

static void writing_beyond_the_arenas_bound_is_no_memory(void **state)
{
    (void)state;
    static char small[512];
    static char long_text[5000];
    struct arena bounded;
    struct str out = {0};
    Tally__V1__GetLotRequest r = TALLY__V1__GET_LOT_REQUEST__INIT;
    memset(long_text, 'x', sizeof long_text - 1);
    r.lot = long_text;
    arena_init(&bounded, small, sizeof small, 4096);
    assert_int_equal(json_encode(&r.base, &bounded, &out), TLY_ENO_MEMORY);
    assert_null(out.p);
    arena_close(&bounded);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_order_is_read_into_its_message),
        TEST(an_empty_body_is_an_empty_message),
        TEST(null_counts_as_not_given),
        TEST(null_as_an_element_is_refused),
        TEST(a_wrong_type_names_the_field_and_the_right_type),
        TEST(an_unknown_field_is_refused_with_the_known_ones),
        TEST(a_field_given_twice_is_refused),
        TEST(numbers_that_are_not_plain_integers_are_refused),
        TEST(the_ends_of_the_integer_ranges_are_read),
        TEST(escapes_are_read),
        TEST(strings_of_every_length_end_where_they_should),
        TEST(what_ends_a_plain_run_is_seen_at_every_place),
        TEST(bad_strings_are_refused),
        TEST(invalid_utf8_is_refused),
        TEST(text_that_is_not_json_is_refused_with_line_and_column),
        TEST(nesting_deeper_than_the_limit_is_refused),
        TEST(a_thousand_brackets_are_refused_at_the_first),
        TEST(a_message_beyond_the_arenas_bound_is_no_memory),
        TEST(arrays_enums_and_choices_are_read),
        TEST(a_reservation_is_written_with_all_its_fields),
        TEST(sub_messages_that_are_absent_are_left_out),
        TEST(numbers_beyond_two_to_the_53_are_written_as_strings),
        TEST(numbers_of_any_length_are_written_with_all_their_digits),
        TEST(hundreds_are_written_as_they_are_wherever_they_stand),
        TEST(strings_are_escaped_only_where_json_wants_it),
        TEST(what_is_written_reads_back_the_same),
        TEST(a_response_larger_than_its_first_buffer_is_whole),
        TEST(writing_beyond_the_arenas_bound_is_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
