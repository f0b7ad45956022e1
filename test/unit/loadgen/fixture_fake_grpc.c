#include "fixture_fake_grpc.h"

#include <google_rpc.pb-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tally.pb-c.h>

#include "fixture.h"

const struct fake_fields fake_no_end;

enum { BODY_MAX = 1 << 21, FIELDS_MAX = 8, PREFIX = 5 };

struct stream {
    int32_t id;
    char path[FAKE_TEXT], timeout[FAKE_TEXT];
    bool is_post, has_te, has_type;
    uint8_t *body;
    size_t size;
    /* The answer. */
    uint8_t *reply;
    size_t reply_size, reply_sent;
    bool has_trailers, stays_open;
    struct fake_fields trailers;
    struct stream *next;
};

struct inside {
    nghttp2_session *session;
    struct fake *fake;
    struct stream *streams;
};

static struct stream *stream_of(struct inside *in, int32_t id)
{
    struct stream *s = in->streams;
    while (s && s->id != id)
        s = s->next;
    if (!s) {
        s = calloc(1, sizeof *s);
        assert_non_null(s);
        s->id = id;
        s->next = in->streams;
        in->streams = s;
    }
    return s;
}

static void copy_text(char out[FAKE_TEXT], const void *text, size_t size)
{
    assert_true(size < FAKE_TEXT);
    memcpy(out, text, size);
    out[size] = 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *context)
{
    struct stream *s = stream_of(context, frame->hd.stream_id);
    (void)session, (void)name_size, (void)flags;
    if (strcmp((const char *)name, ":path") == 0)
        copy_text(s->path, value, value_size);
    else if (strcmp((const char *)name, "grpc-timeout") == 0)
        copy_text(s->timeout, value, value_size);
    else if (strcmp((const char *)name, ":method") == 0)
        s->is_post = strcmp((const char *)value, "POST") == 0;
    else if (strcmp((const char *)name, "te") == 0)
        s->has_te = strcmp((const char *)value, "trailers") == 0;
    else if (strcmp((const char *)name, "content-type") == 0)
        s->has_type = strcmp((const char *)value, "application/grpc") == 0;
    else if (strcmp((const char *)name, ":authority") == 0)
        assert_string_equal((const char *)value, "server.example:7070");
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes,
                   size_t size, void *context)
{
    struct stream *s = stream_of(context, id);
    (void)session, (void)flags;
    assert_true(s->size + size <= BODY_MAX);
    s->body = realloc(s->body, s->size + size + 1);
    assert_non_null(s->body);
    memcpy(s->body + s->size, bytes, size);
    s->size += size;
    return 0;
}

static void see_order(struct seen *seen, const Tally__V1__ReserveRequest *r)
{
    assert_int_equal(r->n_lines, 1);
    copy_text(seen->order_id, r->order_id, strlen(r->order_id));
    copy_text(seen->user_id, r->user_id, strlen(r->user_id));
    copy_text(seen->lot, r->lines[0]->lot, strlen(r->lines[0]->lot));
    seen->quantity = r->lines[0]->quantity;
    seen->hold_ms = r->hold_ms;
    copy_text(seen->group_id, r->group_id, strlen(r->group_id));
    if (r->sale_id[0])
        copy_text(seen->sale_id, r->sale_id, strlen(r->sale_id));
    seen->orders = 1;
}

static void see_batch(struct seen *seen, const uint8_t *bytes, size_t size)
{
    Tally__V1__ReserveBatchRequest *m = tally__v1__reserve_batch_request__unpack(NULL, size, bytes);
    assert_non_null(m);
    assert_true(m->n_orders > 0);
    see_order(seen, m->orders[0]);
    seen->uniform = true;
    for (size_t i = 0; i < m->n_orders; i++) {
        struct seen one = {0};
        see_order(&one, m->orders[i]);
        seen->uniform = seen->uniform && strcmp(one.lot, seen->lot) == 0 &&
                        one.quantity == seen->quantity && one.hold_ms == seen->hold_ms;
        memcpy(seen->last_order_id, one.order_id, sizeof one.order_id);
    }
    seen->orders = (uint32_t)m->n_orders;
    tally__v1__reserve_batch_request__free_unpacked(m, NULL);
}

