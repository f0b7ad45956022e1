/* gRPC over HTTP/2: the frame around a message, the timeout header, answers.
 *
 * A refusal is sent as trailers only: grpc-status, grpc-message (percent-encoded) and
 * grpc-status-details-bin, which is the base64 form of a google.rpc.Status with an ErrorInfo, a
 * BadRequest where a field breaks a rule and, where the client should come again, a RetryInfo.
 * Equal failures give equal bytes, so that header compression sends them as an index. When the
 * arena is at its bound, the parts that did not fit are left out; the status is always sent.
 */
#include <string.h>

#include "wire/codec.h"
#include "wire/codec_writer.h"
#include "wire/failure.h"

enum { FRAME_HEADER = 5 };

static const char *const status_text[] = {"0", "1",  "2",  "3",  "4",  "5",  "6",  "7", "8",
                                          "9", "10", "11", "12", "13", "14", "15", "16"};

int grpc_unframe(struct str body, size_t max, struct str *message, struct error *e)
{
    const uint8_t *p = (const uint8_t *)body.p;
    if (body.len < FRAME_HEADER)
        return error_set(e, TLY_EINVALID_ARGUMENT, "",
                         "the body must be one gRPC message: a flag, four bytes of length, and as "
                         "many bytes as that says");
    if (p[0] > 1)
        return error_set(e, TLY_EINVALID_ARGUMENT, "", "the flag of a gRPC message must be 0 or 1");
    uint32_t length = (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4];
    if (length > max)
        return error_set(e, TLY_EPAYLOAD_TOO_LARGE, "",
                         "the message has %u bytes, at most %zu are taken", length, max);
    uint32_t there = body.len - FRAME_HEADER;
    if (length > there)
        return error_set(e, TLY_EINVALID_ARGUMENT, "",
                         "the message is cut short: %u bytes were announced, %u came", length,
                         there);
    if (length < there)
        return error_set(e, TLY_EINVALID_ARGUMENT, "",
                         "a unary call carries one message; %u bytes follow it", there - length);
    if (p[0] == 1) /* by gzip it is compressed no more when it comes here */
        return error_set(
            e, TLY_EUNIMPLEMENTED, "grpc-encoding",
            "grpc-encoding: messages may be compressed with gzip, if it says so, or not "
            "at all (identity)");
    *message = (struct str){body.p + FRAME_HEADER, length};
    return 0;
}

int grpc_timeout_parse(struct str text, int64_t *timeout_ns)
{
    enum { DIGITS_MAX = 8 };
    static const char units[] = "HMSmun";
    static const int64_t unit_ns[] = {3600000000000, 60000000000, 1000000000, 1000000, 1000, 1};
    if (text.len < 2 || text.len > DIGITS_MAX + 1)
        return TLY_EINVALID_ARGUMENT;
    int64_t n = 0;
    for (uint32_t i = 0; i + 1 < text.len; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return TLY_EINVALID_ARGUMENT;
        n = n * 10 + (text.p[i] - '0');
    }
    const char *unit = memchr(units, text.p[text.len - 1], sizeof units - 1);
    if (!unit)
        return TLY_EINVALID_ARGUMENT;
    if (__builtin_mul_overflow(n, unit_ns[unit - units], timeout_ns))
        *timeout_ns = INT64_MAX;
    return 0;
}

/* Percent-encoding as gRPC's protocol description defines it for grpc-message: all but the
 * printable ASCII characters, and '%' itself. */
static struct str encode_message(struct arena *a, struct str text)
{
    static const char hex[] = "0123456789ABCDEF";
    uint32_t escaped = 0;
    for (uint32_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.p[i];
        escaped += c < 0x20 || c > 0x7E || c == '%';
    }
    char *out = arena_alloc(a, (size_t)text.len + (size_t)escaped * 2);
    if (!out)
        return (struct str){0};
    if (escaped == 0) {
        if (text.len)
            memcpy(out, text.p, text.len);
        return (struct str){out, text.len};
    }
    char *to = out;
    for (uint32_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c < 0x20 || c > 0x7E || c == '%') {
            *to++ = '%';
            *to++ = hex[c >> 4];
            *to++ = hex[c & 15];
        } else {
            *to++ = (char)c;
        }
    }
    return (struct str){out, (uint32_t)(to - out)};
}

/* RFC 4648, without padding, as gRPC wants it in "-bin" headers. Six bytes at a time, as one
 * number; behind the last ones there is room for digits that are not counted. */
static struct str encode_base64(struct arena *a, struct str bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *p = bytes.p;
    uint32_t left = bytes.len;
    char *out = arena_alloc(a, (size_t)left / 6 * 8 + 8);
    if (!out)
        return (struct str){0};
    for (char *to = out; left; to += 8) {
        uint32_t taken = left < 6 ? left : 6;
        uint64_t n = 0;
        if (left >= 8)
            memcpy(&n, p, 8);
        else
            memcpy(&n, p, taken);
        n = __builtin_bswap64(n);
        to[0] = digits[n >> 58];
        to[1] = digits[n >> 52 & 63];
        to[2] = digits[n >> 46 & 63];
        to[3] = digits[n >> 40 & 63];
        to[4] = digits[n >> 34 & 63];
        to[5] = digits[n >> 28 & 63];
        to[6] = digits[n >> 22 & 63];
        to[7] = digits[n >> 16 & 63];
        p += taken;
        left -= taken;
    }
    return (struct str){out, (uint32_t)(((uint64_t)bytes.len * 4 + 2) / 3)};
}

