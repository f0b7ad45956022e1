#include "planted_limit.h"

#include "base/error.h"

static struct planted_limit *find(struct planted_limits *l, struct str sale_id, struct str user_id)
{
    for (uint32_t i = 0; i < l->count; i++)
        if (str_equal(l->of[i].sale_id, sale_id) && str_equal(l->of[i].user_id, user_id))
            return &l->of[i];
    if (l->count == PLANTED_USERS_MAX)
        return NULL;
    l->of[l->count] = (struct planted_limit){.sale_id = sale_id, .user_id = user_id};
    return &l->of[l->count++];
}

static int64_t units_of(const struct reserve_command *r)
{
    int64_t units = 0;
    for (uint16_t i = 0; i < r->want_count; i++)
        units += r->wants[i].quantity;
    return units;
}

bool planted_refuses(struct planted_limits *l, struct command *c)
{
    if (c->kind == COMMAND_CREATE_SALE) {
        struct planted_limit *sale = find(l, c->sale->terms.sale_id, (struct str){0});
        if (sale)
            sale->limit = c->sale->terms.per_user_limit;
    }
    if (c->kind != COMMAND_RESERVE || !c->reserve.extra)
        return false;
    const struct planted_limit *sale = find(l, c->reserve.extra->sale_id, (struct str){0});
    const struct planted_limit *user = find(l, c->reserve.extra->sale_id, c->reserve.user_id);
    bool over = sale && user && sale->limit && user->taken &&
                user->taken + units_of(&c->reserve) > sale->limit;
    if (over)
        c->code = TLY_ELIMIT_EXCEEDED;
    return over;
}

void planted_counts(struct planted_limits *l, enum plant plant, const struct command *c)
{
    if (c->kind != COMMAND_RESERVE || !c->reserve.extra)
        return;
    bool counts = plant == PLANT_LIMIT_KEPT ? c->code == 0 && !c->reserve.replayed
                                            : c->code == TLY_EOVERLOADED;
    struct planted_limit *user = find(l, c->reserve.extra->sale_id, c->reserve.user_id);
    if (counts && user)
        user->taken += units_of(&c->reserve);
}
