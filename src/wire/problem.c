/* application/problem+json (RFC 9457), and plain JSON answers. When the arena is at its bound the
 * problem goes out with its status and without a body. */
#include <string.h>

#include "wire/codec.h"
#include "wire/codec_writer.h"
#include "wire/failure.h"

static void put_member(struct writer *w, struct str name, struct str value)
{
    if (str_empty(value))
        return;
    writer_byte(w, ',');
    writer_json_string(w, name);
    writer_byte(w, ':');
    writer_json_string(w, value);
}

static void put_type(struct writer *w, const char *code)
{
    WRITER_LITERAL(w, "{\"type\":\"https://tallystick.dev/problems/");
    for (; *code; code++)
        writer_byte(w, *code >= 'A' && *code <= 'Z' ? (char)(*code | 0x20) : *code);
    writer_byte(w, '"');
}

static void put_problem(struct writer *w, const struct failure *f)
{
    char digits[FAILURE_NUMBERS][DECIMAL_MAX];
    struct failure_member members[FAILURE_MEMBERS_MAX];
    size_t count = failure_members(f, digits, members);
    int code = error_public(f->code);
    put_type(w, error_name(code));
    put_member(w, STR("title"), str_of(error_text(code)));
    WRITER_LITERAL(w, ",\"status\":");
    writer_decimal(w, error_http(code));
    put_member(w, STR("detail"), str_empty(f->text) ? str_of(error_text(code)) : f->text);
    put_member(w, STR("code"), str_of(error_name(code)));
    for (size_t i = 0; i < count; i++) {
        if (!members[i].json) {
            put_member(w, members[i].name, members[i].value);
            continue;
        }
        writer_byte(w, ',');
        writer_json_string(w, members[i].name);
        writer_byte(w, ':');
        writer_put(w, members[i].value.p, members[i].value.len);
    }
    if (f->retry_after_s) {
        WRITER_LITERAL(w, ",\"retry_after_s\":");
        writer_decimal(w, f->retry_after_s);
    }
    put_member(w, STR("instance"), f->instance);
    writer_byte(w, '}');
}

static void add_retry_after(struct response *r, struct arena *a, uint32_t retry_after_s)
{
    char digits[DECIMAL_MAX];
    struct str text = decimal_text(retry_after_s, digits);
    char *copy = arena_copy(a, text.p, text.len);
    if (copy)
        r->headers[r->header_count++] =
            (struct header){STR("retry-after"), (struct str){copy, text.len}};
}

static void plain(struct response *r, int status, struct str content_type, struct str body)
{
    r->status = status;
    r->content_type = content_type;
    r->header_count = 0;
    r->length_unsaid = false;
    r->body = body;
    r->trailer_count = 0;
    r->trailers_only = false;
}

void problem_response(struct response *r, struct arena *a, const struct failure *f)
{
    enum { FIRST_SIZE = 384 };
    struct writer w;
    struct str body;
    writer_init(&w, a, FIRST_SIZE);
    put_problem(&w, f);
    if (writer_result(&w, &body))
        body = (struct str){0};
    plain(r, error_http(f->code), STR("application/problem+json"), body);
    if (f->retry_after_s)
        add_retry_after(r, a, f->retry_after_s);
}

void json_response(struct response *r, int status, struct str body)
{
    plain(r, status, STR("application/json"), body);
}
