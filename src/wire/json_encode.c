/* JSON out: protoc-c's structs, field by field in the order of the description. Fields that are
 * empty or zero are written, sub-messages that are not there and unset members of a oneof are not.
 * The only failure is the arena's bound. */
#include <string.h>

#include "wire/codec.h"
#include "wire/codec_message.h"
#include "wire/codec_writer.h"

/* The largest whole number that every JSON reader keeps exactly (RFC 7493). */
#define EXACT_MAX ((int64_t)1 << 53)

static void put_message(struct writer *w, const ProtobufCMessage *m);

static void put_signed(struct writer *w, int64_t n)
{
    bool exact = n >= -EXACT_MAX && n <= EXACT_MAX;
    if (!exact)
        writer_byte(w, '"');
    writer_decimal(w, n);
    if (!exact)
        writer_byte(w, '"');
}

static void put_unsigned(struct writer *w, uint64_t n)
{
    bool exact = n <= (uint64_t)EXACT_MAX;
    if (!exact)
        writer_byte(w, '"');
    writer_decimal_unsigned(w, n);
    if (!exact)
        writer_byte(w, '"');
}

static void put_enum(struct writer *w, const ProtobufCEnumDescriptor *type, int value)
{
    for (unsigned i = 0; i < type->n_values; i++) {
        if (type->values[i].value == value) {
            writer_json_string(w, str_of(type->values[i].name));
            return;
        }
    }
    writer_decimal(w, value);
}

/* Types that JSON does not carry here (bytes, floating point) come out as null. */
static void put_value(struct writer *w, const ProtobufCFieldDescriptor *field, const void *value)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        writer_json_string(w, str_of(*(const char *const *)value));
        return;
    case PROTOBUF_C_TYPE_MESSAGE:
        put_message(w, *(const ProtobufCMessage *const *)value);
        return;
    case PROTOBUF_C_TYPE_BOOL:
        if (*(const protobuf_c_boolean *)value)
            WRITER_LITERAL(w, "true");
        else
            WRITER_LITERAL(w, "false");
        return;
    case PROTOBUF_C_TYPE_ENUM:
        put_enum(w, field->descriptor, *(const int *)value);
        return;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        put_signed(w, *(const int64_t *)value);
        return;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        writer_decimal(w, *(const int32_t *)value);
        return;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        put_unsigned(w, *(const uint64_t *)value);
        return;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        writer_decimal_unsigned(w, *(const uint32_t *)value);
        return;
    default:
        WRITER_LITERAL(w, "null");
    }
}

static void put_array(struct writer *w, const ProtobufCFieldDescriptor *field,
                      const ProtobufCMessage *m)
{
    size_t count = *(const size_t *)((const char *)m + field->quantifier_offset);
    const char *element = *(const char *const *)((const char *)m + field->offset);
    size_t size = message_element_size(field->type);
    writer_byte(w, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            writer_byte(w, ',');
        put_value(w, field, element + i * size);
    }
    writer_byte(w, ']');
}

static bool is_there(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *field)
{
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return true;
    if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF && message_oneof(m, field) != field->id)
        return false;
    return field->type != PROTOBUF_C_TYPE_MESSAGE ||
           *(const void *const *)((const char *)m + field->offset);
}

static void put_message(struct writer *w, const ProtobufCMessage *m)
{
    const ProtobufCMessageDescriptor *type = m->descriptor;
    char before = '{';
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        if (!is_there(m, field))
            continue;
        size_t size = strlen(field->name);
        if (!writer_room(w, size + 4))
            return;
        *w->p++ = before;
        *w->p++ = '"';
        memcpy(w->p, field->name, size);
        w->p += size;
        *w->p++ = '"';
        *w->p++ = ':';
        before = ',';
        if (field->label == PROTOBUF_C_LABEL_REPEATED)
            put_array(w, field, m);
        else
            put_value(w, field, (const char *)m + field->offset);
    }
    if (before == '{')
        writer_byte(w, '{');
    writer_byte(w, '}');
}

int json_encode(const ProtobufCMessage *m, struct arena *a, struct str *out)
{
    enum { FIRST_SIZE = 320 };
    struct writer w;
    writer_init(&w, a, FIRST_SIZE);
    put_message(&w, m);
    return writer_result(&w, out);
}
