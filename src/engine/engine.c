/* engine.c - life of an engine, and the way of a command through it (engine_internal.h lists the
 * files on that way).
 *
 * Happy path: engine_command() decides at once and the command waits in a batch's list for the
 * outcome. It is refused here if it is late or there are too many; it is put off, in order, while
 * the open batch is full, and while holds that concern it are due and not written yet. Who waits
 * for holds does not keep those from their turn whom they do not concern.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/zone.h"
#include "engine/engine_internal.h"

enum { FORGET_INTERVAL_MS = 60000 };

static int check_config(const struct engine_config *c, struct error *e)
{
    if (c->node > NODE_MAX)
        return error_set(e, TLY_EINVALID_ARGUMENT, "node", "node is 0 to %d", NODE_MAX);
    if (!c->lots_max || !c->holds_max || !c->batch_moves_max || !c->waiting_max ||
        !c->questions_max || !c->stale_tries_max)
        return error_set(e, TLY_EINVALID_ARGUMENT, "", "a limit of the engine is 0");
    if (c->sales_max > SALES_MAX)
        return error_set(e, TLY_EINVALID_ARGUMENT, "sales_max", "there are at most %d sales",
                         SALES_MAX);
    if (c->batches_max > FLIGHTS_MAX)
        return error_set(e, TLY_EINVALID_ARGUMENT, "", "at most %d batches are under way",
                         FLIGHTS_MAX);
    if (c->hold_default_ms < 1 || c->hold_max_ms < 1 || c->hold_total_max_ms < 1 ||
        c->refund_window_ms < 0 || c->order_retention_ms < 0)
        return error_set(e, TLY_EINVALID_ARGUMENT, "", "a time of the engine is out of range");
    return 0;
}

static uint32_t bound(uint32_t given, uint32_t most)
{
    return given ? given : most;
}

int engine_create(struct engine **out, const struct engine_config *config, struct error *err)
{
    int code = check_config(config, err);
    if (code)
        return code;
    struct engine *e = calloc(1, sizeof *e);
    if (!e)
        return error_set(err, TLY_ENO_MEMORY, "", "no memory for the engine");
    e->config = *config;
    if (!e->config.batches_max || e->config.shared)
        e->config.batches_max = 1;
    e->config.sales_max = bound(config->sales_max, SALES_MAX);
    e->config.groups_max = bound(config->groups_max, UINT32_MAX);
    e->config.user_entries_max = bound(config->user_entries_max, UINT32_MAX);
    e->config.backorders_max = bound(config->backorders_max, UINT32_MAX);
    for (unsigned i = 0; i <= FLIGHTS_MAX; i++)
        e->batches[i].bit = (uint8_t)(1u << i);
    e->open = &e->batches[0];
    e->loading = true;
    e->day_ends_ms = INT64_MIN;
    e->limited_first = INT64_MAX;
    e->timers = timers_create();
    if (!e->timers || lots_init(&e->lots, config->lots_max, config->hash_seed) ||
        holds_init(&e->holds, config->holds_max) || questions_init(e) ||
        sales_init(&e->sales, config->hash_seed) || groups_init(&e->groups) ||
        (config->shared && shared_init(e)) ||
        order_index_create(&e->orders, config->order_memory_max, err)) {
        engine_destroy(e);
        return error_set(err, TLY_ENO_MEMORY, "", "no memory for the engine");
    }
    order_index_set_loading(e->orders, true);
    *out = e;
    return 0;
}

void engine_destroy(struct engine *e)
{
    if (!e)
        return;
    for (int i = 0; i <= FLIGHTS_MAX; i++) {
        struct command *c;
        while ((c = list_take(&e->batches[i].again)))
            command_drop(c);
        sale_versions_drop(&e->batches[i]);
        batch_close(&e->batches[i]);
    }
    for (struct command *c = e->deferred.first; c; c = c->link)
        command_drop(c);
    for (struct command *c = e->awaiting.first; c; c = c->link)
        command_drop(c);
    sales_close(&e->sales);
    groups_close(&e->groups);
    user_units_close(&e->user_holds);
    user_units_close(&e->loading_sales);
    user_units_close(&e->loading_users);
    unknown_forget(e);
    shared_close(e);
    questions_close(e);
    order_index_destroy(e->orders);
    holds_close(&e->holds);
    lots_close(&e->lots);
    timers_destroy(e->timers);
    free(e);
}

void list_push(struct command_list *list, struct command *c)
{
    c->link = NULL;
    if (list->last)
        list->last->link = c;
    else
        list->first = c;
    list->last = c;
}

struct command *list_take(struct command_list *list)
{
    struct command *c = list->first;
    if (!c)
        return NULL;
    list->first = c->link;
    if (!list->first)
        list->last = NULL;
    c->link = NULL;
    return c;
}

int engine_say(struct command *c, int code, const char *format, ...)
{
    if (c && c->text && c->text_size) {
        va_list args;
        va_start(args, format);
        vsnprintf(c->text, c->text_size, format, args);
        va_end(args);
    }
    return code;
}

void engine_reply(struct engine *e, struct command *c)
{
    if (e->config.shared && shared_is_uncertain(e, c)) {
        list_push(&e->shared.uncertain, c);
        return;
    }
    assert(e->inside > 0);
    e->inside--;
    list_push(&e->replies, c);
}

void engine_refuse(struct engine *e, struct command *c, int code, const char *format, ...)
{
    const struct command_kind_row *kind = kind_of(c);
    if (kind->settle)
        kind->settle(e, c);
    c->code = code;
    if (c->kind == COMMAND_RESERVE)
        c->reserve.code = code;
    if (c->kind == COMMAND_OPEN_GROUP && c->group.order)
        c->group.order->code = code;
    if (format && c->text && c->text_size) {
        va_list args;
        va_start(args, format);
        vsnprintf(c->text, c->text_size, format, args);
        va_end(args);
    }
    engine_reply(e, c);
}

bool engine_takes_writes(const struct engine *e)
{
    return e->available && !e->unknown && e->loading_added == e->loading_count;
}

static void clear_answer(struct command *c)
{
    c->code = 0;
    if (c->text && c->text_size)
        c->text[0] = 0;
}

bool engine_is_short(const struct engine *e)
{
    if (e->config.shared)
        return !e->shared.deciding;
    return engine_takes_writes(e) && (e->marking || batch_full(e));
}

bool engine_must_wait(const struct engine *e)
{
    return engine_is_short(e) || (!e->config.shared && engine_takes_writes(e) && due_any(e));
}

/* Due holds, and groups. */
static bool awaits(const struct engine *e, const struct command *c)
{
    if (!due_any(e) || e->config.shared || !engine_takes_writes(e))
        return false;
    const struct command_kind_row *kind = kind_of(c);
    return !kind->concerned || kind->concerned(e, c);
}

