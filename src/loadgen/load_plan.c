/* load_plan.c - what a model is run with when the user does not say. */
#include "loadgen/load_plan.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "loadgen/target_sale.h"

enum { UNITS_PLENTY = 1000000000 };

struct load_mix load_mix_of(enum model m)
{
    switch (m) {
    case MODEL_FLASH_SALE:
        return (struct load_mix){.pay = 0.6, .cancel = 0.1, .expire = 0.05, .retry = 0.05, 1000};
    case MODEL_DIURNAL:
    case MODEL_HEARTBEAT:
        return (struct load_mix){.pay = 0.7, .cancel = 0.1, .expire = 0.05, .retry = 0.01, 1000};
    case MODEL_GROUP_BUY: /* shares of teams; see load_options_complete() for the time to think */
        return (struct load_mix){.pay = 0.6, .cancel = 0.1, .retry = 0.05};
    case MODEL_STEADY:
    case MODEL_STAIRCASE:
    case MODEL_SIGNALLING:
    case MODEL_COUNT:
        break;
    }
    return (struct load_mix){0};
}

static int check_shares(const struct load_options *o, struct error *e)
{
    const struct {
        const char *name;
        double value;
    } shares[] = {{"pay", o->pay},
                  {"cancel", o->cancel},
                  {"expire", o->expire},
                  {"retry", o->retry},
                  {"look", o->look}};
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++)
        if (shares[i].value > 1)
            return error_set(e, TLY_EINVALID_ARGUMENT, shares[i].name,
                             "is %.4g %%; a share is 0 to 100 %%", 100 * shares[i].value);
    if (o->pay + o->cancel + o->expire > 1 + 1e-9)
        return error_set(e, TLY_EINVALID_ARGUMENT, "pay",
                         "paid, cancelled and expiring orders are %.4g %% of all; together they "
                         "may be at most 100 %%",
                         100 * (o->pay + o->cancel + o->expire));
    return 0;
}

static int check_batch(const struct load_options *o, struct error *e)
{
    if (o->batch <= 1)
        return 0;
    if (o->pay + o->cancel + o->expire + o->retry > 0 || o->model.model == MODEL_SIGNALLING)
        return error_set(e, TLY_EINVALID_ARGUMENT, "batch",
                         "orders of a batch are only reserved: leave out paying, cancelling, "
                         "expiring and retrying");
    return 0;
}

enum {
    GROUP_SIZE = 3,
    GROUP_SIZE_MAX = 1000,
    WINDOW_PART = 5, /* of the duration: the last teams' windows end within the run */
    THINK_PART = 4,  /* of the window */
};

static int complete_teams(struct load_options *o, struct error *e)
{
    if (o->model.model != MODEL_GROUP_BUY)
        return 0;
    if (!o->group_size)
        o->group_size = GROUP_SIZE;
    if (!o->group_window_ms)
        o->group_window_ms = (uint32_t)(o->model.duration_ns / 1000000u / WINDOW_PART);
    if (!o->user_limit)
        o->user_limit = o->quantity_max;
    if (o->think_ms == UINT32_MAX)
        o->think_ms = o->group_window_ms / THINK_PART;
    if (o->group_size < 2 || o->group_size > GROUP_SIZE_MAX)
        return error_set(e, TLY_EINVALID_ARGUMENT, "group-size", "%u places: must be 2 to %d",
                         o->group_size, GROUP_SIZE_MAX);
    if (!o->group_window_ms)
        return error_set(e, TLY_EINVALID_ARGUMENT, "group-window", "must be at least 1 ms");
    if (o->user_limit < o->quantity_max)
        return error_set(e, TLY_EINVALID_ARGUMENT, "user-limit",
                         "%u units, and an order may be of %u: must be at least as many",
                         o->user_limit, o->quantity_max);
    if (o->expire > 0)
        return error_set(e, TLY_EINVALID_ARGUMENT, "expire",
                         "goes not with group-buy: unpaid orders end with their groups");
    if (o->batch > 1)
        return error_set(e, TLY_EINVALID_ARGUMENT, "batch",
                         "goes not with group-buy: its orders are sent one by one");
    if (o->lot_count > SALE_LOTS_MAX)
        return error_set(e, TLY_EINVALID_ARGUMENT, "lots", "%u lots: a sale has at most %d",
                         o->lot_count, SALE_LOTS_MAX);
    return 0;
}

