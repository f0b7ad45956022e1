/* codec_message.h - what the decoders and encoders share: messages of any proto3 descriptor built
 * in an arena, and telling where in a message something went wrong.
 */
#ifndef TALLY_WIRE_CODEC_MESSAGE_H
#define TALLY_WIRE_CODEC_MESSAGE_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

/* Where a decoder is; one link for each field on the way down, on the stack. */
struct codec_path {
    const struct codec_path *parent;
    const ProtobufCFieldDescriptor *field;
    int64_t index; /* of a repeated field's element; -1: none */
};

/* "lines[2].quantity", cut if it is too long; `last` (may be NULL) is added as one more name. */
void codec_path_format(const struct codec_path *path, const char *last, char out[ERROR_FIELD_MAX]);

/* Fills `e` with the path, and with a text that begins with it. Returns `code`. */
int codec_fail(struct error *e, int code, const struct codec_path *path, const char *last,
               const char *format, ...) __attribute__((format(printf, 5, 6)));

/* All fields at their defaults. NULL at the arena's bound. */
ProtobufCMessage *message_create(const ProtobufCMessageDescriptor *type, struct arena *a);

/* Bytes of one value in a struct or an array. */
size_t message_element_size(ProtobufCType type);

/* The protobuf wire type of one value that is not packed. */
static inline unsigned message_wire(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return PROTOBUF_C_WIRE_TYPE_64BIT;
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return PROTOBUF_C_WIRE_TYPE_32BIT;
    default:
        return PROTOBUF_C_WIRE_TYPE_VARINT;
    }
}

/* Room for one more element of a repeated field, counted already. NULL at the arena's bound. Only
 * for arrays that this function made. */
void *message_add(ProtobufCMessage *m, const ProtobufCFieldDescriptor *field, struct arena *a);

/* A repeated field that was given without elements: its array is not NULL. False at the arena's
 * bound. */
bool message_mark_empty(ProtobufCMessage *m, const ProtobufCFieldDescriptor *field,
                        struct arena *a);

/* Which member of its oneof is set: a field number, or 0. */
static inline uint32_t message_oneof(const ProtobufCMessage *m,
                                     const ProtobufCFieldDescriptor *field)
{
    return *(const uint32_t *)((const char *)m + field->quantifier_offset);
}

static inline void message_mark(ProtobufCMessage *m, const ProtobufCFieldDescriptor *field)
{
    if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
        *(uint32_t *)((char *)m + field->quantifier_offset) = field->id;
}

static inline void *message_member(ProtobufCMessage *m, const ProtobufCFieldDescriptor *field)
{
    return (char *)m + field->offset;
}

#endif
