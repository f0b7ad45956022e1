/* adjust_stock.c - AdjustStock: units supplied, or written off. */
#include "service/service_internal.h"

static void answer(struct service *s, struct call *c)
{
    const struct command *command = &c->command;
    Tally__V1__Lot lot;
    Tally__V1__AdjustStockResponse m = TALLY__V1__ADJUST_STOCK_RESPONSE__INIT;
    struct header replayed = {STR("idempotent-replayed"), STR("true")};
    if (show_lot(&lot, &command->adjust.lot, &c->origin.exchange->arena)) {
        reply_unsaid(s, &c->origin);
        return;
    }
    m.lot = lot.lot;
    m.sku = lot.sku;
    m.flavor = lot.flavor;
    m.size = lot.size;
    m.batch = lot.batch;
    m.expires_on = lot.expires_on;
    m.on_hand = lot.on_hand;
    m.reserved = lot.reserved;
    m.confirmed = lot.confirmed;
    m.available = lot.available;
    m.version = lot.version;
    m.withdrawn = lot.withdrawn;
    m.per_user_limit = lot.per_user_limit;
    m.backorder_limit = lot.backorder_limit;
    m.expected_on = lot.expected_on;
    m.replayed = command->adjust.replayed;
    reply_message_with(s, &c->origin, 200, &m.base, &replayed, m.replayed ? 1 : 0);
}

static void finish(struct service *s, struct call *c)
{
    const struct command *command = &c->command;
    if (command->code == TLY_ESOLD_OUT) {
        const struct stock *stock = &command->adjust.lot.stock;
        struct failure f = {.code = command->code,
                            .text = str_of(command->text),
                            .field = STR("delta"),
                            .lot = command->adjust.key,
                            .available = stock->on_hand - stock->reserved - stock->confirmed};
        reply_failure(s, &c->origin, &f);
    } else if (command->code) {
        reply_refused(s, c);
    } else {
        answer(s, c);
    }
}

int adjust_stock_start(struct service *s, struct call *c, struct error *e)
{
    const Tally__V1__AdjustStockRequest *m = (const Tally__V1__AdjustStockRequest *)c->request;
    struct command *command = &c->command;
    int code = rule_lot_key(str_of(m->lot), "lot", e);
    if (!code && (m->delta == 0 || m->delta < -(int64_t)QUANTITY_MAX || m->delta > QUANTITY_MAX))
        code = rule_broken(e, "delta", "must be -%d to %d and not 0, is %lld", QUANTITY_MAX,
                           QUANTITY_MAX, (long long)m->delta);
    if (!code && m->reason[0])
        code = rule_text(str_of(m->reason), ADJUST_REASON_MAX, "reason", e);
    if (!code && is_given(m->adjustment_id))
        code = rule_text(str_of(m->adjustment_id), ADJUSTMENT_ID_MAX, "adjustment_id", e);
    if (!code && m->expected_version < 0)
        code = rule_broken(e, "expected_version", "must be a lot's version, is %lld",
                           (long long)m->expected_version);
    if (code)
        return code;
    command->adjust.expected_version = m->expected_version;
    command->kind = COMMAND_ADJUST;
    command->adjust.key = str_of(m->lot);
    command->adjust.delta = m->delta;
    command->adjust.reason = str_of(m->reason);
    command->adjust.adjustment_id = str_of(m->adjustment_id);
    c->origin.lot = command->adjust.key;
    c->finish = finish;
    call_submit(s, c);
    return 0;
}