bool engine_waits(const struct engine *e, const struct command *c)
{
    return engine_is_short(e) || awaits(e, c);
}

void engine_defer(struct engine *e, struct command *c)
{
    list_push(engine_is_short(e) ? &e->deferred : &e->awaiting, c);
}

void engine_put_off(struct engine *e, struct command *c)
{
    c->noted = true;
    engine_defer(e, c);
}

/* From the start: the command may have been decided before, and undone. */
void engine_dispatch(struct engine *e, struct command *c)
{
    const struct command_kind_row *kind = kind_of(c);
    bool gathers = e->config.shared && kind->keys && !e->shared.deciding;
    if (gathers || (kind->sees_stock && e->marking)) {
        list_push(kind->writes ? &e->deferred : &e->put_off, c);
        return;
    }
    clear_answer(c);
    kind->decide(e, c);
}

/* Also of one that waited for room in a batch: nothing of it was done, and nothing will be. */
static bool is_late(const struct engine *e, const struct command *c)
{
    return c->deadline_ns && c->deadline_ns < e->monotonic_ns;
}

static void refuse_late(struct engine *e, struct command *c)
{
    e->stats.late_total++;
    engine_refuse(e, c, TLY_EOVERLOADED, "its deadline had passed when its turn came");
}

void engine_command(struct engine *e, struct command *c)
{
    assert(!e->loading);
    const struct command_kind_row *kind = kind_of(c);
    c->tries = 0;
    c->noted = false;
    if (kind->accept)
        kind->accept(c);
    clear_answer(c);
    e->inside++;
    if (is_late(e, c)) {
        refuse_late(e, c);
    } else if (e->inside > e->config.waiting_max) {
        engine_refuse(e, c, TLY_EOVERLOADED, "%u commands are waiting", e->config.waiting_max);
    } else if (!kind->writes || (kind->at_once && kind->at_once(e, c))) {
        engine_dispatch(e, c);
    } else if (e->deferred.first || engine_is_short(e)) {
        list_push(&e->deferred, c);
    } else if (awaits(e, c)) {
        list_push(&e->awaiting, c);
    } else {
        engine_dispatch(e, c);
    }
}

