/* content.c - is this the order that was made under its order_id?
 *
 * The fingerprint of an order's content stands in the row of its RESERVE and in its hold, so the
 * answer is the same whenever it is asked: before and after the hold ends, before and after a
 * restart. Its sale and group are content, as asked for; hold_ms is not.
 *
 * Rows written before there were fingerprints have none. Then the content is the same when the user
 * is, and the units that are wanted can be laid out over those that were reserved, to the unit and
 * with none left over. That is a matching, not a matter of who comes first: a want may have to give
 * a lot up for another one that fits nowhere else.
 */
#include <string.h>

#include "base/hash.h"
#include "engine/engine_internal.h"

uint64_t order_fingerprint(const struct reserve_command *r)
{
    uint64_t content = r->fingerprint;
    if (r->extra && !str_empty(r->extra->sale_id))
        content = hash64(r->extra->sale_id, content + (uint64_t)r->extra->group_id);
    return content ? content : 1;
}

/* Units of wants laid out over reserved lines. Nodes of the search are the wants, then
 * the lines. */
struct layout {
    uint16_t wants;
    uint16_t lines;
    int64_t need[ORDER_LINES_MAX]; /* of a want, not laid out yet */
    int64_t left[ORDER_LINES_MAX]; /* of a line, not covered yet */
    int64_t flow[ORDER_LINES_MAX][ORDER_LINES_MAX];
    uint64_t fits[ORDER_LINES_MAX]; /* of a want: a bit for each line that it may be served from */
};

static bool want_fits(const struct engine *e, const struct want *w, lot_id id)
{
    if (!lots_has(&e->lots, id))
        return false;
    const struct lot *lot = lots_at(&e->lots, id);
    bool named =
        str_empty(w->lot) ? str_equal(lot->dims.sku, w->sku) : str_equal(lot->dims.key, w->lot);
    return named && lot_matches(lot, w->flavor, w->size, w->batch);
}

/* Breadth first from a want over lines that fit it, and from a full line back over the wants that
 * cover it, to a line with units left. `from` gets each node's predecessor. That line, or -1. */
static int find_path(const struct layout *l, uint16_t want, int16_t *from)
{
    uint16_t queue[2 * ORDER_LINES_MAX];
    unsigned head = 0, tail = 0;
    memset(from, -1, 2 * ORDER_LINES_MAX * sizeof *from);
    from[want] = (int16_t)want;
    queue[tail++] = want;
    while (head < tail) {
        uint16_t node = queue[head++];
        bool is_want = node < ORDER_LINES_MAX;
        uint16_t line = is_want ? 0 : (uint16_t)(node - ORDER_LINES_MAX);
        if (!is_want && l->left[line])
            return line;
        for (int i = 0; i < (is_want ? l->lines : l->wants); i++) {
            uint16_t next = (uint16_t)(is_want ? ORDER_LINES_MAX + i : i);
            bool open = is_want ? l->fits[node] >> i & 1 : l->flow[i][line] > 0;
            if (!open || from[next] >= 0)
                continue;
            from[next] = (int16_t)node;
            queue[tail++] = next;
        }
    }
    return -1;
}

/* Moves as many units along the path as it bears. */
static void lay_out(struct layout *l, uint16_t want, uint16_t line, const int16_t *from)
{
    int64_t units = l->need[want] < l->left[line] ? l->need[want] : l->left[line];
    for (int at = ORDER_LINES_MAX + line; at != want; at = from[at]) {
        if (at < ORDER_LINES_MAX && l->flow[at][from[at] - ORDER_LINES_MAX] < units)
            units = l->flow[at][from[at] - ORDER_LINES_MAX];
    }
    for (int at = ORDER_LINES_MAX + line; at != want; at = from[at]) {
        if (at < ORDER_LINES_MAX)
            l->flow[at][from[at] - ORDER_LINES_MAX] -= units;
        else
            l->flow[from[at]][at - ORDER_LINES_MAX] += units;
    }
    l->need[want] -= units;
    l->left[line] -= units;
}

static bool covered(const struct engine *e, const struct reserve_command *r,
                    const struct line *lines, uint32_t count)
{
    struct layout l = {.wants = r->want_count, .lines = (uint16_t)count};
    int64_t open = 0;
    for (uint32_t j = 0; j < count; j++) {
        l.left[j] = lines[j].quantity;
        open += lines[j].quantity;
    }
    for (uint16_t i = 0; i < r->want_count; i++) {
        l.need[i] = r->wants[i].quantity;
        open -= l.need[i];
        for (uint32_t j = 0; j < count; j++)
            l.fits[i] |= (uint64_t)want_fits(e, &r->wants[i], lines[j].lot) << j;
    }
    int16_t from[2 * ORDER_LINES_MAX];
    for (uint16_t i = 0; open == 0 && i < r->want_count; i++) {
        while (l.need[i] > 0) {
            int line = find_path(&l, i, from);
            if (line < 0)
                return false;
            lay_out(&l, i, (uint16_t)line, from);
        }
    }
    return open == 0;
}

bool order_same_content(const struct engine *e, const struct reserve_command *r,
                        const struct reservation_record *record)
{
    if (record->fingerprint)
        return record->fingerprint == order_fingerprint(r);
    if (!str_equal(r->user_id, record->user_id) || r->want_count > ORDER_LINES_MAX ||
        record->line_count_reserved > ORDER_LINES_MAX)
        return false;
    return covered(e, r, record->reserved_lines, record->line_count_reserved);
}
