/* event.c - moves as events.
 *
 * Both forms come from one description: what is said of a move is gathered into the message of
 * api/tally.proto, which is framed as it is for gRPC; the JSON writes the same members, without
 * those that say nothing. Failure: memory, at the arena's bound.
 */
#include "bus/event.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <tally.pb-c.h>

#include "base/clock.h"
#include "wire/codec.h"

enum subject { ABOUT_LOT, ABOUT_RESERVATION, ABOUT_SALE, ABOUT_GROUP };

struct event_kind {
    const char *type;
    uint8_t subject;
    uint16_t detail; /* place in EventData of what the move's detail is; 0: it has none */
};

#define DETAIL(member) offsetof(Tally__V1__EventData, member)

static const struct event_kind kinds[] = {
    [MOVE_CREATE] = {"tally.lot.created", ABOUT_LOT, 0},
    [MOVE_ADJUST] = {"tally.lot.adjusted", ABOUT_LOT, DETAIL(adjustment_id)},
    [MOVE_RESERVE] = {"tally.reservation.reserved", ABOUT_RESERVATION, 0},
    [MOVE_CONFIRM] = {"tally.reservation.confirmed", ABOUT_RESERVATION, DETAIL(payment_id)},
    [MOVE_RELEASE] = {"tally.reservation.released", ABOUT_RESERVATION, 0},
    [MOVE_REFUND] = {"tally.reservation.refunded", ABOUT_RESERVATION, 0},
    [MOVE_RETURN] = {"tally.reservation.returned", ABOUT_RESERVATION, DETAIL(return_id)},
    [MOVE_EXTEND] = {"tally.reservation.extended", ABOUT_RESERVATION, 0},
    [MOVE_SHIP] = {"tally.reservation.shipped", ABOUT_RESERVATION, DETAIL(shipment_id)},
    [MOVE_RESTOCK] = {"tally.reservation.restocked", ABOUT_RESERVATION, DETAIL(return_id)},
    [MOVE_WRITE_OFF] = {"tally.reservation.written_off", ABOUT_RESERVATION, DETAIL(return_id)},
    [MOVE_DISCARD] = {"tally.reservation.discarded", ABOUT_RESERVATION, DETAIL(return_id)},
    [MOVE_CHANGE] = {"tally.reservation.changed", ABOUT_RESERVATION, DETAIL(change_id)},
    [MOVE_RECLAIM] = {"tally.reservation.reclaimed", ABOUT_RESERVATION, DETAIL(payment_id)},
    [MOVE_FENCE] = {"tally.reservation.fenced", ABOUT_RESERVATION, 0},
    [MOVE_LOT_TERMS] = {"tally.lot.changed", ABOUT_LOT, 0},
    [MOVE_SALE] = {"tally.sale.changed", ABOUT_SALE, 0},
    [MOVE_GROUP_OPEN] = {"tally.group.opened", ABOUT_GROUP, 0},
    [MOVE_GROUP_SUCCEED] = {"tally.group.succeeded", ABOUT_GROUP, 0},
    [MOVE_GROUP_FAIL] = {"tally.group.failed", ABOUT_GROUP, 0},
};

static const struct event_kind *kind_of(uint8_t kind)
{
    static const struct event_kind other = {"tally.move", ABOUT_RESERVATION, 0};
    return kind < sizeof kinds / sizeof kinds[0] && kinds[kind].type ? &kinds[kind] : &other;
}

const char *event_type(enum move_kind kind)
{
    return kind_of((uint8_t)kind)->type;
}

/* Texts of one event, which the message points to. */
struct texts {
    char id[DECIMAL_MAX + 1];
    char reservation_id[DECIMAL_MAX + 1];
    char group_id[DECIMAL_MAX + 1];
    char sale_id[SALE_ID_MAX + 1];
    char time[RFC3339_SIZE];
    char deadline[RFC3339_SIZE];
    char subject[sizeof "reservations/" + SALE_ID_MAX + LOT_KEY_MAX];
    char order_id[ORDER_ID_MAX + 1];
    char user_id[USER_ID_MAX + 1];
    char detail[PAYMENT_ID_MAX + 1];
    char reason[ADJUST_REASON_MAX + 1];
    char lots[MOVE_LINES_MAX][LOT_KEY_MAX + 1];
};

struct told {
    Tally__V1__EventsResponse event;
    Tally__V1__EventData data;
    Tally__V1__Line lines[MOVE_LINES_MAX];
    Tally__V1__Line *line_pointers[MOVE_LINES_MAX];
    struct texts texts;
};

static char *put_text(char *to, size_t size, struct str text)
{
    uint32_t len = text.len < size ? text.len : (uint32_t)size - 1;
    if (len)
        memcpy(to, text.p, len);
    to[len] = 0;
    return to;
}

static char *put_id(char *to, size_t size, int64_t id)
{
    snprintf(to, size, "%lld", (long long)id);
    return to;
}

static char *lot_key(struct told *t, uint32_t i, lot_id id, const struct move *m,
                     const struct event_namer *namer)
{
    const struct lot_dims *dims = m->dims ? m->dims : namer->lot_dims(namer->context, id);
    return put_text(t->texts.lots[i], sizeof t->texts.lots[i], dims ? dims->key : STR("?"));
}

