/* Protobuf in: the wire format, read by protoc-c's descriptors into protoc-c's structs.
 *
 * Happy path: one pass, one allocation a message and one a string, everything in the arena. Strings
 * are checked as they are copied. Unknown fields are skipped, groups among them, and so is a field
 * that comes with another wire type than its own; a sub-message that comes twice is merged, of a
 * scalar the last one counts, as protobuf wants.
 *
 * Refused, with the field's name where there is one: input cut short, a field number of 0, a group
 * without its beginning or its end, a wire type that there is not, a varint of more than 64 bits,
 * text that is not UTF-8, text with a zero byte (the structs hold zero-ended strings, so two ids
 * would become one), nesting deeper than PROTO_DEPTH_MAX. Protobuf-c reads the same format, but
 * takes several times as long; the two are compared by a fuzz target.
 */
#include <string.h>

#include "wire/codec.h"
#include "wire/codec_message.h"
#include "wire/codec_writer.h"

enum { PROTO_DEPTH_MAX = 100, TAG_BYTES_MAX = 5 };

struct input {
    const uint8_t *p;
    const uint8_t *end;
};

struct decoder {
    struct arena *arena;
    struct error *e;
    unsigned depth;
};

static int decode_fields(struct decoder *d, ProtobufCMessage *m, struct input in,
                         const struct codec_path *path);

static int refuse(struct decoder *d, const struct codec_path *path, const char *why)
{
    return codec_fail(d->e, TLY_EINVALID_ARGUMENT, path, NULL, "%s", why);
}

static int no_memory(struct decoder *d, const struct codec_path *path)
{
    return codec_fail(d->e, TLY_ENO_MEMORY, path, NULL, "the message needs too much memory");
}

static const char cut_short[] = "the protobuf message is cut short";

/* NULL, or what is wrong. */
static const char *read_varint_slow(struct input *in, size_t bytes_max, uint64_t *out)
{
    uint64_t n = 0;
    for (size_t i = 0; i < bytes_max; i++) {
        if (in->p + i >= in->end)
            return cut_short;
        uint8_t byte = in->p[i];
        if (i == VARINT_MAX - 1 && byte > 1)
            return "a varint has more than 64 bits";
        n |= (uint64_t)(byte & 0x7F) << (7 * i);
        if (byte < 0x80) {
            in->p += i + 1;
            *out = n;
            return NULL;
        }
    }
    return "a varint is too long";
}

static inline const char *read_varint(struct input *in, size_t bytes_max, uint64_t *out)
{
    if (in->p < in->end && *in->p < 0x80) {
        *out = *in->p++;
        return NULL;
    }
    return read_varint_slow(in, bytes_max, out);
}

static inline const char *read_length(struct input *in, struct input *part)
{
    uint64_t length;
    const char *why = read_varint(in, TAG_BYTES_MAX, &length);
    if (why)
        return why;
    if (length > (uint64_t)(in->end - in->p))
        return cut_short;
    *part = (struct input){in->p, in->p + length};
    in->p += length;
    return NULL;
}

static inline const char *read_fixed(struct input *in, void *out, size_t size)
{
    if ((size_t)(in->end - in->p) < size)
        return cut_short;
    memcpy(out, in->p, size);
    in->p += size;
    return NULL;
}

static const char *skip_group(struct input *in, uint32_t id, unsigned depth);

/* The value of a field that is not known, or not by this wire type. */
static const char *skip(struct input *in, uint32_t id, unsigned wire, unsigned depth)
{
    uint64_t ignored;
    struct input part;
    switch (wire) {
    case WIRE_VARINT:
        return read_varint(in, VARINT_MAX, &ignored);
    case WIRE_64BIT:
        return read_fixed(in, &ignored, 8);
    case WIRE_BYTES:
        return read_length(in, &part);
    case WIRE_32BIT:
        return read_fixed(in, &ignored, 4);
    case WIRE_GROUP:
        return skip_group(in, id, depth);
    case WIRE_GROUP_END:
        return "a group ends that has not begun";
    default:
        return "there is no such wire type";
    }
}

static inline const char *read_tag(struct input *in, uint32_t *id, unsigned *wire)
{
    uint64_t tag;
    const char *why = read_varint(in, TAG_BYTES_MAX, &tag);
    if (why)
        return why;
    if (tag >> 3 == 0 || tag > UINT32_MAX)
        return "a field number is out of range";
    *id = (uint32_t)(tag >> 3);
    *wire = tag & 7;
    return NULL;
}

