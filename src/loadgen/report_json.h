/* report_json.h - the shape of a report's JSON file, which docs/bench-report.schema.json describes:
 * names that its writer and its reader share. */
#ifndef TALLY_LOADGEN_REPORT_JSON_H
#define TALLY_LOADGEN_REPORT_JSON_H

#include <stddef.h>

#include "loadgen/report.h"

#define REPORT_FORMAT "tally-bench-report"
enum { REPORT_FORMAT_VERSION = 1, DISTRIBUTION_POINTS_MAX = 400 };

/* JSON name, member of struct latency */
#define LATENCY_FIELDS(X)                                                                          \
    X("mean_ms", mean)                                                                             \
    X("p50_ms", p50)                                                                               \
    X("p90_ms", p90)                                                                               \
    X("p95_ms", p95)                                                                               \
    X("p99_ms", p99)                                                                               \
    X("p999_ms", p999)                                                                             \
    X("p9999_ms", p9999)                                                                           \
    X("max_ms", max)

/* Members of struct report_point that are numbers of the same name; a latency is null in a second
 * without an answer. */
#define POINT_FIELDS(X)                                                                            \
    X(at_s)                                                                                        \
    X(offered_per_s)                                                                               \
    X(achieved_per_s)                                                                              \
    X(accepted_per_s)                                                                              \
    X(refused_per_s)                                                                               \
    X(errors_per_s)                                                                                \
    X(p50_ms)                                                                                      \
    X(p99_ms)                                                                                      \
    X(max_ms)

/* Members of struct audit_result that are integers of the same name: those of any model, those of a
 * sale of groups, which older files do not have. */
#define AUDIT_FIELDS(X)                                                                            \
    X(oversold)                                                                                    \
    X(undersold)                                                                                   \
    X(lost)                                                                                        \
    X(duplicated)                                                                                  \
    X(acknowledged)                                                                                \
    X(looked_up)                                                                                   \
    X(in_doubt)                                                                                    \
    X(in_doubt_held)                                                                               \
    X(refused_checked)                                                                             \
    X(lots_checked)                                                                                \
    X(probed)

#define AUDIT_GROUP_FIELDS(X)                                                                      \
    X(groups_wrong)                                                                                \
    X(limits_broken)                                                                               \
    X(groups_opened)                                                                               \
    X(groups_succeeded)                                                                            \
    X(groups_failed)                                                                               \
    X(groups_refunded)

/* "SOLD_OUT", "TIMED_OUT": the names of enum answer_code. */
const char *answer_json_name(enum answer_code c);

#endif
