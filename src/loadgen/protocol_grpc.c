/* gRPC over HTTP/2 without TLS, by nghttp2's client session.
 *
 * A call is a stream with a slot, which is taken when it is submitted and given back when the
 * stream closes. Its body is written straight into nghttp2's frames. The answer is handed over as
 * soon as it is complete; if the request is still being sent, the stream is reset.
 *
 * What can go wrong: the peer resets a stream (ANSWER_RESET); it goes away, and what it will not
 * look at is ANSWER_CLOSED; it breaks HTTP/2 as a whole, whereupon nghttp2 says GOAWAY and output()
 * fails after it; it breaks HTTP on one stream, which nghttp2 then resets (ANSWER_MALFORMED).
 * nghttp2 closes such a stream while it sends: the answer waits for the next input, and a PING
 * makes sure that there is one.
 */
#include <assert.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>

#include "loadgen/grpc_memory.h"
#include "loadgen/grpc_slot.h"

enum {
    STREAM_WINDOW = 1 << 24,
    CONNECTION_WINDOW = 1 << 28,
    /* For the request's headers, which are always the same: all are sent as an index. */
    DEFLATE_TABLE_BYTES = 1024,
    SLOTS_FIRST = 1, /* in the first chunk; each further one doubles what there is */
    TIMEOUT_SIZE = 16,
    TIMEOUT_MAX = 99999999, /* eight digits, says gRPC */
};

struct slot_chunk {
    struct slot_chunk *next;
    uint32_t count;
    struct grpc_slot slots[];
};

struct protocol_session {
    nghttp2_session *ng;
    struct grpc_memory *memory;
    const struct protocol_target *target;
    protocol_answered_fn *answered;
    void *owner;
    struct slot_chunk *chunks;
    struct grpc_slot *free_slots;
    struct grpc_slot *waiting; /* answers for the next input */
    uint8_t *rest;             /* of a frame for which the owner had no room */
    size_t rest_at, rest_size;
    struct protocol_counts counts;
    uint32_t in_use, slot_count, streams_max;
    bool in_input;
    bool given_up; /* by nghttp2 */
    bool broken;   /* fail() was called */
    char timeout[TIMEOUT_SIZE];
    size_t timeout_size;
};

/* ---- slots ---- */

static int add_slots(struct protocol_session *s)
{
    uint32_t count = s->slot_count ? s->slot_count : SLOTS_FIRST;
    if (count > s->target->streams - s->slot_count)
        count = s->target->streams - s->slot_count;
    struct slot_chunk *chunk = calloc(1, sizeof *chunk + count * sizeof chunk->slots[0]);
    if (!chunk)
        return TLY_ENO_MEMORY;
    chunk->count = count;
    chunk->next = s->chunks;
    s->chunks = chunk;
    s->slot_count += count;
    for (uint32_t i = count; i-- > 0;) {
        chunk->slots[i].next = s->free_slots;
        s->free_slots = &chunk->slots[i];
    }
    return 0;
}

static void give_back(struct protocol_session *s, struct grpc_slot *slot)
{
    slot->call = NULL;
    slot->next = s->free_slots;
    s->free_slots = slot;
    s->in_use--;
}

/* The call is its owner's again. The slot is so if the stream has closed, and before the owner
 * hears of it, who may want it for the next call. */
static void deliver(struct protocol_session *s, struct grpc_slot *slot, bool closed)
{
    struct call *call = slot->call;
    struct answer answer = grpc_slot_answer(slot);
    struct grpc_parts parts = grpc_slot_take_parts(slot);
    slot->call = NULL;
    if (closed)
        give_back(s, slot);
    s->answered(s->owner, call, &answer);
    grpc_parts_free(&parts);
}

static void deliver_waiting(struct protocol_session *s)
{
    while (s->waiting) {
        struct grpc_slot *slot = s->waiting;
        s->waiting = slot->next;
        deliver(s, slot, true);
    }
}

/* ---- what nghttp2 tells ---- */

static struct grpc_slot *slot_of(nghttp2_session *ng, int32_t stream)
{
    return nghttp2_session_get_stream_user_data(ng, stream);
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *context)
{
    struct grpc_slot *slot = slot_of(ng, frame->hd.stream_id);
    (void)flags, (void)context;
    if (slot && slot->call)
        grpc_slot_header(slot, name, name_size, value, value_size);
    return 0;
}