void engine_prefetch(const struct engine *e, const struct command *c)
{
    const struct command_kind_row *kind = kind_of(c);
    if (kind->prefetch)
        kind->prefetch(e, c);
}

void engine_prefetch_near(const struct engine *e, const struct command *c)
{
    const struct command_kind_row *kind = kind_of(c);
    if (kind->prefetch_near)
        kind->prefetch_near(e, c);
}

struct command *engine_replies(struct engine *e)
{
    struct command *first = e->replies.first;
    e->replies = (struct command_list){0};
    return first;
}

static void resume(struct engine *e, struct command *c)
{
    bool noted = c->noted;
    c->noted = false;
    if (noted)
        kind_of(c)->resume(e, c);
    else
        engine_dispatch(e, c);
}

static void refuse_all(struct engine *e, struct command_list *list)
{
    struct command *c;
    while ((c = list_take(list))) {
        command_drop(c);
        engine_refuse(e, c, TLY_EOVERLOADED, "out of memory");
    }
}

/* The next of those that were put off. */
static void take_up(struct engine *e, struct command *c)
{
    if (is_late(e, c)) {
        command_drop(c);
        refuse_late(e, c);
    } else if (awaits(e, c)) {
        list_push(&e->awaiting, c);
    } else {
        resume(e, c);
    }
}

/* Who waits for due holds and groups, in the order in which they came; only if some have left
 * since. */
static void take_up_awaiting(struct engine *e)
{
    bool same = e->awaiting_seen == e->due_left && !e->awaiting_cut;
    if (!e->awaiting.first || engine_is_short(e) || (same && due_any(e) && engine_takes_writes(e)))
        return;
    struct command_list list = e->awaiting;
    e->awaiting = (struct command_list){0};
    e->awaiting_seen = e->due_left;
    while (list.first && !engine_is_short(e))
        take_up(e, list_take(&list));
    e->awaiting_cut = list.first;
    struct command *c;
    while ((c = list_take(&list)))
        list_push(&e->awaiting, c);
}

void engine_pump(struct engine *e)
{
    if (e->config.shared || !engine_index_complete(e))
        return;
    if (!group_expire(e) || !due_expire(e)) {
        refuse_all(e, &e->awaiting);
        refuse_all(e, &e->deferred);
    }
    take_up_awaiting(e);
    while (e->deferred.first && !engine_is_short(e))
        take_up(e, list_take(&e->deferred));
}

void engine_advance(struct engine *e, int64_t now_ms, uint64_t monotonic_ns)
{
    if (now_ms > e->now_ms)
        e->now_ms = now_ms;
    if (e->now_ms >= e->day_ends_ms)
        e->today = zone_day(e->config.expiry_zone, e->now_ms, &e->day_ends_ms);
    if (monotonic_ns > e->monotonic_ns)
        e->monotonic_ns = monotonic_ns;
    if (e->loading)
        return;
    if (!e->config.shared)
        due_take(e);
    engine_pump(e);
    if (e->now_ms - e->forgot_ms >= FORGET_INTERVAL_MS) {
        e->forgot_ms = e->now_ms;
        lot_users_sweep(e);
        order_index_forget(e->orders, seq_first_of_ms(e->now_ms - e->config.order_retention_ms));
        sales_sweep(e);
    }
}

