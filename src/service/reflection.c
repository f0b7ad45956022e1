/* reflection.c - gRPC server reflection, v1 and v1alpha (the same messages under two names).
 *
 * The client streams: each message is answered when it is complete, before the client half-closes,
 * because clients wait for the answer first. What has come of a message is kept in a buffer of
 * REFLECTION_MESSAGE_MAX. The stream ends with an error when a message is longer than that,
 * unpacked too, is compressed otherwise than with gzip, or malformed, and when the client sends on
 * without reading the answers.
 */
#include <reflection.pb-c.h>
#include <stdio.h>
#include <string.h>

#include "service/descriptors.h"
#include "service/service_internal.h"
#include "wire/gzip.h"

enum { FRAME_HEAD = 5, SERVICES_MAX = 16, SCRATCH_BYTES_MAX = 1 << 20 };

#define CASE(name) GRPC__REFLECTION__V1__SERVER_REFLECTION_##name

struct reflection {
    struct stream stream; /* first */
    uint32_t size;
    char buffer[FRAME_HEAD + REFLECTION_MESSAGE_MAX];
};

/* The parts that an answer points to. */
struct parts {
    Grpc__Reflection__V1__FileDescriptorResponse file;
    Grpc__Reflection__V1__ExtensionNumberResponse extensions;
    Grpc__Reflection__V1__ListServiceResponse list;
    Grpc__Reflection__V1__ErrorResponse error;
    Grpc__Reflection__V1__ServiceResponse services[SERVICES_MAX];
    Grpc__Reflection__V1__ServiceResponse *service_list[SERVICES_MAX];
    ProtobufCBinaryData file_bytes;
};

static void say_error(Grpc__Reflection__V1__ServerReflectionResponse *r, struct parts *p, int code,
                      const char *text)
{
    p->error.error_code = error_grpc(code);
    p->error.error_message = (char *)text;
    r->message_response_case = CASE(RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE);
    r->error_response = &p->error;
}

static void say_file(Grpc__Reflection__V1__ServerReflectionResponse *r, struct parts *p, bool found,
                     struct str file)
{
    if (!found) {
        say_error(r, p, TLY_ENOT_FOUND, "there is no such file or symbol");
        return;
    }
    p->file_bytes = (ProtobufCBinaryData){file.len, (uint8_t *)file.p};
    p->file.n_file_descriptor_proto = 1;
    p->file.file_descriptor_proto = &p->file_bytes;
    r->message_response_case = CASE(RESPONSE__MESSAGE_RESPONSE_FILE_DESCRIPTOR_RESPONSE);
    r->file_descriptor_response = &p->file;
}

static void say_services(Grpc__Reflection__V1__ServerReflectionResponse *r, struct parts *p,
                         struct arena *a)
{
    struct str package, name;
    uint32_t n = 0;
    while (n < SERVICES_MAX && descriptors_service(n, &package, &name)) {
        size_t size = (size_t)package.len + name.len + 2;
        grpc__reflection__v1__service_response__init(&p->services[n]);
        p->services[n].name = arena_alloc(a, size);
        if (!p->services[n].name)
            break;
        snprintf(p->services[n].name, size, "%.*s.%.*s", STR_ARG(package), STR_ARG(name));
        p->service_list[n] = &p->services[n];
        n++;
    }
    p->list.n_service = n;
    p->list.service = p->service_list;
    r->message_response_case = CASE(RESPONSE__MESSAGE_RESPONSE_LIST_SERVICES_RESPONSE);
    r->list_services_response = &p->list;
}

static void say_extensions(Grpc__Reflection__V1__ServerReflectionResponse *r, struct parts *p,
                           char *type)
{
    struct str file;
    if (!descriptors_symbol(str_of(type), &file)) {
        say_error(r, p, TLY_ENOT_FOUND, "there is no such type");
        return;
    }
    p->extensions.base_type_name = type;
    r->message_response_case = CASE(RESPONSE__MESSAGE_RESPONSE_ALL_EXTENSION_NUMBERS_RESPONSE);
    r->all_extension_numbers_response = &p->extensions;
}