static void complete_share(double *share, double usual)
{
    if (*share < 0)
        *share = usual;
}

int load_options_complete(struct load_options *o, struct error *e)
{
    struct load_mix usual = load_mix_of(o->model.model);
    if (o->batch > 1)
        usual = (struct load_mix){0};
    complete_share(&o->pay, usual.pay);
    complete_share(&o->cancel, usual.cancel);
    complete_share(&o->expire, usual.expire);
    complete_share(&o->retry, usual.retry);
    int wrong = complete_teams(o, e);
    if (wrong)
        return wrong;
    if (o->think_ms == UINT32_MAX)
        o->think_ms = usual.think_ms;
    o->model.connections = o->connections;
    if (o->threads > o->connections)
        return error_set(e, TLY_EINVALID_ARGUMENT, "threads",
                         "%u threads for %u connections: each thread needs one", o->threads,
                         o->connections);
    if (o->closed && o->model.model != MODEL_STEADY)
        return error_set(e, TLY_EINVALID_ARGUMENT, "closed",
                         "a closed loop has no rate to follow: it goes with the model steady only");
    if (o->until_broken && o->model.model != MODEL_STAIRCASE)
        return error_set(e, TLY_EINVALID_ARGUMENT, "until-broken",
                         "goes with the model staircase only");
    if (o->until_broken && (o->batch > 1 || o->pay + o->cancel + o->retry > 0))
        return error_set(e, TLY_EINVALID_ARGUMENT, "until-broken",
                         "looks at new orders alone: leave out --batch, --pay, --cancel and "
                         "--retry");
    int failed = check_shares(o, e);
    return failed ? failed : check_batch(o, e);
}

double load_orders_expected(const struct plan *p, double look)
{
    double orders = 0;
    for (size_t i = 0; i < p->stage_count; i++) {
        const struct stage *s = &p->stages[i];
        double calls = (s->rate_begin + s->rate_end) / 2 * (double)s->duration_ns / 1e9;
        orders += calls * (1 - (look < 0 ? s->look_share : look));
    }
    return orders;
}

/* Units that orders ask for once the sale is open. */
static double units_wanted(const struct load_options *o, const struct plan *p)
{
    double orders = 0;
    for (size_t i = 0; i < p->stage_count; i++) {
        const struct stage *s = &p->stages[i];
        double calls = (s->rate_begin + s->rate_end) / 2 * (double)s->duration_ns / 1e9;
        if (s->begin_ns >= p->opens_ns)
            orders += calls * (1 - (o->look < 0 ? s->look_share : o->look));
    }
    return orders * (1 + o->quantity_max) / 2;
}

struct team_terms load_teams(const struct load_options *o, const struct plan *p)
{
    if (!p->teams)
        return (struct team_terms){0};
    struct team_terms t = {.size = o->group_size,
                           .user_limit = o->user_limit,
                           .window_ms = o->group_window_ms,
                           .total_limit = o->total_limit};
    /* Two thirds of what is asked for: it sells out, and what failed groups give back is sold. */
    if (t.total_limit < 0)
        t.total_limit = (int64_t)ceil(units_wanted(o, p) * 2 / 3) + o->group_size;
    return t;
}

int64_t load_units(const struct load_options *o, const struct plan *p)
{
    if (o->units >= 0)
        return o->units;
    if (o->model.model == MODEL_GROUP_BUY) { /* the sale gets four fifths of what there is */
        int64_t total = load_teams(o, p).total_limit;
        return total ? (total + total / 4) / o->lot_count + 1 : UNITS_PLENTY;
    }
    if (o->model.model != MODEL_FLASH_SALE)
        return UNITS_PLENTY;
    /* Half of what is asked for: it sells out while the sale is at its height. */
    double units = load_orders_expected(p, o->look) * o->batch * (1 + o->quantity_max) / 2 / 2;
    units /= o->lot_count;
    return units < 1 ? 1 : (int64_t)ceil(units);
}

