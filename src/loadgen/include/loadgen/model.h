/* model.h - traffic models: how many calls a second are due, and of what kind, as a list of stages.
 *
 * A stage lasts a while; its rate goes in a straight line from rate_begin to rate_end. Models are
 * declared in one table (MODELS) with the text that --help and docs/bench.md print. A plan is built
 * once before the run and only read during it.
 */
#ifndef TALLY_LOADGEN_MODEL_H
#define TALLY_LOADGEN_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "loadgen/random.h"

/* name in C, name for the user, help (one line) */
#define MODELS(X)                                                                                  \
    X(STEADY, "steady", "one rate from beginning to end")                                          \
    X(STAIRCASE, "staircase", "a rate that steps from --from to --to: where does it break?")       \
    X(FLASH_SALE, "flash-sale",                                                                    \
      "quiet, a countdown of look-ups, a spike at the opening, sell-out, a long tail of refusals") \
    X(HEARTBEAT, "heartbeat", "every connection calls at a fixed period, in its own phase")        \
    X(SIGNALLING, "signalling", "bursts of sessions: reserve, confirm, refund, one after another") \
    X(DIURNAL, "diurnal",                                                                          \
      "a shop's day in --duration: night, a bump at lunch, the evening's peak")                    \
    X(GROUP_BUY, "group-buy",                                                                      \
      "a sale of groups: the countdown, the rush at its opening, teams that pay and teams that "   \
      "fail")

enum model {
#define X(name, text, help) MODEL_##name,
    MODELS(X)
#undef X
        MODEL_COUNT
};

enum arrivals { ARRIVALS_POISSON, ARRIVALS_UNIFORM };

enum {
    STAGES_MAX = 4096,
    STAGE_NAME_SIZE = 24,
    RATE_MAX = 100000000, /* calls a second */
    BURST_MAX = 100000,
    PLAN_MS_MIN = 1,
    PLAN_DAYS_MAX = 30,
};

struct stage {
    char name[STAGE_NAME_SIZE]; /* "opening", "1200/s" */
    uint64_t begin_ns;          /* since the start of the run */
    uint64_t duration_ns;
    double rate_begin, rate_end; /* calls due a second, of all threads together */
    double look_share;           /* of those, GetLot instead of a new order: 0 to 1 */
    uint32_t burst;              /* arrivals come in groups of this many; 1: singly */
};

struct model_options {
    enum model model;
    double rate;           /* calls a second; the peak for flash-sale, diurnal and group-buy;
                            * sessions a second for signalling */
    uint64_t duration_ns;  /* all but staircase */
    double from, to, step; /* staircase, calls a second; step > 0 */
    uint64_t every_ns;     /* staircase: how long each step lasts */
    uint64_t period_ns;    /* heartbeat: of each connection */
    uint32_t connections;  /* heartbeat: rate = connections / period */
    uint32_t burst;        /* signalling: sessions in a burst */
};

struct plan {
    struct stage *stages;
    size_t stage_count;
    uint64_t duration_ns;
    bool sessions; /* signalling: each order is confirmed, then refunded, as soon as it can be */
    bool phased; /* heartbeat: a thread's call k goes to its connection k modulo its connections */
    bool teams;  /* group-buy: orders are those of teams.h, look-ups are of the sale */
    uint64_t opens_ns;    /* group-buy: the sale opens so long after the start */
    uint32_t connections; /* phased: of all threads, each with its thread_share() */
};

const char *model_name(enum model m);
const char *model_help(enum model m);
/* What exactly it does, its stages in numbers: lines of at most 80 columns, each ended. */
const char *model_text(enum model m);
/* False if there is no such model. */
bool model_parse(const char *text, enum model *out);

/* TLY_EINVALID_ARGUMENT names the option at fault; more than STAGES_MAX stages is one, too. */
int plan_init(struct plan *p, const struct model_options *o, struct error *e) MUST_CHECK;
void plan_close(struct plan *p);
/* The stage at a time since the start; stage_count at and after the end. */
size_t plan_stage_at(const struct plan *p, uint64_t at_ns);

/* One thread's part of `whole` connections: the first threads take one more, if need be. */
uint32_t thread_share(uint32_t whole, uint32_t thread, uint32_t threads);

/* Due times of one thread's share of a plan (a `threads`-th of each rate; for Poisson arrivals
 * these are independent streams that add up to the plan's; uniform ones take turns). Inverse of the
 * integrated rate, so ramps are exact and a rate of 0 is simply silent. The last stage's arrivals
 * are those of its rate, no more: what is left of a gap at the end is dropped.
 *
 * A phased plan's arrivals are uniform whatever is asked for, and a thread's share is that of its
 * connections, so each connection's calls are exactly a period apart. */
struct schedule {
    const struct plan *plan;
    bool poisson;
    double share; /* of the plan's rates */
    struct random random;
    size_t stage;
    /* Of the stage, in this thread's groups of `burst` arrivals: rate at its begin, in groups a ns;
     * change of the rate, in groups a ns a ns; groups in all. */
    double rate, slope, groups;
    double next;       /* the next group is due when so many groups of the stage are */
    uint32_t in_burst; /* arrivals still to come at the same time */
    uint64_t due_ns;
};

void schedule_init(struct schedule *s, const struct plan *p, enum arrivals arrivals, uint64_t seed,
                   uint32_t thread, uint32_t threads);
/* The next due time since the start of the run, never before the last one; UINT64_MAX after the
 * end. *stage is the stage it belongs to (at the end, stage_count). */
uint64_t schedule_next(struct schedule *s, size_t *stage);

#endif