static void tell_lines(struct told *t, const struct move *m, const struct event_namer *namer)
{
    const struct line *lines = m->line_count > 1 ? m->lines : &m->line;
    t->data.lines = t->line_pointers;
    for (uint32_t i = 0; i < m->line_count && i < MOVE_LINES_MAX; i++) {
        t->lines[i] = (Tally__V1__Line)TALLY__V1__LINE__INIT;
        t->lines[i].lot = lot_key(t, i, lines[i].lot, m, namer);
        t->lines[i].quantity = m->kind == MOVE_LOT_TERMS ? 0 : lines[i].quantity; /* moves none */
        t->line_pointers[t->data.n_lines++] = &t->lines[i];
    }
}

static void tell_data(struct told *t, const struct move *m, const struct event_kind *kind)
{
    Tally__V1__EventData *d = &t->data;
    struct texts *x = &t->texts;
    d->seq = x->id;
    d->kind = (char *)move_kind_name((enum move_kind)m->kind);
    if (m->reservation_id)
        d->reservation_id = put_id(x->reservation_id, sizeof x->reservation_id, m->reservation_id);
    if (m->group_id)
        d->group_id = put_id(x->group_id, sizeof x->group_id, m->group_id);
    if (m->sale && m->sale_terms)
        d->sale_id = put_text(x->sale_id, sizeof x->sale_id, m->sale_terms->sale_id);
    if (m->order_id.len)
        d->order_id = put_text(x->order_id, sizeof x->order_id, m->order_id);
    if (m->user_id.len)
        d->user_id = put_text(x->user_id, sizeof x->user_id, m->user_id);
    if (kind->subject == ABOUT_LOT && d->n_lines)
        d->lot = t->lines[0].lot;
    if (m->reason)
        d->reason = (char *)refund_reason_name((enum refund_reason)m->reason);
    else if (m->note.len)
        d->reason = put_text(x->reason, sizeof x->reason, m->note);
    if (m->deadline_ms) {
        rfc3339_format(m->deadline_ms, x->deadline);
        d->deadline = x->deadline;
    }
    if (kind->detail && m->detail.len)
        *(char **)((char *)d + kind->detail) = put_text(x->detail, sizeof x->detail, m->detail);
}

static void tell_subject(struct told *t, const struct event_kind *kind)
{
    const Tally__V1__EventData *d = &t->data;
    const struct {
        const char *folder, *name;
    } subjects[] = {[ABOUT_LOT] = {"lots", d->lot},
                    [ABOUT_RESERVATION] = {"reservations", d->reservation_id},
                    [ABOUT_SALE] = {"sales", d->sale_id},
                    [ABOUT_GROUP] = {"groups", d->group_id}};
    snprintf(t->texts.subject, sizeof t->texts.subject, "%s/%s", subjects[kind->subject].folder,
             subjects[kind->subject].name);
}

static void tell(struct told *t, const struct move *m, const struct event_namer *namer)
{
    const struct event_kind *kind = kind_of(m->kind);
    struct texts *x = &t->texts;
    t->event = (Tally__V1__EventsResponse)TALLY__V1__EVENTS_RESPONSE__INIT;
    t->data = (Tally__V1__EventData)TALLY__V1__EVENT_DATA__INIT;
    put_id(x->id, sizeof x->id, m->seq);
    tell_lines(t, m, namer);
    tell_data(t, m, kind);
    rfc3339_format(m->at_ms, x->time);
    tell_subject(t, kind);
    t->event.specversion = (char *)"1.0";
    t->event.id = x->id;
    t->event.source = (char *)namer->source.p;
    t->event.type = (char *)kind->type;
    t->event.subject = x->subject;
    t->event.time = x->time;
    t->event.datacontenttype = (char *)"application/json";
    t->event.data = &t->data;
}

/* Members that say nothing are left out: CloudEvents has no empty attributes, and a move has no use
 * for most of them. */
static void put_members(struct writer *w, const ProtobufCMessage *m, bool first)
{
    for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
        const char *text = *(char *const *)((const char *)m + f->offset);
        if (f->type != PROTOBUF_C_TYPE_STRING || f->label == PROTOBUF_C_LABEL_REPEATED || !text[0])
            continue;
        if (!first)
            writer_byte(w, ',');
        first = false;
        writer_json_string(w, str_of(f->name));
        writer_byte(w, ':');
        writer_json_string(w, str_of(text));
    }
}

static void put_lines(struct writer *w, const Tally__V1__EventData *d)
{
    WRITER_LITERAL(w, ",\"lines\":[");
    for (size_t i = 0; i < d->n_lines; i++) {
        if (i)
            writer_byte(w, ',');
        WRITER_LITERAL(w, "{\"lot\":");
        writer_json_string(w, str_of(d->lines[i]->lot));
        WRITER_LITERAL(w, ",\"quantity\":");
        writer_decimal(w, d->lines[i]->quantity);
        writer_byte(w, '}');
    }
    writer_byte(w, ']');
}

void event_put_json(struct writer *w, const struct move *m, const struct event_namer *namer)
{
    struct told t;
    tell(&t, m, namer);
    writer_byte(w, '{');
    put_members(w, &t.event.base, true);
    WRITER_LITERAL(w, ",\"data\":{");
    put_members(w, &t.data.base, true);
    put_lines(w, &t.data);
    WRITER_LITERAL(w, "}}");
}

int event_put_grpc(struct writer *w, const struct move *m, const struct event_namer *namer,
                   struct arena *a)
{
    struct told t;
    struct str framed;
    tell(&t, m, namer);
    int code = grpc_encode(&t.event.base, a, &framed);
    if (code == 0)
        writer_put(w, framed.p, framed.len);
    return code;
}
