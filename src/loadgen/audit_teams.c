/* audit_teams.c - the orders of a sale of groups, asked of the server and judged team by team.
 *
 * Happy path: the end of every window is waited for; every group is looked up, until it is over;
 * then every order, whose group has ended by then, so that what is shown is final; then each team
 * is judged. All are looked up, however many: what a group became is in no order alone.
 *
 * A team whose opener's outcome is in doubt may have a group nevertheless: the opener's order tells
 * which, and those groups are looked up last.
 *
 * Failure modes: as in audit.c; memory for the facts is had at the beginning.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "loadgen/audit_team.h"
#include "loadgen/team_play.h"
#include "loadgen/teams.h"

#define MS_NS UINT64_C(1000000)

enum pass { PASS_TOLD, PASS_LEARNED };

struct teams {
    struct audit *audit;
    struct order_fact *facts[BOOKS_MAX]; /* by book, one an order */
    struct group_fact *groups[BOOKS_MAX];
    uint64_t *learned[BOOKS_MAX]; /* ids of groups that were not told, by team */
    bool await;                   /* the ends of the windows */
    /* of the walk */
    enum pass pass;
    uint32_t book;
    uint64_t next;
    uint64_t over_ns; /* when groups of teams in doubt are over */
    uint64_t told;    /* groups whose ids were */
};

static const struct order_mix *mix_of(const struct teams *t)
{
    return t->audit->in->mix;
}

static const struct order_book *book_at(const struct teams *t, uint32_t i)
{
    return &t->audit->in->books[i];
}

/* The place of an order's book. */
static uint32_t book_of(const struct teams *t, uint64_t order)
{
    uint32_t i = 0;
    while (book_at(t, i)->thread != order_thread(order))
        i++;
    return i;
}

static uint64_t group_id_of(const struct teams *t, uint32_t book, uint64_t team)
{
    uint64_t told = book_at(t, book)->teams[team].group_id;
    return told ? told : t->learned[book][team];
}

/* ---- what the run knows by itself ---- */

static bool is_used(const struct order_entry *e)
{
    return e->step != ORDER_UNUSED;
}

static void count_order(struct audit *a, uint64_t order, const struct order_entry *e)
{
    a->out->acknowledged += e->step >= ORDER_HELD;
    a->out->in_doubt += is_used(e) && order_in_doubt(e);
    audit_tell_flags(a, order, e);
}

/* Returns when the last window is over, by the server's clock, at the latest. */
static uint64_t count_all(struct teams *t)
{
    uint64_t last_ns = 0, window_ns = mix_of(t)->teams.window_ms * MS_NS;
    for (uint32_t b = 0; b < t->audit->in->book_count; b++) {
        const struct order_book *book = book_at(t, b);
        for (uint64_t i = 0; i < book->count; i++) {
            uint64_t order = order_number(book->thread, i);
            count_order(t->audit, order, order_book_at(book, order));
        }
        for (size_t i = 0; i < book->team_count; i++) {
            t->told += book->teams[i].group_id != 0;
            if (book->teams[i].told_ns > last_ns)
                last_ns = book->teams[i].told_ns;
        }
    }
    return last_ns ? last_ns + window_ns + window_ns / 50 : 0;
}

/* ---- groups ---- */

static bool group_next(void *owner, struct call *out)
{
    struct teams *t = owner;
    for (; t->book < t->audit->in->book_count; t->book++, t->next = 0) {
        const struct order_book *book = book_at(t, t->book);
        while (t->next < book->team_count) {
            uint64_t team = t->next++;
            bool told = book->teams[team].group_id != 0;
            uint64_t id = group_id_of(t, t->book, team);
            if (!id || told != (t->pass == PASS_TOLD))
                continue;
            out->kind = CALL_GET_GROUP;
            out->group_id = id;
            out->order = order_number(book->thread, team * team_orders(mix_of(t)));
            return true;
        }
    }
    return false;
}

static enum ask_result group_answered(void *owner, const struct call *call,
                                      const struct answer *answer)
{
    struct teams *t = owner;
    if (answer->code != ANSWER_OK && answer->code != ANSWER_NOT_FOUND)
        return ASK_FAILED;
    uint32_t b = book_of(t, call->order);
    uint64_t number = team_number(mix_of(t), call->order);
    uint64_t window_ns = mix_of(t)->teams.window_ms * MS_NS;
    const struct team *team = &book_at(t, b)->teams[number];
    uint64_t over_ns = team->group_id ? team->told_ns + window_ns + window_ns / 50 : t->over_ns;
    if (answer->group == GROUP_OPEN && t->await && call->sent_ns < over_ns + OVERDUE_MS * MS_NS)
        return ASK_AGAIN;
    t->groups[b][number] = (struct group_fact){
        .known = true, .status = answer->group, .places = answer->places, .paid = answer->paid};
    return ASK_SETTLED;
}

