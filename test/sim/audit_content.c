/* Whether units are what somebody wanted, and whether two orders want the same. */
#include <string.h>

#include "audit_internal.h"

/* One more unit for want `w`: from a line that has one left, or from one whose unit another want
 * can do without. given[w][l]: units of line l that want w has. */
struct serving {
    const struct auditor *a;
    const struct audit_ask *ask;
    const struct line *lines;
    uint32_t count;
    int64_t left[ORDER_LINES_MAX];
    int64_t given[AUDIT_WANTS_MAX][ORDER_LINES_MAX];
    bool tried[ORDER_LINES_MAX];
};

static bool serve_one(struct serving *s, uint32_t w)
{
    for (uint32_t i = 0; i < s->count; i++) {
        if (s->tried[i] || !audit_lot_matches(&s->a->lots[s->lines[i].lot - 1], &s->ask->wants[w]))
            continue;
        s->tried[i] = true;
        bool found = s->left[i] > 0;
        s->left[i] -= found;
        for (uint32_t other = 0; other < s->ask->want_count && !found; other++) {
            found = s->given[other][i] > 0 && other != w && serve_one(s, other);
            s->given[other][i] -= found;
        }
        s->given[w][i] += found;
        if (found)
            return true;
    }
    return false;
}

bool audit_lines_serve(struct auditor *a, const struct audit_ask *ask, const struct line *lines,
                       uint32_t count)
{
    struct serving s = {.a = a, .ask = ask, .lines = lines, .count = count};
    int64_t units = 0;
    for (uint32_t i = 0; i < count; i++) {
        s.left[i] = lines[i].quantity;
        units += lines[i].quantity;
    }
    for (uint32_t w = 0; w < ask->want_count; w++) {
        for (int64_t n = 0; n < ask->wants[w].quantity; n++) {
            memset(s.tried, 0, sizeof s.tried);
            if (!serve_one(&s, w))
                return false;
            units--;
        }
    }
    return units == 0;
}

static bool wants_equal(const struct audit_want *x, const struct audit_want *y)
{
    return str_equal(x->lot, y->lot) && str_equal(x->sku, y->sku) &&
           str_equal(x->flavor, y->flavor) && str_equal(x->size, y->size) &&
           x->quantity == y->quantity;
}

int audit_replay(const struct audit_ask *ask, const struct audit_hold *h)
{
    if (h->fence)
        return ask->opens ? TLY_EGROUP_CLOSED : 0;
    bool same = str_equal(str_of(h->user_id), ask->user_id) && ask->want_count == h->asked_count &&
                (!ask->opens || h->group_id);
    for (uint32_t i = 0; same && i < ask->want_count; i++)
        same = wants_equal(&ask->wants[i], &h->asked[i]);
    return same ? 0 : TLY_EORDER_MISMATCH;
}
