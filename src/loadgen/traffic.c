/* traffic.c - the life of an order as the load generator plays it.
 *
 * Happy path: the schedule says when a new order is due; due_ns() tells the worker, next() writes
 * it into the book and the call, answered() takes note of the acknowledgement and queues what the
 * order's fate brings: the retry at once, Confirm or Refund after the time to think. Steps of one
 * queue have the same delay, so each queue is in order of time by itself.
 *
 * Failure modes: an answer that leaves the outcome open marks the entry "in doubt", and the order
 * gets no further step; the audit asks for it. A step that is refused although the order was
 * acknowledged marks it "denied"; another reservation for the same order "twice". If memory runs
 * short the traffic stops, and traffic_fault() says so.
 *
 * The retry of the order that took the last unit: who that was is not known, so when a lot is sold
 * out for the first time, the last orders that this worker got for it are sent again, and so is
 * each one that was on its way at that moment and is acknowledged later.
 */
#include <stdlib.h>
#include <string.h>

#include "loadgen/team_play.h"
#include "loadgen/traffic_internal.h"

enum { DRAW_LOOK = 1, DRAW_LOOK_LOT = 2 };

uint64_t traffic_start_ns(const struct traffic *t)
{
    return atomic_load_explicit(&t->run->start_ns, memory_order_acquire); /* the opening is set */
}

static bool stopped(const struct traffic *t)
{
    return atomic_load_explicit(&t->run->stop, memory_order_relaxed) || t->fault;
}

static void draw_arrival(struct traffic *t)
{
    t->arrival_ns = schedule_next(&t->schedule, &t->arrival_stage);
}

/* ---- figures ---- */

static void hand_over(struct traffic *t)
{
    collector_hand(t->run->collector, t->open);
    t->open = NULL;
}

/* Keeps the open intervals within one second and one stage. */
static void roll(struct traffic *t, uint64_t at_ns)
{
    if (at_ns < t->roll_ns)
        return;
    hand_over(t);
    const struct plan *p = t->run->plan;
    t->second = (uint32_t)(at_ns / 1000000000u);
    size_t stage = plan_stage_at(p, at_ns);
    t->stage_then = stage < p->stage_count ? (uint32_t)stage : UINT32_MAX;
    t->roll_ns = (uint64_t)(t->second + 1) * 1000000000u;
    if (stage < p->stage_count) {
        uint64_t end = p->stages[stage].begin_ns + p->stages[stage].duration_ns;
        if (end < t->roll_ns)
            t->roll_ns = end;
    }
}

/* A call of many orders counts each of them, with one latency. */
static void count(struct traffic *t, const struct call *call, const struct answer *a,
                  uint64_t now_ns)
{
    roll(t, now_ns - traffic_start_ns(t));
    struct interval *i = t->open;
    while (i && i->stage != call->stage)
        i = i->next;
    if (!i) {
        i = collector_spare(t->run->collector);
        if (!i) {
            t->fault = "memory ran short";
            return;
        }
        i->second = t->second;
        i->stage = call->stage;
        i->stage_then = t->stage_then;
        i->next = t->open;
        t->open = i;
    }
    for (uint32_t order = 0; order < a->outcome_count; order++)
        i->codes[a->outcomes[order].code]++;
    uint32_t orders = call->kind == CALL_RESERVE_BATCH ? call->batch : 1;
    if (orders > a->outcome_count)
        i->codes[a->code] += orders - a->outcome_count;
    uint64_t late_ns = now_ns > call->due_ns ? now_ns - call->due_ns : 0;
    histogram_record(&i->latency, late_ns);
    if (answer_group(a->code) == ANSWER_GROUP_OK)
        histogram_record(&i->accepted, late_ns);
}

static void count_offered(struct traffic *t, const struct call *call)
{
    uint32_t calls = call->kind == CALL_RESERVE_BATCH ? call->batch : 1;
    uint64_t second = (call->due_ns - traffic_start_ns(t)) / 1000000000u;
    t->offered_in_stage[call->stage] += calls;
    if (second < t->seconds)
        atomic_fetch_add_explicit(&t->offered_in_second[second], calls, memory_order_relaxed);
}

/* ---- what is due ---- */

static void finish_if_done(struct traffic *t)
{
    if (t->outstanding == 0)
        atomic_store_explicit(&t->done, true, memory_order_release);
}

