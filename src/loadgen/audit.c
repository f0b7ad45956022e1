/* audit.c - the steps of an audit in their order, and what they found.
 *
 * Happy path: audit_reservations, audit_orders, audit_lots, audit_probes; of a sale of groups
 * audit_teams instead of audit_orders, and audit_sale. `complete` is set when the last of them is
 * done.
 *
 * Failure modes: the server gives no answer for wait_ms, memory runs short, the caller interrupts:
 * the reason is told, `complete` stays false, and what was found by then stays.
 */
#include "loadgen/audit.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "loadgen/audit_team.h"

enum { TURN_MS = 50 };

#define MS_NS UINT64_C(1000000)

static void add_finding(struct audit_result *out, const char *text)
{
    if (out->finding_count < FINDINGS_MAX)
        snprintf(out->findings[out->finding_count++], FINDING_SIZE, "%s", text);
}

void audit_find(struct audit *a, const char *format, ...)
{
    char text[FINDING_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    add_finding(a->out, text);
}

void audit_find_order(struct audit *a, uint64_t order, const char *what)
{
    char id[ORDER_ID_SIZE] = "";
    order_id_write(id, a->in->worker.target->run, order);
    audit_find(a, "order %s: %s", id, what);
}

void audit_note(struct audit *a, const char *format, ...)
{
    if (a->note_count == NOTES_MAX)
        return;
    char text[FINDING_SIZE - 6];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    snprintf(a->notes[a->note_count++], FINDING_SIZE, "note: %s", text);
}

bool audit_give_up(struct audit *a, const char *format, ...)
{
    if (a->out->reason[0])
        return false;
    va_list args;
    va_start(args, format);
    vsnprintf(a->out->reason, sizeof(a->out->reason), format, args);
    va_end(args);
    return false;
}

bool audit_wait_until(struct audit *a, uint64_t until_ns, const char *step)
{
    uint64_t begin_ns = clock_monotonic_ns(), now_ns = begin_ns;
    while (now_ns < until_ns) {
        const struct audit_input *in = a->in;
        uint64_t done_s = (now_ns - begin_ns) / (1000 * MS_NS);
        uint64_t of_s = (until_ns - begin_ns) / (1000 * MS_NS);
        if (in->progress && in->progress(in->owner, step, done_s, of_s))
            return audit_give_up(a, "it was interrupted");
        uint64_t left_ns = until_ns - now_ns;
        long turn_ns = (long)(left_ns < TURN_MS * MS_NS ? left_ns : TURN_MS * MS_NS);
        nanosleep(&(struct timespec){.tv_nsec = turn_ns}, NULL);
        now_ns = clock_monotonic_ns();
    }
    return true;
}

struct order_entry *audit_entry(const struct audit *a, uint64_t order)
{
    uint32_t i = 0;
    while (i < a->in->book_count && a->in->books[i].thread != order_thread(order))
        i++;
    assert(i < a->in->book_count);
    return order_book_at(&a->in->books[i], order);
}

/* The server's clock may run 1 % slower or faster than ours. */
uint64_t audit_expired_by_ns(const struct audit *a, uint32_t hold_ms)
{
    return a->started_ns + hold_ms * MS_NS + hold_ms * MS_NS / 50;
}

bool audit_may_have_expired(const struct audit *a, uint32_t hold_ms, uint64_t now_ns)
{
    if (!a->in->began_ns || !hold_ms) /* 0: the server's own default */
        return true;
    return now_ns >= a->in->began_ns + hold_ms * MS_NS - hold_ms * MS_NS / 50;
}

/* What is known of the lots without the server's help, if it could not be asked: held_peak. */
static void judge_peaks(struct audit *a)
{
    for (uint32_t i = 0; i < a->in->lots->count; i++) {
        const struct lot_stock *begin = &a->in->lots->begin[i];
        int64_t peak = begin->confirmed +
                       atomic_load_explicit(&a->in->tallies[i].held_peak, memory_order_relaxed);
        if (a->lots[i].read || a->lots[i].oversold || peak <= begin->on_hand)
            continue;
        a->lots[i].oversold = peak - begin->on_hand;
        audit_find(
            a, "lot %s: oversold by %" PRId64 ": held at one time %" PRId64 ", on_hand %" PRId64,
            a->in->lots->keys[i], peak - begin->on_hand, peak, begin->on_hand);
    }
}

static bool run_steps(struct audit *a)
{
    struct sale_account sale;
    bool teams = a->in->mix->teams.size > 0;
    return audit_reservations(a) && (teams ? audit_teams(a, &sale) : audit_orders(a)) &&
           audit_lots(a) && (!teams || audit_sale(a, &sale)) && audit_probes(a);
}

void audit_run(const struct audit_input *in, struct audit_result *out)
{
    *out = (struct audit_result){0};
    struct audit a = {
        .in = in,
        .out = out,
        .started_ns = clock_monotonic_ns(),
        .lots = calloc(in->lots->count ? in->lots->count : 1, sizeof(*a.lots)),
        .await_expiry = in->mix->expire_ms <= EXPIRY_WAIT_MAX_MS,
    };
    assert(in->book_count < BOOKS_MAX);
    if (a.lots)
        out->complete = run_steps(&a);
    else
        audit_give_up(&a, "out of memory");
    if (a.lots && !out->complete)
        judge_peaks(&a);
    for (uint32_t i = 0; a.lots && i < in->lots->count; i++) {
        out->oversold += a.lots[i].oversold;
        out->undersold += a.lots[i].undersold;
    }
    for (uint32_t i = 0; i < a.note_count; i++)
        add_finding(out, a.notes[i]);
    free(a.lots);
}
