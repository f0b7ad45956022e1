/* Protobuf in and out, compared with protobuf-c where both accept. */
#include "fixture.h"

#include <all_types.pb-c.h>
#include <string.h>
#include <tally.pb-c.h>

#include "wire/codec.h"

static char memory[32768];
static struct arena arena;
static struct error error;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena, memory, sizeof memory, 1 << 22);
    error = (struct error){0};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_close(&arena);
    return 0;
}

#define BYTES(literal) ((struct str){(literal), sizeof(literal) - 1})

static Tally__Test__AllTypes *all_types(struct str bytes)
{
    ProtobufCMessage *m = NULL;
    int code = proto_decode(&tally__test__all_types__descriptor, bytes, &arena, &m, &error);
    if (code)
        fail_msg("refused: %s", error.text);
    return (Tally__Test__AllTypes *)m;
}

static Tally__V1__ReserveRequest *reserve(struct str bytes)
{
    ProtobufCMessage *m = NULL;
    int code = proto_decode(&tally__v1__reserve_request__descriptor, bytes, &arena, &m, &error);
    if (code)
        fail_msg("refused: %s", error.text);
    return (Tally__V1__ReserveRequest *)m;
}

static void refused(const ProtobufCMessageDescriptor *type, struct str bytes, const char *field,
                    const char *saying)
{
    ProtobufCMessage *m = NULL;
    /* Of exactly this size, so that a sanitizer sees a byte read beyond it. */
    char *copy = test_malloc(bytes.len + 1);
    memcpy(copy, bytes.p, bytes.len);
    error = (struct error){0};
    int code = proto_decode(type, (struct str){copy, bytes.len}, &arena, &m, &error);
    test_free(copy);
    assert_int_equal(code, TLY_EINVALID_ARGUMENT);
    assert_null(m);
    assert_string_equal(error.field, field);
    if (!strstr(error.text, saying))
        fail_msg("\"%s\" does not say \"%s\"", error.text, saying);
}

static void order_refused(struct str bytes, const char *field, const char *saying)
{
    refused(&tally__v1__reserve_request__descriptor, bytes, field, saying);
}

static void fill_scalars(Tally__Test__AllTypes *m)
{
    m->a_int32 = -1;
    m->a_sint32 = INT32_MIN;
    m->a_sfixed32 = -7;
    m->a_int64 = INT64_MIN;
    m->a_sint64 = INT64_MAX;
    m->a_sfixed64 = -9;
    m->a_uint32 = UINT32_MAX;
    m->a_fixed32 = 11;
    m->a_uint64 = UINT64_MAX;
    m->a_fixed64 = 13;
    m->a_float = 1.5f;
    m->a_double = -2.25;
    m->a_bool = 1;
    m->a_color = TALLY__TEST__COLOR__BLUE;
    m->a_string = "gr\xc3\xbc\xc3\x9f";
    m->a_bytes = (ProtobufCBinaryData){3, (uint8_t *)"\0\xff\1"};
    m->far_away = "far";
}

static void fill_arrays(Tally__Test__AllTypes *m)
{
    static int32_t int32s[] = {1, -1, 300, 0, 5, 6, 7, 8, 9};
    static int64_t sint64s[] = {-1, INT64_MIN};
    static uint32_t fixed32s[] = {1, 2};
    static double doubles[] = {0, 0.5};
    static protobuf_c_boolean bools[] = {1, 0, 1};
    static Tally__Test__Color colors[] = {TALLY__TEST__COLOR__RED, TALLY__TEST__COLOR__NONE};
    static char *strings[] = {"", "one", "two"};
    static ProtobufCBinaryData bytes[] = {{0, NULL}, {2, (uint8_t *)"\0\1"}};
    static uint64_t loose[] = {0, 1ull << 40, 3};
    m->n_many_int32 = sizeof int32s / sizeof int32s[0];
    m->many_int32 = int32s;
    m->n_many_sint64 = 2;
    m->many_sint64 = sint64s;
    m->n_many_fixed32 = 2;
    m->many_fixed32 = fixed32s;
    m->n_many_double = 2;
    m->many_double = doubles;
    m->n_many_bool = 3;
    m->many_bool = bools;
    m->n_many_color = 2;
    m->many_color = colors;
    m->n_many_string = 3;
    m->many_string = strings;
    m->n_many_bytes = 2;
    m->many_bytes = bytes;
    m->n_loose_uint64 = 3;
    m->loose_uint64 = loose;
}

