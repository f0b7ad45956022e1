/* order.c - an order as it is asked for: checked, normalised, hashed, put before the gate. Reserve
 * and ReserveBatch share it.
 *
 * The fingerprint says what the order is: the user, and how many units of what. Two orders have the
 * same fingerprint if they name the same user and the same wishes with the same sums, in any order;
 * hold_ms does not count, and sale and group are the engine's to compare. It is a sum of quantity x
 * hash over the lines, under the data folder's secret seed, so that lines of one lot add up and
 * their order does not matter.
 */
#include <stdio.h>
#include <string.h>

#include "service/service_internal.h"

static int no_memory(struct error *e)
{
    return error_set(e, TLY_ENO_MEMORY, "", "the request needs too much memory");
}

/* Puts "lines[i]." in front of the field that an error names. */
static int in_line(struct error *e, size_t i)
{
    char field[ERROR_FIELD_MAX], text[ERROR_TEXT_MAX];
    int code = e->code;
    memcpy(field, e->field, sizeof field);
    memcpy(text, e->text, sizeof text);
    snprintf(e->field, sizeof e->field, "lines[%zu]%s%.40s", i, *field ? "." : "", field);
    snprintf(e->text, sizeof e->text, "lines[%zu]%s%.230s", i, *field ? "." : ": ", text);
    return code;
}

/* A dimension that may be left out. */
static int prepare_dimensions(struct call *c, const Tally__V1__WantedLine *line, struct want *want,
                              struct error *e)
{
    enum dimension_rules rules = (enum dimension_rules)c->service->host.settings->dimensions;
    char size[SIZE_MAX_BYTES + 1];
    int code = rule_sku(want->sku, "sku", e);
    if (!code && line->flavor[0])
        code = rule_dimension_flavor(rules, str_of(line->flavor), &want->flavor, e);
    if (!code && line->batch[0])
        code = rule_dimension_batch(rules, str_of(line->batch), &want->batch, e);
    if (code || !line->size[0])
        return code;
    code = rule_dimension_size(rules, str_of(line->size), &want->size, size, e);
    if (code)
        return code;
    want->size.p = arena_copy(&c->arena, want->size.p, want->size.len);
    return want->size.p ? 0 : no_memory(e);
}

static int prepare_line(struct call *c, const Tally__V1__WantedLine *line, struct want *want,
                        struct error *e)
{
    *want = (struct want){.lot = str_of(line->lot), .sku = str_of(line->sku)};
    want->quantity = line->quantity;
    int code = rule_quantity(line->quantity, 1, "quantity", e);
    if (code)
        return code;
    if (!want->lot.len && !want->sku.len)
        return rule_broken(e, "", "must name a lot or a sku");
    if (!want->lot.len)
        return prepare_dimensions(c, line, want, e);
    if (want->sku.len || line->flavor[0] || line->size[0] || line->batch[0])
        return rule_broken(e, "", "names a lot and a sku or its dimensions; give one or the other");
    return rule_lot_key(want->lot, "lot", e);
}

static uint64_t hash_want(const struct want *w, uint64_t seed)
{
    if (w->lot.len)
        return hash64(w->lot, seed + 1);
    char joined[SKU_MAX + 3 * DIMENSION_MAX + 4];
    const struct str parts[] = {w->sku, w->flavor, w->size, w->batch};
    uint32_t len = 0;
    for (size_t i = 0; i < 4; i++) {
        if (parts[i].len)
            memcpy(joined + len, parts[i].p, parts[i].len);
        len += parts[i].len;
        joined[len++] = '|';
    }
    return hash64((struct str){joined, len}, seed + 2);
}

static uint64_t fingerprint(const struct reserve_command *order, uint64_t seed)
{
    uint64_t content[2] = {hash64(order->user_id, seed + 3), 0};
    for (uint16_t i = 0; i < order->want_count; i++)
        content[1] += (uint64_t)order->wants[i].quantity * hash_want(&order->wants[i], seed);
    return hash64((struct str){(const char *)content, sizeof content}, seed + 4);
}

static int prepare_order_id(struct call *c, const char *given, struct reserve_command *out,
                            struct order_flags *flags, struct error *e)
{
    enum { UUID_SIZE = 37 };
    struct service *s = c->service;
    flags->order_new = !is_given(given);
    if (!flags->order_new) {
        out->order_id = str_of(given);
        return rule_text(out->order_id, ORDER_ID_MAX, "order_id", e);
    }
    char *made = arena_alloc(&c->arena, UUID_SIZE);
    if (!made)
        return no_memory(e);
    uuid_v7(&s->uuid, s->host.now_ms(s->host.context), made);
    out->order_id = (struct str){made, UUID_SIZE - 1};
    return 0;
}

int order_wants(struct call *c, Tally__V1__WantedLine *const *lines, size_t count,
                struct want **wants, uint16_t *line_max, struct error *e)
{
    if (count < 1 || count > ORDER_LINES_MAX)
        return rule_broken(e, "lines", "must be 1 to %d lines, is %zu", ORDER_LINES_MAX, count);
    *wants = arena_alloc(&c->arena, count * sizeof **wants);
    if (!*wants)
        return no_memory(e);
    *line_max = (uint16_t)count;
    for (size_t i = 0; i < count; i++) {
        struct want *want = &(*wants)[i];
        if (prepare_line(c, lines[i], want, e))
            return in_line(e, i);
        if (!want->lot.len)
            *line_max = ORDER_LINES_MAX;
    }
    return 0;
}