static void answer(Grpc__Reflection__V1__ServerReflectionResponse *r, struct parts *p,
                   Grpc__Reflection__V1__ServerReflectionRequest *q, struct arena *a)
{
    struct str file = {0};
    bool found;
    grpc__reflection__v1__server_reflection_response__init(r);
    grpc__reflection__v1__file_descriptor_response__init(&p->file);
    grpc__reflection__v1__extension_number_response__init(&p->extensions);
    grpc__reflection__v1__list_service_response__init(&p->list);
    grpc__reflection__v1__error_response__init(&p->error);
    r->valid_host = q->host;
    r->original_request = q;
    switch (q->message_request_case) {
    case CASE(REQUEST__MESSAGE_REQUEST_LIST_SERVICES):
        say_services(r, p, a);
        break;
    case CASE(REQUEST__MESSAGE_REQUEST_FILE_BY_FILENAME):
        found = descriptors_file(str_of(q->file_by_filename), &file);
        say_file(r, p, found, file);
        break;
    case CASE(REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL):
        found = descriptors_symbol(str_of(q->file_containing_symbol), &file);
        say_file(r, p, found, file);
        break;
    case CASE(REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_EXTENSION):
        say_error(r, p, TLY_ENOT_FOUND, "there are no extensions");
        break;
    case CASE(REQUEST__MESSAGE_REQUEST_ALL_EXTENSION_NUMBERS_OF_TYPE):
        say_extensions(r, p, q->all_extension_numbers_of_type);
        break;
    default:
        say_error(r, p, TLY_EINVALID_ARGUMENT, "the request asks for nothing");
    }
}

static int unpack(const struct exchange *x, struct str packed, struct arena *a, struct str *out,
                  struct error *e)
{
    if (!text_equal_fold(x->headers[HEADER_grpc_encoding], "gzip"))
        return error_set(e, TLY_EUNIMPLEMENTED, "",
                         "messages may be compressed with gzip, if grpc-encoding says so");
    return gzip_decode(packed, REFLECTION_MESSAGE_MAX, a, out, e);
}

/* 0, or the stream's end, said in `e`. */
static int take_message(struct reflection *f, bool packed, struct str message, struct error *e)
{
    struct exchange *x = f->stream.exchange;
    struct arena scratch;
    struct parts parts;
    ProtobufCMessage *m;
    Grpc__Reflection__V1__ServerReflectionResponse r;
    struct str framed;
    arena_init(&scratch, NULL, 0, SCRATCH_BYTES_MAX);
    int code = 0;
    if (packed)
        code = unpack(x, message, &scratch, &message, e);
    if (!code)
        code = proto_decode(&grpc__reflection__v1__server_reflection_request__descriptor, message,
                            &scratch, &m, e);
    if (!code) {
        answer(&r, &parts, (Grpc__Reflection__V1__ServerReflectionRequest *)m, &scratch);
        code = grpc_encode(&r.base, &scratch, &framed);
        if (!code)
            code = x->ops->stream_write(x, framed.p, framed.len);
        if (code)
            error_set(e, TLY_ELIMIT_EXCEEDED, "", "the answers are not read");
    }
    arena_close(&scratch);
    return code;
}

/* Takes the messages that are complete off the buffer. */
static int take_messages(struct reflection *f, struct error *e)
{
    while (f->size >= FRAME_HEAD) {
        const uint8_t *head = (const uint8_t *)f->buffer;
        uint32_t length =
            (uint32_t)head[1] << 24 | (uint32_t)head[2] << 16 | (uint32_t)head[3] << 8 | head[4];
        if (head[0] > 1)
            return error_set(e, TLY_EINVALID_ARGUMENT, "",
                             "the flag of a gRPC message must be 0 or 1");
        if (length > REFLECTION_MESSAGE_MAX)
            return error_set(e, TLY_EPAYLOAD_TOO_LARGE, "", "a message is at most %d bytes",
                             REFLECTION_MESSAGE_MAX);
        if (f->size - FRAME_HEAD < length)
            return 0;
        int code = take_message(f, head[0] == 1, (struct str){f->buffer + FRAME_HEAD, length}, e);
        if (code)
            return code;
        f->size -= FRAME_HEAD + length;
        memmove(f->buffer, f->buffer + FRAME_HEAD + length, f->size);
    }
    return 0;
}

static void take_data(struct exchange *x, const void *data, size_t size, bool end)
{
    struct reflection *f = x->service;
    const char *p = data;
    struct error e;
    int code = 0;
    while (size > 0 && !code) {
        size_t n = sizeof f->buffer - f->size;
        if (n > size)
            n = size;
        memcpy(f->buffer + f->size, p, n);
        f->size += (uint32_t)n;
        p += n;
        size -= n;
        code = take_messages(f, &e);
    }
    if (!code && end && f->size)
        code = error_set(&e, TLY_EINVALID_ARGUMENT, "", "the last message is cut short");
    if (code)
        stream_close(&f->stream, e.code, e.text);
    else if (end)
        stream_close(&f->stream, 0, "");
}

void reflection_open(struct service *s, struct origin *o)
{
    struct exchange *x = o->exchange;
    struct reflection *f;
    if (stream_refused(s, o))
        return;
    f = arena_alloc(&x->arena, sizeof *f);
    if (!f) {
        reply_unsaid(s, o);
        return;
    }
    f->size = 0;
    stream_open(s, o, &f->stream, STREAM_REFLECTION);
    if (x->streams_in)
        x->on_data = take_data;
    else
        take_data(x, x->body.p, x->body.len, true);
}
