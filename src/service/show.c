/* show.c - what the engine answers, as messages of api/tally.proto.
 *
 * All answers about a lot have the fields of Lot, and all about a reservation those of
 * ReserveResponse, under the same numbers (a test holds them together); so these two messages are
 * what is encoded. The only failure is an arena at its bound.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "service/service_internal.h"
#include "wire/codec_writer.h"

char *show_text(struct str text, struct arena *a)
{
    return arena_copy(a, text.p, text.len);
}

char *show_number(int64_t n, struct arena *a)
{
    char digits[DECIMAL_MAX];
    return show_text(decimal_text(n, digits), a);
}

char *show_time(int64_t unix_ms, struct arena *a)
{
    char *text = arena_alloc(a, RFC3339_SIZE);
    if (!text)
        return NULL;
    if (unix_ms)
        rfc3339_format(unix_ms, text);
    else
        text[0] = 0;
    return text;
}

int show_lot(Tally__V1__Lot *m, const struct lot_view *lot, struct arena *a)
{
    const struct lot_dims *dims = lot->dims;
    const struct stock *stock = &lot->stock;
    char date[DATE_SIZE] = "", expected[DATE_SIZE] = "";
    tally__v1__lot__init(m);
    if (lot->terms.expires_on != LOT_NEVER_EXPIRES)
        date_format(lot->terms.expires_on, date);
    if (lot->terms.expected_on != LOT_NEVER_EXPIRES)
        date_format(lot->terms.expected_on, expected);
    m->lot = show_text(dims->key, a);
    m->sku = show_text(dims->sku, a);
    m->flavor = show_text(dims->flavor, a);
    m->size = show_text(dims->size, a);
    m->batch = show_text(dims->batch, a);
    m->expires_on = show_text(str_of(date), a);
    if (*expected)
        m->expected_on = show_text(str_of(expected), a);
    if (!m->lot || !m->sku || !m->flavor || !m->size || !m->batch || !m->expires_on ||
        !m->expected_on)
        return TLY_ENO_MEMORY;
    m->withdrawn = lot->terms.withdrawn;
    m->per_user_limit = lot->terms.per_user_limit;
    m->backorder_limit = lot->terms.backorder_limit;
    m->on_hand = stock->on_hand;
    m->reserved = stock->reserved;
    m->confirmed = stock->confirmed;
    m->available = stock->on_hand - stock->reserved - stock->confirmed;
    m->version = stock->version;
    return 0;
}

int show_lots(Tally__V1__Lot ***out, const struct lot_view *lots, uint32_t count, struct arena *a)
{
    Tally__V1__Lot *shown = arena_alloc(a, count * sizeof *shown);
    *out = arena_alloc(a, count * sizeof **out);
    if (!shown || !*out)
        return TLY_ENO_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        (*out)[i] = &shown[i];
        if (show_lot(&shown[i], &lots[i], a))
            return TLY_ENO_MEMORY;
    }
    return 0;
}

/* What became of a line's units, where something did. */
static int show_after(const struct service *s, Tally__V1__Line *m, lot_id lot,
                      const struct line_after *after, struct arena *a)
{
    if (after->shipped)
        SHOW_OPTIONAL(m, LINE, shipped, SHIPPED, after->shipped);
    if (after->returned)
        SHOW_OPTIONAL(m, LINE, returned, RETURNED, after->returned);
    if (!after->backordered)
        return 0;
    SHOW_OPTIONAL(m, LINE, backordered, BACKORDERED, after->backordered);
    int32_t day =
        s->host.lot_expected_on ? s->host.lot_expected_on(s->host.context, lot) : LOT_NEVER_EXPIRES;
    if (day == LOT_NEVER_EXPIRES)
        return 0;
    char date[DATE_SIZE];
    date_format(day, date);
    SHOW_OPTIONAL(m, LINE, expected_on, EXPECTED_ON, show_text(str_of(date), a));
    return m->expected_on ? 0 : TLY_ENO_MEMORY;
}

int show_lines(const struct service *s, Tally__V1__Line ***out, const struct line *lines,
               const struct line_after *after, uint32_t count, struct arena *a)
{
    Tally__V1__Line *shown = arena_alloc(a, count * sizeof *shown);
    *out = arena_alloc(a, count * sizeof **out);
    if (!shown || !*out)
        return TLY_ENO_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        const struct lot_dims *dims = s->host.lot_dims(s->host.context, lines[i].lot);
        tally__v1__line__init(&shown[i]);
        shown[i].lot = show_text(dims ? dims->key : STR("?"), a);
        shown[i].quantity = lines[i].quantity;
        (*out)[i] = &shown[i];
        if (!shown[i].lot || (after && show_after(s, &shown[i], lines[i].lot, &after[i], a)))
            return TLY_ENO_MEMORY;
    }
    return 0;
}

