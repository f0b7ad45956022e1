/* Messages built in an arena. Happy path: one allocation a message, one for each doubling of an
 * array. Failure: the arena is at its bound, which every function here says with NULL.
 */
#include "wire/codec_message.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static size_t append(char out[ERROR_FIELD_MAX], size_t used, const char *name, int64_t index)
{
    size_t room = ERROR_FIELD_MAX - used;
    int n = index < 0
                ? snprintf(out + used, room, "%s%s", used ? "." : "", name)
                : snprintf(out + used, room, "%s%s[%lld]", used ? "." : "", name, (long long)index);
    return n < 0 ? used : (size_t)n < room ? used + (size_t)n : ERROR_FIELD_MAX - 1;
}

static size_t format_path(const struct codec_path *path, char out[ERROR_FIELD_MAX])
{
    if (!path)
        return 0;
    size_t used = format_path(path->parent, out);
    return path->field ? append(out, used, path->field->name, path->index) : used;
}

void codec_path_format(const struct codec_path *path, const char *last, char out[ERROR_FIELD_MAX])
{
    out[0] = 0;
    size_t used = format_path(path, out);
    if (last)
        append(out, used, last, -1);
}

int codec_fail(struct error *e, int code, const struct codec_path *path, const char *last,
               const char *format, ...)
{
    if (!e)
        return code;
    char field[ERROR_FIELD_MAX];
    char text[ERROR_TEXT_MAX];
    va_list args;
    codec_path_format(path, last, field);
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return error_set(e, code, field, "%s%s%s", field, field[0] ? ": " : "", text);
}

ProtobufCMessage *message_create(const ProtobufCMessageDescriptor *type, struct arena *a)
{
    ProtobufCMessage *m = arena_alloc(a, type->sizeof_message);
    if (m)
        type->message_init(m);
    return m;
}

size_t message_element_size(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return sizeof(uint64_t);
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    default:
        return sizeof(uint32_t);
    }
}

void *message_add(ProtobufCMessage *m, const ProtobufCFieldDescriptor *field, struct arena *a)
{
    enum { FIRST = 4 };
    size_t *count = (size_t *)((char *)m + field->quantifier_offset);
    char **array = message_member(m, field);
    size_t size = message_element_size(field->type);
    /* The capacity is the next power of two, so a count that is one means full. */
    if (*count == 0 || (*count >= FIRST && (*count & (*count - 1)) == 0)) {
        size_t capacity = *count == 0 ? FIRST : *count * 2;
        char *larger = arena_alloc(a, capacity * size);
        if (!larger)
            return NULL;
        if (*count)
            memcpy(larger, *array, *count * size);
        *array = larger;
    }
    return *array + size * (*count)++;
}

bool message_mark_empty(ProtobufCMessage *m, const ProtobufCFieldDescriptor *field, struct arena *a)
{
    void *array = arena_alloc(a, sizeof array);
    *(void **)((char *)m + field->offset) = array;
    return array != NULL;
}