static int prepare_lines(struct call *c, const Tally__V1__ReserveRequest *m,
                         struct reserve_command *out, struct error *e)
{
    int code = order_wants(c, m->lines, m->n_lines, &out->wants, &out->line_max, e);
    if (code)
        return code;
    out->want_count = (uint16_t)m->n_lines;
    out->lines = arena_alloc(&c->arena, out->line_max * sizeof *out->lines);
    return out->lines ? 0 : no_memory(e);
}

/* Of an order in a sale; and of others where lots have limits or sell what is not there yet, for
 * only then there is something to tell. */
static int prepare_extra(struct call *c, const Tally__V1__ReserveRequest *m,
                         struct reserve_command *out, struct error *e)
{
    const struct service_host *host = &c->service->host;
    int64_t group_id = 0;
    int code = 0;
    if (!m->sale_id[0] && m->ticket[0])
        return rule_broken(e, "ticket", "is of a sale; give its sale_id");
    if (!m->sale_id[0] && m->group_id[0])
        return rule_broken(e, "group_id", "is a group of a sale; give its sale_id");
    if (!m->sale_id[0] && !(host->lots_tell_more && host->lots_tell_more(host->context)))
        return 0;
    if (m->sale_id[0])
        code = rule_text(str_of(m->sale_id), SALE_ID_MAX, "sale_id", e);
    if (!code && m->group_id[0])
        code = id_parse(m->group_id, "group_id", "group", &group_id, e);
    if (code)
        return code;
    struct order_extra *extra = arena_alloc(&c->arena, order_extra_bytes(out->line_max));
    if (!extra)
        return no_memory(e);
    out->extra = extra;
    extra->sale_id = str_of(m->sale_id);
    extra->group_id = group_id;
    extra->sale_hash = hash64(extra->sale_id, c->service->host.hash_seed);
    extra->user_hash = hash64(out->user_id, c->service->host.hash_seed);
    ticket_look(c->service, m->ticket, out);
    extra->starts_in_ms = extra->taken = 0;
    extra->order_count = 0;
    memset(extra->after, 0, out->line_max * sizeof extra->after[0]);
    return 0;
}

int order_prepare(struct call *c, const Tally__V1__ReserveRequest *m, struct reserve_command *out,
                  struct order_flags *flags, struct error *e)
{
    const struct service *s = c->service;
    int64_t hold_max_ms = s->host.settings->hold_max_ms;
    int code = prepare_order_id(c, m->order_id, out, flags, e);
    if (code)
        return code;
    out->order_hash = hash64(out->order_id, s->host.hash_seed);
    out->user_id = str_of(m->user_id);
    code = rule_text(out->user_id, USER_ID_MAX, "user_id", e);
    if (code)
        return code;
    if (m->hold_ms < 0 || m->hold_ms > hold_max_ms)
        return rule_broken(e, "hold_ms", "must be 0 (the default) to %lld, is %lld",
                           (long long)hold_max_ms, (long long)m->hold_ms);
    out->hold_ms = m->hold_ms;
    code = prepare_lines(c, m, out, e);
    if (code)
        return code;
    code = prepare_extra(c, m, out, e);
    if (code)
        return code;
    out->fingerprint = fingerprint(out, s->host.hash_seed);
    return 0;
}

int order_ask(struct call *c, const struct reserve_command *order, struct order_flags flags,
              struct gate_ask *ask)
{
    struct gate_line *lines = arena_alloc(&c->arena, order->want_count * sizeof *lines);
    if (!lines)
        return TLY_ENO_MEMORY;
    for (uint16_t i = 0; i < order->want_count; i++) {
        const struct want *w = &order->wants[i];
        lines[i] = (struct gate_line){
            .lot = w->lot, .goods = str_empty(w->lot) ? &w->goods : NULL, .quantity = w->quantity};
    }
    *ask = (struct gate_ask){.lines = lines,
                             .line_count = order->want_count,
                             .order_new = flags.order_new,
                             .order_id = order->order_id,
                             .user_id = order->user_id,
                             .sale_id = order->extra ? order->extra->sale_id : (struct str){"", 0},
                             .order_hash = order->order_hash,
                             .verdict = GATE_BLIND};
    return 0;
}

void order_admitted(struct service *s, struct reserve_command *order, const struct gate_ask *ask)
{
    metrics_add(s->host.metrics, METRIC_GATE_VERDICTS, ask->verdict, 1);
    for (uint16_t i = 0; i < order->want_count; i++) {
        order->wants[i].lot_hint = ask->lines[i].lot_id;
        order->wants[i].gate_taken = ask->verdict == GATE_PASS;
    }
    if (ask->verdict == GATE_SOLD_OUT)
        order_sold_out(s, order, ask);
}