static int on_data(nghttp2_session *ng, uint8_t flags, int32_t stream, const uint8_t *bytes,
                   size_t size, void *context)
{
    struct protocol_session *s = context;
    struct grpc_slot *slot = slot_of(ng, stream);
    (void)flags;
    if (slot && slot->call && grpc_slot_data(slot, s->target, bytes, size))
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    return 0;
}

/* Nothing more can be begun. What nghttp2 has not begun is answered here: when it finds out by
 * itself it is sending. */
static void on_goaway(struct protocol_session *s)
{
    s->counts.goaway = true;
    deliver_waiting(s); /* their streams are gone, too */
    for (struct slot_chunk *chunk = s->chunks; chunk; chunk = chunk->next) {
        for (uint32_t i = 0; i < chunk->count; i++) {
            struct grpc_slot *slot = &chunk->slots[i];
            if (!slot->call || nghttp2_session_find_stream(s->ng, slot->stream))
                continue;
            slot->refused = true;
            deliver(s, slot, false);
        }
    }
}

static void on_end(struct protocol_session *s, struct grpc_slot *slot, int32_t stream)
{
    if (!slot || !slot->call)
        return;
    slot->ended = true;
    if (slot->body_sent == grpc_body_size(&slot->body))
        return; /* the stream closes now */
    /* Fails only for want of memory; then the stream stays until the connection ends. */
    (void)nghttp2_submit_rst_stream(s->ng, NGHTTP2_FLAG_NONE, stream, NGHTTP2_CANCEL);
    deliver(s, slot, false);
}

