/* request.c - a request's message, from whatever it came in: a gRPC frame, a JSON body, the path,
 * the query. All of them fill the same message of api/tally.proto, through its descriptor.
 *
 * Refused as INVALID_ARGUMENT, with the field: broken percent-encoding, a value that is no number
 * where the field is one, a parameter that is not known or comes twice, a field that the body and
 * the path give differently, a body with a GET. Refused as UNSUPPORTED_MEDIA_TYPE: a body that is
 * not application/json in UTF-8, or is compressed otherwise than with gzip.
 */
#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "service/service_internal.h"

/* What is before the separator; `rest` goes on behind it. */
struct str text_cut(struct str *rest, char separator)
{
    const char *at = rest->len ? memchr(rest->p, separator, rest->len) : NULL;
    struct str head = *rest;
    if (at) {
        head.len = (uint32_t)(at - rest->p);
        *rest = (struct str){at + 1, rest->len - head.len - 1};
    } else {
        *rest = (struct str){0};
    }
    return head;
}

int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int percent_decode(struct str text, bool plus, struct arena *a, struct str *out)
{
    char *decoded = arena_alloc(a, (size_t)text.len + 1);
    uint32_t len = 0;
    if (!decoded)
        return TLY_ENO_MEMORY;
    for (uint32_t i = 0; i < text.len; i++) {
        char c = text.p[i];
        if (c == '+' && plus) {
            c = ' ';
        } else if (c == '%') {
            int high = i + 2 < text.len ? hex_digit(text.p[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(text.p[i + 2]) : -1;
            if (low < 0)
                return TLY_EINVALID_ARGUMENT;
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (c == 0)
            return TLY_EINVALID_ARGUMENT;
        decoded[len++] = c;
    }
    decoded[len] = 0;
    *out = (struct str){decoded, len};
    return utf8_valid(*out) ? 0 : TLY_EINVALID_ARGUMENT;
}

/* Eight digits at once: pairs, then fours, then all. False: one of them is none. */
static bool eight_digits(const char *text, uint64_t *out)
{
    uint64_t n;
    memcpy(&n, text, sizeof n);
    n = le64toh(n);
    const uint64_t tops = 0xf0f0f0f0f0f0f0f0u, zeros = 0x3030303030303030u;
    if ((n & tops) != zeros || ((n + 0x0606060606060606u) & tops) != zeros)
        return false;
    n -= zeros;
    n = (n * 10 + (n >> 8)) & 0x00ff00ff00ff00ffu;
    n = (n * 100 + (n >> 16)) & 0x0000ffff0000ffffu;
    *out = (n * 10000 + (n >> 32)) & 0xffffffffu;
    return true;
}

bool decimal_parse(struct str text, int64_t max, int64_t *out)
{
    uint64_t n = 0, part;
    uint32_t i = 0;
    if (text.len == 0 || text.len > 19 || (text.len > 1 && text.p[0] == '0'))
        return false;
    for (; i + 8 <= text.len; i += 8) {
        if (!eight_digits(text.p + i, &part))
            return false;
        n = n * 100000000 + part;
    }
    for (; i < text.len; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
        n = n * 10 + (uint64_t)(text.p[i] - '0');
    }
    if (n > (uint64_t)max)
        return false;
    *out = (int64_t)n;
    return true;
}

/* A parameter's text into its field. Strings are zero-ended and stay where they are. */
static int set_field(ProtobufCMessage *m, const char *name, struct str value, struct error *e)
{
    const ProtobufCFieldDescriptor *f =
        protobuf_c_message_descriptor_get_field_by_name(m->descriptor, name);
    void *member = (char *)m + f->offset;
    int64_t n;
    if (f->type == PROTOBUF_C_TYPE_STRING) {
        const char *given = *(char **)member;
        if (given[0] && !str_equal(str_of(given), value))
            return rule_broken(e, name, "is given twice, and not the same");
        *(const char **)member = value.p;
        return 0;
    }
    if (!decimal_parse(value, INT32_MAX, &n))
        return rule_broken(e, name, "must be a whole number from 0 to %d", INT32_MAX);
    if (f->type == PROTOBUF_C_TYPE_INT64)
        *(int64_t *)member = n;
    else
        *(int32_t *)member = (int32_t)n;
    return 0;
}

/* The known name that equals `name`, as a place in the comma-separated list, or -1. */
static int find_name(const char *known, struct str name)
{
    struct str rest = str_of(known);
    for (int i = 0; rest.len; i++) {
        if (str_equal(text_cut(&rest, ','), name))
            return i;
    }
    return -1;
}

static int set_query(const struct origin *o, ProtobufCMessage *m, struct arena *a, struct error *e)
{
    const char *known = o->route->query ? o->route->query : "";
    struct str rest = o->exchange->query;
    uint32_t seen = 0;
    while (rest.len) {
        struct str value = text_cut(&rest, '&');
        if (value.len == 0)
            continue;
        struct str name = text_cut(&value, '=');
        if (percent_decode(name, true, a, &name) || percent_decode(value, true, a, &value))
            return rule_broken(e, "", "the query must be UTF-8, percent-encoded");
        int at = find_name(known, name);
        char field[ERROR_FIELD_MAX];
        snprintf(field, sizeof field, "%.*s", (int)(name.len < 40 ? name.len : 40), name.p);
        if (at < 0)
            return rule_broken(e, field, "is not a parameter here; known: %s",
                               *known ? known : "none");
        if (seen & 1u << at)
            return rule_broken(e, field, "is given twice");
        seen |= 1u << at;
        int code = set_field(m, field, value, e);
        if (code)
            return code;
    }
    return 0;
}

bool media_parameter(struct str *rest, struct str *name, struct str *value)
{
    if (rest->len == 0)
        return false;
    struct str text = text_cut(rest, ';');
    *name = text_trim(text_cut(&text, '='));
    *value = text_trim(text);
    if (value->len >= 2 && value->p[0] == '"' && value->p[value->len - 1] == '"')
        *value = (struct str){value->p + 1, value->len - 2};
    return true;
}

/* application/json, perhaps with charset=utf-8. */
static bool is_json(struct str type)
{
    struct str name, value;
    if (!text_equal_fold(text_trim(text_cut(&type, ';')), "application/json"))
        return false;
    while (media_parameter(&type, &name, &value)) {
        if (text_equal_fold(name, "charset") && !text_equal_fold(value, "utf-8"))
            return false;
    }
    return true;
}

static int check_body(const struct exchange *x, struct error *e)
{
    struct str type = x->headers[HEADER_content_type];
    struct str encoding = x->headers[HEADER_content_encoding];
    if (x->body.len == 0)
        return 0;
    if (x->method == HTTP_GET || x->method == HTTP_HEAD)
        return rule_broken(e, "", "a %.*s request has no body", STR_ARG(x->method_text));
    if (encoding.len && !text_equal_fold(encoding, "identity"))
        return error_set(e, TLY_EUNSUPPORTED_MEDIA_TYPE, "content-encoding",
                         "content-encoding: must be gzip or identity");
    if (!is_json(type))
        return error_set(e, TLY_EUNSUPPORTED_MEDIA_TYPE, "content-type",
                         "content-type: must be application/json, is \"%.*s\"",
                         (int)(type.len < 80 ? type.len : 80), type.p);
    return 0;
}

static int http_message(const struct origin *o, const ProtobufCMessageDescriptor *type,
                        struct arena *a, ProtobufCMessage **out, struct error *e)
{
    struct exchange *x = o->exchange;
    struct str value;
    int code = check_body(x, e);
    if (!code)
        code = json_decode(type, x->body, a, out, e);
    if (!code && o->route->parameter) {
        code = percent_decode(o->parameter, false, a, &value);
        if (code)
            return code == TLY_ENO_MEMORY
                       ? error_set(e, code, "", "out of memory")
                       : rule_broken(e, o->route->parameter,
                                     "must be percent-encoded UTF-8 in the path");
        code = set_field(*out, o->route->parameter, value, e);
    }
    if (!code && x->query.len)
        code = set_query(o, *out, a, e);
    return code;
}

int request_message(const struct origin *o, const ProtobufCMessageDescriptor *type, struct arena *a,
                    ProtobufCMessage **out, struct error *e)
{
    struct str message;
    if (!o->grpc)
        return http_message(o, type, a, out, e);
    int code = grpc_unframe(o->exchange->body, GRPC_MESSAGE_MAX, &message, e);
    return code ? code : proto_decode(type, message, a, out, e);
}

int request_decode(struct call *c, struct error *e)
{
    return request_message(&c->origin, c->origin.route->request, &c->arena, &c->request, e);
}

int request_timeout(const struct exchange *x, int64_t *timeout_ns, struct error *e)
{
    struct str grpc = x->headers[HEADER_grpc_timeout];
    struct str http = x->headers[HEADER_request_timeout];
    int64_t most = (int64_t)REQUEST_TIMEOUT_MS_MAX * (int64_t)NS_PER_MS, ms;
    *timeout_ns = 0;
    if (grpc.len) {
        if (grpc_timeout_parse(grpc, timeout_ns))
            return rule_broken(e, "grpc-timeout", "must be 1 to 8 digits and one of HMSmun");
        if (*timeout_ns < 1)
            *timeout_ns = 1;
    } else if (http.p) {
        if (!decimal_parse(http, INT64_MAX, &ms) || ms == 0)
            return rule_broken(e, "x-request-timeout-ms",
                               "must be a positive whole number of milliseconds");
        *timeout_ns = ms > REQUEST_TIMEOUT_MS_MAX ? most : ms * (int64_t)NS_PER_MS;
    }
    if (*timeout_ns > most)
        *timeout_ns = most;
    return 0;
}

/* What is between the quotes, without its escapes; false if it is no such string. */
static bool unquote(struct str quoted, char *out)
{
    for (uint32_t i = 1; i < quoted.len; i++) {
        char c = quoted.p[i];
        if (c == '"') {
            *out = 0;
            return i + 1 == quoted.len;
        }
        if (c == '\\') {
            c = ++i < quoted.len ? quoted.p[i] : 0;
            if (c != '"' && c != '\\')
                return false;
        }
        if (c < ' ' || c > '~')
            return false;
        *out++ = c;
    }
    return false;
}

int request_idempotency_key(const struct exchange *x, struct arena *a, char **out, struct error *e)
{
    struct str key = x->headers[HEADER_idempotency_key];
    *out = NULL;
    if (!key.p)
        return 0;
    if (!utf8_valid(key))
        return rule_broken(e, "Idempotency-Key", "must be UTF-8");
    char *text = arena_copy(a, key.p, key.len);
    if (!text)
        return error_set(e, TLY_ENO_MEMORY, "", "out of memory");
    if (*text == '"' && !unquote(key, text))
        return rule_broken(e, "Idempotency-Key",
                           "begins with a quote, so it must be a string in quotes (RFC 8941)");
    if (!*text)
        return rule_broken(e, "Idempotency-Key", "must not be empty; leave it out");
    *out = text;
    return 0;
}
