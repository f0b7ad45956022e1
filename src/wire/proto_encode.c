/* Protobuf out: protoc-c's structs to the wire format, in one pass.
 *
 * Fields that have their type's zero value are left out, as proto3 wants; members of a oneof go
 * by their mark. The only failure is the arena's bound.
 */
#include <string.h>

#include "wire/codec.h"
#include "wire/codec_message.h"
#include "wire/codec_writer.h"

static void put_message(struct writer *w, const ProtobufCMessage *m);

/* The value without its tag; of types that are not length-prefixed. */
static void put_number(struct writer *w, ProtobufCType type, const void *value)
{
    uint32_t n32;
    uint64_t n64;
    memcpy(&n32, value, sizeof n32);
    switch (type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_ENUM:
        writer_varint(w, (uint64_t)(int64_t)(int32_t)n32);
        return;
    case PROTOBUF_C_TYPE_SINT32:
        writer_varint(w, (n32 << 1) ^ (0 - (n32 >> 31)));
        return;
    case PROTOBUF_C_TYPE_UINT32:
        writer_varint(w, n32);
        return;
    case PROTOBUF_C_TYPE_BOOL:
        writer_byte(w, n32 != 0);
        return;
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        writer_put(w, value, 4);
        return;
    default:
        break;
    }
    memcpy(&n64, value, sizeof n64);
    switch (type) {
    case PROTOBUF_C_TYPE_SINT64:
        writer_varint(w, (n64 << 1) ^ (0 - (n64 >> 63)));
        return;
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        writer_put(w, value, 8);
        return;
    default:
        writer_varint(w, n64);
    }
}

/* One value with its tag. With `always`, also if it is the type's zero value. */
static void put_value(struct writer *w, const ProtobufCFieldDescriptor *field, const void *value,
                      bool always)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING: {
        const char *text = *(const char *const *)value;
        if (*text || always)
            writer_bytes_field(w, field->id, str_of(text));
        return;
    }
    case PROTOBUF_C_TYPE_BYTES: {
        const ProtobufCBinaryData *data = value;
        if (data->len > 0 || always) {
            writer_tag(w, field->id, WIRE_BYTES);
            writer_varint(w, data->len);
            writer_put(w, data->data, data->len);
        }
        return;
    }
    case PROTOBUF_C_TYPE_MESSAGE: {
        const ProtobufCMessage *m = *(const ProtobufCMessage *const *)value;
        if (m) {
            size_t mark = writer_nested_begin(w, field->id);
            put_message(w, m);
            writer_nested_end(w, mark);
        }
        return;
    }
    default:
        break;
    }
    static const char zero[8];
    unsigned wire = message_wire(field->type);
    if (!always && memcmp(value, zero, message_element_size(field->type)) == 0)
        return;
    writer_tag(w, field->id, wire);
    put_number(w, field->type, value);
}

static void put_repeated(struct writer *w, const ProtobufCFieldDescriptor *field,
                         const ProtobufCMessage *m)
{
    size_t count = *(const size_t *)((const char *)m + field->quantifier_offset);
    const char *element = *(const char *const *)((const char *)m + field->offset);
    size_t size = message_element_size(field->type);
    if (count == 0)
        return;
    if (field->flags & PROTOBUF_C_FIELD_FLAG_PACKED) {
        size_t mark = writer_nested_begin(w, field->id);
        for (size_t i = 0; i < count; i++)
            put_number(w, field->type, element + i * size);
        writer_nested_end(w, mark);
        return;
    }
    for (size_t i = 0; i < count; i++)
        put_value(w, field, element + i * size, true);
}

static void put_message(struct writer *w, const ProtobufCMessage *m)
{
    const ProtobufCMessageDescriptor *type = m->descriptor;
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        if (field->label == PROTOBUF_C_LABEL_REPEATED)
            put_repeated(w, field, m);
        else if (!(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
            put_value(w, field, (const char *)m + field->offset, false);
        else if (message_oneof(m, field) == field->id)
            put_value(w, field, (const char *)m + field->offset, true);
    }
}

int grpc_encode(const ProtobufCMessage *m, struct arena *a, struct str *out)
{
    enum { FRAME = 5, FIRST_SIZE = 192 };
    struct writer w;
    writer_init(&w, a, FIRST_SIZE);
    writer_put(&w, "\0\0\0\0", FRAME);
    put_message(&w, m);
    struct str framed;
    int code = writer_result(&w, &framed);
    if (code)
        return code;
    uint32_t length = __builtin_bswap32(framed.len - FRAME);
    memcpy(w.start + 1, &length, sizeof length);
    *out = framed;
    return 0;
}