static struct str pack(const ProtobufCMessage *m)
{
    uint8_t *out = arena_alloc(&arena, protobuf_c_message_get_packed_size(m) + 1);
    assert_non_null(out);
    size_t size = protobuf_c_message_pack(m, out);
    return (struct str){(char *)out, (uint32_t)size};
}

static void same_bytes(const ProtobufCMessage *m, struct str want)
{
    struct str framed;
    assert_int_equal(grpc_encode(m, &arena, &framed), 0);
    assert_int_equal(framed.len, want.len + 5);
    assert_int_equal(framed.p[0], 0);
    assert_int_equal((uint8_t)framed.p[1] << 24 | (uint8_t)framed.p[2] << 16 |
                         (uint8_t)framed.p[3] << 8 | (uint8_t)framed.p[4],
                     want.len);
    assert_memory_equal(framed.p + 5, want.p, want.len);
}

static void every_type_goes_out_and_comes_in_as_protobuf_c_does_it(void **state)
{
    (void)state;
    Tally__Test__AllTypes m = TALLY__TEST__ALL_TYPES__INIT;
    Tally__Test__AllTypes child = TALLY__TEST__ALL_TYPES__INIT;
    Tally__Test__AllTypes empty = TALLY__TEST__ALL_TYPES__INIT;
    Tally__Test__AllTypes *children[] = {&child, &empty};
    fill_scalars(&m);
    fill_arrays(&m);
    fill_scalars(&child);
    m.child = &empty;
    m.n_children = 2;
    m.children = children;
    m.choice_case = TALLY__TEST__ALL_TYPES__CHOICE_NESTED;
    m.nested = &child;
    struct str packed = pack(&m.base);
    same_bytes(&m.base, packed);

    const Tally__Test__AllTypes *back = all_types(packed);
    assert_true(back->a_int64 == INT64_MIN && back->a_sint64 == INT64_MAX);
    assert_true(back->a_sint32 == INT32_MIN && back->a_uint32 == UINT32_MAX);
    assert_string_equal(back->far_away, "far");
    assert_int_equal(back->n_many_int32, 9);
    assert_int_equal(back->many_int32[8], 9);
    same_bytes(&back->base, packed);
}

static void a_member_of_a_oneof_is_written_even_if_it_is_zero(void **state)
{
    (void)state;
    Tally__Test__AllTypes m = TALLY__TEST__ALL_TYPES__INIT;
    m.choice_case = TALLY__TEST__ALL_TYPES__CHOICE_NUMBER;
    same_bytes(&m.base, pack(&m.base));
    m.choice_case = TALLY__TEST__ALL_TYPES__CHOICE_FLAG;
    m.flag = 0;
    same_bytes(&m.base, pack(&m.base));
    m.choice_case = TALLY__TEST__ALL_TYPES__CHOICE_NAME;
    m.name = "";
    same_bytes(&m.base, pack(&m.base));
}

static void the_last_member_of_a_oneof_counts(void **state)
{
    (void)state;
    /* number = 5, name = "ab", nested = {a_int32 = 1} */
    const Tally__Test__AllTypes *m = all_types(BYTES("\xf8\x01\x05\xf2\x01\x02"
                                                     "ab\x82\x02\x02\x08\x01"));
    assert_int_equal(m->choice_case, TALLY__TEST__ALL_TYPES__CHOICE_NESTED);
    assert_int_equal(m->nested->a_int32, 1);
    m = all_types(BYTES("\x82\x02\x02\x08\x01\xf8\x01\x05"));
    assert_int_equal(m->choice_case, TALLY__TEST__ALL_TYPES__CHOICE_NUMBER);
    assert_int_equal(m->number, 5);
}

