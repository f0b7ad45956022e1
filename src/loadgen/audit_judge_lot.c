/* audit_judge_lot.c - one lot: the server's counters, against what the orders hold. Pure.
 *
 * Happy path: reserved + confirmed is what there was before plus what the run's orders hold, it is
 * not above on_hand, and available is the rest.
 *
 * What may be either way (a hold of before the run, one that may just have expired) widens what is
 * right to a range. Of several findings the largest counts, because they may be about the same
 * units: more is held than there is; the server counts less than orders hold, and would sell it
 * again; more was held at one time than there ever was.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "loadgen/audit_internal.h"

struct range {
    int64_t low, high;
};

struct figure {
    const char *name;
    int64_t value;
};

struct finding {
    const char *kind;
    int64_t units;
    char text[VERDICT_TEXT_SIZE];
};

/* Keeps the larger finding: `is` stands against `right`. */
static void worst(struct finding *f, int64_t units, struct figure is, struct figure right)
{
    if (units <= f->units)
        return;
    f->units = units;
    snprintf(f->text, sizeof(f->text), "%s by %" PRId64 ": %s %" PRId64 ", %s %" PRId64, f->kind,
             units, is.name, is.value, right.name, right.value);
}

static int64_t outside(int64_t value, struct range r)
{
    return value < r.low ? r.low - value : value > r.high ? value - r.high : 0;
}

static void judge_oversold(const struct lot_stock *end, struct range held, struct figure peak,
                           int64_t on_hand_max, struct finding *f)
{
    struct figure counted = {"reserved + confirmed", end->reserved + end->confirmed};
    struct figure on_hand = {"on_hand", end->on_hand}, most = {"on_hand", on_hand_max};
    struct figure orders = {"orders hold", held.low}, available = {"available", end->available};
    struct figure left = {"on_hand - reserved - confirmed", end->on_hand - counted.value};
    worst(f, counted.value - on_hand.value, counted, on_hand);
    worst(f, orders.value - on_hand.value, orders, on_hand);
    worst(f, orders.value - counted.value, orders, counted);
    worst(f, peak.value - most.value, peak, most);
    worst(f, available.value - left.value, available, left);
}

static void judge_undersold(const struct lot_stock *end, struct range held, struct finding *f)
{
    struct figure counted = {"reserved + confirmed", end->reserved + end->confirmed};
    struct figure orders = {"orders hold", held.high}, available = {"available", end->available};
    struct figure left = {"on_hand - reserved - confirmed", end->on_hand - counted.value};
    worst(f, counted.value - orders.value, counted, orders);
    worst(f, left.value - available.value, available, left);
}

void audit_judge_lot(const struct lot_stock *begin, const struct lot_account *account,
                     int64_t held_peak, bool holds_last, struct lot_verdict *out)
{
    const struct lot_stock *end = &account->end;
    struct range confirmed = {begin->confirmed + account->confirmed,
                              begin->confirmed + begin->reserved + account->confirmed +
                                  account->spare};
    struct range all = {confirmed.low + (holds_last ? account->pending : 0),
                        confirmed.high + account->pending + account->perhaps};
    struct figure peak = {"held at one time", begin->confirmed + held_peak};
    int64_t on_hand_max = begin->on_hand > end->on_hand ? begin->on_hand : end->on_hand;
    struct finding over = {.kind = "oversold"}, under = {.kind = "undersold"};
    *out = (struct lot_verdict){.adjusted = begin->on_hand != end->on_hand};
    judge_oversold(end, all, peak, on_hand_max, &over);
    judge_undersold(end, all, &under);
    /* The right number in all, and yet not of the right kind. */
    if (over.units == 0 && under.units == 0) {
        struct figure is = {"confirmed", end->confirmed};
        struct figure right = {"paid", is.value < confirmed.low ? confirmed.low : confirmed.high};
        worst(&under, outside(is.value, confirmed), is, right);
    }
    out->oversold = over.units;
    out->undersold = under.units;
    memcpy(out->over_text, over.text, sizeof(over.text));
    memcpy(out->under_text, under.text, sizeof(under.text));
}
