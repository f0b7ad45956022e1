/* update_lot.c - UpdateLot: what a lot is sold on. Only what is given is changed; an empty date
 * takes one back. */
#include "service/service_internal.h"

static void finish(struct service *s, struct call *c)
{
    if (c->command.code)
        reply_refused(s, c);
    else
        finish_lot(s, c, 200, &c->command.update_lot.lot);
}

static int date_or_none(const char *text, const char *field, int32_t *out, struct error *e)
{
    *out = LOT_NEVER_EXPIRES;
    return text[0] ? rule_date(str_of(text), field, out, e) : 0;
}

static int check(const Tally__V1__UpdateLotRequest *m, struct command *to, struct error *e)
{
    struct lot_terms *terms = &to->update_lot.terms;
    int code = rule_lot_key(str_of(m->lot), "lot", e);
    if (!code && m->expires_on_is_case)
        code = date_or_none(m->expires_on, "expires_on", &terms->expires_on, e);
    if (!code && m->per_user_limit_is_case)
        code = rule_quantity(m->per_user_limit, 0, "per_user_limit", e);
    if (!code && m->backorder_limit_is_case)
        code = rule_quantity(m->backorder_limit, 0, "backorder_limit", e);
    if (!code && m->expected_on_is_case)
        code = date_or_none(m->expected_on, "expected_on", &terms->expected_on, e);
    if (!code && !m->expires_on_is_case && !m->withdrawn_is_case && !m->per_user_limit_is_case &&
        !m->backorder_limit_is_case && !m->expected_on_is_case)
        code = rule_broken(e, "", "nothing is given to be changed");
    return code;
}

int update_lot_start(struct service *s, struct call *c, struct error *e)
{
    const Tally__V1__UpdateLotRequest *m = (const Tally__V1__UpdateLotRequest *)c->request;
    struct command *command = &c->command;
    int code = check(m, command, e);
    if (code)
        return code;
    command->kind = COMMAND_UPDATE_LOT;
    command->update_lot.key = str_of(m->lot);
    command->update_lot.sets_expires_on = m->expires_on_is_case != 0;
    command->update_lot.sets_withdrawn = m->withdrawn_is_case != 0;
    command->update_lot.sets_per_user_limit = m->per_user_limit_is_case != 0;
    command->update_lot.sets_backorder_limit = m->backorder_limit_is_case != 0;
    command->update_lot.sets_expected_on = m->expected_on_is_case != 0;
    if (m->withdrawn_is_case)
        command->update_lot.terms.withdrawn = m->withdrawn;
    if (m->per_user_limit_is_case)
        command->update_lot.terms.per_user_limit = m->per_user_limit;
    if (m->backorder_limit_is_case)
        command->update_lot.terms.backorder_limit = m->backorder_limit;
    c->origin.lot = command->update_lot.key;
    c->finish = finish;
    call_submit(s, c);
    return 0;
}