#define UNPACK(type, field)                                                                        \
    do {                                                                                           \
        Tally__V1__##type *m = (Tally__V1__##type *)protobuf_c_message_unpack(                     \
            &tally__v1__##field##__descriptor, NULL, size, bytes);                                 \
        assert_non_null(m);
#define END                                                                                        \
    protobuf_c_message_free_unpacked(&m->base, NULL);                                              \
    }                                                                                              \
    while (0)

static void see_message(struct seen *seen, const char *method, const uint8_t *bytes, size_t size)
{
    if (strcmp(method, "Reserve") == 0) {
        seen->kind = CALL_RESERVE;
        UNPACK(ReserveRequest, reserve_request);
        see_order(seen, m);
        END;
    } else if (strcmp(method, "ReserveBatch") == 0) {
        seen->kind = CALL_RESERVE_BATCH;
        see_batch(seen, bytes, size);
    } else if (strcmp(method, "Confirm") == 0) {
        seen->kind = CALL_CONFIRM;
        UNPACK(ConfirmRequest, confirm_request);
        copy_text(seen->reservation_id, m->reservation_id, strlen(m->reservation_id));
        END;
    } else if (strcmp(method, "Refund") == 0) {
        seen->kind = CALL_REFUND;
        UNPACK(RefundRequest, refund_request);
        copy_text(seen->reservation_id, m->reservation_id, strlen(m->reservation_id));
        END;
    } else if (strcmp(method, "GetLot") == 0) {
        seen->kind = CALL_GET_LOT;
        UNPACK(GetLotRequest, get_lot_request);
        copy_text(seen->lot, m->lot, strlen(m->lot));
        END;
    } else if (strcmp(method, "OpenGroup") == 0) {
        seen->kind = CALL_OPEN_GROUP;
        UNPACK(OpenGroupRequest, open_group_request);
        copy_text(seen->sale_id, m->sale_id, strlen(m->sale_id));
        assert_string_equal(m->user_id, "");
        assert_string_equal(m->order->sale_id, "");
        see_order(seen, m->order);
        END;
    } else if (strcmp(method, "GetGroup") == 0) {
        seen->kind = CALL_GET_GROUP;
        UNPACK(GetGroupRequest, get_group_request);
        copy_text(seen->group_id, m->group_id, strlen(m->group_id));
        END;
    } else if (strcmp(method, "GetSale") == 0) {
        seen->kind = CALL_GET_SALE;
        UNPACK(GetSaleRequest, get_sale_request);
        copy_text(seen->sale_id, m->sale_id, strlen(m->sale_id));
        END;
    } else {
        assert_string_equal(method, "GetReservation");
        seen->kind = CALL_GET_ORDER;
        UNPACK(GetReservationRequest, get_reservation_request);
        assert_string_equal(m->reservation_id, "");
        copy_text(seen->order_id, m->order_id, strlen(m->order_id));
        END;
    }
}

static void see(struct inside *in, struct stream *s)
{
    static const char inventory[] = "/tally.v1.Inventory/", sales[] = "/tally.v1.Sales/";
    assert_true(in->fake->count < FAKE_CALLS_MAX);
    struct seen *seen = &in->fake->seen[in->fake->count++];
    *seen = (struct seen){.stream = s->id};
    assert_true(s->is_post && s->has_te && s->has_type);
    assert_true(s->size >= PREFIX);
    assert_int_equal(s->body[0], 0);
    assert_int_equal((size_t)s->body[1] << 24 | (size_t)s->body[2] << 16 | (size_t)s->body[3] << 8 |
                         s->body[4],
                     s->size - PREFIX);
    bool of_sales = strncmp(s->path, sales, sizeof sales - 1) == 0;
    assert_true(of_sales || strncmp(s->path, inventory, sizeof inventory - 1) == 0);
    memcpy(seen->timeout, s->timeout, sizeof seen->timeout);
    see_message(seen, strrchr(s->path, '/') + 1, s->body + PREFIX, s->size - PREFIX);
    assert_int_equal(of_sales, seen->kind >= CALL_OPEN_GROUP);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    (void)session;
    if (frame->hd.type == NGHTTP2_DATA && frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
        see(context, stream_of(context, frame->hd.stream_id));
    return 0;
}

static void grpc_open(struct fake *f)
{
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1000},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, BODY_MAX}};
    nghttp2_session_callbacks *callbacks;
    struct inside *in = calloc(1, sizeof *in);
    memset(f, 0, sizeof *f);
    assert_non_null(in);
    f->inside = in;
    in->fake = f;
    assert_int_equal(nghttp2_session_callbacks_new(&callbacks), 0);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    assert_int_equal(nghttp2_session_server_new(&in->session, callbacks, in), 0);
    nghttp2_session_callbacks_del(callbacks);
    assert_int_equal(nghttp2_submit_settings(in->session, NGHTTP2_FLAG_NONE, settings, 2), 0);
    assert_int_equal(
        nghttp2_session_set_local_window_size(in->session, NGHTTP2_FLAG_NONE, 0, BODY_MAX), 0);
}

