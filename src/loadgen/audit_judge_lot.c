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

#include "loadgen/audit_internal.h"

struct range {
    int64_t low, high;
};

static void worst(int64_t *count, int64_t found, char text[VERDICT_TEXT_SIZE], const char *what,
                  int64_t is, int64_t right)
{
    if (found <= *count)
        return;
    *count = found;
    snprintf(text, VERDICT_TEXT_SIZE, "%s: %" PRId64 ", and %" PRId64, what, is, right);
}

static int64_t outside(int64_t value, struct range r)
{
    return value < r.low ? r.low - value : value > r.high ? value - r.high : 0;
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
    int64_t counted = end->reserved + end->confirmed;
    int64_t on_hand_max = begin->on_hand > end->on_hand ? begin->on_hand : end->on_hand;
    int64_t peak = begin->confirmed + held_peak;
    *out = (struct lot_verdict){.adjusted = begin->on_hand != end->on_hand};

    char over[VERDICT_TEXT_SIZE] = "", under[VERDICT_TEXT_SIZE] = "";
    worst(&out->oversold, counted - end->on_hand, over, "oversold: reserved + confirmed, on_hand",
          counted, end->on_hand);
    worst(&out->oversold, all.low - end->on_hand, over, "oversold: held by orders, on_hand",
          all.low, end->on_hand);
    worst(&out->oversold, all.low - counted, over, "oversold: held by orders, reserved + confirmed",
          all.low, counted);
    worst(&out->oversold, peak - on_hand_max, over, "oversold: held at one time, on_hand", peak,
          on_hand_max);
    worst(&out->oversold, end->available - (end->on_hand - counted), over,
          "oversold: available, on_hand - reserved - confirmed", end->available,
          end->on_hand - counted);

    worst(&out->undersold, counted - all.high, under,
          "undersold: reserved + confirmed, held by orders", counted, all.high);
    worst(&out->undersold, end->on_hand - counted - end->available, under,
          "undersold: available, on_hand - reserved - confirmed", end->available,
          end->on_hand - counted);
    /* The right number in all, and yet not of the right kind. */
    if (out->oversold == 0 && out->undersold == 0)
        worst(&out->undersold, outside(end->confirmed, confirmed), under,
              "undersold: confirmed, paid by orders", end->confirmed,
              end->confirmed < confirmed.low ? confirmed.low : confirmed.high);
    snprintf(out->text, sizeof(out->text), "%s", out->oversold ? over : under);
}
