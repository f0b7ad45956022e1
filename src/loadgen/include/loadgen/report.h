/* report.h - what a run found, and its forms: text, JSON, one HTML page, and the comparison of two.
 *
 * loadgen_run() fills a struct report; the forms only read it. report_read() makes one of a JSON
 * file, without the histograms.
 */
#ifndef TALLY_LOADGEN_REPORT_H
#define TALLY_LOADGEN_REPORT_H

#include <stdint.h>
#include <stdio.h>

#include "loadgen/audit.h"
#include "loadgen/histogram.h"
#include "loadgen/model.h"

/* Milliseconds. */
struct latency {
    double mean, p50, p90, p95, p99, p999, p9999, max;
};
struct latency latency_of(const struct histogram *h);

struct server_usage { /* negative: not told */
    double cpu_share; /* of one core: 1.5 is one and a half */
    double memory_bytes, threads;
};

struct report_stage {
    char name[STAGE_NAME_SIZE];
    double begin_s, duration_s;        /* as it was; an interrupted one is shorter */
    uint64_t offered;                  /* calls that were due in it */
    uint64_t answered;                 /* calls, whenever due, that were answered while it lasted */
    uint64_t codes[ANSWER_CODE_COUNT]; /* of those that were due in it */
    struct latency latency;            /* from due to answered, of those that were due in it */
    struct histogram histogram;
    struct server_usage server;
    uint32_t connections;          /* up, at its end */
    double streams_per_connection; /* calls on their way at once, on average over its ticks */
    uint64_t resets;               /* HTTP/2 streams reset by the server */
};

/* One second. */
struct report_point {
    double at_s;
    uint32_t stage;
    double offered_per_s, achieved_per_s, accepted_per_s, refused_per_s, errors_per_s;
    double p50_ms, p99_ms, max_ms;
    struct server_usage server;
};

enum report_end { END_COMPLETE, END_INTERRUPTED, END_SERVER_GONE };

struct report_entry { /* how it was run, in the order of printing: "connections", "10" */
    char name[32], value[160];
};

enum { REPORT_ENTRIES_MAX = 40 };

struct report {
    char command[512]; /* that repeats it */
    char started_at[32];
    struct report_entry settings[REPORT_ENTRIES_MAX]; /* model, protocol, target, seed, ... */
    uint32_t setting_count;
    struct report_entry machine[8]; /* processor, cores, memory, kernel */
    uint32_t machine_count;
    enum report_end end;
    double ended_at_s;
    char end_text[200]; /* "the server has not answered since 12.3 s: Connection refused" */
    struct report_stage *stages;
    uint32_t stage_count;
    struct report_point *points;
    uint32_t point_count;
    struct histogram histogram; /* of the whole run */
    struct latency latency;
    struct histogram accepted; /* of those calls that were accepted */
    struct audit_result audit;
};

void report_init(struct report *r);
void report_close(struct report *r);

/* Sums of a stage's codes. */
uint64_t stage_accepted(const struct report_stage *s);
uint64_t stage_refused(const struct report_stage *s);
uint64_t stage_errors(const struct report_stage *s);
uint64_t stage_not_served(const struct report_stage *s); /* errors and LIMIT_EXCEEDED */
double stage_offered_per_s(const struct report_stage *s);
double stage_achieved_per_s(const struct report_stage *s);
/* All stages as one, named "all": sums, largest memory, mean processor time. Nothing to close. */
void report_total(const struct report *r, struct report_stage *out);
/* Whether it is about a sale of groups. */
bool report_has_groups(const struct report *r);
/* By name; NULL if there is none. */
const char *report_setting(const struct report *r, const char *name);
/* Of the calls due in a stage: fewer answered, or more that went wrong (errors, and a limit of the
 * server that was reached), and it was not kept up with. */
#define STAGE_KEPT_UP    0.98
#define STAGE_ERRORS_MAX 0.01

/* The first stage of a staircase that was not kept up with: see above. stage_count: none;
 * UINT32_MAX: it is no staircase. */
uint32_t report_breaking_stage(const struct report *r);
const char *report_end_text(enum report_end end); /* "complete", ... */
/* Of a run that ended early: end_text, or what is known without it. */
const char *report_end_reason(const struct report *r);

/* A count that is not zero is WRONG, even in an audit that is not complete. */
enum report_verdict { VERDICT_RIGHT, VERDICT_WRONG, VERDICT_UNKNOWN };
enum report_verdict report_verdict(const struct report *r);

/* 0 or TLY_EIO, TLY_ENO_MEMORY. */
int report_print(const struct report *r, FILE *to, struct error *e) MUST_CHECK;
int report_write_json(const struct report *r, const char *path, struct error *e) MUST_CHECK;
int report_write_html(const struct report *r, const char *path, struct error *e) MUST_CHECK;
/* TLY_EINVALID_ARGUMENT: not such a file; says what is missing. */
int report_read(struct report *r, const char *path, struct error *e) MUST_CHECK;
int report_print_comparison(const struct report *a, const struct report *b, FILE *to,
                            struct error *e) MUST_CHECK;

#endif
