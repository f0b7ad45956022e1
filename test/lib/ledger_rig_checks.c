/* What a rig was told against what the ledger says. See ledger_rig.h. */
#include "fixture.h"

#include "ledger_rig.h"

static void apply(struct stock *s, const struct move *m, lot_id lot)
{
    const struct line *lines = m->line_count > 1 ? m->lines : &m->line;
    for (uint16_t i = 0; i < m->line_count; i++) {
        if (lines[i].lot != lot)
            continue;
        int64_t n = lines[i].quantity;
        s->version++;
        switch (m->kind) {
        case MOVE_CREATE:
        case MOVE_ADJUST:
            s->on_hand += n;
            break;
        case MOVE_RESERVE:
        case MOVE_CHANGE:
            s->reserved += n;
            break;
        case MOVE_RESTOCK:
            s->on_hand += n;
            break;
        case MOVE_SHIP:
        case MOVE_WRITE_OFF:
            s->on_hand -= n;
            s->confirmed -= n;
            break;
        case MOVE_RECLAIM:
            s->confirmed += n;
            break;
        case MOVE_CONFIRM:
            s->reserved -= n;
            s->confirmed += n;
            break;
        case MOVE_RELEASE:
        case MOVE_REFUND:
            s->reserved -= n;
            break;
        case MOVE_RETURN:
            s->confirmed -= n;
            break;
        default:
            assert_true(m->kind == MOVE_EXTEND || m->kind == MOVE_DISCARD ||
                        m->kind == MOVE_LOT_TERMS);
        }
    }
}

struct stock rig_stock_told(const struct rig *rig, lot_id lot)
{
    struct stock s = {0};
    for (size_t i = 0; i < rig->told.count; i++)
        apply(&s, &rig->told.at[i].move, lot);
    return s;
}

static void same_stock(struct stock a, struct stock b)
{
    assert_int_equal(a.on_hand, b.on_hand);
    assert_int_equal(a.reserved, b.reserved);
    assert_int_equal(a.confirmed, b.confirmed);
    assert_int_equal(a.version, b.version);
}

void rig_check_stock(struct rig *rig)
{
    for (lot_id lot = 1; lot <= rig->lots; lot++)
        same_stock(rig->factory->stock(rig, lot), rig_stock_told(rig, lot));
}

static void same_text(struct str a, struct str b)
{
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.p, b.p, a.len);
}

static void same_move(const struct move *a, const struct move *b)
{
    assert_int_equal(a->seq, b->seq);
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->reservation_id, b->reservation_id);
    assert_int_equal(a->at_ms, b->at_ms);
    assert_int_equal(a->deadline_ms, b->deadline_ms);
    assert_int_equal(a->reason, b->reason);
    assert_int_equal(a->line_count, b->line_count);
    assert_int_equal(a->line.lot, b->line.lot);
    assert_int_equal(a->line.quantity, b->line.quantity);
    for (uint16_t i = 0; a->line_count > 1 && i < a->line_count; i++) {
        assert_int_equal(a->lines[i].lot, b->lines[i].lot);
        assert_int_equal(a->lines[i].quantity, b->lines[i].quantity);
    }
    same_text(a->order_id, b->order_id);
    same_text(a->user_id, b->user_id);
    same_text(a->detail, b->detail);
    same_text(a->note, b->note);
    if (move_begins(a))
        assert_int_equal(a->order_hash, b->order_hash);
    assert_int_equal(a->sale, b->sale);
    assert_int_equal(a->group_id, b->group_id);
    assert_int_equal(a->fingerprint, b->fingerprint);
    if (a->kind == MOVE_CREATE)
        same_text(a->dims->key, b->dims->key);
}

/* Recovery may leave out moves that nobody needs: those before all that it hands over. */
void rig_check_loaded(struct rig *rig)
{
    size_t skipped = rig->told.count - rig->loaded.count;
    assert_true(rig->loaded.count <= rig->told.count);
    for (size_t i = 0; i < rig->loaded.count; i++)
        same_move(&rig->loaded.at[i].move, &rig->told.at[skipped + i].move);
    for (lot_id lot = 1; lot <= rig->loaded_lots.count; lot++) {
        struct stock s = rig->loaded_stock[lot - 1];
        for (size_t i = 0; i < rig->loaded.count; i++) {
            if (!rig->loaded.at[i].in_stock)
                apply(&s, &rig->loaded.at[i].move, lot);
        }
        same_stock(s, rig_stock_told(rig, lot));
    }
}
