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
    char date[DATE_SIZE] = "";
    tally__v1__lot__init(m);
    if (dims->expires_on != LOT_NEVER_EXPIRES)
        date_format(dims->expires_on, date);
    m->lot = show_text(dims->key, a);
    m->sku = show_text(dims->sku, a);
    m->flavor = show_text(dims->flavor, a);
    m->size = show_text(dims->size, a);
    m->batch = show_text(dims->batch, a);
    m->expires_on = show_text(str_of(date), a);
    if (!m->lot || !m->sku || !m->flavor || !m->size || !m->batch || !m->expires_on)
        return TLY_ENO_MEMORY;
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

int show_lines(const struct service *s, Tally__V1__Line ***out, const struct line *lines,
               uint32_t count, struct arena *a)
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
        if (!shown[i].lot)
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
    return show_lines(s, &m->lines, order->lines, order->line_count, a);
}

void finish_lot(struct service *s, struct call *c, int status, const struct lot_view *lot)
{
    Tally__V1__Lot m;
    if (show_lot(&m, lot, &c->origin.exchange->arena))
        reply_unsaid(s, &c->origin);
    else
        reply_message(s, &c->origin, status, &m.base);
}

/* "/v1/lots/" and the key, in which '#' may not stand as it is. Empty without memory. */
static struct str lot_location(struct str key, struct arena *a)
{
    static const struct str path = STR("/v1/lots/");
    char *out = arena_alloc(a, path.len + (size_t)key.len * 3);
    if (!out)
        return (struct str){0};
    memcpy(out, path.p, path.len);
    uint32_t len = path.len;
    for (uint32_t i = 0; i < key.len; i++) {
        if (key.p[i] != '#') {
            out[len++] = key.p[i];
            continue;
        }
        out[len++] = '%';
        out[len++] = '2';
        out[len++] = '3';
    }
    return (struct str){out, len};
}

void finish_lot_created(struct service *s, struct call *c, const struct lot_view *lot)
{
    struct arena *a = &c->origin.exchange->arena;
    struct header location = {STR("location"), lot_location(lot->dims->key, a)};
    Tally__V1__Lot m;
    if (show_lot(&m, lot, a) || !location.value.p)
        reply_unsaid(s, &c->origin);
    else
        reply_message_with(s, &c->origin, 201, &m.base, &location, !c->origin.grpc);
}
