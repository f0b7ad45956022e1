/* JSON in: read by protoc-c's descriptors straight into protoc-c's structs; no tree in between.
 *
 * Happy path: one pass over the text; each string is copied into the arena once. Failure: the first
 * thing that is wrong ends it, and the error names the field and says what would be right, or,
 * where the text is not JSON at all, the line and column. Half-built messages stay in the arena,
 * unseen.
 */
#include <string.h>

#include "wire/codec.h"
#include "wire/codec_message.h"
#include "wire/json_text.h"

/* Room for the names of a message's fields in an error's text. */
enum { KNOWN_MAX = 120, NAME_MAX_SHOWN = 40 };

static bool read_object(struct json_text *j, ProtobufCMessage *m, const struct codec_path *path);

static bool fail_type(struct json_text *j, const struct codec_path *path, const char *wanted)
{
    return json_fail(j, path, "must be %s, not %s", wanted, json_kind(j));
}

static bool no_memory(struct json_text *j, const struct codec_path *path)
{
    j->code = codec_fail(j->e, TLY_ENO_MEMORY, path, NULL, "the message needs too much memory");
    return false;
}

static bool read_text(struct json_text *j, char **out, const struct codec_path *path)
{
    struct str text;
    if (j->p >= j->end || *j->p != '"')
        return fail_type(j, path, "a string");
    if (!json_take_string(j, &text, path))
        return false;
    *out = arena_copy(j->arena, text.p, text.len);
    return *out || no_memory(j, path);
}

static bool read_bool(struct json_text *j, protobuf_c_boolean *out, const struct codec_path *path)
{
    if (json_word(j, "true"))
        *out = 1;
    else if (json_word(j, "false"))
        *out = 0;
    else
        return fail_type(j, path, "true or false");
    return true;
}

static bool read_enum(struct json_text *j, uint32_t *out, const struct codec_path *path)
{
    struct str text;
    if (j->p >= j->end || *j->p != '"')
        return fail_type(j, path, "the name of a value, as a string");
    if (!json_take_string(j, &text, path))
        return false;
    const ProtobufCEnumDescriptor *type = path->field->descriptor;
    for (unsigned i = 0; i < type->n_values; i++) {
        if (str_equal(text, str_of(type->values[i].name))) {
            *out = (uint32_t)type->values[i].value;
            return true;
        }
    }
    return json_fail(j, path, "is not a name of %s", type->short_name);
}

static bool read_signed(struct json_text *j, int64_t low, int64_t high, int64_t *out,
                        const struct codec_path *path)
{
    struct json_integer n;
    if (!json_take_integer(j, &n, path))
        return false;
    uint64_t magnitude_max = n.negative ? 0 - (uint64_t)low : (uint64_t)high;
    if (n.magnitude > magnitude_max)
        return json_fail(j, path, "must be from %lld to %lld", (long long)low, (long long)high);
    *out = n.negative ? (int64_t)(0 - n.magnitude) : (int64_t)n.magnitude;
    return true;
}

static bool read_unsigned(struct json_text *j, uint64_t high, uint64_t *out,
                          const struct codec_path *path)
{
    struct json_integer n;
    if (!json_take_integer(j, &n, path))
        return false;
    if (n.negative || n.magnitude > high)
        return json_fail(j, path, "must be from 0 to %llu", (unsigned long long)high);
    *out = n.magnitude;
    return true;
}

static bool read_message(struct json_text *j, ProtobufCMessage **out, const struct codec_path *path)
{
    if (j->p >= j->end || *j->p != '{')
        return fail_type(j, path, "an object");
    *out = message_create(path->field->descriptor, j->arena);
    if (!*out)
        return no_memory(j, path);
    return read_object(j, *out, path);
}

static bool read_value(struct json_text *j, void *member, const struct codec_path *path)
{
    int64_t n = 0;
    uint64_t u = 0;
    switch (path->field->type) {
    case PROTOBUF_C_TYPE_STRING:
        return read_text(j, member, path);
    case PROTOBUF_C_TYPE_MESSAGE:
        return read_message(j, member, path);
    case PROTOBUF_C_TYPE_BOOL:
        return read_bool(j, member, path);
    case PROTOBUF_C_TYPE_ENUM:
        return read_enum(j, member, path);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return read_signed(j, INT64_MIN, INT64_MAX, member, path);
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        if (!read_signed(j, INT32_MIN, INT32_MAX, &n, path))
            return false;
        *(int32_t *)member = (int32_t)n;
        return true;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return read_unsigned(j, UINT64_MAX, member, path);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        if (!read_unsigned(j, UINT32_MAX, &u, path))
            return false;
        *(uint32_t *)member = (uint32_t)u;
        return true;
    default:
        return json_fail(j, path, "cannot be given in JSON");
    }
}

