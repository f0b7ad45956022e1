/* Draws, as order_book.c makes them for orders, with numbers of their own. Nothing here fails. */
#include "loadgen/teams.h"

enum team_draw { DRAW_KIND = 16, DRAW_ODD, DRAW_CROWD, DRAW_AGAIN, DRAW_AGAIN_PLACE };

/* Of the teams, whatever their kind. */
#define CROWD_SHARE 0.2
#define AGAIN_SHARE 0.2

static uint64_t draw_of(const struct order_mix *mix, uint64_t first, enum team_draw d)
{
    return random_at(random_at(mix->seed, first), d);
}

static double unit_of(uint64_t draw)
{
    return (double)(draw >> 11) * 0x1.0p-53;
}

/* A place from `from` on, below the size; `from` if there is no other. */
static uint32_t place_of(const struct order_mix *mix, uint64_t draw, uint32_t from)
{
    uint32_t places = mix->teams.size - from;
    return from + (uint32_t)(((unsigned __int128)draw * places) >> 64);
}

uint32_t team_orders(const struct order_mix *mix)
{
    return mix->teams.size + 2;
}

uint64_t team_number(const struct order_mix *mix, uint64_t order)
{
    return order_index(order) / team_orders(mix);
}

uint64_t team_first(const struct order_mix *mix, uint64_t order)
{
    return order - order_index(order) % team_orders(mix);
}

uint32_t team_place(const struct order_mix *mix, uint64_t order)
{
    return (uint32_t)(order_index(order) % team_orders(mix));
}

uint32_t team_place_spare(const struct order_mix *mix)
{
    return mix->teams.size;
}

uint32_t team_place_again(const struct order_mix *mix)
{
    return mix->teams.size + 1;
}

/* What is left of 1 is shared by the three kinds that do not pay as they should. */
static enum team_kind kind_of(const struct order_mix *mix, uint64_t first)
{
    double unit = unit_of(draw_of(mix, first, DRAW_KIND));
    if (unit < mix->pay)
        return TEAM_PAYS;
    if (unit < mix->pay + mix->cancel)
        return TEAM_CHANGES;
    double part = (unit - mix->pay - mix->cancel) / (1 - mix->pay - mix->cancel);
    return part < 1.0 / 3 ? TEAM_SHORT : part < 2.0 / 3 ? TEAM_OWES : TEAM_LAST_MOMENT;
}

struct team_plan team_plan_of(const struct order_mix *mix, uint64_t order)
{
    uint64_t first = team_first(mix, order);
    struct team_plan p = {
        .kind = kind_of(mix, first),
        .comes = mix->teams.size,
        .odd = TEAM_NOBODY,
        .again = TEAM_NOBODY,
    };
    if (p.kind == TEAM_SHORT)
        p.comes--;
    else if (p.kind == TEAM_OWES)
        p.odd = place_of(mix, draw_of(mix, first, DRAW_ODD), 0);
    else if (p.kind == TEAM_CHANGES) /* the opener stays */
        p.odd = place_of(mix, draw_of(mix, first, DRAW_ODD), 1);
    else if (p.kind == TEAM_LAST_MOMENT)
        p.odd = mix->teams.size - 1;
    p.crowd = p.kind != TEAM_SHORT && p.kind != TEAM_CHANGES &&
              unit_of(draw_of(mix, first, DRAW_CROWD)) < CROWD_SHARE;
    if (unit_of(draw_of(mix, first, DRAW_AGAIN)) < AGAIN_SHARE) {
        p.again = place_of(mix, draw_of(mix, first, DRAW_AGAIN_PLACE), 0) % p.comes;
        if (p.kind == TEAM_CHANGES && p.again == p.odd)
            p.again = 0;
    }
    return p;
}

enum order_fate team_fate(const struct order_mix *mix, uint64_t order)
{
    struct team_plan p = team_plan_of(mix, order);
    uint32_t place = team_place(mix, order);
    if (place == team_place_again(mix))
        return FATE_KEEP;
    if (place == team_place_spare(mix))
        return p.kind == TEAM_CHANGES ? FATE_PAY : FATE_KEEP;
    if (place != p.odd || p.kind == TEAM_LAST_MOMENT)
        return FATE_PAY;
    return p.kind == TEAM_CHANGES ? FATE_CANCEL : FATE_KEEP;
}

uint64_t team_buyer(const struct order_mix *mix, uint64_t order)
{
    uint32_t again = team_plan_of(mix, order).again;
    bool second = team_place(mix, order) == team_place_again(mix) && again != TEAM_NOBODY;
    return second ? team_first(mix, order) + again : order;
}
