/* Traffic models: options to a plan.
 *
 * Happy path: the options that the model uses are checked, its stages are allocated at once and
 * filled in their order. Models of several stages are tables of percentages, from which the text of
 * model_text() is made, too.
 *
 * Failure modes: an option out of range (TLY_EINVALID_ARGUMENT, its name in error.field) and memory
 * (TLY_ENO_MEMORY). The plan is then empty.
 */
#include "loadgen/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_NS   1e9
#define PLAN_NS_MIN (PLAN_MS_MIN * UINT64_C(1000000))
#define PLAN_NS_MAX (PLAN_DAYS_MAX * UINT64_C(86400000000000))

/* In steps: 0.1 to 0.7 by 0.1 is six steps, whatever 0.6 / 0.1 comes to. */
#define STEP_ROUNDING 1e-9

/* name; percent: of the time, of the rate at the begin and at the end, look-ups of the calls */
#define FLASH_SALE(X)                                                                              \
    X("quiet", 15, 2, 2, 100)                                                                      \
    X("countdown", 20, 5, 40, 100)                                                                 \
    X("opening", 15, 100, 100, 10)                                                                 \
    X("sell-out", 20, 100, 50, 20)                                                                 \
    X("tail", 30, 50, 5, 50)

#define GROUP_BUY(X)                                                                               \
    X("countdown", 25, 5, 40, 90)                                                                  \
    X("opening", 20, 100, 100, 10)                                                                 \
    X("filling", 30, 60, 20, 30)                                                                   \
    X("closing", 25, 5, 5, 100)

/* name, percent of the rate at its begin, what follows in the text */
#define DIURNAL(X)                                                                                 \
    X("00:00", 24, ", ")                                                                           \
    X("01:00", 15, ", ")                                                                           \
    X("02:00", 10, ", ")                                                                           \
    X("03:00", 8, ", ")                                                                            \
    X("04:00", 8, ",\n  ")                                                                         \
    X("05:00", 11, ", ")                                                                           \
    X("06:00", 18, ", ")                                                                           \
    X("07:00", 29, ", ")                                                                           \
    X("08:00", 40, ", ")                                                                           \
    X("09:00", 49, ",\n  ")                                                                        \
    X("10:00", 56, ", ")                                                                           \
    X("11:00", 63, ", ")                                                                           \
    X("12:00", 76, ", ")                                                                           \
    X("13:00", 72, ", ")                                                                           \
    X("14:00", 61, ",\n  ")                                                                        \
    X("15:00", 57, ", ")                                                                           \
    X("16:00", 59, ", ")                                                                           \
    X("17:00", 66, ", ")                                                                           \
    X("18:00", 77, ", ")                                                                           \
    X("19:00", 91, ",\n  ")                                                                        \
    X("20:00", 100, ", ")                                                                          \
    X("21:00", 95, ", ")                                                                           \
    X("22:00", 71, ", ")                                                                           \
    X("23:00", 43, ".\n")

#define HEARTBEAT_LOOKS 90 /* percent of the calls */
#define DIURNAL_LOOKS   70

#define DIGITS(number)  #number
#define PERCENT(number) DIGITS(number) " %"

#define STEADY_TEXT     "--rate new orders a second for --duration, in one stage.\n"

#define STAIRCASE_TEXT                                                                             \
    "--from new orders a second, then --step more after every --every, up to and\n"                \
    "including --to (the last step may be a smaller one). A stage is named by its\n"               \
    "rate: \"1200/s\". The steps say how long it lasts; --duration is not used.\n"

#define FLASH_LINE(name, time, begin, end, looks)                                                  \
    "  " name ": " #time " % of the time, from " #begin " % to " #end " % of the rate, " #looks    \
    " % look-ups\n"
#define FLASH_SALE_TEXT                                                                            \
    "Five stages that share --duration; --rate is the peak. Some calls look the lot\n"             \
    "up (GetLot), the others are new orders. The opening comes at once:\n" FLASH_SALE(FLASH_LINE)