static bool ask_groups(struct teams *t, enum pass pass, uint64_t total)
{
    struct ask ask = {.step = "looking up groups",
                      .total = total,
                      .next = group_next,
                      .answered = group_answered,
                      .owner = t};
    t->pass = pass;
    t->book = 0;
    t->next = 0;
    return audit_ask(t->audit, &ask);
}

/* ---- orders ---- */

static bool order_next(void *owner, struct call *out)
{
    struct teams *t = owner;
    for (; t->book < t->audit->in->book_count; t->book++, t->next = 0) {
        const struct order_book *book = book_at(t, t->book);
        while (t->next < book->count) {
            uint64_t order = order_number(book->thread, t->next++);
            if (!is_used(order_book_at(book, order)))
                continue;
            out->kind = CALL_GET_ORDER;
            out->order = order;
            out->lot = order_plan_of(mix_of(t), order).lot;
            return true;
        }
    }
    return false;
}

static uint8_t few(uint32_t n)
{
    return n < UINT8_MAX ? (uint8_t)n : UINT8_MAX;
}

static bool is_in_its_group(struct teams *t, uint32_t b, uint64_t order, const struct answer *a)
{
    uint64_t team = team_number(mix_of(t), order);
    if (team_place(mix_of(t), order) == team_place_again(mix_of(t)))
        return a->group_id == 0;
    if (team_place(mix_of(t), order) == 0 && !book_at(t, b)->teams[team].group_id)
        t->learned[b][team] = a->group_id;
    return a->group_id && a->group_id == group_id_of(t, b, team);
}

static enum ask_result order_answered(void *owner, const struct call *call,
                                      const struct answer *answer)
{
    struct teams *t = owner;
    struct audit *a = t->audit;
    bool found = answer->code == ANSWER_OK;
    if (!found && answer->code != ANSWER_NOT_FOUND)
        return ASK_FAILED;
    const struct order_entry *e = audit_entry(a, call->order);
    uint32_t b = book_of(t, call->order);
    struct order_fact *f = &t->facts[b][order_index(call->order)];
    *f = (struct order_fact){0};
    if (found)
        *f = (struct order_fact){
            .status = (uint8_t)answer->status,
            .lines = few(answer->lines),
            .reserve_moves = few(answer->reserve_moves),
            .expired = answer->expired,
            .group_failed = answer->group_failed,
            .lot_matches = answer->lot_matches,
            .in_sale = answer->in_sale,
            .in_group = is_in_its_group(t, b, call->order, answer),
            .same_reservation = answer->reservation_id == e->reservation_id,
            .quantity = answer->quantity > UINT32_MAX ? UINT32_MAX : (uint32_t)answer->quantity,
        };
    bool holds = f->status == HOLD_PENDING || f->status == HOLD_CONFIRMED;
    a->out->looked_up += e->step >= ORDER_HELD;
    a->out->refused_checked += e->step == ORDER_REFUSED;
    a->out->in_doubt_held += order_in_doubt(e) && holds;
    return ASK_SETTLED;
}

static bool ask_orders(struct teams *t)
{
    struct ask ask = {.step = "looking up orders",
                      .total = t->audit->out->acknowledged,
                      .next = order_next,
                      .answered = order_answered,
                      .owner = t};
    t->book = 0;
    t->next = 0;
    return audit_ask(t->audit, &ask);
}

/* ---- judging ---- */

static void tell_member(struct audit *a, const struct team_case *c, uint32_t place,
                        struct sale_account *out)
{
    uint64_t order = c->first + place;
    struct order_verdict v;
    if (!is_used(&c->entries[place]))
        return;
    audit_judge_member(c, place, &v);
    struct lot_account *lot = &a->lots[order_plan_of(c->mix, order).lot];
    lot->pending += v.pending;
    lot->confirmed += v.confirmed;
    lot->spare += v.spare;
    out->held += v.pending + v.confirmed;
    a->out->lost += v.lost;
    a->out->duplicated += v.duplicated;
    a->out->undersold += v.undersold;
    a->out->groups_refunded += c->facts[place].group_failed;
    if (v.text[0] && (v.lost || v.duplicated || v.undersold))
        audit_find_order(a, order, v.text);
}