static void setting(struct report *r, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void setting(struct report *r, const char *name, const char *format, ...)
{
    if (r->setting_count == REPORT_ENTRIES_MAX)
        return;
    struct report_entry *s = &r->settings[r->setting_count++];
    va_list args;
    va_start(args, format);
    snprintf(s->name, sizeof s->name, "%s", name);
    vsnprintf(s->value, sizeof s->value, format, args);
    va_end(args);
}

static const char *choice_name(enum choice_kind k)
{
    return k == CHOICE_ONE ? "one" : k == CHOICE_UNIFORM ? "uniform" : "zipf";
}

static void describe_model(struct report *r, const struct load_options *o)
{
    const struct model_options *m = &o->model;
    setting(r, "model", "%s", model_name(m->model));
    if (o->closed) {
        setting(r, "loop", "closed: the next call as soon as one is answered");
    } else {
        setting(r, "loop", "open: calls are due at their times, latency counts from then");
        setting(r, "arrivals", "%s",
                o->arrivals == ARRIVALS_UNIFORM || m->model == MODEL_HEARTBEAT ? "uniform"
                                                                               : "Poisson");
    }
    if (m->model == MODEL_STAIRCASE) {
        setting(r, "from", "%.10g/s", m->from);
        setting(r, "to", "%.10g/s", m->to);
        setting(r, "step", "%.10g/s", m->step);
        setting(r, "every", "%.10g s", (double)m->every_ns / 1e9);
        return;
    }
    if (m->model == MODEL_HEARTBEAT)
        setting(r, "period", "%.10g s", (double)m->period_ns / 1e9);
    else if (!o->closed)
        setting(r, "rate", "%.10g/s", m->rate);
    if (m->model == MODEL_SIGNALLING)
        setting(r, "burst", "%u", m->burst);
    setting(r, "duration", "%.10g s", (double)m->duration_ns / 1e9);
}

static void describe_teams(struct report *r, const struct load_options *o, const struct plan *p)
{
    struct team_terms t = load_teams(o, p);
    if (!t.size)
        return;
    setting(r, "groups", "of %u, within %u ms", t.size, t.window_ms);
    setting(r, "user_limit", "%u units", t.user_limit);
    if (t.total_limit)
        setting(r, "total_limit", "%" PRId64 " units", t.total_limit);
}

void load_describe(struct report *r, const struct load_options *o, const struct plan *p,
                   int64_t units)
{
    setting(r, "target", "%s", o->target);
    setting(r, "protocol", "%s", o->http ? "http" : "grpc");
    describe_model(r, o);
    setting(r, "connections", "%u", o->connections);
    setting(r, "streams", "%u", o->streams);
    setting(r, "threads", "%u", o->threads);
    setting(r, "timeout", "%u ms", o->timeout_ms);
    setting(r, "lots", "%u%s", o->lot_count, o->lot_keys ? " that were there" : "");
    if (!o->lot_keys)
        setting(r, "units", "%" PRId64 " in each lot", units);
    setting(r, "lot_choice", "%s", choice_name(o->choice));
    if (o->choice == CHOICE_ZIPF)
        setting(r, "zipf_exponent", "%.4g", o->zipf_exponent);
    describe_teams(r, o, p);
    if (o->batch > 1)
        setting(r, "batch", "%u orders in a call; figures count orders", o->batch);
    setting(r, "quantity", "1 to %u", o->quantity_max);
    if (o->look >= 0)
        setting(r, "look", "%.4g %%", 100 * o->look);
    setting(r, "pay", "%.4g %%", 100 * o->pay);
    setting(r, "cancel", "%.4g %%", 100 * o->cancel);
    setting(r, "expire", "%.4g %%", 100 * o->expire);
    setting(r, "retry", "%.4g %%", 100 * o->retry);
    if (o->expire > 0)
        setting(r, "expire_after", "%u ms", o->expire_ms);
    if (o->hold_ms)
        setting(r, "hold", "%u ms", o->hold_ms);
    if (o->calls)
        setting(r, "calls", "%" PRIu64, o->calls);
    setting(r, "look_ups", "at most %" PRIu64, o->look_ups_max);
    setting(r, "think", "%u ms", o->think_ms);
    setting(r, "seed", "%" PRIu64, o->seed);
}