int show_sale_of(const struct service *s, sale_number sale, int64_t group_id, char **sale_id,
                 char **group, struct arena *a)
{
    *sale_id = *group = NULL;
    if (sale && s->host.sale_id) {
        *sale_id = show_text(s->host.sale_id(s->host.context, sale), a);
        if (!*sale_id)
            return TLY_ENO_MEMORY;
    }
    if (group_id) {
        *group = show_number(group_id, a);
        if (!*group)
            return TLY_ENO_MEMORY;
    }
    return 0;
}

struct str show_lines_json(const struct service *s, const struct line *lines, uint32_t count,
                           struct arena *a)
{
    enum { LINE_BYTES = 96 };
    struct writer w;
    struct str out;
    writer_init(&w, a, LINE_BYTES * (count + 1));
    writer_byte(&w, '[');
    for (uint32_t i = 0; i < count; i++) {
        const struct lot_dims *dims = s->host.lot_dims(s->host.context, lines[i].lot);
        if (i)
            writer_byte(&w, ',');
        WRITER_LITERAL(&w, "{\"lot\":");
        writer_json_string(&w, dims ? dims->key : STR("?"));
        WRITER_LITERAL(&w, ",\"quantity\":");
        writer_decimal(&w, lines[i].quantity);
        writer_byte(&w, '}');
    }
    writer_byte(&w, ']');
    return writer_result(&w, &out) ? (struct str){0} : out;
}

/* Of an order in a sale, or of whose lines more is known. */
static int show_extra(const struct service *s, Tally__V1__ReserveResponse *m,
                      const struct reserve_command *order, struct arena *a)
{
    const struct order_extra *extra = order->extra;
    if (extra->sale_id.len) /* the message's text, as order_id */
        SHOW_OPTIONAL(m, RESERVE_RESPONSE, sale_id, SALE_ID, (char *)extra->sale_id.p);
    if (extra->group_id) {
        SHOW_OPTIONAL(m, RESERVE_RESPONSE, group_id, GROUP_ID, show_number(extra->group_id, a));
        if (!m->group_id)
            return TLY_ENO_MEMORY;
    }
    return show_lines(s, &m->lines, order->lines, extra->after, order->line_count, a);
}

int show_order(const struct service *s, Tally__V1__ReserveResponse *m,
               const struct reserve_command *order, struct arena *a)
{
    m->reservation_id = show_number(order->reservation_id, a);
    m->order_id = (char *)order->order_id.p;
    m->status = (char *)hold_state_name(order->state);
    m->expires_at = show_time(order->expires_ms, a);
    m->reason = (char *)refund_reason_name(order->reason);
    m->replayed = order->replayed;
    m->n_lines = order->line_count;
    if (!m->reservation_id || !m->expires_at)
        return TLY_ENO_MEMORY;
    if (!order->extra)
        return show_lines(s, &m->lines, order->lines, NULL, order->line_count, a);
    return show_extra(s, m, order, a);
}

void finish_lot(struct service *s, struct call *c, int status, const struct lot_view *lot)
{
    Tally__V1__Lot m;
    if (show_lot(&m, lot, &c->origin.exchange->arena))
        reply_unsaid(s, &c->origin);
    else
        reply_message(s, &c->origin, status, &m.base);
}

struct str path_with(struct str path, struct str segment, struct arena *a)
{
    static const char digits[] = "0123456789ABCDEF";
    char *out = arena_alloc(a, path.len + (size_t)segment.len * 3);
    if (!out)
        return (struct str){0};
    memcpy(out, path.p, path.len);
    uint32_t len = path.len;
    for (uint32_t i = 0; i < segment.len; i++) {
        uint8_t c = (uint8_t)segment.p[i];
        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
            (c && strchr("-._~", c))) {
            out[len++] = (char)c;
            continue;
        }
        out[len++] = '%';
        out[len++] = digits[c >> 4];
        out[len++] = digits[c & 15];
    }
    return (struct str){out, len};
}

void finish_lot_created(struct service *s, struct call *c, const struct lot_view *lot)
{
    struct arena *a = &c->origin.exchange->arena;
    struct header location = {STR("location"), path_with(STR("/v1/lots/"), lot->dims->key, a)};
    Tally__V1__Lot m;
    if (show_lot(&m, lot, a) || !location.value.p)
        reply_unsaid(s, &c->origin);
    else
        reply_message_with(s, &c->origin, 201, &m.base, &location, !c->origin.grpc);
}
