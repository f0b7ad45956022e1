/* adjust_stock.c - AdjustStock: units supplied, or written off. */
#include "service/service_internal.h"

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
        finish_lot(s, c, 200, &command->adjust.lot);
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
    if (!code && m->adjustment_id[0])
        code = rule_text(str_of(m->adjustment_id), ADJUSTMENT_ID_MAX, "adjustment_id", e);
    if (code)
        return code;
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