static void tell_group(struct audit *a, const struct team_case *c, uint64_t group_id,
                       struct sale_account *out)
{
    struct group_verdict v;
    audit_judge_group(c, &v);
    a->out->groups_opened += c->group.known;
    out->open += c->group.status == GROUP_OPEN;
    out->succeeded += c->group.status == GROUP_SUCCEEDED;
    out->failed += c->group.status == GROUP_FAILED;
    a->out->groups_wrong += v.wrong;
    a->out->limits_broken += v.over_limit;
    if (v.wrong)
        audit_find(a, "group %" PRIu64 ": %s", group_id, v.text);
    if (v.over_limit)
        audit_find_order(a, c->first + v.limit_place, v.limit_text);
}

static bool judge_all(struct teams *t, struct sale_account *out)
{
    uint32_t orders = team_orders(mix_of(t));
    struct order_entry *entries = calloc(orders, sizeof *entries);
    if (!entries)
        return audit_give_up(t->audit, "out of memory");
    uint64_t now_ns = clock_monotonic_ns();
    for (uint32_t b = 0; b < t->audit->in->book_count; b++) {
        const struct order_book *book = book_at(t, b);
        for (uint64_t team = 0; team < book->team_count; team++) {
            uint64_t first = order_number(book->thread, team * orders);
            for (uint32_t i = 0; i < orders; i++)
                entries[i] = *order_book_at(book, first + i);
            struct team_case c = {
                .mix = mix_of(t),
                .first = first,
                .entries = entries,
                .facts = &t->facts[b][team * orders],
                .group = t->groups[b][team],
                .may_have_expired = audit_may_have_expired(t->audit, mix_of(t)->hold_ms, now_ns),
                .may_be_open = !t->await,
            };
            for (uint32_t i = 0; i < orders; i++)
                tell_member(t->audit, &c, i, out);
            tell_group(t->audit, &c, group_id_of(t, b, team), out);
        }
    }
    free(entries);
    return true;
}

/* ---- the steps ---- */

static bool make_room(struct teams *t, uint32_t books)
{
    bool good = true;
    for (uint32_t b = 0; b < books; b++) {
        const struct order_book *book = book_at(t, b);
        t->facts[b] = calloc(book->count + 1, sizeof *t->facts[b]);
        t->groups[b] = calloc(book->team_count + 1, sizeof *t->groups[b]);
        t->learned[b] = calloc(book->team_count + 1, sizeof *t->learned[b]);
        good = good && t->facts[b] && t->groups[b] && t->learned[b];
    }
    return good || audit_give_up(t->audit, "out of memory");
}

/* Calls in doubt are decided, and the groups that they may have opened are over. */
static bool wait(struct teams *t, uint64_t last_ns)
{
    struct audit *a = t->audit;
    uint64_t window_ns = mix_of(t)->teams.window_ms * MS_NS;
    uint64_t decided_ns = a->started_ns + (LATE_MS + a->in->worker.timeout_ms) * MS_NS;
    t->over_ns = decided_ns + window_ns + window_ns / 50;
    t->await = mix_of(t)->teams.window_ms <= EXPIRY_WAIT_MAX_MS;
    if (!t->await)
        audit_note(a, "groups that are OPEN were not waited for: their windows are too long");
    if (t->await && !audit_wait_until(a, last_ns, "waiting for groups to end"))
        return false;
    if (a->out->in_doubt == 0)
        return true;
    return audit_wait_until(a, t->await ? t->over_ns : decided_ns, "waiting for calls in doubt");
}

bool audit_teams(struct audit *a, struct sale_account *out)
{
    struct teams t = {.audit = a};
    *out = (struct sale_account){.total_limit = a->in->mix->teams.total_limit};
    uint64_t last_ns = count_all(&t);
    uint32_t books = a->in->book_count;
    bool good = make_room(&t, books) && wait(&t, last_ns) && ask_groups(&t, PASS_TOLD, t.told) &&
                ask_orders(&t) && ask_groups(&t, PASS_LEARNED, 0) && judge_all(&t, out);
    for (uint32_t b = 0; b < books; b++) {
        free(t.facts[b]);
        free(t.groups[b]);
        free(t.learned[b]);
    }
    a->out->groups_succeeded = out->succeeded;
    a->out->groups_failed = out->failed;
    return good;
}