#define HEARTBEAT_SHARE PERCENT(HEARTBEAT_LOOKS)
#define HEARTBEAT_TEXT                                                                             \
    "Each of --connections calls once in every --period, for --duration, each in its\n"            \
    "own phase: the rate is connections / period, arrivals are always uniform. Of the\n"           \
    "calls " HEARTBEAT_SHARE " are look-ups (GetLot), the others new orders.\n"

#define SIGNALLING_TEXT                                                                            \
    "--rate sessions a second for --duration, which begin in bursts of --burst at one\n"           \
    "instant. A session is Reserve, Confirm, Refund of one order, each sent as\n"                  \
    "soon as the one before it is answered: up to three calls for each of --rate.\n"

#define DIURNAL_HOUR(name, percent, after) name " " #percent " %" after
#define DIURNAL_SHARE                      PERCENT(DIURNAL_LOOKS)
#define DIURNAL_TEXT                                                                               \
    "A day of 24 stages of equal length in --duration; --rate is the peak. Of the\n"               \
    "calls " DIURNAL_SHARE " are look-ups (GetLot), the others new orders. The rate on the\n"      \
    "hour, from where it goes in a straight line to the next:\n"                                   \
    "  " DIURNAL(DIURNAL_HOUR)

#define GROUP_BUY_TEXT                                                                             \
    "Four stages that share --duration; --rate is the peak. A sale opens when the\n"               \
    "countdown is over. Some calls look the sale up (GetSale), the others are orders,\n"           \
    "in the countdown of buyers who come too early and try again at the opening:\n" GROUP_BUY(     \
        FLASH_LINE) "Orders are of teams of --group-size. The first opens a group (OpenGroup), "   \
                    "the\n"                                                                        \
                    "others join it, and each pays after --think: --pay of the teams as they "     \
                    "should,\n"                                                                    \
                    "--cancel of them after a member has left and another has come. Of the rest "  \
                    "one\n"                                                                        \
                    "third stays a member short, in one a member does not pay, in one the last\n"  \
                    "payment is sent at the end of --group-window. In every fifth team a buyer "   \
                    "wants\n"                                                                      \
                    "more than --user-limit, at every fifth full group one more wants to join.\n"

static const struct {
    const char *name, *help, *text;
} models[] = {
#define X(id, name, help) [MODEL_##id] = {name, help, id##_TEXT},
    MODELS(X)
#undef X
};

struct part {
    const char *name;
    uint32_t time, begin, end, looks; /* percent */
};

#define X(name, time, begin, end, looks) {name, time, begin, end, looks},
static const struct part flash_stages[] = {FLASH_SALE(X)};
static const struct part group_stages[] = {GROUP_BUY(X)};
#undef X

static const struct hour {
    const char *name;
    uint32_t percent;
} hours[] = {
#define X(name, percent, after) {name, percent},
    DIURNAL(X)
#undef X
};

enum {
    FLASH_COUNT = sizeof flash_stages / sizeof flash_stages[0],
    GROUP_COUNT = sizeof group_stages / sizeof group_stages[0],
    HOUR_COUNT = sizeof hours / sizeof hours[0]
};

const char *model_name(enum model m)
{
    return models[m].name;
}

const char *model_help(enum model m)
{
    return models[m].help;
}

const char *model_text(enum model m)
{
    return models[m].text;
}

bool model_parse(const char *text, enum model *out)
{
    for (size_t i = 0; i < MODEL_COUNT; i++) {
        if (strcmp(models[i].name, text) == 0) {
            *out = (enum model)i;
            return true;
        }
    }
    return false;
}

static int check_rate(const char *option, double rate, struct error *e)
{
    if (rate > 0 && rate <= RATE_MAX)
        return 0;
    return error_set(e, TLY_EINVALID_ARGUMENT, option,
                     "%.10g calls a second: must be more than 0 and at most %d", rate, RATE_MAX);
}

static int check_time(const char *option, uint64_t ns, struct error *e)
{
    if (ns >= PLAN_NS_MIN && ns <= PLAN_NS_MAX)
        return 0;
    return error_set(e, TLY_EINVALID_ARGUMENT, option,
                     "%.10g s: must be at least 0.001 s and at most %d days",
                     (double)ns / SECOND_NS, PLAN_DAYS_MAX);
}