static void grpc_close(struct fake *f)
{
    struct inside *in = f->inside;
    nghttp2_session_del(in->session);
    while (in->streams) {
        struct stream *s = in->streams;
        in->streams = s->next;
        free(s->body);
        free(s->reply);
        free(s);
    }
    free(in);
    free(f->out);
}

nghttp2_session *fake_grpc_session(struct fake *f)
{
    struct inside *in = f->inside;
    return in->session;
}

void fake_grpc_flush(struct fake *f)
{
    struct inside *in = f->inside;
    const uint8_t *bytes;
    ssize_t n;
    while ((n = nghttp2_session_mem_send(in->session, &bytes)) > 0)
        fake_write(f, bytes, (size_t)n);
    assert_int_equal(n, 0);
}

/* Also delivers what nghttp2 has to say about it: settings, windows. */
static void grpc_read(struct fake *f, struct client *c)
{
    struct inside *in = f->inside;
    for (;;) {
        client_flush(c, 0);
        if (c->sent_size == 0)
            return;
        ssize_t n = nghttp2_session_mem_recv(in->session, c->sent, c->sent_size);
        assert_int_equal(n, c->sent_size);
        c->sent_size = 0;
        fake_grpc_flush(f);
        assert_int_equal(fake_deliver(f, c, 0), 0);
    }
}

static size_t fields(const struct fake_fields *from, nghttp2_nv out[FIELDS_MAX])
{
    size_t n = 0;
    for (; n < FIELDS_MAX && from->names[n]; n++)
        out[n] = (nghttp2_nv){(uint8_t *)(uintptr_t)from->names[n],
                              (uint8_t *)(uintptr_t)from->values[n], strlen(from->names[n]),
                              strlen(from->values[n]), NGHTTP2_NV_FLAG_NONE};
    return n;
}

static ssize_t read_reply(nghttp2_session *session, int32_t id, uint8_t *out, size_t size,
                          uint32_t *flags, nghttp2_data_source *source, void *context)
{
    struct stream *s = source->ptr;
    nghttp2_nv trailers[FIELDS_MAX];
    size_t left = s->reply_size - s->reply_sent, n = left < size ? left : size;
    (void)context;
    if (n)
        memcpy(out, s->reply + s->reply_sent, n);
    s->reply_sent += n;
    if (left == 0 && s->stays_open)
        return NGHTTP2_ERR_DEFERRED;
    if (n == left && !s->stays_open) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (s->has_trailers) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            size_t count = fields(&s->trailers, trailers);
            assert_int_equal(nghttp2_submit_trailer(session, id, trailers, count), 0);
        }
    }
    return (ssize_t)n;
}

void fake_grpc_raw(struct fake *f, int32_t id, const struct fake_fields *headers, const void *body,
                   size_t size, const struct fake_fields *trailers)
{
    struct inside *in = f->inside;
    struct stream *s = stream_of(in, id);
    nghttp2_nv list[FIELDS_MAX];
    nghttp2_data_provider provider = {.source.ptr = s, .read_callback = read_reply};
    size_t count = fields(headers, list);
    s->reply = malloc(size + 1);
    assert_non_null(s->reply);
    if (size)
        memcpy(s->reply, body, size);
    s->reply_size = size;
    s->stays_open = trailers == &fake_no_end;
    s->has_trailers = trailers && !s->stays_open;
    if (trailers)
        s->trailers = *trailers;
    assert_int_equal(
        nghttp2_submit_response(in->session, id, list, count, body || trailers ? &provider : NULL),
        0);
    fake_grpc_flush(f);
}