/* Closed: how many of the run's calls are this worker's. */
static uint64_t calls_share(const struct traffic *t)
{
    const struct traffic_run *r = t->run;
    return r->calls / r->threads + (t->book->thread < r->calls % r->threads);
}

static bool may_begin(const struct traffic *t, uint64_t now_ns)
{
    const struct traffic_run *r = t->run;
    if (!r->closed)
        return t->arrival_ns != UINT64_MAX;
    return now_ns - traffic_start_ns(t) < r->plan->duration_ns &&
           (!r->calls || t->arrivals < calls_share(t));
}

/* Of the step that is due first. */
static struct step_queue *first_queue(struct traffic *t)
{
    struct step_queue *first = &t->at_once;
    if (step_queue_due_ns(&t->later) < step_queue_due_ns(first))
        first = &t->later;
    if (step_queue_due_ns(&t->at_end) < step_queue_due_ns(first))
        first = &t->at_end;
    return first;
}

static uint64_t traffic_due_ns(void *owner, uint64_t now_ns)
{
    struct traffic *t = owner;
    uint64_t start_ns = traffic_start_ns(t);
    if (!start_ns)
        return UINT64_MAX;
    bool over = now_ns > start_ns && now_ns - start_ns >= t->run->plan->duration_ns;
    if (over || stopped(t)) /* further steps of orders end with the run */
        t->at_once.count = t->later.count = t->at_end.count = 0;
    if (stopped(t)) {
        finish_if_done(t);
        return UINT64_MAX;
    }
    if (now_ns < start_ns)
        return start_ns;
    uint64_t due_ns = step_queue_due_ns(first_queue(t));
    if (may_begin(t, now_ns)) {
        uint64_t arrival_ns = t->run->closed ? now_ns : start_ns + t->arrival_ns;
        if (arrival_ns < due_ns)
            due_ns = arrival_ns;
    } else if (due_ns == UINT64_MAX) {
        finish_if_done(t);
    }
    return due_ns;
}

/* Whether a hold counts as held for certain: it cannot end before the run does, even if the
 * server's clock is a little faster. */
static bool held_for_certain(const struct traffic *t, const struct order_plan *plan)
{
    double run_ms = (double)t->run->plan->duration_ns / 1e6;
    return !t->run->plan->teams && plan->fate != FATE_EXPIRE &&
           plan->hold_ms * 0.98 > run_ms + 60e3;
}

static void fill_step(struct traffic *t, const struct step *s, uint64_t now_ns, struct call *out)
{
    struct order_plan plan = order_plan_of(t->run->mix, s->order);
    size_t stage = plan_stage_at(t->run->plan, s->due_ns - traffic_start_ns(t));
    (void)now_ns;
    *out = (struct call){
        .kind = s->role == ROLE_CONFIRM  ? CALL_CONFIRM
                : s->role == ROLE_REFUND ? CALL_REFUND
                                         : CALL_RESERVE,
        .lot = plan.lot,
        .quantity = plan.quantity,
        .hold_ms = plan.hold_ms,
        .order = s->order,
        .reservation_id = order_book_at(t->book, s->order)->reservation_id,
        .stage =
            (uint32_t)(stage < t->run->plan->stage_count ? stage : t->run->plan->stage_count - 1),
        .connection = (uint32_t)(order_index(s->order) % t->connections),
        .tag = s->role,
        .due_ns = s->due_ns,
    };
    if (t->run->plan->teams)
        team_fill_step(t, s, out);
    if (s->role == ROLE_REFUND && held_for_certain(t, &plan))
        atomic_fetch_sub_explicit(&t->run->tallies[plan.lot].held, plan.quantity,
                                  memory_order_relaxed);
}

static void fill_look(struct traffic *t, struct call *out)
{
    const struct order_mix *mix = t->run->mix;
    out->kind = t->run->plan->teams ? CALL_GET_SALE : CALL_GET_LOT;
    out->tag = ROLE_LOOK;
    out->lot = choice_pick(&mix->choice, random_at(mix->seed ^ ((uint64_t)DRAW_LOOK_LOT << 60) ^
                                                       ((uint64_t)t->book->thread << 48),
                                                   t->arrivals));
}