static int check_rate_and_duration(const struct model_options *o, struct error *e)
{
    int rc = check_rate("rate", o->rate, e);
    return rc ? rc : check_time("duration", o->duration_ns, e);
}

static int stages_make(struct plan *p, size_t count, struct error *e)
{
    p->stages = calloc(count, sizeof *p->stages);
    if (!p->stages)
        return error_set(e, TLY_ENO_MEMORY, "", "no memory for a plan of %zu stages", count);
    return 0;
}

/* The next stage, from where the last one ended to `end_ns`. */
static struct stage *stage_add(struct plan *p, const char *name, uint64_t end_ns, double rate_begin,
                               double rate_end)
{
    struct stage *t = &p->stages[p->stage_count++];
    snprintf(t->name, sizeof t->name, "%s", name);
    t->begin_ns = p->duration_ns;
    t->duration_ns = end_ns - p->duration_ns;
    t->rate_begin = rate_begin;
    t->rate_end = rate_end;
    t->burst = 1;
    p->duration_ns = end_ns;
    return t;
}

static uint64_t part_of(uint64_t whole, uint32_t parts, uint32_t of)
{
    return whole / of * parts + whole % of * parts / of;
}

static int steady_init(struct plan *p, const struct model_options *o, struct error *e)
{
    int rc = check_rate_and_duration(o, e);
    if (rc == 0)
        rc = stages_make(p, 1, e);
    if (rc == 0)
        stage_add(p, model_name(o->model), o->duration_ns, o->rate, o->rate);
    return rc;
}

static int staircase_check(const struct model_options *o, struct error *e)
{
    int rc = check_rate("from", o->from, e);
    if (rc == 0)
        rc = check_rate("to", o->to, e);
    if (rc == 0)
        rc = check_rate("step", o->step, e);
    if (rc == 0)
        rc = check_time("every", o->every_ns, e);
    if (rc)
        return rc;
    if (o->to < o->from)
        return error_set(e, TLY_EINVALID_ARGUMENT, "to",
                         "%.10g calls a second: must be at least where it starts from, %.10g",
                         o->to, o->from);
    return 0;
}

static int staircase_init(struct plan *p, const struct model_options *o, struct error *e)
{
    int rc = staircase_check(o, e);
    if (rc)
        return rc;
    double steps = ceil((o->to - o->from) / o->step - STEP_ROUNDING);
    if (steps + 1 > STAGES_MAX)
        return error_set(
            e, TLY_EINVALID_ARGUMENT, "step",
            "from %.10g to %.10g by %.10g is more than %d stages: must be at least %.10g", o->from,
            o->to, o->step, STAGES_MAX, (o->to - o->from) / (STAGES_MAX - 1));
    size_t count = (size_t)steps + 1;
    uint64_t every_ns_max = PLAN_NS_MAX / count;
    if (o->every_ns > every_ns_max)
        return error_set(e, TLY_EINVALID_ARGUMENT, "every",
                         "%zu stages of %.10g s are more than %d days: must be at most %.10g s",
                         count, (double)o->every_ns / SECOND_NS, PLAN_DAYS_MAX,
                         (double)every_ns_max / SECOND_NS);
    rc = stages_make(p, count, e);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        double rate = i + 1 == count ? o->to : o->from + (double)i * o->step;
        char name[STAGE_NAME_SIZE];
        snprintf(name, sizeof name, "%.10g/s", rate);
        stage_add(p, name, (i + 1) * o->every_ns, rate, rate);
    }
    return rc;
}

static int parts_init(struct plan *p, const struct model_options *o, const struct part *parts,
                      size_t count, struct error *e)
{
    int rc = check_rate_and_duration(o, e);
    if (rc == 0)
        rc = stages_make(p, count, e);
    uint32_t passed = 0; /* percent */
    for (size_t i = 0; rc == 0 && i < count; i++) {
        const struct part *f = &parts[i];
        passed += f->time;
        stage_add(p, f->name, part_of(o->duration_ns, passed, 100), o->rate * f->begin / 100,
                  o->rate * f->end / 100)
            ->look_share = f->looks / 100.0;
    }
    return rc;
}

