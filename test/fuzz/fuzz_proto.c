/* Protobuf input, differentially: what proto_decode() takes, protobuf-c must take and understand in
 * the same way; what only protobuf-c takes must be one of the things that are refused on purpose.
 * And what was read is written as protobuf-c writes it. The first byte picks the message. */
#include <all_types.pb-c.h>
#include <assert.h>
#include <stdint.h>
#include <string.h>
#include <tally.pb-c.h>

#include "wire/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char ours_memory[1 << 16];
static char theirs_memory[1 << 16];

static void *from_arena(void *a, size_t size)
{
    return arena_alloc(a, size);
}

static void to_arena(void *a, void *p)
{
    (void)a;
    (void)p;
}

/* Protobuf-c keeps unknown fields and would write them again. */
static void drop_unknown(ProtobufCMessage *m)
{
    m->n_unknown_fields = 0;
    for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &m->descriptor->fields[i];
        char *member = (char *)m + field->offset;
        char *quantifier = (char *)m + field->quantifier_offset;
        if (field->type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            for (size_t j = 0; j < *(size_t *)quantifier; j++)
                drop_unknown((*(ProtobufCMessage ***)member)[j]);
        } else if (!(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) ||
                   *(uint32_t *)quantifier == field->id) {
            if (*(ProtobufCMessage **)member)
                drop_unknown(*(ProtobufCMessage **)member);
        }
    }
}

static uint64_t varint(const uint8_t **p, const uint8_t *end)
{
    uint64_t n = 0;
    for (unsigned shift = 0; *p < end && shift < 64; shift += 7) {
        uint8_t byte = *(*p)++;
        n |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            break;
    }
    return n;
}

static int fits(const ProtobufCFieldDescriptor *field, unsigned wire)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return wire == 2;
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return wire == 1 || (wire == 2 && field->label == PROTOBUF_C_LABEL_REPEATED);
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return wire == 5 || (wire == 2 && field->label == PROTOBUF_C_LABEL_REPEATED);
    default:
        return wire == 0 || (wire == 2 && field->label == PROTOBUF_C_LABEL_REPEATED);
    }
}

/* True if bytes that are well-formed hold what protobuf-c 1.4 does not read as protobuf wants it: a
 * group, or a field with another wire type than its own, which it refuses (of a bool it does not
 * look at the wire type); or a singular sub-message twice: it loses or refuses numbers of proto3
 * messages, which have no quantifier, and replaces members of a oneof. */
static int reads_apart(const ProtobufCMessageDescriptor *type, const uint8_t *p, const uint8_t *end)
{
    uint64_t seen = 0;
    while (p < end) {
        uint64_t tag = varint(&p, end);
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field(type, (unsigned)(tag >> 3));
        if ((tag & 7) == 3 || (field && !fits(field, tag & 7)))
            return 1;
        uint64_t size = (tag & 7) == 1 ? 8 : (tag & 7) == 5 ? 4 : varint(&p, end);
        if ((tag & 7) == 0)
            continue;
        if (field && field->type == PROTOBUF_C_TYPE_MESSAGE) {
            uint64_t bit = (uint64_t)1 << (field - type->fields);
            if (field->label != PROTOBUF_C_LABEL_REPEATED && seen & bit)
                return 1;
            seen |= bit;
            if (reads_apart(field->descriptor, p, p + size))
                return 1;
        }
        p += size;
    }
    return 0;
}

static int refused_on_purpose(const struct error *e)
{
    static const char *const reasons[] = {"zero byte", "UTF-8",    "out of range",   "too deep",
                                          "64 bits",   "too long", "too much memory"};
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (strstr(e->text, reasons[i]))
            return 1;
    return 0;
}

static struct str pack(const ProtobufCMessage *m, struct arena *a)
{
    uint8_t *out = arena_alloc(a, protobuf_c_message_get_packed_size(m) + 1);
    assert(out != NULL);
    return (struct str){(char *)out, (uint32_t)protobuf_c_message_pack(m, out)};
}

static void compare(const ProtobufCMessageDescriptor *type, struct str bytes)
{
    struct arena ours;
    struct arena theirs;
    struct error e = {0};
    ProtobufCMessage *m = NULL;
    arena_init(&ours, ours_memory, sizeof ours_memory, 1 << 24);
    arena_init(&theirs, theirs_memory, sizeof theirs_memory, 1 << 28);
    ProtobufCAllocator allocator = {from_arena, to_arena, &theirs};
    int code = proto_decode(type, bytes, &ours, &m, &e);
    ProtobufCMessage *other =
        protobuf_c_message_unpack(type, &allocator, bytes.len, (const uint8_t *)bytes.p);
    if (code == 0) {
        const uint8_t *p = (const uint8_t *)bytes.p;
        struct str got = pack(m, &theirs);
        struct str framed;
        if (!bytes.len || !reads_apart(type, p, p + bytes.len)) {
            assert(other != NULL);
            drop_unknown(other);
            assert(str_equal(pack(other, &theirs), got));
        }
        assert(grpc_encode(m, &theirs, &framed) == 0);
        assert(str_equal(got, (struct str){framed.p + 5, framed.len - 5}));
        assert(json_encode(m, &theirs, &framed) == 0);
    } else {
        assert(m == NULL && e.code == code);
        assert(other == NULL || refused_on_purpose(&e));
    }
    arena_close(&ours);
    arena_close(&theirs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const ProtobufCMessageDescriptor *const types[] = {
        &tally__v1__reserve_request__descriptor,
        &tally__v1__reserve_batch_request__descriptor,
        &tally__v1__confirm_request__descriptor,
        &tally__v1__create_lot_request__descriptor,
        &tally__v1__reserve_batch_response__descriptor,
        &tally__test__all_types__descriptor,
    };
    if (size == 0 || size > 1 << 16)
        return 0;
    struct str bytes = {(const char *)data + 1, (uint32_t)size - 1};
    struct str message;
    compare(types[data[0] % (sizeof types / sizeof types[0])], bytes);
    if (grpc_unframe(bytes, 1000, &message, NULL) == 0)
        assert(message.len + 5 == bytes.len);
    return 0;
}
