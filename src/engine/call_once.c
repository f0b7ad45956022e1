/* call_once.c - calls that name themselves (shipment_id, return_id, change_id) are done once.
 *
 * The id stands in the move's detail, and beside it the fingerprint of what was asked for: the same
 * id again is answered as done if the fingerprint is the same, or it is ORDER_MISMATCH. The record
 * tells; a hold that is not `written` has no such moves.
 */
#include "base/hash.h"
#include "engine/decide_move.h"

/* A sum over the lines, each by what it names, times its units: neither their order counts, nor
 * whether a lot is named twice. */
uint64_t call_fingerprint(const struct engine *e, const struct command *c)
{
    uint64_t seed = e->config.hash_seed;
    uint64_t sum = c->kind == COMMAND_REFUND
                       ? (uint64_t)c->move.reason << 8 | (c->move.no_restock ? 2u : 1u)
                       : 0;
    for (uint16_t i = 0; i < c->move.want_count; i++) {
        const struct want *w = &c->move.wants[i];
        uint64_t hash = hash64(w->lot, seed);
        hash = hash64(w->sku, hash);
        hash = hash64(w->flavor, hash);
        hash = hash64(w->size, hash);
        sum += (hash64(w->batch, hash) | 1) * (uint64_t)w->quantity;
    }
    return sum ? sum : 1;
}

static bool is_of(enum move_kind kind, const struct command *c)
{
    if (c->kind == COMMAND_SHIP)
        return kind == MOVE_SHIP;
    if (c->kind == COMMAND_CHANGE)
        return kind == MOVE_CHANGE;
    return kind == MOVE_RETURN || kind == MOVE_RESTOCK || kind == MOVE_WRITE_OFF ||
           kind == MOVE_DISCARD;
}

bool call_was_made(const struct engine *e, struct moving *m, int *code)
{
    for (uint32_t i = 0; m->was && m->c->move.id.len && i < m->was->move_count; i++) {
        const struct reservation_move *before = &m->was->moves[i];
        if (!is_of((enum move_kind)before->kind, m->c) || !str_equal(before->detail, m->c->move.id))
            continue;
        m->c->move.replayed = before->fingerprint == call_fingerprint(e, m->c);
        *code = m->c->move.replayed ? 0 : TLY_EORDER_MISMATCH;
        return true;
    }
    return false;
}

int call_check_id(struct command *c, const char *field)
{
    if (c->move.id.len > MOVE_ID_MAX)
        return engine_say(c, TLY_EINVALID_ARGUMENT, "%s has at most %d bytes", field, MOVE_ID_MAX);
    return 0;
}

void call_write(struct engine *e, struct moving *m, struct move *move, struct str id)
{
    move->detail = id;
    move->fingerprint = id.len ? call_fingerprint(e, m->c) : 0;
    m->h->written = 1;
}