/* ---- messages ---- */

static char *text(const char *t)
{
    return t ? (char *)(uintptr_t)t : (char *)(uintptr_t) "";
}

struct lines {
    Tally__V1__Line line[4];
    Tally__V1__Line *list[4];
};

static Tally__V1__Line **make_lines(struct lines *l, const struct reply *r)
{
    for (unsigned i = 0; i < r->lines; i++) {
        tally__v1__line__init(&l->line[i]);
        l->line[i].lot = text(r->lots[i]);
        l->line[i].quantity = r->quantities[i];
        l->list[i] = &l->line[i];
    }
    return l->list;
}

/* Reserve, Confirm and Refund are answered with the same fields. */
static void make_reservation(Tally__V1__ReserveResponse *m, struct lines *l, const struct reply *r)
{
    tally__v1__reserve_response__init(m);
    m->reservation_id = text(r->reservation_id);
    m->order_id = text(r->order_id);
    m->status = text(r->status);
    m->expires_at = text(r->expires_at);
    m->reason = text(r->reason);
    m->replayed = r->replayed;
    m->lines = make_lines(l, r);
    m->n_lines = r->lines;
    m->sale_id = text(r->sale_id);
    if (r->sale_id)
        m->sale_id_is_case = TALLY__V1__RESERVE_RESPONSE__SALE_ID_IS_SALE_ID;
    m->group_id = text(r->group_id);
    if (r->group_id)
        m->group_id_is_case = TALLY__V1__RESERVE_RESPONSE__GROUP_ID_IS_GROUP_ID;
}

static size_t pack_history(const struct reply *r, uint8_t *out)
{
    Tally__V1__GetReservationResponse m = TALLY__V1__GET_RESERVATION_RESPONSE__INIT;
    Tally__V1__Move moves[4], *list[4];
    struct lines l;
    for (unsigned i = 0; i < r->move_count; i++) {
        tally__v1__move__init(&moves[i]);
        moves[i].seq = text("7001");
        moves[i].kind = text(r->moves[i]);
        moves[i].at = text("2026-11-22T10:00:00.000Z");
        moves[i].quantity = 2;
        list[i] = &moves[i];
    }
    m.reservation_id = text(r->reservation_id);
    m.order_id = text(r->order_id);
    m.status = text(r->status);
    m.expires_at = text(r->expires_at);
    m.reason = text(r->reason);
    m.lines = make_lines(&l, r);
    m.n_lines = r->lines;
    m.user_id = text("buyer-00001"); /* 7, where the others have `replayed` */
    m.created_at = text("2026-11-22T10:00:00.000Z");
    m.moves = list;
    m.n_moves = r->move_count;
    m.sale_id = text(r->sale_id);
    if (r->sale_id)
        m.sale_id_is_case = TALLY__V1__GET_RESERVATION_RESPONSE__SALE_ID_IS_SALE_ID;
    m.group_id = text(r->group_id);
    if (r->group_id)
        m.group_id_is_case = TALLY__V1__GET_RESERVATION_RESPONSE__GROUP_ID_IS_GROUP_ID;
    return tally__v1__get_reservation_response__pack(&m, out);
}

static size_t pack_lot(const struct reply *r, uint8_t *out)
{
    Tally__V1__GetLotResponse m = TALLY__V1__GET_LOT_RESPONSE__INIT;
    m.lot = text(r->lot);
    m.sku = text("cola");
    m.on_hand = r->on_hand;
    m.reserved = r->reserved;
    m.confirmed = r->confirmed;
    m.available = r->available;
    m.version = r->version;
    return tally__v1__get_lot_response__pack(&m, out);
}