static int group_buy_init(struct plan *p, const struct model_options *o, struct error *e)
{
    int rc = parts_init(p, o, group_stages, GROUP_COUNT, e);
    if (rc)
        return rc;
    p->teams = true;
    p->opens_ns = p->stages[1].begin_ns;
    return 0;
}

static int heartbeat_init(struct plan *p, const struct model_options *o, struct error *e)
{
    int rc = check_time("period", o->period_ns, e);
    if (rc == 0)
        rc = check_time("duration", o->duration_ns, e);
    if (rc)
        return rc;
    if (o->connections < 1)
        return error_set(e, TLY_EINVALID_ARGUMENT, "connections",
                         "0 connections: must be at least 1");
    double rate = o->connections / ((double)o->period_ns / SECOND_NS);
    if (rate > RATE_MAX)
        return error_set(e, TLY_EINVALID_ARGUMENT, "period",
                         "%u connections, each every %.10g s, are more than %d calls a second: "
                         "must be at least %.10g s",
                         o->connections, (double)o->period_ns / SECOND_NS, RATE_MAX,
                         (double)o->connections / RATE_MAX);
    rc = stages_make(p, 1, e);
    if (rc)
        return rc;
    stage_add(p, model_name(o->model), o->duration_ns, rate, rate)->look_share =
        HEARTBEAT_LOOKS / 100.0;
    p->phased = true;
    p->connections = o->connections;
    return 0;
}

static int signalling_init(struct plan *p, const struct model_options *o, struct error *e)
{
    int rc = check_rate_and_duration(o, e);
    if (rc)
        return rc;
    if (o->burst < 1 || o->burst > BURST_MAX)
        return error_set(e, TLY_EINVALID_ARGUMENT, "burst", "%u sessions: must be 1 to %d",
                         o->burst, BURST_MAX);
    rc = stages_make(p, 1, e);
    if (rc)
        return rc;
    stage_add(p, model_name(o->model), o->duration_ns, o->rate, o->rate)->burst = o->burst;
    p->sessions = true;
    return 0;
}

static int diurnal_init(struct plan *p, const struct model_options *o, struct error *e)
{
    int rc = check_rate_and_duration(o, e);
    if (rc == 0)
        rc = stages_make(p, HOUR_COUNT, e);
    for (uint32_t i = 0; rc == 0 && i < HOUR_COUNT; i++) {
        stage_add(p, hours[i].name, part_of(o->duration_ns, i + 1, HOUR_COUNT),
                  o->rate * hours[i].percent / 100,
                  o->rate * hours[(i + 1) % HOUR_COUNT].percent / 100)
            ->look_share = DIURNAL_LOOKS / 100.0;
    }
    return rc;
}

int plan_init(struct plan *p, const struct model_options *o, struct error *e)
{
    *p = (struct plan){0};
    switch (o->model) {
    case MODEL_STEADY:
        return steady_init(p, o, e);
    case MODEL_STAIRCASE:
        return staircase_init(p, o, e);
    case MODEL_FLASH_SALE:
        return parts_init(p, o, flash_stages, FLASH_COUNT, e);
    case MODEL_HEARTBEAT:
        return heartbeat_init(p, o, e);
    case MODEL_SIGNALLING:
        return signalling_init(p, o, e);
    case MODEL_DIURNAL:
        return diurnal_init(p, o, e);
    case MODEL_GROUP_BUY:
        return group_buy_init(p, o, e);
    case MODEL_COUNT:
        break;
    }
    return error_set(e, TLY_EINVALID_ARGUMENT, "model", "there is no such model");
}

void plan_close(struct plan *p)
{
    free(p->stages);
    *p = (struct plan){0};
}

size_t plan_stage_at(const struct plan *p, uint64_t at_ns)
{
    size_t first = 0, last = p->stage_count; /* the first stage that ends after at_ns */
    while (first < last) {
        size_t middle = first + (last - first) / 2;
        const struct stage *t = &p->stages[middle];
        if (at_ns >= t->begin_ns + t->duration_ns)
            first = middle + 1;
        else
            last = middle;
    }
    return first;
}