static bool read_array(struct json_text *j, ProtobufCMessage *m, struct codec_path *path)
{
    if (j->p >= j->end || *j->p != '[')
        return fail_type(j, path, "an array");
    if (!json_descend(j, path))
        return false;
    j->p++;
    if (json_accept(j, ']'))
        return message_mark_empty(m, path->field, j->arena) ? json_ascend(j) : no_memory(j, path);
    for (path->index = 0;; path->index++) {
        json_space(j);
        void *member = message_add(m, path->field, j->arena);
        if (!member)
            return no_memory(j, path);
        if (!read_value(j, member, path))
            return false;
        if (json_accept(j, ']'))
            return json_ascend(j);
        if (!json_accept(j, ','))
            return json_fail_syntax(j, path, "',' or ']'");
    }
}

/* Clients mostly send fields in the order of the description, so the search starts at `*guess`. */
static const ProtobufCFieldDescriptor *find_field(const ProtobufCMessageDescriptor *type,
                                                  struct str name, unsigned *guess)
{
    for (unsigned tried = 0; tried < type->n_fields; tried++) {
        unsigned i =
            *guess + tried < type->n_fields ? *guess + tried : *guess + tried - type->n_fields;
        const char *known = type->fields[i].name;
        if (strncmp(known, name.p, name.len) == 0 && known[name.len] == 0) {
            *guess = i + 1 < type->n_fields ? i + 1 : 0;
            return &type->fields[i];
        }
    }
    return NULL;
}

static bool fail_unknown(struct json_text *j, const ProtobufCMessageDescriptor *type,
                         struct str name, const struct codec_path *path)
{
    char shown[NAME_MAX_SHOWN + 1];
    size_t n = name.len < NAME_MAX_SHOWN ? name.len : NAME_MAX_SHOWN;
    for (size_t i = 0; i < n; i++) {
        char c = name.p[i];
        shown[i] = c > ' ' && c < 0x7f && c != '"' && c != '\\' ? c : '?';
    }
    shown[n] = 0;
    char known[KNOWN_MAX] = "";
    size_t used = 0;
    for (unsigned i = 0; i < type->n_fields; i++) {
        size_t size = strlen(type->fields[i].name);
        if (used + size + 3 > sizeof known) {
            used = 0;
            break;
        }
        if (i > 0) {
            known[used++] = ',';
            known[used++] = ' ';
        }
        memcpy(known + used, type->fields[i].name, size + 1);
        used += size;
    }
    j->code = codec_fail(j->e, TLY_EINVALID_ARGUMENT, path, shown, "there is no such field%s%s",
                         used ? "; known are " : "", used ? known : "");
    return false;
}

static bool read_member(struct json_text *j, ProtobufCMessage *m, struct codec_path *path)
{
    const ProtobufCFieldDescriptor *field = path->field;
    if (json_word(j, "null"))
        return true;
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return read_array(j, m, path);
    if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF && message_oneof(m, field))
        return json_fail(j, path, "excludes another field that is given");
    message_mark(m, field);
    return read_value(j, message_member(m, field), path);
}

/* At the '{'. */
static bool read_object(struct json_text *j, ProtobufCMessage *m, const struct codec_path *parent)
{
    const ProtobufCMessageDescriptor *type = m->descriptor;
    uint64_t seen = 0;
    unsigned guess = 0;
    if (!json_descend(j, parent))
        return false;
    j->p++;
    if (json_accept(j, '}'))
        return json_ascend(j);
    for (;;) {
        struct str name;
        json_space(j);
        if (j->p >= j->end || *j->p != '"')
            return json_fail_syntax(j, parent, "a field's name in double quotes");
        if (!json_take_string(j, &name, parent))
            return false;
        struct codec_path path = {parent, find_field(type, name, &guess), -1};
        if (!path.field)
            return fail_unknown(j, type, name, parent);
        size_t bit = (size_t)(path.field - type->fields);
        if (seen & (uint64_t)1 << (bit & 63))
            return json_fail(j, &path, "is given twice");
        seen |= (uint64_t)1 << (bit & 63);
        if (!json_accept(j, ':'))
            return json_fail_syntax(j, &path, "':'");
        json_space(j);
        if (!read_member(j, m, &path))
            return false;
        if (json_accept(j, '}'))
            return json_ascend(j);
        if (!json_accept(j, ','))
            return json_fail_syntax(j, parent, "',' or '}'");
    }
}

int json_decode(const ProtobufCMessageDescriptor *type, struct str text, struct arena *a,
                ProtobufCMessage **out, struct error *e)
{
    struct json_text j = {.begin = text.p, .p = text.p, .arena = a, .e = e};
    ProtobufCMessage *m = message_create(type, a);
    if (!m) {
        no_memory(&j, NULL);
        return j.code;
    }
    if (text.len > 0) {
        j.end = text.p + text.len;
        json_space(&j);
        if (j.p >= j.end || *j.p != '{') {
            json_fail(&j, NULL, "the body must be a JSON object, not %s", json_kind(&j));
            return j.code;
        }
        if (!read_object(&j, m, NULL))
            return j.code;
        json_space(&j);
        if (j.p < j.end) {
            json_fail_syntax(&j, NULL, "nothing after the object");
            return j.code;
        }
    }
    *out = m;
    return 0;
}