/* Fields up to the end of the group that has begun. */
static const char *skip_group(struct input *in, uint32_t id, unsigned depth)
{
    if (depth == PROTO_DEPTH_MAX)
        return "groups are nested too deep";
    while (in->p < in->end) {
        uint32_t inner;
        unsigned wire;
        const char *why = read_tag(in, &inner, &wire);
        if (why)
            return why;
        if (wire == WIRE_GROUP_END)
            return inner == id ? NULL : "a group ends that has not begun";
        why = skip(in, inner, wire, depth + 1);
        if (why)
            return why;
    }
    return cut_short;
}

static const ProtobufCFieldDescriptor *find_field(const ProtobufCMessageDescriptor *type,
                                                  uint32_t id)
{
    /* Fields are sorted by number, and nearly always numbered 1, 2, 3, ... */
    if (id <= type->n_fields && type->fields[id - 1].id == id)
        return &type->fields[id - 1];
    unsigned low = 0;
    unsigned high = type->n_fields;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (type->fields[middle].id == id)
            return &type->fields[middle];
        if (type->fields[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static const char *read_number(struct input *in, ProtobufCType type, void *out)
{
    uint64_t n;
    const char *why;
    switch (message_wire(type)) {
    case WIRE_64BIT:
        return read_fixed(in, out, 8);
    case WIRE_32BIT:
        return read_fixed(in, out, 4);
    default:
        why = read_varint(in, VARINT_MAX, &n);
    }
    if (why)
        return why;
    switch (type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
        *(uint64_t *)out = n;
        break;
    case PROTOBUF_C_TYPE_SINT64:
        *(uint64_t *)out = (n >> 1) ^ (0 - (n & 1));
        break;
    case PROTOBUF_C_TYPE_SINT32:
        *(uint32_t *)out = ((uint32_t)n >> 1) ^ (0 - ((uint32_t)n & 1));
        break;
    case PROTOBUF_C_TYPE_BOOL:
        *(protobuf_c_boolean *)out = n != 0;
        break;
    default:
        *(uint32_t *)out = (uint32_t)n;
    }
    return NULL;
}

/* Copies and looks for bytes that are zero or not ASCII, eight at a time. May say true without
 * need, never false in need. */
static inline bool copy_suspicious(char *out, const uint8_t *p, size_t size)
{
    const uint64_t ones = 0x0101010101010101u;
    const uint64_t tops = 0x8080808080808080u;
    uint64_t found = 0;
    uint64_t eight;
    if (size < 8) {
        for (size_t i = 0; i < size; i++) {
            out[i] = (char)p[i];
            found |= (uint64_t)(p[i] - 1u) | p[i];
        }
        return found & 0x80;
    }
    size_t i = 0;
    do {
        memcpy(&eight, p + i, 8);
        memcpy(out + i, &eight, 8);
        found |= (eight - ones) | eight;
        i += 8;
    } while (i + 8 <= size);
    memcpy(&eight, p + size - 8, 8);
    memcpy(out + size - 8, &eight, 8);
    found |= (eight - ones) | eight;
    return found & tops;
}

static int read_string(struct decoder *d, struct input part, char **out,
                       const struct codec_path *path)
{
    size_t size = (size_t)(part.end - part.p);
    char *copy = arena_alloc(d->arena, size + 1);
    if (!copy)
        return no_memory(d, path);
    copy[size] = 0;
    if (copy_suspicious(copy, part.p, size)) {
        if (memchr(copy, 0, size))
            return refuse(d, path, "must not contain a zero byte");
        if (!utf8_valid((struct str){copy, (uint32_t)size}))
            return refuse(d, path, "must be valid UTF-8");
    }
    *out = copy;
    return 0;
}

static int read_bytes(struct decoder *d, struct input part, ProtobufCBinaryData *out,
                      const struct codec_path *path)
{
    size_t size = (size_t)(part.end - part.p);
    uint8_t *copy = size ? arena_alloc(d->arena, size) : NULL;
    if (size && !copy)
        return no_memory(d, path);
    if (size)
        memcpy(copy, part.p, size);
    *out = (ProtobufCBinaryData){size, copy};
    return 0;
}

/* `*out` is the message that is there already, to be merged with, or NULL. */
static int read_message(struct decoder *d, struct input part, ProtobufCMessage **out,
                        const struct codec_path *path)
{
    if (!*out)
        *out = message_create(path->field->descriptor, d->arena);
    if (!*out)
        return no_memory(d, path);
    if (d->depth == PROTO_DEPTH_MAX)
        return refuse(d, path, "is nested too deep");
    d->depth++;
    int code = decode_fields(d, *out, part, path);
    d->depth--;
    return code;
}

/* One value of a string, bytes or message field, or of a number that is not packed. */
static int read_value(struct decoder *d, struct input *in, void *member,
                      const struct codec_path *path)
{
    struct input part;
    ProtobufCType type = path->field->type;
    const char *why = NULL;
    if (message_wire(type) != WIRE_BYTES)
        why = read_number(in, type, member);
    else
        why = read_length(in, &part);
    if (why)
        return refuse(d, path, why);
    switch (type) {
    case PROTOBUF_C_TYPE_STRING:
        return read_string(d, part, member, path);
    case PROTOBUF_C_TYPE_BYTES:
        return read_bytes(d, part, member, path);
    case PROTOBUF_C_TYPE_MESSAGE:
        return read_message(d, part, member, path);
    default:
        return 0;
    }
}

static int read_repeated(struct decoder *d, ProtobufCMessage *m, struct input *in, unsigned wire,
                         struct codec_path *path)
{
    const ProtobufCFieldDescriptor *field = path->field;
    size_t *count = (size_t *)((char *)m + field->quantifier_offset);
    struct input packed = *in;
    bool is_packed = wire == WIRE_BYTES && message_wire(field->type) != WIRE_BYTES;
    if (is_packed) {
        const char *why = read_length(in, &packed);
        if (why)
            return refuse(d, path, why);
    }
    struct input *from = is_packed ? &packed : in;
    while (!is_packed || from->p < from->end) {
        path->index = (int64_t)*count;
        void *member = message_add(m, field, d->arena);
        if (!member)
            return no_memory(d, path);
        if (field->type == PROTOBUF_C_TYPE_MESSAGE)
            *(ProtobufCMessage **)member = NULL;
        int code = read_value(d, from, member, path);
        if (code || !is_packed)
            return code;
    }
    return 0;
}

static int read_field(struct decoder *d, ProtobufCMessage *m, struct input *in, unsigned wire,
                      struct codec_path *path)
{
    const ProtobufCFieldDescriptor *field = path->field;
    bool repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
    if (repeated)
        return read_repeated(d, m, in, wire, path);
    if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF && message_oneof(m, field) != field->id)
        memset(message_member(m, field), 0, sizeof(void *)); /* another member lived there */
    int code = read_value(d, in, message_member(m, field), path);
    message_mark(m, field);
    return code;
}

/* A number may come packed into bytes where there may be several. */
static inline bool wire_fits(const ProtobufCFieldDescriptor *field, unsigned wire)
{
    return wire == message_wire(field->type) ||
           (wire == WIRE_BYTES && field->label == PROTOBUF_C_LABEL_REPEATED);
}

static int decode_fields(struct decoder *d, ProtobufCMessage *m, struct input in,
                         const struct codec_path *parent)
{
    while (in.p < in.end) {
        uint32_t id;
        unsigned wire;
        const char *why = read_tag(&in, &id, &wire);
        if (why)
            return refuse(d, parent, why);
        struct codec_path path = {parent, find_field(m->descriptor, id), -1};
        if (!path.field || !wire_fits(path.field, wire)) {
            why = skip(&in, id, wire, 0);
            if (why)
                return refuse(d, parent, why);
            continue;
        }
        int code = read_field(d, m, &in, wire, &path);
        if (code)
            return code;
    }
    return 0;
}

int proto_decode(const ProtobufCMessageDescriptor *type, struct str bytes, struct arena *a,
                 ProtobufCMessage **out, struct error *e)
{
    struct decoder d = {.arena = a, .e = e};
    ProtobufCMessage *m = message_create(type, a);
    if (!m)
        return no_memory(&d, NULL);
    const uint8_t *p = (const uint8_t *)bytes.p;
    int code = bytes.len ? decode_fields(&d, m, (struct input){p, p + bytes.len}, NULL) : 0;
    if (code == 0)
        *out = m;
    return code;
}