static size_t pack_opened(const struct reply *r, uint8_t *out)
{
    Tally__V1__OpenGroupResponse m = TALLY__V1__OPEN_GROUP_RESPONSE__INIT;
    Tally__V1__ReserveResponse reservation;
    struct lines l;
    make_reservation(&reservation, &l, r);
    m.group_id = text(r->group_id);
    m.sale_id = text(r->sale_id);
    m.status = text(r->group_status);
    m.size = (int32_t)r->places;
    m.places_left = (int32_t)r->places_left;
    m.paid = (int32_t)r->paid;
    m.ends_at = text("2026-11-22T10:10:00.000Z");
    m.remaining_ms = r->remaining_ms;
    m.replayed = r->replayed;
    m.reservation = &reservation;
    return tally__v1__open_group_response__pack(&m, out);
}

static size_t pack_group(const struct reply *r, uint8_t *out)
{
    Tally__V1__GetGroupResponse m = TALLY__V1__GET_GROUP_RESPONSE__INIT;
    m.group_id = text(r->group_id);
    m.sale_id = text(r->sale_id);
    m.status = text(r->group_status);
    m.size = (int32_t)r->places;
    m.places_left = (int32_t)r->places_left;
    m.paid = (int32_t)r->paid;
    m.ends_at = text("2026-11-22T10:10:00.000Z");
    m.remaining_ms = r->remaining_ms;
    return tally__v1__get_group_response__pack(&m, out);
}

static size_t pack_sale(const struct reply *r, uint8_t *out)
{
    Tally__V1__GetSaleResponse m = TALLY__V1__GET_SALE_RESPONSE__INIT;
    Tally__V1__SaleUnits units = TALLY__V1__SALE_UNITS__INIT;
    Tally__V1__SaleGroups groups = TALLY__V1__SALE_GROUPS__INIT;
    units.pending = r->units[0];
    units.confirmed = r->units[1];
    units.left = r->units[2];
    groups.open = r->groups[0];
    groups.succeeded = r->groups[1];
    groups.failed = r->groups[2];
    m.sale_id = text(r->sale_id);
    m.title = text("autumn");
    m.per_user_limit = 2;
    m.status = text(r->status);
    m.starts_in_ms = r->starts_in_ms;
    m.remaining_ms = 5;
    m.units = &units;
    m.groups = &groups;
    return tally__v1__get_sale_response__pack(&m, out);
}

static size_t pack_outcome(const struct reply *r, uint8_t *out)
{
    Tally__V1__OrderOutcome one = TALLY__V1__ORDER_OUTCOME__INIT;
    Tally__V1__OrderOutcome *list[] = {&one};
    Tally__V1__ReserveBatchResponse m = TALLY__V1__RESERVE_BATCH_RESPONSE__INIT;
    Tally__V1__ReserveResponse reservation;
    struct lines l;
    make_reservation(&reservation, &l, r);
    one.order_id = text(r->order_id);
    one.code = text(r->code ? r->code : "OK");
    one.reservation = r->code ? NULL : &reservation;
    one.message = text(r->code ? "lines[0]: not enough" : "");
    one.available = r->available;
    m.outcomes = list;
    m.n_outcomes = 1;
    return tally__v1__reserve_batch_response__pack(&m, out); /* a repeated field: they add up */
}

size_t fake_grpc_body(const struct seen *request, const struct reply *r, uint8_t *out)
{
    uint8_t *message = out + PREFIX;
    size_t size = 0;
    if (request->kind == CALL_RESERVE_BATCH) {
        for (unsigned i = 0; i < r->outcome_count; i++)
            size += pack_outcome(&r->outcomes[i], message + size);
    } else if (request->kind == CALL_GET_LOT) {
        size = pack_lot(r, message);
    } else if (request->kind == CALL_GET_ORDER) {
        size = pack_history(r, message);
    } else if (request->kind == CALL_OPEN_GROUP) {
        size = pack_opened(r, message);
    } else if (request->kind == CALL_GET_GROUP) {
        size = pack_group(r, message);
    } else if (request->kind == CALL_GET_SALE) {
        size = pack_sale(r, message);
    } else {
        Tally__V1__ReserveResponse m;
        struct lines l;
        make_reservation(&m, &l, r);
        size = tally__v1__reserve_response__pack(&m, message);
    }
    assert_true(size + PREFIX <= BODY_MAX);
    out[0] = 0;
    for (int i = 1; i < PREFIX; i++)
        out[i] = (uint8_t)(size >> (8 * (4 - i)));
    return size + PREFIX;
}