static void of_a_scalar_given_twice_the_last_counts_and_messages_are_merged(void **state)
{
    (void)state;
    /* child = {a_int32 = 1, many_int32 = [7]}, child = {a_uint32 = 2, many_int32 = [8]} */
    const Tally__Test__AllTypes *m =
        all_types(BYTES("\x08\x01\x08\x02\x8a\x01\x06\x08\x01\x92\x01\x01\x07"
                        "\x8a\x01\x06\x38\x02\x92\x01\x01\x08"));
    assert_int_equal(m->a_int32, 2);
    assert_int_equal(m->child->a_int32, 1);
    assert_int_equal(m->child->a_uint32, 2);
    assert_int_equal(m->child->n_many_int32, 2);
    assert_int_equal(m->child->many_int32[1], 8);
}

static void repeated_numbers_come_packed_or_loose(void **state)
{
    (void)state;
    const Tally__Test__AllTypes *m =
        all_types(BYTES("\x90\x01\x01\x92\x01\x03\x02\xac\x02\xd8\x01\x09\xda\x01\x02\x0a\x0b"));
    assert_int_equal(m->n_many_int32, 3);
    assert_int_equal(m->many_int32[0], 1);
    assert_int_equal(m->many_int32[2], 300);
    assert_int_equal(m->n_loose_uint64, 3);
    assert_int_equal(m->loose_uint64[2], 11);
}

static void unknown_fields_are_skipped(void **state)
{
    (void)state;
    /* 15 as varint, 64 bits, bytes and 32 bits, around user_id = "u"; then field 536870911 */
    const Tally__V1__ReserveRequest *r = reserve(BYTES("\x78\xff\x01\x79"
                                                       "12345678\x7a\x03"
                                                       "abc\x12\x01"
                                                       "u\x7d"
                                                       "1234\xf8\xff\xff\xff\x0f\x01"));
    assert_string_equal(r->user_id, "u");
    assert_int_equal(r->base.n_unknown_fields, 0);
}

static void unknown_groups_are_skipped(void **state)
{
    (void)state;
    /* Group 15 with a varint, text, and group 1 with itself inside, around user_id = "u". */
    const Tally__V1__ReserveRequest *r =
        reserve(BYTES("\x7b\x08\x96\x01\x12\x01z\x0b\x0b\x0c\x0c\x7c"
                      "\x12\x01u"
                      "\x7b\x7c"));
    assert_string_equal(r->user_id, "u");
    assert_string_equal(r->order_id, "");
}

static void a_known_field_of_another_wire_type_is_skipped(void **state)
{
    (void)state;
    /* order_id as varint, hold_ms as text, lines as varint, user_id as a group and as 32 bits */
    const Tally__V1__ReserveRequest *r = reserve(BYTES("\x08\x01\x22\x01"
                                                       "a\x18\x01\x13\x08\x01\x14\x15"
                                                       "1234"));
    assert_string_equal(r->order_id, "");
    assert_string_equal(r->user_id, "");
    assert_int_equal(r->hold_ms, 0);
    assert_int_equal(r->n_lines, 0);
}

static void groups_nested_deeper_than_the_limit_are_refused(void **state)
{
    (void)state;
    char bytes[202];
    memset(bytes, 0x7b, 101);
    memset(bytes + 101, 0x7c, 101);
    order_refused((struct str){bytes, 202}, "", "nested too deep");
    assert_non_null(reserve((struct str){bytes + 1, 200}));
}

static void an_empty_message_has_its_defaults(void **state)
{
    (void)state;
    const Tally__V1__ReserveRequest *r = reserve((struct str){0});
    assert_string_equal(r->order_id, "");
    assert_int_equal(r->n_lines, 0);
}

static void an_order_cut_short_anywhere_is_refused_or_a_shorter_order(void **state)
{
    (void)state;
    Tally__V1__ReserveRequest r = TALLY__V1__RESERVE_REQUEST__INIT;
    Tally__V1__WantedLine line = TALLY__V1__WANTED_LINE__INIT;
    Tally__V1__WantedLine *lines[] = {&line};
    r.order_id = "o-1";
    r.user_id = "u";
    line.lot = "cola#0a1b2c3d";
    line.quantity = 1;
    r.n_lines = 1;
    r.lines = lines;
    r.hold_ms = 1000;
    struct str packed = pack(&r.base);
    /* The ends of its fields: only there it is a message. */
    static const uint32_t whole[] = {0, 5, 8, 27, 30};
    assert_int_equal(packed.len, 30);
    for (uint32_t size = 0; size <= packed.len; size++) {
        bool is_whole = false;
        for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++)
            is_whole = is_whole || whole[i] == size;
        ProtobufCMessage *m = NULL;
        char *copy = test_malloc(size + 1);
        memcpy(copy, packed.p, size);
        int code = proto_decode(&tally__v1__reserve_request__descriptor, (struct str){copy, size},
                                &arena, &m, &error);
        test_free(copy);
        assert_int_equal(code, is_whole ? 0 : TLY_EINVALID_ARGUMENT);
        if (!is_whole)
            assert_non_null(strstr(error.text, "cut short"));
    }
}

