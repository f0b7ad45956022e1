/* http_text.c - see http_text.h. */
#include "wire/http_text.h"

#include <string.h>

#include "base/limits.h"

bool text_equal_fold(struct str text, const char *lower)
{
    if (strlen(lower) != text.len)
        return false;
    if (memcmp(text.p, lower, text.len) == 0) /* as nearly everybody writes it */
        return true;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.p[i];
        if ((c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c) != lower[i])
            return false;
    }
    return true;
}

struct str text_trim(struct str text)
{
    while (text.len && (text.p[0] == ' ' || text.p[0] == '\t')) {
        text.p++;
        text.len--;
    }
    while (text.len && (text.p[text.len - 1] == ' ' || text.p[text.len - 1] == '\t'))
        text.len--;
    return text;
}

bool text_next(struct str *list, char separator, struct str *element)
{
    if (!list->len)
        return false;
    const char *at = memchr(list->p, separator, list->len);
    size_t len = at ? (size_t)(at - list->p) : list->len;
    *element = text_trim((struct str){list->p, (uint32_t)len});
    size_t step = at ? len + 1 : len;
    list->p += step;
    list->len -= (uint32_t)step;
    return true;
}

enum { GRPC_TYPE_LEN = sizeof("application/grpc") - 1 };

bool media_is_grpc(struct str content_type)
{
    return content_type.len >= GRPC_TYPE_LEN &&
           text_equal_fold((struct str){content_type.p, GRPC_TYPE_LEN}, "application/grpc");
}

bool media_is_grpc_proto(struct str content_type)
{
    if (!media_is_grpc(content_type))
        return false;
    struct str rest = {content_type.p + GRPC_TYPE_LEN, content_type.len - GRPC_TYPE_LEN};
    if (rest.len >= 6 && text_equal_fold((struct str){rest.p, 6}, "+proto"))
        rest = (struct str){rest.p + 6, rest.len - 6};
    rest = text_trim(rest);
    return rest.len == 0 || rest.p[0] == ';';
}

bool request_id_valid(struct str request_id)
{
    if (request_id.len == 0 || request_id.len > REQUEST_ID_MAX)
        return false;
    for (uint32_t i = 0; i < request_id.len; i++) {
        if (request_id.p[i] <= ' ' || request_id.p[i] > '~')
            return false;
    }
    return true;
}

/* Lower-case hexadecimal digits, not all of them zero unless that is all right. */
static bool hex_part(const char *p, size_t len, bool zero_allowed)
{
    bool zero = true;
    for (size_t i = 0; i < len; i++) {
        if (!((p[i] >= '0' && p[i] <= '9') || (p[i] >= 'a' && p[i] <= 'f')))
            return false;
        zero = zero && p[i] == '0';
    }
    return zero_allowed || !zero;
}

/* version "-" trace-id "-" parent-id "-" flags (W3C Trace Context, 3.2). What a version after 00
 * adds comes behind another "-". */
struct str trace_id_of(struct str traceparent)
{
    enum { TRACE_ID = 3, PARENT_ID = 36, FLAGS = 53, LEN = 55 };
    const char *p = traceparent.p;
    bool valid = traceparent.len >= LEN && p[TRACE_ID - 1] == '-' && p[PARENT_ID - 1] == '-' &&
                 p[FLAGS - 1] == '-' && memcmp(p, "ff", 2) != 0 && hex_part(p, 2, true) &&
                 hex_part(p + TRACE_ID, 32, false) && hex_part(p + PARENT_ID, 16, false) &&
                 hex_part(p + FLAGS, 2, true);
    if (valid && traceparent.len > LEN)
        valid = memcmp(p, "00", 2) != 0 && p[LEN] == '-';
    return valid ? (struct str){p + TRACE_ID, 32} : (struct str){0};
}

/* May stand in the first segment of a relative reference (RFC 3986, 4.2): no colon, no slash. */
static bool reference_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           strchr("-._~!$&'()*+,;=@", c);
}

struct str instance_of(struct str request_id, struct arena *a)
{
    static const char hex[] = "0123456789ABCDEF";
    if (!request_id_valid(request_id))
        return (struct str){0};
    uint32_t escaped = 0;
    for (uint32_t i = 0; i < request_id.len; i++)
        escaped += !reference_char(request_id.p[i]);
    if (!escaped)
        return request_id;
    char *out = arena_alloc(a, (size_t)request_id.len + (size_t)escaped * 2);
    if (!out)
        return (struct str){0};
    char *to = out;
    for (uint32_t i = 0; i < request_id.len; i++) {
        char c = request_id.p[i];
        if (reference_char(c)) {
            *to++ = c;
            continue;
        }
        *to++ = '%';
        *to++ = hex[(unsigned char)c >> 4];
        *to++ = hex[(unsigned char)c & 15];
    }
    return (struct str){out, (uint32_t)(to - out)};
}

void response_identify(struct response *r, const struct exchange *x)
{
    struct str request_id = x->headers[HEADER_request_id];
    struct str traceparent = x->headers[HEADER_traceparent];
    if (request_id_valid(request_id) && r->header_count < RESPONSE_HEADERS_MAX)
        r->headers[r->header_count++] = (struct header){STR("x-request-id"), request_id};
    if (traceparent.len && trace_id_of(traceparent).len && r->header_count < RESPONSE_HEADERS_MAX)
        r->headers[r->header_count++] = (struct header){STR("traceparent"), traceparent};
}