static int on_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *context)
{
    struct protocol_session *s = context;
    struct grpc_slot *slot;
    switch (frame->hd.type) {
    case NGHTTP2_DATA:
    case NGHTTP2_HEADERS:
        if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
            on_end(s, slot_of(ng, frame->hd.stream_id), frame->hd.stream_id);
        break;
    case NGHTTP2_RST_STREAM:
        s->counts.resets++;
        slot = slot_of(ng, frame->hd.stream_id);
        if (slot)
            slot->reset = true;
        break;
    case NGHTTP2_SETTINGS:
        s->streams_max =
            nghttp2_session_get_remote_settings(ng, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
        break;
    case NGHTTP2_GOAWAY:
        on_goaway(s);
        break;
    default:
        break;
    }
    return 0;
}

static int on_stream_close(nghttp2_session *ng, int32_t stream, uint32_t code, void *context)
{
    struct protocol_session *s = context;
    struct grpc_slot *slot = slot_of(ng, stream);
    if (!slot)
        return 0;
    slot->refused |= s->counts.goaway && code == NGHTTP2_REFUSED_STREAM;
    if (!slot->call) {
        give_back(s, slot);
    } else if (s->in_input) {
        deliver(s, slot, true);
    } else {
        slot->next = s->waiting;
        s->waiting = slot;
        /* Fails only for want of memory; then the answer waits for other input. */
        (void)nghttp2_submit_ping(ng, NGHTTP2_FLAG_NONE, NULL);
    }
    return 0;
}

/* This side says GOAWAY only when nghttp2 gives the connection up. */
static int on_frame_sent(nghttp2_session *ng, const nghttp2_frame *frame, void *context)
{
    struct protocol_session *s = context;
    (void)ng;
    if (frame->hd.type == NGHTTP2_GOAWAY)
        s->given_up = true;
    return 0;
}

static ssize_t read_body(nghttp2_session *ng, int32_t stream, uint8_t *out, size_t size,
                         uint32_t *flags, nghttp2_data_source *source, void *context)
{
    struct protocol_session *s = context;
    struct grpc_slot *slot = source->ptr;
    size_t left = grpc_body_size(&slot->body) - slot->body_sent;
    (void)ng, (void)stream;
    if (!slot->call) /* answered, and the stream not reset yet */
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (size >= left) {
        size = left;
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    grpc_body_write(&slot->body, slot->call, s->target, slot->body_sent, out, size);
    slot->body_sent += size;
    return (ssize_t)size;
}

/* ---- the port ---- */

/* nghttp2's buffer is not this session's alone: what the owner has no room for is copied. */
static int keep_rest(struct protocol_session *s, const uint8_t *bytes, size_t size)
{
    s->rest = malloc(size);
    if (!s->rest)
        return TLY_ENO_MEMORY;
    memcpy(s->rest, bytes, size);
    s->rest_at = 0;
    s->rest_size = size;
    return 0;
}

static int make_callbacks(nghttp2_session_callbacks **out)
{
    nghttp2_session_callbacks *c;
    if (nghttp2_session_callbacks_new(&c))
        return TLY_ENO_MEMORY;
    nghttp2_session_callbacks_set_on_header_callback(c, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(c, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(c, on_frame_sent);
    *out = c;
    return 0;
}

static int make_session(struct protocol_session *s)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    int rv = make_callbacks(&callbacks);
    if (rv)
        return rv;
    if (nghttp2_option_new(&option)) {
        rv = TLY_ENO_MEMORY;
        goto free_callbacks;
    }
    nghttp2_option_set_max_deflate_dynamic_table_size(option, DEFLATE_TABLE_BYTES);
    nghttp2_mem functions = grpc_memory_functions(s->memory);
    grpc_memory_creating(s->memory, true);
    if (nghttp2_session_client_new3(&s->ng, callbacks, s, option, &functions))
        rv = TLY_ENO_MEMORY;
    grpc_memory_creating(s->memory, false);
    nghttp2_option_del(option);
free_callbacks:
    nghttp2_session_callbacks_del(callbacks);
    return rv;
}

/* nghttp2 leaves the first bytes of a connection in its buffer. */
static int take_magic(struct protocol_session *s)
{
    const uint8_t *magic;
    ssize_t n = nghttp2_session_mem_send(s->ng, &magic);
    return n > 0 ? keep_rest(s, magic, (size_t)n) : TLY_ENO_MEMORY;
}

static int grpc_open(struct protocol_session **out, const struct protocol_target *target,
                     protocol_answered_fn *answered, void *owner)
{
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0}, {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW}};
    struct protocol_session *s = calloc(1, sizeof *s);
    if (!s)
        return TLY_ENO_MEMORY;
    s->target = target;
    s->answered = answered;
    s->owner = owner;
    s->streams_max = UINT32_MAX;
    s->timeout_size =
        (size_t)snprintf(s->timeout, sizeof s->timeout, "%um",
                         target->timeout_ms < TIMEOUT_MAX ? target->timeout_ms : TIMEOUT_MAX);
    s->memory = grpc_memory_join();
    int rv = s->memory ? make_session(s) : TLY_ENO_MEMORY;
    if (!rv)
        rv = take_magic(s);
    if (!rv &&
        (nghttp2_submit_settings(s->ng, NGHTTP2_FLAG_NONE, settings,
                                 sizeof settings / sizeof settings[0]) ||
         nghttp2_session_set_local_window_size(s->ng, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW)))
        rv = TLY_ENO_MEMORY;
    if (rv) {
        protocol_grpc.close(s);
        return rv;
    }
    *out = s;
    return 0;
}

static void grpc_close(struct protocol_session *s)
{
    if (!s)
        return;
    nghttp2_session_del(s->ng);
    grpc_memory_leave(s->memory);
    free(s->rest);
    while (s->chunks) {
        struct slot_chunk *chunk = s->chunks;
        s->chunks = chunk->next;
        for (uint32_t i = 0; i < chunk->count; i++) {
            struct grpc_parts parts = grpc_slot_take_parts(&chunk->slots[i]);
            grpc_parts_free(&parts);
        }
        free(chunk);
    }
    free(s);
}

#define NV(n, v, size)                                                                             \
    {                                                                                              \
        (uint8_t *)(n), (uint8_t *)(v), sizeof(n) - 1, (size),                                     \
            NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE                           \
    }
#define NV_TEXT(n, v) NV(n, v, sizeof(v) - 1)

static int32_t submit_request(struct protocol_session *s, struct grpc_slot *slot)
{
#define PATH(method) STR("/tally.v1.Inventory/" method)
#define SALE(method) STR("/tally.v1.Sales/" method)
    static const struct str paths[CALL_KIND_COUNT] = {
        PATH("Reserve"),   PATH("ReserveBatch"), PATH("Confirm"),
        PATH("Refund"),    PATH("GetLot"),       PATH("GetReservation"),
        SALE("OpenGroup"), SALE("GetGroup"),     SALE("GetSale")};
#undef PATH
#undef SALE
    struct str path = paths[slot->call->kind];
    nghttp2_nv head[] = {NV_TEXT(":method", "POST"),
                         NV_TEXT(":scheme", "http"),
                         NV(":path", path.p, path.len),
                         NV(":authority", s->target->authority, strlen(s->target->authority)),
                         NV_TEXT("te", "trailers"),
                         NV_TEXT("content-type", "application/grpc"),
                         NV("grpc-timeout", s->timeout, s->timeout_size)};
    nghttp2_data_provider body = {.source.ptr = slot, .read_callback = read_body};
    return nghttp2_submit_request(s->ng, NULL, head, sizeof head / sizeof head[0], &body, slot);
}

static int grpc_submit(struct protocol_session *s, struct call *call)
{
    if (s->broken || s->given_up || s->counts.goaway)
        return TLY_ECLOSED;
    if (protocol_grpc.room(s) == 0)
        return TLY_EFULL;
    if (!s->free_slots) {
        int rv = add_slots(s);
        if (rv)
            return rv;
    }
    struct grpc_slot *slot = s->free_slots;
    assert(slot);
    grpc_slot_start(slot, call, s->target);
    slot->stream = submit_request(s, slot);
    if (slot->stream < 0) {
        slot->call = NULL;
        if (slot->stream == NGHTTP2_ERR_NOMEM)
            return TLY_ENO_MEMORY;
        s->counts.goaway = true; /* out of stream numbers */
        return TLY_ECLOSED;
    }
    s->free_slots = slot->next;
    s->in_use++;
    return 0;
}

static int error_of(ssize_t rv)
{
    return rv == NGHTTP2_ERR_NOMEM || rv == NGHTTP2_ERR_CALLBACK_FAILURE ? TLY_ENO_MEMORY
                                                                         : TLY_ECORRUPT;
}

static size_t take_rest(struct protocol_session *s, uint8_t *out, size_t size)
{
    size_t left = s->rest_size - s->rest_at, n = left < size ? left : size;
    memcpy(out, s->rest + s->rest_at, n);
    s->rest_at += n;
    if (n == left) {
        free(s->rest);
        s->rest = NULL;
    }
    return n;
}

static ssize_t grpc_output(struct protocol_session *s, uint8_t *out, size_t size)
{
    size_t done = 0;
    if (s->broken)
        return TLY_ECLOSED;
    if (s->rest)
        done = take_rest(s, out, size);
    while (done < size) {
        const uint8_t *frame;
        ssize_t n = nghttp2_session_mem_send(s->ng, &frame);
        if (n < 0)
            return error_of(n);
        if (n == 0)
            break;
        size_t fits = (size_t)n < size - done ? (size_t)n : size - done;
        memcpy(out + done, frame, fits);
        done += fits;
        if (fits < (size_t)n && keep_rest(s, frame + fits, (size_t)n - fits))
            return TLY_ENO_MEMORY;
        grpc_memory_frame_taken(s->memory);
    }
    return done == 0 && s->given_up ? TLY_ECORRUPT : (ssize_t)done;
}

static int grpc_input(struct protocol_session *s, const uint8_t *bytes, size_t size)
{
    if (s->broken)
        return TLY_ECLOSED;
    s->in_input = true;
    ssize_t n = nghttp2_session_mem_recv(s->ng, bytes, size);
    s->in_input = false;
    deliver_waiting(s);
    return n < 0 ? error_of(n) : 0;
}

static void grpc_fail(struct protocol_session *s, enum answer_code code)
{
    s->broken = true;
    deliver_waiting(s);
    for (struct slot_chunk *chunk = s->chunks; chunk; chunk = chunk->next) {
        for (uint32_t i = 0; i < chunk->count; i++) {
            struct call *call = chunk->slots[i].call;
            if (!call)
                continue;
            chunk->slots[i].call = NULL;
            s->answered(s->owner, call, &(struct answer){.code = code});
        }
    }
}

static uint32_t grpc_room(const struct protocol_session *s)
{
    uint32_t most = s->streams_max < s->target->streams ? s->streams_max : s->target->streams;
    if (s->broken || s->given_up || s->counts.goaway || most <= s->in_use)
        return 0;
    return most - s->in_use;
}

static struct protocol_counts grpc_counts(const struct protocol_session *s)
{
    return s->counts;
}

const struct protocol protocol_grpc = {.name = "grpc",
                                       .open = grpc_open,
                                       .close = grpc_close,
                                       .submit = grpc_submit,
                                       .output = grpc_output,
                                       .input = grpc_input,
                                       .fail = grpc_fail,
                                       .room = grpc_room,
                                       .counts = grpc_counts};
