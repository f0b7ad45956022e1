/* load_plan.h - options completed, checked, and written down for the report. */
#ifndef TALLY_LOADGEN_LOAD_PLAN_H
#define TALLY_LOADGEN_LOAD_PLAN_H

#include "loadgen/loadgen.h"

/* What a model is usually run with; all of it can be set by an option. */
struct load_mix {
    double pay, cancel, expire, retry;
    uint32_t think_ms;
};
struct load_mix load_mix_of(enum model m);

/* Replaces "as the model likes" by numbers and checks what belongs together. TLY_EINVALID_ARGUMENT,
 * with the option's name as the field. */
int load_options_complete(struct load_options *o, struct error *e) MUST_CHECK;

/* How many orders the plan will place. */
double load_orders_expected(const struct plan *p, double look);

/* Units of each lot that is made. */
int64_t load_units(const struct load_options *o, const struct plan *p);

/* Of the sale of groups; all zero if the plan has none. */
struct team_terms load_teams(const struct load_options *o, const struct plan *p);

/* The settings of the run. */
void load_describe(struct report *r, const struct load_options *o, const struct plan *p,
                   int64_t units);

#endif