static void put_metadata(struct writer *w, struct str key, struct str value)
{
    enum { METADATA = 3, KEY = 1, VALUE = 2 };
    size_t mark = writer_nested_begin(w, METADATA);
    writer_bytes_field(w, KEY, key);
    writer_bytes_field(w, VALUE, value);
    writer_nested_end(w, mark);
}

/* google.rpc.ErrorInfo in a google.protobuf.Any. */
static void put_error_info(struct writer *w, const struct failure *f, struct str reason)
{
    enum { DETAILS = 3, TYPE_URL = 1, ANY_VALUE = 2, REASON = 1, DOMAIN = 2 };
    char digits[FAILURE_NUMBERS][DECIMAL_MAX];
    struct failure_member members[FAILURE_MEMBERS_MAX];
    size_t count = failure_members(f, digits, members);
    size_t any = writer_nested_begin(w, DETAILS);
    writer_bytes_field(w, TYPE_URL, STR("type.googleapis.com/google.rpc.ErrorInfo"));
    size_t info = writer_nested_begin(w, ANY_VALUE);
    writer_bytes_field(w, REASON, reason);
    writer_bytes_field(w, DOMAIN, STR("tally.v1"));
    for (size_t i = 0; i < count; i++)
        put_metadata(w, members[i].name, members[i].value);
    writer_nested_end(w, info);
    writer_nested_end(w, any);
}

/* google.rpc.BadRequest in a google.protobuf.Any. */
static void put_bad_request(struct writer *w, struct str field, struct str text)
{
    enum { DETAILS = 3, TYPE_URL = 1, ANY_VALUE = 2, VIOLATIONS = 1, FIELD = 1, DESCRIPTION = 2 };
    size_t any = writer_nested_begin(w, DETAILS);
    writer_bytes_field(w, TYPE_URL, STR("type.googleapis.com/google.rpc.BadRequest"));
    size_t bad = writer_nested_begin(w, ANY_VALUE);
    size_t violation = writer_nested_begin(w, VIOLATIONS);
    writer_bytes_field(w, FIELD, field);
    writer_bytes_field(w, DESCRIPTION, text);
    writer_nested_end(w, violation);
    writer_nested_end(w, bad);
    writer_nested_end(w, any);
}

/* google.rpc.RetryInfo in a google.protobuf.Any. */
static void put_retry_info(struct writer *w, uint32_t retry_after_s)
{
    enum { DETAILS = 3, TYPE_URL = 1, ANY_VALUE = 2, RETRY_DELAY = 1, SECONDS = 1 };
    size_t any = writer_nested_begin(w, DETAILS);
    writer_bytes_field(w, TYPE_URL, STR("type.googleapis.com/google.rpc.RetryInfo"));
    size_t info = writer_nested_begin(w, ANY_VALUE);
    size_t delay = writer_nested_begin(w, RETRY_DELAY);
    writer_tag(w, SECONDS, WIRE_VARINT);
    writer_varint(w, retry_after_s);
    writer_nested_end(w, delay);
    writer_nested_end(w, info);
    writer_nested_end(w, any);
}

static int status_of(const struct failure *f)
{
    enum { DEADLINE_EXCEEDED = 4 };
    return f->late ? DEADLINE_EXCEEDED : error_grpc(f->code);
}

/* google.rpc.Status. */
static struct str encode_details(struct arena *a, const struct failure *f, struct str text)
{
    enum { CODE = 1, MESSAGE = 2, FIRST_SIZE = 256 };
    struct writer w;
    struct str status;
    writer_init(&w, a, FIRST_SIZE);
    writer_tag(&w, CODE, WIRE_VARINT);
    writer_varint(&w, (uint64_t)status_of(f));
    writer_bytes_field(&w, MESSAGE, text);
    put_error_info(&w, f, str_of(error_name(error_public(f->code))));
    if (f->code == TLY_EINVALID_ARGUMENT && !str_empty(f->field))
        put_bad_request(&w, f->field, text);
    if (f->retry_after_s)
        put_retry_info(&w, f->retry_after_s);
    if (writer_result(&w, &status))
        return (struct str){0};
    return encode_base64(a, status);
}

size_t grpc_failure_trailers(struct header *trailers, struct arena *a, const struct failure *f)
{
    struct str text = str_empty(f->text) ? str_of(error_text(error_public(f->code))) : f->text;
    struct str message = encode_message(a, text);
    struct str details = encode_details(a, f, text);
    size_t n = 0;
    trailers[n++] = (struct header){STR("grpc-status"), str_of(status_text[status_of(f)])};
    if (message.p)
        trailers[n++] = (struct header){STR("grpc-message"), message};
    if (details.p)
        trailers[n++] = (struct header){STR("grpc-status-details-bin"), details};
    return n;
}

void grpc_failure_response(struct response *r, struct arena *a, const struct failure *f)
{
    r->status = 200;
    r->content_type = STR("application/grpc");
    r->header_count = 0;
    r->length_unsaid = false;
    r->body = (struct str){0};
    r->trailers_only = true;
    r->trailer_count = grpc_failure_trailers(r->trailers, a, f);
}

void grpc_ok_response(struct response *r, struct str framed_message)
{
    r->status = 200;
    r->content_type = STR("application/grpc");
    r->header_count = 0;
    r->length_unsaid = false;
    r->body = framed_message;
    r->trailers_only = false;
    r->trailers[0] = (struct header){STR("grpc-status"), STR("0")};
    r->trailer_count = 1;
}
