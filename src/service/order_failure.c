/* order_failure.c - why an order is refused, in words; the same for Reserve and ReserveBatch, for
 * what the gate refuses and what the engine does.
 *
 * Every line in trouble is named, up to a bound. A lot that stands in several lines is told once,
 * with what is asked for in all. Every sold-out order is told so; that is a sale's hot path too,
 * hence no printf.
 */
#include <string.h>

#include "base/zone.h"
#include "service/service_internal.h"
#include "wire/codec_writer.h"

enum { LINES_TOLD_MAX = 8, SENTENCE_BYTES = 160 };

struct str line_name(uint16_t i, const char *member, struct arena *a)
{
    enum { NAME_BYTES = 24 };
    struct writer w;
    struct str out;
    writer_init(&w, a, NAME_BYTES);
    WRITER_LITERAL(&w, "lines[");
    writer_decimal(&w, i);
    writer_byte(&w, ']');
    writer_put(&w, member, strlen(member));
    return writer_result(&w, &out) ? (struct str){0} : out;
}

struct str after_field(struct str field, struct str text, struct arena *a)
{
    struct writer w;
    struct str out;
    writer_init(&w, a, field.len + text.len + 2);
    writer_put(&w, field.p, field.len);
    WRITER_LITERAL(&w, ": ");
    writer_put(&w, text.p, text.len);
    return writer_result(&w, &out) ? text : out;
}

static void put(struct writer *w, struct str text)
{
    writer_put(w, text.p, text.len);
}

static struct str name_of(const struct want *want)
{
    return want->lot.len ? want->lot : want->sku;
}

static bool same_goods(const struct want *a, const struct want *b)
{
    return str_equal(a->lot, b->lot) && str_equal(a->sku, b->sku) &&
           str_equal(a->flavor, b->flavor) && str_equal(a->size, b->size) &&
           str_equal(a->batch, b->batch);
}

static void put_line_name(struct writer *w, uint16_t i, const char *member)
{
    WRITER_LITERAL(w, "lines[");
    writer_decimal(w, i);
    writer_byte(w, ']');
    writer_put(w, member, strlen(member));
}

/* The names of all lines of the same goods as line i; how many units they want. */
static int64_t put_line_names(struct writer *w, const struct reserve_command *order, uint16_t i,
                              uint16_t *count)
{
    int64_t asked = 0;
    *count = 0;
    for (uint16_t j = 0; j < order->want_count; j++) {
        if (j != i && !same_goods(&order->wants[j], &order->wants[i]))
            continue;
        if ((*count)++)
            WRITER_LITERAL(w, ", ");
        put_line_name(w, j, "");
        asked += order->wants[j].quantity;
    }
    return asked;
}

static void put_short(struct writer *w, const struct reserve_command *order, uint16_t i)
{
    const struct want *want = &order->wants[i];
    uint16_t lines;
    int64_t asked = put_line_names(w, order, i, &lines);
    WRITER_LITERAL(w, ": ");
    writer_decimal(w, asked);
    if (lines > 1)
        WRITER_LITERAL(w, " in all");
    WRITER_LITERAL(w, " of ");
    put(w, name_of(want));
    WRITER_LITERAL(w, " asked for, ");
    writer_decimal(w, want->available);
    WRITER_LITERAL(w, " available");
    if (want->for_others > 0 && lines == 1) {
        WRITER_LITERAL(w, ", ");
        writer_decimal(w, want->for_others);
        WRITER_LITERAL(w, " of them for other lines");
    }
    if (want->expired > 0) {
        WRITER_LITERAL(w, ", ");
        writer_decimal(w, want->expired);
        WRITER_LITERAL(w, " expired");
    }
}

static void put_expired(struct writer *w, const struct reserve_command *order, uint16_t i)
{
    uint16_t lines;
    put_line_names(w, order, i, &lines);
    if (order->wants[i].lot.len)
        WRITER_LITERAL(w, ": lot ");
    else
        WRITER_LITERAL(w, ": all that is left of ");
    put(w, name_of(&order->wants[i]));
    WRITER_LITERAL(w, " has expired");
}

static void put_no_flavor(struct writer *w, const struct service *s,
                          const struct reserve_command *order, uint16_t i)
{
    const struct want *want = &order->wants[i];
    put_line_name(w, i, ".flavor");
    WRITER_LITERAL(w, ": sku ");
    put(w, want->sku);
    WRITER_LITERAL(w, " has no flavor ");
    put(w, want->flavor);
    for (uint16_t j = 0; i == order->failed_want && j < order->line_count; j++) {
        const struct lot_dims *dims = s->host.lot_dims(s->host.context, order->lines[j].lot);
        if (j == 0)
            WRITER_LITERAL(w, "; it has: ");
        else
            WRITER_LITERAL(w, ", ");
        if (dims)
            put(w, dims->flavor);
    }
}

static void put_line(struct writer *w, const struct service *s, const struct reserve_command *order,
                     uint16_t i)
{
    const struct want *want = &order->wants[i];
    switch (want->trouble) {
    case WANT_SHORT:
        put_short(w, order, i);
        return;
    case WANT_EXPIRED:
        put_expired(w, order, i);
        return;
    case WANT_NO_FLAVOR:
        put_no_flavor(w, s, order, i);
        return;
    default:
        break;
    }
    put_line_name(w, i, "");
    if (want->trouble == WANT_WITHDRAWN)
        WRITER_LITERAL(w, ": withdrawn from sale is ");
    else if (want->trouble == WANT_NO_LOT)
        WRITER_LITERAL(w, ": there is no lot ");
    else if (want->trouble == WANT_NO_SKU)
        WRITER_LITERAL(w, ": there is no sku ");
    else if (want->trouble == WANT_NO_MATCH)
        WRITER_LITERAL(w, ": there is no lot of that flavor, size and batch of ");
    else
        WRITER_LITERAL(w, ": the order takes too many lots, with ");
    put(w, name_of(want));
}