static bool fill_order(struct traffic *t, struct call *out)
{
    uint64_t order = 0;
    for (uint32_t i = 0; i < t->run->batch; i++) {
        uint64_t next;
        if (!order_book_add(t->book, &next)) {
            t->fault = "memory ran short";
            return false;
        }
        order_book_at(t->book, next)->step = ORDER_SENT;
        if (i == 0)
            order = next;
    }
    struct order_plan plan = order_plan_of(t->run->mix, order);
    out->kind = t->run->batch > 1 ? CALL_RESERVE_BATCH : CALL_RESERVE;
    out->tag = ROLE_ORDER;
    out->batch = t->run->batch;
    out->order = order;
    out->lot = plan.lot;
    out->quantity = plan.quantity;
    out->hold_ms = plan.hold_ms;
    return true;
}

/* A new call of the plan. */
static bool fill_arrival(struct traffic *t, uint64_t now_ns, struct call *out)
{
    const struct traffic_run *r = t->run;
    uint64_t start_ns = traffic_start_ns(t);
    size_t stage = t->arrival_stage;
    *out = (struct call){.due_ns = start_ns + t->arrival_ns};
    if (r->closed) {
        out->due_ns = now_ns;
        stage = plan_stage_at(r->plan, now_ns - start_ns);
        if (stage == r->plan->stage_count)
            return false;
    }
    out->stage = (uint32_t)stage;
    out->connection = (uint32_t)(t->arrivals % t->connections);
    double look = r->look < 0 ? r->plan->stages[stage].look_share : r->look;
    uint64_t draw =
        random_at(r->mix->seed ^ ((uint64_t)DRAW_LOOK << 60) ^ ((uint64_t)t->book->thread << 48),
                  t->arrivals);
    if (look > 0 && (double)(draw >> 11) * 0x1p-53 < look)
        fill_look(t, out);
    else if (r->plan->teams ? !team_fill_order(t, out->due_ns - start_ns, out)
                            : !fill_order(t, out))
        return false;
    t->arrivals++;
    if (!r->closed)
        draw_arrival(t);
    return true;
}

static bool traffic_next(void *owner, uint64_t now_ns, struct call *out)
{
    struct traffic *t = owner;
    uint64_t start_ns = traffic_start_ns(t);
    if (!start_ns || now_ns < start_ns || stopped(t))
        return false;
    struct step_queue *steps = first_queue(t);
    uint64_t first = step_queue_due_ns(steps);
    uint64_t arrival_ns = !may_begin(t, now_ns) ? UINT64_MAX
                          : t->run->closed      ? now_ns
                                                : start_ns + t->arrival_ns;
    bool arrival = arrival_ns <= now_ns && arrival_ns < first;
    if (arrival) {
        if (!fill_arrival(t, now_ns, out))
            return false;
    } else {
        if (first > now_ns)
            return false;
        struct step s = step_queue_pop(steps);
        fill_step(t, &s, now_ns, out);
    }
    count_offered(t, out);
    t->outstanding++;
    return true;
}

/* ---- what was answered ---- */

void traffic_push(struct traffic *t, struct step_queue *q, uint64_t order, enum role role,
                  uint64_t due_ns)
{
    if (!step_queue_push(q, (struct step){due_ns, order, role}))
        t->fault = "memory ran short";
}

void traffic_follow(struct traffic *t, uint64_t order, enum role role, uint64_t due_ns)
{
    bool at_once = role == ROLE_RETRY || t->run->think_ns == 0;
    traffic_push(t, at_once ? &t->at_once : &t->later, order, role, due_ns);
}

