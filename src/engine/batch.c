/* batch.c - the open batch, which decisions join, and those that are with the ledger, in order.
 *
 * Everything that a move points to is copied into its batch, so that a command may be answered and
 * gone while the ledger still works on the moves. Arrays and text chunks are kept from batch to
 * batch. When memory is short, batch_make_room says so before anything was decided.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine_internal.h"

enum { TEXT_CHUNK_BYTES = 65536, MOVES_MIN = 64 };

bool batch_full(const struct engine *e)
{
    return e->open->count >= e->config.batch_moves_max;
}

static bool text_make_room(struct text_pool *t, size_t bytes)
{
    assert(bytes <= TEXT_CHUNK_BYTES);
    if (t->chunk_count && t->used + bytes <= TEXT_CHUNK_BYTES)
        return true;
    uint32_t next = t->chunk_count ? t->current + 1 : 0;
    if (next == t->chunk_count) {
        char **chunks = realloc(t->chunks, (next + 1) * sizeof *chunks);
        if (!chunks)
            return false;
        t->chunks = chunks;
        chunks[next] = malloc(TEXT_CHUNK_BYTES);
        if (!chunks[next])
            return false;
        t->chunk_count++;
    }
    t->current = next;
    t->used = 0;
    return true;
}

static void *text_take(struct text_pool *t, size_t bytes)
{
    assert(t->used + bytes <= TEXT_CHUNK_BYTES);
    char *p = t->chunks[t->current] + t->used;
    t->used += (uint32_t)((bytes + 7) & ~(size_t)7);
    return p;
}

static bool moves_make_room(struct engine_batch *b, uint32_t moves)
{
    moves++; /* what may follow from them */
    if (b->count + moves <= b->room)
        return true;
    uint32_t room = b->room ? b->room * 2 : MOVES_MIN;
    while (room < b->count + moves)
        room *= 2;
    struct move *grown = realloc(b->moves, room * sizeof *grown);
    if (!grown)
        return false;
    b->moves = grown;
    struct undo *undos = realloc(b->undos, room * sizeof *undos);
    if (!undos)
        return false;
    b->undos = undos;
    b->room = room;
    return true;
}

bool batch_make_room(struct engine *e, uint32_t moves, uint32_t lines)
{
    size_t bytes = MOVE_TEXT_MAX + (size_t)moves * lines * sizeof(struct line);
    return moves_make_room(e->open, moves) && text_make_room(&e->open->text, bytes);
}

bool batch_reserve(struct engine *e, uint32_t moves, size_t lines)
{
    const size_t most = MOVE_TEXT_MAX + ORDER_LINES_MAX * sizeof(struct line);
    struct text_pool *t = &e->open->text;
    /* What is left of a chunk may be too small for the next move. */
    uint32_t need = 1 + (uint32_t)(lines * sizeof(struct line) / (TEXT_CHUNK_BYTES - most));
    if (!moves_make_room(e->open, moves) || !text_make_room(t, most))
        return false;
    if (t->current + 1 + need > t->chunk_count) {
        char **chunks = realloc(t->chunks, (t->current + 1 + need) * sizeof *chunks);
        if (!chunks)
            return false;
        t->chunks = chunks;
    }
    while (t->chunk_count < t->current + 1 + need) {
        char *chunk = malloc(TEXT_CHUNK_BYTES);
        if (!chunk)
            return false;
        t->chunks[t->chunk_count++] = chunk;
    }
    return true;
}

struct str batch_keep(struct engine *e, struct str text)
{
    if (str_empty(text))
        return (struct str){"", 0};
    char *p = text_take(&e->open->text, text.len);
    memcpy(p, text.p, text.len);
    return (struct str){p, text.len};
}

const struct lot_terms *batch_keep_terms(struct engine *e, const struct lot_terms *terms)
{
    struct lot_terms *kept = text_take(&e->open->text, sizeof *kept);
    *kept = *terms;
    return kept;
}

const struct line *move_lines(const struct move *m)
{
    return m->line_count > 1 ? m->lines : &m->line;
}

struct move *batch_add(struct engine *e, enum move_kind kind, struct hold *h,
                       const struct line *lines, uint16_t line_count, struct undo **undo)
{
    struct engine_batch *b = e->open;
    assert(b->count < b->room && (line_count == 0) == move_has_no_lines(kind));
    struct move *m = &b->moves[b->count];
    struct undo *u = &b->undos[b->count];
    b->count++;
    *m = (struct move){.kind = (uint8_t)kind, .line_count = line_count, .at_ms = e->now_ms};
    *u = (struct undo){.hold = h};
    m->seq = h && move_begins(m) ? h->reservation_id : engine_next_seq(e);
    if (h) {
        m->reservation_id = h->reservation_id;
        u->first_touch = !(h->touched & b->bit);
        u->was_written = h->written;
        h->moves++;
        h->touched |= (unsigned)b->bit & TOUCHED_MASK;
    }
    int64_t quantity = 0;
    for (uint16_t i = 0; i < line_count; i++) {
        quantity += lines[i].quantity;
        stock_apply(e, kind, lines[i].lot, lines[i].quantity, +1);
        backorder_moved(e, lines[i].lot, m, lines[i].quantity, +1);
        lot_users_moved(e, lines[i].lot, h, kind, lines[i].quantity, +1);
        lots_at(&e->lots, lines[i].lot)->touched |= b->bit;
    }
    m->line.quantity = quantity;
    if (h && h->in_sale) {
        hold_sale(h)->sale->touched |= b->bit;
        sale_count(h, kind, quantity, +1);
    }
    if (line_count == 1) {
        m->line.lot = lines->lot;
    } else if (line_count) {
        struct line *copy = text_take(&b->text, line_count * sizeof *lines);
        memcpy(copy, lines, line_count * sizeof *lines);
        m->lines = copy;
    }
    if (undo)
        *undo = u;
    return m;
}

