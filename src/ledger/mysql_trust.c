/* mysql_trust.c - a load that is answered from what this node knew last,
 * without asking: new orders on lots of which no hold is due. The commit proves
 * it (mysql_write.c), or is STALE. */
#include <stdlib.h>

#include "base/clock.h"
#include "ledger/mysql_load.h"

enum { SKU_FRESH_MS = 1000 };

static bool lot_is_trusted(const struct known_lot *lot, int64_t now_ms)
{
    bool plain = lot->terms.per_user_limit == 0 && lot->terms.backorder_most == 0;
    return plain && lot->proved && lot->due_ms > now_ms;
}

bool mydb_load_take(struct mydb_loading *g, const struct known_lot *lot)
{
    if (g->row_count == g->row_room) {
        uint32_t room = g->row_room ? g->row_room * 2 : 64;
        struct loaded_lot *rows = realloc(g->rows, room * sizeof *rows);
        if (!rows)
            return false;
        g->rows = rows;
        g->row_room = room;
    }
    g->rows[g->row_count++] = (struct loaded_lot){.id = lot->id,
                                                  .dims = lot->dims,
                                                  .terms = lot->terms,
                                                  .stock = lot->stock,
                                                  .created_ms = lot->created_ms};
    return true;
}

static bool trust_sku(struct mydb_worker *w, struct str name)
{
    const struct load *load = w->loading.load;
    const struct known_sku *sku = mydb_known_sku(&w->ledger->known, name);
    if (!sku || clock_monotonic_ns() - sku->read_ns > SKU_FRESH_MS * UINT64_C(1000000))
        return false;
    for (const struct known_lot *lot = sku->first; lot; lot = lot->of_sku)
        if (!lot_is_trusted(lot, load->now_ms) || !mydb_load_take(&w->loading, lot))
            return false;
    return true;
}

static bool trust_key(struct mydb_worker *w, const struct load_key *k)
{
    const struct known_lot *lot;
    switch ((enum load_key_kind)k->kind) {
    case LOAD_ORDER:
        return !(k->takes && w->loading.load->user_holds); /* a new one: its unique key proves it */
    case LOAD_LOT:
        lot = mydb_known_key(&w->ledger->known, k->text);
        return lot && lot_is_trusted(lot, w->loading.load->now_ms) &&
               mydb_load_take(&w->loading, lot);
    case LOAD_SKU:
        return trust_sku(w, k->text);
    default:
        return false;
    }
}

/* True if the load was filled in from what is known. */
bool mydb_trust(struct mydb_worker *w, struct load *load)
{
    struct mydb_loading *g = &w->loading;
    if (!load->writes || load->attempt || !load->key_count || !w->db.mysql || w->down)
        return false;
    if (w->trust_after) {
        w->trust_after--;
        return false;
    }
    bool trusted = true;
    for (uint32_t i = 0; trusted && i < load->key_count; i++)
        trusted = trust_key(w, &load->keys[i]);
    if (!trusted || !g->row_count) {
        g->row_count = 0;
        return false;
    }
    load->assumed = true;
    load->next_deadline_ms = w->next_deadline_ms;
    return true;
}