void engine_set_available(struct engine *e, bool available)
{
    e->available = available;
    if (!e->loading)
        engine_pump(e);
}

int64_t engine_next_deadline(const struct engine *e)
{
    const struct shared *s = &e->shared;
    if (!e->config.shared) {
        int64_t holds_ms = timers_next(e->timers);
        int64_t groups_ms = groups_next_end(&e->groups);
        return holds_ms < groups_ms ? holds_ms : groups_ms;
    }
    bool under_way = s->state != LOAD_NONE || e->flight_count;
    return under_way || !engine_takes_writes(e) ? INT64_MAX : s->look_ms;
}

int64_t engine_gate_deadline(const struct engine *e)
{
    return e->groups.due_first ? 0 : engine_next_deadline(e);
}

int64_t engine_settled_deadline(const struct engine *e)
{
    bool open = e->due.first || e->parked.first || e->open->expires;
    for (uint32_t i = 0; i < e->flight_count; i++)
        open = open || e->flights[i]->expires;
    return open ? 0 : engine_gate_deadline(e);
}

/* Never goes back: neither with the clock nor when a millisecond's numbers are used up. */
int64_t engine_next_seq(struct engine *e)
{
    const uint32_t per_ms = UINT32_C(1) << SEQ_COUNTER_BITS;
    if (e->now_ms > e->seq_ms) {
        e->seq_ms = e->now_ms;
        e->seq_counter = 0;
    } else if (++e->seq_counter >= per_ms) {
        e->seq_ms++;
        e->seq_counter = 0;
    }
    int64_t seq = seq_first_of_ms(e->seq_ms) | (int64_t)e->config.node << SEQ_COUNTER_BITS |
                  (int64_t)e->seq_counter;
    assert(seq > e->last_seq);
    e->last_seq = seq;
    return seq;
}

struct lot_view engine_view(const struct engine *e, lot_id id)
{
    const struct lot *lot = lots_at(&e->lots, id);
    struct lot_view view = {
        .id = id, .dims = &lot->dims, .terms = lots_terms(&e->lots, lot), .stock = lot->stock};
    view.stock.reserved -= lot->due_units;
    view.stock.version += lot->due_moves;
    return view;
}

bool engine_lot(const struct engine *e, lot_id id, struct lot_view *out)
{
    if (!lots_has(&e->lots, id))
        return false;
    *out = engine_view(e, id);
    return true;
}

/* Looks at nothing that changes: the directory of chunks is as large as it gets, and the number's
 * chunk and dimensions were written before the answer that the number came in. */
const struct lot_dims *engine_lot_dims(const struct engine *e, lot_id id)
{
    if (id == 0 || id > e->lots.max || !e->lots.chunks[(id - 1) / LOT_CHUNK])
        return NULL;
    return &lots_at(&e->lots, id)->dims;
}

struct str engine_sale_id(const struct engine *e, sale_number number)
{
    if (number == 0 || number > SALES_MAX || !e->sales.chunks[(number - 1) / SALE_CHUNK])
        return (struct str){0};
    const struct sale *s = *sales_place(&e->sales, number);
    return s ? s->sale_id : (struct str){0};
}

uint32_t engine_lot_count(const struct engine *e)
{
    return e->created;
}

/* A segment is handed out when all that is in it is committed: until then undo may change it. */
struct order_segment *engine_next_segment(struct engine *e)
{
    const struct order_segment *s = order_index_frozen(e->orders);
    if (!s || s->seq_max > e->committed_seq || e->config.shared)
        return NULL;
    return order_index_next_segment(e->orders);
}

void engine_segment_stored(struct engine *e, struct order_segment *s, struct order_run *run)
{
    if (s && run)
        e->segments_stored++;
    order_index_install(e->orders, s, run);
}