static size_t pack_details(const char *reason, uint8_t *out)
{
    uint8_t info[512], retry[16];
    Google__Rpc__ErrorInfo__MetadataEntry entry = GOOGLE__RPC__ERROR_INFO__METADATA_ENTRY__INIT;
    Google__Rpc__ErrorInfo__MetadataEntry *entries[] = {&entry};
    Google__Rpc__ErrorInfo e = GOOGLE__RPC__ERROR_INFO__INIT;
    Google__Rpc__RetryInfo r = GOOGLE__RPC__RETRY_INFO__INIT;
    Google__Rpc__Duration delay = GOOGLE__RPC__DURATION__INIT;
    Google__Rpc__Any any[2] = {GOOGLE__RPC__ANY__INIT, GOOGLE__RPC__ANY__INIT};
    Google__Rpc__Any *list[] = {&any[1], &any[0]};
    Google__Rpc__Status s = GOOGLE__RPC__STATUS__INIT;
    entry.key = text("field");
    entry.value = text("lines[0]");
    e.reason = text(reason);
    e.domain = text("tally.v1");
    e.metadata = entries;
    e.n_metadata = 1;
    delay.seconds = 1;
    r.retry_delay = &delay;
    any[0].type_url = text("type.googleapis.com/google.rpc.ErrorInfo");
    any[0].value = (ProtobufCBinaryData){google__rpc__error_info__pack(&e, info), info};
    any[1].type_url = text("type.googleapis.com/google.rpc.RetryInfo");
    any[1].value = (ProtobufCBinaryData){google__rpc__retry_info__pack(&r, retry), retry};
    s.code = 9;
    s.message = text("lines[0]: 100 of cola asked for, 7 available");
    s.details = list;
    s.n_details = 2;
    return google__rpc__status__pack(&s, out);
}

void fake_grpc_details(const char *reason, bool padded, char out[1024])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t bytes[768] = {0};
    size_t size = pack_details(reason, bytes), n = 0;
    for (size_t bit = 0; bit < 8 * size; bit += 6) {
        unsigned window = (unsigned)bytes[bit / 8] << 8 | bytes[bit / 8 + 1];
        out[n++] = digits[window >> (10 - bit % 8) & 63];
    }
    while (padded && n % 4)
        out[n++] = '=';
    out[n] = 0;
}

int fake_grpc_status(const char *reason)
{
    static const struct {
        const char *reason;
        int status;
    } known[] = {{"INVALID_ARGUMENT", 3},   {"NOT_FOUND", 5},      {"SOLD_OUT", 9},
                 {"INVALID_TRANSITION", 9}, {"ALREADY_EXISTS", 6}, {"ORDER_MISMATCH", 3},
                 {"LIMIT_EXCEEDED", 8},     {"OVERLOADED", 14},    {"UNAVAILABLE", 14},
                 {"OUTCOME_UNKNOWN", 4},    {"SALE_NOT_OPEN", 9},  {"SALE_CLOSED", 9},
                 {"GROUP_FULL", 9},         {"GROUP_CLOSED", 9}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(known[i].reason, reason) == 0)
            return known[i].status;
    return 13;
}

static void grpc_answer(struct fake *f, const struct seen *request, const struct reply *r)
{
    static const struct fake_fields good = {{":status", "content-type"},
                                            {"200", "application/grpc"}};
    static const struct fake_fields ok = {{"grpc-status"}, {"0"}};
    static uint8_t body[BODY_MAX];
    char details[1024], status[12];
    if (!r->code) {
        size_t size = fake_grpc_body(request, r, body);
        fake_grpc_raw(f, request->stream, &good, body, size, &ok);
        return;
    }
    snprintf(status, sizeof status, "%d", fake_grpc_status(r->code));
    fake_grpc_details(r->code, false, details);
    struct fake_fields refusal = {
        {":status", "content-type", "grpc-status", "grpc-message", "grpc-status-details-bin"},
        {"200", "application/grpc", status, "lines[0]: not enough", details}};
    fake_grpc_raw(f, request->stream, &refusal, NULL, 0, NULL);
}

const struct fake_kind fake_grpc = {.protocol = &protocol_grpc,
                                    .open = grpc_open,
                                    .close = grpc_close,
                                    .read = grpc_read,
                                    .answer = grpc_answer};
