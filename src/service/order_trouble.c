/* order_trouble.c - why an order is refused that is not its lines' fault: the sale, the group, a
 * limit, in words and as members. */
#include <string.h>

#include "service/service_internal.h"
#include "wire/codec_writer.h"

enum { SENTENCE_BYTES = 160 };

static void put(struct writer *w, struct str text)
{
    writer_put(w, text.p, text.len);
}

static struct str order_id_of(const struct limit_order *order)
{
    return (struct str){order->order_id, order->order_id_len};
}

/* ["a","b"]: those that are known. */
static struct str orders_json(const struct order_extra *extra, struct arena *a)
{
    struct writer w;
    struct str out;
    char before = '[';
    writer_init(&w, a, SENTENCE_BYTES);
    for (uint16_t i = 0; i < extra->order_count; i++) {
        if (!extra->orders[i].order_id_len)
            continue;
        writer_byte(&w, before);
        writer_json_string(&w, order_id_of(&extra->orders[i]));
        before = ',';
    }
    if (before == '[')
        return (struct str){0};
    writer_byte(&w, ']');
    return writer_result(&w, &out) ? (struct str){0} : out;
}

static void put_orders(struct writer *w, const struct order_extra *extra)
{
    enum { TOLD_MAX = 4 };
    uint16_t told = 0;
    for (uint16_t i = 0; extra && i < extra->order_count && told < TOLD_MAX; i++) {
        if (!extra->orders[i].order_id_len)
            continue;
        if (told++)
            WRITER_LITERAL(w, ", ");
        else
            WRITER_LITERAL(w, ", by order ");
        put(w, order_id_of(&extra->orders[i]));
    }
    if (told && extra->order_count > told)
        WRITER_LITERAL(w, " and others");
}

static void put_taken(struct writer *w, const struct reserve_command *order, struct str what)
{
    writer_decimal(w, order->limit);
    put(w, what);
    if (!order->extra)
        return;
    WRITER_LITERAL(w, ", ");
    writer_decimal(w, order->extra->taken);
    WRITER_LITERAL(w, " taken");
    put_orders(w, order->extra);
}

static struct str sale_id_of(const struct reserve_command *order)
{
    return order->extra ? order->extra->sale_id : (struct str){0};
}

static struct str lot_of(const struct reserve_command *order)
{
    const struct want *want = &order->wants[order->failed_want];
    return want->lot.len ? want->lot : want->sku;
}

/* The sentence of a trouble; `field`: what of the request it is about. */
static void put_trouble(struct writer *w, const struct reserve_command *order, struct str *field,
                        struct arena *a)
{
    switch (order->trouble) {
    case ORDER_HOLDS_MAX:
        WRITER_LITERAL(w, "holds_max: ");
        writer_decimal(w, order->limit);
        WRITER_LITERAL(w, " reservations are pending, the most there may be; try again");
        return;
    case ORDER_USER_ENTRIES:
        WRITER_LITERAL(w, "user_entries_max: ");
        writer_decimal(w, order->limit);
        WRITER_LITERAL(w, " reservations count towards limits of users, the most that may; "
                          "try again");
        return;
    case ORDER_BACKORDERS:
        WRITER_LITERAL(w, "backorders_max: ");
        writer_decimal(w, order->limit);
        WRITER_LITERAL(w, " orders wait for units, the most that may; try again");
        return;
    case ORDER_USER_HOLDS:
        *field = STR("user_id");
        WRITER_LITERAL(w, "user_holds_max: the user may hold at most ");
        put_taken(w, order, STR(" orders at a time"));
        return;
    case ORDER_USER_SALE:
        *field = STR("user_id");
        WRITER_LITERAL(w, "per_user_limit: the user may have at most ");
        put_taken(w, order, STR(" units in this sale"));
        return;
    case ORDER_USER_LOT:
        *field = line_name(order->failed_want, "", a);
        WRITER_LITERAL(w, "per_user_limit: of ");
        put(w, lot_of(order));
        WRITER_LITERAL(w, " the user may have at most ");
        put_taken(w, order, STR(" units"));
        return;
    case ORDER_TOO_LARGE:
        *field = STR("lines");
        WRITER_LITERAL(w, "per_order_limit: an order of this sale may have at most ");
        writer_decimal(w, order->limit);
        WRITER_LITERAL(w, " units");
        return;
    case ORDER_IN_GROUP:
        *field = STR("user_id");
        WRITER_LITERAL(w, "the user has a place in this group already");
        put_orders(w, order->extra);
        return;
    case ORDER_SALE_SHARE:
        *field = STR("sale_id");
        WRITER_LITERAL(w, "total_limit: the sale's share has ");
        writer_decimal(w, order->available);
        WRITER_LITERAL(w, " units left");
        return;
    case ORDER_NOT_IN_SALE:
        *field = line_name(order->failed_want, "", a);
        put(w, *field);
        WRITER_LITERAL(w, ": ");
        put(w, lot_of(order));
        WRITER_LITERAL(w, " is not in sale ");
        put(w, sale_id_of(order));
        return;
    case ORDER_NO_SALE:
        *field = STR("sale_id");
        WRITER_LITERAL(w, "sale_id: there is no sale ");
        put(w, sale_id_of(order));
        return;
    case ORDER_NO_GROUP:
        *field = STR("group_id");
        WRITER_LITERAL(w, "group_id: sale ");
        put(w, sale_id_of(order));
        WRITER_LITERAL(w, " has no such group");
        return;
    default:
        return;
    }
}

static void put_not_open(struct writer *w, int64_t starts_in_ms)
{
    WRITER_LITERAL(w, "the sale opens in ");
    writer_decimal(w, starts_in_ms);
    WRITER_LITERAL(w, " ms");
}

void order_trouble_show(const struct reserve_command *order, struct failure *f, struct arena *a)
{
    struct writer w;
    struct str text;
    bool not_open = f->code == TLY_ESALE_NOT_OPEN && order->extra;
    bool troubled = order->trouble != ORDER_WELL && f->code != TLY_EUNAVAILABLE &&
                    f->code != TLY_EOUTCOME_UNKNOWN;
    if (!not_open && !troubled)
        return;
    writer_init(&w, a, SENTENCE_BYTES);
    if (not_open) {
        f->starts_in_ms = order->extra->starts_in_ms;
        put_not_open(&w, f->starts_in_ms);
    } else {
        put_trouble(&w, order, &f->field, a);
    }
    if (f->code == TLY_ELIMIT_EXCEEDED) {
        f->limit = order->limit;
        f->taken = order->extra ? order->extra->taken : 0;
        if (order->extra)
            f->orders = orders_json(order->extra, a);
        if (order->trouble == ORDER_USER_LOT)
            f->lot = order->wants[order->failed_want].lot;
    }
    if (f->code == TLY_ESOLD_OUT && order->trouble == ORDER_SALE_SHARE)
        f->available = order->available;
    if (writer_result(&w, &text) == 0 && text.len)
        f->text = text;
}