static void held(struct traffic *t, const struct order_plan *plan)
{
    if (!held_for_certain(t, plan))
        return;
    struct lot_tally *tally = &t->run->tallies[plan->lot];
    long long now = atomic_fetch_add_explicit(&tally->held, plan->quantity, memory_order_relaxed) +
                    plan->quantity;
    long long peak = atomic_load_explicit(&tally->held_peak, memory_order_relaxed);
    while (now > peak &&
           !atomic_compare_exchange_weak_explicit(&tally->held_peak, &peak, now,
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
}

/* A Reserve was acknowledged for the first time. */
static void acknowledged(struct traffic *t, const struct call *call, uint64_t order,
                         uint64_t reservation_id, uint64_t now_ns)
{
    struct order_entry *e = order_book_at(t->book, order);
    struct order_plan plan = order_plan_of(t->run->mix, order);
    e->step = ORDER_HELD;
    e->in_doubt = false;
    e->reservation_id = reservation_id;
    held(t, &plan);
    t->recent[t->recent_count++ % RECENT] = order;
    t->last[plan.lot] = order + 1;
    bool last_one = t->run->mix->retry > 0 && t->sold_out_ns[plan.lot] > call->sent_ns;
    if (plan.retry || last_one)
        traffic_follow(t, order, ROLE_RETRY, now_ns);
    if (plan.fate == FATE_PAY || plan.fate == FATE_RETURN)
        traffic_follow(t, order, ROLE_CONFIRM, now_ns + t->run->think_ns);
    else if (plan.fate == FATE_CANCEL)
        traffic_follow(t, order, ROLE_REFUND, now_ns + t->run->think_ns);
}

static void sold_out(struct traffic *t, const struct call *call, uint64_t now_ns)
{
    if (t->run->mix->retry <= 0 || t->sold_out_ns[call->lot])
        return;
    t->sold_out_ns[call->lot] = now_ns;
    uint64_t known = t->recent_count < RECENT ? t->recent_count : RECENT;
    bool last_told = t->last[call->lot] == 0;
    for (uint64_t i = t->recent_count - known; i < t->recent_count; i++) {
        uint64_t order = t->recent[i % RECENT];
        if (order_plan_of(t->run->mix, order).lot != call->lot)
            continue;
        last_told |= order + 1 == t->last[call->lot];
        traffic_follow(t, order, ROLE_RETRY, now_ns);
    }
    if (!last_told) /* there are many lots, and it was long ago */
        traffic_follow(t, t->last[call->lot] - 1, ROLE_RETRY, now_ns);
}

static void reserve_answered(struct traffic *t, const struct call *call, uint64_t order,
                             enum answer_code code, uint64_t reservation_id, uint64_t now_ns)
{
    struct order_entry *e = order_book_at(t->book, order);
    if (code == ANSWER_OK)
        acknowledged(t, call, order, reservation_id, now_ns);
    else if (code == ANSWER_NOT_SENT)
        e->step = ORDER_UNUSED;
    else if (answer_in_doubt(code))
        e->in_doubt = true;
    else
        e->step = ORDER_REFUSED;
    if (code == ANSWER_SOLD_OUT)
        sold_out(t, call, now_ns);
}

bool traffic_not_done(enum answer_code code)
{
    return code == ANSWER_OVERLOADED || code == ANSWER_UNAVAILABLE || code == ANSWER_NOT_SENT ||
           code == ANSWER_LIMIT_EXCEEDED;
}

void traffic_retry_answered(struct traffic *t, const struct call *call, const struct answer *a)
{
    struct order_entry *e = order_book_at(t->book, call->order);
    if (a->code == ANSWER_OK)
        e->twice |= a->reservation_id != e->reservation_id;
    else if (!traffic_not_done(a->code) && !answer_in_doubt(a->code))
        e->denied = true;
}

/* Confirm or Refund. */
static void step_answered(struct traffic *t, const struct call *call, const struct answer *a,
                          uint64_t now_ns)
{
    struct order_entry *e = order_book_at(t->book, call->order);
    bool confirm = call->kind == CALL_CONFIRM;
    if (a->code == ANSWER_OK) {
        e->step = confirm ? ORDER_CONFIRMED : ORDER_REFUNDED;
        if (confirm && order_plan_of(t->run->mix, call->order).fate == FATE_RETURN)
            traffic_follow(t, call->order, ROLE_REFUND, now_ns + t->run->think_ns);
    } else if (answer_in_doubt(a->code)) {
        e->in_doubt = true;
    } else if (!traffic_not_done(a->code)) {
        e->denied = true;
    }
}

static void traffic_answered(void *owner, const struct call *call, const struct answer *a,
                             uint64_t now_ns)
{
    struct traffic *t = owner;
    t->outstanding--;
    if (t->run->plan->teams && call->tag != ROLE_LOOK) {
        struct answer counted = *a;
        counted.code = team_answered(t, call, a, now_ns);
        count(t, call, &counted, now_ns);
        return;
    }
    switch ((enum role)call->tag) {
    case ROLE_ORDER:
        for (uint32_t i = 0; i < call->batch; i++) {
            bool each = a->outcomes && i < a->outcome_count;
            reserve_answered(t, call, call->order + i, each ? a->outcomes[i].code : a->code,
                             each ? a->outcomes[i].reservation_id : a->reservation_id, now_ns);
        }
        break;
    case ROLE_RETRY:
        traffic_retry_answered(t, call, a);
        break;
    case ROLE_CONFIRM:
    case ROLE_REFUND:
        step_answered(t, call, a, now_ns);
        break;
    default:
        if (t->run->plan->teams)
            team_looked(t, call, a, now_ns);
        break;
    }
    count(t, call, a, now_ns);
}

static void traffic_tick(void *owner, uint64_t now_ns)
{
    struct traffic *t = owner;
    uint64_t start_ns = traffic_start_ns(t);
    if (start_ns && now_ns > start_ns)
        roll(t, now_ns - start_ns);
}

/* ---- life ---- */

int traffic_create(struct traffic **out, struct traffic_run *run, struct order_book *book,
                   uint32_t connections, struct error *e)
{
    struct traffic *t = calloc(1, sizeof *t);
    if (!t)
        return error_set(e, TLY_ENO_MEMORY, "", "no memory for a worker's traffic");
    t->run = run;
    t->book = book;
    t->connections = connections;
    t->seconds = (uint32_t)(run->plan->duration_ns / 1000000000u) + 1;
    t->sold_out_ns = calloc(run->mix->choice.count, sizeof *t->sold_out_ns);
    t->last = calloc(run->mix->choice.count, sizeof *t->last);
    t->offered_in_stage = calloc(run->plan->stage_count, sizeof *t->offered_in_stage);
    t->offered_in_second = calloc(t->seconds, sizeof *t->offered_in_second);
    if (!t->sold_out_ns || !t->last || !t->offered_in_stage || !t->offered_in_second) {
        traffic_destroy(t);
        return error_set(e, TLY_ENO_MEMORY, "", "no memory for a worker's traffic");
    }
    schedule_init(&t->schedule, run->plan, run->arrivals, run->mix->seed, book->thread,
                  run->threads);
    draw_arrival(t);
    *out = t;
    return 0;
}

void traffic_destroy(struct traffic *t)
{
    if (!t)
        return;
    hand_over(t);
    step_queue_close(&t->at_once);
    step_queue_close(&t->later);
    step_queue_close(&t->at_end);
    step_queue_close(&t->openers);
    step_queue_close(&t->joiners);
    free(t->sold_out_ns);
    free(t->last);
    free(t->offered_in_stage);
    free(t->offered_in_second);
    free(t);
}

void traffic_finish(struct traffic *t)
{
    const struct traffic_run *r = t->run;
    uint64_t start_ns = traffic_start_ns(t);
    static const struct answer not_sent = {.code = ANSWER_NOT_SENT};
    while (start_ns && !r->closed && !t->fault && t->arrival_ns != UINT64_MAX &&
           start_ns + t->arrival_ns <= r->stop_ns) {
        struct call c = {.kind = r->batch > 1 ? CALL_RESERVE_BATCH : CALL_RESERVE,
                         .batch = r->batch,
                         .due_ns = start_ns + t->arrival_ns,
                         .stage = (uint32_t)t->arrival_stage};
        count_offered(t, &c);
        count(t, &c, &not_sent, r->stop_ns);
        draw_arrival(t);
    }
    hand_over(t);
}

struct call_source traffic_source(struct traffic *t)
{
    return (struct call_source){
        .due_ns = traffic_due_ns,
        .next = traffic_next,
        .answered = traffic_answered,
        .tick = traffic_tick,
        .owner = t,
    };
}

bool traffic_done(const struct traffic *t)
{
    return atomic_load_explicit(&t->done, memory_order_acquire);
}

uint64_t traffic_offered_in_stage(const struct traffic *t, uint32_t stage)
{
    return t->offered_in_stage[stage];
}

uint64_t traffic_offered_in_second(const struct traffic *t, uint32_t second)
{
    return second < t->seconds
               ? atomic_load_explicit(&t->offered_in_second[second], memory_order_relaxed)
               : 0;
}

const char *traffic_fault(const struct traffic *t)
{
    return t->fault;
}