static void malformed_input_is_refused(void **state)
{
    (void)state;
    order_refused(BYTES("\x0a\xff\xff\xff\xff\x07"), "order_id", "cut short");
    order_refused(BYTES("\x0a\xff\xff\xff\xff\xff\x01"), "order_id", "a varint is too long");
    order_refused(BYTES("\x00\x01"), "", "a field number is out of range");
    order_refused(BYTES("\xf8\xff\xff\xff\x1f\x01"), "", "a field number is out of range");
    order_refused(BYTES("\xff\xff\xff\xff\xff\x01\x01"), "", "a varint is too long");
    order_refused(BYTES("\x7b\x78\x01"), "", "cut short");
    order_refused(BYTES("\x7b\x74"), "", "a group ends that has not begun");
    order_refused(BYTES("\x7c"), "", "a group ends that has not begun");
    order_refused(BYTES("\x0c"), "", "a group ends that has not begun");
    order_refused(BYTES("\x7e"), "", "there is no such wire type");
    order_refused(BYTES("\x0f"), "", "there is no such wire type");
    order_refused(BYTES("\x7b\x07\x7c"), "", "a field number is out of range");
    order_refused(BYTES("\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), "hold_ms",
                  "more than 64 bits");
    order_refused(BYTES("\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "hold_ms",
                  "more than 64 bits");
    order_refused(BYTES("\x1a\x02\x30\x01\x1a\x03\x0a\x05z"), "lines[1].lot", "cut short");
}

static void a_negative_number_takes_ten_bytes_and_is_read(void **state)
{
    (void)state;
    assert_int_equal(reserve(BYTES("\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))->hold_ms, -1);
}

static void text_that_is_not_utf8_is_refused_at_every_length(void **state)
{
    (void)state;
    for (uint8_t size = 1; size < 40; size++) {
        for (uint8_t at = 0; at < size; at++) {
            char bytes[48] = {0x12, (char)size};
            memset(bytes + 2, 'x', size);
            struct str message = {bytes, (uint32_t)size + 2};
            assert_int_equal(strlen(reserve(message)->user_id), size);
            bytes[2 + at] = (char)0xff;
            order_refused(message, "user_id", "user_id: must be valid UTF-8");
            bytes[2 + at] = 0;
            order_refused(message, "user_id", "user_id: must not contain a zero byte");
            bytes[2 + at] = (char)0x80;
            order_refused(message, "user_id", "user_id: must be valid UTF-8");
        }
    }
    order_refused(BYTES("\x1a\x04\x0a\x02\xc3\x28"), "lines[0].lot", "must be valid UTF-8");
    assert_string_equal(reserve(BYTES("\x12\x04gr\xc3\xbc"))->user_id, "gr\xc3\xbc");
}

static void nesting_deeper_than_the_limit_is_refused(void **state)
{
    (void)state;
    enum { LEVELS = 101 };
    static char bytes[LEVELS * 5 + 16];
    /* From the inside out: child = 17, length-prefixed. */
    char *p = bytes + sizeof bytes;
    uint32_t size = 0;
    for (int level = 1; level <= LEVELS; level++) {
        uint32_t length = size;
        if (length >= 0x80) {
            *--p = (char)(length >> 7);
            *--p = (char)(length | 0x80);
            size += 2;
        } else {
            *--p = (char)length;
            size += 1;
        }
        *--p = 0x01;
        *--p = (char)0x8a;
        size += 2;
        if (level == LEVELS - 1)
            assert_non_null(all_types((struct str){p, size})->child);
    }
    ProtobufCMessage *m = NULL;
    int code = proto_decode(&tally__test__all_types__descriptor, (struct str){p, size}, &arena, &m,
                            &error);
    assert_int_equal(code, TLY_EINVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "nested too deep"));
}

static void many_elements_are_kept_in_their_order(void **state)
{
    (void)state;
    enum { ORDERS = 8190 };
    static char bytes[ORDERS * 8];
    size_t used = 0;
    for (unsigned i = 0; i < ORDERS; i++) {
        /* orders = {hold_ms = 20000 + i}, which is a varint of three bytes */
        unsigned n = 20000 + i;
        memcpy(bytes + used, "\x0a\x04\x20", 3);
        bytes[used + 3] = (char)(n | 0x80);
        bytes[used + 4] = (char)(n >> 7 | 0x80);
        bytes[used + 5] = (char)(n >> 14);
        used += 6;
    }
    ProtobufCMessage *m = NULL;
    assert_int_equal(proto_decode(&tally__v1__reserve_batch_request__descriptor,
                                  (struct str){bytes, (uint32_t)used}, &arena, &m, NULL),
                     0);
    const Tally__V1__ReserveBatchRequest *batch = (const Tally__V1__ReserveBatchRequest *)m;
    assert_int_equal(batch->n_orders, ORDERS);
    for (unsigned i = 0; i < ORDERS; i++)
        assert_int_equal(batch->orders[i]->hold_ms, 20000 + i);
}

static void a_message_beyond_the_arenas_bound_is_no_memory(void **state)
{
    (void)state;
    static char small[256];
    static char bytes[4000];
    struct arena bounded;
    ProtobufCMessage *m = NULL;
    for (size_t i = 0; i < sizeof bytes; i += 2)
        memcpy(bytes + i, "\x1a\x00", 2);
    arena_init(&bounded, small, sizeof small, 8192);
    int code = proto_decode(&tally__v1__reserve_request__descriptor,
                            (struct str){bytes, sizeof bytes}, &bounded, &m, &error);
    assert_int_equal(code, TLY_ENO_MEMORY);
    assert_null(m);
    arena_close(&bounded);
}

static void a_long_sub_message_moves_to_make_room_for_its_length(void **state)
{
    (void)state;
    static char text[40001];
    for (size_t size = 100; size < sizeof text; size = size * 3 / 2) {
        Tally__Test__AllTypes inner = TALLY__TEST__ALL_TYPES__INIT;
        Tally__Test__AllTypes middle = TALLY__TEST__ALL_TYPES__INIT;
        Tally__Test__AllTypes outer = TALLY__TEST__ALL_TYPES__INIT;
        for (size_t i = 0; i < size; i++)
            text[i] = (char)('a' + i % 26);
        text[size] = 0;
        inner.a_string = text;
        middle.child = &inner;
        outer.child = &middle;
        outer.far_away = "end";
        same_bytes(&outer.base, pack(&outer.base));
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_type_goes_out_and_comes_in_as_protobuf_c_does_it),
        TEST(a_member_of_a_oneof_is_written_even_if_it_is_zero),
        TEST(the_last_member_of_a_oneof_counts),
        TEST(of_a_scalar_given_twice_the_last_counts_and_messages_are_merged),
        TEST(repeated_numbers_come_packed_or_loose),
        TEST(unknown_fields_are_skipped),
        TEST(unknown_groups_are_skipped),
        TEST(a_known_field_of_another_wire_type_is_skipped),
        TEST(groups_nested_deeper_than_the_limit_are_refused),
        TEST(an_empty_message_has_its_defaults),
        TEST(an_order_cut_short_anywhere_is_refused_or_a_shorter_order),
        TEST(malformed_input_is_refused),
        TEST(a_negative_number_takes_ten_bytes_and_is_read),
        TEST(text_that_is_not_utf8_is_refused_at_every_length),
        TEST(nesting_deeper_than_the_limit_is_refused),
        TEST(many_elements_are_kept_in_their_order),
        TEST(a_message_beyond_the_arenas_bound_is_no_memory),
        TEST(a_long_sub_message_moves_to_make_room_for_its_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
