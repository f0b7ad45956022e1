/* order_book.c - chunks of entries behind a growing table of pointers, and the draw of a plan.
 *
 * A plan's parts are draws of a generator of its own that the run's seed and the order's number
 * give, so that each is independent of the others and of every other order.
 *
 * Failure modes: order_book_add() when memory runs short or every index is given out; the book is
 * then as it was before.
 */
#include "loadgen/order_book.h"

#include <assert.h>
#include <stdlib.h>

#include "loadgen/teams.h"

enum draw { DRAW_LOT, DRAW_QUANTITY, DRAW_FATE, DRAW_RETRY };

static uint64_t draw_of(uint64_t seed, uint64_t order, enum draw d)
{
    return random_at(random_at(seed, order), d);
}

static double unit_of(uint64_t draw)
{
    return (double)(draw >> 11) * 0x1.0p-53;
}

static enum order_fate fate_of(const struct order_mix *mix, uint64_t order)
{
    if (mix->sessions)
        return FATE_RETURN;
    double unit = unit_of(draw_of(mix->seed, order, DRAW_FATE));
    if (unit < mix->pay)
        return FATE_PAY;
    if (unit < mix->pay + mix->cancel)
        return FATE_CANCEL;
    return unit < mix->pay + mix->cancel + mix->expire ? FATE_EXPIRE : FATE_KEEP;
}

struct order_plan order_plan_of(const struct order_mix *mix, uint64_t order)
{
    uint32_t batch = mix->batch > 1 ? mix->batch : 1;
    uint64_t first = order - order_index(order) % batch;
    struct order_plan plan = {
        .lot = choice_pick(&mix->choice, draw_of(mix->seed, first, DRAW_LOT)),
        .quantity = 1,
        .fate = fate_of(mix, first),
        .retry = unit_of(draw_of(mix->seed, order, DRAW_RETRY)) < mix->retry,
    };
    plan.hold_ms = plan.fate == FATE_EXPIRE ? mix->expire_ms : mix->hold_ms;
    if (mix->quantity_max > 1)
        plan.quantity += (uint32_t)(((unsigned __int128)draw_of(mix->seed, first, DRAW_QUANTITY) *
                                     mix->quantity_max) >>
                                    64);
    if (mix->teams.size) {
        plan.fate = team_fate(mix, order);
        plan.hold_ms = mix->hold_ms;
        if (team_place(mix, order) == team_place_again(mix))
            plan.quantity = mix->teams.user_limit;
    }
    return plan;
}

void order_book_init(struct order_book *b, uint32_t thread)
{
    assert(thread < BOOKS_MAX);
    *b = (struct order_book){.thread = thread};
}

void order_book_close(struct order_book *b)
{
    for (size_t i = 0; i < b->chunk_count; i++)
        free(b->chunks[i]);
    free(b->chunks);
    free(b->teams);
    order_book_init(b, b->thread);
}

static bool add_chunk(struct order_book *b)
{
    if (b->chunk_count == b->chunk_capacity) {
        size_t capacity = b->chunk_capacity ? 2 * b->chunk_capacity : 64;
        struct order_entry **chunks = realloc(b->chunks, capacity * sizeof(*chunks));
        if (!chunks)
            return false;
        b->chunks = chunks;
        b->chunk_capacity = capacity;
    }
    struct order_entry *chunk = calloc(ORDER_CHUNK, sizeof(*chunk));
    if (!chunk)
        return false;
    b->chunks[b->chunk_count++] = chunk;
    return true;
}

bool order_book_add(struct order_book *b, uint64_t *order)
{
    if (b->count >> ORDER_INDEX_BITS)
        return false;
    if (b->count == (uint64_t)b->chunk_count * ORDER_CHUNK && !add_chunk(b))
        return false;
    *order = order_number(b->thread, b->count++);
    return true;
}

bool order_book_add_team(struct order_book *b, uint32_t orders, uint64_t *first)
{
    if (b->team_count == b->team_capacity) {
        size_t capacity = b->team_capacity ? 2 * b->team_capacity : 1024;
        struct team *teams = realloc(b->teams, capacity * sizeof(*teams));
        if (!teams)
            return false;
        b->teams = teams;
        b->team_capacity = capacity;
    }
    for (uint32_t i = 0; i < orders; i++) {
        uint64_t order;
        if (!order_book_add(b, &order)) {
            b->count -= i; /* what has no team is not there */
            return false;
        }
        if (i == 0)
            *first = order;
    }
    b->teams[b->team_count++] = (struct team){0};
    return true;
}

struct order_entry *order_book_at(const struct order_book *b, uint64_t order)
{
    uint64_t index = order_index(order);
    assert(order_thread(order) == b->thread && index < b->count);
    return &b->chunks[index / ORDER_CHUNK][index % ORDER_CHUNK];
}

uint64_t order_number(uint32_t thread, uint64_t index)
{
    return (uint64_t)thread << ORDER_INDEX_BITS | index;
}

uint32_t order_thread(uint64_t order)
{
    return (uint32_t)(order >> ORDER_INDEX_BITS);
}

uint64_t order_index(uint64_t order)
{
    return order & ((UINT64_C(1) << ORDER_INDEX_BITS) - 1);
}