/* Told with an earlier line of the same goods. */
static bool told_before(const struct reserve_command *order, uint16_t i)
{
    const struct want *want = &order->wants[i];
    if (want->trouble != WANT_SHORT && want->trouble != WANT_EXPIRED)
        return false;
    for (uint16_t j = 0; j < i; j++) {
        if (order->wants[j].trouble == want->trouble && same_goods(&order->wants[j], want))
            return true;
    }
    return false;
}

static struct str lines_sentence(const struct service *s, const struct reserve_command *order,
                                 struct arena *a)
{
    struct writer w;
    struct str out;
    uint16_t told = 0, more = 0;
    writer_init(&w, a, SENTENCE_BYTES);
    for (uint16_t i = 0; i < order->want_count; i++) {
        if (order->wants[i].trouble == WANT_SERVED || told_before(order, i))
            continue;
        if (told == LINES_TOLD_MAX) {
            more++;
            continue;
        }
        if (told++)
            WRITER_LITERAL(&w, "; ");
        put_line(&w, s, order, i);
    }
    if (more) {
        WRITER_LITERAL(&w, "; and ");
        writer_decimal(&w, more);
        WRITER_LITERAL(&w, " more");
    }
    return writer_result(&w, &out) ? (struct str){0} : out;
}

/* The first line of the goods that are told first. */
static uint16_t first_line(const struct reserve_command *order)
{
    uint16_t i = 0;
    const struct want *failed = &order->wants[order->failed_want];
    if (failed->trouble != WANT_SHORT && failed->trouble != WANT_EXPIRED)
        return order->failed_want;
    while (i < order->failed_want && !same_goods(&order->wants[i], failed))
        i++;
    return i;
}

/* What is stored under the order_id, and in what it differs. */
static void show_stored(const struct service *s, const struct reserve_command *order,
                        struct failure *f, struct arena *a)
{
    struct writer w;
    char *id = show_number(order->reservation_id, a);
    f->reservation_id = id ? str_of(id) : (struct str){0};
    f->order_id = order->order_id;
    f->reservation_status = str_of(hold_state_name(order->state));
    f->reason = str_of(refund_reason_name(order->reason));
    if (order->line_count)
        f->lines = show_lines_json(s, order->lines, order->line_count, a);
    writer_init(&w, a, SENTENCE_BYTES);
    WRITER_LITERAL(&w, "this order_id is reservation ");
    put(&w, f->reservation_id);
    if (order->other_user)
        WRITER_LITERAL(&w, "'s, of another user_id");
    else
        WRITER_LITERAL(&w, "'s, with other lines");
    if (writer_result(&w, &f->text))
        f->text = (struct str){0};
}

struct failure order_failure(const struct service *s, const struct reserve_command *order,
                             const char *text, struct arena *a)
{
    struct failure f = {.code = order->code, .text = str_of(text)};
    if (f.code == TLY_EORDER_MISMATCH)
        show_stored(s, order, &f, a);
    order_trouble_show(order, &f, a);
    if (order->trouble == ORDER_SALE_SHARE)
        return f;
    if (f.text.len || order->failed_want >= order->want_count)
        return f;
    const struct want *want = &order->wants[order->failed_want];
    if (want->trouble == WANT_SERVED || f.code == TLY_EUNAVAILABLE ||
        f.code == TLY_EOUTCOME_UNKNOWN)
        return f;
    f.field = line_name(first_line(order), want->trouble == WANT_NO_FLAVOR ? ".flavor" : "", a);
    if (f.code == TLY_ESOLD_OUT) {
        f.lot = want->lot;
        f.available = want->available;
    }
    f.text = lines_sentence(s, order, a);
    return f;
}

/* The gate counts the units of an expired lot as well, and says of a withdrawn one that it has
 * none. */
static enum want_trouble trouble_of(const struct service *s, lot_id id)
{
    const struct service_host *host = &s->host;
    struct lot_signs signs;
    if (!id || !host->lot_signs(host->context, id, &signs))
        return WANT_SHORT;
    if (signs.withdrawn)
        return WANT_WITHDRAWN;
    int32_t today = zone_day(host->expiry_zone, host->now_ms(host->context), NULL);
    bool expired = signs.last_day != LOT_NEVER_EXPIRES && signs.last_day < today;
    return expired ? WANT_EXPIRED : WANT_SHORT;
}

void order_sold_out(const struct service *s, struct reserve_command *order,
                    const struct gate_ask *ask)
{
    order->code = TLY_ESOLD_OUT;
    order->failed_want = ask->failed_line;
    for (uint16_t i = 0; i < order->want_count; i++) {
        const struct gate_line *line = &ask->lines[i];
        struct want *want = &order->wants[i];
        if (!line->is_short && i != ask->failed_line)
            continue;
        want->trouble = (uint8_t)trouble_of(s, line->lot_id);
        want->available = want->trouble == WANT_SHORT ? line->available : 0;
        want->expired = want->trouble == WANT_EXPIRED ? line->available : 0;
        want->for_others = 0;
    }
    order->available = order->wants[ask->failed_line].available;
}