void batch_clear(struct engine_batch *b)
{
    assert(!b->due.first && !b->again.first);
    sale_versions_free(b);
    b->count = 0;
    b->unknown = b->dead = b->expires = false;
    b->text.current = 0;
    b->text.used = 0;
    b->batch = (struct batch){0};
}

void batch_close(struct engine_batch *b)
{
    for (uint32_t i = 0; i < b->text.chunk_count; i++)
        free(b->text.chunks[i]);
    free(b->text.chunks);
    free(b->moves);
    free(b->undos);
}

/* The newest batch in `touched`; NULL for none. */
static struct engine_batch *newest(const struct engine *e, uint8_t touched)
{
    if (touched & e->open->bit)
        return e->open;
    for (uint32_t i = e->flight_count; touched && i-- > 0;) {
        if (touched & e->flights[i]->bit)
            return e->flights[i];
    }
    return NULL;
}

uint64_t batch_number_of(const struct engine *e, uint8_t touched)
{
    const struct engine_batch *b = newest(e, touched);
    if (!b)
        return 0;
    return b == e->open ? e->batch_number + 1 : b->batch.number;
}

uint8_t batch_bits_of(const struct engine *e, uint64_t number)
{
    if (number == 0)
        return 0;
    if (number == e->batch_number + 1)
        return e->open->bit;
    for (uint32_t i = 0; i < e->flight_count; i++) {
        if (e->flights[i]->batch.number == number)
            return e->flights[i]->bit;
    }
    return 0;
}

uint8_t batch_bit_of_seq(const struct engine *e, int64_t seq)
{
    for (uint32_t i = 0; i < e->flight_count; i++) {
        const struct engine_batch *f = e->flights[i];
        if (f->count && seq <= f->moves[f->count - 1].seq)
            return f->bit;
    }
    return e->open->bit;
}

bool batch_is_unknown(const struct engine *e, uint8_t touched)
{
    return e->unknown & touched;
}

void batch_attach(struct engine *e, struct command *c, uint8_t touched)
{
    struct engine_batch *b = newest(e, touched);
    if (!b)
        engine_reply(e, c);
    else if (b->unknown)
        engine_refuse(e, c, TLY_EOUTCOME_UNKNOWN, NULL);
    else
        list_push(&b->due, c);
}

void batch_attach_again(struct engine *e, struct command *c, uint8_t touched)
{
    struct engine_batch *b = newest(e, touched);
    assert(b);
    if (b->unknown)
        engine_refuse(e, c, TLY_EOUTCOME_UNKNOWN, NULL);
    else
        list_push(&b->again, c);
}

struct engine_batch *batch_land(struct engine *e)
{
    assert(e->flight_count);
    struct engine_batch *f = e->flights[0];
    e->flight_count--;
    for (uint32_t i = 0; i < e->flight_count; i++)
        e->flights[i] = e->flights[i + 1];
    return f;
}

/* The oldest of the reservations that are PENDING, the OPEN groups and the sales that are not over
 * once the open batch commits. */
static int64_t oldest_pending(const struct engine *e)
{
    int64_t oldest = e->last_seq + 1;
    const struct hold *h = e->holds.oldest;
    while (h && h->state != HOLD_PENDING && !hold_has_place(h))
        h = h->newer;
    if (h)
        oldest = h->reservation_id;
    const struct group *g = e->groups.oldest;
    while (g && g->status != GROUP_IS_OPEN)
        g = g->newer;
    if (g && g->group_id < oldest)
        oldest = g->group_id;
    const struct sale *sale = e->sales.oldest;
    while (sale && sale_is_over(e, sale))
        sale = sale->newer;
    return sale && sale->created_seq < oldest ? sale->created_seq : oldest;
}

static int64_t oldest_needed(struct engine *e)
{
    const int64_t needed[] = {backorder_oldest(e), lot_users_oldest(e)};
    int64_t oldest = oldest_pending(e);
    for (unsigned i = 0; i < 2; i++)
        oldest = needed[i] < oldest ? needed[i] : oldest;
    return oldest;
}

static struct engine_batch *spare(struct engine *e)
{
    for (uint32_t i = 0; i < sizeof e->batches / sizeof e->batches[0]; i++) {
        struct engine_batch *b = &e->batches[i];
        bool used = b == e->open;
        for (uint32_t j = 0; j < e->flight_count; j++)
            used = used || b == e->flights[j];
        if (!used)
            return b;
    }
    return NULL;
}

/* Behind a batch that failed none is submitted until the ledger has let go of all that it refuses
 * with that one. */
struct batch *engine_seal(struct engine *e)
{
    if (e->open->count == 0 || e->flight_count >= e->config.batches_max || e->unknown ||
        (e->flight_count && e->flights[0]->dead))
        return NULL;
    struct engine_batch *b = e->open;
    e->open = spare(e);
    assert(e->open && e->open->count == 0);
    e->flights[e->flight_count++] = b;
    b->batch = (struct batch){
        .moves = b->moves,
        .move_count = b->count,
        .number = ++e->batch_number,
        .oldest_pending = e->config.shared ? 0 : oldest_needed(e),
        .load = e->config.shared ? &e->shared.loads[e->shared.current] : NULL,
    };
    return &b->batch;
}

void engine_sealed(struct engine *e)
{
    engine_pump(e);
}
